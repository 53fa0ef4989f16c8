/* SPDX-License-Identifier: Apache-2.0 */
/* A GnuTLS session as the config wants it; tickets, which a server's keys and a client's memory make. */
#include "layer/secure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include "loop/loop.h"

#define TICKET_LIFE 86400 /* seconds */
#define UNSAID_LIFE 3600  /* of a ticket whose server does not say */
/* What a ticket allows where early data is accounted for by QUIC (RFC 9001 section 4.6.1); there its limits are the peer's
 * transport parameters, and SECURE_EARLY_MAX is what we send. */
#define QUIC_EARLY_SIZE UINT32_MAX
/* Of TLS's limit a server counts what it drops unread in ciphertext, so clients send a little less. */
#define EXTRA_MAX 512 /* bytes of parameters, and of a token, in a ticket */
/* A client's hello with a larger one would not be one datagram, and the cookie could not be checked without state. */
#define DATAGRAM_TICKET_MAX 800
#define EARLY_ROOM(max) ((max) - (max) / 256 - 64)

static unsigned count_alpn(const struct tls_config *config)
{
    unsigned count = 0;

    while (count < sizeof config->alpn / sizeof *config->alpn && config->alpn[count])
        count++;
    return count;
}

const char *secure_alpn(const struct secure *secure)
{
    gnutls_datum_t chosen;

    if (gnutls_alpn_get_selected_protocol(secure->session, &chosen) < 0)
        return "";
    for (unsigned i = 0; i < count_alpn(secure->config); i++)
        if (strlen(secure->config->alpn[i]) == chosen.size &&
            memcmp(secure->config->alpn[i], chosen.data, chosen.size) == 0)
            return secure->config->alpn[i];
    return "";
}

static int set_alpn(struct secure *secure)
{
    const struct tls_config *config = secure->config;
    unsigned count = count_alpn(config), flags = secure->is_server ? GNUTLS_ALPN_SERVER_PRECEDENCE : 0;
    gnutls_datum_t names[sizeof config->alpn / sizeof *config->alpn];

    for (unsigned i = 0; i < count; i++)
        names[i] = (gnutls_datum_t){(unsigned char *)config->alpn[i], (unsigned)strlen(config->alpn[i])};
    if (config->require_alpn)
        flags |= GNUTLS_ALPN_MANDATORY;
    return count == 0 ? 0 : gnutls_alpn_set_protocols(secure->session, names, count, flags);
}

static enum security_over over_of(const struct secure *secure)
{
    return secure->quic ? SECURITY_OVER_QUIC : secure->datagrams ? SECURITY_OVER_DATAGRAMS : SECURITY_OVER_BYTES;
}

static bool before_13(const struct secure *secure)
{
    return secure->datagrams || gnutls_protocol_get_version(secure->session) < GNUTLS_TLS1_3;
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
static int on_client_hello(struct secure *secure, const gnutls_datum_t *message)
{
    const gnutls_datum_t *master = security_ticket_key(secure->layer->context);
    struct secure_opening *opening = secure->opening;
    struct hello hello = {secure->config, "", {NULL, 0}};
    uint8_t key[64];
    char use[128];

    if (!master || !opening)
        return GNUTLS_E_MEMORY_ERROR;
    /* A hello of DTLS has a cookie where TLS has its cipher suites. */
    gnutls_ext_raw_parse(&hello, on_extension, message,
                         secure->datagrams ? GNUTLS_EXT_RAW_FLAG_DTLS_CLIENT_HELLO
                                           : GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
    memset(use, 0, sizeof use);
    memcpy(use, hawser_identity_name(secure->config->identity), KEY_NAME_SIZE - 1);
    memcpy(use + KEY_NAME_SIZE, hello.alpn, strnlen(hello.alpn, sizeof use - KEY_NAME_SIZE));
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA512, master->data, master->size, use, sizeof use, key) == 0) {
        gnutls_datum_t datum = {key, sizeof key};
        gnutls_session_ticket_enable_server(secure->session, &datum);
        gnutls_memset(key, 0, sizeof key);
    }
    if (hello.ticket.size && secure->config->early_data && !opening->holder)
        opening->holder_known = security_ticket_holder(secure->layer->context, hello.ticket.data, hello.ticket.size,
                                                       &opening->holder, &opening->holder_size) == 0;
    return 0;
}

/* A NewSessionTicket of ours (RFC 8446 section 4.6.1): lifetime (4), age_add (4), nonce (length 1), ticket (length 2). */
static void on_ticket_sent(struct secure *secure, const gnutls_datum_t *message)
{
    const uint8_t *at = message->data;
    size_t nonce = message->size > 8 ? at[8] : 0, begin = 8 + 1 + nonce + 2, size;

    if (before_13(secure) || message->size <= begin || !secure->peer || !secure->layer->context)
        return;
    size = (size_t)at[begin - 2] << 8 | at[begin - 1];
    if (size <= message->size - begin)
        security_ticket_issued(secure->layer->context, at + begin, size, secure_peer_spki(secure),
                               secure->peer->spki_size);
}

static int on_message_of_server(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                                const gnutls_datum_t *message)
{
    struct secure *secure = gnutls_db_get_ptr(session);

    (void)when;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming)
        return on_client_hello(secure, message);
    if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && !incoming && secure->config->early_data)
        on_ticket_sent(secure, message);
    return 0;
}

static int set_server(struct secure *secure)
{
    const struct tls_config *config = secure->config;
    gnutls_anti_replay_t anti_replay = security_anti_replay(secure->layer->context);
    bool need_key = !trust_is_any(config->trust) || config->min_verification > HAWSER_VERIFICATION_NONE;

    if (!anti_replay)
        return GNUTLS_E_MEMORY_ERROR;
    gnutls_certificate_server_set_request(secure->session, need_key ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    gnutls_handshake_set_hook_function(secure->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE, on_message_of_server);
    gnutls_db_set_cache_expiration(secure->session, TICKET_LIFE);
    /* Also where early data is refused: this much of it is skipped. */
    gnutls_record_set_max_early_data_size(secure->session, secure->quic ? QUIC_EARLY_SIZE : SECURE_EARLY_MAX);
    if (config->early_data)
        gnutls_anti_replay_enable(secure->session, anti_replay);
    return 0;
}

/* --------------------------------------------------------------------------------------------- the client's tickets */

static void save_ticket(struct secure *secure, struct ticket *ticket)
{
    const struct tls_config *config = secure->config;
    char label[TICKET_LABEL_SIZE];
    struct layer_peer below;
    int r;

    layer_peer(secure->layer->below, &below);
    ticket->verification = secure->peer->verification;
    ticket->max_early_data = secure->ticket_early;
    ticket->expires = (int64_t)time(NULL) + secure->ticket_life;
    ticket->fast_open_worked = below.fast_open;
    strncpy(ticket->alpn, secure_alpn(secure), sizeof ticket->alpn - 1);
    secure_peer_key_name(secure, ticket->key_name);
    strncpy(ticket->name, secure_peer_name(secure), sizeof ticket->name - 1);
    r = ticket_label(config, over_of(secure), label, sizeof label);
    if (r == 0)
        r = ticket_save(secure->layer->context, label, ticket);
    if (r < 0)
        loop_log(secure->layer->context, HAWSER_LOG_WARNING, "a ticket of %s cannot be kept: %s", config->service,
                 hawser_strerror(r));
}

/* The session's bytes, and with quic what belongs to them. */
static int gather_ticket(struct secure *secure, struct ticket *ticket)
{
    const struct secure_quic *quic = secure->quic;
    gnutls_datum_t data;

    if (gnutls_session_get_data2(secure->session, &data) < 0)
        return -ENOENT;
    ticket->session = malloc(data.size + (quic ? 2 * EXTRA_MAX : 0));
    if (ticket->session) {
        memcpy(ticket->session, data.data, data.size);
        ticket->session_size = data.size;
        if (quic) {
            ticket->parameters_size = (uint16_t)quic->parameters(secure, ticket_parameters(ticket), EXTRA_MAX);
            ticket->token_size = (uint16_t)quic->token(secure, ticket_token(ticket), EXTRA_MAX);
        }
    }
    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    return ticket->session ? 0 : -ENOMEM;
}

void secure_keep_ticket(struct secure *secure)
{
    struct ticket ticket = {.session = NULL};

    if (!secure->peer || !secure->layer->context || !secure->config->service || secure->config->no_tickets ||
        secure->ticket_life == 0 || gather_ticket(secure, &ticket) < 0)
        return;
    save_ticket(secure, &ticket);
    ticket_clear(&ticket);
}

/* It was taken out of the store to be used, and is as good as before: until it expires. */
static void give_back(struct secure *secure)
{
    const struct ticket *used = &secure->opening->ticket;
    char label[TICKET_LABEL_SIZE];

    if (secure->layer->context && !secure->config->no_tickets &&
        ticket_label(secure->config, over_of(secure), label, sizeof label) == 0)
        (void)ticket_save(secure->layer->context, label, used);
}

/* In TLS 1.2 the ticket comes inside the handshake, before the peer is known; a server that takes one need not give another
 * (RFC 5077 section 3.3), and then it is for every set-up that follows. */
void secure_ticket_of_handshake(struct secure *secure)
{
    if (secure->is_server || !before_13(secure))
        return;
    if (secure->ticket_life > 0)
        secure_keep_ticket(secure);
    else if (secure->opening->ticket.session && gnutls_session_is_resumed(secure->session))
        give_back(secure);
}

/* The early data that a NewSessionTicket allows (RFC 8446 sections 4.6.1 and 4.2.10): after the lifetime and age_add come
 * the nonce, the ticket, and extensions. 0: none. */
static uint32_t early_of_ticket(const uint8_t *data, size_t size)
{
    size_t at = 8;
    uint32_t value;

    if (size < at + 1 || (at += 1u + data[at]) + 2 > size)
        return 0;
    at += 2u + ((size_t)data[at] << 8 | data[at + 1]);
    for (at += 2; at + 4 <= size;) {
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (data[at] == 0 && data[at + 1] == 42 && length == sizeof value && at + 4 + length <= size) {
            memcpy(&value, data + at + 4, sizeof value);
            return ntohl(value);
        }
        at += 4 + length;
    }
    return 0;
}

/* Called twice: GnuTLS shows the whole message before it has taken it apart, and has the session's data after that. */
static int on_ticket(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                     const gnutls_datum_t *message)
{
    struct secure *secure = gnutls_db_get_ptr(session);
    uint32_t lifetime;

    (void)type;
    (void)incoming;
    if (when == GNUTLS_HOOK_PRE) {
        if (message->size >= sizeof lifetime)
            memcpy(&lifetime, message->data, sizeof lifetime);
        secure->ticket_life = message->size >= sizeof lifetime ? ntohl(lifetime) : 0;
        secure->ticket_early = before_13(secure) ? 0 : early_of_ticket(message->data, message->size);
        if (secure->ticket_life == 0 && before_13(secure) && message->size > sizeof lifetime + 2)
            secure->ticket_life = UNSAID_LIFE;
        if (secure->datagrams && message->size > DATAGRAM_TICKET_MAX)
            secure->ticket_life = 0;
    } else if (secure->ticket_life > 0 && !secure->opening)
        secure_keep_ticket(secure);
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
static void use_ticket(struct secure *secure)
{
    const struct tls_config *config = secure->config;
    struct secure_opening *opening = secure->opening;
    struct ticket *ticket = &opening->ticket;
    char label[TICKET_LABEL_SIZE];

    if (ticket_label(config, over_of(secure), label, sizeof label) < 0 ||
        ticket_take(secure->layer->context, label, ticket) < 0)
        return;
    if (!trust_allows_ticket(config, ticket) ||
        gnutls_session_set_data(secure->session, ticket->session, ticket->session_size) < 0) {
        ticket_clear(ticket);
        return;
    }
    if (config->early_data && ticket->max_early_data >= 1024 && offers(config, ticket->alpn)) {
        uint64_t most = ticket->max_early_data < SECURE_EARLY_MAX ? ticket->max_early_data : SECURE_EARLY_MAX;
        opening->early_room = secure->quic ? most : EARLY_ROOM(most);
    }
}

static bool is_literal(const char *name)
{
    uint8_t address[16];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static int set_client(struct secure *secure)
{
    const struct tls_config *config = secure->config;
    int r = 0;

    gnutls_handshake_set_hook_function(secure->session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_BOTH,
                                       on_ticket);
    /* RFC 6066 section 3: names of hosts alone. */
    if (config->server_name && !is_literal(config->server_name))
        r = gnutls_server_name_set(secure->session, GNUTLS_NAME_DNS, config->server_name, strlen(config->server_name));
    if (r == 0)
        use_ticket(secure);
    if (r == 0 && !secure->opening->ticket.session)
        trust_prepare(config->trust);
    return r;
}

/* ----------------------------------------------------------------------------------------------------- together */

static enum security_types types_of(const struct secure *secure)
{
    if (secure->config->any_tls)
        return SECURITY_ANY_TLS;
    if (!trust_wants_x509(secure->config->trust))
        return SECURITY_RAW_FIRST;
    return secure->is_server ? SECURITY_PEER_X509_SERVER : SECURITY_PEER_X509_CLIENT;
}

static int show_identity(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **shown,
                         unsigned *count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count, gnutls_privkey_t *key,
                         unsigned *flags)
{
    struct secure *secure = gnutls_db_get_ptr(session);

    (void)info;
    *ocsp = NULL;
    *ocsp_count = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return identity_show(secure->config->identity, gnutls_certificate_type_get2(session, GNUTLS_CTYPE_OURS), shown,
                         count, key);
}

/* By itself GnuTLS finds no raw key of Ed25519 among the types that a server of TLS 1.2 asks for. */
static gnutls_certificate_credentials_t own_credentials(struct secure *secure)
{
    if (!secure->own && gnutls_certificate_allocate_credentials(&secure->own) == 0)
        gnutls_certificate_set_retrieve_function3(secure->own, show_identity);
    return secure->own;
}

static gnutls_certificate_credentials_t credentials_of(struct secure *secure)
{
    const struct tls_config *config = secure->config;
    gnutls_certificate_credentials_t credentials = NULL;

    if (!secure->is_server && !trust_shows_identity(config))
        return security_anonymous(secure->layer->context);
    if (!secure->is_server && secure->datagrams)
        return own_credentials(secure);
    return config->identity && identity_credentials(config->identity, &credentials) == 0 ? credentials : NULL;
}

static int fill_session(struct secure *secure)
{
    gnutls_certificate_credentials_t credentials = credentials_of(secure);
    gnutls_priority_t priority = security_priority(secure->layer->context, types_of(secure), over_of(secure));
    int r;

    if (!credentials || !priority)
        return GNUTLS_E_MEMORY_ERROR;
    gnutls_db_set_ptr(secure->session, secure);
    r = gnutls_priority_set(secure->session, priority);
    if (r == 0)
        r = gnutls_credentials_set(secure->session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (r == 0)
        r = set_alpn(secure);
    if (r == 0)
        r = secure->is_server ? set_server(secure) : set_client(secure);
    return r;
}

static int make(struct secure *secure, unsigned flags)
{
    int r;

    secure->opening = calloc(1, sizeof *secure->opening);
    if (!secure->opening)
        return -ENOMEM;
    flags |= GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_ENABLE_RAWPK;
    flags |= secure->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT;
    r = gnutls_init(&secure->session, flags);
    if (r == 0)
        r = fill_session(secure);
    if (r < 0)
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    return 0;
}

int secure_make(struct secure *secure, struct layer *layer, const struct tls_config *config, bool is_server,
                const struct secure_quic *quic)
{
    unsigned flags = GNUTLS_KEY_SHARE_TOP | GNUTLS_NO_AUTO_SEND_TICKET;

    *secure = (struct secure){.layer = layer, .config = config, .is_server = is_server, .quic = quic};
    if (config->early_data)
        flags |= GNUTLS_ENABLE_EARLY_DATA;
    if (quic)
        flags |= GNUTLS_NO_END_OF_EARLY_DATA; /* RFC 9001 section 8.3 */
    return make(secure, flags);
}

int secure_make_datagrams(struct secure *secure, struct layer *layer, const struct tls_config *config, bool is_server)
{
    *secure = (struct secure){.layer = layer, .config = config, .is_server = is_server, .datagrams = true};
    return make(secure, GNUTLS_DATAGRAM);
}

void secure_free(struct secure *secure)
{
    if (secure->session)
        gnutls_deinit(secure->session);
    secure->session = NULL;
    if (secure->own)
        gnutls_certificate_free_credentials(secure->own);
    secure->own = NULL;
    secure_close_opening(secure);
    free(secure->peer);
    secure->peer = NULL;
}

void secure_adopt(struct secure *secure, const struct tls_config *tls)
{
    bool sctp = tls && tls->sctp && secure->config && strcmp(secure_alpn(secure), ALPN_SESSION_SCTP) == 0;

    secure->config = sctp ? tls->sctp : tls;
}

void secure_close_opening(struct secure *secure)
{
    if (!secure->opening)
        return;
    ticket_clear(&secure->opening->ticket);
    free(secure->opening->holder);
    free(secure->opening);
    secure->opening = NULL;
}
