/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Head of line: how often, and how long, what had come could not be handed over since earlier bytes of it were missing, or
 * messages before it. A message that is taken whole waits for its own bytes alone, which is no stall.
 */
#include "session/internal.h"

static void stall_set(struct session *session, int64_t *since, bool stalled)
{
    if (stalled == (*since != 0))
        return;
    if (stalled) {
        *since = session->now;
        return;
    }
    int64_t time = session->now - *since;
    *since = 0;
    if (time <= 0) /* it came with what it waited for */
        return;
    session->statistics.stalls++;
    session->statistics.stall_time += time;
    if (time > session->statistics.stall_longest)
        session->statistics.stall_longest = time;
}

void stall_inbound(struct session *session, struct inbound *inbound)
{
    bool parts = inbound_by_parts(inbound);
    bool gap = parts && !inbound->gaps && inbound->have.count;
    bool waits = inbound->waiting_for && (parts ? inbound->got > 0 : inbound_is_whole(inbound));
    stall_set(session, &inbound->stalled_at, inbound->opened && (gap || waits));
}

void stall_stream(struct session_stream *stream)
{
    stall_set(stream->session, &stream->stalled_at, stream->have.count > 0);
}

void stall_ends(struct session *session, int64_t *since)
{
    stall_set(session, since, false);
}
