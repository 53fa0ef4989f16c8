/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy files say. Of lines that are about the same the last one counts, the user's after the system's; what the
 * system prohibits stays prohibited. */
#include "path/policy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "path/policy_rules.h"

/* What a rule may be about. */
struct subject {
    const char *name, *type, *stack, *family, *host;
};

static bool is_about_host(const struct rule *rule, const char *host)
{
    if (!*rule->hosts && !*rule->except)
        return true;
    if (!host || !*host)
        return !*rule->hosts;
    return (!*rule->hosts || rules_match_host(rule->hosts, host)) &&
           !(*rule->except && rules_match_host(rule->except, host));
}

static bool is_about(const struct rule *rule, const struct subject *subject)
{
    switch (rule->kind) {
    case RULE_ON_INTERFACE:
        return subject->name && rules_match(rule->pattern, subject->name, false) && is_about_host(rule, subject->host);
    case RULE_ON_TYPE:
        return subject->type && strcasecmp(rule->pattern, subject->type) == 0 && is_about_host(rule, subject->host);
    case RULE_ON_STACK:
        return subject->stack && rules_match(rule->pattern, subject->stack, false);
    case RULE_ON_FAMILY:
        return subject->family && strcmp(rule->pattern, subject->family) == 0;
    default:
        return false;
    }
}

static const struct rule *last_about(const struct rules *rules, const struct subject *subject)
{
    for (size_t i = rules->count; i > 0; i--)
        if (is_about(&rules->list[i - 1], subject))
            return &rules->list[i - 1];
    return NULL;
}

static hawser_preference judge(const struct policy *policy, const struct subject *subject, char *reason, size_t size)
{
    static const char *const words[] = {[HAWSER_NO_PREFERENCE] = "allows",
                                        [HAWSER_REQUIRE] = "requires",
                                        [HAWSER_PREFER] = "prefers",
                                        [HAWSER_AVOID] = "avoids",
                                        [HAWSER_PROHIBIT] = "prohibits"};
    static const char *const about[] = {[RULE_ON_INTERFACE] = "interface",
                                        [RULE_ON_TYPE] = "type",
                                        [RULE_ON_STACK] = "stack",
                                        [RULE_ON_FAMILY] = "family"};
    const struct rule *systems = last_about(&policy->system, subject), *users = last_about(&policy->user, subject);
    bool final = systems && (systems->preference == HAWSER_PROHIBIT || !users);
    const struct rule *rule = final ? systems : users;

    if (!rule)
        return HAWSER_NO_PREFERENCE;
    if (reason && size > 0 && rule->preference != HAWSER_NO_PREFERENCE)
        snprintf(reason, size, "%s:%u %s %s %s%s%s", final ? policy->system.name : policy->user.name, rule->line,
                 words[rule->preference], about[rule->kind], rule->pattern, *rule->hosts ? " for " : "", rule->hosts);
    return rule->preference;
}

hawser_preference policy_on_interface(const struct policy *policy, const char *name, const char *type, const char *host,
                                      char *reason, size_t size)
{
    return judge(policy, &(struct subject){.name = name, .type = type, .host = host}, reason, size);
}

hawser_preference policy_on_stack(const struct policy *policy, const char *stack, char *reason, size_t size)
{
    return judge(policy, &(struct subject){.stack = stack}, reason, size);
}

hawser_preference policy_on_family(const struct policy *policy, const char *family)
{
    return judge(policy, &(struct subject){.family = family}, NULL, 0);
}

static bool prohibits(const struct rules *rules, const char *host)
{
    for (size_t i = 0; i < rules->count; i++)
        if ((rules->list[i].kind == RULE_ON_INTERFACE || rules->list[i].kind == RULE_ON_TYPE) &&
            rules->list[i].preference == HAWSER_PROHIBIT && is_about_host(&rules->list[i], host))
            return true;
    return false;
}

bool policy_prohibits_interfaces(const struct policy *policy, const char *host)
{
    return prohibits(&policy->system, host) || prohibits(&policy->user, host);
}

static void add_facts(const struct rules *rules, const char *name, struct policy_interface *facts)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        if (rule->kind != RULE_INTERFACE || !rules_match(rule->pattern, name, false))
            continue;
        if (*rule->word)
            snprintf(facts->type, sizeof facts->type, "%.31s", rule->word);
        if (rule->cost >= 0)
            facts->cost = rule->cost;
        if (rule->metered >= 0)
            facts->metered = rule->metered;
    }
}

void policy_interface(const struct policy *policy, const char *name, struct policy_interface *ret_interface)
{
    *ret_interface = (struct policy_interface){.type = "", .cost = -1, .metered = -1};
    add_facts(&policy->system, name, ret_interface);
    add_facts(&policy->user, name, ret_interface);
}

/* A network is written "wlan0 192.168.1.1 02:00:5e:00:53:01". */
static const char *name_of(const struct rules *rules, const char *interface, const char *gateway, const char *link)
{
    for (size_t i = rules->count; i > 0; i--) {
        const struct rule *rule = &rules->list[i - 1];
        if (rule->kind == RULE_NETWORK && (!*rule->pattern || rules_match(rule->pattern, interface, false)) &&
            (!*rule->gateway || strcmp(rule->gateway, gateway) == 0) &&
            (!*rule->link || strcasecmp(rule->link, link) == 0))
            return rule->word;
    }
    return "";
}

const char *policy_network(const struct policy *policy, const char *network)
{
    char interface[POLICY_WORD] = "", gateway[POLICY_WORD] = "", link[POLICY_WORD] = "";
    const char *name;

    if (sscanf(network, "%255s %255s %255s", interface, gateway, link) < 1)
        return "";
    name = name_of(&policy->user, interface, gateway, link);
    return *name ? name : name_of(&policy->system, interface, gateway, link);
}

/* "direct" takes back what was said before it, but not what the system requires. */
static void add_proxies(const struct rules *rules, const char *host, struct property_set *set)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        if (rule->kind != RULE_PROXY || !is_about_host(rule, host))
            continue;
        if (strcmp(rule->word, "direct") == 0) {
            set->count = 0;
        } else if (set->count < PROPERTY_SET_MAX) {
            set->wants[set->count].preference = rule->preference;
            snprintf(set->wants[set->count++].value, sizeof set->wants[0].value, "%s", rule->word);
        }
    }
}

void policy_proxies(const struct policy *policy, const char *host, struct property_set *ret_proxies)
{
    unsigned kept = 0;

    memset(ret_proxies, 0, sizeof *ret_proxies);
    add_proxies(&policy->system, host, ret_proxies);
    for (unsigned i = 0; i < ret_proxies->count; i++)
        kept += ret_proxies->wants[i].preference == HAWSER_REQUIRE;
    if (kept == 0)
        add_proxies(&policy->user, host, ret_proxies);
}

static int64_t delay(const struct policy *policy, enum rule_kind kind)
{
    const struct rules *both[] = {&policy->user, &policy->system};

    for (size_t i = 0; i < 2; i++)
        for (size_t j = both[i]->count; j > 0; j--)
            if (both[i]->list[j - 1].kind == kind)
                return both[i]->list[j - 1].delay_us;
    return 0;
}

int64_t policy_path_delay(const struct policy *policy)
{
    return delay(policy, RULE_PATH_DELAY);
}

int64_t policy_attempt_delay(const struct policy *policy)
{
    return delay(policy, RULE_ATTEMPT_DELAY);
}
