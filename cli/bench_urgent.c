/* SPDX-License-Identifier: Apache-2.0 */
/* `urgent`: small urgent messages behind one bulk message; independent of one another, or (--ordered) in order. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "bench_client.h"

#define FIRST_AFTER_US 1000000
#define EVERY_US 250000
#define JITTER_US 100000

static void release(void *data, size_t size, void *user)
{
    (void)user;
    munmap(data, size);
}

static void end_bulk(struct bench_client *c)
{
    c->ending = true; /* its outcome is ours */
    hawser_cancel(c->lines[0].association, c->bulk);
    bench_window_close(c);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct bench_client *c = user;

    for (uint64_t i = 0; i < event->outcome.count; i++) {
        hawser_message_id id = event->outcome.first + i;

        if (id == c->bulk && !c->ending)
            bench_fail("the bulk message ended before the urgent ones: %s; use a larger --size", event->outcome.reason);
        if (id == c->bulk || c->ending)
            continue;
        if (event->outcome.kind != HAWSER_ACKED)
            bench_fail("an urgent message was not delivered: %s", event->outcome.reason);
        if (c->measuring && id > c->bulk && ++c->counted == c->bench->count)
            end_bulk(c);
    }
}

static int64_t jitter(void)
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof(number), 0) < 0)
        return 0;
    return number % JITTER_US;
}

static int64_t pause_of(const struct bench_client *c)
{
    int64_t asked = c->bench->tool->options->interval_us;

    return asked > 0 ? asked : EVERY_US + jitter();
}

static void send_urgent(void *user)
{
    struct bench_client *c = user;
    hawser_association *a = c->lines[0].association;
    struct bench_urgent urgent = {.kind = KIND_URGENT};
    hawser_strand_info strand = {.rtt_us = 0};
    uint8_t message[64] = {0};

    hawser_association_strand(a, 0, &strand);
    urgent.rtt_us = strand.rtt_us;
    urgent.sent_ns = bench_now_ns();
    memcpy(message, &urgent, sizeof(urgent));
    bench_check(hawser_send(a, message, sizeof(message),
                            HAWSER_MESSAGE(.niceness = -50, .ordered = c->bench->tool->options->ordered), NULL),
                "sending");
    if (++c->urgent_sent < c->bench->count)
        bench_check(hawser_timer(c->bench->tool->context, pause_of(c), send_urgent, c, NULL), "a timer");
}

static void begin(struct bench_client *c)
{
    size_t size = (size_t)c->bench->size;
    /* Pages of zeros that are never written to: no memory, and TLS makes noise of them. */
    void *bulk = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (bulk == MAP_FAILED)
        bench_fail("out of memory");
    bench_check(hawser_send(c->lines[0].association, bulk, size, HAWSER_MESSAGE(.release = release), &c->bulk),
                "sending the bulk message");
    bench_check(hawser_timer(c->bench->tool->context, FIRST_AFTER_US, send_urgent, c, NULL), "a timer");
}

void bench_urgently(struct bench_client *c)
{
    hawser_register(c->lines[0].association, HAWSER_OUTCOME, on_outcome, c);
    bench_window_open(c, begin);
}
