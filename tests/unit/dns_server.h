/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name server for the tests of the resolver: on a context's own loop, on a port of 127.0.0.1 that was free. It
 * answers from a table and counts what it is asked. (All in the header: a unit test is one file.)
 */
#ifndef TESTS_DNS_SERVER_H
#define TESTS_DNS_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <hawser/hawser.h>

#include "endpoint/dns_message.h"

enum dns_how {
    DNS_RECORDS, /* the records of the wanted type, and aliases; NODATA when there are none */
    DNS_CODE,    /* the code in a well-formed answer */
    DNS_SILENT,
    DNS_SILENT_AAAA, /* records, but AAAA questions are never answered */
    DNS_RUBBISH,     /* bytes after a good header */
    DNS_CUT,         /* an answer that ends within its records */
    DNS_OLD,         /* what has more than a question is malformed to it: it knows no EDNS */
    DNS_FORGED,      /* before the right answer come others: of another number, to another question */
    DNS_BY_TCP,      /* truncated over UDP; over TCP in pieces, with time between them */
};

/* A record of any type: its data as they go over the wire. */
struct dns_extra {
    unsigned type, ttl;
    const char *data;
    size_t size;
};
#define DNS_EXTRA(type, ttl, bytes)                                                                                    \
    {                                                                                                                  \
        type, ttl, bytes, sizeof(bytes) - 1                                                                            \
    }

struct dns_entry {
    const char *name;
    enum dns_how how;
    int code;
    const char *v4[24], *v6[4];
    const char *alias; /* the name is one for this */
    struct dns_extra extra[8];
    unsigned late_type; /* questions of this type are answered late_us later than the others */
    int64_t late_us;
    unsigned ttl;     /* 0: a minute */
    bool v4_not_kept; /* time to live 0 */
    bool with_target; /* the alias's records come with it */
};

struct dns_late;
struct dns_server {
    hawser_context *context;
    struct dns_late *late;
    const struct dns_entry *entries; /* ends with a NULL name; what is not there is NXDOMAIN */
    int fd, listener, connection;    /* one connection at a time */
    uint16_t port;
    unsigned questions;
    char asked[2000]; /* "AAAA both.example; A both.example; " */
    struct {
        uint8_t in[4096], out[2050];
        size_t in_size, out_size, out_sent;
    } stream;
};

enum { HEADER = 12, TTL = 60, A = 1, CNAME = 5, AAAA = 28 };

struct answer {
    uint8_t bytes[2048];
    size_t size;
    unsigned records;
};

static void add(struct answer *answer, const void *bytes, size_t size)
{
    assert_true(answer->size + size <= sizeof answer->bytes);
    memcpy(answer->bytes + answer->size, bytes, size);
    answer->size += size;
}

static void add_u16(struct answer *answer, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    add(answer, bytes, sizeof bytes);
}

static void add_name(struct answer *answer, const char *name)
{
    while (*name) {
        uint8_t length = (uint8_t)strcspn(name, ".");
        add(answer, &length, 1);
        add(answer, name, length);
        name += length + (name[length] == '.');
    }
    add(answer, "", 1);
}

static void add_record(struct answer *answer, const char *name, unsigned type, unsigned ttl, const void *data,
                       size_t size)
{
    add_name(answer, name);
    add_u16(answer, type);
    add_u16(answer, 1); /* IN */
    add_u16(answer, 0);
    add_u16(answer, ttl);
    add_u16(answer, (unsigned)size);
    add(answer, data, size);
    answer->records++;
}

static void add_addresses(struct answer *answer, const struct dns_entry *entry, unsigned type)
{
    uint8_t address[16];

    for (size_t i = 0; type == A && i < sizeof entry->v4 / sizeof *entry->v4 && entry->v4[i]; i++) {
        assert_int_equal(inet_pton(AF_INET, entry->v4[i], address), 1);
        add_record(answer, entry->name, A, entry->v4_not_kept ? 0 : entry->ttl ? entry->ttl : TTL, address, 4);
    }
    for (size_t i = 0; type == AAAA && i < sizeof entry->v6 / sizeof *entry->v6 && entry->v6[i]; i++) {
        assert_int_equal(inet_pton(AF_INET6, entry->v6[i], address), 1);
        add_record(answer, entry->name, AAAA, entry->ttl ? entry->ttl : TTL, address, 16);
    }
    for (size_t i = 0; i < sizeof entry->extra / sizeof *entry->extra && entry->extra[i].data; i++)
        if (entry->extra[i].type == type)
            add_record(answer, entry->name, type, entry->extra[i].ttl, entry->extra[i].data, entry->extra[i].size);
}

static const struct dns_entry *find(const struct dns_server *server, const char *name)
{
    const struct dns_entry *entry = server->entries;

    while (entry->name && strcmp(entry->name, name) != 0)
        entry++;
    return entry->name ? entry : NULL;
}

static void add_alias(struct dns_server *server, struct answer *answer, const struct dns_entry *entry, unsigned type)
{
    struct answer target = {.size = 0};
    const struct dns_entry *next = find(server, entry->alias);

    add_name(&target, entry->alias);
    add_record(answer, entry->name, CNAME, TTL, target.bytes, target.size);
    if (entry->with_target && next)
        add_addresses(answer, next, type);
}

/* The question's name as text; where its type stands. */
static size_t read_name(const uint8_t *packet, size_t size, char *name)
{
    size_t at = HEADER;

    while (at < size && packet[at]) {
        assert_true(at + 1 + packet[at] < size);
        memcpy(name, packet + at + 1, packet[at]);
        name += packet[at];
        *name++ = '.';
        at += 1 + packet[at];
    }
    if (at > HEADER)
        name--;
    *name = '\0';
    return at + 1;
}

static void note_question(struct dns_server *server, const char *name, unsigned type)
{
    size_t length = strlen(server->asked);
    const char *known = dns_type_name(type);

    snprintf(server->asked + length, sizeof server->asked - length, "%s %s; ", known ? known : "other", name);
}

static void answer_question(struct dns_server *server, const uint8_t *packet, size_t size, struct answer *answer)
{
    char name[300];
    size_t tail = read_name(packet, size, name);
    unsigned type = (unsigned)packet[tail] << 8 | packet[tail + 1];
    const struct dns_entry *entry = find(server, name);
    int code = !entry ? 3 : entry->how == DNS_CODE ? entry->code : entry->how == DNS_OLD && packet[11] ? 1 : 0;

    note_question(server, name, type);
    if (entry && (entry->how == DNS_SILENT || (entry->how == DNS_SILENT_AAAA && type == AAAA)))
        return;
    add(answer, packet, tail + 4);
    answer->bytes[2] = 0x81; /* a response, recursion desired */
    answer->bytes[3] = (uint8_t)(0x80 | code);
    memset(answer->bytes + 4, 0, 8);
    answer->bytes[5] = 1;
    if (entry && entry->how == DNS_RUBBISH) {
        memset(answer->bytes + HEADER, 0xc7, 40);
        answer->bytes[7] = 200;
        answer->size = HEADER + 40;
        return;
    }
    if (entry && entry->alias)
        add_alias(server, answer, entry, type);
    else if (entry && code == 0)
        add_addresses(answer, entry, type);
    answer->bytes[7] = (uint8_t)answer->records;
    if (entry && entry->how == DNS_CUT)
        answer->size -= 3;
}

static bool is_by_tcp(const struct dns_server *server, const uint8_t *packet, size_t size)
{
    char name[300];
    const struct dns_entry *entry;

    read_name(packet, size, name);
    entry = find(server, name);
    return entry && entry->how == DNS_BY_TCP;
}

static void truncate_answer(struct answer *answer, const uint8_t *packet, size_t size)
{
    char name[300];

    answer->size = read_name(packet, size, name) + 4;
    answer->bytes[2] |= 2; /* TC */
    answer->bytes[7] = 0;
}

static void close_connection(struct dns_server *server)
{
    if (server->connection < 0)
        return;
    hawser_watch(server->context, server->connection, 0, NULL, NULL);
    close(server->connection);
    server->connection = -1;
}

static void answer_next(struct dns_server *server);

/* Three bytes each millisecond, so that the reader gets the length and the answer in parts. */
static void send_piece(void *user)
{
    struct dns_server *server = user;
    size_t left = server->stream.out_size - server->stream.out_sent, size = left < 3 ? left : 3;

    if (server->connection < 0)
        return;
    assert_int_equal(send(server->connection, server->stream.out + server->stream.out_sent, size, MSG_NOSIGNAL), size);
    server->stream.out_sent += size;
    if (server->stream.out_sent < server->stream.out_size) {
        assert_int_equal(hawser_timer(server->context, 1000, send_piece, server, NULL), 0);
    } else {
        server->stream.out_size = 0;
        answer_next(server);
    }
}

/* When a whole question is there and the answer before it is out. */
static void answer_next(struct dns_server *server)
{
    struct answer answer = {.size = 0};
    uint8_t *in = server->stream.in;
    size_t size = server->stream.in_size < 2 ? SIZE_MAX : 2 + (size_t)((in[0] << 8) | in[1]);

    if (server->stream.out_size || server->stream.in_size < size)
        return;
    server->questions++;
    answer_question(server, in + 2, size - 2, &answer);
    memmove(in, in + size, server->stream.in_size -= size);
    server->stream.out[0] = (uint8_t)(answer.size >> 8);
    server->stream.out[1] = (uint8_t)answer.size;
    memcpy(server->stream.out + 2, answer.bytes, answer.size);
    server->stream.out_size = 2 + answer.size;
    server->stream.out_sent = 0;
    send_piece(server);
}

static void read_question(int fd, short events, void *user)
{
    struct dns_server *server = user;
    ssize_t size = recv(fd, server->stream.in + server->stream.in_size,
                        sizeof server->stream.in - server->stream.in_size, MSG_DONTWAIT);

    (void)events;
    if (size <= 0) {
        close_connection(server);
        return;
    }
    server->stream.in_size += (size_t)size;
    answer_next(server);
}

static void take_connection(int fd, short events, void *user)
{
    struct dns_server *server = user;

    (void)events;
    if (server->connection >= 0)
        return; /* the next waits: level-triggered */
    server->connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(server->connection >= 0);
    memset(&server->stream, 0, sizeof server->stream);
    assert_int_equal(hawser_watch(server->context, server->connection, POLLIN, read_question, server), 0);
}

/* An answer that is sent later. */
struct dns_late {
    struct dns_server *server;
    struct answer answer;
    struct sockaddr_storage to;
    socklen_t to_size;
    struct dns_late *next;
    uint64_t timer;
};

static void send_late(void *user)
{
    struct dns_late *late = user, **at = &late->server->late;

    while (*at != late)
        at = &(*at)->next;
    *at = late->next;
    assert_int_equal(
        sendto(late->server->fd, late->answer.bytes, late->answer.size, 0, (struct sockaddr *)&late->to, late->to_size),
        late->answer.size);
    free(late);
}

/* How much later than others this question is answered. */
static int64_t lateness(const struct dns_server *server, const uint8_t *packet, size_t size)
{
    char name[300];
    size_t tail = read_name(packet, size, name);
    const struct dns_entry *entry = find(server, name);

    return entry && entry->late_us && entry->late_type == ((unsigned)packet[tail] << 8 | packet[tail + 1])
               ? entry->late_us
               : 0;
}

static void hold_back(struct dns_server *server, const struct answer *answer, int64_t delay,
                      const struct sockaddr_storage *to, socklen_t to_size)
{
    struct dns_late *late = calloc(1, sizeof *late);

    assert_non_null(late);
    *late = (struct dns_late){.server = server, .answer = *answer, .to = *to, .to_size = to_size, .next = server->late};
    server->late = late;
    assert_int_equal(hawser_timer(server->context, delay, send_late, late, &late->timer), 0);
}

/* What somebody sends who sees that there are questions, but not which. */
static void send_forged(int fd, const struct answer *answer, const struct sockaddr_storage *to, socklen_t to_size)
{
    struct answer forged = *answer;

    forged.bytes[forged.size - 1] ^= 0x40; /* the address */
    forged.bytes[0] ^= 0xff;
    assert_int_equal(sendto(fd, forged.bytes, forged.size, 0, (const struct sockaddr *)to, to_size), forged.size);
    forged.bytes[0] ^= 0xff;
    forged.bytes[HEADER + 1] = 'x';
    assert_int_equal(sendto(fd, forged.bytes, forged.size, 0, (const struct sockaddr *)to, to_size), forged.size);
    assert_int_equal(sendto(fd, forged.bytes, 5, 0, (const struct sockaddr *)to, to_size), 5);
}

static bool is_how(const struct dns_server *server, const uint8_t *packet, size_t size, enum dns_how how)
{
    char name[300];
    const struct dns_entry *entry;

    read_name(packet, size, name);
    entry = find(server, name);
    return entry && entry->how == how;
}

static void serve(int fd, short events, void *user)
{
    struct dns_server *server = user;
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from;
    uint8_t packet[2048];
    ssize_t size;

    (void)events;
    while ((size = recvfrom(fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size)) > 0) {
        struct answer answer = {.size = 0};

        assert_true(size > HEADER + 5);
        server->questions++;
        answer_question(server, packet, (size_t)size, &answer);
        if (is_by_tcp(server, packet, (size_t)size))
            truncate_answer(&answer, packet, (size_t)size);
        if (answer.size && is_how(server, packet, (size_t)size, DNS_FORGED))
            send_forged(fd, &answer, &from, from_size);
        if (answer.size && lateness(server, packet, (size_t)size))
            hold_back(server, &answer, lateness(server, packet, (size_t)size), &from, from_size);
        else if (answer.size)
            assert_int_equal(sendto(fd, answer.bytes, answer.size, 0, (struct sockaddr *)&from, from_size),
                             answer.size);
        from_size = sizeof from;
    }
}

static int bound_socket(int type, uint16_t port)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) == 0)
        return fd;
    close(fd);
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in local;
    socklen_t size = sizeof local;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &size), 0);
    return ntohs(local.sin_port);
}

static void dns_server_start(struct dns_server *server, hawser_context *context, const struct dns_entry *entries)
{
    *server = (struct dns_server){.context = context, .entries = entries, .fd = -1, .connection = -1};
    while (server->fd < 0) { /* until a port is free for both */
        server->listener = bound_socket(SOCK_STREAM, 0);
        assert_true(server->listener >= 0);
        server->port = port_of(server->listener);
        server->fd = bound_socket(SOCK_DGRAM, server->port);
        if (server->fd < 0)
            close(server->listener);
    }
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(hawser_watch(context, server->listener, POLLIN, take_connection, server), 0);
    assert_int_equal(hawser_watch(context, server->fd, POLLIN, serve, server), 0);
}

static void dns_server_stop(struct dns_server *server)
{
    while (server->late) {
        struct dns_late *late = server->late;

        server->late = late->next;
        assert_int_equal(hawser_timer_cancel(server->context, late->timer), 0);
        free(late);
    }
    close_connection(server);
    assert_int_equal(hawser_watch(server->context, server->listener, 0, NULL, NULL), 0);
    assert_int_equal(hawser_watch(server->context, server->fd, 0, NULL, NULL), 0);
    close(server->listener);
    close(server->fd);
}

#endif
