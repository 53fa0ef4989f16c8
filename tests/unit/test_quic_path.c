/* SPDX-License-Identifier: Apache-2.0 */
/* quic by itself: addresses that change, new keys, and packets of those who mean no good. */
#include "quic_pair.h"

#include <gnutls/crypto.h>

static unsigned wanted;

static bool all_there(struct pair *pair)
{
    return pair->server.taken.units >= wanted && pair->client.fates >= wanted;
}

static void send_units(struct pair *pair, unsigned count, size_t size)
{
    wanted = pair->server.taken.units + count;
    for (unsigned i = 0; i < count;) {
        if (side_send(&pair->client, size, false) == 0)
            i++;
        side_go(&pair->client);
        pair_idle(pair, 1000);
        assert_int_equal(pair->client.code, 0);
    }
    assert_true(pair_run(pair, all_there, 60000000));
}

static void check_all(struct pair *pair)
{
    assert_int_equal(pair->server.taken.wrong, 0);
    for (unsigned i = 0; i < pair->client.next_unit; i++)
        assert_int_equal(pair->server.taken.seen[i], 1);
}

static bool same(const struct layer_address *a, const struct layer_address *b)
{
    return a->size == b->size && memcmp(&a->address, &b->address, a->size) == 0;
}

/* ----------------------------------------------------------------------------------------------------------- addresses */

static bool client_moved(struct pair *pair)
{
    return pair->client.moved > 0 && pair->server.moved > 0;
}

/* The client goes on from another address: the new path is tried, then taken, and the server follows. */
static void migrates(void **state)
{
    struct pair *pair = *state;
    struct layer_address there;

    address_of(&there, 7, 5000);
    pair_establish(pair);
    send_units(pair, 5, 10000);
    assert_int_equal(quic_layer.migrate(&pair->server.quic->layer, &there, "", false), -EOPNOTSUPP);
    assert_int_equal(quic_layer.migrate(&pair->client.quic->layer, &there, "", false), 0);
    assert_int_equal(quic_layer.migrate(&pair->client.quic->layer, &there, "", false), -EAGAIN); /* one at a time */
    assert_true(pair_run(pair, client_moved, 5000000));
    assert_true(same(&pair->client.kept, &there));
    assert_true(same(&pair->server.peer_address, &there));
    send_units(pair, 20, 10000);
    check_all(pair);
}

/* The old address is gone: it moves first, and asks then. */
static void migrates_at_once(void **state)
{
    struct pair *pair = *state;
    struct layer_address there;

    address_of(&there, 7, 5000);
    pair_establish(pair);
    send_units(pair, 5, 10000);
    assert_int_equal(quic_layer.migrate(&pair->client.quic->layer, &there, "", true), 0);
    send_units(pair, 20, 10000);
    assert_true(same(&pair->server.peer_address, &there));
    check_all(pair);
}

/* A path that does not work is left alone, and the line stays where it is. */
static void migration_fails(void **state)
{
    struct pair *pair = *state;
    struct layer_address there;

    address_of(&there, 7, 5000);
    pair_establish(pair);
    send_units(pair, 5, 10000);
    pair->blocked = there;
    assert_int_equal(quic_layer.migrate(&pair->client.quic->layer, &there, "", false), 0);
    send_units(pair, 20, 10000);
    pair_idle(pair, 10000000);
    assert_int_equal(pair->client.moved, 0);
    assert_true(same(&pair->client.kept, &pair->client.address));
    send_units(pair, 20, 10000);
    check_all(pair);
}

/* A box on the way gives the client another address: the server validates it and goes on. */
static void rebinding(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    send_units(pair, 5, 10000);
    address_of(&pair->nat, 9, 6000);
    send_units(pair, 20, 10000);
    pair_idle(pair, 1000000);
    assert_true(same(&pair->server.peer_address, &pair->nat));
    check_all(pair);
}

/* -------------------------------------------------------------------------------------------------------------- keys */

static bool rekeyed(struct pair *pair)
{
    return !pair->client.quic->rekey_wanted && !pair->server.quic->rekey_wanted;
}

static void new_keys(void **state)
{
    struct pair *pair = *state;

    pair->loss = 20;
    pair_connect(pair);
    assert_int_equal(quic_layer.rekey(&pair->client.quic->layer), -ENOTCONN);
    pair_drop(pair);
    pair_establish(pair);
    send_units(pair, 5, 10000);
    for (unsigned i = 0; i < 5; i++) {
        struct side *side = i % 2 ? &pair->server : &pair->client;
        assert_int_equal(quic_layer.rekey(&side->quic->layer), 0);
        assert_true(pair_run(pair, rekeyed, 10000000));
        send_units(pair, 10, 10000);
        pair_idle(pair, 1000000);
    }
    check_all(pair);
}

/* -------------------------------------------------------------------------------------------------------------- malice */

static void noise(struct pair *pair, unsigned count)
{
    uint8_t data[1500];
    struct layer_address stranger;

    address_of(&stranger, 66, 666);
    for (unsigned i = 0; i < count; i++) {
        size_t size = 1 + i * 7 % sizeof data;

        gnutls_rnd(GNUTLS_RND_NONCE, data, size);
        if (i % 3 == 0)
            data[0] |= 0xc0;
        pair_inject(pair, i % 2 ? &pair->client : &pair->server, data, size,
                    i % 5   ? &stranger
                    : i % 2 ? &pair->server.address
                            : &pair->client.address);
    }
}

/* Whatever strangers send, and in whoever's name, the line goes on. */
static void garbage(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    for (unsigned i = 0; i < 20; i++) {
        noise(pair, 50);
        send_units(pair, 2, 5000);
    }
    check_all(pair);
}

/* Each packet comes cut short, changed, or twice, before or after it came as it is. */
static bool meddle(struct pair *pair, struct side *from, uint8_t *data, size_t *size)
{
    struct side *to = from == &pair->client ? &pair->server : &pair->client;
    uint8_t copy[2048];
    unsigned *turn = pair->user;
    struct layer_address address = from == &pair->client ? pair->client.address : pair->server.address;

    (*turn)++;
    if (!to->quic)
        return true;
    memcpy(copy, data, *size);
    switch (*turn % 4) {
    case 0:
        copy[*turn * 31 % *size] ^= 0x20;
        pair_inject(pair, to, copy, *size, &address);
        break;
    case 1:
        pair_inject(pair, to, copy, *turn * 17 % *size + 1, &address);
        break;
    case 2:
        pair_inject(pair, to, copy, *size, &address);
        break;
    default:
        break;
    }
    return true;
}

static void meddled(void **state)
{
    struct pair *pair = *state;
    unsigned turn = 0;

    pair->filter = meddle;
    pair->user = &turn;
    pair_establish(pair);
    send_units(pair, 50, 5000);
    check_all(pair);
    assert_true(turn > 100);
    pair->filter = NULL; /* what says goodbye later goes as it is */
}

struct recorded {
    uint8_t data[2048];
    size_t size;
};

static bool record(struct pair *pair, struct side *from, uint8_t *data, size_t *size)
{
    struct recorded *recorded = pair->user;

    if (from == &pair->client && recorded->size == 0) {
        memcpy(recorded->data, data, *size);
        recorded->size = *size;
    }
    return true;
}

/* A first packet that claims to come from somebody else makes the server send that one no more than thrice as much. */
static void amplification(void **state)
{
    struct pair *pair = *state;
    struct recorded first = {.size = 0};

    pair->filter = record;
    pair->user = &first;
    pair_establish(pair);
    pair_drop(pair);
    pair->filter = NULL;
    pair_connect(pair); /* of which nobody hears */
    for (unsigned i = 0; i < 4; i++) {
        pair_inject(pair, &pair->server, first.data, first.size, &pair->client.address);
        pair_idle(pair, 1000000);
        assert_true(pair->server.sent_bytes <= 3 * pair->server.came_bytes);
    }
    pair_idle(pair, 20000000);
    assert_true(pair->server.sent_bytes <= 3 * pair->server.came_bytes);
    side_go(&pair->server);
    assert_int_equal(pair->server.code, -ETIMEDOUT);
}

static bool client_over(struct pair *pair)
{
    side_go(&pair->client);
    return pair->client.code;
}

/* The server has forgotten the line: what it answers is known to the client alone. */
static void forgotten(void **state)
{
    struct pair *pair = *state;
    uint8_t token[16], random[25], data[64];
    ngtcp2_ssize size;

    pair_establish(pair);
    send_units(pair, 3, 1000);
    gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random);
    memset(token, 7, sizeof token);
    size = ngtcp2_pkt_write_stateless_reset(data, sizeof data, token, random, sizeof random);
    pair_inject(pair, &pair->client, data, (size_t)size, &pair->server.address);
    pair_idle(pair, 100000);
    assert_int_equal(pair->client.code, 0); /* anybody can write one with a wrong token */
    assert_int_equal(ngtcp2_crypto_generate_stateless_reset_token(token, pair->secret, sizeof pair->secret,
                                                                  ngtcp2_conn_get_dcid(pair->client.quic->conn)),
                     0);
    size = ngtcp2_pkt_write_stateless_reset(data, sizeof data, token, random, sizeof random);
    pair_inject(pair, &pair->client, data, (size_t)size, &pair->server.address);
    assert_true(pair_run(pair, client_over, 1000000));
    assert_int_equal(pair->client.code, -ECONNRESET);
    assert_string_equal(layer_error(&pair->client.quic->layer)->reason, "the peer does not know of this line any more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(migrates, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(migrates_at_once, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(migration_fails, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(rebinding, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(new_keys, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(garbage, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(meddled, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(amplification, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(forgotten, pair_setup, pair_teardown),
    };

    return cmocka_run_group_tests_name("quic_path", tests, NULL, NULL);
}
