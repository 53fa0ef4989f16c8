/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser listen --parts: messages as they come, in any order, and of each in the end what of it never came. With --receive
 * each is kept, with what is missing left 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_header.h"
#include "marks.h"
#include "server.h"
#include "units.h"

#define SHOWN_MAX 8 /* gaps in a sentence for people */

struct kept { /* a message that is being written; its name is given when it is all there */
    LIST_ENTRY(kept) link;
    hawser_message_id id;
    struct stored_file file;
    char name[32];
};

static void tell_gaps(struct json *json, const hawser_range *gaps, size_t count)
{
    json_list(json, "gaps");
    for (size_t i = 0; i < count; i++) {
        json_object(json, NULL);
        json_unsigned(json, "offset", gaps[i].offset);
        json_unsigned(json, "size", gaps[i].size);
        json_object_end(json);
    }
    json_list_end(json);
}

static uint64_t sum(const hawser_range *gaps, size_t count)
{
    uint64_t missing = 0;

    for (size_t i = 0; i < count; i++)
        missing += gaps[i].size;
    return missing;
}

static void say_gaps(struct tool *tool, hawser_message_id id, uint64_t size, const hawser_range *gaps, size_t count)
{
    char text[512] = "", whole[UNIT_TEXT_SIZE], lost[UNIT_TEXT_SIZE];
    size_t at = 0;

    if (count == 0) {
        say(tool, "message %llu, %s, without a gap", (unsigned long long)id, format_size(size, whole));
        return;
    }
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu-%llu", i ? ", " : "",
                               (unsigned long long)gaps[i].offset,
                               (unsigned long long)(gaps[i].offset + gaps[i].size - 1));
    say(tool, "message %llu, %s, without %s of it: %s%s", (unsigned long long)id, format_size(size, whole),
        format_size(sum(gaps, count), lost), text, count > SHOWN_MAX ? ", ..." : "");
}

/* ------------------------------------------------------------------------------------------------------------ keeping */

static struct kept *kept_find(struct peer *peer, hawser_message_id id)
{
    struct kept *kept;

    LIST_FOREACH(kept, &peer->kept, link)
    {
        if (kept->id == id)
            return kept;
    }
    return NULL;
}

static void kept_free(struct peer *peer, struct kept *kept)
{
    if (!kept)
        return;
    LIST_REMOVE(kept, link);
    peer->arriving--;
    stored_file_drop(&kept->file);
    free(kept);
}

static int kept_open(struct peer *peer, hawser_message_id id, uint64_t size, const char **ret_reason)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    int r;

    *ret_reason = "the receiver is out of memory";
    if (!kept)
        return -ENOMEM;
    kept->id = id;
    snprintf(kept->name, sizeof(kept->name), "message-%llu", (unsigned long long)++peer->server->kept_count);
    r = stored_file_open(&peer->server->storage, kept->name, size == HAWSER_SIZE_UNKNOWN ? FILE_SIZE_UNKNOWN : size,
                         &kept->file, ret_reason);
    if (r < 0) {
        free(kept);
        return r;
    }
    LIST_INSERT_HEAD(&peer->kept, kept, link);
    peer->arriving++;
    return 0;
}

/* Its sender is told: what is not kept was not received. */
static bool kept_failed(struct peer *peer, struct kept *kept, int code)
{
    const char *reason = hawser_strerror(code);

    complain(peer->server->tool, "%s is not kept: %s", kept->name, reason);
    hawser_refuse(peer->association, kept->id, reason);
    kept_free(peer, kept);
    return false;
}

static bool kept_write(struct peer *peer, struct kept *kept, uint64_t offset, const void *data, size_t size)
{
    int r = stored_file_write_at(&kept->file, offset, data, size);

    return r < 0 ? kept_failed(peer, kept, r) : true;
}

/* Gives it its name. */
static bool kept_finish(struct peer *peer, struct kept *kept, uint64_t size)
{
    int r = ftruncate(kept->file.fd, (off_t)size) < 0 ? -errno
                                                      : stored_file_commit(&peer->server->storage, &kept->file, 0666);

    return r < 0 ? kept_failed(peer, kept, r) : true;
}

/* ------------------------------------------------------------------------------------------------------------ telling */

static void report(struct peer *peer, hawser_message_id id, uint64_t size, const hawser_marks *marks,
                   const hawser_range *gaps, size_t count)
{
    struct tool *tool = peer->server->tool;
    struct kept *kept = kept_find(peer, id);
    struct json *json;

    if (kept && !kept_finish(peer, kept, size))
        return;
    json = event_begin(tool, "gaps");
    json_unsigned(json, "message", id);
    if (kept)
        json_string(json, "file", kept->name);
    json_unsigned(json, "size", size);
    json_unsigned(json, "missing", sum(gaps, count));
    tell_gaps(json, gaps, count);
    marks_tell(json, marks);
    event_end(tool);
    say_gaps(tool, id, size, gaps, count);
    kept_free(peer, kept);
}

static bool keeps(struct peer *peer, hawser_message_id id, uint64_t size)
{
    const char *reason = "too many messages of this peer are arriving at once";
    int r = -ENFILE;

    if (!peer->server->tool->options->receive)
        return true;
    if (peer->arriving < ARRIVING_MAX)
        r = kept_open(peer, id, size, &reason);
    if (r == 0)
        return true;
    complain(peer->server->tool, "refused message %llu: %s", (unsigned long long)id, reason);
    hawser_refuse(peer->association, id, reason);
    return false;
}

static void on_received(const hawser_event *event, void *user)
{
    const hawser_received *received = &event->received;
    struct peer *peer = user;
    struct kept *kept;

    if (!keeps(peer, received->id, received->size))
        return;
    kept = kept_find(peer, received->id);
    if (!kept || kept_write(peer, kept, 0, received->data, received->size))
        report(peer, received->id, received->size, received->marks, received->gaps, received->gap_count);
}

static void on_arriving(const hawser_event *event, void *user)
{
    if (keeps(user, event->arriving.id, event->arriving.size))
        hawser_take_parts_with_gaps(event->association, event->arriving.id);
}

static void on_part(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    struct tool *tool = peer->server->tool;
    struct kept *kept = kept_find(peer, event->part.id);
    struct json *json = event_begin(tool, "part");

    json_unsigned(json, "message", event->part.id);
    json_unsigned(json, "offset", event->part.offset);
    json_unsigned(json, "size", event->part.size);
    event_end(tool);
    if (kept && !kept_write(peer, kept, event->part.offset, event->part.data, event->part.size))
        return;
    if (event->part.last)
        report(peer, event->part.id, event->part.offset + event->part.size, event->part.marks, event->part.gaps,
               event->part.gap_count);
}

static void on_abandoned(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    struct tool *tool = peer->server->tool;
    struct json *json = event_begin(tool, "abandoned");
    const char *reason =
        event->abandoned.kind == HAWSER_EXPIRED ? "it expired, or was taken back" : "it was not sent to its end";

    json_unsigned(json, "message", event->abandoned.id);
    json_string(json, "reason", reason);
    event_end(tool);
    complain(tool, "message %llu is dropped: %s", (unsigned long long)event->abandoned.id, reason);
    kept_free(peer, kept_find(peer, event->abandoned.id));
}

void parts_end(struct peer *peer)
{
    while (!LIST_EMPTY(&peer->kept))
        kept_free(peer, LIST_FIRST(&peer->kept));
}

void parts_serve(struct peer *peer)
{
    hawser_register(peer->association, HAWSER_RECEIVED, on_received, peer);
    hawser_register(peer->association, HAWSER_ARRIVING, on_arriving, peer);
    hawser_register(peer->association, HAWSER_PART, on_part, peer);
    hawser_register(peer->association, HAWSER_ABANDONED, on_abandoned, peer);
}
