/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS over loopback, through a relay that loses, repeats, overtakes and records what it passes on: handshakes come
 * through, every unit has one true fate, nothing is seen from outside, and keys are checked.
 */
#include "dtls_pair.h"

/* How many units were said to be lost. */
static unsigned exchange(unsigned loss, unsigned twice, unsigned late, uint32_t random)
{
    struct world *world = dtls_setup("hawser/1");
    struct layer_peer peer;
    unsigned lost;

    world->relay.loss = loss;
    world->relay.twice = twice;
    world->relay.late = late;
    world->relay.random = random;
    world->relay.records = true;
    world->client.to_send = world->server.to_send = UNITS;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    layer_peer(world->client.top, &peer);
    assert_string_equal(peer.name, hawser_identity_name(world->identities[0]));
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_KEY);
    assert_string_equal(peer.alpn, "hawser/1");
    layer_peer(world->server.top, &peer);
    assert_string_equal(peer.name, hawser_identity_name(world->identities[1]));
    end_ready(world->client.top, LAYER_WRITABLE);
    end_ready(world->server.top, LAYER_WRITABLE);
    assert_true(dtls_run_until(world, dtls_all_told));
    dtls_check(&world->client, &world->server);
    dtls_check(&world->server, &world->client);
    lost = world->client.lost + world->server.lost;
    /* Ids, acknowledgements, names and content are inside; sizes come in steps. */
    assert_int_equal(world->relay.seen_mark, 0);
    assert_false(world->relay.odd_size);
    assert_int_equal(world->accepted, 1);
    dtls_teardown(world);
    return lost;
}

/* Any one datagram of the handshake is lost: who waits for the answer says it again. */
static void each_flight_is_sent_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct world *world = dtls_setup("hawser/1");

        world->relay.lose[i % 2] = 1 + i / 2;
        dtls_connect(world);
        if (!dtls_run_until(world, dtls_both_up) || world->client.code || world->server.code)
            fail_msg("number %u to the %s was lost: client %d, server %d", 1 + i / 2, i % 2 ? "server" : "client",
                     world->client.code, world->server.code);
        dtls_teardown(world);
    }
}

/* None is lost. A machine that stands still for longer than the loss detection waits is as good as a loss, so it may be
 * tried again. */
static void units_over_a_clean_way(void **state)
{
    unsigned lost = 1;

    (void)state;
    for (uint32_t i = 0; lost > 0 && i < 5; i++)
        lost = exchange(0, 0, 0, 1 + i);
    assert_int_equal(lost, 0);
}

static void units_over_a_bad_way(void **state)
{
    (void)state;
    exchange(50, 50, 50, 7);
    exchange(20, 0, 100, 3);
}

static bool server_over(const struct world *world)
{
    return world->server.over;
}

static void bare_datagrams(void **state)
{
    struct world *world = dtls_setup(NULL);
    static const size_t sizes[] = {1, 500, 1100};
    uint8_t data[20000] = {0};
    size_t most;

    (void)state;
    world->client.bare = world->server.bare = true;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    assert_true(world->client.up && world->server.up);
    most = world->client.top->type->datagram_max(world->client.top);
    assert_true(most > 1100);
    for (int i = 0; i < 3; i++)
        assert_int_equal(world->client.top->type->send(world->client.top, data, sizes[i]), (ssize_t)sizes[i]);
    assert_int_equal(world->client.top->type->send(world->client.top, data, most + 1), -EMSGSIZE);
    assert_true(dtls_run_until(world, dtls_datagrams_came));
    assert_int_equal(world->server.code, 0);
    assert_int_equal(world->client.top->type->shutdown(world->client.top), 0);
    assert_true(dtls_run_until(world, server_over));
    dtls_teardown(world);
}

static bool client_failed(const struct world *world)
{
    return world->client.code != 0;
}

static void a_wrong_key_is_refused(void **state)
{
    struct world *world = dtls_setup("hawser/1");
    char rule[80];

    (void)state;
    trust_free(world->configs[1].trust);
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(world->identities[1]));
    assert_int_equal(trust_new(world->context, rule, NULL, &world->configs[1].trust), 0);
    dtls_connect(world);
    assert_true(dtls_run_until(world, client_failed));
    assert_int_equal(world->client.code, -HAWSER_EKEYWRONG);
    dtls_teardown(world);
}

/* Keys that are not bound to their handshake (RFC 7627): neither name of hawser/1 is spoken with them; a program's own protocol
 * may be. */
static void unbound_keys_are_refused(void **state)
{
    static const char *const alpns[] = {"hawser/1", ALPN_SESSION_SCTP, "own/1"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world *world = dtls_setup(alpns[i]);
        struct layer_target target = {.remote = name_of(world->relay.front_fd), .tls = &world->configs[1]};
        struct layer *top;

        world->client.bare = world->server.bare = true;
        assert_int_equal(stack_open(world->context, "dtls/udp", &target, &top), 0);
        assert_int_equal(gnutls_priority_set_direct(
                             dtls_of(top)->secure.session,
                             "NORMAL:-VERS-ALL:+VERS-DTLS1.2:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:%NO_SESSION_HASH", NULL),
                         0);
        end_adopt(&world->client, top);
        assert_true(dtls_run_until(world, dtls_both_up));
        if (i < 2) {
            assert_true(world->client.code == -HAWSER_ETLS || world->server.code == -HAWSER_ETLS);
            assert_non_null(
                strstr(layer_error(world->client.code ? world->client.top : world->server.top)->reason, "RFC 7627"));
        } else {
            assert_true(world->client.up && world->server.up);
        }
        dtls_teardown(world);
    }
}

static unsigned waiting(const struct world *world)
{
    unsigned count = 0;
    const struct list *out = &dtls_of(world->client.top)->out;

    for (const struct list *at = out->next; at != out; at = at->next)
        count++;
    return count;
}

static ssize_t full_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    (void)layer;
    (void)pieces;
    (void)count;
    return -EAGAIN;
}

static ssize_t full_send(struct layer *layer, const void *data, size_t size)
{
    (void)layer;
    (void)data;
    (void)size;
    return -EAGAIN;
}

/* A peer that did not hear our goodbye, or will not, fills no memory with those that cannot leave. */
static void answers_that_cannot_leave_are_not_kept(void **state)
{
    struct world *world = dtls_setup(NULL);
    struct layer_type full = udp_layer;
    struct layer *below;

    (void)state;
    full.send = full_send;
    full.sendv = full_sendv;
    world->client.bare = world->server.bare = true;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    below = world->client.top->below;
    below->type = &full;
    (void)world->client.top->type->shutdown(world->client.top);
    for (int i = 0; i < 50; i++) {
        uint64_t before = world->client.datagrams;

        assert_int_equal(world->server.top->type->send(world->server.top, "more", 4), 4);
        for (int k = 0; k < 1000 && world->client.datagrams == before; k++)
            assert_true(hawser_iterate(world->context, 10000) >= 0);
    }
    assert_int_equal(world->client.datagrams, 50);
    assert_in_range(waiting(world), 1, 2);
    below->type = &udp_layer;
    dtls_teardown(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flight_is_sent_again),
        cmocka_unit_test(units_over_a_clean_way),
        cmocka_unit_test(units_over_a_bad_way),
        cmocka_unit_test(bare_datagrams),
        cmocka_unit_test(a_wrong_key_is_refused),
        cmocka_unit_test(unbound_keys_are_refused),
        cmocka_unit_test(answers_that_cannot_leave_are_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
