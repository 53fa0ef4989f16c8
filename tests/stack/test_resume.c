/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets: resumption, early data, and when it must not be taken. */
#include "suite.h"

#include "layer/tls.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void ask_early(struct world *world, uint64_t size)
{
    world->client.early_wanted = true;
    world->client.to_send = size;
}

static bool all_came(struct world *world)
{
    return world->server.code || world->client.code || world->server.received >= world->client.to_send;
}

/* What was refused is sent again, from the first byte. */
static void send_again(struct world *world)
{
    world->client.sent = 0;
    if (world->client.units)
        end_units_again(&world->client);
    end_run(&world->client);
    assert_true(run_until(world, all_came));
    assert_int_equal(world->server.received, world->client.to_send);
    assert_int_equal(world->server.mismatches, 0);
}

static void early_data(void **state)
{
    struct world *world = *state;
    struct layer_peer at_client, at_server;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    ask_early(world, 5000);
    establish(world);
    assert_true(run_until(world, all_came));
    assert_true(world->server.early && world->client.early);
    assert_int_equal(world->server.received, 5000);
    assert_int_equal(world->server.mismatches, 0);
    layer_peer(world->client.top, &at_client);
    layer_peer(world->server.top, &at_server);
    assert_true(at_client.resumed && at_server.resumed);
    assert_true(at_client.early_accepted && at_server.early_accepted);
    assert_int_equal(at_client.round_trips, world->bottom_trips);
    /* Who they are comes out as in the first handshake. */
    assert_string_equal(at_client.key_name, hawser_identity_name(world->server_identity));
    assert_string_equal(at_server.key_name, hawser_identity_name(world->client_identity));
    assert_int_equal(at_client.verification, HAWSER_VERIFICATION_KEY);
    assert_true(at_client.spki_size > 0 && at_server.spki_size > 0);
    /* And data goes on after it. */
    world->client.to_send = 200000;
    world->server.to_send = 200000;
    end_run(&world->client);
    end_run(&world->server);
    assert_true(run_until(world, settled));
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

/* The listener knows by its ticket who the client is, before the handshake says so. */
static bool server_early(struct world *world)
{
    return world->server.early || world->server.up || world->server.code;
}

static void early_peer_is_known(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->early);
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    listen_here(world);
    get_ticket(world);
    ask_early(world, 100);
    connect_there(world);
    while (!server_early(world))
        step(world, 1000);
    assert_true(world->server.early);
    assert_false(world->server.up);
    layer_peer(world->server.top, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(world->client_identity));
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_KEY);
    assert_string_equal(peer.alpn, "hawser/1");
    assert_true(run_until(world, both_up));
    assert_int_equal(world->server.code, 0);
    layer_peer(world->server.top, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(world->client_identity));
    assert_true(peer.early_accepted);
}

static void exporters_agree(void **state)
{
    struct world *world = *state;
    uint8_t ours[32] = {1}, theirs[32] = {2};

    only(world->early);
    listen_here(world);
    get_ticket(world);
    ask_early(world, 100);
    establish(world);
    assert_int_equal(world->client.top->type->export_key(world->client.top, "EXPORTER-hawser test", ours, 32), 0);
    assert_int_equal(world->server.top->type->export_key(world->server.top, "EXPORTER-hawser test", theirs, 32), 0);
    assert_memory_equal(ours, theirs, 32);
}

static void as_much_as_fits(void **state)
{
    struct world *world = *state;
    size_t room;

    only(world->secure && world->bytes);
    listen_here(world);
    get_ticket(world);
    ask_early(world, 1 << 20);
    connect_there(world);
    room = world->client.top->type->early_room(world->client.top);
    assert_true(room >= 60000 && room <= 65536);
    assert_true(run_until(world, all_came));
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->server.received, 1 << 20);
    assert_int_equal(world->server.mismatches, 0);
}

/* Each record costs GnuTLS 17 kB: they must not be kept as they come. */
static void in_small_records(void **state)
{
    struct world *world = *state;

    only(world->secure && world->bytes);
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    listen_here(world);
    get_ticket(world);
    ask_early(world, 65000);
    connect_there(world);
    gnutls_record_set_max_size(tls_of(world->client.top)->secure.session, 512);
    assert_true(run_until(world, all_came));
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->server.received, 65000);
    assert_int_equal(world->server.mismatches, 0);
    assert_true(world->server.early);
}

static void not_wanted(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    world->client_config.early_data = false;
    ask_early(world, 1000);
    establish(world);
    assert_true(run_until(world, all_came));
    layer_peer(world->client.top, &peer);
    assert_true(peer.resumed);
    assert_false(peer.early_accepted || world->client.early || world->server.early);
    assert_int_equal(peer.round_trips, 1 + world->bottom_trips);
}

static void refused_where_not_taken(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    world->server_config.early_data = false;
    ask_early(world, 60000);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_true(world->client.early && peer.resumed);
    assert_false(peer.early_accepted || world->server.early);
    send_again(world);
}

static void refused_after_restart(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    restart_server(world);
    ask_early(world, 65536 - 256 - 64); /* all that the ticket allows is dropped unread, overhead and all */
    establish(world);
    assert_int_equal(world->client.sent, world->client.to_send);
    layer_peer(world->client.top, &peer);
    assert_true(world->client.early);
    assert_false(peer.early_accepted || world->server.early || peer.resumed);
    assert_int_equal(peer.round_trips, 1 + world->bottom_trips);
    send_again(world);
}

/* A man in the middle plays the same first flight to the server again. */
static void replay(struct world *world, const struct proxy *proxy)
{
    int fd = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&proxy->onward.address, proxy->onward.size), 0);
    assert_int_equal(send(fd, proxy->record, proxy->record_size, MSG_NOSIGNAL), (ssize_t)proxy->record_size);
    shutdown(fd, SHUT_WR);
    world->server.code = world->server.up = 0;
    unsigned before = world->accepted;
    while (world->accepted == before || !(world->server.code || world->server.up))
        step(world, 1000);
    close(fd);
}

static void replayed_flight(void **state)
{
    struct world *world = *state;
    struct proxy proxy;

    only(world->secure && world->bytes);
    listen_here(world);
    get_ticket(world);
    proxy_start(world, &proxy);
    ask_early(world, 5000);
    establish(world);
    assert_true(run_until(world, all_came));
    assert_true(world->server.early);
    assert_int_equal(world->server.received, 5000);
    end_stop(&world->client);
    replay(world, &proxy);
    assert_false(world->server.early);
    assert_int_equal(world->server.received, 0);
    assert_true(world->server.code < 0);
    proxy_stop(&proxy);
}

static void other_protocol(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure && world->bytes); /* units are of hawser/1 alone */
    world->client_config.alpn[1] = "other";
    listen_here(world);
    get_ticket(world);
    world->server_config.alpn[0] = "other"; /* RFC 8446 section 4.2.10: the early data was for hawser/1 */
    ask_early(world, 1000);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_string_equal(peer.alpn, "other");
    assert_true(world->client.early);
    assert_false(peer.early_accepted || world->server.early || peer.resumed);
    send_again(world);
}

static void ticket_of_another_identity(void **state)
{
    struct world *world = *state;
    hawser_identity *other, *first = world->server_identity;
    struct layer_peer peer;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    assert_int_equal(hawser_identity_new(&other), 0);
    world->server_config.identity = other; /* of the same program, with the same ticket key */
    set_trust(world, false, "any");
    ask_early(world, 100);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(other));
    assert_false(peer.resumed || peer.early_accepted || world->server.early);
    drop_ends(world);
    world->server_config.identity = first;
    hawser_identity_unref(other);
}

static void rule_stands_above_ticket(void **state)
{
    struct world *world = *state;

    only(world->early);
    listen_here(world);
    get_ticket(world);
    set_trust(world, false, "key=%s", hawser_identity_name(world->client_identity));
    ask_early(world, 100);
    connect_there(world);
    if (world->bytes)
        assert_int_equal(world->client.top->type->early_room(world->client.top), 0);
    assert_true(run_until(world, both_up));
    assert_false(world->client.early || world->server.early);
    assert_words(&world->client, -HAWSER_EKEYWRONG, hawser_identity_name(world->client_identity));
}

/* The listener forgot the client, but the client's ticket still says who it is. */
static void server_rule_stands_above_ticket(void **state)
{
    struct world *world = *state;

    only(world->early);
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    listen_here(world);
    get_ticket(world);
    set_trust(world, true, "key=%s", hawser_identity_name(world->server_identity));
    ask_early(world, 100);
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_int_equal(world->server.received, 0);
    assert_words(&world->server, -HAWSER_EKEYWRONG, hawser_identity_name(world->client_identity));
}

static void other_context(void **state)
{
    struct world *world = *state;

    only(world->early);
    use_context(world, make_context(world, "state"));
    listen_here(world);
    get_ticket(world);
    use_context(world, make_context(world, "state")); /* the old one wrote it down at its end */
    ask_early(world, 700);
    establish(world);
    assert_true(run_until(world, all_came));
    assert_true(world->server.early);
}

/* In the child: everything of the parent is its own, so a context of this process is made. */
static int child_gets_ticket(struct world *world)
{
    hawser_context *context = make_context(world, "state");
    struct tls_config config = world->client_config;
    struct end end = {.to_send = 1};
    struct layer *top;

    config.trust = make_trust(context, "key=%s", hawser_identity_name(world->server_identity));
    world->target.tls = &config;
    if (stack_open(context, world->row->stack, &world->target, &top) < 0)
        return 1;
    end_start(&end, context, top);
    while (!end.code && end.received < 1)
        hawser_iterate(context, 1000000);
    if (end.code)
        return 2;
    end_stop(&end);
    trust_free(config.trust);
    hawser_context_unref(context);
    return 0;
}

static void other_process(void **state)
{
    struct world *world = *state;
    int status;
    pid_t child;

    only(world->secure && world->bytes);
    listen_here(world);
    world->server_wish.echo = true;
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_gets_ticket(world));
    while (waitpid(child, &status, WNOHANG) == 0)
        step(world, 10);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    drop_ends(world);
    use_context(world, make_context(world, "state"));
    ask_early(world, 700);
    establish(world);
    assert_true(run_until(world, all_came));
    assert_true(world->server.early);
    assert_int_equal(world->server.mismatches, 0);
}

/* Two threads' contexts with one hawser_shared; here they take turns. */
static void shared_contexts(void **state)
{
    struct world *world = *state;
    hawser_shared *shared;
    hawser_context *first, *second, *late;
    struct layer_peer peer;
    struct proxy proxy;

    only(world->secure && world->bytes);
    assert_int_equal(hawser_shared_new(&shared), 0);
    first = shared_context(shared);
    second = shared_context(shared);
    trust_free(world->server_config.trust);
    hawser_context_unref(world->server_context);
    world->server_context = first;
    world->server_config.trust = make_trust(first, "any");
    struct trust *trust = make_trust(second, "any");
    listen_here(world);
    get_ticket(world);
    stop_listening(world);

    world->server_context = second;
    listen_here(world);
    proxy_start(world, &proxy);
    ask_early(world, 500);
    establish(world);
    assert_true(run_until(world, all_came));
    assert_true(world->server.early);
    world->client.to_send = 0;
    end_stop(&world->client);
    end_stop(&world->server);
    stop_listening(world);

    /* The other one knows the flight too. */
    world->server_context = first;
    listen_here(world);
    proxy.onward = world->address;
    replay(world, &proxy);
    assert_false(world->server.early);
    proxy_stop(&proxy);
    drop_ends(world);
    aim(world, &world->address);
    get_ticket(world);
    stop_listening(world);

    /* A third that came after the ticket resumes, but cannot know what was replayed before its time. */
    late = shared_context(shared);
    trust_free(world->server_config.trust);
    world->server_config.trust = make_trust(late, "any");
    world->server_context = late;
    listen_here(world);
    ask_early(world, 500);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_true(peer.resumed);
    assert_false(peer.early_accepted || world->server.early);
    trust_free(trust);
    hawser_shared_unref(shared);
    hawser_context_unref(first);
    hawser_context_unref(second);
}

const struct suite_test resume_tests[] = {
    {"a ticket carries early data, and who both are", early_data},
    {"the sender of early data is known at once", early_peer_is_known},
    {"both ends export the same keys after resumption", exporters_agree},
    {"early data up to the ticket's bound, the rest after it", as_much_as_fits},
    {"early data in small records", in_small_records},
    {"resumes without early data where that is not wanted", not_wanted},
    {"early data is refused where it is not taken", refused_where_not_taken},
    {"a server that started after the ticket refuses early data", refused_after_restart},
    {"a first flight played again delivers nothing", replayed_flight},
    {"early data for another protocol is refused", other_protocol},
    {"a ticket is good for one identity", ticket_of_another_identity},
    {"nothing leaves early for a server that the rule does not name", rule_stands_above_ticket},
    {"nothing is taken early from a client that the rule does not name", server_rule_stands_above_ticket},
    {"resumes in another context", other_context},
    {"resumes in another process", other_process},
    {"contexts that share resume and refuse replays together", shared_contexts},
    {NULL, NULL},
};
