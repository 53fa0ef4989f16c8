/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/port.h"

void addresses_init(struct addresses *addresses, uint16_t port)
{
    addresses->port = port;
    addresses->v6_count = addresses->v4_count = 0;
}

void addresses_add_v6(struct addresses *addresses, const struct in6_addr *address, uint32_t scope)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(addresses->port)};

    v6.sin6_addr = *address;
    v6.sin6_scope_id = scope;
    for (size_t i = 0; i < addresses->v6_count; i++)
        if (!memcmp(&addresses->v6[i], &v6, sizeof v6))
            return;
    if (addresses->v6_count < ADDRESSES_EACH)
        addresses->v6[addresses->v6_count++] = v6;
}

void addresses_add_v4(struct addresses *addresses, const struct in_addr *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(addresses->port)};

    v4.sin_addr = *address;
    for (size_t i = 0; i < addresses->v4_count; i++)
        if (!memcmp(&addresses->v4[i], &v4, sizeof v4))
            return;
    if (addresses->v4_count < ADDRESSES_EACH)
        addresses->v4[addresses->v4_count++] = v4;
}

int addresses_add_text(struct addresses *addresses, const char *text)
{
    char copy[INET6_ADDRSTRLEN + IF_NAMESIZE], *zone;
    struct in6_addr v6;
    struct in_addr v4;
    int scope = 0;

    if (strlen(text) >= sizeof copy)
        return -EINVAL;
    memcpy(copy, text, strlen(text) + 1);
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        addresses_add_v4(addresses, &v4);
        return 0;
    }
    if ((zone = strchr(copy, '%'))) {
        *zone++ = '\0';
        scope = (int)if_nametoindex(zone);
        if (!scope && descriptor_parse(zone, &scope) < 0)
            return -EINVAL;
    }
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return -EINVAL;
    addresses_add_v6(addresses, &v6, (uint32_t)scope);
    return 0;
}

size_t addresses_count(const struct addresses *addresses)
{
    return addresses->v6_count + addresses->v4_count;
}

size_t addresses_interleave(const struct addresses *addresses, struct layer_address ret_list[ADDRESSES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < ADDRESSES_EACH; i++) {
        if (i < addresses->v6_count) {
            memcpy(&ret_list[count].address, &addresses->v6[i], sizeof addresses->v6[i]);
            ret_list[count++].size = sizeof addresses->v6[i];
        }
        if (i < addresses->v4_count) {
            memcpy(&ret_list[count].address, &addresses->v4[i], sizeof addresses->v4[i]);
            ret_list[count++].size = sizeof addresses->v4[i];
        }
    }
    return count;
}
