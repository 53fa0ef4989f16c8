/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab-link: links between network namespaces, commanded by lines on stdin. Each command has one answer, a JSON object on
 * a line of stdout, when it is in force: {"ok":true} or {"error":"..."}. Ends with stdin.
 *
 *     link NAME LEFT-PID LEFT-DEVICE RIGHT-PID RIGHT-DEVICE
 *     set NAME ab|ba|both delay=MICROSECONDS rate=BITS queue=BYTES loss=SHARE
 *          burst=SHARE:LENGTH         (lost in bursts: that share of all, a burst of that many packets on average)
 *          reorder=SHARE:MICROSECONDS (that share is that much later than the others, which overtake them)
 *     seed NAME N                     (the same seed loses and reorders the same packets, counted from now on)
 *     rule NAME ID ab|ba|both [family=4|6] [proto=tcp|udp|icmp] [src=A] [dst=A] [addr=A] [sport=N] [dport=N] [port=N]
 *          [syn] [synack] [data] [mptcp] [larger=BYTES] [first=N] pass|drop|rst|strip-mptcp|mss=N
 *     unrule NAME ID                  hits NAME ID
 *     wait NAME ID HITS               (answers when the rule met that many packets)
 *     nat NAME ADDRESS                (the left's IPv4 is seen on the right as ADDRESS, by other ports)
 *     rebind NAME                     (which all change)
 *     cut NAME [ab|ba|both]           uncut NAME [ab|ba|both]    (packets vanish, and nobody is told)
 *     carrier NAME ab|ba|both 0|1     (the cable of the left, right or both devices: nothing passes, and its kernel knows)
 *     capture NAME FILE               capture-end NAME      (everything that hosts sent into it)
 *     stats NAME                      drain                 (answers when all links are empty)
 *     stall                           (how late the machine was since last asked)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

enum { WORDS = 24 };

struct link *links[LINKS];
static bool draining;
static const struct rule *awaited; /* until it has that many hits */
static uint64_t awaited_hits;

static void answer(const char *error)
{
    if (error)
        printf("{\"error\":\"%s\"}\n", error);
    else
        puts("{\"ok\":true}");
}

static struct link *find(const char *name)
{
    for (int i = 0; name && i < LINKS; i++)
        if (links[i] && strcmp(links[i]->name, name) == 0)
            return links[i];
    return NULL;
}

static unsigned direction_bits(const char *word)
{
    return !word ? 0 : strcmp(word, "ab") == 0 ? 1 : strcmp(word, "ba") == 0 ? 2 : strcmp(word, "both") == 0 ? 3 : 0;
}

static const char *value_of(const char *word, const char *key)
{
    size_t size = strlen(key);

    return strncmp(word, key, size) == 0 && word[size] == '=' ? word + size + 1 : NULL;
}

static const char *do_link(char **words, int count)
{
    struct link *made;
    int i = 0;

    if (count != 6)
        return "link NAME LEFT-PID LEFT-DEVICE RIGHT-PID RIGHT-DEVICE";
    if (find(words[1]))
        return "there is such a link";
    while (i < LINKS && links[i])
        i++;
    made = i < LINKS ? malloc(sizeof *made) : NULL;
    if (!made)
        return "no room for another link";
    if (link_open(made, words[1], (const char *const[]){words[2], words[4]},
                  (const char *const[]){words[3], words[5]}) < 0) {
        free(made);
        return "the devices could not be made";
    }
    links[i] = made;
    return NULL;
}

static bool is_share(double share)
{
    return share >= 0 && share <= 1;
}

/* "SHARE:LENGTH" */
static bool set_burst(struct burst *burst, const char *value)
{
    char *rest;
    double share = strtod(value, &rest), length = *rest == ':' ? strtod(rest + 1, &rest) : 1;
    struct burst made = {.leave = 1 / length, .enter = share / (length * (1 - share))};

    if (*rest || !is_share(share) || length < 1 || !is_share(made.enter))
        return false;
    *burst = made;
    return true;
}

/* "SHARE:MICROSECONDS" */
static bool set_reorder(struct direction *d, const char *value)
{
    char *rest;
    double share = strtod(value, &rest);
    long long later = *rest == ':' ? strtoll(rest + 1, &rest, 10) : 0;

    if (*rest || !is_share(share) || later < 0 || (share > 0 && later == 0))
        return false;
    d->reorder = share;
    d->later_ns = later * 1000;
    return true;
}

static bool set_word(struct direction *d, const char *word)
{
    const char *value;
    double share;

    if ((value = value_of(word, "delay")))
        d->delay_ns = strtoll(value, NULL, 10) * 1000;
    else if ((value = value_of(word, "rate")))
        d->ns_per_byte = strtod(value, NULL) > 0 ? 8e9 / strtod(value, NULL) : 0;
    else if ((value = value_of(word, "queue")))
        d->queue = strtoull(value, NULL, 10);
    else if ((value = value_of(word, "loss")) && is_share(share = strtod(value, NULL)))
        d->loss = share;
    else if ((value = value_of(word, "burst")))
        return set_burst(&d->burst, value);
    else if ((value = value_of(word, "reorder")))
        return set_reorder(d, value);
    else
        return false;
    return true;
}

static const char *do_set(struct link *link, char **words, int count)
{
    unsigned bits = count > 2 ? direction_bits(words[2]) : 0;

    if (!bits)
        return "no direction";
    for (int i = 3; i < count; i++)
        for (int side = 0; side < 2; side++)
            if ((bits & 1u << side) && !set_word(&link->directions[side], words[i]))
                return "delay, rate, queue, loss, burst or reorder, and what they can be";
    return NULL;
}

static const char *do_cut(struct link *link, const char *word, bool cut)
{
    unsigned bits = word ? direction_bits(word) : 3;

    for (int side = 0; side < 2; side++)
        if (bits & 1u << side)
            link->directions[side].cut = cut;
    return bits ? NULL : "no direction";
}

static bool read_address(const char *text, uint8_t address[16], bool *has)
{
    *has = inet_pton(AF_INET6, text, address) == 1;
    if (!*has && inet_pton(AF_INET, text, address + 12) == 1) {
        memset(address, 0, 10);
        memset(address + 10, 0xff, 2);
        *has = true;
    }
    return *has;
}

static bool rule_action(struct rule *rule, const char *word)
{
    static const char *const names[RULE_ACTIONS] = {"pass", "drop", "rst", "strip-mptcp"};
    const char *mss = value_of(word, "mss");

    if (mss) {
        rule->action = RULE_MSS;
        rule->mss = (unsigned)atoi(mss);
        return rule->mss > 0;
    }
    for (int i = 0; i < RULE_ACTIONS; i++)
        if (strcmp(word, names[i]) == 0) {
            rule->action = (enum rule_action)i;
            return true;
        }
    return false;
}

static bool rule_flag(struct rule *rule, const char *word)
{
    bool *flag = strcmp(word, "syn") == 0      ? &rule->syn
                 : strcmp(word, "synack") == 0 ? &rule->synack
                 : strcmp(word, "data") == 0   ? &rule->data
                 : strcmp(word, "mptcp") == 0  ? &rule->mptcp
                                               : NULL;

    if (flag)
        *flag = true;
    return flag;
}

static bool rule_word(struct rule *rule, const char *word)
{
    const char *value;

    if ((value = value_of(word, "family")))
        rule->family = atoi(value);
    else if ((value = value_of(word, "proto")))
        rule->protocol = strcmp(value, "tcp") == 0    ? IPPROTO_TCP
                         : strcmp(value, "udp") == 0  ? IPPROTO_UDP
                         : strcmp(value, "icmp") == 0 ? IPPROTO_ICMP
                                                      : -1;
    else if ((value = value_of(word, "src")))
        return read_address(value, rule->source, &rule->has_source);
    else if ((value = value_of(word, "dst")))
        return read_address(value, rule->destination, &rule->has_destination);
    else if ((value = value_of(word, "addr")))
        return read_address(value, rule->either, &rule->has_either);
    else if ((value = value_of(word, "sport")))
        rule->source_port = (unsigned)atoi(value);
    else if ((value = value_of(word, "dport")))
        rule->destination_port = (unsigned)atoi(value);
    else if ((value = value_of(word, "port")))
        rule->port = (unsigned)atoi(value);
    else if ((value = value_of(word, "larger")))
        rule->larger = strtoull(value, NULL, 10);
    else if ((value = value_of(word, "first")))
        rule->first = strtoull(value, NULL, 10);
    else
        return rule_flag(rule, word);
    return rule->protocol >= 0;
}

static const char *do_rule(struct link *link, char **words, int count)
{
    struct rule rule = {.directions = count > 3 ? direction_bits(words[3]) : 0};

    if (!rule.directions || link->rule_count == RULES || !rule_action(&rule, words[count - 1]))
        return "no direction, no action or too many rules";
    snprintf(rule.id, sizeof rule.id, "%s", words[2]);
    for (int i = 4; i < count - 1; i++)
        if (!rule_word(&rule, words[i]))
            return "a rule does not know one of these words";
    link->rules[link->rule_count++] = rule;
    return NULL;
}

static struct rule *find_rule(struct link *link, const char *id)
{
    for (size_t i = 0; id && i < link->rule_count; i++)
        if (strcmp(link->rules[i].id, id) == 0)
            return &link->rules[i];
    return NULL;
}

static const char *do_unrule(struct link *link, const char *id)
{
    struct rule *rule = find_rule(link, id);

    if (!rule)
        return "no such rule";
    memmove(rule, rule + 1, (size_t)(&link->rules[--link->rule_count] - rule) * sizeof *rule);
    return NULL;
}

static const char *do_carrier(struct link *link, char **words, int count)
{
    unsigned bits = count == 4 ? direction_bits(words[2]) : 0;

    if (!bits)
        return "carrier NAME ab|ba|both 0|1";
    for (int side = 0; side < 2; side++)
        if ((bits & 1u << side) && link_carrier(link, side, atoi(words[3])) < 0)
            return "the device refused";
    return NULL;
}

static void print_stats(const struct link *link)
{
    const struct direction *a = &link->directions[0], *b = &link->directions[1];

    printf("{\"ok\":true,\"entered\":[%" PRIu64 ",%" PRIu64 "],\"passed\":[%" PRIu64 ",%" PRIu64
           "],\"dropped\":[%" PRIu64 ",%" PRIu64 "]}\n",
           a->entered, b->entered, a->passed, b->passed, a->dropped, b->dropped);
}

/* Of one link. Whether it has answered by itself. */
static bool link_command(struct link *link, char **words, int count, const char **ret_error)
{
    const char *name = words[0];
    struct rule *rule;

    if (strcmp(name, "set") == 0) {
        *ret_error = do_set(link, words, count);
    } else if (strcmp(name, "rule") == 0) {
        *ret_error = do_rule(link, words, count);
    } else if (strcmp(name, "unrule") == 0) {
        *ret_error = do_unrule(link, words[2]);
    } else if (strcmp(name, "carrier") == 0) {
        *ret_error = do_carrier(link, words, count);
    } else if (strcmp(name, "cut") == 0 || strcmp(name, "uncut") == 0) {
        *ret_error = do_cut(link, words[2], name[0] == 'c');
    } else if (strcmp(name, "seed") == 0 && count == 3) {
        link_seed(link, strtoull(words[2], NULL, 10));
    } else if (strcmp(name, "nat") == 0 && count == 3) {
        *ret_error = nat_set(link, words[2]) < 0 ? "no such address" : NULL;
    } else if (strcmp(name, "rebind") == 0) {
        nat_rebind(link);
    } else if (strcmp(name, "capture") == 0 && count == 3) {
        *ret_error = capture_open(link, words[2]) < 0 ? "the capture cannot be written" : NULL;
    } else if (strcmp(name, "capture-end") == 0) {
        *ret_error = capture_close(link) < 0 ? "the capture could not be written" : NULL;
    } else if (strcmp(name, "stats") == 0) {
        print_stats(link);
        return true;
    } else if (strcmp(name, "hits") == 0 && (rule = find_rule(link, words[2]))) {
        printf("{\"ok\":true,\"hits\":%" PRIu64 "}\n", rule->hits);
        return true;
    } else if (strcmp(name, "wait") == 0 && count == 4 && (rule = find_rule(link, words[2]))) {
        awaited = rule;
        awaited_hits = strtoull(words[3], NULL, 10);
        command_answer_waits();
        return true;
    } else {
        *ret_error = "no such command";
    }
    return false;
}

void command_answer_waits(void)
{
    if (awaited && awaited->hits >= awaited_hits) {
        awaited = NULL;
        answer(NULL);
    }
    if (!draining)
        return;
    for (int i = 0; i < LINKS; i++)
        if (links[i] && !link_empty(links[i]))
            return;
    draining = false;
    answer(NULL);
}

void command(char *line)
{
    char *words[WORDS + 1] = {0}, *rest = NULL;
    const char *error = NULL;
    struct link *link;
    int count = 0;

    for (char *word = strtok_r(line, " ", &rest); word && count < WORDS; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    if (count == 0)
        return;
    if (strcmp(words[0], "link") == 0) {
        error = do_link(words, count);
    } else if (strcmp(words[0], "drain") == 0) {
        draining = true;
        return;
    } else if (strcmp(words[0], "stall") == 0) {
        printf("{\"ok\":true,\"worst_us\":%" PRId64 ",\"total_us\":%" PRId64 "}\n", stall_worst_us(), stall_total_us());
        return;
    } else if (!(link = find(words[1]))) {
        error = "no such link";
    } else if (link_command(link, words, count, &error)) {
        return;
    }
    answer(error);
}
