/* SPDX-License-Identifier: Apache-2.0 */
/* hawser_paths(): the ways towards an endpoint, with what is remembered of them, without a packet (S4.10-S4.12). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/path.h>

#include "endpoint/addresses.h"
#include "endpoint/endpoint.h"
#include "endpoint/host.h"
#include "endpoint/hosts.h"
#include "loop/loop.h"
#include "path/path.h"
#include "race/history.h"

enum { LISTED_MAX = 64, TEXT_SIZE = 128, SERVICE_SIZE = 320 };
#define NEAR_RTT 100000.0 /* microseconds: an RTT that halves the quality */

/* What one of hawser_path_info's strings points into. */
struct listed {
    struct path_choice choice;
    unsigned place; /* as found */
    char local[TEXT_SIZE], remote[TEXT_SIZE], gateway[TEXT_SIZE];
    const char *family;
};

struct path_list {
    hawser_context *context;
    size_t count;
    struct listed *listed;
    hawser_path_info *infos;
    struct paths_user user;
    void (*fn)(void *user);
    void *fn_user;
};

static void release(void *value)
{
    struct path_list *list = value;

    if (list_linked(&list->user.link))
        list_remove(&list->user.link);
    free(list->listed);
    free(list->infos);
    free(list);
}

static void changed(struct paths_user *user)
{
    struct path_list *list = container_of(user, struct path_list, user);

    list->fn(list->fn_user);
}

static int list_of(hawser_context *context, struct path_list **ret_list)
{
    struct path_list *list = loop_part(context, LOOP_PART_PATH_LIST);

    if (!list) {
        if (!(list = calloc(1, sizeof *list)))
            return -ENOMEM;
        list->context = context;
        list_init(&list->user.link);
        list->user.changed = changed;
        loop_set_part(context, LOOP_PART_PATH_LIST, list, release);
    }
    *ret_list = list;
    return 0;
}

int hawser_paths_watch(struct hawser_context *context, void (*fn)(void *user), void *user)
{
    struct path_list *list;
    struct paths *paths;
    int r;

    if ((r = loop_check(context)) < 0 || (r = list_of(context, &list)) < 0 || (r = paths_of(context, &paths)) < 0)
        return r;
    if (list_linked(&list->user.link))
        list_remove(&list->user.link);
    list->fn = fn;
    list->fn_user = user;
    if (fn)
        paths_join(paths, &list->user);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- where to */

/* The addresses of an endpoint as far as they are known without asking; none: anywhere is meant. */
static void find_remotes(const struct endpoint *endpoint, struct addresses *addresses)
{
    addresses_init(addresses, endpoint->port);
    if (endpoint->kind != ENDPOINT_HOST)
        return;
    hosts_find("/etc/hosts", endpoint->host, addresses);
    if (addresses_count(addresses) == 0 && host_is_localhost(endpoint->host)) {
        addresses_add_text(addresses, "::1");
        addresses_add_text(addresses, "127.0.0.1");
    }
}

static const char *family_of(const struct layer_address *remote)
{
    return remote->address.ss_family == AF_UNIX ? "unix" : remote->address.ss_family == AF_INET ? "ipv4" : "ipv6";
}

static void print_bare(const struct layer_address *address, char text[TEXT_SIZE])
{
    char *end;

    *text = '\0';
    if (address->size == 0 || endpoint_print_address(address, text, TEXT_SIZE) < 0)
        return;
    if (address->address.ss_family == AF_UNIX)
        return;
    if ((end = strrchr(text, ':'))) /* the port, and what is around IPv6 */
        *end = '\0';
    if (*text == '[') {
        memmove(text, text + 1, strlen(text));
        text[strcspn(text, "]")] = '\0';
    }
}

static void add(struct path_list *list, struct paths *paths, const struct layer_address *remote,
                const struct path_wish *wish, bool anywhere)
{
    struct path_choice choices[PATHS_MAX];
    size_t count = paths_choose(paths, remote, wish, choices);

    for (size_t i = 0; i < count && list->count < LISTED_MAX; i++) {
        struct listed *listed = &list->listed[list->count];
        listed->choice = choices[i];
        listed->place = (unsigned)list->count++;
        listed->family = family_of(remote);
        print_bare(&choices[i].source, listed->local);
        print_bare(&choices[i].gateway, listed->gateway);
        *listed->remote = '\0';
        if (!anywhere)
            print_bare(remote, listed->remote);
        else if (choices[i].code == -ENETUNREACH && !*choices[i].interface)
            snprintf(listed->choice.reason, sizeof listed->choice.reason, "there is no default route of %s",
                     listed->family);
    }
}

static void add_all(struct path_list *list, struct paths *paths, const struct endpoint *endpoint,
                    const struct path_wish *wish)
{
    struct layer_address remotes[ADDRESSES_MAX];
    struct addresses addresses;
    size_t count;
    bool anywhere;

    if (endpoint->kind == ENDPOINT_ADDRESS || endpoint->kind == ENDPOINT_UNIX) {
        add(list, paths, &endpoint->address, wish, false);
        return;
    }
    find_remotes(endpoint, &addresses);
    anywhere = addresses_count(&addresses) == 0;
    if (anywhere) {
        addresses_add_text(&addresses, PATH_ANYWHERE_V6);
        addresses_add_text(&addresses, PATH_ANYWHERE_V4);
    }
    count = addresses_interleave(&addresses, remotes);
    for (size_t i = 0; i < count; i++)
        add(list, paths, &remotes[i], wish, anywhere);
}

/* --------------------------------------------------------------------------------------------------- what is known */

static int compare(const void *one, const void *other)
{
    const struct listed *a = one, *b = other;

    if (a->choice.usable != b->choice.usable)
        return a->choice.usable ? -1 : 1;
    if (a->choice.usable && a->choice.rank != b->choice.rank)
        return a->choice.rank < b->choice.rank ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* As docs/policy.md says: the share of attempts that came through, less where the way is long. */
static int quality_of(const struct history_record *record)
{
    double all = record->succeeded + record->failed;

    if (all <= 0)
        return -1;
    return (int)(100 * record->succeeded / all * NEAR_RTT / (NEAR_RTT + (double)record->rtt_us) + 0.5);
}

static void tell(struct history *history, const char *service, const struct endpoint *endpoint,
                 const struct listed *listed, hawser_path_info *info)
{
    const struct path_choice *choice = &listed->choice;
    char address[TEXT_SIZE] = "";
    struct history_key key = {.network = choice->network, .service = service};
    struct history_record record = {0};
    double all;

    if (endpoint->kind == ENDPOINT_ADDRESS) {
        endpoint_print_address(&endpoint->address, address, sizeof address);
        key.address = address;
    }
    if (*service && *choice->network)
        history_recall(history, &key, &record);
    all = record.succeeded + record.failed;
    *info = (hawser_path_info){
        .interface = choice->interface,
        .type = choice->type,
        .family = listed->family,
        .local = listed->local,
        .remote = listed->remote,
        .gateway = listed->gateway,
        .usable = choice->usable,
        .reason = choice->reason,
        .preferred = choice->system,
        .temporary = choice->temporary,
        .metered = choice->metered,
        .cost = choice->cost,
        .mtu = choice->mtu,
        .quality = quality_of(&record),
        .rtt_us = record.rtt_us,
        .loss = all > 0 ? record.failed / all : -1,
        .rate = record.rate,
    };
}

static int list_paths(struct path_list *list, const struct endpoint *endpoint, const struct property_values *values)
{
    const struct path_wish wish = {
        .values = values,
        .interface = endpoint->interface,
        .host = *endpoint->host ? endpoint->host : NULL,
    };
    char service[SERVICE_SIZE] = "";
    struct history *history;
    struct paths *paths;
    int r;

    if ((r = paths_of(list->context, &paths)) < 0 || (r = history_of(list->context, &history)) < 0)
        return r;
    list->count = 0;
    add_all(list, paths, endpoint, &wish);
    qsort(list->listed, list->count, sizeof *list->listed, compare);
    (void)endpoint_service(endpoint, service, sizeof service);
    for (size_t i = 0; i < list->count; i++)
        tell(history, service, endpoint, &list->listed[i], &list->infos[i]);
    return 0;
}

int hawser_paths(struct hawser_context *context, const char *endpoint, const hawser_properties *properties,
                 const hawser_path_info **ret_paths, size_t *ret_count)
{
    struct endpoint parsed = {.kind = ENDPOINT_SERVICE, .fd = -1}; /* of no name: anywhere */
    struct path_list *list;
    char reason[256];
    int r;

    if ((r = loop_check(context)) < 0)
        return r;
    if (!ret_paths || !ret_count)
        return -EINVAL;
    if (endpoint && (r = endpoint_parse(endpoint, &parsed, reason, sizeof reason)) < 0) {
        loop_log(context, HAWSER_LOG_ERROR, "%s", reason);
        return r;
    }
    if (parsed.kind == ENDPOINT_FD) {
        loop_log(context, HAWSER_LOG_ERROR, "%s is connected already: it has no paths to choose from", endpoint);
        return -HAWSER_EENDPOINT;
    }
    if ((r = list_of(context, &list)) < 0)
        return r;
    if (!list->listed)
        list->listed = calloc(LISTED_MAX, sizeof *list->listed);
    if (!list->infos)
        list->infos = calloc(LISTED_MAX, sizeof *list->infos);
    if (!list->listed || !list->infos)
        return -ENOMEM;
    if ((r = list_paths(list, &parsed, properties_values(properties))) < 0)
        return r;
    *ret_paths = list->infos;
    *ret_count = list->count;
    return 0;
}
