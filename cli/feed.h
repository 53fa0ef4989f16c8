/* SPDX-License-Identifier: Apache-2.0 */
/* Reads files and hands them to the library, one after the other, as fast as it takes them. */
#ifndef CLI_FEED_H
#define CLI_FEED_H

#include "gather.h"
#include "marks.h"

#define FEED_PIECE ((size_t)256 << 10) /* read and given at once; a file that fits is one call */

struct feed {
    struct tool *tool;
    hawser_association *association;
    struct gathering *gathering;
    const struct marks *marks;
    size_t next; /* the file being given */
    int fd;
    int64_t changed_s, changed_ns; /* its ctime when opened */
    uint64_t left;                 /* bytes of it not yet read */
    bool last_read;                /* nothing more comes */
    uint8_t *buffer;
    size_t held;   /* bytes in buffer that the library has not taken */
    size_t header; /* of them, the header's: no bytes of the file */
    hawser_message_id *antecedents;
    size_t antecedent_count;
    uint64_t given; /* bytes of all files */
    bool waiting_input;
    bool stopped; /* the line has ended */
    /* file could not be given; when it has an id its outcome follows */
    void (*failed)(struct feed *feed, struct file *file, int code, const char *reason);
    /* the library gave file->id */
    void (*began)(struct feed *feed, struct file *file);
    void *user;
};

int feed_init(struct feed *feed);
/* Goes on until the queue is full or everything was given; to be called again at HAWSER_WRITABLE. */
void feed_run(struct feed *feed);
void feed_free(struct feed *feed);

#endif
