/* SPDX-License-Identifier: Apache-2.0 */
#include "top_table.h"

#include <stdlib.h>
#include <string.h>

#include "units.h"

enum { COLUMNS = 10, CELL = 64, KEY = 160, NAME = 24 }; /* the last is empty, so that none is wrapped */

struct row {
    char cells[COLUMNS][CELL];
};

/* ------------------------------------------------------------------------------------------------------------- memory */

static struct top_known *known_of(const struct top_memory *memory, const char *key)
{
    for (size_t i = 0; i < memory->count; i++)
        if (strcmp(memory->items[i].key, key) == 0)
            return &memory->items[i];
    return NULL;
}

static void remember(struct top_memory *memory, const char *key, double sent, double received)
{
    struct top_known *known;

    if (memory->count == memory->room) {
        size_t room = memory->room * 2 + 32;
        struct top_known *items = realloc(memory->items, room * sizeof(*items));

        if (!items)
            return;
        memory->items = items;
        memory->room = room;
    }
    known = &memory->items[memory->count];
    *known = (struct top_known){strdup(key), sent, received, clock_us()};
    if (known->key)
        memory->count++;
}

void top_forget(struct top_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++)
        free(memory->items[i].key);
    free(memory->items);
    *memory = (struct top_memory){.items = NULL};
}

/* ---------------------------------------------------------------------------------------------------------------- rows */

struct printing {
    struct table *table;
    const struct top_memory *before;
    struct top_memory *now;
    const struct asked *asked;
    size_t associations;
    double sent, received; /* bytes a second, of all */
    bool rates;
};

static void brief_size(double bytes, char text[CELL])
{
    char size[UNIT_TEXT_SIZE];

    snprintf(text, CELL, "%s", format_size(bytes > 0 ? (uint64_t)bytes : 0, size));
}

/* How fast, where there was a look before; else nothing. */
static bool rates_of(struct printing *p, const char *key, double sent, double received, double *ret_sent,
                     double *ret_received)
{
    const struct top_known *before = known_of(p->before, key);
    double seconds = before ? (double)(clock_us() - before->at_us) / 1e6 : 0;

    remember(p->now, key, sent, received);
    if (seconds < 0.01 || sent < before->sent || received < before->received)
        return false;
    *ret_sent = (sent - before->sent) / seconds;
    *ret_received = (received - before->received) / seconds;
    return true;
}

static void put_rates(struct printing *p, struct row *row, const char *key, double sent, double received, bool sum)
{
    double out, in;

    if (!rates_of(p, key, sent, received, &out, &in))
        return;
    brief_size(out, row->cells[6]);
    brief_size(in, row->cells[7]);
    p->rates = true;
    if (sum) {
        p->sent += out;
        p->received += in;
    }
}

static void put_row(struct printing *p, const struct row *row)
{
    const char *cells[COLUMNS];

    for (int i = 0; i < COLUMNS; i++)
        cells[i] = row->cells[i];
    table_add(p->table, cells);
}

static bool goes_on(char c) /* a character of UTF-8 */
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What does not fit is cut off, between two characters. */
static void put_text(char cell[CELL], const struct value *value, const char *path)
{
    const char *text = value_text(value, path, "");
    size_t size = strlen(text) < CELL ? strlen(text) : CELL - 1;

    while (size > 0 && goes_on(text[size]))
        size--;
    snprintf(cell, CELL, "%.*s", (int)size, text);
}

/* A name is cut in its middle: of a key its beginning tells, of a host its end too. */
static void put_name(char text[CELL], const char *indent, const char *name)
{
    size_t length = strlen(name), head = NAME / 2, tail = NAME / 2 - 2;

    if (length <= NAME) {
        snprintf(text, CELL, "%s%s", indent, name);
        return;
    }
    while (head > 0 && goes_on(name[head]))
        head--;
    while (tail > 0 && goes_on(name[length - tail]))
        tail--;
    snprintf(text, CELL, "%s%.*s..%s", indent, (int)head, name, name + length - tail);
}

static void put_strand(struct printing *p, const struct value *strand, const char *association)
{
    struct row row = {.cells = {""}};
    uint64_t subflow = value_count(strand, "subflow");
    double lost = value_number(strand, "loss_ppm", -1);
    char key[KEY + 48], rtt[BRIEF_SIZE];

    snprintf(key, sizeof(key), "%s/%llu/%llu", association, (unsigned long long)value_count(strand, "strand"),
             (unsigned long long)subflow);
    snprintf(row.cells[0], CELL, subflow ? "    %llu/%llu" : "    %llu",
             (unsigned long long)value_count(strand, "strand"), (unsigned long long)subflow);
    put_text(row.cells[1], strand, "state");
    put_text(row.cells[2], strand, "stack");
    put_text(row.cells[3], strand, "path.interface");
    if (value_number(strand, "rtt_us", 0) > 0)
        snprintf(row.cells[4], CELL, "%s", format_brief((int64_t)value_count(strand, "rtt_us"), rtt));
    if (lost > 0)
        snprintf(row.cells[5], CELL, "%.2f %%", lost / 1e4);
    put_rates(p, &row, key, value_number(strand, "bytes_sent", 0), value_number(strand, "bytes_received", 0), true);
    brief_size(value_number(strand, "queued", 0) + value_number(strand, "in_flight", 0), row.cells[8]);
    put_row(p, &row);
}

static void put_association(struct printing *p, const struct value *association)
{
    struct row row = {.cells = {""}};
    const char *name = value_text(association, "peer.name", "");
    bool listens = value_is(association, "role", "listener");
    char key[KEY];

    p->associations++;
    snprintf(key, sizeof(key), "%s#%llu", p->asked->path, (unsigned long long)value_count(association, "association"));
    put_name(row.cells[0], "  ", *name ? name : value_text(association, "endpoint", ""));
    put_text(row.cells[1], association, "state");
    if (!listens) {
        put_text(row.cells[2], association, "peer.verification");
        put_text(row.cells[3], association, "role");
    }
    if (!listens)
        brief_size(value_number(association, "statistics.queued_bytes", 0), row.cells[8]);
    put_row(p, &row);
    for (const struct value *strand = value_at(association, "strands") ? value_at(association, "strands")->first : NULL;
         strand; strand = strand->next)
        put_strand(p, strand, key);
}

static void name_of_process(long process, char text[CELL])
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/comm", process);
    file = fopen(path, "re");
    if (file) {
        if (!fgets(name, sizeof(name), file))
            name[0] = '\0';
        name[strcspn(name, "\n")] = '\0';
        fclose(file);
    }
    snprintf(text, CELL, "%ld %s", process, name);
}

static void put_process(struct printing *p, const struct asked *asked)
{
    struct row row = {.cells = {""}};
    double left_off = asked->value ? value_number(asked->value, "left_off", 0) : 0;
    char note[CELL];

    p->asked = asked;
    if (!asked->value) {
        put_name(row.cells[0], "", asked->path);
        put_row(p, &row);
        table_note(p->table, asked->why ? asked->why : "it does not answer");
        return;
    }
    name_of_process((long)value_count(asked->value, "process"), row.cells[0]);
    put_row(p, &row);
    for (const struct value *a = value_at(asked->value, "associations")->first; a; a = a->next)
        put_association(p, a);
    snprintf(note, sizeof(note), "and %.0f associations more", left_off);
    if (left_off > 0)
        table_note(p->table, note);
}

void top_table(struct page *page, const struct asking *asking, struct top_memory *memory)
{
    static const char *const heads[COLUMNS] = {"peer", "state", "over", "by",      "RTT",
                                               "lost", "out/s", "in/s", "waiting", ""};
    struct top_memory now = {.items = NULL};
    struct printing p = {.table = table_new(COLUMNS, heads), .before = memory, .now = &now};
    char line[200], out[CELL], in[CELL];

    for (size_t i = 0; p.table && i < asking->count; i++)
        put_process(&p, &asking->items[i]);
    brief_size(p.sent, out);
    brief_size(p.received, in);
    if (p.rates)
        snprintf(line, sizeof(line), "%zu process%s, %zu association%s, %s/s out, %s/s in\n", asking->count,
                 asking->count == 1 ? "" : "es", p.associations, p.associations == 1 ? "" : "s", out, in);
    else
        snprintf(line, sizeof(line), "%zu process%s, %zu association%s\n", asking->count,
                 asking->count == 1 ? "" : "es", p.associations, p.associations == 1 ? "" : "s");
    fputs(line, page->file);
    if (p.table && asking->count)
        table_print(p.table, page);
    table_free(p.table);
    top_forget(memory);
    *memory = now;
}
