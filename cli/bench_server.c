/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "bench.h"

/* Large messages on their way at once: no more than the client queues. */
#define SLOTS (BENCH_QUEUED_BYTES / BENCH_OWN_BUFFER)

struct slot {
    uint8_t *memory;
    hawser_message_id id; /* 0: free */
};

struct served { /* an association that a client opened */
    LIST_ENTRY(served) link;
    hawser_association *association;
};

struct bench_server {
    struct bench *bench;
    hawser_association *listener;
    struct slot slots[SLOTS];
    uint64_t counted; /* messages handed over since the start */
    uint64_t counted_from;
    uint64_t accepted, accepted_from;
    unsigned syncs;
    hawser_association *control; /* which sent the syncs */
    LIST_HEAD(, served) served;
    volatile uint8_t first_byte;
};

static void note_urgent(struct bench *b, const void *data)
{
    int64_t delay_us;
    struct bench_urgent urgent;

    memcpy(&urgent, data, sizeof(urgent));
    delay_us = (bench_now_ns() - urgent.sent_ns) / 1000;
    if (b->urgent_count == b->urgent_room) {
        size_t room = b->urgent_room * 2 + 64;
        void *grown = realloc(b->urgent, room * sizeof(*b->urgent));

        if (!grown)
            bench_fail("out of memory");
        b->urgent = grown;
        b->urgent_room = room;
    }
    b->urgent[b->urgent_count][0] = delay_us;
    b->urgent[b->urgent_count++][1] = urgent.rtt_us;
}

static void answer(hawser_association *association, const hawser_received *m)
{
    bench_check(hawser_send(association, m->data, m->size, HAWSER_MESSAGE(.reply_to = m->id), NULL), "answering");
}

static void note_sync(struct bench_server *s, hawser_association *association)
{
    struct bench *b = s->bench;

    if (s->syncs++ == 0) {
        s->control = association;
        s->counted_from = s->counted;
        s->accepted_from = s->accepted;
        bench_read(&b->from);
        return;
    }
    bench_read(&b->to);
    b->messages = b->what == IDLE ? s->accepted - s->accepted_from : s->counted - s->counted_from;
    bench_result(b);
}

static void free_slot(struct bench_server *s, hawser_message_id id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i].id == id)
            s->slots[i].id = 0;
}

static void take(struct bench_server *s, hawser_association *association, const hawser_received *m)
{
    uint8_t kind = m->size > 0 ? *(const uint8_t *)m->data : 0;

    if (m->size >= BENCH_LARGE)
        free_slot(s, m->id);
    switch (kind) {
    case KIND_ECHO:
        s->counted++;
        answer(association, m);
        break;
    case KIND_SYNC:
        note_sync(s, association);
        answer(association, m);
        break;
    case KIND_URGENT:
        s->counted++;
        note_urgent(s->bench, m->data);
        break;
    default:
        s->counted++;
        s->first_byte = kind;
        break;
    }
}

static void on_received(const hawser_event *event, void *user)
{
    take(user, event->association, &event->received);
}

static void on_received_many(const hawser_event *event, void *user)
{
    for (size_t i = 0; i < event->received_many.count; i++)
        take(user, event->association, &event->received_many.messages[i]);
}

static void on_arriving(const hawser_event *event, void *user)
{
    struct bench_server *s = user;
    hawser_message_id id = event->arriving.id;
    uint64_t size = event->arriving.size;

    if (s->bench->what == URGENT) {
        bench_check(hawser_take_parts(event->association, id), "taking in parts");
        return;
    }
    if (size != s->bench->size)
        bench_fail("a message of an unexpected size came");
    if (size < BENCH_OWN_BUFFER)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &s->slots[i];

        if (slot->id != 0)
            continue;
        if (!slot->memory && !(slot->memory = malloc((size_t)size)))
            bench_fail("out of memory");
        bench_check(hawser_take_into(event->association, id, slot->memory, (size_t)size), "taking into a buffer");
        slot->id = id;
        return;
    }
    bench_fail("more messages are under way than the client queues");
}

static void on_part(const hawser_event *event, void *user)
{
    struct bench_server *s = user;

    s->first_byte = event->part.size > 0 ? *(const uint8_t *)event->part.data : 0;
}

static void let_go(struct served *served)
{
    LIST_REMOVE(served, link);
    hawser_association_unref(served->association);
    free(served);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct bench_server *s = user;

    if (event->association == s->control) {
        if (s->syncs < 2)
            bench_fail("the client ended too early: %s", event->closed.reason);
        bench_stop(s->bench);
    } else if (s->syncs == 0 && event->closed.code < 0) {
        bench_fail("a client's line broke: %s", event->closed.reason);
    }
    let_go(hawser_association_user(event->association));
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct bench_server *s = user;
    hawser_association *a = hawser_association_ref(event->accepted.association);
    struct served *served = malloc(sizeof(*served));

    if (!served)
        bench_fail("out of memory");
    served->association = a;
    LIST_INSERT_HEAD(&s->served, served, link);
    hawser_association_set_user(a, served);
    s->accepted++;
    hawser_register(a, HAWSER_RECEIVED, on_received, s);
    hawser_register(a, HAWSER_RECEIVED_MANY, on_received_many, s);
    hawser_register(a, HAWSER_ARRIVING, on_arriving, s);
    hawser_register(a, HAWSER_PART, on_part, s);
    hawser_register(a, HAWSER_CLOSED, on_closed, s);
}

static void tell(struct bench *b, hawser_association *listener)
{
    const char *where = hawser_association_endpoint(listener), *colon = strrchr(where, ':');
    struct json *json = &b->tool->json;
    char endpoint[512];

    snprintf(endpoint, sizeof(endpoint), "%s@%s", hawser_identity_name(b->tool->identity), where);
    for (int i = 0; i < 2; i++) {
        int fd = (int)b->tool->options->ready_fd;
        FILE *file = i == 0 ? stdout : fd >= 0 ? fdopen(fd, "w") : NULL;

        if (!file)
            continue;
        json_object(json, NULL);
        json_string(json, "event", "listening");
        if (colon && strncmp(where, "unix:", 5) != 0)
            json_signed(json, "port", strtol(colon + 1, NULL, 10));
        json_string(json, "endpoint", endpoint);
        json_object_end(json);
        bench_check(json_end_line(json, file), "telling the endpoint");
        if (file != stdout)
            fclose(file);
    }
}

/* "key=" and the client's name, when both know --dir */
static char *client_trust(struct bench *b)
{
    hawser_identity *identity;
    char *trust = NULL;

    if (!b->client_dir)
        return NULL;
    bench_check(hawser_identity_open(b->client_dir, &identity), b->client_dir);
    if (asprintf(&trust, "key=%s", hawser_identity_name(identity)) < 0)
        bench_fail("out of memory");
    hawser_identity_unref(identity);
    return trust;
}

int bench_serve(struct bench *bench)
{
    struct bench_server server = {.bench = bench};
    char *trust = client_trust(bench);
    int r = hawser_listen(bench->tool->context, bench->endpoint,
                          HAWSER_LISTEN(.identity = bench->tool->identity, .trust = trust, .no_early_data = true),
                          &server.listener);

    free(trust);
    if (r < 0)
        return r;
    hawser_register(server.listener, HAWSER_ACCEPTED, on_accepted, &server);
    tell(bench, server.listener);
    r = bench_loop(bench);
    while (!LIST_EMPTY(&server.served))
        let_go(LIST_FIRST(&server.served));
    hawser_association_unref(server.listener);
    for (size_t i = 0; i < SLOTS; i++)
        free(server.slots[i].memory);
    return r;
}
