/* SPDX-License-Identifier: Apache-2.0 */
/* The same request by hawser, with everything on: names, policy, paths, the race, what is remembered. */
#include <hawser/hawser.h>
#include <string.h>

#include "first.h"

struct client {
    hawser_context *context;
    int64_t began, connected;
    bool done, resumed;
};

static void on_established(const hawser_event *event, void *user)
{
    struct client *client = user;
    const hawser_report *report;

    client->connected = first_now_us();
    if (hawser_association_report(event->association, &report) == 0)
        client->resumed = report->resumed;
}

static void on_received(const hawser_event *event, void *user)
{
    struct client *client = user;

    (void)event;
    if (!client->done)
        first_print(client->began, 0, first_now_us(), client->resumed);
    client->done = true;
}

static void on_closed(const hawser_event *event, void *user)
{
    struct client *client = user;

    if (!client->done)
        fprintf(stderr, "first_hawser: %s\n", event->closed.reason);
    hawser_stop(client->context, client->done ? 0 : 1);
}

int main(int argc, char **argv)
{
    struct client client = {.began = first_now_us()};
    hawser_association *association;
    hawser_properties *properties;
    char endpoint[300], request[512];
    int r;

    if (argc != 4)
        return 2;
    snprintf(endpoint, sizeof endpoint, "%s:%s", argv[1], argv[2]);
    snprintf(request, sizeof request, REQUEST_FORMAT, argv[1]);
    r = hawser_properties_new(&properties);
    r = r < 0 ? r : hawser_properties_set(properties, "session", "prohibit");
    r = r < 0 ? r : hawser_context_new(HAWSER_CONTEXT(.state_dir = argv[3]), &client.context);
    r = r < 0 ? r
              : hawser_associate(client.context, endpoint, HAWSER_ASSOCIATE(.properties = properties), &association);
    if (r < 0) {
        fprintf(stderr, "first_hawser: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_register(association, HAWSER_ESTABLISHED, on_established, &client);
    hawser_register(association, HAWSER_RECEIVED, on_received, &client);
    hawser_register(association, HAWSER_CLOSED, on_closed, &client);
    hawser_send(association, request, strlen(request), NULL, NULL);
    r = hawser_run(client.context);
    hawser_association_unref(association);
    hawser_context_unref(client.context);
    hawser_properties_unref(properties);
    return r;
}
