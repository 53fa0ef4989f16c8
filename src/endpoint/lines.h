/* SPDX-License-Identifier: Apache-2.0 */
/* The line format that services(5), hosts(5) and resolv.conf(5) share: words between blanks, up to a comment. */
#ifndef ENDPOINT_LINES_H
#define ENDPOINT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Reads the next line without its comment. A line of size bytes or more is left out: what it says is not known. */
bool lines_next(FILE *file, const char *comment, char *ret_line, size_t size);
/* The next word of a line, NUL-ended in place; NULL when there is none. *at starts as the line. */
char *lines_word(char **at);

#endif
