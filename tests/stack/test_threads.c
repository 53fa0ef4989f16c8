/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads, a context each, listen on one port with one hawser_shared (S1.2). */
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 2
#define CONNECTIONS 24

struct guest {
    struct end end;
    struct guest *next;
};

/* What a thread works with is its own; the counts are read when it has ended. */
struct host {
    pthread_t thread;
    const struct world *world;
    hawser_shared *shared;
    struct layer_address address;
    pthread_barrier_t *ready;
    hawser_context *context;
    struct tls_config config;
    struct guest *guests;
    bool stop;
    unsigned accepted, failures;
};

static void on_accepted(void *user, int fd)
{
    struct host *host = user;
    struct guest *guest = calloc(1, sizeof *guest);
    struct layer *top;

    if (!guest || stack_accept(host->context, host->world->accepting, &host->config, fd, &top) < 0) {
        host->failures++;
        free(guest);
        return;
    }
    guest->end.echo = true;
    guest->next = host->guests;
    host->guests = guest;
    host->accepted++;
    end_start(&guest->end, host->context, top);
}

static void on_stop(void *user)
{
    ((struct host *)user)->stop = true;
}

static void *serve(void *user)
{
    struct host *host = user;
    struct acceptor_config config = {
        .local = host->address, .fd = -1, .reuse_port = true, .accepted = on_accepted, .user = host};
    struct acceptor *acceptor = NULL;

    if (hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = host->shared, .no_worker = true), &host->context) <
            0 ||
        trust_new(host->context, "any", NULL, &host->config.trust) < 0 ||
        acceptor_new(host->context, &config, &acceptor) < 0)
        host->failures++;
    pthread_barrier_wait(host->ready);
    while (!host->stop && !host->failures)
        host->failures += hawser_iterate(host->context, -1) < 0;
    while (host->guests) {
        struct guest *guest = host->guests;
        host->guests = guest->next;
        host->failures += guest->end.mismatches > 0;
        end_stop(&guest->end);
        free(guest);
    }
    acceptor_destroy(acceptor);
    trust_free(host->config.trust);
    hawser_context_unref(host->context);
    return NULL;
}

static bool echoed(struct world *world)
{
    return world->client.code || world->client.received == world->client.to_send;
}

/* A port that both can bind: held by a socket that does not listen. */
static int hold_port(struct world *world)
{
    const int on = 1;
    socklen_t size = sizeof world->address.address;
    int fd = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&world->address.address, world->address.size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&world->address.address, &size), 0);
    aim(world, &world->address);
    return fd;
}

static unsigned connect_often(struct world *world)
{
    unsigned early = 0;

    for (int i = 0; i < CONNECTIONS; i++) {
        struct layer_peer peer;
        world->client.early_wanted = true;
        world->client.to_send = 300;
        connect_there(world);
        assert_true(run_until(world, echoed));
        assert_int_equal(world->client.code, 0);
        layer_peer(world->client.top, &peer);
        early += peer.early_accepted;
        drop_ends(world);
    }
    return early;
}

static void serve_together(void **state)
{
    struct world *world = *state;
    struct host hosts[THREADS];
    pthread_barrier_t ready;
    unsigned accepted = 0, early;
    int held;

    only(world->row->family != AF_UNIX && world->bytes);
    held = hold_port(world);
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    hawser_shared *shared;
    assert_int_equal(hawser_shared_new(&shared), 0);
    for (int i = 0; i < THREADS; i++) {
        hosts[i] = (struct host){.world = world, .shared = shared, .address = world->address, .ready = &ready};
        hosts[i].config = (struct tls_config){
            .identity = world->server_identity, .alpn = {"hawser/1"}, .require_alpn = true, .early_data = true};
        assert_int_equal(pthread_create(&hosts[i].thread, NULL, serve, &hosts[i]), 0);
    }
    pthread_barrier_wait(&ready);
    early = connect_often(world);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(hawser_post(hosts[i].context, on_stop, &hosts[i]), 0);
        pthread_join(hosts[i].thread, NULL);
        assert_int_equal(hosts[i].failures, 0);
        accepted += hosts[i].accepted;
    }
    hawser_shared_unref(shared);
    pthread_barrier_destroy(&ready);
    close(held);
    assert_int_equal(accepted, CONNECTIONS);
    assert_int_equal(early, world->secure ? CONNECTIONS - 1 : 0); /* whichever thread gave the ticket */
}

const struct suite_test threads_tests[] = {
    {"two threads serve one port, and one's tickets are good at the other", serve_together},
    {NULL, NULL},
};
