/* SPDX-License-Identifier: Apache-2.0 */
/* What a ticket is good for, and for whom. */
#include "suite.h"

#include <time.h>

static void ticket_is_used_once(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure && world->bytes); /* over others the next one may come at once */
    listen_here(world);
    get_ticket(world);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_true(peer.resumed);
    drop_ends(world); /* before the next ticket was read */
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_false(peer.resumed);
}

static void ticket_says_what_it_is(void **state)
{
    struct world *world = *state;
    struct ticket ticket;
    struct layer_peer peer;
    char label[512];

    only(world->secure);
    listen_here(world);
    get_ticket(world);
    only(world->bytes); /* those of others hold more: tests/unit/test_quic_resume.c */
    assert_int_equal(ticket_label(&world->client_config, SECURITY_OVER_BYTES, label, sizeof label), 0);
    assert_int_equal(ticket_take(world->client_context, label, &ticket), 0);
    assert_string_equal(ticket.alpn, "hawser/1");
    assert_string_equal(ticket.key_name, hawser_identity_name(world->server_identity));
    assert_int_equal(ticket.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(ticket.max_early_data, 65536);
    assert_in_range(ticket.expires, time(NULL) + 86000, time(NULL) + 86400);
    ticket_clear(&ticket);
    world->server_config.early_data = false;
    get_ticket(world);
    assert_int_equal(ticket_take(world->client_context, label, &ticket), 0);
    assert_int_equal(ticket.max_early_data, 0);
    ticket_clear(&ticket);
    world->client_config.service = NULL; /* nothing to file it under */
    get_ticket(world);
    establish(world);
    layer_peer(world->client.top, &peer);
    assert_false(peer.resumed);
}

static bool resumes(struct world *world)
{
    struct layer_peer peer;

    establish(world);
    assert_int_equal(world->client.code | world->server.code, 0);
    layer_peer(world->client.top, &peer);
    drop_ends(world);
    return peer.resumed;
}

/* The server has the key of whoever got a ticket: so another identity, or one that hides, must not use it. */
static void ticket_is_of_one_identity(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;
    hawser_identity *other;

    only(world->secure);
    set_trust(world, false, "any");
    world->client_config.present_certificate = true;
    listen_here(world);
    get_ticket(world);
    world->client_config.present_certificate = false;
    establish(world);
    layer_peer(world->server.top, &peer);
    assert_false(peer.resumed);
    assert_string_equal(peer.key_name, "");
    drop_ends(world);
    world->client_config.present_certificate = true;
    assert_int_equal(hawser_identity_new(&other), 0);
    world->client_config.identity = other;
    establish(world);
    layer_peer(world->server.top, &peer);
    assert_false(peer.resumed);
    assert_string_equal(peer.key_name, hawser_identity_name(other));
    drop_ends(world);
    world->client_config.identity = world->client_identity;
    establish(world);
    layer_peer(world->server.top, &peer);
    assert_true(peer.resumed); /* its own was still there */
    assert_string_equal(peer.key_name, hawser_identity_name(world->client_identity));
    drop_ends(world);
    hawser_identity_unref(other);
}

/* Neither end needs early data for a short handshake. */
static void resumption_without_early_data(void **state)
{
    struct world *world = *state;

    only(world->secure);
    for (int of_client = 0; of_client < 2; of_client++) {
        world->server_config.early_data = false;
        world->client_config.early_data = of_client;
        if (!world->acceptor && !world->port)
            listen_here(world);
        get_ticket(world);
        assert_true(resumes(world));
    }
}

static void nothing_is_kept(void **state)
{
    struct world *world = *state;

    only(world->secure && !world->one_context);
    listen_here(world);
    get_ticket(world);
    world->client_config.no_tickets = true;
    assert_false(resumes(world));
    get_ticket(world);
    assert_false(resumes(world));
    world->client_config.no_tickets = false;
    assert_true(resumes(world)); /* the first was left where it was */
    use_context(world, make_context(world, NULL));
    get_ticket(world);
    assert_false(resumes(world));
}

const struct suite_test ticket_tests[] = {
    {"a ticket says what it is good for", ticket_says_what_it_is},
    {"a ticket is used once", ticket_is_used_once},
    {"a ticket is used by the identity that got it", ticket_is_of_one_identity},
    {"resumes where neither end wants early data", resumption_without_early_data},
    {"no ticket is kept where none is to be kept", nothing_is_kept},
    {NULL, NULL},
};
