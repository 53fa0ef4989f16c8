/* SPDX-License-Identifier: Apache-2.0 */
/* uthash with its way out when memory ends: the member `failed` of what could not be added is set. */
#ifndef ASSOCIATION_TABLE_H
#define ASSOCIATION_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(item) ((item)->failed = true)

#endif
