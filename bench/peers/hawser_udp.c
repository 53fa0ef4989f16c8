/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare line of hawser over `udp`, doing what raw_udp does: messages in datagrams of 1,400 bytes, each a message of the
 * line, and the same window. What hawser adds to the socket is the difference.
 */
#include <stdio.h>
#include <string.h>

#include <hawser/hawser.h>

#include "messaging.h"

#define DATAGRAM 1400
#define BATCH 40 /* datagrams a flush, as raw_udp has them a call */
#define STEP ((size_t)512 << 10)
#define WINDOW (2 * STEP)
#define KIND_CREDIT 'c'
#define WAITING 4096 /* messages that came and were not asked for yet */

struct whole {
    size_t size;
    uint8_t head[64];
};

static struct {
    hawser_context *context;
    hawser_association *line, *listener;
    bool server, failed;
    size_t size, outstanding, uncredited, got, expected;
    struct whole waiting[WAITING];
    size_t first, count;
    uint8_t buffer[65536];
} u;

static void must(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s", what, hawser_strerror(r));
}

static void credit(size_t size)
{
    const uint8_t word = KIND_CREDIT;

    u.uncredited += size;
    for (; u.uncredited >= STEP; u.uncredited -= STEP)
        must(hawser_send(u.line, &word, 1, NULL, NULL), "sending");
}

static void datagram_came(const uint8_t *data, size_t size)
{
    struct whole *whole = &u.waiting[(u.first + u.count) % WAITING];

    if (!u.server && size == 1 && data[0] == KIND_CREDIT) {
        u.outstanding -= STEP;
        return;
    }
    if (u.got == 0) {
        memcpy(whole->head, data, size < sizeof(whole->head) ? size : sizeof(whole->head));
        u.expected = data[0] == KIND_DATA || data[0] == KIND_ECHO ? u.size : size;
    }
    u.got += size;
    if (u.server)
        credit(size);
    if (u.got < u.expected)
        return;
    whole->size = u.got;
    u.got = 0;
    if (++u.count == WAITING)
        fail("messages pile up");
}

static void on_many(const hawser_event *event, void *user)
{
    (void)user;
    for (size_t i = 0; i < event->received_many.count; i++)
        datagram_came(event->received_many.messages[i].data, event->received_many.messages[i].size);
}

static void on_closed(const hawser_event *event, void *user)
{
    (void)user;
    fail("the line ended: %s", event->closed.reason);
}

static void take(hawser_association *line)
{
    u.line = line;
    hawser_register(line, HAWSER_RECEIVED_MANY, on_many, NULL);
    hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
}

static void on_accepted(const hawser_event *event, void *user)
{
    (void)user;
    if (!u.line)
        take(hawser_association_ref(event->accepted.association));
}

static hawser_properties *in_the_clear(void)
{
    hawser_properties *properties;

    must(hawser_properties_new(&properties), "properties");
    must(hawser_properties_set(properties, "session", "prohibit"), "session");
    must(hawser_properties_set(properties, "security", "prohibit"), "security");
    return properties;
}

static void begin(const struct options *o, char *endpoint, size_t size)
{
    u.server = o->server;
    u.size = o->size;
    must(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .policy_file = ""), &u.context), "a context");
    snprintf(endpoint, size, "%s:%u", o->host, (unsigned)o->port);
}

static void udp_listen(const struct options *o)
{
    hawser_properties *properties = in_the_clear();
    char endpoint[128];

    begin(o, endpoint, sizeof(endpoint));
    must(hawser_listen(u.context, endpoint, HAWSER_LISTEN(.properties = properties, .stack = "udp"), &u.listener),
         "listening");
    hawser_properties_unref(properties);
    hawser_register(u.listener, HAWSER_ACCEPTED, on_accepted, NULL);
}

static void udp_connect(const struct options *o)
{
    hawser_properties *properties = in_the_clear();
    hawser_association *line;
    char endpoint[128];

    begin(o, endpoint, sizeof(endpoint));
    must(hawser_associate(u.context, endpoint, HAWSER_ASSOCIATE(.properties = properties, .stack = "udp"), &line),
         "associating");
    hawser_properties_unref(properties);
    take(line);
}

static void udp_send(const uint8_t *data, size_t size)
{
    unsigned batch = 0;

    for (size_t at = 0; at < size || at == 0; at += DATAGRAM) {
        size_t slice = size - at < DATAGRAM ? size - at : DATAGRAM;

        while (!u.server && u.outstanding + slice > WINDOW)
            must(hawser_iterate(u.context, -1), "waiting");
        if (!u.server)
            u.outstanding += slice;
        must(hawser_send(u.line, data + at, slice, NULL, NULL), "sending");
        if (++batch % BATCH == 0)
            must(hawser_flush(u.line), "sending");
    }
    must(hawser_iterate(u.context, 0), "sending");
}

static void udp_receive(struct received *r)
{
    struct whole *whole;

    while (u.count == 0)
        must(hawser_iterate(u.context, -1), "receiving");
    whole = &u.waiting[u.first];
    memcpy(u.buffer, whole->head, sizeof(whole->head));
    *r = (struct received){u.buffer, whole->size, NULL};
    u.first = (u.first + 1) % WAITING;
    u.count--;
}

static void udp_release(struct received *r)
{
    (void)r;
}

static void udp_close(void)
{
    hawser_register(u.line, HAWSER_CLOSED, NULL, NULL);
    hawser_context_unref(u.context);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"udp", NULL};
    static const char *const whats[] = {"oneway", "pingpong", NULL};
    static const struct messaging_ops ops = {
        .program = {"hawser_udp", modes, whats},
        .listen = udp_listen,
        .connect = udp_connect,
        .send = udp_send,
        .receive = udp_receive,
        .release = udp_release,
        .close = udp_close,
    };

    return messaging_main(&ops, argc, argv);
}
