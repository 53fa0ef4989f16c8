/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the control sockets of processes that run (docs/trace.md). */
#ifndef CLI_TOP_ASK_H
#define CLI_TOP_ASK_H

#include "tool.h"
#include "value.h"

struct asked { /* a control socket, and what it said this time */
    char *path;
    int fd;     /* -1: not connected */
    char *text; /* one line of JSON without its newline; NULL: it said nothing that can be used */
    size_t size, room;
    struct value *value; /* of the text */
    int code;            /* why there is none: an errno, or 0 */
    const char *why;     /* the same in words */
};

struct asking {
    struct asked *items;
    size_t count, room;
};

/* Those that are meant: PATH, all sockets of a process PID, or with NULL all of this user. -ENOENT: there is no such
 * directory; -ENOMEM */
int asking_find(struct asking *asking, const char *which);
/* Asks all of them at once, and waits for at most so long. Those that nobody listens at any more are left out, unless one
 * path was meant. */
int asking_go(struct asking *asking, int timeout_ms, bool keep_dead);
void asking_free(struct asking *asking);

#endif
