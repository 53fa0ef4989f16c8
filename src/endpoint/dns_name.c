/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/dns_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* One character of text, which is not a dot. Returns what follows, or NULL. */
static const char *read_character(const char *text, uint8_t *ret_byte)
{
    if (*text != '\\') {
        *ret_byte = (uint8_t)*text;
        return text + 1;
    }
    text++;
    if (is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2])) {
        int number = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');

        *ret_byte = (uint8_t)number;
        return number > UINT8_MAX ? NULL : text + 3;
    }
    *ret_byte = (uint8_t)*text;
    return *text ? text + 1 : NULL;
}

int dns_name_parse(const char *text, struct dns_name *ret_name)
{
    struct dns_name name = {.size = 0};

    while (*text) {
        size_t length_at = name.size++, length;

        while (*text && *text != '.') {
            if (name.size >= DNS_NAME_SIZE - 1 || !(text = read_character(text, &name.wire[name.size])))
                return -EINVAL;
            name.size++;
        }
        length = name.size - length_at - 1;
        if (length == 0 || length > DNS_LABEL_SIZE)
            return -EINVAL;
        name.wire[length_at] = (uint8_t)length;
        text += *text == '.';
    }
    if (name.size == 0 || name.size >= DNS_NAME_SIZE)
        return -EINVAL;
    name.wire[name.size++] = 0;
    *ret_name = name;
    return 0;
}

void dns_name_print(const struct dns_name *name, char ret_text[DNS_NAME_TEXT])
{
    char *to = ret_text;

    for (size_t at = 0; at < name->size && name->wire[at]; at += 1 + (size_t)name->wire[at]) {
        if (at)
            *to++ = '.';
        for (size_t i = 1; i <= name->wire[at]; i++) {
            uint8_t c = name->wire[at + i];

            if (is_plain(c))
                *to++ = (char)c;
            else
                to += sprintf(to, "\\%03u", c);
        }
    }
    *to = '\0';
}

/* No length of a label is a letter's code. */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
    if (a->size != b->size)
        return false;
    for (size_t i = 0; i < a->size; i++)
        if (lower(a->wire[i]) != lower(b->wire[i]))
            return false;
    return true;
}

int dns_name_prepend(struct dns_name *name, const char *label)
{
    size_t length = strlen(label);

    if (length == 0 || length > DNS_LABEL_SIZE || name->size + length + 1 > DNS_NAME_SIZE)
        return -EINVAL;
    memmove(name->wire + length + 1, name->wire, name->size);
    name->wire[0] = (uint8_t)length;
    memcpy(name->wire + 1, label, length);
    name->size += length + 1;
    return 0;
}
