/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

/* The object stays loaded: a context may outlive the caller. */
int load_transport(hawser_context *context, const char *name)
{
    char path[512], symbol[64];
    const hawser_layer *layer;
    void *object;

    (void)snprintf(path, sizeof path, "%s/%s.so", PLUGIN_DIRECTORY, name);
    (void)snprintf(symbol, sizeof symbol, "%s_layer", name);
    object = dlopen(path, RTLD_NOW | RTLD_NODELETE);
    layer = object ? dlsym(object, symbol) : NULL;
    if (!layer) {
        (void)fprintf(stderr, "%s\n", dlerror());
        return -ENOENT;
    }
    dlclose(object);
    return hawser_layer_register(context, layer);
}
