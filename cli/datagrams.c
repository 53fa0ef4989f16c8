/* SPDX-License-Identifier: Apache-2.0 */
#include "datagrams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

#define LARGEST 65536u
#define QUIET_US 1000000 /* after the end of input: an answer would have come by then */
#define KEY_MAX 4096

bool is_datagrams(hawser_association *association)
{
    hawser_stack_info info;

    return hawser_stack_find(stack_of(association), &info) == 0 && info.bare == HAWSER_CARRIES_DATAGRAMS;
}

static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) != 0;
}

static void go_on(struct datagrams *d);

static void on_in(int fd, short revents, void *user)
{
    (void)fd;
    (void)revents;
    go_on(user);
}

static void watch(struct datagrams *d, bool on)
{
    hawser_context *context = d->line->tool->context;

    if (d->in_watched != on && hawser_watch(context, STDIN_FILENO, on ? POLLIN : 0, on_in, d) == 0)
        d->in_watched = on;
}

static void on_quiet(void *user)
{
    struct datagrams *d = user;

    d->timed = false;
    line_finish(d->line);
}

static void await_answers(struct datagrams *d)
{
    hawser_context *context = d->line->tool->context;

    if (d->timed)
        hawser_timer_cancel(context, d->idle);
    d->timed = hawser_timer(context, QUIET_US, on_quiet, d, &d->idle) == 0;
}

static size_t largest(const struct datagrams *d)
{
    char text[32];

    if (hawser_association_get_property(d->line->association, "sendMsgMaxLen", text, sizeof(text)) < 0)
        return LARGEST;
    return strtoul(text, NULL, 10) < LARGEST ? strtoul(text, NULL, 10) : LARGEST;
}

static bool read_one(struct datagrams *d)
{
    size_t most = largest(d);
    ssize_t n;

    if (!is_ready(STDIN_FILENO)) {
        watch(d, true);
        return false;
    }
    n = read(STDIN_FILENO, d->buffer, most ? most : 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        watch(d, true);
        return false;
    }
    if (n <= 0) {
        watch(d, false);
        d->in_done = true;
        await_answers(d);
        return false;
    }
    d->size = (size_t)n;
    d->has = true;
    return true;
}

static void go_on(struct datagrams *d)
{
    while (!d->stopped && !d->in_done && (d->has || read_one(d))) {
        int r = hawser_send(d->line->association, d->buffer, d->size,
                            HAWSER_MESSAGE(.niceness = (int)d->line->tool->options->niceness), NULL);

        if (r == -EAGAIN) {
            watch(d, false); /* until HAWSER_WRITABLE */
            return;
        }
        d->has = false;
        if (r < 0) {
            complain(d->line->tool, "a datagram was not sent: %s", hawser_strerror(r));
            d->broken = true;
        }
    }
}

static void on_writable(const hawser_event *event, void *user)
{
    (void)event;
    go_on(user);
}

/* With --json standard output is the events'. */
static void on_received(const hawser_event *event, void *user)
{
    struct datagrams *d = user;
    const uint8_t *data = event->received.data;
    size_t size = event->received.size, at = 0;

    if (d->in_done)
        await_answers(d);
    if (d->line->tool->options->json) {
        struct json *json = event_begin(d->line->tool, "data");

        json_unsigned(json, "size", size);
        json_base64(json, "base64", data, size);
        event_end(d->line->tool);
        return;
    }
    while (at < size) {
        ssize_t n = write(STDOUT_FILENO, data + at, size - at);

        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct datagrams *d = user;

    if (event->outcome.kind != HAWSER_SEND_FAILED || d->line->finished)
        return;
    complain(d->line->tool, "a datagram was not sent: %s", event->outcome.reason);
    d->broken = true;
}

int datagrams_start(struct datagrams *d, struct line *line)
{
    d->line = line;
    d->buffer = malloc(LARGEST);
    if (!d->buffer)
        return -ENOMEM;
    hawser_register(line->association, HAWSER_RECEIVED, on_received, d);
    hawser_register(line->association, HAWSER_WRITABLE, on_writable, d);
    hawser_register(line->association, HAWSER_OUTCOME, on_outcome, d);
    go_on(d);
    return 0;
}

void datagrams_stop(struct datagrams *d)
{
    if (!d->line || d->stopped)
        return;
    d->stopped = true;
    watch(d, false);
    if (d->timed)
        hawser_timer_cancel(d->line->tool->context, d->idle);
    d->timed = false;
    free(d->buffer);
    d->buffer = NULL;
}

int group_key_read(struct tool *tool, const char *file, void **ret_key, size_t *ret_size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), r = 0;
    uint8_t *key = malloc(KEY_MAX);
    ssize_t n = fd >= 0 && key ? read(fd, key, KEY_MAX) : -1;

    if (n < 0) {
        r = -errno;
        complain(tool, "--group-key: %s cannot be read: %s", file, hawser_strerror(r));
        free(key);
    } else {
        *ret_key = key;
        *ret_size = (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return r;
}
