/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of a context: who may look, and what is answered (docs/trace.md). control.c */
#ifndef ASSOCIATION_CONTROL_H
#define ASSOCIATION_CONTROL_H

#include "association/association.h"
#include "base/json.h"

enum {
    CONTROL_CLIENTS = 8,
    CONTROL_REQUEST = 64,           /* bytes of a request, with its newline */
    CONTROL_ANSWER = 4 << 20,       /* of an answer, about: associations that find no room are counted */
    CONTROL_IDLE = 60 * 1000 * 1000 /* microseconds without a request, or with an answer that nobody reads */
};

/* control_path.c: binds a unix socket that only its owner can use. `path` is the name, or "auto"; ret_path is to be freed. */
int control_listen(const char *path, int *ret_fd, char **ret_path);
bool control_may_look(int fd); /* whether the one who connected is of the same user, or root */

void control_begin(struct associations *all); /* at the first association: what $HAWSER_CONTROL says */
void control_free(struct associations *all);
/* One line of JSON about all associations of the context. */
void control_snapshot(const struct associations *all, struct json *json);

#endif
