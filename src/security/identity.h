/* SPDX-License-Identifier: Apache-2.0 */
/* An identity and its key; inside security/ only. */
#ifndef SECURITY_IDENTITY_H
#define SECURITY_IDENTITY_H

#include <gnutls/x509.h>

#include "security/security.h"

#define IDENTITY_FILE_MAX 65536

/* Takes over the key in any case. */
int identity_from_key(gnutls_x509_privkey_t key, hawser_identity **ret_identity);
int identity_export_key(const hawser_identity *identity, gnutls_datum_t *ret_key); /* DER; wiped and gnutls_free()d */
int identity_make_key(gnutls_x509_privkey_t *ret_key);                             /* Ed25519 */
/* A private key out of the bytes of a PEM file (PKCS#8). -HAWSER_EIDENTITY: not one that we can use. */
int identity_parse_key(const uint8_t *data, size_t size, gnutls_x509_privkey_t *ret_key);

#endif
