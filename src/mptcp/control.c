/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/control.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/genl.h"
#include "mptcp/kernel.h"
#include "mptcp/route.h"

enum { HEAD = sizeof(struct genlmsghdr), CLOSED = 7 /* TCP_CLOSE */ };

static void begin(const struct mptcp_control *control, struct netlink_request *request, unsigned command,
                  unsigned flags, uint32_t token)
{
    struct genlmsghdr head = {.cmd = (uint8_t)command, .version = KERNEL_PM_VERSION};

    netlink_begin(request, control->family, flags, &head, sizeof head);
    netlink_put(request, PM_ATTR_TOKEN, &token, sizeof token);
}

/* id and flags are left out when negative. */
static void put_address(struct netlink_request *request, unsigned type, const struct mptcp_address *address, int id,
                        int flags)
{
    size_t nest = genl_nest(request, type);
    uint8_t id8 = (uint8_t)id;
    uint32_t flags32 = (uint32_t)flags;
    int32_t interface = (int32_t)address->interface;

    netlink_put(request, PM_ADDR_FAMILY, &address->family, sizeof address->family);
    if (id >= 0)
        netlink_put(request, PM_ADDR_ID, &id8, sizeof id8);
    if (address->family == AF_INET)
        netlink_put(request, PM_ADDR_ADDR4, address->bytes, 4);
    else
        netlink_put(request, PM_ADDR_ADDR6, address->bytes, 16);
    if (address->port)
        netlink_put(request, PM_ADDR_PORT, &address->port, sizeof address->port);
    if (flags >= 0)
        netlink_put(request, PM_ADDR_FLAGS, &flags32, sizeof flags32);
    if (interface)
        netlink_put(request, PM_ADDR_IF_IDX, &interface, sizeof interface);
    genl_nest_end(request, nest);
}

/* The kernel's refusal as ours. */
static int explain(int code, const struct mptcp_reason *words, struct mptcp_reason *reason)
{
    if (code == -EPERM)
        return mptcp_say(reason, -EPERM, "this process lacks CAP_NET_ADMIN in its network namespace");
    if (strstr(words->text, "userspace PM not selected"))
        return mptcp_say(
            reason, -EOPNOTSUPP,
            "the kernel's own path manager controls this connection, and takes no calls for one connection; "
            "set net.mptcp.pm_type=1 before it begins");
    if (strstr(words->text, "invalid token"))
        return mptcp_say(reason, -ENOTCONN, "the connection is gone, or is of another network namespace");
    if (strstr(words->text, "families mismatch"))
        return mptcp_say(reason, -EINVAL, "addresses of two families, or an IPv6 subflow of an IPv4 socket");
    if (code == -EADDRNOTAVAIL)
        return mptcp_say(reason, code, "the local address is not one of this host");
    if (code == -EADDRINUSE)
        return mptcp_say(reason, code,
                         "the local port is taken, or was a minute ago by a subflow between the same ends");
    return mptcp_say(reason, code, "the kernel refused: %s%s%s", strerror(-code), *words->text ? ": " : "",
                     words->text);
}

static int ask(struct mptcp_control *control, struct netlink_request *request, genl_fn answer, void *user,
               struct mptcp_reason *reason)
{
    struct mptcp_reason words;
    int r = genl_ask(control->fd, request, answer, user, &words);

    return r < 0 ? explain(r, &words, reason) : 0;
}

/* --------------------------------------------------------------------------------------------------------- opening */

static void take_family(void *user, const struct nlmsghdr *header)
{
    struct mptcp_control *control = user;
    struct genl_message message = genl_message(header, HEAD), group,
                        groups = genl_inside(&message, CTRL_ATTR_MCAST_GROUPS);
    unsigned type;
    const char *name;
    size_t size;

    control->family = (uint16_t)genl_number(&message, CTRL_ATTR_FAMILY_ID, 2, 0);
    for (size_t at = 0; genl_each(&groups, &at, &type, &group);)
        if ((name = genl_get(&group, CTRL_ATTR_MCAST_GRP_NAME, 1, &size)) && strnlen(name, size) < size &&
            strcmp(name, KERNEL_PM_EVENTS) == 0)
            control->events = (uint32_t)genl_number(&group, CTRL_ATTR_MCAST_GRP_ID, 4, 0);
}

int mptcp_control_open(struct mptcp_control *ret_control, struct mptcp_reason *reason)
{
    struct genlmsghdr head = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
    struct mptcp_control control = {.fd = -1};
    struct netlink_request request;
    struct mptcp_reason words;
    int r = genl_open(NETLINK_GENERIC, &control.fd);

    if (r < 0)
        return mptcp_say(reason, r, "generic netlink is not to be had: %s", strerror(-r));
    netlink_begin(&request, GENL_ID_CTRL, 0, &head, sizeof head);
    netlink_put(&request, CTRL_ATTR_FAMILY_NAME, KERNEL_PM_FAMILY, sizeof KERNEL_PM_FAMILY);
    r = genl_ask(control.fd, &request, take_family, &control, &words);
    if (r < 0 || !control.family) {
        close(control.fd);
        return mptcp_say(reason, -EPROTONOSUPPORT, "this kernel has no path manager for MPTCP");
    }
    *ret_control = control;
    return 0;
}

void mptcp_control_close(struct mptcp_control *control)
{
    if (control->fd >= 0)
        close(control->fd);
    control->fd = -1;
}

/* The kernel checks rights before it looks at what is asked: of a connection that cannot be, it says which it was. */
static int check_rights(struct mptcp_control *control, struct mptcp_reason *reason)
{
    struct netlink_request request;
    struct mptcp_reason words;
    uint8_t id = 0;

    begin(control, &request, PM_REMOVE, 0, 0);
    netlink_put(&request, PM_ATTR_LOC_ID, &id, sizeof id);
    if (genl_ask(control->fd, &request, NULL, NULL, &words) == -EPERM)
        return explain(-EPERM, &words, reason);
    return 0;
}

int mptcp_control_able(struct mptcp_control *control, struct mptcp_reason *reason)
{
    int r = check_rights(control, reason), type = 0;
    FILE *file;

    if (r < 0)
        return r;
    if ((file = fopen("/proc/sys/net/mptcp/pm_type", "re"))) {
        r = fscanf(file, "%d", &type);
        fclose(file);
    }
    if (type != 1)
        return mptcp_say(reason, -EOPNOTSUPP,
                         "the kernel's own path manager rules in this network namespace (net.mptcp.pm_type is not 1)");
    return 0;
}

int mptcp_control_steers(struct mptcp_control *control, uint32_t token, struct mptcp_reason *reason)
{
    struct netlink_request request;
    int r = check_rights(control, reason);

    if (r < 0)
        return r;
    begin(control, &request, PM_GET_ADDR, NLM_F_DUMP, token);
    return ask(control, &request, NULL, NULL, reason);
}

/* ----------------------------------------------------------------------------------------------------- address ids */

/* What addresses of ours the connection has numbers for (RFC 8684 section 3.4). */
struct numbers {
    const struct mptcp_address *wanted;
    int found; /* the id of wanted, or -1 */
    bool taken[256];
};

static void take_number(void *user, const struct nlmsghdr *header)
{
    struct genl_message message = genl_message(header, HEAD), told = genl_inside(&message, PM_ATTR_ADDR);
    struct mptcp_address address = {.family = (uint16_t)genl_number(&told, PM_ADDR_FAMILY, 2, 0)};
    struct numbers *numbers = user;
    unsigned id = (unsigned)genl_number(&told, PM_ADDR_ID, 1, 0);
    const void *bytes;

    if (!told.size)
        return;
    address.port = (uint16_t)genl_number(&told, PM_ADDR_PORT, 2, 0);
    if ((bytes = genl_get(&told, PM_ADDR_ADDR4, 4, NULL)))
        memcpy(address.bytes, bytes, 4);
    else if ((bytes = genl_get(&told, PM_ADDR_ADDR6, 16, NULL)))
        memcpy(address.bytes, bytes, 16);
    mptcp_address_plain(&address);
    numbers->taken[id] = true;
    if (mptcp_address_same(&address, numbers->wanted))
        numbers->found = (int)id;
}

/* One id means one address and port for the whole life of a connection; 0 is the address that it began with. */
static int choose_number(struct mptcp_control *control, const struct mptcp_picture *picture,
                         const struct mptcp_address *address, int *ret_id, struct mptcp_reason *reason)
{
    struct numbers numbers = {.wanted = address, .found = -1};
    struct netlink_request request;
    int r;

    begin(control, &request, PM_GET_ADDR, NLM_F_DUMP, picture->token);
    if ((r = ask(control, &request, take_number, &numbers, reason)) < 0)
        return r;
    if (numbers.found < 0 && mptcp_address_same_host(address, &picture->first_local) &&
        (address->port == 0 || address->port == picture->first_local.port))
        numbers.found = 0;
    for (int id = 1; numbers.found < 0 && id < 256; id++)
        if (!numbers.taken[id])
            numbers.found = id;
    if (numbers.found < 0)
        return mptcp_say(reason, -EMFILE, "the connection has numbers for 255 addresses, and the protocol has no more");
    *ret_id = numbers.found;
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- subflows */

/* What was left out, from the connection and the routes. */
static int complete(const struct mptcp_picture *picture, struct mptcp_address *local, struct mptcp_address *remote,
                    struct mptcp_reason *reason)
{
    uint32_t interface = remote->interface;

    if (mptcp_address_is_any(remote)) {
        uint16_t port = remote->port;
        *remote = picture->first_remote;
        remote->port = port;
    }
    if (remote->port == 0)
        remote->port = picture->first_remote.port;
    if (remote->family == 0)
        return mptcp_say(reason, -ENOTCONN, "the connection has no peer yet");
    if (interface && !local->interface)
        local->interface = interface;
    if (mptcp_address_is_any(local)) {
        int r = mptcp_route_source(remote, local);
        if (r < 0)
            return mptcp_say(reason, r, "no address of this host leads there: %s", strerror(-r));
    }
    if (local->family != remote->family)
        return mptcp_say(reason, -EINVAL, "the two addresses are of different families");
    return 0;
}

/* The subflow between these that is in now and was not in before. */
static struct wire_subflow *find_new(struct mptcp_picture *now, const struct mptcp_picture *before,
                                     const struct mptcp_address *local, const struct mptcp_address *remote)
{
    uint32_t newest = 0;

    for (unsigned i = 0; i < before->count; i++)
        if (before->subflows[i].id > newest)
            newest = before->subflows[i].id;
    for (unsigned i = 0; i < now->count; i++) {
        struct wire_subflow *s = &now->subflows[i];
        bool known = false;
        for (unsigned k = 0; k < before->count; k++)
            known |= before->subflows[k].id == s->id;
        if (!known && mptcp_address_same_host(&s->local, local) && mptcp_address_same(&s->remote, remote) &&
            (local->port == 0 || local->port == s->local.port))
            return s;
    }
    return NULL;
}

static int find_id(int fd, const struct mptcp_picture *before, const struct mptcp_address *local,
                   const struct mptcp_address *remote, uint32_t *ret_id, struct mptcp_reason *reason)
{
    struct mptcp_picture *now;
    struct wire_subflow *subflow;
    int r;

    *ret_id = 0;
    if (fd < 0)
        return 0;
    if (!(now = malloc(sizeof *now)))
        return mptcp_say(reason, -ENOMEM, "out of memory");
    if ((r = mptcp_inspect(fd, now, reason)) == 0) {
        subflow = find_new(now, before, local, remote);
        if (!subflow || mptcp_subflow_tcp_state(subflow) == CLOSED)
            r = mptcp_say(reason, -ECONNREFUSED, "it was refused at once");
        else
            *ret_id = subflow->id;
    }
    free(now);
    return r;
}

/* Somebody else may give the same number meanwhile, and kernels before 6.10 do not list what is given: then the next. */
static int create(struct mptcp_control *control, uint32_t token, const struct mptcp_address *local,
                  const struct mptcp_address *remote, int number, bool backup, struct mptcp_reason *reason)
{
    struct netlink_request request;
    struct mptcp_reason words;
    int r, last = number + 16 < 255 ? number + 16 : 255;

    do {
        begin(control, &request, PM_SUBFLOW_CREATE, 0, token);
        put_address(&request, PM_ATTR_ADDR, local, number, backup ? PM_FLAG_BACKUP : -1);
        put_address(&request, PM_ATTR_ADDR_REMOTE, remote, -1, -1);
        r = genl_ask(control->fd, &request, NULL, NULL, &words);
    } while (r == -EINVAL && strstr(words.text, "did not match") && ++number <= last);
    return r < 0 ? explain(r, &words, reason) : 0;
}

int mptcp_control_create(struct mptcp_control *control, const struct mptcp_picture *picture, int fd,
                         const struct mptcp_address *local, const struct mptcp_address *remote, bool backup,
                         uint32_t *ret_id, struct mptcp_reason *reason)
{
    struct mptcp_address l = *local, p = *remote;
    int r = complete(picture, &l, &p, reason), number;

    if (r < 0)
        return r;
    p.interface = 0;
    if (l.port && mptcp_picture_match((struct mptcp_picture *)picture, &l, &p))
        return mptcp_say(reason, -EEXIST,
                         "the connection has a subflow between these four already; one of them must differ");
    if ((r = choose_number(control, picture, &l, &number, reason)) < 0 ||
        (r = create(control, picture->token, &l, &p, number, backup, reason)) < 0)
        return r;
    return find_id(fd, picture, &l, &p, ret_id, reason);
}

/* As the kernel has an IPv4 address of a subflow that an IPv6 socket began with. */
static struct mptcp_address clothed(const struct mptcp_address *address)
{
    struct mptcp_address mapped = *address;

    mapped.family = AF_INET6;
    memset(mapped.bytes, 0, 10);
    mapped.bytes[10] = mapped.bytes[11] = 0xff;
    memcpy(mapped.bytes + 12, address->bytes, 4);
    return mapped;
}

/* A command about a subflow, by its ends. */
static int command(struct mptcp_control *control, unsigned number, const struct mptcp_picture *picture, uint32_t id,
                   int flags, struct mptcp_reason *reason)
{
    struct wire_subflow *s = mptcp_picture_find((struct mptcp_picture *)picture, id);
    struct mptcp_address local, remote;
    struct netlink_request request;
    struct mptcp_reason words;
    int r;

    if (!s)
        return mptcp_say(reason, -ENOENT, "no subflow has id %u", id);
    local = s->local;
    remote = s->remote;
    for (bool again = local.family == AF_INET;; again = false) {
        begin(control, &request, number, 0, picture->token);
        put_address(&request, PM_ATTR_ADDR, &local, -1, flags);
        put_address(&request, PM_ATTR_ADDR_REMOTE, &remote, -1, -1);
        r = genl_ask(control->fd, &request, NULL, NULL, &words);
        if (!again || (r != -ESRCH && r != -EINVAL))
            break;
        local = clothed(&local);
        remote = clothed(&remote);
    }
    if (r == -ESRCH)
        return mptcp_say(reason, -ENOENT, "subflow %u is gone", id);
    return r < 0 ? explain(r, &words, reason) : 0;
}

int mptcp_control_destroy(struct mptcp_control *control, const struct mptcp_picture *picture, uint32_t id,
                          struct mptcp_reason *reason)
{
    return command(control, PM_SUBFLOW_DESTROY, picture, id, -1, reason);
}

int mptcp_control_backup(struct mptcp_control *control, const struct mptcp_picture *picture, uint32_t id, bool backup,
                         struct mptcp_reason *reason)
{
    return command(control, PM_SET_FLAGS, picture, id, backup ? PM_FLAG_BACKUP : 0, reason);
}

/* ------------------------------------------------------------------------------------------------------- addresses */

int mptcp_control_announce(struct mptcp_control *control, const struct mptcp_picture *picture,
                           const struct mptcp_address *address, uint8_t *ret_id, struct mptcp_reason *reason)
{
    struct mptcp_address a = *address;
    struct netlink_request request;
    int r, number;

    if (mptcp_address_is_any(&a)) {
        if ((r = mptcp_route_source(&picture->first_remote, &a)) < 0)
            return mptcp_say(reason, r, "the interface has no address that leads to the peer: %s", strerror(-r));
    }
    a.interface = 0;
    if ((r = choose_number(control, picture, &a, &number, reason)) < 0)
        return r;
    if (number == 0)
        return mptcp_say(reason, -EEXIST, "the peer knows this address: the connection began with it");
    begin(control, &request, PM_ANNOUNCE, 0, picture->token);
    put_address(&request, PM_ATTR_ADDR, &a, number, PM_FLAG_SIGNAL);
    if ((r = ask(control, &request, NULL, NULL, reason)) < 0)
        return r;
    *ret_id = (uint8_t)number;
    return 0;
}

int mptcp_control_withdraw(struct mptcp_control *control, uint32_t token, uint8_t id, struct mptcp_reason *reason)
{
    struct netlink_request request;
    struct mptcp_reason words;
    int r;

    begin(control, &request, PM_REMOVE, 0, token);
    netlink_put(&request, PM_ATTR_LOC_ID, &id, sizeof id);
    r = genl_ask(control->fd, &request, NULL, NULL, &words);
    if (r == -EINVAL && !strstr(words.text, "invalid token") && !strstr(words.text, "not selected"))
        return mptcp_say(reason, -ENOENT, "no address that was announced has number %u", id);
    return r < 0 ? explain(r, &words, reason) : 0;
}
