/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strand that came to another context than its association: which one it comes to is the kernel's choice. After its JOIN is
 * read, and before anything is answered, its layers leave the loop of the context that it came to, and it goes as a post to
 * the one whose association it is. In between nobody touches it. (S1.20, S1.30)
 */
#include <gnutls/gnutls.h>

#include "association/counters.h"
#include "association/join.h"
#include "association/listener.h"

struct handed {
    struct strand *strand; /* in no association; its layers in no context */
    char key_name[KEY_NAME_SIZE];
};

static void strand_drop(struct strand *strand)
{
    joining_free(strand);
    layer_destroy(strand->top);
    free(strand);
}

static void handed_drop(void *user)
{
    struct handed *handed = user;

    strand_drop(handed->strand);
    free(handed);
}

static void handed_judge(hawser_association *association, struct strand *strand)
{
    uint8_t secret[JOIN_SECRET];
    enum join_code code = join_judge(association, strand, secret);
    const char *why;

    if (code == JOIN_TAKEN) {
        association->all->counters.taken_over++;
        join_take(association, strand, secret);
        gnutls_memset(secret, 0, sizeof secret);
        return;
    }
    layer_adopt(strand->top, &association->secure->tls);
    why = join_turn_away(strand, code);
    loop_log(association->context, HAWSER_LOG_INFO, "%s: a strand that came to another thread came to nothing: %s",
             hawser_association_endpoint(association), why);
    strand_drop(strand);
}

/* On the thread of the association. Where that ended meanwhile there is nobody to answer: the opener asks anew. */
static void handed_in(hawser_context *context, void *user)
{
    struct handed *handed = user;
    struct strand *strand = handed->strand;
    const struct associations *all = loop_part(context, LOOP_PART_ASSOCIATIONS);
    hawser_association *association = all ? find_nonce(all, join_nonce(strand), handed->key_name) : NULL;

    if (!association || association->ended || strand->top->type->attach(strand->top, context) < 0) {
        handed_drop(handed);
        return;
    }
    home_here(all->home);
    strand_set_top(strand, strand->top);
    handed_judge(association, strand);
    free(handed);
}

static int hand(hawser_association *child, struct strand *strand, const char *key_name)
{
    struct handed *handed = calloc(1, sizeof *handed);
    int r;

    if (!handed)
        return -ENOMEM;
    r = layer_loosen(strand->top);
    if (r < 0) {
        free(handed);
        return r;
    }
    handed->strand = strand;
    memcpy(handed->key_name, key_name, strnlen(key_name, sizeof handed->key_name - 1));
    list_remove(&strand->link);
    strand->association = NULL;
    strand->top->type->detach(strand->top);
    layer_adopt(strand->top, NULL);
    r = security_nonce_post(child->context, join_nonce(strand), handed->key_name, handed_in, handed_drop, handed);
    if (r == 0)
        return 0;
    free(handed);
    layer_adopt(strand->top, &child->secure->tls);
    strand->association = child;
    list_append(&child->strands, &strand->link);
    return strand->top->type->attach(strand->top, child->context) < 0 ? -EIO : r;
}

enum join_code hand_over(hawser_association *child, struct strand *strand, const char *key_name)
{
    if (!security_nonce_elsewhere(child->context, join_nonce(strand), key_name))
        return JOIN_UNKNOWN;
    /* That it cannot be handed over does not say that nobody knows the association: so it is no reason to end it. */
    if (hand(child, strand, key_name) < 0) {
        child->all->counters.elsewhere++;
        return JOIN_ELSEWHERE;
    }
    child->all->counters.handed_over++;
    join_left(child);
    return JOIN_TAKEN;
}
