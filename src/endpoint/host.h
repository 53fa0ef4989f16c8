/* SPDX-License-Identifier: Apache-2.0 */
/* Host names as DNS and TLS take them (RFC 1123 section 2.1, RFC 2181 section 11): letters, digits, hyphens, and the
 * underscore that service names use. */
#ifndef ENDPOINT_HOST_H
#define ENDPOINT_HOST_H

#include <stdbool.h>

#define HOST_SIZE 256

/* Lower case, without the root's dot, since tickets and first-use keys are filed under it. NULL, or what is wrong. */
const char *host_name_check(const char *text, char ret_name[HOST_SIZE]);
bool host_is_localhost(const char *name); /* RFC 6761 section 6.3; of a checked name */

#endif
