/* SPDX-License-Identifier: Apache-2.0 */
/* `oneway` and `queue`: messages as fast as the line takes them. */
#include <errno.h>

#include "bench_client.h"

static void phase_done(struct bench_client *c);

static void keep(void *data, size_t size, void *user)
{
    (void)data;
    (void)size;
    (void)user; /* the one buffer lives as long as the client */
}

static bool more_wanted(const struct bench_client *c)
{
    return c->bench->what != QUEUE || c->outstanding < c->bench->queued;
}

static void push(struct bench_client *c)
{
    hawser_association *a = c->lines[0].association;
    size_t size = (size_t)c->bench->size;
    /* Large ones are lent, as a program would do; small ones are copied by the library. */
    const hawser_message_options *options = size >= BENCH_LARGE ? HAWSER_MESSAGE(.release = keep) : NULL;

    while (c->ready || (more_wanted(c) && bench_pace_next(&c->pace))) {
        int r = hawser_send(a, c->payload, size, options, NULL);

        c->ready = r == -EAGAIN; /* the pace has counted it: it is the next one */
        if (r == -EAGAIN)
            return;
        bench_check(r, "sending");
        c->outstanding++;
        c->counted++;
    }
    if (c->outstanding == 0)
        phase_done(c);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct bench_client *c = user;

    if (event->outcome.kind != HAWSER_ACKED)
        bench_fail("a message was not delivered: %s", event->outcome.reason);
    c->outstanding -= event->outcome.count;
    if (c->last_sync >= event->outcome.first && c->last_sync - event->outcome.first < event->outcome.count)
        c->outstanding++; /* a sync's is none of ours */
    if (c->paused)
        return;
    if (c->bench->what == QUEUE || c->outstanding == 0)
        push(c);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct bench_client *c = user;

    (void)event;
    if (!c->paused)
        push(c);
}

static void run(struct bench_client *c)
{
    c->paused = false;
    push(c);
}

static void phase_done(struct bench_client *c)
{
    c->paused = true;
    if (c->measuring)
        bench_window_close(c);
    else
        bench_window_open(c, run);
}

void bench_oneway(struct bench_client *c)
{
    c->payload[0] = KIND_DATA;
    hawser_register(c->lines[0].association, HAWSER_OUTCOME, on_outcome, c);
    hawser_register(c->lines[0].association, HAWSER_WRITABLE, on_writable, c);
    bench_pace_start(&c->pace, c->bench->warm, 0, c->bench->size);
    push(c);
}
