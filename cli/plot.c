/* SPDX-License-Identifier: Apache-2.0 */
/* hawser plot: a trace as a picture. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "plot_svg.h"
#include "tool.h"

static int read_story(struct tool *tool, const char *path, struct story *story)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    int r;

    if (!file) {
        r = -errno;
        complain(tool, "%s cannot be read: %s", path, hawser_strerror(r));
        return r;
    }
    r = story_read(file, (unsigned)tool->options->association, story);
    if (file != stdin)
        fclose(file);
    if (r == -EBADMSG)
        complain(tool, "%s is no trace of hawser", path);
    else if (r < 0)
        complain(tool, "%s cannot be read: %s", path, hawser_strerror(r));
    return r;
}

static int write_picture(struct tool *tool, const char *path, const char *text)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool failed = !file || fputs(text, file) < 0;

    if (file == stdout)
        failed = fflush(stdout) != 0 || failed;
    else if (file && fclose(file) != 0)
        failed = true;
    if (failed)
        complain(tool, "%s cannot be written: %s", path, hawser_strerror(-errno));
    return failed ? -EIO : 0;
}

int command_plot(struct tool *tool)
{
    const struct options *o = tool->options;
    const char *path = o->operands.items[0];
    struct story story;
    char *text;
    int r = read_story(tool, path, &story);

    if (r < 0)
        return r == -EBADMSG ? EXIT_FAILED : EXIT_USAGE;
    if (story.strand_count == 0) {
        complain(tool, "%s tells of no strand%s", path, o->association ? " of this association" : "");
        story_free(&story);
        return EXIT_FAILED;
    }
    if (story.bad_lines)
        complain(tool, "%zu lines of %s are no records, and were left out", story.bad_lines, path);
    r = plot_svg(&story, o->title, &text);
    if (r < 0)
        complain(tool, "the picture cannot be made: %s", hawser_strerror(r));
    else
        r = write_picture(tool, o->svg ? o->svg : "-", text);
    if (r == 0 || r == -EIO)
        free(text);
    story_free(&story);
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
