/* SPDX-License-Identifier: Apache-2.0 */
/* The option names and structures of the enhanced socket API for MPTCP (S5.17-S5.24) over the typed calls. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "mptcp/handle.h"

/* *optlen is less than needed? Then it says so. */
static bool is_short(unsigned int *optlen, size_t needed)
{
    if (*optlen >= needed)
        return false;
    *optlen = (unsigned)needed;
    return true;
}

static struct mptcp_sub_status status_of(const hawser_subflow *s)
{
    return (struct mptcp_sub_status){
        .id = s->id,
        .slave = !s->first,
        .fully_established = s->state == HAWSER_SUBFLOW_ESTABLISHED,
        .attached = 1,
        .low_prio = s->backup,
        .pre_established = s->state == HAWSER_SUBFLOW_OPENING,
    };
}

static int get_ids(hawser_mptcp *m, struct mptcp_sub_ids *ids, unsigned int *optlen)
{
    hawser_subflow *list;
    size_t count, needed;
    int r = hawser_subflows(m, &list, &count);

    if (r < 0)
        return r;
    needed = sizeof *ids + count * sizeof ids->sub_status[0];
    if (is_short(optlen, needed)) {
        r = -ENOBUFS;
    } else {
        ids->sub_count = (uint32_t)count;
        for (size_t i = 0; i < count; i++)
            ids->sub_status[i] = status_of(&list[i]);
        *optlen = (unsigned)needed;
    }
    free(list);
    return r;
}

static int get_tuple(hawser_mptcp *m, struct mptcp_sub_tuple *tuple, unsigned int *optlen)
{
    hawser_subflow subflow;
    size_t local, remote;
    int r;

    if (is_short(optlen, sizeof *tuple))
        return -ENOBUFS;
    if ((r = hawser_subflow_get(m, tuple->id, &subflow)) < 0)
        return r;
    local = mptcp_sockaddr_size(&subflow.local);
    remote = mptcp_sockaddr_size(&subflow.remote);
    if (is_short(optlen, sizeof *tuple + local + remote))
        return -ENOBUFS;
    tuple->prio = subflow.backup;
    memcpy(tuple->addrs, &subflow.local, local);
    memcpy((char *)tuple->addrs + local, &subflow.remote, remote);
    *optlen = (unsigned)(sizeof *tuple + local + remote);
    return 0;
}

/* One of the two addresses, at most size bytes; how many it takes, or -EINVAL. A port alone is one too. */
static int take_end(const void *from, size_t size, struct sockaddr_storage *ret_end)
{
    sa_family_t family;
    size_t wanted;

    if (size < sizeof family)
        return -EINVAL;
    memcpy(&family, from, sizeof family);
    wanted = family == AF_INET ? sizeof(struct sockaddr_in) : family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
    if (wanted == 0 || size < wanted)
        return -EINVAL;
    memset(ret_end, 0, sizeof *ret_end);
    memcpy(ret_end, from, wanted);
    return (int)wanted;
}

/* new_id may be NULL. */
static int open_tuple(hawser_mptcp *m, const struct mptcp_sub_tuple *tuple, unsigned int optlen, uint32_t *new_id)
{
    struct sockaddr_storage local, remote;
    int size;

    if (optlen < sizeof *tuple)
        return -EINVAL;
    optlen -= (unsigned)sizeof *tuple;
    size = take_end(tuple->addrs, optlen, &local);
    if (size < 0 || take_end((const char *)tuple->addrs + size, optlen - (unsigned)size, &remote) < 0)
        return -EINVAL;
    return hawser_subflow_open(m,
                               HAWSER_SUBFLOW(.local_address = (struct sockaddr *)&local,
                                              .remote_address = (struct sockaddr *)&remote, .backup = tuple->prio != 0),
                               new_id);
}

static int get_info(hawser_mptcp *m, struct mptcp_sub_info *info, unsigned int *optlen)
{
    unsigned int room;
    int r;

    if (is_short(optlen, offsetof(struct mptcp_sub_info, info) + 1))
        return -ENOBUFS;
    room = *optlen - (unsigned)offsetof(struct mptcp_sub_info, info);
    r = hawser_subflow_getsockopt(m, info->id, IPPROTO_TCP, 11 /* TCP_INFO */, info->info, &room);
    if (r == 0)
        *optlen = (unsigned)offsetof(struct mptcp_sub_info, info) + room;
    return r;
}

static int get_option(hawser_mptcp *m, struct mptcp_sub_getsockopt *option, unsigned int *optlen)
{
    if (is_short(optlen, sizeof *option))
        return -ENOBUFS;
    *optlen = sizeof *option;
    if (!option->optval || !option->optlen)
        return -EFAULT;
    return hawser_subflow_getsockopt(m, option->id, option->level, option->optname, option->optval, option->optlen);
}

static int get(hawser_mptcp *m, int name, void *value, unsigned int *optlen)
{
    uint32_t id;
    int r;

    switch (name) {
    case MPTCP_GET_SUB_IDS:
        return get_ids(m, value, optlen);
    case MPTCP_GET_SUB_TUPLE:
        return get_tuple(m, value, optlen);
    case MPTCP_OPEN_SUB_TUPLE:
        if ((r = open_tuple(m, value, *optlen, &id)) == 0)
            ((struct mptcp_sub_tuple *)value)->id = id;
        return r;
    case MPTCP_GET_SUB_INFO:
        return get_info(m, value, optlen);
    case MPTCP_SUB_GETSOCKOPT:
        return get_option(m, value, optlen);
    default:
        return is_short(optlen, sizeof(struct mptcp_close_sub_id))
                   ? -ENOBUFS
                   : hawser_subflow_close(m, ((const struct mptcp_close_sub_id *)value)->id);
    }
}

int hawser_mptcp_getsockopt(int fd, int level, int name, void *value, unsigned int *optlen)
{
    hawser_mptcp *m;
    socklen_t size;
    int r;

    if (level != IPPROTO_TCP || name < MPTCP_GET_SUB_IDS || name > MPTCP_SUB_GETSOCKOPT) {
        size = *optlen;
        if (getsockopt(fd, level, name, value, &size) < 0)
            return -errno;
        *optlen = size;
        return 0;
    }
    if ((r = hawser_mptcp_open(fd, NULL, &m)) < 0)
        return fd < 0 ? -EBADF : r;
    r = get(m, name, value, optlen);
    hawser_mptcp_close(m);
    return r;
}

static int set(hawser_mptcp *m, int name, const void *value, unsigned int optlen)
{
    const struct mptcp_sub_setsockopt *option = value;

    if (name == MPTCP_OPEN_SUB_TUPLE)
        return open_tuple(m, value, optlen, NULL);
    if (name == MPTCP_CLOSE_SUB_ID)
        return optlen < sizeof(struct mptcp_close_sub_id)
                   ? -EINVAL
                   : hawser_subflow_close(m, ((const struct mptcp_close_sub_id *)value)->id);
    if (optlen < sizeof *option)
        return -EINVAL;
    if (!option->optval)
        return -EFAULT;
    return hawser_subflow_setsockopt(m, option->id, option->level, option->optname, option->optval, option->optlen);
}

int hawser_mptcp_setsockopt(int fd, int level, int name, const void *value, unsigned int optlen)
{
    hawser_mptcp *m;
    int r;

    if (level != IPPROTO_TCP ||
        (name != MPTCP_OPEN_SUB_TUPLE && name != MPTCP_CLOSE_SUB_ID && name != MPTCP_SUB_SETSOCKOPT))
        return setsockopt(fd, level, name, value, optlen) < 0 ? -errno : 0;
    if ((r = hawser_mptcp_open(fd, NULL, &m)) < 0)
        return fd < 0 ? -EBADF : r;
    r = set(m, name, value, optlen);
    hawser_mptcp_close(m);
    return r;
}
