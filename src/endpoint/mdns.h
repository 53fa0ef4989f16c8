/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multicast DNS, asking only (RFC 6762 section 5.1): a question goes from a port of our own to the group on each link, and
 * whoever knows answers to that port. Nothing is kept beyond the questions under way.
 */
#ifndef ENDPOINT_MDNS_H
#define ENDPOINT_MDNS_H

#include "endpoint/dns_message.h"
#include "loop/loop.h"

struct mdns;
int mdns_new(hawser_context *context, struct mdns **ret_mdns);
void mdns_free(struct mdns *mdns); /* NULL is nothing; no question is under way */

/* Its memory is the asker's; list_init() its link before use. */
struct mdns_query {
    struct list link;
    struct mdns *mdns;
    struct dns_name name;
    unsigned type;
    unsigned interface; /* number; 0: all of them */
    uint16_t id;
    unsigned sent;
    struct loop_timer again;
    /* From dispatch, for each answer that comes from the link: well-formed as far as its header and question. */
    void (*answered)(struct mdns_query *query, const uint8_t *packet, size_t size, unsigned interface);
};
/* Asks, and goes on asking after 1 s and 3 s. -ENETUNREACH: there is no link where one could ask. */
int mdns_ask(struct mdns *mdns, struct mdns_query *query);
void mdns_forget(struct mdns_query *query); /* nothing when it is not under way; also inside answered() */

#endif
