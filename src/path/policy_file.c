/* SPDX-License-Identifier: Apache-2.0 */
/* Where policy files are, and reading them again when they change. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hawser/path.h>

#include "loop/loop.h"
#include "path/policy.h"
#include "path/policy_rules.h"

#define SYSTEM_FILE "/etc/hawser/policy.conf"
#define LOOK_AGAIN 1000000 /* microseconds for which files are taken to be as they were */

/* One file as it was when it was read. */
struct source {
    const char *file; /* NULL: none */
    bool named;       /* by the program: it has to be there */
    bool seen;        /* the rest says what was there */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct policies {
    struct policy policy; /* first: what is given out */
    hawser_context *context;
    struct source system, user;
    bool looked;
    int64_t looked_at;
};

static int __attribute__((format(printf, 4, 5))) wrong(char *reason, size_t size, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, size, format, arguments);
    va_end(arguments);
    return code;
}

static int read_all(int fd, const char *file, char *text, size_t *ret_size, char *reason, size_t size)
{
    struct stat status;
    ssize_t r;

    *ret_size = 0;
    if (fstat(fd, &status) < 0)
        return wrong(reason, size, -errno, "%s: %s", file, hawser_strerror(-errno));
    if (!S_ISREG(status.st_mode))
        return wrong(reason, size, -EINVAL, "%s: it is no regular file", file);
    while ((r = read(fd, text + *ret_size, POLICY_SIZE + 1 - *ret_size)) > 0)
        *ret_size += (size_t)r;
    if (r < 0)
        return wrong(reason, size, -errno, "%s: %s", file, hawser_strerror(-errno));
    if (*ret_size > POLICY_SIZE)
        return wrong(reason, size, -HAWSER_EPOLICY, "%s:1:1: a policy file has at most %d bytes", file, POLICY_SIZE);
    return 0;
}

/* Opened without waiting: the name may be that of a pipe. */
int rules_read(const char *file, struct rules *ret_rules, char *reason, size_t size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
    char *text = NULL;
    size_t text_size;

    memset(ret_rules, 0, sizeof *ret_rules);
    if (fd < 0)
        return wrong(reason, size, -errno, "%s: %s", file, hawser_strerror(-errno));
    if (!(text = malloc(POLICY_SIZE + 1)))
        r = -ENOMEM;
    else if ((r = read_all(fd, file, text, &text_size, reason, size)) == 0)
        r = rules_parse(file, text, text_size, ret_rules, reason, size);
    free(text);
    close(fd);
    return r;
}

int hawser_policy_check(const char *file, char *ret_reason, size_t size)
{
    struct rules rules;
    char unused[1];
    int r;

    if (!file)
        return -EINVAL;
    if (!ret_reason || size == 0) {
        ret_reason = unused;
        size = sizeof unused;
    }
    *ret_reason = '\0';
    r = rules_read(file, &rules, ret_reason, size);
    rules_free(&rules);
    return r;
}

/* -------------------------------------------------------------------------------------------------- the context's */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whether the file is another than when it was read last. ret_there: 0, or why there is none. */
static bool has_changed(struct source *source, int *ret_there)
{
    struct source now = {.file = source->file, .named = source->named, .seen = true};
    struct stat status;
    bool same;

    *ret_there = stat(source->file, &status) == 0 ? 0 : -errno;
    if (*ret_there == 0) {
        now.device = status.st_dev;
        now.inode = status.st_ino;
        now.size = status.st_size;
        now.modified = status.st_mtim;
        now.changed = status.st_ctim;
    }
    same = source->seen && source->device == now.device && source->inode == now.inode && source->size == now.size &&
           same_time(source->modified, now.modified) && same_time(source->changed, now.changed);
    *source = now;
    return !same;
}

static void refresh(struct policies *policies, struct source *source, struct rules *rules)
{
    struct rules fresh;
    char reason[512];
    int there, r;

    if (!source->file || !has_changed(source, &there))
        return;
    if ((there == -ENOENT || there == -ENOTDIR) && !source->named) {
        rules_free(rules);
        return;
    }
    r = rules_read(source->file, &fresh, reason, sizeof reason);
    if (r == -ENOMEM) {
        source->seen = false; /* again next time */
    } else if (r < 0) {
        loop_log(policies->context, HAWSER_LOG_ERROR, "policy: %s; %s", reason,
                 rules->count > 0 ? "what the file said before still counts" : "the file counts for nothing");
    } else {
        rules_free(rules);
        *rules = fresh;
    }
}

static void release(void *value)
{
    struct policies *policies = value;

    rules_free(&policies->policy.system);
    rules_free(&policies->policy.user);
    free(policies);
}

static int make(hawser_context *context, struct policies **ret_policies)
{
    struct policies *policies = calloc(1, sizeof *policies);
    const char *file;
    bool system;

    if (!policies)
        return -ENOMEM;
    policies->context = context;
    file = loop_policy_file(context, &system);
    policies->system.file = system ? SYSTEM_FILE : NULL;
    policies->user.file = *file ? file : NULL;
    policies->user.named = !system;
    loop_set_part(context, LOOP_PART_POLICY, policies, release);
    *ret_policies = policies;
    return 0;
}

int policy_of(hawser_context *context, const struct policy **ret_policy)
{
    struct policies *policies = loop_part(context, LOOP_PART_POLICY);
    int r;

    if (!policies && (r = make(context, &policies)) < 0)
        return r;
    if (!policies->looked || loop_now(context) - policies->looked_at >= LOOK_AGAIN) {
        refresh(policies, &policies->system, &policies->policy.system);
        refresh(policies, &policies->user, &policies->policy.user);
        policies->looked = true;
        policies->looked_at = loop_now(context);
    }
    *ret_policy = &policies->policy;
    return 0;
}
