/* SPDX-License-Identifier: Apache-2.0 */
/* A slow link between two network namespaces: rate, delay and a drop-tail queue, by two TUN devices. There where the kernel
 * has no netem. One process moves the packets of both directions.
 *
 *     bench-link RIGHT-PID RATE-BITS DELAY-US QUEUE-BYTES TIMEOUT-S
 *
 * The left end is in this process's namespace, the right end in that of RIGHT-PID; both devices are called `link0`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 8192
#define PACKET 2048

struct packet {
    int64_t leaves;  /* the queue, its last bit sent */
    int64_t arrives; /* at the other end */
    size_t size;
    uint8_t data[PACKET];
};

/* Packets [arrived, sent) are under way, [sent, end) wait in the queue; indexes only grow. */
struct direction {
    int from, to;
    struct packet *packets;
    uint64_t arrived, sent, end;
    size_t queued;
    int64_t free_at;
    uint64_t passed, dropped;
};

static struct {
    double ns_per_byte;
    int64_t delay_ns;
    size_t queue;
} conf;

static volatile sig_atomic_t over;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench-link: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void on_signal(int signal)
{
    (void)signal;
    over = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int tun_open(void)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    strcpy(request.ifr_name, "link0");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        fail("no TUN device");
    return fd;
}

static void enter(const char *pid)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        fail("cannot enter the right namespace");
    close(fd);
}

static struct packet *slot(struct direction *d, uint64_t index)
{
    return &d->packets[index % SLOTS];
}

static void advance(struct direction *d, int64_t now)
{
    for (; d->sent < d->end && slot(d, d->sent)->leaves <= now; d->sent++)
        d->queued -= slot(d, d->sent)->size;
    for (; d->arrived < d->sent && slot(d, d->arrived)->arrives <= now; d->arrived++)
        if (write(d->to, slot(d, d->arrived)->data, slot(d, d->arrived)->size) > 0)
            d->passed++;
}

/* A packet that finds the queue full is read and forgotten: the next one overwrites it. */
static void take(struct direction *d, int64_t now)
{
    static uint8_t lost[PACKET];
    bool ring_full;
    ssize_t n;

    do {
        struct packet *p = slot(d, d->end);

        ring_full = d->end - d->arrived == SLOTS;
        n = read(d->from, ring_full ? lost : p->data, PACKET);
        if (n <= 0)
            return;
        if (ring_full || d->queued + (size_t)n > conf.queue) {
            d->dropped++;
            continue;
        }
        if (d->free_at < now)
            d->free_at = now;
        d->free_at += (int64_t)((double)n * conf.ns_per_byte);
        p->size = (size_t)n;
        p->leaves = d->free_at;
        p->arrives = d->free_at + conf.delay_ns;
        d->queued += p->size;
        d->end++;
    } while (true);
}

/* When a direction has to be looked at again. */
static int64_t next_at(struct direction *d, int64_t otherwise)
{
    if (d->arrived < d->end && slot(d, d->arrived)->arrives < otherwise)
        return slot(d, d->arrived)->arrives;
    return otherwise;
}

static void turn(struct direction *d)
{
    struct pollfd polls[2] = {{.fd = d[0].from, .events = POLLIN}, {.fd = d[1].from, .events = POLLIN}};
    int64_t now = now_ns(), wait = next_at(&d[0], next_at(&d[1], now + 1000000000)) - now;
    struct timespec timeout = {.tv_sec = wait > 0 ? wait / 1000000000 : 0, .tv_nsec = wait > 0 ? wait % 1000000000 : 0};
    int i;

    if (ppoll(polls, 2, &timeout, NULL) < 0 && errno != EINTR)
        fail("poll");
    now = now_ns();
    for (i = 0; i < 2; i++) {
        advance(&d[i], now);
        if (polls[i].revents)
            take(&d[i], now);
    }
}

static void direction_init(struct direction *d, int from, int to)
{
    *d = (struct direction){.from = from, .to = to, .packets = calloc(SLOTS, sizeof(struct packet))};
    if (!d->packets)
        fail("packets");
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct direction directions[2];
    int left, right;

    if (argc != 6) {
        fprintf(stderr, "usage: bench-link RIGHT-PID RATE-BITS DELAY-US QUEUE-BYTES TIMEOUT-S\n");
        return 2;
    }
    conf.ns_per_byte = 8e9 / strtod(argv[2], NULL);
    conf.delay_ns = strtoll(argv[3], NULL, 10) * 1000;
    conf.queue = strtoull(argv[4], NULL, 10);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    alarm((unsigned)atoi(argv[5]));
    prctl(PR_SET_TIMERSLACK, 1);
    left = tun_open();
    enter(argv[1]);
    right = tun_open();
    direction_init(&directions[0], left, right);
    direction_init(&directions[1], right, left);
    puts("{\"event\":\"ready\"}");
    fflush(stdout);
    while (!over)
        turn(directions);
    printf("{\"event\":\"link\",\"passed\":[%llu,%llu],\"dropped\":[%llu,%llu]}\n",
           (unsigned long long)directions[0].passed, (unsigned long long)directions[1].passed,
           (unsigned long long)directions[0].dropped, (unsigned long long)directions[1].dropped);
    return 0;
}
