/* SPDX-License-Identifier: Apache-2.0 */
/* Where a body goes: to standard output as fast as it takes it, or to a file that appears when it is whole. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include "tool.h"

struct sink {
    struct tool *tool;
    const char *path; /* NULL: standard output */
    char *temporary;  /* what the file is called until it is whole; NULL: written in place (a device, a pipe) */
    int fd;
    uint8_t *data; /* what standard output has not taken yet */
    size_t at, size, capacity;
    bool watched, broken;
    void (*on_drained)(void *user);
    void *user;
};

/* path NULL: standard output. Says what is wrong. -errno */
int sink_open(struct sink *sink, struct tool *tool, const char *path);
/* Takes all of it. 1: enough for now, on_drained() follows; 0; or negative: it takes no more, which was said. */
int sink_write(struct sink *sink, const void *data, size_t size);
bool sink_is_empty(const struct sink *sink);
/* What was written gets its name, or with keep false is dropped. -errno, said */
int sink_close(struct sink *sink, bool keep);

#endif
