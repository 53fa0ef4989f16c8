/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's handle: what the program holds of a session_stream. */
#ifndef ASSOCIATION_STREAM_H
#define ASSOCIATION_STREAM_H

#include "association/association.h"

struct stream_pump;

struct hawser_stream {
    struct list link;                /* in association->streams until that is taken apart */
    hawser_association *association; /* held */
    struct session_stream *session;  /* NULL: ended, or bare */
    struct bare *bare;               /* the line that it is; NULL: ended, or over hawser/1 */
    struct stream_pump *pump;        /* the program took a descriptor */
    unsigned refs;
    uint64_t id;
    bool shut;   /* we end our direction */
    bool at_end; /* the peer's direction was read to its end */
    bool was_reset;
    bool peers;                 /* the peer opened it */
    bool one_of_several;        /* bare, and a stream of the layers' own */
    bool ours_only, peers_only; /* then it may be one-way */
    bool over, over_by_reset;   /* one of several is; told at the next dispatch */
    uint64_t over_code;
    struct slot slots[HAWSER_STREAM_CLOSED - HAWSER_STREAM_READABLE + 1];
    void *user;
};

ssize_t stream_take(hawser_stream *stream, void *buffer, size_t size); /* as hawser_stream_read(), for the pump */
ssize_t stream_give(hawser_stream *stream, const void *data, size_t size);
void stream_let_go(hawser_stream *stream); /* one reference less, which need not be the program's */

static inline bool stream_is_open(const hawser_stream *stream)
{
    return stream->session || stream->bare;
}

void stream_bare_ready(hawser_stream *stream, hawser_event_type type);
void stream_bare_closed(hawser_stream *stream, bool reset, uint64_t code); /* it may be gone then */
/* A stream that the peer opened on a bare line of several; NULL: not to be taken. Then, HAWSER_STREAM_OPENED. */
hawser_stream *stream_of_several(struct bare *bare, uint64_t id, bool unidirectional);
void stream_several_opened(hawser_stream *stream);

/* stream_fd.c: the pump holds a reference of the stream until both directions have ended. */
void pump_stream_ready(struct stream_pump *pump);
void pump_stream_closed(struct stream_pump *pump, bool reset);

#endif
