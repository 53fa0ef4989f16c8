/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's framer, and the layer that makes its first exchange part of a stack's establishment. */
#ifndef FRAMER_FRAMING_H
#define FRAMER_FRAMING_H

#include <hawser/layer.h>

#include "layer/layer.h"

#define FRAMING_HEAD 65536u /* what may stand around a message of the limit's size */

enum framing_way {
    FRAMING_AS_IS,  /* messages go as they are */
    FRAMING_AROUND, /* with something before or after */
    FRAMING_WHOLE,  /* as encode() writes them */
};

/* framer NULL: "none". host: hawser_framing_host(), NULL: none; copied. limit: hawser_framing_limit(). -EINVAL: a framer
 * that cannot be used. */
int framing_new(const struct hawser_framer *framer, void *framer_user, const char *host, uint64_t limit,
                struct hawser_framing **ret_framing);
void framing_free(struct hawser_framing *framing);
const char *framing_reason(const struct hawser_framing *framing, int code); /* in words why a call failed */

int framing_start(struct hawser_framing *framing);         /* nothing the second time */
bool framing_greets(const struct hawser_framing *framing); /* its first exchange is still to be done */
int framing_greet(struct hawser_framing *framing, const uint8_t *data, size_t size, bool end, size_t *ret_used);

/* What was read beyond the first exchange. ahead is the framing's from then on; who takes it free()s it. NULL: nothing. */
void framing_set_ahead(struct hawser_framing *framing, uint8_t *ahead, size_t size);
uint8_t *framing_take_ahead(struct hawser_framing *framing, size_t *ret_size);

void framing_set_sink(struct hawser_framing *framing,
                      int (*deliver)(void *user, const void *data, size_t size, uint64_t total, bool last), void *user);
/* Never more than size. */
ssize_t framing_decode(struct hawser_framing *framing, const uint8_t *data, size_t size, bool end);
size_t
framing_wants(const struct hawser_framing *framing); /* what the last decode() or greet() asked for; 0: nothing */
bool framing_is_plain(const struct hawser_framing *framing); /* "none": one message that never ends */

enum framing_way framing_way(const struct hawser_framing *framing);
int framing_encode(struct hawser_framing *framing, const void *data, size_t size, bool end);
int framing_before(struct hawser_framing *framing, uint64_t size, bool end);
void framing_after(struct hawser_framing *framing, bool end);

/* What the framer wrote and is to leave now; between before() and after() nothing else is let in. */
const uint8_t *framing_output(const struct hawser_framing *framing, size_t *ret_size);
void framing_output_taken(struct hawser_framing *framing, size_t size);

/*
 * Puts a layer above a stack that is being opened: its establish() is done when the framer's first exchange is. The
 * framing is the layer's from success on, until it is taken.
 */
int exchange_open(struct layer *below, struct hawser_framing *framing, struct layer **ret_top);
/* Takes the layer off an established stack, and the framing out of it. NULL: *top is no exchange. */
struct hawser_framing *exchange_take(struct layer **top);

#endif
