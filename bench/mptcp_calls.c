/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_calls [--helper SOCKET]: what each call of <hawser/mptcp.h> costs, beside getsockopt(TCP_INFO). A connection over the
 * loopback of a network namespace of its own, where both ends are this process; with --helper in the namespace that we are in, by
 * the helper alone. Prints a row a call: the median of many, in microseconds, and how many times TCP_INFO that is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <hawser/hawser.h>
#include <hawser/mptcp.h>

enum { ROUNDS = 400, BATCH = 16 };

struct bench {
    int fd, peer;
    hawser_mptcp *mptcp;
    uint32_t id, opened;
    double info_us; /* of getsockopt(TCP_INFO) */
};

static void die(const char *what, int code)
{
    fprintf(stderr, "mptcp_calls: %s: %s\n", what, hawser_strerror(code));
    exit(4);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Runs call ROUNDS times batch calls; after() runs outside of the clock. */
static void measure(struct bench *b, const char *name, int batch, int rounds, int (*call)(struct bench *),
                    void (*after)(struct bench *))
{
    double *took = calloc((size_t)rounds, sizeof *took), median;
    int r = 0;

    for (int i = 0; i < rounds; i++) {
        double begin = now_us();
        for (int k = 0; k < batch && r >= 0; k++)
            r = call(b);
        took[i] = (now_us() - begin) / batch;
        if (r < 0)
            die(name, r);
        if (after)
            after(b);
    }
    qsort(took, (size_t)rounds, sizeof *took, compare);
    median = took[rounds / 2];
    if (b->info_us == 0)
        b->info_us = median;
    printf("| %-52s | %8.2f | %6.1f |\n", name, median, median / b->info_us);
    free(took);
}

static int tcp_info(struct bench *b)
{
    struct tcp_info info;
    socklen_t size = sizeof info;

    return getsockopt(b->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? -errno : 0;
}

static int mptcp_info(struct bench *b)
{
    uint8_t info[256];
    socklen_t size = sizeof info;

    return getsockopt(b->fd, 284, 1, info, &size) < 0 ? -errno : 0;
}

static int get_info(struct bench *b)
{
    hawser_mptcp_info info;

    return hawser_mptcp_get_info(b->mptcp, &info);
}

static int subflows(struct bench *b)
{
    hawser_subflow *list;
    size_t count;
    int r = hawser_subflows(b->mptcp, &list, &count);

    if (r == 0)
        free(list);
    return r;
}

static int option_info(struct bench *b)
{
    struct tcp_info info;
    unsigned size = sizeof info;

    return hawser_subflow_getsockopt(b->mptcp, b->id, IPPROTO_TCP, TCP_INFO, &info, &size);
}

static int seed_ids(struct bench *b)
{
    uint8_t ids[1024];
    unsigned size = sizeof ids;

    return hawser_mptcp_getsockopt(b->fd, IPPROTO_TCP, MPTCP_GET_SUB_IDS, ids, &size);
}

static int seed_tuple(struct bench *b)
{
    _Alignas(struct mptcp_sub_tuple) uint8_t room[128] = {0};
    struct mptcp_sub_tuple *tuple = (void *)room;
    unsigned size = sizeof room;

    tuple->id = b->id;
    return hawser_mptcp_getsockopt(b->fd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, tuple, &size);
}

static int seed_option(struct bench *b)
{
    struct tcp_info info;
    unsigned size = sizeof info, option_size = sizeof(struct mptcp_sub_getsockopt);
    struct mptcp_sub_getsockopt option = {
        .id = b->id, .level = IPPROTO_TCP, .optname = TCP_INFO, .optval = &info, .optlen = &size};

    return hawser_mptcp_getsockopt(b->fd, IPPROTO_TCP, MPTCP_SUB_GETSOCKOPT, &option, &option_size);
}

static int open_one(struct bench *b)
{
    return hawser_subflow_open(b->mptcp, HAWSER_SUBFLOW(.local = "127.0.0.2"), &b->opened);
}

static int seed_open(struct bench *b)
{
    _Alignas(struct mptcp_sub_tuple)
        uint8_t room[sizeof(struct mptcp_sub_tuple) + 2 * sizeof(struct sockaddr_in)] = {0};
    struct mptcp_sub_tuple *tuple = (void *)room;
    struct sockaddr_in local = {.sin_family = AF_INET}, remote = {.sin_family = AF_INET};
    unsigned size = sizeof room;
    int r;

    inet_pton(AF_INET, "127.0.0.2", &local.sin_addr);
    memcpy(&tuple->addrs[0], &local, sizeof local);
    memcpy(&tuple->addrs[1], &remote, sizeof remote);
    r = hawser_mptcp_getsockopt(b->fd, IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, tuple, &size);
    b->opened = tuple->id;
    return r;
}

static void close_opened(struct bench *b)
{
    hawser_subflow_close(b->mptcp, b->opened);
}

static void open_again(struct bench *b)
{
    int r = open_one(b);

    if (r < 0)
        die("opening", r);
}

static int close_one(struct bench *b)
{
    return hawser_subflow_close(b->mptcp, b->opened);
}

static int backup(struct bench *b)
{
    static bool on;

    return hawser_subflow_backup(b->mptcp, b->id, on = !on);
}

/* ---------------------------------------------------------------------------------------------------------- the place */

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        die(path, -errno);
}

static void own_namespace(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    unsigned uid = getuid();
    char map[32];
    int fd;

    if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
        die("no network namespace of its own", -errno);
    if (uid != 0) {
        snprintf(map, sizeof map, "0 %u 1", uid);
        put("/proc/self/uid_map", map);
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        die("lo", -errno);
    close(fd);
    put("/proc/sys/net/mptcp/pm_type", "1");
}

static void connect_both(struct bench *b)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    char byte = 0;

    b->fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
        connect(b->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        (b->peer = accept(listener, NULL, NULL)) < 0 || write(b->fd, &byte, 1) != 1 || read(b->peer, &byte, 1) != 1 ||
        write(b->peer, &byte, 1) != 1 || read(b->fd, &byte, 1) != 1)
        die("no connection", -errno);
}

static void wait_established(struct bench *b, uint32_t id)
{
    hawser_subflow subflow;

    for (int i = 0; i < 1000; i++) {
        int r = hawser_subflow_get(b->mptcp, id, &subflow);
        if (r < 0)
            die("joining", r);
        if (subflow.state == HAWSER_SUBFLOW_ESTABLISHED)
            return;
        usleep(1000);
    }
    die("joining", -ETIMEDOUT);
}

static void looking(struct bench *b, const char *suffix)
{
    static const struct {
        const char *name;
        int (*call)(struct bench *);
    } calls[] = {
        {"hawser_mptcp_get_info()", get_info},
        {"hawser_subflows()", subflows},
        {"hawser_subflow_getsockopt(TCP_INFO)", option_info},
        {"MPTCP_GET_SUB_IDS", seed_ids},
        {"MPTCP_GET_SUB_TUPLE", seed_tuple},
        {"MPTCP_SUB_GETSOCKOPT(TCP_INFO)", seed_option},
    };
    char name[80];

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        snprintf(name, sizeof name, "%s, %s", calls[i].name, suffix);
        measure(b, name, BATCH, ROUNDS, calls[i].call, NULL);
    }
}

int main(int argc, char **argv)
{
    const char *helper = argc == 3 && strcmp(argv[1], "--helper") == 0 ? argv[2] : NULL;
    struct bench b = {0};
    hawser_mptcp *watching;
    int r;

    if (!helper)
        own_namespace();
    connect_both(&b);
    r = hawser_mptcp_open(b.fd, HAWSER_MPTCP(.helper = helper, .no_rights = helper != NULL), &b.mptcp);
    /* In userspace mode the kernel takes JOINs only while somebody listens for its events: here the other end's program. */
    if (r < 0 || (r = hawser_mptcp_open(b.peer, HAWSER_MPTCP(.helper = helper), &watching)) < 0 ||
        (r = hawser_mptcp_watch(watching, NULL)) < 0)
        die("watching", r);
    b.id = 1;
    printf("| %-52s | %8s | %6s |\n|---|---|---|\n", "call", "us", "times");
    measure(&b, "getsockopt(TCP_INFO)", BATCH, ROUNDS, tcp_info, NULL);
    measure(&b, "getsockopt(MPTCP_INFO)", BATCH, ROUNDS, mptcp_info, NULL);
    looking(&b, "1 subflow");
    for (int i = 0; i < 3; i++) {
        uint32_t id;
        if ((r = hawser_subflow_open(b.mptcp, HAWSER_SUBFLOW(.local = "127.0.0.3"), &id)) < 0)
            die(hawser_mptcp_reason(b.mptcp), r);
        wait_established(&b, id);
    }
    looking(&b, "4 subflows");
    measure(&b, "hawser_subflow_open()", 1, ROUNDS / 4, open_one, close_opened);
    measure(&b, "MPTCP_OPEN_SUB_TUPLE", 1, ROUNDS / 4, seed_open, close_opened);
    open_again(&b);
    measure(&b, "hawser_subflow_close()", 1, ROUNDS / 4, close_one, open_again);
    measure(&b, "hawser_subflow_backup()", 1, ROUNDS / 4, backup, NULL);
    hawser_mptcp_close(watching);
    hawser_mptcp_close(b.mptcp);
    return 0;
}
