/* SPDX-License-Identifier: Apache-2.0 */
/* The strands of a line, as the program sees them. */
#ifndef API_STRANDS_H
#define API_STRANDS_H

#include "api.h"

static inline unsigned strands_in(hawser_association *line, hawser_strand_state state)
{
    hawser_strand_info info;
    unsigned count = 0;

    for (unsigned i = 0; hawser_association_strand(line, i, &info) == 0; i++)
        count += info.state == state;
    return count;
}

/* Those that carry, or would. */
static inline unsigned standing(hawser_association *line)
{
    return strands_in(line, HAWSER_STRAND_ACTIVE) + strands_in(line, HAWSER_STRAND_STANDBY);
}

static inline hawser_strand_info info_of(hawser_association *line, unsigned index)
{
    hawser_strand_info info;

    assert_int_equal(hawser_association_strand(line, index, &info), 0);
    return info;
}

static inline unsigned id_of(hawser_association *line, unsigned index)
{
    return info_of(line, index).id;
}

#endif
