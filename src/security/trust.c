/* SPDX-License-Identifier: Apache-2.0 */
/* Trust rules: "pki", "key=hk-...", "tofu", "any", or several with commas. */
#include "security/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add_key(struct trust *trust, const char *name, char *reason, size_t reason_size)
{
    char(*keys)[KEY_NAME_SIZE];

    if (!key_name_valid(name)) {
        snprintf(reason, reason_size, "\"%.80s\" is not a key name (\"hk-\" and 52 letters)", name);
        return -HAWSER_ETRUST;
    }
    if (trust->key_count == TRUST_KEYS_MAX) {
        snprintf(reason, reason_size, "more than %d keys in one trust rule", TRUST_KEYS_MAX);
        return -HAWSER_ETRUST;
    }
    keys = realloc(trust->keys, (trust->key_count + 1) * sizeof *keys);
    if (!keys)
        return -ENOMEM;
    trust->keys = keys;
    memcpy(trust->keys[trust->key_count++], name, KEY_NAME_SIZE);
    return 0;
}

static int add_term(struct trust *trust, const char *term, char *reason, size_t reason_size)
{
    if (strcmp(term, "pki") == 0)
        trust->pki = true;
    else if (strcmp(term, "tofu") == 0)
        trust->tofu = true;
    else if (strcmp(term, "any") == 0)
        trust->any = true;
    else if (strncmp(term, "key=", 4) == 0)
        return add_key(trust, term + 4, reason, reason_size);
    else {
        snprintf(reason, reason_size, "\"%.80s\" is not a trust rule: one of pki, key=hk-..., tofu, any is", term);
        return -HAWSER_ETRUST;
    }
    return 0;
}

static int parse(struct trust *trust, const char *rule, char *reason, size_t reason_size)
{
    char *copy = strdup(rule), *rest = copy, *term;
    int r = 0;

    if (!copy)
        return -ENOMEM;
    while (r == 0 && (term = strsep(&rest, ",")))
        r = add_term(trust, term, reason, reason_size);
    free(copy);
    return r;
}

static int load_anchors(struct trust *trust, const char *file, char *reason, size_t reason_size)
{
    if (!trust->pki) {
        snprintf(reason, reason_size, "a file of trust anchors is given, but the trust rule has no pki");
        return -HAWSER_ETRUST;
    }
    if (access(file, R_OK) < 0) {
        int r = -errno;
        snprintf(reason, reason_size, "the trust anchors %.100s cannot be read: %s", file, hawser_strerror(r));
        return r;
    }
    if (gnutls_x509_trust_list_init(&trust->anchors, 0) < 0)
        return -ENOMEM;
    if (gnutls_x509_trust_list_add_trust_file(trust->anchors, file, NULL, GNUTLS_X509_FMT_PEM, 0, 0) <= 0) {
        snprintf(reason, reason_size, "there is no certificate in %.100s", file);
        return -HAWSER_ETRUST;
    }
    return 0;
}

int trust_check(const char *rule, char *reason, size_t reason_size)
{
    struct trust trust = {.context = NULL};
    int r = parse(&trust, rule, reason, reason_size);

    free(trust.keys);
    return r;
}

int trust_new(hawser_context *context, const char *rule, const char *anchors_file, struct trust **ret_trust)
{
    struct trust *trust = calloc(1, sizeof *trust);
    char reason[200] = "";
    int r;

    if (!trust)
        return -ENOMEM;
    trust->context = context;
    r = parse(trust, rule, reason, sizeof reason);
    if (r == 0 && anchors_file)
        r = load_anchors(trust, anchors_file, reason, sizeof reason);
    if (r == 0 && trust->pki)
        anchors_mark(trust, anchors_file);
    if (r == 0 && !security_of(context)) /* from now on tickets may allow early data: see context.c */
        r = -ENOMEM;
    if (r < 0) {
        if (*reason)
            loop_log(context, HAWSER_LOG_ERROR, "%s", reason);
        trust_free(trust);
        return r;
    }
    *ret_trust = trust;
    return 0;
}

void trust_free(struct trust *trust)
{
    if (!trust)
        return;
    if (trust->anchors)
        gnutls_x509_trust_list_deinit(trust->anchors, 1);
    free(trust->keys);
    free(trust);
}

bool trust_has_key(const struct trust *trust, const char *key_name)
{
    for (size_t i = 0; i < trust->key_count; i++)
        if (strcmp(trust->keys[i], key_name) == 0)
            return true;
    return false;
}

bool trust_pins_key(const struct trust *trust)
{
    return trust->key_count > 0 && !trust->pki && !trust->tofu && !trust->any;
}

bool trust_is_any(const struct trust *trust)
{
    return trust->any;
}

bool trust_wants_x509(const struct trust *trust)
{
    return trust->pki;
}
