/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several links as one, for hosts that know nothing of it (S5.9, S5.10).
 *
 *     bonding proxy 192.0.2.1:1080
 *         A SOCKS5 proxy. Its clients speak MPTCP with it, over all their links: `hawser run --mptcp -- curl --socks5-hostname
 *         192.0.2.1:1080 ...`; to the servers it goes by plain TCP.
 *     bonding gateway 10.0.0.1:7000 192.0.2.1:1080
 *         A gateway before hosts: TCP connections that its firewall leads here (docs/mptcp.md) go on by MPTCP, over all links of
 *         the gateway, to such a proxy, and from there to where they were meant to go. Neither host nor server is changed.
 *
 * Prints "listening ADDRESS:PORT". A thread a connection, at most CONNECTIONS at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/connect.h>
#include <hawser/hawser.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { CONNECTIONS = 512, BUFFER = 256 * 1024, WORDS_SECONDS = 10, NAME = 300 };

static const char *proxy; /* NULL: we are it */
static sem_t room;

/* ------------------------------------------------------------------------------------------------------- two directions */

struct direction {
    int from, to;
    size_t at, end; /* of what was read and has not been written yet */
    bool over;
    char bytes[BUFFER];
};

/* Moves what goes at once. false: the connection broke. */
static bool move(struct direction *d, bool readable, bool writable)
{
    ssize_t n;

    if (readable && d->at == d->end) {
        n = recv(d->from, d->bytes, sizeof d->bytes, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0) {
            d->over = true;
            shutdown(d->to, SHUT_WR);
            return true;
        }
        d->at = 0;
        d->end = (size_t)n;
        writable = true;
    }
    if (writable && d->at < d->end) {
        n = send(d->to, d->bytes + d->at, d->end - d->at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        d->at += (size_t)n;
    }
    return true;
}

static void relay(int one, int other)
{
    struct direction *d = calloc(2, sizeof *d);
    struct pollfd polled[2] = {{.fd = one}, {.fd = other}};
    bool whole = d != NULL;

    if (d) {
        d[0].from = d[1].to = one;
        d[0].to = d[1].from = other;
    }
    while (whole && !(d[0].over && d[1].over)) {
        for (int i = 0; i < 2; i++) {
            const struct direction *in = &d[i], *out = &d[!i];
            polled[i].events =
                (short)((!in->over && in->at == in->end ? POLLIN : 0) | (out->at < out->end ? POLLOUT : 0));
            polled[i].fd = polled[i].events ? d[i].from : -1;
        }
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2 && whole; i++)
            whole = move(&d[i], polled[i].revents & (POLLIN | POLLHUP | POLLERR),
                         polled[!i].revents & (POLLOUT | POLLHUP | POLLERR));
    }
    free(d);
}

/* --------------------------------------------------------------------------------------------------- SOCKS5 (RFC 1928) */

static bool receive_all(int fd, void *bytes, size_t size)
{
    return size == 0 || recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

static bool send_all(int fd, const void *bytes, size_t size)
{
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size; /* a few bytes, of a socket that blocks */
}

/* An address of type 1 (IPv4), 3 (a name) or 4 (IPv6), and its port, as an endpoint. */
static bool receive_endpoint(int fd, uint8_t type, char ret_endpoint[NAME])
{
    uint8_t bytes[256] = {0}, size = type == 1 ? 4 : 16;
    uint16_t port;
    char text[INET6_ADDRSTRLEN];

    if (type == 3 ? !receive_all(fd, &size, 1) : type != 1 && type != 4)
        return false;
    if (!receive_all(fd, bytes, size) || !receive_all(fd, &port, sizeof port))
        return false;
    if (type == 3)
        snprintf(ret_endpoint, NAME, "%s:%u", (const char *)bytes, ntohs(port));
    else
        snprintf(ret_endpoint, NAME, type == 4 ? "[%s]:%u" : "%s:%u",
                 inet_ntop(type == 4 ? AF_INET6 : AF_INET, bytes, text, sizeof text), ntohs(port));
    return true;
}

/* The proxy's part: says where the client wants to go. */
static bool socks_request(int fd, char ret_endpoint[NAME])
{
    uint8_t head[4], methods[255];

    return receive_all(fd, head, 2) && head[0] == 5 && receive_all(fd, methods, head[1]) && send_all(fd, "\5\0", 2) &&
           receive_all(fd, head, 4) && head[0] == 5 && head[1] == 1 && receive_endpoint(fd, head[3], ret_endpoint);
}

static bool socks_answer(int fd, uint8_t code)
{
    uint8_t answer[10] = {5, code, 0, 1};

    return send_all(fd, answer, sizeof answer);
}

/* The gateway's part: all its words at once, so that this costs one round trip. */
static bool socks_ask(int fd, const struct sockaddr_storage *to)
{
    uint8_t words[3 + 4 + 16 + 2] = {5, 1, 0, 5, 1, 0}, answer[2 + 10];
    const struct sockaddr_in *in = (const void *)to;
    const struct sockaddr_in6 *in6 = (const void *)to;
    size_t size = to->ss_family == AF_INET6 ? 16 : 4;

    words[6] = size == 16 ? 4 : 1;
    memcpy(words + 7, size == 16 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, size);
    memcpy(words + 7 + size, size == 16 ? &in6->sin6_port : &in->sin_port, 2);
    return send_all(fd, words, 7 + size + 2) && receive_all(fd, answer, sizeof answer) && answer[1] == 0 &&
           answer[3] == 0;
}

/* ---------------------------------------------------------------------------------------------------------- connections */

static void patience(int fd, time_t seconds)
{
    struct timeval time = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

static int connect_to(const char *endpoint, const char *stack)
{
    hawser_report *report = NULL;
    int fd = -1, one = 1, r = hawser_connect(endpoint, HAWSER_CONNECT(.stack = stack), &fd, &report);

    if (r < 0)
        fprintf(stderr, "%s: %s\n", endpoint, report && *report->reason ? report->reason : hawser_strerror(r));
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* what comes, goes on */
    hawser_report_free(report);
    return r < 0 ? -1 : fd;
}

static int beyond_proxy(int client)
{
    char endpoint[NAME];
    int fd;

    patience(client, WORDS_SECONDS);
    if (!socks_request(client, endpoint))
        return -1;
    fd = connect_to(endpoint, "tcp");
    socks_answer(client, fd < 0 ? 5 : 0);
    patience(client, 0);
    return fd;
}

static int beyond_gateway(int client)
{
    struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof to;
    int fd = connect_to(proxy, "mptcp");

    if (fd < 0)
        return -1;
    patience(fd, 2 * WORDS_SECONDS);
    /* The firewall (tproxy) left the address that the host connected to. */
    if (getsockname(client, (struct sockaddr *)&to, &size) < 0 || !socks_ask(fd, &to)) {
        close(fd);
        return -1;
    }
    patience(fd, 0);
    return fd;
}

static void *serve(void *user)
{
    int client = (int)(intptr_t)user, one = 1, fd;

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fd = proxy ? beyond_gateway(client) : beyond_proxy(client);
    if (fd >= 0) {
        relay(client, fd);
        close(fd);
    }
    close(client);
    sem_post(&room);
    return NULL;
}

static int listen_on(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN] = "", end;
    uint16_t port;
    int fd, one = 1;

    if (sscanf(text, "%15[0-9.]:%hu%c", host, &port, &end) != 2 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -1;
    address.sin_port = htons(port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, proxy ? IPPROTO_TCP : IPPROTO_MPTCP);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (proxy && setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one) < 0)
        return -1;
    return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
    bool usage = argc < 2 || (strcmp(argv[1], "proxy") == 0 ? argc != 3 : strcmp(argv[1], "gateway") != 0 || argc != 4);
    pthread_t thread;
    int listener, client;

    if (usage) {
        fputs("usage: bonding proxy ADDRESS:PORT | bonding gateway ADDRESS:PORT PROXY:PORT\n", stderr);
        return 2;
    }
    proxy = argc == 4 ? argv[3] : NULL;
    listener = listen_on(argv[2]);
    if (listener < 0) {
        perror(argv[2]);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    sem_init(&room, 0, CONNECTIONS);
    printf("listening %s\n", argv[2]);
    fflush(stdout);
    for (;;) {
        sem_wait(&room);
        client = accept(listener, NULL, NULL);
        if (client >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0) {
            pthread_detach(thread);
            continue;
        }
        if (client >= 0)
            close(client);
        sem_post(&room);
    }
}
