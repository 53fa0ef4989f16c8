/* SPDX-License-Identifier: Apache-2.0 */
/* A trust rule taken apart; inside security/ only. */
#ifndef SECURITY_TRUST_H
#define SECURITY_TRUST_H

#include "security/internal.h"

#define TRUST_KEYS_MAX 64

struct trust {
    hawser_context *context;
    bool pki, tofu, any;
    gnutls_x509_trust_list_t anchors; /* of a file; NULL: the system's */
    char anchors_mark[96];            /* changes when the file of the anchors does; "": cannot be told */
    size_t key_count;
    char (*keys)[KEY_NAME_SIZE];
};

/* verify_words.c: what GnuTLS's status of a chain means; wanted: the name that was asked for, NULL: none. */
void certificate_words(unsigned status, gnutls_x509_crt_t *chain, unsigned count, const char *wanted, bool of_client,
                       char *text, size_t size);

void anchors_mark(struct trust *trust, const char *file); /* NULL: the system's */

bool trust_has_key(const struct trust *trust, const char *key_name);

#endif
