/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest GnuTLS client that verifies its server, and resumes where it can. */
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "first.h"
#include "loop.h"

static void resume(gnutls_session_t session, const char *state)
{
    char data[8192];
    FILE *file = fopen(state, "rbe");

    if (!file)
        return;
    gnutls_session_set_data(session, data, fread(data, 1, sizeof data, file));
    fclose(file);
}

static void keep(gnutls_session_t session, const char *state)
{
    gnutls_datum_t data;
    FILE *file;

    if (gnutls_session_get_data2(session, &data) < 0 || !(file = fopen(state, "wbe")))
        return;
    fwrite(data.data, data.size, 1, file);
    fclose(file);
    gnutls_free(data.data);
}

int main(int argc, char **argv)
{
    int64_t began = first_now_us(), connected, first;
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    char request[512], answer[4096];
    ssize_t n;
    int fd, r;

    if (argc != 4)
        return 2;
    fd = loop_connect(argv[1], argv[2]);
    connected = first_now_us();
    if (fd < 0)
        return 1;
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_certificate_set_x509_system_trust(credentials);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_server_name_set(session, GNUTLS_NAME_DNS, argv[1], strlen(argv[1]));
    gnutls_session_set_verify_cert(session, argv[1], 0);
    if (*argv[3])
        resume(session, argv[3]);
    gnutls_transport_set_int(session, fd);
    do {
        r = gnutls_handshake(session);
    } while (r < 0 && !gnutls_error_is_fatal(r));
    if (r < 0) {
        fprintf(stderr, "first_gnutls: %s\n", gnutls_strerror(r));
        return 1;
    }
    snprintf(request, sizeof request, REQUEST_FORMAT, argv[1]);
    gnutls_record_send(session, request, strlen(request));
    do {
        n = gnutls_record_recv(session, answer, sizeof answer);
    } while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
    first = first_now_us();
    if (n <= 0)
        return 1;
    first_print(began, connected, first, gnutls_session_is_resumed(session));
    if (*argv[3])
        keep(session, argv[3]);
    while (gnutls_record_recv(session, answer, sizeof answer) > 0)
        ;
    gnutls_bye(session, GNUTLS_SHUT_WR);
    return 0;
}
