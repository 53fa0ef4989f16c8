/* SPDX-License-Identifier: Apache-2.0 */
/* An identity's file: key.pem, PKCS#8, readable by its owner alone, made at first use. */
#include "security/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "security/internal.h"

#define KEY_FILE "key.pem"

int identity_make_key(gnutls_x509_privkey_t *ret_key)
{
    gnutls_x509_privkey_t key;

    if (gnutls_x509_privkey_init(&key) < 0)
        return -ENOMEM;
    if (gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0) < 0) {
        gnutls_x509_privkey_deinit(key);
        return -EIO;
    }
    *ret_key = key;
    return 0;
}

static bool usable(gnutls_x509_privkey_t key)
{
    unsigned bits = 0;

    switch (gnutls_x509_privkey_get_pk_algorithm2(key, &bits)) {
    case GNUTLS_PK_EDDSA_ED25519:
        return true;
    case GNUTLS_PK_ECDSA:
        return bits >= 256;
    case GNUTLS_PK_RSA:
        return bits >= 2048;
    default:
        return false;
    }
}

int identity_parse_key(const uint8_t *data, size_t size, gnutls_x509_privkey_t *ret_key)
{
    const gnutls_datum_t pem = {(unsigned char *)data, (unsigned)size};
    gnutls_x509_privkey_t key;

    if (size > IDENTITY_FILE_MAX)
        return -HAWSER_EIDENTITY;
    if (gnutls_x509_privkey_init(&key) < 0)
        return -ENOMEM;
    if (gnutls_x509_privkey_import_pkcs8(key, &pem, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN) < 0 || !usable(key)) {
        gnutls_x509_privkey_deinit(key);
        return -HAWSER_EIDENTITY;
    }
    *ret_key = key;
    return 0;
}

static int write_key(int directory, gnutls_x509_privkey_t key)
{
    gnutls_datum_t pem = {NULL, 0};
    int r;

    if (gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) < 0)
        return -EIO;
    r = state_write(directory, KEY_FILE, pem.data, pem.size, STATE_EXCLUSIVE | STATE_DURABLE);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return r;
}

static int read_key(int directory, gnutls_x509_privkey_t *ret_key)
{
    uint8_t *data;
    size_t size;
    int r = state_read(directory, KEY_FILE, IDENTITY_FILE_MAX, true, &data, &size);

    if (r == -ELOOP || r == -EINVAL || r == -EFBIG) /* a symbolic link, no file, not a key */
        return -HAWSER_EIDENTITY;
    if (r < 0)
        return r;
    r = identity_parse_key(data, size, ret_key);
    gnutls_memset(data, 0, size);
    free(data);
    return r;
}

/* What is in the file counts, not what we wanted to write: another process may have been first. */
static int read_or_make_key(int directory, gnutls_x509_privkey_t *ret_key)
{
    gnutls_x509_privkey_t key;
    int r = read_key(directory, ret_key);

    if (r != -ENOENT)
        return r;
    r = identity_make_key(&key);
    if (r < 0)
        return r;
    r = write_key(directory, key);
    gnutls_x509_privkey_deinit(key);
    return r < 0 && r != -EEXIST ? r : read_key(directory, ret_key);
}

int hawser_identity_open(const char *directory, hawser_identity **ret_identity)
{
    gnutls_x509_privkey_t key;
    int fd, r;

    if (!directory || !*directory || !ret_identity)
        return -EINVAL;
    r = state_open(directory, NULL, &fd);
    if (r < 0)
        return r;
    r = read_or_make_key(fd, &key);
    close(fd);
    return r < 0 ? r : identity_from_key(key, ret_identity);
}
