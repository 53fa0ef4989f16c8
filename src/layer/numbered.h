/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes units (layer/layer.h) of a channel that carries datagrams: numbers them, acknowledges the peer's, finds out which
 * were lost, and paces what leaves by TFRC. Format and rules: docs/protocol.md, chapter "Numbered datagrams". No I/O, no
 * clock, no randomness of its own; times are microseconds. Inside layer/, and for tests.
 *
 * The owner hands over every datagram that came (numbered_received()), and sends what numbered_send() and
 * numbered_output() give. After each call numbered_due() may have changed; when it has come, numbered_expire().
 */
#ifndef LAYER_NUMBERED_H
#define LAYER_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "layer/tfrc_rate.h"

#define NUMBERED_MIN 1100        /* datagram_max is never below: units of 1,000 bytes fit beside any head */
#define NUMBERED_HEAD_MAX 96     /* before a unit */
#define NUMBERED_ACK_DELAY 25000 /* an acknowledgement waits so long at most */
#define NUMBERED_RANGES_MAX 64   /* of the peer's numbers that are remembered */
#define NUMBERED_FLIGHT_MAX 16384
#define NUMBERED_SILENCE 30000000 /* unacknowledged for so long: the peer is gone */
#define NUMBERED_DOUBT 3000000
#define NUMBERED_NEVER INT64_MAX

struct numbered_config {
    const struct memory *memory;
    size_t datagram_max; /* at least NUMBERED_MIN */
    uint64_t seed;       /* unpredictable for the peer: where numbers begin, and which are left out */
    int64_t rtt;         /* as the handshake took; 0: not known */
    size_t pad;          /* sizes are rounded up to multiples of this; 0: they are not */
    bool clear;          /* nothing vouches for who sent a datagram: see docs/protocol.md */
    size_t first_size;   /* pings are filled up to this until the peer was heard */
};

struct numbered_unit_fate {
    uint64_t unit; /* as numbered_send() was given */
    bool acked;
};

struct numbered_counts {
    uint64_t sent, lost, received, duplicates, losses_wrong; /* the last: acknowledged after all */
};

struct numbered;

/* -EINVAL, -ENOMEM */
int numbered_new(const struct numbered_config *config, int64_t now, struct numbered **ret_numbered);
void numbered_free(struct numbered *numbered); /* NULL is nothing */

/* Where a unit may be written, and how much fits (at least 1,000); NULL: the rate allows none now, or no memory.
 * numbered_room() becomes true when numbered_due() has come, or by what is received. */
uint8_t *numbered_begin(struct numbered *numbered, int64_t now, size_t *ret_capacity);
bool numbered_room(const struct numbered *numbered, int64_t now);
/* What numbered_begin() gave, filled with size bytes, as a datagram: valid until the next call. Always after
 * numbered_begin() and with no other call between. */
const uint8_t *numbered_send(struct numbered *numbered, uint64_t unit, size_t size, int64_t now, size_t *ret_size);

/* A datagram came. *ret_unit points into data, NULL: it carried none, or came before. 0; -HAWSER_EPROTOCOL: broke the
 * rules, or in the clear is a stranger's; what it did to us is undone or harmless; -ENOMEM. */
int numbered_received(struct numbered *numbered, const uint8_t *data, size_t size, int64_t now,
                      const uint8_t **ret_unit, size_t *ret_size);

/* The next datagram that is due and carries no unit (an acknowledgement, a probe); 0: none. buffer: datagram_max. */
size_t numbered_output(struct numbered *numbered, uint8_t *buffer, int64_t now);
/* To be acknowledged at once: a first sign of life, or whether the peer still lives. */
void numbered_ping(struct numbered *numbered);
/* Something says that the peer is gone: it has NUMBERED_DOUBT to acknowledge what is under way, at least a ping. */
void numbered_doubt(struct numbered *numbered, int64_t now);
/* Sends a ping that fills `size`, once, outside of loss and rate: whether the path carries it. */
void numbered_probe_size(struct numbered *numbered, size_t size);
bool numbered_probed(struct numbered *numbered, size_t *ret_size, bool *ret_passed); /* false: no news */
void numbered_set_datagram_max(struct numbered *numbered, size_t datagram_max);
size_t numbered_datagram_max(const struct numbered *numbered);

int64_t numbered_due(const struct numbered *numbered);
/* 0; -HAWSER_EDEAD: nothing was acknowledged for NUMBERED_SILENCE. */
int numbered_expire(struct numbered *numbered, int64_t now);

bool numbered_has_fate(const struct numbered *numbered);
bool numbered_fate(struct numbered *numbered, struct numbered_unit_fate *ret_fate);
bool numbered_heard(const struct numbered *numbered); /* the peer acknowledged something: it receives what we send */
void numbered_rtt(const struct numbered *numbered, int64_t *ret_rtt, int64_t *ret_min_rtt); /* 0: not known */
const struct tfrc_rate *numbered_rate(const struct numbered *numbered);
const struct numbered_counts *numbered_counts(const struct numbered *numbered);
unsigned numbered_timeouts(const struct numbered *numbered); /* one after the other, without an acknowledgement */
size_t numbered_flight(const struct numbered *numbered);     /* datagrams under way */

#endif
