/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(struct text *text)
{
    *text = (struct text){0};
}

void text_free(struct text *text)
{
    free(text->data);
    text_init(text);
}

/* Room for size more bytes and a NUL. */
static bool reserve(struct text *text, size_t size)
{
    size_t capacity = text->capacity ? text->capacity : 64;
    char *data;

    if (text->failed)
        return false;
    if (size < text->capacity - text->size)
        return true;
    while (capacity - text->size <= size && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    data = capacity - text->size > size ? realloc(text->data, capacity) : NULL;
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add_bytes(struct text *text, const char *bytes, size_t size)
{
    if (!reserve(text, size))
        return;
    if (size)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    int size;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, arguments);
    if (size < 0)
        text->failed = true;
    else if (reserve(text, (size_t)size)) {
        vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
    va_end(arguments);
}

size_t text_utf8_length(const unsigned char *at, size_t size)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;

    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size < length)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (at[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static void add_json_character(struct text *text, const char *at, size_t length)
{
    unsigned char c = (unsigned char)*at;

    if (c == '"' || c == '\\')
        text_printf(text, "\\%c", c);
    else if (c == '\n')
        text_add(text, "\\n");
    else if (c == '\t')
        text_add(text, "\\t");
    else if (c < 0x20 || c == 0x7f)
        text_printf(text, "\\u%04x", c);
    else
        text_add_bytes(text, at, length);
}

void text_add_json_bytes(struct text *text, const char *bytes, size_t size)
{
    text_add(text, "\"");
    for (size_t at = 0; at < size;) {
        size_t length = text_utf8_length((const unsigned char *)bytes + at, size - at);
        if (length)
            add_json_character(text, bytes + at, length);
        else
            text_add(text, "\\ufffd");
        at += length ? length : 1;
    }
    text_add(text, "\"");
}

void text_add_json(struct text *text, const char *string)
{
    text_add_json_bytes(text, string, strlen(string));
}

const char *text_string(const struct text *text)
{
    return text->data ? text->data : "";
}

bool text_failed(const struct text *text)
{
    return text->failed;
}

char *text_take(struct text *text)
{
    char *data;

    text_add_bytes(text, "", 0); /* an empty string is one too */
    if (text->failed) {
        text_free(text);
        return NULL;
    }
    data = text->data;
    text_init(text);
    return data;
}

void base32_encode(const uint8_t *bytes, size_t size, char *ret_string)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 5; count -= 5)
            *ret_string++ = letters[bits >> (count - 5) & 31];
    }
    if (count)
        *ret_string++ = letters[bits << (5 - count) & 31];
    *ret_string = '\0';
}
