/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/route.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static int ask(int fd, const struct mptcp_address *remote, struct mptcp_address *local)
{
    struct mptcp_address to = *remote, source;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[IF_NAMESIZE];

    if (local->interface) {
        if (!if_indextoname(local->interface, name))
            return -ENODEV;
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) < 0)
            return -errno;
    }
    if (!to.port)
        to.port = 9; /* any: nothing is sent */
    mptcp_address_to(&to, &address);
    if (connect(fd, (const struct sockaddr *)&address, (socklen_t)mptcp_sockaddr_size(&address)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return -errno;
    if (!mptcp_address_from(&source, (const struct sockaddr *)&address, size) || mptcp_address_is_any(&source))
        return -EADDRNOTAVAIL;
    local->family = source.family;
    memcpy(local->bytes, source.bytes, sizeof local->bytes);
    return 0;
}

int mptcp_route_source(const struct mptcp_address *remote, struct mptcp_address *local)
{
    int fd = socket(remote->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0)
        return -errno;
    r = ask(fd, remote, local);
    close(fd);
    return r;
}
