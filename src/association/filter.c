/* SPDX-License-Identifier: Apache-2.0 */
/* Which messages are dropped by their marks, without asking the program. (S1.27) */
#include "association/association.h"

static bool within(const hawser_bounds *bounds, int64_t value)
{
    return !bounds->bounded || (value >= bounds->min && value <= bounds->max);
}

bool filter_passes(const hawser_filter *filter, const struct session_marks *marks)
{
    if (!filter)
        return true;
    for (unsigned i = 0; i < marks->coordinate_count; i++)
        if (!within(&filter->coordinates[i], marks->coordinates[i]))
            return false;
    return !marks->has_timestamp || within(&filter->timestamp_us, marks->timestamp);
}

static bool sound(const hawser_bounds *bounds)
{
    return !bounds->bounded || bounds->min <= bounds->max;
}

int hawser_set_filter(hawser_association *association, const hawser_filter *filter)
{
    hawser_filter own, *kept = NULL;
    int r = association_check(association);

    if (r == 0)
        r = options_copy(&own, sizeof own, filter);
    if (r < 0)
        return r;
    if (!association->open || association->listener)
        return -ENOTCONN;
    if (association->bare)
        return -EOPNOTSUPP;
    for (unsigned i = 0; i < HAWSER_COORDINATES_MAX; i++)
        if (!sound(&own.coordinates[i]))
            return -EINVAL;
    if (!sound(&own.timestamp_us))
        return -EINVAL;
    if (filter) {
        kept = malloc(sizeof *kept);
        if (!kept)
            return -ENOMEM;
        *kept = own;
    }
    free(association->filter);
    association->filter = kept;
    return 0;
}
