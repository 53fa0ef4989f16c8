/* SPDX-License-Identifier: Apache-2.0 */
/* A report that outlives what it tells of: one piece of memory, strings and all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/report.h>

struct copier {
    char *at; /* NULL: only the size is asked for */
    size_t size;
};

static void copy_text(struct copier *copier, const char **text)
{
    size_t size = strlen(*text ? *text : "") + 1;

    copier->size += size;
    if (!copier->at)
        return;
    memcpy(copier->at, *text ? *text : "", size);
    *text = copier->at;
    copier->at += size;
}

static void copy_path(struct copier *copier, hawser_path *path)
{
    copy_text(copier, &path->interface);
    copy_text(copier, &path->local);
    copy_text(copier, &path->remote);
}

/* Moves every string of report, attempts and lookups to the copier's memory, or counts them. */
static void copy_texts(struct copier *copier, hawser_report *report, hawser_attempt *attempts, hawser_lookup *lookups)
{
    const char **const texts[] = {&report->endpoint,     &report->reason, &report->stack, &report->peer_name,
                                  &report->verification, &report->alpn,   &report->dnssec};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        copy_text(copier, texts[i]);
    copy_path(copier, &report->path);
    for (size_t i = 0; i < report->attempt_count; i++) {
        copy_text(copier, &attempts[i].endpoint);
        copy_path(copier, &attempts[i].path);
        copy_text(copier, &attempts[i].stack);
        copy_text(copier, &attempts[i].layer);
        copy_text(copier, &attempts[i].reason);
        copy_text(copier, &attempts[i].reached);
    }
    for (size_t i = 0; i < report->lookup_count; i++) {
        copy_text(copier, &lookups[i].name);
        copy_text(copier, &lookups[i].question);
        copy_text(copier, &lookups[i].result);
        copy_text(copier, &lookups[i].dnssec);
    }
}

int hawser_report_copy(const hawser_report *report, hawser_report **ret_copy)
{
    size_t attempts_size = report->attempt_count * sizeof(hawser_attempt),
           lookups_size = report->lookup_count * sizeof(hawser_lookup);
    struct copier copier = {.at = NULL};
    hawser_report *copy, counted = *report;
    hawser_attempt *attempts;
    hawser_lookup *lookups;

    /* Counting changes nothing. */
    copy_texts(&copier, &counted, (hawser_attempt *)report->attempts, (hawser_lookup *)report->lookups);
    copy = malloc(sizeof *copy + attempts_size + lookups_size + copier.size);
    if (!copy)
        return -ENOMEM;
    *copy = *report;
    attempts = (hawser_attempt *)(copy + 1);
    lookups = (hawser_lookup *)(attempts + report->attempt_count);
    if (report->attempt_count)
        memcpy(attempts, report->attempts, attempts_size);
    if (report->lookup_count)
        memcpy(lookups, report->lookups, lookups_size);
    copier.at = (char *)(lookups + report->lookup_count);
    copy_texts(&copier, copy, attempts, lookups);
    copy->attempts = attempts;
    copy->lookups = lookups;
    *ret_copy = copy;
    return 0;
}

void hawser_report_free(hawser_report *report)
{
    free(report);
}
