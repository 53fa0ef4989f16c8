/* SPDX-License-Identifier: Apache-2.0 */
/* The last resort: getaddrinfo(3) on the worker, which knows what nsswitch.conf(5) adds (directories, systemd-resolved). */
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/lines.h"
#include "endpoint/resolution.h"

#define LINE_SIZE 1024

/* It outlives a resolution that is cancelled while the call runs: nobody can end that. */
struct system_lookup {
    struct loop_job job;
    struct resolver_user membership;
    hawser_context *context;
    struct question *question; /* NULL: nobody waits */
    int (*call)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    char host[HOST_SIZE];
    int family, code;
    struct addrinfo *list;
};

bool system_knows_more(const char *nsswitch_file)
{
    FILE *stream = fopen(nsswitch_file, "re");
    char line[LINE_SIZE];
    bool more = false;

    while (stream && lines_next(stream, "#", line, sizeof line)) {
        char *rest = line, *word = lines_word(&rest);

        if (!word || strcmp(word, "hosts:") != 0)
            continue;
        while ((word = lines_word(&rest)))
            more |=
                *word != '[' && strcmp(word, "files") != 0 && strcmp(word, "dns") != 0 && strncmp(word, "mdns", 4) != 0;
    }
    if (stream)
        fclose(stream);
    return more;
}

/* The thread's own resolver settings: a dead name server must not keep the worker for long. */
static void be_brief(void)
{
    if (res_init() == 0) {
        _res.retrans = 1;
        _res.retry = 1;
    }
}

static void look_up(struct loop_job *job)
{
    struct system_lookup *lookup = container_of(job, struct system_lookup, job);
    struct addrinfo wanted = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};

    be_brief();
    lookup->code = lookup->call(lookup->host, NULL, &wanted, &lookup->list);
}

static void lookup_free(struct system_lookup *lookup)
{
    list_remove(&lookup->membership.link);
    if (lookup->list)
        freeaddrinfo(lookup->list);
    free(lookup);
}

static void take_list(const struct addrinfo *list, struct addresses *addresses)
{
    addresses_init(addresses, 0);
    for (; list; list = list->ai_next)
        if (list->ai_family == AF_INET6) {
            struct sockaddr_in6 v6;
            memcpy(&v6, list->ai_addr, sizeof v6);
            addresses_add_v6(addresses, &v6.sin6_addr, v6.sin6_scope_id);
        } else if (list->ai_family == AF_INET) {
            struct sockaddr_in v4;
            memcpy(&v4, list->ai_addr, sizeof v4);
            addresses_add_v4(addresses, &v4.sin_addr);
        }
}

static void done(struct loop_job *job)
{
    struct system_lookup *lookup = container_of(job, struct system_lookup, job);
    struct question *question = lookup->question;

    if (question) {
        question->system = NULL;
        question->code = lookup->code == 0 ? 0 : -HAWSER_ERESOLVE;
        if (lookup->code == 0)
            take_list(lookup->list, &question->addresses);
        else
            snprintf(question->why, sizeof question->why, "%s", gai_strerror(lookup->code));
        question_answered(question);
    }
    lookup_free(lookup);
}

static void end_with_context(struct resolver_user *user)
{
    struct system_lookup *lookup = container_of(user, struct system_lookup, membership);

    loop_job_cancel(lookup->context, &lookup->job);
    if (lookup->question)
        lookup->question->system = NULL;
    lookup_free(lookup);
}

int system_lookup_start(struct question *question, struct system_lookup **ret_lookup)
{
    struct resolution *resolution = question->resolution;
    unsigned families = resolution->config.families;
    struct system_lookup *lookup = calloc(1, sizeof *lookup);

    if (!lookup)
        return -ENOMEM;
    lookup->context = resolution->context;
    lookup->question = question;
    lookup->call = resolver_system(resolution->resolver);
    lookup->family = families == BIT_V6 ? AF_INET6 : families == BIT_V4 ? AF_INET : AF_UNSPEC;
    memcpy(lookup->host, resolution->endpoint.host, HOST_SIZE);
    lookup->membership.end = end_with_context;
    resolver_join(resolution->resolver, &lookup->membership);
    loop_job_init(&lookup->job, look_up, done);
    loop_job_start(resolution->context, &lookup->job);
    *ret_lookup = lookup;
    return 0;
}

void system_lookup_forget(struct system_lookup *lookup)
{
    if (lookup)
        lookup->question = NULL;
}
