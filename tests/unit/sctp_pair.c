/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sctp_pair.h"

/* ------------------------------------------------------------------------------------------------- the wire */

struct datagram {
    struct list link;
    int64_t due;
    int to;
    size_t size, queued;
    uint8_t data[];
};

struct wire_end {
    struct layer layer;
    struct pair *pair;
    int number;
    struct list inbox;
};

static struct wire_end *end_of(struct layer *layer)
{
    return (struct wire_end *)(void *)layer;
}

uint64_t wire_random(struct pair *pair)
{
    pair->random ^= pair->random << 13;
    pair->random ^= pair->random >> 7;
    pair->random ^= pair->random << 17;
    return pair->random;
}

static bool happens(struct pair *pair, unsigned percent)
{
    return wire_random(pair) % 100 < percent;
}

static void fly(struct pair *pair, int to, const void *data, size_t size, int64_t due, size_t queued)
{
    struct datagram *datagram = malloc(sizeof *datagram + size);
    struct list *at = pair->flying.prev;

    assert_non_null(datagram);
    datagram->due = due;
    datagram->to = to;
    datagram->size = size;
    datagram->queued = queued;
    memcpy(datagram->data, data, size);
    while (at != &pair->flying && container_of(at, struct datagram, link)->due > due)
        at = at->prev;
    list_insert_before(at->next, &datagram->link);
    loop_timer_set(pair->context, &pair->timer, list_first(&pair->flying, struct datagram, link)->due);
}

void wire_inject(struct pair *pair, int to, const void *data, size_t size)
{
    fly(pair, to, data, size, loop_clock(), 0);
}

static void arrive(struct pair *pair, struct datagram *datagram)
{
    struct wire_end *end = pair->end[datagram->to];

    pair->waiting[!datagram->to] -= datagram->queued;
    if (!end || pair->cut) {
        free(datagram);
        return;
    }
    pair->passed++;
    list_append(&end->inbox, &datagram->link);
    if (end->layer.ready)
        end->layer.ready(&end->layer, LAYER_READABLE);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct pair *pair = container_of(timer, struct pair, timer);

    while (!list_empty(&pair->flying)) {
        struct datagram *first = list_first(&pair->flying, struct datagram, link);
        if (first->due > now) {
            loop_timer_set(pair->context, timer, first->due);
            break;
        }
        list_remove(&first->link);
        arrive(pair, first);
    }
    for (int i = 0; i < 2; i++)
        if (pair->full[i] && pair->waiting[i] < pair->options.queue && pair->end[i]) {
            pair->full[i] = false;
            pair->end[i]->layer.ready(&pair->end[i]->layer, LAYER_WRITABLE);
        }
}

static size_t wire_max(struct layer *layer)
{
    const struct wire_options *options = &end_of(layer)->pair->options;

    return options->datagram ? options->datagram : 1400;
}

static int64_t departs(struct pair *pair, int from, size_t size)
{
    int64_t now = loop_clock();

    if (pair->options.rate == 0)
        return now;
    if (pair->busy_until[from] < now)
        pair->busy_until[from] = now;
    return pair->busy_until[from] += (int64_t)(size * 1000000 / pair->options.rate);
}

/* A copy that is changed or cut short. */
static void damage(struct pair *pair, int to, const uint8_t *data, size_t size, int64_t due)
{
    uint8_t copy[2048];

    memcpy(copy, data, size);
    if (happens(pair, 50))
        size = wire_random(pair) % size;
    else
        copy[wire_random(pair) % size] ^= (uint8_t)(1 + wire_random(pair) % 255);
    fly(pair, to, copy, size, due, 0);
}

static ssize_t wire_send(struct layer *layer, const void *data, size_t size)
{
    struct wire_end *end = end_of(layer);
    struct pair *pair = end->pair;
    int to = !end->number;
    size_t queued = pair->options.rate ? size : 0;
    int64_t due;

    assert_true(size <= wire_max(layer));
    if (pair->options.queue && pair->waiting[end->number] >= pair->options.queue) {
        pair->full[end->number] = true;
        return -EAGAIN;
    }
    if (happens(pair, pair->options.loss))
        return (ssize_t)size;
    due = departs(pair, end->number, size) + pair->options.delay;
    if (pair->options.jitter)
        due += (int64_t)(wire_random(pair) % (uint64_t)pair->options.jitter);
    pair->waiting[end->number] += queued;
    fly(pair, to, data, size, due, queued);
    if (happens(pair, pair->options.damage))
        damage(pair, to, data, size, due);
    if (happens(pair, pair->options.duplicate))
        fly(pair, to, data, size, due + (int64_t)(wire_random(pair) % 50000), 0);
    return (ssize_t)size;
}

static ssize_t wire_receive(struct layer *layer, void *buffer, size_t size)
{
    struct wire_end *end = end_of(layer);
    struct datagram *datagram;

    if (list_empty(&end->inbox))
        return -EAGAIN;
    datagram = list_first(&end->inbox, struct datagram, link);
    if (datagram->size < size)
        size = datagram->size;
    memcpy(buffer, datagram->data, size);
    list_remove(&datagram->link);
    free(datagram);
    return (ssize_t)size;
}

static int wire_establish(struct layer *layer)
{
    (void)layer;
    return 0;
}

static void empty(struct list *datagrams)
{
    while (!list_empty(datagrams)) {
        struct datagram *datagram = list_first(datagrams, struct datagram, link);
        list_remove(&datagram->link);
        free(datagram);
    }
}

static void wire_destroy(struct layer *layer)
{
    struct wire_end *end = end_of(layer);

    end->pair->end[end->number] = NULL;
    empty(&end->inbox);
    free(end);
}

static const struct layer_type wire_layer = {
    .name = "wire",
    .flags = LAYER_DATAGRAMS,
    .establish = wire_establish,
    .send = wire_send,
    .receive = wire_receive,
    .datagram_max = wire_max,
    .destroy = wire_destroy,
};

/* ------------------------------------------------------------------------------------------------- sides */

static void side_failed(struct side *side, int code)
{
    const struct layer_error *error = layer_error(side->top);

    side->error = code;
    if (error->code) {
        assert_int_equal(error->code, code);
        assert_true(strlen(error->reason) > 0);
        snprintf(side->reason, sizeof side->reason, "%s", error->reason);
    }
}

static void receive_units(struct side *side)
{
    struct layer_unit_in unit;
    int r;

    while ((r = sctp_units.receive(side->top, &unit)) == 0) {
        assert_true(unit.end && !unit.reset && !*unit.lane); /* units are smaller than what comes in pieces */
        side->received++;
        side->received_bytes += unit.size;
        if (side->came)
            side->came(side, unit.data, unit.size);
    }
    if (r == -ENODATA)
        side->ended = true;
    else if (r != -EAGAIN)
        side_failed(side, r);
}

static void receive_messages(struct side *side)
{
    static uint8_t buffer[SCTP_MESSAGE_MAX];
    ssize_t n;

    while ((n = sctp_layer.receive(side->top, buffer, sizeof buffer)) >= 0) {
        side->received++;
        side->received_bytes += (size_t)n;
        if (side->came)
            side->came(side, buffer, (size_t)n);
        if (!side->top)
            return;
    }
    if (n == -ENODATA)
        side->ended = true;
    else if (n != -EAGAIN)
        side_failed(side, (int)n);
}

static void take_fates(struct side *side)
{
    struct layer_fate fate;

    while (sctp_units.fate(side->top, &fate)) {
        assert_true(fate.number < side->next);
        if (side->fates[fate.number])
            side->twice++;
        side->fates[fate.number] = fate.acked ? 2 : 1;
        if (fate.acked)
            side->acked++;
        else
            side->lost++;
    }
}

static void on_side_ready(struct layer *layer, unsigned ready)
{
    struct side *side = layer->user;
    int r;

    if (ready & LAYER_WRITABLE)
        side->writable++;
    if (!side->up) {
        r = layer_establish(layer);
        side->up = r == 0;
        if (r < 0 && r != -EAGAIN)
            side_failed(side, r);
        if (r != 0)
            return;
    }
    if (side->units)
        take_fates(side);
    if (side->stopped || side->error)
        return;
    if (side->units)
        receive_units(side);
    else
        receive_messages(side);
}

static void side_make(struct pair *pair, int number)
{
    struct side *side = &pair->side[number];
    struct wire_end *end = calloc(1, sizeof *end);
    struct layer_target target = {.sctp_port = 7};

    assert_non_null(end);
    end->layer.type = &wire_layer;
    end->layer.context = pair->context;
    end->pair = pair;
    end->number = number;
    list_init(&end->inbox);
    pair->end[number] = end;
    side->pair = pair;
    if (number == 0)
        assert_int_equal(sctp_layer.open(pair->context, &target, &end->layer, &side->top), 0);
    else
        assert_int_equal(sctp_layer.accept(pair->context, NULL, -1, &end->layer, &side->top), 0);
    end->layer.above = side->top;
    side->top->below = &end->layer;
    side->top->ready = on_side_ready;
    side->top->user = side;
}

void side_destroy(struct side *side)
{
    layer_destroy(side->top);
    side->top = NULL;
}

void pair_open(struct pair *pair, hawser_context *context, const struct wire_options *options)
{
    memset(pair, 0, sizeof *pair);
    pair->context = context;
    if (options)
        pair->options = *options;
    pair->random = (pair->options.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    list_init(&pair->flying);
    loop_timer_init(&pair->timer, on_timer);
    for (int i = 0; i < 2; i++)
        side_make(pair, i);
    for (int i = 1; i >= 0; i--)
        on_side_ready(pair->side[i].top, 0);
}

static bool both_up(void *user)
{
    const struct pair *pair = user;

    for (int i = 0; i < 2; i++)
        assert_int_equal(pair->side[i].error, 0);
    return pair->side[0].up && pair->side[1].up;
}

void pair_establish(struct pair *pair)
{
    assert_true(run_until(pair->context, both_up, pair));
}

void pair_close(struct pair *pair)
{
    for (int i = 0; i < 2; i++)
        if (pair->side[i].top)
            side_destroy(&pair->side[i]);
    empty(&pair->flying);
    loop_timer_clear(pair->context, &pair->timer);
}

bool run_until(hawser_context *context, bool (*done)(void *user), void *user)
{
    int64_t end = loop_clock() + 20000000;

    while (!done(user)) {
        if (loop_clock() > end)
            return false;
        assert_true(hawser_iterate(context, 100000) >= 0);
    }
    return true;
}

void run_for(hawser_context *context, int64_t microseconds)
{
    int64_t end = loop_clock() + microseconds;

    while (loop_clock() < end)
        assert_true(hawser_iterate(context, end - loop_clock() > 0 ? end - loop_clock() : 0) >= 0);
}

/* ------------------------------------------------------------------------------------------------- sending */

int side_send(struct side *side, const void *data, size_t size)
{
    ssize_t n = sctp_layer.send(side->top, data, size);

    if (n < 0)
        return (int)n;
    assert_int_equal(n, size);
    return 0;
}

bool side_send_unit(struct side *side, size_t size, bool lossy, uint8_t class, int64_t lifetime, int resends)
{
    struct layer_unit_out unit = {
        .number = side->next, .size = size, .lossy = lossy, .class = class, .lifetime = lifetime, .resends = resends};
    size_t capacity;
    uint8_t *at = sctp_units.begin(side->top, lossy, &capacity);

    if (!at)
        return false;
    if (size > capacity) /* less than the largest fits just now */
        size = capacity;
    assert_true(size >= sizeof side->next);
    unit.size = size;
    memset(at, (int)(side->next & 0xff), size);
    memcpy(at, &side->next, sizeof side->next);
    side->next++;
    assert_int_equal(sctp_units.send(side->top, &unit), 0);
    (void)sctp_units.flush(side->top);
    return true;
}

/* ------------------------------------------------------------------------------------------------- the process */

hawser_context *pair_context(void)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .no_worker = true), &context), 0);
    return context;
}

static unsigned count_entries(const char *directory)
{
    DIR *dir = opendir(directory);
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

unsigned count_threads(void)
{
    return count_entries("/proc/self/task") - 2;
}

unsigned count_descriptors(void)
{
    return count_entries("/proc/self/fd");
}
