/* SPDX-License-Identifier: Apache-2.0 */
/* hawser probe: every way to a peer, how each went, and which one won. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "line.h"
#include "report.h"
#include "tree.h"

struct probe {
    struct line line; /* first: the line's callbacks find us by it */
    bool failed;      /* the report could not be kept or written */
};

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    int r = 0;

    if (!file)
        return -errno;
    if (fputs(text, file) == EOF)
        r = -errno;
    if (fclose(file) != 0 && r == 0)
        r = -errno;
    return r;
}

static void draw(struct probe *p, const hawser_report *report)
{
    struct tool *tool = p->line.tool;
    const char *path = tool->options->svg;
    char *text;
    int r;

    if (!path)
        return;
    r = hawser_report_svg(report, &text);
    if (r == 0) {
        r = write_file(path, text);
        free(text);
    }
    if (r < 0) {
        complain(tool, "%s cannot be written: %s", path, hawser_strerror(r));
        p->failed = true;
    }
}

static void tell(struct probe *p, const hawser_report *report)
{
    struct tool *tool = p->line.tool;
    struct json *json;
    char *text;
    int r = hawser_report_json(report, &text);

    if (r < 0) {
        complain(tool, "the report cannot be told: %s", hawser_strerror(r));
        p->failed = true;
        return;
    }
    json = event_begin(tool, "report");
    json_raw(json, "report", text);
    event_end(tool);
    free(text);
}

static void on_report(struct line *line, const hawser_report *report)
{
    struct probe *p = (struct probe *)line;
    struct page page;

    draw(p, report);
    if (line->tool->options->json) {
        tell(p, report);
        return;
    }
    page_begin(&page, stdout);
    tree_print(&page, report);
}

static void start(struct line *line)
{
    line_finish(line);
}

/* A peer known by its key speaks hawser/1; another may speak what it likes, unless the command line says so. */
static bool speaks_anything(const struct options *o)
{
    return strncmp(o->operands.items[0], "hk-", 3) != 0;
}

int command_probe(struct tool *tool)
{
    struct probe p = {.line = {.tool = tool, .on_established = start, .on_report = on_report}};
    int code;

    if (line_take_bare(&p.line) < 0)
        return EXIT_USAGE;
    p.line.quiet = !tool->options->json; /* the page says it */
    p.line.any_protocol = speaks_anything(tool->options);
    code = tool_open(tool);
    if (code < 0 && line_take(&p.line, true) < 0)
        code = EXIT_FAILED;
    if (code < 0)
        code = line_open(&p.line);
    if (code < 0) {
        code = line_run(&p.line);
        if (code == EXIT_DONE && (p.failed || ferror(stdout)))
            code = EXIT_FAILED;
    }
    line_free(&p.line);
    return code;
}
