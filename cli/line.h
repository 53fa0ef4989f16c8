/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a line as the options say: for send, connect, ping, probe and fetch. */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include "tool.h"

struct line {
    struct tool *tool;
    /* Set before line_open(): */
    const char *endpoint;
    const char *const *others; /* more ways to the same peer */
    size_t other_count;
    bool bare;         /* no hawser/1 */
    bool clear;        /* and not encrypted, unless the command line says otherwise */
    bool any_protocol; /* hawser/1 where the peer speaks it, else its own protocol */
    const char *alpn;
    const char *server_name; /* whom TLS asks for; NULL: the endpoint's host */
    const hawser_framer *framer;
    void *framer_user;
    bool quiet; /* that there is a line, or none, is said by whoever opened it */
    void (*on_established)(struct line *line);
    void (*on_closed)(struct line *line);
    void (*on_report)(struct line *line, const hawser_report *report); /* once, however it ended; may be NULL */

    hawser_association *association;
    const char **list; /* what others points at, when line_take() made it */
    bool established;
    bool finished; /* closed by us, with everything done */
    bool interrupted;
    bool held; /* set by on_closed: the line is gone, but what came over it is still to be written */
    int code;  /* of HAWSER_CLOSED */
};

/* Takes the operands from the first on, if all is set, and those of --also as ways to one peer. -ENOMEM, said */
int line_take(struct line *line, bool all);
/* Takes --bare, --tls and --alpn. Says what contradicts itself: -EINVAL */
int line_take_bare(struct line *line);
/* Associates and registers ESTABLISHED, CLOSED, PATHS_CHANGED and the signals. Says why not, and returns the exit code, or
 * -1 when the line is on its way. */
int line_open(struct line *line);
/* Runs until the line has ended. EXIT_NO_ASSOCIATION when it never was, EXIT_FAILED when it broke, EXIT_DONE. */
int line_run(struct line *line);
void line_finish(struct line *line);
void line_release(struct line *line); /* what held it is done */
void line_free(struct line *line);

#endif
