/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a whole stack. */
#include "layer/layer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "layer/interface.h"
#include "layer/socket.h"

int layer_fail(struct layer *layer, int code, const char *format, ...)
{
    va_list arguments;

    if (layer->error)
        return layer->error->code;
    layer->error = malloc(sizeof *layer->error);
    if (!layer->error)
        return code;
    layer->error->layer = layer->type->name;
    layer->error->code = code;
    va_start(arguments, format);
    vsnprintf(layer->error->reason, sizeof layer->error->reason, format, arguments);
    va_end(arguments);
    return code;
}

int layer_establish(struct layer *layer)
{
    int r = layer->type->establish(layer);

    if (r == 0)
        layer->established = true;
    return r;
}

const struct layer_error *layer_error(const struct layer *top)
{
    static const struct layer_error none = {"", 0, ""};

    for (; top; top = top->below)
        if (top->error)
            return top->error;
    return &none;
}

unsigned layer_flags(const struct layer *top)
{
    unsigned flags = 0;

    for (; top; top = top->below) {
        bool fallen_back = top->type->became && top->type->became(top);
        flags |= fallen_back ? top->type->flags & ~(unsigned)LAYER_MULTIPATH : top->type->flags;
    }
    return flags;
}

static const struct layer *bottom(const struct layer *top)
{
    while (top && top->below)
        top = top->below;
    return top && (top->type->flags & LAYER_SOCKET) ? top : NULL;
}

int layer_descriptor(const struct layer *top)
{
    const struct layer *layer = bottom(top);

    return layer ? layer->type->descriptor(layer) : -1;
}

void layer_link(struct layer *top, struct layer_link *ret_link)
{
    memset(ret_link, 0, sizeof *ret_link);
    for (; top; top = top->below)
        if (top->type->link)
            top->type->link(top, ret_link);
}

void layer_peer(struct layer *top, struct layer_peer *ret_peer)
{
    memset(ret_peer, 0, sizeof *ret_peer);
    ret_peer->alpn = "";
    for (; top; top = top->below)
        if (top->type->peer)
            top->type->peer(top, ret_peer);
}

void layer_destroy(struct layer *top)
{
    while (top) {
        struct layer *below = top->below;
        free(top->error);
        top->type->destroy(top);
        top = below;
    }
}

int layer_loosen(struct layer *top)
{
    int r = 0;

    for (; r == 0 && top; top = top->below)
        r = !top->type->detach ? -EOPNOTSUPP : top->type->loosen ? top->type->loosen(top) : 0;
    return r;
}

void layer_adopt(struct layer *top, const struct tls_config *tls)
{
    for (; top; top = top->below)
        if (top->type->adopt)
            top->type->adopt(top, tls);
}

int layer_release(struct layer *top, int *ret_fd)
{
    int fd, r;

    /* What is above udp numbers and frames: the descriptor alone would be another protocol's. */
    if (layer_flags(top) & LAYER_SECURE || !bottom(top) || (top->below && top->type->flags & LAYER_DATAGRAMS))
        return -EOPNOTSUPP;
    fd = layer_descriptor(top);
    r = socket_release(top);
    if (r < 0)
        return r;
    layer_destroy(top);
    *ret_fd = fd;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- addresses */

static void print_address(const struct sockaddr_storage *address, socklen_t size, char *text, size_t text_size)
{
    char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE] = "";

    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, text_size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        if (v6->sin6_scope_id)
            if_indextoname(v6->sin6_scope_id, scope);
        snprintf(text, text_size, "[%s%s%s]:%u", host, *scope ? "%" : "", scope, ntohs(v6->sin6_port));
    } else if (address->ss_family == AF_UNIX && size > offsetof(struct sockaddr_un, sun_path)) {
        const struct sockaddr_un *un = (const void *)address;
        int length = (int)(size - offsetof(struct sockaddr_un, sun_path));
        if (un->sun_path[0])
            snprintf(text, text_size, "%.*s", length, un->sun_path);
        else
            snprintf(text, text_size, "@%.*s", length - 1, un->sun_path + 1);
    } else
        snprintf(text, text_size, "%s", "");
}

void layer_addresses(const struct layer *top, struct layer_address *ret_local, struct layer_address *ret_remote)
{
    const struct layer *layer = bottom(top);

    ret_local->size = ret_remote->size = 0;
    if (layer && layer->type->addresses)
        layer->type->addresses(layer, ret_local, ret_remote);
}

void layer_path(const struct layer *top, char *local, size_t local_size, char *remote, size_t remote_size,
                char *interface, size_t interface_size)
{
    struct layer_address ours, theirs;
    const struct layer *layer = bottom(top);
    int fd = layer_descriptor(top);

    snprintf(local, local_size, "%s", "");
    snprintf(remote, remote_size, "%s", "");
    snprintf(interface, interface_size, "%s", "");
    if (fd < 0)
        return;
    layer->type->addresses(layer, &ours, &theirs);
    if (ours.size > 0) {
        print_address(&ours.address, ours.size, local, local_size);
        interface_find(top->context, fd, &ours.address, interface, interface_size);
    }
    print_address(&theirs.address, theirs.size, remote, remote_size);
}
