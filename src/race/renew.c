/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that are looked up again while their addresses are raced: a peer that moved tells its name so, and that may come a moment
 * after we asked.
 */
#include "race/internal.h"

#define RENEW_MOST 4000000 /* microseconds between two look-ups, at most */
#define MULTICAST_LEAST 1000000

/* An answer without addresses, or none, says nothing of those that we have. */
static void on_answer(void *user, const struct resolve_answer *answer)
{
    struct source *source = user;
    struct establish *e = source->establish;

    source->heard |= answer->found_count > 0;
    if (answer->last) {
        source->resolution = NULL;
        if (source->heard)
            source->told = source->round;
    }
    if (!e->decided && gather_answer(source, answer))
        establish_wake(e);
}

/* Who asks by multicast asks once a second at most (RFC 6762 section 5.2). */
static bool is_due(const struct source *source, int64_t now)
{
    return source->named && !source->resolution &&
           (!name_is_local(source->host) || now - source->asked_at >= MULTICAST_LEAST);
}

static void ask(struct establish *e, struct source *source, int64_t now)
{
    struct resolve_config question = gather_question(source, on_answer);

    if (question.timeout_us <= 0 || question.timeout_us > RENEW_MOST)
        question.timeout_us = RENEW_MOST; /* it shall not keep others from being asked */
    source->round++;
    source->heard = false;
    source->asked_at = now;
    (void)resolve_start(e->context, &question, &source->resolution); /* else the next time */
}

static void arm(struct establish *e)
{
    (void)loop_timer_set(e->context, &e->renew, loop_after(establish_now(e), e->renew_after)); /* without memory: not */
    e->renew_after = e->renew_after < RENEW_MOST / 2 ? 2 * e->renew_after : RENEW_MOST;
}

static void on_time(struct loop_timer *timer, int64_t now)
{
    struct establish *e = container_of(timer, struct establish, renew);

    if (e->decided)
        return;
    for (unsigned i = 0; i < e->source_count; i++)
        if (is_due(&e->sources[i], now))
            ask(e, &e->sources[i], now);
    arm(e);
}

void renew_init(struct establish *e)
{
    loop_timer_init(&e->renew, on_time);
}

void renew_begin(struct establish *e)
{
    e->renew_after = e->config.renew;
    if (e->renew_after > 0)
        arm(e);
}

void renew_end(struct establish *e)
{
    loop_timer_clear(e->context, &e->renew);
}
