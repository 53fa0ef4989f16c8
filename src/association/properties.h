/* SPDX-License-Identifier: Apache-2.0 */
/* What an association's properties ask of its parts (docs/properties.md). */
#ifndef ASSOCIATION_PROPERTIES_H
#define ASSOCIATION_PROPERTIES_H

#include "association/association.h"
#include "property/property.h"

/* Times and policy that were given as properties, in the options' terms (negative: none); others stay as they are. */
void properties_line(const struct property_values *values, int64_t *keep_alive_us, int64_t *dead_after_us,
                     hawser_policy *policy);
/* What a message that says nothing of it has; properties is not NULL. any_reliability: it says nothing of that. */
void properties_message(const hawser_association *association, bool any_reliability, struct session_send *send);

/* direction; looked at for each message */
static inline bool properties_sends(const hawser_association *association)
{
    return !association->properties || properties_values(association->properties)->direction != DIRECTION_RECEIVE;
}

static inline bool properties_receives(const hawser_association *association)
{
    return !association->properties || properties_values(association->properties)->direction != DIRECTION_SEND;
}

/* Whether a peer that asks is told our other addresses. */
static inline bool properties_tells_addresses(const hawser_association *association)
{
    return !association->properties || properties_values(association->properties)->advertises_altaddr;
}

/* Whether the peer may have one more stream open. */
bool properties_take_stream(const hawser_association *association, unsigned open);
/* The lower of a rate (0: none) and the line's own, in bits per second. */
uint64_t properties_pace(const hawser_association *association, uint64_t rate);
/* Tells the system about a strand's socket: marks, pace, time-outs, probes. At the win, and after a change. */
void properties_tune(const struct strand *strand);
/* A strand came or went: what they have in common is divided anew. */
void properties_share(const hawser_association *association);

#endif
