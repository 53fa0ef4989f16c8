/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: each host and port of a service's SRV records is a member of its crew, with its priority; a service that is not there is
 * told and asked for again; and members that appear later join when one is lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hawser/crew.h>

#include "association/association.h"
#include "dns_server.h"
#include "endpoint/resolver.h"
#include "loop/loop.h"

#define PATIENCE 20000000
#define PEERS 3

struct work_peer {
    hawser_association *listener, *line;
    unsigned port, received;
    char srv[64]; /* the record's data */
};

struct fixture {
    hawser_context *context;
    struct dns_server server;
    struct dns_entry entries[3];
    char directory[64], conf[96];
    hawser_identity *identity;
    struct work_peer peers[PEERS];
    hawser_crew *crew;
    unsigned joined, lost, failed, acked, closed;
    unsigned priority; /* of who acked last */
};

static void on_message(const hawser_event *event, void *user)
{
    struct work_peer *peer = user;

    (void)event;
    peer->received++;
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct work_peer *peer = user;

    hawser_association_unref(peer->line);
    peer->line = hawser_association_ref(event->accepted.association);
    hawser_register(peer->line, HAWSER_RECEIVED, on_message, peer);
}

static void on_crew(const hawser_crew_event *event, void *user)
{
    struct fixture *f = user;

    f->joined += event->type == HAWSER_CREW_JOINED;
    f->lost += event->type == HAWSER_CREW_LOST;
    f->closed += event->type == HAWSER_CREW_CLOSED;
    f->failed += event->type == HAWSER_CREW_FAILED && !event->member;
    if (event->type == HAWSER_CREW_OUTCOME && event->kind == HAWSER_ACKED) {
        f->acked++;
        f->priority = event->member ? event->member->priority : 0;
    }
}

/* SRV: priority, weight, port, and the target host.example, whose address is this host's. */
static void peer_start(struct fixture *f, unsigned index, unsigned priority)
{
    static const char target[] = "\4host\7example"; /* with its last NUL */
    struct work_peer *peer = &f->peers[index];

    assert_int_equal(hawser_listen(f->context, "127.0.0.1:0",
                                   HAWSER_LISTEN(.identity = f->identity, .stack = "tls/tcp"), &peer->listener),
                     0);
    hawser_register(peer->listener, HAWSER_ACCEPTED, on_accepted, peer);
    peer->port = (unsigned)atoi(strrchr(hawser_association_endpoint(peer->listener), ':') + 1);
    peer->srv[1] = (char)priority;
    peer->srv[4] = (char)(peer->port >> 8);
    peer->srv[5] = (char)peer->port;
    memcpy(peer->srv + 6, target, sizeof target);
    f->entries[0].extra[index] = (struct dns_extra){DNS_SRV, 1, peer->srv, 6 + sizeof target};
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    FILE *file;

    assert_non_null(f);
    strcpy(f->directory, "/tmp/test_crew.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->conf, sizeof f->conf, "%s/resolv.conf", f->directory);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &f->context), 0);
    assert_int_equal(hawser_identity_new(&f->identity), 0);
    f->entries[0].name = "_work._tcp.example";
    f->entries[0].ttl = 1;
    f->entries[1] = (struct dns_entry){.name = "host.example", .v4 = {"127.0.0.1"}};
    dns_server_start(&f->server, f->context, f->entries);
    file = fopen(f->conf, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "nameserver 127.0.0.1@%u\n", f->server.port) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(resolver_set_files(f->context, &(struct resolver_files){.hosts = "/dev/null",
                                                                             .resolv_conf = f->conf,
                                                                             .nsswitch = "/dev/null",
                                                                             .trust_anchors = ""}),
                     0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    hawser_crew_unref(f->crew);
    for (unsigned i = 0; i < PEERS; i++) {
        hawser_association_unref(f->peers[i].line);
        hawser_association_unref(f->peers[i].listener);
    }
    dns_server_stop(&f->server);
    hawser_identity_unref(f->identity);
    hawser_context_unref(f->context);
    remove(f->conf);
    assert_int_equal(remove(f->directory), 0);
    free(f);
    return 0;
}

#define until(condition)                                                                                               \
    do {                                                                                                               \
        int64_t until_end = loop_clock() + PATIENCE;                                                                   \
        while (!(condition)) {                                                                                         \
            assert_true(loop_clock() < until_end);                                                                     \
            assert_true(hawser_iterate(f->context, 100000) >= 0);                                                      \
        }                                                                                                              \
    } while (0)

/* Of the service, and of one that is named beside it. */
static void crew_beside(struct fixture *f, const char *named)
{
    assert_int_equal(hawser_crew_associate(f->context, "_work._tcp.example",
                                           HAWSER_CREW(.endpoints = &named, .endpoint_count = 1, .fn = on_crew,
                                                       .user = f, .associate = HAWSER_ASSOCIATE(.trust = "any")),
                                           &f->crew),
                     0);
}

/* The domain of the service says whom to believe of its members, and nothing of one that is named beside it. */
static void test_a_named_member_goes_by_its_own_name(void **state)
{
    struct fixture *f = *state;
    const char *named;
    hawser_crew_member member;

    peer_start(f, 0, 5);
    peer_start(f, 1, 5);
    f->entries[0].extra[1] = (struct dns_extra){0}; /* of the service is the first alone */
    named = hawser_association_endpoint(f->peers[1].listener);
    crew_beside(f, named);
    until(f->joined == 2);
    assert_int_equal(hawser_crew_get_member(f->crew, 0, &member), 0);
    assert_string_equal(member.endpoint, named);
    assert_string_not_equal(member.association->secure->tls.server_name, "example");
    assert_int_equal(hawser_crew_get_member(f->crew, 1, &member), 0);
    assert_string_equal(member.association->secure->tls.server_name, "example");
}

/* That somebody is there who was named does not make the service found. */
static void test_a_service_is_asked_for_again_beside_named_members(void **state)
{
    struct fixture *f = *state;
    const char *named;

    peer_start(f, 1, 5);
    f->entries[0].extra[1] = (struct dns_extra){0};
    named = hawser_association_endpoint(f->peers[1].listener);
    crew_beside(f, named);
    until(f->joined == 1 && f->failed == 1);
    peer_start(f, 0, 5);
    until(f->joined == 2);
}

/* The peers show one key, which is asked for: so no name has to be verified. */
static void open_crew(struct fixture *f)
{
    char service[200];

    snprintf(service, sizeof service, "%s@_work._tcp.example", hawser_identity_name(f->identity));
    assert_int_equal(hawser_crew_associate(f->context, service, HAWSER_CREW(.fn = on_crew, .user = f), &f->crew), 0);
}

/* Closing waits for those who have still to be found, since they may take what was sent before. */
static void test_what_was_sent_before_it_was_closed_goes_to_whom_is_found(void **state)
{
    struct fixture *f = *state;

    peer_start(f, 0, 5);
    open_crew(f);
    assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ONE, "work", 4, NULL, NULL), 0);
    assert_int_equal(hawser_crew_close(f->crew), 0);
    until(f->closed);
    assert_int_equal(f->acked, 1);
    assert_int_equal(f->peers[0].received, 1);
}

static void test_each_record_is_a_member(void **state)
{
    struct fixture *f = *state;
    hawser_crew_member member;
    char expected[200];

    peer_start(f, 0, 5);
    peer_start(f, 1, 7);
    open_crew(f);
    assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ALL, "early", 5, NULL, NULL),
                     0); /* before anybody is known */
    until(f->joined == 2 && f->acked == 1);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ONE, "work", 4, NULL, NULL), 0);
    until(f->acked == 11);
    assert_int_equal(f->priority, 5); /* while the first is there nobody else is asked */
    assert_true(f->peers[0].received >= 10);
    assert_int_equal(hawser_crew_get_member(f->crew, 0, &member), 0);
    snprintf(expected, sizeof expected, "%s@host.example:%u", hawser_identity_name(f->identity),
             f->peers[member.priority == 5 ? 0 : 1].port);
    assert_string_equal(member.endpoint, expected);
    assert_int_equal(hawser_crew_get_member(f->crew, 2, &member), -ENOENT);
}

static void test_others_are_found_when_one_is_lost(void **state)
{
    struct fixture *f = *state;

    peer_start(f, 0, 5);
    open_crew(f);
    until(f->joined == 1 && f->peers[0].line);
    peer_start(f, 2, 9);
    f->entries[0].extra[1] = f->entries[0].extra[2]; /* records without a gap */
    hawser_close(f->peers[0].listener, 0, NULL);
    assert_int_equal(hawser_abort(f->peers[0].line, 0, "gone"), 0);
    until(f->lost == 1 && f->joined == 2);
    assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ONE, "work", 4, NULL, NULL), 0);
    until(f->acked == 1);
    assert_int_equal(f->peers[2].received, 1);
}

/* Who has gone from the records and does not answer is no member any more, and makes room for another. */
static void test_who_is_gone_is_dropped(void **state)
{
    struct fixture *f = *state;
    hawser_crew_member member;

    peer_start(f, 0, 5);
    peer_start(f, 1, 7);
    open_crew(f);
    until(f->joined == 2 && f->peers[1].line);
    f->entries[0].extra[1] = (struct dns_extra){0};
    hawser_close(f->peers[1].listener, 0, NULL);
    assert_int_equal(hawser_abort(f->peers[1].line, 0, "gone"), 0);
    until(f->lost == 1);
    until(hawser_crew_get_member(f->crew, 1, &member) == -ENOENT);
    assert_int_equal(hawser_crew_get_member(f->crew, 0, &member), 0);
    assert_int_equal(member.priority, 5);
    assert_int_equal(member.state, HAWSER_CREW_UP);
    assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ALL, "work", 4, NULL, NULL), 0);
    until(f->acked == 1);
}

static void test_what_is_not_there_is_asked_for_again(void **state)
{
    struct fixture *f = *state;

    open_crew(f); /* the name has no SRV record */
    assert_int_equal(hawser_crew_send(f->crew, HAWSER_CREW_ONE, "work", 4, NULL, NULL), 0);
    until(f->failed >= 2);
    peer_start(f, 0, 1);
    until(f->acked == 1);
    assert_int_equal(f->peers[0].received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_record_is_a_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others_are_found_when_one_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_named_member_goes_by_its_own_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_service_is_asked_for_again_beside_named_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_sent_before_it_was_closed_goes_to_whom_is_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_gone_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_there_is_asked_for_again, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
