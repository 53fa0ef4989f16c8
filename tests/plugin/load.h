/* SPDX-License-Identifier: Apache-2.0 */
/* Transports that live in shared objects of their own (S1.6). */
#ifndef PLUGIN_LOAD_H
#define PLUGIN_LOAD_H

#include <hawser/layer.h>

/* Loads NAME.so of the build's and registers what is in it. 0, or negative with the reason on standard error. */
int load_transport(hawser_context *context, const char *name);

#endif
