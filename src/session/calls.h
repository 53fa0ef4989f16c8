/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the session call of one another, by the file that has it. Included by session/internal.h only. */
#ifndef SESSION_CALLS_H
#define SESSION_CALLS_H

/* records.c */
struct outbound *record_new(struct session *session, uint64_t id); /* NULL: no memory */
uint8_t *arena_take(struct session *session, size_t size, struct arena **ret_arena);
struct outbound *outbound_find(struct session *session, uint64_t id); /* NULL: settled or never */
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
/* The peer is told, and decides. count: what EXPIRE of this kind tells beside, 1 where that is how many they are. */
int outbound_ask(struct session *session, struct outbound *outbound, enum expire_kind kind, uint64_t count);
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
/* Of an import: a piece behind all others, which may leave a hole of what was acknowledged. */
int pieces_restore(const struct memory *memory, struct pieces *pieces, uint64_t offset, const void *data, size_t size);
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
void unschedule_stream(struct session_stream *stream);
struct chosen {
    struct outbound *message;
    struct session_stream *stream;
    struct class *class;
    enum lane lane;
    uint8_t class_index;
    uint64_t limit; /* most bytes of it */
    const struct session_strand *strand;
    struct list *own; /* the strand's, where the message is bound to it; else NULL */
    uint64_t ahead;   /* bytes that the strand left to others, which go before */
    bool left;        /* the last one that was looked at is among them */
    bool all;         /* and so is all that waits with it */
};
bool schedule_alone(const struct session *session,
                    const struct class *class); /* nothing else may go before its small ones */
uint64_t credit_left(const struct session *session);
/* schedule_own.c */
void own_init(struct session_strand *strand);
/* Into a list of its strand, where it is bound to one that is well. False: it goes with all others. */
bool own_add(struct session *session, struct outbound *outbound);
void own_let_go(struct session_strand *strand); /* what is bound to it goes with all others from now on */
void own_forget(struct session_strand *strand); /* it goes */
bool schedule_own(struct session *session, struct session_strand *strand, struct chosen *chosen);
bool strand_asks(const struct session_strand *strand); /* carries, or has something bound to it */
bool choose_message(struct session *session, struct outbound *outbound, struct chosen *chosen);
bool schedule_choose(struct session *session, struct session_strand *strand, struct chosen *chosen);
/* Whether a message would be whole in one frame of a unit of that capacity. */
bool unit_holds(struct session *session, const struct outbound *outbound, size_t capacity);
void schedule_used(struct session_strand *strand, const struct chosen *chosen, size_t bytes);
/* So many bytes of a lane went: after BULK_MIN of them it is the next one's turn. */
void turn_used(uint8_t *turn, uint32_t *quantum, uint8_t lane, uint8_t lanes, size_t bytes);
void own_used(struct session_strand *strand, const struct chosen *chosen, size_t bytes);
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

void entry_acked(struct session *session, const struct ledger_entry *entry);
int entry_again(struct session *session, const struct ledger_entry *entry);
/* The same about one frame of a strand of units; nothing on others. Makes room itself. */
int ledger_note(struct session_strand *strand, enum ledger_kind kind, uint64_t id);

/* units.c, unit_ledger.c */
void strand_remove(struct session_strand *strand); /* strands.c: frees it, and tells nobody */
int units_begin(struct session_strand *strand, const struct session_units *units);
void units_free(struct session_strand *strand);
void lanes_free(struct session_strand *strand);
int units_read_held(struct session *session); /* what came before HELLO, when it is in */
/* What kind of unit a message goes in (NULL: a stream): with others, in a lossy one, or in one of its own. */
enum unit_kind { UNIT_RELIABLE, UNIT_LOSSY, UNIT_ALONE };
enum unit_kind unit_kind(const struct session_strand *strand, const struct outbound *outbound);
int units_lost(struct session_strand *strand);     /* all that are under way */
void units_useless_check(struct session *session); /* something ended before it arrived */
void units_tell_useless(struct session *session);

/* runs.c */
int runs_add(const struct memory *memory, struct runs *runs, uint8_t kind, uint64_t first, uint64_t count,
             uint64_t cost);
void runs_free(const struct memory *memory, struct runs *runs);

/* lossy.c */
struct outbound_extra *outbound_extra(const struct outbound *outbound); /* or NULL */
int lossy_check(const struct session_send *send);
int lossy_init(struct session *session, struct outbound *outbound, const struct session_send *send);
void lossy_free(struct session *session, struct outbound_extra *extra);
struct chance *chance_of(struct session *session, uint32_t probability); /* NULL: no memory, too many */
void chances_free(struct session *session);
/* A frame of a lossy message was lost: 1 it is sent again, 0 it is not, negative: no memory. */
int lossy_lost(struct session *session, struct outbound *outbound, const struct ledger_entry *entry);
void lossy_acked(struct session *session, struct outbound *outbound);
bool lossy_cut(struct session *session, struct outbound *outbound, int *ret_error);
void lossy_ended(struct outbound *outbound, enum session_outcome kind, bool partial);
/* Where the part that offset is in ends; room: what one frame may hold. */
uint64_t lossy_part_end(struct outbound *outbound, uint64_t offset, uint64_t room);

/* pace.c */
int message_ready(struct session *session, struct outbound *outbound); /* schedules it, now or at its time */
void send_times_due(struct session *session);
void pace_init(struct outbound *outbound, uint64_t bits_per_second, int64_t now);
uint64_t pace_limit(struct session *session, const struct outbound *outbound); /* bytes it may send now */
/* What a rate in bytes a second lets go: bytes times a million, no more than come in saved_time, or one burst. */
void tokens_count(int64_t *tokens, int64_t *tokens_at, uint64_t rate, int64_t saved_time, int64_t now);
void pace_sent(struct outbound *outbound, uint64_t size);

/* gaps.c */
int gaps_begin(struct session *session, struct inbound *inbound);
void gaps_free(struct session *session, struct inbound *inbound);
int gaps_place(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data, size_t size);
int gaps_deliver(struct session *session, struct inbound *inbound);
void gaps_skip(struct session *session, struct inbound *inbound, uint64_t offset); /* below it nothing more comes */
int gaps_given_up(struct session *session, struct inbound *inbound);               /* what is there is all */

/* strands.c */
bool strand_healthy(const struct session_strand *strand); /* carries, unless the policy or a standby forbids */
bool strand_standby(const struct session_strand *strand); /* by the caller, or as the peer says */
bool strand_carries(const struct session_strand *strand); /* messages and streams, now */
bool strand_leads(const struct session_strand *strand);   /* what costs nothing and goes before all payload */
struct session_strand *strand_find(const struct session *session, uint64_t number);
bool strand_number_used(const struct session *session, uint64_t number);
void strands_review(struct session *session); /* after anything that may change who carries */
bool strand_states_waiting(const struct session *session);
uint8_t *strand_states_put(struct session_strand *strand, uint8_t *at, uint8_t *end);
int strand_state_read(struct session *session, const uint8_t *at, const uint8_t *end);
void strand_state_again(struct session *session, uint64_t number);
int strands_again(struct session_strand *strand); /* what it carried goes elsewhere */

/* tell.c */
struct tells *tells_of(struct session *session); /* NULL: no memory */
uint8_t *tells_put(struct session_strand *strand, uint8_t *at, uint8_t *end);
int tell_read(struct session *session, const uint8_t *at, const uint8_t *end);
void tell_again(struct session *session, uint64_t kind, uint64_t serial, uint64_t part);
unsigned tell_parts(size_t size); /* that a state of so many bytes goes in */
void tells_free(struct session *session);

/* estimate.c */
uint64_t estimate_rate(const struct session_strand *strand); /* bytes per second, never 0 */
int64_t estimate_rtt(const struct session_strand *strand);   /* microseconds, never 0 */
/* When size bytes that it is given now would have come, reckoned from now; 0: what it has. Microseconds. */
int64_t estimate_arrival(const struct session_strand *strand, uint64_t size);
uint64_t estimate_in_flight(const struct session_strand *strand);
void estimate_rtt_sample(struct session_strand *strand, int64_t rtt);
void estimate_acked(struct session_strand *strand);
void estimate_idle(struct session_strand *strand); /* there was nothing for it */
void estimate_pulled(struct session_strand *strand, uint64_t size, bool left);
uint64_t strand_bulk(const struct session_strand *strand); /* the most payload of one frame */

/* copies.c */
void copy_note(struct session_strand *strand, const struct outbound *outbound); /* strand carries a small message */
bool copies_wanted(const struct session *session); /* small messages go on two strands just now */
bool copies_waiting(struct session_strand *strand);
void tail_restore(struct session *session); /* as its statistics say */
void copies_free(struct session *session);

/* suspicion.c */
void vital_init(struct session_strand *strand);
void strand_proved(struct session_strand *strand); /* something that went out on it arrived */
void strand_flies(struct session_strand *strand);  /* something is in flight on it that was not */
int64_t suspicion_due(const struct session_strand *strand);
void suspicion_heard(struct session_strand *heard); /* something came on it */
void suspicion_tick(struct session_strand *strand);
void suspicion_tell(struct session *session);
void suspicion_of_peer(struct session_strand *strand);
void suspicion_goes_on(struct session_strand *strand);
void suspicion_acked(struct session_strand *strand, uint64_t offset);
void suspicion_pong(struct session_strand *strand, uint64_t stamp, int64_t rtt);

/* control.c */
uint8_t *put_frame(uint8_t *at, uint64_t type, const uint64_t *values, unsigned count);
void sent_to(struct session_strand *strand, const uint8_t *from,
             const uint8_t *at); /* counts a frame that was written */
bool control_waiting(const struct session_strand *strand);
/* Writes what fits; the position after it. */
uint8_t *control_pull(struct session_strand *strand, uint8_t *at, uint8_t *end);

/* hello.c */
uint8_t *hello_write(struct session *session, uint8_t *at, uint8_t *end);
int hello_read(struct session *session, const uint8_t *at, const uint8_t *end);

/* receive.c */
/* Reads frames; *ret_at is where one begins that is not all there. */
int lane_frames(struct session_strand *strand, struct session_lane *lane, const uint8_t *at, const uint8_t *end,
                bool early, const uint8_t **ret_at);
void lane_leave(struct session_lane *lane); /* its next bytes belong to nobody */
void lanes_skip(struct session *session, const struct inbound *inbound, const struct session_stream *stream);
/* What came with the outcome of a message of ours is an answer to it, whose own outcome may wait. */
void answers_wait(struct session *session, uint64_t acked_before, bool idle_before);
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
uint64_t inbound_extent(const struct inbound *inbound); /* where the bytes that are here end */
bool inbound_is_whole(const struct inbound *inbound);
int inbound_ring_store(struct session *session, struct inbound *inbound, uint64_t offset, const uint8_t *data,
                       size_t size);
int inbound_note(struct session *session, struct inbound *inbound, uint64_t offset, uint64_t end); /* is here */
void inbound_forget(struct session *session, struct inbound *inbound); /* frees it; its credit is the caller's matter */
void inbound_discard(struct session *session, struct inbound *inbound, enum session_outcome kind); /* gives all back */
void inbound_free_all(struct session *session);
struct inbound *inbound_find(struct session *session, uint64_t id);
struct inbound *inbound_new(struct session *session, uint64_t id); /* NULL: no memory */
int inbound_grow(struct session *session, struct inbound *inbound, size_t capacity);
int gap_add(struct session *session, struct range_set *have, uint64_t offset, uint64_t end);
int inbound_window(struct session *session, struct inbound *inbound); /* allows more of what is taken in parts */
/* deliver.c */
void deliver_when_ready(struct session *session, struct inbound *inbound);
void deliver_drain(struct session *session);
bool deliver_too_late(struct session *session, const struct inbound_properties *properties);
/* Asks the program whether it wants a message with marks; NULL: it does, or has none. */
const char *deliver_offer(struct session *session, uint64_t id, uint64_t size,
                          const struct inbound_properties *properties);
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
int settle_partial(struct session *session, uint64_t id, uint64_t missing);
bool settled_contains(const struct session *session, uint64_t id);
int expire_read(struct session *session, const uint8_t *at, const uint8_t *end);
int waiters_add(struct session *session, struct inbound *inbound); /* counts what inbound must wait for */
void waiters_remove(struct session *session, struct inbound *inbound);
bool antecedents_pending(const struct session *session, uint64_t id, const struct inbound_properties *properties);

/* stream.c, stream_receive.c */
struct session_stream *stream_find(struct session *session, uint64_t id);
void stream_wake(struct session_stream *stream);            /* into a lane, where it has something to send */
uint64_t stream_waits(const struct session_stream *stream); /* bytes that may be sent now */
uint64_t stream_sendable(const struct session_stream *stream, bool reserved);
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

/* stall.c */
void stall_inbound(struct session *session, struct inbound *inbound);
void stall_stream(struct session_stream *stream);
void stall_ends(struct session *session, int64_t *since);

/* clock.c */
/* The clock of the wire, which goes on as it was when the session is moved to another host; and back. */
static inline int64_t wire_time(const struct session *session, int64_t time)
{
    return time + session->clock_shift;
}
static inline int64_t local_time(const struct session *session, uint64_t wire)
{
    return (int64_t)wire - session->clock_shift;
}
void clock_hello(struct session *session, int64_t peer_clock);
/* The round trip; -1: it was no answer to a PING of ours. */
int64_t clock_sample(struct session *session, int64_t sent, int64_t peer_received, int64_t peer_sent);
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
