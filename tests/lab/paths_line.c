/* SPDX-License-Identifier: Apache-2.0 */
/* lab-paths over an association: the public API alone. */
#include <errno.h>
#include <hawser/hawser.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numbered.h"

struct line {
    const struct job *job;
    hawser_context *context;
    hawser_identity *identity;
    hawser_association *association; /* the one that carries, or NULL */
    struct arrivals arrivals;        /* of who listens */
    uint8_t *message;                /* of who sends: job->size bytes */
    int64_t began_us, settled_us;    /* established; the last outcome */
    uint64_t sent, acked, failed;
    char *strands;                    /* of who sends: what they were when all was settled */
    bool established, stopped, waits; /* waits: for room in the queue */
    int code;
};

static void on_log(hawser_log_level level, const char *text, void *user)
{
    (void)level;
    (void)user;
    fprintf(stderr, "lab-paths: %s\n", text);
}

static int line_open(struct line *line, const struct job *job)
{
    int r;

    *line = (struct line){.job = job, .message = malloc(job->size)};
    if (!line->message)
        return -ENOMEM;
    r = hawser_context_new(HAWSER_CONTEXT(.state_dir = job->state ? job->state : "", .log = on_log), &line->context);
    if (r == 0)
        r = job->identity ? hawser_identity_open(job->identity, &line->identity) : hawser_identity_new(&line->identity);
    return r;
}

static int line_close(struct line *line, int r)
{
    if (r < 0)
        printf("{\"error\":\"%s\"}\n", hawser_strerror(r));
    hawser_association_unref(line->association);
    hawser_identity_unref(line->identity);
    hawser_context_unref(line->context);
    arrivals_clear(&line->arrivals);
    free(line->message);
    free(line->strands);
    return r < 0;
}

static int read_policy(const char *word, hawser_policy *ret_policy)
{
    static const char *const names[] = {"handover", "interactive", "aggregate"};

    *ret_policy = HAWSER_HANDOVER;
    for (int i = 0; word && i < 3; i++)
        if (strcmp(word, names[i]) == 0) {
            *ret_policy = (hawser_policy)i;
            return 0;
        }
    return word ? -EINVAL : 0;
}

static void print_strands(FILE *out, hawser_association *association)
{
    hawser_strand_info info;

    fprintf(out, "\"strands\":[");
    for (unsigned i = 0; association && hawser_association_strand(association, i, &info) == 0; i++) {
        fprintf(out, "%s{\"interface\":\"%s\",\"local\":\"%s\",\"remote\":\"%s\",\"stack\":\"%s\",\"state\":\"%s\",",
                i ? "," : "", info.path.interface, info.path.local, info.path.remote, info.stack,
                hawser_strand_state_name(info.state));
        fprintf(out,
                "\"rtt_us\":%" PRId64 ",\"min_rtt_us\":%" PRId64 ",\"loss_ppm\":%" PRId64 ",\"sent\":%" PRIu64
                ",\"received\":%" PRIu64 ",\"rate\":%" PRIu64
                ",\"mtu\":%u,\"type\":\"%s\",\"cost\":%d,\"moved\":%" PRIu64 ",\"doubled\":%" PRIu64
                ",\"suspicions\":%u}",
                info.rtt_us, info.min_rtt_us, info.loss_ppm, info.bytes_sent, info.bytes_received, info.delivery_rate,
                info.mtu, info.type, info.cost, info.moved_bytes, info.duplicated_bytes, info.suspicions);
    }
    fprintf(out, "]");
}

/* ------------------------------------------------------------------------------------------------------------ who listens */

static void on_received(const hawser_event *event, void *user)
{
    struct line *line = user;

    if (!arrivals_note(&line->arrivals, event->received.data, event->received.size))
        hawser_stop(line->context, -ENOMEM);
}

static void on_peer_closed(const hawser_event *event, void *user)
{
    struct line *line = user;
    int r = arrivals_write(&line->arrivals, line->job->log);

    printf("{\"ok\":true,\"count\":%zu,\"bytes\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"code\":%d,\"reason\":\"%s\",",
           line->arrivals.count, line->arrivals.bytes, line->arrivals.wrong, event->closed.code, event->closed.reason);
    print_strands(stdout, event->association);
    puts("}");
    hawser_stop(line->context, r);
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct line *line = user;

    if (line->association) {
        hawser_refuse_association(event->accepted.association, 0, "one line is enough");
        return;
    }
    line->association = hawser_association_ref(event->accepted.association);
    hawser_register(line->association, HAWSER_RECEIVED, on_received, line);
    hawser_register(line->association, HAWSER_CLOSED, on_peer_closed, line);
}

static int listen_on(struct line *line, const char *endpoint, hawser_association **ret_listener)
{
    hawser_policy policy;
    int r = read_policy(line->job->policy, &policy);

    if (r == 0)
        r = hawser_listen(line->context, endpoint,
                          HAWSER_LISTEN(.identity = line->identity, .stack = line->job->stack, .policy = policy),
                          ret_listener);
    if (r == 0)
        hawser_register(*ret_listener, HAWSER_ACCEPTED, on_accepted, line);
    return r;
}

/* On another address, by the same port. */
static int listen_also(struct line *line, const hawser_association *listener, hawser_association **ret_also)
{
    char endpoint[128];

    if (!line->job->also)
        return 0;
    (void)snprintf(endpoint, sizeof endpoint, "%s%s", line->job->also,
                   strrchr(hawser_association_endpoint(listener), ':'));
    return listen_on(line, endpoint, ret_also);
}

int hawser_listen_job(const struct job *job)
{
    struct line line;
    hawser_association *listener = NULL, *also = NULL;
    int r = line_open(&line, job);

    r = r < 0 ? r : listen_on(&line, job->endpoint, &listener);
    r = r < 0 ? r : listen_also(&line, listener, &also);
    if (r == 0) {
        printf("{\"ok\":true,\"endpoint\":\"%s\",\"name\":\"%s\"}\n", hawser_association_endpoint(listener),
               hawser_identity_name(line.identity));
        r = hawser_run(line.context);
    }
    hawser_association_unref(listener);
    hawser_association_unref(also);
    return line_close(&line, r);
}

/* -------------------------------------------------------------------------------------------------------------- who sends */

static void send_due(void *user);

static bool all_sent(const struct line *line)
{
    return line->stopped || (line->job->count > 0 && line->sent == line->job->count);
}

static void finish(struct line *line)
{
    size_t size;
    FILE *out;

    if (!all_sent(line) || line->acked + line->failed != line->sent || line->strands)
        return;
    out = open_memstream(&line->strands, &size);
    if (out) {
        print_strands(out, line->association);
        fclose(out);
    }
    hawser_close(line->association, 0, "");
}

/* One message. Whether there may be another at once. */
static bool send_one(struct line *line, int64_t due_us)
{
    int r;

    numbered_fill(line->message, line->job->size, line->sent, due_us);
    r = hawser_send(line->association, line->message, line->job->size, HAWSER_MESSAGE(.niceness = line->job->niceness),
                    NULL);
    line->waits = r == -EAGAIN;
    if (r < 0 && r != -EAGAIN)
        hawser_stop(line->context, r);
    line->sent += r == 0;
    return r == 0;
}

/* Those that are due; a timer for the next. */
static void send_due(void *user)
{
    struct line *line = user;
    const struct job *job = line->job;
    int64_t now = clock_us(), due = now;

    while (!all_sent(line)) {
        if (job->every_us)
            due = line->began_us + (int64_t)line->sent * job->every_us;
        if (due > now || !send_one(line, due))
            break;
    }
    if (due > now && !all_sent(line))
        hawser_timer(line->context, due - now, send_due, line, NULL);
}

static void on_established(const hawser_event *event, void *user)
{
    struct line *line = user;

    line->established = true;
    line->began_us = clock_us();
    printf("{\"ok\":true,\"established\":%" PRId64 ",\"stack\":\"%s\",", line->began_us, event->established.stack);
    print_strands(stdout, event->association);
    puts("}");
    send_due(line);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct line *line = user;

    (void)event;
    if (line->waits)
        send_due(line);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct line *line = user;

    if (event->outcome.kind == HAWSER_ACKED) {
        line->acked += event->outcome.count;
    } else {
        line->failed += event->outcome.count;
        fprintf(stderr, "lab-paths: %" PRIu64 " messages: %s, %s\n", event->outcome.count,
                hawser_outcome_name(event->outcome.kind), event->outcome.reason);
    }
    line->settled_us = clock_us();
    finish(line);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct line *line = user;

    if (!line->established) {
        printf("{\"error\":\"%s\"}\n", event->closed.reason);
        hawser_stop(line->context, 1);
        return;
    }
    printf("{\"ok\":true,\"count\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"elapsed_us\":%" PRId64
           ",\"code\":%d,\"reason\":\"%s\",",
           line->sent, line->acked, line->failed, line->settled_us - line->began_us, event->closed.code,
           event->closed.reason);
    printf("%s}\n", line->strands ? line->strands : "\"strands\":[]");
    hawser_stop(line->context, event->closed.code == 0 && line->failed == 0 ? 0 : 1);
}

static void on_input(int fd, short revents, void *user)
{
    struct line *line = user;
    char word[64];
    ssize_t n = read(fd, word, sizeof word - 1);

    (void)revents;
    if (n > 0 && strncmp(word, "strands", 7) == 0) {
        printf("{\"ok\":true,");
        print_strands(stdout, line->association);
        puts("}");
        return;
    }
    hawser_watch(line->context, fd, 0, NULL, NULL); /* stop, or nobody is there any more */
    line->stopped = true;
    finish(line);
}

static int send_start(struct line *line)
{
    const struct job *job = line->job;
    hawser_policy policy;
    int r = read_policy(job->policy, &policy);

    if (r == 0)
        r = hawser_associate(line->context, job->endpoint,
                             HAWSER_ASSOCIATE(.identity = line->identity, .trust = job->trust, .stack = job->stack,
                                              .policy = policy, .local = job->local,
                                              .keep_alive_us = job->keep_alive_us, .paths = job->paths,
                                              .reestablish_us = job->reestablish_us),
                             &line->association);
    if (r < 0)
        return r;
    hawser_register(line->association, HAWSER_ESTABLISHED, on_established, line);
    hawser_register(line->association, HAWSER_WRITABLE, on_writable, line);
    hawser_register(line->association, HAWSER_OUTCOME, on_outcome, line);
    hawser_register(line->association, HAWSER_CLOSED, on_closed, line);
    return hawser_watch(line->context, STDIN_FILENO, POLLIN, on_input, line);
}

int hawser_send_job(const struct job *job)
{
    struct line line;
    int r = line_open(&line, job);

    r = r < 0 ? r : send_start(&line);
    r = r < 0 ? r : hawser_run(line.context);
    return line_close(&line, r) || r != 0;
}
