/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets_tls HOST PORT PIN: what hello.c does, by hand with sockets and GnuTLS, so that the two can be compared. Two
 * messages go to a peer that is known by its key (PIN: hexadecimal SHA-256 of its SubjectPublicKeyInfo); the more
 * urgent first, the second only after the first was acknowledged, and not when its lifetime is over. The peer must speak
 * this frame format: type (1 byte: 'M' message, 'A' acknowledgement, 'R' reply), id and length (4 bytes each, big
 * endian), bytes. Early data, tickets, strands, large messages, credit, lifetimes at the receiver are left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD 9
#define CONNECT_TIMEOUT 10000
#define BODY_MAX 65536

enum state { QUEUED, SENT, ACKED, EXPIRED };

struct message {
    const char *text;
    int niceness;
    int64_t deadline; /* milliseconds; 0: none */
    int antecedent;   /* index, or -1 */
    enum state state;
};

struct line {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    const char *pin;
    struct message *messages;
    size_t count, replies;
    uint8_t out[HEAD + BODY_MAX], in[HEAD + BODY_MAX];
    size_t out_size, in_size;
};

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------------------------------------------- the connection */

static int connect_one(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0, one = 1;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof error;

    if (fd < 0)
        return -errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        error = errno;
    else if (poll(&poll_fd, 1, CONNECT_TIMEOUT) != 1)
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error) {
        close(fd);
        return -error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int connect_any(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int r = getaddrinfo(host, port, &hints, &list), fd = -ENOENT; /* blocks */

    if (r != 0) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(r));
        return -ENOENT;
    }
    for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        fd = connect_one(at);
    freeaddrinfo(list);
    return fd;
}

/* ------------------------------------------------------------------------------------------------------- the peer's key */

static int verify(gnutls_session_t session)
{
    struct line *line = gnutls_session_get_ptr(session);
    unsigned count;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t certificate;
    gnutls_pubkey_t key;
    gnutls_datum_t spki = {NULL, 0};
    uint8_t digest[32];
    char hex[65];
    int r;

    if (!chain || count == 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    gnutls_x509_crt_init(&certificate);
    gnutls_pubkey_init(&key);
    r = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER);
    if (r == 0)
        r = gnutls_pubkey_import_x509(key, certificate, 0);
    if (r == 0)
        r = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki);
    if (r == 0)
        r = gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, digest);
    gnutls_free(spki.data);
    gnutls_pubkey_deinit(key);
    gnutls_x509_crt_deinit(certificate);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return strcmp(hex, line->pin) == 0 ? 0 : GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
}

static int wait_for(struct line *line, int64_t deadline)
{
    struct pollfd poll_fd = {.fd = line->fd, .events = gnutls_record_get_direction(line->session) ? POLLOUT : POLLIN};
    int64_t left = deadline - now();

    return left > 0 && poll(&poll_fd, 1, (int)left) == 1 ? 0 : GNUTLS_E_TIMEDOUT;
}

static int handshake(struct line *line)
{
    int64_t deadline = now() + CONNECT_TIMEOUT;
    int r;

    gnutls_certificate_allocate_credentials(&line->credentials);
    gnutls_certificate_set_verify_function(line->credentials, verify);
    gnutls_init(&line->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_session_set_ptr(line->session, line);
    gnutls_priority_set_direct(line->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    gnutls_credentials_set(line->session, GNUTLS_CRD_CERTIFICATE, line->credentials);
    gnutls_transport_set_int(line->session, line->fd);
    do {
        r = gnutls_handshake(line->session);
        if (r == GNUTLS_E_AGAIN)
            r = wait_for(line, deadline) < 0 ? GNUTLS_E_TIMEDOUT : GNUTLS_E_AGAIN;
    } while (r == GNUTLS_E_AGAIN || (r < 0 && !gnutls_error_is_fatal(r)));
    return r;
}

/* --------------------------------------------------------------------------------------------------------- messages */

/* The most urgent one that may go now; those whose time is over are dropped. */
static struct message *choose(struct line *line)
{
    struct message *best = NULL;

    for (size_t i = 0; i < line->count; i++) {
        struct message *m = &line->messages[i];

        if (m->state != QUEUED)
            continue;
        if (m->deadline && m->deadline <= now()) {
            m->state = EXPIRED;
            printf("expired: %s\n", m->text);
        } else if ((m->antecedent < 0 || line->messages[m->antecedent].state >= ACKED) &&
                   (!best || m->niceness < best->niceness)) {
            best = m;
        }
    }
    return best;
}

static void put_frame(struct line *line, struct message *m)
{
    uint32_t id = htonl((uint32_t)(m - line->messages)), size = htonl((uint32_t)strlen(m->text));

    line->out[0] = 'M';
    memcpy(line->out + 1, &id, 4);
    memcpy(line->out + 5, &size, 4);
    memcpy(line->out + HEAD, m->text, strlen(m->text));
    line->out_size = HEAD + strlen(m->text);
    m->state = SENT;
}

static int write_some(struct line *line)
{
    for (;;) {
        struct message *m;
        ssize_t n;

        if (line->out_size == 0) {
            m = choose(line);
            if (!m)
                return 0;
            put_frame(line, m);
        }
        n = gnutls_record_send(line->session, line->out, line->out_size);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
            return 0;
        if (n < 0)
            return (int)n;
        line->out_size -= (size_t)n;
        memmove(line->out, line->out + n, line->out_size);
    }
}

static int take_frame(struct line *line, uint8_t type, uint32_t id, const uint8_t *body, uint32_t size)
{
    if (type == 'A') {
        if (id >= line->count || line->messages[id].state != SENT)
            return GNUTLS_E_UNEXPECTED_PACKET;
        line->messages[id].state = ACKED;
    } else if (type == 'R') {
        printf("%.*s\n", (int)size, (const char *)body);
        line->replies++;
    }
    return 0;
}

static int take_frames(struct line *line)
{
    while (line->in_size >= HEAD) {
        uint32_t id, size;
        int r;

        memcpy(&id, line->in + 1, 4);
        memcpy(&size, line->in + 5, 4);
        id = ntohl(id);
        size = ntohl(size);
        if (size > BODY_MAX)
            return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
        if (line->in_size < HEAD + size)
            return 0;
        r = take_frame(line, line->in[0], id, line->in + HEAD, size);
        if (r < 0)
            return r;
        line->in_size -= HEAD + size;
        memmove(line->in, line->in + HEAD + size, line->in_size);
    }
    return 0;
}

static int read_some(struct line *line)
{
    for (;;) {
        ssize_t n = gnutls_record_recv(line->session, line->in + line->in_size, sizeof line->in - line->in_size);
        int r;

        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
            /* Also told after a ticket, with more to read behind it. */
            if (gnutls_record_check_pending(line->session) == 0)
                return 0;
            continue;
        }
        if (n == 0)
            return GNUTLS_E_PREMATURE_TERMINATION;
        if (n < 0)
            return (int)n;
        line->in_size += (size_t)n;
        r = take_frames(line);
        if (r < 0)
            return r;
    }
}

static bool finished(const struct line *line)
{
    size_t acked = 0;

    for (size_t i = 0; i < line->count; i++) {
        if (line->messages[i].state < ACKED)
            return false;
        acked += line->messages[i].state == ACKED;
    }
    return line->replies == acked && line->out_size == 0;
}

static int run(struct line *line)
{
    while (!finished(line)) {
        struct pollfd poll_fd = {.fd = line->fd, .events = POLLIN};
        int r = write_some(line);

        if (r < 0)
            return r;
        if (line->out_size)
            poll_fd.events |= POLLOUT;
        if (poll(&poll_fd, 1, 100) < 0 && errno != EINTR) /* 100: deadlines, which would need a heap of timers */
            return GNUTLS_E_PULL_ERROR;
        r = read_some(line);
        if (r < 0)
            return r;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct message messages[] = {
        {.text = "hello", .niceness = -10, .antecedent = -1},
        {.text = "world", .deadline = now() + 2000, .antecedent = 0},
    };
    struct line *line = calloc(1, sizeof *line);
    int r;

    if (argc != 4 || !line) {
        fputs("usage: sockets_tls HOST PORT PIN\n", stderr);
        free(line);
        return 2;
    }
    line->pin = argv[3];
    line->messages = messages;
    line->count = sizeof messages / sizeof *messages;
    line->fd = connect_any(argv[1], argv[2]);
    if (line->fd < 0) {
        fprintf(stderr, "sockets_tls: %s\n", strerror(-line->fd));
        free(line);
        return 1;
    }
    r = handshake(line);
    if (r == 0)
        r = run(line);
    if (r == 0)
        (void)gnutls_bye(line->session, GNUTLS_SHUT_WR);
    else
        fprintf(stderr, "sockets_tls: %s\n", gnutls_strerror(r));
    gnutls_deinit(line->session);
    gnutls_certificate_free_credentials(line->credentials);
    close(line->fd);
    free(line);
    return r < 0;
}
