/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: contexts on several threads serve one port, and each has its share; a strand that comes to another context than its
 * association is handed over, whatever its stack; what cannot leave is turned away without harm to the line; nothing is lost or left
 * when a context ends meanwhile; messages of one association are consumed by several threads, of which one that stands still
 * stalls no other; one identity is used by several processes. (S1.2, S1.14, S1.20, S1.30)
 */
#include "api.h"
#include "strands.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONSUMERS 4
#define MESSAGES 400

/* ------------------------------------------------------------------------------------------------- messages for threads */

/* References that a context's thread puts in and others take out. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    hawser_message *messages[MESSAGES];
    size_t in, out;
    bool over;
};

static void queue_init(struct queue *queue)
{
    memset(queue, 0, sizeof *queue);
    assert_int_equal(pthread_mutex_init(&queue->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&queue->filled, NULL), 0);
}

static void queue_put(struct queue *queue, hawser_message *message)
{
    pthread_mutex_lock(&queue->lock);
    assert_true(queue->in < MESSAGES);
    queue->messages[queue->in++] = message;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

static hawser_message *queue_take(struct queue *queue)
{
    hawser_message *message = NULL;

    pthread_mutex_lock(&queue->lock);
    while (queue->out == queue->in && !queue->over)
        pthread_cond_wait(&queue->filled, &queue->lock);
    if (queue->out < queue->in)
        message = queue->messages[queue->out++];
    pthread_mutex_unlock(&queue->lock);
    return message;
}

static void queue_end(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->over = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

/* ------------------------------------------------------------------------------------------------------- served by threads */

/* A context and its thread. What is not atomic is the thread's own until it has ended. */
struct host {
    pthread_t thread;
    hawser_context *context;
    hawser_association *listener, *line;
    struct queue *queue; /* NULL: nobody takes references */
    char endpoint[200];
    bool stop;
    atomic_uint accepted, received;
    sem_t counted;
    hawser_counters counters;
    unsigned strands; /* of its line, when it was counted */
};

static void on_host_closed(const hawser_event *event, void *user)
{
    struct host *host = user;

    if (host->line == event->association)
        host->line = NULL;
    hawser_association_unref(event->association);
}

static void on_host_message(const hawser_event *event, void *user)
{
    struct host *host = user;
    hawser_message *kept;

    host->received++;
    if (!host->queue)
        return;
    assert_int_equal(hawser_message_keep(event->received.message, &kept), 0);
    queue_put(host->queue, kept);
}

static void on_host_accepted(const hawser_event *event, void *user)
{
    struct host *host = user;

    host->line = hawser_association_ref(event->accepted.association);
    hawser_register(host->line, HAWSER_RECEIVED, on_host_message, host);
    hawser_register(host->line, HAWSER_CLOSED, on_host_closed, host);
    host->accepted++;
}

static void *host_run(void *user)
{
    struct host *host = user;

    while (!host->stop)
        (void)hawser_iterate(host->context, -1);
    return NULL;
}

static void host_listen(struct host *host, struct world *world, hawser_shared *shared, const char *where,
                        const char *stack, bool reuse_port)
{
    memset(host, 0, sizeof *host);
    assert_int_equal(sem_init(&host->counted, 0, 0), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &host->context), 0);
    assert_int_equal(hawser_listen(host->context, where,
                                   HAWSER_LISTEN(.identity = world->identity, .stack = stack, .reuse_port = reuse_port),
                                   &host->listener),
                     0);
    assert_int_equal(hawser_register(host->listener, HAWSER_ACCEPTED, on_host_accepted, host), 0);
    snprintf(host->endpoint, sizeof host->endpoint, "%s@%s", hawser_identity_name(world->identity),
             hawser_association_endpoint(host->listener));
}

static void host_start(struct host *host)
{
    assert_int_equal(pthread_create(&host->thread, NULL, host_run, host), 0);
}

static void count_host(void *user)
{
    struct host *host = user;

    assert_int_equal(hawser_context_counters(host->context, &host->counters), 0);
    host->strands = host->line ? standing(host->line) : 0;
    sem_post(&host->counted);
}

/* As of now, while it runs. */
static hawser_counters counters_of(struct host *host)
{
    assert_int_equal(hawser_post(host->context, count_host, host), 0);
    assert_int_equal(sem_wait(&host->counted), 0);
    return host->counters;
}

static void stop_host(void *user)
{
    ((struct host *)user)->stop = true;
}

static void host_join(struct host *host)
{
    assert_int_equal(hawser_post(host->context, stop_host, host), 0);
    assert_int_equal(pthread_join(host->thread, NULL), 0);
}

static void host_end(struct host *host)
{
    hawser_association_unref(host->line);
    hawser_association_unref(host->listener);
    hawser_context_unref(host->context);
    sem_destroy(&host->counted);
}

/* ------------------------------------------------------------------------------------------------------- one port */

static void each_context_has_its_share(void **state)
{
    struct world *world = *state;
    hawser_counters counters[2];
    struct host hosts[2];
    hawser_shared *shared;
    unsigned opened = 0;

    assert_int_equal(hawser_shared_new(&shared), 0);
    host_listen(&hosts[0], world, shared, "127.0.0.1:0", "tls/tcp", true);
    host_listen(&hosts[1], world, shared, hawser_association_endpoint(hosts[0].listener), "tls/tcp", true);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", hosts[0].endpoint);
    for (unsigned i = 0; i < 2; i++)
        host_start(&hosts[i]);
    /* Which context a connection comes to is the kernel's choice: it chooses each sooner or later. */
    while (!hosts[0].accepted || !hosts[1].accepted || opened < 16) {
        assert_in_range(opened, 0, 500);
        world_associate(world, NULL);
        assert_int_equal(hawser_send(world->client.line, "hello", 5, NULL, NULL), 0);
        until_client(world, world->client.settled == 1);
        assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
        opened++;
    }
    for (unsigned i = 0; i < 2; i++) {
        counters[i] = counters_of(&hosts[i]);
        assert_int_equal(counters[i].accepted, hosts[i].accepted);
        assert_true(counters[i].messages_received >= 1 && counters[i].messages_received == hosts[i].received);
        assert_int_equal(counters[i].bytes_received, 5 * counters[i].messages_received);
        assert_int_equal(counters[i].opened, 0);
    }
    assert_int_equal(counters[0].accepted + counters[1].accepted, opened);
    assert_int_equal(counters[0].messages_received + counters[1].messages_received, opened);
    assert_int_equal(counters[0].handed_over + counters[1].handed_over, 0);
    assert_true(counters[0].open + counters[1].open >= 1); /* the last one stands */
    assert_int_equal(hawser_context_counters(world->client_context, &counters[0]), 0);
    assert_int_equal(counters[0].opened, opened);
    for (unsigned i = 0; i < 2; i++) {
        host_join(&hosts[i]);
        host_end(&hosts[i]);
    }
    hawser_shared_unref(shared);
}

/* -------------------------------------------------------------------------------------------------- handing over */

struct pair {
    struct host hosts[2];
    hawser_shared *shared;
    const char *second[1];
};

/* Two addresses of one peer, each served by another thread: whichever strand is the second comes to the wrong one. */
static void pair_listen(struct pair *pair, struct world *world, const char *second, const char *stack_of_second)
{
    assert_int_equal(hawser_shared_new(&pair->shared), 0);
    host_listen(&pair->hosts[0], world, pair->shared, "127.0.0.1:0", "tls/tcp", false);
    host_listen(&pair->hosts[1], world, pair->shared, second, stack_of_second, false);
    snprintf(world->endpoint, sizeof world->endpoint, "%s", pair->hosts[0].endpoint);
    pair->second[0] = pair->hosts[1].endpoint;
}

static void pair_end(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        host_end(&pair->hosts[i]);
    hawser_shared_unref(pair->shared);
}

struct consumer {
    pthread_t thread;
    struct queue *queue;
    atomic_uint *taken;
    sem_t *release; /* NULL: works on; else stands still over its first message until this is posted */
    atomic_bool stands;
    unsigned own;
    uint64_t sum;
};

static void *consume(void *user)
{
    struct consumer *consumer = user;
    hawser_message *message;

    while ((message = queue_take(consumer->queue))) {
        uint32_t value;

        if (consumer->release && consumer->own == 0) {
            consumer->stands = true;
            while (sem_wait(consumer->release) < 0)
                ;
        }
        memcpy(&value, hawser_message_data(message), sizeof value);
        consumer->sum += value;
        consumer->own++;
        (*consumer->taken)++;
        hawser_message_unref(message);
    }
    return NULL;
}

static void put_messages(struct world *world, uint32_t from, uint32_t count)
{
    static uint8_t bytes[3000]; /* large enough for several of them to be under way at a time */

    for (uint32_t i = from; i < from + count; i++) {
        memcpy(bytes, &i, sizeof i);
        assert_int_equal(hawser_send(world->client.line, bytes, sizeof bytes, NULL, NULL), 0);
    }
}

static void strands_are_handed_over_and_threads_consume(void **state)
{
    struct world *world = *state;
    struct consumer consumers[CONSUMERS];
    hawser_counters counters[2];
    atomic_uint taken = 0;
    struct queue queue;
    struct pair pair;
    uint64_t sum = 0;
    sem_t release;

    pair_listen(&pair, world, "127.0.0.2:0", "tls/tcp");
    queue_init(&queue);
    assert_int_equal(sem_init(&release, 0, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        pair.hosts[i].queue = &queue;
        host_start(&pair.hosts[i]);
    }
    for (unsigned i = 0; i < CONSUMERS; i++) {
        consumers[i] = (struct consumer){.queue = &queue, .taken = &taken, .release = i == 0 ? &release : NULL};
        if (i == 0) {
            assert_int_equal(pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]), 0);
            world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "all",
                                                    .policy = HAWSER_AGGREGATE));
            put_messages(world, 0, 1);
            until_client(world, consumers[0].stands); /* it has a message and does not give it back */
        } else {
            assert_int_equal(pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]), 0);
        }
    }
    until_client(world, standing(world->client.line) == 2);
    put_messages(world, 1, MESSAGES - 1);
    until_client(world, taken == MESSAGES - 1 && world->client.settled == MESSAGES);
    sem_post(&release);
    queue_end(&queue);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        assert_int_equal(pthread_join(consumers[i].thread, NULL), 0);
        sum += consumers[i].sum;
    }
    assert_int_equal(consumers[0].own, 1);
    assert_int_equal(taken, MESSAGES);
    assert_int_equal(sum, (uint64_t)MESSAGES * (MESSAGES - 1) / 2);
    for (unsigned i = 0; i < 2; i++)
        counters[i] = counters_of(&pair.hosts[i]);
    assert_int_equal(counters[0].accepted + counters[1].accepted, 1);
    assert_true(counters[0].accepted ? counters[1].handed_over >= 1 && counters[0].taken_over >= 1
                                     : counters[0].handed_over >= 1 && counters[1].taken_over >= 1);
    for (unsigned i = 0; i < 2; i++) { /* both strands are one association's, on one context */
        assert_int_equal(counters[i].messages_received, counters[i].accepted ? MESSAGES : 0);
        assert_int_equal(pair.hosts[i].strands, counters[i].accepted ? 2 : 0);
    }
    /* And it goes on over the one that was handed over, when the first goes. */
    assert_int_equal(hawser_association_close_strand(world->client.line, 1), 0);
    for (unsigned i = 0; i < 2; i++)
        host_join(&pair.hosts[i]);
    end_drop(&world->client);
    pair_end(&pair);
    sem_destroy(&release);
}

static void the_strand_that_was_handed_over_carries(void **state)
{
    struct world *world = *state;
    struct pair pair;

    pair_listen(&pair, world, "127.0.0.2:0", "tls/tcp");
    for (unsigned i = 0; i < 2; i++)
        host_start(&pair.hosts[i]);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "all"));
    until_client(world, world->client.seen[HAWSER_ESTABLISHED]);
    for (unsigned i = 0; i < 6; i++) {
        hawser_strand_info info;

        until_client(world, standing(world->client.line) == 2);
        put_messages(world, 0, 10);
        assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
        assert_int_equal(hawser_association_close_strand(world->client.line, info.id), 0);
        put_messages(world, 0, 10);
        until_client(world, world->client.settled == (i + 1) * 20 && standing(world->client.line) == 1);
        /* The program closed it; another is opened in its place when it says so, or when none is left. */
        assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
        assert_int_equal(hawser_association_close_strand(world->client.line, info.id), 0);
        until_client(world, standing(world->client.line) >= 1);
        if (standing(world->client.line) < 2)
            break;
    }
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    for (unsigned i = 0; i < 2; i++)
        host_join(&pair.hosts[i]);
    end_drop(&world->client);
    pair_end(&pair);
}

/* All peers of a port share its socket: the strand that leaves gets one of its own, and carries when it is the only one and the
 * port, its listener and their context are gone. */
static void goes_over_with_a_socket_of_its_own(struct world *world, const char *stack)
{
    hawser_strand_info info;
    struct pair pair;
    char paths[40];

    snprintf(paths, sizeof paths, "lo=%s", stack);
    pair_listen(&pair, world, "127.0.0.2:0", stack);
    host_start(&pair.hosts[0]);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = paths));
    until_client(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "tls/tcp"); /* nobody answered at the other address */
    host_start(&pair.hosts[1]);
    until_client(world, standing(world->client.line) == 2);
    assert_true(counters_of(&pair.hosts[1]).handed_over >= 1);
    assert_true(counters_of(&pair.hosts[0]).taken_over >= 1);
    assert_int_equal(counters_of(&pair.hosts[1]).elsewhere, 0);
    host_join(&pair.hosts[1]);
    host_end(&pair.hosts[1]);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_string_equal(info.stack, "tls/tcp");
    assert_int_equal(hawser_association_close_strand(world->client.line, info.id), 0);
    put_messages(world, 0, 200);
    until_client(world, world->client.settled == 200);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    assert_int_equal(hawser_association_strand(world->client.line, 0, &info), 0);
    assert_string_equal(info.stack, stack);
    host_join(&pair.hosts[0]);
    end_drop(&world->client);
    host_end(&pair.hosts[0]);
    hawser_shared_unref(pair.shared);
}

static void a_strand_of_quic_goes_over(void **state)
{
    goes_over_with_a_socket_of_its_own(*state, "quic/udp");
}

static void a_strand_of_dtls_goes_over(void **state)
{
    goes_over_with_a_socket_of_its_own(*state, "dtls/udp");
}

/* A UDP socket at 127.0.0.2 for a listener, whose address no other gets: another one, which came after it and hears only itself,
 * shares it with nobody who comes later. */
static int socket_without_another(int *ret_blocker)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    socklen_t size = sizeof at;
    const int on = 1, off = 0;
    int fds[2];

    for (unsigned i = 0; i < 2; i++) {
        assert_true((fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0);
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&at, size), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&at, &size), 0);
    }
    assert_int_equal(connect(fds[1], (struct sockaddr *)&at, size), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_REUSEADDR, &off, sizeof off), 0);
    *ret_blocker = fds[1];
    return fds[0];
}

static void what_cannot_move_is_turned_away_without_harm(void **state)
{
    struct world *world = *state;
    struct pair pair;
    char second[16];
    int blocker;

    snprintf(second, sizeof second, "fd:%d", socket_without_another(&blocker));
    pair_listen(&pair, world, second, "quic/udp");
    host_start(&pair.hosts[0]);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "lo=quic/udp"));
    until_client(world, world->client.seen[HAWSER_ESTABLISHED]);
    host_start(&pair.hosts[1]);
    until_client(world, counters_of(&pair.hosts[1]).elsewhere >= 2); /* it tries again, as after any failure */
    put_messages(world, 0, 20);
    until_client(world, world->client.settled == 20);
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
    assert_false(world->client.closed);
    assert_int_equal(counters_of(&pair.hosts[1]).handed_over, 0);
    close(blocker);
    until_client(world, standing(world->client.line) == 2); /* and then it comes */
    for (unsigned i = 0; i < 2; i++)
        host_join(&pair.hosts[i]);
    end_drop(&world->client);
    pair_end(&pair);
}

/* Where connections are taken as well, the next one is such, and goes over. */
static void what_cannot_move_comes_again_by_what_can(void **state)
{
    struct world *world = *state;
    struct pair pair;

    pair_listen(&pair, world, "127.0.0.2:0", "quic/udp,tls/tcp");
    host_start(&pair.hosts[0]);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "all"));
    until_client(world, world->client.seen[HAWSER_ESTABLISHED]);
    host_start(&pair.hosts[1]);
    until_client(world, standing(world->client.line) == 2);
    assert_true(counters_of(&pair.hosts[1]).handed_over >= 1);
    for (unsigned i = 0; i < 2; i++)
        host_join(&pair.hosts[i]);
    end_drop(&world->client);
    pair_end(&pair);
}

/* The strand's layers knew the config of the listener that it came by; it is its association's now. (Who looks at freed memory is
 * found by a sanitizer, or valgrind.) */
static void a_strand_outlives_the_listener_that_it_came_by(void **state)
{
    struct world *world = *state;
    struct pair pair;
    struct host *other;

    pair_listen(&pair, world, "127.0.0.2:0", "tls/tcp");
    for (unsigned i = 0; i < 2; i++)
        host_start(&pair.hosts[i]);
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "all"));
    until_client(world, world->client.seen[HAWSER_ESTABLISHED] && standing(world->client.line) == 2);
    other = pair.hosts[0].accepted ? &pair.hosts[1] : &pair.hosts[0];
    until_client(world, counters_of(other).handed_over >= 1);
    host_join(other);
    host_end(other); /* context, listener and all */
    put_messages(world, 0, 20);
    until_client(world, world->client.settled == 20);
    hawser_context_unref(world->client_context); /* both strands end without a word inside of TLS */
    end_drop(&world->client);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &world->client_context), 0);
    other = other == &pair.hosts[0] ? &pair.hosts[1] : &pair.hosts[0];
    while (counters_of(other).open > 0)
        world_step_client(world);
    host_join(other);
    host_end(other);
    hawser_shared_unref(pair.shared);
}

/* The context of the association ends while a strand is on its way to it: nothing is left of the strand. (Descriptors are
 * counted when the test has ended, memory by who runs it with a sanitizer.) */
static void a_context_that_ends_takes_what_is_on_its_way_along(void **state)
{
    struct world *world = *state;
    hawser_counters counters = {.opened = 0};
    struct pair pair;
    struct host *owner, *other;

    pair_listen(&pair, world, "127.0.0.2:0", "tls/tcp");
    world_associate(world, HAWSER_ASSOCIATE(.endpoints = pair.second, .endpoint_count = 1, .paths = "all"));
    until(world, (hawser_dispatch(pair.hosts[0].context), hawser_dispatch(pair.hosts[1].context),
                  world->client.seen[HAWSER_ESTABLISHED] && (pair.hosts[0].line || pair.hosts[1].line)));
    owner = pair.hosts[0].line ? &pair.hosts[0] : &pair.hosts[1];
    other = pair.hosts[0].line ? &pair.hosts[1] : &pair.hosts[0];
    assert_int_equal(hawser_context_counters(other->context, &counters), 0);
    until(world, (hawser_dispatch(other->context), hawser_context_counters(other->context, &counters),
                  counters.handed_over >= 1));
    host_end(owner);
    memset(owner, 0, sizeof *owner);
    until(world, (hawser_dispatch(other->context), world->client.closed || standing(world->client.line) < 2));
    end_drop(&world->client);
    host_end(other);
    hawser_shared_unref(pair.shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(each_context_has_its_share),
        api_test(strands_are_handed_over_and_threads_consume),
        api_test(the_strand_that_was_handed_over_carries),
        api_test(a_strand_of_quic_goes_over),
        api_test(a_strand_of_dtls_goes_over),
        api_test(what_cannot_move_is_turned_away_without_harm),
        api_test(what_cannot_move_comes_again_by_what_can),
        api_test(a_strand_outlives_the_listener_that_it_came_by),
        api_test(a_context_that_ends_takes_what_is_on_its_way_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
