/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins a stream with two descriptors: what is read from one is written to the stream, what the stream gives is written
 * to the other. Each direction holds one buffer at most, so that the slower end slows the faster one.
 */
#ifndef CLI_PUMP_H
#define CLI_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hawser/hawser.h>

struct pump_buffer {
    uint8_t *data;
    size_t at, size;
};

struct pump {
    hawser_context *context;
    hawser_stream *stream; /* a reference of the pump's own */
    int in_fd, out_fd;     /* not closed by the pump */
    struct pump_buffer in, out;
    bool in_watched, out_watched;
    bool in_done;    /* our direction has ended */
    bool out_done;   /* the peer's has, and everything was written */
    bool out_broken; /* out_fd takes nothing more; what comes is dropped */
    bool closed;     /* the stream has ended; what came may still have to be written */
    bool stopped;
    uint64_t begin_timer;
    uint64_t received, sent;
    /* Takes what arrives, instead of out_fd. May be NULL. */
    void (*sink)(struct pump *pump, const void *data, size_t size);
    /* The peer's direction has ended and was written out. May be NULL. */
    void (*on_out_done)(struct pump *pump);
    /* Both directions have ended (0), or the stream was reset or broke (negative, the peer's reset code beside it).
     * The pump has stopped; it may be freed here. */
    void (*on_end)(struct pump *pump, int code, uint64_t peer_code);
    void *user;
};

/* The members above up to the callbacks are set by the caller: context, stream, in_fd, out_fd, sink, on_*, user. in_fd -1:
 * nothing is sent. -ENOMEM, or what hawser_watch() says */
int pump_start(struct pump *pump);
/* Something that came has not been written yet. */
bool pump_has_more(const struct pump *pump);
/* Unwatches, gives up the stream (which resets it when it is open), frees the buffers. */
void pump_stop(struct pump *pump);

#endif
