/* SPDX-License-Identifier: Apache-2.0 */
/* nng, a PAIR of sockets over tcp or tls+tcp (mbedTLS in Debian: TLS 1.2, certificates with P-256). */
#include "messaging.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tls/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nng_socket socket_;

static void must(int r, const char *what)
{
    if (r != 0)
        fail("%s: %s", what, nng_strerror(r));
}

static char *load(const char *dir, const char *name)
{
    char path[512], *text = calloc(1, 8192);
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "re");
    if (!text || !file || fread(text, 1, 8191, file) == 0)
        fail("cannot read %s", path);
    fclose(file);
    return text;
}

/* Only the server shows a certificate; the client checks it against itself. */
static nng_tls_config *tls_config(const struct options *o)
{
    char *certificate = load(o->dir, "server-p256.crt");
    char *key = load(o->dir, "server-p256.key");
    nng_tls_config *config;

    must(nng_tls_config_alloc(&config, o->server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT), "TLS");
    if (o->server) {
        must(nng_tls_config_own_cert(config, certificate, key, NULL), "own certificate");
    } else {
        must(nng_tls_config_ca_chain(config, certificate, NULL), "trust");
        must(nng_tls_config_server_name(config, "localhost"), "server name");
        must(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED), "demand a certificate");
    }
    free(certificate);
    free(key);
    return config;
}

static bool open_socket(const struct options *o, char *url, size_t size)
{
    bool tls = strcmp(o->mode, "tls") == 0;
    int queue = messaging_queue(o, 1024); /* six times faster than without */

    must(nng_pair0_open(&socket_), "a socket");
    must(nng_socket_set_int(socket_, NNG_OPT_SENDBUF, queue), "a socket option");
    must(nng_socket_set_int(socket_, NNG_OPT_RECVBUF, queue), "a socket option");
    must(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "a socket option");
    if (tls)
        must(nng_tls_register(), "TLS");
    snprintf(url, size, "%s://%s:%u", tls ? "tls+tcp" : "tcp", o->host, o->port);
    return tls;
}

static void nng_peer_listen(const struct options *o)
{
    char url[128];
    bool tls = open_socket(o, url, sizeof(url));
    nng_listener listener;

    must(nng_listener_create(&listener, socket_, url), url);
    if (tls)
        must(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls_config(o)), "TLS");
    must(nng_listener_start(listener, 0), url);
}

static void nng_peer_connect(const struct options *o)
{
    char url[128];
    bool tls = open_socket(o, url, sizeof(url));
    nng_dialer dialer;

    must(nng_dialer_create(&dialer, socket_, url), url);
    if (tls)
        must(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls_config(o)), "TLS");
    must(nng_dialer_start(dialer, 0), url);
}

static void nng_peer_send(const uint8_t *data, size_t size)
{
    must(nng_send(socket_, (void *)(uintptr_t)data, size, 0), "send");
}

static void nng_peer_receive(struct received *r)
{
    nng_msg *message;

    must(nng_recvmsg(socket_, &message, 0), "receive");
    *r = (struct received){nng_msg_body(message), nng_msg_len(message), message};
}

static void nng_peer_release(struct received *r)
{
    nng_msg_free(r->handle);
}

static void nng_peer_close(void)
{
    nng_close(socket_);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"tcp", "tls", NULL};
    static const char *const whats[] = {"oneway", "pingpong", NULL};
    static const struct messaging_ops ops = {
        .program = {"nng", modes, whats},
        .listen = nng_peer_listen,
        .connect = nng_peer_connect,
        .send = nng_peer_send,
        .receive = nng_peer_receive,
        .release = nng_peer_release,
        .close = nng_peer_close,
    };

    return messaging_main(&ops, argc, argv);
}
