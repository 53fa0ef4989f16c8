/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: messages to the program's handler, and where large ones are to go. (S2.49, S1.12) */
#include <stdio.h>
#include <unistd.h>

#include "association/bare.h"
#include "association/message.h"
#include "association/properties.h"
#include "association/taking.h"

#define SENDS_ONLY "this side only sends" /* the property direction */

/* -------------------------------------------------------------------------------------------------- whole messages */

static const hawser_marks no_marks;

static const hawser_marks *marks_of(const struct session_marks *from, hawser_marks *marks)
{
    if (!from->has_timestamp && !from->coordinate_count)
        return &no_marks;
    marks->timestamped = from->has_timestamp;
    marks->timestamp_us = from->timestamp;
    marks->coordinate_count = from->coordinate_count;
    memcpy(marks->coordinates, from->coordinates, sizeof marks->coordinates);
    return marks;
}

void received_fill(hawser_received *received, const struct session_message *from, hawser_message *message,
                   hawser_marks *marks)
{
    *received = (hawser_received){
        .id = from->id,
        .data = from->data,
        .size = (size_t)from->size,
        .message = message,
        .niceness = from->niceness,
        .age_us = from->age,
        .reply_to = from->reply_to,
        .early = from->early,
        .antecedent_lost = from->antecedent_lost,
        .ordered = from->ordered,
        .marks = marks_of(&from->marks, marks),
        .received_at_us = from->received_at,
    };
}

_Static_assert(sizeof(hawser_range) == sizeof(struct session_gap) &&
                   offsetof(hawser_range, size) == offsetof(struct session_gap, size),
               "a gap of the session's is a range of the program's");

/* gaps: of one that ended already, and can be refused no more; NULL: it came whole. */
static void receive_raise(hawser_association *association, struct session_message *message, bool external,
                          const struct session_gaps *gaps)
{
    struct associations *all = association->all;
    hawser_event event;
    hawser_message transient;
    hawser_received received;
    hawser_marks marks;

    transient.home = NULL;
    message_transient(&transient, association, message);
    transient.external = external;
    received_fill(&received, message, &transient, &marks);
    if (gaps) {
        received.gaps = (const hawser_range *)gaps->gaps;
        received.gap_count = gaps->count;
    }
    event.type = association->slots[HAWSER_RECEIVED].handler ? HAWSER_RECEIVED : HAWSER_RECEIVED_MANY;
    if (event.type == HAWSER_RECEIVED) {
        event.received = received;
    } else {
        event.received_many.messages = &received;
        event.received_many.count = 1;
    }
    if (!gaps) {
        all->now.association = association;
        all->now.message = message;
    }
    event_raise(association, &event);
    all->now.association = NULL;
    all->now.message = NULL;
}

void receive_message(hawser_association *association, struct session_message *message)
{
    struct taking *taking = taking_find(association, message->id);
    bool external = taking && taking->take == SESSION_TAKE_INTO;

    if (taking)
        taking_end(association, taking);
    if (!properties_receives(association)) {
        message->refuse = SENDS_ONLY;
        return;
    }
    if (association->slots[HAWSER_RECEIVED_MANY].handler && message->size <= ARRIVING_ABOVE && !external &&
        batch_add(association, message))
        return;
    batch_flush(association->all);
    if (association->refs == 0)
        message->refuse = "the program let go of the association";
    else if (!association->slots[HAWSER_RECEIVED].handler && !association->slots[HAWSER_RECEIVED_MANY].handler)
        message->refuse = "the program takes no messages";
    else
        receive_raise(association, message, external, NULL);
}

/* ---------------------------------------------------------------------------------------------------- large messages */

void receive_arriving(hawser_association *association, struct session_arriving *arriving)
{
    struct associations *all = association->all;
    hawser_event event = {.type = HAWSER_ARRIVING};
    hawser_marks marks;

    if (!properties_receives(association)) {
        arriving->take = SESSION_TAKE_REFUSE;
        arriving->reason = SENDS_ONLY;
        return;
    }
    event.arriving.id = arriving->id;
    event.arriving.size = arriving->size;
    event.arriving.niceness = arriving->niceness;
    event.arriving.reply_to = arriving->reply_to;
    event.arriving.marks = marks_of(&arriving->marks, &marks);
    event.arriving.lossy = arriving->reliability != SESSION_FULL;
    all->now.association = association;
    all->now.arriving = arriving;
    event_raise(association, &event);
    all->now.association = NULL;
    all->now.arriving = NULL;
}

/* Before its payload: the declared bounds, then the program's handler. */
void receive_offered(hawser_association *association, struct session_offered *offered)
{
    struct associations *all = association->all;
    hawser_event event = {.type = HAWSER_OFFERED};
    hawser_marks marks;

    if (!filter_passes(association->filter, &offered->marks)) {
        association->filtered++;
        offered->refuse = UNWANTED;
        return;
    }
    event.offered.id = offered->id;
    event.offered.size = offered->size;
    event.offered.niceness = offered->niceness;
    event.offered.reply_to = offered->reply_to;
    event.offered.marks = marks_of(&offered->marks, &marks);
    event.offered.lossy = offered->reliability != SESSION_FULL;
    all->now.association = association;
    all->now.offered = offered;
    event_raise(association, &event);
    all->now.association = NULL;
    all->now.offered = NULL;
}

/* Files are regular ones in almost every case: writing goes to the page cache and does not wait for the network. */
static int taking_write(const struct taking *taking, const struct session_part *part)
{
    size_t done = 0;

    while (done < part->size) {
        ssize_t n =
            pwrite(taking->fd, part->data + done, part->size - done, (off_t)(taking->offset + part->offset + done));

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

static void receive_into_file(hawser_association *association, struct taking *taking, struct session_part *part)
{
    int r = taking_write(taking, part);

    if (r < 0) {
        (void)snprintf(association->all->now.reason, REASON_SIZE, "the receiver could not write: %s",
                       hawser_strerror(r));
        part->refuse = association->all->now.reason;
    }
}

static void receive_raise_part(hawser_association *association, struct session_part *part)
{
    struct associations *all = association->all;
    hawser_event event = {.type = HAWSER_PART};
    hawser_marks marks;

    event.part.id = part->id;
    event.part.offset = part->offset;
    event.part.data = part->data;
    event.part.size = part->size;
    event.part.total = part->total;
    event.part.last = part->last;
    event.part.marks = marks_of(&part->marks, &marks);
    event.part.received_at_us = part->received_at;
    all->now.association = association;
    all->now.part = part;
    event_raise(association, &event);
    all->now.association = NULL;
    all->now.part = NULL;
}

void receive_part(hawser_association *association, struct session_part *part)
{
    struct taking *taking = taking_find(association, part->id);

    if (taking && taking->refusal) {
        (void)snprintf(association->all->now.reason, REASON_SIZE, "%s", taking->refusal);
        part->refuse = association->all->now.reason;
    } else if (taking && taking->fd >= 0) {
        receive_into_file(association, taking, part);
    } else if (taking && taking->buffer) {
        memcpy(taking->buffer + part->offset, part->data, part->size);
    } else {
        receive_raise_part(association, part);
    }
    taking = taking_find(association, part->id);
    if (taking && taking->take == SESSION_TAKE_GAPS) {
        taking->came += part->size;
        taking->received_at = part->received_at;
    }
    if (taking && (part->refuse || (part->last && taking->take != SESSION_TAKE_SINK)))
        taking_end(association, taking);
}

/* What was taken into memory or a file is there as far as it came. */
static void receive_gapped(hawser_association *association, const struct taking *taking,
                           const struct session_gaps *gaps)
{
    struct session_message message = {
        .id = gaps->id,
        .data = taking->buffer,
        .size = gaps->total,
        .niceness = taking->niceness,
        .age = -1,
        .received_at = taking->received_at,
        .reply_to = taking->reply_to,
        .marks = taking->marks,
    };

    receive_raise(association, &message, true, gaps);
}

static void receive_last_part(hawser_association *association, const struct taking *taking,
                              const struct session_gaps *gaps)
{
    hawser_event event = {.type = HAWSER_PART};
    hawser_marks marks;

    event.part.id = gaps->id;
    event.part.offset = event.part.total = gaps->total;
    event.part.last = true;
    event.part.marks = marks_of(&taking->marks, &marks);
    event.part.received_at_us = taking->received_at;
    event.part.gaps = (const hawser_range *)gaps->gaps;
    event.part.gap_count = gaps->count;
    event_raise(association, &event);
}

void receive_gaps(hawser_association *association, const struct session_gaps *gaps)
{
    struct taking *taking = taking_find(association, gaps->id);

    association->gapped += gaps->count > 0;
    if (!taking)
        return;
    taking_remove(association, taking); /* the handler may do what it likes meanwhile */
    if (taking->buffer || taking->fd >= 0)
        receive_gapped(association, taking, gaps);
    else
        receive_last_part(association, taking, gaps);
    taking_free(taking);
}

void receive_abandoned(hawser_association *association, uint64_t id, enum session_outcome kind)
{
    struct taking *taking = taking_find(association, id);
    hawser_event event = {.type = HAWSER_ABANDONED};

    if (taking)
        taking_end(association, taking);
    event.abandoned.id = id;
    event.abandoned.kind = kind == SESSION_EXPIRED ? HAWSER_EXPIRED : HAWSER_SEND_FAILED;
    event_raise(association, &event);
}
