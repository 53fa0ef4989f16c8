/* SPDX-License-Identifier: Apache-2.0 */
#include "association/told.h"

#include <linux/if_addr.h>
#include <netinet/in.h>

#include "association/listener.h"
#include "association/properties.h"
#include "association/trace.h"
#include "layer/interface.h"

/* ---------------------------------------------------------------------------------------------------------- words */

size_t told_write(const struct told_address *addresses, size_t count, uint8_t *ret_body)
{
    uint8_t *at = ret_body;

    for (size_t i = 0; i < count && i < TOLD_MAX; i++) {
        const struct sockaddr_in *four = (const void *)&addresses[i].address.address;
        const struct sockaddr_in6 *six = (const void *)&addresses[i].address.address;
        bool is_six = four->sin_family == AF_INET6;

        if (!is_six && four->sin_family != AF_INET)
            continue;
        *at++ = is_six ? 6 : 4;
        *at++ = (uint8_t)addresses[i].ways;
        memcpy(at, is_six ? &six->sin6_port : &four->sin_port, 2);
        memcpy(at + 2, is_six ? (const void *)&six->sin6_addr : &four->sin_addr, is_six ? 16 : 4);
        at += is_six ? 18 : 6;
    }
    return (size_t)(at - ret_body);
}

static bool usable(const struct told_address *told)
{
    const struct sockaddr_in *four = (const void *)&told->address.address;
    const struct sockaddr_in6 *six = (const void *)&told->address.address;

    if (!(told->ways & (TOLD_TCP | TOLD_UDP)) || !four->sin_port)
        return false;
    if (four->sin_family == AF_INET6)
        return !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr) && !IN6_IS_ADDR_MULTICAST(&six->sin6_addr) &&
               !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) && !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
    return four->sin_addr.s_addr != INADDR_ANY && four->sin_addr.s_addr != INADDR_BROADCAST &&
           !IN_MULTICAST(ntohl(four->sin_addr.s_addr));
}

const uint8_t *told_read_one(const uint8_t *at, const uint8_t *end, struct told_address *told)
{
    struct sockaddr_in *four = (void *)&told->address.address;
    struct sockaddr_in6 *six = (void *)&told->address.address;
    size_t size = at[0] == 6 ? 16 : 4;

    memset(told, 0, sizeof *told);
    if ((at[0] != 4 && at[0] != 6) || (size_t)(end - at) < 4 + size)
        return NULL;
    told->ways = at[1];
    if (size == 16) {
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6};
        memcpy(&six->sin6_port, at + 2, 2);
        memcpy(&six->sin6_addr, at + 4, 16);
        told->address.size = sizeof *six;
    } else {
        *four = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&four->sin_port, at + 2, 2);
        memcpy(&four->sin_addr, at + 4, 4);
        told->address.size = sizeof *four;
    }
    return at + 4 + size;
}

int told_read(const uint8_t *body, size_t size, struct told_address ret_addresses[TOLD_MAX])
{
    const uint8_t *at = body, *end = body + size;
    int count = 0;

    while (at < end) {
        struct told_address told;

        at = told_read_one(at, end, &told);
        if (!at || count == TOLD_MAX)
            return -EBADMSG;
        if (usable(&told))
            ret_addresses[count++] = told;
    }
    return count;
}

/* -------------------------------------------------------------------------------------------------------- gathering */

struct gathering {
    struct told_address addresses[TOLD_MAX];
    size_t count;
    bool loopback; /* the peer is on this host: it may hear of addresses that nobody else can use */
    bool private;  /* the peer came from a private network */
};

/* RFC 1918, RFC 4193, RFC 6598: what means something only on some network. */
static bool is_private(const struct interface_address *address)
{
    const uint8_t *b = address->bytes;

    if (address->family == AF_INET6)
        return (b[0] & 0xfe) == 0xfc;
    return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 100 && (b[1] & 0xc0) == 64);
}

static bool is_loopback(const struct interface_address *address)
{
    static const uint8_t one[16] = {[15] = 1};

    return address->family == AF_INET6 ? memcmp(address->bytes, one, 16) == 0 : address->bytes[0] == 127;
}

static bool is_linklocal(const struct interface_address *address)
{
    const uint8_t *b = address->bytes;

    return address->family == AF_INET6 ? b[0] == 0xfe && (b[1] & 0xc0) == 0x80 : b[0] == 169 && b[1] == 254;
}

static struct interface_address address_of(const struct layer_address *from)
{
    const struct sockaddr_in *four = (const void *)&from->address;
    const struct sockaddr_in6 *six = (const void *)&from->address;
    struct interface_address address = {.family = four->sin_family};

    if (address.family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        address.family = AF_INET;
        memcpy(address.bytes, six->sin6_addr.s6_addr + 12, 4);
    } else if (address.family == AF_INET6) {
        memcpy(address.bytes, &six->sin6_addr, 16);
    } else if (address.family == AF_INET) {
        memcpy(address.bytes, &four->sin_addr, 4);
    }
    return address;
}

static void add(struct gathering *gathering, const struct interface_address *address, in_port_t port, unsigned ways)
{
    struct told_address *told = &gathering->addresses[gathering->count];
    struct sockaddr_in *four = (void *)&told->address.address;
    struct sockaddr_in6 *six = (void *)&told->address.address;

    if (gathering->count == TOLD_MAX || is_linklocal(address) || is_loopback(address) != gathering->loopback ||
        (is_private(address) && !gathering->private && !gathering->loopback))
        return;
    memset(told, 0, sizeof *told);
    if (address->family == AF_INET6) {
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        memcpy(&six->sin6_addr, address->bytes, 16);
        told->address.size = sizeof *six;
    } else {
        *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        memcpy(&four->sin_addr, address->bytes, 4);
        told->address.size = sizeof *four;
    }
    told->ways = ways;
    gathering->count++;
}

static bool is_any(const struct layer_address *bound)
{
    static const uint8_t zeros[16];
    struct interface_address address = address_of(bound);

    return memcmp(address.bytes, zeros, sizeof zeros) == 0;
}

/* Temporary addresses change, and say who we were when we leave from them: nobody is to come to them (RFC 8981). */
static bool is_tellable(const struct interfaces *interfaces, const struct interface_address *address)
{
    const struct interface *link = interfaces_by_index(interfaces, address->index);

    return link && (link->flags & IFF_UP) && (link->flags & IFF_RUNNING) &&
           !(address->flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE));
}

static void gather_listener(struct gathering *gathering, const struct listener *listener, struct interfaces *interfaces)
{
    struct layer_address bound = {.size = sizeof bound.address};
    unsigned ways = (listener->acceptor ? TOLD_TCP : 0) | (listener->port ? TOLD_UDP : 0);
    int fd = listener_descriptor(listener);
    in_port_t port;
    const struct interface_address *list;
    size_t count;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&bound.address, &bound.size) < 0)
        return;
    port = ((const struct sockaddr_in *)&bound.address)->sin_port; /* the same place in sockaddr_in6 */
    if (!is_any(&bound)) {
        struct interface_address one = address_of(&bound);

        add(gathering, &one, port, ways);
        return;
    }
    list = interfaces_addresses(interfaces, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i].family == bound.address.ss_family && is_tellable(interfaces, &list[i]))
            add(gathering, &list[i], port, ways);
}

/* Every listener of this context with the same identity leads to the same associations. */
static bool leads_here(const hawser_association *other, const hawser_association *association)
{
    return other->listener && !other->ended && !other->listener->unix_socket && other->listener->session &&
           !*other->listener->foreign && other->secure && association->secure &&
           other->secure->tls.identity == association->secure->tls.identity;
}

static void peer_address(const hawser_association *association, struct interface_address *ret_address)
{
    const struct strand *strand = list_first(&association->strands, struct strand, link);
    struct layer_address local = {.size = 0}, remote = {.size = 0};

    layer_addresses(strand->top, &local, &remote);
    *ret_address = address_of(&remote);
}

void told_send(hawser_association *association)
{
    struct gathering gathering = {.count = 0};
    uint8_t body[TOLD_BODY_MAX];
    struct interfaces *interfaces;
    struct interface_address peer;
    int r;

    if (!association->child || !association->wants_told || !association->established || association->ended ||
        list_empty(&association->strands) || !properties_tells_addresses(association) ||
        interfaces_of(association->context, &interfaces) < 0)
        return;
    peer_address(association, &peer);
    gathering.loopback = is_loopback(&peer);
    gathering.private = is_private(&peer) || is_linklocal(&peer);
    for (struct list *at = association->all->listeners.next; at != &association->all->listeners; at = at->next) {
        const struct listener *listener = container_of(at, struct listener, link);

        if (leads_here(listener->association, association))
            gather_listener(&gathering, listener, interfaces);
    }
    for (size_t i = 0; i < gathering.count; i++)
        trace_told(association, &gathering.addresses[i].address, false, "told");
    r = session_tell(association->session, TOLD_ADDRESSES, body,
                     told_write(gathering.addresses, gathering.count, body));
    if (r < 0)
        loop_log(association->context, HAWSER_LOG_WARNING, "%s: addresses cannot be told: %s", association->endpoint,
                 hawser_strerror(r));
    association_wake(association);
}

void told_send_all(struct associations *all)
{
    for (struct list *at = all->open.next; at != &all->open; at = at->next)
        told_send(container_of(at, hawser_association, link));
}
