/* SPDX-License-Identifier: Apache-2.0 */
/* hawser listen: a stream that a peer opened, and what serves it. */
#ifndef CLI_STREAMS_H
#define CLI_STREAMS_H

#include "pump.h"
#include "server.h"

struct serving_stream {
    LIST_ENTRY(serving_stream) link;
    struct peer *peer;
    uint64_t id;
    struct pump pump; /* terminal, command */
    bool pump_ended;

    hawser_stream *stream; /* echo, discard: a reference of its own */
    uint8_t *buffer;       /* read and not yet sent back */
    size_t at, size;

    struct process *process; /* command: NULL when it has been waited for */
    int to_process, from_process;
};

/* Ends it: what is open is reset, a process is hung up on. */
void serving_stream_free(struct serving_stream *s);

/* Sends back, or drops, what comes. */
int loop_start(struct serving_stream *s);

/* Runs the command on the stream. */
int command_start(struct serving_stream *s, const char *command);
void command_end(struct serving_stream *s);

#endif
