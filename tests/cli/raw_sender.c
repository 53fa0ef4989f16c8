/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends standard input as one message, whatever is in it: what a peer might send that is not this tool. Prints how the
 * message ended and why. raw_sender ENDPOINT [known|unknown|cut]; unknown: the size is not announced; cut: the line
 * is aborted before the last byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hawser/hawser.h>

struct sender {
    hawser_context *context;
    hawser_association *association;
    unsigned char *data;
    size_t size;
    const char *how;
    int ended; /* the outcome is known, or will never be */
};

static void on_outcome(const hawser_event *event, void *user)
{
    struct sender *s = user;

    if (s->ended)
        return;
    printf("%s: %s\n", hawser_outcome_name(event->outcome.kind), event->outcome.reason);
    s->ended = 1;
    hawser_close(s->association, 0, NULL);
}

static void on_closed(const hawser_event *event, void *user)
{
    struct sender *s = user;

    if (!s->ended)
        printf("closed: %s\n", event->closed.reason);
    hawser_stop(s->context, 0);
}

static void cut(void *user)
{
    struct sender *s = user;

    s->ended = 1;
    printf("cut\n");
    hawser_abort(s->association, 0, "cut");
}

static void on_established(const hawser_event *event, void *user)
{
    struct sender *s = user;
    int known = strcmp(s->how, "known") == 0, is_cut = strcmp(s->how, "cut") == 0;
    hawser_message_id id;
    int r;

    (void)event;
    if (known) {
        r = hawser_send(s->association, s->data, s->size, NULL, &id);
    } else {
        r = hawser_send_begin(s->association, is_cut ? s->size + 1 : HAWSER_SIZE_UNKNOWN, NULL, &id);
        if (r == 0)
            r = hawser_send_part(s->association, id, s->data, s->size, !is_cut);
    }
    if (r < 0) {
        printf("send: %s\n", hawser_strerror(r));
        hawser_stop(s->context, 1);
    } else if (is_cut) {
        /* Long enough for what was given to leave; the test waits for what follows, not for this. */
        hawser_timer(s->context, 300000, cut, s, NULL);
    }
}

static int read_input(struct sender *s)
{
    size_t room = (size_t)8 << 20;

    s->data = malloc(room);
    if (!s->data)
        return -1;
    s->size = fread(s->data, 1, room, stdin);
    return ferror(stdin) ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct sender s = {.how = argc > 2 ? argv[2] : "known"};
    int r;

    if (argc < 2 || read_input(&s) < 0)
        return 2;
    r = hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &s.context);
    if (r == 0)
        r = hawser_associate(s.context, argv[1], NULL, &s.association);
    if (r < 0) {
        fprintf(stderr, "raw_sender: %s\n", hawser_strerror(r));
        return 3;
    }
    hawser_register(s.association, HAWSER_ESTABLISHED, on_established, &s);
    hawser_register(s.association, HAWSER_OUTCOME, on_outcome, &s);
    hawser_register(s.association, HAWSER_CLOSED, on_closed, &s);
    r = hawser_run(s.context);
    hawser_association_unref(s.association);
    hawser_context_unref(s.context);
    free(s.data);
    return r != 0;
}
