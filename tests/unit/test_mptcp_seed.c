/* SPDX-License-Identifier: Apache-2.0 */
/* The proposed socket options (S5.17-S5.24) and what is below them, on a connection over the loopback of a network namespace of
 * the test's own; and a helper that answers nonsense. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <hawser/errors.h>
#include <hawser/mptcp.h>

#include "mptcp/inspect.h"

static const char *unable; /* why there is no namespace to test in */

static bool put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    bool well = file && fputs(text, file) >= 0;

    return file && fclose(file) == 0 && well;
}

static int enter(void **state)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    unsigned uid = getuid();
    char map[32];
    int fd;

    (void)state;
    if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        unable = "no network namespace of its own here";
        return 0;
    }
    snprintf(map, sizeof map, "0 %u 1", uid);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if ((uid != 0 && !put("/proc/self/uid_map", map)) || fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        unable = "the loopback of a network namespace of its own cannot be set up here";
    else if (!put("/proc/sys/net/mptcp/pm_type", "1"))
        unable = "this kernel has no userspace path manager for MPTCP";
    close(fd);
    return 0;
}

#define need_namespace()                                                                                               \
    do {                                                                                                               \
        if (unable) {                                                                                                  \
            printf("SKIP: %s\n", unable);                                                                              \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

struct pair {
    int fd, peer, listener;
    hawser_mptcp *mptcp;
    hawser_mptcp *watching; /* of the peer: its kernel takes JOINs only while somebody watches */
};

static int loop_socket(int family, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    *ret_size = family == AF_INET ? sizeof in : sizeof in6;
    memcpy(ret_address, family == AF_INET ? (void *)&in : (void *)&in6, *ret_size);
    return socket(family, SOCK_STREAM, IPPROTO_MPTCP);
}

static struct pair connected(int family)
{
    struct sockaddr_storage address;
    socklen_t size;
    struct pair p = {.listener = loop_socket(family, &address, &size)};
    char byte = 'x';

    assert_true(p.listener >= 0);
    p.fd = socket(family, SOCK_STREAM, IPPROTO_MPTCP);
    assert_return_code(bind(p.listener, (struct sockaddr *)&address, size), errno);
    assert_return_code(listen(p.listener, 1), errno);
    assert_return_code(getsockname(p.listener, (struct sockaddr *)&address, &size), errno);
    assert_return_code(connect(p.fd, (struct sockaddr *)&address, size), errno);
    p.peer = accept(p.listener, NULL, NULL);
    assert_int_equal(write(p.fd, &byte, 1), 1);
    assert_int_equal(read(p.peer, &byte, 1), 1);
    assert_int_equal(write(p.peer, &byte, 1), 1);
    assert_int_equal(read(p.fd, &byte, 1), 1);
    assert_int_equal(hawser_mptcp_open(p.fd, HAWSER_MPTCP(.helper = ""), &p.mptcp), 0);
    assert_int_equal(hawser_mptcp_open(p.peer, HAWSER_MPTCP(.helper = ""), &p.watching), 0);
    assert_int_equal(hawser_mptcp_watch(p.watching, NULL), 0);
    return p;
}

static void end(struct pair *p)
{
    hawser_mptcp_close(p->mptcp);
    hawser_mptcp_close(p->watching);
    close(p->fd);
    close(p->peer);
    close(p->listener);
}

static uint32_t joined(struct pair *p, const char *local)
{
    hawser_mptcp_event event = {0};
    struct pollfd readable = {.events = POLLIN};
    uint32_t id;

    assert_int_equal(hawser_mptcp_watch(p->mptcp, &readable.fd), 0);
    assert_int_equal(hawser_subflow_open(p->mptcp, HAWSER_SUBFLOW(.local = local), &id), 0);
    while (event.type != HAWSER_MPTCP_SUBFLOW_ESTABLISHED || event.id != id) {
        int r = hawser_mptcp_next_event(p->mptcp, &event);
        assert_true(r >= 0 && event.type != HAWSER_MPTCP_SUBFLOW_CLOSED);
        if (r == 0)
            assert_int_equal(poll(&readable, 1, 10000), 1);
    }
    return id;
}

/* ------------------------------------------------------------------------------------------------------------ the options */

static void test_ids(void **state)
{
    struct pair p;
    _Alignas(struct mptcp_sub_ids) uint8_t room[64];
    struct mptcp_sub_ids *ids = (void *)room;
    unsigned size = sizeof *ids, one = sizeof *ids + sizeof ids->sub_status[0];
    uint32_t id;

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_IDS, ids, &size), -ENOBUFS);
    assert_int_equal(size, one);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_IDS, ids, &size), 0);
    assert_int_equal(size, one);
    assert_int_equal(ids->sub_count, 1);
    assert_false(ids->sub_status[0].slave);
    assert_true(ids->sub_status[0].fully_established && ids->sub_status[0].attached && !ids->sub_status[0].low_prio);
    id = joined(&p, "127.0.0.2");
    size = sizeof room;
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_IDS, ids, &size), 0);
    assert_int_equal(ids->sub_count, 2);
    assert_true(ids->sub_status[1].id == id && ids->sub_status[1].slave);
    end(&p);
}

static void check_tuple(struct pair *p, uint32_t id, int family, size_t end_size)
{
    _Alignas(struct mptcp_sub_tuple) uint8_t room[128] = {0};
    struct mptcp_sub_tuple *tuple = (void *)room;
    struct sockaddr_storage remote, wanted;
    socklen_t wanted_size = sizeof wanted;
    unsigned size = sizeof *tuple;

    tuple->id = id;
    assert_int_equal(hawser_mptcp_getsockopt(p->fd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, tuple, &size), -ENOBUFS);
    assert_int_equal(size, sizeof *tuple + 2 * end_size);
    assert_int_equal(hawser_mptcp_getsockopt(p->fd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, tuple, &size), 0);
    assert_int_equal(size, sizeof *tuple + 2 * end_size);
    assert_int_equal(tuple->addrs[0].sa_family, family);
    memcpy(&remote, (char *)tuple->addrs + end_size, end_size);
    assert_return_code(getpeername(p->fd, (struct sockaddr *)&wanted, &wanted_size), errno);
    assert_memory_equal(&remote, &wanted, end_size);
}

static void test_tuple(void **state)
{
    struct pair p;
    _Alignas(struct mptcp_sub_tuple) uint8_t room[128] = {0};
    struct mptcp_sub_tuple *tuple = (void *)room;
    unsigned size = sizeof room;

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    check_tuple(&p, 1, AF_INET, sizeof(struct sockaddr_in));
    tuple->id = 77;
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, tuple, &size), -ENOENT);
    end(&p);
    p = connected(AF_INET6);
    check_tuple(&p, 1, AF_INET6, sizeof(struct sockaddr_in6));
    end(&p);
}

static void test_open_and_close(void **state)
{
    struct pair p;
    _Alignas(struct mptcp_sub_tuple)
        uint8_t room[sizeof(struct mptcp_sub_tuple) + 2 * sizeof(struct sockaddr_in)] = {0};
    struct mptcp_sub_tuple *tuple = (void *)room;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(12345)}, remote = {.sin_family = AF_INET};
    struct mptcp_close_sub_id closing;
    unsigned size = sizeof room;

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    inet_pton(AF_INET, "127.0.0.2", &local.sin_addr);
    memcpy(&tuple->addrs[0], &local, sizeof local);
    memcpy(&tuple->addrs[1], &remote, sizeof remote); /* zeros: the connection's */
    tuple->prio = 1;
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, tuple, &size), 0);
    assert_int_equal(tuple->id, 2);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, tuple, &size), -EEXIST);
    tuple->id = 2;
    tuple->prio = 0;
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, tuple, &size), 0);
    assert_int_equal(tuple->prio, 1);
    assert_memory_equal(&tuple->addrs[0], &local, 8);
    size = sizeof *tuple + sizeof local;
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, tuple, &size), -EINVAL);
    closing.id = 2;
    assert_int_equal(hawser_mptcp_setsockopt(p.fd, IPPROTO_TCP, MPTCP_CLOSE_SUB_ID, &closing, sizeof closing), 0);
    assert_int_equal(hawser_mptcp_setsockopt(p.fd, IPPROTO_TCP, MPTCP_CLOSE_SUB_ID, &closing, sizeof closing), -ENOENT);
    assert_int_equal(hawser_mptcp_setsockopt(p.fd, IPPROTO_TCP, MPTCP_CLOSE_SUB_ID, &closing, 1), -EINVAL);
    end(&p);
}

static void test_options(void **state)
{
    struct pair p;
    struct tcp_info info = {0};
    unsigned info_size = sizeof info, size = sizeof(struct mptcp_sub_getsockopt),
             sub_size = sizeof(struct mptcp_sub_info);
    struct mptcp_sub_getsockopt get = {
        .id = 1, .level = IPPROTO_TCP, .optname = TCP_INFO, .optval = &info, .optlen = &info_size};
    struct mptcp_sub_info sub = {.id = 1};
    int one = 1, value = 0;
    unsigned value_size = sizeof value;
    struct mptcp_sub_setsockopt set = {
        .id = 1, .level = SOL_SOCKET, .optname = SO_DEBUG, .optval = &one, .optlen = sizeof one};

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_SUB_GETSOCKOPT, &get, &size), 0);
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    assert_true(info.tcpi_snd_mss > 0);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, MPTCP_GET_SUB_INFO, &sub, &sub_size), 0);
    assert_int_equal(sub.info[0], TCP_ESTABLISHED);
    assert_true(sub_size > offsetof(struct mptcp_sub_info, info) + 100);
    /* Nobody here can set one on a single subflow: it says so, and the socket is as it was. */
    assert_true(hawser_mptcp_setsockopt(p.fd, IPPROTO_TCP, MPTCP_SUB_SETSOCKOPT, &set, sizeof set) < 0);
    /* What is none of these is the kernel's. */
    assert_int_equal(hawser_mptcp_setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    assert_int_equal(hawser_mptcp_getsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &value, &value_size), 0);
    assert_int_equal(value, 1);
    end(&p);
}

static void test_what_is_no_connection(void **state)
{
    uint8_t room[64];
    unsigned size = sizeof room;
    int tcp = socket(AF_INET, SOCK_STREAM, 0), pipes[2];

    (void)state;
    assert_return_code(pipe(pipes), errno);
    assert_int_equal(hawser_mptcp_getsockopt(tcp, IPPROTO_TCP, MPTCP_GET_SUB_IDS, room, &size), -EOPNOTSUPP);
    assert_int_equal(hawser_mptcp_getsockopt(pipes[0], IPPROTO_TCP, MPTCP_GET_SUB_IDS, room, &size), -ENOTSOCK);
    assert_int_equal(hawser_mptcp_getsockopt(-1, IPPROTO_TCP, MPTCP_GET_SUB_IDS, room, &size), -EBADF);
    close(tcp);
    close(pipes[0]);
    close(pipes[1]);
}

/* ------------------------------------------------------------------------------------------------------- what is below */

static void test_older_kernels(void **state)
{
    struct pair p;
    struct mptcp_picture *new = malloc(sizeof *new), *old = malloc(sizeof *old), *again = malloc(sizeof *again);

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    joined(&p, "127.0.0.2");
    assert_int_equal(mptcp_inspect(p.fd, new, NULL), 0);
    assert_int_equal(mptcp_inspect_old(p.fd, old, NULL), 0);
    assert_int_equal(new->count, 2);
    assert_int_equal(old->count, 2);
    assert_int_equal(new->token, old->token);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(mptcp_address_same(&new->subflows[i].local, &old->subflows[i].local));
        assert_true(mptcp_address_same(&new->subflows[i].remote, &old->subflows[i].remote));
        assert_int_equal(mptcp_subflow_tcp_state(&old->subflows[i]), TCP_ESTABLISHED);
    }
    assert_int_not_equal(old->subflows[0].id, old->subflows[1].id);
    assert_int_equal(mptcp_inspect_old(p.fd, again, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(old->subflows[i].id, again->subflows[i].id);
    end(&p);
    free(new);
    free(old);
    free(again);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *printed;
        int code;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1:0", 0},
        {"192.0.2.1:80", "192.0.2.1:80", 0},
        {"2001:db8::1", "[2001:db8::1]:0", 0},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535", 0},
        {"192.0.2.1@lo", "192.0.2.1:0", 0},
        {"@lo", "any:0", 0},
        {"", NULL, -HAWSER_EENDPOINT},
        {"@", NULL, -HAWSER_EENDPOINT},
        {"192.0.2.1:65536", NULL, -HAWSER_EENDPOINT},
        {"192.0.2.1:-1", NULL, -HAWSER_EENDPOINT},
        {"192.0.2.1:", NULL, -HAWSER_EENDPOINT},
        {"[2001:db8::1", NULL, -HAWSER_EENDPOINT},
        {"[2001:db8::1]80", NULL, -HAWSER_EENDPOINT},
        {"example.org:80", NULL, -HAWSER_EENDPOINT},
        {"192.0.2.1@nosuch0", NULL, -ENODEV},
    };
    char text[MPTCP_ADDRESS_TEXT];
    struct mptcp_address address;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(mptcp_address_read(cases[i].text, &address), cases[i].code);
        if (cases[i].code == 0)
            assert_string_equal(mptcp_address_print(&address, text), cases[i].printed);
    }
}

/* ------------------------------------------------------------------------------------------------- a helper of nonsense */

/* Answers each request with size bytes of answer; ends when there is no more. */
static pid_t nonsense(const char *path, const void *answer, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), line;
    char request[4096];
    pid_t child;

    strcpy(name.sun_path, path);
    assert_return_code(bind(listener, (struct sockaddr *)&name, sizeof name), errno);
    assert_return_code(listen(listener, 4), errno);
    if ((child = fork()) == 0) {
        while ((line = accept(listener, NULL, NULL)) >= 0)
            for (; recv(line, request, sizeof request, 0) > 0;)
                if (send(line, answer, size, MSG_NOSIGNAL) < 0)
                    break;
        _exit(0);
    }
    close(listener);
    return child;
}

static void check_nonsense(const struct pair *p, const struct wire_reply *reply, size_t size)
{
    char path[] = "/tmp/hawser-mptcp-XXXXXX", socket_path[64];
    hawser_mptcp *mptcp;
    pid_t helper;

    assert_non_null(mkdtemp(path));
    snprintf(socket_path, sizeof socket_path, "%s/s", path);
    helper = nonsense(socket_path, reply, size);
    assert_int_equal(hawser_mptcp_open(p->fd, HAWSER_MPTCP(.helper = socket_path, .no_rights = true), &mptcp), 0);
    assert_int_equal(hawser_subflow_open(mptcp, HAWSER_SUBFLOW(.local = "127.0.0.2"), NULL), -EPROTO);
    assert_non_null(strstr(hawser_mptcp_reason(mptcp), "malformed"));
    hawser_mptcp_close(mptcp);
    kill(helper, SIGKILL);
    assert_int_equal(waitpid(helper, NULL, 0), helper);
    unlink(socket_path);
    rmdir(path);
}

static void test_helper_of_nonsense(void **state)
{
    struct wire_reply good = {.head = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .type = WIRE_HELLO, .number = 1}},
                      bad;
    struct pair p;

    (void)state;
    need_namespace();
    p = connected(AF_INET);
    good.head.size = sizeof good;
    check_nonsense(&p, &good, 7); /* too short for a head */
    bad = good;
    bad.head.magic++;
    check_nonsense(&p, &bad, sizeof bad);
    bad = good;
    bad.count = 1000000; /* subflows that are not there */
    check_nonsense(&p, &bad, sizeof bad);
    bad = good;
    bad.option_size = WIRE_OPTION_MAX + 1;
    check_nonsense(&p, &bad, sizeof bad);
    bad = good;
    memset(bad.reason, 'x', sizeof bad.reason);
    check_nonsense(&p, &bad, sizeof bad);
    bad = good;
    bad.code = 1;
    check_nonsense(&p, &bad, sizeof bad);
    check_nonsense(&p, &good, sizeof good); /* an answer to the first request, given to the second too */
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_tuple),
        cmocka_unit_test(test_open_and_close),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_what_is_no_connection),
        cmocka_unit_test(test_older_kernels),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_helper_of_nonsense),
    };

    return cmocka_run_group_tests(tests, enter, NULL);
}
