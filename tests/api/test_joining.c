/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves: nobody joins an association but who can prove that he opened it. The opener is made by hand, from
 * docs/protocol.md section 13 alone, and so are those who are not he. (S1.32, S2.22)
 */
#include <gnutls/crypto.h>

#include "hand.h"

enum { HELLO = 1, PING = 0x0b, PONG = 0x0c, JOIN = 0x0f, ANSWER = 0x10 };
enum { TAKEN, UNKNOWN, STALE, FULL };

static const uint8_t nonce[16] = {'j', 'o', 'i', 'n', 'i', 'n', 'g'};

struct opener {
    struct hand first;
    uint8_t secret[32];
};

static void say_hello(struct hand *hand)
{
    uint8_t frame[2 + 18] = {HELLO, 18, 1};

    memcpy(frame + 3, nonce, sizeof nonce);
    frame[19] = 1; /* the clock */
    hand_say(hand, frame, sizeof frame);
}

static void export_key(struct hand *hand, const char *label, uint8_t key[32])
{
    assert_int_equal(gnutls_prf_rfc5705(hand->tls, strlen(label), label, 0, NULL, 32, (char *)key), 0);
}

static void open_with(struct opener *opener, struct world *world, const hawser_listen_options *options)
{
    world_listen(world, options);
    hand_connect(&opener->first, world);
    export_key(&opener->first, "EXPORTER-hawser-association", opener->secret);
    say_hello(&opener->first);
    until(world, world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
}

static void open_line(struct opener *opener, struct world *world)
{
    open_with(opener, world, NULL);
}

/* As section 13 says it. number and epoch below 64. */
static void mac_of(const uint8_t secret[32], bool ours, struct hand *hand, uint8_t number, uint8_t epoch,
                   uint8_t mac[32])
{
    const char *role = ours ? "hawser/1 join opener" : "hawser/1 join acceptor";
    uint8_t key[32], said[32 + 16 + 2];

    assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, 32, role, strlen(role), key), 0);
    export_key(hand, "EXPORTER-hawser-join", said);
    memcpy(said + 32, nonce, 16);
    said[48] = number;
    said[49] = epoch;
    assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 32, said, sizeof said, mac), 0);
}

static void join_frame(uint8_t frame[52], const uint8_t secret[32], struct hand *hand, uint8_t number, uint8_t epoch)
{
    frame[0] = JOIN;
    frame[1] = 50;
    memcpy(frame + 2, nonce, 16);
    frame[18] = number;
    frame[19] = epoch;
    mac_of(secret, true, hand, number, epoch, frame + 20);
}

static unsigned strands(hawser_association *line)
{
    unsigned count = 0;

    while (hawser_association_strand(line, count, NULL) == 0)
        count++;
    return count;
}

/* What it is answered; and where it is taken, that the answer proves the same of the acceptor. */
static unsigned answered(struct hand *hand, const uint8_t secret[32], uint8_t number, uint8_t epoch)
{
    uint8_t frame[64], mac[32];
    size_t size = hand_hear(hand, frame, 3);

    if (size == 0)
        return 99;
    assert_int_equal(size, 3);
    assert_int_equal(frame[0], ANSWER);
    if (frame[2] != TAKEN) {
        assert_int_equal(frame[1], 1);
        assert_int_equal(hand_hear(hand, frame, sizeof frame), 0); /* and it is closed */
        return frame[2];
    }
    assert_int_equal(frame[1], 33);
    assert_int_equal(hand_hear(hand, frame, 32), 32);
    mac_of(secret, false, hand, number, epoch, mac);
    assert_memory_equal(frame, mac, 32);
    return TAKEN;
}

static unsigned join(struct opener *opener, struct world *world, struct hand *hand, uint8_t number, uint8_t epoch)
{
    uint8_t frame[52];

    hand_connect(hand, world);
    join_frame(frame, opener->secret, hand, number, epoch);
    hand_say(hand, frame, sizeof frame);
    return answered(hand, opener->secret, number, epoch);
}

static void the_opener_is_let_in(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second;

    open_line(&opener, world);
    assert_int_equal(join(&opener, world, &second, 1, 0), TAKEN);
    until(world, strands(world->server.line) == 2);
    hand_close(&second);
    hand_close(&opener.first);
}

static void a_word_in_pieces_is_heard(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second;
    uint8_t frame[52];

    open_line(&opener, world);
    hand_connect(&second, world);
    join_frame(frame, opener.secret, &second, 1, 0);
    for (size_t i = 0; i < sizeof frame; i++) {
        hand_say(&second, frame + i, 1);
        world_step(world);
    }
    assert_int_equal(answered(&second, opener.secret, 1, 0), TAKEN);
    hand_close(&second);
    hand_close(&opener.first);
}

static void who_does_not_know_the_secret_is_not(void **state)
{
    struct world *world = *state;
    struct opener opener, other;
    struct hand second;

    open_line(&opener, world);
    memcpy(other.secret, opener.secret, sizeof other.secret);
    other.secret[31] ^= 1;
    assert_int_equal(join(&other, world, &second, 1, 0), UNKNOWN);
    assert_int_equal(strands(world->server.line), 1);
    assert_false(world->server.closed);
    hand_close(&second);
    hand_close(&opener.first);
}

static void a_word_is_of_no_use_on_another_strand(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second, third;
    uint8_t frame[52];

    open_line(&opener, world);
    hand_connect(&second, world);
    hand_connect(&third, world);
    join_frame(frame, opener.secret, &second, 1, 0);
    hand_say(&third, frame, sizeof frame);
    assert_int_equal(answered(&third, opener.secret, 1, 0), UNKNOWN);
    assert_int_equal(strands(world->server.line), 1);
    hand_close(&third);
    hand_close(&second);
    hand_close(&opener.first);
}

static void a_number_serves_once(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second, third, fourth;

    open_line(&opener, world);
    assert_int_equal(join(&opener, world, &third, 0, 0), FULL); /* the first has it */
    hand_close(&third);
    assert_int_equal(join(&opener, world, &second, 1, 0), TAKEN);
    assert_int_equal(join(&opener, world, &third, 1, 0), FULL);
    hand_close(&third);
    hand_close(&second);
    until(world, strands(world->server.line) == 1);
    assert_int_equal(join(&opener, world, &fourth, 1, 0), FULL); /* also when the strand is gone */
    hand_close(&fourth);
    hand_close(&opener.first);
}

static void there_are_eight_at_most(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand more[8];

    open_line(&opener, world);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(join(&opener, world, &more[i], (uint8_t)(i + 1), 0), TAKEN);
    assert_int_equal(join(&opener, world, &more[7], 8, 0), FULL);
    assert_int_equal(strands(world->server.line), 8);
    for (unsigned i = 0; i < 8; i++)
        hand_close(&more[i]);
    hand_close(&opener.first);
}

/* The highest number that there is: no strand can have it, for no other could follow. */
static void a_strand_that_cannot_be_had_keeps_no_line(void **state)
{
    static const char role[] = "hawser/1 join opener";
    struct world *world = *state;
    struct opener opener;
    struct hand second;
    uint8_t frame[59] = {JOIN, 57}, key[32], said[57], answer[3];

    open_with(&opener, world, HAWSER_LISTEN(.reestablish_us = 2000000));
    hand_close(&opener.first);
    until(world, strands(world->server.line) == 0);
    hand_connect(&second, world);
    memcpy(frame + 2, nonce, 16);
    memset(frame + 18, 0xff, 8);
    assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, opener.secret, 32, role, strlen(role), key), 0);
    export_key(&second, "EXPORTER-hawser-join", said);
    memcpy(said + 32, frame + 2, 25);
    assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, 32, said, sizeof said, frame + 27), 0);
    hand_say(&second, frame, sizeof frame);
    assert_int_equal(hand_hear(&second, answer, 3), 3);
    assert_int_equal(answer[2], TAKEN);
    until(world, world->server.closed);
    hand_close(&second);
}

static void a_line_that_is_closed_is_unknown(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second;

    open_line(&opener, world);
    assert_int_equal(hawser_abort(world->server.line, 0, NULL), 0);
    until(world, world->server.closed);
    assert_int_equal(join(&opener, world, &second, 1, 0), UNKNOWN);
    hand_close(&second);
    hand_close(&opener.first);
}

/* Reads frames, with sizes in one or two bytes, until one of that type comes; its body. */
static void hear_frame(struct hand *hand, uint8_t type, uint8_t *body, size_t size)
{
    for (;;) {
        uint8_t head[3], left[512];
        size_t length;

        assert_int_equal(hand_hear(hand, head, 2), 2);
        length = head[1];
        if (length & 0x40) {
            assert_int_equal(hand_hear(hand, head + 2, 1), 1);
            length = (length & 0x3f) << 8 | head[2];
        }
        assert_in_range(length, head[0] == type ? size : 0, sizeof left);
        for (size_t at = 0, n; at < length; at += n)
            assert_true((n = hand_hear(hand, left + at, length - at)) > 0);
        if (head[0] == type) {
            memcpy(body, left, size);
            return;
        }
    }
}

/* Over bytes the opener may go on behind its word, in the same record or later. */
static void what_follows_the_word_is_the_sessions(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second;
    uint8_t frame[52 + 3] = {[52] = PING, 1, 7}, stamp = 0;

    open_line(&opener, world);
    hand_connect(&second, world);
    join_frame(frame, opener.secret, &second, 1, 0);
    hand_say(&second, frame, sizeof frame);
    assert_int_equal(answered(&second, opener.secret, 1, 0), TAKEN);
    hear_frame(&second, PONG, &stamp, 1);
    assert_int_equal(stamp, 7);
    assert_int_equal(strands(world->server.line), 2);
    hand_close(&second);
    hand_close(&opener.first);
}

/* And whom it does not suit hears so, whatever he said behind it. */
static void who_went_on_in_vain_hears_it(void **state)
{
    struct world *world = *state;
    struct opener opener;
    struct hand second;
    uint8_t frame[52], wrong[32] = {0};
    static const uint8_t more[16000];

    open_line(&opener, world);
    hand_connect(&second, world);
    join_frame(frame, wrong, &second, 1, 0);
    hand_say(&second, frame, sizeof frame);
    for (unsigned i = 0; i < 4; i++)
        hand_say(&second, more, sizeof more);
    assert_int_equal(answered(&second, opener.secret, 1, 0), UNKNOWN);
    assert_int_equal(strands(world->server.line), 1);
    assert_false(world->server.closed);
    hand_close(&second);
    hand_close(&opener.first);
}

static void what_is_malformed_costs_the_strand_alone(void **state)
{
    static const uint8_t words[][8] = {{JOIN, 1, 0}, {JOIN, 0x7f, 0xff}, {JOIN, 0xff, 0xff, 0xff, 0xff}};
    struct world *world = *state;
    struct opener opener;
    struct hand second;

    open_line(&opener, world);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hand_connect(&second, world);
        hand_say(&second, words[i], sizeof words[i]);
        assert_int_equal(answered(&second, opener.secret, 1, 0), 99);
        hand_close(&second);
    }
    assert_int_equal(strands(world->server.line), 1);
    assert_false(world->server.closed);
    hand_close(&opener.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(the_opener_is_let_in),
        api_test(a_word_in_pieces_is_heard),
        api_test(who_does_not_know_the_secret_is_not),
        api_test(a_word_is_of_no_use_on_another_strand),
        api_test(a_number_serves_once),
        api_test(there_are_eight_at_most),
        api_test(a_strand_that_cannot_be_had_keeps_no_line),
        api_test(a_line_that_is_closed_is_unknown),
        api_test(what_follows_the_word_is_the_sessions),
        api_test(who_went_on_in_vain_hears_it),
        api_test(what_is_malformed_costs_the_strand_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
