/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdlib.h>

struct client {
    const struct options *options;
    struct stream stream;
    struct conn *control; /* the first connection; carries the syncs, and all where one is enough */
    struct conn **all;
    unsigned opened;
    uint8_t *data, *echo, *sync;
    struct pace pace;
    uint64_t messages, resumed;
    unsigned outstanding, next;
    bool synced, answered, sending;
    struct window window;
    struct samples samples;
};

/* Queues messages until there is no room or no wish for more. */
static void oneway_fill(struct client *client, struct conn *c)
{
    size_t size = client->options->size;

    while (pace_next(&client->pace)) {
        if (!conn_queue(c, client->data, size)) {
            client->pace.left++;
            return;
        }
        client->messages++;
    }
    client->sending = !conn_flush(c);
}

static void oneway(struct client *client)
{
    client->sending = true;
    oneway_fill(client, client->control);
    while (client->sending)
        stream_turn(&client->stream);
}

static void growth_fill(struct client *client)
{
    unsigned n = client->options->connections;

    while (client->outstanding < IN_FLIGHT && client->outstanding < n) {
        struct conn *c = client->all[client->next];

        if (c->busy || !pace_next(&client->pace))
            return;
        client->next = (client->next + 1) % n;
        c->busy = true;
        client->outstanding++;
        if (!conn_queue(c, client->echo, client->options->size) || !conn_flush(c))
            fail("no room for an echo");
    }
}

static void growth(struct client *client)
{
    growth_fill(client);
    while (client->outstanding > 0) {
        stream_turn(&client->stream);
        growth_fill(client);
    }
}

static void on_writable(struct conn *c)
{
    struct client *client = c->stream->user;

    if (client->sending)
        oneway_fill(client, c);
}

static void on_message(struct conn *c, const uint8_t *data, size_t size)
{
    struct client *client = c->stream->user;

    (void)size;
    if (data[0] == KIND_SYNC) {
        client->synced = true;
        return;
    }
    client->answered = true;
    if (c->busy) {
        c->busy = false;
        client->outstanding--;
        client->messages++;
    }
}

static void on_end(struct conn *c)
{
    (void)c;
    fail("the server closed a connection");
}

static void send_now(struct client *client, struct conn *c, const uint8_t *message, size_t size)
{
    if (!conn_queue(c, message, size))
        fail("no room on a quiet connection");
    while (!conn_flush(c))
        stream_turn(&client->stream);
}

static void synchronize(struct client *client)
{
    client->synced = false;
    send_now(client, client->control, client->sync, MESSAGE_MIN);
    while (!client->synced)
        stream_turn(&client->stream);
}

static void round_trip(struct client *client, struct conn *c)
{
    client->answered = false;
    send_now(client, c, client->echo, client->options->size);
    while (!client->answered)
        stream_turn(&client->stream);
    client->messages++;
}

static struct conn *open_one(struct client *client)
{
    struct conn *c = stream_connect(&client->stream);

    while (!c->ready)
        stream_turn(&client->stream);
    client->resumed += c->resumed;
    return c;
}

static void pingpong(struct client *client)
{
    while (pace_next(&client->pace)) {
        int64_t start = now_ns();

        round_trip(client, client->control);
        samples_add(&client->samples, now_ns() - start);
    }
}

static void setup(struct client *client)
{
    while (pace_next(&client->pace)) {
        struct conn *c = open_one(client);

        round_trip(client, c);
        conn_close(c);
    }
}

/* Opens associations up to `until`, each with one message there and back. */
static void open_until(struct client *client, unsigned until)
{
    for (; client->opened < until; client->opened++) {
        client->all[client->opened] = open_one(client);
        round_trip(client, client->all[client->opened]);
    }
}

static void measure_begin(struct client *client)
{
    synchronize(client);
    client->messages = client->resumed = client->samples.count = 0;
    window_open(&client->window);
}

static void measure_end(struct client *client)
{
    synchronize(client);
    window_close(&client->window);
    client->window.counts = (struct counts){client->messages, client->resumed};
    result_print(client->options, &client->window, &client->samples);
}

static void run_idle(struct client *client)
{
    unsigned n = client->options->connections;

    open_until(client, n >= 50 ? n / 50 : 1);
    measure_begin(client);
    open_until(client, n);
    measure_end(client);
}

static void run_paced(struct client *client, void (*work)(struct client *))
{
    const struct options *o = client->options;

    pace_start_warm(&client->pace, o);
    work(client);
    measure_begin(client);
    pace_start(&client->pace, o, what_is(o, "oneway") ? o->size : 64 << 10);
    work(client);
    measure_end(client);
}

static void run(struct client *client)
{
    const struct options *o = client->options;

    if (what_is(o, "oneway")) {
        run_paced(client, oneway);
    } else if (what_is(o, "pingpong")) {
        samples_init(&client->samples);
        run_paced(client, pingpong);
    } else if (what_is(o, "setup")) {
        run_paced(client, setup);
    } else if (what_is(o, "growth")) {
        open_until(client, o->connections);
        run_paced(client, growth);
    } else {
        run_idle(client);
    }
}

int stream_client(const struct stream_ops *ops, const struct options *o)
{
    struct client client = {.options = o};

    client.all = calloc(o->connections, sizeof(*client.all));
    client.data = message_new(KIND_DATA, o->size);
    client.echo = message_new(KIND_ECHO, o->size);
    client.sync = message_new(KIND_SYNC, MESSAGE_MIN);
    if (!client.all)
        fail("out of memory");
    stream_init(&client.stream, ops, o);
    client.stream.user = &client;
    client.stream.on_message = on_message;
    client.stream.on_writable = on_writable;
    client.stream.on_end = on_end;
    client.control = open_one(&client);
    run(&client);
    return 0;
}
