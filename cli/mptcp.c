/* SPDX-License-Identifier: Apache-2.0 */
/* hawser mptcp: the subflows of MPTCP connections of any program. */
#include "mptcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "units.h"

const char *mptcp_end(const struct sockaddr_storage *address, char text[MPTCP_END_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;

    *text = '\0';
    if (address->ss_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)))
        snprintf(text, MPTCP_END_SIZE, "%s:%u", host, ntohs(in->sin_port));
    else if (address->ss_family == AF_INET6 && inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)))
        snprintf(text, MPTCP_END_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
    return text;
}

int mptcp_fail(struct tool *tool, const struct mptcp_named *named, const char *what, int code)
{
    const char *reason = hawser_mptcp_reason(named->mptcp);

    complain(tool, "%s: %s", what, *reason ? reason : hawser_strerror(code));
    return EXIT_FAILED;
}

/* -------------------------------------------------------------------------------------------------------------- naming */

static int open_named(struct tool *tool, struct mptcp_named *named, int fd, const hawser_mptcp_options *options)
{
    int r = hawser_mptcp_open(fd, options, &named->mptcp);

    if (r == 0)
        return -1;
    complain(tool, "%s", hawser_strerror(r));
    return EXIT_FAILED;
}

/* The only connection of a process. */
static int find_fd(struct tool *tool, pid_t pid, int *ret_fd)
{
    hawser_mptcp_connection *list;
    char choice[256] = "";
    size_t count;
    int r = hawser_mptcp_connections(pid, &list, &count);

    if (r < 0) {
        complain(tool, "the connections of process %d cannot be listed: %s", (int)pid, hawser_strerror(r));
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++)
        snprintf(choice + strlen(choice), sizeof(choice) - strlen(choice), "%s%d:%d", i ? ", " : "", (int)pid,
                 list[i].fd);
    if (count == 1)
        *ret_fd = list[0].fd;
    free(list);
    if (count == 1)
        return -1;
    if (count == 0)
        complain(tool, "process %d has no MPTCP connection that we may see", (int)pid);
    else
        complain(tool, "process %d has %zu MPTCP connections; which one? %s", (int)pid, count, choice);
    return EXIT_FAILED;
}

static int name_by_ends(struct tool *tool, const char *text, struct mptcp_named *named)
{
    const char *comma = strchr(text, ',');
    char local[MPTCP_END_SIZE];
    size_t size = (size_t)(comma - text);

    if (size >= sizeof(local)) {
        complain(tool, "%s is no LOCAL,REMOTE", text);
        return EXIT_USAGE;
    }
    memcpy(local, text, size);
    local[size] = '\0';
    return open_named(tool, named, -1, HAWSER_MPTCP(.local = local, .remote = comma + 1));
}

int mptcp_name(struct tool *tool, const char *text, struct mptcp_named *ret_named)
{
    struct mptcp_named named = {.fd = -1};
    const char *colon = strchr(text, ':');
    char digits[16] = "";
    int64_t pid, fd = -1;
    int code;

    snprintf(named.name, sizeof(named.name), "%s", text);
    if (strchr(text, ',')) {
        code = name_by_ends(tool, text, &named);
    } else {
        snprintf(digits, sizeof(digits), "%.*s", colon ? (int)(colon - text) : 15, text);
        if (parse_integer(digits, 1, INT32_MAX, &pid) < 0 ||
            (colon && parse_integer(colon + 1, 0, INT32_MAX, &fd) < 0)) {
            complain(tool, "%s is no PID, PID:FD or LOCAL,REMOTE", text);
            return EXIT_USAGE;
        }
        named.pid = (pid_t)pid;
        named.fd = (int)fd;
        code = fd < 0 ? find_fd(tool, named.pid, &named.fd) : -1;
        if (code < 0)
            code = open_named(tool, &named, named.fd, HAWSER_MPTCP(.pid = named.pid));
    }
    if (code < 0)
        *ret_named = named;
    return code;
}

/* ------------------------------------------------------------------------------------------------------------- actions */

static void tell(struct tool *tool, const char *action, const struct mptcp_named *named, int64_t id)
{
    struct json *json = event_begin(tool, action);

    if (named->pid) {
        json_signed(json, "pid", named->pid);
        json_signed(json, "fd", named->fd);
    }
    if (id >= 0)
        json_signed(json, "id", id);
    event_end(tool);
}

static int open_subflow(struct tool *tool, const struct mptcp_named *named)
{
    const struct options *o = tool->options;
    uint32_t id;
    int r = hawser_subflow_open(named->mptcp,
                                HAWSER_SUBFLOW(.local = o->local, .remote = o->remote, .backup = o->backup), &id);

    if (r < 0)
        return mptcp_fail(tool, named, "not opened", r);
    tell(tool, "opened", named, id);
    if (!tool->options->json)
        printf("%u\n", id);
    return EXIT_DONE;
}

static int announce(struct tool *tool, const struct mptcp_named *named, const char *address)
{
    int id, r = hawser_address_announce(named->mptcp, address, &id);

    if (r < 0)
        return mptcp_fail(tool, named, "not announced", r);
    tell(tool, "announced", named, id);
    if (!tool->options->json)
        printf("%d\n", id);
    return EXIT_DONE;
}

static int done(struct tool *tool, const struct mptcp_named *named, const char *event, const char *failed, int64_t id,
                int r)
{
    if (r < 0)
        return mptcp_fail(tool, named, failed, r);
    tell(tool, event, named, id);
    return EXIT_DONE;
}

static int set_backup(struct tool *tool, const struct mptcp_named *named, uint32_t id, const char *word)
{
    bool off = word && strcmp(word, "off") == 0;

    if (word && !off && strcmp(word, "on") != 0) {
        complain(tool, "backup is on or off, not %s", word);
        return EXIT_USAGE;
    }
    return done(tool, named, "backup", "priority not changed", id, hawser_subflow_backup(named->mptcp, id, !off));
}

static int scheduler(struct tool *tool, const struct mptcp_named *named, const char *name)
{
    hawser_mptcp_info info;
    int r;

    if (name)
        return done(tool, named, "scheduler", "scheduler not set", -1, hawser_mptcp_set_scheduler(named->mptcp, name));
    if ((r = hawser_mptcp_get_info(named->mptcp, &info)) < 0)
        return mptcp_fail(tool, named, "scheduler not told", r);
    printf("%s\n", info.scheduler);
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------------------ the words */

struct action {
    const char *name;
    size_t least, most; /* words behind it */
    bool id;            /* the second of them is one */
};

static const struct action actions[] = {
    {"list", 0, 1, false},    {"open", 1, 1, false},      {"close", 2, 2, true},  {"backup", 2, 3, true},
    {"get", 3, 3, true},      {"set", 4, 4, true},        {"watch", 1, 1, false}, {"announce", 2, 2, false},
    {"withdraw", 2, 2, true}, {"scheduler", 1, 2, false}, {NULL, 0, 0, false},
};

static int act(struct tool *tool, const struct action *action, char **words, size_t count,
               const struct mptcp_named *named, uint32_t id)
{
    const char *name = action->name, *third = count > 2 ? words[2] : NULL;

    if (strcmp(name, "open") == 0)
        return open_subflow(tool, named);
    if (strcmp(name, "close") == 0)
        return done(tool, named, "closed-subflow", "not closed", id, hawser_subflow_close(named->mptcp, id));
    if (strcmp(name, "backup") == 0)
        return set_backup(tool, named, id, third);
    if (strcmp(name, "get") == 0)
        return mptcp_get(tool, named, id, third);
    if (strcmp(name, "set") == 0)
        return mptcp_set(tool, named, id, third, words[3]);
    if (strcmp(name, "announce") == 0)
        return announce(tool, named, words[1]);
    if (strcmp(name, "withdraw") == 0)
        return done(tool, named, "withdrawn", "not withdrawn", id, hawser_address_withdraw(named->mptcp, (int)id));
    if (strcmp(name, "scheduler") == 0)
        return scheduler(tool, named, count > 1 ? words[1] : NULL);
    return mptcp_watch(tool, named);
}

int command_mptcp(struct tool *tool)
{
    const struct string_list *operands = &tool->options->operands;
    char **words = operands->items + 1;
    size_t count = operands->count - 1;
    const struct action *action = actions;
    struct mptcp_named named;
    int64_t id = 0;
    int code;

    while (action->name && strcmp(action->name, operands->items[0]) != 0)
        action++;
    if (!action->name || count < action->least || count > action->most) {
        complain(tool, "%s %s; see 'hawser mptcp --help'", operands->items[0],
                 action->name ? "takes other words than these" : "is no action");
        return EXIT_USAGE;
    }
    if (strcmp(action->name, "list") == 0)
        return mptcp_list(tool, count ? words[0] : NULL);
    if (action->id && parse_integer(words[1], 0, UINT32_MAX, &id) < 0) {
        complain(tool, "%s is no id", words[1]);
        return EXIT_USAGE;
    }
    if ((code = mptcp_name(tool, words[0], &named)) >= 0)
        return code;
    code = act(tool, action, words, count, &named, (uint32_t)id);
    hawser_mptcp_close(named.mptcp);
    return code;
}
