/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/errors.h>

void mptcp_address_plain(struct mptcp_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address->family != AF_INET6 || memcmp(address->bytes, mapped, sizeof mapped) != 0)
        return;
    address->family = AF_INET;
    memcpy(address->bytes, address->bytes + 12, 4);
    memset(address->bytes + 4, 0, 12);
}

bool mptcp_address_from(struct mptcp_address *ret_address, const struct sockaddr *address, size_t size)
{
    struct mptcp_address a = {0};

    if (size < sizeof(sa_family_t))
        return false;
    if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        a.family = AF_INET;
        a.port = ntohs(in.sin_port);
        memcpy(a.bytes, &in.sin_addr, 4);
    } else if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        a.family = AF_INET6;
        a.port = ntohs(in6.sin6_port);
        a.interface = in6.sin6_scope_id;
        memcpy(a.bytes, &in6.sin6_addr, 16);
        mptcp_address_plain(&a);
    } else {
        return false;
    }
    *ret_address = a;
    return true;
}

void mptcp_address_to(const struct mptcp_address *address, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    if (address->family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&in.sin_addr, address->bytes, 4);
        memcpy(ret_address, &in, sizeof in);
    } else if (address->family == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        memcpy(&in6.sin6_addr, address->bytes, 16);
        if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
            in6.sin6_scope_id = address->interface;
        memcpy(ret_address, &in6, sizeof in6);
    }
}

size_t mptcp_sockaddr_size(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET    ? sizeof(struct sockaddr_in)
           : address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                            : 0;
}

bool mptcp_address_same_host(const struct mptcp_address *a, const struct mptcp_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool mptcp_address_same(const struct mptcp_address *a, const struct mptcp_address *b)
{
    return mptcp_address_same_host(a, b) && a->port == b->port;
}

bool mptcp_address_is_any(const struct mptcp_address *address)
{
    static const uint8_t zeros[16];

    return address->family == 0 || memcmp(address->bytes, zeros, sizeof zeros) == 0;
}

static int read_port(const char *text, uint16_t *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || port > 65535)
        return -HAWSER_EENDPOINT;
    *ret_port = (uint16_t)port;
    return 0;
}

/* Without the interface. text is changed. */
static int read_host(char *text, struct mptcp_address *a)
{
    char *port = NULL, *end;

    if (*text == '[') {
        if (!(end = strchr(++text, ']')) || (end[1] && end[1] != ':'))
            return -HAWSER_EENDPOINT;
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
    } else if ((end = strchr(text, ':')) && !strchr(end + 1, ':')) {
        *end = '\0';
        port = end + 1;
    }
    if (inet_pton(AF_INET, text, a->bytes) == 1)
        a->family = AF_INET;
    else if (inet_pton(AF_INET6, text, a->bytes) == 1)
        a->family = AF_INET6;
    else
        return -HAWSER_EENDPOINT;
    return port ? read_port(port, &a->port) : 0;
}

int mptcp_address_read(const char *text, struct mptcp_address *ret_address)
{
    struct mptcp_address a = {0};
    char copy[MPTCP_ADDRESS_TEXT], *at;
    int r = 0;

    if (strlen(text) >= sizeof copy || !*text)
        return -HAWSER_EENDPOINT;
    strcpy(copy, text);
    if ((at = strchr(copy, '@'))) {
        *at = '\0';
        if (!(a.interface = if_nametoindex(at + 1)))
            return at[1] ? -ENODEV : -HAWSER_EENDPOINT;
    }
    if (*copy)
        r = read_host(copy, &a);
    if (r == 0)
        *ret_address = a;
    return r;
}

const char *mptcp_address_print(const struct mptcp_address *address, char text[MPTCP_ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "any";

    if (address->family)
        inet_ntop(address->family, address->bytes, host, sizeof host);
    snprintf(text, MPTCP_ADDRESS_TEXT, address->family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, address->port);
    return text;
}
