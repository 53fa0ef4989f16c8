/* SPDX-License-Identifier: Apache-2.0 */
/* Domain names as they go over the wire (RFC 1035 section 3.1): any bytes in labels of up to 63, 255 in all. */
#ifndef ENDPOINT_DNS_NAME_H
#define ENDPOINT_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_NAME_SIZE = 255, DNS_LABEL_SIZE = 63, DNS_NAME_TEXT = 4 * DNS_NAME_SIZE + 1 };

struct dns_name {
    size_t size; /* with the root's byte; 0: none */
    uint8_t wire[DNS_NAME_SIZE];
};

/* "a.b", "My\032Printer\.2._ipp._tcp.local": a backslash takes the next character, or three digits, as they are.
 * -EINVAL: empty or too long labels, too long a name, a backslash at the end. */
int dns_name_parse(const char *text, struct dns_name *ret_name);
/* What dns_name_parse() reads, and every DNS library does: all but letters, digits, - and _ as \DDD; without the last dot. */
void dns_name_print(const struct dns_name *name, char ret_text[DNS_NAME_TEXT]);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b); /* whatever the case of A to Z */
/* Puts a label before the name. -EINVAL when it gets too long. */
int dns_name_prepend(struct dns_name *name, const char *label);

#endif
