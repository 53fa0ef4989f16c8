/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What layers have in common that say a few words to somebody in between before they carry the user's bytes (socks5,
 * http-connect): words out, words in, and from then on they pass all through. No more is read than what the answer has
 * for sure, since what follows it is the user's, who may take the descriptor away (layer_release()). Inside layer/ only.
 */
#ifndef LAYER_GREETING_H
#define LAYER_GREETING_H

#include "layer/layer.h"

struct greeting;

/* Looks at what came (greeting_words()): 0: greeted; GREETING_ON: said more; greeting_wait(): needs more; other: failed,
 * and noted in the layer. */
typedef int greeting_step(struct greeting *greeting);
#define GREETING_ON 1

struct greeting {
    struct layer layer;
    greeting_step *step;
    const struct layer_target *target; /* only while greeting */
    unsigned phase;                    /* step()'s own */
    unsigned round_trips;              /* answers waited for */
    bool waited;                       /* since words last left, some came */
    bool done;
    size_t limit;  /* of an answer */
    size_t wanted; /* greeting_wait() */
    size_t out_size, out_sent;
    size_t in_capacity, in_size;
    uint8_t *out, *in; /* NULL: nothing */
};

static inline struct greeting *greeting_of(const struct layer *layer)
{
    return (struct greeting *)(void *)layer;
}

/* A layer above `below`, whose first words are said at once by the caller. limit: see above. */
int greeting_open(const struct layer_type *type, hawser_context *context, const struct layer_target *target,
                  struct layer *below, greeting_step *step, size_t limit, struct greeting **ret_greeting);
/* More to be said; copied. -ENOMEM is noted in the layer. */
int greeting_say(struct greeting *greeting, const void *data, size_t size);
/* The answer so far; and that it has been understood: the next one begins. */
const uint8_t *greeting_words(const struct greeting *greeting, size_t *ret_size);
void greeting_forget(struct greeting *greeting);
/* So many bytes are still to come for sure. Returns -EAGAIN. */
int greeting_wait(struct greeting *greeting, size_t size);
/* "example.org:443" or "[2001:db8::1]:443": whom the one in between is asked for. */
#define GREETING_TARGET 272
void greeting_target(const struct greeting *greeting, char *text, size_t size);

/* The functions of struct layer_type that they have in common. */
int greeting_establish(struct layer *layer);
ssize_t greeting_send(struct layer *layer, const void *data, size_t size);
ssize_t greeting_sendv(struct layer *layer, const struct iovec *pieces, unsigned count);
ssize_t greeting_receive(struct layer *layer, void *buffer, size_t size);
ssize_t greeting_receivev(struct layer *layer, const struct iovec *pieces, unsigned count);
int greeting_shutdown(struct layer *layer);
void greeting_peer(struct layer *layer, struct layer_peer *peer);
void greeting_detach(struct layer *layer);
int greeting_attach(struct layer *layer, hawser_context *context);
void greeting_destroy(struct layer *layer);

#define GREETING_FUNCTIONS                                                                                             \
    .establish = greeting_establish, .send = greeting_send, .sendv = greeting_sendv, .receive = greeting_receive,      \
    .receivev = greeting_receivev, .shutdown = greeting_shutdown, .peer = greeting_peer, .detach = greeting_detach,    \
    .attach = greeting_attach, .destroy = greeting_destroy

#endif
