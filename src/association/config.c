/* SPDX-License-Identifier: Apache-2.0 */
/* From options to what TLS and the session are told. */
#include "association/association.h"

#include <gnutls/crypto.h>

/* A trust rule in use, shared by all associations that name the same: the system's anchors are large. */
struct trust_entry {
    struct list link; /* in associations.trusts */
    unsigned refs;
    struct trust *trust;
    char *rule, *file;
};

static bool text_same(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

static void trust_entry_free(struct trust_entry *entry)
{
    list_remove(&entry->link);
    trust_free(entry->trust);
    free(entry->rule);
    free(entry->file);
    free(entry);
}

static int trust_entry_get(hawser_context *context, const char *rule, const char *file, struct trust_entry **ret_entry)
{
    struct trust_entry *entry;
    struct associations *all;
    int r;

    r = associations_of(context, &all);
    if (r < 0)
        return r;
    for (struct list *at = all->trusts.next; at != &all->trusts; at = at->next) {
        entry = container_of(at, struct trust_entry, link);
        if (text_same(entry->rule, rule) && text_same(entry->file, file)) {
            entry->refs++;
            *ret_entry = entry;
            return 0;
        }
    }
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return -ENOMEM;
    list_init(&entry->link);
    entry->refs = 1;
    entry->rule = strdup(rule);
    entry->file = file ? strdup(file) : NULL;
    r = entry->rule && (entry->file || !file) ? trust_new(context, rule, file, &entry->trust) : -ENOMEM;
    if (r < 0) {
        entry->trust = NULL;
        trust_entry_free(entry);
        return r;
    }
    list_append(&all->trusts, &entry->link);
    *ret_entry = entry;
    return 0;
}

void trusts_free(struct associations *all)
{
    while (!list_empty(&all->trusts))
        trust_entry_free(list_first(&all->trusts, struct trust_entry, link));
}

static int identity_of(hawser_context *context, hawser_identity *wanted, hawser_identity **ret_identity)
{
    struct associations *all;
    int r;

    if (!wanted) {
        r = associations_of(context, &all);
        if (r == 0 && !all->identity)
            r = hawser_identity_new(&all->identity);
        if (r < 0)
            return r;
        wanted = all->identity;
    }
    *ret_identity = hawser_identity_ref(wanted);
    return 0;
}

static const char *string_put(char **at, const char *text)
{
    char *begin = *at;

    if (!text)
        return NULL;
    *at = stpcpy(begin, text) + 1;
    return begin;
}

/* One protocol's name, as TLS carries it (RFC 7301 section 3.1); which line is hawser's own is told by its name alone. */
static bool alpn_usable(const char *alpn)
{
    size_t size = alpn ? strlen(alpn) : 1;

    return size > 0 && size <= 255 &&
           !(alpn && (strcmp(alpn, ALPN_SESSION) == 0 || strcmp(alpn, ALPN_SESSION_SCTP) == 0));
}

int secure_new(hawser_context *context, const struct secure_options *options, struct secure **ret_secure)
{
    const char *const texts[] = {options->server_name, options->service, options->alpn};
    struct secure *secure;
    size_t size = 0;
    unsigned protocols = 0;
    char *at;
    int r;

    if (!alpn_usable(options->alpn)) {
        loop_log(context, HAWSER_LOG_ERROR,
                 "the program's own protocol name is wrong: it has 1 to 255 bytes, and is not hawser/1");
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    secure = calloc(1, sizeof *secure + size);
    if (!secure)
        return -ENOMEM;
    secure->refs = 1;
    r = identity_of(context, options->identity, &secure->tls.identity);
    if (r == 0)
        r = trust_entry_get(context, options->trust, options->trust_file, &secure->trust);
    if (r < 0) {
        secure_unref(secure);
        return r;
    }
    at = secure->strings;
    secure->tls.trust = secure->trust->trust;
    secure->tls.min_verification = options->min_verification;
    secure->tls.server_name = string_put(&at, options->server_name);
    secure->tls.service = string_put(&at, options->service);
    if (options->session)
        secure->tls.alpn[protocols++] = ALPN_SESSION;
    secure->tls.alpn[protocols] = string_put(&at, options->alpn);
    secure->tls.require_alpn = options->session && !options->bare;
    secure->tls.any_tls = options->bare;
    secure->tls.early_data = options->early_data;
    secure->tls.present_certificate = options->present_certificate;
    secure->tls.no_tickets = options->no_tickets;
    if (options->session) {
        secure->sctp_tls = secure->tls;
        secure->sctp_tls.alpn[0] = ALPN_SESSION_SCTP;
        secure->tls.sctp = &secure->sctp_tls;
    }
    *ret_secure = secure;
    return 0;
}

struct secure *secure_ref(struct secure *secure)
{
    secure->refs++;
    return secure;
}

struct secure *secure_unref(struct secure *secure)
{
    if (!secure || --secure->refs > 0)
        return NULL;
    if (secure->trust && --secure->trust->refs == 0)
        trust_entry_free(secure->trust);
    hawser_identity_unref(secure->tls.identity);
    free(secure);
    return NULL;
}

const char *secure_trust(const struct secure *secure)
{
    return secure->trust->rule;
}

const char *secure_trust_file(const struct secure *secure)
{
    return secure->trust->file;
}

/* So that sums of times never overflow; nobody waits for so long. */
#define DURATION_MAX (INT64_MAX / 4)

static int64_t duration(int64_t given, int64_t otherwise, int64_t none)
{
    if (given > DURATION_MAX)
        return DURATION_MAX;
    return given < 0 ? none : given > 0 ? given : otherwise;
}

/* Puts the defaults where the options left 0, and says what cannot be. */
int line_options_fill(struct line_options *line)
{
    if (line->policy != HAWSER_HANDOVER && line->policy != HAWSER_INTERACTIVE && line->policy != HAWSER_AGGREGATE)
        return -EINVAL;
    line->keep_alive = duration(line->keep_alive, DEFAULT_KEEP_ALIVE, 0);
    line->dead_after = duration(line->dead_after, DEFAULT_DEAD_AFTER, 0);
    line->linger = duration(line->linger, DEFAULT_LINGER, NEVER);
    line->reestablish = duration(line->reestablish, DEFAULT_REESTABLISH, 0);
    if (!line->receive_memory)
        line->receive_memory = DEFAULT_RECEIVE_MEMORY;
    if (!line->send_queue)
        line->send_queue = DEFAULT_SEND_QUEUE;
    if (!line->send_queue_messages)
        line->send_queue_messages = DEFAULT_SEND_QUEUE_MESSAGES;
    return line->receive_memory < MIN_RECEIVE_MEMORY ? -EINVAL : 0;
}

enum session_policy session_policy_of(hawser_policy policy)
{
    static const enum session_policy policies[] = {
        [HAWSER_HANDOVER] = SESSION_HANDOVER,
        [HAWSER_INTERACTIVE] = SESSION_INTERACTIVE,
        [HAWSER_AGGREGATE] = SESSION_AGGREGATE,
    };

    return policies[policy];
}

int association_make_session(hawser_association *association, const struct line_options *line, bool opener)
{
    struct session_config config = {
        .memory = loop_memory(association->context),
        .handler = &association_handler,
        .user = association,
        .opener = opener,
        .policy = session_policy_of(line->policy),
        .survive = line->reestablish > 0,
        .receive_memory = line->receive_memory,
        .max_message = line->max_message,
        .send_queue = line->send_queue,
        .send_queue_messages = line->send_queue_messages,
        .keep_alive = line->keep_alive,
        .dead_after = line->dead_after,
    };

    if (gnutls_rnd(GNUTLS_RND_RANDOM, config.nonce, sizeof config.nonce) < 0)
        return -EIO;
    association->linger = line->linger;
    association->reestablish = line->reestablish;
    return session_new(&config, association_now(association), &association->session);
}
