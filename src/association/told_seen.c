/* SPDX-License-Identifier: Apache-2.0 */
/* As what the accepting side sees the opener's strands: behind a translator nobody knows that by himself. */
#include "association/told.h"

#include <netinet/in.h>

#include "association/association.h"
#include "base/varint.h"
#include "endpoint/endpoint.h"

#define SEEN_MAX (SESSION_STRANDS_MAX * (VARINT_SIZE_MAX + 20))

static uint8_t *put_seen(const struct strand *strand, uint8_t *at)
{
    struct layer_address local, remote;
    struct told_address seen = {.ways = 0};
    size_t size;

    layer_addresses(strand->top, &local, &remote);
    seen.address = remote;
    size = remote.size ? told_write(&seen, 1, varint_put(at, strand->number)) : 0;
    return size ? at + varint_size(strand->number) + size : at;
}

void told_send_seen(hawser_association *association)
{
    uint8_t body[SEEN_MAX], *at = body;

    if (!association->wants_told || !association->established || association->ended)
        return;
    for (const struct list *link = association->strands.next; link != &association->strands; link = link->next) {
        const struct strand *strand = container_of(link, struct strand, link);

        if (strand->session && strand->top && !strand->dead && (size_t)(at - body) <= SEEN_MAX - VARINT_SIZE_MAX - 20)
            at = put_seen(strand, at);
    }
    (void)session_tell(association->session, TOLD_SEEN, body, (size_t)(at - body)); /* for people to look at */
    association_wake(association);
}

static void note_seen(hawser_association *association, uint64_t number, const struct layer_address *address)
{
    char text[PATH_TEXT];

    for (const struct list *link = association->strands.next; link != &association->strands; link = link->next) {
        struct strand *strand = container_of(link, struct strand, link);

        if (!strand->session || strand->number != number)
            continue;
        (void)endpoint_print_address(address, text, sizeof text);
        free(strand->outside);
        strand->outside = strdup(text);
    }
}

int told_read_seen(hawser_association *association, const uint8_t *body, size_t size)
{
    const uint8_t *at = body, *end = body + size;

    while (at < end) {
        struct told_address seen;
        uint64_t number;

        at = varint_get(at, end, &number);
        at = at && at < end ? told_read_one(at, end, &seen) : NULL;
        if (!at)
            return -EBADMSG;
        note_seen(association, number, &seen.address);
    }
    return 0;
}
