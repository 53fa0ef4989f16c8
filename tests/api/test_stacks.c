/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names, identity, verification, tickets, early data and events mean is the same on every secure stack: one list of
 * tests, each stack of the build. (S2.55, S2.62 a, b, c)
 */
#include "api.h"

static void names_are_verified(void **state)
{
    struct world *world = *state;
    uint8_t ours[32], theirs[32], other[32];
    hawser_strand_info strand;
    hawser_peer peer;

    world_connect(world);
    assert_string_equal(world->client.stack, world->stack);
    assert_string_equal(world->client.peer_name, hawser_identity_name(world->identity));
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(world->server.verification, HAWSER_VERIFICATION_NONE);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &strand), 0);
    assert_string_equal(strand.stack, world->stack);
    assert_int_equal(hawser_association_peer(world->client.line, &peer), 0);
    assert_string_equal(peer.key_name, hawser_identity_name(world->identity));
    assert_true(peer.public_key && peer.public_key_size > 0);
    assert_int_equal(hawser_association_export_key(world->client.line, "test", ours, sizeof ours), 0);
    assert_int_equal(hawser_association_export_key(world->server.line, "test", theirs, sizeof theirs), 0);
    assert_int_equal(hawser_association_export_key(world->client.line, "else", other, sizeof other), 0);
    assert_memory_equal(ours, theirs, sizeof ours);
    assert_memory_not_equal(ours, other, sizeof ours);
}

static void identities_are_shown(void **state)
{
    struct world *world = *state;
    hawser_identity *identity;
    hawser_peer peer;

    assert_int_equal(hawser_identity_new(&identity), 0);
    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.identity = identity));
    until(world, world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(hawser_association_peer(world->server.line, &peer), 0);
    assert_string_equal(peer.key_name, hawser_identity_name(identity));
    hawser_identity_unref(identity);
}

static void a_wrong_key_ends_it(void **state)
{
    struct world *world = *state;
    hawser_identity *other;

    world_listen(world, NULL);
    assert_int_equal(hawser_identity_new(&other), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(other),
             hawser_association_endpoint(world->listener));
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "secret", 6, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EKEYWRONG);
    assert_non_null(strstr(world->client.closed_reason, hawser_identity_name(world->identity)));
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_false(world->client.outcomes[0].maybe_delivered);
    assert_null(world->server.line);
    hawser_identity_unref(other);
}

static void pki_is_the_default(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", hawser_association_endpoint(world->listener));
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EUNVERIFIED);
}

static void a_minimum_is_held(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", hawser_association_endpoint(world->listener));
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .min_verification = HAWSER_VERIFICATION_TOFU));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EWEAK);
}

static void first_use_is_remembered(void **state)
{
    struct world *world = *state;
    const char *name = strcmp(world->stack, "tls/unix") == 0 ? NULL : "localhost";

    world_listen(world, NULL);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", hawser_association_endpoint(world->listener));
    for (int i = 0; i < 2; i++) {
        world_associate(world, HAWSER_ASSOCIATE(.trust = "tofu", .server_name = name, .no_resumption = true));
        until(world, world->client.seen[HAWSER_ESTABLISHED] || world->client.closed);
        assert_false(world->client.closed);
        assert_int_equal(world->client.verification, HAWSER_VERIFICATION_TOFU);
    }
}

static void connect_again(struct world *world, const hawser_message_options *options, const char *text)
{
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, text, strlen(text), options, NULL), 0);
    until(world, world->client.settled == 1 && world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
}

static void finish(struct world *world)
{
    assert_int_equal(hawser_close(world->client.line, 0, NULL), 0);
    until(world, world->client.closed && (!world->server.line || world->server.closed));
    end_drop(&world->server);
}

static void tickets_resume(void **state)
{
    struct world *world = *state;
    uint64_t first;

    world_listen(world, HAWSER_LISTEN(.no_early_data = true));
    connect_again(world, NULL, "full");
    assert_false(world->client.resumed);
    first = world->client.round_trips;
    finish(world);
    for (int i = 0; i < 3; i++) { /* by a new ticket, or by the one that is still good */
        connect_again(world, NULL, "resumed");
        assert_true(world->client.resumed);
        assert_false(world->client.early_data);
        assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
        assert_true(world->client.round_trips <= first);
        finish(world);
    }
}

static void early_data_is_delivered_once(void **state)
{
    struct world *world = *state;
    uint64_t first;

    stack_has(stack_of(world).early_data, "early data");
    world_listen(world, NULL);
    connect_again(world, HAWSER_MESSAGE(.safely_replayable = true), "full");
    first = world->client.round_trips;
    finish(world);
    connect_again(world, HAWSER_MESSAGE(.safely_replayable = true), "early");
    assert_true(world->client.resumed);
    assert_true(world->client.early_data);
    assert_true(world->client.round_trips < first);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "early");
    finish(world);
}

/* What may not be replayed waits for the handshake, whatever the ticket allows. */
static void early_data_is_only_what_may_be(void **state)
{
    struct world *world = *state;

    stack_has(stack_of(world).early_data, "early data");
    world_listen(world, NULL);
    connect_again(world, NULL, "full");
    finish(world);
    connect_again(world, NULL, "not replayable");
    assert_false(world->client.early_data);
    assert_false(world->server.received[0].received.early);
    finish(world);
}

static void refused_early_data_is_sent_again(void **state)
{
    struct world *world = *state;

    stack_has(stack_of(world).early_data, "early data");
    world_listen(world, NULL);
    connect_again(world, HAWSER_MESSAGE(.safely_replayable = true), "full");
    finish(world);
    world_associate(world, HAWSER_ASSOCIATE(.no_early_data = true));
    assert_int_equal(hawser_send(world->client.line, "late", 4, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    until(world, world->client.settled == 1 && world->server.received_count == 1);
    assert_false(world->client.early_data);
    assert_string_equal(world->server.received[0].data, "late");
    finish(world);
}

static void events_come_in_order(void **state)
{
    struct world *world = *state;
    char text[32];

    world_connect(world);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(hawser_send(world->client.line, text, strlen(text), HAWSER_MESSAGE(.ordered = true), NULL), 0);
    }
    until(world, world->client.settled == 50);
    assert_int_equal(world->server.received_count, 50);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_string_equal(world->server.received[i].data, text);
    }
    finish(world);
    assert_int_equal(world->client.closed_code, 0);
    assert_int_equal(world->client.seen[HAWSER_CLOSED], 1);
}

static void large_messages_are_whole(void **state)
{
    struct world *world = *state;
    size_t size = 3000000;
    uint8_t *data = malloc(size);

    fill(data, size, 1);
    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received[0].size, size);
    assert_memory_equal(world->server.received[0].data, data, size);
    free(data);
}

static void streams_go_both_ways(void **state)
{
    struct world *world = *state;
    hawser_stream *stream;
    char text[8] = "";

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &stream), 0);
    assert_int_equal(hawser_stream_write(stream, "there", 5), 5);
    until(world, world->server.stream && hawser_stream_read(world->server.stream, text, sizeof text) == 5);
    assert_int_equal(hawser_stream_write(world->server.stream, "back", 4), 4);
    until(world, hawser_stream_read(stream, text, sizeof text) == 4);
    assert_memory_equal(text, "back", 4);
    assert_int_equal(hawser_stream_shutdown(stream), 0);
    assert_int_equal(hawser_stream_shutdown(world->server.stream), 0);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] && world->server.seen[HAWSER_STREAM_CLOSED]);
    hawser_stream_unref(stream);
}

static void an_abort_is_told(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(hawser_abort(world->client.line, 77, "enough"), 0);
    until(world, world->client.closed && world->server.closed);
    assert_int_equal(world->server.closed_code, -HAWSER_EABORTED);
    assert_int_equal(world->server.peer_code, 77);
    assert_string_equal(world->server.closed_reason, "enough");
    assert_true(world->server.closed_by_peer);
}

static void refuse(struct world *world, hawser_association *association)
{
    (void)world;
    assert_int_equal(hawser_refuse_association(association, 5, "not you"), 0);
}

static void a_refusal_is_told(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    world->accepting = refuse;
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EREFUSED);
    assert_int_equal(world->client.peer_code, 5);
}

int main(void)
{
    static const struct stack_test tests[] = {
        {"names are verified", names_are_verified},
        {"identities are shown", identities_are_shown},
        {"a wrong key ends it", a_wrong_key_ends_it},
        {"pki is the default", pki_is_the_default},
        {"a minimum is held", a_minimum_is_held},
        {"first use is remembered", first_use_is_remembered},
        {"tickets resume", tickets_resume},
        {"early data is delivered once", early_data_is_delivered_once},
        {"early data is only what may be", early_data_is_only_what_may_be},
        {"refused early data is sent again", refused_early_data_is_sent_again},
        {"events come in order", events_come_in_order},
        {"large messages are whole", large_messages_are_whole},
        {"streams go both ways", streams_go_both_ways},
        {"an abort is told", an_abort_is_told},
        {"a refusal is told", a_refusal_is_told},
    };

    return run_over_stacks("stacks", tests, sizeof tests / sizeof *tests);
}
