/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 by GnuTLS over epoll, coalesced into full records: the limit for anything that does TLS with GnuTLS. Written
 * the usual way: gnutls_transport_set_int(), gnutls_record_send() and gnutls_record_recv(). */
#include "stream.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD (16 << 10)
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519"
#define PRIORITY_RAWPK PRIORITY ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"

static struct {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    gnutls_datum_t peer_key; /* the one raw public key that is accepted */
    gnutls_datum_t ticket;   /* the client's newest */
    bool server, rawpk, both, resumed;
} tls;

static void must(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s", what, gnutls_strerror(r));
}

static gnutls_datum_t load(const char *dir, const char *name)
{
    gnutls_datum_t d;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    must(gnutls_load_file(path, &d), path);
    return d;
}

/* Raw public keys: the peer's key is the pinned one. */
static int verify_pinned(gnutls_session_t session)
{
    unsigned n = 0;
    const gnutls_datum_t *key = gnutls_certificate_get_peers(session, &n);

    if (n != 1 || key->size != tls.peer_key.size || memcmp(key->data, tls.peer_key.data, key->size) != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return 0;
}

static void init_rawpk(const char *dir)
{
    gnutls_datum_t key = load(dir, tls.server ? "server.key" : "client.key");
    gnutls_datum_t public = load(dir, tls.server ? "server.spki" : "client.spki");
    gnutls_datum_t der;
    gnutls_x509_privkey_t private;

    tls.peer_key = load(dir, tls.server ? "client.spki" : "server.spki");
    must(gnutls_x509_privkey_init(&private), "init");
    must(gnutls_x509_privkey_import(private, &key, GNUTLS_X509_FMT_PEM), "read a key");
    must(gnutls_x509_privkey_export2_pkcs8(private, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, &der),
         "export a key");
    must(gnutls_certificate_set_rawpk_key_mem(tls.credentials, &public, &der, GNUTLS_X509_FMT_DER, NULL, 0, NULL, 0, 0),
         "use a raw public key");
    gnutls_certificate_set_verify_function(tls.credentials, verify_pinned);
    gnutls_x509_privkey_deinit(private);
    gnutls_free(key.data);
    gnutls_free(public.data);
    gnutls_free(der.data);
}

static void init_x509(const char *dir)
{
    const char *own = tls.server ? "server" : "client", *other = tls.server ? "client" : "server";
    char certificate[512], key[512], trust[512];

    snprintf(certificate, sizeof(certificate), "%s/%s.crt", dir, own);
    snprintf(key, sizeof(key), "%s/%s.key", dir, own);
    snprintf(trust, sizeof(trust), "%s/%s.crt", dir, other);
    if (tls.server || tls.both)
        must(gnutls_certificate_set_x509_key_file(tls.credentials, certificate, key, GNUTLS_X509_FMT_PEM), certificate);
    if (!tls.server || tls.both)
        must(gnutls_certificate_set_x509_trust_file(tls.credentials, trust, GNUTLS_X509_FMT_PEM), trust);
}

static void tls_init(const struct options *o)
{
    tls.server = o->server;
    tls.rawpk = strcmp(o->mode, "rawpk") == 0;
    tls.both = tls.rawpk || strcmp(o->mode, "x509-both") == 0;
    tls.resumed = o->resumed;
    must(gnutls_priority_init(&tls.priority, tls.rawpk ? PRIORITY_RAWPK : PRIORITY, NULL), "priorities");
    must(gnutls_certificate_allocate_credentials(&tls.credentials), "credentials");
    if (tls.rawpk)
        init_rawpk(o->dir);
    else
        init_x509(o->dir);
    if (tls.server)
        must(gnutls_session_ticket_key_generate(&tls.ticket_key), "ticket key");
}

static int set_up_client(gnutls_session_t session)
{
    int r;

    if ((r = gnutls_server_name_set(session, GNUTLS_NAME_DNS, "localhost", 9)) < 0)
        return r;
    if (!tls.rawpk)
        gnutls_session_set_verify_cert(session, "localhost", 0);
    if (!tls.resumed || !tls.ticket.data)
        return 0;
    return gnutls_session_set_data(session, tls.ticket.data, tls.ticket.size);
}

static int set_up_server(gnutls_session_t session)
{
    gnutls_certificate_server_set_request(session, tls.both ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    if (tls.both && !tls.rawpk)
        gnutls_session_set_verify_cert(session, NULL, 0);
    return gnutls_session_ticket_enable_server(session, &tls.ticket_key);
}

static int tls_open(struct conn *c, const struct options *o)
{
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | (tls.rawpk ? GNUTLS_ENABLE_RAWPK : 0);
    gnutls_session_t session;
    int r;

    (void)o;
    if ((r = gnutls_init(&session, flags | (tls.server ? GNUTLS_SERVER : GNUTLS_CLIENT))) < 0)
        return -ENOMEM;
    c->session = session;
    gnutls_transport_set_int(session, c->fd);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT); /* the process has its own */
    if ((r = gnutls_priority_set(session, tls.priority)) < 0 ||
        (r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls.credentials)) < 0 ||
        (r = tls.server ? set_up_server(session) : set_up_client(session)) < 0) {
        fprintf(stderr, "%s\n", gnutls_strerror(r));
        return -EPROTO;
    }
    return 0;
}

static int tls_handshake(struct conn *c)
{
    int r;

    do {
        r = gnutls_handshake(c->session);
    } while (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r));
    if (r == GNUTLS_E_AGAIN) {
        if (gnutls_record_get_direction(c->session) == 1)
            conn_wait_writable(c);
        return -EAGAIN;
    }
    if (r < 0) {
        fprintf(stderr, "%s\n", gnutls_strerror(r));
        return -EPROTO;
    }
    c->resumed = gnutls_session_is_resumed(c->session);
    return 0;
}

static ssize_t tls_send(struct conn *c, const void *data, size_t size, bool more)
{
    ssize_t n;

    (void)more;
    do {
        n = gnutls_record_send(c->session, data, size < RECORD ? size : RECORD);
    } while (n == GNUTLS_E_INTERRUPTED);
    if (n == GNUTLS_E_AGAIN)
        return -EAGAIN;
    return n < 0 ? -EPROTO : n;
}

/* A record that was not full and leaves nothing inside GnuTLS is taken for the last one: epoll tells if it was not. */
static ssize_t tls_recv(struct conn *c, void *data, size_t size)
{
    ssize_t n;

    do {
        n = gnutls_record_recv(c->session, data, size);
    } while (n == GNUTLS_E_INTERRUPTED);
    if (n == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (n == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    c->drained = n >= 0 && n < RECORD && (size_t)n < size && gnutls_record_check_pending(c->session) == 0;
    return n < 0 ? -EPROTO : n;
}

/* A client that means to resume takes the ticket that came with this connection, and so never uses one twice. */
static void take_ticket(gnutls_session_t session)
{
    if (!(gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET))
        fail("no ticket has come");
    gnutls_free(tls.ticket.data);
    must(gnutls_session_get_data2(session, &tls.ticket), "take a ticket");
}

static void tls_close(struct conn *c)
{
    if (!tls.server && tls.resumed)
        take_ticket(c->session);
    gnutls_bye(c->session, GNUTLS_SHUT_WR);
    gnutls_deinit(c->session);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"rawpk", "x509", "x509-both", NULL};
    static const char *const whats[] = {"oneway", "pingpong", "idle", "setup", "growth", NULL};
    static const struct stream_ops ops = {
        .program = {"bare_gnutls", modes, whats},
        .chunk = RECORD,
        .direct = RECORD,
        .fill = true,
        .init = tls_init,
        .open = tls_open,
        .handshake = tls_handshake,
        .send = tls_send,
        .recv = tls_recv,
        .close = tls_close,
    };

    return stream_main(&ops, argc, argv);
}
