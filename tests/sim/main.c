/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser-sim: runs seeds, each in a worker process, so that one that crashes or hangs is named like one that fails.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define JOBS_MAX 64
#define SECONDS_MOST 120 /* of real time for one seed */
#define REPORTED_MOST 50

struct board {     /* shared with the workers */
    uint64_t next; /* the next seed to run */
    uint64_t passed, failed;
    struct {
        uint64_t seed;
        int busy;
        struct tally tally;
    } workers[JOBS_MAX];
};

static const char *program = "hawser-sim";

static void report(uint64_t seed, const char *why)
{
    printf("seed %" PRIu64 " failed: %s\n    replay: %s --seed %" PRIu64 " --verbose\n", seed, why, program, seed);
    fflush(stdout);
}

static void work(struct board *board, unsigned index, uint64_t last)
{
    for (;;) {
        uint64_t seed = __atomic_fetch_add(&board->next, 1, __ATOMIC_RELAXED);
        if (seed > last)
            _exit(0);
        board->workers[index].seed = seed;
        board->workers[index].busy = 1;
        alarm(SECONDS_MOST);
        char why[512];
        if (sim_seed(seed, false, &board->workers[index].tally, why, sizeof why)) {
            __atomic_fetch_add(&board->passed, 1, __ATOMIC_RELAXED);
        } else if (__atomic_fetch_add(&board->failed, 1, __ATOMIC_RELAXED) < REPORTED_MOST) {
            report(seed, why);
        }
        board->workers[index].busy = 0;
    }
}

static pid_t start(struct board *board, unsigned index, uint64_t last)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        work(board, index, last);
    if (pid < 0)
        perror("hawser-sim: fork");
    return pid;
}

static void say_tally(const struct board *board, unsigned jobs)
{
    struct tally sum = {0};
    for (unsigned i = 0; i < jobs; i++) {
        const struct tally *tally = &board->workers[i].tally;
        sum.messages += tally->messages;
        sum.delivered += tally->delivered;
        sum.bytes += tally->bytes;
        sum.streams += tally->streams;
        sum.strands_died += tally->strands_died;
        sum.simulated += tally->simulated;
    }
    printf("%" PRIu64 " messages sent, %" PRIu64 " delivered, %" PRIu64 " streams, %.0f MB, %" PRIu64
           " strands died, %.1f hours of simulated time\n",
           sum.messages, sum.delivered, sum.streams, (double)sum.bytes / 1e6, sum.strands_died,
           (double)sum.simulated / 3600e6);
}

static int run_seeds(uint64_t first, uint64_t last, unsigned jobs)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        perror("hawser-sim: mmap");
        return 1;
    }
    board->next = first;
    pid_t pids[JOBS_MAX];
    for (unsigned i = 0; i < jobs; i++)
        pids[i] = start(board, i, last);
    for (unsigned running = jobs; running > 0;) {
        int status;
        pid_t pid = wait(&status);
        if (pid < 0)
            break;
        unsigned i = 0;
        while (i < jobs && pids[i] != pid)
            i++;
        if (i == jobs)
            continue;
        if (board->workers[i].busy) { /* it did not get to the end of this one */
            char why[128];
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
                snprintf(why, sizeof why, "it took more than %d seconds", SECONDS_MOST);
            else
                snprintf(why, sizeof why, "the process ended by %s %d", WIFSIGNALED(status) ? "signal" : "exit code",
                         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            board->failed++;
            board->workers[i].busy = 0;
            report(board->workers[i].seed, why);
            pids[i] = start(board, i, last);
            continue;
        }
        running--;
    }
    bool all = board->passed + board->failed == last - first + 1;
    if (!all)
        fprintf(stderr, "hawser-sim: not every seed was run\n");
    say_tally(board, jobs);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", board->passed, board->failed);
    int code = board->failed || !all;
    munmap(board, sizeof *board);
    return code;
}

static int usage(FILE *file, int code)
{
    fprintf(file, "usage: hawser-sim --seeds FROM-TO [--jobs N]\n"
                  "       hawser-sim --seed N [--verbose]\n"
                  "       hawser-sim --scenario NAME [--verbose]\n"
                  "scenarios:");
    scenario_list(file);
    return code;
}

static bool number(const char *text, char **ret_end, uint64_t *ret_number)
{
    errno = 0;
    *ret_number = strtoull(text, ret_end, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, last = 0, jobs = 1, seed = 0;
    bool verbose = false, one = false;
    const char *scenario = NULL;
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        bool good = false;
        if (strcmp(argv[i], "--seeds") == 0)
            good = number(value, &end, &first) && *end == '-' && number(end + 1, &end, &last) && !*end && last >= first;
        else if (strcmp(argv[i], "--seed") == 0)
            good = one = number(value, &end, &seed) && !*end;
        else if (strcmp(argv[i], "--jobs") == 0)
            good = number(value, &end, &jobs) && !*end && jobs > 0 && jobs <= JOBS_MAX;
        else if (strcmp(argv[i], "--scenario") == 0)
            good = *(scenario = value) != 0;
        if (!good) {
            fprintf(stderr, "hawser-sim: %s %s: not understood\n", argv[i], value);
            return usage(stderr, 2);
        }
        i++;
    }
    if (scenario) {
        int r = scenario_run(scenario, verbose);
        return r == 2 ? usage(stderr, 2) : r;
    }
    if (one) {
        char why[512];
        struct tally tally = {0};
        bool held = sim_seed(seed, verbose, &tally, why, sizeof why);
        if (!held)
            report(seed, why);
        printf("%d passed, %d failed\n", held, !held);
        return !held;
    }
    return last >= first ? run_seeds(first, last, (unsigned)jobs) : usage(stderr, 2);
}
