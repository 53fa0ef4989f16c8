/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a way may be used, and before which others: what the program wants, then what the policy says, then what the
 * system would do, then what is known of the type. */
#include "path/internal.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Each level of a rank outweighs all below it. */
enum {
    RANK_PROPERTY = 20000000, /* times -50 .. 50 */
    RANK_POLICY = 5000000,    /* avoided 1, preferred -1 */
    RANK_METERED = 2000000,   /* for bulk that has time */
    RANK_COST = 2000,         /* times a cost that a policy file gives: 0 .. COST_MAX */
    RANK_OTHER = 1000,        /* not the system's choice */
    COST_MAX = 999
};
#define DELAY_METERED 1000000 /* microseconds: a radio that sleeps, or that costs, is woken late */

static bool has_temporary(const struct judging *judging, unsigned index)
{
    size_t count;
    const struct interface_address *list = interfaces_addresses(judging->paths->interfaces, &count);

    for (size_t i = 0; i < count; i++)
        if (list[i].index == index && (list[i].flags & IFA_F_TEMPORARY) && list[i].family == AF_INET6)
            return true;
    return false;
}

static bool is_temporary(const struct judging *judging, const struct layer_address *source)
{
    const struct interface_address *held;

    if (source->size == 0 || source->address.ss_family != AF_INET6)
        return false;
    held = interfaces_holder(judging->paths->interfaces, (const struct sockaddr *)&source->address);
    return held && (held->flags & IFA_F_TEMPORARY);
}

static bool is_specific(const struct layer_address *local)
{
    const struct sockaddr_in6 *six = (const void *)&local->address;

    return local->address.ss_family == AF_INET6
               ? !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr)
               : ((const struct sockaddr_in *)(const void *)six)->sin_addr.s_addr != INADDR_ANY;
}

/* The program's local endpoint, and of IPv6 the kind of address that is wanted where the interface has both (RFC 9622
 * section 6.2.13; RFC 5014 asks the kernel). */
static void judge_source(const struct judging *judging, struct way *way)
{
    const struct layer_address *local = judging->wish->local;
    struct path_choice *choice = &way->choice;
    hawser_preference want =
        judging->wish->values ? judging->wish->values->use_temporary_local_address : HAWSER_NO_PREFERENCE;
    bool six = judging->remote->address.ss_family == AF_INET6, wanted, given = local && local->size > 0;
    struct layer_address other;

    if (given)
        choice->local = *local;
    choice->temporary = is_temporary(judging, &choice->source);
    if (way->route.here || want == HAWSER_NO_PREFERENCE)
        return;
    wanted = want == HAWSER_REQUIRE || want == HAWSER_PREFER;
    if (six && choice->temporary != wanted && has_temporary(judging, choice->index) && !(given && is_specific(local)) &&
        route_source(judging->remote, choice->index, wanted ? SOURCE_TEMPORARY : SOURCE_STABLE, &other) == 0 &&
        is_temporary(judging, &other) == wanted) {
        choice->source = choice->local = other;
        if (given) /* its port */
            ((struct sockaddr_in6 *)(void *)&choice->local.address)->sin6_port =
                ((const struct sockaddr_in6 *)(const void *)&local->address)->sin6_port;
        choice->temporary = wanted;
    }
    if (want == HAWSER_REQUIRE && !choice->temporary)
        way_refuse(way, -HAWSER_EPROHIBITED, "useTemporaryLocalAddress is required, and %s has no temporary %s address",
                   choice->interface, six ? "IPv6" : "IPv4");
    else if (want == HAWSER_PROHIBIT && choice->temporary)
        way_refuse(way, -HAWSER_EPROHIBITED,
                   "useTemporaryLocalAddress is prohibited, and %s has temporary addresses only", choice->interface);
}

/* A provisioning domain is the network: by the name that a policy file gives it, its gateway, or all of its identity. */
static int judge_network(const struct judging *judging, struct way *way, int *rank)
{
    const struct property_set *pvd = &judging->wish->values->pvd;
    const char *required = NULL, *name;
    char gateway[INET6_ADDRSTRLEN];
    bool met = false;

    if (pvd->count == 0)
        return 0;
    name = policy_network(judging->policy, way->choice.network);
    route_text(&way->choice.gateway, gateway, sizeof gateway);
    for (unsigned i = 0; i < pvd->count; i++) {
        const struct property_want *want = &pvd->wants[i];
        bool is = strcasecmp(want->value, name) == 0 || strcmp(want->value, gateway) == 0 ||
                  strcmp(want->value, way->choice.network) == 0;

        if (want->preference == HAWSER_REQUIRE) {
            required = want->value;
            met |= is;
        } else if (is && want->preference == HAWSER_PROHIBIT) {
            way_refuse(way, -HAWSER_EPROHIBITED, "pvd prohibits %s", want->value);
            return -HAWSER_EPROHIBITED;
        } else if (is) {
            *rank += want->preference == HAWSER_AVOID ? 1 : want->preference == HAWSER_PREFER ? -1 : 0;
        }
    }
    if (!required || met)
        return 0;
    way_refuse(way, -HAWSER_EPROHIBITED, "pvd requires %.60s, and this network is %.60s", required,
               *name ? name : way->choice.network);
    return -HAWSER_EPROHIBITED;
}

static int judge_properties(const struct judging *judging, struct way *way, int *rank)
{
    const struct property_values *values = judging->wish->values;
    struct path_choice *choice = &way->choice;
    int of_interface = 0, of_family = 0, r;

    if (!values)
        return 0;
    r = property_judge_interface(values, choice->interface, choice->type, &of_interface, choice->reason,
                                 sizeof choice->reason);
    if (r == 0)
        r = property_judge_family(values, judging->remote->address.ss_family == AF_INET ? "ipv4" : "ipv6", &of_family,
                                  choice->reason, sizeof choice->reason);
    if (r < 0) {
        choice->usable = false;
        choice->code = r;
        return r;
    }
    *rank = of_interface; /* between families the addresses' order decides, not the paths' */
    return judge_network(judging, way, rank);
}

static int judge_policy(const struct judging *judging, struct way *way, hawser_preference *ret_preference)
{
    struct path_choice *choice = &way->choice;
    const char *family = judging->remote->address.ss_family == AF_INET ? "ipv4" : "ipv6";

    *ret_preference = HAWSER_NO_PREFERENCE;
    if (way->route.here)
        return 0;
    *ret_preference = policy_on_interface(judging->policy, choice->interface, choice->type, judging->host,
                                          choice->reason, sizeof choice->reason);
    if (*ret_preference == HAWSER_PROHIBIT) {
        choice->usable = false;
        choice->code = -HAWSER_EPROHIBITED;
    } else if (policy_on_family(judging->policy, family) == HAWSER_PROHIBIT) {
        way_refuse(way, -HAWSER_EPROHIBITED, "the policy prohibits %s", family);
    }
    return choice->code;
}

/* What the system sends into a tunnel, or by a route for these addresses alone, was meant to go there. */
static void judge_bypass(const struct judging *judging, struct way *way, bool preferred)
{
    const struct path_choice *choice = &way->choice;

    if (choice->system || preferred || (judging->wish->interface && *judging->wish->interface) ||
        (judging->wish->local && judging->wish->local->size > 0 && is_specific(judging->wish->local)))
        return;
    if (judging->system_tunnel && strcmp(choice->type, "tunnel") != 0)
        way_refuse(way, -HAWSER_EPROHIBITED,
                   "the system sends this through the tunnel %s: %s only when it is preferred", judging->system_name,
                   choice->interface);
    else if (way->route.prefix < judging->system_prefix)
        way_refuse(way, -HAWSER_EPROHIBITED, "%s has a more specific route: %s only when it is preferred",
                   judging->system_name, choice->interface);
}

/* Among ways that are not the system's: 0 .. 499. Who wants answers soon prefers what is near, the others what is cheap. */
static int type_rank(const struct judging *judging, const struct path_choice *choice)
{
    static const char *const near[] = {"loopback", "ethernet", "virtual", "wifi", "other", "tunnel", "cellular"};
    enum property_capacity profile =
        judging->wish->values ? judging->wish->values->conn_capacity_profile : CAPACITY_DEFAULT;

    if (profile == CAPACITY_LOW_LATENCY_INTERACTIVE || profile == CAPACITY_LOW_LATENCY_NON_INTERACTIVE)
        for (int i = 0; i < (int)(sizeof near / sizeof *near); i++)
            if (strcmp(near[i], choice->type) == 0)
                return i;
    return choice->cost < 0 ? 0 : choice->cost > 499 ? 499 : choice->cost;
}

static int rank_of(const struct judging *judging, const struct path_choice *choice, int of_properties,
                   hawser_preference of_policy)
{
    struct policy_interface said;
    int level = of_properties < -50 ? -50 : of_properties > 50 ? 50 : of_properties, rank;

    policy_interface(judging->policy, choice->interface, &said);
    rank = level * RANK_PROPERTY;
    if (of_policy == HAWSER_PREFER || of_policy == HAWSER_AVOID)
        rank += of_policy == HAWSER_AVOID ? RANK_POLICY : -RANK_POLICY;
    if (choice->metered && judging->wish->values && judging->wish->values->conn_capacity_profile == CAPACITY_SCAVENGER)
        rank += RANK_METERED;
    if (said.cost > 0)
        rank += (said.cost < COST_MAX ? said.cost : COST_MAX) * RANK_COST;
    return rank + (choice->system ? 0 : RANK_OTHER + type_rank(judging, choice));
}

static bool excludes(const struct property_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->wants[i].preference == HAWSER_REQUIRE || set->wants[i].preference == HAWSER_PROHIBIT)
            return true;
    return false;
}

bool judge_binds(const struct judging *judging)
{
    const struct path_wish *wish = judging->wish;

    return (wish->interface && *wish->interface) ||
           (wish->values && (excludes(&wish->values->interface) || excludes(&wish->values->pvd))) ||
           policy_prohibits_interfaces(judging->policy, judging->host);
}

void judge(const struct judging *judging, struct way *way)
{
    struct path_choice *choice = &way->choice;
    int64_t delay = policy_path_delay(judging->policy);
    hawser_preference of_policy;
    int of_properties = 0;

    if (!(way->interface->flags & IFF_RUNNING)) {
        way_refuse(way, -ENETDOWN, "%s has no link", choice->interface);
        return;
    }
    if (judge_properties(judging, way, &of_properties) < 0 || judge_policy(judging, way, &of_policy) < 0)
        return;
    judge_bypass(judging, way, of_properties < 0 || of_policy == HAWSER_PREFER);
    if (choice->usable)
        judge_source(judging, way);
    if (!choice->usable)
        return;
    choice->bind = (!choice->system || judge_binds(judging)) &&
                   !(way->route.here && !(judging->wish->interface && *judging->wish->interface));
    choice->rank = rank_of(judging, choice, of_properties, of_policy);
    choice->delay_us = choice->metered && !choice->system && delay < DELAY_METERED ? DELAY_METERED : delay;
}
