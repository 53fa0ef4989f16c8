/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layers, and stacks by their names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "layer/socket.h"

#define DEPTH_MAX 8

static const struct layer_type *const layer_types[] = {
    &tls_layer, &socks5_layer, &http_connect_layer, &tcp_layer, &mptcp_layer, &unix_layer,
};

/* Those that are offered. Any other combination of layers can be named too; it is the caller's to want it. */
static const char *const stack_names[] = {
    "tls/tcp", "tls/unix", "tls/mptcp", "tls/socks5/tcp", "tls/http-connect/tcp",
    "tcp",     "unix",     "mptcp",     "socks5/tcp",     "http-connect/tcp",
};

static const struct layer_type *find_type(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof layer_types / sizeof *layer_types; i++)
        if (strlen(layer_types[i]->name) == size && memcmp(layer_types[i]->name, name, size) == 0)
            return layer_types[i];
    return NULL;
}

/* The layers of a stack, top first; how many, or -EINVAL. Exactly the last one is a socket. */
static int parse(const char *stack, const struct layer_type *types[DEPTH_MAX])
{
    int count = 0;

    for (;;) {
        size_t size = strcspn(stack, "/");
        const struct layer_type *type = find_type(stack, size);
        bool last = stack[size] == '\0';

        if (!type || count == DEPTH_MAX || last != !!(type->flags & LAYER_SOCKET))
            return -EINVAL;
        types[count++] = type;
        if (last)
            return count;
        stack += size + 1;
    }
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
    int count = parse(stack, types);

    if (count < 0)
        return count;
    while (count > 0) {
        struct layer *layer;
        int r = types[--count]->open(context, target, top, &layer);
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

/* The descriptor is the stack's from success of the bottom on; when a layer above fails it is given back unclosed. */
int stack_accept(hawser_context *context, const char *stack, const struct tls_config *tls, int fd,
                 struct layer **ret_top)
{
    const struct layer_type *types[DEPTH_MAX];
    struct layer *top = NULL;
    int count = parse(stack, types);

    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        if (!types[i]->accept) /* a proxy layer: whoever comes through one comes by tcp */
            return -EINVAL;
    while (count > 0) {
        struct layer *layer;
        int r = types[--count]->accept(context, tls, fd, top, &layer);
        if (r < 0) {
            if (top)
                socket_release(top);
            layer_destroy(top);
            return r;
        }
        put_on(layer, top);
        top = layer;
    }
    *ret_top = top;
    return 0;
}

const char *stack_name(unsigned index, unsigned *ret_flags)
{
    const struct layer_type *types[DEPTH_MAX];
    unsigned flags = 0;

    if (index >= sizeof stack_names / sizeof *stack_names)
        return NULL;
    for (int count = parse(stack_names[index], types); count > 0;)
        flags |= types[--count]->flags;
    if (ret_flags)
        *ret_flags = flags;
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
