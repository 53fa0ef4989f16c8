/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP proxy asked to CONNECT (RFC 9110 section 9.3.6, RFC 9112), with the Basic scheme (RFC 7617), which is sent at
 * once where a user is known: the round trip of being asked for it would lead to the same. (S4.18)
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/greeting.h"
#include "layer/socket.h"

#define ANSWER_MAX 16384
#define REQUEST_MAX 4096
#define INTERIM_MAX 16
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
#define CREDENTIALS_MAX 1024

static int fail(struct greeting *greeting, const char *words)
{
    return layer_fail(&greeting->layer, -HAWSER_EPROXY, "%s", words);
}

/* ----------------------------------------------------------------------------------------------------- asking */

static void base64_encode(const uint8_t *data, size_t size, char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;

        group |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        group |= i + 2 < size ? data[i + 2] : 0;
        *text++ = letters[group >> 18];
        *text++ = letters[group >> 12 & 63];
        *text++ = i + 1 < size ? letters[group >> 6 & 63] : '=';
        *text++ = i + 2 < size ? letters[group & 63] : '=';
    }
    *text = '\0';
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

/* Nothing that comes from outside may end a line of the request, or its target. */
static int check(struct greeting *greeting)
{
    const struct layer_target *target = greeting->target;
    const char *user = target->proxy_user, *password = target->proxy_password ? target->proxy_password : "";

    if (strlen(target->host) > 255)
        return fail(greeting, "the host name is longer than 255 bytes");
    if (has_control(target->host) || strpbrk(target->host, " /?#@\\"))
        return fail(greeting, "the host name has a character that HTTP cannot carry there");
    if (!user)
        return 0;
    if (strchr(user, ':'))
        return fail(greeting, "HTTP's Basic scheme takes no user with a colon");
    if (has_control(user) || has_control(password))
        return fail(greeting, "HTTP's Basic scheme takes no control characters in user and password");
    if (strlen(user) + 1 + strlen(password) >= CREDENTIALS_MAX)
        return fail(greeting, "user and password are too long for the proxy");
    return 0;
}

static int ask(struct greeting *greeting)
{
    const struct layer_target *target = greeting->target;
    char to[GREETING_TARGET], request[REQUEST_MAX];
    int size, r;

    greeting_target(greeting, to, sizeof to);
    size = snprintf(request, sizeof request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to);
    if (target->proxy_user) {
        char credentials[CREDENTIALS_MAX], encoded[BASE64_SIZE(CREDENTIALS_MAX)];
        int length = snprintf(credentials, sizeof credentials, "%s:%s", target->proxy_user,
                              target->proxy_password ? target->proxy_password : "");

        base64_encode((const uint8_t *)credentials, (size_t)length, encoded);
        size += snprintf(request + size, sizeof request - (size_t)size, "Proxy-Authorization: Basic %s\r\n", encoded);
        explicit_bzero(credentials, sizeof credentials);
        explicit_bzero(encoded, sizeof encoded);
    }
    size += snprintf(request + size, sizeof request - (size_t)size, "\r\n");
    r = greeting_say(greeting, request, (size_t)size);
    explicit_bzero(request, sizeof request);
    return r;
}

/* -------------------------------------------------------------------------------------------------- the answer */

/* Bytes that the header still has for sure; 0: it has ended. Lines may end in LF alone (RFC 9112 section 2.2). */
static size_t header_left(const char *words, size_t size)
{
    if (size == 0 || words[size - 1] != '\n')
        return size > 1 && words[size - 1] == '\r' && words[size - 2] == '\n' ? 1 : 2;
    if (size > 1 && (words[size - 2] == '\n' || (size > 2 && words[size - 2] == '\r' && words[size - 3] == '\n')))
        return 0;
    return 1;
}

/* "HTTP/1.1 502 Bad Gateway": its code, 0 when it is no status line; its words follow. */
static unsigned status_of(const char *line, size_t size, char *ret_words, size_t words_size)
{
    size_t end = 0, at = strlen("HTTP/1.1 ");
    unsigned code = 0;

    while (end < size && line[end] != '\r' && line[end] != '\n')
        end++;
    if (end < at + 3 || memcmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || line[8] != ' ' ||
        (end > at + 3 && line[at + 3] != ' '))
        return 0;
    for (size_t i = at; i < at + 3; i++) {
        if (!isdigit((unsigned char)line[i]))
            return 0;
        code = 10 * code + (unsigned)(line[i] - '0');
    }
    snprintf(ret_words, words_size, "%.*s", (int)(end - at), line + at);
    for (char *c = ret_words; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    return code >= 100 ? code : 0;
}

static int refused(struct greeting *greeting, unsigned code, const char *status)
{
    bool known = greeting->target->proxy_user;
    char target[GREETING_TARGET];
    const char *words;

    greeting_target(greeting, target, sizeof target);
    switch (code) {
    case 401:
    case 407:
        words = known ? "the proxy does not accept the user and the password" : "the proxy wants a user and a password";
        break;
    case 403:
    case 405:
        words = "the proxy's rules forbid the way";
        break;
    case 500:
    case 502:
    case 503:
        words = "the proxy cannot reach the peer";
        break;
    case 504:
        words = "the proxy's connection to the peer took too long";
        break;
    default:
        words = "the proxy refused";
    }
    return layer_fail(&greeting->layer, -HAWSER_EPROXY, "%.60s: %s (it says: %s)", target, words, status);
}

static int step(struct greeting *greeting)
{
    static const char begin[] = "HTTP/1.";
    size_t size, left;
    const char *words = (const char *)greeting_words(greeting, &size);
    char status[80] = "";
    unsigned code;

    if (size > 0 && memcmp(words, begin, size < sizeof begin - 1 ? size : sizeof begin - 1) != 0)
        return fail(greeting, "the proxy does not answer in HTTP/1.1");
    left = header_left(words, size);
    if (left > 0)
        return greeting_wait(greeting, left);
    code = status_of(words, size, status, sizeof status);
    if (code == 0)
        return fail(greeting, "the proxy's answer has no status that HTTP knows");
    if (code == 101 || code >= 300)
        return refused(greeting, code, status);
    greeting_forget(greeting);
    if (code >= 200)
        return 0;
    /* What is said before the answer (RFC 9110 section 15.2) has to come to an end. */
    return greeting->phase++ < INTERIM_MAX ? GREETING_ON : fail(greeting, "the proxy talks on without an answer");
}

static int http_connect_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                             struct layer **ret_layer)
{
    struct greeting *greeting;
    int r = greeting_open(&http_connect_layer, context, target, below, step, ANSWER_MAX, &greeting);

    if (r < 0)
        return r;
    if (check(greeting) == 0)
        (void)ask(greeting);
    *ret_layer = &greeting->layer; /* what is wrong so far, establish() says */
    return 0;
}

const struct layer_type http_connect_layer = {
    .name = "http-connect",
    .flags = LAYER_BYTES | LAYER_PROXY,
    .open = http_connect_open,
    GREETING_FUNCTIONS,
};
