/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_when_bad HOST:PORT INTERFACE: what Siri did with Wi-Fi and LTE (S5.8, S5.26): the second interface is not touched until
 * the first path is bad, so that it costs nothing while all is well; then the connection goes on there. Standard input goes to
 * the peer, and what it answers to standard output. Needs net.mptcp.pm_type=1, and CAP_NET_ADMIN or hawserd. Try it with:
 * mptcp_when_bad example.org:7 wwan0
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>
#include <hawser/mptcp.h>

enum { LOOK_MS = 100, SLOW_US = 500 * 1000, SILENT_US = 300 * 1000 };

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
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    hawser_mptcp *mptcp;
    bool answered = false;
    int fd, r = hawser_connect(argc > 1 ? argv[1] : "", HAWSER_CONNECT(.stack = "mptcp"), &fd, NULL);

    if (r < 0 || (r = hawser_mptcp_open(fd, NULL, &mptcp)) < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(r));
        return 1;
    }
    fds[1] = (struct pollfd){.fd = fd, .events = POLLIN};
    while (poll(fds, 2, LOOK_MS) >= 0) {
        if (fds[0].revents && !copy(STDIN_FILENO, fd))
            fds[0].fd = -1;
        if (fds[1].revents && !(answered = copy(fd, STDOUT_FILENO)))
            break;
        r = answered ? hawser_subflows_when_bad(mptcp, interface, SLOW_US, SILENT_US) : 0;
        if (r > 0)
            fprintf(stderr, "the first path is bad: a subflow by %s\n", interface);
        else if (r < 0)
            fprintf(stderr, "no second path: %s\n", hawser_mptcp_reason(mptcp));
        fflush(stderr);
    }
    hawser_mptcp_close(mptcp);
    close(fd);
    return 0;
}
