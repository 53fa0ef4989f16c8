/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP port that many peers share: whom a datagram is for, who is new, and who waits to be told. Peers are told by the
 * ids that their protocol gives them, else by their address. Both are chosen by strangers: so trees, not hash tables.
 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "layer/group.h"
#include "layer/udp_internal.h"
#include "security/security.h"

#define KEY_SIZE 24
#define LEFT_KEPT 1000000 /* microseconds: what came before the peer's own socket was there has been read by then */
#define LEFT_MAX 32       /* peers that leave in that time */

struct udp_peer {
    RB_ENTRY(udp_peer) by_address;
    struct udp_layer *udp;
    const struct udp_protocol *protocol;
    struct list ids;     /* struct udp_id */
    struct list touched; /* in the port's list, until the batch ends */
    uint8_t key[KEY_SIZE];
    bool proven, answered;
};

struct udp_id {
    RB_ENTRY(udp_id) by_id;
    struct list link;
    struct udp_peer *peer;
    uint8_t size;
    uint8_t bytes[UDP_ID_MAX];
};

RB_HEAD(udp_peers, udp_peer);
RB_HEAD(udp_ids, udp_id);

struct udp_port {
    struct udp_socket *socket;
    struct udp_port_config config;
    struct udp_peers peers;
    struct udp_ids ids;
    struct list touched;
    struct udp_peer *last; /* who had the last datagram: mostly it has the next one too */
    unsigned references;   /* the listener's, each peer's, and whoever is in the middle of telling */
    unsigned unproven;
    uint64_t dropped; /* datagrams of those for whom there was no room */
    struct left {
        struct layer_address remote;
        int64_t until;
    } left[LEFT_MAX];   /* for sockets of their own */
    int64_t left_until; /* the latest; 0: none ever did */
    bool paused, closed;
    uint8_t secret[32], reset_secret[32];
    const struct udp_protocol *protocols[]; /* the config's: peers outlive the listener that had it */
};

/* ------------------------------------------------------------------------------------------------------------- tables */

static void make_key(const struct layer_address *address, uint8_t key[KEY_SIZE])
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;

    memset(key, 0, KEY_SIZE);
    if (address->address.ss_family == AF_INET) {
        memcpy(key, &v4->sin_addr, sizeof v4->sin_addr);
        memcpy(key + 16, &v4->sin_port, 2);
    } else {
        memcpy(key, &v6->sin6_addr, sizeof v6->sin6_addr);
        memcpy(key + 16, &v6->sin6_port, 2);
        memcpy(key + 18, &v6->sin6_scope_id, 4);
        key[22] = 1;
    }
}

static bool has_ids(const struct udp_peer *peer)
{
    return peer->protocol->id != NULL;
}

/* Of one address there is one peer without ids, which is first, and any number of others. */
static int compare_peers(const struct udp_peer *a, const struct udp_peer *b)
{
    int r = memcmp(a->key, b->key, KEY_SIZE);

    if (r)
        return r;
    if (has_ids(a) != has_ids(b))
        return has_ids(a) ? 1 : -1;
    return !has_ids(a) || a == b ? 0 : a < b ? -1 : 1;
}

static int compare_ids(const struct udp_id *a, const struct udp_id *b)
{
    return a->size != b->size ? (int)a->size - (int)b->size : memcmp(a->bytes, b->bytes, a->size);
}

TREE_GENERATE(udp_peers, udp_peer, by_address, compare_peers)
TREE_GENERATE(udp_ids, udp_id, by_id, compare_ids)

static const struct udp_protocol by_address_only = {.stack = ""};

/* The first of them: one without ids, where there is one. */
static struct udp_peer *find_address(struct udp_port *port, const struct layer_address *remote)
{
    struct udp_peer wanted = {.protocol = &by_address_only}, *found;

    make_key(remote, wanted.key);
    if (port->last && !has_ids(port->last) && memcmp(port->last->key, wanted.key, KEY_SIZE) == 0)
        return port->last;
    found = RB_NFIND(udp_peers, &port->peers, &wanted);
    return found && memcmp(found->key, wanted.key, KEY_SIZE) == 0 ? found : NULL;
}

static struct udp_id *find_id(struct udp_port *port, const uint8_t *id, size_t size)
{
    struct udp_id wanted = {.size = (uint8_t)size};

    if (size == 0 || size > UDP_ID_MAX)
        return NULL;
    memcpy(wanted.bytes, id, size);
    return RB_FIND(udp_ids, &port->ids, &wanted);
}

int udp_port_add_id(struct layer *layer, const uint8_t *id, size_t size)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_id *entry;

    if (size == 0 || size > UDP_ID_MAX || !udp->peer)
        return -EINVAL;
    if (find_id(udp->port, id, size))
        return -EEXIST;
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return -ENOMEM;
    entry->peer = udp->peer;
    entry->size = (uint8_t)size;
    memcpy(entry->bytes, id, size);
    list_append(&udp->peer->ids, &entry->link);
    RB_INSERT(udp_ids, &udp->port->ids, entry);
    return 0;
}

static void remove_id(struct udp_port *port, struct udp_id *entry)
{
    RB_REMOVE(udp_ids, &port->ids, entry);
    list_remove(&entry->link);
    free(entry);
}

void udp_port_remove_id(struct layer *layer, const uint8_t *id, size_t size)
{
    struct udp_layer *udp = udp_of(layer);
    struct udp_id *entry = find_id(udp->port, id, size);

    if (entry && entry->peer == udp->peer)
        remove_id(udp->port, entry);
}

void udp_port_moved(struct udp_layer *udp, const struct layer_address *remote)
{
    struct udp_peer *peer = udp->peer;

    RB_REMOVE(udp_peers, &udp->port->peers, peer);
    make_key(remote, peer->key);
    if (RB_INSERT(udp_peers, &udp->port->peers, peer)) { /* somebody without ids is there: it stays where it was */
        make_key(&udp->remote, peer->key);
        RB_INSERT(udp_peers, &udp->port->peers, peer);
        return;
    }
    udp->remote = *remote;
}

/* --------------------------------------------------------------------------------------------------------- life */

static struct udp_port *port_ref(struct udp_port *port)
{
    port->references++;
    return port;
}

static void port_unref(struct udp_port *port)
{
    if (--port->references > 0)
        return;
    udp_socket_close(port->socket);
    group_unref(port->config.group);
    free(port);
}

/* A peer has shown that datagrams reach it. */
void udp_port_proven(struct layer *layer)
{
    struct udp_peer *peer = udp_of(layer)->peer;

    if (!peer || peer->proven)
        return;
    peer->proven = true;
    udp_of(layer)->port->unproven--;
}

void udp_port_forget(struct udp_layer *udp)
{
    struct udp_port *port = udp->port;
    struct udp_peer *peer = udp->peer;

    while (!list_empty(&peer->ids))
        remove_id(port, list_first(&peer->ids, struct udp_id, link));
    if (port->last == peer)
        port->last = NULL;
    list_remove(&peer->touched);
    RB_REMOVE(udp_peers, &port->peers, peer);
    if (!peer->proven)
        port->unproven--;
    free(peer);
    udp->peer = NULL;
    port_unref(port);
}

/* What came before the peer's own socket was there is still read here, and is nobody's: who took it for a stranger's would reset
 * a line that lives, or begin another. */
static bool has_just_left(const struct udp_port *port, const struct layer_address *remote)
{
    int64_t now;

    if (port->left_until == 0 || (now = loop_clock()) >= port->left_until)
        return false;
    for (unsigned i = 0; i < LEFT_MAX; i++)
        if (port->left[i].until > now && udp_same_address(&port->left[i].remote, remote))
            return true;
    return false;
}

static struct left *left_place(struct udp_port *port)
{
    int64_t now = loop_clock();

    for (unsigned i = 0; i < LEFT_MAX; i++)
        if (port->left[i].until <= now)
            return &port->left[i];
    return NULL;
}

int udp_port_part(struct udp_layer *udp)
{
    struct udp_port *port = udp->port;
    struct left *left = left_place(port);
    struct udp_socket *own;
    int r;

    if (port->config.group || udp_is_any(&udp->local) || udp_is_group(&udp->local))
        return -EOPNOTSUPP;
    if (!left)
        return -EAGAIN;
    r = udp_own_socket_new(udp, port->socket, port->config.interface, &own);
    if (r < 0)
        return r;
    *left = (struct left){.remote = udp->remote, .until = loop_clock() + LEFT_KEPT};
    port->left_until = left->until;
    udp_leave_sockets(udp);
    udp_port_forget(udp);
    udp->port = NULL;
    udp->sockets[0] = own;
    udp->local = own->local;
    udp->mtu = 0;
    return 0;
}

static struct udp_layer *new_peer(struct udp_port *port, const struct udp_protocol *protocol,
                                  const struct udp_packet *packet)
{
    struct udp_peer *peer = calloc(1, sizeof *peer);
    struct udp_layer *udp;

    if (!peer)
        return NULL;
    list_init(&peer->ids);
    list_init(&peer->touched);
    peer->protocol = protocol;
    make_key(&packet->remote, peer->key);
    if (udp_make_peer(port_ref(port), port->socket, packet, &udp) < 0) {
        port_unref(port);
        free(peer);
        return NULL;
    }
    peer->udp = udp;
    udp->peer = peer;
    RB_INSERT(udp_peers, &port->peers, peer);
    port->unproven++;
    return udp;
}

/* ------------------------------------------------------------------------------------------------------------ telling */

static void tell_peer(struct udp_port *port, struct udp_peer *peer, struct udp_packet *packet)
{
    port->last = peer;
    /* Who sends again after it was answered is where it says it is, as far as a protocol without proof can tell. */
    if (!peer->proven && !has_ids(peer) && !peer->protocol->first && !peer->protocol->proves_later &&
        peer->udp->sends > 0)
        udp_port_proven(&peer->udp->layer);
    if (!list_linked(&peer->touched))
        list_append(&port->touched, &peer->touched);
    udp_told(peer->udp, packet);
}

/* Who can be made to prove an address before a peer begins has half of the places, whoever else writes to the port. */
static unsigned places_for(const struct udp_port *port, const struct udp_protocol *protocol)
{
    unsigned max = port->config.unproven_max;

    if (protocol->proves)
        return max;
    for (unsigned i = 0; port->config.protocols[i]; i++)
        if (port->config.protocols[i]->proves)
            return max - max / 2;
    return max;
}

static void accept_peer(struct udp_port *port, const struct udp_protocol *protocol, struct udp_packet *packet)
{
    struct udp_layer *udp = NULL;

    if (port->unproven < places_for(port, protocol))
        udp = new_peer(port, protocol, packet);
    if (!udp) {
        port->dropped++;
        return;
    }
    udp->received += packet->size;
    (void)udp_inbox_add(udp, packet, 0);
    port->config.accepted(port->config.user, protocol->stack, &udp->layer);
}

static void tell_stranger(struct udp_port *port, struct udp_packet *packet)
{
    uint8_t first_byte = packet->size ? packet->data[0] : 0;

    if (port->paused || port->closed || has_just_left(port, &packet->remote))
        return;
    for (unsigned i = 0; port->config.protocols[i]; i++) {
        const struct udp_protocol *protocol = port->config.protocols[i];
        enum udp_first answer = UDP_IGNORE;

        if (protocol->begins(first_byte))
            answer = protocol->first ? protocol->first(port, packet) : UDP_ACCEPT;
        if (answer == UDP_ACCEPT)
            accept_peer(port, protocol, packet);
        if (answer != UDP_IGNORE)
            return;
    }
}

static size_t id_of(const struct udp_port *port, const struct udp_packet *packet, const uint8_t **ret_id)
{
    size_t size = 0;

    for (unsigned i = 0; size == 0 && port->config.protocols[i]; i++) {
        const struct udp_protocol *protocol = port->config.protocols[i];

        if (protocol->id && packet->size > 0 && protocol->begins(packet->data[0]))
            size = protocol->id(packet, ret_id);
    }
    return size;
}

static void tell_run(struct udp_port *port, struct udp_packet *packet, const uint8_t *id, size_t id_size)
{
    struct udp_id *entry = find_id(port, id, id_size);
    struct udp_peer *peer = entry ? entry->peer : find_address(port, &packet->remote);

    if (entry || (peer && !has_ids(peer)))
        tell_peer(port, peer, packet);
    else
        tell_stranger(port, packet);
}

/* What the system joined has one source, but the ids in it may be of several. */
static void on_packet(struct udp_socket *socket, struct udp_packet *joined)
{
    struct udp_port *port = port_ref(socket->owner);
    size_t at = 0;

    while (at < joined->size || joined->size == 0) {
        struct udp_packet packet = *joined, next;
        const uint8_t *id = NULL, *next_id = NULL;
        size_t id_size, end;

        packet.data += at;
        packet.size = joined->size - at < joined->segment ? joined->size - at : joined->segment;
        id_size = id_of(port, &packet, &id);
        if (id_size == 0 && at == 0) { /* all of them are told by their address */
            tell_run(port, joined, NULL, 0);
            break;
        }
        packet.stays = false;
        for (end = at + packet.size; id_size && end < joined->size; end += next.size) {
            next = packet;
            next.data = joined->data + end;
            next.size = joined->size - end < joined->segment ? joined->size - end : joined->segment;
            if (id_of(port, &next, &next_id) != id_size || memcmp(id, next_id, id_size) != 0)
                break;
        }
        packet.size = end - at;
        packet.segment = packet.size < joined->segment ? packet.size : joined->segment;
        tell_run(port, &packet, id, id_size);
        if (joined->size == 0 || socket->closed)
            break;
        at = end;
    }
    port_unref(port);
}

static void on_batch_end(struct udp_socket *socket)
{
    struct udp_port *port = port_ref(socket->owner);

    while (!list_empty(&port->touched)) {
        struct udp_peer *peer = list_first(&port->touched, struct udp_peer, touched);

        list_remove(&peer->touched);
        udp_batch_end(peer->udp);
    }
    port_unref(port);
}

/* Anybody can write an ICMP message: it is believed only where the system knows that such a datagram was sent, and what
 * it means is for the peer's own protocol to say. */
static void on_error(struct udp_socket *socket, const struct udp_said *said)
{
    struct udp_port *port = port_ref(socket->owner);
    const struct layer_address *remote = said->remote;
    struct udp_peer *peer = remote->size ? find_address(port, remote) : NULL, *next;
    uint8_t key[KEY_SIZE];

    for (make_key(remote, key); peer && memcmp(peer->key, key, KEY_SIZE) == 0; peer = next) {
        next = RB_NEXT(udp_peers, &port->peers, peer);
        udp_error(peer->udp, said);
    }
    port_unref(port);
}

static bool on_may_read(const struct udp_socket *socket)
{
    (void)socket;
    return true; /* one slow peer must not hold up the others: what has no room is dropped, as on any way */
}

static const struct udp_socket_user port_socket = {on_packet, on_batch_end, on_error, on_may_read};

/* -------------------------------------------------------------------------------------------------------------- whole */

/* The same in every context of a hawser_shared: who is sent from one to another is known there. */
static int make_secret(hawser_context *context, uint8_t secret[32])
{
    static const char label[] = "hawser udp port";
    const gnutls_datum_t *key = security_ticket_key(context);

    if (!key)
        return -ENOMEM;
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key->data, key->size, label, sizeof label - 1, secret) < 0 ? -ENOMEM : 0;
}

/* With room for the protocols, and the NULL that ends them. */
static struct udp_port *port_allocate(const struct udp_port_config *config)
{
    struct udp_port *port;
    size_t count = 0;

    while (config->protocols[count])
        count++;
    port = calloc(1, sizeof *port + (count + 1) * sizeof *port->protocols);
    if (!port)
        return NULL;
    port->config = *config;
    memcpy(port->protocols, config->protocols, count * sizeof *port->protocols);
    port->config.protocols = port->protocols;
    return port;
}

int udp_port_new(hawser_context *context, const struct udp_port_config *config, struct udp_port **ret_port)
{
    struct udp_socket_config socket = {
        .local = &config->local,
        .interface = config->interface,
        .family = config->local.address.ss_family,
        .fd = config->fd,
        .listens = true,
        .reuse_port = config->reuse_port,
        .timestamps = config->timestamps,
        .source = &config->source,
    };
    struct udp_port *port = port_allocate(config);
    char reason[200] = "";
    int r;

    if (!port)
        return -ENOMEM;
    port->references = 1;
    RB_INIT(&port->peers);
    RB_INIT(&port->ids);
    list_init(&port->touched);
    r = make_secret(context, port->secret);
    if (r == 0 && gnutls_rnd(GNUTLS_RND_KEY, port->reset_secret, sizeof port->reset_secret) < 0)
        r = -EIO;
    if (r == 0)
        r = udp_socket_new(context, &socket, &port_socket, port, &port->socket, reason, sizeof reason);
    if (r < 0) {
        if (*reason)
            loop_log(context, HAWSER_LOG_DEBUG, "udp: %s", reason);
        free(port);
        return r;
    }
    if (config->group)
        group_ref(config->group);
    *ret_port = port;
    return 0;
}

int udp_port_descriptor(const struct udp_port *port)
{
    return port->socket->io.fd;
}

void udp_port_pause(struct udp_port *port, bool pause)
{
    port->paused = pause;
}

void udp_port_destroy(struct udp_port *port)
{
    if (!port)
        return;
    port->closed = true;
    port_unref(port);
}

int udp_port_answer(struct udp_port *port, const struct udp_packet *to, const void *data, size_t size)
{
    const struct iovec piece = {(void *)(uintptr_t)data, size};
    const struct udp_out out = {.pieces = &piece, .count = 1, .remote = &to->remote, .local = &to->local};

    return udp_transmit(port->socket, &out, NULL, 0);
}

struct group *udp_port_group(const struct udp_port *port)
{
    return port->config.group;
}

hawser_context *udp_port_context(const struct udp_port *port)
{
    return port->socket->context;
}

const uint8_t *udp_port_secret(const struct udp_port *port)
{
    return port->secret;
}

const uint8_t *udp_port_reset_secret(const struct udp_port *port)
{
    return port->reset_secret;
}

bool udp_port_busy(const struct udp_port *port)
{
    return port->unproven >= port->config.unproven_max / 2;
}
