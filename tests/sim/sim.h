/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: both ends of a session over simulated strands in simulated time. Everything follows from the seed.
 *
 *   main.c      the command line, workers        plan.c     what a seed stands for
 *   sim.c       time and one run                 link.c     strands: pipes, stalls, deaths
 *   side.c      an end and its session           receive.c  its program, receiving
 *   program.c   its program, sending             stream.c   its program, streams
 *   frames.c    what left, read again
 *   check*.c    the contract                     memory.c   accounts, and refuses
 *   content.c   the bytes of a message           scenario*.c  set pieces with an assertion of their own
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/memory.h"
#include "session/session.h"

#include "rng.h"

#define SIDES 2
#define LINKS_MAX 5
#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)

struct sim;
struct side;

/* ---- what a seed stands for: plan.c */

struct link_plan {
    int64_t add_at, add_skew; /* when the opener has it, and how much later the accepter */
    int64_t delay, jitter;    /* one way */
    uint64_t rate[SIDES];     /* bytes a second, by sender */
    size_t room;              /* bytes taken from the session before they left */
    size_t segment;           /* most bytes that travel together */
    size_t read_most;         /* most bytes read at once; 0: any number at random */
    int64_t dies_at;          /* 0: never */
    int64_t learns[SIDES];    /* how long after its death; negative: never by itself */
    int64_t stalls_at, stalls_for;
    bool tells_rate, suspects;
};

struct side_plan {
    int64_t clock_offset;
    int drift_ppm;
    uint64_t receive_memory, max_message, open_flows, send_queue, send_queue_messages;
    int64_t keep_alive, dead_after;
    unsigned actions;
    int64_t pace;    /* most time between two actions */
    uint64_t budget; /* bytes to send */
    uint64_t size_most;
    unsigned streams; /* to open */
    unsigned per_mille_lifetime, per_mille_antecedents, per_mille_ordered, per_mille_nice, per_mille_cancel,
        per_mille_pause, per_mille_keep, per_mille_refuse, per_mille_reply, per_mille_flood, per_mille_take[4];
    int64_t lifetime_most;
    unsigned per_mille_no_memory; /* of allocations that fail, while failing */
    int64_t no_memory_at;
    int64_t close_at; /* not before; -1: leaves it to the other */
    int64_t abort_at; /* 0: never */
};

struct plan {
    uint64_t seed;
    bool aggregate, early, early_accepted;
    int64_t handshake; /* of an early strand */
    unsigned link_count;
    struct link_plan links[LINKS_MAX];
    struct side_plan sides[SIDES];
};

void plan_make(struct plan *plan, uint64_t seed);
void plan_plain(struct plan *plan, uint64_t rate,
                int64_t delay); /* one good strand, nothing at random: for scenarios */

/* ---- memory.c */

struct account {
    struct memory memory; /* first: the session's pointer is turned back by a cast */
    struct sim *sim;
    uint64_t blocks, bytes, peak;
    unsigned per_mille_fail;
    struct rng rng;
    uint64_t refused;
};

void account_init(struct account *account, struct sim *sim, uint64_t seed);

/* ---- messages and streams as the checker knows them: check.c */

struct message {
    struct side *from;
    uint64_t id, key, size; /* size: of what was given so far, for one in parts until its end is given */
    bool unknown_size, parts, source, borrowed, ordered, replayable, want_sent, has_cookie;
    int niceness;
    bool reniced;
    int64_t lifetime, sent_at;
    uint64_t reply_to;
    uint64_t antecedents[SESSION_ANTECEDENTS_MAX + 1]; /* the last ordered message among them */
    size_t antecedent_count;
    /* Sending. */
    uint8_t *data;  /* borrowed */
    uint64_t given; /* parts */
    bool given_all, gone, feeding, starved;
    int source_error;
    bool cancelled, failed_by_us, sent_told, settled_told, ended, maybe_delivered;
    enum session_outcome outcome;
    int code;
    int64_t ended_at;
    /* Receiving. */
    bool arriving_told, delivered, refused, abandoned;
    enum session_take take;
    uint8_t *into;
    uint64_t parts_offset;
    const char *reason;
    int64_t delivered_at;
};

struct stream_direction {
    uint64_t written, read;
    bool shut, ended;
};

#define STREAM_MEMORY (2200000) /* that one end of a stream may hold: 1 MiB to send, a window to receive */

struct stream { /* both ends of one */
    uint64_t id, key;
    struct stream_direction direction[SIDES]; /* by writer */
    struct session_stream *handle[SIDES];
    bool closed[SIDES], reset, cut_off, hurry;
    uint64_t resets_at[SIDES]; /* bytes of its own written before a side resets; 0: never */
    uint64_t bandwidth, total; /* of the side that opened it; total: bytes it means to write */
    bool limit;
    unsigned opener;
    uint64_t back; /* bytes the other side means to write */
    int64_t limit_since;
    uint64_t limit_sent;
};

/* ---- an end: side.c */

struct kept { /* credit that the program returns late */
    struct kept *next;
    int64_t at;
    uint64_t cost, reserved;
    void *block;
    size_t block_size;
};

struct side {
    struct sim *sim;
    unsigned index;
    const struct side_plan *plan;
    struct session *session;
    struct account account;
    struct rng rng;
    bool ended, left, paused, wants_writable, done_sending, close_called, abort_called, hello;
    bool last_strand_lost, silent;
    int close_code;
    uint64_t close_peer_code;
    bool close_by_peer;
    int failing_all; /* the code of messages that failed as the session ended */
    unsigned depth;  /* of calls into the session */
    int64_t armed, first_pull, hello_delay;
    int64_t worst_clock;   /* the largest error that its clock's offset may have had */
    uint64_t stream_bytes; /* that open streams may buffer */
    uint64_t tick_count, arming;
    int64_t tick_time;
    struct message **messages; /* sent by this side, by id - 1 */
    size_t message_count, message_capacity;
    uint64_t last_ordered;
    unsigned actions_left;
    uint64_t budget_left;
    unsigned streams_left;
    struct kept *kept;
    struct link *pulling;
    unsigned parts_open;
    uint64_t takes_parts_above; /* 0: by chance */
    uint64_t frames_seen;       /* bits of types that it sent */
    bool step_waits, close_scheduled, has_pulled, part_refused;
    uint64_t unended;
    uint8_t scratch[65536];
};

#define OTHER(side) (&(side)->sim->sides[1 - (side)->index])

int side_start(struct side *side);
int64_t side_clock(const struct side *side);
void side_enter(struct side *side);
void side_leave(struct side *side); /* pulls, arms the timer, when the outermost leaves */
void side_add_link(struct side *side, struct link *link);
void side_free(struct side *side);
extern const struct session_handler side_handler;

/* ---- strands: link.c */

struct chunk {
    struct chunk *next;
    int64_t arrival;
    size_t size, taken;
    bool early;
    uint8_t bytes[];
};

struct source_block {
    struct source_block *next;
    uint8_t bytes[];
};

struct pipe {
    uint8_t *queue; /* pulled, not left */
    size_t queued, capacity, queue_early;
    const uint8_t *bulk;
    size_t bulk_left;
    struct chunk *first, **last;
    int64_t last_arrival;
    size_t leaving_size;
    bool leaving, closing, bulk_waited, broken;
    struct source_block *source_blocks; /* valid until the next pull */
};

struct link {
    struct sim *sim;
    unsigned number;
    const struct link_plan *plan;
    struct session_strand *strand[SIDES];
    bool added[SIDES], lost[SIDES], dead, early, suspected[SIDES];
    int64_t stalled_until;
    struct pipe pipes[SIDES]; /* by sender */
};

void link_schedule(struct sim *sim, unsigned number);
void link_pull(struct link *link, struct side *side);
void link_deliver(struct link *link, struct side *to);
void link_learn(struct link *link, struct side *side, const char *reason);
void link_close(struct link *link, struct side *side); /* side has ended and said all */
void link_free(struct link *link);
bool link_alive(const struct link *link, const struct side *side);

/* ---- the programs: program.c, receive.c, stream.c */

struct message_spec {
    uint64_t size;
    bool unknown_size, parts, source, borrowed, ordered, replayable, want_sent;
    bool plain; /* by the short way: no properties */
    int niceness;
    int64_t lifetime;
    uint64_t reply_to;
    const uint64_t *antecedents;
    size_t antecedent_count;
};

void program_start(struct side *side);
void program_woken(struct side *side); /* the queue has room again */
int program_send(struct side *side, const struct message_spec *spec, struct message **ret_message);
bool program_done(const struct side *side); /* nothing more will be asked of the session but to close */
void program_try_close(struct side *side);
const uint8_t *program_source(void *user, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error);
void program_release(struct message *message);

void receive_message(void *user, struct session_message *message);
void receive_arriving(void *user, struct session_arriving *arriving);
void receive_part(void *user, struct session_part *part);
void receive_abandoned(void *user, uint64_t id, enum session_outcome kind);

struct stream *stream_open(struct side *side, int niceness, uint64_t bandwidth, bool limit, uint64_t total,
                           uint64_t back);
void stream_opened(void *user, struct session_stream *stream);
void stream_readable(void *user, struct session_stream *stream);
void stream_writable(void *user, struct session_stream *stream);
void stream_closed(void *user, struct session_stream *stream, bool reset, uint64_t code);
bool streams_finished(const struct side *side);
void streams_begin(struct side *side);
void stream_poke(struct sim *sim, void *object, uint64_t id); /* an event */
/* ---- frames.c */

void link_bulk_ends(struct link *link, struct side *side);
void frames_watch(struct side *side, const struct link *link, const uint8_t *bytes, size_t size, size_t bulk_size);

/* ---- content.c: byte n of a flow follows from its key and n, so that big ones need not be kept to be compared */

uint64_t content_key(uint64_t seed, unsigned side, uint64_t id, bool stream);
void content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t size);
bool content_same(uint64_t key, uint64_t offset, const uint8_t *bytes, size_t size);

/* ---- check.c */

struct message *check_sent(struct side *from, const struct message_spec *spec, uint64_t id, struct message *message);
void check_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code, const char *reason,
                   bool maybe_delivered);
void check_settled(void *user, uint64_t id, void *cookie);
void check_told_sent(void *user, uint64_t id);
struct message *check_incoming(struct side *to, uint64_t id, const char *what);
void check_handed_over(struct side *to, struct message *message);
void check_delivery(struct side *to, struct message *message, const struct session_message *handed);
void check_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason);
void check_clock(struct side *side);
void check_bounds(struct side *side);
void check_end(struct sim *sim);

/* ---- a run: sim.c */

typedef void (*event_fn)(struct sim *sim, void *object, uint64_t number);

struct event {
    int64_t time;
    uint64_t order;
    event_fn fn;
    void *object;
    uint64_t number;
};

struct sim {
    struct plan plan;
    struct rng rng;
    int64_t now;
    bool verbose, failed, random_program, keeps /* programs keep messages though they are not random */;
    char failure[400];
    struct event *events;
    size_t event_count, event_capacity;
    uint64_t event_order, events_run, instant_events;
    int64_t progress_at;
    struct side sides[SIDES];
    struct link links[LINKS_MAX];
    unsigned links_made;
    struct stream *streams;
    size_t stream_count, stream_capacity;
    bool memory_refused, aborted, strand_died;
    void *scenario; /* the scenario's own */
    void (*on_delivered)(struct sim *sim, struct message *message);
    void (*on_outcome)(struct sim *sim, struct message *message);
};

void sim_init(struct sim *sim, bool verbose);
int sim_start(struct sim *sim);
void sim_run(struct sim *sim, int64_t until, bool (*finished)(struct sim *sim));
bool sim_over(struct sim *sim);
void sim_free(struct sim *sim);
void sim_schedule(struct sim *sim, int64_t time, event_fn fn, void *object, uint64_t number);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_log(struct sim *sim, const struct side *side, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sim_dump(struct sim *sim);
struct tally {                                                             /* of many runs */
    uint64_t messages, delivered, bytes, streams, strands_died, simulated; /* simulated: microseconds */
};
/* One seed: true when it holds; else ret_failure has the reason. Adds to the tally. */
bool sim_seed(uint64_t seed, bool verbose, struct tally *tally, char *ret_failure, size_t failure_size);

/* ---- scenario.c */

int scenario_run(const char *name, bool verbose); /* 0, 1: it failed, 2: there is none of that name */
void scenario_list(FILE *file);

#endif
