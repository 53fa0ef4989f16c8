/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct row rows[] = {
    {"tls/tcp", AF_INET},
    {"tls/tcp", AF_INET6},
    {"tls/unix", AF_UNIX},
    {"tcp", AF_INET},
    {"unix", AF_UNIX},
    {"tls/socks5/tcp", AF_INET},
    {"tls/http-connect/tcp", AF_INET6},
    {"socks5/tcp", AF_INET6},
    {"http-connect/tcp", AF_INET},
    {"tls/mptcp", AF_INET},
    {"mptcp", AF_INET6},
    {"quic/udp", AF_INET},
    {"quic/udp", AF_INET6},
    {"dtls/udp", AF_INET},
    {"dtls/udp", AF_INET6},
    {"sctp/dtls/udp", AF_INET},
    {"sctp/udp", AF_INET6},
    {"tfrc/udp", AF_INET},
    {"udp", AF_INET},
    {"udp", AF_INET6},
    {"tls/veil", AF_UNIX}, /* tests/plugin */
    {"veil", AF_UNIX},
};

static const struct suite_test *const groups[] = {connect_tests, bytes_tests,   datagram_tests, trust_tests,
                                                  resume_tests,  hostile_tests, forged_tests,   acceptor_tests,
                                                  threads_tests, ticket_tests,  relay_tests,    mptcp_tests};

static const struct suite_test *const namespace_groups[] = {fast_open_tests, mptcp_off_tests, icmp_tests};

/* Why a row cannot be shown here; NULL: it can. */
static const char *row_obstacle(const struct row *row)
{
    unsigned flags;
    int fd;

    if (strstr(row->stack, "udp") && stack_flags(NULL, row->stack, &flags, NULL) < 0)
        return "this build has no such stack";
    if (!strstr(row->stack, "mptcp"))
        return NULL;
    fd = socket(row->family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0)
        return "this system has no MPTCP, or it is switched off";
    close(fd);
    return NULL;
}

static struct CMUnitTest make_case(const struct row *row, const struct suite_test *test)
{
    const char *family = row->family == AF_INET6 ? " (IPv6)" : "";
    char *name;

    if (asprintf(&name, "%s%s: %s", row->stack, family, test->name) < 0)
        abort();
    return (struct CMUnitTest){name, test->run, world_setup, world_teardown, (void *)row};
}

static int run(const struct suite_test *const *group, size_t groups_count, bool internet_only)
{
    static struct CMUnitTest tests[4096];
    size_t count = 0;
    int failures;

    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        const char *obstacle = row_obstacle(row);

        if (obstacle)
            printf("SKIPPED: %s: %s\n", row->stack, obstacle);
        if (obstacle || (internet_only && row->family == AF_UNIX))
            continue;
        for (size_t i = 0; i < groups_count; i++)
            for (const struct suite_test *test = group[i]; test->name; test++)
                tests[count++] = make_case(row, test);
    }
    failures = _cmocka_run_group_tests("stack", tests, count, NULL, NULL);
    while (count > 0)
        free((char *)tests[--count].name);
    return failures;
}

/* Without arguments: all. "--namespace": what needs settings of the system, in a network of its own. "--only PATTERN": those
 * whose names it fits ("tls/tcp: *"). */
int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--only") == 0)
        cmocka_set_test_filter(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--namespace") == 0) {
        const char *obstacle = enter_namespace();
        if (obstacle) {
            printf("SKIPPED: TCP Fast Open: %s\n", obstacle);
            return 77; /* what meson counts as skipped */
        }
        return run(namespace_groups, sizeof namespace_groups / sizeof *namespace_groups, true);
    }
    return run(groups, sizeof groups / sizeof *groups, false);
}
