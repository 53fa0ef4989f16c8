/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoints.h"

#include <linux/genetlink.h>
#include <string.h>

#include "mptcp/genl.h"
#include "mptcp/kernel.h"

enum { PM_GET_LIMITS = 6, PM_ATTR_RCV_ADD_ADDRS = 2, PM_ATTR_SUBFLOWS = 3 };

static void take_limits(void *user, const struct nlmsghdr *header)
{
    struct genl_message message = genl_message(header, sizeof(struct genlmsghdr));
    struct endpoints *endpoints = user;

    endpoints->accepted = (unsigned)genl_number(&message, PM_ATTR_RCV_ADD_ADDRS, 4, 0);
    endpoints->subflows = (unsigned)genl_number(&message, PM_ATTR_SUBFLOWS, 4, 0);
}

static void take_endpoint(void *user, const struct nlmsghdr *header)
{
    struct genl_message message = genl_message(header, sizeof(struct genlmsghdr)),
                        told = genl_inside(&message, PM_ATTR_ADDR);
    struct endpoints *endpoints = user;
    struct endpoint endpoint = {.flags = (uint32_t)genl_number(&told, PM_ADDR_FLAGS, 4, 0)};
    const void *bytes;

    if (endpoints->count == ENDPOINTS_MAX)
        return;
    if ((bytes = genl_get(&told, PM_ADDR_ADDR4, 4, NULL))) {
        endpoint.address.family = AF_INET;
        memcpy(endpoint.address.bytes, bytes, 4);
    } else if ((bytes = genl_get(&told, PM_ADDR_ADDR6, 16, NULL))) {
        endpoint.address.family = AF_INET6;
        memcpy(endpoint.address.bytes, bytes, 16);
    } else {
        return;
    }
    endpoint.address.port = (uint16_t)genl_number(&told, PM_ADDR_PORT, 2, 0);
    endpoint.address.interface = (uint32_t)genl_number(&told, PM_ADDR_IF_IDX, 4, 0);
    endpoints->list[endpoints->count++] = endpoint;
}

static int ask(const struct mptcp_control *control, uint8_t command, unsigned flags, genl_fn take,
               struct endpoints *endpoints)
{
    struct genlmsghdr head = {.cmd = command, .version = KERNEL_PM_VERSION};
    struct netlink_request request;
    struct mptcp_reason words;

    netlink_begin(&request, control->family, flags, &head, sizeof head);
    return genl_ask(control->fd, &request, take, endpoints, &words);
}

int endpoints_read(const struct mptcp_control *control, struct endpoints *ret_endpoints)
{
    int r;

    memset(ret_endpoints, 0, sizeof *ret_endpoints);
    r = ask(control, PM_GET_LIMITS, 0, take_limits, ret_endpoints);
    return r < 0 ? r : ask(control, PM_GET_ADDR, NLM_F_DUMP, take_endpoint, ret_endpoints);
}
