/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/lines.h"

#include <string.h>

#define BLANKS " \t\r\n"

bool lines_next(FILE *file, const char *comment, char *ret_line, size_t size)
{
    bool from_start = true;

    while (fgets(ret_line, (int)size, file)) {
        bool to_end = strchr(ret_line, '\n') || strlen(ret_line) + 1 < size;

        if (from_start && to_end) {
            ret_line[strcspn(ret_line, comment)] = '\0';
            return true;
        }
        from_start = to_end;
    }
    return false;
}

char *lines_word(char **at)
{
    char *word = *at + strspn(*at, BLANKS);
    char *end = word + strcspn(word, BLANKS);

    if (!*word)
        return NULL;
    *at = *end ? end + 1 : end;
    *end = '\0';
    return word;
}
