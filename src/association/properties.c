/* SPDX-License-Identifier: Apache-2.0 */
/* Properties at work: what the system is told, what messages get, and what may change while a line lives. */
#include "association/properties.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>

#include "association/bare.h"
#include "layer/udp.h"

#define NICENESS_MIN (-100)
#define NICENESS_MAX 155
#define PRIORITY_NORMAL 100

static const struct property_values *values_of(const hawser_association *association)
{
    return properties_values(association->properties);
}

void properties_line(const struct property_values *values, int64_t *keep_alive_us, int64_t *dead_after_us,
                     hawser_policy *policy)
{
    if (property_given(values, "multipathPolicy"))
        *policy = values->multipath_policy;
    if (property_given(values, "connTimeout"))
        *dead_after_us = values->conn_timeout_us ? values->conn_timeout_us : -1;
    if (property_given(values, "keepAliveTimeout"))
        *keep_alive_us = values->keep_alive_timeout_us ? values->keep_alive_timeout_us : -1;
    if (values->keep_alive == HAWSER_PROHIBIT)
        *keep_alive_us = -1;
}

/* ---------------------------------------------------------------------------------------------------------- messages */

static int clamped(int niceness)
{
    return niceness < NICENESS_MIN ? NICENESS_MIN : niceness > NICENESS_MAX ? NICENESS_MAX : niceness;
}

void properties_message(const hawser_association *association, bool any_reliability, struct session_send *send)
{
    const struct property_values *values = values_of(association);

    if (send->niceness == 0)
        send->niceness = (int)values->msg_priority - PRIORITY_NORMAL;
    if (send->niceness >= NICENESS_MIN && send->niceness <= NICENESS_MAX) /* else the session refuses it */
        send->niceness = clamped(send->niceness + (int)values->conn_priority - PRIORITY_NORMAL);
    if (send->lifetime == 0)
        send->lifetime = values->msg_lifetime_us;
    send->ordered |= values->msg_ordered;
    send->replayable |= values->safely_replayable;
    if (any_reliability && !values->msg_reliable && !association->bare) {
        send->reliability = SESSION_RESENDS;
        send->resends = 0;
    }
}

bool properties_take_stream(const hawser_association *association, unsigned open)
{
    unsigned limit = association->properties ? values_of(association)->group_conn_limit : 0;

    return limit == 0 || open < limit;
}

/* ------------------------------------------------------------------------------------------------------------- socket */

static void tell(const struct strand *strand, int level, int option, const char *name, const void *value,
                 socklen_t size)
{
    if (setsockopt(layer_descriptor(strand->top), level, option, value, size) < 0)
        loop_log(strand->association->context, HAWSER_LOG_WARNING, "%s: %s: %s", strand->association->endpoint, name,
                 hawser_strerror(-errno));
}

static int domain_of(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? domain : AF_UNSPEC;
}

static struct layer *bottom_of(struct layer *top)
{
    while (top->below)
        top = top->below;
    return top;
}

static void tune_ip(const struct strand *strand, int domain)
{
    const struct property_values *values = values_of(strand->association);
    int mark = (int)property_dscp(values->conn_capacity_profile) << 2;
    int discover = values->no_fragmentation ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT;

    if (property_given(values, "connCapacityProfile")) {
        if (domain == AF_INET6)
            tell(strand, IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS", &mark, sizeof mark);
        else
            tell(strand, IPPROTO_IP, IP_TOS, "IP_TOS", &mark, sizeof mark);
    }
    if (property_given(values, "noFragmentation")) {
        if (domain == AF_INET6)
            tell(strand, IPPROTO_IPV6, IPV6_MTU_DISCOVER, "IPV6_MTU_DISCOVER", &discover, sizeof discover);
        else
            tell(strand, IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", &discover, sizeof discover);
    }
}

/* hawser/1 has probes of its own; a bare line has TCP's, where they are wanted. */
static void tune_keep_alive(const struct strand *strand)
{
    const struct property_values *values = values_of(strand->association);
    bool wanted = values->keep_alive == HAWSER_REQUIRE || values->keep_alive == HAWSER_PREFER;
    int on = wanted && values->keep_alive_timeout_us > 0;
    int64_t seconds = (values->keep_alive_timeout_us + 999999) / 1000000;
    int idle = seconds > 32767 ? 32767 : (int)seconds; /* as long as TCP knows */

    if (!strand->association->bare || !property_given(values, "keepAlive"))
        return;
    tell(strand, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", &on, sizeof on);
    if (on)
        tell(strand, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", &idle, sizeof idle);
}

uint64_t properties_pace(const hawser_association *association, uint64_t rate)
{
    uint64_t most = values_of(association)->max_send_rate;

    return rate == 0 || (most && most < rate) ? most : rate;
}

/* How many strands carry at once, and so divide the line's rate. */
static unsigned sharing(const hawser_association *association)
{
    unsigned count = 0;

    if (!association->session || session_policy(association->session) == SESSION_HANDOVER)
        return 1;
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        count += strand->session && !strand->dead;
    }
    return count > 1 ? count : 1;
}

static void tune_tcp(const struct strand *strand)
{
    const struct property_values *values = values_of(strand->association);
    const struct bare *bare = strand->association->bare;
    uint64_t rate = properties_pace(strand->association, bare ? bare_stream_rate(bare) : 0);
    uint64_t pace = rate ? rate / 8 / sharing(strand->association) : UINT64_MAX;
    int64_t milliseconds = values->tcp_user_timeout_us / 1000;
    unsigned timeout = milliseconds > INT32_MAX ? INT32_MAX : milliseconds > 0 ? (unsigned)milliseconds : 1;

    if (property_given(values, "maxSendRate"))
        tell(strand, SOL_SOCKET, SO_MAX_PACING_RATE, "SO_MAX_PACING_RATE", &pace, sizeof pace);
    if (values->tcp_user_timeout_us)
        tell(strand, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", &timeout, sizeof timeout);
    tune_keep_alive(strand);
}

/* The socket of a port is its peers' in common: each packet is marked by itself, and none is ever cut on the way. */
static void tune_udp(const struct strand *strand, struct layer *bottom)
{
    const struct property_values *values = values_of(strand->association);

    if (property_given(values, "connCapacityProfile"))
        udp_set_dscp(bottom, (uint8_t)property_dscp(values->conn_capacity_profile));
}

void properties_tune(const struct strand *strand)
{
    int fd = strand->association->properties && strand->top ? layer_descriptor(strand->top) : -1;
    int domain = fd < 0 ? AF_UNSPEC : domain_of(fd);

    if (domain != AF_INET && domain != AF_INET6)
        return;
    if (bottom_of(strand->top)->type == &udp_layer) {
        tune_udp(strand, bottom_of(strand->top));
        return;
    }
    tune_ip(strand, domain);
    if (strcmp(bottom_of(strand->top)->type->name, "tcp") == 0)
        tune_tcp(strand);
}

void properties_share(const hawser_association *association)
{
    if (!association->properties || !property_given(values_of(association), "maxSendRate"))
        return;
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (strand->session && strand->secured && !strand->dead)
            properties_tune(strand);
    }
}

/* ------------------------------------------------------------------------------------------------------------ asking */

static const struct strand *strand_of(const hawser_association *association)
{
    const struct strand *strand =
        list_empty(&association->strands) ? NULL : list_first(&association->strands, struct strand, link);

    return strand && strand->top ? strand : NULL;
}

static bool is_closing(const hawser_association *association)
{
    return association->abort_wanted || (association->session && session_closing(association->session)) ||
           (association->bare && bare_closing(association->bare));
}

static const char *state_of(const hawser_association *association)
{
    if (!association->context || association->ended || !association->open)
        return "closed";
    if (is_closing(association))
        return "closing";
    return association->established || association->listener ? "established" : "establishing";
}

static bool can_send(const hawser_association *association)
{
    const char *state = state_of(association);

    return (association->session || association->bare) && (*state == 'e') && properties_sends(association) &&
           !(association->bare && (bare_sent_final(association->bare) || !bare_sends(association->bare)));
}

static bool can_receive(const hawser_association *association)
{
    return (association->session || association->bare) && strcmp(state_of(association), "closed") != 0 &&
           properties_receives(association) &&
           !(association->bare && (bare_peer_ended(association->bare) || !bare_receives(association->bare)));
}

static int print_bytes(uint64_t bytes, char *text, size_t size)
{
    return snprintf(text, size, "%llu", (unsigned long long)bytes);
}

/* What of a packet TCP can fill is left for a message: TLS puts 22 bytes around a record, and a frame has a head. */
static int singular(const hawser_association *association, char *text, size_t size)
{
    const struct strand *strand = strand_of(association);
    int fd = strand ? layer_descriptor(strand->top) : -1, packet = 0;
    socklen_t packet_size = sizeof packet;
    int around = strand && (layer_flags(strand->top) & LAYER_SECURE) ? 22 : 0;

    if (association->bare && bare_datagrams(association->bare))
        return print_bytes(bare_datagram_max(association->bare), text, size);
    if (fd < 0 || domain_of(fd) == AF_UNIX || getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &packet, &packet_size) < 0)
        return snprintf(text, size, "not-applicable");
    if (association->session)
        around += SESSION_HEAD_MAX;
    return snprintf(text, size, "%d", packet > around ? packet - around : 0);
}

static int read_only(const hawser_association *association, const char *name, char *text, size_t size)
{
    const struct session *session = association->session;
    const struct bare *bare = association->bare;

    if (strcmp(name, "connState") == 0)
        return snprintf(text, size, "%s", state_of(association));
    if (strcmp(name, "canSend") == 0)
        return snprintf(text, size, "%s", can_send(association) ? "true" : "false");
    if (strcmp(name, "canReceive") == 0)
        return snprintf(text, size, "%s", can_receive(association) ? "true" : "false");
    if (strcmp(name, "singularTransmissionMsgMaxLen") == 0)
        return singular(association, text, size);
    if (strcmp(name, "sendMsgMaxLen") == 0)
        return print_bytes(!can_send(association) ? 0
                           : session              ? session_send_max(session)
                           : bare_datagrams(bare) ? bare_datagram_max(bare)
                                                  : (UINT64_C(1) << 62) - 1,
                           text, size);
    return print_bytes(!can_receive(association) ? 0
                       : session                 ? session_receive_max(session)
                                                 : bare_receive_max(bare),
                       text, size);
}

/* Whether the line has what a preference was about. */
static bool has(const hawser_association *association, unsigned index, const struct strand *strand)
{
    char name[PATH_TEXT];
    const char *offered;

    stack_text(strand->top, name, sizeof name);
    offered = hawser_property_offered(index, name, !association->session);
    return strcmp(offered, "yes") == 0 ||
           (strcmp(offered, "no") != 0 && property_preference(values_of(association), index) != HAWSER_PROHIBIT);
}

int hawser_association_get_property(const hawser_association *association, const char *name, char *ret_text,
                                    size_t size)
{
    const struct strand *strand;
    hawser_property_info info;
    char reason[REASON_SIZE];
    int index;

    if (!association || !name)
        return -EINVAL;
    if (association->context && loop_check(association->context) < 0)
        return -ECHILD;
    index = property_find(name, reason, sizeof reason);
    if (index < 0)
        return index;
    (void)hawser_property_info_get((unsigned)index, &info);
    if (info.stage == HAWSER_READ_ONLY)
        return read_only(association, info.name, ret_text, size);
    strand = association->established ? strand_of(association) : NULL;
    if (info.type == HAWSER_PREFERENCE && strand)
        return snprintf(ret_text, size, "%s", has(association, (unsigned)index, strand) ? "true" : "false");
    return property_print(values_of(association), (unsigned)index, ret_text, size);
}

/* ----------------------------------------------------------------------------------------------------------- changing */

/* A line has its stack: what that cannot keep to is refused now. */
static int refused_by_stack(const hawser_association *association, const struct property_values *values, char *reason,
                            size_t size)
{
    const struct strand *strand = strand_of(association);
    struct property_stack stack;
    char name[PATH_TEXT];

    if (!strand || !association->established)
        return 0;
    stack_text(strand->top, name, sizeof name);
    property_stack_read(name, association->session != NULL, &stack);
    return property_judge_line(values, &stack, reason, size) < 0 ? -HAWSER_EPROPERTY : 0;
}

static bool is_fixed(const hawser_property_info *info)
{
    return info->stage == HAWSER_SELECTION || strcmp(info->name, "isolateSession") == 0;
}

/* In the session's terms: 0 is none, negative is as it was. */
static int64_t session_time(int64_t given)
{
    return given == 0 ? -1 : given < 0 ? 0 : given;
}

static void apply(hawser_association *association)
{
    const struct property_values *values = values_of(association);
    int64_t keep_alive = 0, dead_after = 0;
    hawser_policy policy = HAWSER_HANDOVER;

    properties_line(values, &keep_alive, &dead_after, &policy);
    if (association->session) {
        association->line_dead =
            session_set_times(association->session, session_time(keep_alive), session_time(dead_after));
        if (property_given(values, "multipathPolicy"))
            session_set_policy(association->session, session_policy_of(policy), association_now(association));
    }
    if (!association->session && dead_after)
        association->line_dead = dead_after > 0 ? values->keep_alive_timeout_us + dead_after : 0;
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (strand->top && strand->secured)
            strand_tune(strand);
    }
    association_wake(association);
}

static int change(hawser_association *association, hawser_properties *properties, const char *name, const char *value,
                  char *reason, size_t size)
{
    int r = hawser_properties_set(properties, name, value);

    if (r < 0)
        (void)snprintf(reason, size, "%s", hawser_properties_wrong(properties));
    if (r == 0)
        r = property_check(properties_values(properties), false, reason, size);
    if (r == 0)
        r = refused_by_stack(association, properties_values(properties), reason, size);
    return r;
}

int hawser_association_set_property(hawser_association *association, const char *name, const char *value,
                                    char *ret_reason, size_t size)
{
    hawser_properties *changed;
    hawser_property_info info;
    char unused[1];
    int r;

    if (!ret_reason) {
        ret_reason = unused;
        size = sizeof unused;
    }
    r = association_check(association);
    if (r < 0)
        return r;
    if (!name || !value)
        return -EINVAL;
    if (!association->open || association->ended)
        return -ENOTCONN;
    r = property_find(name, ret_reason, size);
    if (r < 0)
        return r;
    (void)hawser_property_info_get((unsigned)r, &info);
    if (is_fixed(&info)) {
        (void)snprintf(ret_reason, size, "%s is fixed once establishment began", info.name);
        return -HAWSER_EPROPERTY;
    }
    r = hawser_properties_copy(association->properties, &changed);
    if (r < 0)
        return r;
    r = change(association, changed, name, value, ret_reason, size);
    if (r < 0) {
        hawser_properties_unref(changed);
        return r;
    }
    hawser_properties_unref(association->properties);
    association->properties = changed;
    apply(association);
    return 0;
}
