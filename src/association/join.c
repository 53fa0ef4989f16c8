/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining. On strands of units, which may overtake each other, nothing else is said before the answer to the word; and then the
 * acceptor is hushed until the session's own words come. Over bytes they may follow the opener's word at once.
 */
#include "association/join.h"
#include "association/trace.h"

#include <gnutls/crypto.h>

#include "association/listener.h"
#include "association/properties.h"
#include "association/weave.h"
#include "base/varint.h"

#define JOIN_PATIENCE 5000000 /* of the whole word and its answer; a handshake has just gone the same way */

enum joining_part { JOINING_HEARS, JOINING_ASKS, JOINING_ANSWERS };

struct joining {
    enum joining_part part;
    struct join_word word;
    uint8_t said[JOIN_WORD_MAX], heard[JOIN_WORD_MAX];
    size_t said_size, said_at, heard_size;
};

static struct joining *joining_of(struct strand *strand)
{
    if (!strand->joining)
        strand->joining = calloc(1, sizeof *strand->joining);
    return strand->joining;
}

void joining_free(struct strand *strand)
{
    free(strand->joining);
    strand->joining = NULL;
}

static int export_size(const struct strand *strand, const char *label, uint8_t *ret_key, size_t size)
{
    for (struct layer *layer = strand->top; layer; layer = layer->below) {
        if (layer->type->export_key)
            return layer->type->export_key(layer, label, ret_key, size);
    }
    return -EOPNOTSUPP;
}

static int export_key(const struct strand *strand, const char *label, uint8_t *ret_key)
{
    return export_size(strand, label, ret_key, JOIN_SECRET);
}

int join_export_first(const hawser_association *association, const char *label, uint8_t *ret_key, size_t size)
{
    const struct strand *strand;

    if (list_empty(&association->strands))
        return -ENOTCONN;
    strand = list_first(&association->strands, struct strand, link);
    return strand->secured && !strand->dead ? export_size(strand, label, ret_key, size) : -ENOTCONN;
}

int join_export(const hawser_association *association, const char *label, uint8_t *ret_key, size_t size)
{
    const gnutls_datum_t secret = {(unsigned char *)(uintptr_t)association->secret, sizeof association->secret},
                         about = {(unsigned char *)(uintptr_t)label, (unsigned)strlen(label)};

    if (!association->has_secret || association->ended)
        return -ENOTCONN;
    return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &secret, &about, ret_key, size) < 0 ? -EINVAL : 0;
}

int join_note_secret(hawser_association *association, struct strand *strand)
{
    int r = export_key(strand, JOIN_LABEL_SECRET, association->secret);

    association->has_secret = r == 0;
    memcpy(association->ours.secret, association->secret, JOIN_SECRET);
    memcpy(association->theirs.secret, association->secret, JOIN_SECRET);
    return r;
}

static int mac_of(const struct strand *strand, const uint8_t *secret, bool opener, const struct join_word *word,
                  uint8_t *ret_mac)
{
    uint8_t exported[JOIN_SECRET];
    int r = export_key(strand, JOIN_LABEL_STRAND, exported);

    return r < 0 ? r : join_mac(secret, opener, exported, word, ret_mac);
}

/* The other end is held by another process from here on: strands to the one before lead nowhere. */
static void peer_moved(hawser_association *association, const struct strand *by, const struct join_moves *moves,
                       const uint8_t *secret)
{
    if (moves->epoch == association->theirs.moves.epoch)
        return;
    association->theirs.moves = *moves;
    memcpy(association->theirs.secret, secret, JOIN_SECRET);
    session_peer_moved(association->session);
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        struct strand *strand = container_of(at, struct strand, link);

        if (strand != by && strand->secured)
            strand_lost(strand, -HAWSER_EMOVED, "the peer's end was moved to another process");
    }
}

/* -------------------------------------------------------------------------------------------------------- saying */

/* Nothing else would notice that the way broke after the handshake: there is no session yet, and no time-out of the system's. */
static void joining_begins(struct strand *strand)
{
    hawser_association *association = strand->association;

    strand->join_until = association_now(association) + JOIN_PATIENCE;
    association_arm(association, strand->join_until);
}

int64_t join_late(struct strand *strand)
{
    if (!strand->join_until || (strand->secured && !strand->ahead) ||
        strand->dead) /* a listener's child has a deadline of its own */
        return NEVER;
    if (association_now(strand->association) < strand->join_until)
        return strand->join_until;
    strand_lost(strand, -ETIMEDOUT, "JOIN was not answered in time");
    return NEVER;
}

static void joining_fail(struct strand *strand, int code)
{
    const struct layer_error *error = layer_error(strand->top);

    strand_lost(strand, code, error->code ? error->reason : hawser_strerror(code));
}

/* 0, -EAGAIN, or dead. */
static int say_bytes(struct strand *strand)
{
    struct joining *joining = strand->joining;

    while (joining->said_at < joining->said_size) {
        ssize_t n = strand->top->type->send(strand->top, joining->said + joining->said_at,
                                            joining->said_size - joining->said_at);
        if (n < 0)
            return (int)n;
        joining->said_at += (size_t)n;
    }
    return 0;
}

static int say_unit(struct strand *strand)
{
    const struct layer_units *units = strand->top->type->units;
    struct joining *joining = strand->joining;
    size_t capacity;
    uint8_t *buffer;
    int r;

    if (joining->said_at == joining->said_size)
        return 0;
    buffer = units->begin(strand->top, false, &capacity);
    if (!buffer)
        return -EAGAIN;
    memcpy(buffer, joining->said, joining->said_size);
    r = units->send(strand->top,
                    &(struct layer_unit_out){.number = strand->own_units, .size = joining->said_size, .resends = -1});
    if (r < 0)
        return r;
    strand->own_units++;
    strand->units_out++;
    joining->said_at = joining->said_size;
    r = units->flush(strand->top);
    return r == -EAGAIN ? 0 : r;
}

static int say(struct strand *strand)
{
    int r = strand->top->type->units ? say_unit(strand) : say_bytes(strand);

    if (r == 0 && strand->top->type->flush && !strand->top->type->units)
        r = strand->top->type->flush(strand->top) == -EAGAIN ? 0 : r;
    return r;
}

/* ------------------------------------------------------------------------------------------------------- entering */

/* The session may use it. Dead: it has no place for it, or no such number; then the line is as it was. */
static void hand_to_session(struct strand *strand)
{
    strand->number = strand->joining->word.number;
    strand_tune(strand);
    strand_secured(strand, true);
}

static void join_enter(struct strand *strand)
{
    hawser_association *association = strand->association;

    strand->hushed = strand->joining->part == JOINING_ANSWERS && strand->top->type->units;
    if (!strand->ahead)
        hand_to_session(strand);
    strand->ahead = false;
    strand->readable = true; /* what came with the answer */
    if (!strand->hushed)
        joining_free(strand);
    if (strand->dead)
        return;
    properties_share(association);
    trace_join(association, strand, "joined", "");
    association->path_changed = true;
    weave_joined(association, strand);
    association_wake(association);
}

static void answer_said(struct strand *strand)
{
    int r = say(strand);

    if (r == 0)
        join_enter(strand);
    else if (r != -EAGAIN)
        joining_fail(strand, r);
}

void join_unhush(struct strand *strand)
{
    strand->hushed = false;
    joining_free(strand);
    association_wake(strand->association);
}

/* A lost word is said again; until the answer has come, or the peer's own words on the strand show that it has, no unit of the
 * session's goes on it. */
void join_fate(struct strand *strand, const struct layer_fate *fate)
{
    int r;

    if (fate->acked && strand->hushed)
        join_unhush(strand);
    if (fate->acked || !strand->joining || (strand->secured && !strand->hushed))
        return;
    strand->joining->said_at = 0;
    r = say(strand);
    if (r < 0 && r != -EAGAIN)
        joining_fail(strand, r);
}

/* --------------------------------------------------------------------------------------------------------- opener */

/*
 * A line that has no other strand does not wait for the answer, which spares it a round trip: who showed the peer's own key may have
 * what comes next. What somebody got who then turns us away goes out again elsewhere, as when any strand dies. A peer that said
 * that it moves may have told others what it had.
 */
static bool may_go_ahead(const struct strand *strand, const struct layer_peer *peer)
{
    const hawser_association *association = strand->association;

    return association->stranded && !association->peer_leaves && *peer->key_name && !strand->top->type->units;
}

int join_ask(struct strand *strand)
{
    hawser_association *association = strand->association;
    struct joining *joining = joining_of(strand);
    struct layer_peer peer;
    int r;

    if (!joining)
        return -ENOMEM;
    layer_peer(strand->top, &peer);
    if (strcmp(peer.key_name, peer_key_name(association)) != 0)
        return -HAWSER_EKEYCHANGED; /* the same address, another host */
    joining_begins(strand);
    joining->part = JOINING_ASKS;
    joining->word =
        (struct join_word){.number = session_next_strand(association->session), .opener = association->ours.moves};
    memcpy(joining->word.nonce, session_nonce(association->session), sizeof joining->word.nonce);
    r = mac_of(strand, association->ours.secret, true, &joining->word, joining->word.mac);
    if (r < 0)
        return r;
    joining->said_size = join_write(&joining->word, joining->said);
    r = say(strand);
    if (r == 0 && may_go_ahead(strand, &peer)) {
        strand->ahead = true;
        hand_to_session(strand);
    }
    return r == -EAGAIN ? 0 : r;
}

/* Taken: by whom it says that it is? */
static void answer_judge(struct strand *strand, const struct join_word *answer)
{
    hawser_association *association = strand->association;
    struct join_word *word = &strand->joining->word;
    uint8_t mac[JOIN_SECRET], secret[JOIN_SECRET];
    enum join_code code =
        join_follow(&association->theirs.moves, association->theirs.secret, &answer->acceptor, secret);

    word->acceptor = answer->acceptor;
    if (code == JOIN_STALE)
        strand_lost(strand, -HAWSER_EMOVED, "who answered held the peer's end before it was moved");
    else if (code != JOIN_TAKEN || mac_of(strand, secret, false, word, mac) < 0 || !join_mac_same(mac, answer->mac))
        strand_lost(strand, -HAWSER_EUNVERIFIED, "the answer to JOIN does not prove that the peer knows this line");
    else
        peer_moved(association, strand, &answer->acceptor, secret);
    gnutls_memset(secret, 0, sizeof secret);
    if (!strand->dead)
        join_enter(strand);
}

static void answer_heard(struct strand *strand)
{
    struct joining *joining = strand->joining;
    struct join_word answer;
    size_t used;
    int r = join_read_answer(joining->heard, joining->heard_size, &answer, &used);

    if (r == 0)
        return;
    if (r < 0 || used != joining->heard_size) {
        strand_lost(strand, -HAWSER_EPROTOCOL, "the answer to JOIN is malformed");
        return;
    }
    if (answer.code != JOIN_TAKEN && answer.code != JOIN_MOVED) {
        weave_refused(strand->association, strand, answer.code);
        return;
    }
    answer_judge(strand, &answer);
}

/* Exactly the word is read: what follows it is the session's. Its type, its size in one or two bytes, and all of that. */
size_t join_wants(const struct strand *strand)
{
    const struct joining *joining = strand->joining;
    const uint8_t *heard = joining->heard, *body;
    uint64_t size = 0;
    size_t want = 3; /* the shortest one */

    body = joining->heard_size > 1 ? varint_get(heard + 1, heard + joining->heard_size, &size) : NULL;
    if (body && size > 1 && size < JOIN_WORD_MAX - 3)
        want = (size_t)(body - heard) + (size_t)size;
    else if (body && size > 1)
        want = JOIN_WORD_MAX;
    if (joining->heard_size >= want)
        want = JOIN_WORD_MAX;
    return want - joining->heard_size;
}

static ssize_t hear_bytes(struct strand *strand)
{
    struct joining *joining = strand->joining;

    return strand->top->type->receive(strand->top, joining->heard + joining->heard_size, join_wants(strand));
}

static ssize_t hear_unit(struct strand *strand)
{
    struct joining *joining = strand->joining;
    const struct layer_units *units = strand->top->type->units;
    struct layer_unit_in in = {.lane = NULL};
    struct layer_fate fate;
    int r;

    while (!strand->dead && units->fate(strand->top, &fate)) {
        strand->units_out--;
        join_fate(strand, &fate);
    }
    if (strand->dead)
        return -EAGAIN;
    r = units->receive(strand->top, &in);
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    if (in.reset || in.size > JOIN_WORD_MAX - joining->heard_size)
        return -HAWSER_EPROTOCOL;
    memcpy(joining->heard + joining->heard_size, in.data, in.size);
    return in.size > 0 ? (ssize_t)in.size : -EAGAIN;
}

static void hear_answer(struct strand *strand)
{
    struct joining *joining = strand->joining;
    ssize_t n = 1;

    while (n > 0 && strand->joining == joining && !strand->dead && (!strand->secured || strand->ahead)) {
        n = strand->top->type->units ? hear_unit(strand) : hear_bytes(strand);
        if (n == 0) {
            strand_lost(strand, -HAWSER_ELOST, "the peer closed the connection instead of answering JOIN");
        } else if (n > 0) {
            joining->heard_size += (size_t)n;
            answer_heard(strand);
        } else if (n != -EAGAIN) {
            joining_fail(strand, (int)n);
        }
    }
}

void join_progress(struct strand *strand)
{
    int r;

    if (strand->dead || !strand->joining)
        return;
    if (strand->joining->part == JOINING_ANSWERS) {
        answer_said(strand);
        return;
    }
    r = say(strand);
    if (r < 0 && r != -EAGAIN)
        joining_fail(strand, r);
    else
        hear_answer(strand);
}

/* ------------------------------------------------------------------------------------------------------- acceptor */

bool join_begins(const struct strand *strand, const uint8_t *bytes, size_t size)
{
    return strand->joining || (size > 0 && bytes[0] == JOIN_FRAME);
}

/* One that died counts until the session is told. */
static unsigned strands_of(const hawser_association *association)
{
    unsigned count = 0;

    for (const struct list *at = association->strands.next; at != &association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        count += !strand->dead || strand->session;
    }
    return count;
}

enum join_code join_judge(const hawser_association *association, const struct strand *strand, uint8_t *ret_secret)
{
    const struct join_word *word = &strand->joining->word;
    uint8_t mac[JOIN_SECRET];
    enum join_code code;

    if (!association || association->ended || !association->has_secret)
        return JOIN_UNKNOWN;
    code = join_follow(&association->theirs.moves, association->theirs.secret, &word->opener, ret_secret);
    if (code != JOIN_TAKEN)
        return code;
    if (mac_of(strand, ret_secret, true, word, mac) < 0 || !join_mac_same(mac, word->mac))
        return JOIN_UNKNOWN;
    /* One that was moved has lost all the strands that it had. */
    if (word->opener.epoch > association->theirs.moves.epoch)
        return session_strand_number_used(association->session, word->number) ? JOIN_FULL : JOIN_TAKEN;
    if (strands_of(association) >= SESSION_STRANDS_MAX ||
        session_strand_number_used(association->session, word->number))
        return JOIN_FULL;
    return JOIN_TAKEN;
}

const char *join_turn_away(struct strand *strand, enum join_code code)
{
    static const char *const words[] = {
        [JOIN_UNKNOWN] = "it asked to join a line that is not known here",
        [JOIN_STALE] = "it asked to join a line that was moved since",
        [JOIN_FULL] = "it asked to join a line that has as many strands as it may have",
        [JOIN_ELSEWHERE] = "it asked to join a line of another thread or process, where it cannot go",
    };
    const struct join_word answer = {.code = code};

    strand->joining->said_size = join_write_answer(&answer, strand->joining->said);
    strand->joining->said_at = 0;
    if (say(strand) == 0 && strand->top->type->shutdown)
        (void)strand->top->type->shutdown(strand->top);
    return words[code];
}

void join_take(hawser_association *association, struct strand *strand, const uint8_t *secret)
{
    struct joining *joining = strand->joining;

    association_hold(association);
    layer_adopt(strand->top, &association->secure->tls);
    strand->association = association;
    strand->id = ++association->strands_made;
    list_append(&association->strands, &strand->link);
    joining->part = JOINING_ANSWERS;
    joining_begins(strand);
    joining->word.acceptor = association->ours.moves;
    joining->word.code = association->ours.moves.epoch ? JOIN_MOVED : JOIN_TAKEN;
    if (mac_of(strand, association->ours.secret, false, &joining->word, joining->word.mac) < 0) {
        strand_lost(strand, -ENOMEM, hawser_strerror(-ENOMEM));
    } else {
        peer_moved(association, strand, &joining->word.opener, secret);
        joining->said_size = join_write_answer(&joining->word, joining->said);
        answer_said(strand);
    }
    association_let_go(association);
}

const uint8_t *join_nonce(const struct strand *strand)
{
    return strand->joining->word.nonce;
}

/* Its strand went to whom it belongs to. */
void join_left(hawser_association *child)
{
    trace_join(child, NULL, "moved", "its strand joins another line");
    listener_stop_waiting(child);
    child->silent = true;
    association_finish(child);
}

static bool join_decide(hawser_association *child, struct strand *strand)
{
    hawser_association *association;
    struct layer_peer peer;
    uint8_t secret[JOIN_SECRET];
    enum join_code code;
    const char *why;

    layer_peer(strand->top, &peer);
    association = find_nonce(child->all, strand->joining->word.nonce, peer.key_name);
    if (!association) {
        code = hand_over(child, strand, peer.key_name);
        if (code == JOIN_TAKEN)
            return false;
        if (code == JOIN_UNKNOWN && export_was_moved(child->all, strand->joining->word.nonce))
            code = JOIN_ELSEWHERE;
    } else {
        code = join_judge(association, strand, secret);
    }
    if (code == JOIN_TAKEN) {
        list_remove(&strand->link);
        join_take(association, strand, secret);
        gnutls_memset(secret, 0, sizeof secret);
        join_left(child);
        return false;
    }
    why = join_turn_away(strand, code);
    trace_join(child, strand, "refused", why);
    listener_drop(child, -HAWSER_EREFUSED, why);
    return true;
}

bool join_heard(hawser_association *child, struct strand *strand, const uint8_t *bytes, size_t size)
{
    struct joining *joining = joining_of(strand);
    size_t used = 0;
    int r = -EBADMSG;

    if (!joining) {
        listener_drop(child, -ENOMEM, hawser_strerror(-ENOMEM));
        return true;
    }
    if (size <= JOIN_WORD_MAX - joining->heard_size) {
        memcpy(joining->heard + joining->heard_size, bytes, size);
        joining->heard_size += size;
        r = join_read(joining->heard, joining->heard_size, &joining->word, &used);
    }
    if (r == 0)
        return true;
    if (r < 0 || used != joining->heard_size) {
        listener_drop(child, -HAWSER_EPROTOCOL, "its JOIN is malformed");
        return true;
    }
    return join_decide(child, strand);
}
