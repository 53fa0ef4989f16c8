/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
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
    assert_string_equal(at_client.alpn, world->alpn);
    assert_string_equal(at_server.alpn, world->alpn);
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
        assert_words(&world->client, world->row->family == AF_UNIX ? -ENOENT : -ECONNREFUSED,
                     world->bytes ? "connect: " : "nobody listens");
}

static void export_key(const struct end *end, const char *label, uint8_t key[48])
{
    struct layer *layer = end->top;

    while (!layer->type->export_key)
        layer = layer->below;
    assert_int_equal(layer->type->export_key(layer, label, key, 48), 0);
}

static void exporters_agree(void **state)
{
    struct world *world = *state;
    uint8_t ours[48] = {1}, theirs[48] = {2}, other[48];

    only(world->secure);
    listen_here(world);
    establish(world);
    export_key(&world->client, "EXPORTER-hawser test", ours);
    export_key(&world->server, "EXPORTER-hawser test", theirs);
    export_key(&world->server, "EXPORTER-hawser other", other);
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
    if (world->row->family != AF_UNIX && !world->one_context && strcmp(world->row->stack, "udp") != 0)
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

struct option {
    int level, name;
};

/* Those that a program may set and that then show on the wire, or in when it is written to. */
static const struct option options[] = {
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_TCP, TCP_LINGER2},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_PRIORITY},
    {SOL_SOCKET, SO_MARK},
    {SOL_SOCKET, SO_MAX_PACING_RATE},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_DONTROUTE},
    {SOL_SOCKET, SO_BINDTOIFINDEX},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_IP, IP_MTU_DISCOVER},
    {IPPROTO_IP, IP_RECVERR},
};

static int value_of(int fd, const struct option *option)
{
    socklen_t size = sizeof(int);
    int value = 0;

    return getsockopt(fd, option->level, option->name, &value, &size) < 0 ? -errno : value;
}

/* The ladder's level 0 (S1.42): a bare connection is a socket as the system makes it; what carries records is not. */
static void bare_is_a_plain_socket(void **state)
{
    struct world *world = *state;
    int plain, changed = 0;

    only(world->row->family == AF_INET &&
         strcmp(strrchr(world->accepting, '/') ? strrchr(world->accepting, '/') + 1 : world->accepting, "tcp") == 0);
    listen_here(world);
    establish(world);
    plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(plain, (struct sockaddr *)&world->address.address, world->address.size), 0);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        changed += value_of(layer_descriptor(world->client.top), &options[i]) != value_of(plain, &options[i]);
    assert_int_equal(changed, world->secure ? 2 : 0); /* TCP_NODELAY, TCP_NOTSENT_LOWAT */
    close(plain);
}

const struct suite_test connect_tests[] = {
    {"comes up and says who is there", comes_up},
    {"nobody listens: said in words", refused},
    {"both ends export the same keys", exporters_agree},
    {"tells what is known of the link", knows_its_link},
    {"an interface that is not there is said in words", unknown_interface},
    {"level 0: a bare connection has the options of a plain socket", bare_is_a_plain_socket},
    {"binds to an interface and an address", bound_to_interface},
    {NULL, NULL},
};
