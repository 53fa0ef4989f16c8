/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves a session is whole frames; they are read again here, to be logged and to be held to the rate of a stream. */
#include <inttypes.h>

#include "base/varint.h"
#include "session/wire.h"

#include "sim.h"

#define BURST(bandwidth) ((bandwidth) / 8 / 50 > 16384 ? (bandwidth) / 8 / 50 : 16384) /* src/session/stream.c */

/* ---- a limited stream never passes its rate by more than one burst: seen in the frames as they leave */

static void limited_bytes(struct side *side, const uint8_t *at, const uint8_t *end, uint64_t body_size)
{
    const uint8_t *begin = at;
    uint64_t id, niceness, offset;
    if (!(at = varint_get(at, end, &id)) || at == end)
        return;
    unsigned flags = *at++;
    if (flags & STREAM_FIRST && !(at = varint_get(at, end, &niceness)))
        return;
    if (!(at = varint_get(at, end, &offset)))
        return;
    struct sim *sim = side->sim;
    uint64_t to = offset + body_size - (uint64_t)(at - begin);
    for (size_t i = 0; i < sim->stream_count; i++) {
        struct stream *stream = &sim->streams[i];
        if (stream->id != id || stream->opener != side->index || !stream->limit)
            continue;
        if (to <= stream->limit_sent)
            return; /* sent again */
        stream->limit_sent = to;
        double most = (double)stream->bandwidth / 8 * ((double)(sim->now - stream->limit_since) / SECOND) * 1.001;
        if ((double)to > most + (double)BURST(stream->bandwidth))
            sim_fail(sim, "%c: stream %" PRIu64 " sent %" PRIu64 " bytes in %.6f s at %" PRIu64 " bit/s",
                     "AB"[side->index], id, to, (double)(sim->now - stream->limit_since) / SECOND, stream->bandwidth);
    }
}

static void log_frame(struct side *side, const struct link *link, uint64_t type, const uint8_t *at, const uint8_t *end)
{
    static const char *const names[] = {"PADDING",      "HELLO",   "DATA",   "STREAM",      "ACK",
                                        "OUTCOME",      "EXPIRE",  "CREDIT", "FLOW_CREDIT", "STREAM_CREDIT",
                                        "STREAM_RESET", "PING",    "PONG",   "CLOSE",       "ABORT",
                                        "JOIN",         "JOIN_OK", "STRAND", "TELL"};
    char text[128] = "";
    int n = 0;
    for (unsigned i = 0; i < 4 && at && at < end && type != FRAME_HELLO; i++) {
        uint64_t value;
        if (!(at = varint_get(at, end, &value)))
            break;
        n += snprintf(text + n, sizeof text - (size_t)n, " %" PRIu64, value);
    }
    sim_log(side->sim, side, "    strand %u: %s%s%s", link->number,
            type < sizeof names / sizeof *names ? names[type] : "reserved", text, at && at < end ? " ..." : "");
}

void frames_watch(struct side *side, const struct link *link, const uint8_t *bytes, size_t size, size_t bulk_size)
{
    const uint8_t *at = bytes, *end = bytes + size;
    while (at < end) {
        uint64_t type, length;
        const uint8_t *body = varint_get(at, end, &type);
        if (body)
            body = varint_get(body, end, &length);
        if (!body || (length > (uint64_t)(end - body) && length != (uint64_t)(end - body) + bulk_size)) {
            sim_fail(side->sim, "%c: what was pulled is not whole frames", "AB"[side->index]);
            return;
        }
        const uint8_t *next = length > (uint64_t)(end - body) ? end : body + length;
        if (side->sim->verbose)
            log_frame(side, link, type, body, next);
        side->frames_seen |= type < 64 ? UINT64_C(1) << type : 0;
        if (type == FRAME_DATA)
            lossy_watch(side, body, end, length);
        if (type == FRAME_STREAM && side->sim->stream_count)
            limited_bytes(side, body, end, length);
        at = next;
    }
}
