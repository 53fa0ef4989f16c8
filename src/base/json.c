/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void put(struct json *json, const char *text, size_t size)
{
    if (json->failed)
        return;
    if (json->capacity - json->size < size) {
        size_t capacity = json->capacity * 2 + size + 256;
        char *grown = realloc(json->text, capacity);

        if (!grown) {
            json->failed = true;
            return;
        }
        json->text = grown;
        json->capacity = capacity;
    }
    memcpy(json->text + json->size, text, size);
    json->size += size;
}

static void put_text(struct json *json, const char *text)
{
    put(json, text, strlen(text));
}

static size_t put_character(struct json *json, const unsigned char *data, size_t size)
{
    char escape[8];
    size_t length;

    switch (data[0]) {
    case '"':
        put_text(json, "\\\"");
        return 1;
    case '\\':
        put_text(json, "\\\\");
        return 1;
    case '\n':
        put_text(json, "\\n");
        return 1;
    case '\t':
        put_text(json, "\\t");
        return 1;
    default:
        break;
    }
    if (data[0] < 0x20 || data[0] == 0x7f) {
        snprintf(escape, sizeof(escape), "\\u%04x", data[0]);
        put_text(json, escape);
        return 1;
    }
    length = text_utf8_length(data, size);
    if (length == 0) {
        snprintf(escape, sizeof(escape), "\\udc%02x", data[0]);
        put_text(json, escape);
        return 1;
    }
    put(json, (const char *)data, length);
    return length;
}

static void put_string(struct json *json, const char *value, size_t size)
{
    const unsigned char *data = (const unsigned char *)value;
    size_t done = 0;

    put_text(json, "\"");
    while (done < size)
        done += put_character(json, data + done, size - done);
    put_text(json, "\"");
}

static void put_name(struct json *json, const char *name)
{
    if (json->comma)
        put_text(json, ",");
    json->comma = true;
    if (name) {
        put_string(json, name, strlen(name));
        put_text(json, ":");
    }
}

static void open_bracket(struct json *json, const char *name, const char *bracket)
{
    put_name(json, name);
    put_text(json, bracket);
    json->comma = false;
}

static void close_bracket(struct json *json, const char *bracket)
{
    put_text(json, bracket);
    json->comma = true;
}

void json_object(struct json *json, const char *name)
{
    open_bracket(json, name, "{");
}

void json_object_end(struct json *json)
{
    close_bracket(json, "}");
}

void json_list(struct json *json, const char *name)
{
    open_bracket(json, name, "[");
}

void json_list_end(struct json *json)
{
    close_bracket(json, "]");
}

void json_bytes(struct json *json, const char *name, const char *value, size_t size)
{
    put_name(json, name);
    put_string(json, value, size);
}

void json_string(struct json *json, const char *name, const char *value)
{
    if (value)
        json_bytes(json, name, value, strlen(value));
    else
        json_null(json, name);
}

void json_base64(struct json *json, const char *name, const void *data, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;

    put_name(json, name);
    put_text(json, "\"");
    for (size_t i = 0; i < size; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16 | (i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0);
        char four[4] = {letters[group >> 18], letters[group >> 12 & 63], i + 1 < size ? letters[group >> 6 & 63] : '=',
                        i + 2 < size ? letters[group & 63] : '='};

        put(json, four, 4);
    }
    put_text(json, "\"");
}

static void put_number(struct json *json, const char *name, const char *digits)
{
    put_name(json, name);
    put_text(json, digits);
}

void json_signed(struct json *json, const char *name, int64_t value)
{
    char digits[32];

    snprintf(digits, sizeof(digits), "%lld", (long long)value);
    put_number(json, name, digits);
}

void json_unsigned(struct json *json, const char *name, uint64_t value)
{
    char digits[32];

    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    put_number(json, name, digits);
}

void json_real(struct json *json, const char *name, double value, int decimals)
{
    char digits[64];

    snprintf(digits, sizeof(digits), "%.*f", decimals, value);
    put_number(json, name, digits);
}

void json_bool(struct json *json, const char *name, bool value)
{
    put_number(json, name, value ? "true" : "false");
}

void json_null(struct json *json, const char *name)
{
    put_number(json, name, "null");
}

void json_raw(struct json *json, const char *name, const char *value)
{
    put_number(json, name, value);
}

int json_end_line(struct json *json, FILE *file)
{
    bool failed;

    put_text(json, "\n");
    failed = json->failed;
    if (!failed && (fwrite(json->text, 1, json->size, file) != json->size || fflush(file) != 0))
        failed = true;
    json->size = 0;
    json->comma = false;
    json->failed = false;
    return failed ? -EIO : 0;
}

const char *json_line(struct json *json, size_t *ret_size)
{
    bool failed;

    put_text(json, "\n");
    failed = json->failed;
    *ret_size = json->size;
    json->size = 0;
    json->comma = false;
    json->failed = false;
    return failed ? NULL : json->text;
}

int json_take(struct json *json, char **ret_text)
{
    put(json, "", 1);
    if (json->failed) {
        json_free(json);
        return -ENOMEM;
    }
    *ret_text = json->text;
    *json = (struct json){.text = NULL};
    return 0;
}

void json_free(struct json *json)
{
    free(json->text);
    *json = (struct json){0};
}
