/* SPDX-License-Identifier: Apache-2.0 */
/* TFRC (RFC 5348, S1.24): the rate follows the equation over loss steps, and leaves room to a TCP beside it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "numbered_world.h"

#define SECOND INT64_C(1000000)

/* Values of the equation worked out by hand from RFC 5348 section 3.1. */
static void the_equation_is_the_standard_one(void **state)
{
    (void)state;
    /* p = 1 %, R = 100 ms, s = 1,000: 1000 / (0.1 sqrt(0.02/3) + 0.4 * 3 sqrt(0.03/8) * 0.01 * 1.0032) */
    assert_true(fabs(tfrc_equation(1000, 0.1, 0.01) - 112317) < 200);
    /* p = 10 %: 1000 / (0.1 sqrt(0.2/3) + 0.4 * 3 sqrt(0.3/8) * 0.1 * 1.32) */
    assert_true(fabs(tfrc_equation(1000, 0.1, 0.1) - 17645) < 100);
}

static double throughput(struct world *world, unsigned receiver, int64_t duration)
{
    uint64_t before = world->ends[receiver].delivered_bytes;

    world_run(world, world->now + duration);
    return (double)(world->ends[receiver].delivered_bytes - before) / ((double)duration / 1e6);
}

static void follow_steps(int64_t rtt)
{
    static const double steps[] = {0.01, 0.05, 0.02, 0.10, 0.01};
    struct world *world = malloc(sizeof *world);
    unsigned first;

    assert_non_null(world);
    world_init(world, (uint64_t)rtt, 50e6, 1000000, rtt / 2);
    world->links[0].loss = steps[0];
    first = world_add_numbered(world, rtt);
    world->ends[first].to_send = UINT64_MAX;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double wanted = tfrc_equation(1200, (double)rtt / 1e6, steps[i]), got;
        world->links[0].loss = steps[i];
        world_run(world, world->now + 10 * SECOND); /* until the last eight loss events are of this step */
        got = throughput(world, first + 1, 30 * SECOND);
        if (got < wanted / 2 || got > wanted * 2)
            fail_msg("RTT %ld ms, loss %.0f %%: %.0f bytes/s, the equation says %.0f", (long)(rtt / 1000),
                     steps[i] * 100, got, wanted);
    }
    assert_int_equal(world->ends[first].code, 0);
    world_free(world);
    free(world);
}

static void the_rate_follows_loss_steps(void **state)
{
    (void)state;
    follow_steps(20000);
    follow_steps(50000);
    follow_steps(100000);
}

/* Without loss the rate doubles each round trip until the link is full, and then stays near it. */
static void a_free_link_is_filled(void **state)
{
    struct world *world = malloc(sizeof *world);
    unsigned first;
    double got;

    (void)state;
    assert_non_null(world);
    world_init(world, 3, 1.25e6, 62500, 20000);
    first = world_add_numbered(world, 40000);
    world->ends[first].to_send = UINT64_MAX;
    world_run(world, world->now + 5 * SECOND);
    got = throughput(world, first + 1, 30 * SECOND);
    if (got < 0.7 * 1.25e6)
        fail_msg("%.0f bytes/s on a link of 1250000", got);
    world_free(world);
    free(world);
}

static void share(uint64_t seed, int64_t delay, unsigned queue)
{
    struct world *world = malloc(sizeof *world);
    unsigned tcp, first;
    double ours, theirs;

    assert_non_null(world);
    world_init(world, seed, 1.25e6, queue, delay);
    world->links[1].noise = 1000;
    tcp = world_add_tcp(world);
    first = world_add_numbered(world, 2 * delay);
    world->ends[first].to_send = UINT64_MAX;
    world_run(world, world->now + 10 * SECOND);
    uint64_t before = world->ends[tcp].delivered_bytes;
    ours = throughput(world, first + 1, 60 * SECOND);
    theirs = (double)(world->ends[tcp].delivered_bytes - before) / 60;
    if (theirs < 0.4 * 1.25e6 || ours < 0.1 * 1.25e6)
        fail_msg("seed %lu, one way %ld ms, queue %u: tcp %.0f, tfrc %.0f of 1250000 bytes/s", (unsigned long)seed,
                 (long)(delay / 1000), queue, theirs, ours);
    world_free(world);
    free(world);
}

static void a_tcp_beside_keeps_its_part(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        share(seed, 5000, 12500);
        share(seed, 10000, 12500);
        share(seed, 10000, 25000);
        share(seed, 25000, 62500);
        share(seed, 50000, 125000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_equation_is_the_standard_one),
        cmocka_unit_test(the_rate_follows_loss_steps),
        cmocka_unit_test(a_free_link_is_filled),
        cmocka_unit_test(a_tcp_beside_keeps_its_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
