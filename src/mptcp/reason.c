/* SPDX-License-Identifier: Apache-2.0 */
#include "mptcp/reason.h"

#include <stdarg.h>
#include <stdio.h>

int mptcp_say(struct mptcp_reason *reason, int code, const char *format, ...)
{
    va_list arguments;

    if (!reason)
        return code;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
    return code;
}
