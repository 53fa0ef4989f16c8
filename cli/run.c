/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser run --mptcp -- COMMAND: every TCP socket that COMMAND makes is an MPTCP socket (S5.4, S3.2). The kernel hands its
 * socket(2) calls for TCP over to a broker process of ours (seccomp_unotify(2)), which makes the other socket and puts it
 * into COMMAND's table of descriptors. So it works for any program, statically linked ones included, and for all that it
 * starts; nothing is loaded into them. COMMAND keeps our process id and its own exit status.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "commands.h"
#include "tool.h"

enum { EXIT_OURS = 125, EXIT_CANNOT = 126, EXIT_MISSING = 127 }; /* as env(1), nohup(1) and timeout(1) have it */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static bool makes(int family, int protocol)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol), became = 0;
    socklen_t size = sizeof became;

    if (fd < 0)
        return false;
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &became, &size);
    close(fd);
    return became == IPPROTO_MPTCP;
}

static int no_mptcp(struct tool *tool)
{
    if (makes(AF_INET, IPPROTO_MPTCP) || makes(AF_INET6, IPPROTO_MPTCP))
        return 0;
    complain(tool, "this system gives no MPTCP sockets: %s%s", strerror(errno),
             errno == ENOPROTOOPT ? " (sysctl net.mptcp.enabled)" : "");
    return -1;
}

/* A grandchild, which is nobody's child to wait for, and in a session of its own, which no terminal interrupts. */
static int start_broker(int *ret_to_broker)
{
    int pair[2], status;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    child = fork();
    if (child == 0) {
        close(pair[0]);
        child = fork();
        if (child != 0)
            _exit(child < 0 ? 1 : 0);
        setsid();
        broker_serve(pair[1]);
        _exit(0);
    }
    close(pair[1]);
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        close(pair[0]);
        return -EAGAIN;
    }
    *ret_to_broker = pair[0];
    return 0;
}

static int prepare(void)
{
    int broker = -1, r;

    if (makes(AF_INET, 0)) /* it was done already, by a 'hawser run' around us */
        return 0;
    r = start_broker(&broker);
    if (r == 0)
        r = broker_hand_over(broker);
    if (broker >= 0)
        close(broker);
    return r;
}

int command_run(struct tool *tool)
{
    char **argv = tool->options->operands.items; /* ends with NULL */
    int r;

    if (!tool->options->mptcp) {
        complain(tool, "run: --mptcp is needed: it is all that can be changed of a program's sockets");
        return EXIT_USAGE;
    }
    if (no_mptcp(tool) < 0)
        return EXIT_OURS;
    r = prepare();
    if (r < 0) {
        complain(tool, "run: %s cannot be started with MPTCP sockets: %s", argv[0], broker_reason(r));
        return EXIT_OURS;
    }
    execvp(argv[0], argv);
    r = errno;
    complain(tool, "run: %s: %s", argv[0], strerror(r));
    return r == ENOENT ? EXIT_MISSING : EXIT_CANNOT;
}
