/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated time, and a run from a seed to its verdict. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define EVENTS_MOST 40000000
#define INSTANT_MOST 200000       /* events at one instant */
#define STILL_MOST (600 * SECOND) /* nothing said, delivered or settled for so long is a deadlock */

/* ---- time */

static bool sooner(const struct event *a, const struct event *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

void sim_schedule(struct sim *sim, int64_t time, event_fn fn, void *object, uint64_t number)
{
    if (sim->event_count == sim->event_capacity) {
        sim->event_capacity = sim->event_capacity ? 2 * sim->event_capacity : 256;
        sim->events = realloc(sim->events, sim->event_capacity * sizeof *sim->events);
        if (!sim->events)
            abort();
    }
    struct event event = {.time = time < sim->now ? sim->now : time,
                          .order = sim->event_order++,
                          .fn = fn,
                          .object = object,
                          .number = number};
    size_t i = sim->event_count++;
    while (i > 0 && sooner(&event, &sim->events[(i - 1) / 2])) {
        sim->events[i] = sim->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->events[i] = event;
}

static struct event next_event(struct sim *sim)
{
    struct event first = sim->events[0], last = sim->events[--sim->event_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sim->event_count)
            break;
        if (child + 1 < sim->event_count && sooner(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!sooner(&sim->events[child], &last))
            break;
        sim->events[i] = sim->events[child];
        i = child;
    }
    sim->events[i] = last;
    return first;
}

/* ---- words */

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    int n = snprintf(sim->failure, sizeof sim->failure, "at %.6f s: ", (double)sim->now / SECOND);
    vsnprintf(sim->failure + n, sizeof sim->failure - (size_t)n, format, arguments);
    va_end(arguments);
    sim->failed = true;
    if (sim->verbose)
        printf("FAILED %s\n", sim->failure);
}

void sim_log(struct sim *sim, const struct side *side, const char *format, ...)
{
    if (!sim->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f %c ", (double)sim->now / SECOND, side ? "AB"[side->index] : '-');
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

static void dump_side(const struct side *side)
{
    struct session_statistics s = {0};
    if (side->session)
        session_get_statistics(side->session, &s);
    printf("  %c: %zu messages, %" PRIu64 " without outcome; queued %" PRIu64 " (%" PRIu64 " bytes), held %" PRIu64
           ", reserved %" PRIu64 ", due in %.6f s, %u in parts, %u actions left%s%s%s%s%s\n",
           "AB"[side->index], side -> message_count, side -> unended, s.queued_messages, s.queued_bytes, s.held_bytes,
           s.reserved_bytes, side->session ? (double)(session_due(side->session) - side_clock(side)) / SECOND : 0.0,
           side->parts_open, side->actions_left, side->ended ? ", ended" : "", side->paused ? ", paused" : "",
           side->close_called ? ", closing" : "", side->done_sending ? ", has sent all" : "",
           side->wants_writable ? ", waits for room" : "");
    for (size_t i = 0; i < side->message_count; i++) {
        const struct message *m = side->messages[i];
        if (!m->ended)
            printf("    message %" PRIu64 ": %" PRIu64 " bytes, given %" PRIu64
                   "%s%s%s%s, niceness %d, lifetime %.3f s%s%s%s\n",
                   m->id, m->size, m->given, m->parts ? ", parts" : "", m->source ? ", source" : "",
                   m->given_all ? ", all given" : "", m->cancelled ? ", cancelled" : "", m->niceness,
                   (double)m->lifetime / SECOND, m->arriving_told ? ", arriving" : "",
                   m->delivered ? ", delivered" : "", m->refused ? ", refused" : "");
    }
}

void sim_dump(struct sim *sim)
{
    for (unsigned i = 0; i < SIDES; i++)
        dump_side(&sim->sides[i]);
    for (unsigned i = 0; i < sim->links_made; i++) {
        const struct link *link = &sim->links[i];
        printf("  strand %u:%s added %d%d lost %d%d", i, link->dead ? " dead," : "", link->added[0], link->added[1],
               link->lost[0], link->lost[1]);
        for (unsigned s = 0; s < SIDES; s++)
            printf(" | %c: queued %zu, bulk %zu, in flight %s, wants pull %d", "AB"[s], link -> pipes[s].queued,
                   link->pipes[s].bulk_left, link->pipes[s].first ? "yes" : "no",
                   link_alive(link, &sim->sides[s]) && !sim->sides[s].ended && session_wants_pull(link->strand[s]));
        putchar('\n');
    }
    for (size_t i = 0; i < sim->stream_count; i++) {
        const struct stream *s = &sim->streams[i];
        if (s->closed[0] && s->closed[1])
            continue;
        printf("  stream %" PRIu64 ": closed %d%d reset %d", s->id, s->closed[0], s->closed[1], s->reset);
        for (unsigned d = 0; d < SIDES; d++)
            printf(" | %c wrote %" PRIu64 ", of it read %" PRIu64 "%s%s", "AB"[d], s -> direction[d].written,
                   s->direction[d].read, s->direction[d].shut ? ", shut" : "", s->direction[d].ended ? ", ended" : "");
        putchar('\n');
    }
}

/* ---- a run */

void sim_init(struct sim *sim, bool verbose)
{
    bool kept = sim->random_program;
    struct plan plan = sim->plan;
    *sim = (struct sim){.plan = plan, .verbose = verbose, .random_program = kept};
    rng_seed(&sim->rng, plan.seed ^ UINT64_C(0x5157));
    for (unsigned i = 0; i < SIDES; i++) {
        struct side *side = &sim->sides[i];
        side->sim = sim;
        side->index = i;
        side->plan = &sim->plan.sides[i];
        rng_seed(&side->rng, plan.seed * 2 + i);
        account_init(&side->account, sim, plan.seed * 2 + i);
    }
}

int sim_start(struct sim *sim)
{
    for (unsigned i = 0; i < SIDES; i++) {
        int r = side_start(&sim->sides[i]);
        if (r < 0)
            return r;
    }
    link_schedule(sim, 0);
    return 0;
}

bool sim_over(struct sim *sim)
{
    return sim->sides[0].left && sim->sides[1].left;
}

void sim_run(struct sim *sim, int64_t until, bool (*finished)(struct sim *sim))
{
    while (!sim->failed && !finished(sim)) {
        if (sim->event_count == 0 || sim->events[0].time > until)
            return;
        struct event event = next_event(sim);
        sim->instant_events = event.time == sim->now ? sim->instant_events + 1 : 0;
        sim->now = event.time;
        if (sim->instant_events > INSTANT_MOST) {
            sim_fail(sim, "it does not come to rest: %d events at one instant", INSTANT_MOST);
            return;
        }
        if (++sim->events_run > EVENTS_MOST) {
            sim_fail(sim, "it does not come to an end: %d events", EVENTS_MOST);
            return;
        }
        event.fn(sim, event.object, event.number);
    }
}

static bool over_or_stuck(struct sim *sim)
{
    return sim_over(sim) || sim->now - sim->progress_at > STILL_MOST;
}

void sim_free(struct sim *sim)
{
    for (unsigned i = 0; i < SIDES; i++)
        side_free(&sim->sides[i]);
    for (unsigned i = 0; i < sim->links_made; i++)
        link_free(&sim->links[i]);
    free(sim->streams);
    free(sim->events);
}

static void count(const struct sim *sim, struct tally *tally)
{
    for (unsigned i = 0; i < SIDES; i++) {
        const struct side *side = &sim->sides[i];
        tally->messages += side->message_count;
        for (size_t m = 0; m < side->message_count; m++) {
            tally->delivered += side->messages[m]->delivered;
            tally->bytes += side->messages[m]->delivered ? side->messages[m]->size : 0;
        }
    }
    for (size_t i = 0; i < sim->stream_count; i++)
        tally->bytes += sim->streams[i].direction[0].read + sim->streams[i].direction[1].read;
    tally->streams += sim->stream_count;
    for (unsigned i = 0; i < sim->links_made; i++)
        tally->strands_died += sim->links[i].dead;
    tally->simulated += (uint64_t)sim->now;
}

bool sim_seed(uint64_t seed, bool verbose, struct tally *tally, char *ret_failure, size_t failure_size)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        abort();
    plan_make(&sim->plan, seed);
    sim->random_program = true;
    sim_init(sim, verbose);
    if (sim_start(sim) < 0)
        sim_fail(sim, "a session could not be made");
    sim_run(sim, INT64_MAX, over_or_stuck);
    if (!sim->failed && !sim_over(sim))
        sim_fail(sim, "deadlock: %s since %.3f s", sim->event_count ? "no progress" : "nothing is left to happen",
                 (double)sim->progress_at / SECOND);
    if (!sim->failed)
        check_end(sim);
    if (sim->failed && verbose)
        sim_dump(sim);
    bool held = !sim->failed;
    count(sim, tally);
    sim_free(sim);
    if (held && sim->failed)
        held = false; /* a leak, or memory released twice */
    snprintf(ret_failure, failure_size, "%s", sim->failure);
    if (held && verbose)
        printf("passed: %" PRIu64 " events, %.3f s of simulated time\n", sim->events_run, (double)sim->now / SECOND);
    free(sim);
    return held;
}
