/* SPDX-License-Identifier: Apache-2.0 */
/* hawser listen: messages. */
#include <errno.h>
#include <string.h>

#include "arrival.h"
#include "echo.h"

static struct arrival *find(struct peer *peer, hawser_message_id id)
{
    struct arrival *arrival;

    LIST_FOREACH(arrival, &peer->arrivals, link)
    {
        if (arrival->id == id)
            return arrival;
    }
    return NULL;
}

static void refuse(struct peer *peer, hawser_message_id id, const struct arrival *arrival, const char *reason)
{
    struct tool *tool = peer->server->tool;
    struct json *json = event_begin(tool, "refused");
    const char *path = arrival && arrival->header ? arrival->header->path : NULL;

    json_unsigned(json, "message", id);
    json_string(json, "file", path);
    json_string(json, "reason", reason);
    event_end(tool);
    if (path)
        complain(tool, "refused %s: %s", path, reason);
    else
        complain(tool, "refused message %llu: %s", (unsigned long long)id, reason);
    hawser_refuse(peer->association, id, reason);
}

static void on_received(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    const hawser_received *message = &event->received;
    const char *reason = "the receiver is out of memory";
    struct arrival *arrival = arrival_new(peer, message->id, message->niceness);
    int r = arrival ? 0 : -ENOMEM;

    if (r == 0) {
        arrival->antecedent_lost = message->antecedent_lost;
        r = arrival_take(arrival, message->data, message->size, &reason);
    }
    if (r == 0)
        r = arrival_finish(arrival, &reason);
    if (r < 0)
        refuse(peer, message->id, arrival, reason);
    else if (peer->echo)
        echo_message(peer->echo, message);
    if (arrival)
        arrival_free(arrival);
}

static void on_arriving(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    hawser_message_id id = event->arriving.id;

    if (peer->arriving >= ARRIVING_MAX) {
        refuse(peer, id, NULL, "too many messages of this peer are arriving at once");
        return;
    }
    if (!arrival_new(peer, id, event->arriving.niceness)) {
        refuse(peer, id, NULL, "the receiver is out of memory");
        return;
    }
    hawser_take_parts(peer->association, id);
    if (peer->echo)
        echo_begin(peer->echo, id, event->arriving.size, event->arriving.niceness);
}

static void on_part(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    hawser_message_id id = event->part.id;
    struct arrival *arrival = find(peer, id);
    const char *reason = NULL;
    int r;

    if (!arrival)
        return; /* refused already */
    r = arrival_take(arrival, event->part.data, event->part.size, &reason);
    if (r == 0 && event->part.last)
        r = arrival_finish(arrival, &reason);
    if (r < 0) {
        refuse(peer, id, arrival, reason);
        if (peer->echo)
            echo_abandon(peer->echo, id);
    } else if (peer->echo) {
        echo_part(peer->echo, id, event->part.data, event->part.size, event->part.last);
    }
    if (r < 0 || event->part.last)
        arrival_free(arrival);
}

static void report_abandoned(struct peer *peer, const struct arrival *arrival, const char *reason)
{
    struct tool *tool = peer->server->tool;
    struct json *json = event_begin(tool, "abandoned");
    const char *path = arrival->header ? arrival->header->path : NULL;

    json_unsigned(json, "message", arrival->id);
    json_string(json, "file", path);
    json_unsigned(json, "size", arrival->size);
    json_string(json, "reason", reason);
    event_end(tool);
    complain(tool, "%s is dropped after %llu bytes: %s", path ? path : "a message", (unsigned long long)arrival->size,
             reason);
}

static void on_abandoned(const hawser_event *event, void *user)
{
    struct peer *peer = user;
    struct arrival *arrival = find(peer, event->abandoned.id);

    if (!arrival)
        return;
    report_abandoned(peer, arrival,
                     event->abandoned.kind == HAWSER_EXPIRED ? "it expired, or was taken back"
                                                             : "it was not sent to its end");
    if (peer->echo)
        echo_abandon(peer->echo, arrival->id);
    arrival_free(arrival);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct peer *peer = user;

    (void)event;
    if (peer->echo)
        echo_continue(peer->echo);
}

static void refuse_received(const hawser_event *event, void *user)
{
    refuse(user, event->received.id, NULL, "this listener takes streams only");
}

static void refuse_arriving(const hawser_event *event, void *user)
{
    refuse(user, event->arriving.id, NULL, "this listener takes streams only");
}

void messages_serve(struct peer *peer)
{
    hawser_association *a = peer->association;

    if (peer->server->serving == SERVE_PARTS) {
        parts_serve(peer);
        return;
    }
    if (peer->server->serving == SERVE_COMMAND) {
        hawser_register(a, HAWSER_RECEIVED, refuse_received, peer);
        hawser_register(a, HAWSER_ARRIVING, refuse_arriving, peer);
        return;
    }
    if (peer->server->serving == SERVE_ECHO && echo_new(peer, &peer->echo) < 0)
        complain(peer->server->tool, "out of memory: nothing is sent back to %s", peer->label);
    hawser_register(a, HAWSER_RECEIVED, on_received, peer);
    hawser_register(a, HAWSER_ARRIVING, on_arriving, peer);
    hawser_register(a, HAWSER_PART, on_part, peer);
    hawser_register(a, HAWSER_ABANDONED, on_abandoned, peer);
    hawser_register(a, HAWSER_WRITABLE, on_writable, peer);
}

void messages_end(struct peer *peer)
{
    struct arrival *arrival;

    parts_end(peer);
    while ((arrival = LIST_FIRST(&peer->arrivals))) {
        report_abandoned(peer, arrival, "the line ended");
        arrival_free(arrival);
    }
    echo_free(peer->echo);
    peer->echo = NULL;
}
