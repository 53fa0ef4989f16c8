/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: what is bound to a strand goes on it, whatever the policy, its size and what else waits; nothing else does where that
 * strand stands by; and it goes elsewhere when the strand dies or is suspected. (S2.22)
 */
#include "strand_world.h"

static int two(void **state)
{
    static const enum session_policy policies[] = {SESSION_HANDOVER, SESSION_INTERACTIVE, SESSION_AGGREGATE};
    world_up(policies[*(unsigned *)*state], 2, 2); /* the second is of units */
    return 0;
}

static uint64_t carried(unsigned line)
{
    return frames_of(A, line, FRAME_DATA);
}

static void send_bound(unsigned line, size_t size, int niceness, bool ordered)
{
    send_with(A,
              &(struct session_send){
                  .data = world_payload, .size = size, .niceness = niceness, .ordered = ordered, .strand = line + 1});
}

static void it_goes_where_it_is_bound(void **state)
{
    static const size_t sizes[] = {10, 5000, 16384, 60000};
    (void)state;
    for (unsigned line = 0; line < 2; line++) {
        uint64_t before = carried(!line);
        for (unsigned i = 0; i < 40; i++)
            send_bound(line, sizes[i % 4], (int)(i % 3) - 1, i % 5 == 0);
        pass(2 * SECOND);
        assert_int_equal(B->messages, 40 * (line + 1));
        assert_int_equal(A->acked, 40 * (line + 1));
        if (carried(!line) != before)
            print_message("line %u: suspected %zu trusted %zu dup %llu\n", line, A->suspected, A->trusted,
                          (unsigned long long)statistics_of(A).duplicated_bytes);
        assert_int_equal(carried(!line), before);
    }
}

static void nothing_else_goes_with_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        send_bound(1, 100, 0, false);
        send_bytes(A, 100);
    }
    pass(1 * SECOND);
    assert_int_equal(B->messages, 100);
    assert_int_equal(carried(1), 50); /* the policy is handover: the second stands by */
}

/* A queue that waits for a strand that takes nothing keeps nobody else waiting. */
static void who_is_not_bound_does_not_wait(void **state)
{
    (void)state;
    world->lines[1].directions[0].paused = true;
    for (unsigned i = 0; i < 500; i++)
        send_bound(1, 1000, 0, false);
    for (unsigned i = 0; i < 50; i++)
        send_bytes(A, 1000);
    pass(200 * MILLISECOND);
    assert_int_equal(B->messages, 50);
    world->lines[1].directions[0].paused = false;
    pass(2 * SECOND);
    assert_int_equal(B->messages, 550);
}

static void it_goes_elsewhere_when_the_strand_dies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        send_bound(1, i % 2 ? 1000 : 30000, 0, false);
    pass(30 * MILLISECOND);
    line_die(&world->lines[1]);
    pass(2 * SECOND);
    assert_int_equal(B->messages, 60);
    assert_int_equal(A->acked, 60);
}

static void it_goes_elsewhere_when_the_strand_is_suspected(void **state)
{
    (void)state;
    line_cut(&world->lines[1], true);
    for (unsigned i = 0; i < 60; i++)
        send_bound(1, 1000, 0, false);
    pass(1 * SECOND);
    assert_int_equal(B->messages, 60);
    send_bound(1, 1000, 0, false); /* as long as that lasts it does not wait for it */
    pass(200 * MILLISECOND);
    assert_int_equal(B->messages, 61);
    line_cut(&world->lines[1], false);
    pass(5 * SECOND);
    assert_int_equal(B->messages, 61); /* none twice */
}

static void it_may_be_taken_back_and_expire(void **state)
{
    uint64_t id;
    (void)state;
    world->lines[1].directions[0].paused = true;
    id = send_with(A, &(struct session_send){.data = world_payload, .size = 10, .strand = 2});
    send_with(A, &(struct session_send){.data = world_payload, .size = 10, .strand = 2, .lifetime = 50 * MILLISECOND});
    assert_int_equal(session_renice(A->session, id, -50), 0);
    assert_int_equal(session_cancel(A->session, id, world->now), 0);
    pass(200 * MILLISECOND);
    assert_int_equal(A->failed, 1);
    assert_int_equal(A->expired, 1);
    world->lines[1].directions[0].paused = false;
    pass(1 * SECOND);
    assert_int_equal(B->messages, 0);
}

static void a_strand_that_is_not_there_is_refused(void **state)
{
    uint64_t id;
    (void)state;
    assert_int_equal(session_send(A->session, &(struct session_send){.data = world_payload, .size = 10, .strand = 3},
                                  world->now, &id),
                     -ENOENT);
    send_bound(1, 10, 0, false); /* and what waits for one that is freed with the session */
}

static unsigned policies[] = {0, 1, 2};

#define T(test, policy)                                                                                                \
    {                                                                                                                  \
#test, test, two, world_down, &policies[policy]                                                                \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_goes_where_it_is_bound, 0),
        T(it_goes_where_it_is_bound, 1),
        T(it_goes_where_it_is_bound, 2),
        T(nothing_else_goes_with_it, 0),
        T(who_is_not_bound_does_not_wait, 0),
        T(who_is_not_bound_does_not_wait, 2),
        T(it_goes_elsewhere_when_the_strand_dies, 0),
        T(it_goes_elsewhere_when_the_strand_dies, 1),
        T(it_goes_elsewhere_when_the_strand_dies, 2),
        T(it_goes_elsewhere_when_the_strand_is_suspected, 0),
        T(it_goes_elsewhere_when_the_strand_is_suspected, 2),
        T(it_may_be_taken_back_and_expire, 0),
        T(a_strand_that_is_not_there_is_refused, 0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
