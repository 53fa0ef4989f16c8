/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: properties are checked, and it is decided whose memory a message leaves from. (S2.41) */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "association/bare.h"
#include "association/outgoing.h"
#include "association/properties.h"
#include "association/trace.h"

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

#define MILLIONTHS 1000000

/* What is said beside niceness and lifetime is within its bounds. */
static int send_marked(const hawser_message_options *options)
{
    bool probable = options->reliability == HAWSER_RELIABILITY_PROBABILITY;

    if ((unsigned)options->reliability > HAWSER_RELIABILITY_PROBABILITY || options->send_time_us < 0 ||
        (options->resends && options->reliability != HAWSER_RELIABILITY_RESENDS) ||
        options->resends > SESSION_RESENDS_MAX ||
        (probable ? !(options->probability > 0 && options->probability <= 1) : options->probability != 0) ||
        (options->reliability == HAWSER_RELIABILITY_LIFETIME && options->lifetime_us <= 0) ||
        (options->coordinate_count && !options->coordinates) || (options->timestamp_us && !options->timestamped))
        return -EINVAL;
    return options->coordinate_count > HAWSER_COORDINATES_MAX ? -E2BIG : 0;
}

static int send_options(const hawser_association *association, const hawser_message_options **options,
                        hawser_message_options *own)
{
    static const hawser_message_options none = {.struct_size = sizeof none};
    int r;

    if (!*options)
        *options = &none;
    if ((*options)->struct_size != sizeof **options) {
        r = options_copy(own, sizeof *own, *options);
        if (r < 0)
            return r;
        *options = own;
    }
    if ((*options)->prefix_size && !(*options)->prefix)
        return -EINVAL;
    if ((*options)->strand && association->bare)
        return -EOPNOTSUPP;
    if ((*options)->strand && !strand_by_id(association, (*options)->strand))
        return -ENOENT;
    return send_marked(*options);
}

static void send_reliability(const hawser_message_options *options, struct session_send *send)
{
    static const enum session_reliability reliabilities[] = {
        [HAWSER_RELIABILITY_DEFAULT] = SESSION_FULL,
        [HAWSER_RELIABILITY_FULL] = SESSION_FULL,
        [HAWSER_RELIABILITY_LIFETIME] = SESSION_UNTIL_LIFETIME,
        [HAWSER_RELIABILITY_RESENDS] = SESSION_RESENDS,
        [HAWSER_RELIABILITY_PROBABILITY] = SESSION_PROBABILITY,
    };

    send->reliability = reliabilities[options->reliability];
    send->resends = options->resends;
    if (options->reliability == HAWSER_RELIABILITY_PROBABILITY) {
        send->probability = (uint32_t)(options->probability * MILLIONTHS + 0.5);
        send->probability += send->probability == 0;
    }
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
        .send_time = options->send_time_us,
        .pace = options->pace,
    };

    send_reliability(options, &send);
    send.marks.has_timestamp = options->timestamped;
    send.marks.timestamp = options->timestamp_us;
    send.marks.coordinate_count = (uint8_t)options->coordinate_count;
    for (size_t i = 0; i < options->coordinate_count; i++)
        send.marks.coordinates[i] = options->coordinates[i];
    send.strand = options->strand ? strand_by_id(association, options->strand)->number + 1 : 0;
    if (association->properties)
        properties_message(association, options->reliability == HAWSER_RELIABILITY_DEFAULT, &send);
    return send;
}

/* The peer's own protocol has no place for marks, and nobody who would tell of what was lost. */
static int send_bare(hawser_association *association, const struct session_send *send, hawser_message_id *ret_id)
{
    bool lossy = send->reliability != SESSION_FULL;
    uint64_t id;
    int r;

    if (send->marks.has_timestamp || send->marks.coordinate_count || lossy || send->pace)
        return -EOPNOTSUPP;
    r = bare_send(association->bare, send, &id);
    if (r < 0)
        return r;
    if (send->want_sent && send->send_time) /* without memory the departure is told without its error */
        (void)event_expect_departure(association, id, send->send_time);
    *ret_id = id;
    return 0;
}

static void trace_sent(hawser_association *association, uint64_t id, uint64_t size)
{
    trace_messages(association, TRACE_SENT, id, 1, size == SESSION_SIZE_UNKNOWN ? 0 : size);
}

static int send_queue(hawser_association *association, const struct session_send *send, hawser_message_id *ret_id)
{
    uint64_t id;
    int r;

    if (association->bare) {
        r = send_bare(association, send, &id);
        if (r == 0)
            trace_sent(association, id, send->size);
        if (r == 0 && ret_id)
            *ret_id = id;
        return r;
    }
    r = session_send(association->session, send, loop_now(association->context), &id);
    if (r < 0)
        return r;
    trace_sent(association, id, send->size);
    if (send->want_sent && send->send_time) /* without memory the departure is told without its error */
        (void)event_expect_departure(association, id, send->send_time);
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
        hawser_message_id id;

        r = session_send_plain(association->session, data, size, loop_now(association->context), &id);
        if (r < 0)
            return r;
        trace_sent(association, id, size);
        if (ret_id)
            *ret_id = id;
        association_wake(association);
        return 0;
    }
    r = send_options(association, &options, &own);
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
        r = send_options(association, &options, &own);
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
        r = send_options(association, &options, &own);
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
        r = send_options(association, &options, &own);
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
