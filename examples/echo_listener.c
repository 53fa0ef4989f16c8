/* SPDX-License-Identifier: Apache-2.0 */
/* echo_listener [ENDPOINT [DIRECTORY]]: answers every message and every stream with the same bytes. The identity is
 * kept in DIRECTORY, or lives as long as the program. Prints the endpoint that others are to name. */
#include <stdio.h>

#include <hawser/hawser.h>

static void on_message(const hawser_event *e, void *user)
{
    const hawser_received *m = &e->received;

    (void)user;
    /* A full queue is -EAGAIN: an echo then leaves the message out; its sender had its outcome already. */
    hawser_send(e->association, m->data, m->size, HAWSER_MESSAGE(.reply_to = m->id, .niceness = m->niceness), NULL);
}

static void on_stream(const hawser_event *e, void *user)
{
    hawser_stream *stream = e->stream.stream;
    char bytes[16384];
    ssize_t n;

    (void)user;
    if (e->type == HAWSER_STREAM_OPENED)
        hawser_stream_ref(stream);
    if (e->type == HAWSER_STREAM_CLOSED) {
        hawser_stream_unref(stream);
        return;
    }
    while ((n = hawser_stream_read(stream, bytes, sizeof bytes)) > 0) {
        if (hawser_stream_write(stream, bytes, (size_t)n) != n) {
            hawser_stream_reset(stream, 1); /* a peer that does not read what it asked for */
            return;
        }
    }
    if (n == 0)
        hawser_stream_shutdown(stream);
}

static void on_closed(const hawser_event *e, void *user)
{
    (void)user;
    hawser_association_unref(e->association);
}

static void on_accepted(const hawser_event *e, void *user)
{
    hawser_association *line = hawser_association_ref(e->accepted.association);

    (void)user;
    hawser_register(line, HAWSER_RECEIVED, on_message, NULL);
    hawser_register(line, HAWSER_STREAM_OPENED, on_stream, NULL);
    hawser_register(line, HAWSER_STREAM_READABLE, on_stream, NULL);
    hawser_register(line, HAWSER_STREAM_CLOSED, on_stream, NULL);
    hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
}

int main(int argc, char **argv)
{
    hawser_association *listener;
    hawser_identity *identity;
    hawser_context *ctx;
    int r;

    r = argc > 2 ? hawser_identity_open(argv[2], &identity) : hawser_identity_new(&identity);
    if (r == 0)
        r = hawser_context_new(NULL, &ctx);
    if (r == 0)
        r = hawser_listen(ctx, argc > 1 ? argv[1] : "127.0.0.1:0", HAWSER_LISTEN(.identity = identity), &listener);
    if (r < 0) {
        fprintf(stderr, "echo_listener: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, NULL);
    printf("%s@%s\n", hawser_identity_name(identity), hawser_association_endpoint(listener));
    fflush(stdout);
    return hawser_run(ctx) < 0;
}
