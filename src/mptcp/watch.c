/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of one connection (S5.29). The descriptor given out is an epoll of the source (the kernel's netlink, the helper, or a
 * timer at which the list is compared) and of an eventfd, which is set while events are queued here.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "mptcp/handle.h"
#include "mptcp/kernel.h"

enum { QUEUE = 64, PERIOD_NS = 100 * 1000 * 1000, CLOSED = 7 /* TCP_CLOSE */ };

enum source { BY_KERNEL, BY_HELPER, BY_TIMER };

/* A subflow that was seen, so that its end has a name. */
struct known {
    uint32_t id;
    struct mptcp_address local, remote;
    bool opening, backup;
};

struct watch {
    int epoll, wake;
    int fd; /* the source; -1: it ended */
    enum source source;
    bool awake, ended;
    struct known known[WIRE_SUBFLOWS_MAX];
    unsigned known_count;
    hawser_mptcp_event queue[QUEUE];
    unsigned first, count;
};

const char *hawser_mptcp_event_name(hawser_mptcp_event_type type)
{
    static const char *const names[] = {
        "none",
        "subflow-created",
        "subflow-established",
        "subflow-closed",
        "subflow-priority",
        "address-announced",
        "address-removed",
        "connection-closed",
        "events-lost",
    };

    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    if (w->epoll >= 0)
        close(w->epoll);
    if (w->wake >= 0)
        close(w->wake);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

static hawser_mptcp_event event_of(hawser_mptcp_event_type type)
{
    return (hawser_mptcp_event){.type = type, .local_id = -1, .remote_id = -1, .reset_reason = -1};
}

static void queue(struct watch *w, const hawser_mptcp_event *event)
{
    uint64_t one = 1;

    if (w->count == QUEUE) { /* the last place says that there were more */
        w->queue[(w->first + QUEUE - 1) % QUEUE] = event_of(HAWSER_MPTCP_LOST);
        return;
    }
    w->queue[(w->first + w->count++) % QUEUE] = *event;
    if (!w->awake)
        w->awake = write(w->wake, &one, sizeof one) == sizeof one;
}

static bool unqueue(struct watch *w, hawser_mptcp_event *ret_event)
{
    uint64_t value;

    if (w->count == 0)
        return false;
    *ret_event = w->queue[w->first];
    w->first = (w->first + 1) % QUEUE;
    if (--w->count == 0 && w->awake && read(w->wake, &value, sizeof value) > 0)
        w->awake = false;
    return true;
}

/* ------------------------------------------------------------------------------------------------- what is known */

static struct known *known_by_ends(struct watch *w, const struct mptcp_address *local,
                                   const struct mptcp_address *remote)
{
    for (unsigned i = w->known_count; i-- > 0;)
        if (mptcp_address_same(&w->known[i].local, local) && mptcp_address_same(&w->known[i].remote, remote))
            return &w->known[i];
    return NULL;
}

static struct known *known_by_id(struct watch *w, uint32_t id)
{
    for (unsigned i = 0; i < w->known_count; i++)
        if (w->known[i].id == id)
            return &w->known[i];
    return NULL;
}

static bool is_opening(const struct wire_subflow *s)
{
    unsigned state = mptcp_subflow_tcp_state(s);

    return state == 2 || state == 3; /* TCP_SYN_SENT, TCP_SYN_RECV */
}

static struct known *know(struct watch *w, const struct wire_subflow *s)
{
    struct known *known = known_by_id(w, s->id);

    if (!known && w->known_count == WIRE_SUBFLOWS_MAX)
        return NULL;
    if (!known)
        known = &w->known[w->known_count++];
    *known = (struct known){.id = s->id, .local = s->local, .remote = s->remote, .opening = is_opening(s)};
    known->backup = s->flags & (MPTCP_SUBFLOW_BACKUP_BY_US | MPTCP_SUBFLOW_BACKUP_BY_PEER);
    return known;
}

static void forget(struct watch *w, struct known *known)
{
    *known = w->known[--w->known_count];
}

/* The id of a subflow that the kernel names by its ends. */
static uint32_t id_of(struct hawser_mptcp *m, const struct mptcp_address *local, const struct mptcp_address *remote)
{
    struct known *known = known_by_ends(m->watch, local, remote);
    uint32_t token;

    if (known)
        return known->id;
    /* The number of a closed descriptor may be another socket's by now. */
    if (handle_begin(m) < 0 || m->fd < 0 || mptcp_token(m->fd, &token, NULL) < 0 || token != m->picture.token ||
        handle_look(m) < 0)
        return 0;
    mptcp_inspect_diag(&m->picture, NULL);
    for (unsigned i = 0; i < m->picture.count; i++)
        if (mptcp_subflow_tcp_state(&m->picture.subflows[i]) != CLOSED)
            know(m->watch, &m->picture.subflows[i]);
    known = known_by_ends(m->watch, local, remote);
    return known ? known->id : 0;
}

static void note_announced(struct hawser_mptcp *m, const struct mptcp_address *address, int id)
{
    for (unsigned i = 0; i < m->announced_count; i++)
        if (m->announced[i].id == id) {
            m->announced[i].address = *address;
            return;
        }
    if (m->announced_count < ANNOUNCED_MAX) {
        m->announced[m->announced_count].address = *address;
        m->announced[m->announced_count++].id = id;
    }
}

static struct mptcp_address forget_announced(struct hawser_mptcp *m, int id)
{
    struct mptcp_address address = {0};

    for (unsigned i = 0; i < m->announced_count; i++)
        if (m->announced[i].id == id) {
            address = m->announced[i].address;
            m->announced[i] = m->announced[--m->announced_count];
            break;
        }
    return address;
}

/* ---------------------------------------------------------------------------------------------------- from the kernel */

static void take_subflow(struct hawser_mptcp *m, const struct mptcp_told *t, hawser_mptcp_event *event)
{
    struct known *known;

    event->id = id_of(m, &t->local, &t->remote);
    known = known_by_id(m->watch, event->id);
    event->backup = t->backup || (known && known->backup);
    event->error = t->error;
    event->reset_reason = t->reset_reason;
    if (known && event->type == HAWSER_MPTCP_SUBFLOW_PRIORITY)
        known->backup = event->backup = t->backup;
    if (known && event->type == HAWSER_MPTCP_SUBFLOW_CLOSED)
        forget(m->watch, known);
}

static void take_told(void *user, const struct mptcp_told *t)
{
    static const hawser_mptcp_event_type types[] = {
        [EVENT_ESTABLISHED] = HAWSER_MPTCP_SUBFLOW_ESTABLISHED,     [EVENT_CLOSED] = HAWSER_MPTCP_CLOSED,
        [EVENT_ANNOUNCED] = HAWSER_MPTCP_ADDRESS_ANNOUNCED,         [EVENT_REMOVED] = HAWSER_MPTCP_ADDRESS_REMOVED,
        [EVENT_SUB_ESTABLISHED] = HAWSER_MPTCP_SUBFLOW_ESTABLISHED, [EVENT_SUB_CLOSED] = HAWSER_MPTCP_SUBFLOW_CLOSED,
        [EVENT_SUB_PRIORITY] = HAWSER_MPTCP_SUBFLOW_PRIORITY,
    };
    struct hawser_mptcp *m = user;
    struct mptcp_address remote = t->remote;
    hawser_mptcp_event event;

    if (t->token != m->picture.token || t->type >= sizeof types / sizeof types[0] || !types[t->type])
        return;
    event = event_of(types[t->type]);
    event.local_id = t->local_id;
    event.remote_id = t->remote_id;
    if (event.type == HAWSER_MPTCP_ADDRESS_ANNOUNCED)
        note_announced(m, &remote, t->remote_id);
    else if (event.type == HAWSER_MPTCP_ADDRESS_REMOVED)
        remote = forget_announced(m, t->remote_id);
    else if (event.type == HAWSER_MPTCP_CLOSED)
        m->watch->ended = true;
    else
        take_subflow(m, t, &event);
    mptcp_address_to(&t->local, &event.local);
    mptcp_address_to(&remote, &event.remote);
    queue(m->watch, &event);
}

static int read_kernel(struct hawser_mptcp *m)
{
    hawser_mptcp_event lost = event_of(HAWSER_MPTCP_LOST);
    int r;

    while (m->watch->count == 0 && (r = mptcp_events_read(m->watch->fd, take_told, m)) != 0) {
        if (r == -ENOBUFS)
            queue(m->watch, &lost);
        else if (r < 0)
            return mptcp_say(&m->reason, r, "events ended: %s", strerror(-r));
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- from the helper */

static void take_wire(struct hawser_mptcp *m, const struct wire_event *e)
{
    hawser_mptcp_event event = event_of((hawser_mptcp_event_type)e->type);
    struct known *known;

    /* What we opened by ourselves was queued as it was opened. */
    if (event.type == HAWSER_MPTCP_SUBFLOW_CREATED && known_by_id(m->watch, e->id))
        return;
    event.id = e->id;
    event.local_id = e->local_id;
    event.remote_id = e->remote_id;
    event.error = e->error;
    event.reset_reason = e->reset_reason;
    event.backup = e->flags & WIRE_BACKUP_FLAG;
    mptcp_address_to(&e->local, &event.local);
    mptcp_address_to(&e->remote, &event.remote);
    if (event.type == HAWSER_MPTCP_CLOSED)
        m->watch->ended = true;
    else if (event.type == HAWSER_MPTCP_ADDRESS_ANNOUNCED)
        note_announced(m, &e->remote, e->remote_id);
    else if (event.type == HAWSER_MPTCP_ADDRESS_REMOVED)
        forget_announced(m, e->remote_id);
    else if (event.type != HAWSER_MPTCP_LOST && event.id == 0)
        event.id = id_of(m, &e->local, &e->remote);
    if (event.type == HAWSER_MPTCP_SUBFLOW_CLOSED && (known = known_by_id(m->watch, event.id)))
        forget(m->watch, known);
    queue(m->watch, &event);
}

static int add_source(struct watch *w, int fd, enum source source)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (w->fd >= 0)
        close(w->fd);
    w->fd = fd;
    w->source = source;
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_helper(struct hawser_mptcp *m)
{
    struct wire_request request = client_request(m, WIRE_WATCH);
    int fd, r = client_open(m, &request, &fd);

    return r < 0 ? r : add_source(m->watch, fd, BY_HELPER);
}

static int open_timer(struct watch *w)
{
    struct itimerspec period = {.it_interval.tv_nsec = PERIOD_NS, .it_value.tv_nsec = PERIOD_NS};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0 || timerfd_settime(fd, 0, &period, NULL) < 0)
        return -errno;
    return add_source(w, fd, BY_TIMER);
}

static int read_helper(struct hawser_mptcp *m)
{
    hawser_mptcp_event lost = event_of(HAWSER_MPTCP_LOST);
    struct wire_event e;
    ssize_t size;

    while (m->watch->count == 0 && m->watch->source == BY_HELPER) {
        size = recv(m->watch->fd, &e, sizeof e, MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (size == sizeof e && e.head.magic == WIRE_MAGIC && e.head.type == WIRE_EVENT && e.head.size == sizeof e &&
            e.type >= HAWSER_MPTCP_SUBFLOW_CREATED && e.type <= HAWSER_MPTCP_LOST) {
            take_wire(m, &e);
            continue;
        }
        /* It ended, was started anew, or is none: what happened meanwhile is in the list. */
        queue(m->watch, &lost);
        if (open_helper(m) < 0)
            return open_timer(m->watch);
    }
    return 0;
}

/* --------------------------------------------------------------------------------------------------- by comparison */

static void queue_known(struct watch *w, hawser_mptcp_event_type type, const struct known *known)
{
    hawser_mptcp_event event = event_of(type);

    event.id = known->id;
    event.backup = known->backup;
    mptcp_address_to(&known->local, &event.local);
    mptcp_address_to(&known->remote, &event.remote);
    queue(w, &event);
}

static void compare(struct hawser_mptcp *m)
{
    struct watch *w = m->watch;

    for (unsigned i = w->known_count; i-- > 0;)
        if (!mptcp_picture_find(&m->picture, w->known[i].id)) {
            queue_known(w, HAWSER_MPTCP_SUBFLOW_CLOSED, &w->known[i]);
            forget(w, &w->known[i]);
        }
    for (unsigned i = 0; i < m->picture.count; i++) {
        struct known *known = known_by_id(w, m->picture.subflows[i].id), before = known ? *known : (struct known){0};

        if (mptcp_subflow_tcp_state(&m->picture.subflows[i]) == CLOSED || !(known = know(w, &m->picture.subflows[i])))
            continue;
        if (!before.id)
            queue_known(w, known->opening ? HAWSER_MPTCP_SUBFLOW_CREATED : HAWSER_MPTCP_SUBFLOW_ESTABLISHED, known);
        else if (before.opening && !known->opening)
            queue_known(w, HAWSER_MPTCP_SUBFLOW_ESTABLISHED, known);
        if (before.id && before.backup != known->backup)
            queue_known(w, HAWSER_MPTCP_SUBFLOW_PRIORITY, known);
    }
}

static int read_timer(struct hawser_mptcp *m)
{
    hawser_mptcp_event closed = event_of(HAWSER_MPTCP_CLOSED);
    uint32_t token = m->picture.token;
    uint64_t times;

    if (read(m->watch->fd, &times, sizeof times) < 0)
        return 0;
    if (handle_begin(m) < 0 || handle_look(m) < 0 || m->picture.token != token) {
        m->picture.token = token;
        m->watch->ended = true;
        queue(m->watch, &closed);
        return 0;
    }
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, NULL);
    compare(m);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ public */

void watch_created(struct hawser_mptcp *m, uint32_t id)
{
    struct wire_subflow *s;

    if (!m->watch || !id || m->watch->source == BY_TIMER || known_by_id(m->watch, id) || handle_look(m) < 0 ||
        !(s = mptcp_picture_find(&m->picture, id)))
        return;
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, s);
    if (!know(m->watch, s))
        return;
    queue_known(m->watch, HAWSER_MPTCP_SUBFLOW_CREATED, known_by_id(m->watch, id));
}

static int begin(struct hawser_mptcp *m)
{
    struct watch *w = m->watch;
    struct epoll_event event = {.events = EPOLLIN};
    int fd, r;

    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &event) < 0)
        return mptcp_say(&m->reason, -errno, "no descriptor to watch with: %s", strerror(errno));
    if (!m->no_rights && m->fd >= 0 && mptcp_events_open(m->picture.token, &fd, &m->reason) == 0)
        r = add_source(w, fd, BY_KERNEL);
    else if ((r = open_helper(m)) < 0)
        r = open_timer(w);
    if (r < 0)
        return mptcp_say(&m->reason, r, "no way to watch: %s", strerror(-r));
    /* After the source is open: what comes in between is in both, and not missed. */
    if ((r = handle_look(m)) < 0)
        return r;
    if (m->fd >= 0)
        mptcp_inspect_diag(&m->picture, NULL);
    for (unsigned i = 0; i < m->picture.count; i++)
        if (mptcp_subflow_tcp_state(&m->picture.subflows[i]) != CLOSED)
            know(w, &m->picture.subflows[i]);
    m->reason.text[0] = '\0';
    return 0;
}

int hawser_mptcp_watch(hawser_mptcp *m, int *ret_fd)
{
    int r = handle_begin(m);

    if (r < 0 || (r = handle_look(m)) < 0)
        return r;
    if (!m->watch) {
        if (!(m->watch = calloc(1, sizeof *m->watch)))
            return mptcp_say(&m->reason, -ENOMEM, "out of memory");
        m->watch->epoll = m->watch->wake = m->watch->fd = -1;
        if ((r = begin(m)) < 0) {
            watch_free(m->watch);
            m->watch = NULL;
            return r;
        }
    }
    handle_let_go(m);
    if (ret_fd)
        *ret_fd = m->watch->epoll;
    return 0;
}

int hawser_mptcp_next_event(hawser_mptcp *m, hawser_mptcp_event *ret_event)
{
    struct watch *w = m->watch;
    int r = 0;

    m->reason.text[0] = '\0';
    if (!w)
        return mptcp_say(&m->reason, -EINVAL, "hawser_mptcp_watch() begins it");
    if (w->count == 0 && w->ended)
        return mptcp_say(&m->reason, -ENOTCONN, "the connection is closed");
    if (w->count == 0)
        r = w->source == BY_KERNEL ? read_kernel(m) : w->source == BY_HELPER ? read_helper(m) : read_timer(m);
    handle_let_go(m);
    if (r < 0)
        return r;
    m->reason.text[0] = '\0';
    return unqueue(w, ret_event) ? 1 : 0;
}
