/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted connections, until their HELLO makes them associations that the program hears of. (S2.34, S2.53) */
#include "association/listener.h"
#include "association/join.h"
#include "association/weave.h"
#include "layer/udp.h"

#include <netinet/in.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------------------- bookkeeping */

void listener_balance(struct listener *listener)
{
    bool full = listener->children >= listener->children_max && !listener->stranded;

    if (listener->acceptor && listener->children_max)
        acceptor_pause(listener->acceptor, full);
    if (listener->port && listener->children_max)
        udp_port_pause(listener->port, full);
}

void listener_child_stranded(hawser_association *child, bool stranded)
{
    struct listener *listener = child->child && child->parent ? child->parent->listener : NULL;

    if (!listener || child->stranded_counted == stranded)
        return;
    child->stranded_counted = stranded;
    listener->stranded = stranded ? listener->stranded + 1 : listener->stranded - 1;
    listener_balance(listener);
}

/* Whoever came to join was let in, but is none of those who may. */
static bool listener_is_full(const struct listener *listener)
{
    return listener->children_max && listener->children - listener->waiting_count >= listener->children_max;
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
    listener_child_stranded(child, false);
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

/* Who comes without MPTCP has a plain socket of TCP, also from a listener that takes both. */
static bool is_mptcp(int fd)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_MPTCP;
}

static const char *listener_stack(const struct listener *listener, int fd, bool tls)
{
    if (*listener->foreign)
        return listener->foreign;
    if (listener->unix_socket)
        return tls ? "tls/unix" : "unix";
    if (listener->mptcp && is_mptcp(fd))
        return tls ? "tls/mptcp" : "mptcp";
    return tls ? "tls/tcp" : "tcp";
}

/* What a child is made of: a descriptor, or the peer of a port. */
struct arrival {
    const char *stack;
    bool tls;
    int fd;
    struct layer *bottom; /* NULL: fd */
};

static int listener_stack_up(hawser_association *parent, const struct arrival *arrival, struct layer **ret_top)
{
    const struct tls_config *tls = arrival->tls ? &parent->secure->tls : NULL;

    return arrival->bottom ? stack_accept_above(parent->context, arrival->stack, tls, arrival->bottom, ret_top)
                           : stack_accept(parent->context, arrival->stack, tls, arrival->fd, ret_top);
}

static int listener_child(hawser_association *parent, const struct arrival *arrival, struct strand **ret_strand)
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
        r = listener_stack_up(parent, arrival, &top);
    if (r < 0) {
        association_finish(child);
        return r;
    }
    association_hold(parent);
    child->parent = parent;
    child->child = true;
    child->secure = arrival->tls ? secure_ref(parent->secure) : NULL;
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

static void listener_make_room(struct listener *listener)
{
    if (listener->waiting_count >= listener->waiting_max && !bare_sniff_drop(listener))
        listener_drop(list_first(&listener->waiting, hawser_association, waiting), -ECONNABORTED,
                      "too many handshakes at once");
}

void listener_accepted(void *user, int fd)
{
    hawser_association *parent = user;
    struct listener *listener = parent->listener;
    int r;

    listener_make_room(listener);
    if (!listener->stream_plain || !listener->stream_tls) {
        listener_take(parent, fd, listener->stream_tls);
        return;
    }
    r = bare_sniff(parent, fd);
    if (r < 0)
        listener_not_taken(parent, fd, r);
}

static void listener_begin(struct strand *strand)
{
    hawser_association *child = strand->association;

    association_hold(child);
    listener_progress(child, strand);
    association_let_go(child);
}

void listener_take(hawser_association *parent, int fd, bool tls)
{
    const struct arrival arrival = {.stack = listener_stack(parent->listener, fd, tls), .tls = tls, .fd = fd};
    struct strand *strand;
    int r = listener_child(parent, &arrival, &strand);

    if (r < 0)
        listener_not_taken(parent, fd, r);
    else
        listener_begin(strand);
}

static bool takes_tls(const hawser_context *context, const char *stack)
{
    unsigned flags = 0;

    return stack_flags(context, stack, &flags, NULL) == 0 && flags & LAYER_SECURE;
}

void listener_accepted_peer(void *user, const char *stack, struct layer *bottom)
{
    hawser_association *parent = user;
    const struct arrival arrival = {
        .stack = stack, .tls = takes_tls(parent->context, stack), .fd = -1, .bottom = bottom};
    struct strand *strand;
    int r;

    listener_make_room(parent->listener);
    r = listener_child(parent, &arrival, &strand);
    if (r < 0) {
        layer_destroy(bottom);
        loop_log(parent->context, HAWSER_LOG_WARNING, "%s: a peer was not taken: %s", parent->endpoint,
                 hawser_strerror(r));
    } else {
        listener_begin(strand);
    }
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

/* What came early can be no JOIN. Where nothing did, though the ticket allows it, what comes first has yet to be seen. */
static bool listener_first_early(hawser_association *child, struct strand *strand)
{
    struct layer_unit_in in = {.lane = NULL};

    if (strand->top->type->units->receive(strand->top, &in) < 0 || !listener_make_session(child, strand, true))
        return false;
    child->early = true;
    units_take(strand, &in);
    return true;
}

static void listener_early_units(hawser_association *child, struct strand *strand)
{
    struct layer_peer peer;

    layer_peer(strand->top, &peer);
    if (!peer.early_accepted || (!child->session && !listener_first_early(child, strand)))
        return;
    while (!strand->dead && !child->ended && units_receive(strand) > 0)
        child->early = true;
}

static void listener_early(hawser_association *child, struct strand *strand)
{
    size_t scratch_size;
    uint8_t *scratch = loop_scratch(child->context, &scratch_size) + PULL_SIZE, *buffer = scratch;
    ssize_t n;

    home_here(child->all->home);
    if (strand->top->type->units) {
        listener_early_units(child, strand);
        return;
    }
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
    if (!child->bare)
        (void)host_watch(child->all);
    child->path_changed = true;
    report_established(child, strand, child->bare != NULL);
}

static bool has_sctp(const struct layer *top)
{
    return strcmp(top->type->name, "sctp") == 0;
}

static bool speaks_hawser(const struct strand *strand, const struct layer_peer *peer)
{
    return peer->alpn && strcmp(peer->alpn, has_sctp(strand->top) ? ALPN_SESSION_SCTP : ALPN_SESSION) == 0;
}

/* The handshake of DTLS has said that SCTP comes next: 0, or as establish(). */
static int listener_grow(hawser_association *child, struct strand *strand)
{
    struct layer *top = strand->top;
    struct layer_peer peer;
    int r;

    if (strcmp(top->type->name, "dtls") != 0)
        return 0;
    layer_peer(top, &peer);
    if (!child->parent->listener->dtls_has_sctp && (!peer.alpn || strcmp(peer.alpn, ALPN_SESSION_SCTP) != 0))
        return 0;
    top->established = true;
    r = stack_add(child->context, "sctp", &top);
    if (r < 0)
        return r;
    strand_set_top(strand, top);
    return top->type->establish(top);
}

/* It is hawser/1, and the strand is the first of an association of its own. */
static bool listener_own(hawser_association *child, struct strand *strand)
{
    struct layer_peer peer;

    layer_peer(strand->top, &peer);
    if (peer_note(child, &peer) < 0 || !listener_make_session(child, strand, false))
        return false;
    if (join_note_secret(child, strand) < 0) {
        listener_drop(child, -EOPNOTSUPP, "its layers export no key");
        return false;
    }
    child->established = true;
    child->round_trips = (uint16_t)peer.round_trips;
    child->early_data = child->early;
    child->resumed = peer.resumed;
    child->fast_open = peer.fast_open;
    strand_tune(strand);
    strand_secured(strand, true);
    if (child->told)
        listener_established(child);
    return true;
}

static void listener_unheard(hawser_association *child, struct strand *strand, int code)
{
    const struct layer_error *error = layer_error(strand->top);

    if (code == 0 || code == -ENODATA)
        listener_drop(child, -HAWSER_ELOST, "it ended the connection without a word");
    else
        listener_drop(child, code, error->code ? error->reason : hawser_strerror(code));
}

static bool is_still(const hawser_association *child, const struct strand *strand)
{
    return strand->association == child && !strand->dead;
}

static void listener_first_unit(hawser_association *child, struct strand *strand)
{
    while (is_still(child, strand)) {
        struct layer_unit_in in = {.lane = NULL};
        int r = strand->top->type->units->receive(strand->top, &in);

        if (r == -EAGAIN)
            return;
        if (r < 0) {
            listener_unheard(child, strand, r);
        } else if (!in.reset && !in.early && join_begins(strand, in.data, in.size)) {
            if (!join_heard(child, strand, in.data, in.size))
                return;
        } else {
            if (listener_own(child, strand))
                units_take(strand, &in);
            return;
        }
    }
}

/* Byte by byte, so to speak: what follows a JOIN is to be read by its association. */
static void listener_first_bytes(hawser_association *child, struct strand *strand)
{
    uint8_t bytes[JOIN_WORD_MAX];

    while (is_still(child, strand)) {
        ssize_t n = strand->top->type->receive(strand->top, bytes, strand->joining ? join_wants(strand) : 1);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            listener_unheard(child, strand, (int)n);
        } else if (join_begins(strand, bytes, (size_t)n)) {
            if (!join_heard(child, strand, bytes, (size_t)n))
                return;
        } else {
            if (listener_own(child, strand)) /* and the rest is read as ever */
                (void)session_received(strand->session, bytes, (size_t)n, false, loop_now(child->context));
            return;
        }
    }
}

/* What comes first says whether the strand joins a line that stands already. */
static void listener_first(hawser_association *child, struct strand *strand)
{
    home_here(child->all->home);
    if (strand->top->type->units)
        listener_first_unit(child, strand);
    else
        listener_first_bytes(child, strand);
}

static void listener_secured(hawser_association *child, struct strand *strand)
{
    struct layer_peer peer;

    layer_peer(strand->top, &peer);
    if (child->parent->listener->bare && !speaks_hawser(strand, &peer)) {
        bare_accept(child, strand);
        return;
    }
    if (!speaks_hawser(strand, &peer)) {
        listener_drop(child, -HAWSER_ENOTSPOKEN, hawser_strerror(-HAWSER_ENOTSPOKEN));
        return;
    }
    if (child->session) { /* early data came: it can be no JOIN */
        (void)listener_own(child, strand);
        return;
    }
    child->greeted = true;
    listener_first(child, strand);
}

void listener_progress(hawser_association *child, struct strand *strand)
{
    const struct layer_error *error;
    int r;

    if (strand->dead)
        return;
    if (child->greeted) {
        listener_first(child, strand);
        return;
    }
    r = strand->top->type->establish(strand->top);
    if (r == 0)
        r = listener_grow(child, strand);
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
    if (listener_is_full(child->parent->listener)) {
        listener_refuse(child, SESSION_CODE(SESSION_CODE_REFUSED), "as many associations are here as there may be");
        return;
    }
    if (security_nonce_add(child->context, nonce, peer_key_name(child)) < 0) {
        listener_refuse(child, SESSION_CODE(SESSION_CODE_DUPLICATE), "this association is being served already");
        return;
    }
    child->nonce_key = peer_key_name(child);
    (void)find_add_nonce(child, nonce); /* no memory: no other strand finds it */
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

    if (!listener)
        return;
    if (list_linked(&listener->link))
        list_remove(&listener->link);
    if (!listener->acceptor && !listener->port)
        return;
    acceptor_destroy(listener->acceptor);
    udp_port_destroy(listener->port);
    listener->acceptor = NULL;
    listener->port = NULL;
    while (bare_sniff_drop(listener))
        ;
    for (struct list *at = listener->waiting.next, *next; at != &listener->waiting; at = next) {
        hawser_association *child = container_of(at, hawser_association, waiting);

        next = at->next;
        if (!child->nonce_key && !child->offered) /* else the program has seen it already, or is looking at it */
            listener_drop(child, -HAWSER_ECLOSED, "the listener was closed");
    }
}
