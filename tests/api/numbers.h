/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from the client to the server that bear numbers: none may be lost, none may come twice. */
#ifndef API_NUMBERS_H
#define API_NUMBERS_H

#include "api.h"

static inline void send_some(struct world *world, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++)
        assert_int_equal(hawser_send(world->client.line, &i, sizeof i, NULL, NULL), 0);
}

/* Each of the first count messages came once, and was acknowledged; in any order, since strands overtake one another. */
static inline void check_came(struct world *world, unsigned count)
{
    bool came[NOTED_MAX] = {false};

    until(world, world->server.received_count >= count && world->client.settled >= count);
    assert_int_equal(world->server.received_count, count);
    assert_int_equal(world->client.settled, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned value;

        assert_int_equal(world->server.received[i].size, sizeof value);
        memcpy(&value, world->server.received[i].data, sizeof value);
        assert_in_range(value, 0, count - 1);
        assert_false(came[value]);
        came[value] = true;
    }
    for (size_t i = 0; i < world->client.outcome_count; i++)
        assert_int_equal(world->client.outcomes[i].kind, HAWSER_ACKED);
}

#endif
