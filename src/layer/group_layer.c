/* SPDX-License-Identifier: Apache-2.0 */
/* The layer of a group's key, above udp: what members send is sealed, what others send is not there. */
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "layer/group.h"
#include "layer/udp.h"

struct group_line {
    struct layer layer;
    struct group *group;
    uint64_t sender, counter;
};

static struct group_line *line_of(const struct layer *layer)
{
    return (struct group_line *)(void *)layer;
}

static uint64_t wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ------------------------------------------------------------------------------------------------------- a port's first */

static bool group_begins(uint8_t first_byte)
{
    (void)first_byte; /* of a number that was drawn */
    return true;
}

/* Who is no member begins nothing. */
static enum udp_first group_first(struct udp_port *port, const struct udp_packet *packet)
{
    struct group *group = udp_port_group(port);
    size_t size = packet->size < packet->segment ? packet->size : packet->segment;

    if (group && group_looks(group, packet->data, size, wall_clock()))
        return UDP_ACCEPT;
    if (group)
        group_refuse(group);
    return UDP_ANSWERED;
}

const struct udp_protocol group_protocol = {.stack = "group/udp", .begins = group_begins, .first = group_first};

/* ------------------------------------------------------------------------------------------------------------- layer */

static void on_below(struct layer *below, unsigned ready)
{
    struct layer *layer = below->above;

    if (layer->ready)
        layer->ready(layer, ready);
}

int group_layer_open(struct layer *below, struct group *group, struct layer **ret_layer)
{
    struct group_line *line = calloc(1, sizeof *line);

    if (!line)
        return -ENOMEM;
    if (gnutls_rnd(GNUTLS_RND_NONCE, &line->sender, sizeof line->sender) < 0) {
        free(line);
        return -ENOMEM;
    }
    line->layer.type = &group_layer;
    line->layer.context = below->context;
    line->layer.below = below;
    line->group = group_ref(group);
    below->above = &line->layer;
    below->ready = on_below;
    *ret_layer = &line->layer;
    return 0;
}

static int group_layer_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                              struct layer **ret_layer)
{
    struct udp_port *port = below ? udp_port_of(below) : NULL;

    (void)context;
    (void)tls;
    (void)fd;
    return port && udp_port_group(port) ? group_layer_open(below, udp_port_group(port), ret_layer) : -EINVAL;
}

/* It opens by group_layer_open() only, which has the key. */
static int group_layer_refuse(hawser_context *context, const struct layer_target *target, struct layer *below,
                              struct layer **ret_layer)
{
    (void)context;
    (void)target;
    (void)below;
    (void)ret_layer;
    return -EINVAL;
}

static int group_establish(struct layer *layer)
{
    return layer_establish(layer->below);
}

static size_t group_datagram_max(struct layer *layer)
{
    size_t most = layer->below->type->datagram_max(layer->below);

    return most > GROUP_HEAD + GROUP_CODE ? most - GROUP_HEAD - GROUP_CODE : 0;
}

static ssize_t group_send(struct layer *layer, const void *data, size_t size)
{
    struct group_line *line = line_of(layer);
    uint8_t head[GROUP_HEAD], code[GROUP_CODE];
    const struct iovec pieces[] = {{head, sizeof head}, {(void *)(uintptr_t)data, size}, {code, sizeof code}};
    ssize_t n;

    if (size > group_datagram_max(layer))
        return -EMSGSIZE;
    group_seal(line->group, line->sender, line->counter + 1, wall_clock(), data, size, head, code);
    n = layer->below->type->sendv(layer->below, pieces, 3);
    if (n < 0)
        return n;
    line->counter++;
    return (ssize_t)size;
}

/* What was cut off is no member's any more: who receives has room for the largest. */
static ssize_t group_receive(struct layer *layer, void *buffer, size_t size)
{
    struct group *group = line_of(layer)->group;
    ssize_t n;

    do {
        n = layer->below->type->receive(layer->below, buffer, size);
        if (n < 0)
            return n;
    } while (!group_open(group, buffer, (size_t)n, wall_clock()));
    n -= GROUP_HEAD + GROUP_CODE;
    memmove(buffer, (uint8_t *)buffer + GROUP_HEAD, (size_t)n);
    return n;
}

static int group_flush(struct layer *layer)
{
    return layer->below->type->flush(layer->below);
}

static void group_detach(struct layer *layer)
{
    layer->below->type->detach(layer->below);
}

static int group_attach(struct layer *layer, hawser_context *context)
{
    int r = layer->below->type->attach(layer->below, context);

    if (r == 0)
        layer->context = context;
    return r;
}

static void group_destroy(struct layer *layer)
{
    group_unref(line_of(layer)->group);
    free(line_of(layer));
}

const struct layer_type group_layer = {
    .name = "group",
    .flags = LAYER_DATAGRAMS,
    .open = group_layer_refuse,
    .accept = group_layer_accept,
    .establish = group_establish,
    .send = group_send,
    .receive = group_receive,
    .datagram_max = group_datagram_max,
    .flush = group_flush,
    .detach = group_detach,
    .attach = group_attach,
    .destroy = group_destroy,
};
