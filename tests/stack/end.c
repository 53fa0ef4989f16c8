/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdlib.h>

#define ROUNDS 64 /* per call, so that both ends take turns */

uint8_t pattern(uint64_t at)
{
    return (uint8_t)((at * 131) ^ (at >> 8) ^ (at >> 17));
}

static void check(struct end *end, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        end->mismatches += data[i] != pattern(end->received + i);
    end->received += size;
}

static bool failed(struct end *end, ssize_t n)
{
    if (n >= 0 || n == -EAGAIN)
        return false;
    end->code = (int)n;
    return true;
}

static bool receive_units(struct end *end)
{
    int code;
    bool moved = end_units_receive(end, &code);

    failed(end, code);
    return moved;
}

static bool send_units(struct end *end)
{
    int code;
    bool moved = end_units_send(end, &code);

    failed(end, code);
    return moved;
}

static bool receive_some(struct end *end)
{
    if (end->units)
        return receive_units(end);
    uint8_t data[5000];
    size_t room = end->echo ? sizeof end->held - end->held_size : sizeof data;
    ssize_t n;

    if (end->eof || end->idle || room == 0)
        return false;
    n = end->top->type->receive(end->top, data, room);
    if (failed(end, n) || n < 0)
        return false;
    if (n == 0) {
        end->eof = true;
        return false;
    }
    end->early |= !end->up;
    check(end, data, (size_t)n);
    if (end->echo) {
        memcpy(end->held + end->held_size, data, (size_t)n);
        end->held_size += (size_t)n;
    }
    return true;
}

static bool send_held(struct end *end)
{
    ssize_t n = end->top->type->send(end->top, end->held, end->held_size);

    if (failed(end, n) || n < 0)
        return false;
    memmove(end->held, end->held + n, end->held_size - (size_t)n);
    end->held_size -= (size_t)n;
    end->sent += (uint64_t)n;
    return true;
}

static bool send_some(struct end *end)
{
    uint8_t data[40000];
    size_t size = end->to_send - end->sent < sizeof data ? (size_t)(end->to_send - end->sent) : sizeof data;
    ssize_t n;

    if (end->shut)
        return false;
    if (end->units)
        return send_units(end);
    if (end->top->type->early_room == NULL && !end->up)
        return false;
    if (end->echo)
        return end->held_size > 0 && send_held(end);
    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(end->sent + i);
    n = end->top->type->send(end->top, data, size);
    if (failed(end, n) || n < 0) {
        end->refusals += n == -EAGAIN;
        return false;
    }
    end->early |= !end->up;
    end->sent += (uint64_t)n;
    return true;
}

static void shut_when_done(struct end *end)
{
    if (!end->shut_after || end->shut || end->sent < end->to_send || (end->echo && (!end->eof || end->held_size)))
        return;
    if (end->units && !end_units_settled(end))
        return;
    int r = end->top->type->shutdown(end->top);
    end->shut = r == 0;
    failed(end, r);
}

void end_run(struct end *end)
{
    bool moved = true;

    if (!end->top || end->code)
        return;
    if (!end->up) {
        int r;
        while (end->early_wanted && !end->begun && send_some(end))
            ;
        if (end->units && end->early_wanted)
            failed(end, end_units_flush(end));
        end->begun = true;
        r = layer_establish(end->top);
        end->up = r == 0;
        if (failed(end, r))
            return;
    }
    for (end->rounds = 0; moved && !end->code && end->rounds < ROUNDS; end->rounds++) {
        moved = receive_some(end);
        if (end->up && !end->code)
            moved |= send_some(end);
    }
    if (end->units && !end->code)
        failed(end, end_units_flush(end));
    if (end->up && !end->code)
        shut_when_done(end);
    if (moved && !end->code)
        loop_defer_next(end->context, &end->again);
}

static void on_ready(struct layer *top, unsigned ready)
{
    (void)ready;
    end_run(top->user);
}

static void on_again(struct loop_deferred *deferred)
{
    end_run(container_of(deferred, struct end, again));
}

void end_start(struct end *end, hawser_context *context, struct layer *top)
{
    end->context = context;
    end->top = top;
    end->units = !(layer_flags(top) & LAYER_BYTES) ? end_units_new(layer_flags(top) & LAYER_SECURE) : NULL;
    top->user = end;
    top->ready = on_ready;
    loop_deferred_init(&end->again, on_again);
    loop_defer(context, &end->again);
}

void end_stop(struct end *end)
{
    if (end->top) {
        loop_undefer(&end->again);
        layer_destroy(end->top);
    }
    end_units_free(end->units); /* also of one whose descriptor was taken out */
    memset(end, 0, sizeof *end);
}
