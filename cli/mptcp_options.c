/* SPDX-License-Identifier: Apache-2.0 */
/* hawser mptcp get and set: socket options of one subflow, by name or number. */
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mptcp.h"
#include "terminal.h"
#include "units.h"

enum kind { NUMBER, LARGE /* 64 bits, for rates in bytes */, WORD };

static const struct known {
    const char *name;
    int level, option;
    enum kind kind;
} known[] = {
    {"congestion", IPPROTO_TCP, TCP_CONGESTION, WORD},       {"maxseg", IPPROTO_TCP, TCP_MAXSEG, NUMBER},
    {"nodelay", IPPROTO_TCP, TCP_NODELAY, NUMBER},           {"user-timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, NUMBER},
    {"keepalive-idle", IPPROTO_TCP, TCP_KEEPIDLE, NUMBER},   {"keepalive-interval", IPPROTO_TCP, TCP_KEEPINTVL, NUMBER},
    {"keepalive-count", IPPROTO_TCP, TCP_KEEPCNT, NUMBER},   {"notsent-lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, NUMBER},
    {"window-clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP, NUMBER}, {"tos", IPPROTO_IP, IP_TOS, NUMBER},
    {"traffic-class", IPPROTO_IPV6, IPV6_TCLASS, NUMBER},    {"mark", SOL_SOCKET, SO_MARK, NUMBER},
    {"priority", SOL_SOCKET, SO_PRIORITY, NUMBER},           {"keepalive", SOL_SOCKET, SO_KEEPALIVE, NUMBER},
    {"pacing-rate", SOL_SOCKET, SO_MAX_PACING_RATE, LARGE},  {NULL, 0, 0, NUMBER},
};

/* By its name, which is hawserd's too, or as LEVEL/NUMBER. */
static int find(struct tool *tool, const char *name, struct known *ret_option)
{
    int level, option, used = 0;

    for (const struct known *at = known; at->name; at++)
        if (strcmp(at->name, name) == 0) {
            *ret_option = *at;
            return 0;
        }
    if (sscanf(name, "%d/%d%n", &level, &option, &used) == 2 && !name[used]) {
        *ret_option = (struct known){name, level, option, NUMBER};
        return 0;
    }
    complain(tool, "%s is no option that has a name here; others are written LEVEL/NUMBER", name);
    return EXIT_USAGE;
}

static void tell(struct tool *tool, const struct known *option, uint32_t id, const char *text, int64_t number)
{
    struct json *json = event_begin(tool, "option");

    json_unsigned(json, "id", id);
    json_string(json, "option", option->name);
    if (text)
        json_string(json, "value", text);
    else
        json_signed(json, "value", number);
    event_end(tool);
    if (tool->options->json)
        return;
    if (text)
        printf("%s\n", text);
    else
        printf("%" PRId64 "\n", number);
}

int mptcp_get(struct tool *tool, const struct mptcp_named *named, uint32_t id, const char *name)
{
    uint8_t value[64] = {0};
    unsigned size = sizeof(value) - 1;
    struct known option;
    uint64_t large = 0;
    int32_t number = 0;
    int r;

    if (find(tool, name, &option) != 0)
        return EXIT_USAGE;
    if (option.kind != WORD)
        size = option.kind == LARGE ? sizeof(large) : sizeof(number);
    if ((r = hawser_subflow_getsockopt(named->mptcp, id, option.level, option.option, value, &size)) < 0)
        return mptcp_fail(tool, named, name, r);
    if (option.kind == WORD) {
        tell(tool, &option, id, (const char *)value, 0);
    } else if (size == sizeof(large)) {
        memcpy(&large, value, sizeof(large));
        tell(tool, &option, id, NULL, (int64_t)large);
    } else {
        memcpy(&number, value, sizeof(number));
        tell(tool, &option, id, NULL, number);
    }
    return EXIT_DONE;
}

int mptcp_set(struct tool *tool, const struct mptcp_named *named, uint32_t id, const char *name, const char *text)
{
    struct known option;
    const void *value = text;
    unsigned size = (unsigned)strlen(text);
    int64_t large;
    int32_t number;
    int r;

    if (find(tool, name, &option) != 0)
        return EXIT_USAGE;
    if (option.kind != WORD) {
        if (parse_integer(text, option.kind == LARGE ? 0 : INT32_MIN, option.kind == LARGE ? INT64_MAX : INT32_MAX,
                          &large) < 0) {
            complain(tool, "%s is no number for %s", text, name);
            return EXIT_USAGE;
        }
        number = (int32_t)large;
        value = option.kind == LARGE ? (void *)&large : (void *)&number;
        size = option.kind == LARGE ? sizeof(large) : sizeof(number);
    }
    if ((r = hawser_subflow_setsockopt(named->mptcp, id, option.level, option.option, value, size)) < 0)
        return mptcp_fail(tool, named, name, r);
    return EXIT_DONE;
}
