/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A foreign SCTP program: usrsctp as its own documentation uses it, with its threads and its own UDP socket (RFC 6951), and
 * nothing of hawser's. Messages are answered as they came.
 *
 *   sctp_peer listen UDP-PORT SCTP-PORT                     says "ready"; ends when its first peer has ended
 *   sctp_peer connect UDP-PORT REMOTE-UDP-PORT SCTP-PORT    sends, compares what comes back, ends the association
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

#define LARGEST 1048576

static uint8_t buffer[LARGEST], answer[LARGEST];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct socket *make_socket(void)
{
    struct socket *socket = usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    int size = 2 * LARGEST;

    if (!socket)
        fail("usrsctp_socket");
    usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return socket;
}

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A whole message; 0: the end. */
static size_t receive(struct socket *socket, uint8_t *data, uint32_t *ret_ppid)
{
    size_t at = 0;

    for (;;) {
        struct sctp_rcvinfo info = {0};
        socklen_t size = sizeof info;
        unsigned type = 0;
        int flags = 0;
        ssize_t n = usrsctp_recvv(socket, data + at, LARGEST - at, NULL, NULL, &info, &size, &type, &flags);

        if (n <= 0)
            return 0;
        at += (size_t)n;
        *ret_ppid = info.rcv_ppid;
        if (flags & MSG_EOR)
            return at;
    }
}

static void send_message(struct socket *socket, const uint8_t *data, size_t size, uint32_t ppid)
{
    struct sctp_sndinfo info = {.snd_ppid = ppid};

    if (usrsctp_sendv(socket, data, size, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0) != (ssize_t)size)
        fail("usrsctp_sendv");
}

static void want_info(struct socket *socket)
{
    int on = 1;

    usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on);
}

static void serve(int sctp_port)
{
    struct socket *listener = make_socket(), *socket;
    struct sockaddr_in address = address_of(sctp_port);
    uint32_t ppid = 0;
    size_t size;

    want_info(listener);
    if (usrsctp_bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || usrsctp_listen(listener, 1) < 0)
        fail("listening");
    puts("ready");
    fflush(stdout);
    socket = usrsctp_accept(listener, NULL, NULL);
    if (!socket)
        fail("usrsctp_accept");
    want_info(socket);
    while ((size = receive(socket, buffer, &ppid)) > 0)
        send_message(socket, buffer, size, ppid);
    usrsctp_close(socket);
    usrsctp_close(listener);
}

static void call(int remote_udp_port, int sctp_port)
{
    static const size_t sizes[] = {1, 100, 5000, 65536, 300000, 2};
    struct socket *socket = make_socket();
    struct sockaddr_in address = address_of(sctp_port);
    struct sctp_udpencaps encapsulation = {.sue_port = htons((uint16_t)remote_udp_port)};
    uint32_t ppid = 0;

    want_info(socket);
    encapsulation.sue_address.ss_family = AF_INET;
    if (usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation, sizeof encapsulation) < 0)
        fail("SCTP_REMOTE_UDP_ENCAPS_PORT");
    if (usrsctp_connect(socket, (struct sockaddr *)&address, sizeof address) < 0)
        fail("usrsctp_connect");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            buffer[j] = (uint8_t)(i + j * 7);
        send_message(socket, buffer, sizes[i], 0);
        if (receive(socket, answer, &ppid) != sizes[i] || memcmp(buffer, answer, sizes[i]) != 0) {
            fprintf(stderr, "the message of %zu bytes came back changed\n", sizes[i]);
            exit(1);
        }
    }
    usrsctp_shutdown(socket, SHUT_WR);
    while (receive(socket, answer, &ppid) > 0)
        ;
    usrsctp_close(socket);
}

int main(int count, char **arguments)
{
    if (count < 4)
        return 2;
    alarm(60);
    usrsctp_init((uint16_t)atoi(arguments[2]), NULL, NULL);
    usrsctp_sysctl_set_sctp_blackhole(2);
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0); /* what is encapsulated has a checksum (RFC 6951 section 5.3) */
    if (strcmp(arguments[1], "listen") == 0)
        serve(atoi(arguments[3]));
    else if (count > 4)
        call(atoi(arguments[3]), atoi(arguments[4]));
    for (int i = 0; i < 100 && usrsctp_finish() != 0; i++)
        usleep(20000);
    return 0;
}
