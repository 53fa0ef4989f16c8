/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams that have a time to leave at, where the system does not keep it, and those that found no room midway. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/udp_internal.h"

struct waiting {
    struct list link;
    int64_t due;
    struct udp_layer *udp; /* NULL: gone */
    uint64_t number;
    size_t size, segment;
    struct layer_address remote, local; /* size 0: none was given */
    uint8_t ecn, dscp;
    uint8_t bytes[];
};

static void forget(struct udp_queue *queue, struct waiting *waiting)
{
    list_remove(&waiting->link);
    queue->bytes -= waiting->size;
    queue->count--;
    free(waiting);
}

static int transmit(struct udp_socket *socket, const struct waiting *waiting)
{
    const struct iovec piece = {(void *)(uintptr_t)waiting->bytes, waiting->size};
    const struct udp_out out = {
        .pieces = &piece,
        .count = 1,
        .segment = waiting->segment,
        .remote = waiting->remote.size ? &waiting->remote : NULL,
        .local = waiting->local.size ? &waiting->local : NULL,
        .ecn = waiting->ecn,
        .dscp = waiting->dscp,
    };

    return udp_transmit(socket, &out, waiting->udp, waiting->number);
}

static void arm(struct udp_socket *socket)
{
    const struct udp_queue *queue = socket->queue;

    if (!list_empty(&queue->entries))
        (void)loop_timer_set(socket->context, &socket->queue->timer,
                             list_first(&queue->entries, struct waiting, link)->due);
}

bool udp_queue_room(const struct udp_socket *socket)
{
    const struct udp_queue *queue = socket->queue;

    return !queue || (queue->bytes < UDP_QUEUE_MAX && queue->count < UDP_QUEUE_ENTRIES_MAX);
}

void udp_queue_run(struct udp_socket *socket)
{
    struct udp_queue *queue = socket->queue;
    int64_t now = loop_clock();
    bool full = !udp_queue_room(socket);

    while (!list_empty(&queue->entries)) {
        struct waiting *waiting = list_first(&queue->entries, struct waiting, link);

        if (waiting->due > now) {
            arm(socket);
            break;
        }
        if (transmit(socket, waiting) == -EAGAIN)
            break;              /* goes on when the socket is writable */
        forget(queue, waiting); /* what cannot be sent is lost, and the error queue says why */
    }
    if (full && udp_queue_room(socket) && socket->writable)
        udp_socket_unblock(socket);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct udp_queue *queue = container_of(timer, struct udp_queue, timer);

    (void)now;
    udp_queue_run(queue->socket);
}

static struct udp_queue *queue_of(struct udp_socket *socket)
{
    if (!socket->queue && (socket->queue = calloc(1, sizeof *socket->queue))) {
        list_init(&socket->queue->entries);
        loop_timer_init(&socket->queue->timer, on_timer);
        socket->queue->socket = socket;
    }
    return socket->queue;
}

int udp_queue_add(struct udp_socket *socket, const struct udp_out *out, size_t skip, int64_t due, struct udp_layer *udp,
                  uint64_t number)
{
    struct udp_queue *queue = queue_of(socket);
    struct waiting *waiting;
    struct list *at;
    size_t size = 0, copied = 0;

    for (unsigned i = 0; i < out->count; i++)
        size += out->pieces[i].iov_len;
    if (!queue)
        return -ENOMEM;
    if (!udp_queue_room(socket))
        return -EAGAIN;
    waiting = malloc(sizeof *waiting + size - skip);
    if (!waiting)
        return -ENOMEM;
    *waiting = (struct waiting){

        .due = due,
        .udp = udp,
        .number = number,
        .size = size - skip,
        .segment = out->segment,
        .ecn = out->ecn,
        .dscp = out->dscp};
    if (out->remote)
        waiting->remote = *out->remote;
    if (out->local)
        waiting->local = *out->local;
    for (unsigned i = 0; i < out->count; i++) {
        size_t here = out->pieces[i].iov_len, from = skip < here ? skip : here;

        memcpy(waiting->bytes + copied, (const uint8_t *)out->pieces[i].iov_base + from, here - from);
        copied += here - from;
        skip -= from;
    }
    /* Times mostly ascend: from the end. */
    for (at = &queue->entries; at->prev != &queue->entries; at = at->prev)
        if (container_of(at->prev, struct waiting, link)->due <= due)
            break;
    list_insert_before(at, &waiting->link);
    queue->bytes += waiting->size;
    queue->count++;
    arm(socket);
    return 0;
}

void udp_queue_forget(struct udp_socket *socket, const struct udp_layer *udp)
{
    struct list *entries = socket->queue ? &socket->queue->entries : NULL;

    for (struct list *at = entries ? entries->next : NULL; at != entries; at = at->next)
        if (container_of(at, struct waiting, link)->udp == udp)
            container_of(at, struct waiting, link)->udp = NULL;
}

void udp_queue_free(struct udp_socket *socket)
{
    struct udp_queue *queue = socket->queue;

    if (!queue)
        return;
    loop_timer_clear(socket->context, &queue->timer);
    while (!list_empty(&queue->entries))
        forget(queue, list_first(&queue->entries, struct waiting, link));
    free(queue);
    socket->queue = NULL;
}
