/* SPDX-License-Identifier: Apache-2.0 */
/* Writing endpoints and addresses, so that reading them again gives the same. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "endpoint/endpoint.h"

struct output {
    char *text;
    size_t size;
    size_t length; /* of all that was to be written, also beyond size */
};

static void output_init(struct output *output, char *text, size_t size)
{
    *output = (struct output){.text = text, .size = size};
    if (size)
        *text = '\0';
}

__attribute__((format(printf, 2, 3))) static void output_add(struct output *output, const char *format, ...)
{
    size_t room = output->length < output->size ? output->size - output->length : 0;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(room ? output->text + output->length : NULL, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        output->length += (size_t)length;
}

static void add_v6(struct output *output, const struct layer_address *address)
{
    char text[INET6_ADDRSTRLEN], interface[IF_NAMESIZE];
    struct sockaddr_in6 v6;

    memcpy(&v6, &address->address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    output_add(output, "[%s", text);
    if (v6.sin6_scope_id && if_indextoname(v6.sin6_scope_id, interface))
        output_add(output, "%%%s", interface);
    else if (v6.sin6_scope_id)
        output_add(output, "%%%u", v6.sin6_scope_id);
    output_add(output, "]:%u", ntohs(v6.sin6_port));
}

static void add_v4(struct output *output, const struct layer_address *address)
{
    char text[INET_ADDRSTRLEN];
    struct sockaddr_in v4;

    memcpy(&v4, &address->address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    output_add(output, "%s:%u", text, ntohs(v4.sin_port));
}

/* The kernel gives names that no endpoint was: unnamed (no path at all), and abstract ones of any bytes (unix(7)). */
static void add_unix(struct output *output, const struct layer_address *address)
{
    struct sockaddr_un local = {0};
    size_t size = address->size < sizeof local ? address->size : sizeof local, length;
    const size_t start = offsetof(struct sockaddr_un, sun_path);

    if (size <= start)
        return;
    memcpy(&local, &address->address, size);
    length = local.sun_path[0] ? strnlen(local.sun_path, size - start) : size - start;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)local.sun_path[i];

        output_add(output, "%c", i == 0 && c == 0 ? '@' : c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void add_address(struct output *output, const struct layer_address *address)
{
    switch (address->size ? address->address.ss_family : AF_UNSPEC) {
    case AF_INET:
        add_v4(output, address);
        break;
    case AF_INET6:
        add_v6(output, address);
        break;
    case AF_UNIX:
        add_unix(output, address);
        break;
    default:
        break;
    }
}

static void add_source(struct output *output, const struct layer_address *source)
{
    char text[INET6_ADDRSTRLEN] = "";
    const void *bytes = source->address.ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)&source->address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)&source->address)->sin_addr;

    if (source->size == 0)
        return;
    inet_ntop(source->address.ss_family, bytes, text, sizeof text);
    output_add(output, "%s>", text);
}

int endpoint_print_address(const struct layer_address *address, char *text, size_t size)
{
    struct output output;

    output_init(&output, text, size);
    add_address(&output, address);
    return (int)output.length;
}

int endpoint_print(const struct endpoint *endpoint, char *text, size_t size)
{
    struct output output;

    output_init(&output, text, size);
    if (*endpoint->key_name)
        output_add(&output, "%s@", endpoint->key_name);
    switch (endpoint->kind) {
    case ENDPOINT_HOST: {
        /* A host of one of these names needs its root's dot to be read as one. */
        bool word = !strcmp(endpoint->host, "unix") || !strcmp(endpoint->host, "fd");
        output_add(&output, "%s%s:%u", endpoint->host, word ? "." : "", endpoint->port);
        break;
    }
    case ENDPOINT_SERVICE:
        output_add(&output, "%s", endpoint->host);
        break;
    case ENDPOINT_ADDRESS:
        add_source(&output, &endpoint->source);
        add_address(&output, &endpoint->address);
        break;
    case ENDPOINT_UNIX:
        output_add(&output, "unix:");
        add_address(&output, &endpoint->address);
        break;
    case ENDPOINT_FD:
        output_add(&output, "fd:%d", endpoint->fd);
        break;
    }
    if (*endpoint->interface)
        output_add(&output, "@%s", endpoint->interface);
    return (int)output.length;
}

int endpoint_service(const struct endpoint *endpoint, char *text, size_t size)
{
    switch (endpoint->kind) {
    case ENDPOINT_HOST:
        return snprintf(text, size, "%s:%u", endpoint->host, endpoint->port);
    case ENDPOINT_SERVICE:
        return snprintf(text, size, "%s", endpoint->host);
    case ENDPOINT_ADDRESS:
    case ENDPOINT_UNIX:
        return endpoint_print_address(&endpoint->address, text, size);
    case ENDPOINT_FD:
        break;
    }
    return snprintf(text, size, "fd:%d", endpoint->fd);
}

void endpoint_host(const struct endpoint *endpoint, char *text, size_t size)
{
    const struct sockaddr_storage *address = &endpoint->address.address;
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;

    snprintf(text, size, "%s",
             endpoint->kind == ENDPOINT_HOST || endpoint->kind == ENDPOINT_SERVICE ? endpoint->host : "");
    if (endpoint->kind == ENDPOINT_ADDRESS && !inet_ntop(address->ss_family, bytes, text, (socklen_t)size))
        snprintf(text, size, "%s", "");
}
