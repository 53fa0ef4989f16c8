/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd [N]: N associations (1,000) with two strands each, tls/tcp to 127.0.0.1 and quic/udp to 127.0.0.2, all of a side on
 * one thread. Says how long it took until all stood, what each took of memory at either end, and how long it takes until every
 * one has had a message answered. One JSON object.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hawser/hawser.h>

enum { AT_ONCE = 64 }; /* that are being set up */

struct line {
    hawser_association *association;
    struct crowd *crowd;
    bool joined, answered;
};

struct crowd {
    hawser_context *context;
    struct line *lines;
    size_t count, begun, established, joined, answered, lost;
    char endpoints[2][200];
};

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "crowd: %s: %s\n", what, hawser_strerror(r));
    exit(1);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total, pages = 0;

    if (file && fscanf(file, "%lu %lu", &total, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* -------------------------------------------------------------------------------------------------------- server */

static void on_asked(const hawser_event *event, void *user)
{
    size_t bytes = resident();

    (void)user;
    check(hawser_send(event->association, &bytes, sizeof bytes, NULL, NULL), "answering");
}

static void on_accepted(const hawser_event *event, void *user)
{
    (void)user;
    hawser_register(hawser_association_ref(event->accepted.association), HAWSER_RECEIVED, on_asked, NULL);
}

static void listen_on(hawser_context *context, hawser_identity *identity, const char *endpoint, const char *stack,
                      int out)
{
    hawser_association *listener;

    check(hawser_listen(context, endpoint, HAWSER_LISTEN(.identity = identity, .stack = stack, .max_handshakes = 4096),
                        &listener),
          endpoint);
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, NULL);
    dprintf(out, "%s@%s\n", hawser_identity_name(identity), hawser_association_endpoint(listener));
}

static void serve(int out)
{
    hawser_identity *identity;
    hawser_context *context;

    check(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), "a context");
    check(hawser_identity_new(&identity), "an identity");
    listen_on(context, identity, "127.0.0.1:0", "tls/tcp", out);
    listen_on(context, identity, "127.0.0.2:0", "quic/udp", out);
    close(out);
    check(hawser_run(context), "running");
    _exit(0);
}

/* -------------------------------------------------------------------------------------------------------- client */

static void begin_more(struct crowd *crowd);

static bool has_two(hawser_association *association)
{
    hawser_strand_info info;
    unsigned standing = 0;

    for (unsigned i = 0; hawser_association_strand(association, i, &info) == 0; i++)
        standing += info.state == HAWSER_STRAND_ACTIVE || info.state == HAWSER_STRAND_STANDBY;
    return standing == 2;
}

static void on_event(const hawser_event *event, void *user)
{
    struct line *line = user;
    struct crowd *crowd = line->crowd;

    if (event->type == HAWSER_CLOSED) {
        crowd->lost++;
        fprintf(stderr, "crowd: a line was lost: %s\n", event->closed.reason);
        hawser_stop(crowd->context, 0);
    } else if (event->type == HAWSER_RECEIVED) {
        line->answered = true;
        if (++crowd->answered == crowd->count)
            hawser_stop(crowd->context, 0);
    } else if (!line->joined && has_two(event->association)) {
        line->joined = true;
        if (++crowd->joined == crowd->count)
            hawser_stop(crowd->context, 0);
        begin_more(crowd);
    }
}

static void begin_more(struct crowd *crowd)
{
    const char *others[] = {crowd->endpoints[1]};

    while (crowd->begun < crowd->count && crowd->begun < crowd->joined + AT_ONCE) {
        struct line *line = &crowd->lines[crowd->begun++];

        line->crowd = crowd;
        check(hawser_associate(crowd->context, crowd->endpoints[0],
                               HAWSER_ASSOCIATE(.endpoints = others, .endpoint_count = 1, .paths = "all",
                                                .stack = "tls/tcp,quic/udp", .policy = HAWSER_AGGREGATE,
                                                .timeout_us = 60000000),
                               &line->association),
              "associating");
        hawser_register(line->association, HAWSER_PATHS_CHANGED, on_event, line);
        hawser_register(line->association, HAWSER_RECEIVED, on_event, line);
        hawser_register(line->association, HAWSER_CLOSED, on_event, line);
    }
}

static size_t remote_resident;

static void on_probe(const hawser_event *event, void *user)
{
    (void)user;
    memcpy(&remote_resident, event->received.data, sizeof remote_resident);
    hawser_stop(hawser_association_context(event->association), 0);
}

/* What the server takes, as it says itself; asked on the first line. */
static size_t ask_server(struct crowd *crowd)
{
    hawser_register(crowd->lines[0].association, HAWSER_RECEIVED, on_probe, NULL);
    check(hawser_send(crowd->lines[0].association, "?", 1, NULL, NULL), "asking");
    check(hawser_run(crowd->context), "running");
    hawser_register(crowd->lines[0].association, HAWSER_RECEIVED, on_event, &crowd->lines[0]);
    return remote_resident;
}

static void run_until_told(struct crowd *crowd)
{
    check(hawser_run(crowd->context), "running");
    if (crowd->lost)
        exit(1);
}

static void measure(struct crowd *crowd)
{
    size_t all = crowd->count, ours, theirs;
    double began, stood, answered;

    crowd->count = 1; /* the first one pays for what all share */
    begin_more(crowd);
    run_until_told(crowd);
    ours = resident();
    theirs = ask_server(crowd);
    crowd->count = all;
    began = seconds();
    begin_more(crowd);
    run_until_told(crowd);
    stood = seconds();
    ours = resident() - ours;
    theirs = ask_server(crowd) - theirs;
    for (size_t i = 0; i < all; i++)
        check(hawser_send(crowd->lines[i].association, "?", 1, NULL, NULL), "sending");
    answered = -seconds();
    run_until_told(crowd);
    answered += seconds();
    printf("{\"lines\":%zu,\"strands\":2,\"seconds\":%.3f,\"client_bytes\":%zu,\"server_bytes\":%zu,\"all_answered_"
           "ms\":%.1f}\n",
           all, stood - began, ours / (all - 1), theirs / (all - 1), answered * 1000);
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000};
    FILE *from;
    int pipes[2];
    pid_t server;

    if (crowd.count < 2 || pipe(pipes) < 0) {
        fprintf(stderr, "usage: crowd [N], N at least 2\n");
        return 2;
    }
    allow_descriptors();
    server = fork();
    if (server == 0)
        serve(pipes[1]);
    close(pipes[1]);
    from = fdopen(pipes[0], "r");
    for (size_t i = 0; from && i < 2; i++) {
        if (!fgets(crowd.endpoints[i], sizeof crowd.endpoints[i], from))
            return 1;
        crowd.endpoints[i][strcspn(crowd.endpoints[i], "\n")] = '\0';
    }
    crowd.lines = calloc(crowd.count, sizeof *crowd.lines);
    check(crowd.lines ? 0 : -ENOMEM, "memory");
    check(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &crowd.context), "a context");
    measure(&crowd);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
