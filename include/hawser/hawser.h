/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser: one line to a named peer, laid from every strand the network offers.
 *
 * A program names a peer and exchanges messages and streams with it. The vocabulary is in docs/architecture.md, what
 * goes over the wire in docs/protocol.md.
 *
 * Rules that hold for every call:
 *  - 0 or a positive count is success; failure is a negative code: -errno, or one of HAWSER_E*. hawser_strerror() gives
 *    its text. An output is last, is named ret_*, and is untouched when the call fails; it may be NULL where the
 *    caller does not want it, unless said otherwise.
 *  - A context and everything made from it belong to the thread that uses it: other threads may call only hawser_post(),
 *    hawser_message_ref(), hawser_message_unref(), hawser_buffer_ref() and hawser_buffer_unref(). After fork() every call
 *    in the child answers -ECHILD, except the _unref ones, which free memory and send nothing.
 *  - Handlers run only inside hawser_dispatch(), hawser_run() and hawser_iterate(), never inside another call. They may call anything, including
 *    closing and unreferencing the object that called them. Nested dispatch is -EBUSY.
 *  - Times are microseconds of CLOCK_BOOTTIME, durations microseconds, rates bits per second, sizes bytes.
 *  - Options are structs whose zero value is the default, passed by the macro of the same name, which records the
 *    struct's size so that it can grow: HAWSER_MESSAGE(.niceness = -10). NULL means all defaults.
 */
#ifndef HAWSER_HAWSER_H
#define HAWSER_HAWSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <hawser/errors.h>
#include <hawser/properties.h>
#include <hawser/report.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAWSER_VERSION "0.1.0"

typedef struct hawser_context hawser_context;
/* Also what hawser_listen() gives: a rump with one event (S2.53). */
typedef struct hawser_association hawser_association;
typedef struct hawser_stream hawser_stream;
typedef struct hawser_identity hawser_identity;
typedef struct hawser_shared hawser_shared;
typedef struct hawser_buffer hawser_buffer;
typedef struct hawser_framer hawser_framer;   /* <hawser/layer.h> */
typedef struct hawser_message hawser_message; /* a received message that a program keeps */
typedef uint64_t hawser_message_id; /* consecutive from 1 in one direction of an association; 0 is no message */

/* The size of a message or stream that is not known beforehand. */
#define HAWSER_SIZE_UNKNOWN UINT64_MAX

/* ------------------------------------------------------------------------------------------------ errors and version */

/* The text of a code returned by any call; never NULL. */
HAWSER_API const char *hawser_strerror(int code);
/* The name of a code ("HAWSER_EEXPIRED", "ECONNREFUSED"); never NULL. */
HAWSER_API const char *hawser_error_name(int code);
HAWSER_API const char *hawser_version(void);

/* ----------------------------------------------------------------------------------------------------------- context */

typedef enum hawser_log_level {
    HAWSER_LOG_ERROR,
    HAWSER_LOG_WARNING,
    HAWSER_LOG_INFO,
    HAWSER_LOG_DEBUG
} hawser_log_level;
typedef void (*hawser_log_fn)(hawser_log_level level, const char *text, void *user);

typedef struct hawser_context_options {
    size_t struct_size;
    /* Tickets, first-use keys. NULL: $XDG_STATE_HOME/hawser, else ~/.local/state/hawser. "": keep nothing, tickets not
     * even in memory, keys of first use only there. */
    const char *state_dir;
    hawser_log_fn log; /* NULL: silent */
    void *log_user;
    hawser_log_level log_level; /* the least urgent level that is told */
    hawser_shared *shared;      /* joins contexts of several threads; NULL: alone */
    bool no_worker;             /* never start the worker thread: messages sent by descriptor are read on this thread */
    const char *policy_file;    /* NULL: the system's and the user's (docs/policy.md); "": none */
    const char *trust_anchors;  /* DNSSEC: DS or DNSKEY records; NULL: /usr/share/dns/root.key where it is; "": none */
} hawser_context_options;
#define HAWSER_CONTEXT(...)                                                                                            \
    (&(const hawser_context_options){.struct_size = sizeof(hawser_context_options), __VA_ARGS__})

/* A context: one thread's loop. Errors: -ENOMEM, -EMFILE, -EINVAL (unknown struct size). */
HAWSER_API int hawser_context_new(const hawser_context_options *options, hawser_context **ret_context);
HAWSER_API hawser_context *hawser_context_ref(hawser_context *context);
/* Aborts what is still open when the last reference goes; returns NULL. */
HAWSER_API hawser_context *hawser_context_unref(hawser_context *context);

/* The one descriptor to poll for POLLIN beside one's own; owned by the context, level-triggered while anything waits
 * to be dispatched, timers included. Beside a foreign loop call hawser_dispatch() whenever it is readable. */
HAWSER_API int hawser_context_fd(hawser_context *context);
/* Handles what is ready, runs handlers, writes. Never waits. Errors: -EBUSY when called from a handler. */
HAWSER_API int hawser_dispatch(hawser_context *context);
/* Waits for at most timeout_us (negative: without end), then dispatches once. 1: something was handled, 0: timed out. */
HAWSER_API int hawser_iterate(hawser_context *context, int64_t timeout_us);
/* Dispatches until hawser_stop() is called (its code is returned), or until no association and no listener is left (0). */
HAWSER_API int hawser_run(hawser_context *context);
HAWSER_API int hawser_stop(hawser_context *context, int code);
/* Runs fn(user) on the context's thread in its next dispatch. Callable from any thread. */
HAWSER_API int hawser_post(hawser_context *context, void (*fn)(void *user), void *user);
HAWSER_API int64_t hawser_now(const hawser_context *context); /* the time of this dispatch */

/* A timer of the program's own on the loop. fires once, after delay_us; cancel by the returned number. */
HAWSER_API int hawser_timer(hawser_context *context, int64_t delay_us, void (*fn)(void *user), void *user,
                            uint64_t *ret_timer);
HAWSER_API int hawser_timer_cancel(hawser_context *context, uint64_t timer); /* -ENOENT when it has fired */
/* A descriptor of the program's own on the loop: fn runs with POLL* bits while any of events is ready (level-triggered).
 * events 0 stops watching; one watch a descriptor. The descriptor stays the caller's. */
HAWSER_API int hawser_watch(hawser_context *context, int fd, short events,
                            void (*fn)(int fd, short revents, void *user), void *user);

/* What the contexts of several threads hold in common: ticket keys, the store against replay, associations by nonce.
 * Locked inside; counted; may be given to any number of contexts (S1.2). */
HAWSER_API int hawser_shared_new(hawser_shared **ret_shared);
HAWSER_API hawser_shared *hawser_shared_ref(hawser_shared *shared);
HAWSER_API hawser_shared *hawser_shared_unref(hawser_shared *shared);

/* ------------------------------------------------------------------------------------------------ identity and trust */

/* How far a peer's name was checked; later values are stronger. Every report states it. (S3.49) */
typedef enum hawser_verification {
    HAWSER_VERIFICATION_NONE,
    HAWSER_VERIFICATION_ADDRESS,
    HAWSER_VERIFICATION_TOFU,
    HAWSER_VERIFICATION_DANE,
    HAWSER_VERIFICATION_PKI,
    HAWSER_VERIFICATION_KERBEROS,
    HAWSER_VERIFICATION_KEY,
} hawser_verification;
HAWSER_API const char *hawser_verification_name(hawser_verification verification);

/* Opens the identity in a directory, and makes it (Ed25519; directory 0700, private key 0600) when there is none.
 * Errors: -EACCES (also: the key file can be read by others), -HAWSER_EIDENTITY (a file there cannot be used). */
HAWSER_API int hawser_identity_open(const char *directory, hawser_identity **ret_identity);
/* An identity that lives only in memory. */
HAWSER_API int hawser_identity_new(hawser_identity **ret_identity);
HAWSER_API hawser_identity *hawser_identity_ref(hawser_identity *identity);
HAWSER_API hawser_identity *hawser_identity_unref(hawser_identity *identity);
/* "hk-" and 52 letters: the base32 of the SHA-256 of the public key. Valid as long as the identity. */
HAWSER_API const char *hawser_identity_name(const hawser_identity *identity);
/* Presents an X.509 chain (PEM files; the key belongs to the first certificate) to peers that check certificates. */
HAWSER_API int hawser_identity_set_certificate(hawser_identity *identity, const char *chain_file, const char *key_file);

/* --------------------------------------------------------------------------------------------------- association: open */

typedef enum hawser_policy {                  /* RFC 9622 multipathPolicy */
                             HAWSER_HANDOVER, /* one strand carries, others wait */
                             HAWSER_INTERACTIVE, /* lowest latency; -EOPNOTSUPP until an association opens several strands by itself */
                             HAWSER_AGGREGATE, /* every strand carries */
} hawser_policy;

typedef struct hawser_associate_options {
    size_t struct_size;
    hawser_policy policy;
    hawser_identity *identity; /* who we are; NULL: a new one for this context */
    const char
        *trust; /* "pki", "key=hk-...", "tofu", "any", or several with commas; NULL: "pki"; "hk-...@" implies key */
    const char *trust_file; /* PEM anchors for pki; NULL: the system's */
    hawser_verification min_verification;
    const char *const *endpoints; /* more of them for the same peer, to race (S4.5); copied */
    size_t endpoint_count;
    const char *
        server_name; /* that TLS asks for and verifies, where an address is given apart from it; NULL: the endpoint's */
    const char *local; /* where to leave from: "192.0.2.1:0", "[2001:db8::1]:0@eth0"; NULL: anywhere */
    const char *stack; /* "tls/tcp,tls/unix": these only; NULL: by endpoint, properties and policy */
    const hawser_properties *properties; /* NULL: defaults; copied */
    const hawser_framer *framer;         /* <hawser/layer.h>: how a bare association's messages look; NULL: "none" */
    void *framer_user;                   /* hawser_framing_user() */
    const char *alpn;                    /* the program's own protocol name, sent beside hawser/1; NULL: none */
    int64_t timeout_us;                  /* establishment; 0: 10 s */
    int64_t keep_alive_us;               /* idle time before a probe; 0: 25 s; negative: none */
    int64_t dead_after_us;               /* silence after a probe before the strand is given up; 0: 10 s */
    int64_t linger_us;                   /* how long a close waits for what is queued; 0: 10 s; negative: without end */
    uint64_t receive_memory;             /* bytes the peer can make us hold; 0: 16 MiB; at least 1 MiB */
    uint64_t send_queue; /* bytes queued before -EAGAIN; one lent or from a file counts a 16th at most; 0: 16 MiB */
    uint64_t send_queue_messages; /* 0: 100,000 */
    uint64_t
        max_message; /* a message announced above this is refused; 0: no bound but receive_memory for one taken whole */
    bool no_early_data;       /* never use a ticket's early data, even for messages that may be replayed */
    bool no_fast_open;        /* never use TCP Fast Open */
    bool no_resumption;       /* never use or keep a ticket: every set-up is a full one */
    bool present_certificate; /* a client shows its identity also to a server that is not pinned by key */
    void *user;               /* hawser_association_user() */
} hawser_associate_options;
#define HAWSER_ASSOCIATE(...)                                                                                          \
    (&(const hawser_associate_options){.struct_size = sizeof(hawser_associate_options), __VA_ARGS__})

/*
 * Opens the line to a peer (S2.39, RFC 9622 Initiate). Returns at once; HAWSER_ESTABLISHED or HAWSER_CLOSED follows.
 * Messages may be sent at once. endpoint: docs/endpoints.md, e.g. "example.org:4433", "[::1]:4433",
 * "hk-...@192.0.2.1:4433", "192.0.2.1:4433@eth0", "_hawser._tcp.example.org", "unix:/run/x.sock". What leads there is
 * gathered and raced (docs/racing.md); hawser_association_report() tells how. The caller owns the reference.
 * Errors, with a sentence in the log: -EINVAL, -E2BIG (endpoints), -HAWSER_EENDPOINT, -HAWSER_ETRUST, -HAWSER_EPROPERTY
 * (contradicting properties), -HAWSER_EPROHIBITED (no stack is left), -EOPNOTSUPP.
 */
HAWSER_API int hawser_associate(hawser_context *context, const char *endpoint, const hawser_associate_options *options,
                                hawser_association **ret_association);

typedef struct hawser_listen_options {
    size_t struct_size;
    hawser_identity *identity;
    const char *trust; /* of those who come; NULL: "any", which every report says */
    const char *trust_file;
    hawser_verification min_verification;
    const char *alpn;
    int64_t handshake_timeout_us; /* 0: 10 s */
    unsigned max_handshakes;      /* unfinished ones at once, the oldest is dropped first; 0: 1,024 */
    unsigned max_associations;    /* 0: no bound; above it connections wait in the kernel's queue */
    unsigned backlog;             /* 0: SOMAXCONN */
    const hawser_properties
        *properties;             /* "session" and "security" say which bare clients are taken; NULL: none; copied */
    const hawser_framer *framer; /* of bare associations; NULL: "none" */
    void *framer_user;
    bool reuse_port;    /* several contexts listen on one port (SO_REUSEPORT) */
    bool no_early_data; /* refuse early data */
    bool fast_open;     /* accept TCP Fast Open where the system allows */
    /* As in hawser_associate_options, for every accepted association. */
    int64_t keep_alive_us, dead_after_us, linger_us;
    uint64_t receive_memory, send_queue, send_queue_messages, max_message;
    hawser_policy policy;
    void *user;
} hawser_listen_options;
#define HAWSER_LISTEN(...) (&(const hawser_listen_options){.struct_size = sizeof(hawser_listen_options), __VA_ARGS__})

/*
 * Listens on an endpoint; the result is an association with one event, HAWSER_ACCEPTED (S2.53). Port 0 takes a free
 * port, which hawser_association_endpoint() tells. "[::]" is IPv6 only. "fd:N" takes over a listening socket. An
 * address, not a name: other names than localhost are -EOPNOTSUPP. "hk-...@" before it must be our own identity.
 * Closing drains: no new associations are taken, those accepted live on.
 */
HAWSER_API int hawser_listen(hawser_context *context, const char *endpoint, const hawser_listen_options *options,
                             hawser_association **ret_listener);

HAWSER_API hawser_association *hawser_association_ref(hawser_association *association);
/* The last reference of an association that is open closes it gracefully, in the background. Returns NULL. */
HAWSER_API hawser_association *hawser_association_unref(hawser_association *association);

/* Ends the line once everything queued, both ways, has its outcome (at most linger_us); HAWSER_CLOSED follows. No
 * further sends. On a listener: stops accepting. code 0..2^62-1 and reason are the program's own, for the peer. */
HAWSER_API int hawser_close(hawser_association *association, uint64_t code, const char *reason);
/* Ends the line now; what is unsettled fails. HAWSER_CLOSED follows. */
HAWSER_API int hawser_abort(hawser_association *association, uint64_t code, const char *reason);
/* Writes what is queued now instead of at the end of dispatch, as far as the strands have room. */
HAWSER_API int hawser_flush(hawser_association *association);

/* Looks up an open association of this context by the peer's name ("hk-..." or the DNS name that was asked for) and,
 * where identity is not NULL, our own. -ENOENT. Gives a new reference. */
HAWSER_API int hawser_association_find(hawser_context *context, const char *peer, const hawser_identity *identity,
                                       hawser_association **ret_association);

HAWSER_API void hawser_association_set_user(hawser_association *association, void *user);
HAWSER_API void *hawser_association_user(const hawser_association *association);
HAWSER_API hawser_context *hawser_association_context(const hawser_association *association);
/* A listener's own endpoint, with the real port, usable as an argument; an association's remote one. */
HAWSER_API const char *hawser_association_endpoint(const hawser_association *association);

/* Who the peer is, as far as known; strings live as long as the association. (S2.30) */
typedef struct hawser_peer {
    const char *name;     /* verified name, else the key name, else ""; of a bare one that came: its address */
    const char *key_name; /* "hk-..." or "" when the peer showed no key */
    hawser_verification verification;
    const uint8_t *public_key; /* SubjectPublicKeyInfo, DER */
    size_t public_key_size;
    const char *alpn;
} hawser_peer;
HAWSER_API int hawser_association_peer(const hawser_association *association, hawser_peer *ret_peer);

/* Derives size bytes that both ends share and nobody else has (RFC 5705 over the first strand). -ENOTCONN before. */
HAWSER_API int hawser_association_export_key(hawser_association *association, const char *label, uint8_t *ret_key,
                                             size_t size);

/* --------------------------------------------------------------------------------------------------- reports and paths */

typedef enum hawser_strand_state {
    HAWSER_STRAND_OPENING,
    HAWSER_STRAND_ACTIVE,
    HAWSER_STRAND_STANDBY,
    HAWSER_STRAND_SUSPECTED,
    HAWSER_STRAND_CLOSED,
} hawser_strand_state;
HAWSER_API const char *hawser_strand_state_name(hawser_strand_state state);

typedef struct hawser_strand_info {
    hawser_path path;
    const char *stack; /* "tls/tcp" */
    hawser_strand_state state;
    int64_t rtt_us; /* 0: not known */
    uint64_t bytes_sent, bytes_received;
    uint64_t delivery_rate; /* bits per second; 0: not known */
} hawser_strand_info;
/* One strand by index from 0; -ENOENT past the last. Strings live until the next dispatch. (S2.8) */
HAWSER_API int hawser_association_strand(const hawser_association *association, unsigned index,
                                         hawser_strand_info *ret_info);

/* What was done to reach the peer, so far: until HAWSER_ESTABLISHED, or HAWSER_CLOSED where it never was, and inside their
 * handlers; valid until asked for again. hawser_report_copy() keeps it. -ENOENT: later, and for one that was accepted. */
HAWSER_API int hawser_association_report(const hawser_association *association, const hawser_report **ret_report);

/* What an association did since it began. (S2.8; copies: issue of zero copy, S2.57) */
typedef struct hawser_statistics {
    uint64_t messages_sent, messages_received;
    uint64_t bytes_sent, bytes_received; /* of messages and streams, without framing */
    uint64_t acked, expired, failed;
    uint64_t late_dropped; /* dropped here because they came too late */
    uint64_t resent_bytes;
    uint64_t copied_bytes; /* received bytes that were copied after the layers gave them up */
    uint64_t queued_messages, queued_bytes;
    uint64_t held_bytes; /* received and not yet given back by the program */
    uint64_t frames_sent, frames_received;
    uint64_t round_trips; /* completed before the first message could leave */
    bool early_data;      /* the peer accepted early data */
    bool resumed;
    bool fast_open;
} hawser_statistics;
HAWSER_API int hawser_association_statistics(const hawser_association *association, hawser_statistics *ret_statistics);

/* ------------------------------------------------------------------------------------------------------------- sending */

typedef struct hawser_message_options {
    size_t struct_size;
    int niceness;        /* -100 (most urgent) .. 155; 0 is normal (RFC 9622 msgPriority = 100 + niceness) */
    int64_t lifetime_us; /* worth handing over for this long after send (S2.42); 0: for ever */
    const hawser_message_id *antecedents; /* ids that this association's send returned; copied (S2.44) */
    size_t antecedent_count;              /* at most 64 */
    bool ordered;                         /* after the previous ordered message (RFC 9622 msgOrdered) */
    bool safely_replayable;     /* may be delivered twice; may travel as early data (RFC 9622 safelyReplayable) */
    bool final;                 /* the last one on a bare association: then our direction ends (RFC 9622 final);
                                 * -EOPNOTSUPP on hawser/1, where hawser_close() waits for what is queued */
    bool want_sent;             /* raise HAWSER_SENT when the last byte left for the network */
    hawser_message_id reply_to; /* id of a received message that this one answers */
    const void *prefix;         /* bytes that go before the data, copied; for a header before lent data or a file */
    size_t prefix_size;
    void (*release)(void *data, size_t size,
                    void *user); /* lends data: untouched until this runs, when the message is settled */
    void *release_user;
} hawser_message_options;
#define HAWSER_MESSAGE(...)                                                                                            \
    (&(const hawser_message_options){.struct_size = sizeof(hawser_message_options), __VA_ARGS__})
#define HAWSER_ANTECEDENTS(...)                                                                                        \
    .antecedents = (const hawser_message_id[]){__VA_ARGS__},                                                           \
    .antecedent_count = sizeof((const hawser_message_id[]){__VA_ARGS__}) / sizeof(hawser_message_id)

/*
 * Queues a message (S2.41). data is copied, unless options->release lends it. It leaves at the end of dispatch or at
 * hawser_flush(). Every message ends in exactly one outcome: see HAWSER_OUTCOME.
 * Errors: -EAGAIN (queue full; HAWSER_WRITABLE follows), -EINVAL (niceness, antecedent never returned), -E2BIG (more
 * than 64 antecedents), -ESHUTDOWN (closing), -ENOTCONN (closed), -HAWSER_ELARGE (the peer told a smaller limit).
 */
HAWSER_API int hawser_send(hawser_association *association, const void *data, size_t size,
                           const hawser_message_options *options, hawser_message_id *ret_id);
/* A message read from a descriptor, from offset on, size bytes or to the end (HAWSER_SIZE_UNKNOWN: size as fstat() tells
 * now). The descriptor is duplicated. A file that changes size or ctime before it is sent ends as send-failed. */
HAWSER_API int hawser_send_file(hawser_association *association, int fd, uint64_t offset, uint64_t size,
                                const hawser_message_options *options, hawser_message_id *ret_id);
/* A message given in parts: size may be HAWSER_SIZE_UNKNOWN. Parts are copied (S1.26). -EAGAIN when the queue is full;
 * HAWSER_WRITABLE follows. The announced size must be met exactly (-EINVAL otherwise). */
HAWSER_API int hawser_send_begin(hawser_association *association, uint64_t size, const hawser_message_options *options,
                                 hawser_message_id *ret_id);
HAWSER_API int hawser_send_part(hawser_association *association, hawser_message_id id, const void *data, size_t size,
                                bool last);

/* Memory that several messages and associations can send from without a copy. */
HAWSER_API int hawser_buffer_new(size_t size, hawser_buffer **ret_buffer);
HAWSER_API hawser_buffer *hawser_buffer_ref(hawser_buffer *buffer);
HAWSER_API hawser_buffer *hawser_buffer_unref(hawser_buffer *buffer);
HAWSER_API void *hawser_buffer_data(hawser_buffer *buffer);
HAWSER_API size_t hawser_buffer_size(const hawser_buffer *buffer);
/* Sends a range of a buffer; it must not be written to until the message is settled. options->release must be NULL. */
HAWSER_API int hawser_send_buffer(hawser_association *association, hawser_buffer *buffer, size_t offset, size_t size,
                                  const hawser_message_options *options, hawser_message_id *ret_id);

/* Takes a message back; its outcome is HAWSER_SEND_FAILED with -ECANCELED, unless it was delivered already.
 * -ENOENT when it is settled. */
HAWSER_API int hawser_cancel(hawser_association *association, hawser_message_id id);
HAWSER_API int hawser_renice(hawser_association *association, hawser_message_id id,
                             int niceness); /* -ENOENT: settled */

/* ------------------------------------------------------------------------------------------------------------ receiving */

/* Keeps a received message beyond its handler. A small one is copied out, so that it pins no large buffer. It goes on
 * counting against the peer's credit until _detach or the last _unref. */
HAWSER_API int hawser_message_keep(hawser_message *message, hawser_message **ret_message);
HAWSER_API hawser_message *hawser_message_ref(hawser_message *message);
HAWSER_API hawser_message *hawser_message_unref(hawser_message *message);
/* Gives the credit back while the program goes on holding the data. On the context's thread. */
HAWSER_API void hawser_message_detach(hawser_message *message);
HAWSER_API const void *hawser_message_data(const hawser_message *message);
HAWSER_API size_t hawser_message_size(const hawser_message *message);

/* Stops and restarts handing over messages; meanwhile the peer is held back by credit. */
HAWSER_API int hawser_pause(hawser_association *association);
HAWSER_API int hawser_resume(hawser_association *association);

/* How to receive a large message; called inside its HAWSER_ARRIVING handler (S1.12). Without any: whole. */
HAWSER_API int hawser_take_whole(hawser_association *association, hawser_message_id id);
/* Into the program's own memory, at its offset: -HAWSER_ELARGE when it cannot fit, -EINVAL for unknown size. */
HAWSER_API int hawser_take_into(hawser_association *association, hawser_message_id id, void *buffer, size_t capacity);
/* Into a regular file, whose descriptor is duplicated, by pwrite from offset on: on this thread, as the page cache takes
 * it. What cannot be written is refused, and the sender told why. */
HAWSER_API int hawser_take_file(hawser_association *association, hawser_message_id id, int fd, uint64_t offset);
HAWSER_API int hawser_take_parts(hawser_association *association, hawser_message_id id); /* in order, by HAWSER_PART */
/* Also inside HAWSER_RECEIVED, and for a message that is being taken in parts or into a file. The sender's outcome is
 * HAWSER_SEND_FAILED with -HAWSER_EREFUSED and this reason. */
HAWSER_API int hawser_refuse(hawser_association *association, hawser_message_id id, const char *reason);

/* ------------------------------------------------------------------------------------------------------------- streams */

typedef struct hawser_stream_options {
    size_t struct_size;
    int niceness;
    uint64_t bandwidth; /* bits per second kept for this stream's sending (S2.46); 0: none */
    bool limit;         /* never send above bandwidth */
    void *user;
} hawser_stream_options;
#define HAWSER_STREAM(...) (&(const hawser_stream_options){.struct_size = sizeof(hawser_stream_options), __VA_ARGS__})

/* A two-way byte sequence on an association (S2.38, S2.45). The peer sees HAWSER_STREAM_OPENED. */
HAWSER_API int hawser_open(hawser_association *association, const hawser_stream_options *options,
                           hawser_stream **ret_stream);
HAWSER_API hawser_stream *hawser_stream_ref(hawser_stream *stream);
/* The last reference of a stream that is open resets it. */
HAWSER_API hawser_stream *hawser_stream_unref(hawser_stream *stream);
/* Without waiting: bytes taken or given, 0 at the end (read), -EAGAIN, -EPIPE (after shutdown), -ECONNRESET. */
HAWSER_API ssize_t hawser_stream_write(hawser_stream *stream, const void *data, size_t size);
HAWSER_API ssize_t hawser_stream_read(hawser_stream *stream, void *buffer, size_t size);
/* Running the loop meanwhile: all of size (write), at least one byte (read). -EBUSY inside a handler. */
HAWSER_API ssize_t hawser_write(hawser_stream *stream, const void *data, size_t size);
HAWSER_API ssize_t hawser_read(hawser_stream *stream, void *buffer, size_t size);
HAWSER_API int hawser_stream_shutdown(hawser_stream *stream);             /* nothing more to write */
HAWSER_API int hawser_stream_reset(hawser_stream *stream, uint64_t code); /* both directions end now */
HAWSER_API int hawser_stream_renice(hawser_stream *stream, int niceness);
HAWSER_API int hawser_stream_set_bandwidth(hawser_stream *stream, uint64_t bandwidth, bool limit);
HAWSER_API uint64_t hawser_stream_id(const hawser_stream *stream);
HAWSER_API void hawser_stream_set_user(hawser_stream *stream, void *user);
HAWSER_API void *hawser_stream_user(const hawser_stream *stream);
/*
 * A descriptor that reads and writes the stream with read(2), write(2), poll(2), stdio; the caller closes it. From then on
 * hawser_stream_read() and _write() answer -EBUSY. The bytes move only while the context is dispatched: so use it from
 * another thread, or without blocking; a blocking read() on the context's own thread would wait for itself. It is one
 * end of a socketpair, so shutdown(fd, SHUT_WR) ends our direction.
 */
HAWSER_API int hawser_stream_fd(hawser_stream *stream, int *ret_fd);

/* -------------------------------------------------------------------------------------------------------------- events */

typedef enum hawser_event_type {
    HAWSER_ACCEPTED = 1,  /* listener: a peer came; the handler may hawser_refuse_association() */
    HAWSER_ESTABLISHED,   /* the line is up and the peer verified */
    HAWSER_RECEIVED,      /* a whole message (S2.49); where no handler takes messages they are refused */
    HAWSER_RECEIVED_MANY, /* when registered, small messages come in arrays here instead of HAWSER_RECEIVED */
    HAWSER_ARRIVING,      /* a message above 64 KiB, or of unknown size, has begun */
    HAWSER_PART,          /* a part of a message taken in parts */
    HAWSER_ABANDONED,     /* a message that was arriving will not be completed */
    HAWSER_OUTCOME,       /* messages of ours ended (S2.50, S2.51) */
    HAWSER_SENT,          /* a message with want_sent left for the network */
    HAWSER_WRITABLE,      /* after -EAGAIN: the queue is below half again */
    HAWSER_STREAM_OPENED, /* by the peer */
    HAWSER_STREAM_READABLE,
    HAWSER_STREAM_WRITABLE,
    HAWSER_STREAM_CLOSED, /* both directions ended, or reset */
    HAWSER_PATHS_CHANGED, /* a strand came, went or changed state (S2.52) */
    HAWSER_ENDED,  /* bare: the peer sends no more, but still takes; with a handler the line stays open for what we
                   * send, until hawser_close() or a final message; without one it closes when what is queued left */
    HAWSER_CLOSED, /* the end; nothing follows */
    HAWSER_EVENT_COUNT_,
} hawser_event_type;
HAWSER_API const char *hawser_event_name(hawser_event_type type);

typedef enum hawser_outcome {
    HAWSER_ACKED = 1,   /* handed to the peer's program; says: the peer's session */
    HAWSER_EXPIRED,     /* not handed over in its lifetime */
    HAWSER_SEND_FAILED, /* code and reason say why */
    HAWSER_HANDED_OVER, /* bare associations: the system has it, and nobody will say more */
} hawser_outcome;
HAWSER_API const char *hawser_outcome_name(hawser_outcome outcome);

typedef struct hawser_received {
    hawser_message_id id; /* the peer's number; use in reply_to */
    const void *data;     /* valid in the handler; NULL when it went into a descriptor */
    size_t size;
    hawser_message *message; /* for hawser_message_keep() */
    int niceness;
    int64_t age_us; /* since the peer's send, where it has a lifetime; else -1 */
    hawser_message_id reply_to;
    bool early;           /* came as early data and the handshake had not ended: may be a replay */
    bool antecedent_lost; /* not all antecedents were delivered */
    bool ordered;
} hawser_received;

typedef struct hawser_event {
    hawser_event_type type;
    hawser_association *association;
    int64_t time_us;
    union {
        struct {
            hawser_association
                *association; /* the new one; ref it to keep it, or it is refused when the handler ends */
            hawser_peer peer;
            bool early; /* the handshake has not ended: the peer may be a replay */
            bool bare;  /* the peer speaks its own protocol; its name is derived from its address, and not verified */
        } accepted;
        struct {
            const char *stack;
            hawser_path path;
            hawser_peer peer;
            int64_t rtt_us, elapsed_us;
            uint64_t round_trips;
            bool early_data, resumed;
            bool bare;
            const hawser_attempt *attempts;
            size_t attempt_count;
        } established;
        hawser_received received;
        struct {
            const hawser_received *messages;
            size_t count;
        } received_many;
        struct {
            hawser_message_id id;
            uint64_t size; /* or HAWSER_SIZE_UNKNOWN */
            int niceness;
            hawser_message_id reply_to;
        } arriving;
        struct {
            hawser_message_id id;
            uint64_t offset;
            const void *data;
            size_t size;
            uint64_t total; /* or HAWSER_SIZE_UNKNOWN */
            bool last;
        } part;
        struct {
            hawser_message_id id;
            hawser_outcome kind; /* expired or send-failed */
        } abandoned;
        struct {
            hawser_message_id first; /* the messages first .. first + count - 1 */
            uint64_t count;
            hawser_outcome kind;
            int code;             /* 0, or why */
            const char *reason;   /* in words, never NULL */
            bool maybe_delivered; /* send-failed: the peer died before it said */
        } outcome;
        struct {
            hawser_message_id id;
        } sent;
        struct {
            hawser_stream *stream; /* opened: ref it to keep it, or it is reset when the handler ends */
            uint64_t code;         /* closed: the peer's reset code, 0 for a clean end */
        } stream;
        struct {
            int code;           /* 0: clean; negative: why */
            uint64_t peer_code; /* the code given to hawser_close() or _abort() by whoever ended it */
            bool by_peer;
            const char *reason;
            const hawser_attempt *attempts; /* when it was never established */
            size_t attempt_count;
        } closed;
    };
} hawser_event;

typedef void (*hawser_handler)(const hawser_event *event, void *user);

/* Sets, replaces (handler) or removes (NULL) the handler of an event (S2.48). Takes effect at once, also inside a
 * handler. */
HAWSER_API int hawser_register(hawser_association *association, hawser_event_type type, hawser_handler handler,
                               void *user);
/* The same for one of our messages: HAWSER_OUTCOME or HAWSER_SENT; runs instead of the association's handler. -ENOENT
 * when it is settled. */
HAWSER_API int hawser_register_message(hawser_association *association, hawser_message_id id, hawser_event_type type,
                                       hawser_handler handler, void *user);
/* The same for one stream: the HAWSER_STREAM_* events. */
HAWSER_API int hawser_register_stream(hawser_stream *stream, hawser_event_type type, hawser_handler handler,
                                      void *user);

/* Inside HAWSER_ACCEPTED: refuses the peer, who is told code (of 32 bits) and reason; its line ends with
 * -HAWSER_EREFUSED. */
HAWSER_API int hawser_refuse_association(hawser_association *association, uint64_t code, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
