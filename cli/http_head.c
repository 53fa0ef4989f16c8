/* SPDX-License-Identifier: Apache-2.0 */
#include "http_head.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Lines end with CR LF; a LF alone is taken too (RFC 9112 section 2.2). */
size_t http_head_length(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length;

        if (!end)
            return 0;
        length = (size_t)(end - (data + at));
        if (at > 0 && (length == 0 || (length == 1 && data[at] == '\r')))
            return (size_t)(end - data) + 1;
        at += length + 1;
    }
    return 0;
}

static int refuse(const char **ret_wrong, const char *why)
{
    *ret_wrong = why;
    return -HAWSER_EFRAMER;
}

/* The lines without CR, and a folded one in one piece with what it continues. What ends a line early is no character. */
static char *copy_lines(const uint8_t *data, size_t length)
{
    char *text = malloc(length + 1);
    size_t at = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\r' || data[i] == '\0')
            continue;
        if (data[i] == '\n' && i + 1 < length && (data[i + 1] == ' ' || data[i + 1] == '\t'))
            continue;
        text[at++] = (char)data[i];
    }
    while (at > 0 && text[at - 1] == '\n')
        at--;
    text[at] = '\0';
    return text;
}

static int parse_status(const char *line, struct http_head *head, const char **ret_wrong)
{
    size_t reason;

    if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || line[8] != ' ')
        return refuse(ret_wrong, "the answer's first line is no status line of HTTP/1.1");
    if (strspn(line + 9, "0123456789") != 3 || line[9] == '0')
        return refuse(ret_wrong, "the answer's status is no number of three digits");
    head->status = atoi(line + 9);
    reason = line[12] == ' ' ? 13 : 12;
    snprintf(head->reason, sizeof(head->reason), "%.*s", (int)strcspn(line + reason, "\n"), line + reason);
    return 0;
}

static int parse_length(const char *value, struct http_head *head, const char **ret_wrong)
{
    char *end;
    unsigned long long length;

    /* Several equal ones may have been joined with commas (RFC 9110 section 8.6); others are a trap. */
    errno = 0;
    length = isdigit((unsigned char)*value) ? strtoull(value, &end, 10) : 0;
    if (!isdigit((unsigned char)*value) || *end != '\0' || errno == ERANGE || length > INT64_MAX)
        return refuse(ret_wrong, "the answer's Content-Length is no number");
    if (head->has_length && head->length != length)
        return refuse(ret_wrong, "the answer has two different Content-Lengths");
    head->has_length = true;
    head->length = length;
    return 0;
}

static int take_header(const char *name, const char *value, struct http_head *head, const char **ret_wrong)
{
    if (strcasecmp(name, "content-length") == 0)
        return parse_length(value, head, ret_wrong);
    if (strcasecmp(name, "transfer-encoding") == 0) {
        if (strcasecmp(value, "chunked") != 0)
            return refuse(ret_wrong, "the answer's Transfer-Encoding is not chunked alone");
        head->chunked = true;
    } else if (strcasecmp(name, "location") == 0) {
        if (strlen(value) >= sizeof(head->location))
            return refuse(ret_wrong, "the answer's Location is too long");
        snprintf(head->location, sizeof(head->location), "%s", value);
    } else if (strcasecmp(name, "content-type") == 0) {
        snprintf(head->content_type, sizeof(head->content_type), "%s", value);
    }
    return 0;
}

/* "Name: value", ended by a LF or the end of text */
static int parse_header(const char *line, size_t length, struct http_head *head, const char **ret_wrong)
{
    const char *colon = memchr(line, ':', length);
    char *name, *value;
    size_t from, to = length;
    int r;

    if (!colon || colon == line || memchr(line, ' ', (size_t)(colon - line)))
        return refuse(ret_wrong, "a header of the answer is malformed");
    from = (size_t)(colon - line) + 1;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    name = strndup(line, (size_t)(colon - line));
    value = strndup(line + from, to - from);
    *ret_wrong = "out of memory";
    r = name && value ? take_header(name, value, head, ret_wrong) : -ENOMEM;
    free(name);
    free(value);
    return r;
}

int http_head_parse(const uint8_t *data, size_t length, struct http_head *head, const char **ret_wrong)
{
    char *text = copy_lines(data, length);
    int r;

    *ret_wrong = "out of memory";
    if (!text)
        return -ENOMEM;
    *head = (struct http_head){.text = text};
    r = parse_status(text, head, ret_wrong);
    for (const char *line = strchr(text, '\n'); line && r == 0; line = strchr(line + 1, '\n'))
        r = parse_header(line + 1, strcspn(line + 1, "\n"), head, ret_wrong);
    if (r < 0) {
        free(text);
        head->text = NULL;
    }
    return r;
}
