/* SPDX-License-Identifier: Apache-2.0 */
/* The session engine with many messages and with large ones, in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session_pair.h"

#define A (&pair->ends[OPENER])
#define B (&pair->ends[ACCEPTER])

static struct pair *pair;

static int setup(void **state)
{
    (void)state;
    pair = pair_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_free(pair);
    return 0;
}

static uint64_t random_state;

static uint64_t random_number(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

static uint64_t copied(const struct pair_end *end)
{
    struct session_statistics statistics;
    session_get_statistics(end->session, &statistics);
    return statistics.copied_bytes;
}

/* ---- 10^5 messages of random size, each whole, once, its bounds kept (S1.11) */

#define MANY 100000

static uint32_t sizes[MANY + 1];
static bool came[MANY + 1];
static uint8_t pattern[70000];

static void check_bounds(struct pair_end *end, struct session_message *message)
{
    end->received_count = 0; /* no need to keep them */
    assert_in_range(message->id, 1, MANY);
    assert_false(came[message->id]);
    came[message->id] = true;
    assert_int_equal(message->size, sizes[message->id]);
    if (message->size)
        assert_memory_equal(message->data, pattern + message->id % 997, message->size);
}

static void boundaries_are_kept(void **state)
{
    (void)state;
    random_state = 11;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)random_number();
    memset(came, 0, sizeof came);
    B->on_message = check_bounds;
    B->forget_data = true;
    for (uint64_t id = 1; id <= MANY; id++) {
        sizes[id] = (uint32_t)(random_number() % 50 == 0 ? random_number() % 69000 : random_number() % 300);
        struct session_send send = {.data = pattern + id % 997, .size = sizes[id]};
        assert_int_equal(pair_send(pair, OPENER, &send), id);
        if (id % 500 == 0)
            pair_run(pair);
    }
    pair_run(pair);
    for (uint64_t id = 1; id <= MANY; id++)
        assert_true(came[id]);
    assert_int_equal(A->outcome_count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(A->outcomes[i].kind, SESSION_ACKED);
}

/* ---- 0 bytes, and more than 4 GiB (S2.19) */

#define HUGE ((UINT64_C(1) << 32) + 12345)

static uint8_t block[1 << 20];

static const uint8_t *from_block(struct pair_end *end, void *cookie, uint64_t offset, size_t *ret_size, int *ret_error)
{
    (void)end;
    (void)ret_error;
    assert_ptr_equal(cookie, block);
    *ret_size = sizeof block - offset % sizeof block;
    if (offset + *ret_size > HUGE)
        *ret_size = (size_t)(HUGE - offset);
    return block + offset % sizeof block;
}

static void take_parts(struct pair_end *end, struct session_arriving *arriving)
{
    (void)end;
    assert_int_equal(arriving->size, HUGE);
    arriving->take = SESSION_TAKE_PARTS;
}

static bool huge_last;

static void check_part(struct pair_end *end, struct session_part *part)
{
    (void)end;
    if (part->size) { /* both ends of each part: that it lies at its offset */
        assert_int_equal(part->data[0], block[part->offset % sizeof block]);
        assert_int_equal(part->data[part->size - 1], block[(part->offset + part->size - 1) % sizeof block]);
    }
    huge_last = part->last;
}

static void more_than_4_gib_pass_in_bounded_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + (i >> 16));
    A->on_source = from_block;
    B->on_arriving = take_parts;
    B->on_part = check_part;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.size = HUGE, .source = true, .cookie = block});
    pair_run(pair);
    assert_true(huge_last);
    assert_int_equal(B->part_bytes, HUGE);
    assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    assert_int_equal(A->settled_count, 1);
    assert_true(A->bytes_peak < 1 << 20);
    assert_true(B->bytes_peak < 9 << 20);
}

static void nothing_at_all_is_a_message_too(void **state)
{
    (void)state;
    uint64_t plain = pair_send(pair, OPENER, &(struct session_send){.data = "", .size = 0});
    uint64_t known = pair_send(pair, OPENER, &(struct session_send){.size = 0, .parts = true});
    uint64_t unknown = pair_send(pair, OPENER, &(struct session_send){.size = SESSION_SIZE_UNKNOWN, .parts = true});
    pair_run(pair);
    assert_null(pair_received_id(B, unknown));
    assert_int_equal(session_send_part(A->session, unknown, NULL, 0, true, pair->now), 0);
    pair_run(pair);
    for (uint64_t id = plain; id <= unknown; id++) {
        assert_int_equal(pair_received_id(B, id)->size, 0);
        assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    }
    assert_int_equal(known, plain + 1);
}

/* ---- by parts, and the size that was announced */

static void parts_meet_the_size_that_was_told(void **state)
{
    (void)state;
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.size = 10, .parts = true});
    assert_int_equal(session_send_part(A->session, id, "01234", 5, true, pair->now), -EINVAL);
    assert_int_equal(session_send_part(A->session, id, "01234", 5, false, pair->now), 0);
    assert_int_equal(session_send_part(A->session, id, "567890", 6, false, pair->now), -EINVAL);
    assert_int_equal(session_send_part(A->session, id, "56789", 5, true, pair->now), 0);
    assert_int_equal(session_send_part(A->session, id, "0", 1, true, pair->now), -EINVAL);
    pair_run(pair);
    assert_memory_equal(pair_received_id(B, id)->data, "0123456789", 10);
    assert_int_equal(session_send_part(A->session, id, "", 0, true, pair->now), -ENOENT);
}

/* ---- a small message inside a large one (S2.58a) */

static void a_small_message_passes_inside_a_large_one(void **state)
{
    (void)state;
    size_t size = 64 << 20;
    uint8_t *bytes = malloc(size), *into = malloc(size);
    assert_true(bytes && into);
    memset(bytes, 1, size);
    pair_free(pair);
    struct session_config config = {.receive_memory = 256 << 20};
    pair = pair_new(&config);
    uint64_t large = pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = size, .borrow = true});
    for (int i = 0; i < 100; i++) { /* well into it */
        pair_pull(pair, OPENER, 1);
        pair_deliver(pair, OPENER, SIZE_MAX);
        pair_pull(pair, ACCEPTER, SIZE_MAX);
        pair_deliver(pair, ACCEPTER, SIZE_MAX);
    }
    assert_null(pair_received_id(B, large));
    uint64_t before = A->pulled;
    assert_true(before > 1 << 20);
    uint64_t small = pair_send(pair, OPENER, &(struct session_send){.data = "s", .size = 1});
    while (!pair_received_id(B, small)) {
        pair_pull(pair, OPENER, 1);
        pair_deliver(pair, OPENER, SIZE_MAX);
    }
    assert_true(A->pulled - before < 200000);
    pair_run(pair);
    assert_int_equal(pair_received_id(B, large)->size, size);
    free(bytes);
    free(into);
}

/* ---- into the program's buffer, without a copy (S1.26) */

static uint8_t *place;

static void take_into(struct pair_end *end, struct session_arriving *arriving)
{
    (void)end;
    place = malloc(arriving->size);
    assert_non_null(place);
    arriving->take = SESSION_TAKE_INTO;
    arriving->buffer = place;
}

static void is_in_place(struct pair_end *end, struct session_message *message)
{
    (void)end;
    assert_ptr_equal(message->data, place);
    assert_null(message->block);
}

static void what_goes_into_the_programs_buffer_is_not_copied(void **state)
{
    (void)state;
    size_t size = 20 << 20; /* more than the receiver has memory for */
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i ^ (i >> 9));
    B->on_arriving = take_into;
    B->on_message = is_in_place;
    B->forget_data = true;
    B->scratch_size = 100; /* heads of large frames come in records of their own */
    uint64_t id = pair_send(pair, OPENER, &(struct session_send){.data = bytes, .size = size, .borrow = true});
    pair_run(pair);
    assert_int_equal(pair_outcome_of(A, id)->kind, SESSION_ACKED);
    assert_memory_equal(place, bytes, size);
    assert_int_equal(copied(A), 0);
    assert_true(copied(B) < size / 500); /* what was read together with the heads of its 320 frames */
    assert_true(B->bytes_peak < 1 << 20);
    free(place);
    free(bytes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(boundaries_are_kept),
        T(more_than_4_gib_pass_in_bounded_memory),
        T(nothing_at_all_is_a_message_too),
        T(parts_meet_the_size_that_was_told),
        T(a_small_message_passes_inside_a_large_one),
        T(what_goes_into_the_programs_buffer_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
