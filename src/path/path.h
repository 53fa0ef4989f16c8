/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces, addresses and routes of this host, by rtnetlink, and what they mean for a remote address. One watch a
 * context, made at first use: a dump at first, then events. Nothing here sends a packet.
 */
#ifndef PATH_PATH_H
#define PATH_PATH_H

#include <hawser/hawser.h>
#include <hawser/path.h>

#include "base/list.h"
#include "layer/layer.h"
#include "property/property.h"

struct paths;
int paths_of(hawser_context *context, struct paths **ret_paths);

/* Is told in dispatch after a change; changes within 10 ms are one. */
struct paths_user {
    struct list link;
    void (*changed)(struct paths_user *user);
};
void paths_join(struct paths *paths, struct paths_user *user); /* leaves by list_remove(), also while told */

enum { PATHS_MAX = 8, PATH_NETWORK = 80, PATH_REASON = 160 };
/* Addresses that only a default route matches: for "anywhere". Nothing is sent to them. */
#define PATH_ANYWHERE_V4 "1.0.0.0"
#define PATH_ANYWHERE_V6 "2000::"

/* One way towards a remote address. */
struct path_choice {
    unsigned index; /* the interface's; 0: unix sockets, and where the system tells no interfaces */
    char interface[32];
    bool system; /* what the system's routes choose */
    bool bind;   /* sockets are to be bound to the interface: not for what the system chooses (S1.50), unless
                                 * some interface is prohibited or required: routes may change under a socket */
    struct layer_address local; /* to bind to; size 0: need not */
    int rank;                   /* lower first; comparable between remote addresses */
    int64_t delay_us;           /* the head start of those before it; 0: RACE_PATH_DELAY */
    char network[PATH_NETWORK]; /* which network this is: interface, gateway and the gateway's link address */
    bool usable;
    int code;                 /* -ENETUNREACH, -ENETDOWN, -ENODEV, -HAWSER_EPROHIBITED, -EADDRNOTAVAIL; 0 */
    char reason[PATH_REASON]; /* why not usable ("policy.conf:3 prohibits cellular"), or why ranked so; "" */
    /* For people: */
    char type[32]; /* "ethernet", "wifi", ... or the policy's word */
    int cost;
    bool metered;
    bool temporary; /* source is an IPv6 privacy address */
    unsigned mtu;
    struct layer_address source;  /* what it would leave from; size 0: not known */
    struct layer_address gateway; /* size 0: on the same link */
};

/* What a program asked of paths. */
struct path_wish {
    const struct property_values
        *values;           /* interface, pvd, family, useTemporaryLocalAddress, capacity profile; NULL: none */
    const char *interface; /* "@eth0" of the endpoint; NULL or "": any */
    const struct layer_address *local; /* the local endpoint; NULL or size 0: any */
    const char *host;                  /* what the program wrote, for policies "for" some hosts; NULL: the address */
};

/*
 * The choices towards an address, usable ones first by rank; how many: at least one. The one the system would take is
 * among them, and first unless wish or policy say otherwise. An interface without a route to the address is not listed,
 * but the ones named in the wish are, with the reason; with no route at all there is one without a name that says so.
 * Where the system's route is more specific, or leads into a tunnel, other interfaces count only when they are named or
 * preferred: what is to go through a VPN does not leave beside it.
 */
size_t paths_choose(struct paths *paths, const struct layer_address *remote, const struct path_wish *wish,
                    struct path_choice ret_choices[PATHS_MAX]);
/* Which network a choice is in by now: before anything was sent the gateway's link address may not be known. */
void paths_network(struct paths *paths, const struct layer_address *remote, unsigned index,
                   char ret_network[PATH_NETWORK]);
/* Whether an interface is up and running. */
bool paths_running(struct paths *paths, unsigned index);
/* The families that this host could speak to others in: bits 2 (IPv6) and 4 (IPv4) for those in which it has an address that
 * reaches beyond its link; 0: not known, or alone on its link. */
unsigned paths_families(struct paths *paths);
/* RFC 6724 section 6: ret_order[i] is the rank of address i, 0 the best; an address without a route comes last. */
void paths_sort(struct paths *paths, const struct layer_address *addresses, size_t count, unsigned *ret_order);

#endif
