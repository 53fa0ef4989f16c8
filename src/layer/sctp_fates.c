/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of each unit. The sockets API of SCTP (RFC 6458) tells when all is acknowledged, and what was given up, but not
 * which message was acknowledged. So this reads along: a unit's number is its payload protocol id, the packets that leave
 * say which TSNs its chunks have, SACKs which of them came, FORWARD-TSN which are given up (RFC 3758 section 3.2).
 *
 * A chunk in a SACK's gap counts as come: usrsctp is told never to take that back (sctp_do_drain).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layer/sctp.h"

enum { DATA = 0, SACK = 3, I_DATA = 64, FORWARD_TSN = 192, I_FORWARD_TSN = 194 };
enum { END = 1, BEGIN = 2 }; /* flags of DATA and I-DATA */

#define DATA_HEAD 16
#define I_DATA_HEAD 20
#define WINDOW_MAX 65536 /* chunks under way that could be: more than usrsctp queues */

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* ------------------------------------------------------------------------------------------------- rings */

static struct sctp_unit *unit_at(const struct sctp_fates *fates, uint64_t number)
{
    return &fates->units[number & (fates->unit_capacity - 1)];
}

static struct sctp_chunk *chunk_at(const struct sctp_fates *fates, uint32_t tsn)
{
    return &fates->chunks[tsn & (fates->chunk_capacity - 1)];
}

static bool unit_known(const struct sctp_fates *fates, uint64_t number)
{
    return number - fates->first_unit < fates->next_unit - fates->first_unit;
}

static int grow_units(struct sctp_fates *fates)
{
    size_t capacity = fates->unit_capacity ? fates->unit_capacity * 2 : 64;
    struct sctp_unit *units = calloc(capacity, sizeof *units);

    if (!units)
        return -ENOMEM;
    for (uint64_t i = fates->first_unit; i != fates->next_unit; i++)
        units[i & (capacity - 1)] = *unit_at(fates, i);
    free(fates->units);
    fates->units = units;
    fates->unit_capacity = capacity;
    return 0;
}

static int grow_chunks(struct sctp_fates *fates)
{
    size_t capacity = fates->chunk_capacity ? fates->chunk_capacity * 2 : 64;
    struct sctp_chunk *chunks = capacity <= WINDOW_MAX ? calloc(capacity, sizeof *chunks) : NULL;

    if (!chunks)
        return -ENOMEM;
    for (uint32_t i = fates->first; i != fates->next; i++)
        chunks[i & (capacity - 1)] = *chunk_at(fates, i);
    free(fates->chunks);
    fates->chunks = chunks;
    fates->chunk_capacity = capacity;
    return 0;
}

static int grow_told(struct sctp_fates *fates)
{
    size_t capacity = fates->told_capacity ? fates->told_capacity * 2 : 64;
    struct layer_fate *told = calloc(capacity, sizeof *told);

    if (!told)
        return -ENOMEM;
    for (size_t i = 0; i < fates->told_count; i++)
        told[i] = fates->told[(fates->told_first + i) & (fates->told_capacity - 1)];
    free(fates->told);
    fates->told = told;
    fates->told_capacity = capacity;
    fates->told_first = 0;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- fates */

static void tell(struct sctp_fates *fates, uint64_t number, bool acked)
{
    struct sctp_unit *unit = unit_at(fates, number);

    if (unit->told)
        return;
    if (fates->told_count == fates->told_capacity && grow_told(fates) < 0) {
        fates->failed = true;
        return;
    }
    fates->told[(fates->told_first + fates->told_count++) & (fates->told_capacity - 1)] =
        (struct layer_fate){.number = number, .acked = acked};
    fates->under_way -= unit->size;
    unit->told = true;
    while (fates->first_unit != fates->next_unit && unit_at(fates, fates->first_unit)->told)
        fates->first_unit++;
}

int sctp_fates_unit(struct sctp_fates *fates, uint64_t number, size_t size)
{
    if (fates->first_unit == fates->next_unit)
        fates->first_unit = fates->next_unit = number;
    while (fates->next_unit <= number) { /* a number that was left out is told already */
        if (fates->next_unit - fates->first_unit == fates->unit_capacity && grow_units(fates) < 0)
            return -ENOMEM;
        *unit_at(fates, fates->next_unit++) = (struct sctp_unit){.told = true};
    }
    *unit_at(fates, number) = (struct sctp_unit){.size = (uint32_t)size};
    fates->under_way += size;
    fates->unsent += size;
    return 0;
}

bool sctp_fates_take(struct sctp_fates *fates, struct layer_fate *ret_fate)
{
    if (fates->told_count == 0)
        return false;
    *ret_fate = fates->told[fates->told_first];
    fates->told_first = (fates->told_first + 1) & (fates->told_capacity - 1);
    fates->told_count--;
    return true;
}

/* The number whose low half is a payload protocol id: of those that are known, the windows being far smaller than 2^32. */
static uint64_t number_of(const struct sctp_fates *fates, uint32_t ppid)
{
    return fates->first_unit + (uint32_t)(ppid - (uint32_t)fates->first_unit);
}

static void less_unsent(struct sctp_fates *fates, size_t size)
{
    fates->unsent -= size < fates->unsent ? size : fates->unsent;
}

void sctp_fates_gave_up(struct sctp_fates *fates, uint32_t ppid, size_t size, bool sent, bool units)
{
    uint64_t number = number_of(fates, ppid);

    if (!sent)
        less_unsent(fates, size);
    if (units && unit_known(fates, number))
        tell(fates, number, false);
}

void sctp_fates_dry(struct sctp_fates *fates)
{
    fates->unsent = 0;
    for (uint64_t i = fates->first_unit; i != fates->next_unit; i++)
        tell(fates, i, false);
}

bool sctp_fates_outstanding(const struct sctp_fates *fates)
{
    return fates->first != fates->next;
}

void sctp_fates_free(struct sctp_fates *fates)
{
    free(fates->chunks);
    free(fates->units);
    free(fates->told);
}

/* --------------------------------------------------------------------------------------- packets that leave */

struct data {
    uint32_t tsn, ppid;
    uint16_t stream;
    uint8_t flags;
    bool names; /* has the payload protocol id */
    size_t payload;
};

/* Makes room in the ring up to this TSN. One that was given up before it was in any packet stays unseen. */
static struct sctp_chunk *reach(struct sctp_fates *fates, uint32_t tsn)
{
    if (!fates->begun) {
        fates->begun = true;
        fates->first = fates->next = tsn;
    }
    if (tsn - fates->first >= WINDOW_MAX) /* before the first: acknowledged, and sent again all the same */
        return NULL;
    while ((int32_t)(tsn - fates->next) >= 0) {
        if (fates->next - fates->first == fates->chunk_capacity && grow_chunks(fates) < 0) {
            fates->failed = true;
            return NULL;
        }
        *chunk_at(fates, fates->next++) = (struct sctp_chunk){.seen = false};
    }
    return chunk_at(fates, tsn);
}

static void data_out(struct sctp_fates *fates, const struct data *data, bool units)
{
    struct sctp_chunk *chunk = reach(fates, data->tsn);
    uint64_t number;

    if (!chunk || chunk->seen)
        return;
    chunk->seen = true;
    less_unsent(fates, data->payload);
    if (!units || data->stream >= SCTP_STREAMS)
        return;
    /* A stream's messages leave one after the other. */
    if (data->names)
        fates->current[data->stream] = number_of(fates, data->ppid);
    number = fates->current[data->stream];
    if (!unit_known(fates, number))
        return;
    chunk->unit = number;
    chunk->owned = true;
    unit_at(fates, number)->left++;
    if (data->flags & END)
        unit_at(fates, number)->whole = true;
}

/* Up to this TSN nothing is sent any more: of units that have chunks there, those that are not acknowledged are lost. */
static void forward_out(struct sctp_fates *fates, uint32_t tsn)
{
    fates->gave_up = true;
    for (uint32_t i = fates->first; i != fates->next && (int32_t)(tsn - i) >= 0; i++) {
        const struct sctp_chunk *chunk = chunk_at(fates, i);
        if (chunk->owned && !chunk->acked && unit_known(fates, chunk->unit))
            tell(fates, chunk->unit, false);
    }
}

static void chunk_out(struct sctp_fates *fates, const uint8_t *chunk, size_t size, bool units)
{
    bool i_data = chunk[0] == I_DATA;
    struct data data = {.flags = chunk[1]};

    if ((chunk[0] == DATA && size >= DATA_HEAD) || (i_data && size >= I_DATA_HEAD)) {
        data.tsn = read32(chunk + 4);
        data.stream = read16(chunk + 8);
        data.names = !i_data || (data.flags & BEGIN); /* later fragments of I-DATA have their number in its place */
        data.ppid = read32(chunk + (i_data ? 16 : 12));
        data.payload = size - (i_data ? I_DATA_HEAD : DATA_HEAD);
        data_out(fates, &data, units);
    } else if ((chunk[0] == FORWARD_TSN || chunk[0] == I_FORWARD_TSN) && size >= 8)
        forward_out(fates, read32(chunk + 4));
}

/* The chunk at *at, which moves behind it; its size, 0: no more. */
static size_t next_chunk(const uint8_t *packet, size_t size, size_t *at, const uint8_t **ret_chunk)
{
    size_t chunk_size;

    if (*at > size || size - *at < 4)
        return 0;
    chunk_size = read16(packet + *at + 2);
    if (chunk_size < 4 || chunk_size > size - *at)
        return 0;
    *ret_chunk = packet + *at;
    *at += (chunk_size + 3) & ~(size_t)3;
    return chunk_size;
}

void sctp_fates_out(struct sctp_fates *fates, const uint8_t *packet, size_t size, bool units)
{
    const uint8_t *chunk;
    size_t at = SCTP_HEAD, chunk_size;

    while ((chunk_size = next_chunk(packet, size, &at, &chunk)) > 0)
        chunk_out(fates, chunk, chunk_size, units);
}

/* ----------------------------------------------------------------------------------------- packets that come */

static void acknowledge(struct sctp_fates *fates, uint32_t tsn)
{
    struct sctp_chunk *chunk = chunk_at(fates, tsn);

    if (chunk->acked)
        return;
    chunk->acked = true;
    if (chunk->owned && unit_known(fates, chunk->unit)) {
        struct sctp_unit *unit = unit_at(fates, chunk->unit);
        if (--unit->left == 0 && unit->whole)
            tell(fates, chunk->unit, true);
    }
}

/* RFC 9260 section 3.3.4. What is not about chunks that are under way is old, or a lie that hurts who tells it. */
static void sack_in(struct sctp_fates *fates, const uint8_t *chunk, size_t size)
{
    uint32_t cumulative = read32(chunk + 4), window = fates->next - fates->first, left;
    size_t gaps = read16(chunk + 12);

    if (!fates->begun || cumulative + 1 - fates->first > window || 16 + gaps * 4 > size)
        return;
    while (fates->first != cumulative + 1)
        acknowledge(fates, fates->first++);
    window = fates->next - fates->first;
    left = window;
    for (size_t i = 0; i < gaps; i++) {
        uint32_t first = cumulative + read16(chunk + 16 + i * 4), last = cumulative + read16(chunk + 18 + i * 4);
        if (first - fates->first >= window || last - fates->first >= window || last - first >= left)
            return; /* also where they say the same again and again, which would cost us far more than them */
        left -= last - first + 1;
        for (uint32_t tsn = first; tsn != last + 1; tsn++)
            acknowledge(fates, tsn);
    }
}

/* A packet that was damaged says nothing, here as in usrsctp. */
bool sctp_checksum_right(uint8_t *packet, size_t size)
{
    uint32_t sent, right;

    memcpy(&sent, packet + 8, 4);
    memset(packet + 8, 0, 4);
    right = usrsctp_crc32c(packet, size);
    memcpy(packet + 8, &sent, 4);
    return sent == right;
}

void sctp_fates_in(struct sctp_fates *fates, uint8_t *packet, size_t size)
{
    const uint8_t *chunk;
    size_t at = SCTP_HEAD, chunk_size;
    bool checked = false;

    while ((chunk_size = next_chunk(packet, size, &at, &chunk)) > 0)
        if (chunk[0] == SACK && chunk_size >= 16) {
            if (!checked && !sctp_checksum_right(packet, size))
                return;
            checked = true;
            sack_in(fates, chunk, chunk_size);
        }
}
