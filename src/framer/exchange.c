/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first exchange of a framer as a layer: a candidate has won only when the server behind it said what it should say.
 * So an HTTP 502 of a captive proxy, behind a handshake that went well, loses (S4.27).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "framer/framing.h"

#define ROOM 4096

struct exchange {
    struct layer layer;
    struct hawser_framing *framing;
    uint8_t *in;
    size_t size, capacity;
    bool done;
};

static struct exchange *exchange_of(struct layer *layer)
{
    return (struct exchange *)(void *)layer;
}

static void on_ready(struct layer *below, unsigned ready)
{
    if (below->above->ready)
        below->above->ready(below->above, ready);
}

/* ------------------------------------------------------------------------------------------------------ establishment */

static int exchange_fail(struct exchange *exchange, int code)
{
    return layer_fail(&exchange->layer, code, "%s", framing_reason(exchange->framing, code));
}

static int exchange_flush(struct exchange *exchange)
{
    struct layer *below = exchange->layer.below;
    const uint8_t *data;
    size_t size;

    while ((data = framing_output(exchange->framing, &size))) {
        ssize_t n = below->type->send(below, data, size);

        if (n < 0)
            return n == -EAGAIN ? 0 : (int)n;
        framing_output_taken(exchange->framing, (size_t)n);
    }
    return 0;
}

static int exchange_make_room(struct exchange *exchange)
{
    size_t wants = framing_wants(exchange->framing), capacity;
    uint8_t *in;

    if (exchange->size >= (wants > FRAMING_HEAD ? wants : FRAMING_HEAD))
        return layer_fail(&exchange->layer, -HAWSER_ELARGE, "the peer's first words have no end");
    if (exchange->capacity - exchange->size >= ROOM / 2)
        return 0;
    capacity = exchange->capacity ? exchange->capacity * 2 : ROOM;
    in = realloc(exchange->in, capacity);
    if (!in)
        return layer_fail(&exchange->layer, -ENOMEM, "%s", hawser_strerror(-ENOMEM));
    exchange->in = in;
    exchange->capacity = capacity;
    return 0;
}

static int exchange_greet(struct exchange *exchange, bool end)
{
    size_t used;
    int r;

    if (exchange->size < framing_wants(exchange->framing) && !end)
        return -EAGAIN;
    r = framing_greet(exchange->framing, exchange->in, exchange->size, end, &used);
    if (r == -EAGAIN)
        return r;
    if (r < 0)
        return exchange_fail(exchange, r);
    exchange->size -= used;
    memmove(exchange->in, exchange->in + used, exchange->size);
    return 0;
}

/* 0: the first exchange is done. */
static int exchange_talk(struct exchange *exchange)
{
    struct layer *below = exchange->layer.below;
    ssize_t n;
    int r;

    for (;;) {
        r = exchange_flush(exchange);
        if (r == 0)
            r = exchange_make_room(exchange);
        if (r < 0)
            return r;
        n = below->type->receive(below, exchange->in + exchange->size, exchange->capacity - exchange->size);
        if (n < 0)
            return (int)n;
        exchange->size += (size_t)n;
        r = exchange_greet(exchange, n == 0);
        if (r != -EAGAIN)
            return r;
    }
}

static int exchange_establish(struct layer *layer)
{
    struct exchange *exchange = exchange_of(layer);
    int r;

    if (layer->error)
        return layer->error->code;
    if (exchange->done)
        return 0;
    r = layer_establish(layer->below);
    if (r < 0)
        return r;
    r = framing_start(exchange->framing);
    if (r < 0)
        return exchange_fail(exchange, r);
    if (framing_greets(exchange->framing))
        r = exchange_talk(exchange);
    if (r == 0)
        r = exchange_flush(exchange);
    exchange->done = r == 0;
    return r;
}

/* --------------------------------------------------------------------------------------------------------- the others */

static ssize_t exchange_send(struct layer *layer, const void *data, size_t size)
{
    return layer->below->type->send(layer->below, data, size);
}

/* What was read beyond the exchange comes first. */
static ssize_t exchange_receive(struct layer *layer, void *buffer, size_t size)
{
    struct exchange *exchange = exchange_of(layer);

    if (exchange->size == 0)
        return layer->below->type->receive(layer->below, buffer, size);
    if (size > exchange->size)
        size = exchange->size;
    memcpy(buffer, exchange->in, size);
    exchange->size -= size;
    memmove(exchange->in, exchange->in + size, exchange->size);
    return (ssize_t)size;
}

static int exchange_shutdown(struct layer *layer)
{
    return layer->below->type->shutdown(layer->below);
}

static void exchange_detach(struct layer *layer)
{
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

static int exchange_attach(struct layer *layer, hawser_context *context)
{
    layer->context = context;
    return layer->below->type->attach(layer->below, context);
}

static void exchange_destroy(struct layer *layer)
{
    struct exchange *exchange = exchange_of(layer);

    framing_free(exchange->framing);
    free(exchange->in);
    free(exchange);
}

static const struct layer_type exchange_layer = {
    .name = "framer",
    .establish = exchange_establish,
    .send = exchange_send,
    .receive = exchange_receive,
    .shutdown = exchange_shutdown,
    .detach = exchange_detach,
    .attach = exchange_attach,
    .destroy = exchange_destroy,
};

int exchange_open(struct layer *below, struct hawser_framing *framing, struct layer **ret_top)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (!exchange)
        return -ENOMEM;
    exchange->layer.type = &exchange_layer;
    exchange->layer.context = below->context;
    exchange->layer.below = below;
    exchange->framing = framing;
    below->above = &exchange->layer;
    below->ready = on_ready;
    *ret_top = &exchange->layer;
    return 0;
}

struct hawser_framing *exchange_take(struct layer **top)
{
    struct exchange *exchange;
    struct hawser_framing *framing;

    if ((*top)->type != &exchange_layer)
        return NULL;
    exchange = exchange_of(*top);
    framing = exchange->framing;
    if (exchange->size > 0) {
        framing_set_ahead(framing, exchange->in, exchange->size);
        exchange->in = NULL;
    }
    exchange->framing = NULL;
    *top = exchange->layer.below;
    (*top)->above = NULL;
    (*top)->ready = exchange->layer.ready;
    (*top)->user = exchange->layer.user;
    free(exchange->layer.error);
    exchange_destroy(&exchange->layer);
    return framing;
}
