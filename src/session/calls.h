/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the session call of one another, by the file that has it. Included by session/internal.h only. */
#ifndef SESSION_CALLS_H
#define SESSION_CALLS_H

/* records.c */
struct outbound *record_new(struct session *session, uint64_t id); /* NULL: no memory */
uint8_t *arena_take(struct session *session, size_t size, struct arena **ret_arena);
struct outbound *outbound_find(struct session *session, uint64_t id); /* NULL: settled or never */
void outbound_settle(struct session *session, struct outbound *outbound, enum session_outcome kind, int code,
                     const char *reason, bool maybe_delivered);
void outbound_expire_due(struct session *session);
void outbound_fail_all(struct session *session, int code, const char *reason);
void outbound_unpin(struct session *session, struct outbound *outbound);
void outbound_trim(struct session *session);
void outbound_free_all(struct session *session);
void outbound_tell(struct session *session); /* hands collected outcomes to the program */
void outbound_finish_ending(struct session *session);
struct outbound_more *outbound_need_more(struct session *session, struct outbound *outbound); /* NULL: no memory */
uint64_t outbound_weight(const struct session *session,
                         const struct outbound *outbound); /* in queued_bytes; not of parts */
uint64_t outbound_cost(const struct outbound *outbound);   /* what opening it took; 0: not opened */
int outbound_ask(struct session *session, struct outbound *outbound, enum expire_kind kind);
void outbound_room_check(struct session *session, struct outbound *outbound);
void outbound_passed(struct session *session, struct outbound *outbound);  /* every byte has been pulled now */
void outbound_release(struct session *session, struct outbound *outbound); /* frees the record; nothing is told */
int outcome_read(struct session *session, const uint8_t *at, const uint8_t *end);
/* Calls each() with every range of "first count (gap count)*"; NULL on success is never returned: 0 or a violation. */
int ranges_read(struct session *session, const uint8_t *at, const uint8_t *end,
                int (*each)(struct session *session, uint8_t kind, uint64_t first, uint64_t count), uint8_t kind);
const uint8_t *outbound_bytes(struct session *session, struct outbound *outbound, uint64_t offset, size_t *ret_size);
void outbound_stop(struct session *session, struct outbound *outbound); /* takes it out of every list and heap */
void outbound_acked(struct session *session, uint64_t id, uint64_t offset, uint64_t size);

uint64_t outbound_delivered_run(struct session *session, struct outbound_chunk *chunk, uint64_t id, uint64_t end);

/* antecedent.c */
int antecedent_park(struct session *session, struct outbound *outbound);    /* 1: it must wait, 0: it need not */
void antecedent_passed(struct session *session, struct outbound *outbound); /* wakes those that wait for it */
void antecedent_drop_edges(struct session *session, struct outbound *outbound);
void antecedent_raise(struct session *session, struct outbound *outbound, uint8_t class);

/* pieces.c */
void pieces_init(struct pieces *pieces);
int pieces_add(const struct memory *memory, struct pieces *pieces, const void *data, size_t size);
const uint8_t *pieces_at(const struct pieces *pieces, uint64_t offset, size_t *ret_size);
void pieces_release(const struct memory *memory, struct pieces *pieces, uint64_t below);
/* [offset, end) was acknowledged, in any order; frees what no gap is below, unless a strand sends from it (hold). */
int pieces_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked, uint64_t offset,
                 uint64_t end, bool hold);
void pieces_release_acked(const struct memory *memory, struct pieces *pieces, struct range_set *acked);

/* schedule.c */
void schedule_init(struct session *session);
void schedule_free(struct session *session);
int schedule_message(struct session *session, struct outbound *outbound); /* where its state says */
void schedule_plain(struct session *session, struct outbound *outbound);  /* small, new, niceness 0 */
void schedule_stream(struct session *session, struct session_stream *stream);
void unschedule_message(struct session *session, struct outbound *outbound);
void unschedule_stream(struct session *session, struct session_stream *stream);
struct chosen {
    struct outbound *message;
    struct session_stream *stream;
    struct class *class;
    enum lane lane;
    uint64_t limit; /* most bytes of it */
};
bool schedule_alone(const struct session *session,
                    const struct class *class); /* nothing else may go before its small ones */
uint64_t credit_left(const struct session *session);
bool schedule_choose(struct session *session, struct session_strand *strand, struct chosen *chosen);
void schedule_used(struct chosen *chosen, size_t bytes);
bool schedule_replayable(const struct session *session);
void schedule_trim(struct session *session);

/* credit.c */
uint64_t opening_cost(const struct outbound *outbound, uint64_t paid);
bool credit_allows(const struct session *session, const struct outbound *outbound, uint64_t *ret_paid);
bool credit_allows_stream(const struct session *session);
void credit_return(struct session *session, uint64_t cost);
int credit_charge(struct session *session, uint64_t cost); /* -HAWSER_ELIMIT */
void reserve_ask(struct session *session, struct inbound *inbound);
void reserve_grant(struct session *session);

/* ledger.c */
int ledger_make_room(struct session *session, struct ledger *ledger, uint32_t entries);
void ledger_add(struct session_strand *strand, enum ledger_kind kind, uint8_t flags, uint64_t id, uint64_t offset,
                uint64_t size);
void ledger_acked(struct session_strand *strand, uint64_t offset);
int ledger_lost(struct session_strand *strand); /* everything beyond acked is to be sent again */
void ledger_free(struct session *session, struct ledger *ledger);

/* runs.c */
int runs_add(const struct memory *memory, struct runs *runs, uint8_t kind, uint64_t first, uint64_t count,
             uint64_t cost);
void runs_free(const struct memory *memory, struct runs *runs);

/* control.c */
bool control_waiting(const struct session_strand *strand);
/* Writes what fits; the position after it. */
uint8_t *control_pull(struct session_strand *strand, uint8_t *at, uint8_t *end);

/* hello.c */
uint8_t *hello_write(struct session *session, uint8_t *at, uint8_t *end);
int hello_read(struct session *session, const uint8_t *at, const uint8_t *end);

/* receive.c */
int frame_read(struct session_strand *strand, uint64_t type, const uint8_t *body, const uint8_t *end, bool early);
int violation(struct session *session, enum session_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* inbound.c, deliver.c, settle.c */
struct data_frame {
    uint64_t id, size, paid, offset;
    uint8_t flags;
    struct inbound_properties properties;
    const uint8_t *payload;
};
/* Reads a DATA frame's head; ret_frame->payload is where the payload begins. */
int data_read_head(struct session *session, const uint8_t *at, const uint8_t *end, uint64_t payload_end,
                   struct data_frame *ret_frame);
int inbound_whole(struct session_strand *strand, const struct data_frame *frame, size_t size, bool early);
int inbound_begin(struct session_strand *strand, const struct data_frame *frame, uint64_t size, bool early,
                  struct inbound **ret_inbound); /* NULL: skip the payload */
int inbound_place(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size,
                  bool in_place);
/* After placing: hands over parts, notes that it is whole. The message may be gone afterwards. */
int inbound_advance(struct session *session, struct inbound *inbound);
uint8_t *inbound_room(const struct inbound *inbound, uint64_t offset, uint64_t *ret_size); /* NULL: not by place */
bool inbound_by_parts(const struct inbound *inbound);
bool inbound_is_whole(const struct inbound *inbound);
void inbound_forget(struct session *session, struct inbound *inbound); /* frees it; its credit is the caller's matter */
void inbound_discard(struct session *session, struct inbound *inbound, enum session_outcome kind); /* gives all back */
void inbound_free_all(struct session *session);
struct inbound *inbound_find(struct session *session, uint64_t id);
int inbound_grow(struct session *session, struct inbound *inbound, size_t capacity);
int gap_add(struct session *session, struct range_set *have, uint64_t offset, uint64_t end);
int inbound_window(struct session *session, struct inbound *inbound); /* allows more of what is taken in parts */
/* deliver.c */
void deliver_when_ready(struct session *session, struct inbound *inbound);
void deliver_drain(struct session *session);
int deliver_small(struct session *session, uint64_t id, const uint8_t *data, size_t size, uint64_t cost,
                  const struct inbound_properties *properties, bool early);
int deliver_parts(struct session *session, struct inbound *inbound, const uint8_t *data, size_t size);
int deliver_parts_told(struct session *session, struct inbound *inbound); /* the program has had all of its parts */
/* plain.c */
/* Reads frames as long as they are whole plain messages, from *ret_at on. */
int plain_messages(struct session_strand *strand, const uint8_t *at, const uint8_t *end, const uint8_t **ret_at);
/* settle.c */
int refusal_add(struct session *session, uint64_t id, const char *reason);
int settle_delivered(struct session *session, uint64_t first, uint64_t count); /* nobody waits for them */
int settle_inbound(struct session *session, uint64_t id, uint8_t kind, const char *reason);
bool settled_contains(const struct session *session, uint64_t id);
int expire_read(struct session *session, const uint8_t *at, const uint8_t *end);
int waiters_add(struct session *session, struct inbound *inbound); /* counts what inbound must wait for */
void waiters_remove(struct session *session, struct inbound *inbound);
bool antecedents_pending(const struct session *session, uint64_t id, const struct inbound_properties *properties);

/* stream.c, stream_receive.c */
struct session_stream *stream_find(struct session *session, uint64_t id);
void stream_wake(struct session_stream *stream); /* into a lane, where it has something to send */
bool stream_has_work(const struct session_stream *stream);
uint64_t stream_sendable(const struct session_stream *stream, int64_t now, bool reserved);
void stream_news(struct session_stream *stream);
void stream_tell_news(struct session *session);
void streams_end(struct session *session, bool clean);
void streams_shut(struct session *session);
bool streams_done(const struct session *session);
void stream_room_check(struct session_stream *stream); /* whether more may be written again */
void stream_unpin(struct session_stream *stream);
struct session_stream *stream_new(struct session *session, uint64_t id, bool local);
void stream_ended_check(struct session_stream *stream);
void streams_free_all(struct session *session);
struct stream_frame {
    uint64_t id, offset;
    uint8_t flags;
    int niceness;
    const uint8_t *payload;
};
int stream_read_head(struct session *session, const uint8_t *at, const uint8_t *end, struct stream_frame *ret_frame);
int stream_begin(struct session_strand *strand, const struct stream_frame *frame, uint64_t size,
                 struct session_stream **ret_stream);
int stream_place(struct session_stream *stream, uint64_t offset, const uint8_t *data, size_t size);
int stream_advance(struct session_stream *stream, bool last, uint64_t end);
int stream_reset_read(struct session *session, uint64_t id, uint64_t code);
int64_t stream_limit_due(const struct session_stream *stream);
void stream_count_tokens(struct session_stream *stream, int64_t now);

/* clock.c */
void clock_hello(struct session *session, int64_t peer_clock);
void clock_sample(struct session *session, int64_t sent, int64_t peer_received, int64_t peer_sent);
int64_t clock_age(const struct session *session, int64_t stamp);
void strand_heard(struct session_strand *strand);
int64_t strand_due(const struct session_strand *strand);
void strand_tick(struct session_strand *strand);

/* end.c */
void end_session(struct session *session, int code, uint64_t peer_code, bool by_peer, const char *reason);
void end_check(struct session *session); /* whether both sides are done */
bool close_ready(const struct session *session);
void session_enter(struct session *session, int64_t now);
void session_leave(struct session *session); /* tells what was collected, when the outermost call ends */
void trim_arm(struct session *session);      /* memory in reserve is let go after a while without use */
char *text_keep(struct session *session, char *old, const char *text, size_t size); /* NULL: no memory, or empty */

RB_PROTOTYPE(outbound_tree, outbound_chunk, entry, outbound_chunk_compare)
RB_PROTOTYPE(inbound_tree, inbound, entry, inbound_compare)
RB_PROTOTYPE(waiter_tree, waiter, entry, waiter_compare)
RB_PROTOTYPE(stream_tree, session_stream, entry, stream_compare)

#endif
