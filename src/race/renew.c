/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that are looked up again while their addresses are raced: a peer that moved tells its name so, and that may come a moment
 * after we asked.
 */
#include "race/internal.h"

#define RENEW_MOST 4000000 /* microseconds between two look-ups, at most */

/* An answer without addresses, or none, says nothing of those that we have. */
static void on_answer(void *user, const struct resolve_answer *answer)
{
    struct source *source = user;
    struct establish *e = source->establish;

    if (answer->last)
        source->resolution = NULL;
    if (e->decided)
        return;
    if (answer->found_count > 0)
        source->told = source->round;
    if (gather_answer(source, answer))
        establish_wake(e);
}

static void arm(struct establish *e)
{
    (void)loop_timer_set(e->context, &e->renew, loop_after(establish_now(e), e->renew_after)); /* without memory: not */
    e->renew_after = e->renew_after < RENEW_MOST / 2 ? 2 * e->renew_after : RENEW_MOST;
}

static void on_time(struct loop_timer *timer, int64_t now)
{
    struct establish *e = container_of(timer, struct establish, renew);

    (void)now;
    if (e->decided)
        return;
    for (unsigned i = 0; i < e->source_count; i++) {
        struct source *source = &e->sources[i];
        const struct resolve_config question = gather_question(source, on_answer);

        if (!source->named || source->resolution)
            continue;
        source->round++;
        (void)resolve_start(e->context, &question, &source->resolution); /* else the next time */
    }
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
