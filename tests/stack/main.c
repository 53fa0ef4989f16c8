/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

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
};

static const struct suite_test *const groups[] = {connect_tests, bytes_tests,   trust_tests,
                                                  resume_tests,  hostile_tests, acceptor_tests,
                                                  threads_tests, ticket_tests,  relay_tests};

static const struct suite_test *const namespace_groups[] = {fast_open_tests};

static int run(const struct suite_test *const *group, size_t groups_count, bool internet_only)
{
    struct CMUnitTest tests[1024];
    size_t count = 0;
    int failures;

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (size_t i = 0; i < groups_count && (!internet_only || rows[row].family != AF_UNIX); i++)
            for (const struct suite_test *test = group[i]; test->name; test++) {
                char *name = malloc(160);
                const char *family = rows[row].family == AF_INET6 ? " (IPv6)" : "";
                if (!name)
                    return 1;
                snprintf(name, 160, "%s%s: %s", rows[row].stack, family, test->name);
                tests[count++] = (struct CMUnitTest){name, test->run, world_setup, world_teardown, (void *)&rows[row]};
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
        return run(namespace_groups, 1, true);
    }
    return run(groups, sizeof groups / sizeof *groups, false);
}
