/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a name that hosts(5) lists. The file is read at each question, so that a change counts at once. */
#ifndef ENDPOINT_HOSTS_H
#define ENDPOINT_HOSTS_H

#include "endpoint/addresses.h"

/* name is a checked one (lower case). Lines that cannot be read as hosts(5) are passed over, as is a missing file. */
void hosts_find(const char *file, const char *name, struct addresses *addresses);

#endif
