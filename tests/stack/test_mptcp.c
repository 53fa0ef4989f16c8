/* SPDX-License-Identifier: Apache-2.0 */
/* MPTCP: what the stack says it is, and what becomes of it where the other end, or this system, has none. */
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void assert_stack(const struct end *end, const char *format, bool secure)
{
    char text[64], expected[64];

    stack_text(end->top, text, sizeof text);
    snprintf(expected, sizeof expected, "%s%s", secure ? "tls/" : "", format);
    assert_string_equal(text, expected);
}

static void stays(void **state)
{
    struct world *world = *state;

    only(world->mptcp);
    listen_here(world);
    establish(world);
    assert_stack(&world->client, "mptcp", world->secure);
    assert_stack(&world->server, "mptcp", world->secure);
    assert_true(layer_flags(world->client.top) & LAYER_MULTIPATH);
}

static bool echoed(struct world *world)
{
    return world->client.code || world->server.code || world->client.received == world->client.to_send;
}

static void falls_back(void **state)
{
    struct world *world = *state;

    only(world->mptcp);
    world->plain_listener = true;
    world->server_wish.echo = true;
    listen_here(world);
    establish(world);
    assert_stack(&world->client, "tcp", world->secure);
    assert_stack(&world->server, "tcp", world->secure);
    assert_false(layer_flags(world->client.top) & LAYER_MULTIPATH);
    world->client.to_send = 100000;
    end_run(&world->client);
    assert_true(run_until(world, echoed));
    assert_int_equal(world->client.received, 100000);
    assert_int_equal(world->client.mismatches, 0);
}

static void text_is_cut(void **state)
{
    struct world *world = *state;
    char text[8] = "1234567";

    listen_here(world);
    establish(world);
    stack_text(world->client.top, text, 4);
    assert_int_equal(text[3], '\0');
    assert_memory_equal(text, world->row->stack, 3);
    assert_int_equal(text[4], '5');
}

static bool client_ended(struct world *world)
{
    return world->client.up || world->client.code;
}

static int enable(const char *value)
{
    int fd = open("/proc/sys/net/mptcp/enabled", O_WRONLY | O_CLOEXEC);
    int r = fd < 0 || write(fd, value, 1) != 1;

    if (fd >= 0)
        close(fd);
    return r;
}

static void switched_off(void **state)
{
    struct world *world = *state;

    only(world->mptcp);
    world->plain_listener = true;
    listen_here(world);
    assert_int_equal(enable("0"), 0);
    connect_there(world);
    assert_true(run_until(world, client_ended));
    assert_words(&world->client, -EPROTONOSUPPORT, "mptcp is switched off (sysctl net.mptcp.enabled)");
    assert_string_equal(layer_error(world->client.top)->layer, "mptcp");
    assert_int_equal(enable("1"), 0);
    drop_ends(world);
    establish(world);
}

/* A listener is to be there for those who come by TCP, whatever the system has. */
static void listens_all_the_same(void **state)
{
    struct world *world = *state;
    struct layer *top;

    only(world->mptcp);
    assert_int_equal(enable("0"), 0);
    listen_here(world);
    world->target.tls = &world->client_config;
    assert_int_equal(stack_open(world->client_context, world->secure ? "tls/tcp" : "tcp", &world->target, &top), 0);
    end_start(&world->client, world->client_context, top);
    assert_true(run_until(world, both_up));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(enable("1"), 0);
}

const struct suite_test mptcp_tests[] = {
    {"MPTCP: is what it was asked for where both ends have it", stays},
    {"MPTCP: says that it fell back where the listener has none", falls_back},
    {"the stack's text stays within its room", text_is_cut},
    {NULL, NULL},
};

const struct suite_test mptcp_off_tests[] = {
    {"MPTCP: switched off is said in words", switched_off},
    {"MPTCP: a listener without it takes TCP", listens_all_the_same},
    {NULL, NULL},
};
