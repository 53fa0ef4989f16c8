/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where TCP Fast Open is worth trying: the file fast_open under the state directory, a line each: the network, 'w' for
 * worked or 'b' for broken, the service. Boxes on the way decide whether it works, so what was seen in one network says
 * nothing of another. A network is known by its default routes.
 */
#include "security/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#define FILE_NAME "fast_open"
#define FILE_LIMIT 65536
#define NETWORK_FOR 5000000 /* microseconds for which the network is taken to be the same */

static void add_routes(struct text *routes, const char *path, const char *first_fields)
{
    char line[512];
    FILE *file = fopen(path, "re");

    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        if (strstr(line, first_fields))
            text_add_bytes(routes, line, strcspn(line, "\n") < 110 ? strcspn(line, "\n") : 110);
    fclose(file);
}

static void name_network(struct security *security)
{
    int64_t now = loop_now(security->context);
    struct text routes;
    uint8_t hash[32];

    if (*security->network && now - security->network_at < NETWORK_FOR)
        return;
    text_init(&routes);
    add_routes(&routes, "/proc/net/route", "\t00000000\t");
    add_routes(&routes, "/proc/net/ipv6_route",
               "00000000000000000000000000000000 00 00000000000000000000000000000000 00 f");
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text_string(&routes), routes.size, hash) == 0)
        for (size_t i = 0; i < 8; i++)
            snprintf(security->network + 2 * i, 3, "%02x", hash[i]);
    text_free(&routes);
    security->network_at = now;
}

static void load(struct security *security)
{
    uint8_t *data;
    size_t size;
    int directory;

    if (security->fast_open_loaded)
        return;
    security->fast_open_loaded = true;
    if (!*loop_state_dir(security->context) || state_open(loop_state_dir(security->context), NULL, &directory) < 0)
        return;
    if (state_read(directory, FILE_NAME, FILE_LIMIT, true, &data, &size) == 0) {
        text_add(&security->fast_open, (const char *)data);
        free(data);
    }
    close(directory);
}

static void save(struct security *security)
{
    int directory;

    if (!*loop_state_dir(security->context) || state_open(loop_state_dir(security->context), NULL, &directory) < 0)
        return;
    state_write(directory, FILE_NAME, text_string(&security->fast_open), security->fast_open.size, STATE_REPLACE);
    close(directory);
}

static bool line_is(const char *line, const char *network, const char *service)
{
    size_t size = strlen(service);

    return strncmp(line, network, 16) == 0 && line[16] == ' ' && line[17] && line[18] == ' ' &&
           strncmp(line + 19, service, size) == 0 && line[19 + size] == '\n';
}

enum fast_open_memory fast_open_recall(hawser_context *context, const char *service)
{
    struct security *security = security_of(context);

    if (!security || strchr(service, '\n'))
        return FAST_OPEN_UNKNOWN;
    load(security);
    if (security->fast_open.size > 0)
        name_network(security);
    for (const char *line = text_string(&security->fast_open); *line;
         line += strcspn(line, "\n"), line += *line == '\n')
        if (line_is(line, security->network, service))
            return line[17] == 'w' ? FAST_OPEN_WORKED : FAST_OPEN_BROKEN;
    return FAST_OPEN_UNKNOWN;
}

/* The newest line stands first; the oldest ones fall off the end. */
void fast_open_remember(hawser_context *context, const char *service, enum fast_open_memory memory)
{
    struct security *security = security_of(context);
    struct text kept;

    if (!security || strchr(service, '\n') || fast_open_recall(context, service) == memory)
        return;
    name_network(security);
    text_init(&kept);
    if (memory != FAST_OPEN_UNKNOWN)
        text_printf(&kept, "%s %c %s\n", security->network, memory == FAST_OPEN_WORKED ? 'w' : 'b', service);
    for (const char *line = text_string(&security->fast_open); strchr(line, '\n'); line = strchr(line, '\n') + 1) {
        size_t size = strcspn(line, "\n") + 1;
        if (kept.size + size > FILE_LIMIT)
            break;
        if (!line_is(line, security->network, service))
            text_add_bytes(&kept, line, size);
    }
    if (text_failed(&kept)) {
        text_free(&kept);
        return;
    }
    text_free(&security->fast_open);
    security->fast_open = kept;
    save(security);
}
