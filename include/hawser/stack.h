/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: which ones this build has, and what each can do, by its layers' own flags (S2.56). `hawser stacks` prints it, and
 * docs/stacks.md carries it beside the seed's table (S2.57 to S2.62). Part of <hawser/hawser.h>.
 */
#ifndef HAWSER_STACK_H
#define HAWSER_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include <hawser/properties.h>
#include <hawser/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hawser_carries { /* what a stack has to give, before hawser/1 or a framer makes messages of it */
                              HAWSER_CARRIES_NOTHING,
                              HAWSER_CARRIES_BYTES,     /* one sequence each way, in order, complete */
                              HAWSER_CARRIES_STREAMS,   /* several such sequences that do not block one another */
                              HAWSER_CARRIES_DATAGRAMS, /* each may be lost or overtaken */
                              HAWSER_CARRIES_UNITS, /* pieces in no order, each acknowledged or told lost by the stack */
} hawser_carries;
HAWSER_API const char *hawser_carries_name(hawser_carries carries); /* "-", "bytes", "streams", "datagrams", "units" */

typedef struct hawser_stack_info {
    const char *name;       /* "tls/tcp" */
    hawser_carries session; /* what carries hawser/1; nothing: it is not spoken over this one */
    hawser_carries bare;    /* what a bare association has; nothing: there is none */
    bool proxied;           /* through a proxy */
    bool encrypted;         /* and authenticated */
    bool hides_identities;  /* nobody on the way sees the certificates or keys */
    bool hides_messages;    /* nor how messages begin and end, their ids and acknowledgements (S2.26) */
    bool early_data;
    bool ordered, reliable; /* of itself, bare; over hawser/1 messages are what they ask for */
    bool streams;           /* what is lost of one message or stream holds up no other */
    bool lossy;             /* messages may be given up; else every reliability is full */
    bool acks;              /* the stack itself says what arrived */
    bool multipath;         /* uses several paths by itself */
    bool migrates;          /* goes on when an address changes */
    bool multicast;
    /* Where a lifetime that has passed is noticed (S2.59): before it leaves; at the receiver; by who carries it. */
    bool expires_at_sender, expires_at_receiver, expires_on_path;
} hawser_stack_info;
/* The stacks of this build by index from 0, in the order of docs/stacks.md; -ENOENT past the last. The strings live as long as
 * the process. */
HAWSER_API int hawser_stack(unsigned index, hawser_stack_info *ret_info);
/* The same by name, also of a stack that is only composed ("tls/socks5/tcp"). -EINVAL: no such layers. */
HAWSER_API int hawser_stack_find(const char *name, hawser_stack_info *ret_info);

#ifdef __cplusplus
}
#endif

#endif
