/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order messages leave on a bare association. The wire has one order, so antecedents and `ordered` are kept by
 * it; within that the least nice goes first, and among equals the oldest. What others wait for is as urgent as they are.
 */
#include "association/bare_line.h"

void order_init(struct bare *bare)
{
    for (size_t i = 0; i < BARE_CLASSES; i++)
        list_init(&bare->classes[i]);
    list_init(&bare->waiting);
    list_init(&bare->passed);
    list_init(&bare->ended);
}

static void class_note(struct bare *bare, uint8_t class)
{
    uint64_t bit = UINT64_C(1) << (class % 64);

    if (list_empty(&bare->classes[class]))
        bare->filled[class / 64] &= ~bit;
    else
        bare->filled[class / 64] |= bit;
}

static void class_remove(struct bare *bare, struct out *out)
{
    list_remove(&out->link);
    if (out->state == OUT_READY)
        class_note(bare, out->class);
}

/* Something of it can be sent: a message in parts has some. */
static bool is_ripe(const struct out *out)
{
    if (out->blockers > 0 || out->cancelled || heap_contains(&out->start))
        return false;
    return !out->parts || out->complete || (out->got > 0 && !out->gather);
}

void order_ready(struct bare *bare, struct out *out)
{
    if (out->state > OUT_READY || !is_ripe(out))
        return;
    class_remove(bare, out);
    out->state = OUT_READY;
    list_append(&bare->classes[out->class], &out->link);
    class_note(bare, out->class);
}

void order_wait(struct bare *bare, struct out *out)
{
    class_remove(bare, out);
    out->state = OUT_WAITING;
    list_append(&bare->waiting, &out->link);
}

void order_renice(struct bare *bare, struct out *out, uint8_t class)
{
    if (out->state > OUT_READY || out->class == class)
        return;
    class_remove(bare, out);
    out->class = class;
    list_append(out->state == OUT_READY ? &bare->classes[class] : &bare->waiting, &out->link);
    if (out->state == OUT_READY)
        class_note(bare, class);
}

/* ------------------------------------------------------------------------------------------------------- antecedents */

/* An urgent message does not wait behind what its antecedents would wait behind. Chains may be long: no recursion. */
static void raise_antecedents(struct bare *bare, struct out *out)
{
    struct out *stack[64];
    size_t depth = 0;

    stack[depth++] = out;
    while (depth > 0) {
        struct out *from = stack[--depth];

        for (uint32_t i = 0; i < from->edge_count; i++) {
            struct out *antecedent = from->edges[i].antecedent;

            if (!list_linked(&from->edges[i].link) || antecedent->class <= out->class)
                continue;
            order_renice(bare, antecedent, out->class);
            if (antecedent->edge_count > 0 && depth < sizeof stack / sizeof *stack)
                stack[depth++] = antecedent;
        }
    }
}

static void edge_set(struct out *waiter, struct out *antecedent, bool implied)
{
    struct edge *edge = &waiter->edges[waiter->edge_count++];

    edge->waiter = waiter;
    edge->antecedent = antecedent;
    edge->antecedent_id = antecedent->id;
    edge->implied = implied;
    list_init(&edge->link);
    list_append(&antecedent->dependents, &edge->link);
    waiter->blockers++;
}

static bool still_here(const struct out *out)
{
    return out && out->state < OUT_PASSED;
}

int order_add(struct bare *bare, struct out *out, const struct session_send *send)
{
    struct out *chained = out->ordered && bare->last_ordered ? out_find(bare, bare->last_ordered) : NULL;
    size_t most = send->antecedent_count + 1;

    out->state = OUT_WAITING;
    list_append(&bare->waiting, &out->link);
    if (send->antecedent_count || still_here(chained)) {
        out->edges = calloc(most, sizeof *out->edges);
        if (!out->edges) {
            list_remove(&out->link);
            return -ENOMEM;
        }
        for (size_t i = 0; i < send->antecedent_count; i++) {
            struct out *antecedent = out_find(bare, send->antecedents[i]);

            if (still_here(antecedent))
                edge_set(out, antecedent, false);
        }
        if (still_here(chained))
            edge_set(out, chained, true);
        raise_antecedents(bare, out);
    }
    order_ready(bare, out);
    return 0;
}

void order_passed(struct bare *bare, struct out *out)
{
    while (!list_empty(&out->dependents)) {
        struct edge *edge = list_first(&out->dependents, struct edge, link);

        list_remove(&edge->link);
        edge->waiter->blockers--;
        order_ready(bare, edge->waiter);
    }
}

void order_leave(struct bare *bare, struct out *out)
{
    class_remove(bare, out);
    heap_remove(&bare->expiries, &out->expiry);
    heap_remove(&bare->starts, &out->start);
    for (uint32_t i = 0; i < out->edge_count; i++)
        if (list_linked(&out->edges[i].link))
            list_remove(&out->edges[i].link);
    out->edge_count = out->blockers = 0;
    free(out->edges);
    out->edges = NULL;
}

/* The program's last message leaves when nothing else is left, whatever its niceness. */
struct out *order_next(struct bare *bare)
{
    for (size_t i = 0; i < BARE_CLASSES / 64; i++) {
        uint64_t bits = bare->filled[i];

        while (bits) {
            struct list *class = &bare->classes[i * 64 + (size_t)__builtin_ctzll(bits)];
            struct out *out = list_first(class, struct out, link);

            if (out != bare->final)
                return out;
            if (out->link.next != class)
                return container_of(out->link.next, struct out, link);
            bits &= bits - 1;
        }
    }
    if (bare->final && bare->final->state == OUT_READY && list_empty(&bare->waiting))
        return bare->final;
    return NULL;
}
