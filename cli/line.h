/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a line as the options say: for send, connect and ping. */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include "tool.h"

struct line {
    struct tool *tool;
    const char *endpoint;
    hawser_association *association;
    bool established;
    bool finished; /* closed by us, with everything done */
    bool interrupted;
    int code; /* of HAWSER_CLOSED */
    void (*on_established)(struct line *line);
    void (*on_closed)(struct line *line);
};

/* Associates and registers ESTABLISHED, CLOSED, PATHS_CHANGED and the signals. Says why not, and returns the exit code, or
 * -1 when the line is on its way. */
int line_open(struct line *line);
/* Runs until the line has ended. EXIT_NO_ASSOCIATION when it never was, EXIT_FAILED when it broke, EXIT_DONE. */
int line_run(struct line *line);
void line_finish(struct line *line);
void line_free(struct line *line);

/* Which of the stacks in the list (NULL: all) serves the endpoint; says so when none does. -EINVAL */
int choose_stack(struct tool *tool, const char *list, const char *endpoint, const char **ret_stack);

#endif
