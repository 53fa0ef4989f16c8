/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: both ends of a session over simulated strands in simulated time. Everything follows from the seed.
 *
 *   main.c      the command line, workers        plan.c     what a seed stands for
 *   sim.c       time and one run                 link.c     strands: pipes, stalls, deaths
 *   unit_link.c strands of units           lossy.c    messages that need not come, marks, times
 *   strands.c   policies, states, what the callers know of strands
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
#include "base/range_set.h"
#include "session/session.h"

#include "rng.h"

#define SIDES 2
#define LINKS_MAX 5
#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)

struct sim;
struct side;

/* ---- what a seed stands for: plan.c */

struct unit_plan { /* of a strand of units */
    size_t most, lossy_max;
    bool gives_up;      /* the layers give up units by themselves */
    bool layers_resend; /* the layers send everything until it comes */
    int64_t spread;     /* how far units overtake one another, beside the jitter */
    unsigned per_mille_loss, per_mille_misjudged;
};

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
    unsigned stalls_of, stalls_again; /* of: 1 what the opener sends, 2 what the accepter does; again: how often */
    unsigned changes;                 /* of what the callers know */
    struct session_link given;
    bool tells_rate, suspects;
    struct unit_plan units; /* most 0: a strand of bytes */
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
    unsigned per_mille_lossy, per_mille_marks, per_mille_gaps, per_mille_filter, per_mille_timed, per_mille_paced;
    unsigned per_mille_no_memory; /* of allocations that fail, while failing */
    int64_t no_memory_at;
    enum session_policy policy;
    unsigned policy_changes, tells;
    unsigned moves; /* to another process: moves.c */
    int64_t moves_at[3], jumps[3];
    int64_t close_at; /* not before; -1: leaves it to the other */
    int64_t abort_at; /* 0: never */
};

struct plan {
    uint64_t seed;
    enum session_policy policy;
    bool early, early_accepted, survive;
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
    enum session_reliability reliability;
    unsigned resends;
    uint32_t probability;
    struct session_marks marks;
    int64_t send_time; /* by its side's clock */
    uint64_t pace;
    uint64_t paced_to;   /* the furthest byte that left */
    uint8_t *times_sent; /* of each byte, with RESENDS */
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
    bool offered_told, gaps_told, partial, pauses; /* pauses: the program paused while it came */
    uint64_t missing;
    struct range_set have; /* taken with gaps: what was handed over */
    uint8_t *into;
    bool moved; /* its receiver was, while it came */
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
    int64_t jump;          /* of its clock, by moves */
    uint64_t moved_bytes;  /* which are copies since, also those that were lent */
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
    uint64_t takes_parts_above;        /* 0: by chance */
    uint64_t ended_of[3], whole_of[3]; /* messages of each probability */
    uint64_t frames_seen;              /* bits of types that it sent */
    bool step_waits, close_scheduled, has_pulled, part_refused;
    uint64_t unended;
    uint64_t told[SESSION_TELL_KINDS], heard_low[SESSION_TELL_KINDS], heard_high[SESSION_TELL_KINDS];
    int64_t told_at, stranded_at;
    uint8_t scratch[65536];
};

#define OTHER(side) (&(side)->sim->sides[1 - (side)->index])

int side_start(struct side *side);
struct session_config side_config(struct side *side);
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
    int64_t free_at;                    /* units: when all that was pulled has left */
    uint64_t units_made;
};

struct link {
    struct sim *sim;
    unsigned number;
    const struct link_plan *plan;
    struct session_strand *strand[SIDES];
    bool added[SIDES], lost[SIDES], dead, early, suspected[SIDES];
    int64_t stalled[SIDES]; /* what this side sends, until then */
    unsigned stalls;
    struct sim_unit *units;
    struct pipe pipes[SIDES]; /* by sender */
};

void link_schedule(struct sim *sim, unsigned number);
void link_pull(struct link *link, struct side *side);
void link_deliver(struct link *link, struct side *to);
void link_learn(struct link *link, struct side *side, const char *reason);
void link_close(struct link *link, struct side *side); /* side has ended and said all */
void link_free(struct link *link);
void link_cut(struct link *link, struct side *side); /* the session has lost it by itself; the other end learns of it */
bool link_alive(const struct link *link, const struct side *side);

/* ---- strands.c */

void plan_strands(struct plan *plan);
void strands_start(struct side *side);
void strands_added(struct link *link, struct side *side);
void strands_tell_link(struct link *link, struct side *side);
void strands_told(void *user, unsigned kind, const void *body, size_t size);
void strands_stranded(void *user);
void strands_check_end(struct sim *sim);

/* ---- strands of units: unit_link.c */

void unit_link_pull(struct link *link, struct side *side);
void unit_link_useless(struct link *link, struct side *side, uint64_t number);
bool unit_link_drained(const struct link *link, const struct side *side);
void unit_link_free(struct link *link);

/* ---- the programs: program.c, receive.c, stream.c */

struct message_spec {
    uint64_t size;
    bool unknown_size, parts, source, borrowed, ordered, replayable, want_sent;
    bool plain; /* by the short way: no properties */
    int niceness;
    int64_t lifetime;
    enum session_reliability reliability;
    unsigned resends;
    uint32_t probability;
    struct session_marks marks;
    int64_t send_in; /* microseconds from now; 0: at once */
    uint64_t pace;
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
void receive_offered(void *user, struct session_offered *offered);
void receive_gaps(void *user, const struct session_gaps *gaps);
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

/* ---- lossy.c: lossy messages, marks, send times and paces */

extern const uint32_t lossy_probabilities[3];
void lossy_choose(struct side *side, struct message_spec *spec);
void lossy_watch(struct side *side, const uint8_t *at, const uint8_t *end,
                 uint64_t body_size); /* a DATA frame leaves */
void lossy_part(struct side *to, struct message *message, const struct session_part *part);
void lossy_partial(void *user, uint64_t id, uint64_t missing);
void lossy_departed(void *user, uint64_t id, int64_t sent_at);
void lossy_check_share(struct side *side, struct message *message, bool whole);
bool lossy_may_be_lost(const struct side *side, const struct message *message);
bool marks_same(const struct session_marks *a, const struct session_marks *b);

/* ---- moves.c */

void plan_moves(struct plan *plan);
void moves_start(struct side *side);

/* ---- content.c: byte n of a flow follows from its key and n, so that big ones need not be kept to be compared */

uint64_t content_key(uint64_t seed, unsigned side, uint64_t id, bool stream);
void content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t size);
bool content_same(uint64_t key, uint64_t offset, const uint8_t *bytes, size_t size);

/* ---- check.c */

struct message *check_sent(struct side *from, const struct message_spec *spec, uint64_t id, struct message *message);
void check_outcome(void *user, uint64_t first, uint64_t count, enum session_outcome kind, int code, const char *reason,
                   bool maybe_delivered);
void check_settled(void *user, uint64_t id, void *cookie);
void check_told_sent(void *user, uint64_t id, int64_t pulled_at);
struct message *check_find(struct side *from, uint64_t id); /* or NULL */
void check_ended(struct side *side, struct message *message, enum session_outcome kind, int code);
struct message *check_incoming(struct side *to, uint64_t id, const char *what);
void check_handed_over(struct side *to, struct message *message);
void check_delivery(struct side *to, struct message *message, const struct session_message *handed);
void check_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason);
int64_t check_clock_error(const struct side *side);
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
