/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layers, and stacks by their names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "layer/group.h"
#include "layer/plugin.h"
#include "layer/socket.h"
#include "layer/udp.h"

#define DEPTH_MAX 8

static const struct layer_type *const layer_types[] = {
    &tls_layer,  &socks5_layer, &http_connect_layer, &tcp_layer,  &mptcp_layer,
    &unix_layer, &udp_layer,    &group_layer,        &dtls_layer, &tfrc_layer,
#ifdef HAVE_QUIC
    &quic_layer,
#endif
#ifdef HAVE_SCTP
    &sctp_layer,
#endif
};

/* Those that are offered. Any other combination of layers can be named too; it is the caller's to want it. */
static const char *const stack_names[] = {
    "tls/tcp",       "tls/unix", "tls/mptcp", "tls/socks5/tcp", "tls/http-connect/tcp",
    "tcp",           "unix",     "mptcp",     "socks5/tcp",     "http-connect/tcp",
    "udp",           "dtls/udp", "tfrc/udp",
#ifdef HAVE_QUIC
    "quic/udp",
#endif
#ifdef HAVE_SCTP
    "sctp/dtls/udp", "sctp/udp",
#endif
};

static const struct layer_type *find_type(const hawser_context *context, const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof layer_types / sizeof *layer_types; i++)
        if (strlen(layer_types[i]->name) == size && memcmp(layer_types[i]->name, name, size) == 0)
            return layer_types[i];
    return plugin_find(context, name, size);
}

/* The layers of a stack, top first; how many, or -EINVAL. Exactly the last one is a socket. */
static int parse(const hawser_context *context, const char *stack, const struct layer_type *types[DEPTH_MAX])
{
    int count = 0;

    for (;;) {
        size_t size = strcspn(stack, "/");
        const struct layer_type *type = find_type(context, stack, size);
        bool last = stack[size] == '\0';

        if (!type || count == DEPTH_MAX || last != !!(type->flags & LAYER_SOCKET))
            return -EINVAL;
        types[count++] = type;
        if (last)
            return count;
        stack += size + 1;
    }
}

static int open_one(const struct layer_type *type, hawser_context *context, const struct layer_target *target,
                    struct layer *below, struct layer **ret_layer)
{
    return type->flags & LAYER_FOREIGN ? plugin_open(type, context, target, ret_layer)
                                       : type->open(context, target, below, ret_layer);
}

static int accept_one(const struct layer_type *type, hawser_context *context, const struct tls_config *tls, int fd,
                      struct layer *below, struct layer **ret_layer)
{
    return type->flags & LAYER_FOREIGN ? plugin_accept(type, context, fd, ret_layer)
                                       : type->accept(context, tls, fd, below, ret_layer);
}

static void put_on(struct layer *layer, struct layer *below)
{
    layer->below = below;
    if (below)
        below->above = layer;
}

int stack_open(hawser_context *context, const char *stack, const struct layer_target *target, struct layer **ret_top)
{
    const struct layer_type *types[DEPTH_MAX];
    struct layer *top = NULL;
    int count = parse(context, stack, types);

    if (count < 0)
        return count;
    while (count > 0) {
        struct layer *layer;
        int r = open_one(types[--count], context, target, top, &layer);
        if (r < 0) {
            layer_destroy(top);
            return r;
        }
        put_on(layer, top);
        top = layer;
    }
    *ret_top = top;
    return 0;
}

/* A proxy layer cannot accept: whoever comes through one comes by tcp. */
static int parse_accepting(const hawser_context *context, const char *stack, const struct layer_type *types[DEPTH_MAX])
{
    int count = parse(context, stack, types);

    for (int i = 0; i < count; i++)
        if (!types[i]->accept)
            return -EINVAL;
    return count;
}

/* The descriptor is the stack's from success of the bottom on; when a layer above fails it is given back unclosed. */
int stack_accept(hawser_context *context, const char *stack, const struct tls_config *tls, int fd,
                 struct layer **ret_top)
{
    const struct layer_type *types[DEPTH_MAX];
    struct layer *top = NULL;
    int count = parse_accepting(context, stack, types), bottom = count - 1;

    if (count < 0)
        return count;
    while (count > 0) {
        struct layer *layer;
        int r = accept_one(types[--count], context, tls, fd, top, &layer);
        if (r < 0) {
            if (top)
                (void)socket_release(top); /* a foreign one has a duplicate */
            layer_destroy(top);
            return r;
        }
        put_on(layer, top);
        top = layer;
    }
    if (types[bottom]->flags & LAYER_FOREIGN)
        close(fd);
    *ret_top = top;
    return 0;
}

int stack_accept_above(hawser_context *context, const char *stack, const struct tls_config *tls, struct layer *bottom,
                       struct layer **ret_top)
{
    const struct layer_type *types[DEPTH_MAX];
    struct layer *top = bottom;
    int count = parse_accepting(context, stack, types);

    if (count < 0 || types[count - 1] != bottom->type)
        return -EINVAL;
    for (count--; count > 0;) {
        struct layer *layer;
        int r = types[--count]->accept(context, tls, -1, top, &layer);
        if (r < 0) {
            while (top != bottom) {
                struct layer *below = top->below;
                top->type->destroy(top);
                top = below;
            }
            return r;
        }
        put_on(layer, top);
        top = layer;
    }
    *ret_top = top;
    return 0;
}

bool layer_type_flags(const hawser_context *context, const char *name, unsigned *ret_flags)
{
    const struct layer_type *type = find_type(context, name, strlen(name));

    if (type)
        *ret_flags = type->flags;
    return type;
}

bool stack_known(const hawser_context *context, const char *stack)
{
    const char *bottom = strncmp(stack, "tls/", 4) == 0 ? stack + 4 : stack;

    for (size_t i = 0; i < sizeof stack_names / sizeof *stack_names; i++)
        if (strcmp(stack_names[i], stack) == 0)
            return true;
    return plugin_find(context, bottom, strlen(bottom));
}

int stack_flags(const hawser_context *context, const char *stack, unsigned *ret_flags, unsigned *ret_top_flags)
{
    const struct layer_type *types[DEPTH_MAX];
    int count = parse(context, stack, types);

    if (count < 0)
        return count;
    *ret_flags = 0;
    if (ret_top_flags)
        *ret_top_flags = types[0]->flags;
    while (count > 0)
        *ret_flags |= types[--count]->flags;
    return 0;
}

int stack_add(hawser_context *context, const char *name, struct layer **top)
{
    const struct layer_type *type = find_type(context, name, strlen(name));
    struct layer *layer;
    int r = type && type->accept ? type->accept(context, NULL, -1, *top, &layer) : -EINVAL;

    if (r < 0)
        return r;
    put_on(layer, *top);
    *top = layer;
    return 0;
}

const char *stack_name(unsigned index, unsigned *ret_flags)
{
    if (index >= sizeof stack_names / sizeof *stack_names)
        return NULL;
    if (ret_flags)
        (void)stack_flags(NULL, stack_names[index], ret_flags, NULL);
    return stack_names[index];
}

void stack_text(const struct layer *top, char *text, size_t size)
{
    size_t at = 0;

    *text = '\0';
    for (; top && at < size; top = top->below) {
        const char *became = top->type->became ? top->type->became(top) : NULL;
        at += (size_t)snprintf(text + at, size - at, "%s%s", at ? "/" : "", became ? became : top->type->name);
    }
}
