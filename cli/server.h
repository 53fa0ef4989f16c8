/* SPDX-License-Identifier: Apache-2.0 */
/* hawser listen: what its parts share. */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include <sys/queue.h>

#include <hawser/layer.h>

#include "storage.h"
#include "tool.h"

enum serving {
    SERVE_TERMINAL, /* messages are told; the first stream gets standard input and output */
    SERVE_ECHO,
    SERVE_DISCARD,
    SERVE_PARTS,
    SERVE_FILES,
    SERVE_COMMAND,
};

struct server {
    struct tool *tool;
    enum serving serving;
    struct storage storage;
    uint64_t kept_count; /* messages that --parts kept */
    hawser_association **listeners;
    size_t listener_count;
    LIST_HEAD(, peer) peers;
    LIST_HEAD(, process) processes; /* of --exec */
    bool terminal_taken;            /* a stream has standard input and output */
    bool draining;
    bool ends;                   /* nothing is waited for any more */
    const hawser_framer *framer; /* of --framer; NULL: none */
    void *framer_user;
    void *group_key; /* of --group-key */
    size_t group_key_size;
};

struct echo;
/* So that one peer cannot take all descriptors: an honest sender has a fraction of this under way. */
#define ARRIVING_MAX 256

struct peer { /* an accepted association */
    LIST_ENTRY(peer) link;
    struct server *server;
    hawser_association *association;
    char name[256];  /* "" when it showed no key */
    char label[256]; /* what people are told */
    char verification[16];
    bool bare;
    bool gone; /* its line has ended; what came last is still being written */
    LIST_HEAD(, arrival) arrivals;
    LIST_HEAD(, kept) kept; /* with --parts */
    unsigned arriving;      /* of either */
    LIST_HEAD(, serving_stream) streams;
    struct echo *echo;
};

/* Ends what is left of one whose line has ended. */
void peer_free(struct peer *peer);
/* When the server drains: ends the line once no stream is served on it. */
void peer_drain(struct peer *peer);

/* Registers the handlers of messages. */
void messages_serve(struct peer *peer);
/* The same with --parts (parts.c). */
void parts_serve(struct peer *peer);
void parts_end(struct peer *peer);
/* Drops what was arriving. */
void messages_end(struct peer *peer);

/* Registers the handler of streams. */
void streams_serve(struct peer *peer);
/* Serves the one stream that a bare client is. */
void streams_serve_bare(struct peer *peer);
void streams_end(struct peer *peer);
/* The line ended cleanly: does what came over it still have to be written? */
bool streams_write(const struct peer *peer);
/* Waits for no process any more. */
void processes_end(struct server *server);

#endif
