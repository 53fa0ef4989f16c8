/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's stamps: when a datagram came, and when it left for the device (SO_TIMESTAMPING, made by software). They are
 * of the wall clock; ours is CLOCK_BOOTTIME. (S1.28)
 */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "layer/udp_internal.h"

#define REMEMBERED 1024u /* sends whose stamps may still come */

struct udp_stamps {
    uint32_t next; /* the key that the system gives to the next send */
    struct {
        struct udp_layer *udp; /* NULL: gone */
        uint64_t number;
    } sends[REMEMBERED];
};

static int64_t microseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_nsec / 1000;
}

/* The wall clock may be set at any time: the difference is taken when the stamp is read, which is shortly after. */
int64_t udp_stamp_time(const struct timespec *realtime)
{
    struct timespec now;

    if (realtime->tv_sec == 0 && realtime->tv_nsec == 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    return loop_clock() - (microseconds(&now) - microseconds(realtime));
}

int udp_stamp_on(struct udp_socket *socket)
{
    const int wanted = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                       SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;

    if (socket->stamps)
        return 0;
    socket->stamps = calloc(1, sizeof *socket->stamps);
    if (!socket->stamps)
        return -ENOMEM;
    if (setsockopt(socket->io.fd, SOL_SOCKET, SO_TIMESTAMPING, &wanted, sizeof wanted) < 0) {
        int r = -errno;

        udp_stamp_off(socket);
        return r;
    }
    return 0;
}

void udp_stamp_off(struct udp_socket *socket)
{
    free(socket->stamps);
    socket->stamps = NULL;
}

void udp_stamp_sent(struct udp_socket *socket, struct udp_layer *udp, uint64_t number, unsigned count)
{
    struct udp_stamps *stamps = socket->stamps;

    for (; stamps && count > 0; count--) {
        stamps->sends[stamps->next % REMEMBERED].udp = udp;
        stamps->sends[stamps->next++ % REMEMBERED].number = number;
    }
}

void udp_stamp_forget(struct udp_socket *socket, const struct udp_layer *udp)
{
    for (unsigned i = 0; socket->stamps && i < REMEMBERED; i++)
        if (socket->stamps->sends[i].udp == udp)
            socket->stamps->sends[i].udp = NULL;
}

void udp_stamp_came(struct udp_socket *socket, uint32_t key, int64_t at)
{
    struct udp_stamps *stamps = socket->stamps;
    struct udp_layer *udp;

    if (!stamps || at == 0 || stamps->next - key - 1 >= REMEMBERED)
        return;
    udp = stamps->sends[key % REMEMBERED].udp;
    if (udp && udp->taker && udp->taker->left)
        udp->taker->left(udp->taker_above, stamps->sends[key % REMEMBERED].number, at);
}
