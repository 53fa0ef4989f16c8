/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: a crew holds a line to each of several peers; messages go to one of them or to all; whoever is lost is told, missed by
 * nobody, and had again; what only a lost member had is asked of another, where it may be; and every message has one outcome.
 * (S1.30)
 */
#include "api.h"

#include <hawser/crew.h>

#define SIZE 4

/* A server of its own context and identity, as another host would have them. */
struct server {
    const char *refuses; /* why; NULL: it does not */
    hawser_context *context;
    hawser_identity *identity;
    hawser_association *listener, *line;
    char where[64], endpoint[200];
    unsigned received;
    bool mute; /* takes nothing: what is sent waits for credit, or unsettled */
};

struct told { /* by the crew */
    unsigned joined, lost, failed, closed, writable;
    unsigned outcomes, acked, expired, send_failed, maybe;
    hawser_crew_event last; /* outcome */
    unsigned lost_id, by[SIZE + 1];
};

struct fleet {
    struct server servers[SIZE];
    const char *endpoints[SIZE];
    hawser_crew *crew;
    struct told told;
};

static void on_work(const hawser_event *event, void *user)
{
    struct server *server = user;

    if (server->refuses)
        (void)hawser_refuse(event->association, event->received.id, server->refuses);
    else
        server->received++;
}

static void on_line_closed(const hawser_event *event, void *user)
{
    struct server *server = user;

    if (server->line == event->association)
        server->line = NULL;
    hawser_association_unref(event->association);
}

static void on_server_accepted(const hawser_event *event, void *user)
{
    struct server *server = user;

    server->line = hawser_association_ref(event->accepted.association);
    hawser_register(server->line, HAWSER_RECEIVED, on_work, server);
    hawser_register(server->line, HAWSER_CLOSED, on_line_closed, server);
    if (server->mute)
        assert_int_equal(hawser_pause(server->line), 0);
}

static void server_start(struct server *server)
{
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &server->context), 0);
    if (!server->identity)
        assert_int_equal(hawser_identity_new(&server->identity), 0);
    assert_int_equal(hawser_listen(server->context, *server->where ? server->where : "127.0.0.1:0",
                                   HAWSER_LISTEN(.identity = server->identity, .stack = "tls/tcp"), &server->listener),
                     0);
    assert_int_equal(hawser_register(server->listener, HAWSER_ACCEPTED, on_server_accepted, server), 0);
    snprintf(server->where, sizeof server->where, "%s", hawser_association_endpoint(server->listener));
    snprintf(server->endpoint, sizeof server->endpoint, "%s@%s", hawser_identity_name(server->identity), server->where);
}

/* As if its host were switched off and another process told of it. */
static void server_stop(struct server *server)
{
    hawser_association_unref(server->listener);
    if (server->line)
        hawser_association_unref(server->line);
    server->listener = server->line = NULL;
    hawser_context_unref(server->context);
    server->context = NULL;
}

static void on_crew(const hawser_crew_event *event, void *user)
{
    struct told *told = user;

    assert_int_equal(told->closed, 0); /* nothing follows */
    assert_non_null(event->reason);
    switch (event->type) {
    case HAWSER_CREW_JOINED:
        assert_int_equal(event->member->state, HAWSER_CREW_UP);
        assert_non_null(event->member->association);
        told->joined++;
        break;
    case HAWSER_CREW_LOST:
        told->lost++;
        told->lost_id = event->member->id;
        break;
    case HAWSER_CREW_FAILED:
        assert_int_not_equal(event->code, 0);
        told->failed++;
        break;
    case HAWSER_CREW_OUTCOME:
        told->outcomes++;
        told->acked += event->kind == HAWSER_ACKED;
        told->expired += event->kind == HAWSER_EXPIRED;
        told->send_failed += event->kind == HAWSER_SEND_FAILED;
        told->maybe += event->maybe_delivered;
        if (event->member)
            told->by[event->member->id]++;
        told->last = *event;
        break;
    case HAWSER_CREW_WRITABLE:
        told->writable++;
        break;
    case HAWSER_CREW_CLOSED:
        told->closed++;
        break;
    }
}

static void step(struct world *world, struct fleet *fleet)
{
    assert_true(hawser_iterate(world->client_context, 2000) >= 0);
    for (unsigned i = 0; i < SIZE; i++)
        if (fleet->servers[i].context)
            assert_true(hawser_iterate(fleet->servers[i].context, 0) >= 0);
}

#define until_fleet(condition)                                                                                         \
    do {                                                                                                               \
        int64_t until_fleet_end = clock_now() + PATIENCE;                                                              \
        while (!(condition)) {                                                                                         \
            assert_true(clock_now() < until_fleet_end);                                                                \
            step(world, &fleet);                                                                                       \
        }                                                                                                              \
    } while (0)

static void fleet_start(struct fleet *fleet)
{
    memset(fleet, 0, sizeof *fleet);
    for (unsigned i = 0; i < SIZE; i++) {
        server_start(&fleet->servers[i]);
        fleet->endpoints[i] = fleet->servers[i].endpoint;
    }
}

static void crew_start(struct world *world, struct fleet *fleet, const hawser_crew_options *options)
{
    hawser_crew_options own = options ? *options : *HAWSER_CREW();

    own.endpoints = fleet->endpoints;
    own.endpoint_count = SIZE;
    own.fn = on_crew;
    own.user = &fleet->told;
    assert_int_equal(hawser_crew_associate(world->client_context, NULL, &own, &fleet->crew), 0);
}

static void fleet_end(struct fleet *fleet)
{
    hawser_crew_unref(fleet->crew);
    for (unsigned i = 0; i < SIZE; i++) {
        if (fleet->servers[i].context)
            server_stop(&fleet->servers[i]);
        hawser_identity_unref(fleet->servers[i].identity);
    }
}

static hawser_message_id send_to(struct fleet *fleet, hawser_crew_whom whom, const hawser_message_options *options)
{
    hawser_message_id id;

    assert_int_equal(hawser_crew_send(fleet->crew, whom, "work", 4, options, &id), 0);
    return id;
}

static unsigned received_by_all(const struct fleet *fleet)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SIZE; i++)
        count += fleet->servers[i].received;
    return count;
}

/* ------------------------------------------------------------------------------------------------------- one and all */

static void one_or_all_of_four(void **state)
{
    struct world *world = *state;
    hawser_crew_member member;
    struct fleet fleet;

    fleet_start(&fleet);
    crew_start(world, &fleet, NULL);
    for (unsigned i = 0; i < SIZE; i++) {
        assert_int_equal(hawser_crew_get_member(fleet.crew, i, &member), 0);
        assert_string_equal(member.endpoint, fleet.endpoints[i]);
        assert_int_equal(member.id, i + 1);
        assert_int_equal(member.state, HAWSER_CREW_OPENING);
    }
    assert_int_equal(hawser_crew_get_member(fleet.crew, SIZE, &member), -ENOENT);
    assert_int_equal(send_to(&fleet, HAWSER_CREW_ONE, NULL), 1); /* waits for the first that is up */
    until_fleet(fleet.told.joined == SIZE && fleet.told.acked == 1);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(send_to(&fleet, HAWSER_CREW_ONE, NULL), i + 2);
    until_fleet(fleet.told.acked == 41);
    assert_int_equal(received_by_all(&fleet), 41);
    for (unsigned i = 0; i < SIZE; i++) { /* each has its share, and the outcome says whose it was */
        assert_in_range(fleet.servers[i].received, 10, 11);
        assert_int_equal(fleet.told.by[i + 1], fleet.servers[i].received);
    }
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    until_fleet(fleet.told.acked == 42);
    assert_int_equal(fleet.told.last.delivered, SIZE);
    assert_null(fleet.told.last.member);
    assert_int_equal(received_by_all(&fleet), 41 + SIZE);
    assert_int_equal(hawser_crew_close(fleet.crew), 0);
    assert_int_equal(hawser_crew_send(fleet.crew, HAWSER_CREW_ONE, "x", 1, NULL, NULL), -ESHUTDOWN);
    until_fleet(fleet.told.closed);
    assert_int_equal(fleet.told.lost + fleet.told.failed, 0);
    fleet_end(&fleet);
}

/* ------------------------------------------------------------------------------------------------------------- loss */

static void one_of_four_is_lost_and_comes_back(void **state)
{
    struct world *world = *state;
    hawser_crew_member member;
    struct fleet fleet;

    fleet_start(&fleet);
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE);
    server_stop(&fleet.servers[2]);
    until_fleet(fleet.told.lost == 1);
    assert_int_equal(fleet.told.lost_id, 3);
    for (unsigned i = 0; i < 30; i++)
        send_to(&fleet, HAWSER_CREW_ONE, NULL);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    until_fleet(fleet.told.acked == 31);
    assert_int_equal(fleet.told.last.delivered, SIZE - 1);
    assert_int_equal(fleet.told.by[3], 0);
    assert_int_equal(hawser_crew_get_member(fleet.crew, 2, &member), 0);
    assert_int_not_equal(member.state, HAWSER_CREW_UP);
    server_start(&fleet.servers[2]); /* at the same place, with the same key */
    until_fleet(fleet.told.joined == SIZE + 1);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    until_fleet(fleet.told.acked == 32);
    assert_int_equal(fleet.told.last.delivered, SIZE);
    assert_int_equal(fleet.servers[2].received, 1);
    fleet_end(&fleet);
}

/* What a member had, and did not say that it has, when it was lost. */
static void what_a_lost_member_had_is_asked_of_another(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    fleet_start(&fleet);
    for (unsigned i = 0; i < SIZE; i++)
        fleet.servers[i].mute = true; /* nobody says anything, so that it is known who has what */
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE && fleet.servers[0].line && fleet.servers[1].line && fleet.servers[2].line &&
                fleet.servers[3].line);
    for (unsigned i = 0; i < 4; i++) { /* one each that may come twice, and one that may not */
        send_to(&fleet, HAWSER_CREW_ONE, HAWSER_MESSAGE(.safely_replayable = true));
    }
    for (unsigned i = 0; i < 4; i++)
        send_to(&fleet, HAWSER_CREW_ONE, NULL);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    for (unsigned i = 0; i < 50; i++) /* they are under way */
        step(world, &fleet);
    assert_int_equal(fleet.told.outcomes, 0);
    server_stop(&fleet.servers[1]);
    until_fleet(fleet.told.lost == 1 && fleet.told.outcomes == 1);
    assert_int_equal(fleet.told.send_failed, 1); /* it may have come, and must not come twice */
    assert_int_equal(fleet.told.maybe, 1);
    assert_true(fleet.told.last.code < 0);
    for (unsigned i = 0; i < SIZE; i++)
        if (fleet.servers[i].line)
            assert_int_equal(hawser_resume(fleet.servers[i].line), 0);
    until_fleet(fleet.told.outcomes == 9);
    assert_int_equal(fleet.told.acked, 8);
    assert_int_equal(fleet.told.by[2], 0);
    assert_int_equal(received_by_all(&fleet), 4 + 3 + 3); /* replayable: all four; others: three; to all: three */
    fleet_end(&fleet);
}

/* The program takes a member's line out of this process: its outcomes come elsewhere, and the crew does not wait for them. */
static void a_member_is_moved_away(void **state)
{
    struct world *world = *state;
    hawser_identity *identity;
    hawser_crew_member member;
    struct fleet fleet;
    size_t size;
    void *blob;
    int r;

    fleet_start(&fleet);
    assert_int_equal(hawser_identity_new(&identity), 0);
    for (unsigned i = 0; i < SIZE; i++)
        fleet.servers[i].mute = true;
    crew_start(world, &fleet, HAWSER_CREW(.associate = HAWSER_ASSOCIATE(.identity = identity)));
    until_fleet(fleet.told.joined == SIZE && fleet.servers[0].line);
    for (unsigned i = 0; i < SIZE; i++) /* each has one */
        send_to(&fleet, HAWSER_CREW_ONE, NULL);
    until_fleet(hawser_crew_get_member(fleet.crew, 0, &member) == 0 && member.under_way > 0);
    while ((r = hawser_association_export(member.association, NULL, &blob, &size)) == -EAGAIN)
        step(world, &fleet);
    assert_int_equal(r, 0);
    free(blob);
    until_fleet(fleet.told.lost == 1 && fleet.told.maybe == member.under_way);
    assert_int_equal(fleet.told.last.code, -HAWSER_EMOVED);
    fleet_end(&fleet);
    hawser_identity_unref(identity);
}

/* Who says no has spoken: nobody else is asked in its place. */
static void a_member_refuses(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    fleet_start(&fleet);
    fleet.servers[1].refuses = "not for me";
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    until_fleet(fleet.told.outcomes == 1);
    assert_int_equal(fleet.told.send_failed, 1);
    assert_int_equal(fleet.told.last.code, -HAWSER_EREFUSED);
    assert_int_equal(fleet.told.last.delivered, SIZE - 1);
    assert_int_equal(fleet.told.maybe, 0);
    for (unsigned i = 0; i < SIZE; i++)
        send_to(&fleet, HAWSER_CREW_ONE, HAWSER_MESSAGE(.safely_replayable = true));
    until_fleet(fleet.told.outcomes == 1 + SIZE);
    assert_int_equal(fleet.told.acked, SIZE - 1);
    assert_int_equal(fleet.told.send_failed, 2);
    fleet_end(&fleet);
}

/* All that had it are lost: it is not known whether it came. */
static void all_are_lost_with_it(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    fleet_start(&fleet);
    for (unsigned i = 0; i < SIZE; i++)
        fleet.servers[i].mute = true;
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE && fleet.servers[0].line && fleet.servers[1].line && fleet.servers[2].line &&
                fleet.servers[3].line);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    send_to(&fleet, HAWSER_CREW_ALL, HAWSER_MESSAGE(.safely_replayable = true));
    for (unsigned i = 0; i < 50; i++)
        step(world, &fleet);
    for (unsigned i = 0; i < SIZE; i++) {
        server_stop(&fleet.servers[i]);
        fleet.servers[i].mute = false;
    }
    until_fleet(fleet.told.lost == SIZE && fleet.told.outcomes == 1);
    assert_int_equal(fleet.told.maybe, 1);
    assert_int_equal(fleet.told.last.lost, SIZE);
    assert_int_equal(fleet.told.last.delivered, 0);
    server_start(&fleet.servers[3]); /* what may come twice goes to whoever is there again */
    until_fleet(fleet.told.acked == 1);
    assert_int_equal(fleet.servers[3].received, 1);
    fleet_end(&fleet);
}

static void start_with_nobody(struct world *world, struct fleet *fleet)
{
    fleet_start(fleet);
    for (unsigned i = 0; i < SIZE; i++)
        server_stop(&fleet->servers[i]);
    crew_start(world, fleet, NULL);
}

static void nobody_is_up_and_a_lifetime_ends(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    start_with_nobody(world, &fleet);
    until_fleet(fleet.told.failed >= SIZE);
    send_to(&fleet, HAWSER_CREW_ONE, HAWSER_MESSAGE(.lifetime_us = 50000));
    send_to(&fleet, HAWSER_CREW_ALL, HAWSER_MESSAGE(.lifetime_us = 60000));
    send_to(&fleet, HAWSER_CREW_ALL, NULL); /* waits as long as it takes */
    until_fleet(fleet.told.expired == 2);
    assert_int_equal(fleet.told.outcomes, 2);
    server_start(&fleet.servers[0]);
    until_fleet(fleet.told.acked == 1);
    assert_int_equal(fleet.told.last.delivered, 1);
    assert_int_equal(fleet.servers[0].received, 1);
    fleet_end(&fleet);
}

/* One of all takes no more, and the others do not answer: nothing is to be done until somebody does. */
static void a_lifetime_ends_before_all_could_take_it(void **state)
{
    static const uint8_t bytes[100000];
    struct world *world = *state;
    hawser_crew_member member;
    struct fleet fleet;
    unsigned rounds = 0;

    fleet_start(&fleet);
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE);
    assert_int_equal(hawser_crew_get_member(fleet.crew, 0, &member), 0);
    while (hawser_send(member.association, bytes, sizeof bytes, NULL, NULL) == 0)
        assert_true(hawser_iterate(world->client_context, 0) >= 0);
    send_to(&fleet, HAWSER_CREW_ALL, HAWSER_MESSAGE(.lifetime_us = 100000));
    for (int64_t end = clock_now() + 400000; clock_now() < end; rounds++) /* the servers stand still */
        assert_true(hawser_iterate(world->client_context, 100000) >= 0);
    assert_in_range(rounds, 1, 100);
    assert_int_equal(fleet.told.outcomes, 0);
    until_fleet(fleet.told.outcomes == 1);
    assert_int_equal(fleet.told.expired, 1);
    fleet_end(&fleet);
}

static void closing_ends_what_nobody_can_take(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    start_with_nobody(world, &fleet);
    send_to(&fleet, HAWSER_CREW_ONE, NULL);
    assert_int_equal(hawser_crew_close(fleet.crew), 0);
    until_fleet(fleet.told.closed);
    assert_int_equal(fleet.told.send_failed, 1);
    assert_int_equal(fleet.told.last.code, -ECANCELED);
    assert_int_equal(fleet.told.maybe, 0);
    fleet_end(&fleet);
}

/* ------------------------------------------------------------------------------------------------------- the rest */

static void what_waits_is_bounded(void **state)
{
    static const uint8_t bytes[1000];
    struct world *world = *state;
    struct fleet fleet;
    unsigned sent = 0;
    int r;

    fleet_start(&fleet);
    crew_start(world, &fleet, HAWSER_CREW(.queue = 100000));
    while ((r = hawser_crew_send(fleet.crew, HAWSER_CREW_ONE, bytes, sizeof bytes, NULL, NULL)) == 0)
        sent++;
    assert_int_equal(r, -EAGAIN);
    assert_in_range(sent, 80, 100);
    until_fleet(fleet.told.writable == 1 && fleet.told.acked == sent);
    assert_int_equal(received_by_all(&fleet), sent);
    fleet_end(&fleet);
}

static void answers_are_gathered(void **state)
{
    struct world *world = *state;
    hawser_gathering *gathering;
    hawser_gathered next;
    struct fleet fleet;
    int r = -EAGAIN;

    fleet_start(&fleet);
    assert_int_equal(hawser_gathering_new(world->client_context, NULL, &gathering), 0);
    crew_start(world, &fleet, HAWSER_CREW(.gathering = gathering));
    until_fleet(fleet.told.joined == SIZE && fleet.servers[0].line && fleet.servers[3].line);
    assert_int_equal(hawser_send(fleet.servers[3].line, "from four", 9, NULL, NULL), 0);
    until_fleet((r = hawser_gathering_next(gathering, 0, &next)) == 0);
    assert_string_equal(hawser_association_endpoint(next.source), fleet.endpoints[3]);
    hawser_message_unref(next.message);
    server_stop(&fleet.servers[0]);
    until_fleet((r = hawser_gathering_next(gathering, 0, &next)) == 0);
    assert_null(next.message);
    server_start(&fleet.servers[0]); /* and from its next line, too */
    until_fleet(fleet.told.joined == SIZE + 1 && fleet.servers[0].line);
    assert_int_equal(hawser_send(fleet.servers[0].line, "again", 5, NULL, NULL), 0);
    until_fleet((r = hawser_gathering_next(gathering, 0, &next)) == 0);
    assert_int_equal(next.received.size, 5);
    hawser_message_unref(next.message);
    fleet_end(&fleet);
    hawser_gathering_unref(gathering);
}

static void wrong_uses_are_refused(void **state)
{
    static const char *const alike[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"};
    static const hawser_message_id antecedent = 1;
    struct world *world = *state;
    hawser_crew *crew;

    assert_int_equal(hawser_crew_associate(world->client_context, NULL, NULL, &crew), -EINVAL);
    assert_int_equal(hawser_crew_associate(world->client_context, "no such : thing", NULL, &crew), -HAWSER_EENDPOINT);
    assert_int_equal(hawser_crew_associate(world->client_context, NULL,
                                           HAWSER_CREW(.endpoints = alike, .endpoint_count = 3, .max_members = 2),
                                           &crew),
                     -E2BIG);
    assert_int_equal(hawser_crew_associate(world->client_context, alike[0],
                                           HAWSER_CREW(.associate = HAWSER_ASSOCIATE(.server_name = "example.org")),
                                           &crew),
                     -EOPNOTSUPP);
    assert_int_equal(hawser_crew_associate(world->client_context, alike[0],
                                           HAWSER_CREW(.associate = HAWSER_ASSOCIATE(.trust = "nonsense")), &crew),
                     -HAWSER_ETRUST);
    assert_int_equal(hawser_crew_associate(world->client_context, alike[0],
                                           HAWSER_CREW(.associate = HAWSER_ASSOCIATE(.trust = "any")), &crew),
                     0);
    assert_int_equal(hawser_crew_send(crew, HAWSER_CREW_ONE, "x", 1, HAWSER_MESSAGE(.ordered = true), NULL),
                     -EOPNOTSUPP);
    assert_int_equal(hawser_crew_send(crew, HAWSER_CREW_ONE, "x", 1,
                                      HAWSER_MESSAGE(.antecedents = &antecedent, .antecedent_count = 1), NULL),
                     -EOPNOTSUPP);
    assert_int_equal(hawser_crew_send(crew, HAWSER_CREW_ONE, "x", 1, HAWSER_MESSAGE(.strand = 1), NULL), -EOPNOTSUPP);
    assert_int_equal(hawser_crew_send(crew, HAWSER_CREW_ONE, "x", 1, HAWSER_MESSAGE(.niceness = 200), NULL), -EINVAL);
    assert_int_equal(hawser_crew_send(crew, (hawser_crew_whom)9, "x", 1, NULL, NULL), -EINVAL);
    hawser_crew_unref(crew);
}

static void the_end_of_the_context_ends_it(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    fleet_start(&fleet);
    crew_start(world, &fleet, NULL);
    until_fleet(fleet.told.joined == SIZE);
    send_to(&fleet, HAWSER_CREW_ALL, NULL);
    hawser_context_unref(world->client_context);
    assert_int_equal(hawser_crew_send(fleet.crew, HAWSER_CREW_ONE, "x", 1, NULL, NULL), -ESHUTDOWN);
    fleet_end(&fleet);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
}

static void let_go_from_within(const hawser_crew_event *event, void *user)
{
    hawser_crew **crew = user;

    assert_non_null(*crew); /* it is told nothing more */
    (void)event;
    *crew = hawser_crew_unref(*crew);
}

static void it_may_be_let_go_inside_of_its_handler(void **state)
{
    struct world *world = *state;
    struct fleet fleet;

    fleet_start(&fleet);
    assert_int_equal(hawser_crew_associate(world->client_context, NULL,
                                           HAWSER_CREW(.endpoints = fleet.endpoints, .endpoint_count = SIZE,
                                                       .fn = let_go_from_within, .user = &fleet.crew),
                                           &fleet.crew),
                     0);
    for (unsigned i = 0; i < 10; i++) /* each outcome would be told, and in one go */
        send_to(&fleet, HAWSER_CREW_ALL, NULL);
    until_fleet(!fleet.crew);
    assert_int_equal(hawser_run(world->client_context), 0); /* nothing of it holds the loop */
    fleet_end(&fleet);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        api_test(one_or_all_of_four),
        api_test(one_of_four_is_lost_and_comes_back),
        api_test(what_a_lost_member_had_is_asked_of_another),
        api_test(a_member_is_moved_away),
        api_test(a_member_refuses),
        api_test(all_are_lost_with_it),
        api_test(nobody_is_up_and_a_lifetime_ends),
        api_test(a_lifetime_ends_before_all_could_take_it),
        api_test(closing_ends_what_nobody_can_take),
        api_test(what_waits_is_bounded),
        api_test(answers_are_gathered),
        api_test(wrong_uses_are_refused),
        api_test(the_end_of_the_context_ends_it),
        api_test(it_may_be_let_go_inside_of_its_handler),
    };

    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
