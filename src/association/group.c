/* SPDX-License-Identifier: Apache-2.0 */
/* Multicast groups: what may be asked of them, and their keys. (S2.2, S2.12, docs/multicast.md) */
#include <stdio.h>

#include "association/listener.h"
#include "association/open.h"
#include "association/properties.h"
#include "layer/group.h"

#define SAY(...) ((void)snprintf(reason, reason_size, __VA_ARGS__))

/* Nothing that needs an answer can be had of a group: handshakes, acknowledgements, a peer that is verified. */
static int check_demands(const struct property_values *values, hawser_verification least, const char *stacks,
                         char *reason, size_t reason_size)
{
    if (values->session == HAWSER_REQUIRE)
        SAY("a multicast group cannot answer, and hawser/1 needs that: session has to be prohibited or avoided");
    else if (values->security != HAWSER_PROHIBIT && values->security != HAWSER_AVOID)
        SAY("a multicast group cannot shake hands, so nothing there is encrypted: security has to be prohibited or "
            "avoided");
    else if (property_given(values, "reliability") && values->reliability == HAWSER_REQUIRE)
        SAY("nobody of a multicast group says what came: reliability cannot be required");
    else if (least > HAWSER_VERIFICATION_NONE)
        SAY("nobody of a multicast group can be verified by itself: a group key says that it is a member");
    else if (stacks && strcmp(stacks, "udp") != 0)
        SAY("a multicast group is reached by udp alone, not by %s", stacks);
    else
        return 0;
    return -HAWSER_EPROHIBITED;
}

static int make_key(const void *key, size_t size, const struct endpoint *endpoint, struct group **ret_group,
                    char *reason, size_t reason_size)
{
    int r;

    if (!key)
        return 0;
    r = group_new(key, size, &endpoint->address, ret_group);
    if (r == -EINVAL)
        SAY("a group key has at least %d bytes", GROUP_KEY_MIN);
    return r;
}

static void say_aloud(hawser_association *association, const char *endpoint, bool key)
{
    if (key)
        loop_log(association->context, HAWSER_LOG_INFO, "%s: whoever has the group's key is heard, and not told apart",
                 endpoint);
    else
        loop_log(association->context, HAWSER_LOG_WARNING,
                 "%s: no group key: nothing there is verified, and whoever reaches the group is heard", endpoint);
}

int group_check_open(hawser_association *association, const hawser_associate_options *options, char *reason,
                     size_t reason_size)
{
    const struct property_values *values = properties_values(association->properties);
    struct opening *opening = association->opening;
    size_t groups = 0;
    int r;

    for (size_t i = 0; i < opening->endpoint_count; i++)
        groups += endpoint_is_group(&opening->endpoints[i].endpoint);
    if (groups == 0 && (options->group_key || options->hop_limit || options->no_loop)) {
        SAY("a group key, a hop limit and no loop are for multicast groups, and this endpoint is none");
        return -EINVAL;
    }
    if (groups == 0)
        return 0;
    if (opening->endpoint_count > 1) {
        SAY("a multicast group is no alternative to another endpoint");
        return -HAWSER_EENDPOINT;
    }
    if (options->hop_limit > 255) {
        SAY("a hop limit is at most 255");
        return -EINVAL;
    }
    if (opening->endpoints[0].endpoint.source.size) {
        SAY("a source is for those who listen: who sends is the source");
        return -HAWSER_EENDPOINT;
    }
    r = check_demands(values, options->min_verification, options->stack, reason, reason_size);
    if (r == 0)
        r = make_key(options->group_key, options->group_key_size, &opening->endpoints[0].endpoint, &opening->group,
                     reason, reason_size);
    if (r == 0 && !opening->stacks && !(opening->stacks = text_copy("udp")))
        r = -ENOMEM;
    if (r == 0)
        say_aloud(association, association->endpoint, options->group_key);
    return r < 0 ? r : 1;
}

int group_check_listen(hawser_association *association, const hawser_listen_options *options,
                       const struct endpoint *endpoint, char *reason, size_t reason_size)
{
    const struct property_values *values = properties_values(association->properties);
    char text[512];
    int r;

    if (!endpoint_is_group(endpoint)) {
        if (options->group_key)
            SAY("a group key is for a multicast group, and this endpoint is none");
        return options->group_key ? -EINVAL : 0;
    }
    r = check_demands(values, options->min_verification, options->stack, reason, reason_size);
    if (r == 0)
        r = make_key(options->group_key, options->group_key_size, endpoint, &association->listener->group, reason,
                     reason_size);
    if (r == 0 && endpoint->port == 0) {
        SAY("a multicast group is heard on a port that its senders know, not on any");
        r = -HAWSER_EENDPOINT;
    }
    if (r < 0)
        return r;
    (void)endpoint_print(endpoint, text, sizeof text);
    say_aloud(association, text, options->group_key);
    return 0;
}
