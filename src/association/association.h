/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an association is made of: private to this folder. Each struct is changed by the file named beside it.
 *
 * Who keeps an association alive: `refs` are the program's, `holds` are ours (one while it is open, one for each call
 * that may run handlers, one for each kept message, stream and child). It is freed when both are 0. All but messages and
 * buffers belongs to the context's thread.
 */
#ifndef ASSOCIATION_ASSOCIATION_H
#define ASSOCIATION_ASSOCIATION_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/hawser.h>

#include "association/join_word.h"
#include "base/list.h"
#include "base/options.h"
#include "base/tree.h"
#include "layer/layer.h"
#include "loop/loop.h"
#include "security/security.h"
#include "session/session.h"

#define DEFAULT_TIMEOUT 10000000
#define DEFAULT_KEEP_ALIVE 25000000
#define DEFAULT_DEAD_AFTER 10000000
#define DEFAULT_LINGER 10000000
#define DEFAULT_REESTABLISH 60000000
#define DEFAULT_RECEIVE_MEMORY (16u << 20)
#define DEFAULT_SEND_QUEUE (16u << 20)
#define DEFAULT_SEND_QUEUE_MESSAGES 100000
#define MIN_RECEIVE_MEMORY (1u << 20)
#define LINGER_READING 2000000 /* how long an ended strand is read on, so that no reset overtakes its last bytes */
#define ARRIVING_ABOVE 65536   /* messages up to this come without HAWSER_ARRIVING, and fit into arrays */
#define PULL_SIZE 16384        /* one TLS record; the first part of the loop's scratch, the rest is for receiving */
#define REASON_SIZE 256
#define PATH_TEXT 128
#define NEVER INT64_MAX
/* The program's own code of a refusal, of 32 bits, as it goes over the wire: docs/protocol.md section 8. */
#define REFUSED_WITH(code) (SESSION_CODE(UINT64_C(1) << 32) + (code))

struct associations;

struct slot { /* where an event goes */
    hawser_handler handler;
    void *user;
};

/* What TLS is told, and what the strings in it point to; counted: a listener's serves all it accepts. config.c */
struct secure {
    unsigned refs;
    struct tls_config tls, sctp_tls; /* the second as the first, for stacks with sctp above dtls */
    struct trust_entry *trust;
    hawser_context *context;
    char strings[];
};

struct secure_options {
    hawser_identity *identity; /* NULL: the context's own */
    const char *trust, *trust_file;
    hawser_verification min_verification;
    const char *server_name, *service, *alpn; /* NULL: none */
    bool session, bare;                       /* hawser/1 is offered; the peer's own protocol will do */
    bool early_data, present_certificate, no_tickets;
};

/* The options that opening and accepting sides have in common. config.c */
struct line_options {
    int64_t keep_alive, dead_after, linger;
    uint64_t receive_memory, send_queue, send_queue_messages, max_message;
    hawser_policy policy;
    int64_t reestablish; /* 0: the line ends with its last strand */
};

/* Who the peer is; older ones stay, since the program may hold their strings. peer.c */
struct peer {
    struct peer *older;
    hawser_peer is;
    char strings[];
};

/* A live stack that carries the association. strand.c */
struct strand {
    struct list link;
    hawser_association *association;
    unsigned id;                    /* from 1 in its association */
    struct strand_way *way;         /* strand_info.c: what is known of its interface; NULL: nobody asked */
    struct layer *top;              /* NULL between two attempts */
    struct session_strand *session; /* NULL until the session may use it */
    uint8_t *rest;                  /* what the layers did not take of the last pull; NULL: all was taken */
    uint32_t rest_at, rest_size;
    const uint8_t *bulk; /* what follows it, in its own place */
    size_t bulk_size;
    int64_t rate_at;               /* when the delivery rate was looked at */
    struct hawser_mptcp *subflows; /* strand_mptcp.c: watched; NULL: not, or none */
    struct history_key *key;       /* what its rate is remembered under; NULL: accepted */
    struct joining *joining; /* join.c: on its way into an association that lives already; NULL: not, or it is in */
    struct weave_path *path; /* weave.c: which it is on; NULL: none, accepted, or alone */
    uint64_t number;         /* in the session */
    int code;                /* dead: why */
    const char *reason;      /* static, or the layers' own */
    uint64_t units_out;      /* units whose fate is not known */
    uint64_t own_units;      /* units before the session's: of joining */
    char *outside;           /* told_seen.c: our end as the peer sees it; NULL: not told */
    int64_t moved_until;     /* migrate.c: it went on from another address, where something has to come; 0: no */
    uint64_t moved_received;
    int64_t join_until;      /* join.c: by then it is in, or given up; 0: it is the first, or not that far */
    bool in_units;           /* what the session knows it as */
    bool secured;            /* the handshake ended well */
    bool early;              /* this stack carried early data */
    bool lent;               /* top is an attempt's, which writes early data */
    bool readable;           /* more may be read than was */
    bool blocked;            /* the layers take nothing for now */
    bool dead;               /* to be taken apart in the next work */
    bool shut;               /* the peer was told that no more comes */
    bool hushed;             /* no unit of the session's goes before one of the peer's came */
    bool ahead;              /* join.c: the session's words follow our JOIN, and its answer is still to come */
    bool stopped;            /* its interface has no carrier */
    bool preferred, avoided; /* by the program: strand_use.c */
};

/* In which of the names' lists an association is. find.c */
struct name_link {
    struct list link;
    struct name_entry *entry; /* NULL: in none */
    hawser_association *association;
};

/* One end of an association, as new strands have to prove it: how often it was moved to another process, and the secret
 * that it has since. join.c, import.c */
struct join_end {
    struct join_moves moves;
    uint8_t secret[JOIN_SECRET];
};

struct opening;
struct listener;
struct message_slots;
struct taking;
struct gather_source;
struct kept;

struct hawser_association {
    hawser_context *context; /* NULL once it ended */
    struct associations *all;
    struct session *session; /* NULL: a listener, bare, not yet heard of, or ended */
    struct bare *bare;       /* bare.h; NULL: over hawser/1 */
    struct list link;        /* in all->open */
    struct list strands;
    struct list streams; /* hawser_stream */
    struct list tasks;   /* those that wait for news of it; task.c */
    struct list queued;  /* struct kept: messages for tasks */
    struct kept *taken_last;
    struct loop_deferred deferred;
    struct loop_timer timer;
    int64_t timer_due; /* as armed; NEVER: not */
    unsigned refs, holds;

    bool open;        /* holds itself and the loop */
    bool established; /* the peer is verified */
    bool told;        /* accepted: the program has seen it */
    bool ended;       /* the session told its end */
    bool told_closed;
    bool child; /* came by a listener */
    bool by_peer;
    bool early;   /* accepted before the handshake ended */
    bool offered; /* bare: HAWSER_ACCEPTED is being told */
    bool abort_wanted, quiet_abort, resume_wanted, refused, path_changed;
    bool silent; /* no handler runs any more */

    int64_t began, deadline; /* deadline: of the handshake, of lingering, of what is read on */
    int64_t linger;
    uint64_t end_code; /* abort_wanted, refused: to tell the peer; ended: the peer's */
    int code;
    char *end_reason;

    struct slot slots[HAWSER_EVENT_COUNT_];
    struct message_slots *message_slots; /* uthash */
    struct left *left;                   /* event.c; NULL: no message with want_sent left yet */
    struct taking *taking;               /* uthash: messages with an answer to HAWSER_ARRIVING */
    hawser_filter *filter;               /* filter.c; NULL: every message passes */
    uint64_t filtered, gapped;           /* messages, for the statistics */
    struct gather_source *gathered;      /* gather.c; NULL: nobody gathers from it */
    void *user;

    hawser_properties *properties; /* the program's, a copy; shared with a listener's; NULL: defaults */
    struct secure *secure;
    struct peer *peer;
    const char *nonce_key; /* under which security_nonce_add() noted it; NULL: not */
    struct opening *opening;
    struct listener *listener;
    hawser_association *parent; /* the listener it came by */
    struct list waiting;        /* in the listener's list of those without HELLO */
    struct name_link names[2];  /* the name that was asked for, the key's name */
    char *endpoint;

    struct ways *ways;            /* weave.h; NULL: nothing beside the endpoint was given */
    struct weave *weave;          /* weave.c; NULL until it is needed */
    int64_t reestablish;          /* how long it lives without a strand; 0: not at all */
    int64_t stranded_until;       /* NEVER: it has a strand */
    int64_t measured_at;          /* when the session was told of the strands' state */
    uint8_t secret[32];           /* join.c: of the first strand; keys for the program come from it */
    struct join_end ours, theirs; /* what new strands prove themselves by */
    char first_stack[24];         /* of the first strand */
    struct nonce_link *nonce;     /* find_nonce.c: by which a new strand finds it; NULL: it was not accepted */
    bool has_secret, stranded, wants_told;
    unsigned in_ready; /* of calls by its strands' layers that run now */
    bool imported;     /* its streams are still to be told */
    bool peer_leaves;  /* it said that it goes on in another process, which may take a while */
    bool suspicion_changed;
    bool told_malformed;   /* by the peer, and that was logged */
    bool stranded_counted; /* by its listener */
    bool strandless;       /* the session said so, and what follows is still to be done */
    bool greeted;          /* came, its handshake is done, and nothing was heard yet */

    int64_t line_dead; /* silence that the line bears; 0: any */
    unsigned number;   /* from 1 in its context, for who looks from outside */
    unsigned strands_made;
    unsigned reading;         /* the number of the strand that is read now; 0: none */
    struct trace_line *trace; /* trace.c; NULL: nothing of it was traced */
    uint16_t round_trips;
    bool early_data, resumed, fast_open;
};

/* Those that came, by their opener's nonce and key; find_nonce.c */
RB_HEAD(nonce_tree, nonce_link);

/* What a context keeps for its associations. association.c */
struct associations {
    hawser_context *context;
    struct list open;
    struct list listeners;     /* struct listener */
    hawser_identity *identity; /* of those that name none */
    struct list trusts;        /* config.c */
    struct list tasks;         /* task.c */
    struct list gatherings;    /* gather.c */
    struct list moved;         /* export.c: lines that came and left for another process, oldest first */
    unsigned moved_count;
    struct list crews;         /* crew.c */
    struct task *running;      /* NULL: none */
    struct name_entry *names;  /* uthash; find.c */
    struct nonce_tree nonces;  /* find_nonce.c */
    struct host_watch *watch;  /* host_watch.c: the host's interfaces; NULL until a line stands */
    struct message_home *home; /* message.c */
    struct batch *batch;       /* message.c; NULL until one is wanted */
    struct list spares;        /* bare_send.c: memory for messages of a datagram's size */
    unsigned spare_count;
    /* What a handler that runs now may answer to; one at a time, since dispatch never nests. receive.c */
    struct {
        hawser_association *association;
        struct session_arriving *arriving;
        struct session_message *message;
        struct session_part *part;
        struct session_offered *offered;
        char reason[REASON_SIZE];
    } now;
    unsigned made;            /* associations so far */
    hawser_counters counters; /* counters.c: of what has ended, and of strands that came to the wrong context */
    struct trace *trace;      /* trace.c; NULL: there is none */
    struct control *control;  /* control.c; NULL: nobody may look */
    bool control_said;        /* hawser_context_set_control() was called, or $HAWSER_CONTROL looked at */
    const uint8_t *received, *received_end; /* what batch_open() was given */
    char strand_text[SESSION_STRANDS_MAX][3 * PATH_TEXT];
};

/* association.c */
int associations_of(hawser_context *context, struct associations **ret_all);
int association_new(hawser_context *context, hawser_association **ret_association);
int association_check(const hawser_association *association); /* -ECHILD, -ENOTCONN */
int64_t association_now(const hawser_association *association);
void association_hold(hawser_association *association);
void association_let_go(hawser_association *association);           /* may free it */
void association_wake(hawser_association *association);             /* work at the end of this dispatch */
void association_arm(hawser_association *association, int64_t due); /* fires no later than due */
void association_finish(hawser_association *association);           /* strands are gone: no more of it but the object */
char *text_copy(const char *text);                                  /* "" for NULL; NULL: no memory */

/* config.c */
int line_options_fill(struct line_options *line);
int secure_new(hawser_context *context, const struct secure_options *options, struct secure **ret_secure);
struct secure *secure_ref(struct secure *secure);
struct secure *secure_unref(struct secure *secure);
const char *secure_trust(const struct secure *secure);      /* as given */
const char *secure_trust_file(const struct secure *secure); /* NULL: none */
void trusts_free(struct associations *all);
enum session_policy session_policy_of(hawser_policy policy);
int association_make_session(hawser_association *association, const struct line_options *line, bool opener);

/* peer.c */
int peer_note(hawser_association *association, const struct layer_peer *peer);
const char *peer_key_name(const hawser_association *association);

/* find.c */
int find_add(hawser_association *association, const char *host); /* under the peer's names */
void find_remove(hawser_association *association);
/* find_nonce.c */
void find_remove_nonce(hawser_association *association);
int find_add_nonce(hawser_association *association,
                   const uint8_t nonce[16]); /* that came, by its opener's nonce. -ENOMEM */
hawser_association *find_nonce(const struct associations *all, const uint8_t nonce[16], const char *key_name);
/* host_watch.c: what changes on this host is told to every line from now on. */
int host_watch(struct associations *all);
void host_watch_free(struct associations *all);

/* event.c */
void event_raise(hawser_association *association, hawser_event *event);
bool event_wanted(const hawser_association *association, hawser_event_type type);
void event_call(hawser_association *association, struct slot slot, hawser_event *event);
void message_slots_free(hawser_association *association);
int event_expect_departure(hawser_association *association, hawser_message_id id, int64_t send_time); /* -ENOMEM */
extern const struct session_handler association_handler;

/* report.c */
void report_established(hawser_association *association, const struct strand *strand, bool bare);

/* open.c */
void open_begin(hawser_association *association);
const hawser_report *open_report(const hawser_association *association); /* NULL: there is none any more */
void open_free(hawser_association *association);                         /* what is under way is cancelled */

/* listener.c */
void listener_close(hawser_association *association);
void listener_progress(hawser_association *child, struct strand *strand); /* the handshake, and early data */
void listener_hello(hawser_association *child);
void listener_timeout(hawser_association *child);
void listener_forget(hawser_association *child);                        /* it is no longer the listener's */
void listener_child_stranded(hawser_association *child, bool stranded); /* it has no strand, or one again */

/* strand.c */
int strand_new(hawser_association *association, struct strand **ret_strand);
void strand_set_top(struct strand *strand, struct layer *top); /* may be the one that it writes early to */
void strand_leave_top(struct strand *strand);                  /* the stack that it wrote early to is going */
int strand_join(struct strand *strand, bool early);            /* makes the session use it */
void strand_secured(struct strand *strand, bool early_accepted);
void strand_read(struct strand *strand);
void strand_write(struct strand *strand);
void strand_write_early(struct strand *strand);
bool strand_drained(const struct strand *strand);
void strand_lost(struct strand *strand, int code, const char *reason);
void strand_bulk_ends(struct strand *strand);
void strand_end(struct strand *strand); /* tells the peer that no more comes, and reads on */
void strand_free(struct strand *strand);
/* Whether a message's bytes are being sent from this memory now. */
bool strand_sends(const hawser_association *association, const uint8_t *bytes, size_t size);

/* strand_units.c: strands whose layers carry units */
bool strand_carries_units(const struct strand *strand);
int units_join(struct strand *strand, bool early);
int units_become(struct strand *strand); /* another top than the one that carried early data is of another kind */
ssize_t units_receive(struct strand *strand);
void units_take(struct strand *strand, const struct layer_unit_in *in);
void units_drain(struct strand *strand); /* dead: hands over what came before */
bool units_write(struct strand *strand, size_t budget);
bool units_settled(const struct strand *strand);
void units_drop(struct strand *strand, uint64_t number);

/* strand_use.c */
struct strand *strand_by_id(const hawser_association *association, unsigned id); /* that the session uses; or NULL */

/* strand_info.c */
void strand_tune(const struct strand *strand);
hawser_strand_state strand_state(const struct strand *strand);

/* close.c */
void close_requests(hawser_association *association); /* what was asked for outside of dispatch */
void close_now(hawser_association *association, uint64_t code, const char *reason, int local_code);
bool close_is_asked(const hawser_association *association); /* gracefully, by either side */
void close_work(hawser_association *association);
int64_t close_due(const hawser_association *association);
void close_told(hawser_association *association, int code, uint64_t peer_code, bool by_peer, const char *reason);
void close_background(hawser_association *association); /* the last reference went */

/* send.c, outgoing.c */
const uint8_t *outgoing_source(hawser_association *association, void *cookie, uint64_t offset, size_t *ret_size,
                               int *ret_error);
void outgoing_settled(hawser_association *association, void *cookie);

/* receive.c */
void receive_message(hawser_association *association, struct session_message *message);
void receive_arriving(hawser_association *association, struct session_arriving *arriving);
void receive_part(hawser_association *association, struct session_part *part);
void receive_abandoned(hawser_association *association, uint64_t id, enum session_outcome kind);
void receive_offered(hawser_association *association, struct session_offered *offered);
void receive_gaps(hawser_association *association, const struct session_gaps *gaps);
/* marks: where those of the message may be put, as long as received is read. */
void received_fill(hawser_received *received, const struct session_message *from, hawser_message *message,
                   hawser_marks *marks);
void receive_free(hawser_association *association);

/* filter.c */
bool filter_passes(const hawser_filter *filter, const struct session_marks *marks); /* NULL: all do */

/* task.c */
void tasks_end(struct associations *all);
void tasks_news(hawser_association *association); /* wakes those that wait */
void task_queue_free(hawser_association *association);

/* message.c */
int home_new(hawser_context *context, struct message_home **ret_home);
void home_end(struct message_home *home);   /* the context ends */
void home_drain(struct message_home *home); /* takes in what other threads let go */
void home_here(struct message_home *home);  /* this is the context's thread */
void message_transient(hawser_message *message, hawser_association *association, struct session_message *origin);

/* batch.c */
/* Messages whose bytes lie in the buffer may be collected until batch_flush(). */
void batch_open(struct associations *all, const uint8_t *buffer, size_t size);
bool batch_add(hawser_association *association, struct session_message *message); /* false: to be told alone */
void batch_flush(struct associations *all);
void batch_free(struct associations *all);

/* stream.c */
hawser_association *stream_association(const hawser_stream *stream);
void stream_opened(hawser_association *association, struct session_stream *session_stream);
void stream_ready(hawser_association *association, struct session_stream *session_stream, hawser_event_type type);
void stream_closed(hawser_association *association, struct session_stream *session_stream, bool reset, uint64_t code);
void stream_handles_end(hawser_association *association); /* the session is being freed */
/* export.c: whether a line that came was moved to another process from here, lately */
bool export_was_moved(struct associations *all, const uint8_t nonce[16]);
void export_forget(struct associations *all, int64_t now); /* those that nobody seeks any more */
/* import.c */
void import_tell(hawser_association *association); /* what its program is to hear of an imported one before all else */

#endif
