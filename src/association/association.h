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

#include "base/list.h"
#include "base/options.h"
#include "layer/layer.h"
#include "loop/loop.h"
#include "security/security.h"
#include "session/session.h"

#define DEFAULT_TIMEOUT 10000000
#define DEFAULT_KEEP_ALIVE 25000000
#define DEFAULT_DEAD_AFTER 10000000
#define DEFAULT_LINGER 10000000
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
    struct tls_config tls;
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
    struct layer *top;              /* NULL between two attempts */
    struct session_strand *session; /* NULL until the session may use it */
    uint8_t *rest;                  /* what the layers did not take of the last pull; NULL: all was taken */
    uint32_t rest_at, rest_size;
    const uint8_t *bulk; /* what follows it, in its own place */
    size_t bulk_size;
    int64_t rate_at;         /* when the delivery rate was looked at */
    struct history_key *key; /* what its rate is remembered under; NULL: accepted */
    int code;                /* dead: why */
    const char *reason;      /* static, or the layers' own */
    bool secured;            /* the handshake ended well */
    bool early;              /* this stack carried early data */
    bool lent;               /* top is an attempt's, which writes early data */
    bool readable;           /* more may be read than was */
    bool blocked;            /* the layers take nothing for now */
    bool dead;               /* to be taken apart in the next work */
    bool shut;               /* the peer was told that no more comes */
};

/* In which of the names' lists an association is. find.c */
struct name_link {
    struct list link;
    struct name_entry *entry; /* NULL: in none */
    hawser_association *association;
};

struct opening;
struct listener;
struct message_slots;
struct taking;

struct hawser_association {
    hawser_context *context; /* NULL once it ended */
    struct associations *all;
    struct session *session; /* NULL: a listener, bare, not yet heard of, or ended */
    struct bare *bare;       /* bare.h; NULL: over hawser/1 */
    struct list link;        /* in all->open */
    struct list strands;
    struct list streams; /* hawser_stream */
    struct list tasks;   /* those that wait for news of it; task.c */
    struct list queued;  /* messages for tasks */
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
    struct taking *taking;               /* uthash: messages with an answer to HAWSER_ARRIVING */
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

    int64_t line_dead; /* silence that the line bears; 0: any */
    uint16_t round_trips;
    bool early_data, resumed, fast_open;
};

/* What a context keeps for its associations. association.c */
struct associations {
    hawser_context *context;
    struct list open;
    hawser_identity *identity; /* of those that name none */
    struct list trusts;        /* config.c */
    struct list tasks;         /* task.c */
    struct task *running;      /* NULL: none */
    struct name_entry *names;  /* uthash; find.c */
    struct message_home *home; /* message.c */
    struct batch *batch;       /* message.c; NULL until one is wanted */
    /* What a handler that runs now may answer to; one at a time, since dispatch never nests. receive.c */
    struct {
        hawser_association *association;
        struct session_arriving *arriving;
        struct session_message *message;
        struct session_part *part;
        char reason[REASON_SIZE];
    } now;
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
void trusts_free(struct associations *all);
int association_make_session(hawser_association *association, const struct line_options *line, bool opener);

/* peer.c */
int peer_note(hawser_association *association, const struct layer_peer *peer);
const char *peer_key_name(const hawser_association *association);

/* find.c */
int find_add(hawser_association *association, const char *host); /* under the peer's names */
void find_remove(hawser_association *association);

/* event.c */
void event_raise(hawser_association *association, hawser_event *event);
bool event_wanted(const hawser_association *association, hawser_event_type type);
void event_call(hawser_association *association, struct slot slot, hawser_event *event);
void message_slots_free(hawser_association *association);
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
void listener_forget(hawser_association *child); /* it is no longer the listener's */

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

/* strand_info.c */
void strand_tune(const struct strand *strand);

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
void received_fill(hawser_received *received, const struct session_message *from, hawser_message *message);
void receive_free(hawser_association *association);

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

#endif
