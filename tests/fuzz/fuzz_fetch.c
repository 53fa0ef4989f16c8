/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `hawser fetch` reads of strangers: an answer of HTTP/1.1, whole and in pieces, which has to come to the same; and
 * the place to which it leads, which has to be a URL that reads as it is printed and stays on its request line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/url.h"
#include "framer/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

struct result {
    int code, status;
    uint64_t size, sum;
    bool whole;
    char location[8192];
};

static bool on_head(const struct http_head *head, void *user)
{
    struct result *result = user;

    expect(result->status == 0);
    expect(head->status >= 200 && head->status <= 999);
    result->status = head->status;
    memcpy(result->location, head->location, sizeof result->location);
    return true;
}

static int deliver(void *user, const void *data, size_t size, uint64_t total, bool last)
{
    struct result *result = user;
    const uint8_t *bytes = data;

    expect(!result->whole);
    for (size_t i = 0; i < size; i++)
        result->sum = result->sum * 31 + bytes[i];
    result->size += size;
    expect(total == HAWSER_SIZE_UNKNOWN || result->size <= total);
    result->whole = last;
    return 0;
}

/* Gives the answer in pieces of a size, as a connection would: what is not used up comes again with more. */
static struct result feed(const uint8_t *data, size_t size, size_t piece, bool only_head)
{
    struct result result = {0};
    const struct http_exchange exchange = {.request = "", .only_head = only_head, .on_head = on_head, .user = &result};
    hawser_framing *framing;
    size_t used = 0, there = 0;

    expect(framing_new(http_framer(&exchange), (void *)(uintptr_t)&exchange, NULL, 1 << 20, &framing) == 0);
    framing_set_sink(framing, deliver, &result);
    expect(framing_start(framing) == 0);
    while (result.code == 0 && there < size) {
        ssize_t n;

        there = size - there < piece ? size : there + piece;
        n = framing_decode(framing, data + used, there - used, there == size);
        if (n < 0)
            result.code = (int)n;
        else
            used += (size_t)n;
    }
    framing_free(framing);
    return result;
}

static void follow(const struct url *base, const char *reference)
{
    struct url there, again;
    char text[URL_TEXT_MAX], reason[128];

    if (url_follow(base, reference, &there, reason, sizeof reason) < 0) {
        expect(*reason);
        return;
    }
    expect(there.target[0] == '/' && !strpbrk(there.target, " \t\r\n"));
    expect(*there.host && !strpbrk(there.host, " \t\r\n/@"));
    url_print(&there, text, sizeof text);
    expect(url_parse(text, &again, reason, sizeof reason) == 0);
    expect(again.secure == there.secure && again.port == there.port);
    expect(strcmp(again.host, there.host) == 0 && strcmp(again.target, there.target) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url base;
    struct result whole, pieces;
    char reason[128], text[256];
    uint8_t how;

    if (size < 2)
        return 0;
    how = data[0];
    data++;
    size--;
    whole = feed(data, size, size, how & 1);
    pieces = feed(data, size, (how >> 1) + 1u, how & 1);
    expect(whole.code == pieces.code && whole.status == pieces.status && whole.whole == pieces.whole);
    if (whole.code == 0)
        expect(whole.size == pieces.size && whole.sum == pieces.sum);
    expect(url_parse("https://[2001:db8::1]:8443/a/b?c", &base, reason, sizeof reason) == 0);
    follow(&base, whole.location);
    snprintf(text, sizeof text, "%.*s", (int)(size < sizeof text ? size : sizeof text - 1), (const char *)data);
    follow(&base, text);
    return 0;
}
