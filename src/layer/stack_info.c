/* SPDX-License-Identifier: Apache-2.0 */
/* What each stack can do: nothing but its layers' flags, in the program's words (S2.56). */
#include <errno.h>
#include <string.h>

#include "layer/layer.h"

/* What is known of early data: TLS over unix has it as TLS over TCP. A session needs a secure stack. */
static hawser_carries carries_session(unsigned flags)
{
    if (!(flags & LAYER_SECURE))
        return HAWSER_CARRIES_NOTHING;
    return flags & LAYER_UNITS ? HAWSER_CARRIES_UNITS : HAWSER_CARRIES_BYTES;
}

static hawser_carries carries_bare(unsigned top)
{
    return top & LAYER_BYTES       ? HAWSER_CARRIES_BYTES
           : top & LAYER_STREAMS   ? HAWSER_CARRIES_STREAMS
           : top & LAYER_DATAGRAMS ? HAWSER_CARRIES_DATAGRAMS
                                   : HAWSER_CARRIES_NOTHING;
}

int hawser_stack_find(const char *name, hawser_stack_info *ret_info)
{
    unsigned flags, top;
    hawser_carries session, bare;
    int r = name && ret_info ? stack_flags(NULL, name, &flags, &top) : -EINVAL;

    if (r < 0)
        return r;
    session = carries_session(flags);
    bare = carries_bare(top);
    *ret_info = (hawser_stack_info){
        .name = name,
        .session = session,
        .bare = bare,
        .proxied = flags & LAYER_PROXY,
        .encrypted = flags & LAYER_SECURE,
        .hides_identities = flags & LAYER_HIDES_PEERS,
        .hides_messages = flags & LAYER_HIDES_IDS,
        .early_data = flags & LAYER_EARLY_DATA,
        .ordered = bare == HAWSER_CARRIES_BYTES || bare == HAWSER_CARRIES_STREAMS || top & LAYER_RELIABLE,
        .reliable = bare == HAWSER_CARRIES_BYTES || bare == HAWSER_CARRIES_STREAMS || top & LAYER_RELIABLE,
        .streams = bare == HAWSER_CARRIES_STREAMS || session == HAWSER_CARRIES_UNITS,
        .lossy = session == HAWSER_CARRIES_UNITS && flags & LAYER_LOSSY,
        .acks = flags & LAYER_UNITS,
        .multipath = flags & LAYER_MULTIPATH,
        .migrates = flags & LAYER_MIGRATES,
        .multicast = top & LAYER_MULTICAST, /* who is above would have to know of several peers */
        .expires_at_sender = true,
        .expires_at_receiver = session != HAWSER_CARRIES_NOTHING,
        .expires_on_path = false, /* that takes somebody on the way who knows (S2.64) */
    };
    return 0;
}

int hawser_stack(unsigned index, hawser_stack_info *ret_info)
{
    const char *name = stack_name(index, NULL);

    return name ? hawser_stack_find(name, ret_info) : -ENOENT;
}
