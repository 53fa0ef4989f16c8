/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of 64-bit numbers kept as disjoint, non-adjacent ranges: which ids are settled, which bytes have come, which must
 * be sent again. Growing at the end costs O(1), anything else O(log ranges), whatever order a peer chooses.
 */
#ifndef BASE_RANGE_SET_H
#define BASE_RANGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct range_node;

struct range_set {
    const struct memory *memory;
    struct range_node *root; /* a balanced tree by first number */
    struct range_node *last; /* the range with the greatest numbers */
    size_t count;            /* of ranges */
};

void range_set_init(struct range_set *set, const struct memory *memory);
void range_set_clear(struct range_set *set); /* frees everything; the set is empty and usable */

/* Adds [first, end). *ret_added (may be NULL) is how many numbers were new. -ENOMEM leaves the set as it was. */
int range_set_add(struct range_set *set, uint64_t first, uint64_t end, uint64_t *ret_added);
/* Takes [first, end) out. -ENOMEM (a range was to be split) leaves the set as it was. */
int range_set_remove(struct range_set *set, uint64_t first, uint64_t end);
bool range_set_contains(const struct range_set *set, uint64_t number);
/* The first range that ends above from, in order: false when there is none. The part below from is cut off. */
bool range_set_next(const struct range_set *set, uint64_t from, uint64_t *ret_first, uint64_t *ret_end);
/* Where the last range ends; 0: there is none. At once, however many there are. */
uint64_t range_set_end(const struct range_set *set);
/* Forgets the range with the least numbers; nothing when empty. */
void range_set_drop_first(struct range_set *set);

#endif
