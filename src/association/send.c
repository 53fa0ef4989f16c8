/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: properties are checked, and it is decided whose memory a message leaves from. (S2.41) */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "association/bare.h"
#include "association/outgoing.h"
#include "association/properties.h"

static int send_check(const hawser_association *association)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!properties_sends(association))
        return -HAWSER_EPROPERTY;
    return (association->session || association->bare) && !association->ended && !association->abort_wanted ? 0
                                                                                                            : -ENOTCONN;
}

static int send_options(const hawser_message_options **options, hawser_message_options *own)
{
    int r;

    if (!*options || (*options)->struct_size != sizeof **options) {
        r = options_copy(own, sizeof *own, *options);
        if (r < 0)
            return r;
        *options = own;
    }
    return (*options)->prefix_size && !(*options)->prefix ? -EINVAL : 0;
}

static struct session_send send_properties(const hawser_association *association, const hawser_message_options *options)
{
    struct session_send send = {
        .niceness = options->niceness,
        .lifetime = options->lifetime_us,
        .antecedents = options->antecedents,
        .antecedent_count = options->antecedent_count,
        .ordered = options->ordered,
        .replayable = options->safely_replayable,
        .want_sent = options->want_sent,
        .final = options->final,
        .reply_to = options->reply_to,
    };

    if (association->properties)
        properties_message(association, &send);
    return send;
}

static int send_queue(hawser_association *association, const struct session_send *send, hawser_message_id *ret_id)
{
    uint64_t id;
    int r;

    if (association->bare)
        return bare_send(association->bare, send, ret_id);
    r = session_send(association->session, send, loop_now(association->context), &id);
    if (r < 0)
        return r;
    association_wake(association);
    if (ret_id)
        *ret_id = id;
    return 0;
}

/* As send_queue(), and the outgoing is the session's from success on. */
static int send_outgoing(hawser_association *association, struct session_send *send, struct outgoing *outgoing,
                         hawser_message_id *ret_id)
{
    hawser_message_id id;
    int r;

    send->cookie = outgoing;
    r = send_queue(association, send, &id);
    if (r < 0) {
        outgoing_free(outgoing);
        return r;
    }
    if (outgoing->file)
        file_source_set_id(outgoing->file, id);
    if (ret_id)
        *ret_id = id;
    return 0;
}

/* The data in its own place, behind the prefix. */
static void send_in_place(struct session_send *send, const struct outgoing *outgoing)
{
    send->data = outgoing->data;
    send->size = outgoing->prefix_size + outgoing->size;
    if (outgoing->prefix_size)
        send->source = true;
    else
        send->borrow = true;
}

/* Small enough for the session to copy; what was lent is given back when the message is settled all the same. */
static int send_small(hawser_association *association, const void *data, size_t size,
                      const hawser_message_options *options, hawser_message_id *ret_id)
{
    struct session_send send = send_properties(association, options);
    uint8_t joined[SESSION_SMALL];
    struct outgoing *outgoing;
    int r;

    send.size = options->prefix_size + size;
    send.data = data;
    if (options->prefix_size) {
        memcpy(joined, options->prefix, options->prefix_size);
        if (size)
            memcpy(joined + options->prefix_size, data, size);
        send.data = joined;
    }
    if (!options->release)
        return send_queue(association, &send, ret_id);
    r = outgoing_new(NULL, 0, &outgoing);
    if (r < 0)
        return r;
    outgoing->data = data;
    outgoing->size = size;
    outgoing->release = options->release;
    outgoing->release_user = options->release_user;
    return send_outgoing(association, &send, outgoing, ret_id);
}

static int send_large(hawser_association *association, const void *data, size_t size,
                      const hawser_message_options *options, hawser_message_id *ret_id)
{
    struct session_send send = send_properties(association, options);
    struct outgoing *outgoing;
    int r;

    if (!options->release && !options->prefix_size) {
        send.data = data;
        send.size = size;
        return send_queue(association, &send, ret_id);
    }
    r = outgoing_new(options->prefix, options->prefix_size, &outgoing);
    if (r < 0)
        return r;
    outgoing->data = data;
    outgoing->size = size;
    outgoing->release = options->release;
    outgoing->release_user = options->release_user;
    if (!options->release) {
        outgoing->data = outgoing->owned = malloc(size ? size : 1);
        if (!outgoing->owned) {
            outgoing_free(outgoing);
            return -ENOMEM;
        }
        if (size)
            memcpy(outgoing->owned, data, size);
    }
    send_in_place(&send, outgoing);
    return send_outgoing(association, &send, outgoing, ret_id);
}

int hawser_send(hawser_association *association, const void *data, size_t size, const hawser_message_options *options,
                hawser_message_id *ret_id)
{
    hawser_message_options own;
    struct session_send send;
    int r;

    r = send_check(association);
    if (r < 0)
        return r;
    if (!data && size)
        return -EINVAL;
    if (!options && size <= SESSION_SMALL && association->session && !association->bare &&
        !association->properties) { /* the way of a flood of small messages, kept short */
        r = session_send_plain(association->session, data, size, loop_now(association->context), ret_id);
        if (r == 0)
            association_wake(association);
        return r;
    }
    r = send_options(&options, &own);
    if (r < 0)
        return r;
    if (!options->release && !options->prefix_size) {
        send = send_properties(association, options);
        send.data = data;
        send.size = size;
        return send_queue(association, &send, ret_id);
    }
    if (size <= SESSION_SMALL && options->prefix_size <= SESSION_SMALL - size)
        return send_small(association, data, size, options, ret_id);
    return send_large(association, data, size, options, ret_id);
}

int hawser_send_buffer(hawser_association *association, hawser_buffer *buffer, size_t offset, size_t size,
                       const hawser_message_options *options, hawser_message_id *ret_id)
{
    hawser_message_options own;
    struct session_send send;
    struct outgoing *outgoing;
    int r;

    r = send_check(association);
    if (r == 0)
        r = send_options(&options, &own);
    if (r < 0)
        return r;
    if (!buffer || options->release || offset > hawser_buffer_size(buffer) ||
        size > hawser_buffer_size(buffer) - offset)
        return -EINVAL;
    r = outgoing_new(options->prefix, options->prefix_size, &outgoing);
    if (r < 0)
        return r;
    outgoing->buffer = hawser_buffer_ref(buffer);
    outgoing->data = (const uint8_t *)hawser_buffer_data(buffer) + offset;
    outgoing->size = size;
    send = send_properties(association, options);
    send_in_place(&send, outgoing);
    return send_outgoing(association, &send, outgoing, ret_id);
}

/* ----------------------------------------------------------------------------------------------------------- files */

/* A small file that the page cache holds is read now: no descriptor and no buffer wait for it. */
static bool send_file_now(hawser_association *association, int fd, uint64_t offset, size_t size,
                          const hawser_message_options *options, hawser_message_id *ret_id, int *ret_result)
{
    uint8_t bytes[SESSION_SMALL];
    struct iovec piece = {bytes, size};

    if (size > sizeof bytes || options->prefix_size > sizeof bytes - size)
        return false;
    if (size && preadv2(fd, &piece, 1, (off_t)offset, RWF_NOWAIT) != (ssize_t)size)
        return false;
    *ret_result = send_small(association, bytes, size, options, ret_id);
    return true;
}

static int send_file_range(int fd, uint64_t offset, uint64_t *size)
{
    int access = fcntl(fd, F_GETFL);
    struct stat stat;

    if (access < 0 || fstat(fd, &stat) < 0)
        return -errno;
    if ((access & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (!S_ISREG(stat.st_mode) || offset > (uint64_t)stat.st_size)
        return -EINVAL;
    if (*size == HAWSER_SIZE_UNKNOWN)
        *size = (uint64_t)stat.st_size - offset;
    return *size > (uint64_t)stat.st_size - offset ? -EINVAL : 0;
}

int hawser_send_file(hawser_association *association, int fd, uint64_t offset, uint64_t size,
                     const hawser_message_options *options, hawser_message_id *ret_id)
{
    hawser_message_options own;
    struct outgoing *outgoing;
    struct session_send send;
    int r;

    r = send_check(association);
    if (r == 0)
        r = send_options(&options, &own);
    if (r == 0)
        r = options->release ? -EINVAL : send_file_range(fd, offset, &size);
    if (r < 0)
        return r;
    if (send_file_now(association, fd, offset, (size_t)size, options, ret_id, &r))
        return r;
    r = outgoing_new(options->prefix, options->prefix_size, &outgoing);
    if (r < 0)
        return r;
    r = file_source_new(association, fd, offset, size, &outgoing->file);
    if (r < 0) {
        outgoing_free(outgoing);
        return r;
    }
    send = send_properties(association, options);
    send.source = true;
    send.size = options->prefix_size + size;
    return send_outgoing(association, &send, outgoing, ret_id);
}

/* ----------------------------------------------------------------------------------------------------------- parts */

static int send_part(hawser_association *association, uint64_t id, const void *data, size_t size, bool last)
{
    if (association->bare)
        return bare_send_part(association->bare, id, data, size, last);
    return session_send_part(association->session, id, data, size, last, association_now(association));
}

int hawser_send_begin(hawser_association *association, uint64_t size, const hawser_message_options *options,
                      hawser_message_id *ret_id)
{
    hawser_message_options own;
    struct session_send send;
    hawser_message_id id;
    int r;

    r = send_check(association);
    if (r == 0)
        r = send_options(&options, &own);
    if (r < 0)
        return r;
    if (!ret_id || options->release || (size != HAWSER_SIZE_UNKNOWN && size > UINT64_MAX - 1 - options->prefix_size))
        return -EINVAL;
    send = send_properties(association, options);
    send.parts = true;
    send.size = size == HAWSER_SIZE_UNKNOWN ? SESSION_SIZE_UNKNOWN : size + options->prefix_size;
    r = send_queue(association, &send, &id);
    if (r < 0)
        return r;
    if (options->prefix_size) {
        r = send_part(association, id, options->prefix, options->prefix_size, false);
        if (r < 0) {
            (void)hawser_cancel(association, id);
            return r;
        }
    }
    *ret_id = id;
    return 0;
}

int hawser_send_part(hawser_association *association, hawser_message_id id, const void *data, size_t size, bool last)
{
    int r = send_check(association);

    if (r < 0)
        return r;
    if (!data && size)
        return -EINVAL;
    r = send_part(association, id, data, size, last);
    if (r >= 0)
        association_wake(association);
    return r;
}

/* ------------------------------------------------------------------------------------------------------ afterwards */

int hawser_cancel(hawser_association *association, hawser_message_id id)
{
    int r = send_check(association);

    if (r < 0)
        return r;
    r = association->bare ? bare_cancel(association->bare, id)
                          : session_cancel(association->session, id, association_now(association));
    association_wake(association);
    return r;
}

int hawser_renice(hawser_association *association, hawser_message_id id, int niceness)
{
    int r = send_check(association);

    if (r < 0)
        return r;
    r = association->bare ? bare_renice(association->bare, id, niceness)
                          : session_renice(association->session, id, niceness);
    association_wake(association);
    return r;
}

int hawser_flush(hawser_association *association)
{
    int r = association_check(association);

    if (r < 0)
        return r;
    if (!association->open || association->listener)
        return -ENOTCONN;
    for (struct list *at = association->strands.next; at != &association->strands; at = at->next)
        strand_write(container_of(at, struct strand, link));
    association_wake(association);
    return 0;
}
