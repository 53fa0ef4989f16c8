/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering: messages of any number of associations are received through one handle; each names its source (S1.13). Between
 * sources there is no order, and a slow one delays nobody (S1.17): what is handed over next is whatever is there, in turns
 * that are counted in bytes, so that a busy source leaves room to the others (docs/gathering.md).
 *
 *     hawser_gathering_new(ctx, NULL, &gathering);
 *     for (int i = 0; i < 3; i++)
 *         hawser_gathering_add(gathering, lines[i]);
 *     while (hawser_gathering_next(gathering, -1, &next) == 0) {
 *         if (next.message)
 *             show(hawser_association_endpoint(next.source), next.received.data, next.received.size);
 *         hawser_message_unref(next.message);
 *     }
 *
 * In a task: hawser_task_gather() of <hawser/task.h>. Beside a loop: hawser_gathering_handle().
 */
#ifndef HAWSER_GATHER_H
#define HAWSER_GATHER_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_gathering hawser_gathering;

typedef struct hawser_gathering_options {
    size_t struct_size;
    /* Bytes that wait here until they are taken, in equal shares of the sources: who has used up his is held back by credit, while
     * the others go on. One message may exceed a share. 0: 16 MiB */
    uint64_t memory;
} hawser_gathering_options;
#define HAWSER_GATHERING(...)                                                                                          \
    (&(const hawser_gathering_options){.struct_size = sizeof(hawser_gathering_options), __VA_ARGS__})

/* What a source gave: a message, or its end. */
typedef struct hawser_gathered {
    hawser_association *source; /* ref it to keep it */
    /* The caller's, to be unreffed, on any thread; until then it counts against its peer's credit. NULL: the source has ended,
     * and is in this gathering no more. */
    hawser_message *message;
    hawser_received received; /* of a message: what HAWSER_RECEIVED tells; marks and gaps as long as source */
    int code;                 /* of an end: 0 clean, negative why */
    const char *reason;       /* of an end: in words */
} hawser_gathered;

HAWSER_API int hawser_gathering_new(hawser_context *context, const hawser_gathering_options *options,
                                    hawser_gathering **ret_gathering);
HAWSER_API hawser_gathering *hawser_gathering_ref(hawser_gathering *gathering);
/* With the last reference its associations are let go, and what still waits is dropped. Returns NULL. */
HAWSER_API hawser_gathering *hawser_gathering_unref(hawser_gathering *gathering);

/* Takes an association's messages from now on; it gets a reference, for as long as it is a source. A listener: all that come by
 * it. -EBUSY: a handler takes its messages (or of a listener: its HAWSER_ACCEPTED), or another gathering; -ENOTCONN: it has
 * ended; -EINVAL: of another context. The gathering pauses and resumes what it gathers, so the program does not. */
HAWSER_API int hawser_gathering_add(hawser_gathering *gathering, hawser_association *association);
/* No more of it is taken; what came already is still handed over, without an end. A listener's associations stay. -ENOENT */
HAWSER_API int hawser_gathering_remove(hawser_gathering *gathering, hawser_association *association);

/*
 * The next that a source gave; waits for at most timeout_us (negative: without end), and runs the loop meanwhile; 0 takes only
 * what is there. source, marks and gaps stay until the next call. Errors: -EAGAIN (nothing came in time), -ENOENT (no source
 * is left, and nothing waits), -EBUSY (a handler is registered; or it would have to wait inside of a handler or a task),
 * -ECANCELED (the context has ended).
 */
HAWSER_API int hawser_gathering_next(hawser_gathering *gathering, int64_t timeout_us, hawser_gathered *ret_gathered);

/* In place of hawser_gathering_next(): fn is called in dispatch, which unrefs the message when it returns. NULL: no more. */
typedef void (*hawser_gathered_fn)(const hawser_gathered *gathered, void *user);
HAWSER_API int hawser_gathering_handle(hawser_gathering *gathering, hawser_gathered_fn fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
