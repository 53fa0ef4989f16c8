/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint/host.h"

#include <stddef.h>
#include <string.h>

#define NAME_MAX_LENGTH 253 /* RFC 1035 section 3.1: 255 on the wire */
#define LABEL_MAX_LENGTH 63
#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static void lower_case(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static const char *check_label(const char *label, size_t length)
{
    if (length == 0)
        return "a label of it is empty";
    if (length > LABEL_MAX_LENGTH)
        return "a label of it is longer than 63 characters";
    if (label[0] == '-' || label[length - 1] == '-')
        return "a label of it begins or ends with a hyphen";
    return NULL;
}

static const char *check_characters(const char *name)
{
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at >= 0x80)
            return "international names are not converted: give its xn-- form";
    if (name[strspn(name, LETTERS DIGITS "-_.")])
        return "only letters, digits, hyphens, underscores and dots may stand in it";
    return NULL;
}

const char *host_name_check(const char *text, char ret_name[HOST_SIZE])
{
    char name[HOST_SIZE];
    size_t length = strlen(text);
    const char *label, *wrong;

    if (length > 0 && text[length - 1] == '.')
        length--; /* the root is meant anyway, and a certificate's names come without it */
    if (length == 0)
        return "it is empty";
    if (length > NAME_MAX_LENGTH)
        return "it is longer than 253 characters";
    memcpy(name, text, length);
    name[length] = '\0';
    lower_case(name);
    if ((wrong = check_characters(name)))
        return wrong;
    for (label = name;; label += strcspn(label, ".") + 1) {
        size_t size = strcspn(label, ".");

        if ((wrong = check_label(label, size)))
            return wrong;
        if (!label[size])
            break;
    }
    /* No top-level domain is a number: this was meant as an address, and a resolver must not be asked for it. */
    if (!label[strspn(label, DIGITS)])
        return "it is not an IPv4 address, and no name ends in a number";
    memcpy(ret_name, name, length + 1);
    return NULL;
}

bool host_is_localhost(const char *name)
{
    const char *last = strrchr(name, '.');

    return !strcmp(last ? last + 1 : name, "localhost");
}
