/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SOCKS5 proxy (RFC 1928), with user and password (RFC 1929). Names go to the proxy as they are: whoever uses one may
 * not be able to resolve them, or not want to. Nothing is sent before its turn, since there are proxies that take all
 * that they read at once for one message. (S4.18)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "layer/greeting.h"
#include "layer/socket.h"

#define VERSION 5
#define ANSWER_MAX (4 + 1 + 255 + 2)

enum { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xff };
enum { ADDRESS_V4 = 1, ADDRESS_NAME = 3, ADDRESS_V6 = 4 };
enum { PHASE_METHOD, PHASE_PASSWORD, PHASE_CONNECT };

static int fail(struct greeting *greeting, const char *words)
{
    return layer_fail(&greeting->layer, -HAWSER_EPROXY, "%s", words);
}

static int ask_password(struct greeting *greeting)
{
    const char *user = greeting->target->proxy_user, *password = greeting->target->proxy_password;
    size_t user_size = strlen(user), password_size = password ? strlen(password) : 0;
    uint8_t words[3 + 255 + 255];
    int r;

    words[0] = 1; /* the version of RFC 1929 */
    words[1] = (uint8_t)user_size;
    memcpy(words + 2, user, user_size);
    words[2 + user_size] = (uint8_t)password_size;
    memcpy(words + 3 + user_size, password ? password : "", password_size);
    r = greeting_say(greeting, words, 3 + user_size + password_size);
    explicit_bzero(words, sizeof words);
    greeting->phase = PHASE_PASSWORD;
    return r < 0 ? r : GREETING_ON;
}

static int ask_connect(struct greeting *greeting)
{
    const char *host = greeting->target->host;
    uint8_t words[ANSWER_MAX] = {VERSION, 1 /* CONNECT */, 0};
    size_t size = 4, host_size = strlen(host);
    int r;

    if (inet_pton(AF_INET, host, words + size) == 1) {
        words[3] = ADDRESS_V4;
        size += 4;
    } else if (inet_pton(AF_INET6, host, words + size) == 1) {
        words[3] = ADDRESS_V6;
        size += 16;
    } else {
        words[3] = ADDRESS_NAME;
        words[size++] = (uint8_t)host_size;
        memcpy(words + size, host, host_size);
        size += host_size;
    }
    words[size++] = (uint8_t)(greeting->target->port >> 8);
    words[size++] = (uint8_t)greeting->target->port;
    r = greeting_say(greeting, words, size);
    greeting->phase = PHASE_CONNECT;
    return r < 0 ? r : GREETING_ON;
}

static int hear_method(struct greeting *greeting, const uint8_t *words)
{
    uint8_t method;

    if (words[0] == 'H')
        return fail(greeting, "the proxy speaks no SOCKS5: it answers as a server of HTTP does");
    if (words[0] != VERSION)
        return fail(greeting, "the proxy speaks no SOCKS5");
    method = words[1];
    greeting_forget(greeting);
    if (method == METHOD_NONE)
        return ask_connect(greeting);
    if (method == METHOD_PASSWORD && greeting->target->proxy_user)
        return ask_password(greeting);
    if (method != METHOD_REFUSED)
        return fail(greeting, "the proxy chose a way to say who we are that it was not offered");
    return fail(greeting, greeting->target->proxy_user
                              ? "the proxy wants to know who we are otherwise than by user and password"
                              : "the proxy wants a user and a password");
}

static int hear_password(struct greeting *greeting, const uint8_t *words)
{
    /* Some answer with the version of SOCKS in the first byte. */
    if (words[1] != 0)
        return fail(greeting, "the proxy does not accept the user and the password");
    greeting_forget(greeting);
    return ask_connect(greeting);
}

/* RFC 1928 section 6 */
static int refused(struct greeting *greeting, uint8_t reply)
{
    static const char *const words[] = {
        [1] = "the proxy failed in itself",
        [2] = "the proxy's rules forbid the way",
        [3] = "the proxy cannot reach the network of the peer",
        [4] = "the proxy cannot reach the host of the peer",
        [5] = "the peer refused the proxy's connection",
        [6] = "the way from the proxy to the peer is too long (TTL expired)",
        [7] = "the proxy does not know how to connect",
        [8] = "the proxy does not know this type of address",
    };
    char target[GREETING_TARGET];

    if (reply >= sizeof words / sizeof *words)
        return layer_fail(&greeting->layer, -HAWSER_EPROXY, "the proxy refused with the unknown code %u", reply);
    greeting_target(greeting, target, sizeof target);
    return layer_fail(&greeting->layer, -HAWSER_EPROXY, "%s: %s", target, words[reply]);
}

static int hear_connect(struct greeting *greeting, const uint8_t *words, size_t size)
{
    size_t whole;

    if (words[0] != VERSION)
        return fail(greeting, "the proxy's answer is not one of SOCKS5");
    if (words[1] != 0) /* some send nothing after it */
        return refused(greeting, words[1]);
    if (size < 5)
        return greeting_wait(greeting, 5 - size);
    if (words[3] == ADDRESS_V4)
        whole = 4 + 4 + 2;
    else if (words[3] == ADDRESS_V6)
        whole = 4 + 16 + 2;
    else if (words[3] == ADDRESS_NAME)
        whole = 4 + 1 + (size_t)words[4] + 2;
    else
        return fail(greeting, "the proxy's answer has an address of an unknown type");
    return size < whole ? greeting_wait(greeting, whole - size) : 0;
}

static int step(struct greeting *greeting)
{
    size_t size;
    const uint8_t *words = greeting_words(greeting, &size);

    if (size < 2)
        return greeting_wait(greeting, 2 - size);
    switch (greeting->phase) {
    case PHASE_METHOD:
        return hear_method(greeting, words);
    case PHASE_PASSWORD:
        return hear_password(greeting, words);
    default:
        return hear_connect(greeting, words, size);
    }
}

static int check(struct greeting *greeting)
{
    const struct layer_target *target = greeting->target;

    if (strlen(target->host) > 255)
        return fail(greeting, "SOCKS5 has no room for a host name of more than 255 bytes");
    if (target->proxy_user && (!*target->proxy_user || strlen(target->proxy_user) > 255))
        return fail(greeting, "SOCKS5 takes users of 1 to 255 bytes");
    if (target->proxy_password && strlen(target->proxy_password) > 255)
        return fail(greeting, "SOCKS5 takes passwords of at most 255 bytes");
    return 0;
}

static int socks5_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                       struct layer **ret_layer)
{
    static const uint8_t anonymous[] = {VERSION, 1, METHOD_NONE}, named[] = {VERSION, 2, METHOD_NONE, METHOD_PASSWORD};
    struct greeting *greeting;
    int r = greeting_open(&socks5_layer, context, target, below, step, ANSWER_MAX, &greeting);

    if (r < 0)
        return r;
    if (check(greeting) == 0)
        (void)(target->proxy_user ? greeting_say(greeting, named, sizeof named)
                                  : greeting_say(greeting, anonymous, sizeof anonymous));
    *ret_layer = &greeting->layer; /* what is wrong so far, establish() says */
    return 0;
}

const struct layer_type socks5_layer = {
    .name = "socks5",
    .flags = LAYER_BYTES | LAYER_PROXY,
    .open = socks5_open,
    GREETING_FUNCTIONS,
};
