/* SPDX-License-Identifier: Apache-2.0 */
/* The measurements for libraries that send and receive whole messages with blocking calls. */
#ifndef BENCH_MESSAGING_H
#define BENCH_MESSAGING_H

#include "common.h"

struct received {
    const uint8_t *data;
    size_t size;
    void *handle; /* of the library */
};

/* Each call ends the process on failure. */
struct messaging_ops {
    struct program program;
    void (*listen)(const struct options *o);  /* on o->host and o->port */
    void (*connect)(const struct options *o); /* returns at once or when connected */
    void (*send)(const uint8_t *data, size_t size);
    void (*receive)(struct received *r);
    void (*release)(struct received *r);
    void (*close)(void); /* after 100 ms of quiet */
};

/* How many messages of this size a queue should hold: as many as do not fill the memory, and never more than `most`. */
int messaging_queue(const struct options *o, int most);

int messaging_main(const struct messaging_ops *ops, int argc, char **argv);

#endif
