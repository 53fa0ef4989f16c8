/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted connections, until their HELLO makes them associations that the program hears of. (S2.34, S2.53) */
#include "association/listener.h"

#include <unistd.h>

/* ----------------------------------------------------------------------------------------------------- bookkeeping */

static void listener_balance(struct listener *listener)
{
    if (listener->acceptor && listener->children_max)
        acceptor_pause(listener->acceptor, listener->children >= listener->children_max);
}

/* The child's handshake and HELLO are done, or it is given up. */
void listener_stop_waiting(hawser_association *child)
{
    if (!list_linked(&child->waiting))
        return;
    list_remove(&child->waiting);
    child->parent->listener->waiting_count--;
    if (!child->ended && !close_is_asked(child))
        child->deadline = NEVER;
}

void listener_forget(hawser_association *child)
{
    if (!child->child || !child->parent)
        return;
    if (list_linked(&child->waiting)) {
        list_remove(&child->waiting);
        child->parent->listener->waiting_count--;
    }
    child->parent->listener->children--;
    listener_balance(child->parent->listener);
}

/* Nothing was told to the program of such a child, so nothing needs to be told of its end. */
void listener_drop(hawser_association *child, int code, const char *reason)
{
    struct strand *strand = list_first(&child->strands, struct strand, link);

    loop_log(child->context, HAWSER_LOG_INFO, "%s: a peer came to nothing: %s", child->parent->endpoint, reason);
    if (list_linked(&child->waiting)) {
        list_remove(&child->waiting);
        child->parent->listener->waiting_count--;
    }
    child->deadline = NEVER;
    if (!list_empty(&child->strands))
        strand_lost(strand, code, reason);
}

void listener_timeout(hawser_association *child)
{
    listener_drop(child, -ETIMEDOUT, "no handshake and HELLO in time");
}

/* -------------------------------------------------------------------------------------------------------- accepting */

static const char *listener_stack(const struct listener *listener, bool tls)
{
    if (listener->unix_socket)
        return tls ? "tls/unix" : "unix";
    return tls ? "tls/tcp" : "tcp";
}

static int listener_child(hawser_association *parent, int fd, bool tls, struct strand **ret_strand)
{
    struct listener *listener = parent->listener;
    hawser_association *child;
    struct strand *strand;
    struct layer *top;
    int r;

    r = association_new(parent->context, &child);
    if (r < 0)
        return r;
    r = strand_new(child, &strand);
    if (r == 0)
        r = stack_accept(parent->context, listener_stack(listener, tls), tls ? &parent->secure->tls : NULL, fd, &top);
    if (r < 0) {
        association_finish(child);
        return r;
    }
    association_hold(parent);
    child->parent = parent;
    child->child = true;
    child->secure = tls ? secure_ref(parent->secure) : NULL;
    child->properties = hawser_properties_ref(parent->properties);
    child->user = listener->user;
    child->linger = listener->line.linger;
    child->line_dead = parent->line_dead;
    listener->children++;
    listener->waiting_count++;
    list_append(&listener->waiting, &child->waiting);
    listener_balance(listener);
    child->deadline = loop_after(association_now(child), listener->handshake_timeout);
    association_arm(child, child->deadline);
    strand_set_top(strand, top);
    *ret_strand = strand;
    return 0;
}

static void listener_not_taken(hawser_association *parent, int fd, int code)
{
    close(fd);
    loop_log(parent->context, HAWSER_LOG_WARNING, "%s: a connection was not taken: %s", parent->endpoint,
             hawser_strerror(code));
}

void listener_accepted(void *user, int fd)
{
    hawser_association *parent = user;
    struct listener *listener = parent->listener;
    int r;

    if (listener->waiting_count >= listener->waiting_max && !bare_sniff_drop(listener))
        listener_drop(list_first(&listener->waiting, hawser_association, waiting), -ECONNABORTED,
                      "too many handshakes at once");
    if (!listener->plain || !listener->tls) {
        listener_take(parent, fd, listener->tls);
        return;
    }
    r = bare_sniff(parent, fd);
    if (r < 0)
        listener_not_taken(parent, fd, r);
}

void listener_take(hawser_association *parent, int fd, bool tls)
{
    struct strand *strand;
    int r = listener_child(parent, fd, tls, &strand);

    if (r < 0) {
        listener_not_taken(parent, fd, r);
        return;
    }
    association_hold(strand->association);
    listener_progress(strand->association, strand);
    association_let_go(strand->association);
}

/* -------------------------------------------------------------------------------------------------------- handshake */

static bool listener_make_session(hawser_association *child, struct strand *strand, bool early)
{
    int r = 0;

    if (!child->session)
        r = association_make_session(child, &child->parent->listener->line, false);
    if (r == 0)
        r = strand_join(strand, early);
    if (r < 0)
        listener_drop(child, r, hawser_strerror(r));
    return r == 0;
}

static void listener_early(hawser_association *child, struct strand *strand)
{
    size_t scratch_size;
    uint8_t *scratch = loop_scratch(child->context, &scratch_size) + PULL_SIZE, *buffer = scratch;
    ssize_t n;

    home_here(child->all->home);
    while (!strand->dead && !child->ended) {
        size_t size = scratch_size - PULL_SIZE;

        if (strand->session)
            session_space(strand->session, scratch, scratch_size - PULL_SIZE, &buffer, &size);
        n = strand->top->type->receive(strand->top, buffer, size);
        if (n <= 0 || !listener_make_session(child, strand, true))
            return;
        child->early = true;
        batch_open(child->all, scratch, scratch_size - PULL_SIZE);
        (void)session_received(strand->session, buffer, (size_t)n, true, loop_now(child->context));
        batch_flush(child->all);
    }
}

void listener_established(hawser_association *child)
{
    struct strand *strand = list_first(&child->strands, struct strand, link);

    listener_stop_waiting(child);
    (void)find_add(child, NULL); /* no memory: it is only not found */
    child->path_changed = true;
    report_established(child, strand, child->bare != NULL);
}

static void listener_secured(hawser_association *child, struct strand *strand)
{
    struct layer_peer peer;

    layer_peer(strand->top, &peer);
    if (child->parent->listener->bare && (!peer.alpn || strcmp(peer.alpn, "hawser/1") != 0)) {
        bare_accept(child, strand);
        return;
    }
    if (!peer.alpn || strcmp(peer.alpn, "hawser/1") != 0) {
        listener_drop(child, -HAWSER_ENOTSPOKEN, hawser_strerror(-HAWSER_ENOTSPOKEN));
        return;
    }
    if (peer_note(child, &peer) < 0 || !listener_make_session(child, strand, false))
        return;
    child->established = true;
    child->round_trips = (uint16_t)peer.round_trips;
    child->early_data = child->early;
    child->resumed = peer.resumed;
    child->fast_open = peer.fast_open;
    strand_tune(strand);
    strand_secured(strand, true);
    if (child->told)
        listener_established(child);
}

void listener_progress(hawser_association *child, struct strand *strand)
{
    const struct layer_error *error;
    int r;

    if (strand->dead)
        return;
    r = strand->top->type->establish(strand->top);
    if (r == 0) {
        listener_secured(child, strand);
    } else if (r == -EAGAIN) {
        listener_early(child, strand);
    } else {
        error = layer_error(strand->top);
        listener_drop(child, r, error->code ? error->reason : hawser_strerror(r));
    }
}

/* ------------------------------------------------------------------------------------------------------------- HELLO */

static void listener_raise(hawser_association *child)
{
    hawser_association *parent = child->parent;
    hawser_event event = {.type = HAWSER_ACCEPTED};

    event.accepted.association = child;
    event.accepted.peer = child->peer->is;
    event.accepted.early = !child->established;
    event_raise(parent, &event);
}

static void listener_refuse(hawser_association *child, uint64_t code, const char *reason)
{
    child->silent = true;
    close_now(child, code, reason, -HAWSER_EREFUSED);
    listener_stop_waiting(child);
}

void listener_hello(hawser_association *child)
{
    struct strand *strand = list_first(&child->strands, struct strand, link);
    const uint8_t *nonce = session_peer_hello(child->session)->nonce;
    struct layer_peer peer;

    if (!child->peer)
        layer_peer(strand->top, &peer);
    if (!child->peer && peer_note(child, &peer) < 0) {
        listener_refuse(child, SESSION_CODE(SESSION_CODE_MEMORY), "no memory");
        return;
    }
    if (security_nonce_add(child->context, nonce, peer_key_name(child)) < 0) {
        listener_refuse(child, SESSION_CODE(SESSION_CODE_DUPLICATE), "this association is being served already");
        return;
    }
    child->nonce_key = peer_key_name(child);
    listener_raise(child);
    if (child->refused) {
        char *reason = child->end_reason;

        child->end_reason = NULL;
        listener_refuse(child, child->end_code, reason);
        free(reason);
    } else if (child->refs == 0) {
        listener_refuse(child, SESSION_CODE(SESSION_CODE_REFUSED), "nobody took the association");
    } else {
        child->told = true;
        if (child->established)
            listener_established(child);
    }
}

int hawser_refuse_association(hawser_association *association, uint64_t code, const char *reason)
{
    int r = association_check(association);
    char *copy;

    if (r < 0)
        return r;
    if (!association->child || association->told || association->ended ||
        (!association->nonce_key && !association->offered))
        return -EINVAL;
    if (code > UINT32_MAX)
        return -EINVAL;
    copy = text_copy(reason);
    if (!copy)
        return -ENOMEM;
    free(association->end_reason);
    association->end_reason = copy;
    association->end_code = code ? REFUSED_WITH(code) : SESSION_CODE(SESSION_CODE_REFUSED);
    association->refused = true;
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- end */

void listener_close(hawser_association *association)
{
    struct listener *listener = association->listener;

    if (!listener || !listener->acceptor)
        return;
    acceptor_destroy(listener->acceptor);
    listener->acceptor = NULL;
    while (bare_sniff_drop(listener))
        ;
    for (struct list *at = listener->waiting.next, *next; at != &listener->waiting; at = next) {
        hawser_association *child = container_of(at, hawser_association, waiting);

        next = at->next;
        if (!child->nonce_key && !child->offered) /* else the program has seen it already, or is looking at it */
            listener_drop(child, -HAWSER_ECLOSED, "the listener was closed");
    }
}
