/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy answers, in cuts of any size. Whatever it is, the layer comes to an end, keeps little, and every byte after
 * the answer is the user's, in its place. The first byte chooses the layer, the user and the cuts. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layer/socket.h"

#define KEPT_MAX (18u * 16384) /* an answer, and those between */

struct source {
    struct layer layer;
    const uint8_t *data;
    size_t size, at, cut;
    bool dry; /* each piece is followed by a wait */
};

static struct source *source_of(struct layer *layer)
{
    return (struct source *)(void *)layer;
}

static int establish(struct layer *layer)
{
    (void)layer;
    return 0;
}

static ssize_t take(struct layer *layer, const void *data, size_t size)
{
    (void)layer;
    (void)data;
    return size > 0 ? (ssize_t)((size + 1) / 2) : 0;
}

static ssize_t takev(struct layer *layer, const struct iovec *pieces, unsigned count)
{
    (void)count;
    return take(layer, pieces->iov_base, pieces->iov_len);
}

static ssize_t give(struct layer *layer, void *buffer, size_t size)
{
    struct source *source = source_of(layer);
    size_t left = source->size - source->at;

    source->dry = !source->dry;
    if (!source->dry)
        return -EAGAIN;
    if (size > left)
        size = left;
    if (size > source->cut)
        size = source->cut;
    if (size > 0)
        memcpy(buffer, source->data + source->at, size);
    source->at += size;
    return (ssize_t)size;
}

static void release(struct layer *layer)
{
    (void)layer;
}

static const struct layer_type source_type = {
    .name = "source", .establish = establish, .send = take, .sendv = takev, .receive = give, .destroy = release};

static void check(const uint8_t *data, size_t size, uint8_t choice)
{
    struct source source = {.layer.type = &source_type, .data = data, .size = size, .cut = 1 + (choice >> 2)};
    struct layer_target target = {
        .host = "peer.test", .port = 443, .proxy_user = choice & 2 ? "user" : NULL, .proxy_password = "password"};
    const struct layer_type *type = choice & 1 ? &socks5_layer : &http_connect_layer;
    struct layer *top;
    int r;

    if (type->open(NULL, &target, &source.layer, &top) < 0)
        abort();
    source.layer.above = top;
    for (size_t i = 0; (r = layer_establish(top)) == -EAGAIN; i++)
        if (i > 4 * size + 16)
            abort();
    if (source.at > KEPT_MAX || (r < 0 && (!top->error || !*top->error->reason)))
        abort();
    if (r == 0 && source.at < size) {
        const uint8_t *expected = data + source.at;
        uint8_t byte;
        ssize_t n;

        while ((n = top->type->receive(top, &byte, 1)) == -EAGAIN)
            ;
        if (n != 1 || byte != *expected)
            abort();
    }
    free(top->error);
    top->type->destroy(top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        check(data + 1, size - 1, data[0]);
    return 0;
}
