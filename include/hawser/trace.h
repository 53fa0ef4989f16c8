/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeing what associations do: a trace of all that a context does, and a socket by which others of the same user look
 * into a running process. docs/trace.md says what is written; `hawser plot` draws a trace, `hawser top` asks the socket.
 */
#ifndef HAWSER_TRACE_H
#define HAWSER_TRACE_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes a trace of all associations of the context to a descriptor, which stays the caller's, and open until the trace has
 * ended: strands as they come, go and change; samples of each, every 100 ms while anything moves; messages and their
 * outcomes; how races went. JSON lines, written in pieces of up to 64 KiB. fd -1: what is left is written, and the trace
 * ends; so it does when the context ends. Where a pipe or a socket takes no more, records are dropped and counted, and
 * nothing waits. A descriptor that fails ends the trace, and is said in the log once, also at the end. A forked child
 * writes nothing to it. title: a word about the run; may be NULL.
 * Errors: -EBADF (not open for writing), -ENOMEM.
 */
HAWSER_API int hawser_context_set_trace(hawser_context *context, int fd, const char *title);

/*
 * Opens a socket at which processes of the same user, and root, are told of the context's associations: one JSON object
 * for each line "snapshot" that they write. path: of a unix socket, made with mode 0600; "auto": PID.sock in
 * $XDG_RUNTIME_DIR/hawser (mode 0700), with a number after the process id where another context has that; NULL: no more.
 * Closed and removed with the context. At most 8 ask at a time. A context of which this was never said looks at
 * $HAWSER_CONTROL, a path or "auto", when it gets its first association; what does not work then is a warning in the log.
 * Errors: -EADDRINUSE (somebody listens there), -ENOENT ("auto" without a directory of the user's own), -EPERM (that
 * directory is open to others, or not ours), -ENAMETOOLONG, -errno.
 */
HAWSER_API int hawser_context_set_control(hawser_context *context, const char *path);
/* Where it listens; "" where it does not. */
HAWSER_API const char *hawser_context_control(const hawser_context *context);

#ifdef __cplusplus
}
#endif

#endif
