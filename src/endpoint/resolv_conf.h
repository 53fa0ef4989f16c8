/* SPDX-License-Identifier: Apache-2.0 */
/* What counts of resolv.conf(5): name servers, search domains, ndots. The limits are the system resolver's. */
#ifndef ENDPOINT_RESOLV_CONF_H
#define ENDPOINT_RESOLV_CONF_H

#include "endpoint/host.h"

enum { RESOLV_SERVERS = 3, RESOLV_SEARCH = 6, RESOLV_SERVER_SIZE = 80, RESOLV_NDOTS_MAX = 15 };

struct resolv_conf {
    unsigned server_count, search_count, ndots;
    char server[RESOLV_SERVERS][RESOLV_SERVER_SIZE]; /* "192.0.2.1", "fe80::1%eth0", "127.0.0.1@5353" */
    char search[RESOLV_SEARCH][HOST_SIZE];
};

/* Without the file, or without a name server in it, the server is 127.0.0.1, as the system's resolver has it. */
void resolv_conf_read(const char *file, struct resolv_conf *ret_conf);

#endif
