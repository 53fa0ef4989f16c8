/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in a crew: found by a service's records or named, opened, lost, and had again. */
#include "association/crew.h"

#include <stdio.h>

#include "association/open.h"

#define RETRY_FIRST 250000
#define RETRY_MOST 10000000
/* In answers that had others, one after the other: a name server may fail to tell of somebody once. */
#define ABSENCES 2

const char *hawser_crew_state_name(hawser_crew_state state)
{
    static const char *const names[] = {
        [HAWSER_CREW_OPENING] = "opening", [HAWSER_CREW_UP] = "up", [HAWSER_CREW_WAITING] = "waiting"};

    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "";
}

int64_t crew_backoff(unsigned failures)
{
    int64_t wait = (int64_t)RETRY_FIRST << (failures < 10 ? failures : 10);

    return wait < RETRY_MOST ? wait : RETRY_MOST;
}

void crew_member_tell(const struct crew_member *member, hawser_crew_member *ret_member)
{
    *ret_member = (hawser_crew_member){
        .id = member->id,
        .endpoint = member->endpoint,
        .priority = member->priority,
        .association = member->line,
        .state = member->up     ? HAWSER_CREW_UP
                 : member->line ? HAWSER_CREW_OPENING
                                : HAWSER_CREW_WAITING,
        .under_way = member->under_way,
    };
}

static void raise_member(const struct crew_member *member, hawser_crew_event_type type, int code, const char *reason)
{
    hawser_crew_member told;
    hawser_crew_event event = {.type = type, .member = &told, .code = code, .reason = reason};

    crew_member_tell(member, &told);
    crew_raise(member->crew, &event);
}

bool crew_hopes(const hawser_crew *crew)
{
    for (const struct list *at = crew->members.next; at != &crew->members; at = at->next)
        if (container_of(at, struct crew_member, link)->line)
            return true;
    return crew->resolving;
}

/* ------------------------------------------------------------------------------------------------------------- lines */

static void on_established(const hawser_event *event, void *user)
{
    struct crew_member *member = user;
    hawser_crew *crew = crew_hold(member->crew);

    (void)event;
    member->up = true;
    member->full = false;
    member->failures = 0;
    raise_member(member, HAWSER_CREW_JOINED, 0, "");
    crew_wake(crew);
    crew_let_go(crew);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct crew_member *member = user;

    (void)event;
    member->full = false;
    crew_wake(member->crew);
}

static void try_later(struct crew_member *member)
{
    hawser_crew *crew = member->crew;

    if (crew->closing || !crew_lives(crew))
        return;
    (void)loop_timer_set(crew->context, &member->retry,
                         loop_after(loop_now(crew->context), crew_backoff(member->failures)));
    member->failures++;
}

static void on_closed(const hawser_event *event, void *user)
{
    struct crew_member *member = user;
    hawser_crew *crew = crew_hold(member->crew);
    bool was_up = member->up;

    crew_queue_left(member, event->closed.code, event->closed.reason);
    hawser_association_unref(member->line);
    member->line = NULL;
    member->up = false;
    member->life++;
    try_later(member);
    if (!crew->closing || event->closed.code < 0)
        raise_member(member, was_up ? HAWSER_CREW_LOST : HAWSER_CREW_FAILED, event->closed.code, event->closed.reason);
    crew_wake(crew);
    crew_let_go(crew);
}

int crew_member_open(struct crew_member *member)
{
    hawser_crew *crew = member->crew;
    hawser_associate_options options = crew->line;
    int r;

    if (member->of_service && *crew->server_name)
        options.server_name = crew->server_name;
    r = hawser_associate(crew->context, member->endpoint, &options, &member->line);
    if (r < 0)
        return r;
    hawser_register(member->line, HAWSER_ESTABLISHED, on_established, member);
    hawser_register(member->line, HAWSER_WRITABLE, on_writable, member);
    hawser_register(member->line, HAWSER_CLOSED, on_closed, member);
    if (crew->gathering)
        r = hawser_gathering_add(crew->gathering, member->line);
    return r;
}

static void on_retry(struct loop_timer *timer, int64_t now)
{
    struct crew_member *member = container_of(timer, struct crew_member, retry);
    int r;

    (void)now;
    if (member->line || member->crew->closing)
        return;
    if (member->crew->service && !member->crew->resolving)
        (void)crew_resolve(member->crew); /* others may be there by now */
    if (member->absences >= ABSENCES) {   /* nobody says that it is one, and it does not answer */
        crew_queue_forget(member);
        crew_member_free(member);
        return;
    }
    r = crew_member_open(member);
    if (r == 0)
        return;
    loop_log(member->crew->context, HAWSER_LOG_WARNING, "%s: %s", member->endpoint, hawser_strerror(r));
    if (!member->line) /* else it is only not gathered from */
        try_later(member);
}

int crew_member_add(hawser_crew *crew, const char *endpoint, bool of_service, unsigned priority)
{
    struct crew_member *member;

    for (struct list *at = crew->members.next; at != &crew->members; at = at->next) {
        member = container_of(at, struct crew_member, link);
        if (strcmp(member->endpoint, endpoint) == 0) {
            member->priority = priority;
            member->seen = crew->resolutions;
            return 0;
        }
    }
    if (crew->member_count == crew->member_max)
        return -E2BIG;
    member = calloc(1, sizeof *member);
    if (!member || !(member->endpoint = strdup(endpoint))) {
        free(member);
        return -ENOMEM;
    }
    member->crew = crew;
    member->id = ++crew->last_id;
    member->priority = priority;
    member->of_service = of_service;
    member->seen = crew->resolutions;
    loop_timer_init(&member->retry, on_retry);
    list_append(&crew->members, &member->link);
    crew->member_count++;
    return 0;
}

void crew_member_free(struct crew_member *member)
{
    hawser_crew *crew = member->crew;

    if (crew->context)
        loop_timer_clear(crew->context, &member->retry);
    if (member->line) {
        hawser_register(member->line, HAWSER_ESTABLISHED, NULL, NULL);
        hawser_register(member->line, HAWSER_WRITABLE, NULL, NULL);
        hawser_register(member->line, HAWSER_CLOSED, NULL, NULL);
        if (crew->gathering)
            (void)hawser_gathering_remove(crew->gathering, member->line);
        hawser_association_unref(member->line);
    }
    list_remove(&member->link);
    crew->member_count--;
    free(member->endpoint);
    free(member);
}

/* --------------------------------------------------------------------------------------------------------- a service */

/* "[2001:db8::1]:443" and "host.example": "host.example:443". */
static int member_text(const hawser_crew *crew, const hawser_resolved *found, char *text, size_t size)
{
    const char *port = strrchr(found->address, ':');
    int n;

    if (!port)
        return -EINVAL;
    n = *found->target ? snprintf(text, size, "%s%s%s", crew->key, found->target, port)
                       : snprintf(text, size, "%s%s", crew->key, found->address);
    return n < 0 || (size_t)n >= size ? -E2BIG : 0;
}

static void add_found(hawser_crew *crew, const hawser_resolved *found)
{
    unsigned before = crew->member_count;
    char text[400];
    int r = member_text(crew, found, text, sizeof text);

    if (r == 0)
        r = crew_member_add(crew, text, true, found->priority);
    if (r == 0 && crew->member_count > before) {
        struct crew_member *member = container_of(crew->members.prev, struct crew_member, link);

        r = crew_member_open(member);
        if (r < 0 && !member->line)
            crew_member_free(member);
    }
    if (r < 0)
        loop_log(crew->context, HAWSER_LOG_WARNING, "%s at %s is no member: %s", found->target, found->address,
                 hawser_strerror(r));
}

/* Also where members are named beside it: nobody else would ask again. */
static void not_found(hawser_crew *crew, int code, const char *reason)
{
    (void)loop_timer_set(crew->context, &crew->resolve_again,
                         loop_after(loop_now(crew->context), crew_backoff(crew->resolve_failures++)));
    crew_raise(crew, &(hawser_crew_event){.type = HAWSER_CREW_FAILED, .code = code, .reason = reason});
}

static void note_absent(hawser_crew *crew)
{
    crew->resolve_failures = 0;
    for (struct list *at = crew->members.next; at != &crew->members; at = at->next) {
        struct crew_member *member = container_of(at, struct crew_member, link);

        member->absences = member->of_service && member->seen != crew->resolutions ? member->absences + 1 : 0;
    }
}

static void on_answer(const hawser_resolve_answer *answer, void *user)
{
    hawser_crew *crew = crew_hold(user);
    size_t count = answer->found_count;

    if (crew->closing && crew_queue_empty(crew)) /* else somebody new may still take what waits */
        count = 0;
    for (size_t i = 0; i < count; i++)
        add_found(crew, &answer->found[i]);
    crew->found |= answer->found_count > 0;
    if (answer->last) {
        crew->resolving = NULL;
        if (crew->found)
            note_absent(crew);
        else if (!crew->closing)
            not_found(crew, answer->code ? answer->code : -HAWSER_ERESOLVE, answer->reason);
        crew_wake(crew);
    }
    crew_let_go(crew);
}

int crew_resolve(hawser_crew *crew)
{
    crew->found = false;
    crew->resolutions++;
    return hawser_resolve(crew->context, crew->service,
                          HAWSER_RESOLVE(.timeout_us = crew->line.timeout_us, .no_dnssec = true), on_answer, crew,
                          &crew->resolving);
}
