/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pairs of our interfaces and the peer's addresses are to have a strand: one an interface; where there is but one
 * interface, one an address of the peer. A pair that has a strand keeps it.
 */
#include "association/weave_internal.h"

#include <netinet/in.h>
#include <stdio.h>

#include "association/properties.h"

enum { PAIRS_MAX = 64, REMOTES_MAX = 32 };

struct pair {
    struct path_choice choice;
    struct layer_address remote;
    unsigned ways;
    char stack[48];
    int wish; /* the place in the program's list */
    bool proven, has_strand, taken;
};

struct looking {
    struct weave *weave;
    struct layer_address remotes[REMOTES_MAX];
    unsigned ways[REMOTES_MAX];
    bool proven[REMOTES_MAX];
    unsigned remote_count;
    struct pair pairs[PAIRS_MAX];
    unsigned pair_count;
};

bool weave_same_address(const struct layer_address *a, const struct layer_address *b)
{
    const struct sockaddr_in *a4 = (const void *)&a->address, *b4 = (const void *)&b->address;
    const struct sockaddr_in6 *a6 = (const void *)&a->address, *b6 = (const void *)&b->address;

    if (a4->sin_family != b4->sin_family || a4->sin_port != b4->sin_port)
        return false;
    if (a4->sin_family == AF_INET6)
        return memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0 && a6->sin6_scope_id == b6->sin6_scope_id;
    return a4->sin_family == AF_INET && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

/* ------------------------------------------------------------------------------------------------------- the peer's */

static void add_remote(struct looking *looking, const struct layer_address *address, unsigned ways, bool proven)
{
    if (address->address.ss_family != AF_INET && address->address.ss_family != AF_INET6)
        return;
    for (unsigned i = 0; i < looking->remote_count; i++) {
        if (weave_same_address(&looking->remotes[i], address)) {
            looking->proven[i] |= proven;
            looking->ways[i] |= ways;
            return;
        }
    }
    if (looking->remote_count == REMOTES_MAX)
        return;
    looking->remotes[looking->remote_count] = *address;
    looking->ways[looking->remote_count] = ways;
    looking->proven[looking->remote_count++] = proven;
}

/* What the program named counts as proven: it may be tried as often as the program's own opening would. */
static void add_endpoint(struct looking *looking, const char *text)
{
    struct endpoint endpoint;
    char reason[REASON_SIZE];

    if (endpoint_parse(text, &endpoint, reason, sizeof reason) == 0 && endpoint.kind == ENDPOINT_ADDRESS)
        add_remote(looking, &endpoint.address, 0, true);
}

static void add_endpoints(struct looking *looking)
{
    const hawser_association *association = looking->weave->association;
    char line[512];

    add_endpoint(looking, association->endpoint);
    for (const char *at = association->ways ? association->ways->others : NULL; at && *at;) {
        size_t size = strcspn(at, "\n");

        if (snprintf(line, sizeof line, "%.*s", (int)size, at) < (int)sizeof line)
            add_endpoint(looking, line);
        at += size + (at[size] == '\n');
    }
}

static void gather_remotes(struct looking *looking)
{
    struct weave *weave = looking->weave;
    struct layer_address local, remote;

    for (struct list *at = weave->association->strands.next; at != &weave->association->strands; at = at->next) {
        const struct strand *strand = container_of(at, struct strand, link);

        if (!strand->top || strand->dead || !strand->secured || (strand->path && strand->path->untold))
            continue;
        layer_addresses(strand->top, &local, &remote);
        if (remote.size)
            add_remote(looking, &remote, 0, true);
    }
    add_endpoints(looking);
    for (unsigned i = 0; i < weave->told_count; i++)
        add_remote(looking, &weave->told[i].address, weave->told[i].ways, false);
    for (unsigned i = 0; i < WEAVE_PATHS; i++) /* what answered once need not prove itself again */
        for (unsigned j = 0; weave->paths[i].used && j < looking->remote_count; j++)
            if (weave->paths[i].proven && weave_same_address(&weave->paths[i].remote, &looking->remotes[j]))
                looking->proven[j] = true;
}

/* --------------------------------------------------------------------------------------------------- the program's */

bool weave_wants_all(const hawser_association *association)
{
    const char *paths = association->ways ? association->ways->paths : NULL;

    return paths && strcmp(paths, "all") == 0;
}

const struct layer_address *weave_local(const hawser_association *association)
{
    return association->ways && association->ways->local.size ? &association->ways->local : NULL;
}

/* Where an interface stands in "eth0,wlan0=quic/udp"; -1: it is not wanted. "all": every one, in the order of its rank. */
static int wish_of(const hawser_association *association, const struct path_choice *choice, char *ret_stack,
                   size_t size)
{
    const char *at = association->ways ? association->ways->paths : NULL;
    int place = 0;

    *ret_stack = '\0';
    if (!at || strcmp(at, "all") == 0)
        return at ? 0 : -1;
    for (; *at; place++) {
        size_t length = strcspn(at, ","), name = strcspn(at, ",=");

        if ((strncmp(at, choice->interface, name) == 0 && choice->interface[name] == '\0') ||
            (strncmp(at, choice->type, name) == 0 && choice->type[name] == '\0')) {
            if (name < length)
                (void)snprintf(ret_stack, size, "%.*s", (int)(length - name - 1), at + name + 1);
            return place;
        }
        at += length + (at[length] == ',');
    }
    return -1;
}

static bool is_well_formed(const char *at, bool alone)
{
    size_t length = strcspn(at, ","), name = strcspn(at, ",=");

    if (name == 3 && memcmp(at, "all", 3) == 0)
        return alone && !at[3];
    return name > 0 && name < 32 && length - name <= 47 && (name == length || length > name + 1) &&
           (at[length] != ',' || at[length + 1]);
}

int weave_check(const hawser_context *context, const char *paths, char *reason, size_t reason_size)
{
    char stack[48];

    for (const char *at = paths; *at;) {
        size_t length = strcspn(at, ","), name = strcspn(at, ",=");

        if (!is_well_formed(at, at == paths)) {
            (void)snprintf(reason, reason_size, "paths are \"all\" or interfaces with commas, not \"%.100s\"", paths);
            return -EINVAL;
        }
        (void)snprintf(stack, sizeof stack, "%.*s", name < length ? (int)(length - name - 1) : 0, at + name + 1);
        if (*stack && !stack_known(context, stack)) {
            (void)snprintf(reason, reason_size, "there is no stack \"%s\"", stack);
            return -EINVAL;
        }
        at += length + (at[length] == ',');
    }
    if (*paths)
        return 0;
    (void)snprintf(reason, reason_size, "paths are \"all\" or interfaces with commas, not \"\"");
    return -EINVAL;
}

/* ------------------------------------------------------------------------------------------------------------- pairs */

static struct weave_path *find_path(struct weave *weave, const char *interface, const struct layer_address *remote)
{
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        struct weave_path *path = &weave->paths[i];

        if (path->used && strcmp(path->interface, interface) == 0 && weave_same_address(&path->remote, remote))
            return path;
    }
    return NULL;
}

static void gather_pairs(struct looking *looking)
{
    hawser_association *association = looking->weave->association;
    struct path_choice choices[PATHS_MAX];
    struct paths *paths;

    if (paths_of(association->context, &paths) < 0)
        return;
    for (unsigned i = 0; i < looking->remote_count; i++) {
        const struct path_wish wish = {
            .values = properties_values(association->properties),
            .local = weave_local(association),
            .interface = association->ways ? association->ways->local_interface : NULL,
        };
        size_t count = paths_choose(paths, &looking->remotes[i], &wish, choices);

        for (size_t j = 0; j < count && looking->pair_count < PAIRS_MAX; j++) {
            struct pair *pair = &looking->pairs[looking->pair_count];
            const struct weave_path *path;

            pair->wish = wish_of(association, &choices[j], pair->stack, sizeof pair->stack);
            if (!choices[j].usable || pair->wish < 0)
                continue;
            pair->choice = choices[j];
            pair->remote = looking->remotes[i];
            pair->ways = looking->ways[i];
            pair->proven = looking->proven[i];
            path = find_path(looking->weave, pair->choice.interface, &pair->remote);
            pair->has_strand = path && path->strand;
            /* An address that may be a lie, and had its one attempt, keeps no other from the interface. */
            if (!pair->proven && !pair->has_strand && !(path && path->establish) &&
                weave_was_tried(looking->weave, &pair->remote))
                continue;
            looking->pair_count++;
        }
    }
}

static bool better(const struct pair *a, const struct pair *b)
{
    bool a_near = a->choice.gateway.size == 0, b_near = b->choice.gateway.size == 0;

    if (a->has_strand != b->has_strand)
        return a->has_strand;
    if (a->wish != b->wish)
        return a->wish < b->wish;
    if (a_near != b_near)
        return a_near;
    if (a->choice.rank != b->choice.rank)
        return a->choice.rank < b->choice.rank;
    return a->proven && !b->proven;
}

static bool interface_taken(const struct looking *looking, const struct pair *pair)
{
    for (unsigned i = 0; i < looking->pair_count; i++)
        if (looking->pairs[i].taken && strcmp(looking->pairs[i].choice.interface, pair->choice.interface) == 0)
            return true;
    return false;
}

static bool remote_taken(const struct looking *looking, const struct pair *pair)
{
    for (unsigned i = 0; i < looking->pair_count; i++)
        if (looking->pairs[i].taken && weave_same_address(&looking->pairs[i].remote, &pair->remote))
            return true;
    return false;
}

/* The best pair that is on a new interface (or, with others, at a new address of the peer); NULL: none. */
static struct pair *next_pair(struct looking *looking, bool new_remote)
{
    struct pair *best = NULL;

    for (unsigned i = 0; i < looking->pair_count; i++) {
        struct pair *pair = &looking->pairs[i];

        if (pair->taken || (new_remote ? remote_taken(looking, pair) : interface_taken(looking, pair)))
            continue;
        if (!best || better(pair, best))
            best = pair;
    }
    return best;
}

static void choose_pairs(struct looking *looking)
{
    unsigned count = 0;
    struct pair *pair;

    while (count < WEAVE_PATHS && (pair = next_pair(looking, false))) {
        pair->taken = true;
        count++;
    }
    while (count < 2 && (pair = next_pair(looking, true))) {
        pair->taken = true;
        count++;
    }
}

/* ------------------------------------------------------------------------------------------------------------- table */

static struct weave_path *free_path(struct weave *weave)
{
    for (unsigned i = 0; i < WEAVE_PATHS; i++)
        if (!weave->paths[i].used)
            return &weave->paths[i];
    return NULL;
}

static void want(struct weave *weave, const struct pair *pair)
{
    struct weave_path *path = find_path(weave, pair->choice.interface, &pair->remote);

    if (!path && (path = free_path(weave))) {
        *path = (struct weave_path){.weave = weave, .used = true, .remote = pair->remote};
        (void)snprintf(path->interface, sizeof path->interface, "%s", pair->choice.interface);
        path->retry_at = association_now(weave->association);
    }
    if (!path)
        return;
    /* It is back, or new, or somebody answered there by another interface: at once. */
    if (!path->strand && (!path->was_wanted || path->retry_at == NEVER)) {
        path->failures = 0;
        path->retry_at = association_now(weave->association);
    }
    path->wanted = true;
    path->ways = pair->ways;
    path->proven |= pair->proven;
    path->rank = pair->choice.rank + pair->wish * 1000;
    path->cost = pair->choice.cost > 0 ? (unsigned)pair->choice.cost : 0;
    path->metered = pair->choice.metered;
    (void)snprintf(path->stack, sizeof path->stack, "%s", pair->stack);
}

static void forget_unwanted(struct weave *weave)
{
    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        struct weave_path *path = &weave->paths[i];

        if (!path->used || path->wanted || path->strand)
            continue;
        establish_free(path->establish);
        memset(path, 0, sizeof *path);
    }
}

static void whereabouts(const struct strand *strand, struct layer_address *ret_remote, char ret_interface[32])
{
    struct layer_address local;
    char ours[PATH_TEXT], theirs[PATH_TEXT];

    layer_addresses(strand->top, &local, ret_remote);
    layer_path(strand->top, ours, sizeof ours, theirs, sizeof theirs, ret_interface, 32);
}

bool weave_same_path(const struct strand *a, const struct strand *b)
{
    struct layer_address a_remote, b_remote;
    char a_interface[32], b_interface[32];

    whereabouts(a, &a_remote, a_interface);
    whereabouts(b, &b_remote, b_interface);
    if (a_remote.size == 0 || a_remote.size != b_remote.size || strcmp(a_interface, b_interface) != 0)
        return false;
    return a_remote.address.ss_family == AF_UNIX ? memcmp(&a_remote.address, &b_remote.address, a_remote.size) == 0
                                                 : weave_same_address(&a_remote, &b_remote);
}

struct weave_path *weave_path_of(struct weave *weave, struct strand *strand)
{
    struct layer_address remote;
    char interface[32];
    struct weave_path *path;

    whereabouts(strand, &remote, interface);
    if (remote.size == 0 || (remote.address.ss_family != AF_INET && remote.address.ss_family != AF_INET6))
        return NULL; /* a Unix socket is no pair */
    path = find_path(weave, interface, &remote);
    if (!path && (path = free_path(weave))) {
        *path = (struct weave_path){.weave = weave, .used = true, .remote = remote, .proven = true};
        (void)snprintf(path->interface, sizeof path->interface, "%s", interface);
    }
    return path;
}

/* Those that are in the table already; what is not wanted any more makes room for others. */
static void mark_wanted(struct looking *looking)
{
    struct weave *weave = looking->weave;

    for (unsigned i = 0; i < WEAVE_PATHS; i++) {
        weave->paths[i].was_wanted = weave->paths[i].wanted;
        weave->paths[i].wanted = false;
    }
    for (unsigned i = 0; i < looking->pair_count; i++) {
        const struct pair *pair = &looking->pairs[i];
        struct weave_path *path = find_path(weave, pair->choice.interface, &pair->remote);

        if (path && pair->taken)
            path->wanted = true;
    }
}

void weave_look(struct weave *weave)
{
    struct looking *looking;

    weave->look = false;
    if (!weave->association->ways || !weave->association->ways->paths) {
        forget_unwanted(weave); /* where strands were that were had again */
        return;
    }
    looking = calloc(1, sizeof *looking);
    if (!looking)
        return; /* at the next change */
    looking->weave = weave;
    gather_remotes(looking);
    gather_pairs(looking);
    choose_pairs(looking);
    mark_wanted(looking);
    forget_unwanted(weave);
    for (unsigned i = 0; i < looking->pair_count; i++)
        if (looking->pairs[i].taken)
            want(weave, &looking->pairs[i]);
    free(looking);
}
