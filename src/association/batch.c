/* SPDX-License-Identifier: Apache-2.0 */
/* Small messages that came in one read are told in one call: HAWSER_RECEIVED_MANY. */
#include "association/bare.h"
#include "association/message.h"

void batch_open(struct associations *all, const uint8_t *buffer, size_t size)
{
    all->received = buffer;
    all->received_end = buffer + size;
}

static struct batch *batch_of(struct associations *all)
{
    if (!all->batch)
        all->batch = calloc(1, sizeof *all->batch);
    return all->batch;
}

/* Messages whose bytes stay until batch_flush(): in the scratch that was read into, or in a block that we take. */
bool batch_add(hawser_association *association, struct session_message *message)
{
    struct associations *all = association->all;
    struct batch *batch = batch_of(all);
    hawser_message *transient;
    bool stays = message->data >= all->received && message->data < all->received_end;

    if (!batch || batch->telling || (!stays && !message->block && message->size > 0))
        return false;
    if (batch->count == BATCH_MAX || (batch->count > 0 && batch->association != association))
        batch_flush(all);
    batch->association = association;
    transient = &batch->messages[batch->count];
    message_transient(transient, association, message);
    transient->origin = NULL;
    received_fill(&batch->received[batch->count], message, transient, &batch->marks[batch->count]);
    batch->count++;
    message->keep = true;
    batch->cost += message->cost;
    batch->reserved += message->reserved;
    if (message->block)
        message->taken = batch->blocks = true;
    return true;
}

static void batch_release(struct batch *batch, size_t count)
{
    hawser_association *association = batch->association;
    const struct memory *memory = loop_memory(association->context);

    for (size_t i = 0; batch->blocks && i < count; i++)
        memory_release(memory, batch->messages[i].block, batch->messages[i].block_size);
    batch->blocks = false;
    if (association->bare)
        bare_return(association->bare, batch->cost);
    else if (association->session && batch->cost)
        session_return_credit(association->session, batch->cost, batch->reserved);
    batch->cost = batch->reserved = 0;
}

void batch_flush(struct associations *all)
{
    struct batch *batch = all->batch;
    hawser_event event = {.type = HAWSER_RECEIVED_MANY};
    hawser_association *association;
    size_t count;

    if (!batch || batch->count == 0 || batch->telling)
        return;
    association = batch->association;
    count = batch->count;
    event.received_many.messages = batch->received;
    event.received_many.count = count;
    association_hold(association);
    batch->telling = true;
    event_raise(association, &event);
    batch->telling = false;
    batch->count = 0;
    batch_release(batch, count);
    association_let_go(association);
}

void batch_free(struct associations *all)
{
    free(all->batch);
    all->batch = NULL;
}
