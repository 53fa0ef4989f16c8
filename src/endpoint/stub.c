/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/stub.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint/addresses.h"
#include "endpoint/port.h"

enum {
    DNS_PORT = 53,
    ALIASES = 8,          /* that the server did not follow */
    ROUNDS = 4,           /* each server is asked so often */
    PACKETS_AT_ONCE = 64, /* of one socket, before others have their turn */
    UDP_SIZE = 1232,      /* fits every link in one piece */
    OPT_SIZE = 11,
    QUESTION_MAX = DNS_HEADER + DNS_NAME_SIZE + 4 + OPT_SIZE,
    STREAM_MAX = 2 + 65535,
    FLAG_TRUNCATED = 2,
    CODE_FORMAT = 1,
    CODE_NOT_KNOWN = 4,
};
#define FIRST_WAIT_US 1000000 /* twice as long each round */
#define STREAM_WAIT_US 5000000

struct server {
    struct layer_address address;
};

struct stub {
    hawser_context *context;
    struct server servers[RESOLV_SERVERS];
    unsigned server_count, preferred; /* the one that answered last */
    struct stub_cache *cache;
};

/* A question to one server: it is open until the question is over, so that a late answer counts too. */
struct
try {
    struct loop_io io;
    struct stub_query *query;
    unsigned server;
    bool failed; /* it said so, or cannot be reached */
};

struct stub_query {
    struct stub *stub;
    stub_answered_fn answered;
    void *user;
    struct dns_name name, asked; /* asked: an alias of name */
    unsigned type, aliases;
    int64_t expires; /* of the aliases followed */
    uint16_t id;
    bool plain; /* without EDNS: a server did not understand */
    struct server servers[RESOLV_SERVERS];
    struct try tries[RESOLV_SERVERS];
    unsigned first; /* which of the stub's servers is the first of servers */
    unsigned server_count, next, sent;
    int last_code; /* what the servers that failed said */
    struct loop_timer timer;
    struct {
        struct loop_io io;
        uint8_t *buffer; /* what goes out, then what comes in; NULL: not used */
        size_t out_size, done;
        unsigned server;
    } stream;
};

/* ---------------------------------------------------------------------------------------------------------- life */

int stub_new(hawser_context *context, struct stub **ret_stub)
{
    struct stub *stub = calloc(1, sizeof *stub);

    if (!stub || !(stub->cache = stub_cache_new())) {
        free(stub);
        return -ENOMEM;
    }
    stub->context = context;
    *ret_stub = stub;
    return 0;
}

void stub_free(struct stub *stub)
{
    if (stub)
        stub_cache_free(stub->cache);
    free(stub);
}

/* "192.0.2.1", "fe80::1%eth0", "127.0.0.1@5353": resolv_conf_read() has checked it. */
static bool read_server(const char *text, struct server *server)
{
    struct layer_address list[ADDRESSES_MAX];
    char address[RESOLV_SERVER_SIZE], *at;
    struct addresses parsed;
    uint16_t port = DNS_PORT;

    memcpy(address, text, sizeof address);
    if ((at = strchr(address, '@'))) {
        *at = '\0';
        if (port_parse(at + 1, &port) < 0)
            return false;
    }
    addresses_init(&parsed, port);
    if (addresses_add_text(&parsed, address) < 0 || addresses_interleave(&parsed, list) != 1)
        return false;
    server->address = list[0];
    return true;
}

void stub_set_servers(struct stub *stub, const struct resolv_conf *conf)
{
    stub_cache_clear(stub->cache);
    stub->server_count = stub->preferred = 0;
    for (unsigned i = 0; i < conf->server_count; i++)
        stub->server_count += read_server(conf->server[i], &stub->servers[stub->server_count]);
}

static void close_io(struct stub_query *query, struct loop_io *io)
{
    int fd = io->fd;

    if (fd < 0)
        return;
    loop_io_remove(query->stub->context, io);
    close(fd);
}

static void close_all(struct stub_query *query)
{
    for (unsigned i = 0; i < RESOLV_SERVERS; i++)
        close_io(query, &query->tries[i].io);
    close_io(query, &query->stream.io);
    free(query->stream.buffer);
    query->stream.buffer = NULL;
    loop_timer_clear(query->stub->context, &query->timer);
}

void stub_forget(struct stub_query *query)
{
    close_all(query);
    free(query);
}

static void answer(struct stub_query *query, int code, const uint8_t *packet, size_t size)
{
    int64_t now = loop_now(query->stub->context), expires = INT64_MAX;

    if (packet) {
        expires = stub_answer_expires(packet, size, now);
        if (query->expires < expires)
            expires = query->expires;
        if (code == DNS_NOERROR || code == DNS_NXDOMAIN)
            stub_cache_add(query->stub->cache, &query->name, query->type, packet, size, expires, now);
    }
    query->answered(query->user, code, packet, size, expires);
    stub_forget(query);
}

/* -------------------------------------------------------------------------------------------------------- questions */

static size_t write_question(const struct stub_query *query, uint8_t out[QUESTION_MAX])
{
    /* The root, OPT, how long an answer may be, no more (RFC 6891). */
    static const uint8_t opt[OPT_SIZE] = {0, 0, 41, UDP_SIZE >> 8, UDP_SIZE & 0xff};
    size_t size = dns_question_write(out, query->id, &query->asked, query->type);

    out[2] = 1; /* recursion desired */
    if (query->plain)
        return size;
    memcpy(out + size, opt, sizeof opt);
    out[11] = 1;
    return size + sizeof opt;
}

static void udp_ready(struct loop_io *io, uint32_t events);

/* 0, or it cannot be reached. */
static int send_to(struct stub_query *query, unsigned server)
{
    const struct layer_address *to = &query->servers[server].address;
    struct try *try = &query->tries[server];
    uint8_t question[QUESTION_MAX];
    size_t size = write_question(query, question);

    if (try->io.fd < 0) {
        int fd = socket(to->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

        if (fd < 0)
            return -errno;
        r = connect(fd, (const struct sockaddr *)&to->address, to->size) < 0 ? -errno : 0;
        if (r == 0)
            r = loop_io_add(query->stub->context, &try->io, fd, EPOLLIN, udp_ready);
        if (r < 0) {
            close(fd);
            return r;
        }
    }
    return send(try->io.fd, question, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool all_failed(const struct stub_query *query)
{
    for (unsigned i = 0; i < query->server_count; i++)
        if (!query->tries[i].failed)
            return false;
    return true;
}

/* The next server that has not failed. False: there is none, or each was asked often enough. */
static bool ask_next(struct stub_query *query)
{
    while (!all_failed(query) && query->sent < ROUNDS * query->server_count) {
        unsigned server = query->next++ % query->server_count;
        int64_t wait = (int64_t)FIRST_WAIT_US << (query->sent / query->server_count);
        int r;

        if (query->tries[server].failed)
            continue;
        query->sent++;
        r = send_to(query, server);
        if (r == 0 || r == -EAGAIN)
            return loop_timer_set(query->stub->context, &query->timer, loop_now(query->stub->context) + wait) == 0;
        query->tries[server].failed = true;
        query->last_code = r;
    }
    return false;
}

static void give_up(struct stub_query *query)
{
    answer(query, all_failed(query) && query->last_code ? query->last_code : -ETIMEDOUT, NULL, 0);
}

static void waited_enough(struct loop_timer *timer, int64_t now)
{
    struct stub_query *query = container_of(timer, struct stub_query, timer);

    (void)now;
    close_io(query, &query->stream.io);
    if (!ask_next(query))
        give_up(query);
}

/* False: the query is gone. */
static bool server_failed(struct stub_query *query, unsigned server, int code)
{
    query->tries[server].failed = true;
    query->last_code = code;
    if (ask_next(query))
        return true;
    if (!all_failed(query))
        return true; /* the others have their time still */
    give_up(query);
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- answers */

static void restart(struct stub_query *query)
{
    close_all(query);
    for (unsigned i = 0; i < query->server_count; i++)
        query->tries[i].failed = false;
    query->next = query->sent = 0;
    if (getrandom(&query->id, sizeof query->id, GRND_NONBLOCK) != sizeof query->id)
        query->id ^= (uint16_t)loop_clock();
    if (!ask_next(query))
        give_up(query);
}

/* That a name server knows nothing more of the alias has to be said by its SOA record (RFC 2308 section 2.2). */
static bool has_authority(const struct dns_message *answer)
{
    return answer->left[DNS_AUTHORITY] > 0;
}

/* False: the query is gone. */
static bool take_answer(struct stub_query *query, unsigned server, const uint8_t *packet, size_t size)
{
    struct dns_message message;
    struct dns_name target;

    if (dns_message_open(&message, packet, size) < 0 || !message.response || message.id != query->id)
        return true; /* not an answer to this: the right one may still come */
    if ((message.code == CODE_FORMAT || message.code == CODE_NOT_KNOWN) && !query->plain) {
        query->plain = true;
        restart(query);
        return false;
    }
    if (message.question_count != 1 || message.question_type != query->type ||
        !dns_name_equal(&message.question, &query->asked))
        return true;
    if (message.code != DNS_NOERROR && message.code != DNS_NXDOMAIN)
        return server_failed(query, server, (int)message.code);
    if (query->server_count == query->stub->server_count)
        query->stub->preferred = (query->first + server) % query->server_count;
    if (message.code == DNS_NOERROR && !dns_message_owner(&message, &target) && !has_authority(&message) &&
        !dns_name_equal(&target, &message.question)) {
        int64_t expires = stub_answer_expires(packet, size, loop_now(query->stub->context));

        if (++query->aliases > ALIASES) {
            answer(query, DNS_SERVFAIL, NULL, 0);
            return false;
        }
        if (expires < query->expires)
            query->expires = expires;
        query->asked = target;
        restart(query);
        return false;
    }
    answer(query, (int)message.code, packet, size);
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- sockets */

static void stream_ready(struct loop_io *io, uint32_t events);

/* False: the query is gone. */
static bool ask_by_stream(struct stub_query *query, unsigned server)
{
    const struct layer_address *to = &query->servers[server].address;
    int fd =
        query->stream.io.fd < 0 ? socket(to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    size_t size;

    if (query->stream.io.fd >= 0)
        return true; /* already */
    if (!query->stream.buffer)
        query->stream.buffer = malloc(STREAM_MAX);
    if (fd < 0 || !query->stream.buffer ||
        (connect(fd, (const struct sockaddr *)&to->address, to->size) < 0 && errno != EINPROGRESS) ||
        loop_io_add(query->stub->context, &query->stream.io, fd, EPOLLIN | EPOLLOUT, stream_ready) < 0) {
        if (fd >= 0)
            close(fd);
        return server_failed(query, server, DNS_SERVFAIL);
    }
    size = write_question(query, query->stream.buffer + 2);
    query->stream.buffer[0] = (uint8_t)(size >> 8);
    query->stream.buffer[1] = (uint8_t)size;
    query->stream.out_size = size + 2;
    query->stream.done = 0;
    query->stream.server = server;
    (void)loop_timer_set(query->stub->context, &query->timer, loop_now(query->stub->context) + STREAM_WAIT_US);
    return true;
}

static void stream_failed(struct stub_query *query)
{
    close_io(query, &query->stream.io);
    (void)server_failed(query, query->stream.server, DNS_SERVFAIL);
}

/* True when all is out. */
static bool stream_write(struct stub_query *query)
{
    while (query->stream.out_size) {
        ssize_t n = send(query->stream.io.fd, query->stream.buffer + query->stream.done,
                         query->stream.out_size - query->stream.done, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
                stream_failed(query);
            return false;
        }
        query->stream.done += (size_t)n;
        if (query->stream.done == query->stream.out_size)
            query->stream.out_size = query->stream.done = 0;
    }
    return true;
}

static void stream_ready(struct loop_io *io, uint32_t events)
{
    struct stub_query *query = container_of(io, struct stub_query, stream.io);
    uint8_t *buffer = query->stream.buffer;

    (void)events;
    if (!stream_write(query))
        return;
    for (;;) {
        size_t wanted = query->stream.done < 2 ? 2 : 2 + ((size_t)buffer[0] << 8 | buffer[1]);
        ssize_t n;

        if (query->stream.done >= 2 && query->stream.done == wanted) {
            if (take_answer(query, query->stream.server, buffer + 2, wanted - 2))
                stream_failed(query); /* another than the right one cannot follow */
            return;
        }
        n = recv(io->fd, buffer + query->stream.done, wanted - query->stream.done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            stream_failed(query);
            return;
        }
        query->stream.done += (size_t)n;
    }
}

static void udp_ready(struct loop_io *io, uint32_t events)
{
    struct try *try = container_of(io, struct try, io);
    struct stub_query *query = try->query;
    hawser_context *context = query->stub->context;
    uint8_t packet[4096];
    int fd = io->fd;

    (void)events;
    for (unsigned i = 0; i < PACKETS_AT_ONCE; i++) {
        ssize_t size = recv(fd, packet, sizeof packet, MSG_DONTWAIT);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0) {
            (void)server_failed(query, try->server, -ECONNREFUSED);
            return;
        }
        if (size >= DNS_HEADER && packet[2] & FLAG_TRUNCATED && ((unsigned)packet[0] << 8 | packet[1]) == query->id) {
            if (!ask_by_stream(query, try->server))
                return;
        } else if (!take_answer(query, try->server, packet, (size_t)size)) {
            return;
        }
    }
    loop_io_remove(context, io); /* whoever floods us waits for his turn: watching anew tells again */
    if (loop_io_add(context, io, fd, EPOLLIN, udp_ready) < 0)
        close(fd);
}

/* -------------------------------------------------------------------------------------------------------------- asking */

/* Names that no name server is to be asked for (RFC 7686, RFC 6761 section 6.4). */
static bool never_asked(const struct dns_name *name)
{
    static const uint8_t onion[] = "\5onion", invalid[] = "\7invalid";

    return (name->size >= sizeof onion && !memcmp(name->wire + name->size - sizeof onion, onion, sizeof onion)) ||
           (name->size >= sizeof invalid && !memcmp(name->wire + name->size - sizeof invalid, invalid, sizeof invalid));
}

int stub_ask(struct stub *stub, const struct dns_name *name, unsigned type, stub_answered_fn answered, void *user,
             struct stub_query **ret_query)
{
    struct stub_query *query;
    const uint8_t *known;
    int64_t expires;
    size_t size;

    *ret_query = NULL;
    if (never_asked(name)) {
        answered(user, DNS_NXDOMAIN, NULL, 0, INT64_MAX);
        return 0;
    }
    known = stub_cache_find(stub->cache, name, type, loop_now(stub->context), &size, &expires);
    if (known) {
        answered(user, known[3] & 0x0f, known, size, expires);
        return 0;
    }
    if (stub->server_count == 0)
        return -ENETUNREACH;
    if (!(query = calloc(1, sizeof *query)))
        return -ENOMEM;
    query->stub = stub;
    query->answered = answered;
    query->user = user;
    query->name = query->asked = *name;
    query->type = type;
    query->expires = INT64_MAX;
    query->stream.io.fd = -1;
    query->server_count = stub->server_count;
    query->first = stub->preferred;
    for (unsigned i = 0; i < RESOLV_SERVERS; i++) {
        query->tries[i] = (struct try){.io = {.fd = -1}, .query = query, .server = i};
        query->servers[i] = stub->servers[(i + stub->preferred) % stub->server_count];
    }
    if (getrandom(&query->id, sizeof query->id, GRND_NONBLOCK) != sizeof query->id)
        query->id = (uint16_t)loop_clock();
    loop_timer_init(&query->timer, waited_enough);
    if (!ask_next(query)) {
        int r = query->last_code < 0 ? query->last_code : -ENETUNREACH;

        stub_forget(query);
        return r;
    }
    *ret_query = query;
    return 0;
}
