/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files: what is refused is refused with a place and words and leaves nothing behind; what is read answers every
 * question. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "path/policy.h"
#include "path/policy_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct policy *policy)
{
    static const char *const hosts[] = {NULL, "a.example.org", "10.0.0.1", "2001:db8::1", ""};
    struct policy_interface facts;
    struct property_set proxies;
    char reason[160];

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (policy_on_interface(policy, "wwan0", "cellular", hosts[i], reason, sizeof reason) == HAWSER_PROHIBIT &&
            !policy_prohibits_interfaces(policy, hosts[i]))
            abort();
        policy_proxies(policy, hosts[i], &proxies);
        if (proxies.count > PROPERTY_SET_MAX)
            abort();
    }
    policy_on_stack(policy, "tls/mptcp", reason, sizeof reason);
    policy_on_family(policy, "ipv6");
    policy_interface(policy, "wwan0", &facts);
    if (facts.cost > POLICY_COST_MAX || facts.cost < -1)
        abort();
    policy_network(policy, "wlan0 192.168.1.1 02:00:5e:00:53:01");
    if (policy_path_delay(policy) < 0 || policy_attempt_delay(policy) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy policy = {.system = {.count = 0}};
    char reason[512] = "";
    int r = rules_parse("p", (const char *)data, size, &policy.user, reason, sizeof reason);

    if (r < 0 && (strncmp(reason, "p:", 2) != 0 || policy.user.list || policy.user.count))
        abort();
    if (r == 0)
        ask(&policy);
    policy.system = policy.user; /* what the system says is final */
    if (r == 0)
        ask(&policy);
    rules_free(&policy.user);
    return 0;
}
