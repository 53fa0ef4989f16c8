/* SPDX-License-Identifier: Apache-2.0 */
/* What path manager modules of kernels did, over the public calls (S5.16, S5.26). */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mptcp/handle.h"

enum { ENDS_MAX = 32 };

/* Opens, and counts; failures are kept until something was opened. */
struct opening {
    int opened, error;
    struct mptcp_reason reason;
};

static void open_one(struct hawser_mptcp *m, struct opening *o, const struct mptcp_address *local,
                     const struct mptcp_address *remote, bool backup)
{
    struct sockaddr_storage l, p;
    int r;

    mptcp_address_to(local, &l);
    mptcp_address_to(remote, &p);
    r = hawser_subflow_open(m,
                            HAWSER_SUBFLOW(.local_address = (struct sockaddr *)&l,
                                           .remote_address = (struct sockaddr *)&p, .backup = backup),
                            NULL);
    if (r == 0)
        o->opened++;
    else if (o->error == 0) {
        o->error = r;
        o->reason = m->reason;
    }
}

static int result(struct hawser_mptcp *m, const struct opening *o)
{
    if (o->opened > 0 || o->error == 0) {
        m->reason.text[0] = '\0';
        return o->opened;
    }
    m->reason = o->reason;
    return o->error;
}

static int look(struct hawser_mptcp *m)
{
    int r = handle_begin(m);

    if (r < 0 || (r = handle_look(m)) < 0)
        return r;
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, NULL);
    return 0;
}

/* Live subflows between two hosts. */
static unsigned between(const struct mptcp_picture *picture, const struct mptcp_address *local,
                        const struct mptcp_address *remote)
{
    unsigned count = 0;

    for (unsigned i = 0; i < picture->count; i++) {
        const struct wire_subflow *s = &picture->subflows[i];
        count += mptcp_address_same_host(&s->local, local) && mptcp_address_same(&s->remote, remote) &&
                 mptcp_picture_find((struct mptcp_picture *)picture, s->id) == s;
    }
    return count;
}

/* The addresses from which a peer beyond this host can be reached. */
static unsigned local_addresses(struct mptcp_address *ret_list, const char *interface)
{
    struct mptcp_address address;
    struct ifaddrs *list;
    unsigned count = 0;

    if (getifaddrs(&list) < 0)
        return 0;
    for (const struct ifaddrs *at = list; at && count < ENDS_MAX; at = at->ifa_next) {
        const unsigned wanted = IFF_UP | IFF_RUNNING;
        const struct sockaddr_in6 *in6 = (const void *)at->ifa_addr;

        if (!at->ifa_addr || (at->ifa_flags & (wanted | IFF_LOOPBACK)) != wanted ||
            (interface && strcmp(at->ifa_name, interface) != 0) ||
            (at->ifa_addr->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) ||
            !mptcp_address_from(&address, at->ifa_addr, at->ifa_addr->sa_family == AF_INET ? 16 : 28))
            continue;
        address.interface = 0;
        ret_list[count++] = address;
    }
    freeifaddrs(list);
    return count;
}

/* The peer's addresses, with ports. */
static unsigned remote_addresses(const struct hawser_mptcp *m, struct mptcp_address *ret_list)
{
    unsigned count = 0;

    ret_list[count++] = m->picture.first_remote;
    for (unsigned i = 0; i < m->announced_count; i++) {
        struct mptcp_address address = m->announced[i].address;
        if (!address.port)
            address.port = m->picture.first_remote.port;
        if (!mptcp_address_same(&address, &m->picture.first_remote))
            ret_list[count++] = address;
    }
    return count;
}

int hawser_subflows_full_mesh(hawser_mptcp *m)
{
    struct mptcp_address locals[ENDS_MAX], remotes[ANNOUNCED_MAX + 1];
    struct opening opening = {0};
    unsigned local_count, remote_count;
    int r = look(m);

    if (r < 0)
        return r;
    local_count = local_addresses(locals, NULL);
    remote_count = remote_addresses(m, remotes);
    for (unsigned i = 0; i < local_count; i++)
        for (unsigned k = 0; k < remote_count; k++)
            if (locals[i].family == remotes[k].family && between(&m->picture, &locals[i], &remotes[k]) == 0)
                open_one(m, &opening, &locals[i], &remotes[k], false);
    return result(m, &opening);
}

int hawser_subflows_ndiffports(hawser_mptcp *m, unsigned count)
{
    struct mptcp_address local, remote;
    struct opening opening = {0};
    unsigned have;
    int r = look(m);

    if (r < 0)
        return r;
    local = m->picture.first_local;
    remote = m->picture.first_remote;
    have = between(&m->picture, &local, &remote);
    local.port = 0;
    for (; have < count && have < WIRE_SUBFLOWS_MAX && opening.error == 0; have++)
        open_one(m, &opening, &local, &remote, false);
    return result(m, &opening);
}

/* The subflow that leaves from one of these addresses; NULL. */
static const struct wire_subflow *from_one_of(struct mptcp_picture *picture, const struct mptcp_address *list,
                                              unsigned count)
{
    for (unsigned i = 0; i < picture->count; i++)
        for (unsigned k = 0; k < count; k++)
            if (mptcp_address_same_host(&picture->subflows[i].local, &list[k]) &&
                mptcp_picture_find(picture, picture->subflows[i].id))
                return &picture->subflows[i];
    return NULL;
}

static int open_on(struct hawser_mptcp *m, const char *interface, bool backup)
{
    struct mptcp_address locals[ENDS_MAX];
    const struct wire_subflow *there;
    char text[IF_NAMESIZE + 1];
    unsigned count;
    int r;

    if (strlen(interface) >= IF_NAMESIZE || if_nametoindex(interface) == 0)
        return mptcp_say(&m->reason, -ENODEV, "%.32s names no interface of this host", interface);
    count = local_addresses(locals, interface);
    if ((there = from_one_of(&m->picture, locals, count))) {
        if (backup && !(there->flags & MPTCP_SUBFLOW_BACKUP_BY_US))
            return hawser_subflow_backup(m, there->id, true);
        return 0;
    }
    snprintf(text, sizeof text, "@%s", interface);
    r = hawser_subflow_open(m, HAWSER_SUBFLOW(.local = text, .backup = backup), NULL);
    return r < 0 ? r : 1;
}

int hawser_subflows_backup_on(hawser_mptcp *m, const char *interface)
{
    int r = look(m);

    return r < 0 ? r : open_on(m, interface, true);
}

static bool is_bad(const struct wire_subflow *s, int64_t rtt_us, int64_t silent_us)
{
    hawser_subflow subflow;

    subflow_public(s, &subflow);
    return subflow.state != HAWSER_SUBFLOW_ESTABLISHED || subflow.unanswered > 0 || subflow.rtt_us > rtt_us ||
           (subflow.in_flight > 0 && subflow.since_acked_us > silent_us);
}

int hawser_subflows_when_bad(hawser_mptcp *m, const char *interface, int64_t rtt_us, int64_t silent_us)
{
    int r = look(m);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < m->picture.count; i++)
        if (!is_bad(&m->picture.subflows[i], rtt_us ? rtt_us : 1000000, silent_us ? silent_us : 1000000))
            return 0;
    return open_on(m, interface, false);
}
