/* SPDX-License-Identifier: Apache-2.0 */
/* What the program says of messages that come: where they are to go, or that they are not wanted. (S1.12, S1.25) */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "association/bare.h"
#include "association/taking.h"

struct taking *taking_find(const hawser_association *association, uint64_t id)
{
    struct taking *taking = NULL;

    if (association->taking)
        HASH_FIND(hh, association->taking, &id, sizeof id, taking);
    return taking;
}

void taking_free(struct taking *taking)
{
    if (taking->fd >= 0)
        close(taking->fd);
    free(taking->refusal);
    free(taking);
}

void taking_remove(hawser_association *association, struct taking *taking)
{
    HASH_DEL(association->taking, taking);
}

void taking_end(hawser_association *association, struct taking *taking)
{
    taking_remove(association, taking);
    taking_free(taking);
}

void receive_free(hawser_association *association)
{
    struct taking *taking, *next;

    HASH_ITER(hh, association->taking, taking, next)
    taking_end(association, taking);
    free(association->filter);
    association->filter = NULL;
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
    taking->niceness = arriving->niceness;
    taking->reply_to = arriving->reply_to;
    taking->marks = arriving->marks;
    arriving->take = take;
    return 0;
}

int hawser_take_whole(hawser_association *association, hawser_message_id id)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving);

    return r < 0 ? r : taking_set(association, arriving, SESSION_TAKE_WHOLE, -1, 0);
}

/* What may end with gaps is put into its place by us, since nobody waits for all of it. */
static enum session_take lossy_take(const struct session_arriving *arriving, enum session_take whole)
{
    return arriving->reliability == SESSION_FULL ? whole : SESSION_TAKE_GAPS;
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
    r = taking_set(association, arriving, lossy_take(arriving, SESSION_TAKE_INTO), -1, 0);
    if (r == 0 && arriving->take == SESSION_TAKE_INTO)
        arriving->buffer = buffer;
    else if (r == 0)
        taking_find(association, id)->buffer = buffer;
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
    r = taking_set(association, arriving, lossy_take(arriving, SESSION_TAKE_SINK), own, offset);
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

int hawser_take_parts_with_gaps(hawser_association *association, hawser_message_id id)
{
    struct session_arriving *arriving;
    int r = arriving_now(association, id, &arriving);

    return r < 0 ? r : taking_set(association, arriving, SESSION_TAKE_GAPS, -1, 0);
}

int hawser_drop(hawser_association *association, hawser_message_id id)
{
    return hawser_refuse(association, id, UNWANTED);
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
        if (all->now.offered && all->now.offered->id == id) {
            all->now.offered->refuse = all->now.reason;
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
