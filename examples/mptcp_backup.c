/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_backup HOST:PORT INTERFACE: the connection has a second leg on another interface, which carries nothing until the first
 * one fails (S5.25). Standard input goes to the peer, and what it answers to standard output. Needs net.mptcp.pm_type=1, and
 * CAP_NET_ADMIN or hawserd. Try it with: mptcp_backup example.org:7 wwan0
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>
#include <hawser/mptcp.h>

/* From one descriptor to another; false at the end. */
static bool copy(int from, int to)
{
    char data[4096];
    ssize_t n = read(from, data, sizeof data);

    return n > 0 && write(to, data, (size_t)n) == n;
}

int main(int argc, char **argv)
{
    const char *interface = argc > 2 ? argv[2] : "";
    struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    hawser_mptcp *mptcp = NULL;
    hawser_mptcp_event event;
    int fd, r = hawser_connect(argc > 1 ? argv[1] : "", HAWSER_CONNECT(.stack = "mptcp"), &fd, NULL);

    if (r < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(r));
        return 1;
    }
    if (hawser_mptcp_open(fd, NULL, &mptcp) < 0 || hawser_mptcp_watch(mptcp, &fds[2].fd) < 0) {
        fprintf(stderr, "%s\n", mptcp ? hawser_mptcp_reason(mptcp) : "out of memory");
        return 1;
    }
    fds[1] = (struct pollfd){.fd = fd, .events = POLLIN};
    fds[2].events = POLLIN;
    /* With the peer's first answer the handshake is complete, and a subflow may join; lost, it is opened again. */
    for (bool answered = false, wanted = true; poll(fds, 3, -1) >= 0;) {
        while ((r = hawser_mptcp_next_event(mptcp, &event)) > 0) {
            fprintf(stderr, "%s %u%s\n", hawser_mptcp_event_name(event.type), event.id, event.backup ? " backup" : "");
            wanted |= event.type == HAWSER_MPTCP_SUBFLOW_CLOSED && event.backup;
        }
        if (r < 0)
            break;
        if (fds[0].revents && !copy(STDIN_FILENO, fd))
            fds[0].fd = -1;
        if (fds[1].revents && !(answered = copy(fd, STDOUT_FILENO)))
            break;
        if (answered && wanted && hawser_subflows_backup_on(mptcp, interface) < 0)
            fprintf(stderr, "no backup: %s\n", hawser_mptcp_reason(mptcp));
        wanted &= !answered;
    }
    hawser_mptcp_close(mptcp);
    close(fd);
    return 0;
}
