/* SPDX-License-Identifier: Apache-2.0 */
/* The same messages over one socket of the kernel, in its order: what an association is compared with. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "numbered.h"

static int failed(const char *what)
{
    printf("{\"error\":\"%s: %s\"}\n", what, strerror(errno));
    return 1;
}

/* "192.0.2.1:80": IPv4 alone. */
static bool read_endpoint(const char *text, struct sockaddr_in *ret_address)
{
    char host[64];
    const char *colon = strrchr(text, ':');

    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    return inet_pton(AF_INET, host, &ret_address->sin_addr) == 1;
}

static int open_socket(int protocol)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol), on = 1;

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static bool read_all(int fd, uint8_t *data, size_t size)
{
    return size == 0 || recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static bool take_messages(int fd, struct arrivals *arrivals)
{
    uint8_t *data = malloc(1u << 24);
    bool good = data;

    while (good) {
        ssize_t n = recv(fd, data, NUMBERED_HEAD, MSG_WAITALL);
        size_t size;

        if (n == 0)
            break;
        size = n == NUMBERED_HEAD ? numbered_size(data) : 0;
        good = size && read_all(fd, data + NUMBERED_HEAD, size - NUMBERED_HEAD) && arrivals_note(arrivals, data, size);
    }
    free(data);
    return good;
}

int kernel_listen_job(const struct job *job, int protocol)
{
    struct arrivals arrivals = {0};
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    char host[INET_ADDRSTRLEN];
    int listener = open_socket(protocol), fd, r;
    bool whole;

    if (!read_endpoint(job->endpoint, &address) || listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 8) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        return failed("listen");
    inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
    printf("{\"ok\":true,\"endpoint\":\"%s:%u\"}\n", host, ntohs(address.sin_port));
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return failed("accept");
    whole = take_messages(fd, &arrivals);
    r = arrivals_write(&arrivals, job->log);
    printf("{\"ok\":true,\"count\":%zu,\"bytes\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"code\":%d}\n", arrivals.count,
           arrivals.bytes, arrivals.wrong, whole ? r : -EPROTO);
    arrivals_clear(&arrivals);
    close(fd); /* only now: the sender waits for it */
    close(listener);
    return r < 0;
}

/* Waits until then, or until a line is on stdin. Whether there is one. */
static bool wait_until(int64_t due_us)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t wait = due_us - clock_us();
    struct timespec timeout = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};

    if (wait < 0)
        timeout = (struct timespec){0};
    return ppoll(&in, 1, &timeout, NULL) > 0;
}

static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool send_messages(const struct job *job, int fd, uint64_t *ret_count)
{
    uint8_t *data = malloc(job->size);
    int64_t began = clock_us();
    bool good = data;

    for (*ret_count = 0; good && (job->count == 0 || *ret_count < job->count); ++*ret_count) {
        int64_t due = job->every_us ? began + (int64_t)*ret_count * job->every_us : clock_us();

        if (wait_until(due)) /* the one command is stop */
            break;
        numbered_fill(data, job->size, *ret_count, due);
        good = send_all(fd, data, job->size);
    }
    free(data);
    return good;
}

int kernel_send_job(const struct job *job, int protocol)
{
    struct sockaddr_in address;
    int fd = open_socket(protocol);
    uint64_t count;
    bool good;
    char end;

    if (!read_endpoint(job->endpoint, &address) || fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return failed("connect");
    printf("{\"ok\":true,\"established\":%" PRId64 "}\n", clock_us());
    good = send_messages(job, fd, &count) && shutdown(fd, SHUT_WR) == 0 && recv(fd, &end, 1, 0) == 0;
    if (!good)
        return failed("send");
    printf("{\"ok\":true,\"count\":%" PRIu64 "}\n", count);
    close(fd);
    return 0;
}
