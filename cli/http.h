/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A framer for one answer of HTTP/1.1 (RFC 9112): its head is told to a function, its body is one message in parts. With
 * in_race the question and the answer's head are the first exchange, and an answer of 400 or more loses the race.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <hawser/layer.h>

struct http_head {
    int status;
    char reason[128];
    char *text; /* the lines, LF between them */
    bool chunked, has_length;
    uint64_t length;
    char location[8192], content_type[256]; /* "" when not there */
};

struct http_exchange { /* framer_user */
    const char *request;
    size_t request_size;
    bool only_head; /* the question was HEAD: no body follows */
    bool in_race;
    bool (*on_head)(const struct http_head *head, void *user); /* of the winner, once: whether the body is wanted */
    void *user;
};

/* The framer for an exchange: the one that takes part in the race, or the one that does not. */
const hawser_framer *http_framer(const struct http_exchange *exchange);

#endif
