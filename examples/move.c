/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer whose ends may be moved to another process, host or address while it runs (docs/moving.md).
 *
 *     move receive FILE IDENTITY LINE ADDRESS
 *     move send FILE IDENTITY LINE ENDPOINT [ENDPOINT...]
 *
 * IDENTITY is a directory with the key of this end. On SIGTERM the line is written to the file LINE, sealed by that key, and the process
 * ends; whoever is started with the same words, here or on another host that has the file and the identity, goes on with
 * the transfer. Of FILE a sender needs what it had not queued yet, and a receiver what it had written.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hawser/hawser.h>

#define CHUNK 65536 /* message n is the n-th of them */

struct end {
    hawser_context *context;
    hawser_identity *identity;
    hawser_association *line, *listener;
    const char *path; /* LINE */
    int file, code;
    uint64_t size, next; /* bytes of FILE, and the next chunk to be sent */
    bool sends, moving;
};

static void fail(const char *what, int code)
{
    fprintf(stderr, "move: %s: %s\n", what, hawser_strerror(code));
    exit(1);
}

static void tell(const char *what, const char *more)
{
    printf("%s %s\n", what, more);
    fflush(stdout);
}

/* ---- the transfer */

static void send_more(struct end *end)
{
    static char chunk[CHUNK];
    uint64_t chunks = (end->size + CHUNK - 1) / CHUNK;

    while (end->next < chunks) {
        ssize_t n = pread(end->file, chunk, sizeof chunk, (off_t)(end->next * CHUNK));
        int r = n > 0 ? hawser_send(end->line, chunk, (size_t)n, NULL, NULL) : -HAWSER_ESOURCE;

        if (r == -EAGAIN) /* HAWSER_WRITABLE says when */
            return;
        if (r < 0)
            fail("sending", r);
        end->next++;
    }
    (void)hawser_close(end->line, 0, "all was sent"); /* again, where it was closed before it was moved */
}

static void on_writable(const hawser_event *event, void *user)
{
    (void)event;
    send_more(user);
}

static void on_message(const hawser_event *event, void *user)
{
    const struct end *end = user;
    const hawser_received *message = &event->received;

    if (pwrite(end->file, message->data, message->size, (off_t)((message->id - 1) * CHUNK)) != (ssize_t)message->size)
        fail("writing", -errno);
}

static void on_outcome(const hawser_event *event, void *user)
{
    (void)user;
    if (event->outcome.kind != HAWSER_ACKED)
        fail(event->outcome.reason, event->outcome.code);
}

static void on_paths(const hawser_event *event, void *user)
{
    hawser_strand_info info;

    (void)user;
    if (hawser_association_strand(event->association, 0, &info) == 0 && info.state == HAWSER_STRAND_ACTIVE)
        tell("reached", info.resumed ? "by a short handshake" : "by a full handshake");
}

static void on_closed(const hawser_event *event, void *user)
{
    struct end *end = user;

    if (!end->moving) {
        end->code = event->closed.code;
        tell(event->closed.code < 0 ? "lost" : "done",
             event->closed.code < 0 ? hawser_strerror(event->closed.code) : "");
    }
    hawser_stop(end->context, 0);
}

static void take_line(struct end *end, hawser_association *line)
{
    end->line = hawser_association_ref(line);
    hawser_register(line, HAWSER_RECEIVED, on_message, end);
    hawser_register(line, HAWSER_OUTCOME, on_outcome, end);
    hawser_register(line, HAWSER_WRITABLE, on_writable, end);
    hawser_register(line, HAWSER_PATHS_CHANGED, on_paths, end);
    hawser_register(line, HAWSER_CLOSED, on_closed, end);
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct end *end = user;

    if (!end->line)
        take_line(end, event->accepted.association);
}

/* ---- moving */

static void write_line(const struct end *end, const void *blob, size_t size)
{
    int fd = open(end->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, blob, size) != (ssize_t)size || close(fd) < 0)
        fail(end->path, -errno);
}

static void move_line(void *user)
{
    struct end *end = user;
    char words[32];
    size_t size;
    void *blob;
    int r = hawser_association_export(end->line, NULL, &blob, &size);

    if (r == -EAGAIN && hawser_timer(end->context, 10000, move_line, end, NULL) == 0) /* the ends have not met yet */
        return;
    if (r < 0)
        fail("the line cannot be moved", r);
    end->moving = true;
    write_line(end, blob, size);
    free(blob);
    snprintf(words, sizeof words, "%zu bytes", size);
    tell("moved", words);
}

static void on_signal(int fd, short ready, void *user)
{
    struct end *end = user;
    struct signalfd_siginfo signal;

    (void)ready;
    if (read(fd, &signal, sizeof signal) < 0)
        return;
    if (!end->line)
        fail("there is no line to move", -ENOTCONN);
    move_line(end);
}

/* Whether there was one. The file is worth as much as the line, and no use a second time. */
static bool read_line(struct end *end)
{
    int fd = open(end->path, O_RDONLY | O_CLOEXEC), r;
    hawser_statistics statistics;
    hawser_association *line;
    struct stat stat;
    void *blob = NULL;

    if (fd < 0)
        return false;
    if (fstat(fd, &stat) < 0 || !(blob = malloc((size_t)stat.st_size)) ||
        read(fd, blob, (size_t)stat.st_size) != stat.st_size)
        fail(end->path, -errno);
    close(fd);
    r = hawser_association_import(end->context, blob, (size_t)stat.st_size, HAWSER_IMPORT(.identity = end->identity),
                                  &line);
    if (r < 0)
        fail(end->path, r);
    unlink(end->path);
    free(blob);
    take_line(end, line);
    hawser_association_unref(line);
    hawser_association_statistics(line, &statistics);
    end->next = statistics.messages_sent;
    return true;
}

/* ---- beginnings */

static void catch_signals(struct end *end)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || hawser_watch(end->context, fd, 1 /* POLLIN */, on_signal, end) < 0)
        fail("signals", -errno);
}

static void receive(struct end *end, const char *address)
{
    char words[512];
    int r = hawser_listen(end->context, address, HAWSER_LISTEN(.identity = end->identity), &end->listener);

    if (r < 0)
        fail(address, r);
    hawser_register(end->listener, HAWSER_ACCEPTED, on_accepted, end);
    snprintf(words, sizeof words, "%s@%s", hawser_identity_name(end->identity),
             hawser_association_endpoint(end->listener));
    tell("listening", words);
    if (read_line(end))
        tell("resumed", "");
}

static void send_to(struct end *end, char **endpoints, size_t count)
{
    const hawser_associate_options *options =
        HAWSER_ASSOCIATE(.identity = end->identity, .endpoints = (const char *const *)endpoints + 1,
                         .endpoint_count = count - 1, .present_certificate = true);
    hawser_association *line;
    int r;

    if (read_line(end)) {
        tell("resumed", "");
    } else {
        r = hawser_associate(end->context, endpoints[0], options, &line);
        if (r < 0)
            fail(endpoints[0], r);
        take_line(end, line);
        hawser_association_unref(line);
    }
    send_more(end);
}

int main(int argc, char **argv)
{
    struct end end = {.sends = argc > 1 && strcmp(argv[1], "send") == 0};
    struct stat stat;
    int r;

    if (argc < 6 || (!end.sends && (argc != 6 || strcmp(argv[1], "receive") != 0))) {
        fprintf(stderr, "usage: move receive FILE IDENTITY LINE ADDRESS\n"
                        "       move send FILE IDENTITY LINE ENDPOINT [ENDPOINT...]\n");
        return 2;
    }
    end.path = argv[4];
    end.file = end.sends ? open(argv[2], O_RDONLY | O_CLOEXEC) : open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (end.file < 0 || fstat(end.file, &stat) < 0)
        fail(argv[2], -errno);
    end.size = (uint64_t)stat.st_size;
    if ((r = hawser_identity_open(argv[3], &end.identity)) < 0)
        fail(argv[3], r);
    if ((r = hawser_context_new(NULL, &end.context)) < 0)
        fail("context", r);
    catch_signals(&end);
    if (end.sends)
        send_to(&end, argv + 5, (size_t)argc - 5);
    else
        receive(&end, argv[5]);
    hawser_run(end.context);
    hawser_association_unref(end.line);
    hawser_association_unref(end.listener);
    hawser_context_unref(end.context);
    hawser_identity_unref(end.identity);
    return end.code < 0;
}
