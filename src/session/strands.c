/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strands of a session: added under numbers that both ends know them by, told to be standby, lost; who of them
 * carries is the scheduler's to say (scheduler.c).
 */
#include <string.h>

#include "session/scheduler.h"

#define NUMBER_RANGES_MAX 256

/* ---- numbers */

uint64_t session_next_strand(struct session *session)
{
    return session->next_strand++;
}

bool strand_number_used(const struct session *session, uint64_t number)
{
    return range_set_contains(&session->strand_numbers, number);
}

struct session_strand *strand_find(const struct session *session, uint64_t number)
{
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand->number == number)
            return strand;
    }
    return NULL;
}

/* Numbers of strands that never came to be leave holes: of many the lowest are closed, as if they had been used. */
static int number_use(struct session *session, uint64_t number)
{
    struct range_set *used = &session->strand_numbers;
    int r = range_set_add(used, number, number + 1, NULL);
    if (r == 0 && used->count > NUMBER_RANGES_MAX) {
        uint64_t first, end, next = 0, after;
        range_set_next(used, 0, &first, &end);
        if (range_set_next(used, end, &next, &after))
            range_set_add(used, end, next, NULL); /* joins the two: cannot fail */
    }
    if (r == 0 && number >= session->next_strand)
        session->next_strand = number + 1;
    return r;
}

bool session_strand_number_used(const struct session *session, uint64_t number)
{
    return strand_number_used(session, number);
}

const uint8_t *session_nonce(const struct session *session)
{
    return session->config.nonce;
}

/* ---- beginnings */

static int strand_make(struct session *session, void *user, bool early, const struct session_units *units,
                       uint64_t number, int64_t now, struct session_strand **ret_strand)
{
    session->now = now;
    if (session->ended)
        return -ESHUTDOWN;
    if (number >= VARINT_MAX)
        return -EINVAL;
    if (strand_number_used(session, number))
        return -EEXIST;
    if (session->strand_count >= SESSION_STRANDS_MAX)
        return -ENOSPC;
    struct session_strand *strand = memory_allocate_zero(session->memory, sizeof *strand);
    if (!strand)
        return -ENOMEM;
    strand->session = session;
    strand->user = user;
    strand->number = number;
    strand->early = early;
    strand->bulk_bytes = BULK_MIN;
    strand->ack_due = NEVER;
    strand->last_received = now;
    own_init(strand);
    vital_init(strand);
    list_append(&session->strands, &strand->link);
    session->strand_count++;
    int r = units ? units_begin(strand, units) : 0;
    if (r == 0)
        r = number_use(session, number); /* last: it cannot be undone */
    if (r < 0) {
        strand_remove(strand);
        return r;
    }
    session->stranded_told = false;
    /* Its round trip; the first strand's is asked with HELLO. And the peer's clock, where either end was moved. */
    strand->ping_wanted = session->strand_count > 1 || (session->clock_moved && session->hello_sent);
    session->clock_moved = false;
    trim_arm(session);
    strands_review(session);
    *ret_strand = strand;
    return 0;
}

int session_strand_add(struct session *session, void *user, bool early, uint64_t number, int64_t now,
                       struct session_strand **ret_strand)
{
    return strand_make(session, user, early, NULL, number, now, ret_strand);
}

int session_strand_add_units(struct session *session, void *user, bool early, const struct session_units *units,
                             uint64_t number, int64_t now, struct session_strand **ret_strand)
{
    return strand_make(session, user, early, units, number, now, ret_strand);
}

void *session_strand_user(const struct session_strand *strand)
{
    return strand->user;
}

void session_strand_secured(struct session_strand *strand, bool accepted, int64_t now)
{
    struct session *session = strand->session;
    session->now = now;
    if (!strand->early)
        return;
    strand->early = false;
    strand->vital.flight_at = now;
    if (accepted)
        return;
    strand->acked = 0;
    if (ledger_lost(strand) < 0)
        end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    strand->sent = 0; /* the peer counts from where the handshake ended */
}

/* ---- ends */

void strand_remove(struct session_strand *strand)
{
    struct session *session = strand->session;
    session_bulk_done(strand);
    own_forget(strand);
    list_remove(&strand->link);
    session->strand_count--;
    if (strand->state_due)
        session->states_due--;
    if (session->choice == strand)
        session->choice = NULL;
    lane_leave(&strand->lane);
    ledger_free(session, &strand->ledger);
    units_free(strand);
    memory_release(session->memory, strand->lane.partial, strand->lane.partial_capacity);
    memory_release(session->memory, strand, sizeof *strand);
}

/* ACKs are not in the ledger: those that the strand carried may never have come, so all are told once more. */
static void acks_again(struct session *session)
{
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        strand->ack_told = 0;
        strand->ack_wanted = strand->received > 0 && !strand->units;
    }
}

int strands_again(struct session_strand *strand)
{
    struct session *session = strand->session;
    uint64_t before = session->statistics.resent_bytes;
    acks_again(session);
    int r = ledger_lost(strand);
    strand->resent += session->statistics.resent_bytes - before;
    if (r < 0)
        end_session(session, -ENOMEM, SESSION_CODE(SESSION_CODE_MEMORY), false, "out of memory");
    return r;
}

void session_strand_lost(struct session_strand *strand, int code, const char *reason, int64_t now)
{
    struct session *session = strand->session;
    session_enter(session, now);
    session_bulk_done(strand);
    strands_again(strand);
    own_let_go(strand);
    strand_remove(strand);
    bool last = list_empty(&session->strands);
    if (last && session->config.survive && !session->ended && !session->stranded_told) {
        session->stranded_told = true;
        if (session->handler->stranded)
            session->handler->stranded(session->user);
    } else if (last && !session->config.survive) {
        end_session(session, code, 0, false, reason);
        session->abort_wanted = false; /* there is nobody to tell */
    }
    strands_review(session);
    session_leave(session);
}

/* ---- who carries */

bool strand_healthy(const struct session_strand *strand)
{
    return !strand->vital.suspected && !strand->early;
}

bool strand_standby(const struct session_strand *strand)
{
    return strand->given.standby || strand->peer_standby;
}

bool strand_carries(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    return session->strand_count == 1 || session->scheduler->carries(strand);
}

bool strand_leads(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    return session->strand_count == 1 || session->scheduler->leads(strand);
}

static void state_set(struct session_strand *strand, enum strand_told state)
{
    struct session *session = strand->session;
    strand->state_wanted = (uint8_t)state;
    bool due = strand->state_told != strand->state_wanted;
    if (due != strand->state_due)
        session->states_due = due ? session->states_due + 1 : session->states_due - 1;
    strand->state_due = due;
}

/* What the peer is told: which strands wait, or are suspected: where our words may not come, neither may his. In handover the
 * acceptor follows the opener's choice. */
static void states_review(struct session *session)
{
    bool chooses = session->opener && session->config.policy == SESSION_HANDOVER && session->strand_count > 1;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        bool waits = chooses && session->choice && strand != session->choice;
        state_set(strand, strand->vital.suspected && session->strand_count > 1 ? STRAND_SUSPECTED
                          : strand->given.standby || waits                     ? STRAND_STANDBY
                                                                               : STRAND_CARRIES);
    }
}

void strands_review(struct session *session)
{
    if (session->ended)
        return;
    scheduler_review(session);
    states_review(session);
    for (struct list *link = session->strands.next; link != &session->strands && !session->ended; link = link->next) {
        struct session_strand *strand = container_of(link, struct session_strand, link);
        if (!strand->vital.suspected || !scheduler_other_healthy(strand))
            continue;
        suspicion_goes_on(strand);
        if (estimate_in_flight(strand))
            strands_again(strand);
    }
}

void session_strand_set_link(struct session_strand *strand, const struct session_link *given)
{
    struct session *session = strand->session;
    uint64_t bytes = given->rate / 1000; /* about 1 ms */
    bool same = strand->given.rank == given->rank && strand->given.cost == given->cost &&
                strand->given.standby == given->standby;
    strand->given = *given;
    if (given->rate)
        strand->bulk_bytes = bytes < BULK_MIN ? BULK_MIN : bytes > BULK_MAX ? BULK_MAX : bytes;
    if (!same)
        strands_review(session);
}

void session_set_policy(struct session *session, enum session_policy policy, int64_t now)
{
    session->now = now;
    session->config.policy = policy;
    strands_review(session);
}

enum session_policy session_policy(const struct session *session)
{
    return session->config.policy;
}

void session_strand_get(const struct session_strand *strand, struct session_strand_state *ret_state)
{
    *ret_state = (struct session_strand_state){
        .number = strand->number,
        .sent = strand->sent,
        .acked = strand->acked,
        .in_flight = estimate_in_flight(strand),
        .resent = strand->resent,
        .duplicated = strand->duplicated,
        .rtt = strand->estimate.srtt,
        .rate = strand->given.rate > strand->estimate.rate ? strand->given.rate : strand->estimate.rate,
        .suspicions = strand->vital.suspicions,
        .suspected = strand->vital.suspected || strand->peer_suspects,
        .standby = strand_standby(strand),
        .carries = !strand->session->ended && strand_carries(strand),
    };
}

/* ---- STRAND: which of them wait */

/* One that the peer may not have yet is not told of: the opener has it last. */
static bool peer_has(const struct session_strand *strand)
{
    return strand->session->opener || strand->received > 0;
}

uint8_t *strand_states_put(struct session_strand *strand, uint8_t *at, uint8_t *end)
{
    struct session *session = strand->session;
    for (struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        struct session_strand *of = container_of(link, struct session_strand, link);
        if (!of->state_due || !peer_has(of) || end - at < SMALL_FRAME)
            continue;
        if (ledger_make_room(session, &strand->ledger, 1) < 0)
            return NULL;
        uint8_t *from = at;
        of->state_told = of->state_wanted;
        of->state_due = false;
        session->states_due--;
        at = put_frame(at, FRAME_STRAND, (uint64_t[]){of->number, ++session->state_serial, of->state_told}, 3);
        sent_to(strand, from, at);
        ledger_add(strand, LEDGER_STRAND, 0, of->number, 0, 0);
    }
    return at;
}

bool strand_states_waiting(const struct session *session)
{
    if (!session->states_due)
        return false;
    for (const struct list *link = session->strands.next; link != &session->strands; link = link->next) {
        const struct session_strand *strand = container_of(link, struct session_strand, link);
        if (strand->state_due && peer_has(strand))
            return true;
    }
    return false;
}

/* What was lost is told again as it is now, whatever it was then. */
void strand_state_again(struct session *session, uint64_t number)
{
    struct session_strand *strand = strand_find(session, number);
    if (!strand)
        return;
    strand->state_told = STRAND_TOLD_KINDS;
    if (!strand->state_due)
        session->states_due++;
    strand->state_due = true;
}

int strand_state_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t number, serial, state;
    at = varint_get(at, end, &number);
    if (at)
        at = varint_get(at, end, &serial);
    if (!at || !varint_get(at, end, &state) || state >= STRAND_TOLD_KINDS)
        return violation(session, SESSION_CODE_PROTOCOL, "a STRAND is malformed");
    struct session_strand *strand = strand_find(session, number);
    if (!strand || serial <= strand->peer_state_serial) /* gone, or overtaken by a newer one */
        return 0;
    strand->peer_state_serial = serial;
    bool again = strand->peer_suspects;
    strand->peer_standby = state != STRAND_CARRIES;
    strand->peer_suspects = state == STRAND_SUSPECTED;
    session->suspicion_news |= strand->peer_suspects != again;
    if (state == STRAND_SUSPECTED && !again)
        suspicion_of_peer(strand);
    /* His acknowledgements and credit went there, so ours do no better; and what he had there came, or comes elsewhere. */
    if (state == STRAND_SUSPECTED && !again && scheduler_other_healthy(strand) && estimate_in_flight(strand) &&
        strands_again(strand) < 0)
        return -ENOMEM;
    strands_review(session);
    return 0;
}
