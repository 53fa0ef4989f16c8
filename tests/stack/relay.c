/* SPDX-License-Identifier: Apache-2.0 */
/* A small proxy of SOCKS5 (RFC 1928, 1929) or HTTP CONNECT, for the stacks that lead through one. Only what is asked by the
 * book is answered, so that a layer that says something else is found. */
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD 65536

/* One direction: what was read and not written yet. */
struct flow {
    uint8_t data[HELD];
    size_t size;
    bool ended, told;
};

struct relayed {
    struct relay *relay;
    struct relayed *next;
    int client, server;
    unsigned phase; /* of SOCKS5 */
    bool open;
    struct flow forward, backward; /* before it is open, forward holds the words of the client */
};

static void watch(struct relayed *guest);

/* ------------------------------------------------------------------------------------------------- carrying bytes */

static void fill(int fd, struct flow *flow)
{
    ssize_t n;

    if (fd < 0 || flow->ended || flow->size == HELD)
        return;
    n = recv(fd, flow->data + flow->size, HELD - flow->size, MSG_DONTWAIT);
    if (n > 0)
        flow->size += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        flow->ended = true;
}

static void drain(int fd, struct flow *flow)
{
    ssize_t n = 0;

    if (fd < 0)
        return;
    if (flow->size > 0)
        n = send(fd, flow->data, flow->size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
        flow->size -= (size_t)n;
        memmove(flow->data, flow->data + n, flow->size);
    } else if (n < 0 && errno != EAGAIN)
        flow->size = 0; /* whoever is gone does not matter to the one in the middle */
    if (flow->ended && flow->size == 0 && !flow->told) {
        shutdown(fd, SHUT_WR);
        flow->told = true;
    }
}

static void drop(struct relayed *guest)
{
    int fds[] = {guest->client, guest->server};

    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0) {
            hawser_watch(guest->relay->context, fds[i], 0, NULL, NULL);
            close(fds[i]);
        }
    guest->client = guest->server = -1;
}

/* --------------------------------------------------------------------------------------------------- the greeting */

static void answer(struct relayed *guest, const void *data, size_t size)
{
    assert_true(guest->backward.size + size <= HELD);
    memcpy(guest->backward.data + guest->backward.size, data, size);
    guest->backward.size += size;
}

static void used(struct relayed *guest, size_t size)
{
    guest->forward.size -= size;
    memmove(guest->forward.data, guest->forward.data + size, guest->forward.size);
}

/* Names are known to the relay alone: "peer.test" is where the row's listener is. */
static bool go_on(struct relayed *guest, const char *host, uint16_t port)
{
    struct relay *relay = guest->relay;
    struct layer_address to = relay->onward;

    snprintf(relay->asked, sizeof relay->asked, "%s", host);
    if (strcmp(host, "peer.test") != 0) {
        struct sockaddr_in *v4 = (void *)&to.address;
        struct sockaddr_in6 *v6 = (void *)&to.address;
        bool is_v6 = strchr(host, ':');

        memset(&to, 0, sizeof to);
        to.address.ss_family = is_v6 ? AF_INET6 : AF_INET;
        to.size = is_v6 ? sizeof *v6 : sizeof *v4;
        if (inet_pton(to.address.ss_family, host, is_v6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr) != 1)
            return false;
    }
    if (to.address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&to.address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)&to.address)->sin_port = htons(port);
    guest->server = socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(guest->server >= 0);
    guest->open = connect(guest->server, (struct sockaddr *)&to.address, to.size) == 0;
    return guest->open;
}

static void socks_connect(struct relayed *guest)
{
    const uint8_t *words = guest->forward.data;
    uint8_t reply[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    size_t size = guest->forward.size, whole;
    char host[256] = "";

    if (size < 5)
        return;
    whole = 4 + (words[3] == 1 ? 4u : words[3] == 4 ? 16u : 1u + words[4]) + 2;
    if (size < whole)
        return;
    assert_int_equal(size, whole); /* nothing may come before we answered */
    assert_memory_equal(words, "\x05\x01\x00", 3);
    if (words[3] == 3)
        memcpy(host, words + 5, words[4]);
    else
        assert_non_null(inet_ntop(words[3] == 1 ? AF_INET : AF_INET6, words + 4, host, sizeof host));
    if (!go_on(guest, host, (uint16_t)(words[whole - 2] << 8 | words[whole - 1])))
        reply[1] = 5;
    answer(guest, reply, sizeof reply);
    used(guest, whole);
}

static void socks(struct relayed *guest)
{
    const uint8_t *words = guest->forward.data;
    size_t size = guest->forward.size;
    const struct relay *relay = guest->relay;
    char expected[600];

    if (guest->phase == 0 && size >= 2 && size >= 2u + words[1]) {
        bool offered = memchr(words + 2, relay->user ? 2 : 0, words[1]);
        assert_int_equal(words[0], 5);
        assert_int_equal(size, 2 + words[1]);
        answer(guest, !offered ? "\x05\xff" : relay->user ? "\x05\x02" : "\x05\x00", 2);
        used(guest, size);
        guest->phase = relay->user ? 1 : 2;
    } else if (guest->phase == 1 && size >= 2 && size >= 3u + words[1] && size >= 3u + words[1] + words[2 + words[1]]) {
        int length = snprintf(expected, sizeof expected, "\x01%c%s%c%s", (char)strlen(relay->user), relay->user,
                              (char)strlen(relay->password), relay->password);
        bool right = size == (size_t)length && memcmp(words, expected, size) == 0;
        answer(guest, right ? "\x01\x00" : "\x01\x01", 2);
        used(guest, size);
        guest->phase = 2;
    } else if (guest->phase == 2)
        socks_connect(guest);
}

static void http(struct relayed *guest)
{
    const struct relay *relay = guest->relay;
    char *words = (char *)guest->forward.data, *end, *host = words + 8, *port, *space;
    bool brackets;

    words[guest->forward.size] = '\0';
    end = strstr(words, "\r\n\r\n");
    if (!end)
        return;
    assert_ptr_equal(end + 4, words + guest->forward.size); /* nothing may come before we answered */
    assert_memory_equal(words, "CONNECT ", 8);
    assert_non_null(strstr(words, " HTTP/1.1\r\nHost: "));
    if (relay->user && (!strstr(words, "\r\nProxy-Authorization: Basic ") || !strstr(words, relay->basic)))
        answer(guest, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
               84);
    else {
        space = strchr(host, ' ');
        *space = '\0';
        port = strrchr(host, ':');
        *port++ = '\0';
        brackets = *host == '[';
        if (brackets)
            host[strlen(host) - 1] = '\0';
        if (go_on(guest, host + brackets, (uint16_t)atoi(port)))
            answer(guest, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 38); /* which says nothing here */
        else
            answer(guest, "HTTP/1.1 502 Bad Gateway\r\n\r\n", 28);
    }
    used(guest, guest->forward.size);
}

/* A script is said as it is, once, and that is all. */
static void scripted(struct relayed *guest)
{
    struct relay *relay = guest->relay;

    if (guest->forward.size == 0)
        return;
    used(guest, guest->forward.size);
    if (guest->phase++ > 0)
        return;
    for (size_t i = 0; relay->dribble && i < relay->script_size; i++)
        send(guest->client, (const uint8_t *)relay->script + i, 1, MSG_NOSIGNAL);
    if (!relay->dribble)
        answer(guest, relay->script, relay->script_size);
    guest->backward.ended = relay->script_ends;
}

/* --------------------------------------------------------------------------------------------------- the loop */

static void move(struct relayed *guest)
{
    fill(guest->client, &guest->forward);
    if (guest->open)
        fill(guest->server, &guest->backward);
    else if (guest->relay->script)
        scripted(guest);
    else if (strstr(guest->relay->layer, "socks5"))
        socks(guest);
    else
        http(guest);
    if (guest->open)
        drain(guest->server, &guest->forward);
    drain(guest->client, &guest->backward);
    if ((guest->forward.ended && !guest->open) || (guest->forward.told && guest->backward.told))
        drop(guest);
    else
        watch(guest);
}

static void on_event(int fd, short events, void *user)
{
    (void)fd;
    (void)events;
    move(user);
}

static short wish(const struct flow *in, const struct flow *out)
{
    return (short)((in->ended || in->size == HELD ? 0 : POLLIN) | (out->size > 0 ? POLLOUT : 0));
}

static void watch_one(struct relayed *guest, int fd, short events)
{
    if (fd >= 0 && events)
        assert_int_equal(hawser_watch(guest->relay->context, fd, events, on_event, guest), 0);
    else if (fd >= 0)
        (void)hawser_watch(guest->relay->context, fd, 0, NULL, NULL);
}

static void watch(struct relayed *guest)
{
    watch_one(guest, guest->client, wish(&guest->forward, &guest->backward));
    watch_one(guest, guest->server, wish(&guest->backward, &guest->forward));
}

static void on_connection(int fd, short events, void *user)
{
    struct relay *relay = user;
    struct relayed *guest = calloc(1, sizeof *guest);

    (void)events;
    assert_non_null(guest);
    guest->relay = relay;
    guest->next = relay->guests;
    relay->guests = guest;
    guest->server = -1;
    guest->client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(guest->client >= 0);
    (void)setsockopt(guest->client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* pieces stay pieces */
    move(guest);
}

void relay_start(struct world *world, const char *layer)
{
    struct relay *relay = &world->relay;
    socklen_t size = sizeof relay->address.address;
    const int length = 16;

    relay->context = make_context(world, NULL);
    relay->layer = layer;
    make_address(world, "relay", &relay->address);
    relay->listener = socket(world->row->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(relay->listener >= 0);
    (void)setsockopt(relay->listener, IPPROTO_TCP, TCP_FASTOPEN, &length, sizeof length);
    assert_int_equal(bind(relay->listener, (struct sockaddr *)&relay->address.address, relay->address.size), 0);
    assert_int_equal(listen(relay->listener, 64), 0);
    getsockname(relay->listener, (struct sockaddr *)&relay->address.address, &size);
    assert_int_equal(hawser_watch(relay->context, relay->listener, POLLIN, on_connection, relay), 0);
}

void relay_stop(struct relay *relay)
{
    while (relay->guests) {
        struct relayed *guest = relay->guests;
        relay->guests = guest->next;
        drop(guest);
        free(guest);
    }
    if (relay->context) {
        hawser_watch(relay->context, relay->listener, 0, NULL, NULL);
        close(relay->listener);
    }
    hawser_context_unref(relay->context);
    relay->context = NULL;
}
