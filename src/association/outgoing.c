/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of lent memory, shared buffers and files come from, and when they are free again. */
#include "association/outgoing.h"

int outgoing_new(const void *prefix, size_t prefix_size, struct outgoing **ret_outgoing)
{
    struct outgoing *outgoing = calloc(1, sizeof *outgoing + prefix_size);

    if (!outgoing)
        return -ENOMEM;
    outgoing->prefix_size = prefix_size;
    if (prefix_size)
        memcpy(outgoing->prefix, prefix, prefix_size);
    *ret_outgoing = outgoing;
    return 0;
}

void outgoing_free(struct outgoing *outgoing)
{
    if (outgoing->file)
        file_source_free(outgoing->file);
    hawser_buffer_unref(outgoing->buffer);
    free(outgoing->owned);
    free(outgoing);
}

const uint8_t *outgoing_source(hawser_association *association, void *cookie, uint64_t offset, size_t *ret_size,
                               int *ret_error)
{
    struct outgoing *outgoing = cookie;

    (void)association;
    if (offset < outgoing->prefix_size) {
        *ret_size = outgoing->prefix_size - (size_t)offset;
        return outgoing->prefix + offset;
    }
    offset -= outgoing->prefix_size;
    if (outgoing->file)
        return file_source_at(outgoing->file, offset, ret_size, ret_error);
    *ret_size = outgoing->size - (size_t)offset;
    return outgoing->data + offset;
}

int outgoing_read(const struct outgoing *outgoing, uint64_t offset, void *bytes, size_t size)
{
    if (offset < outgoing->prefix_size) {
        size_t here = outgoing->prefix_size - (size_t)offset < size ? outgoing->prefix_size - (size_t)offset : size;

        memcpy(bytes, outgoing->prefix + offset, here);
        offset += here;
        bytes = (uint8_t *)bytes + here;
        size -= here;
    }
    if (size == 0)
        return 0;
    offset -= outgoing->prefix_size;
    if (outgoing->file)
        return file_source_read(outgoing->file, offset, bytes, size);
    memcpy(bytes, outgoing->data + offset, size);
    return 0;
}

void outgoing_settled(hawser_association *association, void *cookie)
{
    struct outgoing *outgoing = cookie;
    void (*release)(void *data, size_t size, void *user) = outgoing->release;
    void *data = (void *)(uintptr_t)outgoing->data, *user = outgoing->release_user;
    size_t size = outgoing->size;

    outgoing_free(outgoing);
    if (release) {
        association_hold(association);
        release(data, size, user);
        association_let_go(association);
    }
}
