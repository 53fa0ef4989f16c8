/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/departures.h"

#include <stddef.h>
#include <stdlib.h>

#define REMEMBERED 1024u

struct departures {
    struct {
        uint64_t unit, send; /* each counted from 1, so that 0 is none */
    } units[REMEMBERED];
    struct {
        uint64_t send;
        int64_t at;
    } sends[REMEMBERED];
};

struct departures *departures_new(void)
{
    return calloc(1, sizeof(struct departures));
}

void departures_free(struct departures *departures)
{
    free(departures);
}

void departures_note(struct departures *departures, uint64_t unit, uint64_t send)
{
    if (!departures)
        return;
    departures->units[unit % REMEMBERED].unit = unit + 1;
    departures->units[unit % REMEMBERED].send = send + 1;
}

void departures_left(struct departures *departures, uint64_t send, int64_t at)
{
    if (!departures)
        return;
    departures->sends[send % REMEMBERED].send = send + 1;
    departures->sends[send % REMEMBERED].at = at;
}

int64_t departures_of(const struct departures *departures, uint64_t unit)
{
    uint64_t send;

    if (!departures || departures->units[unit % REMEMBERED].unit != unit + 1)
        return 0;
    send = departures->units[unit % REMEMBERED].send - 1;
    return departures->sends[send % REMEMBERED].send == send + 1 ? departures->sends[send % REMEMBERED].at : 0;
}
