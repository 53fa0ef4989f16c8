/* SPDX-License-Identifier: Apache-2.0 */
/* The events that libunbound is given on our loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

#include <unistd.h>

#include "endpoint/unbound_loop.h"

#define SECOND INT64_C(1000000)

struct event_log {
    struct ub_event *event;
    unsigned calls, until;
    short bits;
};

static void log_event(int fd, short bits, void *user)
{
    struct event_log *log = user;
    char byte;

    log->calls++;
    log->bits = bits;
    if (bits & UB_EV_READ)
        assert_int_equal(read(fd, &byte, 1), 1);
    if (log->calls == log->until) {
        log->event->vmt->free(log->event);
        log->event = NULL;
    }
}

/* libunbound is promised libevent's meaning: a persistent event goes on while something is left to be read, and its
 * time-out comes again and again; others fire once; and each may be freed in its own callback. */
static void test_events(void **state)
{
    hawser_context *context;
    struct event_log log = {.until = 5};
    struct unbound_loop loop;
    int ends[2];

    (void)state;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), 0);
    unbound_loop_init(&loop, context);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    log.event =
        loop.base.vmt->new_event(&loop.base, ends[0], UB_EV_READ | UB_EV_TIMEOUT | UB_EV_PERSIST, log_event, &log);
    assert_non_null(log.event);
    assert_int_equal(log.event->vmt->add(log.event, &(struct timeval){.tv_usec = 1000}), 0);
    while (log.calls < 3)
        assert_true(hawser_iterate(context, SECOND) > 0);
    assert_int_equal(log.bits, UB_EV_READ);
    while (log.calls < 5)
        assert_true(hawser_iterate(context, SECOND) > 0);
    assert_int_equal(log.bits, UB_EV_TIMEOUT);
    assert_null(log.event);
    assert_int_equal(hawser_iterate(context, 5000), 0);

    log = (struct event_log){0};
    assert_int_equal(write(ends[1], "ab", 2), 2);
    log.event = loop.base.vmt->new_event(&loop.base, ends[0], UB_EV_READ, log_event, &log);
    assert_non_null(log.event);
    assert_int_equal(log.event->vmt->add(log.event, NULL), 0);
    assert_true(hawser_iterate(context, SECOND) > 0);
    assert_int_equal(hawser_iterate(context, 5000), 0);
    assert_int_equal(log.calls, 1);
    assert_int_equal(log.event->vmt->del(log.event), 0); /* it is off already, which is no error */
    log.event->vmt->free(log.event);
    close(ends[0]);
    close(ends[1]);
    hawser_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events)};

    return cmocka_run_group_tests_name("unbound_loop", tests, NULL, NULL);
}
