/* SPDX-License-Identifier: Apache-2.0 */
/* What clients ask for, one function each. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/tcp.h>

#include "hawserd.h"

/* A request in hand. */
struct job {
    struct daemon *daemon;
    const struct asker *asker;
    const struct wire_request *request;
    struct target target;
    struct wire_reply *reply;
    struct mptcp_reason *reason;
};

static int look(struct job *job)
{
    int r = mptcp_inspect(job->target.fd, &job->daemon->picture, job->reason);

    if (r == 0)
        mptcp_inspect_diag(&job->daemon->picture, NULL);
    return r;
}

/* The subflow that the request names, in a fresh picture. */
static int look_at(struct job *job, struct wire_subflow **ret_subflow)
{
    int r = look(job);

    if (r < 0)
        return r;
    *ret_subflow = mptcp_picture_find(&job->daemon->picture, job->request->id);
    return *ret_subflow ? 0 : mptcp_say(job->reason, -ENOENT, "the connection has no subflow %u", job->request->id);
}

static int do_hello(struct job *job)
{
    struct daemon *daemon = job->daemon;

    if (mptcp_control_able(&daemon->control, job->reason) == 0)
        job->reply->id |= WIRE_CAN_CONTROL;
    if (daemon->tune)
        job->reply->id |= WIRE_CAN_OPTIONS;
    if (daemon->can_schedule)
        job->reply->id |= WIRE_CAN_SCHEDULER;
    job->reason->text[0] = '\0';
    return 0;
}

static int do_list(struct job *job)
{
    const struct mptcp_picture *picture = &job->daemon->picture;
    int r = look(job);

    if (r < 0)
        return r;
    job->reply->token = picture->token;
    job->reply->count = picture->count;
    job->reply->flags = picture->truncated ? WIRE_TRUNCATED_FLAG : 0;
    memcpy(job->reply->subflows, picture->subflows, picture->count * sizeof *picture->subflows);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- control */

static int do_open(struct job *job)
{
    const struct wire_request *request = job->request;
    struct daemon *daemon = job->daemon;
    bool backup = request->flags & WIRE_BACKUP_FLAG;
    struct wire_subflow *opened;
    unsigned alive = 0;
    int r = look(job);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < daemon->picture.count; i++)
        alive += mptcp_subflow_tcp_state(&daemon->picture.subflows[i]) != TCP_CLOSE;
    if (alive >= daemon->grants.subflows && job->asker->uid != 0)
        return mptcp_say(job->reason, -EDQUOT, "the helper's policy file allows %u subflows a connection",
                         daemon->grants.subflows);
    r = mptcp_control_create(&daemon->control, &daemon->picture, job->target.fd, &request->local, &request->remote,
                             backup, &job->reply->id, job->reason);
    if (r == 0 && job->reply->id != 0 && look(job) == 0 &&
        (opened = mptcp_picture_find(&daemon->picture, job->reply->id)))
        watch_created(daemon, job->target.token, opened->id, &opened->local, &opened->remote, backup);
    return r;
}

static int do_close(struct job *job)
{
    int r = look(job);

    return r < 0 ? r
                 : mptcp_control_destroy(&job->daemon->control, &job->daemon->picture, job->request->id, job->reason);
}

static int do_backup(struct job *job)
{
    int r = look(job);

    return r < 0 ? r
                 : mptcp_control_backup(&job->daemon->control, &job->daemon->picture, job->request->id,
                                        job->request->flags & WIRE_BACKUP_FLAG, job->reason);
}

static int do_announce(struct job *job)
{
    uint8_t id = 0;
    int r = look(job);

    if (r == 0)
        r = mptcp_control_announce(&job->daemon->control, &job->daemon->picture, &job->request->local, &id,
                                   job->reason);
    job->reply->id = id;
    return r;
}

static int do_withdraw(struct job *job)
{
    if (job->request->id > UINT8_MAX)
        return mptcp_say(job->reason, -ENOENT, "an address id is at most 255 (RFC 8684 section 3.4)");
    return mptcp_control_withdraw(&job->daemon->control, job->target.token, (uint8_t)job->request->id, job->reason);
}

/* ------------------------------------------------------------------------------------------------------------- options */

static int need_tune(struct job *job)
{
    return job->daemon->tune ? 0 : mptcp_say(job->reason, -EOPNOTSUPP, "%s", job->daemon->no_tune.text);
}

static int find_tunable(struct job *job, const struct tunable **ret_tunable)
{
    *ret_tunable = tunable_find(job->request->level, job->request->name);
    if (!*ret_tunable)
        return mptcp_say(job->reason, -EOPNOTSUPP,
                         "option %d of level %d is none that can be set on one subflow: hawserd(8) lists those",
                         job->request->name, job->request->level);
    return need_tune(job);
}

static struct tune_subflow ends_of(const struct job *job, const struct wire_subflow *subflow)
{
    return (struct tune_subflow){job->target.token, subflow->local, subflow->remote};
}

static int do_get(struct job *job)
{
    const struct wire_request *request = job->request;
    const struct tunable *tunable;
    struct tune_subflow ends;
    struct wire_subflow *subflow;
    uint32_t size = request->option_size;
    int r = look_at(job, &subflow);

    if (r < 0)
        return r;
    if (request->level == IPPROTO_TCP && request->name == TCP_INFO) {
        job->reply->option_size = size < subflow->info_size ? size : subflow->info_size;
        memcpy(job->reply->option, subflow->info, job->reply->option_size);
        return 0;
    }
    if ((r = find_tunable(job, &tunable)) < 0)
        return r;
    if (tunable->kind == TUNABLE_NAME && size > 16)
        size = 16;
    else if (tunable->kind != TUNABLE_NAME && size > sizeof(int))
        size = tunable_takes(tunable, sizeof(unsigned long)) && size >= sizeof(unsigned long) ? sizeof(unsigned long)
                                                                                              : sizeof(int);
    if (!tunable_takes(tunable, size))
        return mptcp_say(job->reason, -EINVAL, "%u bytes are too few for this option", request->option_size);
    ends = ends_of(job, subflow);
    r = tune_get(job->daemon->tune, &ends, request->level, request->name, job->reply->option, size, job->reason);
    job->reply->option_size = r == 0 ? size : 0;
    return r;
}

static int do_set(struct job *job)
{
    const struct wire_request *request = job->request;
    const struct tunable *tunable;
    struct tune_subflow ends;
    struct wire_subflow *subflow;
    const char *why;
    int r = find_tunable(job, &tunable);

    if (r < 0)
        return r;
    if (!tunable_takes(tunable, request->option_size))
        return mptcp_say(job->reason, -EINVAL, "a value of %u bytes is none of this option", request->option_size);
    if (!grants_allow_set(&job->daemon->grants, job->asker, tunable, request->option, request->option_size, &why))
        return mptcp_say(job->reason, -EPERM, "%s", why);
    if ((r = look_at(job, &subflow)) < 0)
        return r;
    ends = ends_of(job, subflow);
    return tune_set(job->daemon->tune, &ends, request->level, request->name, request->option, request->option_size,
                    job->reason);
}

/* ---------------------------------------------------------------------------------------------------------- schedulers */

static bool is_available(const char *name)
{
    char words[512] = "", *rest = words, *word;
    FILE *file = fopen("/proc/sys/net/mptcp/available_schedulers", "re");
    bool found = false;

    if (!file)
        return strcmp(name, "default") == 0;
    if (fgets(words, sizeof words, file))
        while (!found && (word = strsep(&rest, " \n")))
            found = strcmp(word, name) == 0;
    fclose(file);
    return found;
}

/* The kernel gives a connection the namespace's scheduler when it begins, and has no call to change it afterwards; not even
 * one that is written in BPF. What is asked for may be there already. */
static int do_scheduler(struct job *job)
{
    const struct wire_request *request = job->request;
    char name[17] = "", current[16] = "";
    struct mptcp_reason ignored;
    int r = look(job);

    if (r < 0)
        return r;
    if (request->option_size == 0 || request->option_size >= sizeof name ||
        memchr(request->option, '\0', request->option_size))
        return mptcp_say(job->reason, -EINVAL, "a scheduler's name has 1 to %zu bytes", sizeof name - 1);
    memcpy(name, request->option, request->option_size);
    if (job->daemon->tune) {
        for (unsigned i = 0; i < job->daemon->picture.count && !*current; i++) {
            struct tune_subflow ends = ends_of(job, &job->daemon->picture.subflows[i]);
            tune_scheduler(job->daemon->tune, &ends, current, &ignored);
        }
        if (*current && strcmp(current, name) == 0)
            return 0;
    }
    if (is_available(name))
        return mptcp_say(job->reason, -EOPNOTSUPP,
                         "the kernel chooses the scheduler when a connection begins, by net.mptcp.scheduler of the "
                         "namespace; for this one there are hawser's own (HAWSER_AGGREGATE)");
    return mptcp_say(
        job->reason, -EOPNOTSUPP,
        job->daemon->can_schedule
            ? "no scheduler %.16s is loaded here (net.mptcp.available_schedulers); hawser has its own"
            : "this kernel has no scheduler %.16s and takes none by BPF; hawser has its own (HAWSER_AGGREGATE)",
        name);
}

/* --------------------------------------------------------------------------------------------------------------- which */

static int do_watch(struct job *job)
{
    if (job->daemon->events < 0)
        return mptcp_say(job->reason, -EPERM, "%s", job->daemon->no_events.text);
    job->reply->token = job->target.token;
    return 0;
}

static const struct {
    int (*run)(struct job *job);
    enum rule_what what;
} jobs[] = {
    [WIRE_HELLO] = {do_hello, 0},
    [WIRE_LIST] = {do_list, RULE_LOOK},
    [WIRE_OPEN] = {do_open, RULE_CONTROL},
    [WIRE_CLOSE] = {do_close, RULE_CONTROL},
    [WIRE_BACKUP] = {do_backup, RULE_CONTROL},
    [WIRE_ANNOUNCE] = {do_announce, RULE_CONTROL},
    [WIRE_WITHDRAW] = {do_withdraw, RULE_CONTROL},
    [WIRE_GET] = {do_get, RULE_LOOK},
    [WIRE_SET] = {do_set, RULE_SET},
    [WIRE_SCHEDULER] = {do_scheduler, RULE_CONTROL},
    [WIRE_WATCH] = {do_watch, RULE_LOOK},
};

void perform(struct daemon *daemon, const struct asker *asker, const struct wire_request *request, int received,
             struct wire_reply *reply)
{
    struct mptcp_reason reason = {""};
    struct job job = {daemon, asker, request, {.fd = received}, reply, &reason};
    enum rule_what what = jobs[request->head.type].what;
    int r = 0;

    /* Of options each has its own rule: do_set(). */
    if (what && what != RULE_SET && !grants_allow(&daemon->grants, asker, what))
        r = mptcp_say(&reason, -EPERM, "the helper's policy file does not let this user %s connections",
                      what == RULE_LOOK ? "look at" : "steer");
    if (r == 0 && request->head.type != WIRE_HELLO)
        r = target_find(daemon, asker, &request->target, received, &job.target, &reason);
    if (r == 0)
        r = jobs[request->head.type].run(&job);
    if (r == 0 && what == RULE_CONTROL)
        replay_hands_off(daemon->replay, job.target.token);
    closer_close(daemon->closer, job.target.fd, asker->uid);
    reply->code = r;
    memcpy(reply->reason, reason.text, sizeof reply->reason);
}
