/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's framer: its state, what it wrote, what it waits for, why it failed. */
#include "framer/framing.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t at, size, capacity;
};

struct hawser_framing {
    const struct hawser_framer *framer;
    void *user;
    uint64_t limit;
    int (*deliver)(void *user, const void *data, size_t size, uint64_t total, bool last);
    void *deliver_user;
    struct bytes out;
    struct bytes aside; /* written in the middle of a message by decode(): follows it */
    uint8_t *ahead;
    size_t ahead_size, want;
    const char *host;
    bool started, greeted, in_message, around;
    char reason[200];
    max_align_t state[];
};

static const struct hawser_framer framer_none = {.version = HAWSER_FRAMER_VERSION, .name = "none"};

int framing_new(const struct hawser_framer *framer, void *framer_user, const char *host, uint64_t limit,
                struct hawser_framing **ret_framing)
{
    struct hawser_framing *framing;
    size_t host_size = host ? strlen(host) + 1 : 1, state_size;

    if (!framer)
        framer = &framer_none;
    if (framer->version != HAWSER_FRAMER_VERSION || !framer->name ||
        (framer->encode && (framer->before || framer->after)))
        return -EINVAL;
    if (framer->state_size > SIZE_MAX / 2)
        return -ENOMEM;
    state_size = (framer->state_size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    framing = calloc(1, sizeof *framing + state_size + host_size);
    if (!framing)
        return -ENOMEM;
    framing->framer = framer;
    framing->user = framer_user;
    framing->limit = limit;
    framing->host = memcpy((char *)framing->state + state_size, host ? host : "", host_size);
    *ret_framing = framing;
    return 0;
}

void framing_free(struct hawser_framing *framing)
{
    if (!framing)
        return;
    if (framing->started && framing->framer->stop)
        framing->framer->stop(framing, framing->state);
    free(framing->out.data);
    free(framing->aside.data);
    free(framing->ahead);
    free(framing);
}

const char *framing_reason(const struct hawser_framing *framing, int code)
{
    return *framing->reason ? framing->reason : hawser_strerror(code);
}

/* ----------------------------------------------------------------------------------------------------- first exchange */

int framing_start(struct hawser_framing *framing)
{
    if (framing->started)
        return 0;
    framing->started = true;
    return framing->framer->start ? framing->framer->start(framing, framing->state) : 0;
}

bool framing_greets(const struct hawser_framing *framing)
{
    return framing->framer->greet && !framing->greeted;
}

int framing_greet(struct hawser_framing *framing, const uint8_t *data, size_t size, bool end, size_t *ret_used)
{
    int r;

    framing->want = 0;
    *ret_used = 0;
    r = framing->framer->greet(framing, framing->state, data, size, end, ret_used);
    if (r == 0 && *ret_used > size)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the framer used more than there was");
    if (r == 0)
        framing->greeted = true;
    if (r == -EAGAIN)
        *ret_used = 0;
    if (r == -EAGAIN && end)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the peer ended within the first exchange");
    return r > 0 ? -HAWSER_EFRAMER : r;
}

void framing_set_ahead(struct hawser_framing *framing, uint8_t *ahead, size_t size)
{
    free(framing->ahead);
    framing->ahead = ahead;
    framing->ahead_size = size;
}

uint8_t *framing_take_ahead(struct hawser_framing *framing, size_t *ret_size)
{
    uint8_t *ahead = framing->ahead;

    *ret_size = framing->ahead_size;
    framing->ahead = NULL;
    framing->ahead_size = 0;
    return ahead;
}

/* ---------------------------------------------------------------------------------------------------------- receiving */

void framing_set_sink(struct hawser_framing *framing,
                      int (*deliver)(void *user, const void *data, size_t size, uint64_t total, bool last), void *user)
{
    framing->deliver = deliver;
    framing->deliver_user = user;
}

static ssize_t decode_plain(struct hawser_framing *framing, const uint8_t *data, size_t size, bool end)
{
    int r = 0;

    if (size > 0 || end)
        r = hawser_framing_deliver(framing, data, size, HAWSER_SIZE_UNKNOWN, end);
    return r < 0 ? r : (ssize_t)size;
}

ssize_t framing_decode(struct hawser_framing *framing, const uint8_t *data, size_t size, bool end)
{
    ssize_t used;

    framing->want = 0;
    if (!data)
        data = (const uint8_t *)"";
    if (!framing->framer->decode)
        return decode_plain(framing, data, size, end);
    used = framing->framer->decode(framing, framing->state, data, size, end);
    if (used > 0 && (size_t)used > size)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the framer used more than there was");
    if (used >= 0 && end && (size_t)used < size)
        return hawser_framing_fail(framing, -HAWSER_EFRAMER, "the peer ended in the middle of a message");
    if (used == 0 && size >= framing->limit + FRAMING_HEAD)
        return hawser_framing_fail(framing, -HAWSER_ELARGE, "a message is larger than this end takes");
    return used;
}

size_t framing_wants(const struct hawser_framing *framing)
{
    return framing->want;
}

bool framing_is_plain(const struct hawser_framing *framing)
{
    return !framing->framer->decode;
}

/* ------------------------------------------------------------------------------------------------------------ sending */

enum framing_way framing_way(const struct hawser_framing *framing)
{
    if (framing->framer->encode)
        return FRAMING_WHOLE;
    return framing->framer->before || framing->framer->after ? FRAMING_AROUND : FRAMING_AS_IS;
}

static int bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    size_t capacity = bytes->capacity ? bytes->capacity : 256;
    uint8_t *grown;

    if (bytes->at > 0) {
        memmove(bytes->data, bytes->data + bytes->at, bytes->size - bytes->at);
        bytes->size -= bytes->at;
        bytes->at = 0;
    }
    while (capacity - bytes->size < size) {
        if (capacity > SIZE_MAX / 4)
            return -ENOMEM;
        capacity *= 2;
    }
    if (capacity > bytes->capacity) {
        grown = realloc(bytes->data, capacity);
        if (!grown)
            return -ENOMEM;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

/* A message that the framer refused may have written already: that is taken back. */
static int framing_try(struct hawser_framing *framing, size_t held, int r)
{
    if (r < 0)
        framing->out.size = framing->out.at + held;
    return r > 0 ? 0 : r;
}

int framing_encode(struct hawser_framing *framing, const void *data, size_t size, bool end)
{
    size_t held = framing->out.size - framing->out.at;

    *framing->reason = '\0';
    return framing_try(framing, held, framing->framer->encode(framing, framing->state, data, size, end));
}

int framing_before(struct hawser_framing *framing, uint64_t size, bool end)
{
    size_t held = framing->out.size - framing->out.at;
    int r = 0;

    *framing->reason = '\0';
    if (framing->framer->before)
        r = framing_try(framing, held, framing->framer->before(framing, framing->state, size, end));
    framing->in_message = r == 0;
    return r;
}

void framing_after(struct hawser_framing *framing, bool end)
{
    framing->around = true;
    if (framing->framer->after)
        framing->framer->after(framing, framing->state, end);
    framing->around = framing->in_message = false;
    if (framing->aside.size > 0 && bytes_add(&framing->out, framing->aside.data, framing->aside.size) == 0)
        framing->aside.size = 0;
}

const uint8_t *framing_output(const struct hawser_framing *framing, size_t *ret_size)
{
    *ret_size = framing->out.size - framing->out.at;
    return *ret_size ? framing->out.data + framing->out.at : NULL;
}

/* An idle connection holds no buffer. */
void framing_output_taken(struct hawser_framing *framing, size_t size)
{
    framing->out.at += size;
    if (framing->out.at < framing->out.size)
        return;
    free(framing->out.data);
    framing->out = (struct bytes){NULL, 0, 0, 0};
}

/* -------------------------------------------------------------------------------------------- what framers may call */

int hawser_framing_write(hawser_framing *framing, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    return bytes_add(framing->in_message && !framing->around ? &framing->aside : &framing->out, data, size);
}

int hawser_framing_deliver(hawser_framing *framing, const void *data, size_t size, uint64_t total, bool last)
{
    int r;

    if (!framing->deliver || (!data && size))
        return -EINVAL;
    r = framing->deliver(framing->deliver_user, data, size, total, last);
    if (r == -HAWSER_ELARGE)
        return hawser_framing_fail(framing, r, "a message is larger than this end takes");
    return r;
}

int hawser_framing_want(hawser_framing *framing, size_t size)
{
    if (size > framing->limit + FRAMING_HEAD)
        return hawser_framing_fail(framing, -HAWSER_ELARGE, "a message is larger than this end takes");
    framing->want = size;
    return 0;
}

uint64_t hawser_framing_limit(const hawser_framing *framing)
{
    return framing->limit;
}

int hawser_framing_fail(hawser_framing *framing, int code, const char *reason)
{
    /* Peers' words may come in here: nothing of them may move a terminal's cursor. */
    snprintf(framing->reason, sizeof framing->reason, "%s", reason ? reason : "");
    for (char *at = framing->reason; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return code;
}

void *hawser_framing_user(const hawser_framing *framing)
{
    return framing->user;
}

const char *hawser_framing_host(const hawser_framing *framing)
{
    return framing->host;
}
