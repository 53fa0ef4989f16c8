/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of security/ share among themselves. */
#ifndef SECURITY_INTERNAL_H
#define SECURITY_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/list.h"
#include "base/text.h"
#include "base/tree.h"
#include "loop/loop.h"
#include "security/security.h"
#include "security/state.h"

/* --------------------------------------------------------------------------------- replayed early data (replay.c) */

#define REPLAY_MAX 65536
#define REPLAY_WINDOW 86400 /* seconds */
#define REPLAY_KEY_MAX 64

struct replay {
    RB_HEAD(replay_tree, replay_entry) tree;
    struct list order;
    size_t count;
};
void replay_init(struct replay *replay);
/* 0: noted; -EEXIST: seen within the window; -ENOSPC: full, so that nothing is known of it; -ENOMEM. */
int replay_add(struct replay *replay, const uint8_t *key, size_t size, int64_t now);
void replay_clear(struct replay *replay);

/* ------------------------------------------------------------------------------------ openers' nonces (nonce.c) */

#define NONCE_MAX (1 << 20)

struct nonces {
    RB_HEAD(nonce_tree, nonce_entry) tree;
    size_t count;
};
void nonces_init(struct nonces *nonces);
/* owner: the context that serves it. Also -ENOBUFS */
int nonces_add(struct nonces *nonces, const uint8_t nonce[16], const char *key_name, hawser_context *owner);
hawser_context *nonces_owner(struct nonces *nonces, const uint8_t nonce[16], const char *key_name); /* NULL: none */
void nonces_remove(struct nonces *nonces, const uint8_t nonce[16], const char *key_name);
void nonces_clear(struct nonces *nonces);

/* ---------------------------------------------------------------------- to whom tickets were given (issued.c) */

#define ISSUED_MAX 16384
#define ISSUED_SPKI_MAX 600 /* an RSA key of 4,096 bits */

struct issued {
    RB_HEAD(issued_tree, issued_entry) tree;
    struct list order;
    size_t count;
};
void issued_init(struct issued *issued);
int issued_add(struct issued *issued, const uint8_t id[32], const uint8_t *spki, size_t spki_size);
int issued_find(struct issued *issued, const uint8_t id[32], uint8_t **ret_spki, size_t *ret_size);
void issued_clear(struct issued *issued);

/* ------------------------------------------------------------------------------- shared by contexts (shared.c) */

struct hawser_shared {
    atomic_uint references;
    pthread_mutex_t mutex; /* over what follows, but the ticket key, which never changes */
    struct replay replay;
    struct nonces nonces;
    struct issued issued;
    uint8_t ticket_key[64];
    gnutls_datum_t ticket_key_datum;
};

/* ------------------------------------------------------------------------- tickets in memory and on disk (tickets.c) */

struct tickets {
    RB_HEAD(ticket_tree, ticket_entry) tree;
    struct list order; /* the oldest first */
    size_t count;
    struct loop_timer timer; /* writes what is not on disk yet */
    bool pending;
};
#define TICKETS_MAX 1024
#define TICKET_FILE_MAX 65536

/* ------------------------------------------------------------- keys of first use, TCP Fast Open (known_peers.c ...) */

/* The key name that service had at first use. -ENOENT, or why the store cannot be read. */
int known_peers_find(hawser_context *context, const char *service, char ret_name[KEY_NAME_SIZE]);
/* Remembers it; when another process was first, -EEXIST. */
int known_peers_add(hawser_context *context, const char *service, const char *key_name);
/* The lines of the store, also for fuzzing: looks for service in text. Malformed lines are passed over. */
int known_peers_search(const char *text, const char *service, char ret_name[KEY_NAME_SIZE]);

/* ---------------------------------------------------------------------------- the system's anchors (anchors.c) */

struct system_anchors {
    struct loop_job job;
    gnutls_x509_trust_list_t list; /* the job's while it is under way */
    bool ready, gnutls_held;
};
void anchors_init(struct system_anchors *anchors);
void anchors_release(hawser_context *context, struct system_anchors *anchors);

/* ------------------------------------------------------------------------ what a context keeps (context.c) */

struct security {
    hawser_context *context;
    hawser_shared *shared; /* loop_shared()'s, else this context's own */
    gnutls_anti_replay_t anti_replay;
    gnutls_certificate_credentials_t anonymous;                    /* a client that shows nothing */
    gnutls_priority_t priorities[SECURITY_OVERS * SECURITY_TYPES]; /* made when first needed */
    struct system_anchors anchors;
    struct tickets tickets;
    struct text known_peers; /* the store, where nothing is kept on disk */
    struct text fast_open;   /* the same lines as in its file */
    bool fast_open_loaded;
    char network[17]; /* which network we are in, as of network_at */
    int64_t network_at;
};
struct security *security_of(hawser_context *context); /* NULL: out of memory */

void tickets_init(struct security *security);
void tickets_release(struct security *security); /* writes what is not on disk yet */

/* The anchors of the system, or NULL with a reason. */
gnutls_x509_trust_list_t security_system_anchors(hawser_context *context);

#endif
