/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#define CASES_MAX 256

static int set_up(void **state)
{
    const char *stack = *state;
    int r = world_set_up(state);

    if (r == 0)
        ((struct world *)*state)->stack = stack;
    return r;
}

hawser_stack_info stack_of(const struct world *world)
{
    hawser_stack_info info;

    assert_int_equal(hawser_stack_find(world->stack, &info), 0);
    return info;
}

void stack_has(bool has, const char *what)
{
    if (has)
        return;
    print_message("SKIPPED: this stack has not: %s\n", what);
    skip();
}

/* SCTP is one context's in a process, and these tests have two: test_sctp.c has its line. Proxies need somebody who plays one, and are reached as what is above them; MPTCP is TCP to a session. */
static bool is_wanted(const hawser_stack_info *info)
{
    return info->session != HAWSER_CARRIES_NOTHING && !info->proxied && !info->multipath &&
           strncmp(info->name, "sctp/", 5) != 0;
}

int run_over_stacks(const char *group, const struct stack_test *tests, size_t count)
{
    struct CMUnitTest cases[CASES_MAX];
    hawser_stack_info info;
    size_t total = 0;
    int failures;

    for (unsigned i = 0; hawser_stack(i, &info) == 0; i++) {
        if (!is_wanted(&info))
            continue;
        for (size_t j = 0; j < count && total < CASES_MAX; j++) {
            char *name;

            if (asprintf(&name, "%s: %s", info.name, tests[j].name) < 0)
                return 1;
            cases[total++] =
                (struct CMUnitTest){name, tests[j].run, set_up, world_tear_down, (void *)(uintptr_t)info.name};
        }
    }
    failures = _cmocka_run_group_tests(group, cases, total, NULL, NULL);
    while (total > 0)
        free((char *)(uintptr_t)cases[--total].name);
    return failures;
}
