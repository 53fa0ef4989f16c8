/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crew: the peers behind one service, with an association to each (S1.30). They are equivalent: a message goes to one of them or
 * to all; who is lost is had again, and meanwhile the others do the work (docs/gathering.md).
 *
 *     hawser_crew_associate(ctx, "_hawser._tcp.example.org", HAWSER_CREW(.fn = on_crew), &crew);
 *     hawser_crew_send(crew, HAWSER_CREW_ONE, "work", 4, HAWSER_MESSAGE(.safely_replayable = true), &id);
 *     hawser_crew_send(crew, HAWSER_CREW_ALL, "news", 4, NULL, NULL);
 */
#ifndef HAWSER_CREW_H
#define HAWSER_CREW_H

#include <hawser/gather.h>
#include <hawser/hawser.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_crew hawser_crew;

typedef enum hawser_crew_state {
    HAWSER_CREW_OPENING,
    HAWSER_CREW_UP,
    HAWSER_CREW_WAITING, /* for the next try */
} hawser_crew_state;
HAWSER_API const char *hawser_crew_state_name(hawser_crew_state state);

typedef struct hawser_crew_member {
    unsigned id; /* from 1; no other member of the crew ever has it */
    const char *endpoint;
    unsigned priority;               /* of its SRV record: lower ones are asked first; 0 where there is none */
    hawser_association *association; /* NULL while it waits; after a loss it is another */
    hawser_crew_state state;
    uint64_t under_way; /* messages of the crew that it has and has not answered */
} hawser_crew_member;

typedef enum hawser_crew_event_type {
    HAWSER_CREW_JOINED = 1, /* a member is up: for the first time, or again */
    HAWSER_CREW_LOST,       /* one that was up is not: code and reason as HAWSER_CLOSED has them */
    HAWSER_CREW_FAILED, /* one could not be reached, or (member NULL) the service could not be found; it is tried again */
    HAWSER_CREW_OUTCOME,  /* of a message of hawser_crew_send() */
    HAWSER_CREW_WRITABLE, /* after -EAGAIN */
    HAWSER_CREW_CLOSED,   /* after hawser_crew_close(); nothing follows */
} hawser_crew_event_type;

typedef struct hawser_crew_event {
    hawser_crew_event_type type;
    hawser_crew *crew;
    const hawser_crew_member
        *member; /* joined, lost, failed; outcome: the one that acked what went to one; else NULL */
    int code;
    const char *reason;   /* never NULL */
    hawser_message_id id; /* of an outcome, and what follows */
    hawser_outcome kind;
    bool maybe_delivered;
    unsigned delivered; /* members that have it */
    unsigned lost;      /* members that had been asked, and were lost before they said */
} hawser_crew_event;
typedef void (*hawser_crew_fn)(const hawser_crew_event *event, void *user);

typedef struct hawser_crew_options {
    size_t struct_size;
    /* For each member's association; strings are copied. endpoints, local, server_name and group_key stay unset. Without
     * reestablish_us a line ends with its last strand, so that others are asked at once; the crew opens another. */
    const hawser_associate_options *associate;
    const char *const *endpoints; /* members beside those that the service has, each a peer of its own */
    size_t endpoint_count;
    unsigned max_members;        /* 0: 16; at most 64 */
    hawser_gathering *gathering; /* takes what members send; NULL: it is refused */
    hawser_crew_fn fn;           /* runs in dispatch */
    void *user;
    uint64_t queue; /* bytes that wait for a member before -EAGAIN; 0: 16 MiB */
} hawser_crew_options;
#define HAWSER_CREW(...) (&(const hawser_crew_options){.struct_size = sizeof(hawser_crew_options), __VA_ARGS__})

/*
 * Opens a line to each member. service: "_name._tcp.example.org": each host and port of its SRV records is a member; an
 * instance, or several of the link, as well (docs/endpoints.md); with a key name before it they all show that key. Any other endpoint
 * is one member, whose addresses are raced. NULL: those of options.endpoints alone. Who is lost and has gone from the records is
 * dropped after some tries. Errors: as hawser_associate() for what can be told at once; -E2BIG, more than max_members;
 * -EOPNOTSUPP, an option that members cannot have.
 */
HAWSER_API int hawser_crew_associate(hawser_context *context, const char *service, const hawser_crew_options *options,
                                     hawser_crew **ret_crew);
HAWSER_API hawser_crew *hawser_crew_ref(hawser_crew *crew);
/* The last reference closes all lines in the background; what no member was given is dropped. Returns NULL. */
HAWSER_API hawser_crew *hawser_crew_unref(hawser_crew *crew);
/* No further sends; the lines are closed once everything has its outcome. HAWSER_CREW_CLOSED follows. */
HAWSER_API int hawser_crew_close(hawser_crew *crew);

/* A member by index from 0; -ENOENT past the last. The endpoint lives as long as the member, the association until dispatch. */
HAWSER_API int hawser_crew_get_member(const hawser_crew *crew, unsigned index, hawser_crew_member *ret_member);

typedef enum hawser_crew_whom {
    /* The member of the lowest priority that has the fewest messages under way. When it is lost before it said, another is
     * asked: if the message is safely_replayable, or the lost one cannot have had it; else it ends as maybe_delivered. */
    HAWSER_CREW_ONE,
    /* All that are up now. It is acked when each of them has it that was not lost meanwhile, and at least one. */
    HAWSER_CREW_ALL,
} hawser_crew_whom;

/*
 * Sends a message, which is copied. While no member is up it waits; its lifetime runs. Errors: -EAGAIN (too much waits;
 * HAWSER_CREW_WRITABLE follows), -ESHUTDOWN, -EINVAL, -EOPNOTSUPP (antecedents, ordered, reply_to, prefix, release, want_sent,
 * final, strand: they belong to one association).
 */
HAWSER_API int hawser_crew_send(hawser_crew *crew, hawser_crew_whom whom, const void *data, size_t size,
                                const hawser_message_options *options, hawser_message_id *ret_id);

#ifdef __cplusplus
}
#endif

#endif
