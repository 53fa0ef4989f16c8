/* SPDX-License-Identifier: Apache-2.0 */
#include "association/join_word.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "base/varint.h"

static uint8_t *put_bytes(uint8_t *at, const uint8_t *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

/* The body is below 16,384 bytes, and so are its own length's two. */
static size_t frame(uint8_t type, const uint8_t *body, size_t size, uint8_t *bytes)
{
    uint8_t *at = varint_put(varint_put(bytes, type), size);

    return (size_t)(put_bytes(at, body, size) - bytes);
}

/* An epoch of 0 stands alone. */
static uint8_t *put_moves(uint8_t *at, const struct join_moves *moves)
{
    at = varint_put(at, moves->epoch);
    if (moves->epoch == 0)
        return at;
    at = varint_put(at, moves->count);
    return put_bytes(at, moves->holders[0], moves->count * sizeof moves->holders[0]);
}

static const uint8_t *get_moves(const uint8_t *at, const uint8_t *end, struct join_moves *moves)
{
    uint64_t count = 0;

    at = varint_get(at, end, &moves->epoch);
    if (!at || moves->epoch == 0)
        return at;
    at = varint_get(at, end, &count);
    if (!at || count == 0 || count > JOIN_HOLDERS_MAX || count > moves->epoch ||
        (size_t)(end - at) < count * sizeof moves->holders[0])
        return NULL;
    moves->count = (unsigned)count;
    memcpy(moves->holders, at, count * sizeof moves->holders[0]);
    return at + count * sizeof moves->holders[0];
}

size_t join_write(const struct join_word *word, uint8_t *ret_bytes)
{
    uint8_t body[JOIN_WORD_MAX], *at = put_bytes(body, word->nonce, sizeof word->nonce);

    at = put_moves(varint_put(at, word->number), &word->opener);
    at = put_bytes(at, word->mac, sizeof word->mac);
    return frame(JOIN_FRAME, body, (size_t)(at - body), ret_bytes);
}

size_t join_write_answer(const struct join_word *word, uint8_t *ret_bytes)
{
    uint8_t body[JOIN_WORD_MAX], *at = varint_put(body, word->code);

    if (word->code == JOIN_MOVED)
        at = put_moves(at, &word->acceptor);
    if (word->code == JOIN_TAKEN || word->code == JOIN_MOVED)
        at = put_bytes(at, word->mac, sizeof word->mac);
    return frame(JOIN_ANSWER_FRAME, body, (size_t)(at - body), ret_bytes);
}

/* The body of a frame of that type: 1, 0, -EBADMSG as join_read(). */
static int body_of(const uint8_t *bytes, size_t size, uint64_t type, const uint8_t **ret_body, size_t *ret_size)
{
    const uint8_t *end = bytes + size, *at;
    uint64_t value, length;

    at = varint_get(bytes, end, &value);
    if (at && value != type)
        return -EBADMSG;
    at = at ? varint_get(at, end, &length) : NULL;
    if (at && length > JOIN_WORD_MAX - (size_t)(at - bytes))
        return -EBADMSG;
    if (!at || (uint64_t)(end - at) < length)
        return size >= JOIN_WORD_MAX ? -EBADMSG : 0;
    *ret_body = at;
    *ret_size = (size_t)length;
    return 1;
}

int join_read(const uint8_t *bytes, size_t size, struct join_word *ret_word, size_t *ret_used)
{
    struct join_word word = {.code = JOIN_TAKEN};
    const uint8_t *at, *end;
    size_t left;
    int r = body_of(bytes, size, JOIN_FRAME, &at, &left);

    if (r <= 0)
        return r;
    end = at + left;
    if (left < sizeof word.nonce)
        return -EBADMSG;
    memcpy(word.nonce, at, sizeof word.nonce);
    at = varint_get(at + sizeof word.nonce, end, &word.number);
    at = at ? get_moves(at, end, &word.opener) : NULL;
    if (!at || (size_t)(end - at) != sizeof word.mac)
        return -EBADMSG;
    memcpy(word.mac, at, sizeof word.mac);
    *ret_word = word;
    *ret_used = (size_t)(end - bytes);
    return 1;
}

int join_read_answer(const uint8_t *bytes, size_t size, struct join_word *ret_word, size_t *ret_used)
{
    struct join_word word = {.code = JOIN_TAKEN};
    const uint8_t *at, *end;
    uint64_t code;
    size_t left;
    bool taken;
    int r = body_of(bytes, size, JOIN_ANSWER_FRAME, &at, &left);

    if (r <= 0)
        return r;
    end = at + left;
    at = varint_get(at, end, &code);
    if (at && code == JOIN_MOVED)
        at = get_moves(at, end, &word.acceptor);
    taken = code == JOIN_TAKEN || code == JOIN_MOVED;
    if (!at || code > JOIN_ELSEWHERE || (code == JOIN_MOVED && word.acceptor.epoch == 0) ||
        (size_t)(end - at) != (taken ? sizeof word.mac : 0))
        return -EBADMSG;
    word.code = (enum join_code)code;
    if (taken)
        memcpy(word.mac, at, sizeof word.mac);
    *ret_word = word;
    *ret_used = (size_t)(end - bytes);
    return 1;
}

/* Each side has a key of its own, so that nobody's word can be sent back to him as the answer. */
int join_mac(const uint8_t secret[JOIN_SECRET], bool opener, const uint8_t exported[JOIN_SECRET],
             const struct join_word *word, uint8_t ret_mac[JOIN_SECRET])
{
    static const char roles[2][24] = {"hawser/1 join acceptor", "hawser/1 join opener"};
    uint8_t key[JOIN_SECRET], said[JOIN_SECRET + 2 * JOIN_WORD_MAX], *at;
    int r;

    r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, JOIN_SECRET, roles[opener], strlen(roles[opener]), key);
    if (r < 0)
        return -EIO;
    at = put_bytes(said, exported, JOIN_SECRET);
    at = put_bytes(at, word->nonce, sizeof word->nonce);
    at = put_moves(varint_put(at, word->number), &word->opener);
    if (!opener && word->acceptor.epoch)
        at = put_moves(at, &word->acceptor);
    r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, sizeof key, said, (size_t)(at - said), ret_mac);
    gnutls_memset(key, 0, sizeof key);
    return r < 0 ? -EIO : 0;
}

bool join_mac_same(const uint8_t a[JOIN_SECRET], const uint8_t b[JOIN_SECRET])
{
    return gnutls_memcmp(a, b, JOIN_SECRET) == 0;
}

/* ---- moves */

static int secret_follow(uint8_t secret[JOIN_SECRET], uint64_t epoch, const uint8_t *holder)
{
    static const char label[] = "hawser/1 moved";
    uint8_t said[sizeof label + VARINT_SIZE_MAX + JOIN_HOLDER], next[JOIN_SECRET], *at;
    int r;

    at = put_bytes(said, (const uint8_t *)label, sizeof label - 1);
    at = put_bytes(varint_put(at, epoch), holder, JOIN_HOLDER);
    r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, JOIN_SECRET, said, (size_t)(at - said), next);
    if (r == 0)
        memcpy(secret, next, JOIN_SECRET);
    gnutls_memset(next, 0, sizeof next);
    return r < 0 ? -EIO : 0;
}

int join_move(struct join_moves *moves, uint8_t secret[JOIN_SECRET], const uint8_t holder[JOIN_HOLDER])
{
    int r = secret_follow(secret, moves->epoch + 1, holder);

    if (r < 0)
        return r;
    if (moves->count == JOIN_HOLDERS_MAX)
        memmove(moves->holders[0], moves->holders[1], (JOIN_HOLDERS_MAX - 1) * sizeof moves->holders[0]);
    else
        moves->count++;
    moves->epoch++;
    memcpy(moves->holders[moves->count - 1], holder, JOIN_HOLDER);
    return 0;
}

enum join_code join_follow(const struct join_moves *known, const uint8_t secret[JOIN_SECRET],
                           const struct join_moves *told, uint8_t ret_secret[JOIN_SECRET])
{
    uint64_t further;

    if (told->epoch < known->epoch)
        return JOIN_STALE;
    if (told->epoch == known->epoch && told->epoch &&
        memcmp(told->holders[told->count - 1], known->holders[known->count - 1], JOIN_HOLDER) != 0)
        return JOIN_STALE;
    further = told->epoch - known->epoch;
    if (further > told->count)
        return JOIN_UNKNOWN;
    memcpy(ret_secret, secret, JOIN_SECRET);
    for (uint64_t i = further; i > 0; i--)
        if (secret_follow(ret_secret, told->epoch - i + 1, told->holders[told->count - i]) < 0)
            return JOIN_UNKNOWN;
    return JOIN_TAKEN;
}
