/* SPDX-License-Identifier: Apache-2.0 */
#include "grants.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mptcp/wire.h"

enum { WORDS_MAX = 8, WORD_SIZE = 64 };

struct line {
    const char *name; /* of the file */
    unsigned number;
    char words[WORDS_MAX][WORD_SIZE];
    unsigned count;
    char *reason;
    size_t reason_size;
};

static int __attribute__((format(printf, 2, 3))) wrong(const struct line *line, const char *format, ...)
{
    va_list arguments;
    int length = snprintf(line->reason, line->reason_size, "%s:%u: ", line->name, line->number);

    va_start(arguments, format);
    if (length >= 0 && (size_t)length < line->reason_size)
        vsnprintf(line->reason + length, line->reason_size - (size_t)length, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int split(const char *text, size_t size, struct line *line)
{
    size_t at = 0;

    line->count = 0;
    for (;;) {
        size_t length = 0;

        while (at < size && is_blank(text[at]))
            at++;
        if (at == size || text[at] == '#')
            return 0;
        while (at + length < size && !is_blank(text[at + length])) {
            if (text[at + length] < '!' || text[at + length] > '~')
                return wrong(line, "a word has bytes that are not printable ASCII");
            length++;
        }
        if (line->count == WORDS_MAX || length >= WORD_SIZE)
            return wrong(line, "a line has at most %d words of %d bytes", WORDS_MAX, WORD_SIZE - 1);
        memcpy(line->words[line->count], text + at, length);
        line->words[line->count++][length] = '\0';
        at += length;
    }
}

static bool read_number(const char *word, unsigned long most, unsigned *ret_number)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);

    if (*word < '0' || *word > '9' || *end || strlen(word) > 10 || number > most)
        return false;
    *ret_number = (unsigned)number;
    return true;
}

/* "for user NAME" or "for group NAME", at the end of a line, or nothing. */
static int take_whose(const struct line *line, unsigned at, struct rule *rule)
{
    const char *name = line->words[at + 2 < WORDS_MAX ? at + 2 : 0];
    const struct passwd *user;
    const struct group *group;

    if (at == line->count)
        return 0;
    if (strcmp(line->words[at], "for") != 0 || line->count != at + 3)
        return wrong(line, "\"for user NAME\" or \"for group NAME\" may follow here, and nothing else");
    if (strcmp(line->words[at + 1], "user") == 0) {
        rule->whose = RULE_USER;
        if (read_number(name, UINT32_MAX - 1, &rule->id))
            return 0;
        if (!(user = getpwnam(name)))
            return wrong(line, "there is no user %s", name);
        rule->id = user->pw_uid;
        return 0;
    }
    if (strcmp(line->words[at + 1], "group") != 0)
        return wrong(line, "\"for\" takes \"user\" or \"group\"");
    rule->whose = RULE_GROUP;
    if (read_number(name, UINT32_MAX - 1, &rule->id))
        return 0;
    if (!(group = getgrnam(name)))
        return wrong(line, "there is no group %s", name);
    rule->id = group->gr_gid;
    return 0;
}

static int take_rule(const struct line *line, struct grants *grants)
{
    struct rule rule = {.allow = line->words[0][0] == 'a'};
    const char *what = line->count > 1 ? line->words[1] : "";
    unsigned at = 2;

    if (strcmp(what, "all") == 0)
        rule.what = RULE_ALL;
    else if (strcmp(what, "look") == 0)
        rule.what = RULE_LOOK;
    else if (strcmp(what, "control") == 0)
        rule.what = RULE_CONTROL;
    else if (strcmp(what, "set") == 0)
        rule.what = RULE_SET;
    else
        return wrong(line, "%s takes all, look, control or set", line->words[0]);
    if (rule.what == RULE_SET) {
        if (line->count < 3)
            return wrong(line, "set takes the name of an option, or all");
        if (strcmp(line->words[2], "all") != 0 &&
            !(rule.tunable = tunable_named(line->words[2], strlen(line->words[2]))))
            return wrong(line, "%s is no option that can be set on one subflow", line->words[2]);
        at = 3;
    }
    if (take_whose(line, at, &rule) < 0)
        return -EINVAL;
    if (grants->count == GRANTS_MAX)
        return wrong(line, "more than %d rules", GRANTS_MAX);
    grants->list[grants->count++] = rule;
    return 0;
}

static int take_line(const struct line *line, struct grants *grants)
{
    const char *value = line->count == 2 ? line->words[1] : "";

    if (line->count == 0)
        return 0;
    if (strcmp(line->words[0], "allow") == 0 || strcmp(line->words[0], "deny") == 0)
        return take_rule(line, grants);
    if (strcmp(line->words[0], "replay") == 0) {
        grants->replay = strcmp(value, "on") == 0;
        return grants->replay || strcmp(value, "off") == 0 ? 0 : wrong(line, "replay takes on or off");
    }
    if (strcmp(line->words[0], "subflows") == 0)
        return read_number(value, WIRE_SUBFLOWS_MAX, &grants->subflows) && grants->subflows > 0
                   ? 0
                   : wrong(line, "subflows takes a number from 1 to %d", WIRE_SUBFLOWS_MAX);
    if (strcmp(line->words[0], "scheduler") == 0) {
        if (!*value || strlen(value) >= sizeof grants->scheduler)
            return wrong(line, "scheduler takes a name of at most %zu bytes", sizeof grants->scheduler - 1);
        strcpy(grants->scheduler, value);
        return 0;
    }
    return wrong(line, "%s is not understood: allow, deny, replay, subflows and scheduler are", line->words[0]);
}

void grants_init(struct grants *grants)
{
    memset(grants, 0, sizeof *grants);
    grants->replay = true;
    grants->subflows = 8; /* the kernel's own manager has no more: MPTCP_PM_ADDR_MAX */
}

int grants_parse(const char *name, const char *text, size_t size, struct grants *ret_grants, char *ret_reason,
                 size_t reason_size)
{
    struct line line = {.name = name, .reason = ret_reason, .reason_size = reason_size};

    grants_init(ret_grants);
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;

        line.number++;
        if (split(text, length, &line) < 0 || take_line(&line, ret_grants) < 0)
            return -EINVAL;
        text += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
    return 0;
}

int grants_read(const char *file, struct grants *ret_grants, char *ret_reason, size_t reason_size)
{
    char *text = malloc(GRANTS_FILE_MAX + 1);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = 0;
    size_t size = 0;
    ssize_t n = 0;

    if (fd < 0 || !text)
        r = fd < 0 ? -errno : -ENOMEM;
    while (r == 0 && size <= GRANTS_FILE_MAX && (n = read(fd, text + size, GRANTS_FILE_MAX + 1 - size)) > 0)
        size += (size_t)n;
    if (r == 0 && n < 0)
        r = -errno;
    else if (r == 0 && size > GRANTS_FILE_MAX)
        r = -EFBIG;
    if (r < 0)
        snprintf(ret_reason, reason_size, "%s: %s", file, strerror(-r));
    else
        r = grants_parse(file, text, size, ret_grants, ret_reason, reason_size);
    if (fd >= 0)
        close(fd);
    free(text);
    return r;
}

/* ------------------------------------------------------------------------------------------------------- what they say */

static bool is_about(const struct rule *rule, const struct asker *asker)
{
    if (rule->whose == RULE_USER)
        return asker->uid == rule->id;
    if (rule->whose == RULE_ANYBODY)
        return true;
    for (unsigned i = 0; i < asker->group_count; i++)
        if (asker->groups[i] == rule->id)
            return true;
    return false;
}

/* The rule that counts; NULL: none is about it. */
static const struct rule *last_about(const struct grants *grants, const struct asker *asker, unsigned what,
                                     const struct tunable *tunable)
{
    for (unsigned i = grants->count; i > 0; i--) {
        const struct rule *rule = &grants->list[i - 1];

        if (rule->what & what && (!rule->tunable || rule->tunable == tunable) && is_about(rule, asker))
            return rule;
    }
    return NULL;
}

bool grants_allow(const struct grants *grants, const struct asker *asker, enum rule_what what)
{
    const struct rule *rule = last_about(grants, asker, what, NULL);

    return asker->uid == 0 || !rule || rule->allow;
}

bool grants_allow_set(const struct grants *grants, const struct asker *asker, const struct tunable *tunable,
                      const void *value, size_t size, const char **ret_why)
{
    const struct rule *rule = last_about(grants, asker, RULE_SET, tunable);
    bool risky = tunable->needs_root || tunable_value_needs_root(tunable, value, size);

    *ret_why = "the helper's policy file does not let this user set this option";
    if (asker->uid == 0)
        return true;
    if (rule && !rule->allow)
        return false;
    *ret_why = tunable->needs_root
                   ? "this option needs root, or a line \"allow set\" for it in the helper's policy file"
                   : "this value needs root, or a line \"allow set\" for its option in the helper's policy file: "
                     "a socket of one's own would not take it either";
    return !risky || (rule && rule->tunable);
}
