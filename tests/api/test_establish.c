/* SPDX-License-Identifier: Apache-2.0 */
/* How a line comes up, or why it does not: reports, trust, early data, look-up, refusal. */
#include "api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void report_of_success(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_string_equal(world->client.stack, "tls/tcp");
    assert_string_equal(world->client.peer_name, hawser_identity_name(world->identity));
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    assert_int_equal(world->client.round_trips, 2);
    assert_false(world->client.early_data);
    assert_in_range(world->client.attempt_count, 1, 2); /* QUIC's turn did not come, where the build has it */
    assert_int_equal(world->client.failed_attempts, 0);
    assert_true(world->client.seen[HAWSER_PATHS_CHANGED] <= 1);
    assert_int_equal(world->server.verification, HAWSER_VERIFICATION_NONE);
}

static void strand_and_peer_can_be_asked_for(void **state)
{
    struct world *world = *state;
    uint8_t ours[32], theirs[32], other[32];
    hawser_strand_info info;
    hawser_peer peer;

    world_connect(world);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_string_equal(info.stack, "tls/tcp");
    assert_int_equal(info.state, HAWSER_STRAND_ACTIVE);
    assert_string_equal(info.path.remote, hawser_association_endpoint(world->listener));
    assert_true(info.bytes_sent > 0 && info.bytes_received > 0);
    assert_int_equal(hawser_association_strand(world->client.line, 1, &info), -ENOENT);
    assert_int_equal(hawser_association_peer(world->client.line, &peer), 0);
    assert_string_equal(peer.key_name, hawser_identity_name(world->identity));
    assert_string_equal(peer.alpn, "hawser/1");
    assert_true(peer.public_key_size > 0 && peer.public_key);
    assert_int_equal(hawser_association_export_key(world->client.line, "test", ours, sizeof ours), 0);
    assert_int_equal(hawser_association_export_key(world->server.line, "test", theirs, sizeof theirs), 0);
    assert_int_equal(hawser_association_export_key(world->client.line, "else", other, sizeof other), 0);
    assert_memory_equal(ours, theirs, sizeof ours);
    assert_memory_not_equal(ours, other, sizeof ours);
}

static void unix_sockets(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "line"), endpoint[128];

    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    world_listen_at(world, endpoint, NULL);
    assert_string_equal(hawser_association_endpoint(world->listener), endpoint);
    world_connect(world);
    assert_string_equal(world->client.stack, "tls/unix");
    free(path);
}

static void ipv6(void **state)
{
    struct world *world = *state;

    world_listen_at(world, "[::1]:0", NULL);
    assert_memory_equal(hawser_association_endpoint(world->listener), "[::1]:", 6);
    world_connect(world);
}

static void wrong_key(void **state)
{
    struct world *world = *state;
    hawser_identity *other;

    world_listen(world, NULL);
    assert_int_equal(hawser_identity_new(&other), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(other),
             hawser_association_endpoint(world->listener));
    world_associate(world, HAWSER_ASSOCIATE(.stack = "tls/tcp"));
    assert_int_equal(hawser_send(world->client.line, "secret", 6, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EKEYWRONG);
    assert_non_null(strstr(world->client.closed_reason, hawser_identity_name(world->identity)));
    assert_string_equal(world->client.attempt_layer, "tls");
    assert_int_equal(world->client.outcome_count, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_int_equal(world->client.outcomes[0].code, -HAWSER_EKEYWRONG);
    assert_false(world->client.outcomes[0].maybe_delivered);
    assert_null(world->server.line);
    hawser_identity_unref(other);
}

static void minimum_of_verification(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", hawser_association_endpoint(world->listener));
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .min_verification = HAWSER_VERIFICATION_TOFU));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EWEAK);
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

static void nobody_listens(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* Bound and not listening: nobody else can take the port meanwhile. */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .stack = "tls/tcp"));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ECONNREFUSED);
    assert_int_equal(world->client.failed_attempts, 1);
    assert_string_equal(world->client.attempt_layer, "tcp");
    assert_false(world->client.closed_by_peer);
    close(fd);
}

static void silent_server_times_out(void **state)
{
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t began = clock_now();

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    world_associate(world, HAWSER_ASSOCIATE(.trust = "any", .timeout_us = 200000, .stack = "tls/tcp"));
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -ETIMEDOUT);
    assert_true(clock_now() - began >= 200000);
    assert_string_equal(world->client.attempt_layer, "tls");
    close(fd);
}

static void addresses_are_tried_in_turn(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL); /* 127.0.0.1 alone; localhost is [::1] too */
    snprintf(world->endpoint, sizeof world->endpoint, "%s@localhost:%s", hawser_identity_name(world->identity),
             strrchr(hawser_association_endpoint(world->listener), ':') + 1);
    world_associate(world, HAWSER_ASSOCIATE(.stack = "tls/tcp"));
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(world->client.attempt_count, world->client.failed_attempts + 1);
    until(world, world->server.line);
}

static void stacks_that_do_not_fit_are_skipped(void **state)
{
    struct world *world = *state;

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.stack = "tls/unix,tls/tcp"));
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(world->client.attempt_count, 2);
    assert_int_equal(world->client.failed_attempts, 0);
}

static void arguments_are_checked(void **state)
{
    struct world *world = *state;
    hawser_context *context = world->client_context;
    hawser_association *none = (hawser_association *)world;
    char contradiction[256];

    snprintf(contradiction, sizeof contradiction, "%s@127.0.0.1:1", hawser_identity_name(world->identity));
    assert_int_equal(hawser_associate(context, "no port", NULL, &none), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_associate(context, NULL, NULL, &none), -EINVAL);
    assert_int_equal(hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.trust = "hope"), &none),
                     -HAWSER_ETRUST);
    assert_int_equal(hawser_associate(context, contradiction, HAWSER_ASSOCIATE(.trust = "any"), &none), -HAWSER_ETRUST);
    assert_int_equal(hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.stack = "tcp"), &none),
                     -HAWSER_EPROHIBITED);
    assert_int_equal(hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.stack = "tls/pigeon"), &none), -EINVAL);
    assert_int_equal(hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.policy = (hawser_policy)7), &none),
                     -EINVAL);
    assert_int_equal(hawser_associate(context, "127.0.0.1:1", HAWSER_ASSOCIATE(.receive_memory = 1), &none), -EINVAL);
    assert_int_equal(hawser_listen(context, "example.org:0", NULL, &none), -EOPNOTSUPP);
    assert_ptr_equal(none, world); /* outputs are untouched on failure */
}

/* ------------------------------------------------------------------------------------------------------- early data */

static void finish(struct world *world)
{
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

static void connect_early(struct world *world)
{
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "again", 5, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "once", 4, NULL, NULL), 0);
    until(world, world->client.settled == 2);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    assert_int_equal(world->server.received_count, 2);
}

static void early_data_saves_a_round_trip(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_int_equal(world->client.round_trips, 2);
    finish(world);
    connect_early(world);
    assert_true(world->client.resumed);
    assert_true(world->client.early_data);
    assert_int_equal(world->client.round_trips, 1);
    assert_string_equal(world->client.peer_name, hawser_identity_name(world->identity));
    assert_int_equal(world->client.verification, HAWSER_VERIFICATION_KEY);
    assert_true(world->server.early);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(world->server.received[i].received.early,
                         strcmp(world->server.received[i].data, "again") == 0);
    finish(world);
}

static void early_data_can_be_refused(void **state)
{
    struct world *world = *state;

    world_connect(world);
    finish(world);
    /* The ticket outlives the listener; what was sent early is sent again, once. */
    world_listen(world, HAWSER_LISTEN(.no_early_data = true));
    connect_early(world);
    assert_false(world->client.early_data);
    assert_false(world->server.early);
    finish(world);
}

static void early_data_can_be_left(void **state)
{
    struct world *world = *state;

    world_connect(world);
    finish(world);
    world_associate(world, HAWSER_ASSOCIATE(.no_early_data = true));
    assert_int_equal(hawser_send(world->client.line, "again", 5, HAWSER_MESSAGE(.safely_replayable = true), NULL), 0);
    until(world, world->client.settled == 1);
    assert_false(world->client.early_data);
    assert_int_equal(world->client.round_trips, 2);
    finish(world);
}

/* A listener that wants no early data gives tickets all the same. */
static void resumes_without_early_data(void **state)
{
    struct world *world = *state;

    world_listen(world, HAWSER_LISTEN(.no_early_data = true));
    for (int i = 0; i < 3; i++) {
        world_associate(world, NULL);
        assert_int_equal(hawser_send(world->client.line, "again", 5, HAWSER_MESSAGE(.safely_replayable = true), NULL),
                         0);
        until(world, world->client.settled == 1);
        assert_int_equal(world->client.resumed, i > 0);
        assert_false(world->client.early_data);
        finish(world);
    }
}

static void resumption_can_be_left(void **state)
{
    struct world *world = *state;

    world_connect(world);
    finish(world);
    for (int i = 0; i < 2; i++) { /* neither takes a ticket nor leaves one that is newer */
        world_associate(world, HAWSER_ASSOCIATE(.no_resumption = true));
        until(world, world->client.seen[HAWSER_ESTABLISHED]);
        assert_false(world->client.resumed);
        finish(world);
    }
    connect_early(world);
    assert_true(world->client.resumed);
    finish(world);
}

/* ------------------------------------------------------------------------------------------------- look-up, refusal */

static void find_by_name_and_identity(void **state)
{
    struct world *world = *state;
    hawser_association *found = NULL;
    hawser_identity *other;

    assert_int_equal(hawser_association_find(world->client_context, "hk-nobody", NULL, &found), -ENOENT);
    world_connect(world);
    assert_int_equal(
        hawser_association_find(world->client_context, hawser_identity_name(world->identity), NULL, &found), 0);
    assert_ptr_equal(found, world->client.line);
    found = hawser_association_unref(found);
    assert_int_equal(hawser_association_find(world->server_context, world->server.peer_name, world->identity, &found),
                     0);
    assert_ptr_equal(found, world->server.line);
    found = hawser_association_unref(found);
    assert_int_equal(hawser_identity_new(&other), 0);
    assert_int_equal(hawser_association_find(world->server_context, world->server.peer_name, other, &found), -ENOENT);
    hawser_identity_unref(other);
    finish(world);
    assert_int_equal(
        hawser_association_find(world->client_context, hawser_identity_name(world->identity), NULL, &found), -ENOENT);
}

static void refuse(struct world *world, hawser_association *association)
{
    (void)world;
    assert_int_equal(hawser_refuse_association(association, 42, "not on Saturdays"), 0);
}

static void refusal_reaches_the_peer(void **state)
{
    struct world *world = *state;

    world->accepting = refuse;
    world_listen(world, NULL);
    world_associate(world, NULL);
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), 0);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EREFUSED);
    assert_int_equal(world->client.peer_code, 42);
    assert_true(world->client.closed_by_peer);
    assert_string_equal(world->client.closed_reason, "not on Saturdays");
    assert_int_equal(world->client.settled, 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
}

static void what_nobody_takes_is_refused(void **state)
{
    struct world *world = *state;

    world->leave = true;
    world_listen(world, NULL);
    world_associate(world, NULL);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EREFUSED);
    assert_string_equal(world->client.closed_reason, "nobody took the association");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(report_of_success),
        api_test(strand_and_peer_can_be_asked_for),
        api_test(unix_sockets),
        api_test(ipv6),
        api_test(wrong_key),
        api_test(minimum_of_verification),
        api_test(pki_is_the_default),
        api_test(nobody_listens),
        api_test(silent_server_times_out),
        api_test(addresses_are_tried_in_turn),
        api_test(stacks_that_do_not_fit_are_skipped),
        api_test(arguments_are_checked),
        api_test(early_data_saves_a_round_trip),
        api_test(early_data_can_be_refused),
        api_test(early_data_can_be_left),
        api_test(resumes_without_early_data),
        api_test(resumption_can_be_left),
        api_test(find_by_name_and_identity),
        api_test(refusal_reaches_the_peer),
        api_test(what_nobody_takes_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
