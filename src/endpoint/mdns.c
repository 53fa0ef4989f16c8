/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/mdns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "endpoint/mdns_link.h"

enum { FAMILY_COUNT = 2, PACKETS_AT_ONCE = 64, TIMES = 3 };

static const int families[FAMILY_COUNT] = {AF_INET6, AF_INET};

struct mdns_socket {
    struct loop_io io;
    struct mdns *mdns;
};

struct mdns {
    hawser_context *context;
    struct list queries;
    struct mdns_socket sockets[FAMILY_COUNT]; /* open while there are queries */
    struct mdns_links links;
};

int mdns_new(hawser_context *context, struct mdns **ret_mdns)
{
    struct mdns *mdns = calloc(1, sizeof *mdns);

    if (!mdns)
        return -ENOMEM;
    mdns->context = context;
    list_init(&mdns->queries);
    for (unsigned i = 0; i < FAMILY_COUNT; i++)
        mdns->sockets[i] = (struct mdns_socket){.io = {.fd = -1}, .mdns = mdns};
    *ret_mdns = mdns;
    return 0;
}

static void close_sockets(struct mdns *mdns)
{
    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        int fd = mdns->sockets[i].io.fd;

        if (fd >= 0) {
            loop_io_remove(mdns->context, &mdns->sockets[i].io);
            close(fd);
        }
    }
}

void mdns_free(struct mdns *mdns)
{
    if (mdns)
        close_sockets(mdns);
    free(mdns);
}

/* ------------------------------------------------------------------------------------------------------------ answers */

static struct mdns_query *find_query(struct mdns *mdns, const struct dns_message *message, unsigned interface)
{
    for (struct list *at = mdns->queries.next; at != &mdns->queries; at = at->next) {
        struct mdns_query *query = container_of(at, struct mdns_query, link);

        if (query->id != message->id || (query->interface && query->interface != interface))
            continue;
        if (message->question_count == 0 ||
            (message->question_type == query->type && dns_name_equal(&message->question, &query->name)))
            return query;
    }
    return NULL;
}

static void take_packet(struct mdns *mdns, const uint8_t *packet, size_t size, const struct mdns_source *source)
{
    struct dns_message message;
    struct mdns_query *query;

    if (!mdns_source_is_right(&mdns->links, source) || dns_message_open(&message, packet, size) < 0 ||
        !message.response || message.code != DNS_NOERROR)
        return;
    query = find_query(mdns, &message, source->interface);
    if (query)
        query->answered(query, packet, size, source->interface);
}

static void ready(struct loop_io *io, uint32_t events)
{
    struct mdns_socket *from = container_of(io, struct mdns_socket, io);
    struct mdns *mdns = from->mdns;
    uint8_t packet[MDNS_PACKET];
    int fd = io->fd;

    (void)events;
    for (unsigned i = 0; i < PACKETS_AT_ONCE; i++) {
        struct mdns_source source;
        ssize_t size = mdns_receive(fd, packet, sizeof packet, &source);

        if (size < 0 && size != -ECONNREFUSED && size != -EINTR)
            return;
        if (size > 0)
            take_packet(mdns, packet, (size_t)size, &source);
        if (io->fd < 0)
            return; /* that was the last question */
    }
    /* Whoever floods us waits for his turn: watching anew tells again, after the others. */
    loop_io_remove(mdns->context, io);
    (void)loop_io_add(mdns->context, io, fd, EPOLLIN, ready);
}

/* ---------------------------------------------------------------------------------------------------------- questions */

/* On each link by each family that it has an address of. How many could be sent. */
static unsigned send_query(struct mdns_query *query)
{
    struct mdns *mdns = query->mdns;
    uint8_t packet[DNS_HEADER + DNS_NAME_SIZE + 4];
    size_t size = dns_question_write(packet, query->id, &query->name, query->type);
    unsigned sent = 0;

    mdns_links_read(&mdns->links);
    for (unsigned f = 0; f < FAMILY_COUNT; f++) {
        unsigned last = 0; /* addresses of one interface follow each other */

        for (unsigned i = 0; mdns->sockets[f].io.fd >= 0 && i < mdns->links.count; i++) {
            const struct mdns_link *link = &mdns->links.list[i];

            if (link->family != families[f] || link->interface == last ||
                (query->interface && query->interface != link->interface))
                continue;
            last = link->interface;
            sent += mdns_send(mdns->sockets[f].io.fd, families[f], link->interface, packet, size) == 0;
        }
    }
    return sent;
}

/* After one second, then after two more (RFC 6762 section 5.2). */
static void ask_again(struct loop_timer *timer, int64_t now)
{
    struct mdns_query *query = container_of(timer, struct mdns_query, again);

    (void)send_query(query);
    if (++query->sent < TIMES)
        (void)loop_timer_set(query->mdns->context, timer, now + (INT64_C(1000000) << (query->sent - 1)));
}

static int open_sockets(struct mdns *mdns)
{
    int r = -EAFNOSUPPORT;
    bool open = false;

    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        int fd = mdns->sockets[i].io.fd < 0 ? mdns_socket(families[i]) : -EALREADY;

        if (fd >= 0 && (r = loop_io_add(mdns->context, &mdns->sockets[i].io, fd, EPOLLIN, ready)) < 0)
            close(fd);
        else if (fd < 0 && fd != -EALREADY)
            r = fd;
        open |= mdns->sockets[i].io.fd >= 0;
    }
    return open ? 0 : r;
}

int mdns_ask(struct mdns *mdns, struct mdns_query *query)
{
    int r = open_sockets(mdns);

    if (r < 0)
        return r;
    query->mdns = mdns;
    query->sent = 0;
    if (getrandom(&query->id, sizeof query->id, GRND_NONBLOCK) != sizeof query->id)
        query->id = (uint16_t)loop_clock();
    loop_timer_init(&query->again, ask_again);
    list_append(&mdns->queries, &query->link);
    if (send_query(query) == 0)
        r = -ENETUNREACH;
    else
        r = loop_timer_set(mdns->context, &query->again, loop_now(mdns->context) + 1000000);
    query->sent = 1;
    if (r < 0)
        mdns_forget(query);
    return r;
}

void mdns_forget(struct mdns_query *query)
{
    if (!list_linked(&query->link))
        return;
    list_remove(&query->link);
    loop_timer_clear(query->mdns->context, &query->again);
    if (list_empty(&query->mdns->queries))
        close_sockets(query->mdns);
}
