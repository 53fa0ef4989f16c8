/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of lab-link: packets as their time comes, commands between them. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

static void move_packets(void)
{
    int64_t now = now_ns();

    for (int i = 0; i < LINKS; i++) {
        if (!links[i])
            continue;
        link_advance(links[i], now);
        link_take(links[i], now);
        link_advance(links[i], now); /* without delay it arrives at once */
    }
    command_answer_waits();
    fflush(stdout);
}

/* What was sent before a command counts as before it: packets are taken first, then each line is run. */
static bool read_commands(void)
{
    static char line[1024];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, line + used, sizeof line - 1 - used);
    char *end;

    if (n <= 0 && errno != EINTR && errno != EAGAIN)
        return false;
    if (n > 0)
        used += (size_t)n;
    line[used] = 0;
    while ((end = strchr(line, '\n'))) {
        size_t rest = used - (size_t)(end + 1 - line);

        *end = 0;
        command(line);
        memmove(line, end + 1, rest + 1);
        used = rest;
    }
    fflush(stdout);
    return used < sizeof line - 1;
}

static bool turn(void)
{
    struct pollfd polls[1 + 2 * LINKS] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    int64_t now = now_ns(), next = now + 1000000000, wait;
    struct timespec timeout;
    nfds_t count = 1;

    for (int i = 0; i < LINKS; i++) {
        if (!links[i])
            continue;
        polls[count++] = (struct pollfd){.fd = links[i]->directions[0].from, .events = POLLIN};
        polls[count++] = (struct pollfd){.fd = links[i]->directions[1].from, .events = POLLIN};
        next = link_next(links[i], next);
    }
    wait = next > now ? next - now : 0;
    timeout = (struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    if (ppoll(polls, count, &timeout, NULL) < 0 && errno != EINTR)
        return false;
    move_packets();
    errno = 0;
    return !polls[0].revents || read_commands();
}

int main(void)
{
    const struct sched_param first = {.sched_priority = 1};

    prctl(PR_SET_TIMERSLACK, 1);
    stall_start(); /* its threads wait for the processor like the programs that are tested */
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK,
                       &first); /* a cable does not wait; where we may not, it does */
    puts("{\"ok\":true}");
    fflush(stdout);
    while (turn())
        ;
    return 0;
}
