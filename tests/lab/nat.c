/* SPDX-License-Identifier: Apache-2.0 */
/* Address and port translation: whoever is on the left is seen on the right as one address, with ports of its choice. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

enum { PORTS_FROM = 20000 };

struct mapping {
    int protocol;
    uint8_t address[4];
    unsigned port;
};

struct nat {
    uint8_t address[4]; /* as the right sees it */
    unsigned first;     /* port of mappings[0] */
    unsigned count;     /* of mappings */
    struct mapping mappings[512];
};

int nat_set(struct link *link, const char *address)
{
    struct nat *nat = link->nat ? link->nat : calloc(1, sizeof *nat);

    if (!nat || inet_pton(AF_INET, address, nat->address) != 1) {
        if (!link->nat)
            free(nat);
        return -1;
    }
    link->nat = nat;
    nat->first = PORTS_FROM;
    nat->count = 0;
    return 0;
}

/* All that was known is forgotten, and the next packets get other ports. */
void nat_rebind(struct link *link)
{
    if (!link->nat)
        return;
    link->nat->first += link->nat->count + 1;
    link->nat->count = 0;
}

static bool translates(const struct parsed *p)
{
    return p->family == 4 && p->transport && (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP);
}

static bool outward(struct nat *nat, struct parsed *p)
{
    unsigned i;

    for (i = 0; i < nat->count; i++)
        if (nat->mappings[i].protocol == p->protocol && nat->mappings[i].port == p->source_port &&
            memcmp(nat->mappings[i].address, p->source + 12, 4) == 0)
            break;
    if (i == sizeof nat->mappings / sizeof *nat->mappings)
        return false;
    if (i == nat->count) {
        nat->mappings[i] = (struct mapping){.protocol = p->protocol, .port = p->source_port};
        memcpy(nat->mappings[i].address, p->source + 12, 4);
        nat->count++;
    }
    rewrite(p, true, nat->address, nat->first + i);
    return true;
}

static bool inward(struct nat *nat, struct parsed *p)
{
    const struct mapping *mapping;

    if (memcmp(p->destination + 12, nat->address, 4) != 0)
        return false;
    if (p->destination_port < nat->first || p->destination_port - nat->first >= nat->count)
        return false;
    mapping = &nat->mappings[p->destination_port - nat->first];
    if (mapping->protocol != p->protocol)
        return false;
    rewrite(p, false, mapping->address, mapping->port);
    return true;
}

/* Whether the packet goes on. What cannot be translated passes as it is. */
bool nat_pass(struct link *link, int direction, struct parsed *packet)
{
    if (!link->nat || !translates(packet))
        return true;
    return direction == 0 ? outward(link->nat, packet) : inward(link->nat, packet);
}
