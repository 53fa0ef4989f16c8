/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab-client STATE-DIR: one program, one context, several lines, so that what a context remembers can be seen. Each line
 * of stdin is a command, answered by a JSON object on stdout:
 *
 *     open ENDPOINT [STACK]     the report, once it is decided; the line stays open
 *     close                     {"ok":true}, once the newest line has ended
 */
#include <errno.h>
#include <hawser/hawser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 16 };

struct client {
    hawser_context *context;
    hawser_properties *properties;
    hawser_association *lines[LINES]; /* the established ones */
    unsigned count;
    bool over;
    char text[1024];
    size_t used;
};

static void answer_report(hawser_association *association)
{
    const hawser_report *report;
    char *text;

    if (hawser_association_report(association, &report) < 0 || hawser_report_json(report, &text) < 0) {
        puts("{\"error\":\"no report\"}");
    } else {
        puts(text);
        free(text);
    }
    fflush(stdout);
}

static void on_established(const hawser_event *event, void *user)
{
    struct client *client = user;

    client->lines[client->count++] = event->association;
    answer_report(event->association);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct client *client = user;

    if (client->count > 0 && client->lines[client->count - 1] == event->association) {
        client->lines[--client->count] = NULL;
        puts("{\"ok\":true}");
        fflush(stdout);
    } else {
        answer_report(event->association);
    }
    hawser_association_unref(event->association);
}

static void command_open(struct client *client, const char *endpoint, const char *stack)
{
    hawser_association *made;
    int r = client->count == LINES
                ? -EMFILE
                : hawser_associate(client->context, endpoint,
                                   HAWSER_ASSOCIATE(.properties = client->properties, .stack = stack), &made);

    if (r < 0) {
        printf("{\"error\":\"%s\"}\n", hawser_strerror(r));
        fflush(stdout);
        return;
    }
    hawser_register(made, HAWSER_ESTABLISHED, on_established, client);
    hawser_register(made, HAWSER_CLOSED, on_closed, client);
}

static void command(struct client *client, char *line)
{
    char *state = NULL, *verb = strtok_r(line, " ", &state), *endpoint = strtok_r(NULL, " ", &state);

    if (verb && endpoint && strcmp(verb, "open") == 0) {
        command_open(client, endpoint, strtok_r(NULL, " ", &state));
    } else if (verb && strcmp(verb, "close") == 0 && client->count > 0) {
        hawser_close(client->lines[client->count - 1], 0, "");
    } else {
        puts("{\"error\":\"no such command\"}");
        fflush(stdout);
    }
}

static void on_input(int fd, short revents, void *user)
{
    struct client *client = user;
    ssize_t n = read(fd, client->text + client->used, sizeof client->text - 1 - client->used);
    char *end;

    (void)revents;
    if (n <= 0) {
        client->over = true;
        return;
    }
    client->used += (size_t)n;
    client->text[client->used] = 0;
    while ((end = strchr(client->text, '\n'))) {
        *end = 0;
        command(client, client->text);
        client->used -= (size_t)(end + 1 - client->text);
        memmove(client->text, end + 1, client->used + 1);
    }
}

static void on_log(hawser_log_level level, const char *text, void *user)
{
    (void)level;
    (void)user;
    fprintf(stderr, "lab-client: %s\n", text);
}

int main(int argc, char **argv)
{
    struct client client = {0};
    int r;

    if (argc != 2)
        return 2;
    r = hawser_context_new(HAWSER_CONTEXT(.state_dir = argv[1], .log = on_log), &client.context);
    r = r < 0 ? r : hawser_properties_new(&client.properties);
    r = r < 0 ? r : hawser_properties_set(client.properties, "session", "prohibit");
    r = r < 0 ? r : hawser_watch(client.context, STDIN_FILENO, POLLIN, on_input, &client);
    if (r == 0) {
        puts("{\"ok\":true}");
        fflush(stdout);
    }
    while (r >= 0 && !client.over)
        r = hawser_iterate(client.context, -1);
    if (r < 0)
        fprintf(stderr, "lab-client: %s\n", hawser_strerror(r));
    for (unsigned i = 0; i < client.count; i++)
        hawser_association_unref(client.lines[i]);
    hawser_properties_unref(client.properties);
    hawser_context_unref(client.context);
    return r < 0;
}
