/* SPDX-License-Identifier: Apache-2.0 */
#include "messaging.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_BYTES ((size_t)64 << 20)

struct run {
    const struct messaging_ops *ops;
    const struct options *options;
    struct window window;
    struct pace pace;
    struct samples samples;
    uint64_t messages;
    uint8_t *data, *echo, *sync;
};

int messaging_queue(const struct options *o, int most)
{
    size_t n = QUEUE_BYTES / o->size;

    return n < 2 ? 2 : n > (size_t)most ? most : (int)n;
}

/* Not every library tells which port it got, so it is chosen before. */
static uint16_t free_port(const char *host)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || fd < 0 || bind(fd, (struct sockaddr *)&a, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        fail("no free port on %s", host);
    close(fd);
    return ntohs(a.sin_port);
}

/* Some of these libraries drop on close what they have not yet written. */
static void settle_and_close(const struct messaging_ops *ops)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    ops->close();
}

/* The second sync ends the window and its answer the work; true until then. */
static bool serve_one(struct run *run, uint64_t *before, unsigned *syncs)
{
    const struct messaging_ops *ops = run->ops;
    struct received r;
    uint8_t kind;

    ops->receive(&r);
    kind = r.data[0];
    if (kind == KIND_SYNC) {
        if (++*syncs == 1)
            *before = run->messages;
        (*syncs == 1 ? window_open : window_close)(&run->window);
        run->window.counts.messages = run->messages - *before;
        ops->send(r.data, r.size);
    } else if (kind == KIND_DATA || kind == KIND_ECHO) {
        run->messages++;
        if (kind == KIND_ECHO)
            ops->send(r.data, r.size);
    }
    ops->release(&r);
    return kind != KIND_QUIT;
}

static int server(const struct messaging_ops *ops, struct options *o)
{
    struct run run = {.ops = ops, .options = o};
    unsigned syncs = 0;
    uint64_t before = 0;

    if (o->port == 0)
        o->port = free_port(o->host);
    ops->listen(o);
    listening_print(o, o->port);
    while (serve_one(&run, &before, &syncs))
        ;
    result_print(o, &run.window, NULL);
    settle_and_close(ops);
    return 0;
}

static void wait_for_answer(const struct messaging_ops *ops)
{
    struct received r;

    ops->receive(&r);
    ops->release(&r);
}

static void synchronize(struct run *run)
{
    run->ops->send(run->sync, MESSAGE_MIN);
    wait_for_answer(run->ops);
}

static void oneway(struct run *run)
{
    while (pace_next(&run->pace)) {
        run->ops->send(run->data, run->options->size);
        run->messages++;
    }
}

static void pingpong(struct run *run)
{
    while (pace_next(&run->pace)) {
        int64_t start = now_ns();

        run->ops->send(run->echo, run->options->size);
        wait_for_answer(run->ops);
        samples_add(&run->samples, now_ns() - start);
        run->messages++;
    }
}

static void warm_up(struct run *run, void (*work)(struct run *))
{
    pace_start_warm(&run->pace, run->options);
    work(run);
    synchronize(run);
    run->messages = run->samples.count = 0;
    window_open(&run->window);
}

static int client(const struct messaging_ops *ops, const struct options *o)
{
    struct run run = {.ops = ops, .options = o};
    void (*work)(struct run *) = what_is(o, "oneway") ? oneway : pingpong;
    uint8_t *quit = message_new(KIND_QUIT, MESSAGE_MIN);

    run.data = message_new(KIND_DATA, o->size);
    run.echo = message_new(KIND_ECHO, o->size);
    run.sync = message_new(KIND_SYNC, MESSAGE_MIN);
    if (work == pingpong)
        samples_init(&run.samples);
    ops->connect(o);
    warm_up(&run, work);
    pace_start(&run.pace, o, work == oneway ? o->size : LARGE);
    work(&run);
    synchronize(&run);
    window_close(&run.window);
    run.window.counts.messages = run.messages;
    result_print(o, &run.window, &run.samples);
    ops->send(quit, MESSAGE_MIN);
    settle_and_close(ops);
    return 0;
}

int messaging_main(const struct messaging_ops *ops, int argc, char **argv)
{
    struct options o;

    options_parse(&o, &ops->program, argc, argv);
    return o.server ? server(ops, &o) : client(ops, &o);
}
