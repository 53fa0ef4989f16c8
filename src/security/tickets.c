/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tickets are kept: one a service, in memory first, and on disk a moment later, so that a burst of connections
 * writes once. A ticket is taken out to be used.
 */
#include "security/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#define WRITE_AFTER 200000 /* microseconds */
#define FILE_NAME_SIZE (BASE32_SIZE(32))

struct ticket_entry {
    RB_ENTRY(ticket_entry) node;
    struct list order;
    char *service;
    struct ticket ticket;
    bool written;
};

static int compare(const struct ticket_entry *a, const struct ticket_entry *b)
{
    return strcmp(a->service, b->service);
}

TREE_GENERATE(ticket_tree, ticket_entry, node, compare)

/* ----------------------------------------------------------------------------------------------------- on disk */

static int file_name(const char *service, char name[FILE_NAME_SIZE])
{
    uint8_t hash[32];

    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, service, strlen(service), hash) < 0)
        return -EIO;
    base32_encode(hash, sizeof hash, name);
    return 0;
}

static int open_directory(const hawser_context *context, int *ret_directory)
{
    const char *state = loop_state_dir(context);

    return *state ? state_open(state, "tickets", ret_directory) : -ENOENT;
}

/* Renaming first makes two processes that want the same ticket agree on who gets it. */
static int take_file(const hawser_context *context, const char *service, struct ticket *ret_ticket)
{
    char name[FILE_NAME_SIZE], taken[FILE_NAME_SIZE + 24];
    uint8_t *data;
    size_t size;
    int directory, r = file_name(service, name);

    if (r == 0)
        r = open_directory(context, &directory);
    if (r < 0)
        return r;
    snprintf(taken, sizeof taken, ".%s.%d.taken", name, (int)gettid());
    r = renameat(directory, name, directory, taken) < 0 ? -errno : 0;
    if (r == 0) {
        r = state_read(directory, taken, TICKET_FILE_MAX, true, &data, &size);
        unlinkat(directory, taken, 0);
    }
    close(directory);
    if (r < 0)
        return r;
    r = ticket_decode(data, size, service, ret_ticket);
    gnutls_memset(data, 0, size);
    free(data);
    return r;
}

static void remove_file(const hawser_context *context, const char *service)
{
    char name[FILE_NAME_SIZE];
    int directory;

    if (file_name(service, name) == 0 && open_directory(context, &directory) == 0) {
        unlinkat(directory, name, 0);
        close(directory);
    }
}

static void write_entry(hawser_context *context, int directory, struct ticket_entry *entry)
{
    char name[FILE_NAME_SIZE];
    uint8_t *data;
    size_t size;
    int r = file_name(entry->service, name);

    if (r == 0)
        r = ticket_encode(&entry->ticket, entry->service, &data, &size);
    if (r == 0) {
        r = state_write(directory, name, data, size, STATE_REPLACE);
        gnutls_memset(data, 0, size);
        free(data);
    }
    if (r < 0)
        loop_log(context, HAWSER_LOG_WARNING, "the ticket for %s cannot be kept: %s", entry->service,
                 hawser_strerror(r));
    entry->written = true;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Removes the oldest file when there are more than the bound. Names are hashes, so whatever is there counts. */
static bool trim_one(int directory)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    char oldest[256] = "";
    struct timespec oldest_time = {0, 0};
    struct stat status;

    if (!listing) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
            continue;
        if (!*oldest || is_older(&status.st_mtim, &oldest_time)) {
            memcpy(oldest, entry->d_name, strlen(entry->d_name) + 1);
            oldest_time = status.st_mtim;
        }
        count++;
    }
    closedir(listing);
    return count > TICKETS_MAX && unlinkat(directory, oldest, 0) == 0;
}

static void write_out(struct security *security)
{
    struct tickets *tickets = &security->tickets;
    int directory;

    if (open_directory(security->context, &directory) < 0)
        return;
    for (struct list *at = tickets->order.next; at != &tickets->order; at = at->next) {
        struct ticket_entry *entry = container_of(at, struct ticket_entry, order);
        if (!entry->written)
            write_entry(security->context, directory, entry);
    }
    while (trim_one(directory))
        ;
    close(directory);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct security *security = container_of(timer, struct security, tickets.timer);

    (void)now;
    security->tickets.pending = false;
    write_out(security);
}

/* --------------------------------------------------------------------------------------------------- in memory */

void tickets_init(struct security *security)
{
    RB_INIT(&security->tickets.tree);
    list_init(&security->tickets.order);
    loop_timer_init(&security->tickets.timer, on_timer);
}

static struct ticket_entry *find(struct tickets *tickets, const char *service)
{
    struct ticket_entry sought = {.service = (char *)service};

    return RB_FIND(ticket_tree, &tickets->tree, &sought);
}

static void drop(struct tickets *tickets, struct ticket_entry *entry)
{
    RB_REMOVE(ticket_tree, &tickets->tree, entry);
    list_remove(&entry->order);
    ticket_clear(&entry->ticket);
    free(entry->service);
    free(entry);
    tickets->count--;
}

void tickets_release(struct security *security)
{
    struct tickets *tickets = &security->tickets;

    if (tickets->pending) {
        loop_timer_clear(security->context, &tickets->timer);
        write_out(security);
    }
    while (!list_empty(&tickets->order))
        drop(tickets, list_first(&tickets->order, struct ticket_entry, order));
}

static int add(struct tickets *tickets, const char *service, const struct ticket *ticket)
{
    size_t size = ticket->session_size + ticket->parameters_size + ticket->token_size;
    struct ticket_entry *entry = calloc(1, sizeof *entry);

    if (entry)
        entry->service = strdup(service);
    if (!entry || !entry->service || !(entry->ticket.session = malloc(size))) {
        if (entry)
            free(entry->service);
        free(entry);
        return -ENOMEM;
    }
    uint8_t *session = entry->ticket.session;
    entry->ticket = *ticket;
    entry->ticket.session = session;
    memcpy(session, ticket->session, size);
    list_append(&tickets->order, &entry->order);
    RB_INSERT(ticket_tree, &tickets->tree, entry);
    tickets->count++;
    return 0;
}

int ticket_save(hawser_context *context, const char *service, const struct ticket *ticket)
{
    struct security *security = security_of(context);
    struct ticket_entry *old;
    int r;

    if (!security)
        return -ENOMEM;
    if (!*loop_state_dir(context))
        return 0; /* "keep nothing" is taken at its word */
    if (ticket->session_size == 0 ||
        strlen(service) + ticket->session_size + ticket->parameters_size + ticket->token_size + 1024 > TICKET_FILE_MAX)
        return -EINVAL;
    old = find(&security->tickets, service);
    if (old)
        drop(&security->tickets, old);
    else if (security->tickets.count >= TICKETS_MAX)
        drop(&security->tickets, list_first(&security->tickets.order, struct ticket_entry, order));
    r = add(&security->tickets, service, ticket);
    if (r == 0 && !security->tickets.pending)
        security->tickets.pending =
            loop_timer_set(context, &security->tickets.timer, loop_now(context) + WRITE_AFTER) == 0;
    return r;
}

bool ticket_there(hawser_context *context, const struct tls_config *config, enum security_over over)
{
    struct security *security = security_of(context);
    char label[TICKET_LABEL_SIZE], name[FILE_NAME_SIZE];
    bool there;
    int directory;

    if (!security || ticket_label(config, over, label, sizeof label) < 0)
        return false;
    if (find(&security->tickets, label))
        return true;
    if (file_name(label, name) < 0 || open_directory(context, &directory) < 0)
        return false;
    there = faccessat(directory, name, F_OK, 0) == 0;
    close(directory);
    return there;
}

int ticket_take(hawser_context *context, const char *service, struct ticket *ret_ticket)
{
    struct security *security = security_of(context);
    struct ticket_entry *entry = security ? find(&security->tickets, service) : NULL;
    struct ticket ticket;

    if (entry) {
        ticket = entry->ticket;
        entry->ticket.session = NULL;
        if (entry->written)
            remove_file(context, service);
        drop(&security->tickets, entry);
    } else if (take_file(context, service, &ticket) < 0)
        return -ENOENT;
    if (ticket.expires <= (int64_t)time(NULL)) {
        ticket_clear(&ticket);
        return -ENOENT;
    }
    *ret_ticket = ticket;
    return 0;
}
