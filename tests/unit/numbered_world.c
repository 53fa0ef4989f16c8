/* SPDX-License-Identifier: Apache-2.0 */
#include "numbered_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT 1200 /* of tcp */
#define TCP_PACKETS 4000000

struct world_event {
    int64_t at;
    uint64_t order;
    unsigned to;
    uint64_t packet; /* tcp's */
    int64_t sent_at;
    uint8_t *data;
    size_t size;
};

double world_draw(struct world *world)
{
    world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(world->random >> 11) / (double)(UINT64_C(1) << 53);
}

void world_init(struct world *world, uint64_t seed, double rate, unsigned queue, int64_t delay)
{
    memset(world, 0, sizeof *world);
    world->random = seed * 2 + 1;
    for (int i = 0; i < 8; i++)
        world_draw(world);
    world->now = 1000000;
    for (int i = 0; i < 2; i++)
        world->links[i] = (struct world_link){.rate = rate, .queue = queue, .delay = delay};
}

void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->end_count; i++) {
        numbered_free(world->ends[i].numbered);
        free(world->ends[i].states);
    }
    for (size_t i = 0; i < world->event_count; i++)
        free(world->events[i].data);
    free(world->events);
}

/* -------------------------------------------------------------------------------------------------------- events */

static bool before(const struct world_event *a, const struct world_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct world *world, struct world_event event)
{
    size_t i = world->event_count++;

    if (i == world->event_capacity) {
        world->event_capacity = i ? 2 * i : 64;
        world->events = realloc(world->events, world->event_capacity * sizeof event);
        assert_non_null(world->events);
    }
    event.order = world->order++;
    for (; i > 0 && before(&event, &world->events[(i - 1) / 2]); i = (i - 1) / 2)
        world->events[i] = world->events[(i - 1) / 2];
    world->events[i] = event;
}

static struct world_event pop(struct world *world)
{
    struct world_event first = world->events[0], last = world->events[--world->event_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count && before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!before(&world->events[child], &last))
            break;
        world->events[i] = world->events[child];
        i = child;
    }
    if (world->event_count > 0)
        world->events[i] = last;
    return first;
}

/* A copy of data when there is any. */
static void transmit(struct world *world, unsigned from, const uint8_t *data, size_t size, uint64_t packet)
{
    struct world_end *end = &world->ends[from];
    struct world_link *link = &world->links[end->link];
    int64_t start = link->busy_until > world->now ? link->busy_until : world->now;
    unsigned copies = 1;

    if (world->seen && data)
        world->seen(world, from, data, size);
    if (link->rate > 0) {
        if ((double)(start - world->now) / 1e6 * link->rate + (double)size > link->queue)
            return;
        start += (int64_t)((double)size / link->rate * 1e6);
        link->busy_until = start;
    }
    if (world_draw(world) < link->loss)
        return;
    if (link->duplicate > 0 && world_draw(world) < link->duplicate)
        copies = 2;
    while (copies-- > 0) {
        struct world_event event = {
            .at = start + link->delay, .to = end->peer, .packet = packet, .sent_at = world->now, .size = size};
        if (link->reorder > 0 && world_draw(world) < link->reorder)
            event.at += (int64_t)(world_draw(world) * (double)link->jitter);
        else if (link->noise > 0)
            event.at += (int64_t)(world_draw(world) * (double)link->noise);
        if (data) {
            event.data = malloc(size);
            assert_non_null(event.data);
            memcpy(event.data, data, size);
        }
        push(world, event);
    }
}

void world_put(struct world *world, unsigned to, const void *data, size_t size, int64_t at)
{
    struct world_event event = {.at = at, .to = to, .size = size, .data = malloc(size)};

    assert_non_null(event.data);
    memcpy(event.data, data, size);
    push(world, event);
}

/* ------------------------------------------------------------------------------------------------------ numbered */

unsigned world_add_numbered(struct world *world, int64_t rtt)
{
    unsigned first = world->end_count;

    for (unsigned i = 0; i < 2; i++) {
        struct world_end *end = &world->ends[world->end_count++];
        struct numbered_config config = {
            .memory = &memory_malloc,
            .datagram_max = 1200,
            .seed = (uint64_t)(world_draw(world) * 1e15),
            .rtt = rtt,
            .pad = world->pad,
            .clear = world->clear,
        };
        end->kind = WORLD_NUMBERED;
        end->peer = first + 1 - i;
        end->link = i;
        assert_int_equal(numbered_new(&config, world->now, &end->numbered), 0);
    }
    return first;
}

static void note_code(struct world_end *end, int code)
{
    if (code < 0 && end->code == 0)
        end->code = code;
}

static bool send_unit(struct world *world, unsigned index)
{
    struct world_end *end = &world->ends[index];
    size_t capacity, size;
    const uint8_t *data;
    uint8_t *at = numbered_begin(end->numbered, world->now, &capacity);

    if (!at)
        return false;
    assert_true(capacity >= 1000);
    size = end->unit_size ? 8 + (size_t)(world_draw(world) * (double)end->unit_size) : capacity;
    if (size > capacity)
        size = capacity;
    memset(at, (int)end->sent, size);
    memcpy(at, &end->sent, sizeof end->sent);
    data = numbered_send(end->numbered, end->sent, size, world->now, &size);
    transmit(world, index, data, size, 0);
    end->sent++;
    if (end->pause)
        end->pause_until = world->now + end->pause;
    return true;
}

static void take_fates(struct world_end *end)
{
    struct numbered_unit_fate fate;

    while (numbered_fate(end->numbered, &fate)) {
        end->fates++;
        assert_true(fate.unit < end->sent);
        if (fate.unit >= WORLD_UNITS)
            continue;
        if (fate.acked)
            end->units[fate.unit].acked++;
        else
            end->units[fate.unit].lost++;
    }
}

static void drive(struct world *world, unsigned index)
{
    struct world_end *end = &world->ends[index];
    uint8_t buffer[2000];
    size_t size;

    if (end->code < 0)
        return;
    note_code(end, numbered_expire(end->numbered, world->now));
    while (end->sent < end->to_send && end->pause_until <= world->now && send_unit(world, index))
        ;
    while ((size = numbered_output(end->numbered, buffer, world->now)) > 0)
        transmit(world, index, buffer, size, 0);
    take_fates(end);
}

static void take(struct world *world, const struct world_event *event)
{
    struct world_end *end = &world->ends[event->to];
    const uint8_t *unit;
    size_t size;
    uint64_t number;

    if (end->deaf || end->code < 0)
        return;
    note_code(end, numbered_received(end->numbered, event->data, event->size, world->now, &unit, &size));
    if (end->code == 0 && unit) {
        assert_true(size >= sizeof number);
        memcpy(&number, unit, sizeof number);
        end->delivered_units++;
        end->delivered_bytes += size;
        for (size_t i = sizeof number; i < size; i++)
            assert_int_equal(unit[i], (uint8_t)number);
        if (number < WORLD_UNITS)
            world->ends[end->peer].units[number].delivered++;
    }
    drive(world, event->to);
}

/* ----------------------------------------------------------------------------------------------------------- tcp */

unsigned world_add_tcp(struct world *world)
{
    unsigned first = world->end_count;
    struct world_end *sender = &world->ends[world->end_count++], *receiver = &world->ends[world->end_count++];

    *sender =
        (struct world_end){.kind = WORLD_TCP_SENDER, .peer = first + 1, .link = 0, .window = 10, .threshold = 1e9};
    *receiver = (struct world_end){.kind = WORLD_TCP_RECEIVER, .peer = first, .link = 1};
    sender->states = calloc(1, TCP_PACKETS);
    assert_non_null(sender->states);
    sender->heard_at = world->now;
    return first;
}

static int64_t tcp_timeout(const struct world_end *end)
{
    return end->flying == 0 ? INT64_MAX : end->heard_at + (end->rtt > 50000 ? 4 * end->rtt : 200000);
}

static void tcp_fill(struct world *world, unsigned index)
{
    struct world_end *end = &world->ends[index];

    if (tcp_timeout(end) <= world->now) {
        for (uint64_t packet = end->acked; packet < end->next; packet++)
            end->states[packet] = 2;
        end->acked = end->recovery = end->next;
        end->flying = 0;
        end->threshold = end->window / 2 > 2 ? end->window / 2 : 2;
        end->window = 1;
    }
    while ((double)end->flying + 1 <= end->window && end->next < TCP_PACKETS) {
        if (end->flying++ == 0)
            end->heard_at = world->now;
        end->states[end->next] = 1;
        transmit(world, index, NULL, SEGMENT, end->next++);
    }
}

static void tcp_acked(struct world *world, const struct world_event *event)
{
    struct world_end *end = &world->ends[event->to];
    bool lost = false;

    end->heard_at = world->now;
    if (end->states[event->packet] == 1) {
        end->states[event->packet] = 2;
        end->flying--;
        end->window += end->window < end->threshold ? 1 : 1 / end->window;
        end->delivered_bytes += SEGMENT;
    }
    for (uint64_t packet = end->acked; packet + 3 <= event->packet; packet++) {
        if (end->states[packet] == 1) {
            end->states[packet] = 2;
            end->flying--;
            lost |= packet >= end->recovery;
        }
        end->acked = packet + 1;
    }
    if (lost) {
        end->window = end->threshold = end->window / 2 > 2 ? end->window / 2 : 2;
        end->recovery = end->next;
    }
    tcp_fill(world, event->to);
}

/* The receiver answers each packet with its number; its way back is not a bottleneck. */
static void tcp_arrived(struct world *world, const struct world_event *event)
{
    struct world_end *sender = &world->ends[world->ends[event->to].peer];

    sender->rtt = world->now - event->sent_at + world->links[1].delay;
    transmit(world, event->to, NULL, 40, event->packet);
}

/* ---------------------------------------------------------------------------------------------------------- time */

static int64_t end_due(const struct world *world, const struct world_end *end)
{
    int64_t due;

    if (end->kind == WORLD_TCP_SENDER)
        return tcp_timeout(end);
    if (end->kind == WORLD_TCP_RECEIVER || end->code < 0)
        return INT64_MAX;
    due = numbered_due(end->numbered);
    if (end->sent < end->to_send && end->pause_until > world->now && end->pause_until < due)
        due = end->pause_until;
    return due;
}

static void wake(struct world *world, unsigned index)
{
    if (world->ends[index].kind == WORLD_NUMBERED)
        drive(world, index);
    else if (world->ends[index].kind == WORLD_TCP_SENDER)
        tcp_fill(world, index);
}

/* One step; false: nothing happens before until. */
static bool step(struct world *world, int64_t until)
{
    int64_t at = world->event_count ? world->events[0].at : INT64_MAX;
    unsigned waker = WORLD_ENDS;

    for (unsigned i = 0; i < world->end_count; i++) {
        int64_t due = end_due(world, &world->ends[i]);
        if (due < at) {
            at = due;
            waker = i;
        }
    }
    if (at >= until)
        return false;
    if (waker < WORLD_ENDS && at <= world->now && world->ends[waker].stalled_since == world->now)
        at = world->now + 1; /* a loop's timer is not exact */
    if (at >= until)
        return false;
    if (at > world->now)
        world->now = at;
    if (waker < WORLD_ENDS) {
        world->ends[waker].stalled_since = world->now;
        wake(world, waker);
        return true;
    }
    struct world_event event = pop(world);
    switch (world->ends[event.to].kind) {
    case WORLD_NUMBERED:
        take(world, &event);
        break;
    case WORLD_TCP_SENDER:
        tcp_acked(world, &event);
        break;
    case WORLD_TCP_RECEIVER:
        tcp_arrived(world, &event);
        break;
    }
    free(event.data);
    return true;
}

void world_run(struct world *world, int64_t until)
{
    for (unsigned i = 0; i < world->end_count; i++)
        wake(world, i);
    while (step(world, until))
        ;
    world->now = until;
}

bool world_settle(struct world *world, unsigned index, int64_t until)
{
    struct world_end *end = &world->ends[index];

    wake(world, index);
    while (end->fates < end->to_send)
        if (!step(world, until))
            return false;
    return true;
}
