/* SPDX-License-Identifier: Apache-2.0 */
/* HELLO: docs/protocol.md section 2. */
#include <string.h>

#include "session/internal.h"

#define HELLO_SIZE_MAX 512

static uint8_t *put_parameter(uint8_t *at, uint64_t id, uint64_t value)
{
    at = varint_put(at, id);
    at = varint_put(at, varint_size(value));
    return varint_put(at, value);
}

static size_t hello_body(const struct session *session, uint8_t *body)
{
    const struct session_config *config = &session->config;
    uint64_t flow_credit = config->receive_memory / 16;
    uint8_t *at = varint_put(body, VERSION);
    memcpy(at, config->nonce, sizeof config->nonce);
    at = varint_put(at + sizeof config->nonce, (uint64_t)wire_time(session, session->now));
    at = put_parameter(at, PARAMETER_CREDIT, session->max_granted);
    at = put_parameter(at, PARAMETER_FLOW_CREDIT, flow_credit < BEFORE_FLOW_CREDIT ? BEFORE_FLOW_CREDIT : flow_credit);
    at = put_parameter(at, PARAMETER_OPEN_FLOWS, config->open_flows / 2);
    at = put_parameter(at, PARAMETER_GAPS, BEFORE_GAPS);
    if (config->max_message)
        at = put_parameter(at, PARAMETER_MAX_MESSAGE, config->max_message);
    if (config->name && config->name[0]) {
        size_t size = strnlen(config->name, 255);
        at = varint_put(varint_put(at, PARAMETER_NAME), size);
        memcpy(at, config->name, size);
        at += size;
    }
    return (size_t)(at - body);
}

uint8_t *hello_write(struct session *session, uint8_t *at, uint8_t *end)
{
    uint8_t body[HELLO_SIZE_MAX];
    size_t size = hello_body(session, body);
    if ((size_t)(end - at) < size + 2 * VARINT_SIZE_MAX)
        return NULL;
    at = varint_put(varint_put(at, FRAME_HELLO), size);
    memcpy(at, body, size);
    return at + size;
}

static int parameter_number(struct session *session, uint64_t id, uint64_t value)
{
    struct {
        uint64_t id, least, *place;
    } numbers[] = {
        {PARAMETER_CREDIT, BEFORE_CREDIT, &session->credit},
        {PARAMETER_FLOW_CREDIT, BEFORE_FLOW_CREDIT, &session->peer_flow_credit},
        {PARAMETER_OPEN_FLOWS, BEFORE_OPEN_FLOWS, &session->peer_open_flows},
        {PARAMETER_MAX_MESSAGE, 0, &session->peer_max_message},
        {PARAMETER_GAPS, BEFORE_GAPS, &session->peer_gaps},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].id != id)
            continue;
        if (value < numbers[i].least)
            return violation(session, SESSION_CODE_PROTOCOL, "HELLO lowers a limit");
        *numbers[i].place = value;
        if (id == PARAMETER_MAX_MESSAGE)
            session->hello.max_message = value;
        if (id == PARAMETER_CREDIT)
            session->credit_window = value;
    }
    return 0;
}

static int parameter_read(struct session *session, uint64_t id, const uint8_t *value, size_t size)
{
    if (id == PARAMETER_NAME) {
        if (size == 0 || size > 255 || memchr(value, 0, size))
            return violation(session, SESSION_CODE_PROTOCOL, "the name in HELLO is malformed");
        session->hello_name = text_keep(session, session->hello_name, (const char *)value, size);
        session->hello.name = session->hello_name ? session->hello_name : "";
        return 0;
    }
    if (id > PARAMETER_IDLE)
        return 0;
    uint64_t number = 0;
    if (varint_get(value, value + size, &number) != value + size)
        return violation(session, SESSION_CODE_PROTOCOL, "a number in HELLO is malformed");
    return parameter_number(session, id, number);
}

static int parameters_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t seen = 0;
    while (at < end) {
        uint64_t id, size;
        at = varint_get(at, end, &id);
        if (at)
            at = varint_get(at, end, &size);
        if (!at || size > (uint64_t)(end - at) || (id < 64 && seen & UINT64_C(1) << id))
            return violation(session, SESSION_CODE_PROTOCOL, "a parameter in HELLO is malformed");
        seen |= id < 64 ? UINT64_C(1) << id : 0;
        int r = parameter_read(session, id, at, (size_t)size);
        if (r < 0)
            return r;
        at += size;
    }
    return 0;
}

int hello_read(struct session *session, const uint8_t *at, const uint8_t *end)
{
    uint64_t version, clock;
    at = varint_get(at, end, &version);
    if (at && version != VERSION)
        return violation(session, SESSION_CODE_VERSION, "the peer speaks version %llu", (unsigned long long)version);
    if (!at || end - at < (ptrdiff_t)sizeof session->hello.nonce)
        return violation(session, SESSION_CODE_PROTOCOL, "HELLO is cut short");
    const uint8_t *nonce = at;
    at = varint_get(at + sizeof session->hello.nonce, end, &clock);
    if (!at)
        return violation(session, SESSION_CODE_PROTOCOL, "HELLO is cut short");
    if (clock > CLOCK_MAX)
        return violation(session, SESSION_CODE_PROTOCOL, "the clock in HELLO is out of range");
    if (session->hello_received) { /* sent again, because its strand died before it was acknowledged */
        if (memcmp(nonce, session->hello.nonce, sizeof session->hello.nonce) != 0)
            return violation(session, SESSION_CODE_PROTOCOL, "a second HELLO");
        return 0;
    }
    memcpy(session->hello.nonce, nonce, sizeof session->hello.nonce);
    session->hello.name = "";
    int r = parameters_read(session, at, end);
    if (r < 0)
        return r;
    session->hello_received = true;
    clock_hello(session, (int64_t)clock);
    session->handler->hello(session->user);
    return session->ended ? -ESHUTDOWN : 0;
}

const struct session_hello *session_peer_hello(const struct session *session)
{
    return session->hello_received ? &session->hello : NULL;
}
