/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An end of a stack that carries units. Each unit of ours is an offset (8 bytes) and what the pattern has there; the other
 * end counts each byte once, in whatever order they come. What the layers say is lost is sent again. Without a session a
 * datagram has the same in it, and nobody says what becomes of it.
 */
#include "suite.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/range_set.h"

#define HEAD 8
#define UNIT_MAX 20000 /* so that some take several packets */

struct sent_unit {
    struct list link;
    uint64_t number, offset;
    size_t size;
};

struct lane { /* a unit that is coming */
    struct list link;
    uint8_t head[HEAD];
    size_t head_size;
    uint64_t offset;
};

struct end_units {
    bool session;
    struct list out, lanes; /* without a fate; not whole yet */
    struct range_set again, came;
    uint64_t number;
};

static const struct layer_units *units_of(const struct end *end)
{
    return end->top->type->units;
}

struct end_units *end_units_new(bool session)
{
    struct end_units *units = calloc(1, sizeof *units);

    assert_non_null(units);
    units->session = session;
    list_init(&units->out);
    list_init(&units->lanes);
    range_set_init(&units->again, &memory_malloc);
    range_set_init(&units->came, &memory_malloc);
    return units;
}

void end_units_free(struct end_units *units)
{
    if (!units)
        return;
    while (!list_empty(&units->out)) {
        struct sent_unit *sent = list_first(&units->out, struct sent_unit, link);
        list_remove(&sent->link);
        free(sent);
    }
    while (!list_empty(&units->lanes)) {
        struct lane *lane = list_first(&units->lanes, struct lane, link);
        list_remove(&lane->link);
        free(lane);
    }
    range_set_clear(&units->again);
    range_set_clear(&units->came);
    free(units);
}

/* ----------------------------------------------------------------------------------------------------- receiving */

static void take_bytes(struct end *end, struct lane *lane, const uint8_t *data, size_t size)
{
    uint64_t first = lane->offset, added = 0;

    for (size_t i = 0; i < size; i++)
        end->mismatches += data[i] != pattern(first + i);
    lane->offset += size;
    if (size > 0)
        assert_int_equal(range_set_add(&end->units->came, first, first + size, &added), 0);
    end->received += added;
    if (end->echo && added)
        assert_int_equal(range_set_add(&end->units->again, first, first + size, NULL), 0);
}

static void take_piece(struct end *end, const struct layer_unit_in *in)
{
    struct lane *lane = *in->lane;
    const uint8_t *data = in->data;
    size_t size = in->size;

    if (!lane) {
        lane = calloc(1, sizeof *lane);
        assert_non_null(lane);
        list_append(&end->units->lanes, &lane->link);
    }
    while (!in->reset && lane->head_size < HEAD && size > 0) {
        lane->head[lane->head_size++] = *data++;
        size--;
        if (lane->head_size == HEAD)
            memcpy(&lane->offset, lane->head, HEAD);
    }
    if (!in->reset && lane->head_size == HEAD)
        take_bytes(end, lane, data, size);
    *in->lane = lane;
    if (in->end || in->reset) {
        list_remove(&lane->link);
        free(lane);
        *in->lane = NULL;
    }
}

static void take_fates(struct end *end)
{
    struct layer_fate fate;

    while (end->units->session && units_of(end)->fate(end->top, &fate)) {
        struct sent_unit *found = NULL;

        for (struct list *at = end->units->out.next; at != &end->units->out && !found; at = at->next) {
            struct sent_unit *sent = container_of(at, struct sent_unit, link);
            found = sent->number == fate.number ? sent : NULL;
        }
        assert_non_null(found); /* one fate a unit, of a unit that was sent */
        list_remove(&found->link);
        if (!fate.acked && found->size > 0)
            assert_int_equal(range_set_add(&end->units->again, found->offset, found->offset + found->size, NULL), 0);
        free(found);
    }
}

static int receive_datagram(struct end *end, struct layer_unit_in *in)
{
    static uint8_t data[65536];
    ssize_t n = end->top->type->receive(end->top, data, sizeof data);

    if (n < 0)
        return (int)n;
    in->data = data;
    in->size = (size_t)n;
    in->end = true;
    return 0;
}

/* Whether something came; *ret_code is 0 or what receive() failed with. */
bool end_units_receive(struct end *end, int *ret_code)
{
    struct layer_unit_in in = {.lane = NULL};
    void *lane = NULL;
    int r;

    *ret_code = 0;
    take_fates(end);
    if (end->eof || end->idle)
        return false;
    if (!end->units->session)
        in.lane = &lane;
    r = end->units->session ? units_of(end)->receive(end->top, &in) : receive_datagram(end, &in);
    if (r == -ENODATA)
        end->eof = true;
    else if (r == 0) {
        end->early |= in.early;
        take_piece(end, &in);
    } else if (r != -EAGAIN)
        *ret_code = r;
    return r == 0;
}

/* ------------------------------------------------------------------------------------------------------- sending */

static bool next_piece(struct end *end, uint64_t *ret_first, uint64_t *ret_end)
{
    if (range_set_next(&end->units->again, 0, ret_first, ret_end))
        return true;
    *ret_first = end->sent;
    *ret_end = end->to_send;
    return !end->echo && end->sent < end->to_send;
}

/* The user begins again from its first byte: early units were not accepted. */
void end_units_again(struct end *end)
{
    struct end_units *units = end->units;

    while (!list_empty(&units->out)) {
        struct sent_unit *sent = list_first(&units->out, struct sent_unit, link);
        list_remove(&sent->link);
        free(sent);
    }
}

static uint8_t *begin_datagram(struct end *end, uint8_t *buffer, size_t *ret_capacity)
{
    *ret_capacity = end->up ? end->top->type->datagram_max(end->top) : 0;
    return end->up ? buffer : NULL;
}

static int send_datagram(struct end *end, const uint8_t *data, size_t size)
{
    ssize_t n = end->top->type->send(end->top, data, size);

    assert_true(n < 0 || n == (ssize_t)size);
    return n < 0 ? (int)n : 0;
}

/* As a unit, or a datagram: whether it was taken. */
static bool give(struct end *end, const uint8_t *at, uint64_t first, size_t size, int *ret_code)
{
    struct end_units *units = end->units;
    struct sent_unit *sent;

    if (!units->session) {
        *ret_code = send_datagram(end, at, size + HEAD);
        if (*ret_code != -EAGAIN)
            return *ret_code == 0;
        *ret_code = 0;
        end->refusals++;
        return false;
    }
    sent = calloc(1, sizeof *sent);
    assert_non_null(sent);
    *sent = (struct sent_unit){.number = units->number++, .offset = first, .size = size};
    list_append(&units->out, &sent->link);
    *ret_code = units_of(end)->send(
        end->top, &(struct layer_unit_out){.number = sent->number, .size = size + HEAD, .class = 100, .resends = -1});
    return true;
}

bool end_units_send(struct end *end, int *ret_code)
{
    struct end_units *units = end->units;
    uint8_t buffer[UNIT_MAX], *at;
    uint64_t first, after;
    size_t capacity = 0;

    *ret_code = 0;
    if (!next_piece(end, &first, &after))
        return false;
    at = units->session ? units_of(end)->begin(end->top, false, &capacity) : begin_datagram(end, buffer, &capacity);
    if (!at) {
        end->refusals++;
        return false;
    }
    assert_true(capacity >= 1000);
    capacity = capacity < UNIT_MAX ? capacity : UNIT_MAX;
    if (after - first > capacity - HEAD)
        after = first + capacity - HEAD;
    memcpy(at, &first, HEAD);
    for (uint64_t i = first; i < after; i++)
        at[HEAD + (i - first)] = pattern(i);
    if (!give(end, at, first, (size_t)(after - first), ret_code))
        return false;
    assert_int_equal(range_set_remove(&units->again, first, after), 0);
    if (end->echo || after > end->sent)
        end->sent += end->echo ? after - first : after - end->sent;
    end->early |= !end->up;
    return *ret_code == 0;
}

int end_units_flush(struct end *end)
{
    const struct layer_type *type = end->top->type;
    int r = end->units->session ? units_of(end)->flush(end->top) : type->flush ? type->flush(end->top) : 0;

    return r == -EAGAIN ? 0 : r;
}

/* Nothing of ours is under way. */
bool end_units_settled(const struct end *end)
{
    return list_empty(&end->units->out) && end->units->again.count == 0;
}
