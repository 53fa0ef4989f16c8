/* SPDX-License-Identifier: Apache-2.0 */
/* TUN devices in other namespaces, and the queues between them. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8192 };

int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t); /* as the library's reports */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int failed(const char *what, const char *name)
{
    int r = -errno;

    fprintf(stderr, "lab-link: %s %s: %s\n", what, name, strerror(-r));
    return r;
}

static int tun_open(const char *device)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

    if (fd < 0)
        return failed("cannot open", "/dev/net/tun");
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        r = failed("no TUN device", device);
        close(fd);
        return r;
    }
    return fd;
}

static int enter(const char *pid)
{
    char path[64];
    int fd, r = 0;

    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        r = failed("cannot enter the namespace of", pid);
    if (fd >= 0)
        close(fd);
    return r;
}

int link_open(struct link *link, const char *name, const char *const pids[2], const char *const devices[2])
{
    int fds[2] = {-1, -1}, r = 0;

    memset(link, 0, sizeof *link);
    snprintf(link->name, sizeof link->name, "%s", name);
    for (int i = 0; i < 2 && r == 0; i++) {
        r = enter(pids[i]);
        if (r == 0) {
            fds[i] = tun_open(devices[i]);
            r = fds[i] < 0 ? fds[i] : 0;
        }
    }
    for (int i = 0; i < 2; i++) {
        link->directions[i] = (struct direction){.from = fds[i], .to = fds[!i]};
        for (int lane = 0; lane < LANES; lane++) {
            link->directions[i].lanes[lane].packets = calloc(SLOTS, sizeof(struct packet));
            if (!link->directions[i].lanes[lane].packets)
                r = -ENOMEM;
        }
    }
    link_seed(link, 1);
    if (r < 0)
        link_close(link);
    return r;
}

void link_close(struct link *link)
{
    capture_close(link);
    free(link->nat);
    for (int i = 0; i < 2; i++) {
        if (link->directions[i].from >= 0)
            close(link->directions[i].from);
        for (int lane = 0; lane < LANES; lane++)
            free(link->directions[i].lanes[lane].packets);
    }
}

static void throw(unsigned short dice[3], uint64_t seed)
{
    seed *= 0x9e3779b97f4a7c15u; /* near seeds are far from each other */
    dice[0] = (unsigned short)(seed >> 16);
    dice[1] = (unsigned short)(seed >> 32);
    dice[2] = (unsigned short)(seed >> 48);
}

void link_seed(struct link *link, uint64_t seed)
{
    for (unsigned i = 0; i < 2; i++) {
        throw(link->directions[i].dice, 4 * seed + 2 * i);
        throw(link->directions[i].order, 4 * seed + 2 * i + 1);
        link->directions[i].burst.bad = false;
    }
}

int link_carrier(struct link *link, int side, bool carrier)
{
    int value = carrier;

    if (ioctl(link->directions[side].from, TUNSETCARRIER, &value) < 0)
        return -errno;
    link->no_carrier[side] = !carrier;
    for (int i = 0; i < 2; i++)
        link->directions[i].unplugged = link->no_carrier[0] || link->no_carrier[1];
    return 0;
}

static struct packet *slot(const struct lane *lane, uint64_t index)
{
    return &lane->packets[index % SLOTS];
}

static bool full(const struct lane *lane)
{
    return lane->end - lane->arrived == SLOTS;
}

/* Where the next packet of this direction is read to. NULL: it is full. */
static uint8_t *next_slot(const struct direction *d)
{
    return full(&d->lanes[0]) ? NULL : slot(&d->lanes[0], d->lanes[0].end)->data;
}

/* Throws for each packet, so that the fate of the next one does not hang on whether the queue was full at this one. */
static bool is_lost(struct direction *d)
{
    struct burst *burst = &d->burst;
    bool single = erand48(d->dice) < d->loss;

    if (burst->enter > 0)
        burst->bad = erand48(d->dice) < (burst->bad ? 1 - burst->leave : burst->enter);
    return single || burst->bad;
}

/* The lane of the next packet, whose data are in lane 0. */
static struct lane *choose_lane(struct direction *d, size_t size)
{
    struct lane *lane = &d->lanes[d->reorder > 0 && erand48(d->order) < d->reorder];

    if (full(lane))
        return &d->lanes[0];
    if (lane != &d->lanes[0])
        memcpy(slot(lane, lane->end)->data, slot(&d->lanes[0], d->lanes[0].end)->data, size);
    return lane;
}

/* Puts what lies in the next slot at the end of the queue, or leaves it to be overwritten. */
static void enqueue(struct direction *d, size_t size, int64_t now)
{
    bool lost = is_lost(d);
    struct lane *lane = choose_lane(d, size);
    struct packet *p = slot(lane, lane->end);

    if (lost || (d->queue && d->queued + size > d->queue)) {
        d->dropped++;
        return;
    }
    if (d->free_at < now)
        d->free_at = now;
    d->free_at += (int64_t)((double)size * d->ns_per_byte);
    p->size = size;
    p->leaves = d->free_at;
    p->arrives = d->free_at + d->delay_ns + (lane == &d->lanes[0] ? 0 : d->later_ns);
    d->queued += size;
    lane->end++;
}

static void reset(struct link *link, int direction, const struct parsed *parsed, int64_t now)
{
    struct direction *back = &link->directions[!direction], *on = &link->directions[direction];
    uint8_t onward[PACKET], *place = next_slot(back);
    size_t size = make_reset(parsed, true, onward);
    bool syn = parsed->syn;

    if (place)
        enqueue(back, make_reset(parsed, false, place), now);
    /* The packet itself lies in the slot that this takes. */
    if (!syn) {
        memcpy(next_slot(on), onward, size);
        enqueue(on, size, now);
    }
}

/* Whether the packet goes on. */
static bool middlebox(struct link *link, int direction, uint8_t *data, size_t size, int64_t now)
{
    struct parsed parsed;

    if ((link->rule_count == 0 && !link->nat) || !parse(data, size, &parsed))
        return true;
    for (size_t i = 0; i < link->rule_count; i++) {
        struct rule *rule = &link->rules[i];

        if (!rule_matches(rule, (unsigned)direction, &parsed))
            continue;
        rule->hits++;
        if (rule->action == RULE_STRIP_MPTCP && parsed.mptcp)
            strip_mptcp(&parsed);
        if (rule->action == RULE_MSS)
            clamp_mss(&parsed, rule->mss);
        if (rule->action == RULE_RST && parsed.protocol == IPPROTO_TCP)
            reset(link, direction, &parsed, now);
        if (rule->action == RULE_DROP || rule->action == RULE_RST)
            return false;
    }
    return nat_pass(link, direction, &parsed);
}

static void take(struct link *link, int direction, int64_t now)
{
    static uint8_t lost[PACKET];
    struct direction *d = &link->directions[direction];

    while (true) {
        uint8_t *place = next_slot(d), *data = place ? place : lost;
        ssize_t n = read(d->from, data, PACKET);

        if (n <= 0)
            return;
        d->entered++;
        capture_packet(link, data, (size_t)n);
        if (d->cut || d->unplugged || !place || !middlebox(link, direction, data, (size_t)n, now))
            d->dropped++;
        else
            enqueue(d, (size_t)n, now);
    }
}

void link_take(struct link *link, int64_t now)
{
    take(link, 0, now);
    take(link, 1, now);
}

static void advance(struct direction *d, struct lane *lane, int64_t now)
{
    for (; lane->sent < lane->end && slot(lane, lane->sent)->leaves <= now; lane->sent++)
        d->queued -= slot(lane, lane->sent)->size;
    for (; lane->arrived < lane->sent && slot(lane, lane->arrived)->arrives <= now; lane->arrived++) {
        const struct packet *p = slot(lane, lane->arrived);

        if (!d->cut && !d->unplugged && write(d->to, p->data, p->size) > 0)
            d->passed++;
        else
            d->dropped++;
    }
}

void link_advance(struct link *link, int64_t now)
{
    for (int i = 0; i < 2; i++)
        for (int lane = 0; lane < LANES; lane++)
            advance(&link->directions[i], &link->directions[i].lanes[lane], now);
}

int64_t link_next(const struct link *link, int64_t otherwise)
{
    for (int i = 0; i < 2; i++)
        for (int l = 0; l < LANES; l++) {
            const struct lane *lane = &link->directions[i].lanes[l];

            if (lane->arrived < lane->end && slot(lane, lane->arrived)->arrives < otherwise)
                otherwise = slot(lane, lane->arrived)->arrives;
        }
    return otherwise;
}

bool link_empty(const struct link *link)
{
    for (int i = 0; i < 2; i++)
        for (int lane = 0; lane < LANES; lane++)
            if (link->directions[i].lanes[lane].arrived != link->directions[i].lanes[lane].end)
                return false;
    return true;
}

int capture_open(struct link *link, const char *path)
{
    /* pcap in microseconds, packets that begin with their IP header (LINKTYPE_RAW). */
    const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101};

    capture_close(link);
    link->capture = fopen(path, "we");
    if (!link->capture)
        return -errno;
    return fwrite(head, sizeof head, 1, link->capture) == 1 ? 0 : -EIO;
}

void capture_packet(struct link *link, const uint8_t *data, size_t size)
{
    int64_t us = now_ns() / 1000;
    const uint32_t head[4] = {(uint32_t)(us / 1000000), (uint32_t)(us % 1000000), (uint32_t)size, (uint32_t)size};

    if (link->capture) {
        fwrite(head, sizeof head, 1, link->capture);
        fwrite(data, size, 1, link->capture);
    }
}

int capture_close(struct link *link)
{
    int r = 0;

    if (link->capture && (ferror(link->capture) | fclose(link->capture)))
        r = -EIO;
    link->capture = NULL;
    return r;
}
