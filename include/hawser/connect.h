/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs that stay with sockets: a race for a plain connected descriptor, in place of a getaddrinfo() loop. No TLS,
 * no session: byte for byte what connect(2) gives, from the first address that answers (RFC 8305), with the report.
 */
#ifndef HAWSER_CONNECT_H
#define HAWSER_CONNECT_H

#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_connect_options {
    size_t struct_size;
    const char *const *endpoints; /* more of them for the same peer, to race */
    size_t endpoint_count;
    const char *local; /* where to leave from: "192.0.2.1:0", "[2001:db8::1]:0@eth0"; NULL: anywhere */
    const char *stack; /* "tcp", "mptcp", "unix", "socks5/tcp", "http-connect/tcp"; NULL: by the endpoint */
    const hawser_properties *properties; /* NULL: defaults */
    int64_t timeout_us;                  /* 0: 10 s */
    const char *state_dir;               /* as in hawser_context_options */
    hawser_log_fn log;                   /* why it was refused or failed, in a sentence each; NULL: silent */
    void *log_user;
    hawser_log_level log_level; /* the least urgent level that is told */
} hawser_connect_options;
#define HAWSER_CONNECT(...)                                                                                            \
    (&(const hawser_connect_options){.struct_size = sizeof(hawser_connect_options), __VA_ARGS__})

typedef struct hawser_connecting hawser_connecting;

/*
 * Connects, and waits for it. ret_fd: a connected stream socket, blocking, CLOEXEC, the caller's. ret_report: also on
 * failure, when not NULL; the caller hawser_report_free()s it. Errors: -HAWSER_EENDPOINT, -HAWSER_ERESOLVE, -ETIMEDOUT,
 * -HAWSER_EPROPERTY, -EINVAL, or what says most of the failed attempts; .log is told why.
 */
HAWSER_API int hawser_connect(const char *endpoint, const hawser_connect_options *options, int *ret_fd,
                              hawser_report **ret_report);

/* The same beside a program's own loop: poll hawser_connecting_fd() for POLLIN, then call hawser_connecting_finish(), which
 * answers -EAGAIN until it is decided; then, or to give up, hawser_connecting_free(). One thread. */
HAWSER_API int hawser_connect_start(const char *endpoint, const hawser_connect_options *options,
                                    hawser_connecting **ret_connecting);
HAWSER_API int hawser_connecting_fd(hawser_connecting *connecting);
/* ret_fd as above, non-blocking here. */
HAWSER_API int hawser_connecting_finish(hawser_connecting *connecting, int *ret_fd, hawser_report **ret_report);
HAWSER_API void hawser_connecting_free(hawser_connecting *connecting);

#ifdef __cplusplus
}
#endif

#endif
