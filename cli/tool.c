/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <hawser/path.h>
#include <hawser/trace.h>

#include "terminal.h"

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t event_time(const struct tool *tool, int64_t library_us)
{
    return library_us + tool->clock_offset_us;
}

static void print_line(struct tool *tool, const char *before, const char *format, va_list args)
{
    char *text = NULL, *line = NULL;
    FILE *stream;
    size_t size;

    if (tool->before_text)
        tool->before_text(tool->before_text_user);
    if (vasprintf(&text, format, args) < 0)
        return;
    /* In one piece, however many processes write to the terminal. */
    stream = open_memstream(&line, &size);
    if (stream) {
        fputs(before, stream);
        print_escaped(stream, text);
        putc('\n', stream);
        if (fclose(stream) == 0)
            fwrite(line, 1, size, stderr);
        free(line);
    }
    free(text);
}

void say(struct tool *tool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(tool, "", format, args);
    va_end(args);
}

void complain(struct tool *tool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(tool, "hawser: ", format, args);
    va_end(args);
}

struct json *event_begin(struct tool *tool, const char *name)
{
    json_object(&tool->json, NULL);
    json_string(&tool->json, "event", name);
    json_signed(&tool->json, "time_us", clock_us());
    return &tool->json;
}

void event_end(struct tool *tool)
{
    json_object_end(&tool->json);
    if (!tool->options->json) {
        tool->json.size = 0;
        tool->json.comma = false;
        return;
    }
    if (json_end_line(&tool->json, stdout) < 0 && !tool->broken_output) {
        tool->broken_output = true;
        complain(tool, "standard output takes no more events");
    }
}

int make_parents(const char *path)
{
    char *copy = strdup(path);
    int r = 0;

    if (!copy)
        return -ENOMEM;
    for (char *slash = strchr(copy + 1, '/'); slash && r == 0; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            r = -errno;
        *slash = '/';
    }
    free(copy);
    return r;
}

char *identity_directory(const struct options *options)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;

    if (options->identity)
        return strdup(options->identity);
    if (config && *config == '/') /* the base directory specification: a relative one is to be ignored */
        n = asprintf(&path, "%s/hawser/identity", config);
    else if (home && *home)
        n = asprintf(&path, "%s/.config/hawser/identity", home);
    return n < 0 ? NULL : path;
}

static int open_identity(struct tool *tool)
{
    const struct options *o = tool->options;
    char *directory = identity_directory(o);
    int r;

    if (directory) {
        r = make_parents(directory);
        if (r == 0)
            r = hawser_identity_open(directory, &tool->identity);
    } else {
        say(tool, "hawser: neither XDG_CONFIG_HOME nor HOME is set: the identity lasts for this run only");
        r = hawser_identity_new(&tool->identity);
    }
    if (r < 0)
        complain(tool, "the identity in %s cannot be used: %s", directory ? directory : "memory", hawser_strerror(r));
    free(directory);
    if (r < 0)
        return r;
    if (!o->certificate != !o->certificate_key) {
        complain(tool, "--certificate and --certificate-key need each other");
        return -EINVAL;
    }
    if (o->certificate) {
        r = hawser_identity_set_certificate(tool->identity, o->certificate, o->certificate_key);
        if (r < 0)
            complain(tool, "the certificate %s with the key %s cannot be used: %s", o->certificate, o->certificate_key,
                     hawser_strerror(r));
    }
    return r;
}

static void on_log(hawser_log_level level, const char *text, void *user)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct tool *tool = user;

    if (tool->keep_errors && level == HAWSER_LOG_ERROR)
        snprintf(tool->kept_error, sizeof(tool->kept_error), "%s", text);
    else
        say(tool, "hawser: %s: %s", names[level], text);
}

void reason_begin(struct tool *tool)
{
    tool->keep_errors = true;
    tool->kept_error[0] = '\0';
}

const char *reason_end(struct tool *tool, int code)
{
    tool->keep_errors = false;
    return tool->kept_error[0] ? tool->kept_error : hawser_strerror(code);
}

const char *reason_after(const char *reason, const char *name)
{
    size_t length = strlen(name);

    return strncmp(reason, name, length) == 0 && strncmp(reason + length, ": ", 2) == 0 ? reason + length + 2 : reason;
}

/* A file that is named is meant: one that cannot be used is no reason to go on without it. */
static int check_files(struct tool *tool)
{
    const struct options *o = tool->options;
    char reason[512] = "";
    int r = o->policy_file ? hawser_policy_check(o->policy_file, reason, sizeof(reason)) : 0;

    if (r == -HAWSER_EPOLICY)
        complain(tool, "%s", reason);
    else if (r < 0)
        complain(tool, "the policy file %s cannot be read: %s", o->policy_file, hawser_strerror(r));
    if (r == 0 && o->trust_anchors && access(o->trust_anchors, R_OK) < 0) {
        r = -errno;
        complain(tool, "the trust anchors in %s cannot be read: %s", o->trust_anchors, hawser_strerror(r));
    }
    return r;
}

int tool_open_context(struct tool *tool)
{
    const struct options *o = tool->options;
    int r;

    tool->signal_fd = tool->trace_fd = -1;
    tool->clock_offset_us = read_clock(CLOCK_MONOTONIC) - read_clock(CLOCK_BOOTTIME);
    signal(SIGPIPE, SIG_IGN); /* standard output may be a pipe that nobody reads */
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(), not of the process */
    if (check_files(tool) < 0)
        return EXIT_USAGE;
    r = hawser_context_new(HAWSER_CONTEXT(.log = on_log, .log_user = tool,
                                          .log_level = o->verbose ? HAWSER_LOG_DEBUG : HAWSER_LOG_WARNING,
                                          .policy_file = o->policy_file, .trust_anchors = o->trust_anchors),
                           &tool->context);
    if (r < 0) {
        complain(tool, "cannot begin: %s", hawser_strerror(r));
        return EXIT_FAILED;
    }
    return tool_show(tool);
}

static int begin_trace(struct tool *tool, const char *file)
{
    int r;

    tool->trace_fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    r = tool->trace_fd < 0 ? -errno
                           : hawser_context_set_trace(tool->context, tool->trace_fd, tool->options->command->name);
    if (r < 0)
        complain(tool, "the trace cannot be written to %s: %s", file, hawser_strerror(r));
    return r;
}

int tool_show(struct tool *tool)
{
    const struct options *o = tool->options;
    int r = 0;

    if (o->trace && begin_trace(tool, o->trace) < 0)
        return EXIT_USAGE;
    if (o->control && !*o->control) {
        complain(tool, "--control is a path, or auto");
        return EXIT_USAGE;
    }
    if (o->control && (r = hawser_context_set_control(tool->context, o->control)) < 0)
        complain(tool, "the control socket %s cannot be made: %s", o->control, hawser_strerror(r));
    return r < 0 ? EXIT_USAGE : -1;
}

int tool_open(struct tool *tool)
{
    return open_identity(tool) < 0 ? EXIT_USAGE : tool_open_context(tool);
}

void tool_close(struct tool *tool)
{
    if (tool->context)
        hawser_context_unref(tool->context);
    if (tool->trace_fd >= 0) /* the context has written what was left */
        close(tool->trace_fd);
    if (tool->identity)
        hawser_identity_unref(tool->identity);
    if (tool->signal_fd >= 0)
        close(tool->signal_fd);
    json_free(&tool->json);
}

static void on_signal(int fd, short revents, void *user)
{
    struct tool *tool = user;
    struct signalfd_siginfo info;

    (void)revents;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        tool->interrupts++;
        tool->interrupted(tool, tool->interrupted_user);
    }
}

int tool_catch_signals(struct tool *tool, void (*fn)(struct tool *tool, void *user), void *user)
{
    sigset_t set;

    tool->interrupted = fn;
    tool->interrupted_user = user;
    if (tool->signal_fd >= 0)
        return 0; /* of an earlier line */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    tool->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (tool->signal_fd < 0)
        return -errno;
    return hawser_watch(tool->context, tool->signal_fd, POLLIN, on_signal, tool);
}
