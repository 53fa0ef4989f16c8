/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/control.h"
#include "mptcp/genl.h"
#include "mptcp/kernel.h"

enum {
    HEAD = sizeof(struct genlmsghdr),
    BUFFER = 8192,
    TOKEN_AT = NLMSG_HDRLEN + GENL_HDRLEN + RTA_LENGTH(0), /* the kernel puts it first in each event that has one */
};

/* Lets only events of one connection wake the reader: others never reach the socket. */
static int filter(int fd, uint32_t token)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NLMSG_HDRLEN + GENL_HDRLEN + 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(EVENT_ATTR_TOKEN), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TOKEN_AT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(token), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

int mptcp_events_open(uint32_t token, int *ret_fd, struct mptcp_reason *reason)
{
    struct mptcp_control control;
    int r = mptcp_control_open(&control, reason);

    if (r < 0)
        return r;
    /* The filter first: what comes before it would be read. The membership last: it is what needs rights. */
    if (token && (r = filter(control.fd, token)) < 0)
        mptcp_say(reason, r, "events cannot be filtered: %s", strerror(-r));
    else if (setsockopt(control.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &control.events, sizeof control.events) < 0)
        r = errno == EPERM ? mptcp_say(reason, -EPERM,
                                       "events need CAP_NET_ADMIN in the network namespace, which this process lacks")
                           : mptcp_say(reason, -errno, "events are not to be had: %s", strerror(errno));
    if (r < 0)
        mptcp_control_close(&control);
    else
        *ret_fd = control.fd;
    return r;
}

/* Not every event says its family; each has the address of one. */
static void take_end(const struct genl_message *message, unsigned address4, unsigned address6, unsigned port,
                     struct mptcp_address *ret_address)
{
    const void *bytes;

    *ret_address = (struct mptcp_address){.port = ntohs((uint16_t)genl_number(message, port, 2, 0))};
    if ((bytes = genl_get(message, address4, 4, NULL))) {
        ret_address->family = AF_INET;
        memcpy(ret_address->bytes, bytes, 4);
    } else if ((bytes = genl_get(message, address6, 16, NULL))) {
        ret_address->family = AF_INET6;
        memcpy(ret_address->bytes, bytes, 16);
    }
    mptcp_address_plain(ret_address);
}

static void take(const struct nlmsghdr *header, mptcp_told_fn told, void *user)
{
    const struct genlmsghdr *head = netlink_head(header, HEAD);
    struct genl_message m = genl_message(header, HEAD);
    struct mptcp_told t;

    if (!head || header->nlmsg_type < NLMSG_MIN_TYPE)
        return;
    t = (struct mptcp_told){
        .type = head->cmd,
        .token = (uint32_t)genl_number(&m, EVENT_ATTR_TOKEN, 4, 0),
        .local_id = (int)genl_number(&m, EVENT_ATTR_LOC_ID, 1, (uint64_t)-1),
        .remote_id = (int)genl_number(&m, EVENT_ATTR_REM_ID, 1, (uint64_t)-1),
        .backup = genl_number(&m, EVENT_ATTR_BACKUP, 1, 0) != 0,
        .server_side = genl_number(&m, EVENT_ATTR_SERVER_SIDE, 1, 0) != 0,
        .error = (int)genl_number(&m, EVENT_ATTR_ERROR, 1, 0),
        .reset_reason = (int)genl_number(&m, EVENT_ATTR_RESET_REASON, 4, (uint64_t)-1),
    };
    take_end(&m, EVENT_ATTR_SADDR4, EVENT_ATTR_SADDR6, EVENT_ATTR_SPORT, &t.local);
    take_end(&m, EVENT_ATTR_DADDR4, EVENT_ATTR_DADDR6, EVENT_ATTR_DPORT, &t.remote);
    told(user, &t);
}

int mptcp_events_read(int fd, mptcp_told_fn told, void *user)
{
    struct sockaddr_nl from = {0};
    socklen_t from_size = sizeof from;
    _Alignas(struct nlmsghdr) uint8_t buffer[BUFFER];
    ssize_t size;
    int left;

    do
        size = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (from.nl_pid != 0)
        return 1;
    left = (int)size;
    for (const struct nlmsghdr *at = (const void *)buffer;
         left >= (int)sizeof *at && at->nlmsg_len >= sizeof *at && at->nlmsg_len <= (unsigned)left;
         at = NLMSG_NEXT(at, left))
        take(at, told, user);
    return 1;
}
