/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.1 answer: status line and headers (RFC 9112 sections 4 to 6). */
#ifndef CLI_HTTP_HEAD_H
#define CLI_HTTP_HEAD_H

#include "http.h"

/* Its length with the empty line; 0 when that is not there yet. */
size_t http_head_length(const uint8_t *data, size_t size);
/* length as above. ret_wrong says what is wrong: -HAWSER_EFRAMER, -ENOMEM. head->text is the caller's to free, only on
 * success. */
int http_head_parse(const uint8_t *data, size_t length, struct http_head *head, const char **ret_wrong);

#endif
