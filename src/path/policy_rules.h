/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file once it is read: private to policy*.c and their tests. */
#ifndef PATH_POLICY_RULES_H
#define PATH_POLICY_RULES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "property/property.h"

enum { POLICY_SIZE = 65536, POLICY_RULES = 1024, POLICY_WORD = 256, POLICY_COST_MAX = 999 };

enum rule_kind {
    RULE_INTERFACE, /* pattern: facts */
    RULE_NETWORK,   /* word: the name; pattern: the interface; gateway, link */
    RULE_ON_INTERFACE,
    RULE_ON_TYPE,
    RULE_ON_STACK,
    RULE_ON_FAMILY,
    RULE_PROXY, /* word: the URL */
    RULE_PATH_DELAY,
    RULE_ATTEMPT_DELAY,
};

struct rule {
    enum rule_kind kind;
    unsigned line;
    hawser_preference preference;                 /* ON_*, PROXY */
    char pattern[POLICY_WORD];                    /* what it is about; "" of a network: any */
    char word[POLICY_WORD];                       /* a type, a name, a URL */
    char hosts[POLICY_WORD], except[POLICY_WORD]; /* "": all, none */
    char gateway[48], link[18];
    int cost, metered; /* -1: not said */
    int64_t delay_us;
};

/* The rules of one file, in its order. */
struct rules {
    char name[64]; /* of the file, for reasons: "policy.conf" */
    size_t count, capacity;
    struct rule *list;
};

/* Reads a file's text. 0; -HAWSER_EPOLICY with "FILE:LINE:COLUMN: what is wrong" in reason (columns are bytes, from 1);
 * -ENOMEM. On failure ret_rules is empty. */
int rules_parse(const char *file, const char *text, size_t text_size, struct rules *ret_rules, char *reason,
                size_t size);
/* The same from the file. -errno: it cannot be read; the sentence is in reason. */
int rules_read(const char *file, struct rules *ret_rules, char *reason, size_t size);
void rules_free(struct rules *rules);

/* '*' is any bytes, '?' one. */
bool rules_match(const char *pattern, const char *text, bool any_case);
/* A pattern for hosts: of names, an address, or a prefix as in 10.0.0.0/8. */
bool rules_match_host(const char *pattern, const char *host);

/* An address, or a prefix of addresses as in 10.0.0.0/8. False: it is neither. */
bool rules_prefix(const char *text, int *ret_family, uint8_t ret_bytes[16], unsigned *ret_length);

/* The system's rules and the user's. */
struct policy {
    struct rules system, user;
};

#endif
