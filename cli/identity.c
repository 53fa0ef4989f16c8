/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "commands.h"
#include "tool.h"

int command_identity(struct tool *tool)
{
    struct options options = *tool->options;
    const char *name;
    char *directory;
    struct json *json;
    int r;

    if (options.operands.count == 1) {
        if (options.identity) {
            complain(tool, "the directory is named twice: %s and %s", options.identity, options.operands.items[0]);
            return EXIT_USAGE;
        }
        options.identity = options.operands.items[0];
    }
    directory = identity_directory(&options);
    if (!directory) {
        complain(tool, "neither XDG_CONFIG_HOME nor HOME is set: name a directory");
        return EXIT_USAGE;
    }
    r = make_parents(directory);
    if (r == 0)
        r = hawser_identity_open(directory, &tool->identity);
    if (r < 0) {
        complain(tool, "the identity in %s cannot be used: %s", directory, hawser_strerror(r));
        free(directory);
        return EXIT_FAILED;
    }
    name = hawser_identity_name(tool->identity);
    json = event_begin(tool, "identity");
    json_string(json, "name", name);
    json_string(json, "directory", directory);
    event_end(tool);
    if (options.name_only && !options.json)
        printf("%s\n", name);
    else if (!options.json)
        printf("name       %s\ndirectory  %s\n", name, directory);
    free(directory);
    return EXIT_DONE;
}
