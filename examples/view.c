/* SPDX-License-Identifier: Apache-2.0 */
/* view ENDPOINT: asks a server for a map and for a tile of it that is worth showing for a fifth of a second only.
 * view -l [ENDPOINT]: the server, for one viewer. */
#include <stdio.h>
#include <string.h>

#include <hawser/hawser.h>

struct screen {
    unsigned shown, skipped;
};

static void show(const void *data, size_t size, struct screen *screen)
{
    screen->shown++;
    printf("%.*s\n", (int)size, (const char *)data);
}

static void skipped(hawser_message_id first, uint64_t count, struct screen *screen)
{
    (void)first;
    screen->skipped += (unsigned)count;
}

static void on_message(const hawser_event *e, void *user)
{
    show(e->received.data, e->received.size, user);
}

static void on_outcome(const hawser_event *e, void *user)
{
    if (e->outcome.kind == HAWSER_EXPIRED)
        skipped(e->outcome.first, e->outcome.count, user);
}

int view(const char *peer, struct screen *screen);

int view(const char *peer, struct screen *screen)
{
    hawser_context *ctx;
    hawser_association *a;
    hawser_message_id wish;
    int r;

    if ((r = hawser_context_new(NULL, &ctx)) < 0)
        return r;
    if ((r = hawser_associate(ctx, peer, HAWSER_ASSOCIATE(.policy = HAWSER_AGGREGATE), &a)) < 0)
        return r;
    hawser_register(a, HAWSER_RECEIVED, on_message, screen);
    hawser_register(a, HAWSER_OUTCOME, on_outcome, screen);
    hawser_send(a, "map", 3, HAWSER_MESSAGE(.niceness = -10), &wish);
    hawser_send(a, "tile 7", 6, HAWSER_MESSAGE(.lifetime_us = 200000, HAWSER_ANTECEDENTS(wish)), NULL);
    return hawser_run(ctx); /* or poll hawser_context_fd() beside your own descriptors */
}

/* ------------------------------------------------------------------------------------------------------------ server */

static void answer(const hawser_event *e, void *user)
{
    char text[64];
    int size = snprintf(text, sizeof text, "here is %.*s", (int)e->received.size, (const char *)e->received.data);

    (void)user;
    hawser_send(e->association, text, (size_t)size, HAWSER_MESSAGE(.reply_to = e->received.id), NULL);
    if (e->received.size == 6) { /* a tile: that was all */
        hawser_close(e->association, 0, "good bye");
        hawser_association_unref(e->association);
    }
}

static void on_accepted(const hawser_event *e, void *user)
{
    (void)user;
    hawser_register(hawser_association_ref(e->accepted.association), HAWSER_RECEIVED, answer, NULL);
    hawser_close(e->association, 0, ""); /* no further viewers */
}

static int serve(const char *endpoint)
{
    hawser_association *listener;
    hawser_identity *identity;
    hawser_context *ctx;
    int r;

    if ((r = hawser_identity_new(&identity)) < 0 || (r = hawser_context_new(NULL, &ctx)) < 0 ||
        (r = hawser_listen(ctx, endpoint, HAWSER_LISTEN(.identity = identity), &listener)) < 0)
        return r;
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, NULL);
    printf("%s@%s\n", hawser_identity_name(identity), hawser_association_endpoint(listener));
    fflush(stdout);
    return hawser_run(ctx);
}

int main(int argc, char **argv)
{
    struct screen screen = {0};
    int r;

    if (argc > 1 && strcmp(argv[1], "-l") == 0)
        r = serve(argc > 2 ? argv[2] : "127.0.0.1:0");
    else
        r = view(argc > 1 ? argv[1] : "", &screen);
    if (r < 0)
        fprintf(stderr, "view: %s\n", hawser_strerror(r));
    return r < 0;
}
