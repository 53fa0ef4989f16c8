/* SPDX-License-Identifier: Apache-2.0 */
/* What every command has: its options, a context, an identity, a voice for people and one for machines. */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include <hawser/hawser.h>

#include "json.h"
#include "options.h"

struct tool {
    const struct options *options;
    hawser_context *context;
    hawser_identity *identity;
    struct json json;
    bool broken_output;      /* standard output no longer takes anything */
    int64_t clock_offset_us; /* CLOCK_MONOTONIC - CLOCK_BOOTTIME */

    bool keep_errors; /* what the library says of an error is kept, for the sentence about the call that failed */
    char kept_error[512];

    int trace_fd; /* -1: none; tool_show() */

    int signal_fd;
    unsigned interrupts;
    void (*interrupted)(struct tool *tool, void *user);
    void *interrupted_user;

    void (*before_text)(void *user); /* clears what a progress bar drew */
    void *before_text_user;
};

/* Makes the identity and the context; says why not, and returns the exit code, or -1 when all is well. */
int tool_open(struct tool *tool);
int tool_open_context(struct tool *tool); /* the context alone */
void tool_close(struct tool *tool);
/* Begins what --trace and --control ask of the context; says why not. EXIT_USAGE, or -1 when all is well. */
int tool_show(struct tool *tool);

/* One line for people on standard error. What is not printable is escaped, since peers and file names may hold anything. */
void say(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same after "hawser: ". */
void complain(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Around a call into the library: begin before; after a failure, the reason in the library's words, else the code's. */
void reason_begin(struct tool *tool);
const char *reason_end(struct tool *tool, int code);

/* The reason without "NAME: " before it, where the sentence has named it already. */
const char *reason_after(const char *reason, const char *name);

/* Begins an event; more fields may follow; event_end() writes it. Without --json nothing is written. */
struct json *event_begin(struct tool *tool, const char *name);
void event_end(struct tool *tool);

int64_t clock_us(void);                                          /* CLOCK_MONOTONIC now */
int64_t event_time(const struct tool *tool, int64_t library_us); /* the library's clock to that of the events */

/* Runs fn at SIGINT and SIGTERM, instead of ending the process. -errno */
int tool_catch_signals(struct tool *tool, void (*fn)(struct tool *tool, void *user), void *user);

/* The identity's directory; NULL when there is no home. To be freed. */
char *identity_directory(const struct options *options);
/* mkdir -p for what is above the last component. -errno */
int make_parents(const char *path);

#endif
