/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare associations: one strand to a peer that speaks no hawser, and a framer (docs/framers.md). `struct bare` stands
 * where the session stands else: it takes what the program sends, is pulled by the strand, is given what the strand
 * received, and tells by the same struct session_handler. So the API's calls ask it first: association->bare, which is
 * NULL over hawser/1.
 */
#ifndef ASSOCIATION_BARE_H
#define ASSOCIATION_BARE_H

#include "association/association.h"

struct bare_setup {
    const hawser_framer *framer; /* NULL: "none" */
    void *framer_user;
    const char *host; /* the name asked for, NULL: none; copied */
    const struct line_options *line;
    bool undecided; /* the peer may turn out to speak hawser/1: what is sent waits here until it is known */
};

/* ---- for whoever establishes it (open.c, listener.c) */

/* Makes association->bare, before anything can be sent; messages wait in it. */
int bare_new(hawser_association *association, const struct bare_setup *setup);
/* In opened() of a bare attempt: puts the layer of the framer's first exchange on it, where the framer has one. */
int bare_dress(hawser_association *association, struct layer **top);
/* A bare stack won, and is the strand's top: instead of strand_secured(). The exchange is taken off; a framing that has
 * not had its exchange has it now. */
void bare_begin(hawser_association *association, struct strand *strand);
/* Undecided, and hawser/1 won: what waits goes to association->session (which exists by now), with its ids and its times;
 * association->bare is gone then, and strand_secured() is called as ever. -ENOMEM: the association cannot go on. */
int bare_hand_over(hawser_association *association);

/* ---- for the rest of the folder; association->bare is not NULL */

struct session_send;
int bare_send(struct bare *bare, const struct session_send *send, uint64_t *ret_id);
int bare_send_part(struct bare *bare, uint64_t id, const void *data, size_t size, bool last);
void bare_source_ready(struct bare *bare, uint64_t id);
int bare_cancel(struct bare *bare, uint64_t id);
int bare_renice(struct bare *bare, uint64_t id, int niceness);
bool bare_unsettled(const struct bare *bare, uint64_t id);
/* As session_pull() and session_bulk_done(). */
bool bare_wants_pull(const struct bare *bare);
int bare_pull(struct bare *bare, uint8_t *buffer, size_t capacity, size_t *ret_size, const uint8_t **ret_bulk,
              size_t *ret_bulk_size);
void bare_bulk_done(struct bare *bare);
/* A message is a datagram: nothing is pulled, bare_write_datagrams() sends in dispatch or at a flush. */
bool bare_datagrams(const struct bare *bare);
void bare_write_datagrams(struct bare *bare);
bool bare_sends(const struct bare *bare);          /* false: it hears a multicast group, and answers nobody */
bool bare_receives(const struct bare *bare);       /* false: it sends to a group */
size_t bare_datagram_max(const struct bare *bare); /* the largest now; 0: not known, or no datagrams */
/* Reads and hands over: bytes, -EAGAIN: nothing there, or nobody takes more now; other: the strand is lost. In dispatch. */
ssize_t bare_read(struct bare *bare, uint8_t *scratch, size_t size);
void bare_pause(struct bare *bare, bool pause);
void bare_return(struct bare *bare, uint64_t cost); /* the program gave a kept message back */
void bare_work(struct bare *bare);                  /* in dispatch: what was held back, outcomes, ends */
int64_t bare_due(const struct bare *bare);
void bare_tick(struct bare *bare, int64_t now);
bool bare_closing(const struct bare *bare);
bool bare_sent_final(const struct bare *bare); /* our direction ends with what is queued */
bool bare_peer_ended(const struct bare *bare);
uint64_t bare_receive_max(const struct bare *bare);
uint64_t bare_stream_rate(const struct bare *bare); /* bits per second; 0: any */
bool bare_idle(const struct bare *bare);            /* nothing is queued, no stream is open */
void bare_close(struct bare *bare, uint64_t code, const char *reason);
void bare_abort(struct bare *bare, int code, const char *reason); /* what is unsettled fails */
void bare_lost(struct bare *bare, int code, const char *reason);  /* its strand is gone */
void bare_statistics(const struct bare *bare, hawser_statistics *ret_statistics);
void bare_spares_free(struct associations *all);
void bare_free(struct bare *bare);

/* ---- the one stream, where the framer is "none"; stream.c asks */

/* limit: bits per second, 0: none. -EAGAIN: it is not known yet whether the line is bare. */
int bare_stream_open(struct bare *bare, hawser_stream *stream, uint64_t limit);
ssize_t bare_stream_read(struct bare *bare, void *buffer, size_t size);
ssize_t bare_stream_write(struct bare *bare, const void *data, size_t size);
int bare_stream_shutdown(struct bare *bare);
int bare_stream_reset(struct bare *bare);
int bare_stream_pace(struct bare *bare, uint64_t bits_per_second); /* 0: without a limit */

/* ---- several streams, where the layers have them (bare_streams.c); the framer is "none" */

bool bare_several(const struct bare *bare);
hawser_association *bare_association(const struct bare *bare);
int bare_streams_open(struct bare *bare, hawser_stream *stream, bool unidirectional);
ssize_t bare_streams_read(hawser_stream *stream, void *buffer, size_t size);
ssize_t bare_streams_write(hawser_stream *stream, const void *data, size_t size);
int bare_streams_shutdown(hawser_stream *stream);
int bare_streams_reset(hawser_stream *stream, uint64_t code);
void bare_streams_leave(hawser_stream *stream); /* resets it, and nobody is told */
void bare_streams_over(hawser_stream *stream);  /* tells that it is closed, if both its directions are over */

#endif
