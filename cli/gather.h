/* SPDX-License-Identifier: Apache-2.0 */
/* What `hawser send` was asked to send: named files and walked directories, in an order that is always the same. */
#ifndef CLI_GATHER_H
#define CLI_GATHER_H

#include <sys/types.h>

#include "tool.h"

enum file_state {
    FILE_WAITING,
    FILE_OPEN,    /* its parts are being given */
    FILE_GIVEN,   /* wholly handed to the library */
    FILE_SETTLED, /* it has its outcome */
};

struct file {
    char *source;  /* what to open; "-" is standard input */
    char *name;    /* the path it arrives under */
    uint64_t size; /* as seen when gathered; FILE_SIZE_UNKNOWN for standard input */
    dev_t device;
    ino_t inode;
    bool after;           /* the others wait for it */
    hawser_message_id id; /* 0 before */
    enum file_state state;
    uint64_t given; /* bytes of the file given to the library */
    uint64_t base;  /* bytes of the files before it, for the progress */
    int64_t began_us;
};

struct gathering {
    struct file *files; /* those of --after first */
    size_t count, capacity;
    size_t after_count;
    size_t failed; /* named, and cannot be sent; told already */
    uint64_t bytes;
    bool unknown_size;
};

/* Fills it from options; -EINVAL when the command line is wrong (told), -ENOMEM. */
int gather(struct tool *tool, struct gathering *ret_gathering);
void gathering_free(struct gathering *gathering);

/* The event `failed` (message NULL when file->id is 0), and the sentence for people. */
void report_unsent(struct tool *tool, const char *source, int code, const char *reason);

#endif
