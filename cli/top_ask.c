/* SPDX-License-Identifier: Apache-2.0 */
#include "top_ask.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (16u << 20)
#define REQUEST "snapshot\n"

/* ------------------------------------------------------------------------------------------------------------- finding */

static int add(struct asking *asking, const char *directory, const char *name)
{
    struct asked *asked;

    if (asking->count == asking->room) {
        size_t room = asking->room * 2 + 8;
        struct asked *items = realloc(asking->items, room * sizeof(*items));

        if (!items)
            return -ENOMEM;
        asking->items = items;
        asking->room = room;
    }
    asked = &asking->items[asking->count];
    *asked = (struct asked){.fd = -1};
    if (directory ? asprintf(&asked->path, "%s/%s", directory, name) < 0 : !(asked->path = strdup(name)))
        return -ENOMEM;
    asking->count++;
    return 0;
}

/* PID.sock, and PID-N.sock of further contexts. */
static bool is_of(const char *name, const char *process)
{
    size_t length = strspn(name, "0123456789"), number;

    if (length == 0 || (process && (length != strlen(process) || strncmp(name, process, length) != 0)))
        return false;
    name += length;
    number = *name == '-' ? 1 + strspn(name + 1, "0123456789") : 0;
    return number != 1 && strcmp(name + number, ".sock") == 0;
}

static int by_path(const void *a, const void *b)
{
    return strverscmp(((const struct asked *)a)->path, ((const struct asked *)b)->path);
}

int asking_find(struct asking *asking, const char *which)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char directory[108];
    const struct dirent *entry;
    DIR *open;
    int r = 0;

    if (which && (!*which || which[strspn(which, "0123456789")]))
        return add(asking, NULL, which);
    if (runtime && *runtime == '/')
        snprintf(directory, sizeof(directory), "%s/hawser", runtime);
    else
        snprintf(directory, sizeof(directory), "/run/user/%u/hawser", (unsigned)geteuid());
    open = opendir(directory);
    if (!open)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0 && (entry = readdir(open)))
        if (is_of(entry->d_name, which))
            r = add(asking, directory, entry->d_name);
    closedir(open);
    if (asking->count)
        qsort(asking->items, asking->count, sizeof(*asking->items), by_path);
    return r;
}

/* -------------------------------------------------------------------------------------------------------------- asking */

static void forget(struct asked *asked)
{
    value_free(asked->value);
    asked->value = NULL;
    free(asked->text);
    asked->text = NULL;
    asked->size = asked->room = 0;
    asked->why = NULL;
    asked->code = 0;
}

static void hang_up(struct asked *asked, int code, const char *why)
{
    if (asked->fd >= 0)
        close(asked->fd);
    asked->fd = -1;
    asked->code = code;
    if (code == EPIPE || code == ECONNRESET)
        why = "it hung up: it is another user's, or enough look at it";
    asked->why = why ? why : code ? hawser_strerror(-code) : NULL;
}

static void begin(struct asked *asked)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool again = asked->fd >= 0;

    forget(asked);
    if (strlen(asked->path) >= sizeof(address.sun_path)) {
        hang_up(asked, ENAMETOOLONG, NULL);
        return;
    }
    strcpy(address.sun_path, asked->path);
    if (again && send(asked->fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(REQUEST))
        return;
    hang_up(asked, 0, NULL);
    asked->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (asked->fd < 0 || connect(asked->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        send(asked->fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) != (ssize_t)strlen(REQUEST))
        hang_up(asked, errno, NULL);
}

static void understand(struct asked *asked)
{
    asked->text[--asked->size] = '\0';
    asked->value = value_read(asked->text, asked->size);
    if (!asked->value || !value_at(asked->value, "associations") || strchr(asked->text, '\n')) {
        forget(asked);
        hang_up(asked, 0, "it answers, but no snapshot");
    }
}

static bool is_whole(const struct asked *asked)
{
    return asked->size > 0 && asked->text[asked->size - 1] == '\n';
}

/* Takes what is there: false when nothing more will come. */
static bool take(struct asked *asked)
{
    for (;;) {
        ssize_t n;

        if (asked->room - asked->size < 2) {
            size_t room = asked->room * 2 + 16384;
            char *text = room <= ANSWER_MAX ? realloc(asked->text, room) : NULL;

            if (!text) {
                hang_up(asked, 0, "its answer is too long");
                return false;
            }
            asked->text = text;
            asked->room = room;
        }
        n = recv(asked->fd, asked->text + asked->size, asked->room - asked->size - 1, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0) {
            hang_up(asked, n < 0 ? errno : ECONNRESET, NULL);
            return false;
        }
        asked->size += (size_t)n;
        if (is_whole(asked)) {
            understand(asked);
            return false;
        }
    }
}

static int64_t ms_left(int64_t end)
{
    int64_t left = (end - clock_us()) / 1000;

    return left > 0 ? left : 0;
}

static int wait_for_all(struct asking *asking, int timeout_ms)
{
    struct pollfd *fds = calloc(asking->count + 1, sizeof(*fds));
    int64_t end = clock_us() + (int64_t)timeout_ms * 1000;
    size_t left = 0;

    if (!fds)
        return -ENOMEM;
    for (size_t i = 0; i < asking->count; i++) {
        fds[i] = (struct pollfd){.fd = asking->items[i].fd, .events = POLLIN};
        left += fds[i].fd >= 0;
    }
    while (left > 0 && poll(fds, asking->count, (int)ms_left(end)) > 0) {
        for (size_t i = 0; i < asking->count; i++) {
            if (fds[i].fd < 0 || !fds[i].revents || take(&asking->items[i]))
                continue;
            fds[i].fd = -1;
            left--;
        }
    }
    for (size_t i = 0; i < asking->count; i++)
        if (fds[i].fd >= 0) {
            forget(&asking->items[i]);
            hang_up(&asking->items[i], ETIMEDOUT, "it does not answer");
        }
    free(fds);
    return 0;
}

static void drop_dead(struct asking *asking)
{
    size_t kept = 0;

    for (size_t i = 0; i < asking->count; i++) {
        struct asked *asked = &asking->items[i];

        if (asked->code != ECONNREFUSED && asked->code != ENOENT)
            asking->items[kept++] = *asked;
        else
            free(asked->path);
    }
    asking->count = kept;
}

int asking_go(struct asking *asking, int timeout_ms, bool keep_dead)
{
    int r;

    for (size_t i = 0; i < asking->count; i++)
        begin(&asking->items[i]);
    r = wait_for_all(asking, timeout_ms);
    if (!keep_dead)
        drop_dead(asking);
    return r;
}

void asking_free(struct asking *asking)
{
    for (size_t i = 0; i < asking->count; i++) {
        forget(&asking->items[i]);
        hang_up(&asking->items[i], 0, NULL);
        free(asking->items[i].path);
    }
    free(asking->items);
    *asking = (struct asking){.items = NULL};
}
