/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <unistd.h>

static void comes_up(void **state)
{
    struct world *world = *state;
    struct layer_peer at_client, at_server;
    char local[128], remote[128], interface[32];

    listen_here(world);
    establish(world);
    layer_peer(world->client.top, &at_client);
    layer_peer(world->server.top, &at_server);
    layer_path(world->client.top, local, sizeof local, remote, sizeof remote, interface, sizeof interface);
    assert_true(layer_descriptor(world->client.top) >= 0);
    assert_int_equal(at_server.round_trips, 0);
    assert_int_equal(at_client.round_trips, world->bottom_trips + world->secure);
    assert_true(*remote);
    if (world->row->family != AF_UNIX) {
        assert_string_equal(interface, "lo");
        assert_true(*local);
    }
    only(world->secure);
    assert_string_equal(at_client.key_name, hawser_identity_name(world->server_identity));
    assert_string_equal(at_server.key_name, hawser_identity_name(world->client_identity));
    assert_string_equal(at_client.name, at_client.key_name);
    assert_int_equal(at_client.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(at_server.verification, HAWSER_VERIFICATION_NONE);
    assert_string_equal(at_client.alpn, "hawser/1");
    assert_string_equal(at_server.alpn, "hawser/1");
    assert_true(at_client.spki_size > 0 && at_server.spki_size > 0);
    assert_false(at_client.resumed || at_server.resumed);
}

static void refused(void **state)
{
    struct world *world = *state;

    listen_here(world);
    stop_listening(world);
    connect_there(world);
    while (!world->client.code)
        step(world, 1000);
    if (world->relay.context)
        assert_words(&world->client, -HAWSER_EPROXY, "the pe");
    else
        assert_words(&world->client, world->row->family == AF_UNIX ? -ENOENT : -ECONNREFUSED, "connect: ");
}

static void exporters_agree(void **state)
{
    struct world *world = *state;
    uint8_t ours[48] = {1}, theirs[48] = {2}, other[48];

    only(world->secure);
    listen_here(world);
    establish(world);
    assert_int_equal(world->client.top->type->export_key(world->client.top, "EXPORTER-hawser test", ours, 48), 0);
    assert_int_equal(world->server.top->type->export_key(world->server.top, "EXPORTER-hawser test", theirs, 48), 0);
    assert_int_equal(world->server.top->type->export_key(world->server.top, "EXPORTER-hawser other", other, 48), 0);
    assert_memory_equal(ours, theirs, 48);
    assert_memory_not_equal(ours, other, 48);
}

static void knows_its_link(void **state)
{
    struct world *world = *state;
    struct layer_link link;

    listen_here(world);
    world->server_wish.echo = true;
    establish(world);
    world->client.to_send = 100000;
    end_run(&world->client);
    world->server.to_send = 100000;
    assert_true(run_until(world, settled));
    layer_link(world->client.top, &link);
    assert_true(link.bytes_sent >= 100000 && link.bytes_received >= 100000);
    if (world->row->family != AF_UNIX)
        assert_true(link.rtt_us > 0 && link.min_rtt_us > 0 && link.delivery_rate > 0);
}

static bool client_done(struct world *world)
{
    return world->client.up || world->client.code;
}

static void unknown_interface(void **state)
{
    struct world *world = *state;

    listen_here(world);
    strcpy(world->target.interface, "no-such-if0");
    connect_there(world);
    assert_true(run_until(world, client_done));
    if (world->row->family == AF_UNIX)
        assert_int_equal(world->client.code, 0);
    else
        assert_words(&world->client, -ENODEV, "cannot use the interface no-such-if0");
}

static void bound_to_interface(void **state)
{
    struct world *world = *state;
    char local[128], remote[128], interface[32];

    only(world->row->family != AF_UNIX);
    listen_here(world);
    strcpy(world->target.interface, "lo");
    make_address(world, "unused", &world->target.local);
    establish(world);
    layer_path(world->client.top, local, sizeof local, remote, sizeof remote, interface, sizeof interface);
    assert_string_equal(interface, "lo");
}

const struct suite_test connect_tests[] = {
    {"comes up and says who is there", comes_up},
    {"nobody listens: said in words", refused},
    {"both ends export the same keys", exporters_agree},
    {"tells what is known of the link", knows_its_link},
    {"an interface that is not there is said in words", unknown_interface},
    {"binds to an interface and an address", bound_to_interface},
    {NULL, NULL},
};
