/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: what a program writes to name a service. Grammar (docs/endpoints.md):
 *
 *     endpoint = [key-name "@"] [source ">"] where ["@" interface]
 *     where    = host ":" port | [instance "."] service | "[" v6 "]" ":" port | v6 "." port | v4 ":" port
 *              | "unix:" path | "fd:" number
 *     service  = "_" name "." ("_tcp" | "_udp") "." domain
 *
 * source is an address in text; where is a multicast group then (RFC 4607). port is a number or a service name of services(5). "unix:@name" is the abstract name space.
 */
#ifndef ENDPOINT_ENDPOINT_H
#define ENDPOINT_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include <hawser/hawser.h>

#include "layer/layer.h"

enum endpoint_kind { ENDPOINT_HOST, ENDPOINT_ADDRESS, ENDPOINT_UNIX, ENDPOINT_FD, ENDPOINT_SERVICE };

struct endpoint {
    enum endpoint_kind kind;
    char key_name[56];            /* "" when none was given */
    char host[256];               /* HOST: the name; SERVICE: "_http._tcp.example.org", "my server._http._tcp.local" */
    uint16_t port;                /* HOST and ADDRESS */
    struct layer_address address; /* ADDRESS and UNIX */
    struct layer_address source;  /* of a group: who alone is heard; size 0: anybody */
    int fd;                       /* FD */
    char interface[32];           /* "" when none */
};

/* reason says what is wrong and where. -HAWSER_EENDPOINT */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint, char *reason, size_t reason_size);
bool endpoint_is_group(const struct endpoint *endpoint); /* a multicast address */
/* The canonical form; parsing it gives the same endpoint. snprintf's result. */
int endpoint_print(const struct endpoint *endpoint, char *text, size_t size);
/* Whom an endpoint names, without port and zone: a host's or a service's name, or an address in text; "" for unix sockets. */
void endpoint_host(const struct endpoint *endpoint, char *text, size_t size);
/* What is remembered of a peer is filed under this: "example.org:443", "_http._tcp.example.org", "192.0.2.1:80". */
int endpoint_service(const struct endpoint *endpoint, char *text, size_t size);
/* "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%eth0]:80", a unix path. */
int endpoint_print_address(const struct layer_address *address, char *text, size_t size);

#endif
