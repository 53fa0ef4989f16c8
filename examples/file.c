/* SPDX-License-Identifier: Apache-2.0 */
/* file FILE COPY: a file as one message, from one descriptor into another: neither end holds more than a window of it
 * in memory. Both ends are in this program, for brevity. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <hawser/hawser.h>

struct copy {
    int target, result;
};

/* Told above 64 KiB, before the data: here the receiver says where it is to go, or refuses it by its size. */
static void on_arriving(const hawser_event *e, void *user)
{
    struct copy *copy = user;

    copy->result = hawser_take_file(e->association, e->arriving.id, copy->target, 0);
}

static void on_received(const hawser_event *e, void *user)
{
    struct copy *copy = user;

    if (e->received.data && pwrite(copy->target, e->received.data, e->received.size, 0) != (ssize_t)e->received.size)
        hawser_refuse(e->association, e->received.id, "the disk is full");
}

static void on_closed(const hawser_event *e, void *user)
{
    (void)user;
    hawser_association_unref(e->association);
}

static void on_accepted(const hawser_event *e, void *user)
{
    hawser_association *line = hawser_association_ref(e->accepted.association);

    hawser_register(line, HAWSER_ARRIVING, on_arriving, user);
    hawser_register(line, HAWSER_RECEIVED, on_received, user);
    hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
    hawser_close(e->association, 0, ""); /* one is enough */
}

static void on_outcome(const hawser_event *e, void *user)
{
    struct copy *copy = user;

    copy->result = e->outcome.kind == HAWSER_ACKED ? 0 : e->outcome.code;
    printf("%s%s%s\n", hawser_outcome_name(e->outcome.kind), *e->outcome.reason ? ": " : "", e->outcome.reason);
    hawser_close(e->association, 0, "");
}

int main(int argc, char **argv)
{
    hawser_association *listener = NULL, *line = NULL;
    hawser_identity *identity = NULL;
    hawser_context *ctx = NULL;
    struct copy copy = {.result = -1};
    char endpoint[256];
    int source, r;

    if (argc != 3) {
        fputs("usage: file FILE COPY\n", stderr);
        return 2;
    }
    source = open(argv[1], O_RDONLY | O_CLOEXEC);
    copy.target = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (source < 0 || copy.target < 0) {
        perror(source < 0 ? argv[1] : argv[2]);
        return 1;
    }
    if ((r = hawser_context_new(NULL, &ctx)) < 0 || (r = hawser_identity_new(&identity)) < 0 ||
        (r = hawser_listen(ctx, "127.0.0.1:0", HAWSER_LISTEN(.identity = identity), &listener)) < 0)
        goto failed;
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, &copy);
    snprintf(endpoint, sizeof endpoint, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    if ((r = hawser_associate(ctx, endpoint, NULL, &line)) < 0)
        goto failed;
    hawser_register(line, HAWSER_OUTCOME, on_outcome, &copy);
    if ((r = hawser_send_file(line, source, 0, HAWSER_SIZE_UNKNOWN, NULL, NULL)) == 0 && (r = hawser_run(ctx)) == 0)
        r = copy.result;
failed:
    if (r < 0)
        fprintf(stderr, "file: %s\n", hawser_strerror(r));
    hawser_association_unref(line);
    hawser_association_unref(listener);
    hawser_context_unref(ctx);
    hawser_identity_unref(identity);
    return r < 0;
}
