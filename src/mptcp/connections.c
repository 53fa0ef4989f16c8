/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections there are, and which descriptors of which processes hold them. */
#include <errno.h>
#include <stdlib.h>

#include "mptcp/handle.h"
#include "mptcp/process.h"

struct joining {
    struct mptcp_connection *connections;
    bool *held;
    size_t connection_count;
    hawser_mptcp_connection *list;
    size_t count, capacity;
    int error;
};

static void add(struct joining *j, const struct mptcp_connection *c, pid_t pid, int fd)
{
    hawser_mptcp_connection *list;

    if (j->count == j->capacity) {
        size_t capacity = 2 * j->capacity + 8;
        if (!(list = realloc(j->list, capacity * sizeof *list))) {
            j->error = -ENOMEM;
            return;
        }
        j->list = list;
        j->capacity = capacity;
    }
    j->list[j->count] = (hawser_mptcp_connection){.token = c->token, .uid = c->uid, .pid = pid, .fd = fd};
    mptcp_address_to(&c->local, &j->list[j->count].local);
    mptcp_address_to(&c->remote, &j->list[j->count].remote);
    j->count++;
}

static int by_inode(const void *a, const void *b)
{
    uint32_t left = ((const struct mptcp_connection *)a)->inode, right = ((const struct mptcp_connection *)b)->inode;

    return (left > right) - (left < right);
}

static void take_socket(void *user, pid_t pid, int fd, unsigned long inode)
{
    struct joining *j = user;
    struct mptcp_connection wanted = {.inode = (uint32_t)inode}, *found;

    if (inode > UINT32_MAX || j->error)
        return;
    found = bsearch(&wanted, j->connections, j->connection_count, sizeof wanted, by_inode);
    if (!found)
        return;
    j->held[found - j->connections] = true;
    add(j, found, pid, fd);
}

int hawser_mptcp_connections(pid_t pid, hawser_mptcp_connection **ret_connections, size_t *ret_count)
{
    struct joining j = {0};
    int r = mptcp_connections(&j.connections, &j.connection_count, NULL);

    if (r < 0)
        return r;
    j.list = malloc(sizeof *j.list);
    j.capacity = 1;
    j.held = calloc(j.connection_count + 1, sizeof *j.held);
    if (j.list && j.held) {
        if (j.connection_count)
            qsort(j.connections, j.connection_count, sizeof *j.connections, by_inode);
        mptcp_each_socket(pid, take_socket, &j);
        for (size_t i = 0; !pid && i < j.connection_count; i++)
            if (!j.held[i])
                add(&j, &j.connections[i], 0, -1);
    } else {
        j.error = -ENOMEM;
    }
    free(j.connections);
    free(j.held);
    if (j.error) {
        free(j.list);
        return j.error;
    }
    *ret_connections = j.list;
    *ret_count = j.count;
    return 0;
}
