/* SPDX-License-Identifier: Apache-2.0 */
/* crew ENDPOINT...: holds a line to each of several servers that do the same. Six pieces of work go to one of them each, the news
 * to all; what they answer comes through one handle, and says who answered. */
#include <stdio.h>

#include <hawser/crew.h>
#include <hawser/gather.h>
#include <hawser/hawser.h>

#define WORK 6

struct boss {
    unsigned wanted, up, done;
};

static void on_crew(const hawser_crew_event *e, void *user)
{
    struct boss *boss = user;

    switch (e->type) {
    case HAWSER_CREW_JOINED:
        boss->up++;
        if (boss->up == boss->wanted) {
            for (int i = 0; i < WORK; i++)
                hawser_crew_send(e->crew, HAWSER_CREW_ONE, "work", 4, HAWSER_MESSAGE(.safely_replayable = true), NULL);
            hawser_crew_send(e->crew, HAWSER_CREW_ALL, "news", 4, NULL, NULL);
        }
        break;
    case HAWSER_CREW_LOST:
    case HAWSER_CREW_FAILED:
        fprintf(stderr, "crew: %s: %s\n", e->member ? e->member->endpoint : "the service", e->reason);
        break;
    case HAWSER_CREW_OUTCOME:
        printf("message %llu: %s by %u\n", (unsigned long long)e->id, hawser_outcome_name(e->kind), e->delivered);
        if (++boss->done == WORK + 1)
            hawser_crew_close(e->crew);
        break;
    default:
        break;
    }
}

static void on_answer(const hawser_gathered *gathered, void *user)
{
    unsigned *answers = user;

    *answers += gathered->message != NULL; /* else it has ended */
}

int main(int argc, char **argv)
{
    struct boss boss = {.wanted = (unsigned)argc - 1};
    hawser_gathering *gathering;
    hawser_context *ctx;
    hawser_crew *crew;
    unsigned answers = 0;
    int r;

    if (argc < 2 || hawser_context_new(NULL, &ctx) < 0 || hawser_gathering_new(ctx, NULL, &gathering) < 0)
        return 2;
    hawser_gathering_handle(gathering, on_answer, &answers);
    if ((r = hawser_crew_associate(ctx, NULL,
                                   HAWSER_CREW(.endpoints = (const char *const *)argv + 1,
                                               .endpoint_count = (size_t)argc - 1, .gathering = gathering,
                                               .fn = on_crew, .user = &boss),
                                   &crew)) < 0) {
        fprintf(stderr, "crew: %s\n", hawser_strerror(r));
        return 1;
    }
    hawser_run(ctx);
    printf("%u answers\n", answers);
    hawser_crew_unref(crew);
    hawser_gathering_unref(gathering);
    hawser_context_unref(ctx);
    return 0;
}
