/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the system keeps a datagram's time to leave (SO_TXTIME): any socket takes it, but only some queue disciplines do
 * anything with it. */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "layer/interface.h"
#include "layer/netlink.h"
#include "layer/udp_internal.h"

struct disciplines {
    int interface;
    bool kept, other; /* one that keeps time is there; one that does not */
};

static void on_discipline(void *user, const struct nlmsghdr *message)
{
    struct disciplines *disciplines = user;
    const struct tcmsg *head = netlink_head(message, sizeof *head);
    char kind[16] = "";

    if (message->nlmsg_type != RTM_NEWQDISC || !head || head->tcm_ifindex != disciplines->interface)
        return;
    netlink_string(message, sizeof *head, TCA_KIND, kind, sizeof kind);
    if (strcmp(kind, "fq") == 0)
        disciplines->kept = true;
    else if (strcmp(kind, "mq") != 0 && strcmp(kind, "clsact") != 0 && strcmp(kind, "ingress") != 0)
        disciplines->other = true; /* mq has one below it for each of the device's queues */
}

/* etf wants the clock of the network's time, and drops what it does not like: who sets it up knows why. */
static bool interface_keeps_time(int interface)
{
    struct disciplines disciplines = {.interface = interface};
    struct tcmsg head = {.tcm_family = AF_UNSPEC, .tcm_ifindex = interface};
    struct netlink_request request;
    int fd = netlink_open(0), r;

    if (fd < 0)
        return false;
    netlink_begin(&request, RTM_GETQDISC, NLM_F_DUMP, &head, sizeof head);
    r = netlink_ask(fd, &request, on_discipline, &disciplines);
    close(fd);
    return r == 0 && disciplines.kept && !disciplines.other;
}

bool udp_keeps_time(struct udp_socket *socket)
{
    const struct sock_txtime wanted = {.clockid = CLOCK_MONOTONIC};
    const struct interface_address *holder;
    struct interfaces *interfaces;

    if (socket->txtime_known)
        return socket->txtime;
    socket->txtime_known = true;
    /* A port's datagrams leave by any interface. */
    if (!socket->connected || interfaces_of(socket->context, &interfaces) < 0)
        return false;
    holder = interfaces_holder(interfaces, (const struct sockaddr *)&socket->local.address);
    if (!holder || !interface_keeps_time((int)holder->index))
        return false;
    socket->txtime = setsockopt(socket->io.fd, SOL_SOCKET, SO_TXTIME, &wanted, sizeof wanted) == 0;
    return socket->txtime;
}
