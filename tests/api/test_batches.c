/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of small messages (HAWSER_RECEIVED_MANY) hold what was sent, wherever the sender's records cut its frames:
 * what comes behind the kept beginning of a frame lies in memory that goes when all of it was read. The peer is made
 * by hand, since only then is it known where a record ends.
 */
#include "hand.h"

#define RECORD_MAX 16384 /* RFC 8446 section 5.1 */
#define MESSAGES_MAX 4096
#define SPLITS 12 /* the shortest frame here is longer, the head of any is shorter */

enum { PADDING = 0, HELLO = 1, DATA = 2 };
enum { FIRST = 1, LAST = 2 };

/* ----------------------------------------------------------------------------------------------------- the listener */

struct arrived {
    hawser_association *line;
    unsigned times[MESSAGES_MAX];
    size_t count, wrong, longest;
    bool closed;
};

/* Sizes whose lengths take one byte and two, contents that no other message has. */
static size_t size_of(uint64_t id)
{
    return 9 + (size_t)(id % 5) * 91;
}

static void note_one(struct arrived *arrived, const hawser_received *received)
{
    uint8_t expected[512];

    assert_in_range(received->id, 1, MESSAGES_MAX - 1);
    arrived->times[received->id]++;
    arrived->count++;
    fill(expected, size_of(received->id), (unsigned)received->id);
    if (received->size == size_of(received->id) && memcmp(received->data, expected, received->size) == 0)
        return;
    arrived->wrong++;
    print_error("message %llu is not what was sent\n", (unsigned long long)received->id);
}

static void on_event(const hawser_event *event, void *user)
{
    struct arrived *arrived = user;
    size_t count;

    if (event->type == HAWSER_CLOSED) {
        arrived->closed = true;
        return;
    }
    count = event->received_many.count;
    for (size_t i = 0; i < count; i++)
        note_one(arrived, &event->received_many.messages[i]);
    if (count > arrived->longest)
        arrived->longest = count;
}

static void take(struct world *world, hawser_association *association)
{
    struct arrived *arrived = hawser_association_user(association);

    (void)world;
    arrived->line = hawser_association_ref(association);
    assert_int_equal(hawser_register(association, HAWSER_RECEIVED_MANY, on_event, arrived), 0);
    assert_int_equal(hawser_register(association, HAWSER_CLOSED, on_event, arrived), 0);
}

/* --------------------------------------------------------------------------------------------------------- the peer */

struct peer {
    struct world *world;
    struct arrived arrived;
    struct hand hand;
    uint64_t next; /* the id of the next message */
    uint8_t record[2 * RECORD_MAX];
    size_t size;
};

static void put(struct peer *peer, const void *data, size_t size)
{
    assert_true(peer->size + size <= sizeof peer->record);
    memcpy(peer->record + peer->size, data, size);
    peer->size += size;
}

/* In two bytes where one is too short (RFC 9000 section 16). */
static void put_integer(struct peer *peer, uint64_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8 | 0x40), (uint8_t)value};

    assert_true(value < 16384);
    put(peer, value < 64 ? bytes + 1 : bytes, value < 64 ? 1 : 2);
}

static void put_hello(struct peer *peer)
{
    static const uint8_t version_and_nonce[17] = {1, 'b', 'a', 't', 'c', 'h', 'e', 's'};

    put_integer(peer, HELLO);
    put_integer(peer, sizeof version_and_nonce + 1);
    put(peer, version_and_nonce, sizeof version_and_nonce);
    put_integer(peer, 1); /* the clock */
}

static void put_message(struct peer *peer)
{
    uint64_t id = peer->next++;
    uint8_t content[512], flags = FIRST | LAST;

    assert_in_range(id, 1, MESSAGES_MAX - 1);
    fill(content, size_of(id), (unsigned)id);
    put_integer(peer, DATA);
    put_integer(peer, (id < 64 ? 1 : 2) + 1 + size_of(id));
    put_integer(peer, id);
    put(peer, &flags, 1);
    put(peer, content, size_of(id));
}

static void put_messages(struct peer *peer, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_message(peer);
}

static void put_padding(struct peer *peer, size_t size)
{
    static const uint8_t zeros[4096];

    put_integer(peer, PADDING);
    put_integer(peer, size);
    put(peer, zeros, size);
}

/* The first `size` bytes of what was put go as one record, the rest stays for the next. */
static void send_record(struct peer *peer, size_t size)
{
    assert_in_range(size, 1, RECORD_MAX);
    assert_true(size <= peer->size);
    hand_say(&peer->hand, peer->record, size);
    peer->size -= size;
    memmove(peer->record, peer->record + size, peer->size);
}

/* The listener reads before it is given more: so every record is one read. */
static void await(struct peer *peer, uint64_t count)
{
    until(peer->world, peer->arrived.count >= count || peer->arrived.closed);
    assert_false(peer->arrived.closed);
    assert_int_equal(peer->arrived.count, count);
}

/* It reads nothing after the handshake. */
static struct peer *peer_new(struct world *world)
{
    struct peer *peer = calloc(1, sizeof *peer);

    assert_non_null(peer);
    peer->world = world;
    peer->next = 1;
    world->accepting = take;
    world_listen(world, HAWSER_LISTEN(.user = &peer->arrived, .reestablish_us = -1));
    hand_connect(&peer->hand, world);
    put_hello(peer);
    return peer;
}

static void peer_free(struct peer *peer)
{
    hand_close(&peer->hand);
    until(peer->world, peer->arrived.closed);
    hawser_association_unref(peer->arrived.line);
    free(peer);
}

/* All that was sent is there, once, and as it was sent. */
static void check(struct peer *peer)
{
    for (uint64_t id = 1; id < MESSAGES_MAX; id++)
        assert_int_equal(peer->arrived.times[id], id < peer->next ? 1 : 0);
    assert_int_equal(peer->arrived.wrong, 0);
    assert_true(peer->arrived.longest > 1); /* it was about arrays */
}

/* -------------------------------------------------------------------------------------------------------- the tests */

/*
 * A record that ends `split` bytes into a frame; then one with the rest of it and twenty messages, which ends with
 * `finish`. The first messages of the round come from the buffer for reading and tell that the record was read.
 */
static void send_split(struct peer *peer, size_t split, void (*begin)(struct peer *), void (*finish)(struct peer *))
{
    uint64_t whole;
    size_t before;

    put_messages(peer, 3);
    before = peer->size;
    whole = peer->next - 1;
    begin(peer);
    put_messages(peer, 20);
    send_record(peer, before + split);
    await(peer, whole);
    finish(peer);
    assert_int_equal(peer->size, 0);
}

static void split_all(void **state, void (*begin)(struct peer *), void (*finish)(struct peer *))
{
    struct peer *peer = peer_new(*state);

    for (size_t split = 1; split <= SPLITS; split++) {
        for (unsigned round = 0; round < 5; round++) /* the message that is cut has another size in each */
            send_split(peer, split, begin, finish);
    }
    check(peer);
    peer_free(peer);
}

static void begin_padding(struct peer *peer)
{
    put_padding(peer, 2 * SPLITS);
}

/* The record ends where a frame does: nothing is kept of it. */
static void finish_whole(struct peer *peer)
{
    send_record(peer, peer->size);
    await(peer, peer->next - 1);
}

/* The record ends in a frame that is kept until all of it is there, in the place where the messages were. */
static void finish_cut(struct peer *peer)
{
    put_padding(peer, 1000);
    send_record(peer, peer->size - 500);
    await(peer, peer->next - 1);
    put_messages(peer, 2);
    send_record(peer, peer->size);
    await(peer, peer->next - 1);
}

static void a_message_is_cut(void **state)
{
    split_all(state, put_message, finish_whole);
}

static void a_message_is_cut_and_another_frame(void **state)
{
    split_all(state, put_message, finish_cut);
}

static void a_short_frame_is_cut(void **state)
{
    split_all(state, begin_padding, finish_whole);
}

static void a_short_frame_is_cut_and_another(void **state)
{
    split_all(state, begin_padding, finish_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(a_message_is_cut),
        api_test(a_message_is_cut_and_another_frame),
        api_test(a_short_frame_is_cut),
        api_test(a_short_frame_is_cut_and_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
