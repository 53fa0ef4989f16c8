/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

#define LINE_MAX_SIZE (1u << 20)

const char *const strand_words[] = {"opening", "active", "standby", "suspected", "closed"};

/* One more item of an array that grows; NULL: no memory. */
static void *grow(void *array, size_t *count, size_t *room, size_t size)
{
    void **items = array;

    if (*count == *room) {
        size_t more = *room * 2 + 32;
        void *grown = realloc(*items, more * size);

        if (!grown)
            return NULL;
        *items = grown;
        *room = more;
    }
    memset((char *)*items + *count * size, 0, size);
    return (char *)*items + (*count)++ * size;
}

/* What would not be a time or a count of bytes of this world would not be a place in a picture either. */
static double bounded(double number)
{
    return number > 1e15 ? 1e15 : number < -1e15 ? -1e15 : number;
}

static double number_of(const struct value *data, const char *path)
{
    return bounded(value_number(data, path, 0));
}

static void keep(char **text, const char *new)
{
    if (!*new || (*text && **text))
        return;
    free(*text);
    *text = strdup(new);
}

/* ------------------------------------------------------------------------------------------------------------ strands */

static struct story_strand *strand_of(struct story *story, unsigned association, const struct value *data)
{
    unsigned strand = (unsigned)value_count(data, "strand"), subflow = (unsigned)value_count(data, "subflow");
    struct story_strand *s;

    for (size_t i = 0; i < story->strand_count; i++) {
        s = &story->strands[i];
        if (s->association == association && s->strand == strand && s->subflow == subflow)
            return s;
    }
    if (story->strand_count == STORY_STRANDS) {
        story->strands_left_off++;
        return NULL;
    }
    s = &story->strands[story->strand_count++];
    *s = (struct story_strand){.association = association, .strand = strand, .subflow = subflow};
    return s;
}

static int add_sample(struct story_strand *s, double time, const struct value *data)
{
    struct story_sample *sample = grow(&s->samples, &s->sample_count, &s->sample_room, sizeof(*sample));

    if (!sample)
        return -ENOMEM;
    *sample = (struct story_sample){
        .time = time,
        .sent = number_of(data, "bytes_sent"),
        .received = number_of(data, "bytes_received"),
        .rtt_us = number_of(data, "rtt_us"),
        .queued = number_of(data, "queued"),
        .in_flight = number_of(data, "in_flight"),
    };
    return 0;
}

static int add_state(struct story_strand *s, double time, const char *word, const char *reason)
{
    struct story_state *last = s->state_count ? &s->states[s->state_count - 1] : NULL, *state;
    enum strand_word is = WORD_OPENING;

    while (is <= WORD_CLOSED && strcmp(strand_words[is], word) != 0)
        is++;
    if (is > WORD_CLOSED || (last && last->word == is && !*reason))
        return 0;
    if (last && last->word == is) { /* the same again, with its reason */
        keep(&last->reason, reason);
        return 0;
    }
    state = grow(&s->states, &s->state_count, &s->state_room, sizeof(*state));
    if (!state)
        return -ENOMEM;
    state->time = time;
    state->word = is;
    state->reason = strdup(reason);
    return state->reason ? 0 : -ENOMEM;
}

static int on_strand(struct story *story, double time, unsigned association, const struct value *data)
{
    struct story_strand *s = strand_of(story, association, data);
    const char *what = value_text(data, "what", "");
    int r;

    if (!s)
        return 0;
    keep(&s->stack, value_text(data, "stack", ""));
    keep(&s->interface, value_text(data, "path.interface", ""));
    keep(&s->local, value_text(data, "path.local", ""));
    keep(&s->remote, value_text(data, "path.remote", ""));
    r = add_sample(s, time, data);
    return r < 0 ? r
                 : add_state(s, time, strcmp(what, "opened") == 0 ? "opening" : what, value_text(data, "reason", ""));
}

static int on_sample(struct story *story, double time, unsigned association, const struct value *data)
{
    struct story_strand *s = strand_of(story, association, data);
    int r = s ? add_sample(s, time, data) : 0;

    return r < 0 || !s ? r : add_state(s, time, value_text(data, "state", ""), "");
}

/* ----------------------------------------------------------------------------------------------------------- messages */

static int on_messages(struct story *story, double time, unsigned association, const struct value *data)
{
    static const char *const kinds[] = {"sent", "received", "acked", "expired", "failed"};
    struct story_runs *const lists[] = {&story->sent, &story->received, &story->acked, &story->expired, &story->failed};
    const char *what = value_text(data, "what", "");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct story_run *run;

        if (strcmp(kinds[i], what) != 0)
            continue;
        run = grow(&lists[i]->items, &lists[i]->count, &lists[i]->room, sizeof(*run));
        if (!run)
            return -ENOMEM;
        *run = (struct story_run){
            .begin = time,
            .end = fmax(time, bounded(value_number(data, "until", time))),
            .count = number_of(data, "count"),
            .bytes = number_of(data, "bytes"),
            .association = association,
            .strand = (unsigned)value_count(data, "strand"),
        };
        lists[i]->messages += run->count;
    }
    return 0;
}

static struct story_line *line_of(struct story *story, unsigned association)
{
    struct story_line *line;

    for (size_t i = 0; i < story->line_count; i++)
        if (story->lines[i].association == association)
            return &story->lines[i];
    line = grow(&story->lines, &story->line_count, &story->line_room, sizeof(*line));
    if (line)
        *line = (struct story_line){.association = association, .time = story->begin, .waiting_since = -1};
    return line;
}

static int add_wait(struct story *story, struct story_line *line, double end)
{
    struct story_run *wait;

    if (line->waiting_since < 0)
        return 0;
    wait = grow(&story->waits, &story->wait_count, &story->wait_room, sizeof(*wait));
    if (!wait)
        return -ENOMEM;
    *wait = (struct story_run){.begin = line->waiting_since, .end = end, .association = line->association};
    line->waiting_since = -1;
    return 0;
}

static int on_statistics(struct story *story, double time, unsigned association, const struct value *data)
{
    struct story_line *line = line_of(story, association);
    double stalls = number_of(data, "stalls"), stalled = number_of(data, "stalled_us");
    bool waits = number_of(data, "queued_messages") > 0;
    int r = 0;

    if (!line)
        return -ENOMEM;
    if (stalls > line->stalls || stalled > line->stalled_us) {
        struct story_stall *stall = grow(&story->stalls, &story->stall_count, &story->stall_room, sizeof(*stall));

        if (!stall)
            return -ENOMEM;
        *stall = (struct story_stall){line->time, time, stalls - line->stalls, stalled - line->stalled_us};
    }
    line->stalls = stalls;
    line->stalled_us = stalled;
    line->time = time;
    if (waits && line->waiting_since < 0)
        line->waiting_since = time;
    else if (!waits)
        r = add_wait(story, line, time);
    return r;
}

/* ------------------------------------------------------------------------------------------------------------ the rest */

static int on_association(struct story *story, const struct value *data)
{
    if (value_is(data, "what", "established"))
        keep(&story->peer, value_text(data, "peer.name", ""));
    return 0;
}

static int add_mark(struct story *story, double time, const char *format, const char *a, const char *b)
{
    struct story_mark *mark = grow(&story->marks, &story->mark_count, &story->mark_room, sizeof(*mark));
    char text[300];

    if (!mark)
        return -ENOMEM;
    snprintf(text, sizeof(text), format, a, b);
    mark->time = time;
    mark->text = strdup(text);
    return mark->text ? 0 : -ENOMEM;
}

static int on_other(struct story *story, double time, const char *name, const struct value *data)
{
    if (strcmp(name, "hawser:told") == 0)
        return add_mark(story, time, "%s: %s", value_text(data, "what", "told"), value_text(data, "address", ""));
    if (strcmp(name, "hawser:join") == 0)
        return add_mark(story, time, "join %s: %s", value_text(data, "what", ""), value_text(data, "reason", ""));
    return 0;
}

static int on_record(struct story *story, const struct value *record)
{
    const struct value *data = value_at(record, "data");
    const char *name = value_text(record, "name", "");
    unsigned association = (unsigned)value_count(record, "association");
    double time = bounded(value_number(record, "time", NAN));

    if (strcmp(name, "hawser:dropped") == 0) {
        story->dropped += number_of(data, "records");
        return 0;
    }
    if (!data || isnan(time) || (story->association && association != story->association))
        return 0;
    if (association > story->associations)
        story->associations = association;
    if (strcmp(name, "hawser:association") != 0 || story->strand_count) {
        story->begin = isnan(story->begin) ? time : fmin(story->begin, time);
        story->end = isnan(story->end) ? time : fmax(story->end, time);
    }
    if (strcmp(name, "hawser:strand") == 0)
        return on_strand(story, time, association, data);
    if (strcmp(name, "hawser:sample") == 0)
        return on_sample(story, time, association, data);
    if (strcmp(name, "hawser:messages") == 0)
        return on_messages(story, time, association, data);
    if (strcmp(name, "hawser:statistics") == 0)
        return on_statistics(story, time, association, data);
    if (strcmp(name, "hawser:association") == 0)
        return on_association(story, data);
    return on_other(story, time, name, data);
}

static bool on_head(struct story *story, const struct value *head)
{
    if (!value_is(head, "file_schema", "urn:hawser:trace:1"))
        return false;
    story->title = strdup(value_text(head, "title", ""));
    story->wall_clock = strdup(value_text(head, "trace.common_fields.reference_time.wall_clock_time", ""));
    return story->title && story->wall_clock;
}

/* A line that a killed program did not finish is no reason to refuse the others. */
int story_read(FILE *file, unsigned association, struct story *ret_story)
{
    struct story story = {.association = association, .begin = NAN, .end = NAN};
    char *line = NULL;
    size_t room = 0, lines = 0;
    ssize_t size;
    int r = 0;

    errno = 0;
    while (r == 0 && (size = getline(&line, &room, file)) > 0) {
        struct value *value = size < LINE_MAX_SIZE ? value_read(line, (size_t)size) : NULL;

        if (lines++ == 0)
            r = value && on_head(&story, value) ? 0 : -EBADMSG;
        else if (value)
            r = on_record(&story, value);
        else
            story.bad_lines++;
        value_free(value);
    }
    if (r == 0 && ferror(file)) /* it is not the whole trace */
        r = errno ? -errno : -EIO;
    if (r == 0 && lines == 0)
        r = -EBADMSG;
    for (size_t i = 0; r == 0 && i < story.line_count; i++)
        r = add_wait(&story, &story.lines[i], story.end);
    free(line);
    if (r < 0)
        story_free(&story);
    else
        *ret_story = story;
    return r;
}

static void free_strand(struct story_strand *s)
{
    for (size_t i = 0; i < s->state_count; i++)
        free(s->states[i].reason);
    free(s->states);
    free(s->samples);
    free(s->stack);
    free(s->interface);
    free(s->local);
    free(s->remote);
}

void story_free(struct story *story)
{
    for (size_t i = 0; i < story->strand_count; i++)
        free_strand(&story->strands[i]);
    for (size_t i = 0; i < story->mark_count; i++)
        free(story->marks[i].text);
    free(story->marks);
    free(story->stalls);
    free(story->waits);
    free(story->lines);
    free(story->sent.items);
    free(story->received.items);
    free(story->acked.items);
    free(story->expired.items);
    free(story->failed.items);
    free(story->title);
    free(story->wall_clock);
    free(story->peer);
}
