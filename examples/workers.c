/* SPDX-License-Identifier: Apache-2.0 */
/* workers: messages of one line are worked on by four threads, of which one is slow. The context's thread only deals out
 * references; a worker reads the message where it lies, lets go of it, and posts the answer back. The slow one holds up nothing
 * but what it holds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hawser/hawser.h>

#define WORKERS 4
#define JOBS 400

struct job {
    struct job *next;
    hawser_association *line;
    hawser_message *message;
    hawser_message_id id;
    unsigned sum; /* the answer */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **end;
    int over;
} jobs = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &jobs.first, 0};

struct worker {
    hawser_context *ctx;
    pthread_t thread;
    int slow;
    unsigned done;
};

/* On the context's thread again: everything but messages belongs to it. */
static void answer(void *user)
{
    struct job *job = user;

    hawser_send(job->line, &job->sum, sizeof job->sum, HAWSER_MESSAGE(.reply_to = job->id), NULL);
    hawser_association_unref(job->line);
    free(job);
}

static struct job *take(void)
{
    struct job *job;

    pthread_mutex_lock(&jobs.lock);
    while (!jobs.first && !jobs.over)
        pthread_cond_wait(&jobs.changed, &jobs.lock);
    job = jobs.first;
    if (job && !(jobs.first = job->next))
        jobs.end = &jobs.first;
    pthread_mutex_unlock(&jobs.lock);
    return job;
}

static void *work(void *user)
{
    struct worker *worker = user;
    struct job *job;

    while ((job = take())) {
        const unsigned char *data = hawser_message_data(job->message);

        if (worker->slow)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* as if it were hard for this one */
        for (size_t i = 0; i < hawser_message_size(job->message); i++)
            job->sum += data[i];
        hawser_message_unref(job->message); /* which gives the peer its credit back */
        worker->done++;
        hawser_post(worker->ctx, answer, job);
    }
    return NULL;
}

static void on_message(const hawser_event *e, void *user)
{
    struct job *job = calloc(1, sizeof *job);

    (void)user;
    if (!job || hawser_message_keep(e->received.message, &job->message) < 0) {
        free(job);
        return;
    }
    job->line = hawser_association_ref(e->association);
    job->id = e->received.id;
    pthread_mutex_lock(&jobs.lock);
    *jobs.end = job;
    jobs.end = &job->next;
    pthread_cond_signal(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
}

static void on_accepted(const hawser_event *e, void *user)
{
    hawser_register(hawser_association_ref(e->accepted.association), HAWSER_RECEIVED, on_message, user);
}

static void on_answer(const hawser_event *e, void *user)
{
    unsigned *left = user, sum;

    memcpy(&sum, e->received.data, sizeof sum);
    if (sum != 1000 * (e->received.reply_to % 10))
        fprintf(stderr, "workers: a wrong answer\n");
    if (--*left == 0)
        hawser_stop(hawser_association_context(e->association), 0);
}

int main(void)
{
    struct worker workers[WORKERS];
    unsigned left = JOBS, done = 0;
    unsigned char bytes[1000];
    hawser_association *listener, *line;
    hawser_identity *identity;
    hawser_context *ctx;
    char endpoint[300];

    if (hawser_identity_new(&identity) < 0 || hawser_context_new(NULL, &ctx) < 0 ||
        hawser_listen(ctx, "127.0.0.1:0", HAWSER_LISTEN(.identity = identity), &listener) < 0)
        return 1;
    hawser_register(listener, HAWSER_ACCEPTED, on_accepted, NULL);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.ctx = ctx, .slow = i == 0};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    snprintf(endpoint, sizeof endpoint, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    if (hawser_associate(ctx, endpoint, NULL, &line) < 0)
        return 1;
    hawser_register(line, HAWSER_RECEIVED, on_answer, &left);
    for (int i = 1; i <= JOBS; i++) {
        memset(bytes, i % 10, sizeof bytes);
        hawser_send(line, bytes, sizeof bytes, NULL, NULL);
    }
    hawser_run(ctx);
    pthread_mutex_lock(&jobs.lock);
    jobs.over = 1;
    pthread_cond_broadcast(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
    }
    printf("%u answers by %d workers, %u of them by the slow one\n", done, WORKERS, workers[0].done);
    hawser_association_unref(line);
    hawser_association_unref(listener);
    hawser_context_unref(ctx);
    hawser_identity_unref(identity);
    return done != JOBS;
}
