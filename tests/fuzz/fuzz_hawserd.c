/* SPDX-License-Identifier: Apache-2.0 */
/* What clients and operators hand to hawserd: the first byte chooses between a packet (and how many descriptors came with it)
 * and a policy file. */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/grants.h"
#include "../../daemon/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void packet(const uint8_t *data, size_t size, unsigned descriptors)
{
    struct wire_request request;
    struct wire_reply reply;

    enum packet packet = packet_read(data, size, descriptors, &request);

    if (packet == PACKET_GARBAGE)
        return;
    packet_reply(&request, &reply);
    if (packet_reply_size(&reply) != sizeof reply || reply.head.number != request.head.number)
        abort();
    if (request.option_size > sizeof request.option)
        abort();
    if (packet == PACKET_REQUEST && descriptors > 1) /* of another version nothing but the head was looked at */
        abort();
}

static void policy(const uint8_t *data, size_t size)
{
    static struct grants grants;
    static const struct asker root = {.uid = 0}, other = {.uid = 7, .groups = {8}, .group_count = 1};
    char reason[256] = "";
    const char *why;
    int value = 8;

    if (grants_parse("p", (const char *)data, size, &grants, reason, sizeof reason) < 0) {
        if (strncmp(reason, "p:", 2) != 0)
            abort();
        return;
    }
    if (grants.subflows < 1 || grants.subflows > WIRE_SUBFLOWS_MAX || grants.count > GRANTS_MAX)
        abort();
    if (!grants_allow(&grants, &root, RULE_CONTROL))
        abort();
    if (!grants_allow_set(&grants, &other, tunable_find(IPPROTO_IP, IP_TOS), &value, sizeof value, &why) && !*why)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] < 4)
        packet(data + 1, size - 1, data[0]);
    else
        policy(data + 1, size - 1);
    return 0;
}
