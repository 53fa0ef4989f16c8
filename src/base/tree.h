/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbsd's red-black trees, private to a file. Its RB_GENERATE_STATIC names an attribute macro that no Linux header
 * defines; TREE_GENERATE() is to be used in its place. RB_INSERT() and the like work on what it makes.
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include <stddef.h>

#include <bsd/sys/tree.h>

#define TREE_GENERATE(name, type, field, compare)                                                                      \
    RB_GENERATE_INTERNAL(name, type, field, compare, __attribute__((unused)) static)

#endif
