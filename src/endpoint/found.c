/* SPDX-License-Identifier: Apache-2.0 */
/* What is found: each offer with each address of its target, or with its hints while the target's are not known. */
#include <arpa/inet.h>
#include <string.h>

#include "endpoint/resolution.h"

struct listing {
    struct found found[FOUND_MAX];
    size_t count;
};

static void set_port(struct layer_address *address, uint16_t port)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (address->address.ss_family == AF_INET6) {
        memcpy(&v6, &address->address, sizeof v6);
        v6.sin6_port = htons(port);
        memcpy(&address->address, &v6, sizeof v6);
    } else {
        memcpy(&v4, &address->address, sizeof v4);
        v4.sin_port = htons(port);
        memcpy(&address->address, &v4, sizeof v4);
    }
}

static bool same_address(const struct found *a, const struct found *b)
{
    return a->address.size == b->address.size && !memcmp(&a->address.address, &b->address.address, a->address.size);
}

/* Also a hint and the address that it foretold. */
static bool same_found(const struct found *a, const struct found *b)
{
    return same_address(a, b) && a->rank == b->rank && a->priority == b->priority && a->weight == b->weight &&
           a->no_default_alpn == b->no_default_alpn && !memcmp(a->alpn, b->alpn, sizeof a->alpn) &&
           !strcmp(a->target, b->target);
}

/* The host's own address beside a record that offers the same one with its default protocol adds nothing. */
static bool covered(const struct listing *listing, const struct found *found)
{
    for (size_t i = 0; i < listing->count; i++)
        if (same_found(&listing->found[i], found) ||
            (found->rank >= RESOLVE_RANK_ALIAS && same_address(&listing->found[i], found) &&
             !listing->found[i].no_default_alpn))
            return true;
    return false;
}

static void add_found(struct listing *listing, const struct offer *offer, const struct target *target,
                      const struct layer_address *address, bool hint)
{
    const struct family_state *family = &target->families[address->address.ss_family == AF_INET6 ? V6 : V4];
    struct found found = {.address = *address,
                          .priority = offer->priority,
                          .weight = offer->weight,
                          .rank = offer->rank,
                          .no_default_alpn = offer->no_default_alpn,
                          .hint = hint,
                          .dnssec = offer->dnssec,
                          .expires = offer->expires};

    set_port(&found.address, offer->port);
    memcpy(found.target, target->host, sizeof found.target);
    memcpy(found.alpn, offer->alpn, sizeof found.alpn);
    if (!hint) {
        if (found.dnssec == DNSSEC_NOT_ASKED || family->dnssec == DNSSEC_INSECURE)
            found.dnssec = family->dnssec;
        if (family->expires < found.expires)
            found.expires = family->expires;
    }
    if (listing->count < FOUND_MAX && !covered(listing, &found))
        listing->found[listing->count++] = found;
}

/* The addresses that count now: the target's of a family that was answered, else the hints. */
static void add_offer(struct listing *listing, const struct resolution *resolution, const struct offer *offer)
{
    const struct target *target = &resolution->targets[offer->target];
    struct addresses now = target->addresses;
    struct layer_address list[ADDRESSES_MAX];
    bool hints[FAMILIES];
    size_t count;

    for (int family = 0; family < FAMILIES; family++)
        hints[family] = target->families[family].state != ANSWERED;
    if (hints[V6]) {
        memcpy(now.v6, offer->hints.v6, sizeof now.v6);
        now.v6_count = offer->hints.v6_count;
    }
    if (hints[V4]) {
        memcpy(now.v4, offer->hints.v4, sizeof now.v4);
        now.v4_count = offer->hints.v4_count;
    }
    count = addresses_interleave(&now, list);
    for (size_t i = 0; i < count; i++)
        add_found(listing, offer, target, &list[i], hints[list[i].address.ss_family == AF_INET6 ? V6 : V4]);
}

static const struct found *find_same(const struct found *list, size_t count, const struct found *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (same_found(&list[i], wanted))
            return &list[i];
    return NULL;
}

/* Those told before go first, in their order; then the new ones. */
size_t found_update(struct resolution *resolution)
{
    struct listing listing = {.count = 0};
    size_t kept = 0;

    for (unsigned i = 0; i < resolution->offer_count; i++)
        add_offer(&listing, resolution, &resolution->offers[i]);
    resolution->gone_count = 0;
    for (size_t i = 0; i < resolution->found_count; i++) {
        const struct found *now = find_same(listing.found, listing.count, &resolution->found[i]);

        if (now)
            resolution->found[kept++] = *now;
        else
            resolution->gone[resolution->gone_count++] = resolution->found[i];
    }
    resolution->found_count = kept;
    for (size_t i = 0; i < listing.count; i++)
        if (!find_same(resolution->found, kept, &listing.found[i]))
            resolution->found[resolution->found_count++] = listing.found[i];
    return kept;
}
