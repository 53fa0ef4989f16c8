/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hawser/errors.h>

#include "mptcp/process.h"

static bool keep(const char *text, char **ret_copy)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy;
}

int hawser_mptcp_open(int fd, const hawser_mptcp_options *options, hawser_mptcp **ret_mptcp)
{
    static const hawser_mptcp_options none = {.struct_size = sizeof none};
    const hawser_mptcp_options *o = options ? options : &none;
    struct hawser_mptcp *m;

    if (!ret_mptcp || o->struct_size != sizeof *o || o->pid < 0 || (!o->local != !o->remote) || (fd < 0) == !o->local)
        return -EINVAL;
    if (!(m = malloc(sizeof *m)))
        return -ENOMEM;
    memset(m, 0, offsetof(struct hawser_mptcp, picture));
    memset(&m->picture, 0, offsetof(struct mptcp_picture, subflows));
    m->fd = o->pid ? -1 : fd;
    m->target = (struct wire_target){.pid = o->pid, .fd = fd};
    m->pid = o->pid;
    m->no_rights = o->no_rights;
    m->control.fd = m->helper_fd = -1;
    if (!keep(o->local, &m->local) || !keep(o->remote, &m->remote) || !keep(o->helper, &m->helper)) {
        hawser_mptcp_close(m);
        return -ENOMEM;
    }
    *ret_mptcp = m;
    return 0;
}

void hawser_mptcp_close(hawser_mptcp *m)
{
    if (!m)
        return;
    handle_let_go(m);
    watch_free(m->watch);
    mptcp_control_close(&m->control);
    client_close(m);
    free(m->reply);
    free(m->local);
    free(m->remote);
    free(m->helper);
    free(m);
}

const char *hawser_mptcp_reason(const hawser_mptcp *m)
{
    return m->reason.text;
}

/* ------------------------------------------------------------------------------------------------- which connection */

/* By its ends: the socket of whoever holds it, if we may have that; else the helper is to find it. */
static int resolve_ends(struct hawser_mptcp *m)
{
    struct mptcp_found found;
    struct mptcp_reason unsaid;
    pid_t pid;
    int fd, r;

    m->target.kind = WIRE_BY_TUPLE;
    m->target.fd = -1;
    if ((r = mptcp_address_read(m->local, &m->target.local)) < 0 ||
        (r = mptcp_address_read(m->remote, &m->target.remote)) < 0 || !m->target.local.port || !m->target.remote.port)
        return mptcp_say(&m->reason, r < 0 ? r : -HAWSER_EENDPOINT, "%s and %s are not two ends with ports", m->local,
                         m->remote);
    if ((r = mptcp_find_by_ends(&m->target.local, &m->target.remote, &found, &m->reason)) < 0)
        return r;
    if (mptcp_holder(found.inode, &pid, &fd) == 0 && mptcp_borrow(pid, fd, &m->fd, &unsaid) == 0)
        m->borrowed = true;
    return 0;
}

static int resolve(struct hawser_mptcp *m)
{
    int r;

    if (m->local)
        return resolve_ends(m);
    if (m->pid == 0) {
        m->target.kind = WIRE_BY_FD;
        return 0;
    }
    m->target.kind = WIRE_BY_PID;
    r = mptcp_borrow(m->pid, m->target.fd, &m->fd, &m->reason);
    if (r == 0)
        m->borrowed = true;
    return r == -EPERM ? 0 : r; /* the helper may know better */
}

int handle_begin(struct hawser_mptcp *m)
{
    int r = 0;

    m->reason.text[0] = '\0';
    if (!m->resolved && (r = resolve(m)) == 0)
        m->resolved = true;
    return r;
}

void handle_let_go(struct hawser_mptcp *m)
{
    if (!m->borrowed)
        return;
    close(m->fd);
    m->fd = -1;
    m->borrowed = m->resolved = false;
}

/* ------------------------------------------------------------------------------------------------------------ looking */

static int look_by_helper(struct hawser_mptcp *m)
{
    struct wire_request request = client_request(m, WIRE_LIST);
    int r = client_ask(m, &request);

    if (r < 0)
        return r;
    memset(&m->picture, 0, offsetof(struct mptcp_picture, subflows));
    m->picture.token = m->reply->token;
    m->picture.count = m->reply->count;
    m->picture.truncated = m->reply->flags & WIRE_TRUNCATED_FLAG;
    memcpy(m->picture.subflows, m->reply->subflows, m->reply->count * sizeof m->reply->subflows[0]);
    for (unsigned i = 0; i < m->picture.count; i++) {
        struct wire_subflow *s = &m->picture.subflows[i];
        if (s->info_size > WIRE_INFO_MAX)
            s->info_size = 0;
        if (s->flags & MPTCP_SUBFLOW_FIRST || i == 0) {
            m->picture.first_local = s->local;
            m->picture.first_remote = s->remote;
        }
    }
    return 0;
}

int handle_look(struct hawser_mptcp *m)
{
    return m->fd >= 0 ? mptcp_inspect(m->fd, &m->picture, &m->reason) : look_by_helper(m);
}

/* ------------------------------------------------------------------------------------------------------------- access */

static int access_by_rights(struct hawser_mptcp *m)
{
    int r = 0;

    if (m->no_rights || m->fd < 0)
        return mptcp_say(&m->reason, -EPERM, "this process is not to use rights of its own");
    if (m->control.fd < 0)
        r = mptcp_control_open(&m->control, &m->reason);
    if (r == 0)
        r = mptcp_control_steers(&m->control, m->picture.token, &m->reason);
    if (r == 0)
        m->access = HAWSER_MPTCP_BY_RIGHTS;
    return r;
}

static int access_by_helper(struct hawser_mptcp *m)
{
    struct wire_request request = client_request(m, WIRE_HELLO);
    struct mptcp_reason own = m->reason;
    int r;

    request.target = (struct wire_target){0};
    r = client_ask(m, &request);
    if (r == 0) {
        m->access = HAWSER_MPTCP_BY_HELPER; /* whether it can: the request itself will say, in its words */
        return 0;
    }
    if (!m->no_rights && m->fd >= 0) {
        struct mptcp_reason helper = m->reason;
        mptcp_say(&m->reason, r, "%.90s; %.104s", own.text, helper.text);
    }
    return r;
}

int handle_access(struct hawser_mptcp *m)
{
    int r;

    if (m->access != HAWSER_MPTCP_NO_CONTROL)
        return 0;
    r = access_by_rights(m);
    return r == -EPERM ? access_by_helper(m) : r;
}

hawser_mptcp_control hawser_mptcp_able(hawser_mptcp *m)
{
    m->access = HAWSER_MPTCP_NO_CONTROL; /* asked anew: the helper may have come or gone */
    if (handle_begin(m) < 0 || handle_look(m) < 0 || handle_access(m) < 0)
        return HAWSER_MPTCP_NO_CONTROL;
    if (m->access == HAWSER_MPTCP_BY_HELPER) {
        struct wire_request request = client_request(m, WIRE_HELLO);
        request.target = (struct wire_target){0};
        if (client_ask(m, &request) < 0)
            return m->access = HAWSER_MPTCP_NO_CONTROL;
        if (!(m->reply->id & WIRE_CAN_CONTROL)) {
            mptcp_say(&m->reason, -EOPNOTSUPP,
                      "the kernel's own path manager rules in this network namespace (net.mptcp.pm_type is not 1)");
            return m->access = HAWSER_MPTCP_NO_CONTROL;
        }
    }
    return m->access;
}

/* --------------------------------------------------------------------------------------------------------- information */

static void read_scheduler(char *ret_name, size_t size)
{
    FILE *file = fopen("/proc/sys/net/mptcp/scheduler", "re");

    *ret_name = '\0';
    if (!file)
        return;
    if (fgets(ret_name, (int)size, file))
        ret_name[strcspn(ret_name, "\n")] = '\0';
    fclose(file);
}

int hawser_mptcp_get_info(hawser_mptcp *m, hawser_mptcp_info *ret_info)
{
    hawser_mptcp_info info = {0};
    hawser_subflow *list;
    size_t count;
    int r = hawser_subflows(m, &list, &count);

    if (r < 0)
        return r;
    free(list);
    info.token = m->picture.token;
    info.subflows = (unsigned)count;
    info.bytes_sent = m->picture.bytes_sent;
    info.bytes_received = m->picture.bytes_received;
    info.bytes_acked = m->picture.bytes_acked;
    info.bytes_retransmitted = m->picture.bytes_retransmitted;
    info.checksum = m->picture.checksum;
    read_scheduler(info.scheduler, sizeof info.scheduler);
    *ret_info = info;
    return 0;
}
