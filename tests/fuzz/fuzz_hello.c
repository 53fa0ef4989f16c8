/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a HELLO (docs/protocol.md section 2): it is taken, with a name and limits that are in range, or the session ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "session/internal.h"

static bool ended;
static size_t blocks;

static void *take(const struct memory *memory, size_t size)
{
    (void)memory;
    blocks++;
    return malloc(size);
}

static void give(const struct memory *memory, void *block, size_t size)
{
    (void)memory, (void)size;
    blocks--;
    free(block);
}

static void on_hello(void *user)
{
    (void)user;
}

static void on_closed(void *user, int code, uint64_t peer_code, bool by_peer, const char *reason)
{
    (void)user, (void)peer_code;
    if (code >= 0 || by_peer || !*reason)
        abort();
    ended = true;
}

static uint64_t on_random(void *user)
{
    (void)user;
    return 1;
}

static const struct session_handler handler = {.hello = on_hello, .closed = on_closed, .random = on_random};

static void check_taken(const struct session *session)
{
    const struct session_hello *hello = session_peer_hello(session);
    if (!hello || !hello->name || strlen(hello->name) > 255)
        abort();
    if (session->credit < BEFORE_CREDIT || session->peer_flow_credit < BEFORE_FLOW_CREDIT ||
        session->peer_open_flows < BEFORE_OPEN_FLOWS || session->peer_gaps < 2)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[20000];
    struct memory memory = {take, give};
    struct session_config config = {
        .memory = &memory,
        .handler = &handler,
        .receive_memory = 1 << 20,
        .send_queue = 1 << 20,
        .send_queue_messages = 10,
    };
    struct session *session;
    struct session_strand *strand;
    if (size > 16384)
        return 0;
    ended = false;
    if (session_new(&config, 1, &session) < 0 || session_strand_add(session, NULL, false, 0, 1, &strand) < 0)
        abort();
    uint8_t *end = varint_put(varint_put(bytes, FRAME_HELLO), size);
    if (size)
        memcpy(end, data, size);
    int r = session_received(strand, bytes, (size_t)(end - bytes) + size, false, 1);
    if (r < 0 && !ended)
        abort();
    if (!ended)
        check_taken(session);
    session_free(session);
    if (blocks)
        abort();
    return 0;
}
