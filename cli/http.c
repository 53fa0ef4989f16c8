/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_head.h"

#define HEAD_MAX ((size_t)64 << 10) /* also of all trailers together */
#define CHUNK_LINE_MAX 1024         /* a size and its extensions */

enum phase { HEAD, BODY, BODY_TO_END, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, DONE };

struct http { /* the state of one connection */
    enum phase phase;
    struct http_head head;
    uint64_t left, got; /* of the body or chunk; of the body in all */
    size_t trailer;     /* bytes of trailers so far */
};

static const struct http_exchange *exchange_of(const hawser_framing *framing)
{
    return hawser_framing_user(framing);
}

static int http_start(hawser_framing *framing, void *state)
{
    const struct http_exchange *exchange = exchange_of(framing);

    (void)state;
    return exchange->in_race ? hawser_framing_write(framing, exchange->request, exchange->request_size) : 0;
}

static void http_stop(hawser_framing *framing, void *state)
{
    struct http *http = state;

    (void)framing;
    free(http->head.text);
}

/* --------------------------------------------------------------------------------------------------------------- head */

/* Who speaks something else is told from in its first bytes, not after a time-out. */
static int check_begin(hawser_framing *framing, const uint8_t *data, size_t size)
{
    static const char begin[] = "HTTP/1.";
    size_t there = size < sizeof(begin) - 1 ? size : sizeof(begin) - 1;
    char reason[160], line[64];
    size_t n = 0;

    if (memcmp(data, begin, there) == 0)
        return 0;
    while (n < size && n + 1 < sizeof(line) && data[n] >= 0x20 && data[n] < 0x7f) {
        line[n] = (char)data[n];
        n++;
    }
    line[n] = '\0';
    snprintf(reason, sizeof(reason), "the server does not speak HTTP/1.1: it sent %s%s%s", n ? "\"" : "other bytes",
             line, n ? "\"" : "");
    return hawser_framing_fail(framing, -HAWSER_EFRAMER, reason);
}

/* Reads a head that is whole: bytes used, 0 when more are needed, or negative. An interim answer (1xx) is passed over. */
static ssize_t read_head(hawser_framing *framing, const uint8_t *data, size_t size, struct http_head *head)
{
    size_t used = 0;

    for (;;) {
        size_t length = http_head_length(data + used, size - used);
        const char *wrong;
        int r;

        if (size > used && (r = check_begin(framing, data + used, size - used)) < 0)
            return r;
        if (used > HEAD_MAX || (length == 0 && size - used > HEAD_MAX))
            return hawser_framing_fail(framing, -HAWSER_ELARGE, "the answer's headers are longer than 64 KiB");
        if (length == 0)
            return 0;
        r = http_head_parse(data + used, length, head, &wrong);
        if (r < 0)
            return hawser_framing_fail(framing, r, wrong);
        used += length;
        if (head->status == 101)
            return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the server changed the protocol unasked (101)");
        if (head->status >= 200)
            return (ssize_t)used;
        free(head->text);
        head->text = NULL;
    }
}

static int http_greet(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end,
                      size_t *ret_used)
{
    struct http_head head = {0};
    ssize_t used = read_head(framing, data, size, &head);
    char reason[192];

    (void)state;
    free(head.text);
    if (used < 0)
        return (int)used;
    if (used == 0 && end)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the server ended without an answer");
    if (used == 0) {
        int r = hawser_framing_want(framing, size + 1);

        return r < 0 ? r : -EAGAIN;
    }
    if (head.status >= 400) {
        snprintf(reason, sizeof(reason), "the answer is %d %s", head.status, head.reason);
        return hawser_framing_fail(framing, -HAWSER_EREFUSED, reason);
    }
    *ret_used = 0; /* decode() reads it again */
    return 0;
}

/* --------------------------------------------------------------------------------------------------------------- body */

static enum phase phase_after_head(const struct http_exchange *exchange, const struct http_head *head)
{
    /* RFC 9112 section 6.3 */
    if (exchange->only_head || head->status == 204 || head->status == 304)
        return DONE;
    if (head->chunked)
        return CHUNK_SIZE;
    if (!head->has_length)
        return BODY_TO_END;
    return head->length > 0 ? BODY : DONE;
}

static ssize_t take_head(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    const struct http_exchange *exchange = exchange_of(framing);
    ssize_t used = read_head(framing, data, size, &http->head);
    int r = 0;

    if (used == 0)
        r = hawser_framing_want(framing, size + 1);
    if (used <= 0)
        return r < 0 ? r : used;
    http->phase = phase_after_head(exchange, &http->head);
    http->left = http->phase == BODY ? http->head.length : 0;
    if (!exchange->on_head(&http->head, exchange->user))
        http->phase = DONE;
    if (http->phase == DONE)
        r = hawser_framing_deliver(framing, NULL, 0, 0, true);
    return r < 0 ? r : used;
}

static ssize_t take_body(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    bool sized = http->phase == BODY, chunk = http->phase == CHUNK_DATA;
    uint64_t n = size;
    int r;

    if ((sized || chunk) && n > http->left)
        n = http->left;
    if (n == 0)
        return 0;
    http->got += n;
    http->left -= sized || chunk ? n : 0;
    r = hawser_framing_deliver(framing, data, (size_t)n, sized ? http->head.length : HAWSER_SIZE_UNKNOWN,
                               sized && http->left == 0);
    if (http->left == 0 && sized)
        http->phase = DONE;
    if (http->left == 0 && chunk)
        http->phase = CHUNK_END;
    return r < 0 ? r : (ssize_t)n;
}

/* A line with its end; 0 when it is not whole. */
static ssize_t line_length(hawser_framing *framing, const uint8_t *data, size_t size, size_t most)
{
    const uint8_t *end = memchr(data, '\n', size < most ? size : most);
    int r;

    if (end)
        return end - data + 1;
    if (size >= most)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "a line of the chunked body is too long");
    r = hawser_framing_want(framing, size + 1);
    return r < 0 ? r : 0;
}

/* RFC 9112 section 7.1: a size in hexadecimal digits, extensions after a semicolon. */
static ssize_t take_chunk_size(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    ssize_t length = line_length(framing, data, size, CHUNK_LINE_MAX);
    uint64_t value = 0;
    ssize_t at = 0;

    if (length <= 0)
        return length;
    for (; at < length && isxdigit(data[at]); at++) {
        if (value >> 60)
            return hawser_framing_fail(framing, -HAWSER_EFRAMER, "a chunk's size is out of range");
        value = value << 4 | (uint64_t)(isdigit(data[at]) ? data[at] - '0' : tolower(data[at]) - 'a' + 10);
    }
    if (at == 0 || !strchr("; \t\r\n", data[at]))
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "a chunk's size is no number");
    http->left = value;
    http->phase = value > 0 ? CHUNK_DATA : TRAILER;
    return length;
}

/* The line end after a chunk's data. */
static ssize_t take_chunk_end(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    ssize_t length;

    if (data[0] != '\n' && (data[0] != '\r' || (size > 1 && data[1] != '\n')))
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "a chunk is longer than its size says");
    length = line_length(framing, data, size, 2);
    if (length <= 0)
        return length;
    http->phase = CHUNK_SIZE;
    return length;
}

static ssize_t take_trailer(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    ssize_t length = line_length(framing, data, size, HEAD_MAX);
    int r;

    if (length <= 0)
        return length;
    http->trailer += (size_t)length;
    if (http->trailer > HEAD_MAX)
        return hawser_framing_fail(framing, -HAWSER_ELARGE, "the answer's trailers are longer than 64 KiB");
    if (length == 1 || (length == 2 && data[0] == '\r')) {
        http->phase = DONE;
        r = hawser_framing_deliver(framing, NULL, 0, HAWSER_SIZE_UNKNOWN, true);
        if (r < 0)
            return r;
    }
    return length;
}

static ssize_t take(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    switch (http->phase) {
    case HEAD:
        return take_head(framing, http, data, size);
    case BODY:
    case BODY_TO_END:
    case CHUNK_DATA:
        return take_body(framing, http, data, size);
    case CHUNK_SIZE:
        return take_chunk_size(framing, http, data, size);
    case CHUNK_END:
        return take_chunk_end(framing, http, data, size);
    case TRAILER:
        return take_trailer(framing, http, data, size);
    case DONE:
        break;
    }
    return (ssize_t)size; /* we asked for one answer, and to close after it */
}

static int ended(hawser_framing *framing, struct http *http)
{
    char reason[128];

    if (http->phase == DONE)
        return 0;
    if (http->phase == BODY_TO_END) {
        http->phase = DONE;
        return hawser_framing_deliver(framing, NULL, 0, HAWSER_SIZE_UNKNOWN, true);
    }
    if (http->phase == HEAD)
        snprintf(reason, sizeof(reason), "the server ended without an answer");
    else if (http->phase == BODY)
        snprintf(reason, sizeof(reason), "the body ended after %llu of %llu bytes", (unsigned long long)http->got,
                 (unsigned long long)http->head.length);
    else
        snprintf(reason, sizeof(reason), "the body ended after %llu bytes, before its last chunk",
                 (unsigned long long)http->got);
    return hawser_framing_fail(framing, -HAWSER_EFRAMER, reason);
}

static ssize_t http_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    struct http *http = state;
    size_t used = 0;

    while (used < size) {
        ssize_t n = take(framing, http, data + used, size - used);

        if (n < 0)
            return n;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    if (end) {
        int r = ended(framing, http);

        return r < 0 ? r : (ssize_t)size;
    }
    return (ssize_t)used;
}

static const hawser_framer after_race = {
    .version = HAWSER_FRAMER_VERSION,
    .name = "http",
    .state_size = sizeof(struct http),
    .decode = http_decode,
    .stop = http_stop,
};

static const hawser_framer in_race = {
    .version = HAWSER_FRAMER_VERSION,
    .name = "http",
    .state_size = sizeof(struct http),
    .start = http_start,
    .greet = http_greet,
    .decode = http_decode,
    .stop = http_stop,
};

const hawser_framer *http_framer(const struct http_exchange *exchange)
{
    return exchange->in_race ? &in_race : &after_race;
}
