/* SPDX-License-Identifier: Apache-2.0 */
/* What hawser remembers of earlier attempts, and counts (docs/racing.md). */
#ifndef HAWSER_HISTORY_H
#define HAWSER_HISTORY_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forgets what is remembered of a service ("example.org:443"), or NULL: of all; in the file too. ret_count: how many
 * entries that were. Tickets and keys of first use are not touched. */
HAWSER_API int hawser_forget(hawser_context *context, const char *service, uint64_t *ret_count);

typedef struct hawser_counter {
    const char *name;    /* "won_by_other" */
    const char *summary; /* "won by an address other than the first" */
    const char *of;      /* the counter that it is a share of, or "" */
    uint64_t here;       /* of this context */
    uint64_t all;        /* on disk: all processes of this user, this context's included */
} hawser_counter;
/* One by index from 0; -ENOENT past the last. */
HAWSER_API int hawser_counter_get(hawser_context *context, unsigned index, hawser_counter *ret_counter);

#ifdef __cplusplus
}
#endif

#endif
