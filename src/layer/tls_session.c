/* SPDX-License-Identifier: Apache-2.0 */
/* A GnuTLS session as the config wants it; tickets, which a server's keys and a client's memory make. */
#include "layer/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include "loop/loop.h"

#define TICKET_LIFE 86400 /* seconds */
#define UNSAID_LIFE 3600  /* of a ticket whose server does not say */

static unsigned count_alpn(const struct tls_config *config)
{
    unsigned count = 0;

    while (count < sizeof config->alpn / sizeof *config->alpn && config->alpn[count])
        count++;
    return count;
}

const char *tls_alpn(const struct tls_layer *tls)
{
    gnutls_datum_t chosen;

    if (gnutls_alpn_get_selected_protocol(tls->session, &chosen) < 0)
        return "";
    for (unsigned i = 0; i < count_alpn(tls->config); i++)
        if (strlen(tls->config->alpn[i]) == chosen.size && memcmp(tls->config->alpn[i], chosen.data, chosen.size) == 0)
            return tls->config->alpn[i];
    return "";
}

static int set_alpn(struct tls_layer *tls)
{
    const struct tls_config *config = tls->config;
    unsigned count = count_alpn(config), flags = tls->is_server ? GNUTLS_ALPN_SERVER_PRECEDENCE : 0;
    gnutls_datum_t names[sizeof config->alpn / sizeof *config->alpn];

    for (unsigned i = 0; i < count; i++)
        names[i] = (gnutls_datum_t){(unsigned char *)config->alpn[i], (unsigned)strlen(config->alpn[i])};
    if (config->require_alpn)
        flags |= GNUTLS_ALPN_MANDATORY;
    return count == 0 ? 0 : gnutls_alpn_set_protocols(tls->session, names, count, flags);
}

static bool before_13(const struct tls_layer *tls)
{
    return gnutls_protocol_get_version(tls->session) < GNUTLS_TLS1_3;
}

/* --------------------------------------------------------------------------------------------- the server's tickets */

/* What matters of a client's hello. */
struct hello {
    const struct tls_config *config;
    const char *alpn;      /* that will be chosen (RFC 7301 section 3.1) */
    gnutls_datum_t ticket; /* the only one (RFC 8446 section 4.2.11): of several it is not known which GnuTLS takes */
};

static bool list_has(const unsigned char *list, unsigned size, const char *name)
{
    for (unsigned at = 2; at < size && list[at] <= size - at - 1; at += 1u + list[at])
        if (list[at] == strlen(name) && memcmp(list + at + 1, name, list[at]) == 0)
            return true;
    return false;
}

static int on_extension(void *user, unsigned type, const unsigned char *data, unsigned size)
{
    struct hello *hello = user;

    if (type == 16)
        for (unsigned i = count_alpn(hello->config); i > 0; i--)
            if (list_has(data, size, hello->config->alpn[i - 1]))
                hello->alpn = hello->config->alpn[i - 1];
    if (type == 41 && size >= 4) {
        unsigned list = (unsigned)data[0] << 8 | data[1], first = (unsigned)data[2] << 8 | data[3];
        if (first <= size - 4 && list == 2 + first + 4)
            hello->ticket = (gnutls_datum_t){(unsigned char *)data + 4, first};
    }
    return 0;
}

/*
 * GnuTLS would take early data although the session before had another ALPN (RFC 8446 section 4.2.10 forbids that), or
 * belonged to another identity of this process. So each has a ticket key of its own, derived before the hello is read.
 */
static int on_client_hello(struct tls_layer *tls, const gnutls_datum_t *message)
{
    const gnutls_datum_t *master = security_ticket_key(tls->layer.context);
    struct tls_opening *opening = tls->opening;
    struct hello hello = {tls->config, "", {NULL, 0}};
    uint8_t key[64];
    char use[128];

    if (!master || !opening)
        return GNUTLS_E_MEMORY_ERROR;
    gnutls_ext_raw_parse(&hello, on_extension, message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
    memset(use, 0, sizeof use);
    memcpy(use, hawser_identity_name(tls->config->identity), KEY_NAME_SIZE - 1);
    memcpy(use + KEY_NAME_SIZE, hello.alpn, strnlen(hello.alpn, sizeof use - KEY_NAME_SIZE));
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA512, master->data, master->size, use, sizeof use, key) == 0) {
        gnutls_datum_t datum = {key, sizeof key};
        gnutls_session_ticket_enable_server(tls->session, &datum);
        gnutls_memset(key, 0, sizeof key);
    }
    if (hello.ticket.size && tls->config->early_data && !opening->holder)
        opening->holder_known = security_ticket_holder(tls->layer.context, hello.ticket.data, hello.ticket.size,
                                                       &opening->holder, &opening->holder_size) == 0;
    return 0;
}

/* A NewSessionTicket of ours (RFC 8446 section 4.6.1): lifetime (4), age_add (4), nonce (length 1), ticket (length 2). */
static void on_ticket_sent(struct tls_layer *tls, const gnutls_datum_t *message)
{
    const uint8_t *at = message->data;
    size_t nonce = message->size > 8 ? at[8] : 0, begin = 8 + 1 + nonce + 2, size;

    if (before_13(tls) || message->size <= begin || !tls->peer || !tls->layer.context)
        return;
    size = (size_t)at[begin - 2] << 8 | at[begin - 1];
    if (size <= message->size - begin)
        security_ticket_issued(tls->layer.context, at + begin, size, tls_peer_spki(tls), tls->peer->spki_size);
}

static int on_message_of_server(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                                const gnutls_datum_t *message)
{
    struct tls_layer *tls = gnutls_session_get_ptr(session);

    (void)when;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming)
        return on_client_hello(tls, message);
    if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && !incoming && tls->config->early_data)
        on_ticket_sent(tls, message);
    return 0;
}

static int set_server(struct tls_layer *tls)
{
    const struct tls_config *config = tls->config;
    gnutls_anti_replay_t anti_replay = security_anti_replay(tls->layer.context);
    bool need_key = !trust_is_any(config->trust) || config->min_verification > HAWSER_VERIFICATION_NONE;

    if (!anti_replay)
        return GNUTLS_E_MEMORY_ERROR;
    gnutls_certificate_server_set_request(tls->session, need_key ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE, on_message_of_server);
    gnutls_db_set_cache_expiration(tls->session, TICKET_LIFE);
    /* Also where early data is refused: this much of it is skipped. */
    gnutls_record_set_max_early_data_size(tls->session, TLS_EARLY_MAX);
    if (config->early_data)
        gnutls_anti_replay_enable(tls->session, anti_replay);
    return 0;
}

/* --------------------------------------------------------------------------------------------- the client's tickets */

static void save_ticket(struct tls_layer *tls, const gnutls_datum_t *session, uint32_t lifetime)
{
    const struct tls_config *config = tls->config;
    size_t early = gnutls_record_get_max_early_data_size(tls->session);
    char label[TICKET_LABEL_SIZE];
    struct layer_peer below;
    struct ticket ticket = {
        .session = session->data,
        .session_size = session->size,
        .verification = tls->peer->verification,
        .max_early_data = before_13(tls) || early == UINT32_MAX
                              ? 0
                              : early, /* the latter: GnuTLS's way of saying that the server gave none */
        .expires = (int64_t)time(NULL) + lifetime,
    };
    int r;

    layer_peer(tls->layer.below, &below);
    ticket.fast_open_worked = below.fast_open;
    strncpy(ticket.alpn, tls_alpn(tls), sizeof ticket.alpn - 1);
    tls_peer_key_name(tls, ticket.key_name);
    strncpy(ticket.name, tls_peer_name(tls), sizeof ticket.name - 1);
    r = ticket_label(config, label, sizeof label);
    if (r == 0)
        r = ticket_save(tls->layer.context, label, &ticket);
    if (r < 0)
        loop_log(tls->layer.context, HAWSER_LOG_WARNING, "a ticket of %s cannot be kept: %s", config->service,
                 hawser_strerror(r));
}

static void keep_ticket(struct tls_layer *tls)
{
    gnutls_datum_t data;

    if (!tls->peer || !tls->layer.context || !tls->config->service || tls->config->no_tickets ||
        gnutls_session_get_data2(tls->session, &data) < 0)
        return;
    save_ticket(tls, &data, tls->ticket_life);
    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
}

/* In TLS 1.2 the ticket comes inside the handshake, before the peer is known (RFC 5077 section 3.3). */
void tls_ticket_of_handshake(struct tls_layer *tls)
{
    if (!tls->is_server && tls->ticket_life > 0 && before_13(tls))
        keep_ticket(tls);
}

/* Called twice: GnuTLS shows the whole message before it has taken it apart, and has the session's data after that. */
static int on_ticket(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                     const gnutls_datum_t *message)
{
    struct tls_layer *tls = gnutls_session_get_ptr(session);
    uint32_t lifetime;

    (void)type;
    (void)incoming;
    if (when == GNUTLS_HOOK_PRE) {
        if (message->size >= sizeof lifetime)
            memcpy(&lifetime, message->data, sizeof lifetime);
        tls->ticket_life = message->size >= sizeof lifetime ? ntohl(lifetime) : 0;
        if (tls->ticket_life == 0 && before_13(tls) && message->size > sizeof lifetime + 2)
            tls->ticket_life = UNSAID_LIFE;
    } else if (tls->ticket_life > 0 && !tls->opening)
        keep_ticket(tls);
    return 0;
}

/* Early data is for the protocol of the session before, or for none where there was none (RFC 8446 section 4.2.10). */
static bool offers(const struct tls_config *config, const char *alpn)
{
    if (!*alpn)
        return count_alpn(config) == 0;
    for (unsigned i = 0; i < count_alpn(config); i++)
        if (strcmp(config->alpn[i], alpn) == 0)
            return true;
    return false;
}

/* A ticket goes out of the store in any case: what is not believed now need not be kept. */
static void use_ticket(struct tls_layer *tls)
{
    const struct tls_config *config = tls->config;
    struct tls_opening *opening = tls->opening;
    struct ticket *ticket = &opening->ticket;
    char label[TICKET_LABEL_SIZE];

    if (ticket_label(config, label, sizeof label) < 0 || ticket_take(tls->layer.context, label, ticket) < 0)
        return;
    if (!trust_allows_ticket(config, ticket) ||
        gnutls_session_set_data(tls->session, ticket->session, ticket->session_size) < 0) {
        ticket_clear(ticket);
        return;
    }
    if (config->early_data && ticket->max_early_data >= 1024 && offers(config, ticket->alpn)) {
        uint64_t most = ticket->max_early_data < TLS_EARLY_MAX ? ticket->max_early_data : TLS_EARLY_MAX;
        opening->early_room = TLS_EARLY_ROOM(most);
    }
}

static bool is_literal(const char *name)
{
    uint8_t address[16];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static int set_client(struct tls_layer *tls)
{
    const struct tls_config *config = tls->config;
    int r = 0;

    gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_BOTH, on_ticket);
    /* RFC 6066 section 3: names of hosts alone. */
    if (config->server_name && !is_literal(config->server_name))
        r = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, config->server_name, strlen(config->server_name));
    if (r == 0)
        use_ticket(tls);
    if (r == 0 && !tls->opening->ticket.session)
        trust_prepare(config->trust);
    return r;
}

/* ----------------------------------------------------------------------------------------------------- together */

static enum security_types types_of(const struct tls_layer *tls)
{
    if (tls->config->any_tls)
        return SECURITY_ANY_TLS;
    if (!trust_wants_x509(tls->config->trust))
        return SECURITY_RAW_FIRST;
    return tls->is_server ? SECURITY_PEER_X509_SERVER : SECURITY_PEER_X509_CLIENT;
}

static gnutls_certificate_credentials_t credentials_of(const struct tls_layer *tls)
{
    const struct tls_config *config = tls->config;
    gnutls_certificate_credentials_t credentials = NULL;

    if (!tls->is_server && !trust_shows_identity(config))
        return security_anonymous(tls->layer.context);
    return config->identity && identity_credentials(config->identity, &credentials) == 0 ? credentials : NULL;
}

static int fill_session(struct tls_layer *tls)
{
    gnutls_certificate_credentials_t credentials = credentials_of(tls);
    gnutls_priority_t priority = security_priority(tls->layer.context, types_of(tls));
    int r;

    if (!credentials || !priority)
        return GNUTLS_E_MEMORY_ERROR;
    gnutls_session_set_ptr(tls->session, tls);
    r = gnutls_priority_set(tls->session, priority);
    if (r == 0)
        r = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (r == 0)
        r = set_alpn(tls);
    if (r == 0)
        r = tls->is_server ? set_server(tls) : set_client(tls);
    return r;
}

int tls_make_session(struct tls_layer *tls)
{
    unsigned flags =
        GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_ENABLE_RAWPK | GNUTLS_KEY_SHARE_TOP | GNUTLS_NO_AUTO_SEND_TICKET;
    int r;

    flags |= tls->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT;
    if (tls->config->early_data)
        flags |= GNUTLS_ENABLE_EARLY_DATA;
    r = gnutls_init(&tls->session, flags);
    if (r == 0)
        r = fill_session(tls);
    if (r < 0)
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    tls_set_io(tls);
    return 0;
}
