/* SPDX-License-Identifier: Apache-2.0 */
/* Options of one subflow: what the kernel tells anybody of it, and the helper for the rest. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/diag.h"
#include "mptcp/handle.h"

static int give(struct hawser_mptcp *m, const void *from, size_t size, void *value, unsigned int *optlen)
{
    if (*optlen < size) {
        *optlen = (unsigned)size;
        return mptcp_say(&m->reason, -ENOBUFS, "the option has %zu bytes", size);
    }
    memcpy(value, from, size);
    *optlen = (unsigned)size;
    return 0;
}

static int give_number(struct hawser_mptcp *m, int64_t number, void *value, unsigned int *optlen)
{
    int n = (int)number;

    return give(m, &n, sizeof n, value, optlen);
}

/* As getsockopt(2) gives it: as much as there is room for. */
static int give_info(const struct wire_subflow *s, void *value, unsigned int *optlen)
{
    if (*optlen > s->info_size)
        *optlen = s->info_size;
    memcpy(value, s->info, *optlen);
    return 0;
}

/* 1: the kernel does not tell this one to us. */
static int get_by_diag(struct hawser_mptcp *m, const struct wire_subflow *s, int level, int name, void *value,
                       unsigned int *optlen)
{
    struct diag_answer answer;
    int fd, r = diag_open(&fd);

    if (r < 0)
        return 1;
    r = diag_ask(fd, &s->local, &s->remote, &answer);
    close(fd);
    if (r < 0)
        return 1;
    if (level == IPPROTO_TCP && name == TCP_CONGESTION && *answer.congestion)
        return give(m, answer.congestion, strlen(answer.congestion) + 1, value, optlen);
    if (level == IPPROTO_IP && name == IP_TOS && answer.tos >= 0)
        return give_number(m, answer.tos, value, optlen);
    if (level == IPPROTO_IPV6 && name == IPV6_TCLASS && answer.tclass >= 0)
        return give_number(m, answer.tclass, value, optlen);
    if (level == SOL_SOCKET && name == SO_MARK && answer.mark >= 0)
        return give_number(m, answer.mark, value, optlen);
    return 1;
}

static bool is_told(int level, int name)
{
    return (level == IPPROTO_TCP && name == TCP_CONGESTION) || (level == IPPROTO_IP && name == IP_TOS) ||
           (level == IPPROTO_IPV6 && name == IPV6_TCLASS) || (level == SOL_SOCKET && name == SO_MARK);
}

/* The helper's answer; without one, why nobody else can. */
static int ask(struct hawser_mptcp *m, struct wire_request *request)
{
    int r = client_ask(m, request);

    if (r == -EPERM && m->helper_fd < 0) {
        struct mptcp_reason helper = m->reason;
        return mptcp_say(&m->reason, -EOPNOTSUPP, "the kernel gives options of one subflow to BPF alone: %.150s",
                         helper.text);
    }
    return r;
}

static int find(struct hawser_mptcp *m, uint32_t id, const struct wire_subflow **ret_subflow)
{
    int r = handle_begin(m);

    if (r < 0 || (r = handle_look(m)) < 0)
        return r;
    if (!(*ret_subflow = mptcp_picture_find(&m->picture, id)))
        return mptcp_say(&m->reason, -ENOENT, "no subflow has id %u", id);
    return 0;
}

int hawser_subflow_getsockopt(hawser_mptcp *m, uint32_t id, int level, int name, void *value, unsigned int *optlen)
{
    const struct wire_subflow *s;
    struct wire_request request;
    int r = find(m, id, &s);

    if (r < 0)
        return r;
    if (level == IPPROTO_TCP && name == TCP_INFO)
        return give_info(s, value, optlen);
    if (is_told(level, name) && (r = get_by_diag(m, s, level, name, value, optlen)) != 1)
        return r;
    request = client_request(m, WIRE_GET);
    request.id = id;
    request.level = level;
    request.name = name;
    request.option_size = *optlen < WIRE_OPTION_MAX ? *optlen : WIRE_OPTION_MAX;
    r = ask(m, &request);
    return r < 0 ? r : give(m, m->reply->option, m->reply->option_size, value, optlen);
}

int hawser_subflow_setsockopt(hawser_mptcp *m, uint32_t id, int level, int name, const void *value, unsigned int optlen)
{
    const struct wire_subflow *s;
    struct wire_request request;
    int r = find(m, id, &s);

    if (r < 0)
        return r;
    if (optlen > WIRE_OPTION_MAX)
        return mptcp_say(&m->reason, -EINVAL, "an option's value has at most %d bytes", WIRE_OPTION_MAX);
    request = client_request(m, WIRE_SET);
    request.id = id;
    request.level = level;
    request.name = name;
    request.option_size = optlen;
    memcpy(request.option, value, optlen);
    return ask(m, &request);
}
