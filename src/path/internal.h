/* SPDX-License-Identifier: Apache-2.0 */
/* What is private to this folder. */
#ifndef PATH_INTERNAL_H
#define PATH_INTERNAL_H

#include "layer/interface.h"
#include "path/path.h"
#include "path/policy.h"
#include "path/route.h"

enum { KINDS = 16, NEIGHBOURS = 16, ANSWERS = 32 };

struct paths {
    hawser_context *context;
    struct interfaces *interfaces;
    struct interfaces_user watch;
    struct list users;
    /* What looking up an interface's type costs is paid once: they seldom change. */
    struct kind {
        unsigned index;
        char name[IF_NAMESIZE];
        const char *type;
    } kinds[KINDS];
    unsigned kind_next;
    /* A gateway keeps its link address though the kernel forgets it while nothing is sent. */
    struct neighbour {
        unsigned index; /* 0: none */
        struct layer_address address;
        char link[24];
    } neighbours[NEIGHBOURS];
    unsigned neighbour_next;
    /* What the kernel answered about routes holds until it tells of a change. */
    int fd; /* for questions; -1: not open */
    uint64_t generation;
    int64_t refreshed_at;
    struct answer {
        bool set;
        unsigned index;
        struct layer_address remote, source; /* source.size 0: any */
        int code;
        struct route route;
    } answers[ANSWERS];
    unsigned answer_next;
};

/* One way while it is looked at. */
struct way {
    struct path_choice choice;
    const struct interface *interface; /* NULL: not there */
    struct route route;
};

/* paths.c */
int paths_route(struct paths *paths, const struct layer_address *remote, unsigned index,
                const struct layer_address *source, struct route *ret_route);
bool paths_ask(struct paths *paths); /* whether the kernel can be asked; opens fd */
void paths_refresh(struct paths *paths);

/* kind.c: "ethernet", "wifi", "cellular", "loopback", "tunnel", "virtual", "other" */
const char *kind_of(struct paths *paths, const struct interface *interface);
int kind_cost(const char *type);

/* network.c */
void network_name(struct paths *paths, const struct interface *interface, int family, const struct route *route,
                  char ret_name[PATH_NETWORK]);
void network_forget(struct paths *paths, unsigned index);

/* judge.c: says of a way that has a route whether it may be used, and its rank. */
struct judging {
    struct paths *paths;
    const struct layer_address *remote;
    const struct path_wish *wish;
    const char *host; /* what policies "for" hosts are held against */
    const struct policy *policy;
    bool system_tunnel;   /* the system's route leads into a tunnel */
    char system_name[32]; /* its interface */
    unsigned system_prefix;
};
void judge(const struct judging *judging, struct way *way);
bool judge_binds(const struct judging *judging); /* whether sockets must be kept from following routes elsewhere */
void way_refuse(struct way *way, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
