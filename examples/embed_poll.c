/* SPDX-License-Identifier: Apache-2.0 */
/* embed_poll ENDPOINT: lines of standard input become messages, answers are printed; a plain poll(2) loop has both
 * standard input and the library in it. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <hawser/hawser.h>

static bool over;
static int result;
static unsigned waiting; /* answers still to come */
static bool at_end;      /* of the input */

static void on_message(const hawser_event *e, void *user)
{
    (void)user;
    printf("%.*s", (int)e->received.size, (const char *)e->received.data);
    if (--waiting == 0 && at_end)
        hawser_close(e->association, 0, "");
}

static void on_closed(const hawser_event *e, void *user)
{
    (void)user;
    over = true;
    result = e->closed.code;
    if (result < 0)
        fprintf(stderr, "embed_poll: %s\n", e->closed.reason);
}

static void read_input(hawser_association *line)
{
    char text[4096];
    ssize_t n = read(STDIN_FILENO, text, sizeof text);

    if (n > 0 && hawser_send(line, text, (size_t)n, NULL, NULL) == 0)
        waiting++;
    at_end = n <= 0;
    if (at_end && waiting == 0)
        hawser_close(line, 0, "");
}

int main(int argc, char **argv)
{
    hawser_association *line;
    hawser_context *ctx;
    int r;

    if ((r = hawser_context_new(NULL, &ctx)) < 0 ||
        (r = hawser_associate(ctx, argc > 1 ? argv[1] : "", NULL, &line)) < 0) {
        fprintf(stderr, "embed_poll: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_register(line, HAWSER_RECEIVED, on_message, NULL);
    hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
    while (!over) {
        struct pollfd fds[2] = {
            {.fd = hawser_context_fd(ctx), .events = POLLIN},
            {.fd = at_end ? -1 : STDIN_FILENO, .events = POLLIN},
        };

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (fds[1].revents)
            read_input(line);
        if (fds[0].revents)
            hawser_dispatch(ctx); /* handlers run in here, and only in here */
    }
    hawser_association_unref(line);
    hawser_context_unref(ctx);
    return result < 0;
}
