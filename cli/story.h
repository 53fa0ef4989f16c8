/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace tells (docs/trace.md), as series over time: what plot_svg.c draws. */
#ifndef CLI_STORY_H
#define CLI_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STORY_STRANDS 64 /* strands and subflows that are told apart */

enum strand_word { WORD_OPENING, WORD_ACTIVE, WORD_STANDBY, WORD_SUSPECTED, WORD_CLOSED };

struct story_sample {
    double time; /* milliseconds, as all times here */
    double sent, received, rtt_us, queued, in_flight;
};

struct story_state {
    double time;
    enum strand_word word;
    char *reason; /* "" */
};

struct story_strand {
    unsigned association, strand, subflow;
    char *stack, *interface, *local, *remote;
    struct story_sample *samples;
    size_t sample_count, sample_room;
    struct story_state *states;
    size_t state_count, state_room;
};

/* Messages of a kind that follow each other. */
struct story_run {
    double begin, end;
    double count, bytes;
    unsigned association, strand; /* strand 0: not known */
};

struct story_runs {
    struct story_run *items;
    size_t count, room;
    double messages; /* all of them together */
};

/* Of an association, at a sample: what grew since the one before. */
struct story_stall {
    double begin, end; /* it was noticed between */
    double count, time_us;
};

struct story_line { /* the last statistics of an association */
    unsigned association;
    double time, stalls, stalled_us;
    double waiting_since; /* negative: no message waits for its outcome */
};

struct story_mark { /* something told in a word: an address, a join */
    double time;
    char *text;
};

struct story {
    char *title, *wall_clock;
    double begin, end;    /* from the first strand on */
    unsigned association; /* the only one that counts; 0: all */
    unsigned associations;
    char *peer;
    struct story_strand strands[STORY_STRANDS];
    size_t strand_count, strands_left_off;
    struct story_runs sent, received, acked, expired, failed;
    struct story_stall *stalls;
    size_t stall_count, stall_room;
    struct story_mark *marks;
    size_t mark_count, mark_room;
    double dropped; /* records that the trace says were lost */
    size_t bad_lines;
    struct story_run *waits; /* when messages of ours waited for their outcomes */
    size_t wait_count, wait_room;
    struct story_line *lines; /* while it is read: of each association */
    size_t line_count, line_room;
};

/* association: the one that counts, 0: all. -EBADMSG: this is no trace; -ENOMEM */
int story_read(FILE *file, unsigned association, struct story *ret_story);
void story_free(struct story *story);

extern const char *const strand_words[]; /* as traces have them: "opening", "active", ... */

#endif
