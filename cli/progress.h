/* SPDX-License-Identifier: Apache-2.0 */
/* Two bars on a terminal: the file under way, and everything. Draws nothing where standard error is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "gather.h"

struct progress {
    struct tool *tool;
    bool terminal;
    bool drawn;
    int64_t began_us, drawn_us;
    uint64_t drawn_bytes;
    double rate; /* bytes a second, smoothed */
};

void progress_begin(struct progress *progress, struct tool *tool);
/* sent: bytes of all files that have left. */
void progress_draw(struct progress *progress, const struct gathering *gathering, size_t settled, uint64_t sent);
void progress_clear(struct progress *progress);

#endif
