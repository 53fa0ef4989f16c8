/* SPDX-License-Identifier: Apache-2.0 */
/* embed_libuv ENDPOINT: the library in libuv's loop, beside a timer of libuv's own that sends a message now and then. */
#include <stdio.h>
#include <string.h>

#include <hawser/hawser.h>
#include <uv.h>

#define MESSAGES 3

struct program {
    hawser_context *ctx;
    hawser_association *line;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned sent, answered;
    int result;
};

static void on_message(const hawser_event *e, void *user)
{
    struct program *program = user;

    printf("%.*s\n", (int)e->received.size, (const char *)e->received.data);
    if (++program->answered == MESSAGES)
        hawser_close(e->association, 0, "");
}

static void on_closed(const hawser_event *e, void *user)
{
    struct program *program = user;

    program->result = e->closed.code;
    if (program->result < 0)
        fprintf(stderr, "embed_libuv: %s\n", e->closed.reason);
    uv_poll_stop(&program->poll);
    uv_timer_stop(&program->timer);
}

static void dispatch(uv_poll_t *poll, int status, int events)
{
    struct program *program = poll->data;

    (void)status;
    (void)events;
    hawser_dispatch(program->ctx);
}

static void tick(uv_timer_t *timer)
{
    struct program *program = timer->data;
    char text[32];

    snprintf(text, sizeof text, "tick %u", ++program->sent);
    hawser_send(program->line, text, strlen(text), NULL, NULL);
    if (program->sent == MESSAGES)
        uv_timer_stop(timer);
}

int main(int argc, char **argv)
{
    struct program program = {.sent = 0};
    uv_loop_t *loop = uv_default_loop();
    int r;

    if ((r = hawser_context_new(NULL, &program.ctx)) < 0 ||
        (r = hawser_associate(program.ctx, argc > 1 ? argv[1] : "", NULL, &program.line)) < 0) {
        fprintf(stderr, "embed_libuv: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_register(program.line, HAWSER_RECEIVED, on_message, &program);
    hawser_register(program.line, HAWSER_CLOSED, on_closed, &program);
    program.poll.data = program.timer.data = &program;
    uv_poll_init(loop, &program.poll, hawser_context_fd(program.ctx));
    uv_poll_start(&program.poll, UV_READABLE, dispatch);
    uv_timer_init(loop, &program.timer);
    uv_timer_start(&program.timer, tick, 0, 10);
    uv_run(loop, UV_RUN_DEFAULT);
    hawser_association_unref(program.line);
    hawser_context_unref(program.ctx);
    return program.result < 0;
}
