/* SPDX-License-Identifier: Apache-2.0 */
/* Which stacks a listener takes, and the sockets for them: TCP and UDP share one port. */
#include <netinet/in.h>
#include <stdio.h>

#include "association/listener.h"
#include "association/properties.h"
#include "framer/framing.h"
#include "layer/udp.h"

#define PORT_TRIES 32 /* for one that is free in both, where any will do */

/* ------------------------------------------------------------------------------------------------------------ choosing */

static bool names(const char *list, const char *stack)
{
    size_t size = strlen(stack);

    if (!list)
        return true;
    for (const char *at = list; *at;) {
        size_t here = strcspn(at, ",");

        if (here == size && memcmp(at, stack, size) == 0)
            return true;
        at += here + (at[here] == ',');
    }
    return false;
}

/* A name that is none would leave a listener that takes nobody. */
static int check_names(const hawser_context *context, const char *list, char *reason, size_t reason_size)
{
    char stack[64];
    unsigned flags = 0, top;

    for (const char *at = list; at && *at;) {
        size_t here = strcspn(at, ",");

        (void)snprintf(stack, sizeof stack, "%.*s", (int)here, at);
        if (stack_flags(context, stack, &flags, &top) < 0 || flags & LAYER_PROXY) {
            (void)snprintf(reason, reason_size, flags & LAYER_PROXY ? "nobody comes by %s" : "there is no stack %s",
                           stack);
            return -EINVAL;
        }
        at += here + (at[here] == ',');
    }
    return 0;
}

static bool is_framed(const struct listener *listener)
{
    return listener->framer && strcmp(listener->framer->name, "none") != 0;
}

/* What comes in datagrams alone may be lost: not where a program insists that nothing is. */
static bool takes_plain_datagrams(const hawser_association *association, const char *list)
{
    const struct property_values *values = properties_values(association->properties);
    const struct listener *listener = association->listener;

    if (!listener->plain || is_framed(listener))
        return false;
    return list || !property_given(values, "reliability") || values->reliability != HAWSER_REQUIRE;
}

/* SCTP in the clear is for foreign peers that were meant, and TFRC's datagrams look like any: only where they are named. */
static bool takes_named_clear(const hawser_association *association, const char *list)
{
    return list && association->listener->plain && !is_framed(association->listener);
}

static bool takes_protocol(const hawser_association *association, const char *list, const char *stack)
{
    unsigned flags = 0;

    if (strcmp(stack, "udp") == 0)
        return takes_plain_datagrams(association, list);
    if (stack_flags(association->context, stack, &flags, NULL) == 0 && !(flags & LAYER_SECURE))
        return takes_named_clear(association, list);
    return association->listener->tls;
}

/* What is above DTLS is told by the name that its handshake agrees on. */
static void offer_sctp(hawser_association *association, const char *list)
{
    struct listener *listener = association->listener;
    struct tls_config *tls = &association->secure->tls;
    unsigned flags = 0, at = 0;

    if (!names(list, "sctp/dtls/udp") || stack_flags(association->context, "sctp/dtls/udp", &flags, NULL) < 0)
        return;
    listener->dtls_has_sctp = list && !names(list, "dtls/udp");
    while (tls->alpn[at])
        at++;
    if (listener->session && at + 1 < sizeof tls->alpn / sizeof *tls->alpn)
        tls->alpn[at] = ALPN_SESSION_SCTP;
}

static void choose_datagrams(hawser_association *association, const char *list)
{
    struct listener *listener = association->listener;
    const struct udp_protocol *protocol;
    unsigned count = 0;

    for (unsigned i = 0; (protocol = udp_protocol_at(i)) && count < LISTEN_PROTOCOLS_MAX; i++) {
        if (!names(list, protocol->stack) &&
            (strcmp(protocol->stack, "dtls/udp") != 0 || !names(list, "sctp/dtls/udp")))
            continue;
        if (takes_protocol(association, list, protocol->stack))
            listener->protocols[count++] = protocol;
    }
    listener->protocols[count] = NULL;
    offer_sctp(association, list);
}

/* On a socket of streams: with TLS, without. */
static void choose_streams(struct listener *listener, const char *list, bool unix_socket)
{
    bool tls = unix_socket ? names(list, "tls/unix") : names(list, "tls/tcp") || names(list, "tls/mptcp");
    bool plain = unix_socket ? names(list, "unix") : names(list, "tcp") || names(list, "mptcp");

    listener->stream_tls = listener->tls && tls;
    listener->stream_plain = listener->plain && plain;
    /* A socket of MPTCP takes TCP as ever (S5.4). */
    listener->mptcp = !unix_socket && (!list || names(list, "tls/mptcp") || names(list, "mptcp"));
}

/* One that was registered takes all that comes on the endpoint's socket: nothing on the wire tells it from others. */
static int choose_foreign(hawser_association *association, const char *list, char *reason, size_t reason_size)
{
    struct listener *listener = association->listener;
    unsigned flags = 0;

    if (!list || strchr(list, ',') || stack_flags(association->context, list, &flags, NULL) < 0)
        flags = 0;
    for (const char *at = list; at && !flags; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char stack[64];
        unsigned here = 0;

        (void)snprintf(stack, sizeof stack, "%.*s", (int)strcspn(at, ","), at);
        if (stack_flags(association->context, stack, &here, NULL) == 0 && here & LAYER_FOREIGN) {
            (void)snprintf(reason, reason_size, "%s is listened for alone", stack);
            return -EINVAL;
        }
    }
    if (!(flags & LAYER_FOREIGN))
        return 0;
    (void)snprintf(listener->foreign, sizeof listener->foreign, "%s", list);
    listener->stream_tls = listener->tls && flags & LAYER_SECURE;
    listener->stream_plain = listener->plain && !(flags & LAYER_SECURE);
    return 0;
}

int listen_stacks(hawser_association *association, const char *list, const struct endpoint *endpoint, char *reason,
                  size_t reason_size)
{
    struct listener *listener = association->listener;
    int r = check_names(association->context, list, reason, reason_size);

    if (r < 0)
        return r;
    if (endpoint_is_group(endpoint)) {
        listener->protocols[0] = listener->group ? &group_protocol : &plain_protocol;
        return 0;
    }
    choose_streams(listener, list, endpoint->kind == ENDPOINT_UNIX);
    r = choose_foreign(association, list, reason, reason_size);
    if (r < 0)
        return r;
    if (endpoint->kind != ENDPOINT_UNIX)
        choose_datagrams(association, list);
    if (listener->stream_tls || listener->stream_plain || listener->protocols[0])
        return 0;
    if (endpoint->kind == ENDPOINT_UNIX)
        (void)snprintf(reason, reason_size, "a unix socket takes tls/unix, and unix in the clear: not %s", list);
    else
        (void)snprintf(reason, reason_size, "the properties leave nothing of the stacks that were named: %s", list);
    return -HAWSER_EPROHIBITED;
}

/* ------------------------------------------------------------------------------------------------------------- sockets */

static int open_acceptor(hawser_association *association, const hawser_listen_options *options,
                         const struct layer_address *local, const struct endpoint *endpoint)
{
    struct listener *listener = association->listener;
    struct acceptor_config config = {
        .local = *local,
        .fd = endpoint->kind == ENDPOINT_FD ? endpoint->fd : -1,
        .backlog = options->backlog,
        .reuse_port = options->reuse_port,
        .fast_open = options->fast_open,
        .mptcp = listener->mptcp,
        .accepted = listener_accepted,
        .user = association,
    };

    memcpy(config.interface, endpoint->interface, sizeof config.interface);
    return acceptor_new(association->context, &config, &listener->acceptor);
}

static int open_port(hawser_association *association, const hawser_listen_options *options,
                     const struct layer_address *local, const struct endpoint *endpoint)
{
    struct listener *listener = association->listener;
    struct udp_port_config config = {
        .local = *local,
        .fd = endpoint->kind == ENDPOINT_FD ? endpoint->fd : -1,
        .reuse_port = options->reuse_port,
        .timestamps = options->timestamps,
        .protocols = listener->protocols,
        .unproven_max = listener->waiting_max,
        .tls = &association->secure->tls,
        .source = endpoint->source,
        .group = listener->group,
        .accepted = listener_accepted_peer,
        .user = association,
    };

    memcpy(config.interface, endpoint->interface, sizeof config.interface);
    return udp_port_new(association->context, &config, &listener->port);
}

int listener_descriptor(const struct listener *listener)
{
    return listener->acceptor ? acceptor_descriptor(listener->acceptor) : udp_port_descriptor(listener->port);
}

static in_port_t *port_in(struct layer_address *address)
{
    return address->address.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)&address->address)->sin6_port
                                                  : &((struct sockaddr_in *)&address->address)->sin_port;
}

static void close_sockets(struct listener *listener)
{
    acceptor_destroy(listener->acceptor);
    udp_port_destroy(listener->port);
    listener->acceptor = NULL;
    listener->port = NULL;
}

static int open_both(hawser_association *association, const hawser_listen_options *options,
                     const struct endpoint *endpoint)
{
    struct listener *listener = association->listener;
    struct layer_address local = endpoint->address, bound = {.size = sizeof bound.address};
    int r = open_acceptor(association, options, &local, endpoint);

    if (r < 0)
        return r;
    if (getsockname(listener_descriptor(listener), (struct sockaddr *)&bound.address, &bound.size) < 0)
        return -errno;
    *port_in(&local) = *port_in(&bound);
    return open_port(association, options, &local, endpoint);
}

/* A socket that somebody else made is of one kind. */
static int open_one_taken(hawser_association *association, const hawser_listen_options *options,
                          const struct endpoint *endpoint)
{
    const struct layer_address none = {.size = 0};
    struct listener *listener = association->listener;
    int type = 0;
    socklen_t size = sizeof type;

    if (getsockopt(endpoint->fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type == SOCK_DGRAM)
        return listener->protocols[0] ? open_port(association, options, &none, endpoint) : -EPROTOTYPE;
    return listener->stream_tls || listener->stream_plain ? open_acceptor(association, options, &none, endpoint)
                                                          : -EPROTOTYPE;
}

static bool also_is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* And where a listener was, there may be another one of the other kind. */
static int open_taken(hawser_association *association, const hawser_listen_options *options,
                      const struct endpoint *endpoint)
{
    struct listener *listener = association->listener;
    int *taken = listener->taken;
    struct endpoint also = *endpoint;
    int r = open_one_taken(association, options, endpoint);

    if (r < 0 || !taken)
        return r;
    taken[0] = -1;
    if (taken[1] < 0)
        return 0;
    also.fd = taken[1];
    r = (listener->acceptor && also_is_stream(also.fd)) || (listener->port && !also_is_stream(also.fd))
            ? -EINVAL
            : open_one_taken(association, options, &also);
    if (r == 0)
        taken[1] = -1;
    return r;
}

int listen_sockets(hawser_association *association, const hawser_listen_options *options,
                   const struct endpoint *endpoint)
{
    struct listener *listener = association->listener;
    struct layer_address local = endpoint->address;
    bool streams = listener->stream_tls || listener->stream_plain, any;
    int r;

    if (endpoint->kind == ENDPOINT_FD)
        return open_taken(association, options, endpoint);
    if (!listener->protocols[0])
        return open_acceptor(association, options, &local, endpoint);
    if (!streams)
        return open_port(association, options, &local, endpoint);
    any = *port_in(&local) == 0;
    for (unsigned tries = 0;; tries++) {
        r = open_both(association, options, endpoint);
        if (r != -EADDRINUSE || !any || tries == PORT_TRIES)
            break;
        close_sockets(listener);
    }
    if (r < 0)
        close_sockets(listener);
    return r;
}
