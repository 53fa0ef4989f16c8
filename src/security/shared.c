/* SPDX-License-Identifier: Apache-2.0 */
/* What the contexts of several threads hold in common (S1.2). A context without one has one of its own. */
#include "security/internal.h"

#include <stdlib.h>

#include <errno.h>
#include <gnutls/crypto.h>

int hawser_shared_new(hawser_shared **ret_shared)
{
    hawser_shared *shared = calloc(1, sizeof *shared);

    if (!shared)
        return -ENOMEM;
    if (gnutls_rnd(GNUTLS_RND_KEY, shared->ticket_key, sizeof shared->ticket_key) < 0 ||
        pthread_mutex_init(&shared->mutex, NULL)) {
        free(shared);
        return -EIO;
    }
    replay_init(&shared->replay);
    nonces_init(&shared->nonces);
    issued_init(&shared->issued);
    shared->ticket_key_datum = (gnutls_datum_t){shared->ticket_key, sizeof shared->ticket_key};
    atomic_init(&shared->references, 1);
    *ret_shared = shared;
    return 0;
}

hawser_shared *hawser_shared_ref(hawser_shared *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

hawser_shared *hawser_shared_unref(hawser_shared *shared)
{
    if (shared && atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1) {
        replay_clear(&shared->replay);
        nonces_clear(&shared->nonces);
        issued_clear(&shared->issued);
        gnutls_memset(shared->ticket_key, 0, sizeof shared->ticket_key);
        pthread_mutex_destroy(&shared->mutex);
        free(shared);
    }
    return NULL;
}

int security_nonce_add(hawser_context *context, const uint8_t nonce[16], const char *key_name)
{
    struct security *security = security_of(context);
    int r;

    if (!security)
        return -ENOMEM;
    pthread_mutex_lock(&security->shared->mutex);
    r = nonces_add(&security->shared->nonces, nonce, key_name, context);
    pthread_mutex_unlock(&security->shared->mutex);
    return r;
}

bool security_nonce_elsewhere(hawser_context *context, const uint8_t nonce[16], const char *key_name)
{
    struct security *security = security_of(context);
    const hawser_context *owner;

    if (!security)
        return false;
    pthread_mutex_lock(&security->shared->mutex);
    owner = nonces_owner(&security->shared->nonces, nonce, key_name);
    pthread_mutex_unlock(&security->shared->mutex);
    return owner && owner != context;
}

int security_nonce_post(hawser_context *context, const uint8_t nonce[16], const char *key_name,
                        void (*run)(hawser_context *owner, void *user), void (*drop)(void *user), void *user)
{
    struct security *security = security_of(context);
    hawser_context *owner;
    int r = -ENOENT;

    if (!security)
        return -ENOMEM;
    pthread_mutex_lock(&security->shared->mutex);
    owner = nonces_owner(&security->shared->nonces, nonce, key_name);
    if (owner && owner != context)
        r = loop_post(owner, run, drop, user);
    pthread_mutex_unlock(&security->shared->mutex);
    return r;
}

void security_nonce_remove(hawser_context *context, const uint8_t nonce[16], const char *key_name)
{
    struct security *security = security_of(context);

    if (!security)
        return;
    pthread_mutex_lock(&security->shared->mutex);
    nonces_remove(&security->shared->nonces, nonce, key_name);
    pthread_mutex_unlock(&security->shared->mutex);
}
