/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths on a host of this test's own: what the system's routes choose comes first, other interfaces with a route after it,
 * what is down, prohibited or leads nowhere is told with its reason, and everything follows what changes while it runs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/text.h"
#include "path_world.h"

/* The choices as text: "p0* p1@ !p2(reason)": * is the system's, @ is bound to, ! cannot be used. */
static const char *choices(hawser_context *context, const char *remote, const struct path_wish *wish)
{
    static char text[2048];
    struct path_choice list[PATHS_MAX];
    struct layer_address address = address_of(remote);
    struct paths *paths;
    size_t count, length = 0;

    assert_int_equal(paths_of(context, &paths), 0);
    count = paths_choose(paths, &address, wish ? wish : &(struct path_wish){.values = NULL}, list);
    assert_true(count >= 1 && count <= PATHS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct path_choice *c = &list[i];
        if (c->usable)
            assert_int_equal(c->code, 0);
        else
            assert_true(c->code < 0 && *c->reason);
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s%s%s%s%s%s%s", i ? " " : "",
                                   c->usable ? "" : "!", c->interface, c->system ? "*" : "", c->bind ? "@" : "",
                                   c->usable ? "" : "(", c->usable ? "" : c->reason, c->usable ? "" : ")");
    }
    return text;
}

static struct path_choice first(hawser_context *context, const char *remote, const struct path_wish *wish)
{
    struct path_choice list[PATHS_MAX];
    struct layer_address address = address_of(remote);
    struct paths *paths;

    assert_int_equal(paths_of(context, &paths), 0);
    paths_choose(paths, &address, wish ? wish : &(struct path_wish){.values = NULL}, list);
    return list[0];
}

static const char *choices_with(hawser_context *context, const char *remote, const char *name, const char *value)
{
    hawser_properties *properties = properties_of(name, value);
    const char *text = choices(context, remote, &(struct path_wish){.values = properties_values(properties)});

    hawser_properties_unref(properties);
    return text;
}

static const char *text_of(const struct layer_address *address)
{
    static char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in6 *six = (const void *)&address->address;

    if (address->size == 0)
        return "";
    if (address->address.ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)six)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
    return text;
}

/* -------------------------------------------------------------------------------------------------------- choosing */

static void test_no_route(void **state)
{
    hawser_context *context = context_with(NULL);
    (void)state;

    assert_string_equal(choices(context, "192.0.2.1", NULL), "!(no route to 192.0.2.1)");
    assert_string_equal(choices(context, "2001:db8::1", NULL), "!(no route to 2001:db8::1)");
    assert_int_equal(first(context, "192.0.2.1", NULL).code, -ENETUNREACH);
    hawser_context_unref(context);
}

static void test_loopback(void **state)
{
    hawser_context *context = context_with("prohibit type cellular\n");
    (void)state;

    two_interfaces();
    assert_string_equal(choices(context, "127.0.0.1", NULL), "lo*");
    assert_string_equal(choices(context, "::1", NULL), "lo*");
    assert_string_equal(choices(context, "::ffff:127.0.0.9", NULL), "lo*");
    assert_string_equal(choices(context, "10.0.0.1", NULL), "lo*"); /* our own address */
    assert_string_equal(first(context, "127.0.0.1", NULL).network, "lo");
    assert_string_equal(first(context, "127.0.0.1", NULL).type, "loopback");
    assert_string_equal(choices(context, "127.0.0.1", &(struct path_wish){.interface = "lo"}), "lo*@");
    assert_string_equal(choices(context, "127.0.0.1", &(struct path_wish){.interface = "p0"}),
                        "!p0(127.0.0.1 is this host, which p0 does not lead to)");
    hawser_context_unref(context);
}

static void test_system_first_then_others(void **state)
{
    hawser_context *context = context_with(NULL);
    struct path_choice choice;
    (void)state;

    two_interfaces();
    ip("link add p2 type veth peer name q2"); /* as hosts of containers have many */
    ip("link set p2 up");
    ip("link set q2 up");
    await_link("p2", true);
    ip("addr add 172.17.0.1/16 dev p2");
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p0* p1@");
    choice = first(context, "192.0.2.1", NULL);
    assert_string_equal(choice.type, "virtual");
    assert_string_equal(text_of(&choice.source), "10.0.0.1");
    assert_string_equal(text_of(&choice.gateway), "10.0.0.2");
    assert_int_equal(choice.local.size, 0);
    assert_int_equal(choice.mtu, 1500);
    ip("route change default via 10.1.0.2 dev p1 metric 20 mtu 1400");
    ip("route del default dev p0");
    ip("route add default via 10.0.0.2 dev p0 metric 30");
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p1* p0@");
    assert_string_equal(choices(context, "172.17.0.9", NULL), /* what is on a link is not sought beyond it */
                        "p2* !p0(p2 has a more specific route: p0 only when it is preferred) "
                        "!p1(p2 has a more specific route: p1 only when it is preferred)");
    hawser_context_unref(context);
}

static void test_named_interface(void **state)
{
    hawser_context *context = context_with(NULL);
    (void)state;

    two_interfaces();
    ip("link add p2 type veth peer name q2");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p1"}), "p1@");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p0"}), "p0*@");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p2"}), "!p2(p2 is down)");
    ip("link set p2 up");
    await_link("p2", false);
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p2"}), "!p2(p2 has no link)");
    ip("link set q2 up");
    await_link("p2", true);
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p2"}),
                        "!p2(p2 has no IPv4 address)");
    ip("addr add 10.2.0.1/24 dev p2");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p2"}),
                        "!p2(p2 has no route to 192.0.2.1)");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.interface = "p7"}),
                        "!(there is no interface p7)");
    assert_string_equal(choices(context, "fe80::1", NULL),
                        "!(fe80::1 is on each link another: it needs an interface, as in fe80::1%eth0)");
    assert_string_equal(choices_with(context, "192.0.2.1", "interface", "prefer:p2"),
                        "p0* p1@ !p2(p2 has no route to 192.0.2.1)");
    hawser_context_unref(context);
}

static void test_local_endpoint(void **state)
{
    hawser_context *context = context_with(NULL);
    struct layer_address local = address_of("10.1.0.1"), any = address_of("0.0.0.0"), other = address_of("10.9.0.1"),
                         six = address_of("2001:db8::1");
    struct path_choice choice;
    (void)state;

    two_interfaces();
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.local = &any}), "p0* p1@");
    assert_int_equal(first(context, "192.0.2.1", &(struct path_wish){.local = &any}).local.size,
                     sizeof(struct sockaddr_in)); /* for its port */
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.local = &other}),
                        "!(10.9.0.1 is no address of this host)");
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.local = &six}),
                        "!(the local endpoint 2001:db8::1 is IPv6, and the peer's address is not)");
    /* Routes alone would leave by p0 with the other's address: so it is, as for any socket, and p1 after it. */
    assert_string_equal(choices(context, "192.0.2.1", &(struct path_wish){.local = &local}), "p0* p1@");
    choice = first(context, "192.0.2.1", &(struct path_wish){.local = &local});
    assert_string_equal(text_of(&choice.local), "10.1.0.1");
    hawser_context_unref(context);
}

static void test_properties(void **state)
{
    hawser_context *context = context_with("interface p0 type wifi\ninterface p1 type cellular cost 0\n"
                                           "network home gateway 10.1.0.2\n");
    (void)state;

    two_interfaces();
    assert_string_equal(choices_with(context, "192.0.2.1", "interface", "prohibit:wifi"),
                        "p1@ !p0*(interface prohibits wifi)");
    assert_string_equal(choices_with(context, "192.0.2.1", "interface", "prefer:cellular"), "p1@ p0*");
    assert_string_equal(choices_with(context, "192.0.2.1", "interface", "avoid:p0"), "p1@ p0*");
    /* What must stay on one interface is bound to it, even when the system would choose the same now. */
    assert_string_equal(choices_with(context, "192.0.2.1", "interface", "prohibit:cellular"),
                        "p0*@ !p1(interface prohibits cellular)");
    assert_string_equal(choices_with(context, "192.0.2.1", "pvd", "require:home"),
                        "p1@ !p0*(pvd requires home, and this network is p0 10.0.0.2)");
    assert_string_equal(choices_with(context, "192.0.2.1", "pvd", "prohibit:10.1.0.2"),
                        "p0*@ !p1(pvd prohibits 10.1.0.2)");
    assert_string_equal(choices_with(context, "192.0.2.1", "pvd", "prefer:home"), "p1@ p0*");
    assert_string_equal(choices_with(context, "192.0.2.1", "connCapacityProfile", "scavenger"), "p0* p1@");
    assert_non_null(
        strstr(choices_with(context, "192.0.2.1", "family", "prohibit:ipv4"), "!p0*(family prohibits ipv4"));
    assert_string_equal(choices_with(context, "192.0.2.1", "useTemporaryLocalAddress", "require"),
                        "!p0*(useTemporaryLocalAddress is required, and p0 has no temporary IPv4 address) "
                        "!p1(useTemporaryLocalAddress is required, and p1 has no temporary IPv4 address)");
    hawser_context_unref(context);
}

static void test_policies(void **state)
{
    static const struct {
        const char *policy, *host, *choices;
    } table[] = {
        {"interface p0 type cellular\n", NULL, "p0* p1@"}, /* cost by type does not go before the system's choice */
        {"interface p0 type cellular cost 100\n", NULL, "p1@ p0*"},
        {"interface p0 cost 5\ninterface p1 cost 6\n", NULL, "p0* p1@"},
        {"prefer interface p1\n", NULL, "p1@ p0*"},
        {"avoid type virtual\nallow interface p1\n", NULL, "p1@ p0*"},
        {"interface p0 type cellular\nprohibit type cellular\n", NULL, "p1@ !p0*(FILE:2 prohibits type cellular)"},
        {"interface p1 type cellular\nprohibit type cellular\n", NULL, "p0*@ !p1(FILE:2 prohibits type cellular)"},
        {"prohibit interface p0 for *.example.org\n", "a.example.org",
         "p1@ !p0*(FILE:1 prohibits interface p0 for *.example.org)"},
        {"prohibit interface p0 for *.example.org\n", "example.com", "p0* p1@"},
        {"prohibit interface p0 for 192.0.2.0/24\n", NULL, "p1@ !p0*(FILE:1 prohibits interface p0 for 192.0.2.0/24)"},
        {"prohibit family ipv4\n", NULL, "!p0*(the policy prohibits ipv4) !p1(the policy prohibits ipv4)"},
        {"interface p0 type tunnel\n", NULL,
         "p0* !p1(the system sends this through the tunnel p0: p1 only when it is preferred)"},
        {"interface p0 type tunnel\nprefer interface p1\n", NULL, "p1@ p0*"},
    };
    (void)state;

    two_interfaces();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        hawser_context *context = context_with(table[i].policy);
        char got[1024], *file;

        snprintf(got, sizeof got, "%s", choices(context, "192.0.2.1", &(struct path_wish){.host = table[i].host}));
        while ((file = strstr(got, "hawser-path-"))) { /* the file's name, which is another each time */
            memmove(file + 4, file + 18, strlen(file + 18) + 1);
            memcpy(file, "FILE", 4);
        }
        assert_string_equal(got, table[i].choices);
        hawser_context_unref(context);
    }
}

static void test_radios_wait(void **state)
{
    struct path_choice list[PATHS_MAX];
    struct layer_address address = address_of("192.0.2.1");
    hawser_context *context = context_with("interface p1 type cellular\npath-delay 300ms\n");
    struct paths *paths;
    (void)state;

    two_interfaces();
    assert_int_equal(paths_of(context, &paths), 0);
    assert_int_equal(paths_choose(paths, &address, &(struct path_wish){.values = NULL}, list), 2);
    assert_false(list[0].metered);
    assert_true(list[1].metered);
    assert_int_equal(list[1].cost, 100);
    assert_int_equal(list[0].delay_us, 300000);
    assert_int_equal(list[1].delay_us, 1000000);
    hawser_context_unref(context);
}

static void test_networks(void **state)
{
    hawser_context *context = context_with(NULL);
    struct layer_address address = address_of("192.0.2.1");
    struct path_choice choice;
    char network[PATH_NETWORK];
    struct paths *paths;
    (void)state;

    two_interfaces();
    assert_int_equal(paths_of(context, &paths), 0);
    choice = first(context, "192.0.2.1", NULL);
    assert_string_equal(choice.network, "p0 10.0.0.2"); /* nothing was ever sent to the gateway */
    ip("neigh add 10.0.0.2 lladdr 02:00:5e:00:53:01 dev p0");
    paths_network(paths, &address, choice.index, network);
    assert_string_equal(network, "p0 10.0.0.2 02:00:5e:00:53:01");
    assert_string_equal(first(context, "192.0.2.1", NULL).network, network);
    assert_string_equal(first(context, "10.0.0.77", NULL).network, network); /* on its link: the same network */
    ip("neigh del 10.0.0.2 lladdr 02:00:5e:00:53:01 dev p0");
    assert_string_equal(first(context, "192.0.2.1", NULL).network, network); /* the kernel forgets, we do not */
    ip("route del default dev p1");
    assert_string_equal(first(context, "10.1.0.77", NULL).network, "p1 10.1.0.0/24");
    hawser_context_unref(context);
}

/* Temporary addresses (RFC 8981), made by the kernel from one that is managed so. */
struct temporary {
    hawser_context *context;
    struct path_wish wish;
};

static bool has_temporary(void *user)
{
    const struct temporary *temporary = user;
    struct path_choice choice = first(temporary->context, "2001:db8:9::1", &temporary->wish);

    return choice.usable && choice.temporary;
}

static void test_temporary_addresses(void **state)
{
    hawser_context *context = context_with(NULL);
    hawser_properties *properties;
    struct temporary temporary = {.context = context};
    struct path_wish wish = {.values = NULL};
    struct path_choice choice;
    (void)state;

    two_interfaces();
    world_write("/proc/sys/net/ipv6/conf/p0/use_tempaddr", "1"); /* there are some, and the system prefers the others */
    ip("addr add 2001:db8:1::1/64 dev p0 mngtmpaddr nodad");
    ip("-6 route add default via 2001:db8:1::2 dev p0");
    choice = first(context, "2001:db8:9::1", NULL);
    assert_string_equal(text_of(&choice.source), "2001:db8:1::1");
    assert_false(choice.temporary);
    properties = properties_of("useTemporaryLocalAddress", "require");
    wish.values = temporary.wish.values = properties_values(properties);
    run_until(context, has_temporary, &temporary); /* the kernel makes it beside the first, and asks around for it */
    choice = first(context, "2001:db8:9::1", &wish);
    assert_int_equal(choice.local.size, sizeof(struct sockaddr_in6));
    assert_string_not_equal(text_of(&choice.local), "2001:db8:1::1");
    hawser_properties_unref(properties);
    world_write("/proc/sys/net/ipv6/conf/p0/use_tempaddr", "2"); /* and now it prefers the temporary ones */
    choice = first(context, "2001:db8:9::2", NULL);
    assert_true(choice.usable && choice.temporary && choice.local.size == 0);
    properties = properties_of("useTemporaryLocalAddress", "prohibit");
    wish.values = properties_values(properties);
    choice = first(context, "2001:db8:9::2", &wish);
    assert_true(choice.usable && !choice.temporary);
    assert_string_equal(text_of(&choice.source), "2001:db8:1::1");
    hawser_properties_unref(properties);
    hawser_context_unref(context);
}

/* --------------------------------------------------------------------------------------------------------- changes */

struct counting {
    struct paths_user user;
    unsigned told;
};

static void count(struct paths_user *user)
{
    container_of(user, struct counting, user)->told++;
}

static bool was_told(void *user)
{
    return ((struct counting *)user)->told > 0;
}

static void test_changes_are_told(void **state)
{
    hawser_context *context = context_with(NULL);
    struct counting counting = {.user.changed = count};
    struct paths *paths;
    (void)state;

    assert_int_equal(paths_of(context, &paths), 0);
    paths_join(paths, &counting.user);
    two_interfaces(); /* dozens of events, all waiting by now: one change */
    run_until(context, was_told, &counting);
    assert_int_equal(counting.told, 1);
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p0* p1@");
    static const char *const steps[][2] = {
        {"route del default dev p0", "p1*"},         {"route add default via 10.0.0.2 dev p0 metric 5", "p0* p1@"},
        {"addr del 10.1.0.1/24 dev p1", "p0*"},      {"link set p0 down", "!(no route to 192.0.2.1)"},
        {"link del p0", "!(no route to 192.0.2.1)"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        counting.told = 0;
        ip("%s", steps[i][0]);
        run_until(context, was_told, &counting);
        assert_string_equal(choices(context, "192.0.2.1", NULL), steps[i][1]);
    }
    list_remove(&counting.user.link);
    hawser_context_unref(context);
}

/* The kernel keeps addresses and routes of a cable that was pulled; we do not use them. */
static void test_a_cable_is_pulled(void **state)
{
    hawser_context *context = context_with(NULL);
    struct counting counting = {.user.changed = count};
    struct paths *paths;
    (void)state;

    two_interfaces();
    assert_int_equal(paths_of(context, &paths), 0);
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p0* p1@");
    paths_join(paths, &counting.user);
    ip("link set q0 down");
    await_link("p0", false);
    run_until(context, was_told, &counting);
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p1@ !p0*(p0 has no link)");
    assert_int_equal(first(context, "192.0.2.1", &(struct path_wish){.interface = "p0"}).code, -ENETDOWN);
    counting.told = 0;
    ip("link set q0 up");
    await_link("p0", true);
    run_until(context, was_told, &counting);
    assert_string_equal(choices(context, "192.0.2.1", NULL), "p0* p1@");
    list_remove(&counting.user.link);
    hawser_context_unref(context);
}

/* More events than the socket holds: all is asked for anew, and nothing of before is left over. */
static void test_events_overflow(void **state)
{
    hawser_context *context = context_with(NULL);
    struct counting counting = {.user.changed = count};
    FILE *batch = popen("ip -batch -", "w");
    struct paths *paths;
    (void)state;

    two_interfaces();
    assert_int_equal(paths_of(context, &paths), 0);
    paths_join(paths, &counting.user);
    assert_non_null(batch);
    for (int i = 0; i < 4000; i++)
        fprintf(batch, "addr add 10.2.%d.%d/32 dev p1\naddr del 10.2.%d.%d/32 dev p1\n", i / 250, i % 250 + 1, i / 250,
                i % 250 + 1);
    fprintf(batch, "addr add 10.3.0.1/32 dev p1\n");
    assert_int_equal(pclose(batch), 0);
    run_until(context, was_told, &counting);
    assert_string_equal(choices(context, "10.3.0.1", NULL), "lo*");
    assert_string_equal(choices(context, "192.0.2.1",
                                &(struct path_wish){.local = &(struct layer_address[]){address_of("10.3.0.1")}[0]}),
                        "p0* p1@");
    assert_string_equal(choices(context, "192.0.2.1",
                                &(struct path_wish){.local = &(struct layer_address[]){address_of("10.2.1.1")}[0]}),
                        "!(10.2.1.1 is no address of this host)");
    list_remove(&counting.user.link);
    hawser_context_unref(context);
}

static int clean(void **state)
{
    (void)state;
    no_interfaces();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_route, clean),
        cmocka_unit_test_teardown(test_loopback, clean),
        cmocka_unit_test_teardown(test_system_first_then_others, clean),
        cmocka_unit_test_teardown(test_named_interface, clean),
        cmocka_unit_test_teardown(test_local_endpoint, clean),
        cmocka_unit_test_teardown(test_properties, clean),
        cmocka_unit_test_teardown(test_policies, clean),
        cmocka_unit_test_teardown(test_radios_wait, clean),
        cmocka_unit_test_teardown(test_networks, clean),
        cmocka_unit_test_teardown(test_temporary_addresses, clean),
        cmocka_unit_test_teardown(test_changes_are_told, clean),
        cmocka_unit_test_teardown(test_a_cable_is_pulled, clean),
        cmocka_unit_test_teardown(test_events_overflow, clean),
    };
    const char *why = world_leave();

    if (why) {
        printf("skipped: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
