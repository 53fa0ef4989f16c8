/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's framer, and the layer that makes its first exchange part of a stack's establishment. */
#ifndef FRAMER_FRAMING_H
#define FRAMER_FRAMING_H

#include <hawser/layer.h>

#include "layer/layer.h"

/* host: hawser_framing_host(). max: bytes that a message may have. */
int framing_new(const struct hawser_framer *framer, void *framer_user, const char *host, uint64_t max,
                struct hawser_framing **ret_framing);
void framing_free(struct hawser_framing *framing);

/*
 * Puts a layer above a stack that is being opened: its establish() is done when the framer's first exchange is. The
 * framing is the layer's from success on, until it is taken. A framer without greet() establishes with the stack.
 */
int exchange_open(struct layer *below, struct hawser_framing *framing, struct layer **ret_top);
/* Of an established one: takes the framing out; what it read ahead of the exchange is still received from the layer. */
struct hawser_framing *exchange_take(struct layer *top); /* NULL: top is no exchange */

#endif
