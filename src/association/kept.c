/* SPDX-License-Identifier: Apache-2.0 */
#include "association/kept.h"

void kept_free(struct kept *kept)
{
    if (!kept)
        return;
    free(kept->gaps);
    free(kept);
}

void kept_drop(struct kept *kept)
{
    hawser_message_unref(kept->message);
    kept_free(kept);
}

int kept_new(const hawser_received *received, struct kept **ret_kept)
{
    struct kept *kept = calloc(1, sizeof *kept);

    if (!kept)
        return -ENOMEM;
    if (received->gap_count) {
        kept->gaps = malloc(received->gap_count * sizeof *kept->gaps);
        if (kept->gaps)
            memcpy(kept->gaps, received->gaps, received->gap_count * sizeof *kept->gaps);
    }
    if ((received->gap_count && !kept->gaps) || hawser_message_keep(received->message, &kept->message) < 0) {
        kept_free(kept);
        return -ENOMEM;
    }
    kept->received = *received;
    kept->marks = *received->marks;
    kept->received.marks = &kept->marks;
    kept->received.gaps = kept->gaps;
    kept->received.message = kept->message;
    kept->received.data = hawser_message_data(kept->message);
    *ret_kept = kept;
    return 0;
}
