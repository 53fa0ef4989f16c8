/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 responses by a framer, whose first exchange is part of the race: a captive proxy's 502 loses to the real answer.
 *
 *     example_http_framer http|https ENDPOINT [ENDPOINT...] PATH     (the body to stdout, the head to stderr)
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/layer.h>

#define HEAD_MAX 65536
#define wrong(framing, why) hawser_framing_fail(framing, -HAWSER_EFRAMER, why)
struct http {
    enum { HEAD, BODY, UNTIL_CLOSE, CHUNK, CHUNK_SIZE, CHUNK_END, TRAILER } phase; /* the last three are lines */
    uint64_t left;                                                                 /* of the body, or of the chunk */
};

/* A GET changes nothing (RFC 9110 section 9.2.1), so that every branch of the race may send it. */
static int http_start(hawser_framing *framing, void *state)
{
    const char *host = hawser_framing_host(framing), *path = hawser_framing_user(framing);
    char request[2048];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path,
                        *host ? host : "localhost");

    (void)state;
    return size < (int)sizeof request ? hawser_framing_write(framing, request, (size_t)size) : -E2BIG;
}

static int http_greet(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end, size_t *used)
{
    char line[13] = "", why[32];
    int status = 0;

    (void)state, (void)end, (void)used; /* none is used up: decode() reads it again */
    if (size < sizeof line - 1)
        return -EAGAIN;
    memcpy(line, data, sizeof line - 1);
    if (sscanf(line, "HTTP/1.%*1[0-9] %3d", &status) != 1)
        return wrong(framing, "this is not HTTP/1");
    snprintf(why, sizeof why, "the server answers %d", status);
    return status < 500 ? 0 : wrong(framing, why);
}

/* The value of a header; NULL: it is not there. head ends with NUL. */
static const char *header(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);

    return at ? at + strlen(name) + strspn(at + strlen(name), " \t") : NULL;
}

static int number(const char *text, int base, uint64_t *ret_value)
{
    char *end;

    errno = 0;
    *ret_value = strtoull(text, &end, base);
    return errno || end == text || *text == '-' || *text == '+' || *ret_value > INT64_MAX ? -EINVAL : 0;
}

/* How long the body is: RFC 9112 section 6.3. */
static int read_head(hawser_framing *framing, struct http *http, const char *head, int *ret_status)
{
    const char *encoding = header(head, "\r\nTransfer-Encoding:"), *length = header(head, "\r\nContent-Length:");

    if (sscanf(head, "HTTP/1.%*1[0-9] %3d", ret_status) != 1)
        return wrong(framing, "this is not HTTP/1");
    http->left = 0;
    if (length && !encoding && number(length, 10, &http->left) < 0)
        return wrong(framing, "the content's length is no number");
    if (*ret_status < 200 || *ret_status == 204 || *ret_status == 304 || (length && !encoding && http->left == 0))
        http->phase = HEAD; /* there is no body; after 1xx follows the real head */
    else if (encoding)
        http->phase = strncasecmp(encoding, "chunked\r", 8) == 0 ? CHUNK_SIZE : UNTIL_CLOSE;
    else
        http->phase = length ? BODY : UNTIL_CLOSE;
    return 0;
}

/* The steps answer how many bytes they used, 0: more are needed, negative: it fails. */
static ssize_t step_head(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    size_t head_size = end ? (size_t)(end - data) + 4 : 0;
    int status = 0, r;
    char *head;

    if (!end)
        return size < HEAD_MAX ? 0 : wrong(framing, "the head has no end");
    head = calloc(1, head_size + 1); /* as a string */
    r = head ? read_head(framing, http, memcpy(head, data, head_size), &status) : -ENOMEM;
    free(head);
    if (r == 0 && status >= 200) /* the message's first part */
        r = hawser_framing_deliver(framing, data, head_size, HAWSER_SIZE_UNKNOWN, false);
    if (r == 0 && status >= 200 && http->phase == HEAD)
        r = hawser_framing_deliver(framing, NULL, 0, HAWSER_SIZE_UNKNOWN, true);
    return r < 0 ? r : (ssize_t)head_size;
}

static ssize_t step_bytes(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    bool counted = http->phase != UNTIL_CLOSE, last;
    int r;

    if (counted && size > http->left)
        size = (size_t)http->left;
    http->left -= counted ? size : 0;
    last = http->phase == BODY && http->left == 0;
    r = hawser_framing_deliver(framing, data, size, HAWSER_SIZE_UNKNOWN, last);
    if (counted && http->left == 0)
        http->phase = last ? HEAD : CHUNK_END;
    return r < 0 ? r : (ssize_t)size;
}

static ssize_t step_line(hawser_framing *framing, struct http *http, const uint8_t *data, size_t size)
{
    const uint8_t *feed = memchr(data, '\n', size);
    int r = 0;

    if (!feed)
        return size < HEAD_MAX ? 0 : wrong(framing, "a line among the chunks has no end");
    if (http->phase == CHUNK_SIZE && number((const char *)data, 16, &http->left) < 0)
        return wrong(framing, "a chunk's size is no number");
    if (http->phase != TRAILER) {
        http->phase = http->phase == CHUNK_END ? CHUNK_SIZE : http->left > 0 ? CHUNK : TRAILER;
    } else if (feed - data < 2) { /* the empty line after the trailer ends the message */
        http->phase = HEAD;
        r = hawser_framing_deliver(framing, NULL, 0, HAWSER_SIZE_UNKNOWN, true);
    }
    return r < 0 ? r : feed - data + 1;
}

static ssize_t http_decode(hawser_framing *framing, void *state, const uint8_t *data, size_t size, bool end)
{
    struct http *http = state;
    ssize_t used = 1;
    size_t at = 0;

    while (used > 0 && at < size) {
        used = http->phase == HEAD         ? step_head(framing, http, data + at, size - at)
               : http->phase >= CHUNK_SIZE ? step_line(framing, http, data + at, size - at)
                                           : step_bytes(framing, http, data + at, size - at);
        at += used > 0 ? (size_t)used : 0;
    }
    if (used >= 0 && end && http->phase != HEAD)
        used = http->phase == UNTIL_CLOSE ? hawser_framing_deliver(framing, NULL, 0, HAWSER_SIZE_UNKNOWN, true)
                                          : wrong(framing, "the response is cut off");
    return used < 0 ? used : (ssize_t)at;
}

static const hawser_framer http_framer = {HAWSER_FRAMER_VERSION, "http",
                                          sizeof(struct http),   .start = http_start,
                                          .greet = http_greet,   .decode = http_decode};

static void on_part(const hawser_event *event, void *user)
{
    fwrite(event->part.data, 1, event->part.size, event->part.offset ? stdout : stderr);
    *(int *)user = !event->part.last;
    if (event->part.last)
        hawser_close(event->association, 0, "");
}

static void on_closed(const hawser_event *event, void *user)
{
    if (*(int *)user)
        fprintf(stderr, "%s\n", event->closed.reason);
}

int main(int argc, char **argv)
{
    hawser_association *line;
    hawser_properties *properties;
    hawser_context *context;
    int failed = 1;

    if (argc < 4 || hawser_properties_new(&properties) < 0 || hawser_context_new(NULL, &context) < 0)
        return 2;
    hawser_properties_set(properties, "session", "prohibit");
    hawser_properties_set(properties, "security", strcmp(argv[1], "https") == 0 ? "require" : "prohibit");
    if (hawser_associate(context, argv[2],
                         HAWSER_ASSOCIATE(.properties = properties, .framer = &http_framer,
                                          .framer_user = argv[argc - 1], .alpn = "http/1.1",
                                          .endpoints = (const char *const *)argv + 3,
                                          .endpoint_count = (size_t)argc - 4, .trust_file = getenv("TRUST_FILE")),
                         &line) == 0) {
        hawser_register(line, HAWSER_PART, on_part, &failed);
        hawser_register(line, HAWSER_CLOSED, on_closed, &failed);
        hawser_run(context);
        hawser_association_unref(line);
    }
    hawser_properties_unref(properties);
    hawser_context_unref(context);
    return failed;
}
