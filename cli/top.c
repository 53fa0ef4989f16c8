/* SPDX-License-Identifier: Apache-2.0 */
/* hawser top: the associations of processes that run, drawn again and again on a terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"
#include "top_table.h"

#define DEFAULT_INTERVAL_US 1000000
#define PATIENCE_MS 500 /* with a process that does not answer */

struct top {
    struct tool *tool;
    const char *which; /* NULL: all */
    struct top_memory memory;
    int signals;
    bool screen; /* drawn in place on a terminal */
    bool keys;   /* standard input is a terminal, too, and was set to give keys at once */
    bool ends, failed;
    bool seen; /* somebody answered once */
    struct asking asking;
    struct termios before;
};

/* ------------------------------------------------------------------------------------------------------------ terminal */

static void screen_leave(struct top *t)
{
    if (t->screen)
        fputs("\033[?7h\033[?25h\033[?1049l", stdout); /* lines wrap, the cursor is seen, the screen as it was */
    fflush(stdout);
    if (t->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

static void screen_enter(struct top *t)
{
    struct termios raw = t->before;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (t->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    if (t->screen)
        fputs("\033[?1049h\033[?25l\033[?7l", stdout);
}

/* In place: each line is cleared behind its text, what no longer fits is left out, what was below is cleared. */
static void draw_in_place(const char *text)
{
    unsigned height = terminal_height(STDOUT_FILENO), line = 1;

    fputs("\033[H", stdout);
    for (; *text && line < height; line++) {
        size_t length = strcspn(text, "\n");

        fwrite(text, 1, length, stdout);
        fputs("\033[K\r\n", stdout);
        text += length + (text[length] == '\n');
    }
    fputs(*text ? "\033[K..." : "\033[K", stdout);
    fputs("\033[J", stdout);
}

/* ------------------------------------------------------------------------------------------------------------- looking */

static void tell(struct top *t)
{
    struct json *json = event_begin(t->tool, "top");

    json_list(json, "processes");
    for (size_t i = 0; i < t->asking.count; i++) {
        const struct asked *asked = &t->asking.items[i];

        json_object(json, NULL);
        json_string(json, "path", asked->path);
        json_string(json, "reason", asked->value ? "" : asked->why ? asked->why : "it does not answer");
        if (asked->value)
            json_raw(json, "snapshot", asked->text);
        else
            json_null(json, "snapshot");
        json_object_end(json);
    }
    json_list_end(json);
    event_end(t->tool);
    if (t->tool->broken_output)
        t->ends = t->failed = true;
}

static void draw(struct top *t)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    struct page page;

    page_begin(&page, stdout);
    page.file = stream;
    if (!stream)
        return;
    top_table(&page, &t->asking, &t->memory);
    if (fclose(stream) == 0 && t->screen)
        draw_in_place(text);
    else if (text)
        fputs(text, stdout);
    free(text);
    if (fflush(stdout) != 0) {
        complain(t->tool, "standard output cannot be written: %s", hawser_strerror(-errno));
        t->ends = t->failed = true;
    }
}

static bool anybody_answered(const struct top *t)
{
    for (size_t i = 0; i < t->asking.count; i++)
        if (t->asking.items[i].value)
            return true;
    return false;
}

/* Those who run come and go, so they are looked for each time; a connection that stands is used again. */
static int find(struct top *t)
{
    struct asking found = {.items = NULL};
    int r = asking_find(&found, t->which);

    for (size_t i = 0; i < found.count; i++)
        for (size_t k = 0; k < t->asking.count; k++)
            if (strcmp(found.items[i].path, t->asking.items[k].path) == 0) {
                found.items[i].fd = t->asking.items[k].fd;
                t->asking.items[k].fd = -1;
            }
    asking_free(&t->asking);
    t->asking = found;
    return r;
}

static int look(struct top *t)
{
    bool named = t->which != NULL;
    int r = find(t);

    if (r == 0)
        r = asking_go(&t->asking, PATIENCE_MS, named);
    if (r < 0) {
        complain(t->tool, "no process can be looked at: %s", hawser_strerror(r));
        return r;
    }
    if (t->tool->options->json)
        tell(t);
    else
        draw(t);
    t->seen |= anybody_answered(t);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- life */

static void stop_for_a_while(struct top *t)
{
    screen_leave(t);
    kill(getpid(), SIGSTOP); /* until SIGCONT */
    screen_enter(t);
}

static void on_signals(struct top *t)
{
    struct signalfd_siginfo info;

    while (read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTSTP)
            stop_for_a_while(t);
        else if (info.ssi_signo != SIGWINCH)
            t->ends = true;
    }
}

static void on_keys(struct top *t)
{
    char keys[16];
    ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

    if (n <= 0)
        t->keys = n < 0 && (errno == EINTR || errno == EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        t->ends |= keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 4;
}

static int catch_signals(struct top *t)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (t->screen) {
        sigaddset(&set, SIGTSTP);
        sigaddset(&set, SIGWINCH);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return t->signals < 0 ? -errno : 0;
}

static int run(struct top *t)
{
    int64_t interval = t->tool->options->interval_us > 0 ? t->tool->options->interval_us : DEFAULT_INTERVAL_US;
    int64_t next = clock_us();
    int r = 0;

    while (!t->ends && r == 0) {
        struct pollfd fds[] = {{.fd = t->signals, .events = POLLIN},
                               {.fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN}};
        int64_t left = next - clock_us();

        if (left <= 0) {
            r = look(t);
            next = clock_us() + interval;
            if (t->which && !anybody_answered(t))
                t->ends = t->failed = true; /* the one that was looked at is gone */
            continue;
        }
        if (poll(fds, 2, (int)(left / 1000 + 1)) < 0 && errno != EINTR)
            r = -errno;
        if (fds[0].revents) {
            on_signals(t);
            next = t->ends ? next : clock_us(); /* the terminal may be another now */
        }
        if (t->keys && fds[1].revents)
            on_keys(t);
    }
    return r;
}

static int begin(struct top *t)
{
    const struct options *o = t->tool->options;

    signal(SIGPIPE, SIG_IGN);
    t->screen = !o->json && !o->once && isatty(STDOUT_FILENO) == 1;
    t->keys = t->screen && isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &t->before) == 0;
    return o->once ? 0 : catch_signals(t);
}

/* Nobody to look at is said, and is a failure where one was named. */
static int end(struct top *t, int r)
{
    bool named = t->which != NULL, answered = anybody_answered(t);

    if (r == 0 && named && t->seen && !answered)
        complain(t->tool, "%s has ended", t->which);
    else if (r == 0 && named && !t->asking.count)
        complain(t->tool, "process %s has no control socket: it was started without --control and HAWSER_CONTROL",
                 t->which);
    else if (r == 0 && named && !answered)
        complain(t->tool, "%s: %s", t->asking.items[0].path,
                 t->asking.items[0].why ? t->asking.items[0].why : "it does not answer");
    else if (r == 0 && !named && !t->failed && t->tool->options->once && !t->asking.count && !t->tool->options->json)
        complain(t->tool, "no process of this user has a control socket");
    return r < 0 || t->failed || (named && !answered) ? EXIT_FAILED : EXIT_DONE;
}

int command_top(struct tool *tool)
{
    const struct options *o = tool->options;
    struct top t = {.tool = tool, .which = o->operands.count ? o->operands.items[0] : NULL, .signals = -1};
    int r, code;

    if (o->interval_us == 0) {
        complain(tool, "--interval is a time above 0");
        return EXIT_USAGE;
    }
    r = begin(&t);
    if (r == 0 && o->once) {
        r = look(&t);
    } else if (r == 0) {
        screen_enter(&t);
        r = run(&t);
        screen_leave(&t);
    }
    code = end(&t, r);
    top_forget(&t.memory);
    asking_free(&t.asking);
    if (t.signals >= 0)
        close(t.signals);
    return code;
}
