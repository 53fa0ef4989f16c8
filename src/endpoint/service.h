/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service names: "_hawser._tcp.example.org" (RFC 2782), and with an instance before it "My Printer._ipp._tcp.local"
 * (RFC 6763 section 4.1). An instance is one label of any UTF-8; in it a backslash stands before . @ : and \.
 */
#ifndef ENDPOINT_SERVICE_H
#define ENDPOINT_SERVICE_H

#include "endpoint/host.h"

struct dns_name;

/* Has it the form of a service name, however wrong its parts are? */
bool service_looks(const char *text);
/* In the form in which it is printed. NULL, or what is wrong. */
const char *service_name_check(const char *text, char ret_name[HOST_SIZE]);
bool service_has_instance(const char *name); /* of a checked one */
/* An instance's name from DNS in that form; NULL, or what is wrong. */
const char *service_from_dns(const struct dns_name *name, char ret_name[HOST_SIZE]);
/* The first character c that no backslash stands before; NULL: there is none. */
char *service_strchr(const char *text, char c);

#endif
