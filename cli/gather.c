/* SPDX-License-Identifier: Apache-2.0 */
#include "gather.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file_header.h"

void report_unsent(struct tool *tool, const char *source, int code, const char *reason)
{
    struct json *json = event_begin(tool, "failed");

    json_null(json, "message");
    json_string(json, "file", source);
    json_signed(json, "code", code);
    json_string(json, "reason", reason);
    event_end(tool);
    complain(tool, "%s is not sent: %s", source, reason);
}

static void report_skipped(struct tool *tool, const char *source, const char *reason)
{
    struct json *json = event_begin(tool, "skipped");

    json_string(json, "file", source);
    json_string(json, "reason", reason);
    event_end(tool);
    say(tool, "skipped %s: %s", source, reason);
}

static int add(struct gathering *g, const char *source, char *name, const struct stat *st, bool after)
{
    struct file *file;

    if (!name)
        return -ENOMEM;
    if (g->count == g->capacity) {
        size_t capacity = g->capacity * 2 + 64;
        struct file *files = realloc(g->files, capacity * sizeof(*files));

        if (!files) {
            free(name);
            return -ENOMEM;
        }
        g->files = files;
        g->capacity = capacity;
    }
    file = &g->files[g->count];
    *file = (struct file){.source = strdup(source), .name = name, .after = after, .size = FILE_SIZE_UNKNOWN};
    if (!file->source) {
        free(name);
        return -ENOMEM;
    }
    if (st) {
        file->size = (uint64_t)st->st_size;
        file->device = st->st_dev;
        file->inode = st->st_ino;
    }
    g->count++;
    return 0;
}

/* Takes "//", "./" and a final "/" out, in place. */
static void normalise(char *path)
{
    char *to = path;

    for (const char *part = path; *part;) {
        size_t length = strcspn(part, "/");

        if (length > 0 && !(length == 1 && *part == '.')) {
            if (to != path)
                *to++ = '/';
            memmove(to, part, length);
            to += length;
        }
        part += length;
        part += *part == '/';
    }
    *to = '\0';
}

static bool leads_upwards(const char *path)
{
    for (const char *part = path; *part;) {
        size_t length = strcspn(part, "/");

        if (length == 2 && part[0] == '.' && part[1] == '.')
            return true;
        part += length;
        part += *part == '/';
    }
    return false;
}

/* The path an argument arrives under: as written where that is relative and leads down, else its last part. */
static char *arrival_name(const char *argument)
{
    char real[PATH_MAX];
    char *name;

    if (*argument != '/' && !leads_upwards(argument)) {
        name = strdup(argument);
    } else {
        if (!realpath(argument, real))
            return NULL;
        name = strdup(strrchr(real, '/') + 1);
    }
    if (name)
        normalise(name);
    return name;
}

static char *join(const char *above, const char *below)
{
    char *path = NULL;

    while (*below == '/')
        below++;
    return asprintf(&path, "%s%s%s", above, *above && *below ? "/" : "", below) < 0 ? NULL : path;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk_entry(struct tool *tool, struct gathering *g, const FTSENT *entry, size_t root_length,
                      const char *root_name, bool after)
{
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return 0;
    case FTS_F:
        return add(g, entry->fts_path, join(root_name, entry->fts_path + root_length), entry->fts_statp, after);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        report_unsent(tool, entry->fts_path, -entry->fts_errno, hawser_strerror(-entry->fts_errno));
        g->failed++;
        return 0;
    case FTS_SL:
    case FTS_SLNONE:
        report_skipped(tool, entry->fts_path, "a symbolic link");
        return 0;
    default:
        report_skipped(tool, entry->fts_path, "not a regular file");
        return 0;
    }
}

static int walk(struct tool *tool, struct gathering *g, const char *root, const char *root_name, bool after)
{
    char *copy = strdup(root);
    char *roots[] = {copy, NULL};
    FTS *fts = copy ? fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name) : NULL;
    FTSENT *entry;
    int r = fts ? 0 : -ENOMEM;

    while (r == 0 && (errno = 0, entry = fts_read(fts)))
        r = walk_entry(tool, g, entry, strlen(root), root_name, after);
    if (r == 0 && errno != 0)
        r = -errno;
    if (fts)
        fts_close(fts);
    free(copy);
    return r;
}

static int gather_one(struct tool *tool, struct gathering *g, const char *argument, bool after)
{
    struct stat st;
    char *name;
    int r;

    if (strcmp(argument, "-") == 0) {
        name = strdup(tool->options->name ? tool->options->name : "stdin");
        if (name)
            normalise(name);
        g->unknown_size = true;
        return add(g, "-", name, NULL, after);
    }
    if (stat(argument, &st) < 0 || !(name = arrival_name(argument))) {
        r = -errno;
        report_unsent(tool, argument, r, hawser_strerror(r));
        g->failed++;
        return 0;
    }
    if (S_ISDIR(st.st_mode)) {
        r = walk(tool, g, argument, name, after);
        free(name);
        return r;
    }
    if (S_ISREG(st.st_mode))
        return add(g, argument, name, &st, after);
    free(name);
    report_unsent(tool, argument, -EINVAL, "it is neither a regular file nor a directory");
    g->failed++;
    return 0;
}

static int by_arrival(const void *a, const void *b)
{
    const struct file *x = *(struct file *const *)a, *y = *(struct file *const *)b;
    int r = strcmp(x->name, y->name);

    return r != 0 ? r : x < y ? -1 : x > y;
}

/* Two files cannot arrive under one name. The same file named twice is sent once; of others the first is sent. */
static int drop_doubles(struct tool *tool, struct gathering *g)
{
    struct file **order = calloc(g->count + 1, sizeof(*order));
    const struct file *first = NULL;
    size_t kept = 0;

    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < g->count; i++)
        order[i] = &g->files[i];
    qsort(order, g->count, sizeof(*order), by_arrival);
    for (size_t i = 0; i < g->count; i++) {
        struct file *file = order[i];
        char reason[512];

        if (!first || strcmp(first->name, file->name) != 0) {
            first = file;
            continue;
        }
        if (file->device != first->device || file->inode != first->inode) {
            snprintf(reason, sizeof(reason), "%.400s arrives under the same name", first->source);
            report_unsent(tool, file->source, -EEXIST, reason);
            g->failed++;
        }
        file->state = FILE_SETTLED;
    }
    free(order);
    for (size_t i = 0; i < g->count; i++) {
        if (g->files[i].state == FILE_SETTLED) {
            free(g->files[i].source);
            free(g->files[i].name);
        } else {
            g->files[kept++] = g->files[i];
        }
    }
    g->count = kept;
    return 0;
}

static int gather_all(struct tool *tool, struct gathering *g)
{
    const struct options *o = tool->options;
    int r = 0;

    for (size_t i = 0; i < o->after.count && r == 0; i++)
        r = gather_one(tool, g, o->after.items[i], true);
    for (size_t i = 1; i < o->operands.count && r == 0; i++)
        r = gather_one(tool, g, o->operands.items[i], false);
    return r < 0 ? r : drop_doubles(tool, g);
}

int gather(struct tool *tool, struct gathering *ret_gathering)
{
    struct gathering g = {0};
    int r = gather_all(tool, &g);

    for (size_t i = 0; i < g.count && r == 0; i++) {
        struct file *file = &g.files[i];
        const char *wrong = file_path_check(file->name);

        if (wrong && strcmp(file->source, "-") == 0) {
            complain(tool, "--name %s: %s", file->name, wrong);
            r = -EINVAL;
        }
        file->base = g.bytes;
        if (file->size != FILE_SIZE_UNKNOWN)
            g.bytes += file->size;
        g.after_count += file->after;
    }
    if (r == 0 && g.after_count > 64 && g.after_count < g.count) {
        complain(tool, "--after names %zu files; a message can wait for at most 64 others", g.after_count);
        r = -EINVAL;
    }
    if (r < 0) {
        if (r != -EINVAL)
            complain(tool, "the files cannot be listed: %s", hawser_strerror(r));
        gathering_free(&g);
        return r;
    }
    *ret_gathering = g;
    return 0;
}

void gathering_free(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++) {
        free(gathering->files[i].source);
        free(gathering->files[i].name);
    }
    free(gathering->files);
    *gathering = (struct gathering){0};
}
