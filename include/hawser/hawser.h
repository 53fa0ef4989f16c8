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
#include <hawser/message.h>
#include <hawser/properties.h>
#include <hawser/report.h>
#include <hawser/stack.h>
#include <hawser/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAWSER_VERSION "0.1.0"

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

/* What a context did since it was made, so that of several each is seen to have its share. (S1.20) */
typedef struct hawser_counters {
    uint64_t opened, accepted; /* associations that were established */
    uint64_t open;             /* that stand now */
    /* Strands that came to another context than their association: handed over to it, taken over from others, or turned away
     * since they cannot leave their context (docs/cores.md). */
    uint64_t handed_over, taken_over, elsewhere;
    uint64_t messages_sent, messages_received;
    uint64_t bytes_sent, bytes_received; /* of messages and streams, without framing */
} hawser_counters;
/* On the context's thread, as all else. */
HAWSER_API int hawser_context_counters(const hawser_context *context, hawser_counters *ret_counters);

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

typedef enum hawser_policy {                     /* RFC 9622 multipathPolicy */
                             HAWSER_HANDOVER,    /* one strand carries, others wait */
                             HAWSER_INTERACTIVE, /* lowest latency; small messages on the two best strands at once */
                             HAWSER_AGGREGATE,   /* every strand carries */
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
    bool timestamps; /* have the system stamp what arrives and leaves, for events (S1.28); 0 where a stack cannot */
    /* To a multicast group (docs/multicast.md), "239.1.2.3:5000@eth0": */
    const void
        *group_key; /* that its members share, so that they hear nobody else; NULL: whoever reaches it is heard */
    size_t group_key_size; /* at least 16 bytes */
    unsigned hop_limit;    /* how many networks it may cross; 0: 1, this one; at most 255 */
    bool no_loop;          /* members on this host do not hear it */
    /* Several strands (docs/multipath.md): one on each of these paths. "all"; or interfaces and types of them with commas, in
     * the order in which they are liked, each with its stack or without: "eth0,wlan0=quic/udp". NULL: one
     * strand, where the system's routes lead. (S1.2, S2.22) */
    const char *paths;
    /* How long the line lives without any strand, while the peer is sought again, at the addresses it told and by its name;
     * messages wait meanwhile. 0: 60 s; negative: it ends with its last strand. (S3.10, S3.11) */
    int64_t reestablish_us;
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
    unsigned max_associations;    /* 0: no bound; above it connections wait in the kernel's queue; while one of them has
                                   * no strand, new ones are refused instead */
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
    bool timestamps; /* as above */
    /* "tls/tcp,quic/udp": who comes by these only; NULL: by any that the properties allow. On an IP address one port is
     * listened on by TCP and UDP alike, as far as both are wanted. */
    const char *stack;
    const void *group_key; /* as above, of those who are heard */
    size_t group_key_size;
    int64_t
        reestablish_us; /* how long an accepted line waits for its peer without any strand; 0: 60 s; negative: not */
} hawser_listen_options;
#define HAWSER_LISTEN(...) (&(const hawser_listen_options){.struct_size = sizeof(hawser_listen_options), __VA_ARGS__})

/*
 * Listens on an endpoint; the result is an association with one event, HAWSER_ACCEPTED (S2.53). Port 0 takes a free
 * port, of TCP and UDP alike, which hawser_association_endpoint() tells. "[::]" is IPv6 only. "fd:N" takes over a socket
 * that listens, or a bound one of UDP. An
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
    unsigned id;           /* from 1, in the order in which they came; no other strand of the association ever has it */
    int64_t number;        /* the same at both ends; -1: the session does not use it yet, or there is none */
    unsigned subflow;      /* the kernel's id, where the subflows of a strand are listed one by one; else 0 */
    int64_t min_rtt_us;    /* 0: not known */
    int64_t loss_ppm;      /* packets of ours that were lost, in a million; over TCP: sent again; -1: not known */
    uint64_t queued_bytes; /* given to the strand, and still in this host */
    uint64_t in_flight_bytes;  /* under way, as the transport counts it; 0: none, or not known */
    uint64_t resent_bytes;     /* that the transport sent again; 0: none, or not counted */
    uint64_t moved_bytes;      /* of messages and streams, that it lost, and that went again on another */
    uint64_t duplicated_bytes; /* the same, that another strand carries too */
    unsigned suspicions;       /* how often it was suspected */
    uint64_t out_of_order;     /* packets that had come, and waited for one before them; 0: none, or not counted */
    unsigned mtu;              /* of the path, else of the interface; 0: not known */
    const char *type;          /* of the interface: "ethernet", "wifi", ... as hawser_paths() says; "" when not known */
    int cost;                  /* as there */
    bool metered;
    const char
        *outside; /* our end as the peer sees it, behind a translator another; with .paths alone; "" when not told */
    bool resumed; /* its handshake was a short one, by a ticket */
} hawser_strand_info;
/* One strand by index from 0; -ENOENT past the last. Strings live until the next dispatch. (S2.8) The subflows of a strand over the
 * kernel's MPTCP count one by one, where there are several; <hawser/mptcp.h> steers them (S5.7). */
HAWSER_API int hawser_association_strand(const hawser_association *association, unsigned index,
                                         hawser_strand_info *ret_info);

typedef enum hawser_strand_use {
    HAWSER_STRAND_NORMAL,
    HAWSER_STRAND_PREFER, /* before others, wherever one is chosen */
    HAWSER_STRAND_AVOID,  /* only when no other is there */
    HAWSER_STRAND_PIN,    /* this one, and all others that are there now are avoided */
} hawser_strand_use;
/* How the strand whose hawser_strand_info.id is id shall be used from now on; for what we send. (S2.22) -ENOENT: no such. */
HAWSER_API int hawser_association_use_strand(hawser_association *association, unsigned id, hawser_strand_use use);
/* Ends one strand; what it had under way goes on others. No other is opened on its path before the host's interfaces or
 * addresses change. The last one may be closed too: then a new one is sought, as after a loss. (S2.23) */
HAWSER_API int hawser_association_close_strand(hawser_association *association, unsigned id);

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
    uint64_t filtered;          /* messages dropped by hawser_set_filter() */
    uint64_t gapped;            /* lossy messages handed over with gaps */
    uint64_t refused_datagrams; /* of a group's listener, alone: not from a member, or not new */
    /* Head of line: how often what had come waited for earlier bytes or antecedents; all that waiting, and the longest. */
    uint64_t stalls, stalled_us, longest_stall_us;
    uint64_t suspicions;       /* of strands, also of those that are gone */
    uint64_t duplicated_bytes; /* sent on two strands; none of resent_bytes */
} hawser_statistics;
HAWSER_API int hawser_association_statistics(const hawser_association *association, hawser_statistics *ret_statistics);
/* All that is known of an association as one JSON object without a newline: endpoint, peer, statistics, strands
 * (docs/trace.md). The caller free()s the text. -ENOTCONN, -ENOMEM */
HAWSER_API int hawser_association_json(const hawser_association *association, char **ret_text);

/* ------------------------------------------------------------------------------------------------------------- streams */

typedef struct hawser_stream_options {
    size_t struct_size;
    int niceness;
    uint64_t bandwidth; /* bits per second kept for this stream's sending (S2.46); 0: none */
    bool limit;         /* never send above bandwidth */
    void *user;
    bool unidirectional; /* ours to send on alone: of bare lines over quic/udp; -EOPNOTSUPP elsewhere */
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

#ifdef __cplusplus
}
#endif

#include <hawser/event.h>
#include <hawser/move.h>

#endif
