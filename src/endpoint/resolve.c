/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a host all at once, for who takes them one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/resolution.h"

/* How long the second family is waited for when the first has addresses. RFC 8305 section 3 has 50 ms, but there the
 * rest may come later; here an answer is given once. */
#define SECOND_FAMILY_US 250000

struct collector {
    struct loop_timer patience;
    struct resolution *resolution;
    resolution_fn answered;
    void *user;
    struct addresses addresses;
};

static void finish(struct collector *collector, int code, const char *reason)
{
    struct layer_address list[ADDRESSES_MAX];
    size_t count = addresses_interleave(&collector->addresses, list);
    resolution_fn answered = collector->answered;

    loop_timer_clear(collector->resolution->context, &collector->patience);
    collector->answered = NULL;
    answered(collector->user, count ? 0 : code, count ? list : NULL, count, count ? "" : reason);
    resolve_cancel(collector->resolution);
}

static void patience_is_over(struct loop_timer *timer, int64_t now)
{
    (void)now;
    finish(container_of(timer, struct collector, patience), 0, "");
}

static void collect(void *user, const struct resolve_answer *answer)
{
    struct collector *collector = user;
    hawser_context *context = collector->resolution->context;

    for (size_t i = 0; i < answer->found_count; i++) {
        const struct sockaddr_storage *address = &answer->found[i].address.address;
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;

        if (address->ss_family == AF_INET6) {
            memcpy(&v6, address, sizeof v6);
            addresses_add_v6(&collector->addresses, &v6.sin6_addr, v6.sin6_scope_id);
        } else {
            memcpy(&v4, address, sizeof v4);
            addresses_add_v4(&collector->addresses, &v4.sin_addr);
        }
    }
    if (answer->last)
        finish(collector, answer->code, answer->reason);
    else if (addresses_count(&collector->addresses) && collector->patience.node.index == HEAP_ABSENT)
        (void)loop_timer_set(context, &collector->patience, loop_now(context) + SECOND_FAMILY_US);
}

int resolve(hawser_context *context, const char *host, uint16_t port, int64_t timeout_us, resolution_fn answered,
            void *user, struct resolution **ret_resolution)
{
    struct endpoint endpoint = {.kind = ENDPOINT_HOST, .port = port, .fd = -1};
    struct collector *collector;
    int r;

    if (host_name_check(host, endpoint.host))
        return -EINVAL;
    if (!(collector = calloc(1, sizeof *collector)))
        return -ENOMEM;
    collector->answered = answered;
    collector->user = user;
    addresses_init(&collector->addresses, port);
    loop_timer_init(&collector->patience, patience_is_over);
    r = resolve_start(context,
                      &(struct resolve_config){
                          .endpoint = &endpoint, .timeout_us = timeout_us, .answered = collect, .user = collector},
                      &collector->resolution);
    if (r < 0) {
        free(collector);
        return r;
    }
    collector->resolution->collector = collector;
    *ret_resolution = collector->resolution;
    return 0;
}

void resolution_cancel(struct resolution *resolution)
{
    struct collector *collector = resolution->collector;

    if (!collector->answered) /* inside answered() */
        return;
    loop_timer_clear(resolution->context, &collector->patience);
    resolve_cancel(resolution);
}
