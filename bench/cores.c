/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cores [SECONDS [PAIRS [LINES]]]: the rate of small messages into one port that is served by one context, and by two on two
 * threads, in turns. Two client threads with LINES associations send as fast as they may; what each serving context received is
 * read from its own counters. Prints a row a run, and the median of the pairs' ratios. (S1.20)
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hawser/hawser.h>

enum { CONTEXTS = 2, CLIENTS = 2, SIZE = 64, LINES_MAX = 256, PAIRS_MAX = 64 };

struct host { /* a serving context and its thread */
    hawser_context *context;
    hawser_association *listener;
    pthread_t thread;
    atomic_bool stop;
    hawser_counters counters;
    sem_t counted;
};

struct client {
    hawser_context *context;
    hawser_association *lines[LINES_MAX];
    pthread_t thread;
    atomic_bool stop;
    unsigned line_count;
    atomic_uint up;
};

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "cores: %s: %s\n", what, hawser_strerror(r));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nothing(void *user)
{
    (void)user; /* the loop wakes up, and looks whether to stop */
}

/* ------------------------------------------------------------------------------------------------------------ serving */

static void on_messages(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void on_gone(const hawser_event *event, void *user)
{
    (void)user;
    hawser_association_unref(event->association);
}

static void on_accepted(const hawser_event *event, void *user)
{
    hawser_association *line = hawser_association_ref(event->accepted.association);

    (void)user;
    hawser_register(line, HAWSER_RECEIVED_MANY, on_messages, NULL);
    hawser_register(line, HAWSER_CLOSED, on_gone, NULL);
}

static void *serve(void *user)
{
    struct host *host = user;

    while (!host->stop)
        must(hawser_iterate(host->context, -1), "serving");
    return NULL;
}

static void count(void *user)
{
    struct host *host = user;

    must(hawser_context_counters(host->context, &host->counters), "counters");
    sem_post(&host->counted);
}

static hawser_counters counters_of(struct host *host)
{
    must(hawser_post(host->context, count, host), "asking a context");
    while (sem_wait(&host->counted) < 0)
        ;
    return host->counters;
}

/* ------------------------------------------------------------------------------------------------------------ sending */

static void fill_up(hawser_association *line)
{
    static const char bytes[SIZE];

    while (hawser_send(line, bytes, sizeof bytes, NULL, NULL) == 0)
        ;
}

static void on_writable(const hawser_event *event, void *user)
{
    (void)user;
    fill_up(event->association);
}

static void on_up(const hawser_event *event, void *user)
{
    struct client *client = user;

    client->up++;
    fill_up(event->association);
}

static void *run_client(void *user)
{
    struct client *client = user;

    while (!client->stop)
        must(hawser_iterate(client->context, -1), "sending");
    return NULL;
}

static void client_begin(struct client *client, const char *peer, unsigned lines)
{
    memset(client, 0, sizeof *client);
    must(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &client->context), "context");
    client->line_count = lines;
    for (unsigned i = 0; i < lines; i++) {
        must(hawser_associate(client->context, peer, HAWSER_ASSOCIATE(.stack = "tls/tcp", .send_queue = 1 << 20),
                              &client->lines[i]),
             "associating");
        hawser_register(client->lines[i], HAWSER_ESTABLISHED, on_up, client);
        hawser_register(client->lines[i], HAWSER_WRITABLE, on_writable, client);
    }
    pthread_create(&client->thread, NULL, run_client, client);
}

static void client_end(struct client *client)
{
    client->stop = true;
    must(hawser_post(client->context, nothing, NULL), "stopping");
    pthread_join(client->thread, NULL);
    for (unsigned i = 0; i < client->line_count; i++)
        hawser_association_unref(client->lines[i]);
    hawser_context_unref(client->context);
}

/* --------------------------------------------------------------------------------------------------------------- a run */

static void hosts_begin(struct host *hosts, unsigned contexts, hawser_shared *shared, hawser_identity *identity)
{
    char endpoint[200] = "127.0.0.1:0";

    for (unsigned i = 0; i < contexts; i++) {
        memset(&hosts[i], 0, sizeof hosts[i]);
        sem_init(&hosts[i].counted, 0, 0);
        must(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &hosts[i].context), "context");
        must(hawser_listen(hosts[i].context, endpoint,
                           HAWSER_LISTEN(.identity = identity, .reuse_port = true, .stack = "tls/tcp"),
                           &hosts[i].listener),
             "listening");
        hawser_register(hosts[i].listener, HAWSER_ACCEPTED, on_accepted, NULL);
        snprintf(endpoint, sizeof endpoint, "%s", hawser_association_endpoint(hosts[i].listener));
    }
    for (unsigned i = 0; i < contexts; i++)
        pthread_create(&hosts[i].thread, NULL, serve, &hosts[i]);
}

static void hosts_end(struct host *hosts, unsigned contexts)
{
    for (unsigned i = 0; i < contexts; i++) {
        hosts[i].stop = true;
        must(hawser_post(hosts[i].context, nothing, NULL), "stopping");
        pthread_join(hosts[i].thread, NULL);
        hawser_association_unref(hosts[i].listener);
        hawser_context_unref(hosts[i].context);
        sem_destroy(&hosts[i].counted);
    }
}

static void pause_for(double seconds)
{
    const struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&left, NULL);
}

/* Messages a second into the port. */
static double run(unsigned contexts, unsigned lines, double seconds)
{
    hawser_counters before[CONTEXTS], after[CONTEXTS];
    struct client clients[CLIENTS];
    struct host hosts[CONTEXTS];
    hawser_identity *identity;
    hawser_shared *shared;
    double began, took, all = 0;
    char peer[300];

    must(hawser_shared_new(&shared), "shared");
    must(hawser_identity_new(&identity), "identity");
    hosts_begin(hosts, contexts, shared, identity);
    snprintf(peer, sizeof peer, "%s@%s", hawser_identity_name(identity),
             hawser_association_endpoint(hosts[0].listener));
    for (unsigned i = 0; i < CLIENTS; i++)
        client_begin(&clients[i], peer, lines / CLIENTS);
    for (began = now(); clients[0].up + clients[1].up < lines / CLIENTS * CLIENTS && now() - began < 20;)
        pause_for(0.01);
    pause_for(seconds / 4); /* warm */
    for (unsigned i = 0; i < contexts; i++)
        before[i] = counters_of(&hosts[i]);
    began = now();
    pause_for(seconds);
    for (unsigned i = 0; i < contexts; i++)
        after[i] = counters_of(&hosts[i]);
    took = now() - began;
    printf("%u context%s", contexts, contexts > 1 ? "s" : " ");
    for (unsigned i = 0; i < contexts; i++) {
        double rate = (double)(after[i].messages_received - before[i].messages_received) / took;

        printf("  %10.0f/s of %2llu lines", rate, (unsigned long long)after[i].open);
        all += rate;
    }
    printf("  = %10.0f/s\n", all);
    fflush(stdout);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_end(&clients[i]);
    hosts_end(hosts, contexts);
    hawser_identity_unref(identity);
    hawser_shared_unref(shared);
    return all;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2, ratios[PAIRS_MAX];
    int pairs = argc > 2 ? atoi(argv[2]) : 5, lines = argc > 3 ? atoi(argv[3]) : 16;

    if (seconds <= 0 || pairs < 1 || pairs > PAIRS_MAX || lines < CLIENTS || lines > LINES_MAX) {
        fprintf(stderr, "usage: cores [SECONDS [PAIRS [LINES]]]\n");
        return 2;
    }
    for (int i = 0; i < pairs; i++) {
        /* Whichever goes first finds another machine: so both do. */
        double one = i % 2 ? 0 : run(1, (unsigned)lines, seconds), two = run(2, (unsigned)lines, seconds);

        if (i % 2)
            one = run(1, (unsigned)lines, seconds);
        ratios[i] = one > 0 ? two / one : 0;
    }
    qsort(ratios, (size_t)pairs, sizeof *ratios, compare);
    printf("two contexts : one  %.2f (%.2f to %.2f)\n", ratios[pairs / 2], ratios[0], ratios[pairs - 1]);
    return 0;
}
