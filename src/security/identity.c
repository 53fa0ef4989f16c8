/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are: a key pair, shown raw or in a self-signed certificate. The key's file is identity_file.c's. */
#include "security/identity.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "base/list.h"

/* Sessions hold credentials without counting, so those that a certificate replaced live as long as the identity. */
struct credentials {
    struct list link;
    gnutls_certificate_credentials_t gnutls;
};

struct hawser_identity {
    atomic_uint references; /* contexts of several threads may present one identity */
    char name[KEY_NAME_SIZE];
    gnutls_x509_privkey_t key;
    uint8_t *spki;
    size_t spki_size;
    struct list credentials; /* the one in use first */
};

static int export_spki(gnutls_x509_privkey_t key, uint8_t **ret_spki, size_t *ret_size)
{
    gnutls_privkey_t private = NULL;
    gnutls_pubkey_t public = NULL;
    gnutls_datum_t der = {NULL, 0};
    int r = -HAWSER_EIDENTITY;

    if (gnutls_privkey_init(&private) == 0 && gnutls_pubkey_init(&public) == 0 &&
        gnutls_privkey_import_x509(private, key, 0) == 0 &&
        gnutls_pubkey_import_privkey(public, private, GNUTLS_KEY_DIGITAL_SIGNATURE, 0) == 0 &&
        gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der) == 0) {
        uint8_t *spki = malloc(der.size);
        r = spki ? 0 : -ENOMEM;
        if (spki) {
            memcpy(spki, der.data, der.size);
            *ret_spki = spki;
            *ret_size = der.size;
        }
    }
    gnutls_free(der.data);
    if (public)
        gnutls_pubkey_deinit(public);
    if (private)
        gnutls_privkey_deinit(private);
    return r;
}

/* A certificate for peers that cannot take raw keys. It proves nothing but the key, so it never ends. */
static int make_certificate(const hawser_identity *identity, gnutls_x509_crt_t *ret_certificate)
{
    gnutls_x509_crt_t certificate;
    uint8_t serial[16];

    if (gnutls_x509_crt_init(&certificate) < 0)
        return -ENOMEM;
    gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] &= 0x7f; /* positive, RFC 5280 section 4.1.2.2 */
    if (gnutls_x509_crt_set_version(certificate, 3) < 0 ||
        gnutls_x509_crt_set_serial(certificate, serial, sizeof serial) < 0 ||
        gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, identity->name, KEY_NAME_SIZE - 1) <
            0 ||
        gnutls_x509_crt_set_activation_time(certificate, 0) < 0 ||
        gnutls_x509_crt_set_expiration_time(certificate, GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION) < 0 ||
        gnutls_x509_crt_set_key(certificate, identity->key) < 0 ||
        gnutls_x509_crt_set_basic_constraints(certificate, 0, -1) < 0 ||
        gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE) < 0 ||
        gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0) < 0 ||
        gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0) < 0 ||
        gnutls_x509_crt_sign2(certificate, certificate, identity->key,
                              gnutls_x509_privkey_get_pk_algorithm(identity->key) == GNUTLS_PK_EDDSA_ED25519
                                  ? GNUTLS_DIG_SHA512
                                  : GNUTLS_DIG_SHA256,
                              0) < 0) {
        gnutls_x509_crt_deinit(certificate);
        return -HAWSER_EIDENTITY;
    }
    *ret_certificate = certificate;
    return 0;
}

int identity_export_key(const hawser_identity *identity, gnutls_datum_t *ret_key)
{
    int r = gnutls_x509_privkey_export2_pkcs8(identity->key, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, ret_key);

    return r < 0 ? -HAWSER_EIDENTITY : 0;
}

static int add_raw_key(const hawser_identity *identity, gnutls_certificate_credentials_t credentials)
{
    gnutls_datum_t spki = {identity->spki, (unsigned)identity->spki_size}, pkcs8 = {NULL, 0};
    int r = identity_export_key(identity, &pkcs8);

    if (r == 0)
        r = gnutls_certificate_set_rawpk_key_mem(credentials, &spki, &pkcs8, GNUTLS_X509_FMT_DER, NULL,
                                                 GNUTLS_KEY_DIGITAL_SIGNATURE, NULL, 0, 0);
    if (pkcs8.data)
        gnutls_memset(pkcs8.data, 0, pkcs8.size);
    gnutls_free(pkcs8.data);
    return r < 0 ? -HAWSER_EIDENTITY : 0;
}

static int add_self_signed(const hawser_identity *identity, gnutls_certificate_credentials_t credentials)
{
    gnutls_x509_crt_t certificate;
    int r = make_certificate(identity, &certificate);

    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_key(credentials, &certificate, 1, identity->key) < 0 ? -HAWSER_EIDENTITY : 0;
    gnutls_x509_crt_deinit(certificate);
    return r;
}

/* Puts new credentials in use; with a chain, or NULL for a self-signed certificate. */
static int renew_credentials(hawser_identity *identity, const char *chain_file, const char *key_file)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);
    int r;

    if (!credentials)
        return -ENOMEM;
    if (gnutls_certificate_allocate_credentials(&credentials->gnutls) < 0) {
        free(credentials);
        return -ENOMEM;
    }
    r = add_raw_key(identity, credentials->gnutls);
    if (r == 0 && !chain_file)
        r = add_self_signed(identity, credentials->gnutls);
    else if (r == 0 && gnutls_certificate_set_x509_key_file2(credentials->gnutls, chain_file, key_file,
                                                             GNUTLS_X509_FMT_PEM, NULL, 0) < 0)
        r = -HAWSER_EIDENTITY;
    if (r < 0) {
        gnutls_certificate_free_credentials(credentials->gnutls);
        free(credentials);
        return r;
    }
    list_prepend(&identity->credentials, &credentials->link);
    return 0;
}

int identity_from_key(gnutls_x509_privkey_t key, hawser_identity **ret_identity)
{
    hawser_identity *identity = calloc(1, sizeof *identity);
    int r;

    if (!identity) {
        gnutls_x509_privkey_deinit(key);
        return -ENOMEM;
    }
    atomic_init(&identity->references, 1);
    list_init(&identity->credentials);
    identity->key = key;
    r = export_spki(key, &identity->spki, &identity->spki_size);
    if (r == 0)
        r = key_name_of(identity->spki, identity->spki_size, identity->name);
    if (r == 0)
        r = renew_credentials(identity, NULL, NULL);
    if (r < 0) {
        hawser_identity_unref(identity);
        return r;
    }
    *ret_identity = identity;
    return 0;
}

int hawser_identity_new(hawser_identity **ret_identity)
{
    gnutls_x509_privkey_t key;
    int r = identity_make_key(&key);

    return r < 0 ? r : identity_from_key(key, ret_identity);
}

hawser_identity *hawser_identity_ref(hawser_identity *identity)
{
    atomic_fetch_add_explicit(&identity->references, 1, memory_order_relaxed);
    return identity;
}

hawser_identity *hawser_identity_unref(hawser_identity *identity)
{
    if (!identity || atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    while (!list_empty(&identity->credentials)) {
        struct credentials *credentials = list_first(&identity->credentials, struct credentials, link);
        list_remove(&credentials->link);
        gnutls_certificate_free_credentials(credentials->gnutls);
        free(credentials);
    }
    gnutls_x509_privkey_deinit(identity->key);
    free(identity->spki);
    free(identity);
    return NULL;
}

const char *hawser_identity_name(const hawser_identity *identity)
{
    return identity->name;
}

int hawser_identity_set_certificate(hawser_identity *identity, const char *chain_file, const char *key_file)
{
    if (!identity || !chain_file || !key_file)
        return -EINVAL;
    if (access(chain_file, R_OK) < 0 || access(key_file, R_OK) < 0)
        return -errno;
    return renew_credentials(identity, chain_file, key_file);
}

int identity_credentials(hawser_identity *identity, gnutls_certificate_credentials_t *ret_credentials)
{
    *ret_credentials = list_first(&identity->credentials, struct credentials, link)->gnutls;
    return 0;
}

const uint8_t *identity_spki(const hawser_identity *identity, size_t *ret_size)
{
    *ret_size = identity->spki_size;
    return identity->spki;
}
