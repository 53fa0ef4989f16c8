/* SPDX-License-Identifier: Apache-2.0 */
/* hawser bench client: associations, syncs, and the measurements that go on in the window. */
#ifndef CLI_BENCH_CLIENT_H
#define CLI_BENCH_CLIENT_H

#include "bench.h"

struct bench_client;
struct bench_line { /* one association */
    struct bench_client *client;
    hawser_association *association;
    bool resumed, busy;
    int64_t asked_ns;
    /* Each may be NULL. */
    void (*on_established)(struct bench_line *line);
    void (*on_reply)(struct bench_line *line);
    void (*on_closed)(struct bench_line *line);
};

struct bench_client {
    struct bench *bench;
    struct bench_line *lines; /* the first carries the syncs */
    size_t opened;
    struct bench_pace pace;
    uint8_t *payload;
    uint64_t outstanding; /* sent, and without outcome or reply */
    uint64_t counted;     /* in the present phase */
    bool measuring;
    size_t next;                 /* growth: whose turn it is */
    hawser_message_id sync;      /* 0: none is waited for */
    hawser_message_id last_sync; /* whose outcome may come later than its answer */
    hawser_message_id bulk;
    void (*after_sync)(struct bench_client *client);
    void (*begin)(struct bench_client *client);
    uint64_t urgent_sent;
    bool stamped; /* departure: the stack tells the system's stamps */
    bool ready;   /* a message that the pace has counted waits for room */
    bool paused;  /* between two phases: only syncs are under way */
    bool ending;
};

void bench_line_open(struct bench_client *client, struct bench_line *line);
void bench_echo(struct bench_line *line);
/* Asks the server for a sync, and goes on when it answered. */
void bench_sync(struct bench_client *client, void (*after)(struct bench_client *client));
/* The first sync, then begin() with the reading taken; the second one, then the result and the end. */
void bench_window_open(struct bench_client *client, void (*begin)(struct bench_client *client));
void bench_window_close(struct bench_client *client);

/* The measurements: each begins when the first association is there. */
void bench_oneway(struct bench_client *client);
void bench_pingpong(struct bench_client *client);
void bench_growth(struct bench_client *client);
void bench_idle(struct bench_client *client);
void bench_setup(struct bench_client *client);
void bench_urgently(struct bench_client *client);
void bench_departures(struct bench_client *client);

#endif
