/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <hawser/hawser.h>

struct error_entry {
    int number;
    const char *name, *text;
};

static const struct error_entry own_errors[] = {
#define X(name, number, text) {number, #name, text},
    HAWSER_ERRORS(X)
#undef X
};

static const struct error_entry *find_own(int number)
{
    for (size_t i = 0; i < sizeof own_errors / sizeof *own_errors; i++)
        if (own_errors[i].number == number)
            return &own_errors[i];
    return NULL;
}

/* Codes are returned negative, but a caller who already turned one round means the same. */
static int number_of(int code)
{
    return code == INT32_MIN ? 0 : code < 0 ? -code : code;
}

const char *hawser_strerror(int code)
{
    int number = number_of(code);
    const struct error_entry *own = find_own(number);
    const char *text;

    if (number == 0)
        return code == 0 ? "success" : "unknown error";
    if (own)
        return own->text;
    /* strerror() may share a buffer between threads; the description table does not. */
    text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

const char *hawser_error_name(int code)
{
    int number = number_of(code);
    const struct error_entry *own = find_own(number);
    const char *name;

    if (number == 0)
        return code == 0 ? "0" : "unknown";
    if (own)
        return own->name;
    name = strerrorname_np(number);
    return name ? name : "unknown";
}

const char *hawser_version(void)
{
    return HAWSER_VERSION;
}
