/* SPDX-License-Identifier: Apache-2.0 */
/* task ENDPOINT: receives and sends in straight-line code, on the loop and without threads. */
#include <stdio.h>
#include <string.h>

#include <hawser/task.h>

#if HAWSER_TASKS

struct talk {
    hawser_association *line;
    int result;
};

static int say(hawser_association *line, const char *text)
{
    hawser_message *answer;
    int r = hawser_task_send(line, text, strlen(text), NULL); /* returns when the peer has it */

    if (r == 0)
        r = hawser_task_receive(line, &answer, NULL);
    if (r < 0)
        return r;
    printf("%.*s\n", (int)hawser_message_size(answer), (const char *)hawser_message_data(answer));
    hawser_message_unref(answer);
    return 0;
}

static void talk(void *argument)
{
    struct talk *t = argument;

    t->result = hawser_task_established(t->line);
    if (t->result == 0)
        t->result = say(t->line, "knock knock");
    if (t->result == 0)
        t->result = say(t->line, "it is me");
    hawser_association_unref(t->line); /* the last reference closes it, in the background */
}

int main(int argc, char **argv)
{
    struct talk t = {.result = 0};
    hawser_context *ctx = NULL;
    int r;

    if ((r = hawser_context_new(NULL, &ctx)) == 0 &&
        (r = hawser_associate(ctx, argc > 1 ? argv[1] : "", NULL, &t.line)) == 0 &&
        (r = hawser_task_start(ctx, talk, &t, NULL)) == 0 && (r = hawser_run(ctx)) == 0)
        r = t.result;
    if (r < 0)
        fprintf(stderr, "task: %s\n", hawser_strerror(r));
    hawser_context_unref(ctx);
    return r < 0;
}

#else

int main(void)
{
    fputs("task: this platform has no contexts to switch\n", stderr);
    return 77;
}

#endif
