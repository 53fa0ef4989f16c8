/* SPDX-License-Identifier: Apache-2.0 */
/* When messages of ours may leave: not before their send time, and no faster than their pace (S1.26, S1.28). */
#include "session/internal.h"

#define SCALE 1000000
#define BURST_TIME 20000 /* microseconds of its pace that a message may save up */
#define BURST_MIN 16384
#define WORTH_SENDING 4096 /* bytes that it waits for, so that it does not dribble */

/* ---- send times */

int message_ready(struct session *session, struct outbound *outbound)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    if (!extra || extra->send_time <= session->now)
        return schedule_message(session, outbound);
    int r = heap_set(&session->send_times, &extra->sending, extra->send_time);
    if (r == 0)
        outbound->state = OUTBOUND_TIMED;
    return r;
}

void send_times_due(struct session *session)
{
    struct heap_node *node;
    while ((node = heap_first(&session->send_times)) && node->key <= session->now) {
        struct outbound_extra *extra = container_of(node, struct outbound_extra, sending);
        heap_remove(&session->send_times, node);
        schedule_message(session, extra->owner);
    }
}

/* ---- pace */

void pace_init(struct outbound *outbound, uint64_t bits_per_second, int64_t now)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    extra->pace = bits_per_second / 8;
    if (bits_per_second && extra->pace == 0)
        extra->pace = 1;
    extra->tokens_at = now;
}

void tokens_count(int64_t *tokens, int64_t *tokens_at, uint64_t rate, int64_t saved_time, int64_t now)
{
    int64_t most = (int64_t)rate * saved_time, passed = now - *tokens_at;
    if (most < (int64_t)BURST_MIN * SCALE)
        most = (int64_t)BURST_MIN * SCALE;
    if (passed <= 0)
        return;
    *tokens_at = now;
    if (passed > most / (int64_t)rate)
        *tokens = most;
    else
        *tokens += passed * (int64_t)rate;
    if (*tokens > most)
        *tokens = most;
}

uint64_t pace_limit(struct session *session, const struct outbound *outbound)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    if (!extra || !extra->pace)
        return UINT64_MAX;
    tokens_count(&extra->tokens, &extra->tokens_at, extra->pace, BURST_TIME, session->now);
    uint64_t left = outbound->size > outbound->sent ? outbound->size - outbound->sent : 0;
    uint64_t wanted = left && left < WORTH_SENDING && !outbound->more->again.count ? left : WORTH_SENDING;
    uint64_t tokens = extra->tokens > 0 ? (uint64_t)extra->tokens / SCALE : 0;
    if (tokens >= wanted)
        return tokens;
    int64_t due = extra->tokens_at + ((int64_t)wanted * SCALE - extra->tokens) / (int64_t)extra->pace + 1;
    if (due < session->limit_due)
        session->limit_due = due;
    return 0;
}

void pace_sent(struct outbound *outbound, uint64_t size)
{
    struct outbound_extra *extra = outbound_extra(outbound);
    if (extra && extra->pace)
        extra->tokens -= (int64_t)size * SCALE;
}
