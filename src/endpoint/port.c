/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: numbers, or names of services(5). getservbyname() is not used: it may ask a directory over the network, and
 * parsing an endpoint must not wait for one.
 */
#include "endpoint/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint/lines.h"

#define SERVICES_FILE "/etc/services"
#define LINE_SIZE 512

/* Digits and nothing else: strtoul() would take a sign and spaces too. */
static bool parse_number(const char *text, unsigned long limit, unsigned long *ret_number)
{
    unsigned long number = 0;

    if (!port_is_number(text))
        return false;
    for (; *text; text++) {
        number = number * 10 + (unsigned long)(*text - '0');
        if (number > limit)
            return false;
    }
    *ret_number = number;
    return true;
}

bool port_is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* A line of services(5): name port/protocol alias... */
static bool line_names(char *line, const char *name, uint16_t *ret_port)
{
    char *word = lines_word(&line), *port = lines_word(&line), *slash = port ? strchr(port, '/') : NULL;
    unsigned long number;

    if (!slash)
        return false;
    *slash = '\0';
    while (word && strcmp(word, name) != 0)
        word = lines_word(&line);
    if (!word || !parse_number(port, UINT16_MAX, &number))
        return false;
    *ret_port = (uint16_t)number;
    return true;
}

static int find_service(const char *name, uint16_t *ret_port)
{
    char line[LINE_SIZE];
    FILE *file = fopen(SERVICES_FILE, "re");
    bool found = false;

    if (!file)
        return -errno;
    while (!found && lines_next(file, "#", line, sizeof line))
        found = line_names(line, name, ret_port);
    fclose(file);
    return found ? 0 : -ENOENT;
}

int port_parse(const char *text, uint16_t *ret_port)
{
    unsigned long number;

    if (!port_is_number(text))
        return *text ? find_service(text, ret_port) : -EINVAL;
    if (!parse_number(text, UINT16_MAX, &number))
        return -ERANGE;
    *ret_port = (uint16_t)number;
    return 0;
}

int descriptor_parse(const char *text, int *ret_fd)
{
    unsigned long number;

    if (!parse_number(text, INT32_MAX, &number))
        return -EINVAL;
    *ret_fd = (int)number;
    return 0;
}
