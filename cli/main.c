/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static int run(const struct command *command, int argc, char **argv)
{
    struct options options;
    struct tool tool = {.options = &options, .signal_fd = -1, .trace_fd = -1};
    int code;

    switch (options_parse(command, argc, argv, &options)) {
    case PARSE_HELP:
        help_print_command(stdout, command);
        return EXIT_DONE;
    case PARSE_ERROR:
        return EXIT_USAGE;
    case PARSE_OK:
        break;
    }
    code = command->run(&tool);
    tool_close(&tool);
    options_free(&options);
    return code;
}

static int help(int argc, char **argv)
{
    const struct command *command = argc > 0 ? command_find(argv[0]) : NULL;

    if (argc > 0 && !command) {
        fprintf(stderr, "hawser: there is no command %s; see 'hawser --help'\n", argv[0]);
        return EXIT_USAGE;
    }
    if (command)
        help_print_command(stdout, command);
    else
        help_print(stdout);
    return EXIT_DONE;
}

/* What is opened must not become standard output where that is closed; writing there fails as before. */
static void hold_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const struct command *command;

    hold_standard_descriptors();
    if (argc < 2) {
        help_print(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("hawser %s\n", hawser_version());
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    command = command_find(argv[1]);
    if (!command) {
        fprintf(stderr, "hawser: there is no command %s; see 'hawser --help'\n", argv[1]);
        return EXIT_USAGE;
    }
    return run(command, argc - 2, argv + 2);
}
