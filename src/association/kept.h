/* SPDX-License-Identifier: Apache-2.0 */
/* A received message beyond its handler, with all that was told of it. */
#ifndef ASSOCIATION_KEPT_H
#define ASSOCIATION_KEPT_H

#include "association/association.h"

struct kept {
    struct list link;
    hawser_message *message; /* a reference: of whoever takes it */
    hawser_received received;
    hawser_marks marks;
    hawser_range *gaps;
};

int kept_new(const hawser_received *received, struct kept **ret_kept); /* -ENOMEM */
void kept_free(struct kept *kept);                                     /* the message was taken; NULL is nothing */
void kept_drop(struct kept *kept);                                     /* it was not */

#endif
