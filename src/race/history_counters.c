/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted: seed 003 reports these shares of a large population (S4.19, S4.20, S4.24, S4.25). */
#include <errno.h>

#include <hawser/history.h>

#include "loop/loop.h"
#include "race/history_store.h"

#define COUNTERS(X)                                                                                                    \
    X(COUNT_ESTABLISHED, "established", "lines and connections that were established", "")                             \
    X(COUNT_FAILED, "failed", "lines and connections that were not", "")                                               \
    X(COUNT_SEVERAL_ADDRESSES, "several_addresses", "had several addresses to try", "established")                     \
    X(COUNT_WON_BY_OTHER, "won_by_other", "were won by another address than the first", "several_addresses")           \
    X(COUNT_STACK_BY_CLIENT, "stack_by_client", "had their stack changed by the program's choice", "established")      \
    X(COUNT_STACK_BY_POLICY, "stack_by_policy", "had their stack changed by the system's policy", "established")       \
    X(COUNT_SEVERAL_INTERFACES, "several_interfaces", "tried several interfaces", "established")                       \
    X(COUNT_WON_ON_OTHER_INTERFACE, "won_on_other_interface", "were won on another interface than the first",          \
      "several_interfaces")                                                                                            \
    X(COUNT_ATTEMPTS, "attempts", "attempts that were begun", "")                                                      \
    X(COUNT_ATTEMPTS_LOST, "attempts_lost", "attempts that did not win", "attempts")

static const struct {
    const char *summary, *of;
} texts[COUNT_COUNTERS] = {
#define X(counter, name, summary, of) [counter] = {summary, of},
    COUNTERS(X)
#undef X
};

const char *const history_counter_names[COUNT_COUNTERS] = {
#define X(counter, name, summary, of) [counter] = (name),
    COUNTERS(X)
#undef X
};

int hawser_counter_get(hawser_context *context, unsigned index, hawser_counter *ret_counter)
{
    struct history *history;
    uint64_t here, all;
    int r = loop_check(context);

    if (r < 0)
        return r;
    if (index >= COUNT_COUNTERS)
        return -ENOENT;
    r = history_of(context, &history);
    if (r < 0)
        return r;
    history_counted(history, (enum history_counter)index, index == 0, &here, &all);
    if (ret_counter)
        *ret_counter = (hawser_counter){history_counter_names[index], texts[index].summary, texts[index].of, here, all};
    return 0;
}
