/* SPDX-License-Identifier: Apache-2.0 */
/* S2.28: ten thousand associations at once on one thread, at each end, and all of them in use. */
#include "../api/api.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASSOCIATIONS 10000
#define AT_ONCE 200 /* handshakes */

/* ------------------------------------------------------------------------------------------------------- the other end */

static void take(const hawser_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void keep_accepted(const hawser_event *event, void *user)
{
    hawser_association_ref(event->accepted.association);
    hawser_register(event->accepted.association, HAWSER_RECEIVED, take, user);
}

static _Noreturn void serve(int tell)
{
    hawser_context *context;
    hawser_identity *identity;
    hawser_association *listener;
    char text[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context) < 0 || hawser_identity_new(&identity) < 0 ||
        hawser_listen(context, "127.0.0.1:0", HAWSER_LISTEN(.identity = identity, .keep_alive_us = -1), &listener) <
            0 ||
        hawser_register(listener, HAWSER_ACCEPTED, keep_accepted, NULL) < 0)
        _exit(1);
    int size =
        snprintf(text, sizeof text, "%s@%s", hawser_identity_name(identity), hawser_association_endpoint(listener));
    if (write(tell, text, (size_t)size) != size)
        _exit(1);
    close(tell);
    hawser_run(context);
    _exit(1); /* it is killed before */
}

/* ------------------------------------------------------------------------------------------------------------- our end */

struct crowd {
    hawser_context *context;
    hawser_identity *identity;
    hawser_association *lines[ASSOCIATIONS];
    size_t begun, established, acked, closed;
    char endpoint[256], closed_reason[256];
};

static void on_established(const hawser_event *event, void *user)
{
    (void)event;
    ((struct crowd *)user)->established++;
}

static void on_outcome(const hawser_event *event, void *user)
{
    if (event->outcome.kind != HAWSER_ACKED)
        print_error("a message failed: %s\n", event->outcome.reason);
    assert_int_equal(event->outcome.kind, HAWSER_ACKED);
    ((struct crowd *)user)->acked += event->outcome.count;
}

static void on_closed(const hawser_event *event, void *user)
{
    struct crowd *crowd = user;

    crowd->closed++;
    snprintf(crowd->closed_reason, sizeof crowd->closed_reason, "%s", event->closed.reason);
}

static void begin(struct crowd *crowd)
{
    hawser_association **line = &crowd->lines[crowd->begun++];

    assert_int_equal(
        hawser_associate(crowd->context, crowd->endpoint,
                         HAWSER_ASSOCIATE(.identity = crowd->identity, .keep_alive_us = -1, .timeout_us = 60000000),
                         line),
        0);
    hawser_register(*line, HAWSER_ESTABLISHED, on_established, crowd);
    hawser_register(*line, HAWSER_OUTCOME, on_outcome, crowd);
    hawser_register(*line, HAWSER_CLOSED, on_closed, crowd);
}

static void wait_for(struct crowd *crowd, const size_t *count, size_t wanted)
{
    while (*count < wanted) {
        assert_int_equal(hawser_iterate(crowd->context, 60000000), 1);
        if (crowd->closed > 0)
            print_error("a line was closed: %s\n", crowd->closed_reason);
        assert_int_equal(crowd->closed, 0);
    }
}

static size_t threads_of(pid_t pid)
{
    char path[64];
    size_t count = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static bool enough_descriptors(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= ASSOCIATIONS + 200)
        return true;
    print_message("SKIP: %d descriptors are needed and %lu allowed here (ulimit -Hn)\n", ASSOCIATIONS + 200,
                  (unsigned long)limit.rlim_max);
    return false;
}

static void ten_thousand_on_one_thread(void **state)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    int ends[2];

    (void)state;
    if (!enough_descriptors()) {
        free(crowd);
        skip();
    }
    assert_int_equal(pipe(ends), 0);
    pid_t server = fork();
    if (server == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    assert_true(read(ends[0], crowd->endpoint, sizeof crowd->endpoint - 1) > 0);
    close(ends[0]);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &crowd->context), 0);
    assert_int_equal(hawser_identity_new(&crowd->identity), 0);
    while (crowd->begun < ASSOCIATIONS) {
        begin(crowd);
        if (crowd->begun > AT_ONCE)
            wait_for(crowd, &crowd->established, crowd->begun - AT_ONCE);
    }
    wait_for(crowd, &crowd->established, ASSOCIATIONS);
    for (size_t i = 0; i < ASSOCIATIONS; i++)
        assert_int_equal(hawser_send(crowd->lines[i], "all at once", 11, NULL, NULL), 0);
    wait_for(crowd, &crowd->acked, ASSOCIATIONS);
    assert_int_equal(threads_of(getpid()), 1);
    assert_int_equal(threads_of(server), 1);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    for (size_t i = 0; i < ASSOCIATIONS; i++) {
        hawser_abort(crowd->lines[i], 0, "");
        hawser_association_unref(crowd->lines[i]);
    }
    hawser_context_unref(crowd->context);
    hawser_identity_unref(crowd->identity);
    free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_on_one_thread)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
