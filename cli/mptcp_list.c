/* SPDX-License-Identifier: Apache-2.0 */
/* hawser mptcp list and watch: what there is, and what becomes of it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "mptcp.h"
#include "terminal.h"
#include "units.h"

static void put_id(struct json *json, const char *name, int id)
{
    if (id < 0)
        json_null(json, name);
    else
        json_signed(json, name, id);
}

static void put_info(struct json *json, const hawser_subflow *s)
{
    json_object(json, "tcp_info");
    json_signed(json, "rtt_us", s->rtt_us);
    json_signed(json, "rtt_variance_us", s->rtt_variance_us);
    json_signed(json, "least_rtt_us", s->least_rtt_us);
    json_unsigned(json, "bytes_sent", s->bytes_sent);
    json_unsigned(json, "bytes_acked", s->bytes_acked);
    json_unsigned(json, "bytes_received", s->bytes_received);
    json_unsigned(json, "bytes_retransmitted", s->bytes_retransmitted);
    json_unsigned(json, "delivery_rate", s->delivery_rate);
    json_unsigned(json, "pacing_rate", s->pacing_rate);
    json_unsigned(json, "window", s->window);
    json_unsigned(json, "segment", s->segment);
    json_unsigned(json, "in_flight", s->in_flight);
    json_unsigned(json, "lost", s->lost);
    json_unsigned(json, "retransmitted", s->retransmitted);
    json_unsigned(json, "unanswered", s->unanswered);
    json_signed(json, "since_sent_us", s->since_sent_us);
    json_signed(json, "since_received_us", s->since_received_us);
    json_signed(json, "since_acked_us", s->since_acked_us);
    json_object_end(json);
}

void mptcp_put(struct json *json, const hawser_subflow *s)
{
    char end[MPTCP_END_SIZE];

    json_unsigned(json, "id", s->id);
    json_string(json, "local", mptcp_end(&s->local, end));
    json_string(json, "remote", mptcp_end(&s->remote, end));
    json_string(json, "state", hawser_subflow_state_name(s->state));
    if (s->backup_known)
        json_bool(json, "backup", s->backup);
    else
        json_null(json, "backup");
    json_bool(json, "first", s->first);
    put_id(json, "local_id", s->local_id);
    put_id(json, "remote_id", s->remote_id);
    put_info(json, s);
}

/* ---------------------------------------------------------------------------------------------------------------- list */

struct listing {
    struct tool *tool;
    struct table *table; /* NULL with --json */
    bool failed;
};

static void tell(struct listing *l, const struct mptcp_named *named, uint32_t token, const hawser_subflow *s)
{
    struct json *json = event_begin(l->tool, "subflow");
    char hex[16];

    if (named->pid)
        json_signed(json, "pid", named->pid);
    else
        json_null(json, "pid");
    put_id(json, "fd", named->fd);
    snprintf(hex, sizeof(hex), "%08x", token);
    json_string(json, "token", hex);
    mptcp_put(json, s);
    event_end(l->tool);
}

/* "1.5 MiB" as one word, since lines are broken at blanks. */
static void join_words(char *text)
{
    char *blank = strchr(text, ' ');

    if (blank)
        memmove(blank, blank + 1, strlen(blank));
}

static void print(struct listing *l, const struct mptcp_named *named, const hawser_subflow *s)
{
    char who[32] = "", id[16], local[MPTCP_END_SIZE], remote[MPTCP_END_SIZE], rtt[BRIEF_SIZE] = "-",
         sent[UNIT_TEXT_SIZE], received[UNIT_TEXT_SIZE];
    const char *cells[] = {who,
                           id,
                           mptcp_end(&s->local, local),
                           mptcp_end(&s->remote, remote),
                           hawser_subflow_state_name(s->state),
                           s->backup  ? "backup"
                           : s->first ? "first"
                                      : "",
                           rtt,
                           sent,
                           received};

    if (named->pid)
        snprintf(who, sizeof(who), "%d:%d", (int)named->pid, named->fd);
    snprintf(id, sizeof(id), "%u", s->id);
    if (s->rtt_us > 0) {
        format_brief(s->rtt_us, rtt);
        join_words(rtt);
    }
    format_size(s->bytes_sent, sent);
    format_size(s->bytes_received, received);
    join_words(sent);
    join_words(received);
    table_add(l->table, cells);
}

static void list_one(struct listing *l, const struct mptcp_named *named)
{
    hawser_mptcp_info info = {0};
    hawser_subflow *list;
    size_t count;
    int r = hawser_mptcp_get_info(named->mptcp, &info);

    if (r == 0)
        r = hawser_subflows(named->mptcp, &list, &count);
    if (r < 0) {
        if (named->pid)
            complain(l->tool, "%d:%d: %s", (int)named->pid, named->fd, hawser_mptcp_reason(named->mptcp));
        else
            complain(l->tool, "%s: %s", named->name, hawser_mptcp_reason(named->mptcp));
        l->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (l->tool->options->json)
            tell(l, named, info.token, &list[i]);
        else if (l->table)
            print(l, named, &list[i]);
    }
    free(list);
}

/* One whose holder is not to be seen: the helper may know its ends. */
static void list_connection(struct listing *l, const hawser_mptcp_connection *c)
{
    struct mptcp_named named = {.pid = c->pid, .fd = c->fd};
    char local[MPTCP_END_SIZE], remote[MPTCP_END_SIZE];
    int r;

    if (c->pid)
        r = hawser_mptcp_open(c->fd, HAWSER_MPTCP(.pid = c->pid), &named.mptcp);
    else
        r = hawser_mptcp_open(
            -1, HAWSER_MPTCP(.local = mptcp_end(&c->local, local), .remote = mptcp_end(&c->remote, remote)),
            &named.mptcp);
    if (!c->pid)
        snprintf(named.name, sizeof(named.name), "%s,%s", local, remote);
    if (r < 0) {
        complain(l->tool, "%s", hawser_strerror(r));
        l->failed = true;
        return;
    }
    list_one(l, &named);
    hawser_mptcp_close(named.mptcp);
}

static int list_all(struct listing *l, pid_t pid)
{
    hawser_mptcp_connection *list;
    size_t count;
    int r = hawser_mptcp_connections(pid, &list, &count);

    if (r < 0) {
        complain(l->tool, "the connections cannot be listed: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++)
        list_connection(l, &list[i]);
    free(list);
    return l->failed ? EXIT_FAILED : EXIT_DONE;
}

int mptcp_list(struct tool *tool, const char *what)
{
    static const char *const heads[] = {"process", "id", "local", "remote", "state", "", "RTT", "sent", "received"};
    struct listing l = {.tool = tool};
    struct mptcp_named named;
    struct page page;
    int64_t pid = 0;
    int code;

    if (!tool->options->json && !(l.table = table_new(9, heads))) {
        complain(tool, "out of memory");
        return EXIT_FAILED;
    }
    if (!what || strcmp(what, "all") == 0 || parse_integer(what, 1, INT32_MAX, &pid) == 0) {
        code = list_all(&l, (pid_t)pid);
    } else if ((code = mptcp_name(tool, what, &named)) < 0) {
        list_one(&l, &named);
        hawser_mptcp_close(named.mptcp);
        code = l.failed ? EXIT_FAILED : EXIT_DONE;
    }
    if (l.table) {
        page_begin(&page, stdout);
        table_print(l.table, &page);
        table_free(l.table);
        fflush(stdout);
    }
    return code;
}

/* --------------------------------------------------------------------------------------------------------------- watch */

static void put_end(struct json *json, const char *name, const struct sockaddr_storage *address)
{
    char end[MPTCP_END_SIZE];

    if (address->ss_family)
        json_string(json, name, mptcp_end(address, end));
}

static void show_event(struct tool *tool, const hawser_mptcp_event *e)
{
    struct json *json = event_begin(tool, hawser_mptcp_event_name(e->type));
    bool subflow = e->type <= HAWSER_MPTCP_SUBFLOW_PRIORITY;
    char local[MPTCP_END_SIZE], remote[MPTCP_END_SIZE];

    if (subflow)
        json_unsigned(json, "id", e->id);
    put_end(json, "local", &e->local);
    put_end(json, "remote", &e->remote);
    if (subflow)
        put_id(json, "local_id", e->local_id);
    put_id(json, "remote_id", e->remote_id);
    if (subflow)
        json_bool(json, "backup", e->backup);
    if (e->type == HAWSER_MPTCP_SUBFLOW_CLOSED) {
        json_signed(json, "error", e->error);
        put_id(json, "reset_reason", e->reset_reason);
    }
    event_end(tool);
    if (tool->options->json)
        return;
    printf("%-20s", hawser_mptcp_event_name(e->type));
    if (subflow)
        printf(" %u %s > %s%s%s%s", e->id, mptcp_end(&e->local, local), mptcp_end(&e->remote, remote),
               e->backup ? " backup" : "", e->error ? ": " : "", e->error ? strerror(e->error) : "");
    else if (e->remote.ss_family)
        printf(" %s", mptcp_end(&e->remote, remote));
    putchar('\n');
    fflush(stdout);
}

static void on_interrupt(struct tool *tool, void *user)
{
    (void)tool;
    *(bool *)user = true;
}

static void on_readable(int fd, short revents, void *user)
{
    (void)fd;
    (void)revents;
    *(bool *)user = true;
}

int mptcp_watch(struct tool *tool, const struct mptcp_named *named)
{
    int64_t left = tool->options->count > 0 ? tool->options->count : -1;
    bool ends = false, readable = false;
    hawser_mptcp_event event;
    int fd, r, code = tool_open_context(tool);

    if (code >= 0)
        return code;
    if ((r = hawser_mptcp_watch(named->mptcp, &fd)) < 0)
        return mptcp_fail(tool, named, "cannot be watched", r);
    event_begin(tool, "watching");
    event_end(tool);
    if ((r = tool_catch_signals(tool, on_interrupt, &ends)) == 0)
        r = hawser_watch(tool->context, fd, POLLIN, on_readable, &readable);
    while (r >= 0 && !ends && left != 0) {
        while (left != 0 && (r = hawser_mptcp_next_event(named->mptcp, &event)) > 0) {
            show_event(tool, &event);
            left -= left > 0;
        }
        if (r == 0 && left != 0)
            r = hawser_iterate(tool->context, -1);
    }
    if (r == -ENOTCONN || ends || left == 0)
        return EXIT_DONE;
    return mptcp_fail(tool, named, "the watch ended", r);
}
