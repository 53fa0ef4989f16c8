/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt: a stack of layers of its own, from its start until it won, failed or lost. (S4.26-S4.29) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "race/internal.h"

#define SILENT_TIMES 2 /* an attempt is silent when it heard nothing for this many times as long as the winner took */
#define SYN_TIMEOUT 1000000 /* after which the system sends a SYN again */

const struct tls_config *attempt_tls(const struct attempt *attempt)
{
    const struct establish_endpoint *given = &attempt->establish->sources[attempt->endpoint].given;

    const struct tls_config *tls = attempt->plan->session ? given->session_tls : given->bare_tls;

    return tls && tls->sctp && strncmp(attempt->plan->stack, "sctp/", 5) == 0 ? tls->sctp : tls;
}

/* What is remembered is filed under the service, however it is reached. */
static const char *service_of(const struct attempt *attempt)
{
    return attempt->establish->sources[attempt->endpoint].service;
}

/* ----------------------------------------------------------------------------------------------------------- start */

static void fill_host(struct attempt *attempt)
{
    const struct source *peer = &attempt->establish->sources[attempt->endpoint];
    const struct source *proxy = &attempt->establish->sources[attempt->place->source];

    attempt->target.host = peer->host;
    attempt->target.port = peer->given.endpoint.port;
    attempt->target.proxy_user = proxy->user;
    attempt->target.proxy_password = proxy->password;
}

static bool may_fast_open(const struct attempt *attempt)
{
    const struct tls_config *tls = attempt_tls(attempt);

    return attempt->establish->config.fast_open && tls && tls->service &&
           strncmp(attempt->plan->stack, "tls/", 4) == 0 && !attempt->plan->unix_socket &&
           fast_open_recall(attempt->establish->context, service_of(attempt)) != FAST_OPEN_BROKEN;
}

/* By whatever stack it was measured. */
static int64_t remembered_rtt(const struct attempt *attempt)
{
    struct history_record record;
    char address[TEXT_MAX] = "";
    const struct history_key key = {attempt->choice.network, service_of(attempt), address, NULL};

    (void)endpoint_print_address(&attempt->place->found.address, address, sizeof address);
    history_recall(attempt->establish->history, &key, &record);
    return record.rtt_us;
}

static void fill_target(struct attempt *attempt)
{
    struct layer_target *target = &attempt->target;

    target->remote = attempt->place->found.address;
    target->local = attempt->choice.local;
    if (attempt->choice.bind)
        snprintf(target->interface, sizeof target->interface, "%s", attempt->choice.interface);
    target->tls = attempt_tls(attempt);
    target->fast_open = may_fast_open(attempt);
    target->timestamps = attempt->establish->config.timestamps;
    target->rtt_us = remembered_rtt(attempt);
    target->hop_limit = attempt->establish->config.hop_limit;
    target->no_loop = attempt->establish->config.no_loop;
    if (attempt->plan->proxy >= 0)
        fill_host(attempt);
}

static void on_ready(struct layer *layer, unsigned ready)
{
    (void)ready;
    attempt_progress(layer->user);
}

int attempt_start(struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    const struct establish_handler *handler = e->config.handler;
    int r;

    attempt->start = establish_now(e);
    attempt->outcome = HAWSER_ATTEMPT_LOST;
    fill_target(attempt);
    r = stack_open(e->context, attempt->plan->stack, &attempt->target, &attempt->top);
    if (r == 0 && handler->opened)
        r = handler->opened(e->config.user, attempt, &attempt->top);
    if (r < 0) {
        const struct layer_error *error = layer_error(attempt->top);
        attempt_fail(attempt, error->layer, r, error->code ? error->reason : hawser_strerror(r));
        return r;
    }
    attempt->top->ready = on_ready;
    attempt->top->user = attempt;
    attempt->started = attempt->fresh = true; /* its first step is taken outside of the race's call */
    establish_wake(e);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- end */

/* The bottom counts as reached when its handshake is done; with Fast Open it is established before it has begun. */
static bool bottom_reached(const struct layer *bottom)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    return bottom->established && getpeername(layer_descriptor(bottom), (struct sockaddr *)&address, &size) == 0;
}

/* Once the bottom was seen to be there it need not be asked again. */
static const char *highest_reached(const struct attempt *attempt)
{
    const struct layer *layer = attempt->top;

    while (layer->below && !layer->established)
        layer = layer->below;
    return layer->below || attempt->reached_told || bottom_reached(layer) ? layer->type->name : "";
}

static void note_reached(struct attempt *attempt)
{
    const char *reached = highest_reached(attempt);
    int64_t now = establish_now(attempt->establish);

    if (reached != attempt->reached) {
        attempt->reached = reached;
        attempt->reached_at = now;
    }
    if (*reached && !attempt->reached_told && attempt->candidate && race_running(attempt->candidate)) {
        attempt->reached_told = true;
        attempt->answered_at = now;
        race_reached(attempt->establish->race, attempt->candidate, now);
    }
}

void attempt_note_path(struct attempt *attempt, const struct layer *top)
{
    char remote[TEXT_MAX], interface[32];

    layer_path(top, attempt->local, sizeof attempt->local, remote, sizeof remote, interface, sizeof interface);
    if (*remote)
        memcpy(attempt->remote, remote, sizeof remote);
    if (*interface)
        memcpy(attempt->choice.interface, interface, sizeof interface);
}

static const struct layer *bottom_of(const struct layer *top)
{
    while (top->below)
        top = top->below;
    return top;
}

/* One SYN that went unanswered is enough to leave Fast Open alone on this network. */
static void note_fast_open(struct attempt *attempt)
{
    enum fast_open_memory memory = FAST_OPEN_UNKNOWN;
    struct layer_peer peer;

    if (!attempt->target.fast_open || !attempt->top)
        return;
    layer_peer(attempt->top, &peer);
    if (peer.fast_open_lost ||
        (!bottom_reached(bottom_of(attempt->top)) && attempt->end - attempt->start > SYN_TIMEOUT))
        memory = FAST_OPEN_BROKEN;
    else if (peer.fast_open)
        memory = FAST_OPEN_WORKED;
    if (memory != FAST_OPEN_UNKNOWN)
        fast_open_remember(attempt->establish->context, service_of(attempt), memory);
}

/* Takes its layers apart. Whatever it carried early goes with them. */
static void attempt_close(struct attempt *attempt)
{
    struct establish *e = attempt->establish;

    attempt->over = true;
    attempt->end = establish_now(e);
    if (!attempt->top)
        return;
    note_reached(attempt);
    attempt_note_path(attempt, attempt->top);
    note_fast_open(attempt);
    if (e->config.handler->over)
        e->config.handler->over(e->config.user, attempt);
    layer_destroy(attempt->top);
    attempt->top = NULL;
}

/* The layer that had no answer yet. */
static const char *waits_for(const struct layer *top)
{
    const char *name = "";

    for (; top; top = top->below)
        if (top->below ? !top->established : !bottom_reached(top))
            name = top->type->name;
    return name;
}

void attempt_fail(struct attempt *attempt, const char *layer, int code, const char *reason)
{
    struct establish *e = attempt->establish;
    bool raced = attempt->candidate && race_running(attempt->candidate) && attempt->started;

    attempt->layer = layer;
    attempt->code = code;
    attempt->outcome = HAWSER_ATTEMPT_FAILED;
    snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
    establish_blame(e, code, attempt->remote, reason);
    loop_log(e->context, HAWSER_LOG_INFO, "%s: %s: %s", attempt->remote, attempt->stack, reason);
    attempt_close(attempt);
    attempt_note(attempt);
    if (raced) /* else the race learns it from what attempt_start() returns */
        race_failed(e->race, attempt->candidate, establish_now(e));
    establish_wake(e);
}

void attempt_stop(struct attempt *attempt, enum race_stop why)
{
    attempt->end = establish_now(attempt->establish);
    switch (why) {
    case RACE_LOST:
        attempt->outcome = HAWSER_ATTEMPT_LOST;
        attempt->code = -ECANCELED;
        attempt->layer = attempt->top ? waits_for(attempt->top) : "";
        snprintf(attempt->reason, sizeof attempt->reason, "%s",
                 *attempt->reached ? "another was faster" : "no answer from it before another won");
        break;
    case RACE_UNTRIED:
        attempt->outcome = HAWSER_ATTEMPT_SKIPPED;
        attempt->start = attempt->end;
        snprintf(attempt->reason, sizeof attempt->reason, "its turn did not come");
        break;
    case RACE_TIMED_OUT:
        attempt->outcome = HAWSER_ATTEMPT_FAILED;
        attempt->code = -ETIMEDOUT;
        attempt->layer = attempt->top ? waits_for(attempt->top) : "";
        snprintf(attempt->reason, sizeof attempt->reason, "no answer until the time was over");
        establish_blame(attempt->establish, -ETIMEDOUT, attempt->remote, attempt->reason);
        break;
    }
    attempt_close(attempt);
    if (why == RACE_TIMED_OUT)
        attempt_note(attempt);
}

/* ------------------------------------------------------------------------------------------------------- progress */

/* Of one whose handshake is done: which protocol it is, and whether that will do. */
static int verdict(struct attempt *attempt, char *reason, size_t size)
{
    struct layer_peer peer;
    bool session;

    layer_peer(attempt->top, &peer);
    session = attempt->plan->session && peer.alpn &&
              strcmp(peer.alpn, strncmp(attempt->plan->stack, "sctp/", 5) == 0 ? ALPN_SESSION_SCTP : ALPN_SESSION) == 0;
    if (!session && !attempt->plan->bare) {
        snprintf(reason, size, "%s", hawser_strerror(-HAWSER_ENOTSPOKEN));
        return -HAWSER_ENOTSPOKEN;
    }
    attempt->bare = !session;
    return 0;
}

void attempt_progress(struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    char reason[REASON_MAX] = "";
    int r;

    if (attempt->over || !attempt->top || e->decided)
        return;
    attempt->fresh = false;
    r = layer_establish(attempt->top);
    if (attempt->over || !attempt->top)
        return;
    note_reached(attempt);
    if (r == -EAGAIN) {
        establish_wake(e); /* the race's timers may have moved */
        return;
    }
    if (r == 0) {
        r = verdict(attempt, reason, sizeof reason);
    } else {
        const struct layer_error *error = layer_error(attempt->top);
        snprintf(reason, sizeof reason, "%s", error->code ? error->reason : hawser_strerror(r));
    }
    if (r < 0) {
        const struct layer_error *error = layer_error(attempt->top);
        attempt_fail(attempt, error->code ? error->layer : attempt->top->type->name, r,
                     *reason ? reason : hawser_strerror(r));
        return;
    }
    attempt->end = establish_now(e);
    attempt->outcome = HAWSER_ATTEMPT_WON;
    race_won(e->race, attempt->candidate, attempt->end);
}

/* --------------------------------------------------------------------------------------------------------- asking */

bool attempt_ran(const struct attempt *attempt)
{
    return attempt->start != 0 && attempt->outcome != HAWSER_ATTEMPT_SKIPPED;
}

/* Before anything was sent the gateway's link address, which tells networks apart, may not have been known. */
static void note_network(struct attempt *attempt)
{
    char network[PATH_NETWORK] = "";

    if (attempt->choice.index == 0)
        return;
    paths_network(attempt->establish->paths, &attempt->place->found.address, attempt->choice.index, network);
    if (*network)
        memcpy(attempt->choice.network, network, sizeof network);
}

/* What this host lacked or lost says nothing of the peer, nor of the way there. */
static bool fault_is_ours(int code)
{
    static const int ours[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRINUSE, EADDRNOTAVAIL, ENETDOWN};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (code == -ours[i])
            return true;
    return false;
}

void attempt_note(struct attempt *attempt)
{
    struct establish *e = attempt->establish;
    char address[TEXT_MAX] = "";
    const struct history_key key = {attempt->choice.network, service_of(attempt), address, attempt->plan->stack};
    struct layer_link link = {.rtt_us = 0};
    bool won = attempt->outcome == HAWSER_ATTEMPT_WON;

    if (fault_is_ours(attempt->code))
        return;
    note_network(attempt);
    (void)endpoint_print_address(&attempt->place->found.address, address, sizeof address);
    if (won && attempt->top) {
        layer_link(attempt->top, &link);
        note_fast_open(attempt);
    }
    history_note(e->history, &key, attempt->code, link.rtt_us, won ? attempt->end - attempt->start : 0);
    if (won && attempt->plan->session)
        history_note_speaks(e->history, key.service, attempt->bare ? HISTORY_BARE : HISTORY_SESSION);
    else if (attempt->code == -HAWSER_ENOTSPOKEN)
        history_note_speaks(e->history, key.service, HISTORY_BARE);
}

/* It had begun before the winner, who came through meanwhile, and for twice as long as that took nobody said a word, neither at
 * first nor after TCP had answered: not another stagger for it the next time. Slow ones that do answer are no failures. */
void attempt_note_silent(struct attempt *attempt, const struct attempt *winner)
{
    struct establish *e = attempt->establish;
    int64_t silent = attempt->end - (attempt->reached_at ? attempt->reached_at : attempt->start);
    struct history_key *key;

    if (attempt->outcome != HAWSER_ATTEMPT_LOST || attempt->start >= winner->start || silent < RACE_ATTEMPT_DELAY_MIN ||
        silent < SILENT_TIMES * (winner->end - winner->start))
        return;
    key = attempt_key(attempt);
    if (key)
        history_note(e->history, key, -ETIMEDOUT, 0, 0);
    free(key);
}

void attempt_free(struct attempt *attempt)
{
    attempt->over = true;
    if (attempt->top && attempt->establish->config.handler->over)
        attempt->establish->config.handler->over(attempt->establish->config.user, attempt);
    layer_destroy(attempt->top);
    list_remove(&attempt->link);
    free(attempt);
}

const char *attempt_stack(const struct attempt *attempt)
{
    return attempt->stack;
}

bool attempt_bare(const struct attempt *attempt)
{
    return attempt->bare;
}

const struct establish_endpoint *attempt_endpoint(const struct attempt *attempt)
{
    return &attempt->establish->sources[attempt->endpoint].given;
}

struct layer *attempt_top(const struct attempt *attempt)
{
    return attempt->top;
}

struct history_key *attempt_key(const struct attempt *attempt)
{
    char address[TEXT_MAX] = "";
    const struct history_key key = {attempt->choice.network, service_of(attempt), address, attempt->plan->stack};

    (void)endpoint_print_address(&attempt->place->found.address, address, sizeof address);
    return history_key_keep(&key);
}

void attempt_stripped(struct attempt *winner, struct layer *top)
{
    winner->establish->told_top = top;
}

void attempt_used_early(struct attempt *attempt)
{
    attempt->early = true;
}
