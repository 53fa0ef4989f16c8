/* SPDX-License-Identifier: Apache-2.0 */
/* What every measured program shares: one command line, one window, one way to print. The contract is in ../README.md. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* The first byte of a message says what the server does with it. */
enum kind {
    KIND_DATA = 'd', /* counted */
    KIND_ECHO = 'e', /* counted and sent back */
    KIND_SYNC = 's', /* answered; opens or closes the window */
    KIND_QUIT = 'q', /* the client has all it wants */
};

#define MESSAGE_MIN 24
#define MESSAGE_MAX ((size_t)1 << 30)
#define LARGE ((size_t)64 << 10) /* from here on a message is read straight into its own buffer */
#define IN_FLIGHT 32             /* outstanding messages in `growth` */

struct options {
    bool server;
    bool resumed;
    const char *program;
    const char *what;
    const char *mode;
    const char *dir;
    char host[64];
    uint16_t port;
    size_t size;
    double seconds;
    uint64_t count;
    uint64_t warm;
    unsigned connections;
    int ready_fd;
};

/* What a program can do; both lists end with NULL, and the first mode is the default. */
struct program {
    const char *name;
    const char *const *modes;
    const char *const *whats;
};

struct reading {
    int64_t time_ns;
    int64_t memory;
    struct rusage usage;
};

struct counts {
    uint64_t messages;
    uint64_t resumed;
};

struct window {
    struct reading from, to;
    struct counts counts;
};

struct samples {
    uint32_t *ns;
    size_t count, room;
};

/* Reads the command line, sets the time limit and the limit of open files. Ends the process on nonsense. */
void options_parse(struct options *o, const struct program *p, int argc, char **argv);

bool what_is(const struct options *o, const char *what);

/* The first line of a server. */
void listening_print(const struct options *o, uint16_t port);

/* Says that this measurement cannot be done, and ends the process. */
_Noreturn void unsupported(const char *reason);

/* One sentence on stderr, and the end of the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

int64_t now_ns(void);
/* Reading the memory costs some 100 us of CPU: at either end it is done outside the window. */
void window_open(struct window *w);
void window_close(struct window *w);
void result_print(const struct options *o, const struct window *w, struct samples *s);

void samples_init(struct samples *s);
void samples_add(struct samples *s, int64_t ns);

/* The client's measured part: how long it goes on. `stride` messages pass between two looks at the clock. */
struct pace {
    int64_t end_ns;
    uint64_t left;
    unsigned stride, until_look;
    bool over;
};

void pace_start(struct pace *p, const struct options *o, size_t message_size);
void pace_start_warm(struct pace *p, const struct options *o);

/* True when one more message may be sent; counts it. */
static inline bool pace_next(struct pace *p)
{
    if (p->over || p->left == 0)
        return false;
    if (--p->until_look == 0) {
        p->until_look = p->stride;
        if (p->end_ns != 0 && now_ns() >= p->end_ns) {
            p->over = true;
            return false;
        }
    }
    p->left--;
    return true;
}

/* A message of the given kind, filled and so touched. */
uint8_t *message_new(enum kind kind, size_t size);

#endif
