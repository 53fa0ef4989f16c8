/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about messages that the seeds make and no other test holds us to. docs/seeds.md says which is which. */
#include "../api/api.h"

#include <pthread.h>

/* ------------------------------------------------------------------- S1.11: whole, once, with their boundaries intact */

#define MANY 100000

struct tally {
    uint8_t came[MANY];
    size_t count, wrong;
    bool room; /* HAWSER_WRITABLE came */
};

/* Most are small, some are large, and every size is possible. */
static size_t size_of(unsigned id)
{
    uint32_t spread = id * 2654435761u;

    return spread % 1000 == 0 ? (spread >> 8) % 300000 : (spread >> 8) % (spread % 10 == 0 ? 20000 : 600);
}

static void tally_received(const hawser_event *event, void *user)
{
    static char expected[300000];
    struct tally *tally = user;
    const hawser_received *received = &event->received;

    assert_in_range(received->id, 1, MANY);
    tally->wrong += tally->came[received->id - 1];
    tally->came[received->id - 1] = 1;
    tally->count++;
    fill(expected, size_of((unsigned)received->id), (unsigned)received->id);
    if (received->size != size_of((unsigned)received->id) || memcmp(received->data, expected, received->size) != 0)
        tally->wrong++;
}

static void tally_writable(const hawser_event *event, void *user)
{
    (void)event;
    ((struct tally *)user)->room = true;
}

static void count_settled(const hawser_event *event, void *user)
{
    assert_int_equal(event->outcome.kind, HAWSER_ACKED);
    *(uint64_t *)user += event->outcome.count;
}

static void send_many(struct world *world, struct tally *tally)
{
    char *data = malloc(300000);

    for (unsigned id = 1; id <= MANY;) {
        fill(data, size_of(id), id);
        int r = hawser_send(world->client.line, data, size_of(id), NULL, NULL);
        if (r == 0) {
            id++;
            continue;
        }
        assert_int_equal(r, -EAGAIN);
        tally->room = false;
        until(world, tally->room);
    }
    free(data);
}

static void a_hundred_thousand_of_random_size(struct world *world)
{
    struct tally *tally = calloc(1, sizeof *tally);
    uint64_t settled = 0;

    world_connect(world);
    hawser_register(world->server.line, HAWSER_RECEIVED, tally_received, tally);
    hawser_register(world->client.line, HAWSER_WRITABLE, tally_writable, tally);
    hawser_register(world->client.line, HAWSER_OUTCOME, count_settled, &settled);
    send_many(world, tally);
    until(world, settled == MANY);
    assert_int_equal(tally->count, MANY);
    assert_int_equal(tally->wrong, 0);
    free(tally);
}

static void random_sizes_over_tcp(void **state)
{
    a_hundred_thousand_of_random_size(*state);
}

static void random_sizes_over_unix_sockets(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "line"), endpoint[128];

    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    free(path);
    world_listen_at(world, endpoint, NULL);
    a_hundred_thousand_of_random_size(world);
}

/* -------------------------------------------------------- S1.13, S1.17: several sources, one handler, no order between */

#define SOURCES 3
#define EACH 40

struct gathered {
    hawser_association *lines[SOURCES];
    hawser_association *ends[SOURCES]; /* the servers' */
    size_t from[SOURCES], total;
};

static void gather(const hawser_event *event, void *user)
{
    struct gathered *gathered = user;
    size_t source = 0;

    while (source < SOURCES && gathered->lines[source] != event->association)
        source++;
    assert_in_range(source, 0, SOURCES - 1);
    assert_int_equal(event->received.size, 1);
    assert_int_equal(*(const char *)event->received.data, 'a' + (char)source);
    gathered->from[source]++;
    gathered->total++;
}

static void serve(hawser_association *line, char letter)
{
    for (int i = 0; i < EACH; i++)
        assert_int_equal(hawser_send(line, &letter, 1, HAWSER_MESSAGE(.ordered = true), NULL), 0);
}

static void source_accepted(const hawser_event *event, void *user)
{
    struct gathered *gathered = user;
    char letter = *(const char *)hawser_association_user(event->association);

    gathered->ends[letter - 'a'] = hawser_association_ref(event->accepted.association);
    if (letter != 'a') /* this one is slow: it sends when the others are through */
        serve(event->accepted.association, letter);
}

static void one_handler_gathers_from_three_servers(void **state)
{
    static char letters[] = "abc";
    struct world *world = *state;
    struct gathered gathered = {0};
    hawser_association *listeners[SOURCES];

    for (int i = 0; i < SOURCES; i++) {
        assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0",
                                       HAWSER_LISTEN(.identity = world->identity, .user = &letters[i]), &listeners[i]),
                         0);
        hawser_register(listeners[i], HAWSER_ACCEPTED, source_accepted, &gathered);
        snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(world->identity),
                 hawser_association_endpoint(listeners[i]));
        assert_int_equal(hawser_associate(world->client_context, world->endpoint, NULL, &gathered.lines[i]), 0);
        hawser_register(gathered.lines[i], HAWSER_RECEIVED, gather, &gathered);
    }
    /* The slow source has said nothing yet, and holds up nobody. */
    until(world, gathered.from[1] == EACH && gathered.from[2] == EACH && gathered.ends[0]);
    assert_int_equal(gathered.from[0], 0);
    serve(gathered.ends[0], 'a');
    until(world, gathered.total == SOURCES * EACH);
    assert_int_equal(gathered.from[0], EACH);
    for (int i = 0; i < SOURCES; i++) {
        hawser_association_unref(gathered.lines[i]);
        hawser_association_unref(gathered.ends[i]);
        hawser_association_unref(listeners[i]);
    }
}

/* ---------------------------------------------------------- S1.14: consumers on threads, of which a slow one stalls none */

#define CONSUMERS 3
#define JOBS 300

struct consumer {
    pthread_t thread;
    pthread_mutex_t *lock;
    pthread_cond_t *changed;
    hawser_message *queue[JOBS];
    size_t queued, done, wrong;
    bool held, end; /* held: it is slow: it takes nothing until the others are through */
};

static void consume(struct consumer *consumer, hawser_message *message)
{
    char expected[64];
    const char *data = hawser_message_data(message);

    fill(expected, sizeof expected, (unsigned char)data[0]);
    if (hawser_message_size(message) != 65 || memcmp(data + 1, expected, 64) != 0)
        consumer->wrong++;
    hawser_message_unref(message);
}

static void *consumer_run(void *argument)
{
    struct consumer *consumer = argument;

    pthread_mutex_lock(consumer->lock);
    for (;;) {
        while (consumer->held || (consumer->done == consumer->queued && !consumer->end))
            pthread_cond_wait(consumer->changed, consumer->lock);
        if (consumer->done == consumer->queued)
            break;
        hawser_message *message = consumer->queue[consumer->done];
        pthread_mutex_unlock(consumer->lock);
        consume(consumer, message);
        pthread_mutex_lock(consumer->lock);
        consumer->done++;
        pthread_cond_broadcast(consumer->changed);
    }
    pthread_mutex_unlock(consumer->lock);
    return NULL;
}

struct hall {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct consumer consumers[CONSUMERS];
    size_t handed;
};

static void hand_out(const hawser_event *event, void *user)
{
    struct hall *hall = user;
    struct consumer *consumer = &hall->consumers[hall->handed++ % CONSUMERS];
    hawser_message *message;

    assert_int_equal(hawser_message_keep(event->received.message, &message), 0);
    pthread_mutex_lock(&hall->lock);
    consumer->queue[consumer->queued++] = message;
    pthread_cond_broadcast(&hall->changed);
    pthread_mutex_unlock(&hall->lock);
}

static void hall_open(struct hall *hall)
{
    pthread_mutex_init(&hall->lock, NULL);
    pthread_cond_init(&hall->changed, NULL);
    hall->consumers[0].held = true;
    for (int i = 0; i < CONSUMERS; i++) {
        hall->consumers[i].lock = &hall->lock;
        hall->consumers[i].changed = &hall->changed;
        assert_int_equal(pthread_create(&hall->consumers[i].thread, NULL, consumer_run, &hall->consumers[i]), 0);
    }
}

static void hall_close(struct hall *hall)
{
    pthread_mutex_lock(&hall->lock);
    for (int i = 0; i < CONSUMERS; i++) {
        hall->consumers[i].held = false;
        hall->consumers[i].end = true;
    }
    pthread_cond_broadcast(&hall->changed);
    pthread_mutex_unlock(&hall->lock);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(hall->consumers[i].thread, NULL);
    pthread_cond_destroy(&hall->changed);
    pthread_mutex_destroy(&hall->lock);
}

static void a_slow_consumer_stalls_no_other(void **state)
{
    struct world *world = *state;
    struct hall *hall = calloc(1, sizeof *hall);
    uint64_t settled = 0;
    char data[65];

    hall_open(hall);
    world_connect(world);
    hawser_register(world->server.line, HAWSER_RECEIVED, hand_out, hall);
    hawser_register(world->client.line, HAWSER_OUTCOME, count_settled, &settled);
    for (int i = 0; i < JOBS; i++) {
        data[0] = (char)i;
        fill(data + 1, 64, (unsigned char)data[0]);
        assert_int_equal(hawser_send(world->client.line, data, sizeof data, NULL, NULL), 0);
    }
    until(world, settled == JOBS);
    pthread_mutex_lock(&hall->lock);
    while (hall->consumers[1].done + hall->consumers[2].done < JOBS * 2 / 3)
        pthread_cond_wait(&hall->changed, &hall->lock);
    assert_int_equal(hall->consumers[0].done, 0);
    assert_int_equal(hall->consumers[0].queued, JOBS / 3);
    pthread_mutex_unlock(&hall->lock);
    hall_close(hall);
    for (int i = 0; i < CONSUMERS; i++) {
        assert_int_equal(hall->consumers[i].done, JOBS / 3);
        assert_int_equal(hall->consumers[i].wrong, 0);
    }
    free(hall);
}

/* ------------------------------------------------------------------------ S1.15, S1.16, S2.20: what waits for what */

/* A stream that nobody reads fills up and stands; a second stream, and messages, go on. (S1.15, S2.4) */
static void a_blocked_flow_blocks_no_other(void **state)
{
    struct world *world = *state;
    hawser_stream *unread, *other;
    static char block[65536];
    char answer[16];
    ssize_t r;

    world_connect(world);
    assert_int_equal(hawser_open(world->client.line, NULL, &unread), 0);
    assert_int_equal(hawser_stream_write(unread, "x", 1), 1);
    until(world, world->server.stream);
    hawser_stream *theirs = hawser_stream_ref(world->server.stream);
    /* More than both ends hold; what is not taken stays with us. */
    for (int full = 0; full < 3;) {
        r = hawser_stream_write(unread, block, sizeof block);
        full = r == -EAGAIN ? full + 1 : 0;
        world_step(world);
    }
    assert_int_equal(hawser_open(world->client.line, NULL, &other), 0);
    assert_int_equal(hawser_stream_write(other, "passes", 6), 6);
    until(world, world->server.stream != theirs);
    until(world, (r = hawser_stream_read(world->server.stream, answer, sizeof answer)) != -EAGAIN);
    assert_int_equal(r, 6);
    assert_int_equal(hawser_send(world->client.line, "message", 7, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    assert_int_equal(hawser_stream_write(unread, block, 1), -EAGAIN);
    hawser_stream_unref(theirs);
    hawser_stream_unref(unread);
    hawser_stream_unref(other);
}

/* Behind 8 MiB, an ordered message waits and an unordered one does not: that is the latency that order costs. (S1.16) */
static void order_is_what_costs_time(void **state)
{
    struct world *world = *state;
    const size_t size = 8 << 20;
    char *large = calloc(1, size);

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, large, size, HAWSER_MESSAGE(.ordered = true), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "ordered", 7, HAWSER_MESSAGE(.ordered = true), NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "unordered", 9, NULL, NULL), 0);
    until(world, world->client.settled == 3);
    assert_string_equal(world->server.received[0].data, "unordered");
    assert_int_equal(world->server.received[1].id, 1);
    assert_string_equal(world->server.received[2].data, "ordered");
    free(large);
}

/* Queues are full of a huge message and of a large one that depends on it: both progress, in this order, and what is
 * neither before nor after them overtakes. (S2.20, S2.43, S2.58a) */
static void a_huge_message_and_its_successor_progress(void **state)
{
    struct world *world = *state;
    const size_t size = 8 << 20;
    char *large = calloc(1, size);
    hawser_message_id first;

    world_connect(world);
    assert_int_equal(hawser_send(world->client.line, large, size, HAWSER_MESSAGE(.niceness = 50), &first), 0);
    assert_int_equal(hawser_send(world->client.line, large, 3 << 20,
                                 HAWSER_MESSAGE(.niceness = 50, HAWSER_ANTECEDENTS(first)), NULL),
                     0);
    for (int i = 0; i < 64; i++)
        assert_int_equal(hawser_send(world->client.line, large, 30000, NULL, NULL), 0);
    until(world, world->client.settled == 66);
    assert_int_equal(world->server.received_count, 66);
    size_t place[67];
    for (size_t i = 0; i < 66; i++)
        place[world->server.received[i].id] = i;
    assert_true(place[1] < place[2]);
    for (size_t id = 3; id < 67; id++)
        assert_true(place[id] < place[1]); /* unrelated ones overtake */
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(random_sizes_over_tcp),
        api_test(random_sizes_over_unix_sockets),
        api_test(one_handler_gathers_from_three_servers),
        api_test(a_slow_consumer_stalls_no_other),
        api_test(a_blocked_flow_blocks_no_other),
        api_test(order_is_what_costs_time),
        api_test(a_huge_message_and_its_successor_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
