/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a crew. */
#include "association/crew.h"

#include <stdio.h>

#include "association/open.h"
#include "endpoint/endpoint.h"

#define DEFAULT_QUEUE (16u << 20)

bool crew_lives(const hawser_crew *crew)
{
    return crew->context && crew->refs > 0;
}

void crew_raise(hawser_crew *crew, hawser_crew_event *event)
{
    if (!crew->fn || !crew_lives(crew))
        return;
    event->crew = crew;
    crew->fn(event, crew->user);
}

void crew_wake(hawser_crew *crew)
{
    if (crew->context && !list_linked(&crew->deferred.link))
        loop_defer(crew->context, &crew->deferred);
}

/* Timers and work end, and the loop is no longer held: it has closed, or the context ends. */
static void leave_context(hawser_crew *crew)
{
    hawser_context *context = crew->context;

    if (!context)
        return;
    if (crew->resolving)
        hawser_resolve_cancel(crew->resolving);
    crew->resolving = NULL;
    for (struct list *at = crew->members.next; at != &crew->members; at = at->next)
        loop_timer_clear(context, &container_of(at, struct crew_member, link)->retry);
    loop_timer_clear(context, &crew->resolve_again);
    loop_timer_clear(context, &crew->expiry);
    loop_undefer(&crew->deferred);
    list_remove(&crew->link);
    crew->context = NULL;
    loop_release(context);
}

/* Everything has its outcome: the lines are closed, and when the last is gone, so is the crew. */
static void close_on(hawser_crew *crew)
{
    bool gone = true;

    if (!crew_hopes(crew))
        crew_queue_fail(crew, -ECANCELED);
    if (!crew_lives(crew) || !crew_queue_empty(crew))
        return;
    for (struct list *at = crew->members.next; at != &crew->members; at = at->next) {
        const struct crew_member *member = container_of(at, struct crew_member, link);

        gone &= !member->line;
        if (member->line)
            (void)hawser_close(member->line, 0, "");
    }
    if (!gone)
        return;
    crew_raise(crew, &(hawser_crew_event){.type = HAWSER_CREW_CLOSED, .reason = ""});
    leave_context(crew);
}

static void crew_work(struct loop_deferred *deferred)
{
    hawser_crew *crew = crew_hold(container_of(deferred, hawser_crew, deferred));

    crew_queue_work(crew);
    if (crew->closing && crew_lives(crew))
        close_on(crew);
    crew_let_go(crew);
}

static void on_expiry(struct loop_timer *timer, int64_t now)
{
    (void)now;
    crew_wake(container_of(timer, hawser_crew, expiry));
}

static void on_resolve_again(struct loop_timer *timer, int64_t now)
{
    hawser_crew *crew = container_of(timer, hawser_crew, resolve_again);
    int r = crew->resolving || crew->closing ? 0 : crew_resolve(crew);

    if (r < 0)
        (void)loop_timer_set(crew->context, timer, loop_after(now, crew_backoff(crew->resolve_failures++)));
}

/* ----------------------------------------------------------------------------------------------------------- options */

static int copy_text(const char **text)
{
    return !*text || (*text = strdup(*text)) ? 0 : -ENOMEM;
}

static void line_free(hawser_associate_options *line)
{
    free((void *)(uintptr_t)line->trust);
    free((void *)(uintptr_t)line->trust_file);
    free((void *)(uintptr_t)line->stack);
    free((void *)(uintptr_t)line->alpn);
    free((void *)(uintptr_t)line->paths);
    hawser_identity_unref(line->identity);
    hawser_properties_unref((hawser_properties *)(uintptr_t)line->properties);
}

/* The program's strings need not live on; all that are copied are set to NULL first, so that line_free() can follow. */
static int line_copy(hawser_associate_options *line, const hawser_associate_options *given)
{
    hawser_associate_options from;
    hawser_properties *properties = NULL;
    const char **texts[] = {&line->trust, &line->trust_file, &line->stack, &line->alpn, &line->paths};
    int r = options_copy(&from, sizeof from, given);

    if (r < 0)
        return r;
    if (from.endpoints || from.endpoint_count || from.local || from.server_name || from.group_key)
        return -EOPNOTSUPP;
    *line = from;
    line->struct_size = sizeof *line;
    line->identity = from.identity ? hawser_identity_ref(from.identity) : NULL;
    line->properties = NULL;
    line->reestablish_us = from.reestablish_us ? from.reestablish_us : -1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (r == 0)
            r = copy_text(texts[i]);
        if (r < 0)
            *texts[i] = NULL;
    }
    if (r == 0 && from.properties)
        r = hawser_properties_copy(from.properties, &properties);
    line->properties = properties;
    return r;
}

/* Of a service the records say who the members are, and the domain whom to believe; what else is named is a member itself. */
static int take_service(hawser_crew *crew, const char *service)
{
    struct endpoint endpoint;
    char reason[REASON_SIZE], name[256], key[64] = "";
    int r = endpoint_parse(service, &endpoint, reason, sizeof reason);

    if (r < 0) {
        loop_log(crew->context, HAWSER_LOG_ERROR, "%s: %s", service, reason);
        return r;
    }
    if (endpoint.kind != ENDPOINT_SERVICE)
        return crew_member_add(crew, service, false, 0);
    associate_server_name(&endpoint, name, sizeof name);
    if (*endpoint.key_name)
        (void)snprintf(key, sizeof key, "%s@", endpoint.key_name);
    crew->server_name = text_copy(name);
    crew->key = text_copy(key);
    crew->service = text_copy(service);
    return crew->server_name && crew->key && crew->service ? 0 : -ENOMEM;
}

static int open_all(hawser_crew *crew)
{
    int r = 0;

    for (struct list *at = crew->members.next; r == 0 && at != &crew->members; at = at->next)
        r = crew_member_open(container_of(at, struct crew_member, link));
    if (r == 0 && crew->service)
        r = crew_resolve(crew);
    return r;
}

static int crew_fill(hawser_crew *crew, const char *service, const hawser_crew_options *options)
{
    int r = line_copy(&crew->line, options->associate);

    for (size_t i = 0; r == 0 && i < options->endpoint_count; i++)
        r = options->endpoints[i] ? crew_member_add(crew, options->endpoints[i], false, 0) : -EINVAL;
    if (r == 0 && service)
        r = take_service(crew, service);
    return r == 0 ? open_all(crew) : r;
}

static hawser_crew *crew_new(hawser_context *context, struct associations *all, const hawser_crew_options *options)
{
    hawser_crew *crew = calloc(1, sizeof *crew);

    if (!crew)
        return NULL;
    crew->context = context;
    crew->refs = 1;
    crew->fn = options->fn;
    crew->user = options->user;
    crew->gathering = hawser_gathering_ref(options->gathering);
    crew->member_max = options->max_members ? options->max_members : CREW_MEMBERS;
    crew->queue.limit = options->queue ? options->queue : DEFAULT_QUEUE;
    crew->queue.first_deadline = NEVER;
    list_init(&crew->members);
    list_init(&crew->queue.waiting);
    list_init(&crew->queue.under_way);
    list_init(&crew->queue.answered);
    loop_deferred_init(&crew->deferred, crew_work);
    loop_timer_init(&crew->expiry, on_expiry);
    loop_timer_init(&crew->resolve_again, on_resolve_again);
    list_append(&all->crews, &crew->link);
    loop_hold(context);
    return crew;
}

int hawser_crew_associate(hawser_context *context, const char *service, const hawser_crew_options *given,
                          hawser_crew **ret_crew)
{
    hawser_crew_options options;
    struct associations *all;
    hawser_crew *crew;
    int r;

    r = loop_check(context);
    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!ret_crew || (!service && !options.endpoint_count) || (options.endpoint_count && !options.endpoints) ||
        options.max_members > CREW_MEMBERS_MAX)
        return -EINVAL;
    r = associations_of(context, &all);
    if (r < 0)
        return r;
    crew = crew_new(context, all, &options);
    if (!crew)
        return -ENOMEM;
    r = crew_fill(crew, service, &options);
    if (r < 0) {
        hawser_crew_unref(crew);
        return r;
    }
    *ret_crew = crew;
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- life */

hawser_crew *hawser_crew_ref(hawser_crew *crew)
{
    if (crew)
        crew->refs++;
    return crew;
}

static void crew_free(hawser_crew *crew)
{
    crew_queue_free(crew);
    leave_context(crew);
    while (!list_empty(&crew->members))
        crew_member_free(list_first(&crew->members, struct crew_member, link));
    line_free(&crew->line);
    hawser_gathering_unref(crew->gathering);
    free(crew->server_name);
    free(crew->service);
    free(crew->key);
    free(crew);
}

hawser_crew *crew_hold(hawser_crew *crew)
{
    crew->holds++;
    return crew;
}

void crew_let_go(hawser_crew *crew)
{
    if (--crew->holds == 0 && crew->refs == 0)
        crew_free(crew);
}

hawser_crew *hawser_crew_unref(hawser_crew *crew)
{
    if (crew && --crew->refs == 0 && crew->holds == 0)
        crew_free(crew);
    return NULL;
}

int hawser_crew_close(hawser_crew *crew)
{
    if (!crew)
        return -EINVAL;
    if (!crew->context || crew->closing)
        return -ESHUTDOWN;
    crew->closing = true;
    crew_wake(crew);
    return 0;
}

int hawser_crew_get_member(const hawser_crew *crew, unsigned index, hawser_crew_member *ret_member)
{
    if (!crew)
        return -EINVAL;
    for (const struct list *at = crew->members.next; at != &crew->members; at = at->next, index--) {
        if (index > 0)
            continue;
        if (ret_member)
            crew_member_tell(container_of(at, struct crew_member, link), ret_member);
        return 0;
    }
    return -ENOENT;
}

void crews_end(struct associations *all)
{
    while (!list_empty(&all->crews))
        leave_context(list_first(&all->crews, hawser_crew, link));
}
