/* SPDX-License-Identifier: Apache-2.0 */
/* Proves which clients a listener takes that speak no hawser, how it tells them apart, and what the program hears of them. */
#include "raw.h"

#include <gnutls/gnutls.h>

static void by_default_none_is_taken(void **state)
{
    struct world *world = *state;
    struct raw raw;

    world_listen(world, NULL);
    raw = raw_connect(world);
    raw_say(&raw, "hello\n");
    until(world, raw_over(&raw));
    assert_null(world->server.line);
    raw_close(&raw);
}

struct accepted {
    unsigned count;
    bool bare;
    char name[256];
    hawser_verification verification;
    hawser_association *line;
};

static void note_accepted(const hawser_event *event, void *user)
{
    struct accepted *accepted = user;

    accepted->count++;
    accepted->bare = event->accepted.bare;
    accepted->verification = event->accepted.peer.verification;
    snprintf(accepted->name, sizeof accepted->name, "%s", event->accepted.peer.name);
    accepted->line = hawser_association_ref(event->accepted.association);
}

static void a_plain_client_is_named_by_its_address(void **state)
{
    struct world *world = *state;
    struct accepted accepted = {0};
    hawser_peer peer;
    struct raw raw;

    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN());
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, note_accepted, &accepted), 0);
    raw = raw_connect(world);
    raw_say(&raw, "x");
    until(world, accepted.count);
    assert_true(accepted.bare);
    assert_string_equal(accepted.name, "127.0.0.1");
    assert_int_equal(accepted.verification, HAWSER_VERIFICATION_NONE);
    assert_int_equal(hawser_association_peer(accepted.line, &peer), 0);
    assert_string_equal(peer.key_name, "");
    assert_string_equal(peer.alpn, "");
    hawser_association_unref(accepted.line);
    raw_close(&raw);
}

static void lines_come_in_and_answers_go_out(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_bare(world, "avoid", "avoid", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    raw_say(&raw, "one\ntwo\r\n\nfour");
    until(world, world->server.received_count == 3);
    assert_string_equal(world->server.received[0].data, "one");
    assert_string_equal(world->server.received[1].data, "two");
    assert_string_equal(world->server.received[2].data, "");
    assert_int_equal(hawser_send(world->server.line, "answer", 6, NULL, NULL), 0);
    until(world, raw_has(&raw, 7));
    assert_string_equal(raw.got, "answer\n");
    until(world, world->server.settled == 1);
    assert_int_equal(world->server.outcomes[0].kind, HAWSER_HANDED_OVER);
    assert_string_equal(world->server.stack, "tcp");
    assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.received_count, 4);
    assert_string_equal(world->server.received[3].data, "four"); /* the last needs no line feed */
    assert_int_equal(world->server.closed_code, 0);
    assert_true(world->server.closed_by_peer);
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, 0);
    raw_close(&raw);
}

static void hawsers_own_clients_are_served_beside_them(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN());
    world_associate(world, NULL);
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(hawser_send(world->client.line, "with\nfeed", 9, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_string_equal(world->server.stack, "tls/tcp");
    raw = raw_connect(world);
    raw_say(&raw, "line\n");
    until(world, world->server.received_count == 1 && strcmp(world->server.received[0].data, "line") == 0);
    raw_close(&raw);
}

/* Speaks as soon as somebody is there. */
static void greet_first(struct world *world, hawser_association *association)
{
    end_drop(&world->server);
    end_note(&world->server, hawser_association_ref(association));
    assert_int_equal(hawser_send(association, "220 ready", 9, NULL, NULL), 0);
}

static void a_client_that_waits_for_the_server_is_plain_after_a_while(void **state)
{
    struct world *world = *state;
    int64_t began;
    struct raw raw;

    world->accepting = greet_first;
    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    began = clock_now();
    until(world, raw_has(&raw, 10));
    assert_true(clock_now() - began >= 450000); /* it might have been TLS */
    assert_string_equal(raw.got, "220 ready\n");
    raw_close(&raw);
}

static void without_security_nothing_is_waited_for_and_tls_is_bytes(void **state)
{
    static const char hello[] = "\x16\x03\x01\n";
    struct world *world = *state;
    struct raw raw;
    int64_t began;

    world->accepting = greet_first;
    listen_bare(world, "prohibit", "prohibit", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    began = clock_now();
    until(world, raw_has(&raw, 10));
    assert_true(clock_now() - began < 400000);
    raw_send(&raw, hello, 4);
    until(world, world->server.received_count == 1);
    assert_memory_equal(world->server.received[0].data, hello, 3);
    raw_close(&raw);
}

static void one_byte_of_a_handshake_is_not_taken_for_the_whole(void **state)
{
    struct world *world = *state;
    struct raw raw;

    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    raw_send(&raw, "\x16", 1);
    world_step(world);
    raw_send(&raw, "\x03\x01\x00\x01\xff", 5); /* a ClientHello that is none: so TLS ends it */
    until(world, raw_over(&raw));
    assert_null(world->server.line); /* and no program saw a byte of it */
    raw_close(&raw);
}

/* One line by a TLS client of the given versions, as a foreign program has it. */
static void say_by_tls(struct world *world, const char *versions)
{
    struct raw raw = raw_connect(world);
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    int r;

    assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    assert_int_equal(gnutls_priority_set_direct(session, versions, NULL), 0);
    assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
    gnutls_transport_set_int(session, raw.fd);
    until(world, (r = gnutls_handshake(session)) == 0 || gnutls_error_is_fatal(r));
    assert_int_equal(r, 0);
    assert_int_equal(gnutls_record_send(session, "by TLS\n", 7), 7);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "by TLS");
    assert_string_equal(world->server.stack, "tls/tcp");
    until(world, gnutls_bye(session, GNUTLS_SHUT_WR) == 0);
    until(world, world->server.closed);
    assert_int_equal(world->server.closed_code, 0);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    raw_close(&raw);
    end_drop(&world->server);
}

static void tls_clients_come_with_the_versions_they_have(void **state)
{
    struct world *world = *state;

    listen_bare(world, "prohibit", "require", "lines", *HAWSER_LISTEN());
    say_by_tls(world, "NORMAL:-VERS-ALL:+VERS-TLS1.2");
    say_by_tls(world, "NORMAL:-VERS-ALL:+VERS-TLS1.3");
    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN());
    say_by_tls(world, "NORMAL:-VERS-ALL:+VERS-TLS1.3");
}

static void refuse_it(struct world *world, hawser_association *association)
{
    assert_int_equal(hawser_refuse_association(association, 7, "not today"), 0);
    world->server.seen[HAWSER_ACCEPTED]++;
}

static void one_that_is_refused_is_reset(void **state)
{
    struct world *world = *state;
    struct raw raw;

    world->accepting = refuse_it;
    listen_bare(world, "avoid", "avoid", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    raw_say(&raw, "please\n");
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, ECONNRESET);
    assert_int_equal(world->server.seen[HAWSER_ACCEPTED], 1);
    raw_close(&raw);
}

static void one_that_nobody_takes_is_reset(void **state)
{
    struct world *world = *state;
    struct raw raw;

    world->leave = true;
    listen_bare(world, "avoid", "avoid", "lines", *HAWSER_LISTEN());
    raw = raw_connect(world);
    raw_say(&raw, "please\n");
    until(world, raw_over(&raw));
    assert_int_equal(raw.error, ECONNRESET);
    raw_close(&raw);
}

static void those_that_say_nothing_are_bounded(void **state)
{
    struct world *world = *state;
    struct raw raw[6];
    unsigned over = 0;

    listen_bare(world, "prefer", "avoid", "lines", *HAWSER_LISTEN(.max_handshakes = 4));
    for (size_t i = 0; i < 6; i++)
        raw[i] = raw_connect(world);
    until(world, (over = raw_over(&raw[0]) + raw_over(&raw[1])) == 2); /* the oldest went for the newest */
    for (size_t i = 2; i < 6; i++)
        assert_false(raw_over(&raw[i]));
    hawser_association_unref(world->listener); /* a listener that closes lets go of the others */
    world->listener = NULL;
    for (size_t i = 2; i < 6; i++)
        until(world, raw_over(&raw[i]));
    for (size_t i = 0; i < 6; i++)
        raw_close(&raw[i]);
}

static void what_cannot_be_is_said(void **state)
{
    struct world *world = *state;
    hawser_properties *properties;
    hawser_framer framer = {.version = 99, .name = "wrong"};
    hawser_association *listener;

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    assert_int_equal(
        hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.properties = properties), &listener),
        -HAWSER_EPROPERTY); /* hawser/1, required by default, is encrypted */
    assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.framer = &framer), &listener),
                     -EINVAL);
    hawser_properties_unref(properties);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(by_default_none_is_taken),
        api_test(a_plain_client_is_named_by_its_address),
        api_test(lines_come_in_and_answers_go_out),
        api_test(hawsers_own_clients_are_served_beside_them),
        api_test(a_client_that_waits_for_the_server_is_plain_after_a_while),
        api_test(without_security_nothing_is_waited_for_and_tls_is_bytes),
        api_test(one_byte_of_a_handshake_is_not_taken_for_the_whole),
        api_test(tls_clients_come_with_the_versions_they_have),
        api_test(one_that_is_refused_is_reset),
        api_test(one_that_nobody_takes_is_reset),
        api_test(those_that_say_nothing_are_bounded),
        api_test(what_cannot_be_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
