/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_full_mesh HOST:PORT: the full-mesh path manager as a program's own policy (S5.16): subflows from every address of this
 * host to every address of the peer, now, and whenever either side gets a new one. Standard input goes to the peer, and what it
 * answers to standard output. Needs net.mptcp.pm_type=1, and CAP_NET_ADMIN or hawserd. Try it with: mptcp_full_mesh example.org:7
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>
#include <hawser/mptcp.h>
#include <hawser/path.h>

static hawser_mptcp *mptcp;

static void apply(void *user)
{
    int r = hawser_subflows_full_mesh(mptcp);

    (void)user;
    if (r < 0)
        fprintf(stderr, "no mesh: %s\n", hawser_mptcp_reason(mptcp));
    else if (r > 0)
        fprintf(stderr, "%d subflows more\n", r);
}

/* Events of the connection: what the peer announces is part of the mesh, and what was lost is made anew. */
static int on_events(void)
{
    hawser_mptcp_event event;
    int r;

    while ((r = hawser_mptcp_next_event(mptcp, &event)) > 0) {
        fprintf(stderr, "%s %u\n", hawser_mptcp_event_name(event.type), event.id);
        if (event.type == HAWSER_MPTCP_SUBFLOW_ESTABLISHED || event.type == HAWSER_MPTCP_ADDRESS_ANNOUNCED)
            apply(NULL);
    }
    return r;
}

/* From one descriptor to another; false at the end. */
static bool copy(int from, int to)
{
    char data[4096];
    ssize_t n = read(from, data, sizeof data);

    return n > 0 && write(to, data, (size_t)n) == n;
}

int main(int argc, char **argv)
{
    hawser_context *context;
    struct pollfd fds[4] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    int fd, r = hawser_connect(argc > 1 ? argv[1] : "", HAWSER_CONNECT(.stack = "mptcp"), &fd, NULL);

    if (r < 0 || (r = hawser_context_new(NULL, &context)) < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(r));
        return 1;
    }
    hawser_paths_watch(context, apply, NULL); /* interfaces and addresses of this host, as they change */
    if (hawser_mptcp_open(fd, NULL, &mptcp) < 0 || hawser_mptcp_watch(mptcp, &fds[2].fd) < 0) {
        fprintf(stderr, "%s\n", mptcp ? hawser_mptcp_reason(mptcp) : "out of memory");
        return 1;
    }
    fds[1] = (struct pollfd){.fd = fd, .events = POLLIN};
    fds[2].events = POLLIN;
    fds[3] = (struct pollfd){.fd = hawser_context_fd(context), .events = POLLIN};
    apply(NULL);
    while (poll(fds, 4, -1) >= 0) {
        if ((fds[2].revents && on_events() < 0) || (fds[3].revents && hawser_dispatch(context) < 0))
            break;
        if (fds[0].revents && !copy(STDIN_FILENO, fd))
            fds[0].fd = -1;
        if (fds[1].revents && !copy(fd, STDOUT_FILENO))
            break;
    }
    hawser_mptcp_close(mptcp);
    hawser_context_unref(context);
    close(fd);
    return 0;
}
