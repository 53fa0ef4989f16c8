/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect HOST:PORT: what a loop over getaddrinfo() was written for, raced, in fewer lines; then the descriptor is used as
 * any other. Try it with: connect example.org:80
 */
#include <stdio.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>

/* In place of getaddrinfo(), a loop over its addresses, non-blocking connect(), poll() and SO_ERROR. */
static int connect_to(const char *service)
{
    hawser_report *report = NULL;
    int fd = -1, r = hawser_connect(service, HAWSER_CONNECT(.timeout_us = 5000000), &fd, &report);

    for (size_t i = 0; report && i < report->attempt_count; i++)
        fprintf(stderr, "%s: %s %s\n", report->attempts[i].path.remote,
                hawser_attempt_outcome_name(report->attempts[i].outcome), report->attempts[i].reason);
    hawser_report_free(report);
    return r < 0 ? r : fd;
}

int main(int argc, char **argv)
{
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    char answer[1024];
    ssize_t n;
    int fd = connect_to(argc > 1 ? argv[1] : "");

    if (fd < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(fd));
        return 1;
    }
    if (write(fd, request, sizeof request - 1) < 0)
        return 1;
    while ((n = read(fd, answer, sizeof answer)) > 0)
        fwrite(answer, 1, (size_t)n, stdout);
    close(fd);
    return n < 0;
}
