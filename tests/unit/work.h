/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much work something is, in processor time of this process: what others do meanwhile does not count. It is compared with
 * itself in another size, in one run, so that only another order of growth is found. To be included after cmocka.h.
 */
#ifndef TEST_WORK_H
#define TEST_WORK_H

#include <time.h>

static inline double work_since(clock_t before)
{
    return (double)(clock() - before) / CLOCKS_PER_SEC;
}

static inline void assert_work_at_most(double times, double few, double many)
{
    if (many > times * few + 0.1)
        fail_msg("%.3f s in the large, %.3f s in the small: more than %g times", many, few, times);
}

#endif
