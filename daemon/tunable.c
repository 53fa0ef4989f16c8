/* SPDX-License-Identifier: Apache-2.0 */
#include "tunable.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Newer than Debian 12's headers. */
#ifndef SO_TXREHASH
#define SO_TXREHASH 74
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif

enum { CONGESTION_SIZE = 16 }; /* TCP_CA_NAME_MAX */

/* What bpf_setsockopt() takes of a subflow (Linux 6.18) and means something there. Buffers (SO_SNDBUF, SO_RCVBUF) and the low
 * water marks of reading are left out: MPTCP keeps those of the connection. */
static const struct tunable table[] = {
    {"congestion", IPPROTO_TCP, TCP_CONGESTION, TUNABLE_NAME, false},
    {"tos", IPPROTO_IP, IP_TOS, TUNABLE_NUMBER, false},
    {"traffic-class", IPPROTO_IPV6, IPV6_TCLASS, TUNABLE_NUMBER, false},
    {"pacing-rate", SOL_SOCKET, SO_MAX_PACING_RATE, TUNABLE_WIDE, false},
    {"priority", SOL_SOCKET, SO_PRIORITY, TUNABLE_NUMBER, false},
    {"mark", SOL_SOCKET, SO_MARK, TUNABLE_NUMBER, true},
    {"interface", SOL_SOCKET, SO_BINDTOIFINDEX, TUNABLE_NUMBER, true},
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE, TUNABLE_NUMBER, false},
    {"keepalive-idle", IPPROTO_TCP, TCP_KEEPIDLE, TUNABLE_NUMBER, false},
    {"keepalive-interval", IPPROTO_TCP, TCP_KEEPINTVL, TUNABLE_NUMBER, false},
    {"keepalive-count", IPPROTO_TCP, TCP_KEEPCNT, TUNABLE_NUMBER, false},
    {"user-timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, TUNABLE_NUMBER, false},
    {"rto-max", IPPROTO_TCP, TCP_RTO_MAX_MS, TUNABLE_NUMBER, false},
    {"notsent-lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, TUNABLE_NUMBER, false},
    {"window-clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP, TUNABLE_NUMBER, false},
    {"nodelay", IPPROTO_TCP, TCP_NODELAY, TUNABLE_NUMBER, false},
    {"thin-linear-timeouts", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, TUNABLE_NUMBER, false},
    {"rehash", SOL_SOCKET, SO_TXREHASH, TUNABLE_NUMBER, false},
};

const struct tunable *tunable_find(int level, int name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].level == level && table[i].name == name)
            return &table[i];
    return NULL;
}

const struct tunable *tunable_named(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].word) == size && memcmp(table[i].word, word, size) == 0)
            return &table[i];
    return NULL;
}

bool tunable_takes(const struct tunable *tunable, size_t size)
{
    switch (tunable->kind) {
    case TUNABLE_NUMBER:
        return size == sizeof(int);
    case TUNABLE_WIDE:
        return size == sizeof(int) || size == sizeof(unsigned long);
    case TUNABLE_NAME:
        return size >= 1 && size <= CONGESTION_SIZE;
    }
    return false;
}

static bool is_given_to_all(const char *name, size_t size)
{
    char words[1024] = "", *rest = words, *word;
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_allowed_congestion_control", "re");

    if (!file)
        return false;
    if (!fgets(words, sizeof words, file))
        words[0] = '\0';
    fclose(file);
    while ((word = strsep(&rest, " \n")))
        if (*word && strlen(word) == size && memcmp(word, name, size) == 0)
            return true;
    return false;
}

bool tunable_value_needs_root(const struct tunable *tunable, const void *value, size_t size)
{
    int number;

    if (tunable->kind == TUNABLE_NAME)
        return !is_given_to_all(value, strnlen(value, size));
    if (tunable->level == SOL_SOCKET && tunable->name == SO_PRIORITY && size == sizeof number) {
        memcpy(&number, value, sizeof number);
        return number < 0 || number > 6;
    }
    return false;
}
