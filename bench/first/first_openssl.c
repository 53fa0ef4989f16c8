/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest OpenSSL client that verifies its server, and resumes where it can. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "first.h"
#include "loop.h"

static void resume(SSL *ssl, const char *state)
{
    FILE *file = fopen(state, "rbe");
    SSL_SESSION *session = file ? PEM_read_SSL_SESSION(file, NULL, NULL, NULL) : NULL;

    if (session)
        SSL_set_session(ssl, session);
    if (file)
        fclose(file);
}

static int keep(SSL *ssl, SSL_SESSION *session)
{
    FILE *file = fopen(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)), "wbe");

    if (file) {
        PEM_write_SSL_SESSION(file, session);
        fclose(file);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int64_t began = first_now_us(), connected, first;
    char request[512], answer[4096];
    SSL_CTX *context;
    SSL *ssl;
    int fd;

    if (argc != 4)
        return 2;
    fd = loop_connect(argv[1], argv[2]);
    connected = first_now_us();
    if (fd < 0)
        return 1;
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (*argv[3]) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(context, keep);
        SSL_CTX_set_app_data(context, argv[3]);
    }
    ssl = SSL_new(context);
    SSL_set_tlsext_host_name(ssl, argv[1]);
    SSL_set1_host(ssl, argv[1]);
    if (*argv[3])
        resume(ssl, argv[3]);
    SSL_set_fd(ssl, fd);
    snprintf(request, sizeof request, REQUEST_FORMAT, argv[1]);
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, (int)strlen(request)) <= 0 ||
        SSL_read(ssl, answer, sizeof answer) <= 0) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    first = first_now_us();
    first_print(began, connected, first, SSL_session_reused(ssl));
    while (SSL_read(ssl, answer, sizeof answer) > 0)
        ;
    SSL_shutdown(ssl);
    return 0;
}
