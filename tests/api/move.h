/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of moving share: lines that are sealed with a key. */
#ifndef API_MOVE_H
#define API_MOVE_H

#include "numbers.h"

static const char key[] = "a key of the test's own, long enough";

struct blob {
    void *data;
    size_t size;
};

/* As soon as the ends have met. */
static inline struct blob export_line(struct end *end)
{
    struct blob blob = {NULL, 0};
    int r;

    while ((r = hawser_association_export(end->line, HAWSER_EXPORT(.key = key, .key_size = sizeof key), &blob.data,
                                          &blob.size)) == -EAGAIN)
        world_step(end->world);
    assert_int_equal(r, 0);
    return blob;
}

static inline hawser_association *import_line(hawser_context *context, const struct blob *blob,
                                              hawser_identity *identity)
{
    hawser_association *line;

    assert_int_equal(hawser_association_import(context, blob->data, blob->size,
                                               HAWSER_IMPORT(.key = key, .key_size = sizeof key, .identity = identity),
                                               &line),
                     0);
    return line;
}

static inline hawser_identity *identity_new(void)
{
    hawser_identity *identity;

    assert_int_equal(hawser_identity_new(&identity), 0);
    return identity;
}

#endif
