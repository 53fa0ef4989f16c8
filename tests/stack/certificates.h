/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate authority for the tests: writes its certificate, and a chain and key for name and 127.0.0.1. */
#ifndef TESTS_STACK_CERTIFICATES_H
#define TESTS_STACK_CERTIFICATES_H

void make_certificates(const char *anchors_file, const char *chain_file, const char *key_file, const char *name);

#endif
