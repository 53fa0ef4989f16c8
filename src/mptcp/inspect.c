/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/inspect.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/diag.h"
#include "mptcp/kernel.h"

enum { CLOSED = 7 }; /* TCP_CLOSE: the states are in <netinet/tcp.h>, which does not go together with <linux/tcp.h> */

/* Why a call at SOL_MPTCP failed with error, in words. */
static int explain(int fd, int error, struct mptcp_reason *reason)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;

    if (error == EBADF || error == ENOTSOCK)
        return mptcp_say(reason, -error, "descriptor %d is not %s", fd, error == EBADF ? "open" : "a socket");
    if (error != EOPNOTSUPP && error != ENOPROTOOPT)
        return mptcp_say(reason, -error, "the kernel does not tell of this connection: %s", strerror(error));
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    if (protocol == KERNEL_IPPROTO_MPTCP)
        return mptcp_say(reason, -EOPNOTSUPP,
                         "not MPTCP: the connection fell back to TCP, since the peer or something on the way has none");
    return mptcp_say(reason, -EOPNOTSUPP, "not MPTCP: %s",
                     protocol == IPPROTO_TCP ? "this is a TCP socket" : "this is a socket of another protocol");
}

static int get_info(int fd, struct kernel_mptcp_info *ret_info, struct mptcp_reason *reason)
{
    socklen_t size = sizeof *ret_info;

    memset(ret_info, 0, sizeof *ret_info);
    if (getsockopt(fd, KERNEL_SOL_MPTCP, KERNEL_INFO, ret_info, &size) < 0)
        return explain(fd, errno, reason);
    return 0;
}

int mptcp_token(int fd, uint32_t *ret_token, struct mptcp_reason *reason)
{
    struct kernel_mptcp_info info;
    int r = get_info(fd, &info, reason);

    if (r == 0)
        *ret_token = info.token;
    return r;
}

static void take_info(struct mptcp_picture *picture, const struct kernel_mptcp_info *info)
{
    picture->token = info->token;
    picture->checksum = info->csum_enabled;
    picture->bytes_sent = info->bytes_sent;
    picture->bytes_received = info->bytes_received;
    picture->bytes_acked = info->bytes_acked;
    picture->bytes_retransmitted = info->bytes_retrans;
}

/* Adds a subflow; the kernel tells them in the order in which they were made. */
static void add(struct mptcp_picture *picture, uint32_t id, const struct kernel_subflow_addrs *addrs, const void *info,
                size_t info_size)
{
    struct wire_subflow *s = &picture->subflows[picture->count];

    memset(s, 0, sizeof *s);
    if (!mptcp_address_from(&s->local, (const struct sockaddr *)&addrs->local, sizeof addrs->local) ||
        !mptcp_address_from(&s->remote, (const struct sockaddr *)&addrs->remote, sizeof addrs->remote))
        return; /* one that is not connected yet */
    s->id = id;
    s->local_id = s->remote_id = -1;
    s->info_size = (uint32_t)(info_size < sizeof s->info ? info_size : sizeof s->info);
    memcpy(s->info, info, s->info_size);
    picture->count++;
}

/* The one that the connection began with: its ends are what getsockname(2) and getpeername(2) keep telling. */
static void mark_first(int fd, struct mptcp_picture *picture)
{
    struct sockaddr_storage local, remote;
    socklen_t local_size = sizeof local, remote_size = sizeof remote;
    struct mptcp_address l, r;
    struct wire_subflow *first;

    if (getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
        getpeername(fd, (struct sockaddr *)&remote, &remote_size) == 0 &&
        mptcp_address_from(&l, (const struct sockaddr *)&local, local_size) &&
        mptcp_address_from(&r, (const struct sockaddr *)&remote, remote_size)) {
        picture->first_local = l;
        picture->first_remote = r;
        for (unsigned i = 0; i < picture->count; i++) {
            first = &picture->subflows[i];
            if (mptcp_address_same(&first->local, &l) && mptcp_address_same(&first->remote, &r)) {
                first->flags |= MPTCP_SUBFLOW_FIRST;
                return; /* ports may be used again later: the oldest it is */
            }
        }
    }
}

/* The kernel packs its structs as closely as the smaller of its size and ours. */
struct arrays {
    struct kernel_subflow_info subflows[WIRE_SUBFLOWS_MAX];
    uint8_t infos[WIRE_SUBFLOWS_MAX * WIRE_INFO_MAX];
};

static size_t info_size(uint32_t kernel)
{
    return kernel < WIRE_INFO_MAX ? kernel : WIRE_INFO_MAX;
}

static int inspect_full(int fd, struct arrays *arrays, struct mptcp_picture *picture)
{
    struct kernel_full_info full = {
        .size_tcpinfo_user = WIRE_INFO_MAX,
        .size_sfinfo_user = sizeof arrays->subflows[0],
        .size_arrays_user = WIRE_SUBFLOWS_MAX,
        .subflow_info = (uintptr_t)arrays->subflows,
        .tcp_info = (uintptr_t)arrays->infos,
    };
    socklen_t size = sizeof full;
    size_t each;

    if (getsockopt(fd, KERNEL_SOL_MPTCP, KERNEL_FULL_INFO, &full, &size) < 0)
        return -errno;
    take_info(picture, &full.info);
    picture->truncated = full.num_subflows > WIRE_SUBFLOWS_MAX;
    each = info_size(full.size_tcpinfo_kernel);
    for (unsigned i = 0; i < full.num_subflows && i < WIRE_SUBFLOWS_MAX; i++)
        add(picture, arrays->subflows[i].id, &arrays->subflows[i].addrs, arrays->infos + i * each, each);
    mark_first(fd, picture);
    return 0;
}

int mptcp_inspect(int fd, struct mptcp_picture *ret_picture, struct mptcp_reason *reason)
{
    struct arrays *arrays = malloc(sizeof *arrays);
    int r;

    if (!arrays)
        return mptcp_say(reason, -ENOMEM, "out of memory");
    memset(ret_picture, 0, offsetof(struct mptcp_picture, subflows));
    r = inspect_full(fd, arrays, ret_picture);
    free(arrays);
    if (r == 0)
        return 0;
    /* An older kernel, or no MPTCP: the older calls tell the one from the other. */
    return r == -EOPNOTSUPP ? mptcp_inspect_old(fd, ret_picture, reason) : explain(fd, -r, reason);
}

/* ------------------------------------------------------------------------------------------------ kernels before 6.5 */

/* One of the calls that answer an array. ret_array: room for WIRE_SUBFLOWS_MAX elements of size each; ret_each: how far they
 * are apart in it. How many there are. */
static int get_array(int fd, int name, size_t each, void *ret_array, size_t *ret_each)
{
    struct kernel_subflow_data *data;
    socklen_t size = (socklen_t)(sizeof *data + WIRE_SUBFLOWS_MAX * each);
    int count;

    if (!(data = calloc(1, size)))
        return -ENOMEM;
    data->size_subflow_data = sizeof *data;
    data->size_user = (uint32_t)each;
    if (getsockopt(fd, KERNEL_SOL_MPTCP, name, data, &size) < 0) {
        count = -errno;
    } else {
        count = (int)data->num_subflows;
        *ret_each = data->size_kernel < each ? data->size_kernel : each;
        memcpy(ret_array, data + 1, WIRE_SUBFLOWS_MAX * each);
    }
    free(data);
    return count;
}

static int inspect_arrays(int fd, struct kernel_subflow_addrs *addrs, uint8_t *infos, struct mptcp_picture *picture,
                          struct mptcp_reason *reason)
{
    struct diag_answer answer;
    size_t addrs_size, each = 0;
    int count = get_array(fd, KERNEL_SUBFLOW_ADDRS, sizeof *addrs, addrs, &addrs_size), told, diag, r;

    told = count < 0 ? count : get_array(fd, KERNEL_TCPINFO, WIRE_INFO_MAX, infos, &each);
    if (told < 0)
        return explain(fd, -told, reason);
    if ((r = diag_open(&diag)) < 0)
        return mptcp_say(reason, r, "this kernel (before 6.5) names no subflows, and sock_diag is not to be had: %s",
                         strerror(-r));
    picture->truncated = count > WIRE_SUBFLOWS_MAX;
    for (int i = 0; i < count && i < told && i < WIRE_SUBFLOWS_MAX; i++) {
        struct wire_subflow *s = &picture->subflows[picture->count];
        unsigned before = picture->count;

        add(picture, 0, &addrs[i], infos + (size_t)i * each, each);
        if (picture->count == before)
            continue;
        if (diag_ask(diag, &s->local, &s->remote, &answer) < 0)
            picture->count--; /* closed since */
        else
            s->id = (uint32_t)answer.cookie;
    }
    close(diag);
    mark_first(fd, picture);
    return 0;
}

int mptcp_inspect_old(int fd, struct mptcp_picture *ret_picture, struct mptcp_reason *reason)
{
    struct kernel_mptcp_info info;
    struct kernel_subflow_addrs *addrs;
    uint8_t *infos;
    int r = get_info(fd, &info, reason);

    if (r < 0)
        return r;
    memset(ret_picture, 0, offsetof(struct mptcp_picture, subflows));
    take_info(ret_picture, &info);
    addrs = calloc(WIRE_SUBFLOWS_MAX, sizeof *addrs);
    infos = calloc(WIRE_SUBFLOWS_MAX, WIRE_INFO_MAX);
    r = addrs && infos ? inspect_arrays(fd, addrs, infos, ret_picture, reason)
                       : mptcp_say(reason, -ENOMEM, "out of memory");
    free(addrs);
    free(infos);
    return r;
}

/* --------------------------------------------------------------------------------------------------------- finding */

struct wire_subflow *mptcp_picture_find(struct mptcp_picture *picture, uint32_t id)
{
    for (unsigned i = 0; i < picture->count; i++)
        if (picture->subflows[i].id == id && mptcp_subflow_tcp_state(&picture->subflows[i]) != CLOSED)
            return &picture->subflows[i];
    return NULL;
}

struct wire_subflow *mptcp_picture_match(struct mptcp_picture *picture, const struct mptcp_address *local,
                                         const struct mptcp_address *remote)
{
    for (unsigned i = 0; i < picture->count; i++) {
        struct wire_subflow *s = &picture->subflows[i];
        if (mptcp_address_same(&s->local, local) && mptcp_address_same(&s->remote, remote) &&
            mptcp_subflow_tcp_state(s) != CLOSED)
            return s;
    }
    return NULL;
}

unsigned mptcp_subflow_tcp_state(const struct wire_subflow *subflow)
{
    return subflow->info_size > 0 ? subflow->info[offsetof(struct tcp_info, tcpi_state)] : CLOSED;
}
