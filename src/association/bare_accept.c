/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that speak no hawser, at a listener that takes them. What a connection is going to be is seen from its first
 * bytes, which are only looked at: a TLS record is for TLS, whose ALPN says whether hawser/1 follows; anything else, or
 * silence, is plain, where the program allows that.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "association/bare.h"
#include "association/listener.h"

#define SILENCE 500000 /* a client that says nothing for so long waits for the server to speak (docs/framers.md) */

struct sniff {        /* a connection of which no byte was taken yet */
    struct list link; /* in listener->sniffs, oldest first */
    struct loop_io io;
    struct loop_timer timer;
    hawser_association *parent;
    int fd;
};

enum first_bytes { FIRST_NONE, FIRST_TLS, FIRST_PLAIN, FIRST_GONE };

static enum first_bytes look(int fd)
{
    uint8_t head[2];
    ssize_t n = recv(fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? FIRST_NONE : FIRST_GONE;
    if (n == 0)
        return FIRST_PLAIN; /* it only listens */
    if (head[0] != 0x16)    /* a handshake record, then the version's first byte (RFC 8446 section 5.1) */
        return FIRST_PLAIN;
    return n < 2 ? FIRST_NONE : head[1] == 0x03 ? FIRST_TLS : FIRST_PLAIN;
}

/* The descriptor is the caller's again. */
static int sniff_end(struct sniff *sniff)
{
    hawser_association *parent = sniff->parent;
    int fd = sniff->fd;

    list_remove(&sniff->link);
    parent->listener->waiting_count--;
    loop_timer_clear(parent->context, &sniff->timer);
    loop_io_remove(parent->context, &sniff->io);
    free(sniff);
    return fd;
}

static void sniff_decide(struct sniff *sniff, enum first_bytes first)
{
    hawser_association *parent = sniff->parent;
    int fd = sniff_end(sniff);

    if (first == FIRST_GONE)
        close(fd);
    else
        listener_take(parent, fd, first == FIRST_TLS);
}

static void sniff_ready(struct loop_io *io, uint32_t events)
{
    struct sniff *sniff = container_of(io, struct sniff, io);
    enum first_bytes first = look(sniff->fd);

    (void)events;
    if (first != FIRST_NONE)
        sniff_decide(sniff, first);
}

static void sniff_silent(struct loop_timer *timer, int64_t now)
{
    (void)now;
    sniff_decide(container_of(timer, struct sniff, timer), FIRST_PLAIN);
}

int bare_sniff(hawser_association *parent, int fd)
{
    enum first_bytes first = look(fd);
    struct sniff *sniff;
    int r;

    if (first == FIRST_TLS || first == FIRST_PLAIN) {
        listener_take(parent, fd, first == FIRST_TLS);
        return 0;
    }
    sniff = calloc(1, sizeof *sniff);
    if (!sniff)
        return -ENOMEM;
    sniff->parent = parent;
    sniff->fd = fd;
    loop_timer_init(&sniff->timer, sniff_silent);
    r = loop_timer_set(parent->context, &sniff->timer, association_now(parent) + SILENCE);
    if (r == 0)
        r = loop_io_add(parent->context, &sniff->io, fd, EPOLLIN, sniff_ready);
    if (r < 0) {
        loop_timer_clear(parent->context, &sniff->timer);
        free(sniff);
        return r;
    }
    list_append(&parent->listener->sniffs, &sniff->link);
    parent->listener->waiting_count++;
    return 0;
}

bool bare_sniff_drop(struct listener *listener)
{
    if (list_empty(&listener->sniffs))
        return false;
    close(sniff_end(list_first(&listener->sniffs, struct sniff, link)));
    return true;
}

/* -------------------------------------------------------------------------------------------------------- accepting */

static bool is_unix(const struct layer *layer)
{
    while (layer->below)
        layer = layer->below;
    return strcmp(layer->type->name, "unix") == 0;
}

/* Who it is, as far as anybody can say: the address it came from. */
static void name_by_address(const struct strand *strand, struct layer_peer *peer)
{
    char local[PATH_TEXT], remote[PATH_TEXT], interface[32], *end;

    if (*peer->name || *peer->key_name)
        return;
    layer_path(strand->top, local, sizeof local, remote, sizeof remote, interface, sizeof interface);
    end = strrchr(remote, ':');
    if (is_unix(strand->top))
        (void)snprintf(peer->name, sizeof peer->name, "unix");
    else if (*remote == '[' && end)
        (void)snprintf(peer->name, sizeof peer->name, "%.*s", (int)(end - remote) - 2, remote + 1);
    else
        (void)snprintf(peer->name, sizeof peer->name, "%.*s", end ? (int)(end - remote) : 0, remote);
    peer->verification = HAWSER_VERIFICATION_NONE;
}

static void raise_accepted(hawser_association *child)
{
    hawser_event event = {.type = HAWSER_ACCEPTED};

    event.accepted.association = child;
    event.accepted.peer = child->peer->is;
    event.accepted.bare = true;
    child->offered = true;
    event_raise(child->parent, &event);
    child->offered = false;
}

static void refuse(hawser_association *child, const char *reason)
{
    child->silent = true;
    close_now(child, 0, reason, -HAWSER_EREFUSED);
    listener_stop_waiting(child);
}

void bare_accept(hawser_association *child, struct strand *strand)
{
    struct listener *listener = child->parent->listener;
    const struct bare_setup setup = {
        .framer = listener->framer,
        .framer_user = listener->framer_user,
        .line = &listener->line,
    };
    struct layer_peer peer;
    int r;

    layer_peer(strand->top, &peer);
    name_by_address(strand, &peer);
    r = peer_note(child, &peer);
    if (r == 0)
        r = bare_new(child, &setup);
    if (r < 0) {
        listener_drop(child, r, hawser_strerror(r));
        return;
    }
    child->resumed = peer.resumed;
    child->round_trips = (uint16_t)peer.round_trips;
    strand->secured = true; /* what is refused is refused by a reset */
    bare_begin(child, strand);
    raise_accepted(child);
    if (child->refused || child->refs == 0) {
        refuse(child, child->refused ? "the listener's program refused" : "nobody took the association");
        return;
    }
    child->told = child->established = true;
    listener_established(child);
}
