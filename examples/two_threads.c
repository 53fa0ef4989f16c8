/* SPDX-License-Identifier: Apache-2.0 */
/* two_threads: two contexts on two threads serve one port. What they have in common (ticket keys, the store against
 * replays) is one hawser_shared, so a ticket from one is good at the other. The main thread is their client. */
#include <pthread.h>
#include <stdio.h>

#include <hawser/hawser.h>

#define CLIENTS 40

struct server {
    hawser_context *ctx;
    hawser_association *listener;
    pthread_t thread;
    unsigned served;
};

static void on_message(const hawser_event *e, void *user)
{
    struct server *server = user;

    server->served++;
    hawser_send(e->association, "served", 6, HAWSER_MESSAGE(.reply_to = e->received.id), NULL);
}

static void on_gone(const hawser_event *e, void *user)
{
    (void)user;
    hawser_association_unref(e->association);
}

static void on_accepted(const hawser_event *e, void *user)
{
    hawser_association *line = hawser_association_ref(e->accepted.association);

    hawser_register(line, HAWSER_RECEIVED, on_message, user);
    hawser_register(line, HAWSER_CLOSED, on_gone, NULL);
}

static void *serve(void *argument)
{
    struct server *server = argument;

    hawser_run(server->ctx); /* from here on the context is this thread's */
    return NULL;
}

static void stop(void *user)
{
    struct server *server = user;

    hawser_close(server->listener, 0, ""); /* hawser_run() returns when the last association has ended too */
}

static void on_reply(const hawser_event *e, void *user)
{
    unsigned *replies = user;

    (*replies)++;
    hawser_close(e->association, 0, "");
}

int main(void)
{
    struct server servers[2] = {{.served = 0}};
    char endpoint[256] = "127.0.0.1:0";
    hawser_identity *identity;
    hawser_shared *shared;
    hawser_context *ctx;
    unsigned replies = 0;
    int r;

    if (hawser_shared_new(&shared) < 0 || hawser_identity_new(&identity) < 0 || hawser_context_new(NULL, &ctx) < 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        if ((r = hawser_context_new(HAWSER_CONTEXT(.shared = shared), &servers[i].ctx)) < 0 ||
            (r = hawser_listen(servers[i].ctx, endpoint, HAWSER_LISTEN(.identity = identity, .reuse_port = true),
                               &servers[i].listener)) < 0) {
            fprintf(stderr, "two_threads: %s\n", hawser_strerror(r));
            return 1;
        }
        hawser_register(servers[i].listener, HAWSER_ACCEPTED, on_accepted, &servers[i]);
        snprintf(endpoint, sizeof endpoint, "%s", hawser_association_endpoint(servers[i].listener));
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&servers[i].thread, NULL, serve, &servers[i]);

    snprintf(endpoint, sizeof endpoint, "%s@%s", hawser_identity_name(identity),
             hawser_association_endpoint(servers[0].listener));
    for (int i = 0; i < CLIENTS; i++) {
        hawser_association *line;

        if (hawser_associate(ctx, endpoint, NULL, &line) < 0)
            return 1;
        hawser_register(line, HAWSER_RECEIVED, on_reply, &replies);
        hawser_register(line, HAWSER_CLOSED, on_gone, NULL);
        hawser_send(line, "serve me", 8, NULL, NULL);
    }
    hawser_run(ctx);
    for (int i = 0; i < 2; i++) {
        hawser_post(servers[i].ctx, stop, &servers[i]); /* the one call that other threads may make */
        pthread_join(servers[i].thread, NULL);
        hawser_association_unref(servers[i].listener);
        hawser_context_unref(servers[i].ctx);
    }
    printf("%u replies: %u and %u\n", replies, servers[0].served, servers[1].served);
    hawser_context_unref(ctx);
    hawser_identity_unref(identity);
    hawser_shared_unref(shared);
    return replies != CLIENTS || servers[0].served + servers[1].served != CLIENTS;
}
