/* SPDX-License-Identifier: Apache-2.0 */
/* What may begin on a UDP port, in the order in which a first datagram is offered to them. */
#include <string.h>

#include "layer/udp.h"

static bool plain_begins(uint8_t first_byte)
{
    (void)first_byte;
    return true;
}

/* Datagrams of the peer's own protocol: any. So it comes last. */
const struct udp_protocol plain_protocol = {.stack = "udp", .begins = plain_begins};

/* A first ping of numbered datagrams (docs/protocol.md): NUMBER and NOW. Nothing but the stack's name tells it from a
 * program's own datagrams, so it is taken only where it is named. What a peer that is not known sends beside is not heard. */
static bool tfrc_begins(uint8_t first_byte)
{
    return first_byte == 0x03;
}

const struct udp_protocol tfrc_protocol = {.stack = "tfrc/udp", .begins = tfrc_begins, .proves_later = true};

/* A transport that is not linked is not there. */
#pragma weak quic_protocol
#pragma weak dtls_protocol
#ifndef HAVE_SCTP
#pragma weak sctp_protocol
#endif

const struct udp_protocol *udp_protocol_at(unsigned index)
{
    /* SCTP's packets begin with any byte, but with a checksum, which no other's pass by chance. */
    const struct udp_protocol *const all[] = {&sctp_protocol, &quic_protocol, &dtls_protocol, &tfrc_protocol,
                                              &plain_protocol};
    unsigned at = 0;

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] && at++ == index)
            return all[i];
    return NULL;
}
