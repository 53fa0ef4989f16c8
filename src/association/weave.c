/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the weave, and what an association does without any strand. */
#include "association/weave_internal.h"

#include <netinet/in.h>
#include <stdio.h>

#include "association/join.h"
#include "association/listener.h"
#include "association/trace.h"
#include "layer/interface.h"

#define MEASURE_INTERVAL 10000
#define CUT_MOST 5000000
#define PREFERRED 1000000 /* of rank: more than policies give */

/* ------------------------------------------------------------------------------------------------------------- ways */

static int join_lines(const hawser_associate_options *options, char **ret_text)
{
    size_t size = 1;
    char *at;

    for (size_t i = 0; i < options->endpoint_count; i++)
        size += strlen(options->endpoints[i]) + 1;
    at = *ret_text = malloc(size);
    if (!at)
        return -ENOMEM;
    *at = '\0';
    for (size_t i = 0; i < options->endpoint_count; i++)
        at += sprintf(at, "%s%s", i ? "\n" : "", options->endpoints[i]);
    return 0;
}

/* It was parsed before. Its port may be the first strand's still, and peers do not know us by it. */
static void note_local(struct ways *ways, const char *text)
{
    struct endpoint local;
    char reason[REASON_SIZE];

    if (!text || endpoint_parse(text, &local, reason, sizeof reason) < 0)
        return;
    ways->local = local.address;
    ((struct sockaddr_in *)&ways->local.address)->sin_port = 0; /* sockaddr_in6 has it in the same place */
    memcpy(ways->local_interface, local.interface, sizeof ways->local_interface);
}

int ways_new(const hawser_associate_options *options, struct ways **ret_ways)
{
    struct ways *ways;

    *ret_ways = NULL;
    if (!options->paths && !options->stack && !options->local && options->endpoint_count == 0)
        return 0;
    ways = calloc(1, sizeof *ways);
    if (!ways)
        return -ENOMEM;
    if ((options->paths && !(ways->paths = strdup(options->paths))) ||
        (options->stack && !(ways->stacks = strdup(options->stack))) ||
        (options->endpoint_count && join_lines(options, &ways->others) < 0)) {
        ways_free(ways);
        return -ENOMEM;
    }
    note_local(ways, options->local);
    *ret_ways = ways;
    return 0;
}

void ways_free(struct ways *ways)
{
    if (!ways)
        return;
    free(ways->paths);
    free(ways->stacks);
    free(ways->others);
    free(ways);
}

/* ------------------------------------------------------------------------------------------------------------- life */

struct weave *weave_of(hawser_association *association)
{
    if (!association->weave && (association->weave = calloc(1, sizeof *association->weave))) {
        association->weave->association = association;
        association->weave->seek_at = NEVER;
    }
    return association->weave;
}

void weave_free(hawser_association *association)
{
    struct weave *weave = association->weave;

    if (!weave)
        return;
    association->weave = NULL;
    for (unsigned i = 0; i < WEAVE_PATHS; i++)
        establish_free(weave->paths[i].establish);
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next)
        container_of(at, struct strand, link)->path = NULL;
    establish_free(weave->again);
    free(weave);
}

static void adopt(struct weave *weave, struct strand *strand)
{
    struct weave_path *path = strand->path ? strand->path : weave_path_of(weave, strand);

    if (!path || (path->strand && path->strand != strand && !path->strand->dead))
        return;
    path->proven = true;
    path->failures = 0;
    path->strand = strand;
    strand->path = path;
    establish_free(path->establish); /* it came by another attempt: two here would be one too many */
    path->establish = NULL;
}

int weave_begin(hawser_association *association, struct strand *first)
{
    static const uint8_t version = 1;
    struct weave *weave;
    int r;

    if (!association->ways || !association->ways->paths)
        return 0;
    weave = weave_of(association);
    if (!weave)
        return -ENOMEM;
    adopt(weave, first);
    weave->look = true;
    r = session_tell(association->session, TOLD_WANTED, &version, sizeof version);
    association_wake(association);
    return r;
}

int weave_keep(hawser_association *association)
{
    return weave_of(association) ? 0 : -ENOMEM;
}

void weave_moved(hawser_association *association)
{
    weave_stranded(association, -HAWSER_EMOVED, "it was moved here");
    if (association->weave)
        association->weave->look = true;
    association_wake(association);
}

/* ----------------------------------------------------------------------------------------------------------- events */

void weave_joined(hawser_association *association, struct strand *strand)
{
    association->stranded_until = NEVER;
    association->stranded = false;
    if (association->child) {
        listener_child_stranded(association, false);
        told_send(association); /* to whoever could not be told before */
        told_send_seen(association);
        return;
    }
    if (!association->weave)
        return;
    adopt(association->weave, strand);
    establish_free(association->weave->again);
    association->weave->again = NULL;
    association->weave->again_failures = 0;
    association->weave->seek_at = NEVER;
    association->weave->look = true;
    weave_drop_doubles(association->weave);
}

void weave_refused(hawser_association *association, struct strand *strand, enum join_code code)
{
    switch (code) {
    case JOIN_UNKNOWN:
        strand_lost(strand, -HAWSER_ERESTARTED, hawser_strerror(-HAWSER_ERESTARTED));
        break;
    case JOIN_STALE:
        strand_lost(strand, -HAWSER_EMOVED, hawser_strerror(-HAWSER_EMOVED));
        break;
    case JOIN_ELSEWHERE:
        if (strand->path)
            strand->path->elsewhere = true;
        strand_lost(strand, -HAWSER_EREFUSED,
                    "it came to another thread of the peer, where strands of this stack cannot join");
        return;
    default:
        strand_lost(strand, -HAWSER_EREFUSED, "the peer takes no more strands of this line");
        trace_join(association, strand, "refused", strand->reason);
        return;
    }
    trace_join(association, strand, "refused", strand->reason);
    /* With other strands the answer came from elsewhere: an address that leads to somebody with the same key. */
    if (association->stranded && !association->ended)
        close_now(association, SESSION_CODE(SESSION_CODE_NONE), strand->reason, strand->code);
}

/* Another that came by the same path (weave_blind.c) has it now. */
static void inherit(struct weave_path *path, const struct strand *gone)
{
    const struct list *strands = &path->weave->association->strands;

    for (struct list *at = strands->next; at != strands && !path->strand; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand == gone || strand->dead || !strand->session || weave_path_of(path->weave, strand) != path)
            continue;
        /* One that migrated is still said to be of the path that it began on. */
        if (strand->path && strand->path->strand == strand)
            strand->path->strand = NULL;
        path->strand = strand;
        strand->path = path;
    }
}

void weave_gone(hawser_association *association, struct strand *strand)
{
    struct weave_path *path = strand->path;

    strand->path = NULL;
    if (!path || path->strand != strand)
        return;
    path->strand = NULL;
    association->weave->look = true; /* by now the peer may be better reached elsewhere */
    inherit(path, strand);
    if (!path->strand)
        weave_path_lost(path);
}

/* Silence, and the loss of our own way, say nothing of the peer. */
static bool is_silence(int code)
{
    return code == -HAWSER_EDEAD || code == -ETIMEDOUT || code == -EADDRNOTAVAIL || code == -EHOSTUNREACH ||
           code == -ENETUNREACH || code == -ENETDOWN;
}

/* Whom FIN or RST cut off is back at once or not at all: a process that ends leaves them behind. */
static int64_t kept_for(const hawser_association *association, int code)
{
    bool back = association->peer_leaves || code == -HAWSER_EMOVED; /* it said so, or we are the ones who moved */

    return association->child && !back && !is_silence(code) && association->reestablish > CUT_MOST
               ? CUT_MOST
               : association->reestablish;
}

void weave_stranded(hawser_association *association, int code, const char *reason)
{
    int64_t kept = kept_for(association, code);
    struct weave *weave;

    association->stranded = true;
    association->path_changed = true;
    association->stranded_until = loop_after(association_now(association), kept);
    loop_log(association->context, HAWSER_LOG_WARNING, "%s: no strand is left (%s): it is kept for %lld s",
             association->endpoint ? association->endpoint : peer_key_name(association),
             reason && *reason ? reason : hawser_strerror(code), (long long)(kept / 1000000));
    if (association->child) {
        listener_child_stranded(association, true);
        return;
    }
    weave = weave_of(association);
    if (!weave)
        return; /* no memory: the time runs out */
    weave->again_failures = 0;
    weave->refused_since = 0;
    weave->again_at = association_now(association);
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        weave->paths[i].failures = 0;
        if (weave->paths[i].used && !weave->paths[i].establish && weave->paths[i].retry_at != NEVER)
            weave->paths[i].retry_at = weave->again_at;
    }
}

/* Once: how often the peer says it is up to him. */
static void malformed(hawser_association *association)
{
    if (association->told_malformed)
        return;
    association->told_malformed = true;
    loop_log(association->context, HAWSER_LOG_WARNING, "%s: the peer told malformed addresses", association->endpoint);
}

static bool is_told(const struct told_address *told, unsigned count, const struct layer_address *remote)
{
    for (unsigned i = 0; i < count; i++)
        if (weave_same_address(&told[i].address, remote))
            return true;
    return false;
}

/* An address that the peer told before and tells no more is gone, as a rule: a strand there is probed, and the interface
 * gets another at once. */
static void mark_untold(struct weave *weave, const struct told_address *told, unsigned count)
{
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        struct weave_path *path = &weave->paths[i];

        if (!path->used)
            continue;
        if (is_told(told, count, &path->remote)) {
            path->untold = false;
        } else if (!path->untold && is_told(weave->told, weave->told_count, &path->remote)) {
            path->untold = true;
            if (path->strand && path->strand->session)
                session_strand_suspect(path->strand->session, true, association_now(weave->association));
        }
    }
}

void weave_told(hawser_association *association, unsigned kind, const uint8_t *body, size_t size)
{
    struct told_address told[TOLD_MAX];
    int count;

    if (kind == TOLD_LEAVES)
        association->peer_leaves = size > 0 && body[0] == 1;
    if (kind == TOLD_WANTED && association->child && !association->wants_told) {
        association->wants_told = true;
        told_send(association);
        told_send_seen(association);
    }
    if (kind == TOLD_SEEN && !association->child && told_read_seen(association, body, size) < 0)
        malformed(association);
    if (kind != TOLD_ADDRESSES || association->child || !association->weave)
        return;
    count = told_read(body, size, told);
    if (count < 0) {
        malformed(association);
        return;
    }
    for (int i = 0; i < count; i++)
        trace_told(association, &told[i].address, true, "told");
    mark_untold(association->weave, told, (unsigned)count);
    memcpy(association->weave->told, told, sizeof told);
    association->weave->told_count = (unsigned)count;
    association->weave->told_news = true;
    association_wake(association);
}

/* ------------------------------------------------------------------------------------------------------------- work */

static bool may_try(const struct weave_path *path)
{
    return path->used && path->wanted && !path->closed && !path->establish && !path->strand;
}

static void work_paths(struct weave *weave, int64_t now)
{
    unsigned busy = 0;

    for (unsigned i = 0; i < WEAVE_PATHS; i++)
        busy += weave->paths[i].establish || weave->paths[i].strand;
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        struct weave_path *path = &weave->paths[i];

        if (may_try(path) && path->retry_at <= now && busy < SESSION_STRANDS_MAX) {
            weave_try(path);
            busy++;
        }
    }
}

static void work_told(struct weave *weave, int64_t now)
{
    if (!weave->told_news || weave->told_at + TOLD_GAP > now)
        return;
    weave->told_news = false;
    weave->told_at = now;
    weave->look = true;
}

static int64_t work_due(const struct weave *weave)
{
    int64_t due = weave_seek_due(weave);

    if (weave->told_news && weave->told_at + TOLD_GAP < due)
        due = weave->told_at + TOLD_GAP;
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        const struct weave_path *path = &weave->paths[i];

        if (may_try(path) && path->retry_at < due)
            due = path->retry_at;
    }
    return due;
}

bool weave_joining(const hawser_association *association)
{
    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (!strand->dead && (!strand->session || strand->ahead))
            return true;
    }
    return false;
}

/* Strands that wait for a word of the peer's, which may never come. */
static void work_waiting(hawser_association *association)
{
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);
        int64_t due = weave_migrated(strand), late = join_late(strand);

        due = late < due ? late : due;
        if (due != NEVER)
            association_arm(association, due);
    }
}

void weave_work(hawser_association *association)
{
    struct weave *weave = association->weave;
    int64_t now = association_now(association), due;

    if (association->ended || !association->open)
        return;
    work_waiting(association);
    if (association->stranded && association->stranded_until <= now) {
        close_now(association, SESSION_CODE(SESSION_CODE_NONE), "no strand could be had again in time", -HAWSER_ELOST);
        return;
    }
    if (weave && association->stranded && weave->refused_since && weave->refused_since + REFUSED_MOST <= now) {
        close_now(association, SESSION_CODE(SESSION_CODE_NONE), "nobody listens there any more", -HAWSER_ELOST);
        return;
    }
    if (!weave || (close_is_asked(association) && !association->stranded))
        return;
    work_told(weave, now);
    if (weave->look)
        weave_look(weave);
    work_paths(weave, now);
    if (weave_seeks(weave) && !weave->again && weave->again_at <= now && !weave_joining(association))
        weave_try_again(weave);
    due = work_due(weave);
    if (due != NEVER && due > now)
        association_arm(association, due);
}

int64_t weave_due(const hawser_association *association)
{
    return association->stranded ? association->stranded_until : NEVER;
}

/* ---------------------------------------------------------------------------------------------------- the host's news */

/* What a strand leaves from is there no more: whatever it has under way goes elsewhere at once. Without its carrier it may
 * come back with it. */
static void check_strand(struct strand *strand, struct interfaces *interfaces)
{
    hawser_association *association = strand->association;
    const struct interface_address *holder;
    const struct interface *link;
    struct layer_address local, remote;
    bool running;

    layer_addresses(strand->top, &local, &remote);
    if (local.size == 0 || (local.address.ss_family != AF_INET && local.address.ss_family != AF_INET6))
        return;
    holder = interfaces_holder(interfaces, (const struct sockaddr *)&local.address);
    if (!holder && (strand->moved_until || weave_migrate(strand)))
        return;
    if (!holder) {
        strand_lost(strand, -EADDRNOTAVAIL, "our address is gone");
        return;
    }
    link = interfaces_by_index(interfaces, holder->index);
    running = link && (link->flags & IFF_UP) && (link->flags & IFF_RUNNING);
    if (!running && strand->session && !strand->stopped)
        session_strand_suspect(strand->session, true, association_now(association));
    strand->stopped = !running;
}

void weave_paths_changed(hawser_association *association)
{
    struct interfaces *interfaces;
    size_t count;

    if (association->ended || !association->established || association->listener || !association->session ||
        interfaces_of(association->context, &interfaces) < 0)
        return;
    (void)interfaces_list(interfaces, &count);
    for (struct list *at = association->strands.next; count > 0 && at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->top && !strand->dead)
            check_strand(strand, interfaces);
    }
    if (association->child)
        told_send(association);
    if (association->weave) {
        for (unsigned i = 0; i < WEAVE_PATHS; i++)
            association->weave->paths[i].closed = false;
        association->weave->look = true;
        association->weave->tried_count = 0; /* another network: who did not answer there may answer here */
        association->weave->again_at = association->weave->again_at < association_now(association)
                                           ? association->weave->again_at
                                           : association_now(association);
        association->weave->again_failures = 0;
    }
    association_wake(association);
}

/* ------------------------------------------------------------------------------------------------------- measuring */

void weave_measure_strand(struct strand *strand)
{
    const hawser_association *association = strand->association;
    struct session_link told = {.rank = strand->preferred ? -PREFERRED : 0, .standby = strand->avoided};
    struct layer_link link;

    layer_link(strand->top, &link);
    told.rtt = link.rtt_us;
    told.min_rtt = link.min_rtt_us;
    told.rate = link.delivery_rate;
    told.queued = link.unsent;
    if (strand->path) {
        told.rank += strand->path->rank;
        told.cost = strand->path->metered ? strand->path->cost : 0;
        told.standby |= strand->path->metered && weave_wants_all(association) && !strand->preferred;
    }
    session_strand_set_link(strand->session, &told);
}

void weave_measure(hawser_association *association)
{
    int64_t now = association_now(association);

    if (!association->session || association->ended || association->measured_at + MEASURE_INTERVAL > now ||
        association->strands.next == association->strands.prev)
        return;
    association->measured_at = now;
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->session && strand->top && !strand->dead)
            weave_measure_strand(strand);
    }
}
