/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers inside endpoints: ports, by number or by a name of services(5), and descriptors. */
#ifndef ENDPOINT_PORT_H
#define ENDPOINT_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* -EINVAL: empty, -ERANGE: above 65535, -ENOENT: no such service, others: services(5) cannot be read. */
int port_parse(const char *text, uint16_t *ret_port);
bool port_is_number(const char *text);
int descriptor_parse(const char *text, int *ret_fd); /* -EINVAL */

#endif
