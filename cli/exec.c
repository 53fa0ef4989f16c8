/* SPDX-License-Identifier: Apache-2.0 */
/* hawser listen --exec: a process for every stream. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "streams.h"

extern char **environ;

struct process { /* outlives its stream until it has been waited for */
    LIST_ENTRY(process) link;
    struct server *server;
    struct serving_stream *stream; /* NULL when it is gone */
    pid_t pid;
    int fd;      /* a pidfd */
    uint64_t id; /* the stream's; who it is for is told even when stream and line are gone */
    char name[256];
    char label[256];
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void end_if_done(struct serving_stream *s)
{
    if (s->pump_ended && !s->process)
        serving_stream_free(s);
}

static void on_pump_end(struct pump *pump, int code, uint64_t peer_code)
{
    struct serving_stream *s = pump->user;

    (void)peer_code;
    s->pump_ended = true;
    close_fd(&s->to_process);
    close_fd(&s->from_process);
    if (code < 0 && s->process)
        kill(s->process->pid, SIGHUP); /* nobody listens to it any more, as when a terminal goes */
    end_if_done(s);
}

static void on_out_done(struct pump *pump)
{
    struct serving_stream *s = pump->user;

    close_fd(&s->to_process);
}

static void report_exit(const struct process *process, int status)
{
    struct tool *tool = process->server->tool;
    struct json *json = event_begin(tool, "exited");
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    json_unsigned(json, "stream", process->id);
    json_signed(json, "status", code);
    json_string(json, "peer", process->name);
    event_end(tool);
    if (code != 0)
        complain(tool, "the command for %s ended with status %d", process->label, code);
}

static void process_free(struct process *process)
{
    if (process->fd >= 0)
        hawser_watch(process->server->tool->context, process->fd, 0, NULL, NULL);
    close_fd(&process->fd);
    LIST_REMOVE(process, link);
    free(process);
}

static void on_exit_of_process(int fd, short revents, void *user)
{
    struct process *process = user;
    struct serving_stream *s = process->stream;
    int status = 0;

    (void)fd;
    (void)revents;
    if (waitpid(process->pid, &status, WNOHANG) != process->pid)
        return;
    report_exit(process, status);
    process_free(process);
    if (!s)
        return;
    s->process = NULL;
    end_if_done(s);
}

static char *variable(const char *name, const char *value)
{
    char *text = NULL;

    return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

/* Our environment, without systemd's sockets, and with who the peer is. To be freed, with its first two. */
static char **make_environment(const struct peer *peer)
{
    size_t count = 0, n = 2;
    char **list;

    while (environ[count])
        count++;
    list = calloc(count + 3, sizeof(*list));
    if (!list)
        return NULL;
    list[0] = variable("HAWSER_PEER", peer->name);
    list[1] = variable("HAWSER_VERIFICATION", peer->verification);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LISTEN_", 7) != 0 && strncmp(environ[i], "HAWSER_PEER=", 12) != 0 &&
            strncmp(environ[i], "HAWSER_VERIFICATION=", 20) != 0)
            list[n++] = environ[i];
    return list;
}

static void set_signals(posix_spawnattr_t *attributes)
{
    sigset_t set;

    sigemptyset(&set);
    posix_spawnattr_setsigmask(attributes, &set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    posix_spawnattr_setsigdefault(attributes, &set);
    /* A group of its own: a Ctrl-C that tells us to finish must not end it. */
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(const struct peer *peer, const char *command, int in, int out, pid_t *ret_pid)
{
    char *const argv[] = {"sh", "-c", (char *)command, NULL};
    char **environment = make_environment(peer);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r;

    if (!environment || !environment[0] || !environment[1]) {
        r = ENOMEM;
    } else {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        set_signals(&attributes);
        r = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, environment);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (environment) {
        free(environment[0]);
        free(environment[1]);
    }
    free(environment);
    return -r;
}

static int process_start(struct serving_stream *s, const char *command, int in, int out)
{
    struct process *process = calloc(1, sizeof(*process));
    int r;

    if (!process)
        return -ENOMEM;
    r = spawn(s->peer, command, in, out, &process->pid);
    if (r < 0) {
        free(process);
        return r;
    }
    process->server = s->peer->server;
    process->stream = s;
    process->id = s->id;
    snprintf(process->name, sizeof(process->name), "%s", s->peer->name);
    snprintf(process->label, sizeof(process->label), "%s", s->peer->label);
    LIST_INSERT_HEAD(&process->server->processes, process, link);
    s->process = process;
    process->fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->fd < 0)
        return -errno;
    return hawser_watch(process->server->tool->context, process->fd, POLLIN, on_exit_of_process, process);
}

int command_start(struct serving_stream *s, const char *command)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    int r = 0;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        r = -errno;
    s->to_process = to[1];
    s->from_process = from[0];
    if (r == 0)
        r = process_start(s, command, to[0], from[1]);
    close_fd(&to[0]);
    close_fd(&from[1]);
    if (r < 0)
        return r;
    s->pump.in_fd = s->from_process;
    s->pump.out_fd = s->to_process;
    s->pump.on_out_done = on_out_done;
    s->pump.on_end = on_pump_end;
    s->pump.user = s;
    return pump_start(&s->pump);
}

/* The line is gone, or the listener ends. */
void command_end(struct serving_stream *s)
{
    close_fd(&s->to_process);
    close_fd(&s->from_process);
    if (s->process) {
        kill(s->process->pid, SIGHUP);
        s->process->stream = NULL;
    }
    s->process = NULL;
}

void processes_end(struct server *server)
{
    while (!LIST_EMPTY(&server->processes))
        process_free(LIST_FIRST(&server->processes));
}
