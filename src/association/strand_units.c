/* SPDX-License-Identifier: Apache-2.0 */
/* A strand whose layers carry units (layer/layer.h): the session's units go down, their fates come back. */
#include "association/bare.h"
#include "association/join.h"

bool strand_carries_units(const struct strand *strand)
{
    return strand->session && strand->top && strand->top->type->units;
}

static void units_failed(struct strand *strand, int code)
{
    const struct layer_error *error = layer_error(strand->top);

    strand_lost(strand, code, error->code ? error->reason : hawser_strerror(code));
}

static struct session_units limits_of(const struct strand *strand)
{
    const struct layer_units *units = strand->top->type->units;

    return (struct session_units){.lossy_max = units->lossy_max(strand->top), .gives_up = units->gives_up};
}

int units_join(struct strand *strand, bool early)
{
    hawser_association *association = strand->association;
    const struct session_units limits = limits_of(strand);

    strand->in_units = true;
    return session_strand_add_units(association->session, strand, early, &limits, strand->number,
                                    association_now(association), &strand->session);
}

int units_become(struct strand *strand)
{
    bool in_units = strand->top->type->units;
    struct session_units limits = {.lossy_max = 0};

    strand->units_out = 0;
    if (strand->in_units == in_units)
        return 0;
    strand->in_units = in_units;
    if (in_units)
        limits = limits_of(strand);
    return session_strand_become(strand->session, in_units ? &limits : NULL, association_now(strand->association));
}

/* ------------------------------------------------------------------------------------------------------------ reading */

static void units_take_fates(struct strand *strand)
{
    const struct layer_units *units = strand->top->type->units;
    struct layer_fate fate;

    while (!strand->dead && units->fate(strand->top, &fate)) {
        strand->units_out--;
        if (fate.number < strand->own_units)
            join_fate(strand, &fate);
        else
            session_unit_fate(strand->session, fate.number - strand->own_units, fate.acked, fate.sent_at,
                              association_now(strand->association));
    }
}

void units_take(struct strand *strand, const struct layer_unit_in *in)
{
    hawser_association *association = strand->association;
    struct session_lane **lane = (struct session_lane **)in->lane;
    int64_t now = association_now(association);

    /* The peer's own words: so the answer came. But its JOIN may come twice. */
    if (strand->hushed && in->size > 0 && in->data[0] != JOIN_FRAME)
        join_unhush(strand);
    if (in->reset) {
        session_unit_reset(strand->session, lane);
        return;
    }
    batch_open(association->all, in->data, in->size); /* what lies elsewhere does not stay */
    (void)session_unit_received(strand->session, lane, in->data, in->size, in->end, in->early || !strand->secured,
                                in->received_at, now);
    batch_flush(association->all);
}

/* The next piece of a unit, and all fates: its bytes (at least 1), 0: the peer's end, -EAGAIN, or dead. */
ssize_t units_receive(struct strand *strand)
{
    struct layer_unit_in in = {.lane = NULL};
    int r;

    units_take_fates(strand);
    if (strand->dead)
        return -EAGAIN;
    r = strand->top->type->units->receive(strand->top, &in);
    if (r == 0) {
        /* An ended session's words are over: what still comes is read away. */
        if (!strand->association->ended)
            units_take(strand, &in);
        return in.size > 0 ? (ssize_t)in.size : 1;
    }
    if (r == -ENODATA) {
        strand_lost(strand, -HAWSER_ELOST, "the peer closed the connection without ending the line");
        return 0;
    }
    if (r != -EAGAIN)
        units_failed(strand, r);
    return r;
}

/* The strand is given up here, and the peer may have been told already that these units came: so nobody sends them again. */
void units_drain(struct strand *strand)
{
    const hawser_association *association = strand->association;
    struct layer_unit_in in = {.lane = NULL};

    while (strand_carries_units(strand) && !association->ended &&
           strand->top->type->units->receive(strand->top, &in) == 0) {
        units_take(strand, &in);
        in = (struct layer_unit_in){.lane = NULL};
    }
}

/* ------------------------------------------------------------------------------------------------------------ writing */

/* One unit into the layers: its size, 0: there was none, or no room. */
static size_t units_pull(struct strand *strand)
{
    const struct layer_units *units = strand->top->type->units;
    struct session_unit unit;
    size_t capacity = 0;
    uint8_t *buffer;
    bool lossy;
    int r;

    if (!session_unit_wanted(strand->session, &lossy))
        return 0;
    buffer = units->begin(strand->top, lossy, &capacity);
    if (!buffer) {
        strand->blocked = true;
        return 0;
    }
    r = session_unit_pull(strand->session, lossy, buffer, capacity, association_now(strand->association), &unit);
    if (r < 0) {
        strand_lost(strand, r, hawser_strerror(r));
        return 0;
    }
    r = units->send(strand->top, &(struct layer_unit_out){.number = strand->own_units + unit.number,
                                                          .size = unit.size,
                                                          .lossy = lossy,
                                                          .class = unit.class,
                                                          .lifetime = unit.lifetime,
                                                          .resends = unit.resends});
    if (r < 0)
        units_failed(strand, r);
    strand->units_out += unit.size > 0;
    return unit.size;
}

/* As many units as there is room and budget for; false: the budget is used up. */
bool units_write(struct strand *strand, size_t budget)
{
    bool wrote = false, left = true;
    size_t size;
    int r;

    if (strand->hushed)
        return true;
    while (!strand->dead && !strand->blocked && left && (size = units_pull(strand)) > 0) {
        wrote = true;
        left = size < budget;
        budget -= left ? size : budget;
    }
    if (wrote && !strand->dead && (r = strand->top->type->units->flush(strand->top)) < 0 && r != -EAGAIN)
        units_failed(strand, r);
    return left;
}

/* Whether each unit that was given to the layers has its fate. */
bool units_settled(const struct strand *strand)
{
    return strand->units_out == 0;
}

void units_drop(struct strand *strand, uint64_t number)
{
    if (strand->top && !strand->dead)
        strand->top->type->units->drop(strand->top, strand->own_units + number);
}
