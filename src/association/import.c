/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_association_import(): a line that another process exported is taken up. (S1.21, S1.32) */
#include "association/moving.h"

#include <gnutls/crypto.h>

#include "association/stream.h"
#include "association/weave_internal.h"
#include "layer/layer.h"
#include "security/seal.h"

struct importing {
    hawser_association *association;
    struct moving_line *line;
    hawser_import_options options;
    struct coder coder;
};

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

/* ----------------------------------------------------------------------------------------------------- what it is */

/* Time that passed since: exactly where this host is the one that wrote it, and was not started anew; else by the clocks
 * that the hosts set themselves. */
static int64_t elapsed_since(const struct moving_line *line)
{
    struct moving_line now = {.boot_id = ""};
    int64_t elapsed;

    moving_clocks(&now);
    elapsed = *line->boot_id && strcmp(line->boot_id, now.boot_id) == 0 ? now.boot_time - line->boot_time
                                                                        : now.real_time - line->real_time;
    return elapsed > 0 ? elapsed : 0;
}

static int import_secure(struct importing *import)
{
    const struct moving_line *line = import->line;
    const struct secure_options options = {
        .identity = import->options.identity,
        .trust = line->trust,
        .trust_file = or_none(line->trust_file),
        .min_verification = (hawser_verification)line->min_verification,
        .server_name = or_none(line->server_name),
        .service = or_none(line->service),
        .alpn = or_none(line->alpn),
        .session = true,
        .early_data = line->early_data,
        .present_certificate = line->present_certificate,
        .no_tickets = line->no_tickets,
    };

    if (*line->identity &&
        (!import->options.identity || strcmp(line->identity, hawser_identity_name(import->options.identity)) != 0))
        return -HAWSER_EIDENTITY;
    return secure_new(import->association->context, &options, &import->association->secure);
}

static int import_peer(struct importing *import)
{
    const struct moving_line *line = import->line;
    struct layer_peer peer = {
        .alpn = line->peer_alpn,
        .verification = (hawser_verification)line->verification,
        .spki = line->spki,
        .spki_size = line->spki_size,
    };

    if (strlen(line->peer_name) >= sizeof peer.name)
        return -EBADMSG;
    memcpy(peer.key_name, line->peer_key_name, sizeof line->peer_key_name);
    memcpy(peer.name, line->peer_name, strlen(line->peer_name) + 1);
    return peer_note(import->association, &peer);
}

static int import_ways(struct importing *import)
{
    const struct moving_line *line = import->line;
    struct ways *ways;

    if (!line->has_ways)
        return 0;
    ways = import->association->ways = calloc(1, sizeof *ways);
    if (!ways || (*line->paths && !(ways->paths = strdup(line->paths))) ||
        (*line->stacks && !(ways->stacks = strdup(line->stacks))) ||
        (*line->others && !(ways->others = strdup(line->others))))
        return -ENOMEM;
    return 0;
}

/* One move more than the blob says: what this process draws makes its end another than that of who takes up a copy. */
static int import_end(struct importing *import)
{
    hawser_association *association = import->association;
    uint8_t holder[JOIN_HOLDER];

    memcpy(association->secret, import->line->secret, sizeof association->secret);
    association->ours = import->line->ours;
    association->theirs = import->line->theirs;
    association->has_secret = true;
    if (gnutls_rnd(GNUTLS_RND_RANDOM, holder, sizeof holder) < 0)
        return -EIO;
    return join_move(&association->ours.moves, association->ours.secret, holder);
}

static int import_line(struct importing *import)
{
    hawser_association *association = import->association;
    const struct moving_line *line = import->line;
    int r;

    association->endpoint = text_copy(line->endpoint);
    association->child = line->child;
    association->wants_told = line->wants_told;
    association->linger = line->linger;
    association->line_dead = line->line_dead;
    association->reestablish = line->reestablish;
    association->user = import->options.user;
    memcpy(association->first_stack, line->first_stack, sizeof association->first_stack);
    r = association->endpoint ? import_secure(import) : -ENOMEM;
    if (r == 0)
        r = import_peer(import);
    if (r == 0)
        r = import_ways(import);
    return r == 0 ? import_end(import) : r;
}

/* -------------------------------------------------------------------------------------------------- what it is in */

static int import_session(struct importing *import)
{
    hawser_association *association = import->association;
    const struct session_config config = {
        .memory = loop_memory(association->context),
        .handler = &association_handler,
        .user = association,
    };
    struct coder *coder = &import->coder;
    int r;

    moving_properties(coder, &association->properties);
    moving_takings(coder, association);
    association->established = true; /* for what is told of the peer's addresses */
    if (!association->child && weave_keep(association) < 0)
        return -ENOMEM;
    moving_told(coder, association);
    moving_tickets(coder, association);
    if (!code_ok(coder))
        return coder->error;
    r = session_import(&config, coder, elapsed_since(import->line), association_now(association),
                       &association->session);
    if (r == 0 && (coder->at != coder->end || session_is_opener(association->session) == association->child))
        r = -EBADMSG;
    return r;
}

static void on_stream(void *user, struct session_stream *stream)
{
    hawser_association *association = user;

    if (!association->ended)
        stream_opened(association, stream);
}

void import_tell(hawser_association *association)
{
    if (!association->imported)
        return;
    association->imported = false;
    session_streams_each(association->session, on_stream);
}

/* Where strands that join find it. */
static int import_nonce(hawser_association *association)
{
    const uint8_t *nonce = session_peer_hello(association->session)->nonce;
    int r;

    if (find_nonce(association->all, nonce, peer_key_name(association)))
        return -EEXIST;
    r = security_nonce_add(association->context, nonce, peer_key_name(association));
    if (r < 0)
        return r;
    association->nonce_key = peer_key_name(association);
    return find_add_nonce(association, nonce);
}

static int import_found(hawser_association *association)
{
    int r = association->child ? import_nonce(association) : 0;

    if (r == 0)
        r = find_add(association, association->child ? NULL : association->secure->tls.server_name);
    return r == 0 ? host_watch(association->all) : r;
}

static int import_all(struct importing *import)
{
    static const uint8_t here = 0;
    hawser_association *association = import->association;
    int r;

    moving_line(&import->coder, import->line);
    r = code_ok(&import->coder) ? import_line(import) : import->coder.error;
    if (r == 0)
        r = import_session(import);
    if (r == 0)
        r = import_found(association);
    if (r < 0)
        return r;
    if ((r = session_tell(association->session, TOLD_LEAVES, &here, sizeof here)) < 0 && r != -ESHUTDOWN)
        return r;
    association->told = association->imported = true;
    weave_moved(association);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ import */

static int import_plain(struct importing *import, hawser_context *context, const uint8_t *plain, size_t size)
{
    int r;

    coder_read(&import->coder, plain, size);
    import->line = calloc(1, sizeof *import->line);
    r = import->line ? association_new(context, &import->association) : -ENOMEM;
    if (r == 0) {
        r = import_all(import);
        if (r < 0) {
            import->association->silent = true;
            association_finish(import->association);
        }
    }
    if (import->line)
        gnutls_memset(import->line, 0, sizeof *import->line);
    free(import->line);
    return r;
}

static int import_key(const hawser_import_options *options, uint8_t *key)
{
    if (options->key)
        return seal_key(options->key, options->key_size, key);
    return options->identity ? seal_key_of_identity(options->identity, key) : -EINVAL;
}

int hawser_association_import(hawser_context *context, const void *blob, size_t size,
                              const hawser_import_options *given, hawser_association **ret_association)
{
    struct importing import = {.association = NULL};
    uint8_t key[SEAL_KEY], *plain;
    size_t plain_size;
    int r = loop_check(context);

    if (r == 0)
        r = options_copy(&import.options, sizeof import.options, given);
    if (r < 0)
        return r;
    if (!blob || !ret_association)
        return -EINVAL;
    r = import_key(&import.options, key);
    if (r == 0)
        r = seal_open(key, blob, size, &plain, &plain_size);
    gnutls_memset(key, 0, sizeof key);
    if (r < 0)
        return r;
    r = import_plain(&import, context, plain, plain_size);
    gnutls_memset(plain, 0, plain_size);
    free(plain);
    if (r < 0)
        return r;
    import.association->refs = 1;
    *ret_association = import.association;
    return 0;
}
