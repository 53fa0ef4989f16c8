/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/genl.h"
#include "mptcp/kernel.h"

enum { HEAD = sizeof(struct inet_diag_msg), ALL_STATES = 0xfff & ~(1 << 10) /* but for listening sockets */ };

int diag_open(int *ret_fd)
{
    return genl_open(NETLINK_SOCK_DIAG, ret_fd);
}

static struct inet_diag_req_v2 question(unsigned family)
{
    return (struct inet_diag_req_v2){
        .sdiag_family = (uint8_t)family,
        .sdiag_protocol = IPPROTO_TCP,
        /* Without INFO the kernel does not tell of subflows either. */
        .idiag_ext = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1) | 1 << (INET_DIAG_TOS - 1) |
                     1 << (INET_DIAG_TCLASS - 1),
        .idiag_states = ALL_STATES,
        .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
    };
}

static void take_subflow(const struct genl_message *message, struct diag_answer *answer)
{
    struct genl_message ulp = genl_inside(message, INET_DIAG_ULP_INFO), told = genl_inside(&ulp, INET_ULP_INFO_MPTCP);

    answer->subflow = told.size > 0;
    answer->token = (uint32_t)genl_number(&told, SUBFLOW_ATTR_TOKEN_LOC, 4, 0);
    answer->flags = (uint32_t)genl_number(&told, SUBFLOW_ATTR_FLAGS, 4, 0);
    answer->local_id = (int)genl_number(&told, SUBFLOW_ATTR_ID_LOC, 1, (uint64_t)-1);
    answer->remote_id = (int)genl_number(&told, SUBFLOW_ATTR_ID_REM, 1, (uint64_t)-1);
}

struct asked {
    struct diag_answer *answer;
    bool found;
};

static void take_answer(void *user, const struct nlmsghdr *header)
{
    const struct inet_diag_msg *found = netlink_head(header, HEAD);
    struct genl_message message = genl_message(header, HEAD);
    struct asked *asked = user;
    struct diag_answer *a = asked->answer;
    const char *congestion;
    size_t size;

    if (!found)
        return;
    asked->found = true;
    *a = (struct diag_answer){.uid = found->idiag_uid, .inode = found->idiag_inode};
    a->cookie = (uint64_t)found->id.idiag_cookie[1] << 32 | found->id.idiag_cookie[0];
    take_subflow(&message, a);
    if ((congestion = genl_get(&message, INET_DIAG_CONG, 1, &size)) && size <= sizeof a->congestion)
        memcpy(a->congestion, congestion, strnlen(congestion, size));
    a->tos = (int)genl_number(&message, INET_DIAG_TOS, 1, (uint64_t)-1);
    a->tclass = (int)genl_number(&message, INET_DIAG_TCLASS, 1, (uint64_t)-1);
    a->mark = (int64_t)genl_number(&message, INET_DIAG_MARK, 4, (uint64_t)-1);
}

static int ask_on(int fd, const struct mptcp_address *local, const struct mptcp_address *remote, unsigned interface,
                  struct diag_answer *ret_answer)
{
    struct inet_diag_req_v2 q = question(local->family);
    struct asked asked = {.answer = ret_answer};
    struct netlink_request request;
    struct mptcp_reason words;
    int r;

    q.id.idiag_if = interface;
    q.id.idiag_sport = htons(local->port);
    q.id.idiag_dport = htons(remote->port);
    memcpy(q.id.idiag_src, local->bytes, 16);
    memcpy(q.id.idiag_dst, remote->bytes, 16);
    netlink_begin(&request, SOCK_DIAG_BY_FAMILY, 0, &q, sizeof q);
    r = genl_ask(fd, &request, take_answer, &asked, &words);
    return r < 0 ? r : asked.found ? 0 : -ENOENT;
}

int diag_ask(int fd, const struct mptcp_address *local, const struct mptcp_address *remote,
             struct diag_answer *ret_answer)
{
    int r = ask_on(fd, local, remote, local->interface, ret_answer);
    struct if_nameindex *interfaces;

    /* One that is bound to an interface is found by that alone, which nobody told us. */
    if (r != -ENOENT || !(interfaces = if_nameindex()))
        return r;
    for (unsigned i = 0; r == -ENOENT && interfaces[i].if_index; i++)
        r = ask_on(fd, local, remote, interfaces[i].if_index, ret_answer);
    if_freenameindex(interfaces);
    return r;
}

int mptcp_find_by_ends(const struct mptcp_address *local, const struct mptcp_address *remote,
                       struct mptcp_found *ret_found, struct mptcp_reason *reason)
{
    struct diag_answer answer;
    int fd, r = diag_open(&fd);

    if (r < 0)
        return mptcp_say(reason, r, "sock_diag is not to be had: %s", strerror(-r));
    r = diag_ask(fd, local, remote, &answer);
    close(fd);
    if (r < 0)
        return mptcp_say(reason, -ENOENT, "no socket of this network namespace has these two ends");
    *ret_found = (struct mptcp_found){
        .uid = answer.uid, .inode = answer.inode, .cookie = answer.cookie, .token = answer.subflow ? answer.token : 0};
    return 0;
}

static void inspect_one(int fd, struct wire_subflow *s)
{
    struct diag_answer answer;

    if (diag_ask(fd, &s->local, &s->remote, &answer) < 0 || !answer.subflow)
        return;
    s->local_id = (int16_t)answer.local_id;
    s->remote_id = (int16_t)answer.remote_id;
    s->flags |= MPTCP_SUBFLOW_BACKUP_KNOWN;
    s->flags |= answer.flags & SUBFLOW_FLAG_BACKUP_LOC ? MPTCP_SUBFLOW_BACKUP_BY_US : 0;
    s->flags |= answer.flags & SUBFLOW_FLAG_BACKUP_REM ? MPTCP_SUBFLOW_BACKUP_BY_PEER : 0;
}

void mptcp_inspect_diag(struct mptcp_picture *picture, struct wire_subflow *only)
{
    int fd;

    if (diag_open(&fd) < 0)
        return;
    for (unsigned i = 0; i < picture->count; i++)
        if (!only || only == &picture->subflows[i])
            inspect_one(fd, &picture->subflows[i]);
    close(fd);
}

/* ------------------------------------------------------------------------------------------------------- connections */

struct listing {
    struct mptcp_connection *list;
    size_t count, capacity;
    int error;
};

static void take_connection(void *user, const struct nlmsghdr *header)
{
    const struct inet_diag_msg *found = netlink_head(header, HEAD);
    struct genl_message message = genl_message(header, HEAD);
    struct listing *l = user;
    struct mptcp_connection *c;
    struct kernel_mptcp_info info = {0};
    const void *told;
    size_t size;

    if (!found || l->error)
        return;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        if (!(c = realloc(l->list, capacity * sizeof *c))) {
            l->error = -ENOMEM;
            return;
        }
        l->list = c;
        l->capacity = capacity;
    }
    if ((told = genl_get(&message, INET_DIAG_INFO, 16, &size)))
        memcpy(&info, told, size < sizeof info ? size : sizeof info);
    c = &l->list[l->count++];
    *c = (struct mptcp_connection){.token = info.token, .uid = found->idiag_uid, .inode = found->idiag_inode};
    c->local = (struct mptcp_address){.family = found->idiag_family, .port = ntohs(found->id.idiag_sport)};
    c->remote = (struct mptcp_address){.family = found->idiag_family, .port = ntohs(found->id.idiag_dport)};
    memcpy(c->local.bytes, found->id.idiag_src, 16);
    memcpy(c->remote.bytes, found->id.idiag_dst, 16);
    mptcp_address_plain(&c->local);
    mptcp_address_plain(&c->remote);
}

int mptcp_connections(struct mptcp_connection **ret_list, size_t *ret_count, struct mptcp_reason *reason)
{
    static const unsigned families[] = {AF_INET, AF_INET6};
    uint32_t protocol = KERNEL_IPPROTO_MPTCP;
    struct listing listing = {0};
    struct netlink_request request;
    struct mptcp_reason words;
    int fd, r = diag_open(&fd);

    for (unsigned i = 0; r == 0 && i < 2; i++) {
        struct inet_diag_req_v2 q = question(families[i]);

        q.idiag_ext = 1 << (INET_DIAG_INFO - 1);
        netlink_begin(&request, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q, sizeof q);
        netlink_put(&request, INET_DIAG_REQ_PROTOCOL, &protocol, sizeof protocol);
        r = genl_ask(fd, &request, take_connection, &listing, &words);
        if (r == 0)
            r = listing.error;
        if (i == 1 || r < 0)
            close(fd);
    }
    if (r < 0) {
        free(listing.list);
        return mptcp_say(reason, r, "the connections of this network namespace cannot be listed: %s", strerror(-r));
    }
    *ret_list = listing.list;
    *ret_count = listing.count;
    return 0;
}
