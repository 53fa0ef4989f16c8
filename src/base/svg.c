/* SPDX-License-Identifier: Apache-2.0 */
#include "base/svg.h"

#include <stdint.h>
#include <string.h>

/* How long the character there is; 0 for what is no UTF-8, or may not stand in XML, or would turn the text round. */
static size_t character(const char *string, size_t size)
{
    const unsigned char *at = (const unsigned char *)string;
    size_t length = text_utf8_length(at, size);
    uint32_t last = length == 3 ? (uint32_t)(at[0] << 16 | at[1] << 8 | at[2]) : 0;

    if (length == 1)
        return at[0] >= 0x20 && at[0] != 0x7f;
    if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0) /* the other control characters */
        return 0;
    if ((last >= 0xe280aa && last <= 0xe280ae) || (last >= 0xe281a6 && last <= 0xe281a9) || last >= 0xefbfbe)
        return 0;
    return length;
}

static size_t step(const char *string, size_t size)
{
    size_t length = character(string, size);

    return length ? length : 1;
}

void svg_escape(struct text *text, const char *string, size_t size)
{
    for (size_t at = 0, length; at < size; at += length) {
        size_t good = character(string + at, size - at);

        length = good ? good : 1;
        if (!good)
            text_add(text, "\xef\xbf\xbd");
        else if (string[at] == '<')
            text_add(text, "&lt;");
        else if (string[at] == '>')
            text_add(text, "&gt;");
        else if (string[at] == '&')
            text_add(text, "&amp;");
        else if (string[at] == '"')
            text_add(text, "&quot;");
        else
            text_add_bytes(text, string + at, length);
    }
}

size_t svg_cut(const char *string, size_t characters)
{
    size_t size = strlen(string), at = 0;

    while (at < size && characters-- > 0)
        at += step(string + at, size - at);
    return at;
}

size_t svg_cut_at_word(const char *string, size_t characters)
{
    size_t size = svg_cut(string, characters), at = size;

    if (!string[size])
        return size;
    while (at > size / 2 && string[at] != ' ')
        at--;
    return at > size / 2 ? at : size;
}

size_t svg_width(const char *string)
{
    size_t count = 0;

    for (size_t at = 0, size = strlen(string); at < size; at += step(string + at, size - at))
        count++;
    return count;
}
