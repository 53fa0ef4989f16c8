/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include "layer/tls.h"

#define BULK (24u << 20)

static bool echo_done(struct world *world)
{
    return world->client.code || world->server.code || world->client.received == world->client.to_send;
}

static void echoes(void **state)
{
    struct world *world = *state;
    static const uint64_t sizes[] = {1, 100, 4091, 4096, 16384, 16385, 70000};

    listen_here(world);
    world->server_wish.echo = true;
    establish(world);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        world->client.to_send += sizes[i];
        end_run(&world->client);
        assert_true(run_until(world, echo_done));
        assert_int_equal(world->client.code, 0);
        assert_int_equal(world->client.received, world->client.to_send);
    }
    assert_int_equal(world->client.mismatches, 0);
    assert_int_equal(world->server.mismatches, 0);
}

static void bulk_both_ways(void **state)
{
    struct world *world = *state;

    only(world->reliable);
    listen_here(world);
    world->server_wish.to_send = BULK;
    world->client.to_send = BULK;
    connect_there(world);
    assert_true(run_until(world, settled));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->client.received, BULK);
    assert_int_equal(world->server.received, BULK);
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

static bool client_refused(struct world *world)
{
    return world->client.refusals > 0;
}

static void waits_for_a_slow_reader(void **state)
{
    struct world *world = *state;
    uint64_t stuck;

    only(world->waits);
    listen_here(world);
    world->server_wish.idle = true;
    establish(world);
    world->client.to_send = BULK;
    end_run(&world->client);
    assert_true(run_until(world, client_refused));
    run_for_events(world);
    stuck = world->client.sent;
    assert_true(stuck < BULK);
    run_for_events(world);
    assert_int_equal(world->client.sent, stuck);
    world->server.idle = false;
    end_run(&world->server);
    assert_true(run_until(world, settled));
    assert_int_equal(world->server.received, BULK);
    assert_int_equal(world->server.mismatches, 0);
}

static bool server_ended(struct world *world)
{
    return world->server.eof || world->server.code;
}

static bool client_ended(struct world *world)
{
    return world->client.eof || world->client.code;
}

static void each_direction_ends_alone(void **state)
{
    struct world *world = *state;

    only(world->bytes);
    listen_here(world);
    establish(world);
    world->client.to_send = 50000;
    world->client.shut_after = true;
    end_run(&world->client);
    assert_true(run_until(world, server_ended));
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->server.received, 50000);
    assert_false(world->client.eof);
    /* The other direction goes on. */
    world->server.to_send = 60000;
    world->server.shut_after = true;
    end_run(&world->server);
    assert_true(run_until(world, client_ended));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->client.received, 60000);
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
    assert_true(both_ended(world));
}

static void killed_peer(void **state)
{
    struct world *world = *state;

    only(strcmp(world->row->stack, "udp") != 0); /* which hears of it when it sends */
    listen_here(world);
    establish(world);
    world->client.to_send = 1000;
    end_run(&world->client);
    assert_true(run_until(world, settled));
    end_stop(&world->client);
    if (strcmp(world->row->stack, "tfrc/udp") ==
        0) { /* all may have been acknowledged: then silence is as it should be */
        world->server.to_send += 1000;
        end_run(&world->server);
    }
    assert_true(run_until(world, server_ended));
    if (!world->bytes) /* the layer's end is the peer's, in whatever words */
        assert_true(world->server.eof || world->server.code < 0);
    else if (world->secure) /* an end without close_notify is not a clean one */
        assert_words(&world->server, -ECONNRESET, "without saying so inside TLS");
    else
        assert_true(world->server.eof);
}

static void killed_with_data_unread(void **state)
{
    struct world *world = *state;

    only(world->waits);
    listen_here(world);
    world->server_wish.idle = true;
    establish(world);
    world->client.to_send = 1000;
    end_run(&world->client);
    run_for_events(world);
    world->server.to_send = 0;
    end_stop(&world->server); /* unread data: the system resets */
    assert_true(run_until(world, client_ended));
    if (world->client.eof) /* unix and tcp may tell the end first */
        assert_false(world->secure);
    else
        assert_words(&world->client, -ECONNRESET, "the peer");
}

static void moves(void **state)
{
    struct world *world = *state;
    hawser_context *other, *old = world->server_context;

    only(world->reliable && !world->one_context && !(world->flags & LAYER_FOREIGN));
    other = make_context(world, NULL);
    listen_here(world);
    world->server_wish.to_send = BULK;
    world->client.to_send = BULK;
    establish(world);
    while (world->server.received < BULK / 4)
        step(world, 10);
    assert_true(world->server.received < BULK);
    loop_undefer(&world->server.again);
    assert_int_equal(layer_loosen(world->server.top), 0);
    world->server.top->type->detach(world->server.top);
    stop_listening(world);
    trust_free(world->server_config.trust);
    world->server_config.trust = NULL;
    world->server_context = other;
    hawser_context_unref(old); /* nothing of it may be needed any more */
    assert_int_equal(world->server.top->type->attach(world->server.top, other), 0);
    world->server.context = other;
    end_run(&world->server);
    assert_true(run_until(world, settled));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

static void rekeys(void **state)
{
    struct world *world = *state;

    if (!world->secure) {
        struct layer *none = NULL;
        assert_int_equal(stack_open(world->client_context, "tcp/tls", &world->target, &none), -EINVAL);
        assert_null(none);
        return;
    }
    listen_here(world);
    world->server_wish.echo = true;
    establish(world);
    only(world->client.top->type->rekey);
    for (int i = 0; i < 3; i++) {
        int r = i == 1 ? world->server.top->type->rekey(world->server.top)
                       : world->client.top->type->rekey(world->client.top);
        assert_int_equal(r, 0);
        world->client.to_send += 30000;
        end_run(&world->client);
        assert_true(run_until(world, echo_done));
        assert_int_equal(world->client.code, 0);
        assert_int_equal(world->server.code, 0);
    }
    assert_int_equal(world->client.received, 90000);
    assert_int_equal(world->client.mismatches, 0);
}

/* GnuTLS answers with new keys of its own before its next record; that must not break a record in the middle. */
static void peer_asks_for_new_keys(void **state)
{
    struct world *world = *state;

    only(world->secure && world->bytes);
    listen_here(world);
    world->server_wish.to_send = BULK;
    establish(world);
    for (int i = 0; i < 4; i++) {
        world->client.idle = true; /* until the other end is stuck in a record */
        run_for_events(world);
        assert_int_equal(gnutls_session_key_update(tls_of(world->client.top)->secure.session, GNUTLS_KU_PEER), 0);
        run_for_events(world);
        world->client.idle = false;
        world->client.to_send += 1000;
        end_run(&world->client);
        for (int j = 0; j < 3; j++)
            step(world, 0);
    }
    assert_true(run_until(world, settled));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->client.received, BULK);
    assert_int_equal(world->client.mismatches + world->server.mismatches, 0);
}

const struct suite_test bytes_tests[] = {
    {"echoes messages of all sizes", echoes},
    {"carries much both ways at once", bulk_both_ways},
    {"waits for a reader that does not read", waits_for_a_slow_reader},
    {"ends each direction by itself", each_direction_ends_alone},
    {"notices that the peer was killed", killed_peer},
    {"notices that the peer was killed with data unread", killed_with_data_unread},
    {"moves to another context in the middle of a transfer", moves},
    {"goes on with new keys", rekeys},
    {"gives new keys when the peer asks, also in the middle of a record", peer_asks_for_new_keys},
    {NULL, NULL},
};
