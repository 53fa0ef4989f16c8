/* SPDX-License-Identifier: Apache-2.0 */
/* Transports that a program registered (<hawser/layer.h>, part 2), as layers. Inside layer/. */
#ifndef LAYER_PLUGIN_H
#define LAYER_PLUGIN_H

#include "layer/layer.h"

/* The registered one of this name, or NULL; it has LAYER_FOREIGN, and its open and accept are plugin_open() and _accept(). */
const struct layer_type *plugin_find(const hawser_context *context, const char *name, size_t size);
int plugin_open(const struct layer_type *type, hawser_context *context, const struct layer_target *target,
                struct layer **ret_layer);
/* With a duplicate of fd, which stays the caller's. */
int plugin_accept(const struct layer_type *type, hawser_context *context, int fd, struct layer **ret_layer);

#endif
