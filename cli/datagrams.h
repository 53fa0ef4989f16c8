/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output as datagrams on a bare line, as nc -u does it: what one read gives is one message. */
#ifndef CLI_DATAGRAMS_H
#define CLI_DATAGRAMS_H

#include "line.h"

struct datagrams {
    struct line *line;
    uint8_t *buffer;
    size_t size; /* of what was read and is not sent yet */
    uint64_t idle;
    bool timed, in_done, in_watched, has, broken, stopped;
};

bool is_datagrams(hawser_association *association); /* a message on this line is a datagram */
/* Ends the line once input has ended and no answer has come for a second. -ENOMEM. */
int datagrams_start(struct datagrams *datagrams, struct line *line);
void datagrams_stop(struct datagrams *datagrams);
/* The bytes of a file as a group's key: free() it. Says what is wrong. */
int group_key_read(struct tool *tool, const char *file, void **ret_key, size_t *ret_size);

#endif
