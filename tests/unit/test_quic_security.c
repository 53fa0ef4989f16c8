/* SPDX-License-Identifier: Apache-2.0 */
/* quic by itself: whom it leads to, in words; tickets and early data. */
#include "quic_pair.h"

#include <stdio.h>

static void trust_as(struct side *side, const char *rule)
{
    trust_free(side->config.trust);
    side->config.trust = NULL;
    assert_int_equal(trust_new(side->context, rule, NULL, &side->config.trust), 0);
}

static void assert_words(struct side *side, int code, const char *part)
{
    const char *reason = layer_error(&side->quic->layer)->reason;

    if (side->code != code || !strstr(reason, part))
        print_error("%d: %s\n", side->code, reason);
    assert_int_equal(side->code, code);
    assert_non_null(strstr(reason, part));
}

static bool both_failed(struct pair *pair)
{
    return pair->client.code && pair->server.code;
}

static void connect_in_vain(struct pair *pair)
{
    pair_connect(pair);
    pair_begin(pair);
    assert_true(pair_run(pair, both_failed, 20000000));
}

#define OTHER_KEY "key=hk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The client tells a wrong server nothing of itself; the server hears why. */
static void wrong_server(void **state)
{
    struct pair *pair = *state;

    trust_as(&pair->client, OTHER_KEY);
    connect_in_vain(pair);
    assert_words(&pair->client, -HAWSER_EKEYWRONG, hawser_identity_name(pair->server.identity));
    assert_words(&pair->server, -HAWSER_EREFUSED, "the peer does not accept our identity");
}

static void wrong_client(void **state)
{
    struct pair *pair = *state;

    trust_as(&pair->server, OTHER_KEY);
    connect_in_vain(pair);
    assert_words(&pair->server, -HAWSER_EKEYWRONG, hawser_identity_name(pair->client.identity));
    assert_words(&pair->client, -HAWSER_EREFUSED, "the peer does not accept our identity");
}

static void other_protocol(void **state)
{
    struct pair *pair = *state;

    pair->server.config.alpn[0] = "something";
    connect_in_vain(pair);
    assert_int_equal(pair->client.code, -HAWSER_ENOTSPOKEN);
    assert_int_equal(pair->server.code, -HAWSER_ENOTSPOKEN);
}

static void nobody_there(void **state)
{
    struct pair *pair = *state;

    pair->dead_server = true;
    pair_connect(pair);
    pair_begin(pair);
    pair_idle(pair, 15000000);
    side_go(&pair->client);
    assert_words(&pair->client, -ETIMEDOUT, "did not finish the handshake in time");
}

/* ----------------------------------------------------------------------------------------------------- tickets, early data */

static bool ticket_came(struct pair *pair)
{
    return pair->client.quic->token && ticket_there(pair->client.context, &pair->client.config, true);
}

static void get_ticket(struct pair *pair)
{
    pair_establish(pair);
    assert_true(pair_run(pair, ticket_came, 1000000));
    pair_drop(pair);
}

static void resumes(void **state)
{
    struct pair *pair = *state;
    struct layer_peer peer;

    get_ticket(pair);
    assert_false(ticket_there(pair->client.context, &pair->client.config, false)); /* of no use to tls */
    pair_establish(pair);
    layer_peer(&pair->client.quic->layer, &peer);
    assert_true(peer.resumed);
    assert_false(peer.early_accepted);
    assert_string_equal(peer.key_name, hawser_identity_name(pair->server.identity));
    layer_peer(&pair->server.quic->layer, &peer);
    assert_true(peer.resumed);
    assert_string_equal(peer.key_name, hawser_identity_name(pair->client.identity));
    assert_true(pair_run(pair, ticket_came, 1000000)); /* the next one */
}

static bool early_taken(struct pair *pair)
{
    return pair->server.taken.units >= 3;
}

static void send_early(struct pair *pair)
{
    pair_connect(pair);
    assert_true(quic_layer.early_room(&pair->client.quic->layer) >= 32768);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(side_send(&pair->client, 500, false), 0);
    assert_int_equal(side_send(&pair->client, 500, true), -EAGAIN); /* it is not known yet what would become of it */
    pair_begin(pair);
}

/* A known client's first words are there with the first packet, told as early, and acknowledged as any other. */
static void early(void **state)
{
    struct pair *pair = *state;
    struct layer_peer peer;
    int64_t began;

    get_ticket(pair);
    began = pair->now;
    send_early(pair);
    assert_true(pair_run(pair, early_taken, 1000000));
    assert_int_equal(pair->now, began + pair->delay);
    assert_false(pair->server.up);
    assert_int_equal(pair->server.taken.early, 3);
    layer_peer(&pair->server.quic->layer, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(pair->client.identity));
    assert_true(pair_run(pair, pair_up, 1000000));
    layer_peer(&pair->client.quic->layer, &peer);
    assert_true(peer.early_accepted);
    assert_int_equal(peer.round_trips, 0);
    assert_int_equal(side_send(&pair->client, 500, false), 0);
    side_go(&pair->client);
    pair_idle(pair, 1000000);
    assert_int_equal(pair->client.acked, 4);
    assert_int_equal(pair->server.taken.units, 4);
    assert_int_equal(pair->server.taken.wrong, 0);
}

/* The server does not want it: nothing of it is told at either end, and the line is as good as any. */
static void early_rejected(void **state)
{
    struct pair *pair = *state;
    struct layer_peer peer;

    get_ticket(pair);
    pair->server.config.early_data = false;
    send_early(pair);
    assert_true(pair_run(pair, pair_up, 1000000));
    layer_peer(&pair->client.quic->layer, &peer);
    assert_false(peer.early_accepted);
    assert_int_equal(peer.round_trips, 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(side_send(&pair->client, 500, false), 0);
        side_go(&pair->client);
    }
    pair_idle(pair, 1000000);
    assert_int_equal(pair->server.taken.units, 5);
    assert_int_equal(pair->server.taken.wrong, 0);
    assert_int_equal(pair->client.fates, 5);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pair->client.fate[i], i < 3 ? 0 : 1);
}

static bool keep_flight(struct pair *pair, struct side *from, uint8_t *data, size_t *size)
{
    struct {
        unsigned count;
        size_t sizes[8];
        uint8_t data[8][2048];
    } *flight = pair->user;

    if (from == &pair->client && !pair->server.up && flight->count < 8) {
        memcpy(flight->data[flight->count], data, *size);
        flight->sizes[flight->count++] = *size;
    }
    return true;
}

/* The whole first flight comes again, to the same server: its early data is told once. */
static void early_replayed(void **state)
{
    struct pair *pair = *state;
    struct {
        unsigned count;
        size_t sizes[8];
        uint8_t data[8][2048];
    } flight = {.count = 0};
    unsigned count;

    get_ticket(pair);
    pair->user = &flight;
    pair->filter = keep_flight;
    send_early(pair);
    count = flight.count;
    assert_true(count >= 1);
    assert_true(pair_run(pair, early_taken, 1000000));
    pair_drop(pair);
    pair->filter = NULL;
    for (unsigned i = 0; i < count; i++)
        pair_inject(pair, &pair->server, flight.data[i], flight.sizes[i], &pair->client.address);
    pair_idle(pair, 1000000);
    assert_non_null(pair->server.quic);
    assert_int_equal(pair->server.taken.units, 0);
}

/* Early data of somebody whom the rule does not know by a key waits until the handshake has shown who it is. */
static void early_of_a_stranger(void **state)
{
    struct pair *pair = *state;
    char rule[128];

    get_ticket(pair);
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(pair->client.identity));
    trust_as(&pair->server, rule);
    send_early(pair);
    assert_true(pair_run(pair, early_taken, 1000000));
    assert_int_equal(pair->server.taken.early, 3); /* known by this key */
    assert_true(pair_run(pair, pair_up, 1000000));
    assert_true(pair_run(pair, ticket_came, 1000000));
    pair_drop(pair);
    trust_as(&pair->server, OTHER_KEY);
    send_early(pair);
    pair_idle(pair, 1000000);
    assert_int_equal(pair->server.taken.units, 0);
    assert_true(pair->server.code < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_server, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(wrong_client, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(other_protocol, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(nobody_there, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(resumes, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(early, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(early_rejected, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(early_replayed, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(early_of_a_stranger, pair_setup, pair_teardown),
    };

    return cmocka_run_group_tests_name("quic_security", tests, NULL, NULL);
}
