/* SPDX-License-Identifier: Apache-2.0 */
/* A message on its way in, byte by byte in order: its header, where its bytes go, what they hash to. */
#ifndef CLI_ARRIVAL_H
#define CLI_ARRIVAL_H

#include <gnutls/crypto.h>

#include "file_header.h"
#include "server.h"

struct arrival {
    LIST_ENTRY(arrival) link;
    struct peer *peer;
    hawser_message_id id;
    int niceness;
    int64_t began_us;
    bool antecedent_lost;

    uint8_t *head; /* bytes kept until the header is whole */
    size_t head_size;
    struct file_header *header; /* NULL until it was read */
    bool plain;                 /* the message is not a file */
    struct stored_file file;
    gnutls_hash_hd_t hash;
    uint64_t announced; /* by the header */
    uint64_t size;      /* so far; of the file, or of the message when it is plain */
};

/* NULL when memory is out. It is put into its peer's list. */
struct arrival *arrival_new(struct peer *peer, hawser_message_id id, int niceness);
/* Takes the next bytes. Negative: the message is to be refused with *ret_reason (valid as long as the arrival). */
int arrival_take(struct arrival *arrival, const void *data, size_t size, const char **ret_reason);
/* The last byte was taken: gives the file its name, and reports. Negative as above. */
int arrival_finish(struct arrival *arrival, const char **ret_reason);
void arrival_free(struct arrival *arrival);

#endif
