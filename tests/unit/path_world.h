/* SPDX-License-Identifier: Apache-2.0 */
/* A host of its own for tests of paths: a network name space, made before anything else of the process, with what the
 * tests add by ip(8). */
#ifndef PATH_WORLD_H
#define PATH_WORLD_H

#include <stdbool.h>

#include <hawser/hawser.h>

#include "path/path.h"
#include "path/policy.h"

/* Leaves for a name space with nothing but lo. NULL, or why that is not possible here. */
const char *world_leave(void);
/* Runs "ip ..." and fails the test when ip does. */
void ip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void world_write(const char *file, const char *text);
/* Two interfaces p0 and p1 with cables (q0, q1 are their other ends), up, with 10.0.0.1/24 and 10.1.0.1/24 and default
 * routes by 10.0.0.2 (metric 10) and 10.1.0.2 (metric 20). */
void two_interfaces(void);
/* Until an interface that is up has a link, or has none: the kernel finds out after "link set ... up" has returned. */
void await_link(const char *interface, bool link);
void no_interfaces(void); /* all of that is gone */

struct layer_address address_of(const char *text); /* "192.0.2.1", port 80 */
hawser_context *context_with(const char *policy);  /* a context whose policy file says this; NULL: none */
hawser_properties *properties_of(const char *name, const char *value); /* one set; release */
/* Runs the loop until done() is true of user. */
void run_until(hawser_context *context, bool (*done)(void *user), void *user);

#endif
