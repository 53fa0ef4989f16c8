/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `departure`: how much later than at their send time messages leave, one after the other on a line that is idle. By the
 * system's stamp, where the stack has one (over UDP); else by when the system was given it.
 */
#include <time.h>

#include "bench_client.h"

#define AHEAD_US 3000

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void send_one(struct bench_client *c)
{
    int64_t asked = c->bench->tool->options->interval_us, ahead = asked > 0 ? asked : AHEAD_US;

    c->payload[0] = KIND_DATA;
    bench_check(hawser_send(c->lines[0].association, c->payload, (size_t)c->bench->size,
                            HAWSER_MESSAGE(.send_time_us = now_us() + ahead, .want_sent = true), NULL),
                "sending");
    c->outstanding++;
}

static void next(struct bench_client *c)
{
    if (bench_pace_next(&c->pace))
        send_one(c);
    else if (c->measuring)
        bench_window_close(c);
    else
        bench_window_open(c, next);
}

static void on_sent(const hawser_event *event, void *user)
{
    struct bench_client *c = user;
    c->stamped |= event->sent.system_us != 0; /* while it warms up */
    if (c->measuring && c->stamped == (event->sent.system_us != 0))
        bench_sample(c->bench, event->sent.late_us * 1000);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct bench_client *c = user;

    if (event->outcome.kind != HAWSER_ACKED)
        bench_fail("a message was not delivered: %s", event->outcome.reason);
    if (c->outstanding == 0)
        return; /* a sync's */
    c->outstanding--;
    c->counted++;
    next(c);
}

void bench_departures(struct bench_client *c)
{
    hawser_register(c->lines[0].association, HAWSER_SENT, on_sent, c);
    hawser_register(c->lines[0].association, HAWSER_OUTCOME, on_outcome, c);
    bench_pace_start(&c->pace, c->bench->warm < 20 ? c->bench->warm : 20, 0, c->bench->size);
    next(c);
}
