/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/greeting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_START 512

static void on_ready(struct layer *below, unsigned ready)
{
    struct layer *layer = below->above;

    if (layer->ready)
        layer->ready(layer, ready);
}

int greeting_open(const struct layer_type *type, hawser_context *context, const struct layer_target *target,
                  struct layer *below, greeting_step *step, size_t limit, struct greeting **ret_greeting)
{
    struct greeting *greeting;

    if (!below || !target->host || !*target->host || target->port == 0 || !below->type->sendv)
        return -EINVAL;
    greeting = calloc(1, sizeof *greeting);
    if (!greeting)
        return -ENOMEM;
    greeting->layer.type = type;
    greeting->layer.context = context;
    greeting->layer.below = below;
    greeting->step = step;
    greeting->target = target;
    greeting->limit = limit;
    below->ready = on_ready;
    *ret_greeting = greeting;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- words */

/* Passwords were among them. */
static void forget_out(struct greeting *greeting)
{
    if (greeting->out)
        explicit_bzero(greeting->out, greeting->out_size);
    free(greeting->out);
    greeting->out = NULL;
    greeting->out_size = greeting->out_sent = 0;
}

int greeting_say(struct greeting *greeting, const void *data, size_t size)
{
    uint8_t *out = malloc(greeting->out_size + size);

    if (!out)
        return layer_fail(&greeting->layer, -ENOMEM, "out of memory");
    if (greeting->out)
        memcpy(out, greeting->out, greeting->out_size);
    memcpy(out + greeting->out_size, data, size);
    size += greeting->out_size;
    forget_out(greeting);
    greeting->out = out;
    greeting->out_size = size;
    return 0;
}

const uint8_t *greeting_words(const struct greeting *greeting, size_t *ret_size)
{
    *ret_size = greeting->in_size;
    return greeting->in;
}

void greeting_forget(struct greeting *greeting)
{
    free(greeting->in);
    greeting->in = NULL;
    greeting->in_capacity = greeting->in_size = 0;
}

int greeting_wait(struct greeting *greeting, size_t size)
{
    greeting->wanted = size;
    return -EAGAIN;
}

void greeting_target(const struct greeting *greeting, char *text, size_t size)
{
    const char *host = greeting->target->host;
    bool brackets = strchr(host, ':');

    snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "", greeting->target->port);
}

static int say(struct greeting *greeting)
{
    struct layer *below = greeting->layer.below;

    while (greeting->out_sent < greeting->out_size) {
        ssize_t n =
            below->type->send(below, greeting->out + greeting->out_sent, greeting->out_size - greeting->out_sent);
        if (n < 0)
            return (int)n;
        greeting->out_sent += (size_t)n;
        greeting->waited = false;
    }
    forget_out(greeting);
    return 0;
}

static int make_room(struct greeting *greeting)
{
    size_t capacity = greeting->in_capacity ? 2 * greeting->in_capacity : IN_START;
    uint8_t *in;

    if (greeting->in_size + greeting->wanted <= greeting->in_capacity)
        return 0;
    if (greeting->in_size + greeting->wanted > greeting->limit)
        return layer_fail(&greeting->layer, -HAWSER_EPROXY, "the proxy's answer is longer than %zu bytes",
                          greeting->limit);
    if (capacity > greeting->limit)
        capacity = greeting->limit;
    in = realloc(greeting->in, capacity);
    if (!in)
        return layer_fail(&greeting->layer, -ENOMEM, "out of memory");
    greeting->in = in;
    greeting->in_capacity = capacity;
    return 0;
}

static int hear(struct greeting *greeting)
{
    struct layer *below = greeting->layer.below;
    int r = make_room(greeting);
    ssize_t n;

    if (r < 0)
        return r;
    n = below->type->receive(below, greeting->in + greeting->in_size, greeting->wanted);
    if (n == 0)
        return layer_fail(&greeting->layer, -HAWSER_EPROXY, "the proxy closed the connection %s",
                          greeting->in_size > 0 ? "in the middle of its answer" : "instead of answering");
    if (n < 0)
        return (int)n;
    if (!greeting->waited)
        greeting->round_trips++;
    greeting->waited = true;
    greeting->in_size += (size_t)n;
    return 0;
}

int greeting_establish(struct layer *layer)
{
    struct greeting *greeting = greeting_of(layer);
    int r = layer->error ? layer->error->code : 0;

    if (r == 0 && !greeting->done)
        r = layer_establish(layer->below);
    while (r == 0 && !greeting->done) {
        r = say(greeting);
        if (r < 0)
            break;
        r = greeting->step(greeting);
        greeting->done = r == 0;
        if (r == -EAGAIN)
            r = hear(greeting);
        else if (r == GREETING_ON)
            r = 0;
    }
    if (greeting->done)
        greeting_forget(greeting);
    return r;
}

/* --------------------------------------------------------------------------------------------- passing through */

ssize_t greeting_send(struct layer *layer, const void *data, size_t size)
{
    if (!greeting_of(layer)->done)
        return layer->error ? layer->error->code : -EAGAIN;
    return layer->below->type->send(layer->below, data, size);
}

ssize_t greeting_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    if (!greeting_of(layer)->done)
        return layer->error ? layer->error->code : -EAGAIN;
    return layer->below->type->sendv(layer->below, pieces, count);
}

ssize_t greeting_receive(struct layer *layer, void *buffer, size_t size)
{
    if (!greeting_of(layer)->done)
        return layer->error ? layer->error->code : -EAGAIN;
    return layer->below->type->receive(layer->below, buffer, size);
}

ssize_t greeting_receivev(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    if (!greeting_of(layer)->done)
        return layer->error ? layer->error->code : -EAGAIN;
    return layer->below->type->receivev(layer->below, pieces, count);
}

int greeting_shutdown(struct layer *layer)
{
    return layer->below->type->shutdown(layer->below);
}

void greeting_peer(struct layer *layer, struct layer_peer *peer)
{
    peer->round_trips += greeting_of(layer)->round_trips;
}

void greeting_detach(struct layer *layer)
{
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

int greeting_attach(struct layer *layer, hawser_context *context)
{
    int r = layer->below->type->attach(layer->below, context);

    if (r == 0)
        layer->context = context;
    return r;
}

void greeting_destroy(struct layer *layer)
{
    struct greeting *greeting = greeting_of(layer);

    forget_out(greeting);
    greeting_forget(greeting);
    free(greeting);
}
