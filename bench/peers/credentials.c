/* SPDX-License-Identifier: Apache-2.0 */
/* Makes keys and certificates in a directory, once for all measured programs: Ed25519 for GnuTLS (as raw public keys and as
 * self-signed certificates), P-256 for nng, whose mbedTLS knows no Ed25519. */
#include "common.h"

#include <gnutls/gnutls.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void must(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s", what, gnutls_strerror(r));
}

static void save(const char *dir, const char *name, const gnutls_datum_t *d)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, d->data, d->size) != (ssize_t)d->size || close(fd) < 0)
        fail("cannot write %s", path);
}

static void save_key(const char *dir, const char *who, gnutls_x509_privkey_t key)
{
    gnutls_privkey_t private;
    gnutls_pubkey_t public;
    gnutls_datum_t d;
    char name[64];

    must(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &d), "export a key");
    snprintf(name, sizeof(name), "%s.key", who);
    save(dir, name, &d);
    gnutls_free(d.data);
    must(gnutls_privkey_init(&private), "init");
    must(gnutls_privkey_import_x509(private, key, 0), "import a key");
    must(gnutls_pubkey_init(&public), "init");
    must(gnutls_pubkey_import_privkey(public, private, 0, 0), "public key");
    must(gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &d), "export a public key");
    snprintf(name, sizeof(name), "%s.spki", who);
    save(dir, name, &d);
    gnutls_free(d.data);
    gnutls_pubkey_deinit(public);
    gnutls_privkey_deinit(private);
}

static void certificate_fill(gnutls_x509_crt_t c, gnutls_x509_privkey_t key)
{
    static const char host[] = "localhost";
    static const unsigned char serial[] = {1};
    time_t now = time(NULL);

    must(gnutls_x509_crt_set_version(c, 3), "version");
    must(gnutls_x509_crt_set_serial(c, serial, sizeof(serial)), "serial");
    must(gnutls_x509_crt_set_activation_time(c, now - 3600), "time");
    must(gnutls_x509_crt_set_expiration_time(c, now + 86400), "time");
    must(gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, host, sizeof(host) - 1), "name");
    must(gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_DNSNAME, host, sizeof(host) - 1, GNUTLS_FSAN_SET), "name");
    must(gnutls_x509_crt_set_basic_constraints(c, 1, -1), "constraints");
    must(gnutls_x509_crt_set_key(c, key), "key");
}

static void save_certificate(const char *dir, const char *who, gnutls_x509_privkey_t key,
                             gnutls_digest_algorithm_t hash)
{
    gnutls_x509_crt_t c;
    gnutls_datum_t d;
    char name[64];

    must(gnutls_x509_crt_init(&c), "init");
    certificate_fill(c, key);
    must(gnutls_x509_crt_sign2(c, c, key, hash, 0), "sign");
    must(gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, &d), "export a certificate");
    snprintf(name, sizeof(name), "%s.crt", who);
    save(dir, name, &d);
    gnutls_free(d.data);
    gnutls_x509_crt_deinit(c);
}

static void make(const char *dir, const char *who, gnutls_pk_algorithm_t algorithm, gnutls_digest_algorithm_t hash)
{
    unsigned bits = algorithm == GNUTLS_PK_ECDSA ? GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) : 0;
    gnutls_x509_privkey_t key;

    must(gnutls_x509_privkey_init(&key), "init");
    must(gnutls_x509_privkey_generate(key, algorithm, bits, 0), "make a key");
    save_key(dir, who, key);
    save_certificate(dir, who, key, hash);
    gnutls_x509_privkey_deinit(key);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: credentials DIRECTORY\n");
        return 2;
    }
    make(argv[1], "server", GNUTLS_PK_EDDSA_ED25519, GNUTLS_DIG_SHA512);
    make(argv[1], "client", GNUTLS_PK_EDDSA_ED25519, GNUTLS_DIG_SHA512);
    make(argv[1], "server-p256", GNUTLS_PK_ECDSA, GNUTLS_DIG_SHA256);
    return 0;
}
