/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving an association to another process, or another host, while it lives (docs/moving.md; S1.21, S1.30, S1.32). Included by
 * hawser.h.
 *
 * A line is exported as one sealed blob: messages and streams as they stand, who the peer is, and what proves that whoever
 * holds it is the same end; never sockets, nor keys of TLS. Who imports it seeks the peer from wherever it is (or, of a line that
 * was accepted, awaits it), and goes on. The peer takes whoever shows up first with the newest export: the process
 * that it came from, and a copy of the blob, are told HAWSER_EMOVED.
 */
#ifndef HAWSER_MOVE_H
#define HAWSER_MOVE_H

#include <stddef.h>
#include <stdint.h>

#include <hawser/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hawser_listen_options;

typedef struct hawser_export_options {
    size_t struct_size;
    /* What the blob is sealed with, at least 16 bytes that nobody can guess. NULL: by the line's identity (.identity of
     * hawser_associate() or hawser_listen()), so that only its holders can open it. */
    const void *key;
    size_t key_size;
    uint64_t max_size; /* of the blob; 0: 256 MiB */
} hawser_export_options;
#define HAWSER_EXPORT(...) (&(const hawser_export_options){.struct_size = sizeof(hawser_export_options), __VA_ARGS__})

/*
 * Takes a line out of this process. Its messages, lent ones and those from files too, go along as copies of what the peer does
 * not have; what was lent is released. Here HAWSER_CLOSED follows, with -HAWSER_EMOVED, and no outcomes; the peer sees its strands
 * close. The caller free()s the blob, which is worth as much as the line: who has it, and its key, has the line.
 * What has come already is handed over first: handlers of this line may run in the call.
 * On failure the line goes on: -EBUSY inside a handler of this line's own messages or streams (hawser_post() is the way out), or
 * when its handlers do not cease to cancel messages, -EAGAIN before both ends have met, -ENOTCONN (it has ended, maybe in one of
 * these handlers), -EOPNOTSUPP (a listener, a bare line, one with a stream's descriptor in use), -E2BIG (above max_size; a name or
 * a list of endpoints longer than can be moved), -HAWSER_ESOURCE (a file changed, or cannot be read), -HAWSER_EIDENTITY (the peer
 * knows this end by an identity that this context made for itself: nobody else can show it), -EINVAL (key), -EIO (no
 * randomness), -ENOMEM.
 */
HAWSER_API int hawser_association_export(hawser_association *association, const hawser_export_options *options,
                                         void **ret_blob, size_t *ret_size);

typedef struct hawser_import_options {
    size_t struct_size;
    const void *key; /* as it was exported with */
    size_t key_size;
    hawser_identity *identity; /* the same that the line had; NULL: it showed none */
    void *user;
} hawser_import_options;
#define HAWSER_IMPORT(...) (&(const hawser_import_options){.struct_size = sizeof(hawser_import_options), __VA_ARGS__})

/*
 * Takes a line up. It is established, has no strand yet, and tells nothing before the next dispatch: register handlers first.
 * Then HAWSER_STREAM_OPENED comes for each of its streams, whoever opened it; messages that were arriving in parts, or into
 * memory or a file of the old process, go on in parts (HAWSER_PART) at the offset where they stood. Ids go on.
 * HAWSER_PATHS_CHANGED says that the peer was reached; HAWSER_CLOSED with -HAWSER_EMOVED that another holder was
 * faster. Errors: -EBADMSG (another key, or damaged), -EPROTONOSUPPORT (of another version), -HAWSER_EIDENTITY (not the one that
 * the peer knows), -EEXIST (the line is here already), -HAWSER_ETRUST (its trust rule does not hold here, as where its file is not
 * there), -EINVAL, -EIO (no randomness), -ENOMEM.
 */
HAWSER_API int hawser_association_import(hawser_context *context, const void *blob, size_t size,
                                         const hawser_import_options *options, hawser_association **ret_association);

/* Copies of the sockets that a listener has, which the caller closes; how many (one, or one for TCP and one for UDP).
 * hawser_listen() with "fd:N" takes one over, also in another process. Errors: -E2BIG (there are more than count), -ENOTCONN
 * (no listener, or one that has ended), -EMFILE. */
HAWSER_API int hawser_listener_sockets(const hawser_association *listener, int *ret_fds, size_t count);

/*
 * Replaces the process behind a listener. One process says hawser_hand_over(): the listener's sockets and all lines that came by
 * it go through a connected unix socket (SOCK_STREAM), and the listener is closed once the successor has said that it has them.
 * That one says hawser_take_over(), and goes on; meanwhile who connects waits in the system's queue, and peers come back to the
 * same address. The two calls read and write until they are done, for at most 30 s. Lines that cannot be exported stay, and are
 * logged. On a failure the listener goes on here, with the lines that had not been sent; those that had are lost with the
 * successor. Errors: -ETIMEDOUT, -EPIPE or -ECONNRESET (the successor has gone), -EBADMSG (it is none), -ENOTCONN (no listener, or one that
 * has ended), -EINVAL, -errno of the socket.
 */
HAWSER_API int hawser_hand_over(hawser_association *listener, int socket, const hawser_export_options *options);
/* taken (NULL: all lines are closed) is called for each line, which is its to keep by hawser_association_ref(), before this
 * returns; handlers are registered in it. The listener is made with the options given. Lines that cannot be imported are
 * logged, and lost. Errors: as hawser_listen(), as above, -ENOMEM; on a failure after the sockets came ret_listener is set all the
 * same, and what was taken stays. Set it to NULL before, to tell. */
HAWSER_API int hawser_take_over(hawser_context *context, int socket, const struct hawser_listen_options *listen,
                                const hawser_import_options *import,
                                void (*taken)(hawser_association *association, void *user), void *user,
                                hawser_association **ret_listener);

#ifdef __cplusplus
}
#endif

#endif
