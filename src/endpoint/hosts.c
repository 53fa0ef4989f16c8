/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/hosts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "endpoint/lines.h"

#define LINE_SIZE 8192 /* a line may list many names */

static bool lists(char *names, const char *name)
{
    size_t length = strlen(name);
    char *word;

    while ((word = lines_word(&names)))
        if (!strncasecmp(word, name, length) && (!word[length] || !strcmp(word + length, ".")))
            return true;
    return false;
}

void hosts_find(const char *file, const char *name, struct addresses *addresses)
{
    char line[LINE_SIZE];
    FILE *stream = fopen(file, "re");

    if (!stream)
        return;
    while (lines_next(stream, "#", line, sizeof line)) {
        char *rest = line, *address = lines_word(&rest);

        if (address && lists(rest, name))
            (void)addresses_add_text(addresses, address);
    }
    fclose(stream);
}
