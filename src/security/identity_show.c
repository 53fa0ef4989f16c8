/* SPDX-License-Identifier: Apache-2.0 */
/* What an identity shows where GnuTLS does not choose by itself: to a server of TLS 1.2 it has no raw key of Ed25519. */
#include <errno.h>
#include <stdlib.h>

#include "security/security.h"

#define RAW_KEY 0 /* places in the credentials (identity.c) */
#define CHAIN 1

static int show_raw(const hawser_identity *identity, gnutls_pcert_st **ret_shown)
{
    size_t size;
    const uint8_t *spki = identity_spki(identity, &size);
    const gnutls_datum_t datum = {(unsigned char *)(uintptr_t)spki, (unsigned)size};
    gnutls_pcert_st *shown = gnutls_malloc(sizeof *shown);

    if (!shown)
        return -ENOMEM;
    if (gnutls_pcert_import_rawpk_raw(shown, &datum, GNUTLS_X509_FMT_DER, 0, 0) < 0) {
        gnutls_free(shown);
        return -HAWSER_EIDENTITY;
    }
    *ret_shown = shown;
    return 1;
}

static int import_chain(gnutls_x509_crt_t *chain, unsigned count, gnutls_pcert_st **ret_shown)
{
    gnutls_pcert_st *shown = gnutls_calloc(count, sizeof *shown);

    if (!shown)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        if (gnutls_pcert_import_x509(&shown[i], chain[i], 0) < 0) {
            while (i > 0)
                gnutls_pcert_deinit(&shown[--i]);
            gnutls_free(shown);
            return -HAWSER_EIDENTITY;
        }
    *ret_shown = shown;
    return (int)count;
}

static int show_chain(gnutls_certificate_credentials_t credentials, gnutls_pcert_st **ret_shown)
{
    gnutls_x509_crt_t *chain;
    unsigned count;
    int r;

    if (gnutls_certificate_get_x509_crt(credentials, CHAIN, &chain, &count) < 0)
        return -HAWSER_EIDENTITY;
    r = import_chain(chain, count, ret_shown);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    return r;
}

static int find_key(gnutls_certificate_credentials_t credentials, unsigned place, gnutls_privkey_t *ret_key)
{
    gnutls_x509_privkey_t plain = NULL;
    gnutls_privkey_t key = NULL;
    int r = -HAWSER_EIDENTITY;

    if (gnutls_certificate_get_x509_key(credentials, place, &plain) == 0 && gnutls_privkey_init(&key) == 0 &&
        gnutls_privkey_import_x509(key, plain, GNUTLS_PRIVKEY_IMPORT_COPY) == 0)
        r = 0;
    if (plain)
        gnutls_x509_privkey_deinit(plain);
    if (r == 0)
        *ret_key = key;
    else if (key)
        gnutls_privkey_deinit(key);
    return r;
}

int identity_show(hawser_identity *identity, gnutls_certificate_type_t type, gnutls_pcert_st **ret_shown,
                  unsigned *ret_count, gnutls_privkey_t *ret_key)
{
    gnutls_certificate_credentials_t credentials;
    bool raw = type == GNUTLS_CRT_RAWPK;
    gnutls_privkey_t key = NULL;
    int r = identity_credentials(identity, &credentials);

    if (r == 0)
        r = find_key(credentials, raw ? RAW_KEY : CHAIN, &key);
    if (r < 0)
        return r;
    r = raw ? show_raw(identity, ret_shown) : show_chain(credentials, ret_shown);
    if (r < 0) {
        gnutls_privkey_deinit(key);
        return r;
    }
    *ret_count = (unsigned)r;
    *ret_key = key;
    return 0;
}
