/* SPDX-License-Identifier: Apache-2.0 */
/* hello ENDPOINT: two messages to a named peer, and what it answers. Try it with echo_listener. */
#include <stdio.h>

#include <hawser/hawser.h>

static void on_message(const hawser_event *e, void *user)
{
    (void)user;
    printf("%.*s\n", (int)e->received.size, (const char *)e->received.data);
}

static void on_outcome(const hawser_event *e, void *user)
{
    unsigned *settled = user;

    if (e->outcome.kind != HAWSER_ACKED)
        printf("%s: %s\n", hawser_outcome_name(e->outcome.kind), e->outcome.reason);
    if ((*settled += (unsigned)e->outcome.count) == 2)
        hawser_close(e->association, 0, "");
}

static void on_closed(const hawser_event *e, void *user)
{
    (void)user;
    if (e->closed.code < 0)
        fprintf(stderr, "%s\n", e->closed.reason);
    hawser_stop(hawser_association_context(e->association), e->closed.code);
}

int main(int argc, char **argv)
{
    hawser_context *ctx;
    hawser_association *line;
    hawser_message_id first;
    unsigned settled = 0;
    int r;

    if ((r = hawser_context_new(NULL, &ctx)) == 0 &&
        (r = hawser_associate(ctx, argc > 1 ? argv[1] : "", NULL, &line)) == 0) {
        hawser_register(line, HAWSER_RECEIVED, on_message, NULL);
        hawser_register(line, HAWSER_OUTCOME, on_outcome, &settled);
        hawser_register(line, HAWSER_CLOSED, on_closed, NULL);
        hawser_send(line, "hello", 5, HAWSER_MESSAGE(.niceness = -10), &first);
        hawser_send(line, "world", 5, HAWSER_MESSAGE(.lifetime_us = 2000000, HAWSER_ANTECEDENTS(first)), NULL);
        r = hawser_run(ctx);
    }
    if (r < 0)
        fprintf(stderr, "hello: %s\n", hawser_strerror(r));
    return r < 0;
}
