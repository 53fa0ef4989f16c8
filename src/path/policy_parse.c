/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of policy files (docs/policy.md). One line, one rule; what is wrong is told with its line and column. */
#include "path/policy_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_SIZE = 2048, WORDS_MAX = 24 };

struct word {
    const char *text;
    unsigned column;
};

struct parser {
    const char *file;
    struct rules *rules;
    unsigned line;
    char text[LINE_SIZE];
    struct word words[WORDS_MAX];
    unsigned count, at, end; /* end: the column behind the last word */
    char *reason;
    size_t reason_size;
};

static int __attribute__((format(printf, 3, 4)))
wrong_at(struct parser *parser, unsigned column, const char *format, ...)
{
    va_list arguments;
    int length = snprintf(parser->reason, parser->reason_size, "%s:%u:%u: ", parser->file, parser->line, column);

    va_start(arguments, format);
    if (length >= 0 && (size_t)length < parser->reason_size)
        vsnprintf(parser->reason + length, parser->reason_size - (size_t)length, format, arguments);
    va_end(arguments);
    return -HAWSER_EPOLICY;
}

/* The next word; NULL at the end of the line. */
static const struct word *next(struct parser *parser)
{
    return parser->at < parser->count ? &parser->words[parser->at++] : NULL;
}

/* The same, where there has to be one. */
static int need(struct parser *parser, const char *what, const struct word **ret_word)
{
    *ret_word = next(parser);
    return *ret_word ? 0 : wrong_at(parser, parser->end, "%s is missing", what);
}

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(word, list) is_one_of(word, list, sizeof(list) / sizeof *(list))

/* ----------------------------------------------------------------------------------------------------------- words */

static int take_host(struct parser *parser, const char *after, char ret_pattern[POLICY_WORD])
{
    const struct word *word;
    uint8_t bytes[16];
    unsigned length;
    int family, r;

    if ((r = need(parser, after, &word)) < 0)
        return r;
    if (*ret_pattern)
        return wrong_at(parser, word->column, "only one pattern of hosts is taken here");
    if (strchr(word->text, '/') && !rules_prefix(word->text, &family, bytes, &length))
        return wrong_at(parser, word->column, "%s is no prefix of addresses such as 10.0.0.0/8", word->text);
    snprintf(ret_pattern, POLICY_WORD, "%s", word->text);
    return 0;
}

/* [for PATTERN] [except PATTERN] */
static int take_hosts(struct parser *parser, struct rule *rule, bool except)
{
    const struct word *word;
    int r = 0;

    while (r == 0 && (word = next(parser))) {
        if (strcmp(word->text, "for") == 0)
            r = take_host(parser, "the pattern of hosts after \"for\"", rule->hosts);
        else if (except && strcmp(word->text, "except") == 0)
            r = take_host(parser, "the pattern of hosts after \"except\"", rule->except);
        else
            r = wrong_at(parser, word->column, "%s is not understood here: \"for PATTERN\"%s may follow", word->text,
                         except ? " and \"except PATTERN\"" : "");
    }
    return r;
}

static int take_end(struct parser *parser)
{
    const struct word *word = next(parser);

    return word ? wrong_at(parser, word->column, "%s is too much: nothing may follow here", word->text) : 0;
}

static int take_interface(struct parser *parser, char ret_pattern[POLICY_WORD])
{
    const struct word *word;
    int r = need(parser, "the name of an interface", &word);

    if (r < 0)
        return r;
    if (strlen(word->text) >= IF_NAMESIZE || strchr(word->text, '/'))
        return wrong_at(parser, word->column, "%s is no name of an interface: they have at most %d bytes and no slash",
                        word->text, IF_NAMESIZE - 1);
    snprintf(ret_pattern, POLICY_WORD, "%s", word->text);
    return 0;
}

static bool is_known_type(const struct rules *rules, const char *type)
{
    static const char *const types[] = {"ethernet", "wifi", "cellular", "loopback", "tunnel", "virtual", "other"};

    if (IS_ONE_OF(type, types))
        return true;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].kind == RULE_INTERFACE && strcmp(rules->list[i].word, type) == 0)
            return true;
    return false;
}

static bool is_layer(const char *layer, size_t size)
{
    static const char *const layers[] = {"tls",          "tcp",  "mptcp", "unix", "socks5",
                                         "http-connect", "quic", "udp",   "sctp", "dtls"};

    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (strlen(layers[i]) == size && strncmp(layers[i], layer, size) == 0)
            return true;
    return memchr(layer, '*', size) || memchr(layer, '?', size);
}

static int take_stack(struct parser *parser, char ret_pattern[POLICY_WORD])
{
    const struct word *word;
    int r = need(parser, "a stack such as tls/mptcp", &word);

    if (r < 0)
        return r;
    for (const char *at = word->text;; at += strcspn(at, "/") + 1) {
        size_t size = strcspn(at, "/");
        if (!is_layer(at, size))
            return wrong_at(parser, word->column + (unsigned)(at - word->text),
                            "no layer is called \"%.*s\": known are tls, tcp, mptcp, unix, socks5, http-connect, quic, "
                            "udp, sctp and dtls",
                            (int)size, at);
        if (!at[size])
            break;
    }
    snprintf(ret_pattern, POLICY_WORD, "%s", word->text);
    return 0;
}

static int take_duration(struct parser *parser, int64_t least, int64_t most, int64_t *ret_duration)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    const struct word *word;
    unsigned long long number;
    char *unit;
    int r = need(parser, "a duration such as 500ms", &word);

    if (r < 0)
        return r;
    number = isdigit((unsigned char)*word->text) ? strtoull(word->text, &unit, 10) : 0;
    if (!isdigit((unsigned char)*word->text))
        return wrong_at(parser, word->column, "%s is no duration such as 500ms", word->text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0) {
            *ret_duration = number > 1000000000 ? INT64_MAX : (int64_t)number * units[i].us;
            if (*ret_duration < least || *ret_duration > most)
                return wrong_at(parser, word->column, "%s is out of range: from %lldms to %lldms", word->text,
                                (long long)least / 1000, (long long)most / 1000);
            return 0;
        }
    return wrong_at(parser, word->column, "%s has no unit: us, ms or s", word->text);
}

/* ----------------------------------------------------------------------------------------------------------- rules */

static int take_type_word(struct parser *parser, char ret_type[POLICY_WORD])
{
    const struct word *word;
    int r = need(parser, "the type after \"type\"", &word);

    if (r < 0)
        return r;
    if (strlen(word->text) > 31 || strspn(word->text, "abcdefghijklmnopqrstuvwxyz0123456789-") < strlen(word->text))
        return wrong_at(parser, word->column, "%s is no type: a word of a-z, 0-9 and -, with at most 31 bytes",
                        word->text);
    snprintf(ret_type, POLICY_WORD, "%s", word->text);
    return 0;
}

static int take_cost(struct parser *parser, int *ret_cost)
{
    const struct word *word;
    int r = need(parser, "the number after \"cost\"", &word);

    if (r < 0)
        return r;
    if (strspn(word->text, "0123456789") < strlen(word->text) || strlen(word->text) > 3)
        return wrong_at(parser, word->column, "%s is no cost: a number from 0 to %d", word->text, POLICY_COST_MAX);
    *ret_cost = atoi(word->text);
    return 0;
}

static int parse_interface(struct parser *parser, struct rule *rule)
{
    const struct word *word;
    int r = take_interface(parser, rule->pattern);

    while (r == 0 && (word = next(parser))) {
        bool metered = strcmp(word->text, "metered") == 0, unmetered = strcmp(word->text, "unmetered") == 0;
        if ((strcmp(word->text, "type") == 0 && *rule->word) || (strcmp(word->text, "cost") == 0 && rule->cost >= 0) ||
            ((metered || unmetered) && rule->metered >= 0))
            return wrong_at(parser, word->column, "%s is said twice of the same interface", word->text);
        if (strcmp(word->text, "type") == 0)
            r = take_type_word(parser, rule->word);
        else if (strcmp(word->text, "cost") == 0)
            r = take_cost(parser, &rule->cost);
        else if (metered || unmetered)
            rule->metered = metered;
        else
            r = wrong_at(parser, word->column, "%s is not understood here: type, cost, metered or unmetered",
                         word->text);
    }
    if (r == 0 && !*rule->word && rule->cost < 0 && rule->metered < 0)
        return wrong_at(parser, parser->end, "nothing is said of the interface: type, cost, metered or unmetered");
    return r;
}

static int take_gateway(struct parser *parser, char ret_gateway[48])
{
    const struct word *word;
    uint8_t bytes[16];
    int family, r = need(parser, "the address after \"gateway\"", &word);

    if (r < 0)
        return r;
    family = strchr(word->text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, word->text, bytes) != 1)
        return wrong_at(parser, word->column, "%s is no address", word->text);
    inet_ntop(family, bytes, ret_gateway, 48); /* as networks are written */
    return 0;
}

static int take_link(struct parser *parser, char ret_link[18])
{
    const struct word *word;
    int r = need(parser, "the link address after \"link\"", &word);

    if (r < 0)
        return r;
    for (size_t i = 0; i < 17; i++)
        if (i % 3 == 2 ? word->text[i] != ':' : !isxdigit((unsigned char)word->text[i]))
            return wrong_at(parser, word->column, "%s is no link address such as 02:00:5e:00:53:01", word->text);
    if (word->text[17])
        return wrong_at(parser, word->column, "%s is no link address such as 02:00:5e:00:53:01", word->text);
    snprintf(ret_link, 18, "%s", word->text);
    return 0;
}

static int parse_network(struct parser *parser, struct rule *rule)
{
    const struct word *word;
    int r = need(parser, "a name for the network", &word);

    if (r < 0)
        return r;
    snprintf(rule->word, sizeof rule->word, "%s", word->text);
    while (r == 0 && (word = next(parser))) {
        if (strcmp(word->text, "gateway") == 0)
            r = take_gateway(parser, rule->gateway);
        else if (strcmp(word->text, "link") == 0)
            r = take_link(parser, rule->link);
        else if (strcmp(word->text, "interface") == 0)
            r = take_interface(parser, rule->pattern);
        else
            r = wrong_at(parser, word->column, "%s is not understood here: gateway, link or interface", word->text);
    }
    if (r == 0 && !*rule->gateway && !*rule->link && !*rule->pattern)
        return wrong_at(parser, parser->end, "what the network is known by is missing: gateway, link or interface");
    return r;
}

static int take_family(struct parser *parser, char ret_family[POLICY_WORD])
{
    static const char *const families[] = {"ipv4", "ipv6"};
    const struct word *word;
    int r = need(parser, "a family", &word);

    if (r < 0)
        return r;
    if (!IS_ONE_OF(word->text, families))
        return wrong_at(parser, word->column, "%s is no family: ipv4 or ipv6", word->text);
    snprintf(ret_family, POLICY_WORD, "%s", word->text);
    return 0;
}

static int take_known_type(struct parser *parser, char ret_type[POLICY_WORD])
{
    const struct word *word;
    int r = need(parser, "a type of interfaces", &word);

    if (r < 0)
        return r;
    if (!is_known_type(parser->rules, word->text))
        return wrong_at(
            parser, word->column,
            "no interface is of type %s: known are ethernet, wifi, cellular, loopback, tunnel, virtual, other "
            "and what a line above gives to an interface",
            word->text);
    snprintf(ret_type, POLICY_WORD, "%s", word->text);
    return 0;
}

static int parse_preference(struct parser *parser, struct rule *rule)
{
    const struct word *word;
    int r = need(parser, "what this is about (interface, type, stack or family)", &word);

    if (r < 0)
        return r;
    if (strcmp(word->text, "interface") == 0) {
        rule->kind = RULE_ON_INTERFACE;
        r = take_interface(parser, rule->pattern);
        return r < 0 ? r : take_hosts(parser, rule, false);
    }
    if (strcmp(word->text, "type") == 0) {
        rule->kind = RULE_ON_TYPE;
        r = take_known_type(parser, rule->pattern);
        return r < 0 ? r : take_hosts(parser, rule, false);
    }
    if (strcmp(word->text, "stack") == 0) {
        rule->kind = RULE_ON_STACK;
        r = take_stack(parser, rule->pattern);
        return r < 0 ? r : take_end(parser);
    }
    if (strcmp(word->text, "family") == 0) {
        rule->kind = RULE_ON_FAMILY;
        r = take_family(parser, rule->pattern);
        return r < 0 ? r : take_end(parser);
    }
    return wrong_at(parser, word->column, "%s is not understood here: interface, type, stack or family", word->text);
}

/* scheme://[user[:password]@]host:port[/] */
static const char *wrong_url(const char *url)
{
    static const char *const schemes[] = {"socks5://", "socks5h://", "http://"};
    const char *rest = NULL, *at, *colon;
    char *end;
    unsigned long port;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            rest = url + strlen(schemes[i]);
    if (!rest)
        return "it begins with neither socks5:// nor http://, and is not \"direct\"";
    if ((at = strrchr(rest, '@')))
        rest = at + 1;
    colon = strrchr(rest, ':');
    if (!colon || colon == rest || !isdigit((unsigned char)colon[1]) || (*rest == '[') != (colon[-1] == ']'))
        return "it needs a host and a port, as in socks5://10.0.0.1:1080";
    port = strtoul(colon + 1, &end, 10);
    if (port < 1 || port > 65535)
        return "its port is not from 1 to 65535";
    return *end && strcmp(end, "/") != 0 ? "nothing comes after its port" : NULL;
}

static int parse_proxy(struct parser *parser, struct rule *rule)
{
    static const struct {
        const char *word;
        hawser_preference preference;
    } ways[] = {{"require", HAWSER_REQUIRE}, {"prefer", HAWSER_PREFER}, {"race", HAWSER_NO_PREFERENCE}};
    const struct word *word;
    const char *wrong;
    int r = need(parser, "the proxy's URL, or \"direct\"", &word);

    if (r < 0)
        return r;
    if (strcmp(word->text, "direct") != 0 && (wrong = wrong_url(word->text)))
        return wrong_at(parser, word->column, "the proxy %s cannot be used: %s", word->text, wrong);
    snprintf(rule->word, sizeof rule->word, "%s", word->text);
    rule->preference = HAWSER_PREFER;
    for (size_t i = 0; i < sizeof ways / sizeof *ways && parser->at < parser->count; i++)
        if (strcmp(parser->words[parser->at].text, ways[i].word) == 0) {
            if (strcmp(rule->word, "direct") == 0)
                return wrong_at(parser, parser->words[parser->at].column, "\"direct\" takes no %s", ways[i].word);
            rule->preference = ways[i].preference;
            parser->at++;
            break;
        }
    return take_hosts(parser, rule, true);
}

static int parse_path_delay(struct parser *parser, struct rule *rule)
{
    int r = take_duration(parser, 10000, 60000000, &rule->delay_us);

    return r < 0 ? r : take_end(parser);
}

static int parse_attempt_delay(struct parser *parser, struct rule *rule)
{
    int r = take_duration(parser, 10000, 2000000, &rule->delay_us);

    return r < 0 ? r : take_end(parser);
}

static const struct {
    const char *word;
    enum rule_kind kind;
    hawser_preference preference;
    int (*parse)(struct parser *parser, struct rule *rule);
} lines[] = {
    {"interface", RULE_INTERFACE, 0, parse_interface},
    {"network", RULE_NETWORK, 0, parse_network},
    {"prefer", 0, HAWSER_PREFER, parse_preference},
    {"avoid", 0, HAWSER_AVOID, parse_preference},
    {"prohibit", 0, HAWSER_PROHIBIT, parse_preference},
    {"allow", 0, HAWSER_NO_PREFERENCE, parse_preference},
    {"proxy", RULE_PROXY, 0, parse_proxy},
    {"path-delay", RULE_PATH_DELAY, 0, parse_path_delay},
    {"attempt-delay", RULE_ATTEMPT_DELAY, 0, parse_attempt_delay},
};

static int parse_line(struct parser *parser, struct rule *rule)
{
    const struct word *word = next(parser);

    memset(rule, 0, sizeof *rule);
    rule->line = parser->line;
    rule->cost = rule->metered = -1;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strcmp(lines[i].word, word->text) == 0) {
            rule->kind = lines[i].kind;
            rule->preference = lines[i].preference;
            return lines[i].parse(parser, rule);
        }
    return wrong_at(parser, word->column,
                    "%s begins no line: known are interface, network, prefer, avoid, prohibit, allow, proxy, "
                    "path-delay and attempt-delay",
                    word->text);
}

/* ----------------------------------------------------------------------------------------------------------- files */

static int add_rule(struct parser *parser, const struct rule *rule)
{
    struct rules *rules = parser->rules;

    if (rules->count == POLICY_RULES)
        return wrong_at(parser, 1, "there are more than %d rules", POLICY_RULES);
    if (rules->count == rules->capacity) {
        size_t wanted = rules->capacity ? rules->capacity * 2 : 8;
        struct rule *bigger = realloc(rules->list, wanted * sizeof *bigger);
        if (!bigger)
            return -ENOMEM;
        rules->list = bigger;
        rules->capacity = wanted;
    }
    rules->list[rules->count++] = *rule;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Parts a line into words. A comment begins at a word, since "#" may be in a password. */
static int split(struct parser *parser, const char *line, size_t size)
{
    size_t at = 0;

    parser->count = parser->at = 0;
    parser->end = 1;
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)line[i] < ' ' && !is_blank(line[i])) || line[i] == 127)
            return wrong_at(parser, (unsigned)i + 1, "the byte 0x%02x is no text", (unsigned char)line[i]);
    if (size >= LINE_SIZE)
        return wrong_at(parser, LINE_SIZE, "a line has at most %d bytes", LINE_SIZE - 1);
    memcpy(parser->text, line, size);
    parser->text[size] = '\0';
    for (;;) {
        size_t begin;
        while (is_blank(parser->text[at]))
            at++;
        if (!parser->text[at] || parser->text[at] == '#')
            return 0;
        begin = at;
        while (parser->text[at] && !is_blank(parser->text[at]))
            at++;
        if (at - begin >= POLICY_WORD)
            return wrong_at(parser, (unsigned)begin + 1, "a word has at most %d bytes", POLICY_WORD - 1);
        if (parser->count == WORDS_MAX)
            return wrong_at(parser, (unsigned)begin + 1, "a line has at most %d words", WORDS_MAX);
        parser->words[parser->count++] = (struct word){.text = parser->text + begin, .column = (unsigned)begin + 1};
        parser->end = (unsigned)at + 1;
        if (parser->text[at])
            parser->text[at++] = '\0';
    }
}

int rules_parse(const char *file, const char *text, size_t text_size, struct rules *ret_rules, char *reason,
                size_t size)
{
    const char *base = strrchr(file, '/');
    struct parser parser = {.file = file, .rules = ret_rules, .reason = reason, .reason_size = size};
    struct rule rule;
    int r = 0;

    memset(ret_rules, 0, sizeof *ret_rules);
    snprintf(ret_rules->name, sizeof ret_rules->name, "%s", base ? base + 1 : file);
    for (const char *at = text, *end = text + text_size; at < end && r == 0;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        parser.line++;
        r = split(&parser, at, length);
        if (r == 0 && parser.count > 0 && (r = parse_line(&parser, &rule)) == 0)
            r = add_rule(&parser, &rule);
        at += newline ? length + 1 : length;
    }
    if (r < 0)
        rules_free(ret_rules);
    return r;
}

void rules_free(struct rules *rules)
{
    free(rules->list);
    rules->list = NULL;
    rules->count = rules->capacity = 0;
}
