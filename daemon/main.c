/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "hawserd.h"
#include "place.h"
#include "settings.h"

#define GRANTS_FILE "/etc/hawser/hawserd.conf"

struct arguments {
    const char *socket, *policy;
    bool userspace, check;
};

void say(const char *format, ...)
{
    va_list arguments;
    char text[512];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "hawserd: %s\n", text);
}

static void print_help(FILE *file)
{
    fputs("usage: hawserd [OPTION...]\n\n"
          "Controls MPTCP connections of this network namespace for programs that lack the rights: their own only.\n\n"
          "options:\n"
          "  --socket PATH  listen there (/run/hawserd/net-INODE.sock, INODE being that of /proc/self/ns/net)\n"
          "  --policy FILE  who may ask what (" GRANTS_FILE ", where it is)\n"
          "  --check        read the policy file, say what is wrong with it, and end\n"
          "  --userspace    let the userspace path manager rule for connections that begin from now on\n"
          "                 (net.mptcp.pm_type=1), and as it was when this ends\n"
          "  --version      show the version and end\n"
          "  --help         show this and end\n\n"
          "SIGHUP reads the policy file again; SIGTERM and SIGINT end it, which no connection notices.\n",
          file);
}

/* -1: go on; else the status to end with. */
static int read_arguments(int argc, char **argv, struct arguments *ret_arguments)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'},
        {"policy", required_argument, NULL, 'p'},
        {"check", no_argument, NULL, 'c'},
        {"userspace", no_argument, NULL, 'u'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 's':
            ret_arguments->socket = optarg;
            break;
        case 'p':
            ret_arguments->policy = optarg;
            break;
        case 'c':
            ret_arguments->check = true;
            break;
        case 'u':
            ret_arguments->userspace = true;
            break;
        case 'v':
            puts("hawserd " HAWSERD_VERSION);
            return 0;
        case 'h':
            print_help(stdout);
            return 0;
        default:
            return 2;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "hawserd: unexpected argument %s; see 'hawserd --help'\n", argv[optind]);
    return 2;
}

/* A file that was named must be there; the usual one need not. */
static int read_grants(struct daemon *daemon, const struct arguments *arguments)
{
    char reason[256];

    daemon->grants_file = arguments->policy ? arguments->policy : access(GRANTS_FILE, F_OK) == 0 ? GRANTS_FILE : NULL;
    grants_init(&daemon->grants);
    if (!daemon->grants_file || grants_read(daemon->grants_file, &daemon->grants, reason, sizeof reason) == 0)
        return 0;
    say("%s", reason);
    return -1;
}

static int open_signals(struct daemon *daemon)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals < 0 ? -errno : 0;
}

/* What the kernel and our rights give; less than all of it is said, and is no reason not to run. */
static int open_kernel(struct daemon *daemon)
{
    struct mptcp_reason reason = {""};
    int r = mptcp_control_open(&daemon->control, &reason);

    if (r < 0) {
        say("%s", reason.text);
        return r;
    }
    if (mptcp_control_able(&daemon->control, &reason) < 0)
        say("subflows cannot be controlled for now: %s", reason.text);
    if (mptcp_events_open(0, &daemon->events, &daemon->no_events) < 0) {
        daemon->events = -1;
        say("nobody can be told of events: %s", daemon->no_events.text);
    }
    if (tune_open(&daemon->tune, &daemon->no_tune) < 0)
        say("%s", daemon->no_tune.text);
    daemon->can_schedule = tune_can_schedule();
    return 0;
}

static int prepare(struct daemon *daemon)
{
    int r;

    daemon->netns_cookie = place_cookie();
    daemon->whole_user_namespace = place_has_all_users();
    daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
    r = daemon->epoll < 0 ? -errno : open_signals(daemon);
    if (r == 0)
        r = closer_new(&daemon->closer, &daemon->closed);
    if (r == 0)
        r = replay_new(&daemon->replay);
    if (r < 0)
        say("cannot start: %s", strerror(-r));
    return r;
}

static int serve(struct daemon *daemon, const struct arguments *arguments)
{
    struct place place;
    char manager[8] = "";
    int r;

    if (prepare(daemon) < 0 || place_open(&place, arguments->socket) < 0)
        return 1;
    daemon->listener = place.listener;
    if (arguments->userspace)
        settings_take_over(manager);
    if (*daemon->grants.scheduler)
        settings_scheduler(daemon->grants.scheduler);
    r = open_kernel(daemon);
    if (r == 0) {
        place_drop_rights();
        say("listening on %s", place.path);
        place_tell_manager();
        r = server_run(daemon);
        if (r < 0)
            say("%s", strerror(-r));
    }
    settings_give_back(manager);
    place_close(&place);
    tune_close(daemon->tune);
    mptcp_control_close(&daemon->control);
    replay_free(daemon->replay);
    return r < 0;
}

int main(int argc, char **argv)
{
    static struct daemon daemon = {.listener = -1, .signals = -1, .events = -1, .closed = -1};
    struct arguments arguments = {NULL};
    int status = read_arguments(argc, argv, &arguments);

    if (status >= 0)
        return status;
    if (read_grants(&daemon, &arguments) < 0)
        return arguments.check ? 1 : 2;
    return arguments.check ? 0 : serve(&daemon, &arguments);
}
