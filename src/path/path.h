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
void paths_join(struct paths *paths, struct paths_user *user); /* leaves by list_remove() */

enum { PATHS_MAX = 8, PATH_NETWORK = 80, PATH_REASON = 160 };

/* One way towards a remote address. */
struct path_choice {
    unsigned index; /* the interface's; 0: unix sockets */
    char interface[32];
    bool system;                /* what the system's routes choose: needs no binding, and gets none (S1.50) */
    struct layer_address local; /* to bind to; size 0: need not */
    int rank;                   /* lower first */
    int64_t delay_us;           /* the head start of those before it; 0: RACE_PATH_DELAY */
    char network[PATH_NETWORK]; /* which network this is: interface, gateway and the gateway's link address */
    bool usable;
    int code;                 /* -ENETUNREACH, -HAWSER_EPROHIBITED, -EADDRNOTAVAIL; 0 */
    char reason[PATH_REASON]; /* why not usable: "the policy prohibits cellular" */
};

/* What a program asked of paths. */
struct path_wish {
    const struct property_values *values; /* interface, useTemporaryLocalAddress, capacity profile, family */
    const char *interface;                /* "@eth0" of the endpoint; "": any */
    const struct layer_address *local;    /* the local endpoint; NULL or size 0: any */
};

/*
 * The choices towards an address, usable ones first by rank; how many. The one the system would take is among them, and
 * first unless wish or policy say otherwise. An interface without a route to the address (none, or down) is not listed,
 * but the ones named in the wish are, with the reason.
 */
size_t paths_choose(struct paths *paths, const struct layer_address *remote, const struct path_wish *wish,
                    struct path_choice ret_choices[PATHS_MAX]);
/* Whether an interface is up and running. */
bool paths_running(struct paths *paths, unsigned index);
/* RFC 6724 section 6: ret_order[i] is the rank of address i, 0 the best; an address without a route comes last. */
void paths_sort(struct paths *paths, const struct layer_address *addresses, size_t count, unsigned *ret_order);

#endif
