/* SPDX-License-Identifier: Apache-2.0 */
/* stream ENDPOINT: a stream as a descriptor, for code that knows stdio: a thread of its own reads and writes it, while
 * this one runs the loop. */
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/hawser.h>

static void *talk(void *argument)
{
    int fd = *(int *)argument;
    FILE *out = fdopen(dup(fd), "w"), *in = fdopen(fd, "r");
    char line[256];

    fputs("old code,\nnew line\n", out);
    fflush(out);
    shutdown(fileno(out), SHUT_WR); /* ends our direction; the other lives on */
    fclose(out);
    while (fgets(line, sizeof line, in))
        fputs(line, stdout);
    fclose(in);
    return NULL;
}

static void on_stream_closed(const hawser_event *e, void *user)
{
    (void)user;
    hawser_close(e->association, 0, "");
}

static void on_closed(const hawser_event *e, void *user)
{
    *(int *)user = e->closed.code;
    if (e->closed.code < 0)
        fprintf(stderr, "stream: %s\n", e->closed.reason);
}

int main(int argc, char **argv)
{
    hawser_association *line;
    hawser_stream *stream;
    hawser_context *ctx;
    pthread_t thread;
    int r, fd, result = 0;

    if ((r = hawser_context_new(NULL, &ctx)) < 0 ||
        (r = hawser_associate(ctx, argc > 1 ? argv[1] : "", NULL, &line)) < 0 ||
        (r = hawser_open(line, HAWSER_STREAM(.bandwidth = 1000000), &stream)) < 0 ||
        (r = hawser_stream_fd(stream, &fd)) < 0) {
        fprintf(stderr, "stream: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_register_stream(stream, HAWSER_STREAM_CLOSED, on_stream_closed, NULL);
    hawser_register(line, HAWSER_CLOSED, on_closed, &result);
    pthread_create(&thread, NULL, talk, &fd);
    hawser_run(ctx);
    pthread_join(thread, NULL);
    hawser_stream_unref(stream);
    hawser_association_unref(line);
    hawser_context_unref(ctx);
    return result < 0;
}
