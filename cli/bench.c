/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hawser/trace.h>

#include "commands.h"
#include "units.h"

#define DEFAULT_TIMEOUT_S 120

static const char *const whats[] = {"oneway", "pingpong", "idle", "setup", "growth", "queue", "urgent", "departure"};

static int wrong(const char *text)
{
    fprintf(stderr, "hawser bench: %s (see bench/README.md)\n", text);
    return EXIT_USAGE;
}

static int parse_what(struct bench *bench, const char *what)
{
    for (size_t i = 0; what && i < sizeof(whats) / sizeof(*whats); i++) {
        if (strcmp(whats[i], what) == 0) {
            bench->what = (enum bench_what)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* -1, or the exit code */
static int parse(struct bench *bench)
{
    const struct options *o = bench->tool->options;
    const char *side = o->operands.items[0];

    bench->server = strcmp(side, "server") == 0;
    if (!bench->server && strcmp(side, "client") != 0)
        return wrong("the first word is server or client");
    if (parse_what(bench, o->what) < 0)
        return wrong("--what is oneway, pingpong, idle, setup, growth, queue, urgent or departure");
    if (o->mode && strcmp(o->mode, "run") != 0 && strcmp(o->mode, "poll") != 0)
        return wrong("--mode is run or poll");
    if (o->size < BENCH_MESSAGE_MIN)
        return wrong("--size is at least 24");
    if (o->endpoint && o->port >= 0)
        return wrong("--endpoint and --port exclude each other");
    if (!bench->server && !o->endpoint && o->port < 0)
        return wrong("a client needs --endpoint");
    if (!bench->server && bench->what != IDLE && o->seconds_us == 0 && o->count < 0)
        return wrong("a client needs --seconds or --count");
    if (bench->what == QUEUE && !bench->server && o->queued < 0)
        return wrong("queue needs --queued");
    if (bench->what == URGENT && !bench->server && o->count < 0)
        return wrong("urgent needs --count");
    bench->poll_mode = o->mode && strcmp(o->mode, "poll") == 0;
    bench->resumed = o->resumed;
    bench->size = o->size;
    bench->count = o->count < 0 ? BENCH_FULL : (uint64_t)o->count;
    bench->duration_ns = o->seconds_us * 1000;
    bench->connections = (size_t)o->connections;
    bench->queued = o->queued < 0 ? 1 : (uint64_t)o->queued;
    bench->warm = o->warm >= 0 ? (uint64_t)o->warm : bench->what == SETUP ? 8 : bench->size >= BENCH_LARGE ? 4 : 1000;
    bench->endpoint = o->endpoint;
    return -1;
}

static void on_alarm(int signal_number)
{
    static const char text[] = "hawser bench: the time limit is over\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)n;
    (void)signal_number;
    _exit(EXIT_FAILED);
}

/* A forgotten process would spoil every later measurement, so each one ends itself. */
static void set_limits(const struct options *o)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGALRM, &action, NULL);
    alarm(o->timeout_us > 0 ? (unsigned)((o->timeout_us + 999999) / 1000000) : DEFAULT_TIMEOUT_S);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static char *below(const char *directory, const char *name)
{
    char *path = NULL;

    return directory && asprintf(&path, "%s/%s", directory, name) >= 0 ? path : NULL;
}

/* A server with --dir knows both keys, so that both ends verify each other as the peers do. */
static int open_context(struct bench *bench)
{
    struct tool *tool = bench->tool;
    const char *directory = tool->options->dir;
    const char *mine = NULL;
    int r;

    bench->server_dir = below(directory, "server");
    bench->client_dir = below(directory, "client");
    bench->state_dir = bench->resumed && !bench->server ? below(directory, "state") : strdup("");
    if (directory && (!bench->server_dir || !bench->client_dir))
        return -ENOMEM;
    if (!bench->state_dir) {
        wrong("--resumed needs --dir, where tickets are kept");
        return -EINVAL;
    }
    mine = bench->server ? bench->server_dir : bench->client_dir;
    r = mine ? hawser_identity_open(mine, &tool->identity) : hawser_identity_new(&tool->identity);
    if (r < 0)
        return r;
    return hawser_context_new(HAWSER_CONTEXT(.state_dir = bench->state_dir), &tool->context);
}

static void use_port(struct bench *bench, char endpoint[32])
{
    const struct options *o = bench->tool->options;

    if (bench->endpoint)
        return;
    snprintf(endpoint, 32, "127.0.0.1:%lld", o->port < 0 ? 0LL : (long long)o->port);
    bench->endpoint = endpoint;
}

int bench_loop(struct bench *bench)
{
    hawser_context *context = bench->tool->context;
    struct pollfd p = {.fd = hawser_context_fd(context), .events = POLLIN};

    if (!bench->poll_mode)
        return hawser_run(context);
    while (!bench->stopped) {
        int r;

        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            return -errno;
        r = hawser_dispatch(context);
        if (r < 0)
            return r;
    }
    return 0;
}

void bench_stop(struct bench *bench)
{
    bench->stopped = true;
    hawser_stop(bench->tool->context, 0);
}

static struct tool *traced; /* NULL: there is no trace to be ended */

/* A measurement that fails ends the program where it stands; what was traced until then is what one wants to see. */
static void end_trace(void)
{
    if (traced)
        hawser_context_set_trace(traced->context, -1, NULL);
}

int command_bench(struct tool *tool)
{
    struct bench bench = {.tool = tool};
    char endpoint[32];
    int code = parse(&bench), r;

    if (code >= 0)
        return code;
    set_limits(tool->options);
    use_port(&bench, endpoint);
    r = open_context(&bench);
    if (r == 0 && (code = tool_show(tool)) >= 0)
        r = -EINVAL;
    if (r == 0 && tool->trace_fd >= 0 && atexit(end_trace) == 0)
        traced = tool;
    if (r == 0)
        r = bench.server ? bench_serve(&bench) : bench_client(&bench);
    if (r < 0)
        fprintf(stderr, "hawser bench: %s\n", hawser_strerror(r));
    traced = NULL; /* its context ends it */
    free(bench.server_dir);
    free(bench.client_dir);
    free(bench.state_dir);
    free(bench.samples_ns);
    free(bench.urgent);
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
