/* SPDX-License-Identifier: Apache-2.0 */
/* Option structs that can grow: the caller's may be shorter than ours, whose further members are then 0. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Copies a struct that begins with its own size; NULL is all defaults. -EINVAL: no size, or longer than we know (a
 * program built for a later library must not have its wishes ignored). */
static inline int options_copy(void *to, size_t size, const void *from)
{
    size_t given;

    memset(to, 0, size);
    if (!from)
        return 0;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > size)
        return -EINVAL;
    memcpy(to, from, given);
    return 0;
}

#endif
