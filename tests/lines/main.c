/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct row rows[] = {
    {"tls/tcp", "127.0.0.1:0", true, true},        {"tls/unix", "unix:%s/socket", true, true},
    {"tls/mptcp", "127.0.0.1:0", true, true},      {"quic/udp", "127.0.0.1:0", true, true},
    {"quic/udp", "[::1]:0", true, true},           {"dtls/udp", "127.0.0.1:0", false, true},
    {"sctp/dtls/udp", "127.0.0.1:0", false, true},
};

static const struct line_test *const groups[] = {message_tests, property_tests, flow_tests,
                                                 end_tests,     hostile_tests,  crowd_tests};

const struct row *row;

void row_listen(struct world *world, hawser_listen_options options)
{
    char endpoint[200];

    snprintf(endpoint, sizeof endpoint, row->listen, world->directory);
    options.struct_size = sizeof options;
    world_listen_at(world, endpoint, &options);
}

void row_associate(struct world *world, hawser_associate_options options)
{
    options.struct_size = sizeof options;
    options.stack = row->stack;
    world_associate(world, &options);
}

void row_wait_up(struct world *world)
{
    until(world, world->client.closed || (world->client.seen[HAWSER_ESTABLISHED] && world->server.line &&
                                          world->server.seen[HAWSER_ESTABLISHED]));
    if (world->client.closed)
        fail_msg("no line: %s (%s)", world->client.closed_reason, world->client.attempt_reason);
    assert_true(strcmp(world->client.stack, row->stack) == 0 ||
                (strcmp(row->stack, "tls/mptcp") == 0 && strcmp(world->client.stack, "tls/tcp") == 0));
}

void row_connect(struct world *world)
{
    row_listen(world, *HAWSER_LISTEN());
    row_associate(world, *HAWSER_ASSOCIATE());
    row_wait_up(world);
}

/* Why a row cannot be shown here; NULL: it can. */
static const char *obstacle_of(const struct row *candidate)
{
    hawser_associate_options options = *HAWSER_ASSOCIATE(.stack = candidate->stack);
    hawser_association *line = NULL;
    hawser_context *context;
    int fd, r;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), 0);
    r = hawser_associate(context, "127.0.0.1:9", &options, &line);
    hawser_association_unref(line);
    hawser_context_unref(context);
    if (r == -EINVAL)
        return "this build has no such stack";
    if (!strstr(candidate->stack, "mptcp"))
        return NULL;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0)
        return "this system has no MPTCP, or it is switched off";
    close(fd);
    return NULL;
}

static int set_up(void **state)
{
    row = *state;
    world_of_one_context = strstr(row->stack, "sctp");
    return world_set_up(state);
}

static size_t add_row(const struct row *candidate, struct CMUnitTest *tests)
{
    const char *family = *candidate->listen == '[' ? " (IPv6)" : "";
    size_t count = 0;

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        for (const struct line_test *test = groups[i]; test->name; test++) {
            char *name;

            if (asprintf(&name, "%s%s: %s", candidate->stack, family, test->name) < 0)
                abort();
            tests[count++] = (struct CMUnitTest){name, test->run, set_up, world_tear_down, (void *)candidate};
        }
    }
    return count;
}

/* Without arguments: all. "--only PATTERN": those whose names it fits ("quic/udp: *"). "--row N": one row, from 0. */
int main(int argc, char **argv)
{
    struct CMUnitTest tests[512];
    size_t count = 0;
    int failures, only = argc == 3 && strcmp(argv[1], "--row") == 0 ? atoi(argv[2]) : -1;

    if (argc == 3 && strcmp(argv[1], "--only") == 0)
        cmocka_set_test_filter(argv[2]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *obstacle = only < 0 || only == (int)i ? obstacle_of(&rows[i]) : NULL;

        if (only >= 0 && only != (int)i)
            continue;
        if (obstacle)
            printf("SKIPPED: %s: %s\n", rows[i].stack, obstacle);
        else
            count += add_row(&rows[i], tests + count);
    }
    if (count == 0)
        return 77; /* what meson counts as skipped */
    failures = _cmocka_run_group_tests("lines", tests, count, NULL, NULL);
    while (count > 0)
        free((char *)tests[--count].name);
    return failures;
}
