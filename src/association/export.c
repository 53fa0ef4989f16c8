/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_association_export(): a line leaves this process as a sealed blob. (S1.21, S1.32) */
#include "association/moving.h"

#include <stdio.h>
#include <unistd.h>

#include "association/outgoing.h"
#include "association/stream.h"
#include "association/trace.h"
#include "association/weave.h"
#include "security/seal.h"

#define BLOB_MAX (UINT64_C(256) << 20)
#define MOVED_MAX 4096 /* lines that are remembered */
#define MOVED_AWAY "the line was moved to another process"

/* ------------------------------------------------------------------------------------------------------ the fields */

static int put(char *place, size_t size, const char *text)
{
    return (size_t)snprintf(place, size, "%s", text ? text : "") < size ? 0 : -E2BIG;
}

/* Whom the peer takes us for, where it can tell. */
static bool is_known(const hawser_association *association)
{
    return association->child || trust_shows_identity(&association->secure->tls);
}

static const char *programs_alpn(const struct tls_config *tls)
{
    for (size_t i = 0; i < sizeof tls->alpn / sizeof *tls->alpn && tls->alpn[i]; i++)
        if (strcmp(tls->alpn[i], ALPN_SESSION) != 0 && strcmp(tls->alpn[i], ALPN_SESSION_SCTP) != 0)
            return tls->alpn[i];
    return NULL;
}

static int fill_secure(const hawser_association *association, struct moving_line *line)
{
    const struct tls_config *tls = &association->secure->tls;
    int r = put(line->server_name, sizeof line->server_name, tls->server_name);

    if (is_known(association))
        (void)put(line->identity, sizeof line->identity, hawser_identity_name(tls->identity));
    if (r == 0)
        r = put(line->trust, sizeof line->trust, secure_trust(association->secure));
    if (r == 0)
        r = put(line->trust_file, sizeof line->trust_file, secure_trust_file(association->secure));
    if (r == 0)
        r = put(line->service, sizeof line->service, tls->service);
    (void)put(line->alpn, sizeof line->alpn, programs_alpn(tls));
    line->min_verification = tls->min_verification;
    line->early_data = tls->early_data;
    line->present_certificate = tls->present_certificate;
    line->no_tickets = tls->no_tickets;
    return r;
}

static int fill_peer(const hawser_association *association, struct moving_line *line)
{
    const hawser_peer *peer = &association->peer->is;

    if (peer->public_key_size > sizeof line->spki)
        return -E2BIG;
    if (peer->public_key_size)
        memcpy(line->spki, peer->public_key, peer->public_key_size);
    line->spki_size = peer->public_key_size;
    line->verification = peer->verification;
    (void)put(line->peer_key_name, sizeof line->peer_key_name, peer->key_name);
    (void)put(line->peer_alpn, sizeof line->peer_alpn, peer->alpn);
    return put(line->peer_name, sizeof line->peer_name, peer->name);
}

static int fill_line(const hawser_association *association, struct moving_line *line)
{
    const struct ways *ways = association->ways;
    int r = put(line->endpoint, sizeof line->endpoint, association->endpoint);

    line->child = association->child;
    line->wants_told = association->wants_told;
    line->linger = association->linger;
    line->line_dead = association->line_dead;
    line->reestablish = association->reestablish > 0 ? association->reestablish : DEFAULT_REESTABLISH;
    line->has_ways = ways != NULL;
    if (r == 0 && ways)
        r = put(line->paths, sizeof line->paths, ways->paths);
    if (r == 0 && ways)
        r = put(line->stacks, sizeof line->stacks, ways->stacks);
    if (r == 0 && ways)
        r = put(line->others, sizeof line->others, ways->others);
    (void)put(line->first_stack, sizeof line->first_stack, association->first_stack);
    memcpy(line->secret, association->secret, sizeof line->secret);
    line->ours = association->ours;
    line->theirs = association->theirs;
    if (r == 0)
        r = fill_secure(association, line);
    return r == 0 ? fill_peer(association, line) : r;
}

/* ------------------------------------------------------------------------------------------------------- the strands */

/* The layers may have told the peer already that these units came: nobody would send them again. */
static void strands_drain(hawser_association *association)
{
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->session && strand->secured) /* dead ones too, that nobody has taken apart yet */
            units_drain(strand);
    }
}

/* The peer hears, as far as it goes at once, that the end of the strands is not that of the line. */
static void leaving_tell(hawser_association *association)
{
    static const uint8_t leaves = 1;

    if (session_tell(association->session, TOLD_LEAVES, &leaves, sizeof leaves) < 0)
        return;
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand->session && !strand->dead)
            strand_write(strand);
    }
}

/* Nothing is sent any more. */
static void strands_stop(hawser_association *association)
{
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        strand->bulk = NULL;
        strand->bulk_size = 0;
        strand_lost(strand, -HAWSER_EMOVED, MOVED_AWAY);
    }
}

/* The session has none of them any more; and their layers must not go on telling the peer that things came. */
static void strands_leave(hawser_association *association)
{
    while (!list_empty(&association->strands)) {
        struct strand *strand = list_first(&association->strands, struct strand, link);

        strand->session = NULL;
        weave_gone(association, strand);
        strand_free(strand);
    }
    association->path_changed = true;
}

static int read_source(void *user, void *cookie, uint64_t offset, void *bytes, size_t size)
{
    (void)user;
    return outgoing_read(cookie, offset, bytes, size);
}

/* --------------------------------------------------------------------------------------------------------- traces left */

/* The peer may come here once more before it finds the new process: it must not take the line for lost. */
struct moved {
    struct list link;
    int64_t until;
    uint8_t nonce[16];
};

static void moved_free(struct associations *all, struct moved *moved)
{
    list_remove(&moved->link);
    all->moved_count--;
    free(moved);
}

void export_forget(struct associations *all, int64_t now)
{
    for (struct list *at = all->moved.next, *next; at != &all->moved; at = next) {
        struct moved *moved = container_of(at, struct moved, link);

        next = at->next;
        if (moved->until <= now)
            moved_free(all, moved);
    }
}

static void moved_note(hawser_association *association)
{
    struct associations *all = association->all;
    struct moved *moved = calloc(1, sizeof *moved);

    export_forget(all, association_now(association));
    if (!moved) /* then it takes it for lost */
        return;
    if (all->moved_count == MOVED_MAX)
        moved_free(all, list_first(&all->moved, struct moved, link));
    memcpy(moved->nonce, session_peer_hello(association->session)->nonce, sizeof moved->nonce);
    moved->until =
        loop_after(association_now(association),
                   association->reestablish > DEFAULT_REESTABLISH ? association->reestablish : DEFAULT_REESTABLISH);
    list_append(&all->moved, &moved->link);
    all->moved_count++;
}

bool export_was_moved(struct associations *all, const uint8_t nonce[16])
{
    export_forget(all, loop_now(all->context));
    for (const struct list *at = all->moved.next; at != &all->moved; at = at->next)
        if (memcmp(container_of(at, struct moved, link)->nonce, nonce, 16) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------------------------ export */

static int export_check(const hawser_association *association)
{
    if (association->listener || association->bare)
        return -EOPNOTSUPP;
    if (!association->open || association->ended || association->abort_wanted || !association->session)
        return -ENOTCONN;
    if (association->reading || association->in_ready) /* messages are with the program, or its layers are at work */
        return -EBUSY;
    if (!association->established || !association->told || !association->has_secret || !association->peer)
        return -EAGAIN;
    for (const struct list *at = association->streams.next; at != &association->streams; at = at->next)
        if (container_of(at, struct hawser_stream, link)->pump)
            return -EOPNOTSUPP;
    /* The context's own, which no other process has. */
    if (is_known(association) && association->secure->tls.identity == association->all->identity)
        return -HAWSER_EIDENTITY;
    return session_export_check(association->session);
}

/* The session's part is last: it is what ends the line here. */
static int export_write(hawser_association *association, struct coder *coder, struct moving_line *line)
{
    int r;

    strands_drain(association);
    session_flush_events(association->session, association_now(association));
    r = export_check(association); /* handlers ran: they may have closed it, or taken a stream's descriptor */
    if (r == 0)
        r = fill_line(association, line);
    if (r < 0)
        return r;
    moving_clocks(line);
    moving_line(coder, line);
    moving_properties(coder, &association->properties);
    moving_takings(coder, association);
    moving_told(coder, association);
    moving_tickets(coder, association);
    if (!code_ok(coder))
        return coder->error;
    leaving_tell(association);
    strands_stop(association);
    r = session_export(association->session, coder, read_source, association_now(association));
    return r == 0 ? export_check(association) : r; /* and once more, for what the strands were sending from */
}

/* Nothing of the session is left; the association ends as others do. */
static void export_leave(hawser_association *association)
{
    if (association->child)
        moved_note(association);
    find_remove_nonce(association);
    if (association->nonce_key)
        security_nonce_remove(association->context, session_peer_hello(association->session)->nonce,
                              association->nonce_key);
    association->nonce_key = NULL;
    strands_leave(association);
    stream_handles_end(association);
    session_exported(association->session);
    session_free(association->session);
    association->session = NULL;
    weave_free(association);
    association->stranded = association->strandless = association->imported = false;
    association->stranded_until = NEVER;
    close_told(association, -HAWSER_EMOVED, 0, false, MOVED_AWAY);
}

/* Its strands are gone, and nothing else: the line is had again, or waits for its peer, who was told that it leaves. */
static void export_failed(hawser_association *association)
{
    static const uint8_t stays = 0;

    if (association->ended || !session_is_strandless(association->session))
        return;
    (void)session_tell(association->session, TOLD_LEAVES, &stays, sizeof stays); /* no memory: he waits longer for us */
    strands_leave(association);
    weave_stranded(association, -HAWSER_EMOVED, "it was to be moved, and could not be");
    association_wake(association);
}

static int export_key(const hawser_association *association, const hawser_export_options *options, uint8_t *key)
{
    if (options->key)
        return seal_key(options->key, options->key_size, key);
    if (association->secure->tls.identity == association->all->identity)
        return -HAWSER_EIDENTITY;
    return seal_key_of_identity(association->secure->tls.identity, key);
}

static int export_now(hawser_association *association, const uint8_t *key, uint64_t most, void **ret_blob,
                      size_t *ret_size)
{
    struct moving_line *line = calloc(1, sizeof *line);
    struct coder coder;
    void *blob = NULL;
    size_t size = 0;
    int r = line ? 0 : -ENOMEM;

    coder_write(&coder, &memory_malloc, (size_t)(most < SIZE_MAX / 4 ? most : SIZE_MAX / 4));
    if (r == 0)
        r = export_write(association, &coder, line);
    if (r == 0)
        r = seal_close(key, coder.bytes, coder.size, &blob, &size);
    if (r == 0)
        export_leave(association);
    else
        export_failed(association);
    coder_free(&coder);
    if (line)
        gnutls_memset(line, 0, sizeof *line);
    free(line);
    if (r < 0)
        return r;
    *ret_blob = blob;
    *ret_size = size;
    return 0;
}

int hawser_association_export(hawser_association *association, const hawser_export_options *given, void **ret_blob,
                              size_t *ret_size)
{
    hawser_export_options options;
    uint8_t key[SEAL_KEY];
    int r = association_check(association);

    if (r == 0)
        r = options_copy(&options, sizeof options, given);
    if (r < 0)
        return r;
    if (!ret_blob || !ret_size)
        return -EINVAL;
    r = export_check(association);
    if (r == 0)
        r = export_key(association, &options, key);
    if (r < 0)
        return r;
    association_hold(association);
    r = export_now(association, key, options.max_size ? options.max_size : BLOB_MAX, ret_blob, ret_size);
    association_let_go(association);
    gnutls_memset(key, 0, sizeof key);
    return r;
}
