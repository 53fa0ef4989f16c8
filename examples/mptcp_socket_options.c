/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptcp_socket_options ADDRESS PORT LOCAL LOCAL-PORT REMOTE: the enhanced socket API for MPTCP as it was proposed (S5.17-S5.22),
 * on a socket of socket(2) and connect(2): the subflows' ids, their two ends, a new subflow from LOCAL:LOCAL-PORT to REMOTE, an
 * option of one, and its end. IPv4 addresses. Needs net.mptcp.pm_type=1, and CAP_NET_ADMIN or hawserd.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hawser/hawser.h>
#include <hawser/mptcp.h>

#define getsockopt hawser_mptcp_getsockopt /* all that differs from what was proposed */

static void print_ends(int sockfd, uint32_t sub_id)
{
    unsigned int optlen = 100; /* large enough for IPv4 and IPv6 */
    struct mptcp_sub_tuple *sub_tuple = malloc(optlen);
    struct sockaddr_in *sin;

    sub_tuple->id = sub_id;
    if (getsockopt(sockfd, IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, sub_tuple, &optlen) == 0) {
        sin = (struct sockaddr_in *)&sub_tuple->addrs[0];
        printf("\tip src : %s src port : %hu\n", inet_ntoa(sin->sin_addr), ntohs(sin->sin_port));
        sin = (struct sockaddr_in *)&sub_tuple->addrs[1];
        printf("\tip dst : %s dst port : %hu\n", inet_ntoa(sin->sin_addr), ntohs(sin->sin_port));
    }
    free(sub_tuple);
}

static void print_subflows(int sockfd)
{
    unsigned int optlen = 42; /* large enough for four */
    struct mptcp_sub_ids *ids = malloc(optlen);
    int err = getsockopt(sockfd, IPPROTO_TCP, MPTCP_GET_SUB_IDS, ids, &optlen);

    for (unsigned i = 0; err == 0 && i < ids->sub_count; i++) {
        printf("Subflow id : %i\n", ids->sub_status[i].id);
        print_ends(sockfd, ids->sub_status[i].id);
    }
    free(ids);
}

/* The new subflow's id, or a negative code. */
static int open_subflow(int sockfd, char **argv)
{
    unsigned int optlen = sizeof(struct mptcp_sub_tuple) + 2 * sizeof(struct sockaddr_in);
    struct mptcp_sub_tuple *sub_tuple = calloc(1, optlen);
    struct sockaddr_in *addr = (struct sockaddr_in *)&sub_tuple->addrs[0];
    int error;

    sub_tuple->id = 0;
    sub_tuple->prio = 0;
    addr->sin_family = AF_INET;
    addr->sin_port = htons((uint16_t)atoi(argv[4]));
    inet_pton(AF_INET, argv[3], &addr->sin_addr);
    addr = (struct sockaddr_in *)&sub_tuple->addrs[1];
    addr->sin_family = AF_INET;
    addr->sin_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET, argv[5], &addr->sin_addr);
    error = getsockopt(sockfd, IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, sub_tuple, &optlen);
    if (error == 0)
        error = (int)sub_tuple->id;
    free(sub_tuple);
    return error;
}

int main(int argc, char **argv)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(argc > 5 ? atoi(argv[2]) : 0))};
    int sockfd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), id;
    struct mptcp_close_sub_id close_sub;
    unsigned int optlen = sizeof close_sub, info_size = sizeof(struct tcp_info);
    struct tcp_info info = {0};
    struct mptcp_sub_getsockopt option = {
        .level = IPPROTO_TCP, .optname = TCP_INFO, .optval = &info, .optlen = &info_size};
    unsigned int option_size = sizeof option;
    char byte = 'x';

    if (argc <= 5 || inet_pton(AF_INET, argv[1], &peer.sin_addr) != 1 || sockfd < 0 ||
        connect(sockfd, (struct sockaddr *)&peer, sizeof peer) < 0 || write(sockfd, &byte, 1) != 1 ||
        read(sockfd, &byte, 1) != 1)
        return 1;
    if ((id = open_subflow(sockfd, argv)) < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(id));
        return 1;
    }
    print_subflows(sockfd);
    option.id = close_sub.id = (uint32_t)id;
    if (getsockopt(sockfd, IPPROTO_TCP, MPTCP_SUB_GETSOCKOPT, &option, &option_size) == 0)
        printf("rto of %d : %u us\n", id, info.tcpi_rto);
    if (getsockopt(sockfd, IPPROTO_TCP, MPTCP_CLOSE_SUB_ID, &close_sub, &optlen) == 0)
        print_subflows(sockfd);
    close(sockfd);
    return 0;
}
