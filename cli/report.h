/* SPDX-License-Identifier: Apache-2.0 */
/* The events that several commands have in common, for machines and for people. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "tool.h"
#include "units.h"

/* quiet: to machines alone */
void report_established(struct tool *tool, const hawser_event *event, bool quiet);
void report_accepted(struct tool *tool, const hawser_event *event);
/* People are told "WHAT WHO: reason"; nothing when what is NULL, or the end was clean. */
void report_closed(struct tool *tool, const hawser_event *event, const char *what, const char *who);
void report_paths(struct tool *tool, hawser_association *association);
/* The list `strands` inside an event that was begun. */
void report_strands(struct json *json, hawser_association *association);
/* The list `attempts` inside an event that was begun. */
void report_attempts(struct tool *tool, const hawser_attempt *attempts, size_t count);
/* "tls/tcp", or "" before there is a strand. */
const char *stack_of(hawser_association *association);

/* How a message ended, for send and ping: the name of its event. */
const char *outcome_event(hawser_outcome outcome);

#endif
