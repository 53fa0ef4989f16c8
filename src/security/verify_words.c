/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a certificate, in words that say what to do about it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "security/trust.h"

#define NAMES_MAX 3

struct words {
    char *text;
    size_t size, at;
    bool more;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *words, const char *format, ...)
{
    va_list arguments;
    int n;

    if (words->more && words->at < words->size)
        words->at += (size_t)snprintf(words->text + words->at, words->size - words->at, ", and ");
    words->more = true;
    if (words->at >= words->size)
        return;
    va_start(arguments, format);
    n = vsnprintf(words->text + words->at, words->size - words->at, format, arguments);
    va_end(arguments);
    words->at += n > 0 ? (size_t)n : 0;
}

static void day_of(time_t time, char text[16])
{
    struct tm day;

    if (!gmtime_r(&time, &day) || strftime(text, 16, "%Y-%m-%d", &day) == 0)
        strcpy(text, "?");
}

static void add_time(struct words *words, gnutls_x509_crt_t *chain, unsigned count, bool expired)
{
    time_t now = time(NULL), limit = 0;
    char day[16];
    unsigned i;

    for (i = 0; i < count; i++) {
        limit = expired ? gnutls_x509_crt_get_expiration_time(chain[i]) : gnutls_x509_crt_get_activation_time(chain[i]);
        if (expired ? limit < now : limit > now)
            break;
    }
    day_of(limit, day);
    add(words, "%s %s %s",
        i == 0      ? "it"
        : i < count ? "its authority's"
                    : "an authority's",
        expired ? "expired on" : "is not valid before", day);
}

/* "a.test, b.test": whom it is for, that whoever asked for something else sees what to ask for. */
static void names_of(gnutls_x509_crt_t certificate, char *text, size_t size)
{
    size_t at = 0;
    unsigned names = 0;

    *text = '\0';
    for (unsigned i = 0; i < 64 && at < size; i++) {
        char name[256];
        size_t length = sizeof name - 1;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL);

        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type != GNUTLS_SAN_DNSNAME)
            continue;
        name[length] = '\0';
        if (names++ == NAMES_MAX) {
            snprintf(text + at, size - at, " ...");
            break;
        }
        at += (size_t)snprintf(text + at, size - at, "%s%.40s", at ? ", " : "", name);
    }
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static void add_owner(struct words *words, gnutls_x509_crt_t certificate, const char *wanted)
{
    char names[160];

    names_of(certificate, names, sizeof names);
    add(words, "it is for %s and not for %.80s", *names ? names : "no host", wanted ? wanted : "its owner");
}

static void add_issuer(struct words *words, gnutls_x509_crt_t *chain, unsigned count)
{
    char issuer[128];
    size_t size = sizeof issuer;

    if (gnutls_x509_crt_check_issuer(chain[count - 1], chain[count - 1])) {
        add(words, count == 1 ? "it is self-signed, and not among those that are trusted here"
                              : "its authority is not among those that are trusted here");
        return;
    }
    if (gnutls_x509_crt_get_issuer_dn(chain[count - 1], issuer, &size) < 0)
        strcpy(issuer, "?");
    for (char *c = issuer; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    add(words, "its authority is not known here: %.100s", issuer);
}

void certificate_words(unsigned status, gnutls_x509_crt_t *chain, unsigned count, const char *wanted, bool of_client,
                       char *text, size_t size)
{
    struct words words = {.text = text, .size = size};

    words.at = (size_t)snprintf(text, size, "the peer's certificate is not good: ");
    if (status & GNUTLS_CERT_REVOKED)
        add(&words, "it was revoked");
    if (status & GNUTLS_CERT_EXPIRED)
        add_time(&words, chain, count, true);
    if (status & GNUTLS_CERT_NOT_ACTIVATED)
        add_time(&words, chain, count, false);
    if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
        add_owner(&words, chain[0], wanted);
    if (status & GNUTLS_CERT_SIGNATURE_FAILURE)
        add(&words, "its signature is wrong");
    if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        add(&words, "it is signed in a way that is not secure any more");
    if (status & GNUTLS_CERT_SIGNER_NOT_CA)
        add(&words, "who signed it may not sign certificates");
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        add_issuer(&words, chain, count);
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        add(&words, "it is not meant for %s", of_client ? "clients" : "servers");
    if (!words.more)
        add(&words, "a rule of X.509 is broken (status 0x%x)", status);
}
