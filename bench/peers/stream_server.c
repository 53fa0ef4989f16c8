/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

struct server {
    const struct options *options;
    struct window window;
    struct counts counts, before;
    unsigned syncs;
    struct conn *control; /* the connection that the syncs came on */
    bool over;
};

static void on_sync(struct server *server, struct conn *c, const uint8_t *data, size_t size)
{
    struct window *w = &server->window;

    server->control = c;
    if (++server->syncs == 1) {
        server->before = server->counts;
        window_open(w);
    } else {
        window_close(w);
        w->counts.messages = server->counts.messages - server->before.messages;
        w->counts.resumed = server->counts.resumed - server->before.resumed;
    }
    if (!conn_queue(c, data, size) || !conn_flush(c))
        fail("no room for the answer to a sync");
    if (server->syncs == 2)
        result_print(server->options, w, NULL);
}

static void on_message(struct conn *c, const uint8_t *data, size_t size)
{
    struct server *server = c->stream->user;

    switch (data[0]) {
    case KIND_DATA:
        server->counts.messages++;
        break;
    case KIND_ECHO:
        server->counts.messages++;
        if (!conn_queue(c, data, size) || !conn_flush(c))
            fail("no room for an echo");
        break;
    case KIND_SYNC:
        on_sync(server, c, data, size);
        break;
    default:
        fail("an unknown message");
    }
}

static void on_ready(struct conn *c)
{
    struct server *server = c->stream->user;

    server->counts.resumed += c->resumed;
}

static void on_end(struct conn *c)
{
    struct server *server = c->stream->user;

    if (c == server->control && server->syncs >= 2)
        server->over = true;
    conn_close(c);
}

int stream_server(const struct stream_ops *ops, const struct options *o)
{
    struct server server = {.options = o};
    struct stream s;

    stream_init(&s, ops, o);
    s.user = &server;
    s.on_message = on_message;
    s.on_ready = on_ready;
    s.on_end = on_end;
    listening_print(o, stream_listen(&s));
    while (!server.over)
        stream_turn(&s);
    return 0;
}
