/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered messages: what lab-paths sends, and what it notes of those that come. Both ends are on one machine, so that one
 * clock (CLOCK_BOOTTIME, as in the library's reports) tells when each was due, and when it came. */
#ifndef LAB_NUMBERED_H
#define LAB_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBERED_HEAD = 24 }; /* number, due, size: 8 bytes each, as this machine has them */

int64_t clock_us(void);
void numbered_fill(uint8_t *data, size_t size, uint64_t number, int64_t due_us);
/* What the head of a message says of its size; 0: no such head. */
size_t numbered_size(const uint8_t head[NUMBERED_HEAD]);

struct arrival {
    uint64_t number;
    int64_t due_us, arrived_us;
    size_t size;
};

struct arrivals {
    struct arrival *list;
    size_t count, room;
    uint64_t bytes;
    uint64_t wrong; /* messages whose bytes are not what their number says */
};

bool arrivals_note(struct arrivals *arrivals, const uint8_t *data, size_t size);
/* "NUMBER DUE ARRIVED SIZE" a line, in the order of arrival. Negative: errno. */
int arrivals_write(const struct arrivals *arrivals, const char *path);
void arrivals_clear(struct arrivals *arrivals);

/* What one end was told to do. */
struct job {
    const char *endpoint, *log, *also, *paths, *policy, *stack, *trust, *identity, *state, *local;
    uint64_t count;   /* messages; 0: until "stop" */
    uint64_t size;    /* bytes of each */
    int64_t every_us; /* 0: as fast as the line takes them */
    int64_t reestablish_us, keep_alive_us;
    int niceness;
};

int hawser_listen_job(const struct job *job);
int hawser_send_job(const struct job *job);
/* Over plain sockets of the kernel, of this protocol: IPPROTO_MPTCP or IPPROTO_TCP. */
int kernel_listen_job(const struct job *job, int protocol);
int kernel_send_job(const struct job *job, int protocol);

#endif
