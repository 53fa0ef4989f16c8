/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy files: /etc/hawser/policy.conf, then $XDG_CONFIG_HOME/hawser/policy.conf, whose lines add to and override
 * the first's (but cannot lift what the system prohibits). Read again when they change. docs/policy.md has the grammar:
 *
 *     interface wlan0 type wifi cost 10
 *     interface wwan* type cellular cost 100 metered
 *     network home gateway 192.168.1.1 [link 02:00:5e:00:53:01] [interface wlan0]
 *     prefer|avoid|prohibit|allow interface wwan* [for *.example.org]
 *     prefer|avoid|prohibit|allow type cellular [for *.example.org]
 *     prefer|avoid|prohibit|allow stack tls/mptcp
 *     prefer|avoid|prohibit|allow family ipv4
 *     proxy socks5://10.0.0.1:1080|http://...|direct [require|prefer|race] [for PATTERN] [except PATTERN]
 *     path-delay 500ms
 *     attempt-delay 250ms
 */
#ifndef PATH_POLICY_H
#define PATH_POLICY_H

#include <hawser/hawser.h>

#include "property/property.h"

struct policy;
/* The context's, as the files are now; the same for as long as the context lives, though what it says may change with each
 * call of this. A file that is malformed counts as it was when it was last right, or as absent, and is said in the log
 * with line and column. */
int policy_of(hawser_context *context, const struct policy **ret_policy);

struct policy_interface {
    char type[32]; /* "": not said */
    int cost;      /* -1: not said */
    int metered;   /* 0, 1; -1: not said */
};
void policy_interface(const struct policy *policy, const char *name, struct policy_interface *ret_interface);
/* The name that a policy gives to a network (struct path_choice says which); "": none. */
const char *policy_network(const struct policy *policy, const char *network);
/* What policy says of an interface (by name or type) towards a host, of a stack, and of a family; HAWSER_NO_PREFERENCE: nothing.
 * reason: "policy.conf:3 prohibits type cellular". host NULL: not known, as if no line "for" a host were there. */
hawser_preference policy_on_interface(const struct policy *policy, const char *name, const char *type, const char *host,
                                      char *reason, size_t size);
hawser_preference policy_on_stack(const struct policy *policy, const char *stack, char *reason, size_t size);
hawser_preference policy_on_family(const struct policy *policy, const char *family);
/* Whether some interface is prohibited towards a host. */
bool policy_prohibits_interfaces(const struct policy *policy, const char *host);
/* The proxies for a host, as a set of URLs; the program's own come before it. */
void policy_proxies(const struct policy *policy, const char *host, struct property_set *ret_proxies);
int64_t policy_path_delay(const struct policy *policy);    /* 0: not said */
int64_t policy_attempt_delay(const struct policy *policy); /* 0: not said */

#endif
