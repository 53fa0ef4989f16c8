/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. One table of commands and one of options (options_table.c) make the parser and --help; a test holds
 * the man pages and the completions against them.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <hawser/hawser.h>

#define EXIT_DONE 0
#define EXIT_FAILED 1 /* something expired or failed */
#define EXIT_USAGE 2
#define EXIT_NO_ASSOCIATION 3
#define EXIT_UNSUPPORTED 4 /* bench only: bench/README.md */

enum command_bit {
    IDENTITY = 1,
    LISTEN = 2,
    SEND = 4,
    CONNECT = 8,
    PING = 16,
    BENCH = 32,
    PROBE = 64,
    FETCH = 128,
    PATHS = 256,
    POLICY = 512,
    FORGET = 1024,
    STATS = 2048,
    RESOLVE = 4096,
    PROPERTIES = 8192,
    RUN = 16384,
    MPTCP = 32768,
    STACKS = 65536,
    PLOT = 131072,
    TOP = 262144,
    OPENERS = SEND | CONNECT | PING | PROBE | FETCH,
};

/* What an option may be given several times for. */
struct string_list {
    char **items; /* with a NULL behind the last, as exec(2) has it; NULL when there are none */
    size_t count;
};

/* What was said of properties, in the order in which it was said: a later word overrides an earlier one. */
struct want {
    const struct option *option;
    const char *text;
};

struct want_list {
    struct want *items;
    size_t count;
};

struct options {
    const struct command *command;
    struct string_list operands;

    const char *identity, *trust, *trust_file, *stack, *certificate, *certificate_key;
    hawser_verification min_verification;
    hawser_policy policy;
    const char *paths;
    int64_t timeout_us, reestablish_us;
    bool json, verbose;

    struct want_list wants;
    struct string_list also;
    const char *local, *remote, *alpn, *policy_file, *trust_anchors;
    bool bare, tls;
    const char *framer, *group_key;
    int64_t hops;

    const char *svg, *title;
    const char *trace, *control;
    int64_t association;
    bool once;
    const char *output;
    struct string_list connect_to;
    bool head, fail;
    bool watch, backup;
    const char *type;

    int64_t niceness, lifetime_us;
    struct string_list after;
    const char *name;
    bool replayable, ordered;
    const char *reliability, *coordinates, *pace;
    int64_t deadline_us;
    bool timestamp, parts;

    bool name_only;

    bool mptcp;

    bool echo, discard, overwrite;
    const char *receive, *exec;

    int64_t count; /* -1: not given */
    int64_t interval_us;
    uint64_t size;

    const char *what, *endpoint, *mode, *dir;
    int64_t port, ready_fd, connections, warm, queued; /* -1: not given */
    int64_t seconds_us;
    bool resumed;
};

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_STRING,   /* const char * */
    OPTION_STRINGS,  /* struct string_list */
    OPTION_INTEGER,  /* int64_t between least and most */
    OPTION_DURATION, /* int64_t, microseconds */
    OPTION_SIZE,     /* uint64_t, bytes */
    OPTION_VERIFICATION,
    OPTION_POLICY,
    OPTION_WANT, /* struct want_list */
    OPTION_HELP,
};

struct option {
    const char *name;
    enum option_kind kind;
    unsigned commands; /* which take it */
    size_t field;      /* offset in struct options */
    const char *argument;
    const char *help;
    int64_t least, most;
};

struct tool;
struct command {
    const char *name;
    unsigned bit;
    size_t least_operands, most_operands;
    const char *operands; /* for the usage line */
    const char *summary;
    const char *help;
    int (*run)(struct tool *tool);
};

extern const struct command commands[]; /* ends with a NULL name */
extern const struct option options_table[];

const struct command *command_find(const char *name);

enum parse_result { PARSE_OK, PARSE_HELP, PARSE_ERROR };
/* Reads the words after the command's name. On PARSE_ERROR one sentence has been printed. */
enum parse_result options_parse(const struct command *command, int argc, char **argv, struct options *ret_options);
void options_free(struct options *options);

void help_print(FILE *file);
void help_print_command(FILE *file, const struct command *command);

#endif
