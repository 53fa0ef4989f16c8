/* SPDX-License-Identifier: Apache-2.0 */
/* The context's loop: options, dispatch, time, timers, deferred work, the descriptor for foreign loops. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop_test.h"

enum { SECOND = 1000000 };

static unsigned open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* ------------------------------------------------------------------------------------------------------------ context */

static void options_are_checked(void **state)
{
    hawser_context_options options = {.struct_size = sizeof options + 8};
    hawser_context *context = NULL;

    (void)state;
    assert_int_equal(hawser_context_new(&options, &context), -EINVAL);
    assert_null(context);
    assert_int_equal(hawser_context_new(NULL, NULL), -EINVAL);
    assert_int_equal(hawser_dispatch(NULL), -EINVAL);
    assert_null(hawser_context_unref(NULL));
    assert_int_equal(hawser_context_new(NULL, &context), 0);
    assert_int_not_equal(loop_state_dir(context)[0], '\0'); /* the default is a directory of the user's */
    hawser_context_unref(context);
}

/* Runs out of descriptors at the first, the second, ... one: each time an error, and nothing stays open. */
static void no_descriptors_is_an_error_and_leaks_nothing(void **state)
{
    unsigned before = open_descriptors();
    struct rlimit limit, low;
    int free_fd = dup(0), held[1024], holds = 0, failures = 0, r;
    hawser_context *context = NULL;

    (void)state;
    close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){(rlim_t)free_fd + 8, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (holds < 1024 && (held[holds] = dup(0)) >= 0)
        holds++;
    for (;;) { /* gives one descriptor more back each time */
        r = hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context);
        if (r == 0)
            r = hawser_context_fd(context);
        if (r >= 0)
            break;
        if (r != -EMFILE || holds == 0)
            break;
        failures++;
        context = hawser_context_unref(context);
        close(held[--holds]);
    }
    setrlimit(RLIMIT_NOFILE, &limit);
    while (holds > 0)
        close(held[--holds]);
    hawser_context_unref(context);
    assert_true(r >= 0);
    assert_int_equal(failures, 3); /* epoll, eventfd, timerfd */
    assert_int_equal(open_descriptors(), before);
}

static void descriptors_are_not_inherited_by_exec(void **state)
{
    hawser_context *context = context_new();
    unsigned count = 0;

    (void)state;
    hawser_context_fd(context);
    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, target, sizeof target - 1);
        if (size < 0)
            continue;
        target[size] = '\0';
        if (strstr(target, "eventpoll") || strstr(target, "eventfd") || strstr(target, "timerfd")) {
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            count++;
        }
    }
    assert_true(count >= 3);
    hawser_context_unref(context);
}

static void keep_text(hawser_log_level level, const char *text, void *user)
{
    snprintf(user, 64, "%d %s", (int)level, text);
}

static void log_tells_what_is_urgent_enough(void **state)
{
    char last[64] = "";
    hawser_context *context;

    (void)state;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .log = keep_text, .log_user = last,
                                                       .log_level = HAWSER_LOG_WARNING),
                                        &context),
                     0);
    loop_log(context, HAWSER_LOG_INFO, "quiet");
    assert_string_equal(last, "");
    loop_log(context, HAWSER_LOG_WARNING, "loud %d", 7);
    assert_string_equal(last, "1 loud 7");
    hawser_context_unref(context);
}

/* A context keeps what it shares, whoever else lets go of it. */
static void shared_lives_as_long_as_its_contexts(void **state)
{
    hawser_context *contexts[2];
    hawser_shared *shared;

    (void)state;
    assert_int_equal(hawser_shared_new(&shared), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &contexts[i]), 0);
    hawser_shared_unref(shared);
    hawser_context_unref(contexts[0]);
    assert_ptr_equal(loop_shared(contexts[1]), shared);
    hawser_shared_unref(hawser_shared_ref(loop_shared(contexts[1])));
    hawser_context_unref(contexts[1]);
}

static char part_order[8];

static void part_ended(void *value)
{
    strcat(part_order, value);
}

/* Who uses another goes first: associations before what they resolve and verify with. */
static void parts_end_users_first(void **state)
{
    hawser_context *context = context_new();

    (void)state;
    part_order[0] = '\0';
    loop_set_part(context, LOOP_PART_RESOLVER, "r", part_ended);
    loop_set_part(context, LOOP_PART_SECURITY, "s", part_ended);
    loop_set_part(context, LOOP_PART_ASSOCIATIONS, "a", part_ended);
    assert_string_equal(loop_part(context, LOOP_PART_SECURITY), "s");
    hawser_context_ref(context);
    hawser_context_unref(context);
    assert_string_equal(part_order, "");
    hawser_context_unref(context);
    assert_string_equal(part_order, "asr");
}

/* ----------------------------------------------------------------------------------------------------------- dispatch */

static void dispatch_again(void *user)
{
    hawser_context *context = user;

    assert_int_equal(hawser_dispatch(context), -EBUSY);
    assert_int_equal(hawser_iterate(context, 0), -EBUSY);
    assert_int_equal(hawser_run(context), -EBUSY);
    hawser_stop(context, 42);
}

static void nested_dispatch_is_busy(void **state)
{
    hawser_context *context = context_new();

    (void)state;
    loop_hold(context);
    assert_int_equal(hawser_post(context, dispatch_again, context), 0);
    assert_int_equal(hawser_run(context), 42);
    loop_release(context);
    hawser_context_unref(context);
}

static void release_hold(void *user)
{
    loop_release(user);
}

/* hawser_run() ends when nothing holds the loop, and a stop is neither lost nor kept. */
static void run_ends_with_the_last_hold_or_by_stop(void **state)
{
    hawser_context *context = context_new();
    unsigned count = 0;

    (void)state;
    assert_int_equal(hawser_run(context), 0);
    hawser_post(context, count_up, &count);
    assert_int_equal(hawser_run(context), 0);
    assert_int_equal(count, 1);
    loop_hold(context);
    loop_hold(context);
    hawser_timer(context, 1000, release_hold, context, NULL);
    hawser_timer(context, 2000, release_hold, context, NULL);
    assert_int_equal(hawser_run(context), 0);
    loop_hold(context);
    hawser_stop(context, -7);
    assert_int_equal(hawser_run(context), -7);
    hawser_timer(context, 0, release_hold, context, NULL);
    assert_int_equal(hawser_run(context), 0);
    hawser_context_unref(context);
}

static void unref_context(void *user)
{
    hawser_context_unref(user);
}

/* A handler may give back the last reference of the context that called it. */
static void last_reference_may_go_in_a_handler(void **state)
{
    unsigned before = open_descriptors();
    hawser_context *context = context_new();

    (void)state;
    hawser_post(context, unref_context, context);
    assert_int_equal(hawser_dispatch(context), 0);
    assert_int_equal(open_descriptors(), before);
    context = context_new();
    loop_hold(context);
    hawser_timer(context, 0, unref_context, context, NULL);
    hawser_timer(context, 0, release_hold, context, NULL);
    assert_int_equal(hawser_run(context), 0);
    assert_int_equal(open_descriptors(), before);
}

static void iterate_waits_and_tells(void **state)
{
    hawser_context *context = context_new();
    unsigned count = 0;
    int64_t before = loop_clock();

    (void)state;
    assert_int_equal(hawser_iterate(context, 20000), 0);
    assert_true(loop_clock() - before >= 20000);
    hawser_timer(context, 1000, count_up, &count, NULL);
    assert_int_equal(hawser_iterate(context, 100 * SECOND), 1);
    assert_int_equal(count, 1);
    hawser_timer(context, 1000, count_up, &count, NULL);
    assert_int_equal(hawser_iterate(context, -1), 1);
    assert_int_equal(count, 2);
    assert_int_equal(hawser_iterate(context, 0), 0);
    hawser_context_unref(context);
}

struct moment {
    hawser_context *context;
    int64_t first, second;
};

static void note_time(void *user)
{
    struct moment *moment = user;

    moment->first = hawser_now(moment->context);
    while (loop_clock() <= moment->first + 1000)
        ;
    moment->second = hawser_now(moment->context);
}

/* One time a dispatch; outside of one the clock itself, or a lifetime would begin in the past. */
static void time_stands_still_in_a_dispatch(void **state)
{
    struct moment moment = {.context = context_new()};

    (void)state;
    hawser_post(moment.context, note_time, &moment);
    hawser_dispatch(moment.context);
    assert_true(moment.first > 0 && moment.first == moment.second);
    assert_true(hawser_now(moment.context) > moment.second + 1000);
    hawser_context_unref(moment.context);
}

/* ------------------------------------------------------------------------------------------------------------- timers */

struct sequence {
    hawser_context *context;
    char text[32];
};

#define STEP(name, letter)                                                                                             \
    static void name(void *user)                                                                                       \
    {                                                                                                                  \
        strcat(((struct sequence *)user)->text, letter);                                                               \
    }
STEP(step_a, "a")
STEP(step_b, "b")
STEP(step_c, "c")

static void timers_fire_in_order_and_can_be_cancelled(void **state)
{
    struct sequence sequence = {.context = context_new()};
    hawser_context *context = sequence.context;
    uint64_t a, b, c;

    (void)state;
    assert_int_equal(hawser_timer(context, 3000, step_c, &sequence, &c), 0);
    assert_int_equal(hawser_timer(context, 1000, step_a, &sequence, &a), 0);
    assert_int_equal(hawser_timer(context, 2000, step_b, &sequence, &b), 0);
    assert_true(a != b && b != c && a != c);
    assert_int_equal(hawser_timer_cancel(context, b), 0);
    assert_int_equal(hawser_timer_cancel(context, b), -ENOENT);
    assert_int_equal(hawser_timer_cancel(context, 0), -ENOENT);
    while (!strchr(sequence.text, 'c'))
        assert_int_equal(hawser_iterate(context, -1), 1);
    assert_string_equal(sequence.text, "ac");
    assert_int_equal(hawser_timer_cancel(context, a), -ENOENT);
    assert_int_equal(hawser_timer(context, 0, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(hawser_timer(context, INT64_MAX, step_a, &sequence, NULL), 0); /* freed with the context */
    assert_int_equal(hawser_iterate(context, 0), 0);
    hawser_context_unref(context);
}

struct again {
    struct loop_timer timer;
    hawser_context *context;
    unsigned fired;
};

static void fire_again(struct loop_timer *timer, int64_t now)
{
    struct again *again = container_of(timer, struct again, timer);

    again->fired++;
    loop_timer_set(again->context, timer, now - 5);
}

/* A timer that is always due does not keep the dispatch to itself. */
static void timer_that_is_always_due_fires_once_a_dispatch(void **state)
{
    struct again again = {.context = context_new()};

    (void)state;
    loop_timer_init(&again.timer, fire_again);
    assert_int_equal(loop_timer_set(again.context, &again.timer, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(hawser_iterate(again.context, -1), 1);
        assert_int_equal(again.fired, i);
    }
    loop_timer_clear(again.context, &again.timer);
    loop_timer_clear(again.context, &again.timer);
    assert_int_equal(hawser_iterate(again.context, 0), 0);
    hawser_context_unref(again.context);
}

/* ----------------------------------------------------------------------------------------------------- the descriptor */

/* A foreign loop that knows only the descriptor sees timers, and an earlier one set later. */
static void descriptor_tells_timers(void **state)
{
    hawser_context *context = context_new();
    int fd = hawser_context_fd(context);
    unsigned count = 0;

    (void)state;
    assert_int_equal(hawser_context_fd(context), fd);
    assert_false(readable(fd, 0));
    hawser_timer(context, 3600 * (int64_t)SECOND, count_up, &count, NULL);
    hawser_timer(context, 2000, count_up, &count, NULL);
    assert_true(readable(fd, 60000));
    assert_true(readable(fd, 0)); /* and stays so until it is dispatched */
    assert_int_equal(count, 0);
    assert_int_equal(hawser_dispatch(context), 0);
    assert_int_equal(count, 1);
    assert_false(readable(fd, 0)); /* the other one is an hour away */
    hawser_context_unref(context);
}

/* Timers set before the descriptor was asked for count too, and hawser_run() in between leaves it right. */
static void descriptor_and_run_can_take_turns(void **state)
{
    hawser_context *context = context_new();
    unsigned count = 0;
    int fd;

    (void)state;
    hawser_timer(context, 1000, count_up, &count, NULL);
    fd = hawser_context_fd(context);
    assert_true(readable(fd, 60000));
    hawser_dispatch(context);
    assert_int_equal(count, 1);
    hawser_timer(context, 1000, count_up, &count, NULL);
    hawser_timer(context, 2000, release_hold, context, NULL);
    loop_hold(context);
    assert_int_equal(hawser_run(context), 0);
    assert_int_equal(count, 2);
    assert_false(readable(fd, 0));
    hawser_timer(context, 1000, count_up, &count, NULL);
    assert_true(readable(fd, 60000));
    hawser_dispatch(context);
    assert_int_equal(count, 3);
    assert_false(readable(fd, 0));
    hawser_context_unref(context);
}

struct chain {
    struct loop_deferred deferred;
    hawser_context *context;
    unsigned left, ran;
};

static void run_chain(struct loop_deferred *deferred)
{
    struct chain *chain = container_of(deferred, struct chain, deferred);

    chain->ran++;
    if (chain->left > 0) {
        chain->left--;
        loop_defer(chain->context, deferred);
    }
}

/* Work that goes on and on is cut into dispatches, and the descriptor stays readable until the last. */
static void descriptor_stays_readable_while_work_is_left(void **state)
{
    struct chain chain = {.context = context_new(), .left = 1000};
    int fd = hawser_context_fd(chain.context);
    unsigned dispatches = 0;

    (void)state;
    loop_deferred_init(&chain.deferred, run_chain);
    loop_defer(chain.context, &chain.deferred); /* outside a dispatch: announced at once */
    loop_defer(chain.context, &chain.deferred); /* once is enough */
    while (readable(fd, 0)) {
        assert_int_equal(hawser_dispatch(chain.context), 0);
        dispatches++;
    }
    assert_int_equal(chain.ran, 1001);
    assert_true(dispatches > 1);
    hawser_context_unref(chain.context);
}

static void run_next(struct loop_deferred *deferred)
{
    struct chain *chain = container_of(deferred, struct chain, deferred);

    chain->ran++;
    if (chain->left > 0) {
        chain->left--;
        loop_defer_next(chain->context, deferred);
    }
}

static void deferred_to_the_next_dispatch_waits_for_it(void **state)
{
    struct chain chain = {.context = context_new(), .left = 2};
    int fd = hawser_context_fd(chain.context);

    (void)state;
    loop_deferred_init(&chain.deferred, run_next);
    loop_defer(chain.context, &chain.deferred);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(readable(fd, 0));
        hawser_dispatch(chain.context);
        assert_int_equal(chain.ran, i);
    }
    assert_false(readable(fd, 0));
    loop_defer(chain.context, &chain.deferred);
    loop_undefer(&chain.deferred);
    hawser_dispatch(chain.context);
    assert_int_equal(chain.ran, 3);
    hawser_context_unref(chain.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(no_descriptors_is_an_error_and_leaks_nothing),
        cmocka_unit_test(descriptors_are_not_inherited_by_exec),
        cmocka_unit_test(log_tells_what_is_urgent_enough),
        cmocka_unit_test(shared_lives_as_long_as_its_contexts),
        cmocka_unit_test(parts_end_users_first),
        cmocka_unit_test(nested_dispatch_is_busy),
        cmocka_unit_test(run_ends_with_the_last_hold_or_by_stop),
        cmocka_unit_test(last_reference_may_go_in_a_handler),
        cmocka_unit_test(iterate_waits_and_tells),
        cmocka_unit_test(time_stands_still_in_a_dispatch),
        cmocka_unit_test(timers_fire_in_order_and_can_be_cancelled),
        cmocka_unit_test(timer_that_is_always_due_fires_once_a_dispatch),
        cmocka_unit_test(descriptor_tells_timers),
        cmocka_unit_test(descriptor_and_run_can_take_turns),
        cmocka_unit_test(descriptor_stays_readable_while_work_is_left),
        cmocka_unit_test(deferred_to_the_next_dispatch_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
