/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked as a table, with rates since the look before. */
#ifndef CLI_TOP_TABLE_H
#define CLI_TOP_TABLE_H

#include "terminal.h"
#include "top_ask.h"

/* What is kept of a look, so that the next can tell how fast things go. */
struct top_memory {
    struct top_known {
        char *key; /* of a process, an association, a strand */
        double sent, received;
        int64_t at_us;
    } * items;
    size_t count, room;
};

void top_table(struct page *page, const struct asking *asking, struct top_memory *memory);
void top_forget(struct top_memory *memory);

#endif
