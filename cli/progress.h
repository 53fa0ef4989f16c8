/* SPDX-License-Identifier: Apache-2.0 */
/* Bars on a terminal: the file under way, everything, and below them one for each strand, as long as its part of what goes. Draws
 * nothing where standard error is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "gather.h"

#define PROGRESS_STRANDS 16 /* subflows of several count one by one */

struct progress {
    struct tool *tool;
    bool terminal;
    bool colour;    /* NO_COLOR is not set */
    unsigned drawn; /* lines */
    int64_t began_us, drawn_us;
    uint64_t drawn_bytes;
    double rate; /* bytes a second, smoothed */
    struct strand_rate {
        unsigned id, subflow; /* id 0: none */
        uint64_t bytes;
        double rate;
    } strands[PROGRESS_STRANDS];
};

void progress_begin(struct progress *progress, struct tool *tool);
/* sent: bytes of all files that have left. */
void progress_draw(struct progress *progress, const struct gathering *gathering, size_t settled, uint64_t sent,
                   const hawser_association *association);
void progress_clear(struct progress *progress);

#endif
