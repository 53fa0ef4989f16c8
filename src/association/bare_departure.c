/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When datagrams of a bare line left, by the system's stamp (S1.28). It comes when the message's outcome has long been told.
 */
#include "association/bare_line.h"
#include "layer/udp.h"

#define WAITING_MAX 1024 /* whose stamps may still come; the oldest are forgotten */

struct departing {
    struct list link;
    uint64_t send, id;
    int64_t stamp; /* 0: it did not come yet */
};

static struct departing *first(struct bare *bare)
{
    return list_empty(&bare->departing) ? NULL : list_first(&bare->departing, struct departing, link);
}

static void forget(struct bare *bare, struct departing *departing)
{
    list_remove(&departing->link);
    bare->departing_count--;
    free(departing);
}

/* They leave in the order in which they were given. What was passed over has no stamp, and is forgotten. Told in dispatch:
 * handlers may end the line. */
static void on_left(void *above, uint64_t send, int64_t at)
{
    struct bare *bare = above;

    for (struct list *entry = bare->departing.next; entry != &bare->departing; entry = entry->next) {
        struct departing *departing = container_of(entry, struct departing, link);

        if (departing->send > send)
            break;
        if (departing->send == send)
            departing->stamp = at;
    }
    while (first(bare) && first(bare)->send < send && first(bare)->stamp == 0)
        forget(bare, first(bare));
    association_wake(bare->association);
}

static const struct udp_taker taker = {.left = on_left};

void departure_begin(struct bare *bare, struct layer *top)
{
    bare->stamped = top->type == &udp_layer && udp_is_stamped(top);
    if (bare->stamped)
        udp_take(top, bare, &taker);
}

/* The layers took it just now. Without memory it is not told. */
void departure_note(struct bare *bare, const struct layer *top, const struct out *out)
{
    struct departing *departing;

    if (!bare->stamped || !out->want_sent || !(departing = malloc(sizeof *departing)))
        return;
    *departing = (struct departing){.send = udp_last_send(top), .id = out->id};
    list_append(&bare->departing, &departing->link);
    if (++bare->departing_count > WAITING_MAX)
        forget(bare, first(bare));
}

void departure_tell(struct bare *bare)
{
    struct departing *departing;

    while ((departing = first(bare)) && departing->stamp) {
        struct departing told = *departing;

        forget(bare, departing);
        association_handler.departed(bare->association, told.id, told.stamp);
    }
}

void departure_free(struct bare *bare)
{
    struct departing *departing;

    while ((departing = first(bare)))
        forget(bare, departing);
}
