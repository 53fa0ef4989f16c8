/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that answers each line with its own words in capitals, to whoever comes: nc, openssl s_client, curl telnet://,
 * and programs that use hawser.
 *
 *     example_bare_lines ENDPOINT     (prints the endpoint that it listens on; e.g. 127.0.0.1:0)
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <hawser/layer.h>

static void on_line(const hawser_event *event, void *user)
{
    char *answer = malloc(event->received.size + 1);

    (void)user;
    for (size_t i = 0; answer && i < event->received.size; i++)
        answer[i] = (char)toupper(((const unsigned char *)event->received.data)[i]);
    if (answer)
        hawser_send(event->association, answer, event->received.size, NULL, NULL);
    free(answer);
}

static void on_closed(const hawser_event *event, void *user)
{
    (void)user;
    hawser_association_unref(event->association);
}

static void on_accepted(const hawser_event *event, void *user)
{
    hawser_association *line = hawser_association_ref(event->accepted.association);

    (void)user;
    fprintf(stderr, "%s %s\n", event->accepted.bare ? "bare" : "hawser/1", event->accepted.peer.name);
    hawser_register(line, HAWSER_RECEIVED, on_line, NULL);
    hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
}

int main(int argc, char **argv)
{
    hawser_association *listener;
    hawser_properties *properties;
    const hawser_framer *lines;
    hawser_context *context;
    int r;

    if (argc != 2 || hawser_context_new(NULL, &context) < 0 || hawser_properties_new(&properties) < 0 ||
        hawser_framer_find("lines", &lines, NULL) < 0)
        return 2;
    hawser_properties_set(properties, "session", "prefer");
    hawser_properties_set(properties, "security", "avoid");
    r = hawser_listen(context, argv[1], HAWSER_LISTEN(.properties = properties, .framer = lines), &listener);
    if (r == 0) {
        hawser_register(listener, HAWSER_ACCEPTED, on_accepted, NULL);
        printf("%s\n", hawser_association_endpoint(listener));
        fflush(stdout);
        r = hawser_run(context);
        hawser_association_unref(listener);
    }
    hawser_properties_unref(properties);
    hawser_context_unref(context);
    if (r < 0)
        fprintf(stderr, "%s\n", hawser_strerror(r));
    return r < 0;
}
