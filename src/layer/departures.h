/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which unit left in which udp_send(), and when the system says that this left: so that a unit's fate can tell it (S1.28).
 * Of the last thousand units and sends; older ones have no stamp. Inside layer/ only.
 */
#ifndef LAYER_DEPARTURES_H
#define LAYER_DEPARTURES_H

#include <stdint.h>

struct departures;

/* NULL: no memory, and then nothing is stamped: each of the others takes that. */
struct departures *departures_new(void);
void departures_free(struct departures *departures);
/* The last byte of a unit is in the send of that number (udp_taker.left counts them). */
void departures_note(struct departures *departures, uint64_t unit, uint64_t send);
void departures_left(struct departures *departures, uint64_t send, int64_t at);
int64_t departures_of(const struct departures *departures, uint64_t unit); /* CLOCK_BOOTTIME; 0: not known */

#endif
