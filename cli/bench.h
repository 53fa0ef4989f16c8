/* SPDX-License-Identifier: Apache-2.0 */
/* hawser bench: one measurement between a server and a client process. The contract is in bench/README.md. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "tool.h"

#define BENCH_MESSAGE_MIN 24
#define BENCH_LARGE ((uint64_t)64 << 10)       /* from here on memory is lent to the library */
#define BENCH_QUEUED_SMALL ((uint64_t)2 << 20) /* of small messages: what a processor keeps close */
#define BENCH_QUEUED_BYTES ((uint64_t)16 << 20)
#define BENCH_OWN_BUFFER ((uint64_t)1 << 20) /* from here on the receiver takes messages into its own memory */
#define BENCH_IN_FLIGHT 32                   /* outstanding messages in `growth` */
#define BENCH_FULL ((uint64_t)1 << 62)

enum bench_what { ONEWAY, PINGPONG, IDLE, SETUP, GROWTH, QUEUE, URGENT, DEPARTURE };

/* The first byte of a message says what the server does with it. */
enum bench_kind {
    KIND_DATA = 'd',   /* counted */
    KIND_ECHO = 'e',   /* counted and sent back */
    KIND_SYNC = 's',   /* answered; opens or closes the window */
    KIND_URGENT = 'u', /* its delay is noted */
};

struct bench_urgent { /* what an urgent message holds */
    uint8_t kind, unused[7];
    int64_t sent_ns;
    int64_t rtt_us;
};

struct bench_reading {
    int64_t time_ns;
    int64_t memory;
    struct rusage usage;
};

struct bench {
    struct tool *tool;
    enum bench_what what;
    bool server, poll_mode, resumed;
    uint64_t size;
    uint64_t count;      /* BENCH_FULL: not given */
    int64_t duration_ns; /* 0: not given */
    uint64_t warm;
    size_t connections;
    uint64_t queued;
    char *server_dir, *client_dir, *state_dir; /* below --dir */
    const char *endpoint;

    bool stopped;
    struct bench_reading from, to;
    uint64_t messages;       /* in the window */
    uint64_t resumed_setups; /* in the window */
    uint32_t *samples_ns;
    size_t sample_count, sample_room;
    int64_t (*urgent)[2]; /* delay and RTT, microseconds */
    size_t urgent_count, urgent_room;
};

/* How long the measured part goes on. */
struct bench_pace {
    int64_t end_ns;
    uint64_t left;
    unsigned stride, until_look;
    bool over;
};

void bench_pace_start(struct bench_pace *pace, uint64_t count, int64_t duration_ns, uint64_t size);
/* True when one more message may be sent; counts it. */
bool bench_pace_next(struct bench_pace *pace);

int64_t bench_now_ns(void);
void bench_read(struct bench_reading *reading);
void bench_sample(struct bench *bench, int64_t ns);
void bench_result(struct bench *bench);
/* One sentence, and the end of the process with 1. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_check(int r, const char *what);

/* Under hawser_run(), or in a foreign loop. */
int bench_loop(struct bench *bench);
void bench_stop(struct bench *bench);

int bench_serve(struct bench *bench);
int bench_client(struct bench *bench);

#endif
