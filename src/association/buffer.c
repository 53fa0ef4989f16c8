/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that several messages and associations send from without a copy. */
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "association/association.h"

struct hawser_buffer {
    atomic_uint refs;
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

int hawser_buffer_new(size_t size, hawser_buffer **ret_buffer)
{
    hawser_buffer *buffer;

    if (!ret_buffer || size > SIZE_MAX - sizeof *buffer)
        return -EINVAL;
    buffer = malloc(sizeof *buffer + size);
    if (!buffer)
        return -ENOMEM;
    atomic_init(&buffer->refs, 1);
    buffer->size = size;
    *ret_buffer = buffer;
    return 0;
}

hawser_buffer *hawser_buffer_ref(hawser_buffer *buffer)
{
    if (buffer)
        atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

hawser_buffer *hawser_buffer_unref(hawser_buffer *buffer)
{
    if (buffer && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1)
        free(buffer);
    return NULL;
}

void *hawser_buffer_data(hawser_buffer *buffer)
{
    return buffer->bytes;
}

size_t hawser_buffer_size(const hawser_buffer *buffer)
{
    return buffer->size;
}
