/* SPDX-License-Identifier: Apache-2.0 */
/* `pingpong`, `growth`, `idle` and `setup`: what goes in round trips. */
#include <stdlib.h>

#include "bench_client.h"

/* ---------------------------------------------------------------------------------------------------------- pingpong */

static void ask(struct bench_client *c)
{
    if (bench_pace_next(&c->pace))
        bench_echo(&c->lines[0]);
    else if (c->measuring)
        bench_window_close(c);
    else
        bench_window_open(c, ask);
}

static void on_pong(struct bench_line *line)
{
    struct bench_client *c = line->client;

    if (c->measuring) {
        bench_sample(c->bench, bench_now_ns() - line->asked_ns);
        c->counted++;
    }
    ask(c);
}

void bench_pingpong(struct bench_client *c)
{
    c->lines[0].on_reply = on_pong;
    bench_pace_start(&c->pace, c->bench->warm, 0, c->bench->size);
    ask(c);
}

/* ------------------------------------------------------------------------------------------------------------ growth */

static struct bench_line *whose_turn(struct bench_client *c)
{
    size_t count = c->bench->connections;

    for (size_t i = 0; i < count; i++) {
        struct bench_line *line = &c->lines[(c->next + i) % count];

        if (!line->busy) {
            c->next = (c->next + i + 1) % count;
            return line;
        }
    }
    return NULL;
}

static void go_round(struct bench_client *c)
{
    struct bench_line *line;

    while (c->outstanding < BENCH_IN_FLIGHT && (line = whose_turn(c)) && bench_pace_next(&c->pace)) {
        c->outstanding++;
        bench_echo(line);
    }
    if (c->outstanding > 0)
        return;
    if (c->measuring)
        bench_window_close(c);
    else
        bench_window_open(c, go_round);
}

static void on_round(struct bench_line *line)
{
    struct bench_client *c = line->client;

    line->busy = false;
    c->outstanding--;
    c->counted++;
    go_round(c);
}

static void grow(struct bench_line *line);

static void open_next(struct bench_client *c)
{
    struct bench_line *line;

    if (c->opened == c->bench->connections) {
        for (size_t i = 0; i < c->opened; i++)
            c->lines[i].on_reply = on_round;
        bench_pace_start(&c->pace, c->bench->warm, 0, c->bench->size);
        go_round(c);
        return;
    }
    line = &c->lines[c->opened];
    line->on_established = grow;
    bench_line_open(c, line);
}

static void grow(struct bench_line *line)
{
    line->client->opened++;
    open_next(line->client);
}

void bench_growth(struct bench_client *c)
{
    open_next(c);
}

/* -------------------------------------------------------------------------------------------------------------- idle */

static void next_idle(struct bench_client *c);

static void idle_established(struct bench_line *line)
{
    bench_echo(line);
}

static void idle_replied(struct bench_line *line)
{
    struct bench_client *c = line->client;
    size_t first = c->bench->connections / 50;

    if (c->measuring)
        c->counted++;
    if (line != &c->lines[0])
        c->opened++;
    if (!c->measuring && c->opened == (first > 0 ? first : 1))
        bench_window_open(c, next_idle);
    else
        next_idle(c);
}

static void next_idle(struct bench_client *c)
{
    struct bench_line *line;

    if (c->opened == c->bench->connections) {
        bench_window_close(c);
        return;
    }
    line = &c->lines[c->opened];
    line->on_established = idle_established;
    line->on_reply = idle_replied;
    bench_line_open(c, line);
}

void bench_idle(struct bench_client *c)
{
    c->lines[0].on_reply = idle_replied;
    bench_echo(&c->lines[0]);
}

/* ------------------------------------------------------------------------------------------------------------- setup */

static void set_up(struct bench_client *c);

static void setup_closed(struct bench_line *line)
{
    struct bench_client *c = line->client;

    hawser_association_unref(line->association);
    line->association = NULL;
    if (c->measuring) {
        c->counted++;
        c->bench->resumed_setups += line->resumed;
    }
    set_up(c);
}

static void setup_replied(struct bench_line *line)
{
    hawser_close(line->association, 0, NULL);
}

static void set_up(struct bench_client *c)
{
    struct bench_line *line = &c->lines[1];

    if (!bench_pace_next(&c->pace)) {
        if (c->measuring)
            bench_window_close(c);
        else
            bench_window_open(c, set_up);
        return;
    }
    line->on_established = idle_established;
    line->on_reply = setup_replied;
    line->on_closed = setup_closed;
    bench_line_open(c, line);
}

void bench_setup(struct bench_client *c)
{
    bench_pace_start(&c->pace, c->bench->warm, 0, c->bench->size);
    set_up(c);
}
