/* SPDX-License-Identifier: Apache-2.0 */
/* A report of an establishment in words: look-ups, the tree of candidates over time, and what won. */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include <hawser/report.h>

#include "terminal.h"

void tree_print(struct page *page, const hawser_report *report);

#endif
