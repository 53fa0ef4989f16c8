/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin adapter: the public table of <hawser/layer.h> on one side, struct layer_type on the other, so that a transport
 * built elsewhere knows nothing of how layers look in here. (S1.6, S1.22)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <hawser/layer.h>

#include "layer/plugin.h"
#include "loop/loop.h"

enum { REGISTERED_MAX = 16, WATCHES_MAX = 4, NAME_MAX_SIZE = 32 };

struct registry;

struct registered {
    struct layer_type type; /* first: a layer's type leads to its table */
    struct registry *registry;
    const hawser_layer *table;
    char name[NAME_MAX_SIZE];
};

/* The context's, and of each layer made by it: one that moved to another context may outlive its own. */
struct registry {
    unsigned refs, count;
    struct registered entries[REGISTERED_MAX];
};

struct watch {
    struct loop_io io;
    struct hawser_transport *transport; /* NULL: free */
    short events;
};

struct hawser_transport {
    struct layer layer;
    struct layer_address remote; /* opened: of the target */
    struct loop_deferred telling;
    unsigned ready; /* to be told */
    struct watch watches[WATCHES_MAX];
    _Alignas(max_align_t) uint8_t state[];
};

static struct hawser_transport *transport_of(const struct layer *layer)
{
    return (struct hawser_transport *)(void *)layer;
}

static const hawser_layer *table_of(const struct layer *layer)
{
    return ((const struct registered *)(const void *)layer->type)->table;
}

static void registry_unref(void *value)
{
    struct registry *registry = value;

    if (--registry->refs == 0)
        free(registry);
}

/* ------------------------------------------------------------------------------------------------ what transports call */

static void tell(struct loop_deferred *deferred)
{
    struct hawser_transport *transport = container_of(deferred, struct hawser_transport, telling);
    unsigned ready = transport->ready;

    transport->ready = 0;
    if (transport->layer.ready)
        transport->layer.ready(&transport->layer, ready);
}

void hawser_transport_ready(hawser_transport *transport, unsigned ready)
{
    transport->ready |= ready;
    loop_defer(transport->layer.context, &transport->telling);
}

static void on_watched(struct loop_io *io, uint32_t events)
{
    struct watch *watch = container_of(io, struct watch, io);
    struct hawser_transport *transport = watch->transport;
    const hawser_layer *table = table_of(&transport->layer);
    const uint32_t ends = EPOLLHUP | EPOLLERR | EPOLLRDHUP;

    if (table->watched) {
        table->watched(transport, transport->state, io->fd, (short)events);
        return;
    }
    hawser_transport_ready(transport, (events & (EPOLLIN | ends) ? HAWSER_LAYER_READABLE : 0u) |
                                          (events & (EPOLLOUT | ends) ? HAWSER_LAYER_WRITABLE : 0u));
}

static struct watch *watch_find(hawser_transport *transport, int fd)
{
    struct watch *unused = NULL;

    for (unsigned i = 0; i < WATCHES_MAX; i++) {
        struct watch *watch = &transport->watches[i];

        if (watch->transport && watch->io.fd == fd)
            return watch;
        if (!watch->transport && !unused)
            unused = watch;
    }
    return unused;
}

static void watch_end(struct watch *watch)
{
    if (!watch->transport)
        return;
    loop_io_remove(watch->transport->layer.context, &watch->io);
    watch->transport = NULL;
}

/* POLLIN and POLLOUT are EPOLLIN and EPOLLOUT on Linux. */
int hawser_transport_watch(hawser_transport *transport, int fd, short events)
{
    struct watch *watch = watch_find(transport, fd);
    int r;

    if (fd < 0 || events & ~(EPOLLIN | EPOLLOUT))
        return -EINVAL;
    if (!watch)
        return -ENOSPC;
    watch_end(watch);
    if (!events)
        return 0;
    r = loop_io_add(transport->layer.context, &watch->io, fd, (uint32_t)events, on_watched);
    if (r < 0)
        return r;
    watch->transport = transport;
    watch->events = events;
    return 0;
}

int64_t hawser_transport_now(const hawser_transport *transport)
{
    return loop_now(transport->layer.context);
}

int hawser_transport_fail(hawser_transport *transport, int code, const char *reason)
{
    return layer_fail(&transport->layer, code, "%s", reason);
}

/* ---------------------------------------------------------------------------------------- what the layers above call */

/* Whatever is not success has words. */
static ssize_t checked(struct layer *layer, ssize_t r)
{
    if (r < 0 && r != -EAGAIN)
        (void)layer_fail(layer, (int)r, "%s", hawser_strerror((int)r));
    return r;
}

static int plugin_establish(struct layer *layer)
{
    return (int)checked(layer, table_of(layer)->establish(transport_of(layer), transport_of(layer)->state));
}

static ssize_t plugin_sendv(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    return checked(layer, table_of(layer)->send(transport_of(layer), transport_of(layer)->state, pieces, count));
}

static ssize_t plugin_receivev(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    return checked(layer, table_of(layer)->receive(transport_of(layer), transport_of(layer)->state, pieces, count));
}

static ssize_t plugin_send(struct layer *layer, const void *data, size_t size)
{
    return plugin_sendv(layer, &(struct iovec){(void *)(uintptr_t)data, size}, 1);
}

static ssize_t plugin_receive(struct layer *layer, void *buffer, size_t size)
{
    return plugin_receivev(layer, &(struct iovec){buffer, size}, 1);
}

static int plugin_shutdown(struct layer *layer)
{
    return (int)checked(layer, table_of(layer)->shutdown(transport_of(layer), transport_of(layer)->state));
}

static int plugin_descriptor(const struct layer *layer)
{
    const hawser_layer *table = table_of(layer);

    return table->descriptor ? table->descriptor(transport_of(layer), transport_of(layer)->state) : -1;
}

static void plugin_addresses(const struct layer *layer, struct layer_address *ret_local,
                             struct layer_address *ret_remote)
{
    int fd = plugin_descriptor(layer);

    memset(ret_local, 0, sizeof *ret_local);
    *ret_remote = transport_of(layer)->remote;
    if (fd < 0)
        return;
    ret_local->size = sizeof ret_local->address;
    if (getsockname(fd, (struct sockaddr *)&ret_local->address, &ret_local->size) < 0)
        ret_local->size = 0;
    if (ret_remote->size > 0)
        return;
    ret_remote->size = sizeof ret_remote->address;
    if (getpeername(fd, (struct sockaddr *)&ret_remote->address, &ret_remote->size) < 0)
        ret_remote->size = 0;
}

static void plugin_link(struct layer *layer, struct layer_link *link)
{
    const hawser_layer *table = table_of(layer);
    hawser_layer_link own = {.struct_size = sizeof own};

    if (!table->link)
        return;
    table->link(transport_of(layer), transport_of(layer)->state, &own);
    link->rtt_us = own.rtt_us;
    link->min_rtt_us = own.min_rtt_us;
    link->delivery_rate = own.delivery_rate;
    link->bytes_sent += own.bytes_sent;
    link->bytes_received += own.bytes_received;
    link->unsent += own.unsent;
}

static void plugin_destroy(struct layer *layer)
{
    struct hawser_transport *transport = transport_of(layer);

    loop_undefer(&transport->telling);
    for (unsigned i = 0; i < WATCHES_MAX; i++)
        watch_end(&transport->watches[i]);
    table_of(layer)->close(transport, transport->state);
    registry_unref(((const struct registered *)(const void *)layer->type)->registry);
    free(transport);
}

/* ----------------------------------------------------------------------------------------------------------- making */

static struct hawser_transport *transport_new(const struct layer_type *type, hawser_context *context)
{
    const hawser_layer *table = ((const struct registered *)(const void *)type)->table;
    struct hawser_transport *transport = calloc(1, sizeof *transport + table->state_size);

    if (!transport)
        return NULL;
    ((const struct registered *)(const void *)type)->registry->refs++;
    transport->layer.type = type;
    transport->layer.context = context;
    for (unsigned i = 0; i < WATCHES_MAX; i++)
        transport->watches[i].io.fd = -1;
    loop_deferred_init(&transport->telling, tell);
    return transport;
}

static int made(struct hawser_transport *transport, int r, struct layer **ret_layer)
{
    if (r < 0) {
        free(transport->layer.error);
        plugin_destroy(&transport->layer);
        return r;
    }
    *ret_layer = &transport->layer;
    return 0;
}

int plugin_open(const struct layer_type *type, hawser_context *context, const struct layer_target *target,
                struct layer **ret_layer)
{
    struct hawser_transport *transport = transport_new(type, context);
    const struct layer_address *local = target->local.size ? &target->local : NULL;

    if (!transport)
        return -ENOMEM;
    transport->remote = target->remote;
    return made(transport,
                table_of(&transport->layer)
                    ->open(transport, transport->state, (const struct sockaddr *)&transport->remote.address,
                           transport->remote.size, local ? (const struct sockaddr *)&local->address : NULL,
                           local ? local->size : 0),
                ret_layer);
}

int plugin_accept(const struct layer_type *type, hawser_context *context, int fd, struct layer **ret_layer)
{
    struct hawser_transport *transport;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

    if (own < 0)
        return -errno;
    transport = transport_new(type, context);
    if (!transport) {
        close(own);
        return -ENOMEM;
    }
    r = table_of(&transport->layer)->accept(transport, transport->state, own);
    if (r < 0)
        close(own);
    return made(transport, r, ret_layer);
}

/* ------------------------------------------------------------------------------------------------------ registering */

/* What is there only so that accepting stacks are told from others: the table of stacks calls plugin_accept(). */
static int accepts(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                   struct layer **ret_layer)
{
    (void)context, (void)tls, (void)fd, (void)below, (void)ret_layer;
    return -EINVAL;
}

static bool name_is_sound(const char *name)
{
    size_t size = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    return size > 0 && size < NAME_MAX_SIZE && name[size] == '\0';
}

static bool table_is_sound(const hawser_layer *table)
{
    return table->version == HAWSER_LAYER_VERSION && table->flags == HAWSER_LAYER_BYTES && name_is_sound(table->name) &&
           table->open && table->establish && table->send && table->receive && table->shutdown && table->close;
}

const struct layer_type *plugin_find(const hawser_context *context, const char *name, size_t size)
{
    const struct registry *registry = context ? loop_part(context, LOOP_PART_LAYERS) : NULL;

    for (unsigned i = 0; registry && i < registry->count; i++)
        if (strlen(registry->entries[i].name) == size && memcmp(registry->entries[i].name, name, size) == 0)
            return &registry->entries[i].type;
    return NULL;
}

static struct registry *registry_of(hawser_context *context)
{
    struct registry *registry = loop_part(context, LOOP_PART_LAYERS);

    if (registry)
        return registry;
    registry = calloc(1, sizeof *registry);
    if (registry) {
        registry->refs = 1;
        loop_set_part(context, LOOP_PART_LAYERS, registry, registry_unref);
    }
    return registry;
}

int hawser_layer_register(hawser_context *context, const hawser_layer *layer)
{
    struct registry *registry;
    struct registered *entry;
    unsigned flags;
    int r = context ? loop_check(context) : -EINVAL;

    if (r < 0)
        return r;
    if (!layer || !table_is_sound(layer))
        return -EINVAL;
    if (layer_type_flags(context, layer->name, &flags))
        return -EEXIST;
    registry = registry_of(context);
    if (!registry)
        return -ENOMEM;
    if (registry->count == REGISTERED_MAX)
        return -ENOSPC;
    entry = &registry->entries[registry->count++];
    entry->table = layer;
    entry->registry = registry;
    (void)snprintf(entry->name, sizeof entry->name, "%s", layer->name);
    entry->type = (struct layer_type){
        .name = entry->name,
        .flags = LAYER_BYTES | LAYER_SOCKET | LAYER_FOREIGN,
        .accept = layer->accept ? accepts : NULL,
        .establish = plugin_establish,
        .send = plugin_send,
        .sendv = plugin_sendv,
        .receive = plugin_receive,
        .receivev = plugin_receivev,
        .shutdown = plugin_shutdown,
        .descriptor = plugin_descriptor,
        .addresses = plugin_addresses,
        .link = plugin_link,
        .destroy = plugin_destroy,
    };
    return 0;
}
