/* SPDX-License-Identifier: Apache-2.0 */
#include "arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

struct arrival *arrival_new(struct peer *peer, hawser_message_id id, int niceness)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (!arrival)
        return NULL;
    arrival->peer = peer;
    arrival->id = id;
    arrival->niceness = niceness;
    arrival->began_us = clock_us();
    arrival->file.fd = arrival->file.parent = -1;
    arrival->head = malloc(FILE_HEADER_MAX);
    if (!arrival->head || gnutls_hash_init(&arrival->hash, GNUTLS_DIG_SHA256) < 0) {
        free(arrival->head);
        free(arrival);
        return NULL;
    }
    LIST_INSERT_HEAD(&peer->arrivals, arrival, link);
    peer->arriving++;
    return arrival;
}

void arrival_free(struct arrival *arrival)
{
    LIST_REMOVE(arrival, link);
    arrival->peer->arriving--;
    stored_file_drop(&arrival->file);
    gnutls_hash_deinit(arrival->hash, NULL);
    free(arrival->header);
    free(arrival->head);
    free(arrival);
}

static bool stores(const struct arrival *arrival)
{
    return arrival->peer->server->serving == SERVE_FILES;
}

static int take_content(struct arrival *arrival, const void *data, size_t size, const char **ret_reason)
{
    int r;

    arrival->size += size;
    if (size == 0)
        return 0;
    if (gnutls_hash(arrival->hash, data, size) < 0) {
        *ret_reason = "the receiver cannot hash";
        return -EIO;
    }
    if (arrival->file.fd < 0)
        return 0;
    if (arrival->announced != FILE_SIZE_UNKNOWN && arrival->size > arrival->announced) {
        *ret_reason = "the file is longer than its header says";
        return -EPROTO;
    }
    r = stored_file_write(&arrival->file, data, size);
    if (r == -ENOSPC || r == -EDQUOT)
        *ret_reason = "no space is left on the receiver's disk";
    else if (r < 0)
        *ret_reason = hawser_strerror(r);
    return r;
}

static int begin_file(struct arrival *arrival, const char **ret_reason)
{
    if (!stores(arrival))
        return 0;
    return stored_file_open(&arrival->peer->server->storage, arrival->header->path, arrival->header->size,
                            &arrival->file, ret_reason);
}

/* What there is until the header is whole, or known not to be one. */
static int take_head(struct arrival *arrival, const char **ret_reason)
{
    struct file_header *header = malloc(sizeof(*header));
    int r;

    if (!header) {
        *ret_reason = "the receiver is out of memory";
        return -ENOMEM;
    }
    r = file_header_read(arrival->head, arrival->head_size, header, ret_reason);
    if (r <= 0) {
        free(header);
        if (r == 0 || stores(arrival))
            return r;
        arrival->plain = true;
        return take_content(arrival, arrival->head, arrival->head_size, ret_reason);
    }
    arrival->header = header;
    arrival->announced = header->size;
    return begin_file(arrival, ret_reason);
}

int arrival_take(struct arrival *arrival, const void *data, size_t size, const char **ret_reason)
{
    const uint8_t *bytes = data;

    while (!arrival->header && !arrival->plain && size > 0) {
        /* Just the header's bytes, no more: first the part that tells how long the path is. */
        size_t wanted = FILE_HEADER_FIXED, n;
        int r;

        if (arrival->head_size >= FILE_HEADER_FIXED)
            wanted += (size_t)arrival->head[16] << 8 | arrival->head[17];
        n = wanted - arrival->head_size;
        if (n > size)
            n = size;
        memcpy(arrival->head + arrival->head_size, bytes, n);
        arrival->head_size += n;
        bytes += n;
        size -= n;
        r = take_head(arrival, ret_reason);
        if (r < 0)
            return r;
    }
    return take_content(arrival, bytes, size, ret_reason);
}

static void report(struct arrival *arrival)
{
    struct server *server = arrival->peer->server;
    uint8_t digest[32];
    char hex[65], size[UNIT_TEXT_SIZE];
    struct json *json;

    gnutls_hash_output(arrival->hash, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    json = event_begin(server->tool, "received");
    json_unsigned(json, "message", arrival->id);
    json_unsigned(json, "size", arrival->size);
    json_string(json, "file", arrival->header ? arrival->header->path : NULL);
    json_string(json, "sha256", hex);
    json_signed(json, "niceness", arrival->niceness);
    json_string(json, "stack", stack_of(arrival->peer->association));
    json_signed(json, "elapsed_us", clock_us() - arrival->began_us);
    json_bool(json, "antecedent_lost", arrival->antecedent_lost);
    json_string(json, "peer", arrival->peer->name);
    event_end(server->tool);
    if (server->serving != SERVE_FILES && server->serving != SERVE_TERMINAL)
        return;
    format_size(arrival->size, size);
    if (arrival->header)
        say(server->tool, "received %s, %s, sha256 %s", arrival->header->path, size, hex);
    else
        say(server->tool, "received message %llu, %s, sha256 %s", (unsigned long long)arrival->id, size, hex);
}

int arrival_finish(struct arrival *arrival, const char **ret_reason)
{
    int r;

    if (!arrival->header && !arrival->plain) { /* shorter than a header */
        *ret_reason = "the message is not a file";
        if (stores(arrival))
            return -EPROTO;
        arrival->plain = true;
        r = take_content(arrival, arrival->head, arrival->head_size, ret_reason);
        if (r < 0)
            return r;
    }
    if (arrival->file.fd >= 0) {
        if (arrival->announced != FILE_SIZE_UNKNOWN && arrival->announced != arrival->size) {
            *ret_reason = "the file is shorter than its header says";
            return -EPROTO;
        }
        r = stored_file_commit(&arrival->peer->server->storage, &arrival->file, arrival->header->mode);
        if (r < 0) {
            *ret_reason = r == -EEXIST ? "the file exists already" : hawser_strerror(r);
            return r;
        }
    }
    report(arrival);
    return 0;
}
