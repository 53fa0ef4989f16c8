/* SPDX-License-Identifier: Apache-2.0 */
/* The typed calls: each looks, settles who does it, and does it, by our own rights or the helper. */
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/errors.h>

#include "mptcp/handle.h"

enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECEIVED = 3, CLOSED = 7 }; /* of enum in <netinet/tcp.h> */

const char *hawser_subflow_state_name(hawser_subflow_state state)
{
    static const char *const names[] = {"opening", "established", "closing"};

    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

static hawser_subflow_state state_of(const struct wire_subflow *s)
{
    unsigned state = mptcp_subflow_tcp_state(s);

    return state == ESTABLISHED                         ? HAWSER_SUBFLOW_ESTABLISHED
           : state == SYN_SENT || state == SYN_RECEIVED ? HAWSER_SUBFLOW_OPENING
                                                        : HAWSER_SUBFLOW_CLOSING;
}

void subflow_public(const struct wire_subflow *s, hawser_subflow *ret_subflow)
{
    struct tcp_info i = {0};

    memcpy(&i, s->info, s->info_size < sizeof i ? s->info_size : sizeof i);
    *ret_subflow = (hawser_subflow){
        .id = s->id,
        .state = state_of(s),
        .local_id = s->local_id,
        .remote_id = s->remote_id,
        .first = s->flags & MPTCP_SUBFLOW_FIRST,
        .backup = s->flags & (MPTCP_SUBFLOW_BACKUP_BY_US | MPTCP_SUBFLOW_BACKUP_BY_PEER),
        .backup_known = s->flags & MPTCP_SUBFLOW_BACKUP_KNOWN,
        .rtt_us = i.tcpi_rtt,
        .rtt_variance_us = i.tcpi_rttvar,
        .least_rtt_us = i.tcpi_min_rtt == UINT32_MAX ? 0 : i.tcpi_min_rtt,
        .bytes_sent = i.tcpi_bytes_sent,
        .bytes_acked = i.tcpi_bytes_acked,
        .bytes_received = i.tcpi_bytes_received,
        .bytes_retransmitted = i.tcpi_bytes_retrans,
        .delivery_rate = i.tcpi_delivery_rate * 8,
        .pacing_rate = i.tcpi_pacing_rate == UINT64_MAX ? 0 : i.tcpi_pacing_rate * 8,
        .window = i.tcpi_snd_cwnd,
        .segment = i.tcpi_snd_mss,
        .in_flight = i.tcpi_unacked,
        .lost = i.tcpi_lost,
        .retransmitted = i.tcpi_total_retrans,
        .unanswered = i.tcpi_backoff,
        .since_sent_us = (int64_t)i.tcpi_last_data_sent * 1000,
        .since_received_us = (int64_t)i.tcpi_last_data_recv * 1000,
        .since_acked_us = (int64_t)i.tcpi_last_ack_recv * 1000,
    };
    mptcp_address_to(&s->local, &ret_subflow->local);
    mptcp_address_to(&s->remote, &ret_subflow->remote);
}

static int look(struct hawser_mptcp *m)
{
    int r = handle_begin(m);

    return r < 0 ? r : handle_look(m);
}

int hawser_subflows(hawser_mptcp *m, hawser_subflow **ret_subflows, size_t *ret_count)
{
    hawser_subflow *list;
    size_t count = 0;
    int r = look(m);

    if (r < 0)
        return r;
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, NULL);
    if (!(list = calloc(m->picture.count + 1, sizeof *list)))
        return mptcp_say(&m->reason, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < m->picture.count; i++)
        if (mptcp_subflow_tcp_state(&m->picture.subflows[i]) != CLOSED)
            subflow_public(&m->picture.subflows[i], &list[count++]);
    *ret_subflows = list;
    *ret_count = count;
    return 0;
}

int hawser_subflow_get(hawser_mptcp *m, uint32_t id, hawser_subflow *ret_subflow)
{
    struct wire_subflow *s;
    int r = look(m);

    if (r < 0)
        return r;
    if (!(s = mptcp_picture_find(&m->picture, id)))
        return mptcp_say(&m->reason, -ENOENT, "no subflow has id %u", id);
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, s);
    subflow_public(s, ret_subflow);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- control */

/* A change: looked at, and somebody may do it. */
static int begin_change(struct hawser_mptcp *m)
{
    int r = look(m);

    return r < 0 ? r : handle_access(m);
}

static int read_end(struct hawser_mptcp *m, const char *text, const struct sockaddr *address,
                    struct mptcp_address *ret_end)
{
    int r;

    *ret_end = (struct mptcp_address){0};
    if (text) {
        r = mptcp_address_read(text, ret_end);
        return r == -ENODEV ? mptcp_say(&m->reason, r, "%s names no interface of this host", text)
               : r < 0      ? mptcp_say(&m->reason, r, "%s is not an address", text)
                            : 0;
    }
    if (!address)
        return 0;
    if (!mptcp_address_from(ret_end, address, address->sa_family == AF_INET ? 16 : 28))
        return mptcp_say(&m->reason, -EAFNOSUPPORT, "addresses of subflows are IPv4 or IPv6");
    return 0;
}

int hawser_subflow_open(hawser_mptcp *m, const hawser_subflow_options *options, uint32_t *ret_id)
{
    static const hawser_subflow_options none = {.struct_size = sizeof none};
    const hawser_subflow_options *o = options ? options : &none;
    struct mptcp_address local, remote;
    uint32_t id = 0;
    int r;

    if (o->struct_size != sizeof *o)
        return mptcp_say(&m->reason, -EINVAL, "options of another version of the library");
    if ((r = begin_change(m)) < 0 || (r = read_end(m, o->local, o->local_address, &local)) < 0 ||
        (r = read_end(m, o->remote, o->remote_address, &remote)) < 0)
        return r;
    if (m->access == HAWSER_MPTCP_BY_RIGHTS) {
        r = mptcp_control_create(&m->control, &m->picture, m->fd, &local, &remote, o->backup, &id, &m->reason);
    } else {
        struct wire_request request = client_request(m, WIRE_OPEN);
        request.local = local;
        request.remote = remote;
        request.flags = o->backup ? WIRE_BACKUP_FLAG : 0;
        if ((r = client_ask(m, &request)) == 0)
            id = m->reply->id;
    }
    if (r < 0)
        return r;
    watch_created(m, id);
    if (ret_id)
        *ret_id = id;
    return 0;
}

static int ask_about(struct hawser_mptcp *m, enum wire_type type, uint32_t id, uint32_t flags)
{
    struct wire_request request = client_request(m, type);

    request.id = id;
    request.flags = flags;
    return client_ask(m, &request);
}

int hawser_subflow_close(hawser_mptcp *m, uint32_t id)
{
    int r = begin_change(m);

    if (r < 0)
        return r;
    return m->access == HAWSER_MPTCP_BY_RIGHTS ? mptcp_control_destroy(&m->control, &m->picture, id, &m->reason)
                                               : ask_about(m, WIRE_CLOSE, id, 0);
}

int hawser_subflow_backup(hawser_mptcp *m, uint32_t id, bool backup)
{
    int r = begin_change(m);

    if (r < 0)
        return r;
    return m->access == HAWSER_MPTCP_BY_RIGHTS ? mptcp_control_backup(&m->control, &m->picture, id, backup, &m->reason)
                                               : ask_about(m, WIRE_BACKUP, id, backup ? WIRE_BACKUP_FLAG : 0);
}

int hawser_address_announce(hawser_mptcp *m, const char *address, int *ret_id)
{
    struct mptcp_address told;
    uint8_t id = 0;
    int r = begin_change(m);

    if (r < 0 || (r = read_end(m, address ? address : "", NULL, &told)) < 0)
        return r;
    if (m->access == HAWSER_MPTCP_BY_RIGHTS) {
        r = mptcp_control_announce(&m->control, &m->picture, &told, &id, &m->reason);
    } else {
        struct wire_request request = client_request(m, WIRE_ANNOUNCE);
        request.local = told;
        if ((r = client_ask(m, &request)) == 0)
            id = (uint8_t)m->reply->id;
    }
    if (r == 0 && ret_id)
        *ret_id = id;
    return r;
}

int hawser_address_withdraw(hawser_mptcp *m, int address_id)
{
    int r = begin_change(m);

    if (r < 0)
        return r;
    if (address_id < 0 || address_id > 255)
        return mptcp_say(&m->reason, -ENOENT, "address ids are 0 to 255");
    return m->access == HAWSER_MPTCP_BY_RIGHTS
               ? mptcp_control_withdraw(&m->control, m->picture.token, (uint8_t)address_id, &m->reason)
               : ask_about(m, WIRE_WITHDRAW, (uint32_t)address_id, 0);
}

int hawser_mptcp_set_scheduler(hawser_mptcp *m, const char *name)
{
    struct wire_request request;
    size_t length = strlen(name);
    int r = look(m);

    if (r < 0)
        return r;
    if (length == 0 || length >= 16)
        return mptcp_say(&m->reason, -EINVAL, "names of schedulers have 1 to 15 letters");
    request = client_request(m, WIRE_SCHEDULER);
    request.option_size = (uint32_t)length;
    memcpy(request.option, name, length);
    if ((r = client_ask(m, &request)) == -EPERM && m->helper_fd < 0) {
        struct mptcp_reason helper = m->reason;
        return mptcp_say(
            &m->reason, -EOPNOTSUPP,
            "the kernel has schedulers a namespace (net.mptcp.scheduler), not a connection, but for BPF: %.100s",
            helper.text);
    }
    return r;
}
