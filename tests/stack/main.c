/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct row rows[] = {
    {"tls/tcp", AF_INET}, {"tls/tcp", AF_INET6}, {"tls/unix", AF_UNIX}, {"tcp", AF_INET}, {"unix", AF_UNIX},
};

static const struct suite_test *const groups[] = {connect_tests, bytes_tests,   trust_tests,
                                                  resume_tests,  hostile_tests, acceptor_tests};

int main(void)
{
    struct CMUnitTest tests[512];
    size_t count = 0;

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
            for (const struct suite_test *test = groups[group]; test->name; test++) {
                char *name = malloc(160);
                const char *family = rows[row].family == AF_INET6 ? " (IPv6)" : "";
                if (!name)
                    return 1;
                snprintf(name, 160, "%s%s: %s", rows[row].stack, family, test->name);
                tests[count++] = (struct CMUnitTest){name, test->run, world_setup, world_teardown, (void *)&rows[row]};
            }
    int failures = _cmocka_run_group_tests("stack", tests, count, NULL, NULL);
    while (count > 0)
        free((char *)tests[--count].name);
    return failures;
}
