/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that a program keeps beyond their handler, and how they come back from any thread. */
#include "association/bare.h"
#include "association/message.h"

#define KEEP_COPY 16384 /* up to this a message is copied out, so that it pins no large block */

/* ------------------------------------------------------------------------------------------------------------ home */

int home_new(hawser_context *context, struct message_home **ret_home)
{
    struct message_home *home = calloc(1, sizeof *home);

    if (!home)
        return -ENOMEM;
    if (pthread_mutex_init(&home->lock, NULL) != 0) {
        free(home);
        return -ENOMEM;
    }
    atomic_init(&home->refs, 1);
    atomic_init(&home->here, pthread_self());
    home->context = context;
    home->memory = loop_memory_ref(loop_memory(context));
    list_init(&home->kept);
    list_init(&home->returned);
    *ret_home = home;
    return 0;
}

static void home_unref(struct message_home *home)
{
    if (atomic_fetch_sub_explicit(&home->refs, 1, memory_order_acq_rel) > 1)
        return;
    loop_memory_unref(home->memory);
    pthread_mutex_destroy(&home->lock);
    free(home);
}

void home_here(struct message_home *home)
{
    atomic_store_explicit(&home->here, pthread_self(), memory_order_relaxed);
}

static void message_free(hawser_message *message)
{
    struct message_home *home = message->home;

    memory_release(home->memory, message->block, message->block_size);
    free(message);
    home_unref(home);
}

/* On the context's thread: gives back what the message held. It is in no list. */
static void message_return(hawser_message *message)
{
    hawser_association *association = message->association;

    hawser_message_detach(message);
    message_free(message);
    if (association)
        association_let_go(association);
}

void home_drain(struct message_home *home)
{
    struct list returned;

    if (!atomic_load_explicit(&home->filled, memory_order_acquire))
        return;
    list_init(&returned);
    pthread_mutex_lock(&home->lock);
    list_splice(&returned, &home->returned);
    home->posted = false;
    atomic_store_explicit(&home->filled, false, memory_order_relaxed);
    pthread_mutex_unlock(&home->lock);
    while (!list_empty(&returned)) {
        hawser_message *message = list_first(&returned, hawser_message, link);

        list_remove(&message->link);
        message_return(message);
    }
}

static void home_posted(void *user)
{
    home_drain(user);
}

/* The context ends: what is still kept is from now on memory and nothing else. */
void home_end(struct message_home *home)
{
    home_drain(home);
    pthread_mutex_lock(&home->lock);
    home->context = NULL;
    for (struct list *at = home->kept.next; at != &home->kept; at = at->next) {
        hawser_message *message = container_of(at, hawser_message, link);

        if (message->association)
            association_let_go(message->association);
        message->association = NULL;
        message->cost = message->reserved = 0;
    }
    pthread_mutex_unlock(&home->lock);
    home_unref(home);
}

/* --------------------------------------------------------------------------------------------------------- messages */

void message_transient(hawser_message *message, hawser_association *association, struct session_message *origin)
{
    atomic_init(&message->refs, 0);
    message->external = false;
    message->association = association;
    message->data = origin->data;
    message->size = (size_t)origin->size;
    message->cost = origin->cost;
    message->reserved = origin->reserved;
    message->block = origin->block;
    message->block_size = origin->block_size;
    message->origin = origin;
    message->kept = NULL;
}

/* The answer to the session, or to the array that the message is in. */
static void message_take_over(hawser_message *message, hawser_message *kept, bool block)
{
    struct batch *batch = message->association->all->batch;

    kept->cost = message->cost;
    kept->reserved = message->reserved;
    if (block) {
        kept->block = message->block;
        kept->block_size = message->block_size;
    }
    message->kept = kept;
    if (message->origin) {
        message->origin->keep = true;
        message->origin->taken = block;
        return;
    }
    batch->cost -= message->cost;
    batch->reserved -= message->reserved;
    if (block)
        message->block = NULL;
}

int hawser_message_keep(hawser_message *message, hawser_message **ret_message)
{
    struct message_home *home;
    hawser_message *kept;
    bool copy, block;

    if (!message || !ret_message)
        return -EINVAL;
    if (message->kept || atomic_load_explicit(&message->refs, memory_order_relaxed) > 0) {
        *ret_message = hawser_message_ref(message->kept ? message->kept : message);
        return 0;
    }
    block = message->block && message->size > KEEP_COPY;
    copy = message->data && !block && !message->external;
    kept = malloc(sizeof *kept + (copy ? message->size : 0));
    if (!kept)
        return -ENOMEM;
    home = message->association->all->home;
    *kept = (hawser_message){.external = message->external,
                             .association = message->association,
                             .data = message->data,
                             .size = message->size,
                             .home = home};
    atomic_init(&kept->refs, 1);
    if (copy) {
        memcpy(kept->bytes, message->data, message->size);
        kept->data = kept->bytes;
    }
    message_take_over(message, kept, block);
    association_hold(message->association);
    atomic_fetch_add_explicit(&home->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&home->lock);
    list_append(&home->kept, &kept->link);
    pthread_mutex_unlock(&home->lock);
    *ret_message = kept;
    return 0;
}

hawser_message *hawser_message_ref(hawser_message *message)
{
    if (message)
        atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    return message;
}

hawser_message *hawser_message_unref(hawser_message *message)
{
    struct message_home *home;
    bool here;

    if (!message || atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    home = message->home;
    here = pthread_equal(atomic_load_explicit(&home->here, memory_order_relaxed), pthread_self());
    pthread_mutex_lock(&home->lock);
    list_remove(&message->link);
    if (home->context && !here) {
        list_append(&home->returned, &message->link);
        atomic_store_explicit(&home->filled, true, memory_order_release);
        /* Without memory for a post, the next work of any association takes it in. */
        if (!home->posted)
            home->posted = hawser_post(home->context, home_posted, home) == 0;
        pthread_mutex_unlock(&home->lock);
        return NULL;
    }
    pthread_mutex_unlock(&home->lock);
    message_return(message);
    return NULL;
}

void hawser_message_detach(hawser_message *message)
{
    hawser_association *association = message->association;

    if (!message->home || !message->cost)
        return; /* in a handler the credit goes back with its end anyway */
    if (association && (association->session || association->bare) && loop_check(association->context) == 0) {
        if (association->bare)
            bare_return(association->bare, message->cost);
        else
            session_return_credit(association->session, message->cost, message->reserved);
        association_wake(association);
    }
    message->cost = message->reserved = 0;
}

const void *hawser_message_data(const hawser_message *message)
{
    return message->data;
}

size_t hawser_message_size(const hawser_message *message)
{
    return message->size;
}
