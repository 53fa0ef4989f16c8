/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's clock, for lifetimes, and each strand's signs of life (docs/protocol.md section 7). */
#include "session/internal.h"

#define PING_INTERVAL 1000000

/* Until a round trip was measured: as if the HELLO had taken no time, so that ages come out too small, never too large. */
void clock_hello(struct session *session, int64_t peer_clock)
{
    if (session->sample_count)
        return;
    session->offset = peer_clock - session->now;
}

int64_t clock_sample(struct session *session, int64_t sent, int64_t peer_received, int64_t peer_sent)
{
    int64_t rtt = (session->now - sent) - (peer_sent - peer_received);
    if (sent > session->now || peer_sent < peer_received || rtt < 0)
        return -1; /* not an answer to a PING of ours, or a clock that leaps */
    struct clock_sample *sample = &session->samples[session->sample_next];
    session->sample_next = (uint8_t)((session->sample_next + 1) % CLOCK_SAMPLES);
    if (session->sample_count < CLOCK_SAMPLES)
        session->sample_count++;
    sample->rtt = rtt;
    sample->offset = (peer_received - sent) / 2 + (peer_sent - session->now) / 2;
    const struct clock_sample *best = &session->samples[0];
    for (unsigned i = 1; i < session->sample_count; i++)
        if (session->samples[i].rtt < best->rtt)
            best = &session->samples[i];
    session->offset = best->offset;
    session->rtt = best->rtt;
    return rtt;
}

int64_t clock_age(const struct session *session, int64_t stamp)
{
    return session->now + session->offset - stamp;
}

/* ---- signs of life */

void strand_heard(struct session_strand *strand)
{
    strand->last_received = strand->session->now;
    strand->pinged = false;
    strand->silent_told = false;
    suspicion_heard(strand);
}

static int64_t quiet_due(const struct session_strand *strand)
{
    const struct session_config *config = &strand->session->config;
    if (config->keep_alive <= 0 || strand->silent_told)
        return NEVER;
    if (strand->pinged)
        return config->dead_after > 0 ? strand->pinged_at + config->dead_after : NEVER;
    return strand->last_received + config->keep_alive;
}

int64_t strand_due(const struct session_strand *strand)
{
    const struct session *session = strand->session;
    int64_t due = quiet_due(strand), suspicion = suspicion_due(strand);
    if (suspicion < due)
        due = suspicion;
    if (strand->pong_wanted && strand->pong_due && strand->pong_due < due)
        due = strand->pong_due;
    if (strand->ack_due < due)
        due = strand->ack_due;
    if (session->lifetimes_seen && session->last_ping + PING_INTERVAL < due)
        due = session->last_ping + PING_INTERVAL;
    return due;
}

static void ping(struct session_strand *strand)
{
    strand->ping_wanted = true;
    strand->session->last_ping = strand->session->now;
}

void strand_tick(struct session_strand *strand)
{
    struct session *session = strand->session;
    if (strand->pong_wanted && strand->pong_due <= session->now)
        strand->pong_due = 0; /* it waits for room alone now */
    if (strand->ack_due <= session->now) {
        strand->ack_due = NEVER;
        strand->ack_wanted = true;
    }
    if (session->lifetimes_seen && session->last_ping + PING_INTERVAL <= session->now) {
        session->lifetimes_seen = false;
        ping(strand);
    }
    suspicion_tick(strand);
    if (session->ended || quiet_due(strand) > session->now)
        return;
    if (!strand->pinged) {
        strand->pinged = true;
        strand->pinged_at = session->now;
        ping(strand);
        return;
    }
    strand->silent_told = true;
    session->handler->strand_silent(session->user, strand);
}

int64_t session_set_times(struct session *session, int64_t keep_alive, int64_t dead_after)
{
    struct session_config *config = &session->config;

    if (keep_alive >= 0)
        config->keep_alive = keep_alive;
    if (dead_after >= 0)
        config->dead_after = dead_after;
    return config->keep_alive && config->dead_after ? config->keep_alive + config->dead_after : 0;
}
