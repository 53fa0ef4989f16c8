/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: the words of joining and of told addresses come back as they were written, at any cut; nothing else is taken for
 * them; and the proof in them is bound to role, strand, association, number and epoch. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "association/join_word.h"
#include "association/told.h"

static struct join_moves moves_of(uint64_t epoch, uint8_t seed)
{
    struct join_moves moves = {.epoch = epoch, .count = epoch < JOIN_HOLDERS_MAX ? (unsigned)epoch : JOIN_HOLDERS_MAX};

    for (unsigned i = 0; i < moves.count; i++)
        memset(moves.holders[i], (int)(seed + i + 1), JOIN_HOLDER);
    return moves;
}

static struct join_word word_of(uint64_t number, uint64_t epoch)
{
    struct join_word word = {.number = number, .opener = moves_of(epoch, 0)};

    for (unsigned i = 0; i < sizeof word.nonce; i++)
        word.nonce[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < sizeof word.mac; i++)
        word.mac[i] = (uint8_t)(255 - i);
    return word;
}

/* Member by member: what lies between them is nobody's. */
static void assert_same_moves(const struct join_moves *got, const struct join_moves *wanted)
{
    assert_int_equal(got->epoch, wanted->epoch);
    assert_int_equal(got->count, wanted->count);
    assert_memory_equal(got->holders, wanted->holders, sizeof wanted->holders);
}

static void words_come_back_at_any_cut(void **state)
{
    static const uint64_t numbers[] = {1, 63, 64, 16383, 16384, 1 << 30, UINT64_C(1) << 61};
    uint8_t bytes[JOIN_WORD_MAX];
    struct join_word read;
    size_t used;

    (void)state;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct join_word word = word_of(numbers[i], numbers[sizeof numbers / sizeof *numbers - 1 - i]);
        size_t size = join_write(&word, bytes);

        assert_true(size <= JOIN_WORD_MAX);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(join_read(bytes, cut, &read, &used), 0);
        assert_int_equal(join_read(bytes, size, &read, &used), 1);
        assert_int_equal(used, size);
        assert_int_equal(read.number, word.number);
        assert_memory_equal(read.nonce, word.nonce, sizeof word.nonce);
        assert_memory_equal(read.mac, word.mac, sizeof word.mac);
        assert_same_moves(&read.opener, &word.opener);
    }
}

static void answers_come_back_at_any_cut(void **state)
{
    uint8_t bytes[JOIN_WORD_MAX];
    struct join_word read;
    size_t used;

    (void)state;
    for (unsigned code = JOIN_TAKEN; code <= JOIN_MOVED + 8; code++) {
        struct join_word word = word_of(0, 0);
        size_t size;

        word.code = (enum join_code)(code < JOIN_MOVED ? code : JOIN_MOVED);
        if (code >= JOIN_MOVED)
            word.acceptor = moves_of(code - JOIN_MOVED + 1, 30);
        size = join_write_answer(&word, bytes);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(join_read_answer(bytes, cut, &read, &used), 0);
        assert_int_equal(join_read_answer(bytes, size, &read, &used), 1);
        assert_int_equal(read.code, word.code);
        if (code == JOIN_TAKEN || code >= JOIN_MOVED)
            assert_memory_equal(read.mac, word.mac, sizeof read.mac);
        assert_same_moves(&read.acceptor, &word.acceptor);
    }
}

static void elsewhere_is_an_answer(void **state)
{
    struct join_word word = word_of(0, 0), read;
    uint8_t bytes[JOIN_WORD_MAX];
    size_t size, used;

    (void)state;
    word.code = JOIN_ELSEWHERE;
    size = join_write_answer(&word, bytes);
    assert_int_equal(join_read_answer(bytes, size - 1, &read, &used), 0);
    assert_int_equal(join_read_answer(bytes, size, &read, &used), 1);
    assert_int_equal(read.code, JOIN_ELSEWHERE);
}

static void other_bytes_are_refused(void **state)
{
    struct join_word word = word_of(1, 0), read;
    uint8_t bytes[JOIN_WORD_MAX + 8];
    size_t size = join_write(&word, bytes), used;

    (void)state;
    assert_int_equal(join_read_answer(bytes, size, &read, &used), -EBADMSG);
    bytes[1]--; /* the body ends within the proof */
    assert_int_equal(join_read(bytes, size, &read, &used), -EBADMSG);
    bytes[1] += 2;
    memset(bytes + size, 0, 8);
    assert_int_equal(join_read(bytes, size + 1, &read, &used), -EBADMSG);
    (void)join_write(&word, bytes);
    bytes[1] = 0x7f; /* a length of 16,128 and more is not waited for */
    bytes[2] = 0xff;
    assert_int_equal(join_read(bytes, size, &read, &used), -EBADMSG);
    word.code = JOIN_ELSEWHERE;
    size = join_write_answer(&word, bytes);
    bytes[size - 1] = JOIN_ELSEWHERE + 1;
    assert_int_equal(join_read_answer(bytes, size, &read, &used), -EBADMSG);
    word = word_of(1, 3);
    word.opener.count = 4; /* more holders than moves */
    assert_int_equal(join_read(bytes, join_write(&word, bytes), &read, &used), -EBADMSG);
    word.opener.count = 0;
    assert_int_equal(join_read(bytes, join_write(&word, bytes), &read, &used), -EBADMSG);
    word.code = JOIN_MOVED; /* an acceptor that was not */
    assert_int_equal(join_read_answer(bytes, join_write_answer(&word, bytes), &read, &used), -EBADMSG);
}

static void the_proof_is_bound_to_all_of_it(void **state)
{
    uint8_t secret[JOIN_SECRET] = {1}, exported[JOIN_SECRET] = {2}, mac[JOIN_SECRET], other[JOIN_SECRET];
    struct join_word word = word_of(3, 4), changed;

    (void)state;
    assert_int_equal(join_mac(secret, true, exported, &word, mac), 0);
    assert_int_equal(join_mac(secret, true, exported, &word, other), 0);
    assert_true(join_mac_same(mac, other));
    assert_int_equal(join_mac(secret, false, exported, &word, other), 0);
    assert_false(join_mac_same(mac, other)); /* or the acceptor could be answered with its own words */
    changed = word;
    changed.number++;
    assert_int_equal(join_mac(secret, true, exported, &changed, other), 0);
    assert_false(join_mac_same(mac, other));
    changed = word;
    changed.opener.epoch++;
    assert_int_equal(join_mac(secret, true, exported, &changed, other), 0);
    assert_false(join_mac_same(mac, other));
    changed = word;
    changed.opener.holders[0][0] ^= 1;
    assert_int_equal(join_mac(secret, true, exported, &changed, other), 0);
    assert_false(join_mac_same(mac, other));
    changed = word;
    changed.nonce[15] ^= 1;
    assert_int_equal(join_mac(secret, true, exported, &changed, other), 0);
    assert_false(join_mac_same(mac, other));
    exported[0] ^= 1; /* a word carried over to another strand */
    assert_int_equal(join_mac(secret, true, exported, &word, other), 0);
    assert_false(join_mac_same(mac, other));
    exported[0] ^= 1;
    secret[31] ^= 1;
    assert_int_equal(join_mac(secret, true, exported, &word, other), 0);
    assert_false(join_mac_same(mac, other));
}

static void a_move_is_followed_and_the_old_holder_is_not(void **state)
{
    struct join_moves known = {0}, ours = {0}, copy;
    uint8_t secret[JOIN_SECRET] = {7}, first[JOIN_SECRET], own[JOIN_SECRET] = {7}, followed[JOIN_SECRET];
    uint8_t holder[JOIN_HOLDER];

    (void)state;
    memcpy(first, secret, sizeof first);
    assert_int_equal(join_follow(&known, secret, &ours, followed), JOIN_TAKEN);
    assert_memory_equal(followed, secret, sizeof secret);
    for (unsigned i = 1; i <= 20; i++) {
        copy = ours;
        memset(holder, (int)i, sizeof holder);
        assert_int_equal(join_move(&ours, own, holder), 0);
        assert_int_equal(ours.epoch, i);
        if (i % 3 == 0)
            continue; /* moved on before the peer heard of it */
        assert_int_equal(join_follow(&known, secret, &ours, followed), JOIN_TAKEN);
        assert_memory_equal(followed, own, sizeof own);
        known = ours;
        memcpy(secret, followed, sizeof secret);
        assert_int_equal(join_follow(&known, secret, &copy, followed), JOIN_STALE);
        memset(holder, 100, sizeof holder); /* another who took up the same blob */
        assert_int_equal(join_move(&copy, own, holder), 0);
        memcpy(own, secret, sizeof own);
        assert_int_equal(join_follow(&known, secret, &copy, followed), JOIN_STALE);
        assert_int_equal(join_follow(&known, secret, &ours, followed), JOIN_TAKEN); /* more of its strands */
        assert_memory_equal(followed, own, sizeof own);
    }
    assert_memory_not_equal(first, own, sizeof own);
    memset(&known, 0, sizeof known); /* moved more often than is told */
    assert_int_equal(join_follow(&known, first, &ours, followed), JOIN_UNKNOWN);
}

static struct told_address told_of(const char *text, uint16_t port, unsigned ways)
{
    struct told_address told = {.ways = ways};
    struct sockaddr_in *four = (void *)&told.address.address;
    struct sockaddr_in6 *six = (void *)&told.address.address;

    if (strchr(text, ':')) {
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
        told.address.size = sizeof *six;
    } else {
        *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
        told.address.size = sizeof *four;
    }
    return told;
}

static void told_addresses_come_back(void **state)
{
    struct told_address told[TOLD_MAX], read[TOLD_MAX];
    uint8_t body[TOLD_BODY_MAX];
    size_t size;

    (void)state;
    for (unsigned i = 0; i < TOLD_MAX; i++)
        told[i] = told_of(i % 2 ? "192.0.2.7" : "2001:db8::7", (uint16_t)(4000 + i), 1 + i % 3);
    size = told_write(told, TOLD_MAX, body);
    assert_int_equal(told_read(body, size, read), TOLD_MAX);
    for (unsigned i = 0; i < TOLD_MAX; i++) {
        assert_int_equal(read[i].ways, told[i].ways);
        assert_memory_equal(&read[i].address.address, &told[i].address.address, told[i].address.size);
    }
    for (size_t cut = 1; cut < 20; cut++) /* within the first one, which is of IPv6 */
        assert_int_equal(told_read(body, cut, read), -EBADMSG);
    assert_int_equal(told_read(body, 0, read), 0);
    body[0] = 5;
    assert_int_equal(told_read(body, size, read), -EBADMSG);
}

static void what_can_be_nobodys_is_left_out(void **state)
{
    static const char *const nobodys[] = {
        "0.0.0.0", "255.255.255.255", "239.1.2.3", "::", "ff02::1", "fe80::1", "::ffff:192.0.2.1"};
    struct told_address told[TOLD_MAX], read[TOLD_MAX];
    uint8_t body[TOLD_BODY_MAX];
    size_t count = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof nobodys / sizeof *nobodys; i++)
        told[count++] = told_of(nobodys[i], 4433, TOLD_TCP);
    told[count++] = told_of("192.0.2.1", 0, TOLD_TCP);
    told[count++] = told_of("192.0.2.1", 4433, 0);
    told[count++] = told_of("192.0.2.1", 4433, TOLD_UDP);
    assert_int_equal(told_read(body, told_write(told, count, body), read), 1);
    assert_int_equal(read[0].ways, TOLD_UDP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_back_at_any_cut),
        cmocka_unit_test(answers_come_back_at_any_cut),
        cmocka_unit_test(elsewhere_is_an_answer),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(the_proof_is_bound_to_all_of_it),
        cmocka_unit_test(a_move_is_followed_and_the_old_holder_is_not),
        cmocka_unit_test(told_addresses_come_back),
        cmocka_unit_test(what_can_be_nobodys_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
