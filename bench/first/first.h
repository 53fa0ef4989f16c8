/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of the first-byte and connect measurements share: `PROGRAM HOST PORT STATE` prints one JSON object with
 * its times on CLOCK_MONOTONIC. STATE is where a later run finds what it may resume from; "" keeps nothing. */
#ifndef FIRST_H
#define FIRST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define REQUEST_FORMAT "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"

static inline int64_t first_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* began: in main(); connected: TCP's, or 0 when not known; first: the answer's first byte, or with plain TCP the connection. */
static inline void first_print(int64_t began, int64_t connected, int64_t first, bool resumed)
{
    printf("{\"began_us\":%lld,\"connected_us\":%lld,\"first_us\":%lld,\"resumed\":%s}\n", (long long)began,
           (long long)connected, (long long)first, resumed ? "true" : "false");
}

#endif
