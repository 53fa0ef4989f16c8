/* SPDX-License-Identifier: Apache-2.0 */
#include "tune.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subflow_bpf.h"
#include "subflow_object.h" /* the compiled subflow.bpf.c: made at build time */

struct tune {
    struct bpf_object *object;
    struct bpf_link *link;
    int requests, answers; /* maps of one element */
};

static int keep_quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

static int load(struct tune *tune)
{
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "hawserd");
    struct bpf_program *program;
    int r;

    tune->object = bpf_object__open_mem(subflow_object, sizeof subflow_object, &options);
    if (!tune->object)
        return -errno;
    if ((r = bpf_object__load(tune->object)) < 0)
        return r;
    program = bpf_object__find_program_by_name(tune->object, "subflow_option");
    tune->requests = bpf_object__find_map_fd_by_name(tune->object, "requests");
    tune->answers = bpf_object__find_map_fd_by_name(tune->object, "answers");
    tune->link = bpf_program__attach_iter(program, NULL);
    return tune->link ? 0 : -errno;
}

int tune_open(struct tune **ret_tune, struct mptcp_reason *reason)
{
    struct tune *tune = calloc(1, sizeof *tune);
    int r;

    if (!tune)
        return mptcp_say(reason, -ENOMEM, "out of memory");
    libbpf_set_print(keep_quiet);
    r = load(tune);
    if (r == 0) {
        *ret_tune = tune;
        return 0;
    }
    tune_close(tune);
    if (r == -EPERM || r == -EACCES)
        return mptcp_say(
            reason, -EPERM,
            "options of one subflow are set by BPF, which takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN of the "
            "host itself, not of a user namespace");
    return mptcp_say(reason, -EOPNOTSUPP, "options of one subflow are set by BPF, which this kernel does not load: %s",
                     strerror(-r));
}

void tune_close(struct tune *tune)
{
    if (!tune)
        return;
    bpf_link__destroy(tune->link);
    bpf_object__close(tune->object);
    free(tune);
}

/* A walk over the namespace's TCP sockets; the program does its work on the one. */
static int walk(const struct tune *tune)
{
    char nothing[64];
    ssize_t n;
    int fd = bpf_iter_create(bpf_link__fd(tune->link)), r = 0;

    if (fd < 0)
        return -errno;
    while ((n = read(fd, nothing, sizeof nothing)) != 0)
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            r = -errno;
            break;
        }
    close(fd);
    return r;
}

static void fill_end(const struct mptcp_address *address, unsigned char ret_bytes[16])
{
    memcpy(ret_bytes, address->bytes, 16);
    if (address->family == AF_INET) {
        memset(ret_bytes, 0, 10);
        ret_bytes[10] = ret_bytes[11] = 0xff;
        memcpy(ret_bytes + 12, address->bytes, 4);
    }
}

static int ask(struct tune *tune, const struct tune_subflow *subflow, struct subflow_bpf_request *request,
               struct subflow_bpf_answer *ret_answer, struct mptcp_reason *reason)
{
    uint32_t first = 0;
    int r;

    request->token = subflow->token;
    request->local_port = subflow->local.port;
    request->remote_port = subflow->remote.port;
    fill_end(&subflow->local, request->local);
    fill_end(&subflow->remote, request->remote);
    memset(ret_answer, 0, sizeof *ret_answer);
    if (bpf_map_update_elem(tune->requests, &first, request, BPF_ANY) < 0 ||
        bpf_map_update_elem(tune->answers, &first, ret_answer, BPF_ANY) < 0)
        return mptcp_say(reason, -errno, "BPF: %s", strerror(errno));
    if ((r = walk(tune)) < 0)
        return mptcp_say(reason, r, "the walk over the TCP sockets ended early: %s", strerror(-r));
    if (bpf_map_lookup_elem(tune->answers, &first, ret_answer) < 0)
        return mptcp_say(reason, -errno, "BPF: %s", strerror(errno));
    if (!ret_answer->found)
        return mptcp_say(reason, -ENOENT, "the subflow is no longer there");
    return 0;
}

static int refused(int level, int name, int code, struct mptcp_reason *reason)
{
    if (level == IPPROTO_TCP && name == TCP_CONGESTION && code == -ENOENT)
        return mptcp_say(reason, -ENOENT, "no congestion control of this name is loaded (modprobe tcp_NAME)");
    return mptcp_say(reason, code, "the kernel refuses the option on this subflow: %s", strerror(-code));
}

int tune_set(struct tune *tune, const struct tune_subflow *subflow, int level, int name, const void *value, size_t size,
             struct mptcp_reason *reason)
{
    struct subflow_bpf_request request = {
        .verb = SUBFLOW_BPF_SET, .level = level, .name = name, .size = (unsigned)size};
    struct subflow_bpf_answer answer;
    int r;

    if (size == 0 || size > sizeof request.value)
        return mptcp_say(reason, -EINVAL, "a value of %zu bytes is none of this option", size);
    memcpy(request.value, value, size);
    r = ask(tune, subflow, &request, &answer, reason);
    return r < 0 ? r : answer.code < 0 ? refused(level, name, answer.code, reason) : 0;
}

int tune_get(struct tune *tune, const struct tune_subflow *subflow, int level, int name, void *value, size_t size,
             struct mptcp_reason *reason)
{
    struct subflow_bpf_request request = {
        .verb = SUBFLOW_BPF_GET, .level = level, .name = name, .size = (unsigned)size};
    struct subflow_bpf_answer answer;
    int r;

    if (size == 0 || size > sizeof answer.value)
        return mptcp_say(reason, -EINVAL, "a value of %zu bytes is none of this option", size);
    r = ask(tune, subflow, &request, &answer, reason);
    if (r == 0 && answer.code < 0)
        r = refused(level, name, answer.code, reason);
    if (r == 0)
        memcpy(value, answer.value, size);
    return r;
}

int tune_scheduler(struct tune *tune, const struct tune_subflow *subflow, char ret_name[16],
                   struct mptcp_reason *reason)
{
    struct subflow_bpf_request request = {.verb = SUBFLOW_BPF_GET}; /* of nothing: the name comes along */
    struct subflow_bpf_answer answer;
    int r = ask(tune, subflow, &request, &answer, reason);

    if (r == 0) {
        memcpy(ret_name, answer.scheduler, sizeof answer.scheduler);
        ret_name[sizeof answer.scheduler - 1] = '\0';
    }
    return r;
}

int tune_can_schedule(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    int can = btf && btf__find_by_name_kind(btf, "bpf_struct_ops_mptcp_sched_ops", BTF_KIND_STRUCT) > 0;

    btf__free(btf);
    return can;
}
