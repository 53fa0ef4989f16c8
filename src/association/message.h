/* SPDX-License-Identifier: Apache-2.0 */
/* Received messages as the program sees them: in a handler, in an array, kept. */
#ifndef ASSOCIATION_MESSAGE_H
#define ASSOCIATION_MESSAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "association/association.h"

#define BATCH_MAX 256

struct hawser_message {
    atomic_uint refs;                /* 0: only valid in its handler */
    bool external;                   /* the data lies in the program's own memory */
    hawser_association *association; /* NULL: ended */
    const uint8_t *data;
    size_t size;
    uint64_t cost, reserved; /* of credit and memory, not yet given back */
    void *block;
    size_t block_size;
    struct session_message *origin; /* in a handler, alone: where answers go */
    hawser_message *kept;           /* in a handler: what it was kept as */
    struct list link;               /* kept: in home->kept or home->returned */
    struct message_home *home;
    uint8_t bytes[];
};

/*
 * Where kept messages come back to. The last reference may go on any thread, and after the context; what it gives back
 * (credit, the association) belongs to the context's thread.
 */
struct message_home {
    atomic_uint refs; /* one for the context, one for each kept message */
    pthread_mutex_t lock;
    hawser_context *context; /* NULL once it ended */
    const struct memory *memory;
    struct list kept, returned;
    bool posted;
    atomic_bool filled;     /* returned is not empty: spares the lock */
    _Atomic pthread_t here; /* the thread that received last */
};

struct batch {
    hawser_association *association;
    size_t count;
    uint64_t cost, reserved;
    bool blocks, telling;
    hawser_received received[BATCH_MAX];
    hawser_marks marks[BATCH_MAX]; /* of those that have any */
    hawser_message messages[BATCH_MAX];
};

#endif
