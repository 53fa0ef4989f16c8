/* SPDX-License-Identifier: Apache-2.0 */
/* What a context did, so that a program with several can see that each has its share. Owner: counters.c, hand_over.c */
#ifndef ASSOCIATION_COUNTERS_H
#define ASSOCIATION_COUNTERS_H

#include "association/association.h"

void counters_established(hawser_association *association);
void counters_over(hawser_association *association); /* while its statistics can still be had */

#endif
