/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: messages to the program's handler, and where large ones are to go. (S2.49, S1.12) */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "association/bare.h"
#include "association/message.h"
#include "association/properties.h"
#include "association/table.h"

#define SENDS_ONLY "this side only sends" /* the property direction */

/* What the program answered to HAWSER_ARRIVING. */
struct taking {
    UT_hash_handle hh;
    uint64_t id;
    enum session_take take;
    int fd; /* SINK */
    uint64_t offset;
    char *refusal; /* given outside of a handler; the next part carries it */
    bool failed;
};

static struct taking *taking_find(const hawser_association *association, uint64_t id)
{
    struct taking *taking = NULL;

    if (association->taking)
        HASH_FIND(hh, association->taking, &id, sizeof id, taking);
    return taking;
}

static void taking_end(hawser_association *association, struct taking *taking)
{
    HASH_DEL(association->taking, taking);
    if (taking->fd >= 0)
        close(taking->fd);
    free(taking->refusal);
    free(taking);
}

void receive_free(hawser_association *association)
{
    struct taking *taking, *next;

    HASH_ITER(hh, association->taking, taking, next)
    taking_end(association, taking);
}

/* -------------------------------------------------------------------------------------------------- whole messages */

void received_fill(hawser_received *received, const struct session_message *from, hawser_message *message)
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
    };
}

static void receive_raise(hawser_association *association, struct session_message *message, bool external)
{
    struct associations *all = association->all;
    hawser_event event;
    hawser_message transient;
    hawser_received received;

    transient.home = NULL;
    message_transient(&transient, association, message);
    transient.external = external;
    received_fill(&received, message, &transient);
    event.type = association->slots[HAWSER_RECEIVED].handler ? HAWSER_RECEIVED : HAWSER_RECEIVED_MANY;
    if (event.type == HAWSER_RECEIVED) {
        event.received = received;
    } else {
        event.received_many.messages = &received;
        event.received_many.count = 1;
    }
    all->now.association = association;
    all->now.message = message;
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
        receive_raise(association, message, external);
}

/* ---------------------------------------------------------------------------------------------------- large messages */

void receive_arriving(hawser_association *association, struct session_arriving *arriving)
{
    struct associations *all = association->all;
    hawser_event event = {.type = HAWSER_ARRIVING};

    if (!properties_receives(association)) {
        arriving->take = SESSION_TAKE_REFUSE;
        arriving->reason = SENDS_ONLY;
        return;
    }
    event.arriving.id = arriving->id;
    event.arriving.size = arriving->size;
    event.arriving.niceness = arriving->niceness;
    event.arriving.reply_to = arriving->reply_to;
    all->now.association = association;
    all->now.arriving = arriving;
    event_raise(association, &event);
    all->now.association = NULL;
    all->now.arriving = NULL;
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

    event.part.id = part->id;
    event.part.offset = part->offset;
    event.part.data = part->data;
    event.part.size = part->size;
    event.part.total = part->total;
    event.part.last = part->last;
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
    } else {
        receive_raise_part(association, part);
    }
    taking = taking_find(association, part->id);
    if (taking && (part->refuse || (part->last && taking->take == SESSION_TAKE_PARTS)))
        taking_end(association, taking);
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

/* ------------------------------------------------------------------------------------------------- the program's say */

static int arriving_now(hawser_association *association, uint64_t id, struct session_arriving **ret_arriving)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (association->all->now.association != association || !association->all->now.arriving ||
        association->all->now.arriving->id != id)
        return -ENOENT;
    *ret_arriving = association->all->now.arriving;
    return 0;
}

/* The last answer counts. fd is the taking's from success on. */
static int taking_set(hawser_association *association, struct session_arriving *arriving, enum session_take take,
                      int fd, uint64_t offset)
{
    struct taking *taking = taking_find(association, arriving->id);

    if (taking)
        taking_end(association, taking);
    arriving->take = SESSION_TAKE_WHOLE;
    if (take == SESSION_TAKE_WHOLE || take == SESSION_TAKE_REFUSE) {
        arriving->take = take;
        return 0;
    }
    taking = calloc(1, sizeof *taking);
    if (!taking)
        return -ENOMEM;
    taking->id = arriving->id;
    taking->take = take;
    taking->fd = -1;
    HASH_ADD(hh, association->taking, id, sizeof taking->id, taking);
    if (taking->failed) {
        free(taking);
        return -ENOMEM;
    }
    taking->fd = fd;
    taking->offset = offset;
    arriving->take = take;
    return 0;
}

int hawser_take_whole(hawser_association *association, hawser_message_id id)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving);

    return r < 0 ? r : taking_set(association, arriving, SESSION_TAKE_WHOLE, -1, 0);
}

int hawser_take_into(hawser_association *association, hawser_message_id id, void *buffer, size_t capacity)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving);

    if (r < 0)
        return r;
    if (arriving->size == SESSION_SIZE_UNKNOWN || !buffer)
        return -EINVAL;
    if (arriving->size > capacity)
        return -HAWSER_ELARGE;
    r = taking_set(association, arriving, SESSION_TAKE_INTO, -1, 0);
    if (r == 0)
        arriving->buffer = buffer;
    return r;
}

int hawser_take_file(hawser_association *association, hawser_message_id id, int fd, uint64_t offset)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving), own;
    struct stat stat;

    if (r < 0)
        return r;
    if (fstat(fd, &stat) < 0)
        return -errno;
    if (!S_ISREG(stat.st_mode) || offset > INT64_MAX)
        return -EINVAL;
    own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    r = taking_set(association, arriving, SESSION_TAKE_SINK, own, offset);
    if (r < 0)
        close(own);
    return r;
}

int hawser_take_parts(hawser_association *association, hawser_message_id id)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving);

    return r < 0 ? r : taking_set(association, arriving, SESSION_TAKE_PARTS, -1, 0);
}

int hawser_refuse(hawser_association *association, hawser_message_id id, const char *reason)
{
    struct associations *all;
    struct taking *taking;
    int r = association_check(association);

    if (r < 0)
        return r;
    all = association->all;
    if (all->now.association == association) {
        (void)snprintf(all->now.reason, REASON_SIZE, "%s", reason ? reason : "");
        if (all->now.arriving && all->now.arriving->id == id) {
            all->now.arriving->reason = all->now.reason;
            return taking_set(association, all->now.arriving, SESSION_TAKE_REFUSE, -1, 0);
        }
        if (all->now.message && all->now.message->id == id) {
            all->now.message->refuse = all->now.reason;
            return 0;
        }
        if (all->now.part && all->now.part->id == id) {
            all->now.part->refuse = all->now.reason;
            return 0;
        }
    }
    taking = taking_find(association, id);
    if (!taking || taking->take == SESSION_TAKE_INTO)
        return -ENOENT;
    if (!taking->refusal)
        taking->refusal = text_copy(reason);
    return taking->refusal ? 0 : -ENOMEM;
}

int hawser_pause(hawser_association *association)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!association->session && !association->bare)
        return -ENOTCONN;
    association->resume_wanted = false;
    if (association->bare)
        bare_pause(association->bare, true);
    if (association->session)
        session_pause(association->session);
    return 0;
}

int hawser_resume(hawser_association *association)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!association->session && !association->bare)
        return -ENOTCONN;
    if (association->bare)
        bare_pause(association->bare, false);
    association->resume_wanted = true;
    association_wake(association);
    return 0;
}
