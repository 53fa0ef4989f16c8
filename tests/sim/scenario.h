/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim.h"

struct sim *scenario_begin(const struct plan *plan, bool verbose); /* both ends are up, half a second has passed */
bool scenario_end(struct sim *sim);                                /* frees it; whether the contract held */
bool scenario_assert(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
int scenario_compare(const void *a, const void *b); /* of int64_t, for qsort() */

bool scenario_deadlines(bool verbose);
bool scenario_urgent(bool verbose);
bool scenario_stall(bool verbose);
bool scenario_credit(bool verbose);
bool scenario_bandwidth(bool verbose);
bool scenario_lossy(bool verbose);
bool scenario_together(bool verbose);
bool scenario_order(bool verbose);
bool scenario_silence(bool verbose);
bool scenario_failures(bool verbose);

#endif
