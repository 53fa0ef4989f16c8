/* SPDX-License-Identifier: Apache-2.0 */
/* Answers those who look: a line "snapshot", a line of JSON. A few at a time, and each as fast as it reads. */
#include "association/control.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/trace.h>

#include "association/json.h"
#include "association/listener.h"

struct client {
    struct loop_io io; /* fd -1: none */
    struct control *control;
    struct loop_timer timer; /* who neither asks nor reads is let go */
    char request[CONTROL_REQUEST];
    size_t request_size;
    char *answer; /* NULL: nothing is being written */
    size_t answer_size, answer_at;
};

struct control {
    struct associations *all;
    struct loop_io io;
    char *path;
    struct client clients[CONTROL_CLIENTS];
};

/* ----------------------------------------------------------------------------------------------------------- snapshot */

void control_snapshot(const struct associations *all, struct json *json)
{
    uint64_t left_off = 0;

    json_object(json, NULL);
    json_string(json, "hawser", HAWSER_VERSION);
    json_signed(json, "process", getpid());
    json_signed(json, "time_us", loop_now(all->context));
    json_list(json, "associations");
    for (const struct list *at = all->open.next; at != &all->open; at = at->next) {
        const hawser_association *association = container_of(at, hawser_association, link);

        if (json->size > CONTROL_ANSWER) {
            left_off++;
            continue;
        }
        json_object(json, NULL);
        json_association(json, association);
        json_object_end(json);
    }
    json_list_end(json);
    json_unsigned(json, "left_off", left_off);
    json_object_end(json);
}

/* ------------------------------------------------------------------------------------------------------------- clients */

static void client_close(struct client *client)
{
    hawser_context *context = client->control->all->context;
    int fd = client->io.fd;

    loop_timer_clear(context, &client->timer);
    loop_io_remove(context, &client->io);
    close(fd);
    free(client->answer);
    client->answer = NULL;
    client->request_size = 0;
}

static void client_patience(struct client *client)
{
    hawser_context *context = client->control->all->context;

    if (loop_timer_set(context, &client->timer, loop_after(loop_now(context), CONTROL_IDLE)) < 0)
        client_close(client);
}

static void on_patience(struct loop_timer *timer, int64_t now)
{
    (void)now;
    client_close(container_of(timer, struct client, timer));
}

/* false: it is gone, or takes no more for now. */
static bool client_write(struct client *client)
{
    while (client->answer_at < client->answer_size) {
        ssize_t n = send(client->io.fd, client->answer + client->answer_at, client->answer_size - client->answer_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0) {
            client_close(client);
            return false;
        }
        client->answer_at += (size_t)n;
    }
    free(client->answer);
    client->answer = NULL;
    return true;
}

static bool client_answer(struct client *client)
{
    struct json json = {.text = NULL};
    size_t size;
    const char *line;

    control_snapshot(client->control->all, &json);
    line = json_line(&json, &size);
    if (!line) {
        json_free(&json);
        client_close(client);
        return false;
    }
    client->answer = json.text;
    client->answer_size = size;
    client->answer_at = 0;
    client_patience(client);
    return client->io.fd >= 0 && client_write(client);
}

/* Takes one request out of what was read: 1: it is answered, 0: more is needed, negative: this is no request. */
static int client_take(struct client *client)
{
    static const char snapshot[] = "snapshot\n";
    const char *end = memchr(client->request, '\n', client->request_size);
    size_t size = end ? (size_t)(end - client->request) + 1 : 0;

    if (!end)
        return client->request_size == sizeof client->request ? -EPROTO : 0;
    if (size != sizeof snapshot - 1 || memcmp(client->request, snapshot, size) != 0)
        return -EPROTO;
    client->request_size -= size;
    memmove(client->request, client->request + size, client->request_size);
    return 1;
}

static void client_ready(struct loop_io *io, uint32_t events)
{
    struct client *client = container_of(io, struct client, io);

    (void)events;
    while (!client->answer || client_write(client)) { /* nothing is read while an answer waits to be */
        int r = client_take(client);
        ssize_t n;

        if (r > 0) {
            if (!client_answer(client))
                return;
            continue;
        }
        if (r < 0) {
            client_close(client);
            return;
        }
        n = recv(client->io.fd, client->request + client->request_size, sizeof client->request - client->request_size,
                 MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            client_close(client);
            return;
        }
        client->request_size += (size_t)n;
    }
}

static void client_add(struct control *control, int fd)
{
    struct client *client = NULL;

    for (size_t i = 0; i < CONTROL_CLIENTS && !client; i++)
        if (control->clients[i].io.fd < 0)
            client = &control->clients[i];
    if (!client || !control_may_look(fd) ||
        loop_io_add(control->all->context, &client->io, fd, EPOLLIN | EPOLLOUT, client_ready) < 0) {
        close(fd);
        return;
    }
    client_patience(client);
}

static void control_ready(struct loop_io *io, uint32_t events)
{
    struct control *control = container_of(io, struct control, io);
    int fd;

    (void)events;
    while ((fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0 || errno == EINTR ||
           errno == ECONNABORTED)
        if (fd >= 0)
            client_add(control, fd);
}

/* ------------------------------------------------------------------------------------------------------- begin and end */

static int control_new(struct associations *all, const char *path, struct control **ret_control)
{
    struct control *control = calloc(1, sizeof *control);
    int fd, r;

    if (!control)
        return -ENOMEM;
    control->all = all;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i].io.fd = -1;
        control->clients[i].control = control;
        loop_timer_init(&control->clients[i].timer, on_patience);
    }
    r = control_listen(path, &fd, &control->path);
    if (r == 0 && (r = loop_io_add(all->context, &control->io, fd, EPOLLIN, control_ready)) < 0) {
        unlink(control->path);
        free(control->path);
        close(fd);
    }
    if (r < 0)
        free(control);
    else
        *ret_control = control;
    return r;
}

void control_free(struct associations *all)
{
    struct control *control = all->control;
    int fd;

    if (!control)
        return;
    all->control = NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (control->clients[i].io.fd >= 0)
            client_close(&control->clients[i]);
    fd = control->io.fd;
    loop_io_remove(all->context, &control->io);
    close(fd);
    if (loop_check(all->context) == 0) /* a forked child leaves it to its parent */
        unlink(control->path);
    free(control->path);
    free(control);
}

int hawser_context_set_control(hawser_context *context, const char *path)
{
    struct associations *all;
    struct control *control = NULL;
    int r = loop_check(context);

    if (r < 0 || (r = associations_of(context, &all)) < 0)
        return r;
    if (path && (r = control_new(all, path, &control)) < 0)
        return r;
    control_free(all);
    all->control = control;
    all->control_said = true;
    return 0;
}

const char *hawser_context_control(const hawser_context *context)
{
    const struct associations *all = loop_check(context) == 0 ? loop_part(context, LOOP_PART_ASSOCIATIONS) : NULL;

    return all && all->control ? all->control->path : "";
}

void control_begin(struct associations *all)
{
    const char *path = all->control_said ? NULL : secure_getenv("HAWSER_CONTROL");
    int r;

    all->control_said = true;
    if (!path || !*path)
        return;
    r = control_new(all, path, &all->control);
    if (r < 0)
        loop_log(all->context, HAWSER_LOG_WARNING, "HAWSER_CONTROL=%s: %s", path, hawser_strerror(r));
}
