/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_ndiffports HOST:PORT N: several subflows between the same two addresses, which a network with equal paths (ECMP, as in
 * data centres) spreads by their ports (S5.3, S5.16); then standard input goes to the peer, which must be one that answers
 * byte by byte. Needs net.mptcp.pm_type=1, and CAP_NET_ADMIN or hawserd. Try it with: mptcp_ndiffports example.org:7 4
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>
#include <hawser/mptcp.h>

/* The peer's first byte completes the handshake: before, nothing can join. */
static bool echo(int fd)
{
    char data[4096];
    ssize_t n = read(STDIN_FILENO, data, sizeof data), left;

    if (n <= 0 || write(fd, data, (size_t)n) != n)
        return false;
    for (left = n; left > 0 && (n = read(fd, data, (size_t)left)) > 0; left -= n)
        fwrite(data, 1, (size_t)n, stdout);
    fflush(stdout);
    return left == 0;
}

/* Waits until as many subflows as were opened came, or did not. */
static void await(hawser_mptcp *mptcp, int events, int opened)
{
    struct pollfd readable = {.fd = events, .events = POLLIN};
    hawser_mptcp_event event;
    int r = 0;

    while (opened > 0 && r >= 0 && poll(&readable, 1, 5000) > 0)
        while ((r = hawser_mptcp_next_event(mptcp, &event)) > 0)
            opened -= event.type == HAWSER_MPTCP_SUBFLOW_ESTABLISHED || event.type == HAWSER_MPTCP_SUBFLOW_CLOSED;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 2;
    hawser_mptcp *mptcp = NULL;
    hawser_subflow *list;
    size_t there;
    int fd, events, r = hawser_connect(argc > 1 ? argv[1] : "", HAWSER_CONNECT(.stack = "mptcp"), &fd, NULL);

    if (r < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(r));
        return 1;
    }
    if (!echo(fd) || hawser_mptcp_open(fd, NULL, &mptcp) < 0 || hawser_mptcp_watch(mptcp, &events) < 0 ||
        (r = hawser_subflows_ndiffports(mptcp, count)) < 0) {
        fprintf(stderr, "%s\n", mptcp ? hawser_mptcp_reason(mptcp) : "the peer does not answer");
        return 1;
    }
    await(mptcp, events, r);
    while (echo(fd))
        ;
    if (hawser_subflows(mptcp, &list, &there) == 0) {
        fprintf(stderr, "%zu subflows\n", there);
        free(list);
    }
    hawser_mptcp_close(mptcp);
    close(fd);
    return 0;
}
