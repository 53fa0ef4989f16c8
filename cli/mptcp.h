/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of hawser mptcp share. */
#ifndef CLI_MPTCP_H
#define CLI_MPTCP_H

#include <hawser/mptcp.h>

#include "tool.h"

/* "192.0.2.1:80", "[2001:db8::1]:80"; "" for none. */
#define MPTCP_END_SIZE 64
const char *mptcp_end(const struct sockaddr_storage *address, char text[MPTCP_END_SIZE]);

/* A connection that was named: by PID:FD, by PID where it has one connection, or by LOCAL,REMOTE. */
struct mptcp_named {
    hawser_mptcp *mptcp;
    pid_t pid;                     /* 0: named by its ends */
    int fd;                        /* -1 */
    char name[2 * MPTCP_END_SIZE]; /* as it was named */
};
/* The exit code, having said why; -1 when all is well. */
int mptcp_name(struct tool *tool, const char *text, struct mptcp_named *ret_named);

/* A subflow as members of an event. */
void mptcp_put(struct json *json, const hawser_subflow *subflow);

int mptcp_list(struct tool *tool, const char *what); /* "all", NULL, a PID or a connection */
int mptcp_watch(struct tool *tool, const struct mptcp_named *named);
int mptcp_get(struct tool *tool, const struct mptcp_named *named, uint32_t id, const char *option);
int mptcp_set(struct tool *tool, const struct mptcp_named *named, uint32_t id, const char *option, const char *value);

/* Says why a call failed, in the library's words; EXIT_FAILED. */
int mptcp_fail(struct tool *tool, const struct mptcp_named *named, const char *what, int code);

#endif
