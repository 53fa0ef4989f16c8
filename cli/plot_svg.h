/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PLOT_SVG_H
#define CLI_PLOT_SVG_H

#include "story.h"

/* A picture of a trace: throughput, round trip times, strands and messages over one axis of time. The caller free()s the
 * text. title: NULL: the trace's own. -ENOMEM */
int plot_svg(const struct story *story, const char *title, char **ret_text);

#endif
