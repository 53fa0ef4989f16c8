/* SPDX-License-Identifier: Apache-2.0 */
/* How SCTP begins on a UDP port (RFC 6951), without DTLS. */
#include <string.h>

#include "layer/sctp.h"

#define LARGEST_INIT 1500

/* Its packets begin with the source port: any byte. So all of the packet is looked at. */
static bool begins(uint8_t first_byte)
{
    (void)first_byte;
    return true;
}

/* An INIT whose checksum is right; everything else comes from a peer that is here, or is nobody's (RFC 9260 section 8.4).
 * What it makes us keep is bounded by the port, until a cookie has come back (sctp_establish()). */
static enum udp_first first(struct udp_port *port, const struct udp_packet *packet)
{
    uint8_t copy[LARGEST_INIT];
    size_t size = packet->size < packet->segment ? packet->size : packet->segment;
    uint16_t sctp_port;

    (void)port;
    if (size > sizeof copy || !sctp_is_init(packet->data, size, &sctp_port))
        return UDP_IGNORE;
    memcpy(copy, packet->data, size);
    return sctp_checksum_right(copy, size) ? UDP_ACCEPT : UDP_IGNORE;
}

const struct udp_protocol sctp_protocol = {.stack = "sctp/udp", .begins = begins, .first = first};
