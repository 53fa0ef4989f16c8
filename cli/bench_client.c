/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_established(const hawser_event *event, void *user)
{
    struct bench_line *line = user;

    line->resumed = event->established.resumed;
    if (line->on_established)
        line->on_established(line);
}

static void on_received(const hawser_event *event, void *user)
{
    struct bench_line *line = user;
    struct bench_client *c = line->client;

    if (c->sync != 0 && line == &c->lines[0] && event->received.reply_to == c->sync) {
        c->sync = 0;
        c->after_sync(c);
    } else if (line->on_reply) {
        line->on_reply(line);
    }
}

static void on_closed(const hawser_event *event, void *user)
{
    struct bench_line *line = user;

    if (!line->client->ending && event->closed.code < 0)
        bench_fail("the line broke: %s", event->closed.reason);
    if (line->on_closed)
        line->on_closed(line);
}

/* Room for what the measurement keeps queued, and no more: what waits for long has left the processor's cache. */
static void queue_limits(const struct bench *b, hawser_associate_options *options)
{
    if (b->what == QUEUE) {
        options->send_queue_messages = b->queued + 64;
        options->send_queue = (b->queued + 64) * (b->size + 256);
    } else if (b->size >= BENCH_LARGE && b->what != URGENT) {
        /* Lent bytes are not held against us, so it is their number that keeps a queue short. */
        uint64_t messages = BENCH_QUEUED_BYTES / b->size;

        options->send_queue_messages = messages < 2 ? 2 : messages;
    } else if (b->what == ONEWAY) {
        uint64_t messages = BENCH_QUEUED_SMALL / b->size;

        options->send_queue_messages = messages > 16384 ? 16384 : messages;
    }
}

void bench_line_open(struct bench_client *c, struct bench_line *line)
{
    struct bench *b = c->bench;
    hawser_associate_options options = {
        .struct_size = sizeof(options),
        .identity = b->tool->identity,
        .stack = b->tool->options->stack,
        .no_early_data = true,
        .no_fast_open = true,
        .no_resumption = !b->resumed,
        .present_certificate = true,
        .timestamps = b->what == DEPARTURE,
    };

    queue_limits(b, &options);
    line->client = c;
    bench_check(hawser_associate(b->tool->context, b->endpoint, &options, &line->association), "associating");
    hawser_register(line->association, HAWSER_ESTABLISHED, on_established, line);
    hawser_register(line->association, HAWSER_RECEIVED, on_received, line);
    hawser_register(line->association, HAWSER_CLOSED, on_closed, line);
}

void bench_echo(struct bench_line *line)
{
    struct bench_client *c = line->client;

    line->busy = true;
    c->payload[0] = KIND_ECHO;
    line->asked_ns = bench_now_ns();
    bench_check(hawser_send(line->association, c->payload, (size_t)c->bench->size, NULL, NULL), "sending");
}

void bench_sync(struct bench_client *c, void (*after)(struct bench_client *client))
{
    static const uint8_t message[BENCH_MESSAGE_MIN] = {KIND_SYNC};

    c->after_sync = after;
    bench_check(
        hawser_send(c->lines[0].association, message, sizeof(message), HAWSER_MESSAGE(.niceness = -100), &c->sync),
        "asking for a sync");
    c->last_sync = c->sync;
}

static void opened(struct bench_client *c)
{
    struct bench *b = c->bench;

    c->measuring = true;
    c->counted = 0;
    b->resumed_setups = 0;
    bench_read(&b->from);
    bench_pace_start(&c->pace, b->count, b->duration_ns, b->size);
    c->begin(c);
}

void bench_window_open(struct bench_client *c, void (*begin)(struct bench_client *client))
{
    c->begin = begin;
    bench_sync(c, opened);
}

static void closed(struct bench_client *c)
{
    struct bench *b = c->bench;

    bench_read(&b->to);
    b->messages = c->counted;
    bench_result(b);
    c->ending = true;
    hawser_close(c->lines[0].association, 0, NULL);
}

void bench_window_close(struct bench_client *c)
{
    bench_sync(c, closed);
}

static void first_closed(struct bench_line *line)
{
    bench_stop(line->client->bench);
}

static void first_established(struct bench_line *line)
{
    static void (*const measurements[])(struct bench_client *) = {
        [ONEWAY] = bench_oneway, [PINGPONG] = bench_pingpong, [IDLE] = bench_idle,       [SETUP] = bench_setup,
        [GROWTH] = bench_growth, [QUEUE] = bench_oneway,      [URGENT] = bench_urgently, [DEPARTURE] = bench_departures,
    };

    line->client->opened = 1;
    measurements[line->client->bench->what](line->client);
}

int bench_client(struct bench *bench)
{
    struct bench_client c = {.bench = bench};
    size_t lines = bench->what == SETUP ? 2 : bench->connections;
    int r;

    c.lines = calloc(lines, sizeof(*c.lines));
    c.payload = calloc(1, bench->what == URGENT ? sizeof(struct bench_urgent) : (size_t)bench->size);
    if (!c.lines || !c.payload) {
        free(c.lines);
        free(c.payload);
        return -ENOMEM;
    }
    memset(c.payload, 0x5a, bench->what == URGENT ? sizeof(struct bench_urgent) : (size_t)bench->size);
    bench_line_open(&c, &c.lines[0]);
    c.lines[0].on_established = first_established;
    c.lines[0].on_closed = first_closed;
    r = bench_loop(bench);
    for (size_t i = 0; i < lines; i++)
        if (c.lines[i].association)
            hawser_association_unref(c.lines[i].association);
    free(c.lines);
    free(c.payload);
    return r;
}
