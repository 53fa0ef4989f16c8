/* SPDX-License-Identifier: Apache-2.0 */
/* Identities, trust rules and the stores. What they do in a handshake is proven by tests/stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "security/internal.h"

#define KEY_A "hk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "hk-baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq"

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int setup(void **state)
{
    char *directory = strdup("/tmp/hawser-security-XXXXXX");

    *state = directory ? mkdtemp(directory) : NULL;
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static const char *in(void **state, const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *at = path[turn++ % 4];

    snprintf(at, sizeof path[0], "%s/%s", (const char *)*state, name);
    return at;
}

static hawser_context *context_in(void **state, const char *name)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = name ? in(state, name) : ""), &context), 0);
    return context;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    return lstat(path, &status) < 0 ? 0 : status.st_mode & 07777;
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* ---------------------------------------------------------------------------------------------------- key names */

static void names_of_keys(void **state)
{
    char name[KEY_NAME_SIZE];

    (void)state;
    /* SHA-256 of nothing, e3b0c442..., in base32 by coreutils. */
    assert_int_equal(key_name_of((const uint8_t *)"", 0, name), 0);
    assert_string_equal(name, "hk-4oymiquy7qobjgx36tejs35zeqt24qpemsnzgtfeswmrw6csxbkq");
    assert_true(key_name_valid(name));
    assert_true(key_name_valid(KEY_A));
    assert_true(key_name_valid(KEY_B));
    assert_false(key_name_valid(""));
    assert_false(key_name_valid("hk-"));
    assert_false(key_name_valid(KEY_A "a"));
    name[10] = 'A';
    assert_false(key_name_valid(name));
    name[10] = '1';
    assert_false(key_name_valid(name));
    memcpy(name, KEY_A, sizeof name);
    name[KEY_NAME_SIZE - 2] = 'b'; /* bits that no SHA-256 has */
    assert_false(key_name_valid(name));
}

/* --------------------------------------------------------------------------------------------------- identities */

static void identity_is_made_once(void **state)
{
    hawser_identity *first, *second;

    assert_int_equal(hawser_identity_open(in(state, "new/id"), &first), 0);
    assert_int_equal(mode_of(in(state, "new/id")), 0700);
    assert_int_equal(mode_of(in(state, "new/id/key.pem")), 0600);
    assert_true(key_name_valid(hawser_identity_name(first)));
    assert_int_equal(hawser_identity_open(in(state, "new/id"), &second), 0);
    assert_string_equal(hawser_identity_name(first), hawser_identity_name(second));
    hawser_identity_unref(first);
    hawser_identity_unref(second);
    assert_int_equal(hawser_identity_new(&first), 0);
    assert_int_equal(hawser_identity_new(&second), 0);
    assert_string_not_equal(hawser_identity_name(first), hawser_identity_name(second));
    hawser_identity_unref(first);
    hawser_identity_unref(second);
}

static void identity_file_that_will_not_do(void **state)
{
    hawser_identity *identity = NULL;

    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), 0);
    hawser_identity_unref(identity);
    identity = NULL;
    chmod(in(state, "id/key.pem"), 0640);
    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), -EACCES);
    chmod(in(state, "id/key.pem"), 0600);
    assert_int_equal(rename(in(state, "id/key.pem"), in(state, "id/other.pem")), 0);
    assert_int_equal(symlink("other.pem", in(state, "id/key.pem")), 0);
    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), -HAWSER_EIDENTITY);
    unlink(in(state, "id/key.pem"));
    assert_int_equal(mkfifo(in(state, "id/key.pem"), 0600), 0);
    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), -HAWSER_EIDENTITY);
    unlink(in(state, "id/key.pem"));
    write_text(in(state, "id/key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), -HAWSER_EIDENTITY);
    write_text(in(state, "id/key.pem"), "");
    assert_int_equal(hawser_identity_open(in(state, "id"), &identity), -HAWSER_EIDENTITY);
    assert_int_equal(hawser_identity_open(in(state, "id/key.pem"), &identity), -ENOTDIR);
    assert_int_equal(hawser_identity_open("", &identity), -EINVAL);
    assert_null(identity);
}

/* Several processes that meet an empty directory end with one key. */
static void identity_made_by_several_at_once(void **state)
{
    enum { PROCESSES = 8 };
    char names[PROCESSES][KEY_NAME_SIZE];
    int results[2], status;

    assert_int_equal(pipe(results), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            hawser_identity *identity;
            if (hawser_identity_open(in(state, "id"), &identity) < 0)
                _exit(1);
            _exit(write(results[1], hawser_identity_name(identity), KEY_NAME_SIZE) != KEY_NAME_SIZE);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(read(results[0], names[i], KEY_NAME_SIZE), KEY_NAME_SIZE);
        assert_string_equal(names[i], names[0]);
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    close(results[0]);
    close(results[1]);
}

static void certificate_that_will_not_do(void **state)
{
    hawser_identity *identity;

    assert_int_equal(hawser_identity_new(&identity), 0);
    assert_int_equal(hawser_identity_set_certificate(identity, in(state, "no"), in(state, "no")), -ENOENT);
    write_text(in(state, "empty"), "");
    assert_int_equal(hawser_identity_set_certificate(identity, in(state, "empty"), in(state, "empty")),
                     -HAWSER_EIDENTITY);
    assert_int_equal(hawser_identity_set_certificate(identity, NULL, in(state, "empty")), -EINVAL);
    hawser_identity_unref(identity);
}

/* -------------------------------------------------------------------------------------------------------- trust */

static void trust_rules(void **state)
{
    static const struct {
        const char *rule, *words;
    } bad[] = {
        {"", "not a trust rule"},        {"pky", "\"pky\""},       {"pki,", "\"\" is not"},
        {"key=", "not a key name"},      {"key=hk-x", "\"hk-x\""}, {"PKI", "not a trust rule"},
        {"any key", "not a trust rule"}, {"dane", "one of pki"},
    };
    hawser_context *context = context_in(state, NULL);
    struct trust *trust;
    char reason[200];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(reason, "");
        assert_int_equal(trust_check(bad[i].rule, reason, sizeof reason), -HAWSER_ETRUST);
        assert_non_null(strstr(reason, bad[i].words));
        assert_int_equal(trust_new(context, bad[i].rule, NULL, &trust), -HAWSER_ETRUST);
    }
    assert_int_equal(trust_check("pki,tofu,any,key=" KEY_A ",key=" KEY_B, reason, sizeof reason), 0);
    assert_int_equal(trust_new(context, "key=" KEY_A ",key=" KEY_B, NULL, &trust), 0);
    assert_true(trust_pins_key(trust));
    assert_false(trust_is_any(trust) || trust_wants_x509(trust));
    trust_free(trust);
    assert_int_equal(trust_new(context, "any,pki,key=" KEY_A, NULL, &trust), 0);
    assert_false(trust_pins_key(trust));
    assert_true(trust_is_any(trust) && trust_wants_x509(trust));
    trust_free(trust);
    assert_int_equal(trust_new(context, "pki", in(state, "no-anchors"), &trust), -ENOENT);
    write_text(in(state, "anchors"), "nothing\n");
    assert_int_equal(trust_new(context, "pki", in(state, "anchors"), &trust), -HAWSER_ETRUST);
    assert_int_equal(trust_new(context, "any", in(state, "anchors"), &trust), -HAWSER_ETRUST);
    hawser_context_unref(context);
}

static void known_peers(void **state)
{
    hawser_context *context = context_in(state, "state");
    char name[KEY_NAME_SIZE];

    assert_int_equal(known_peers_find(context, "a", name), -ENOENT);
    assert_int_equal(known_peers_add(context, "a", KEY_A), 0);
    assert_int_equal(known_peers_add(context, "a b\nc", KEY_B), 0);
    assert_int_equal(known_peers_add(context, "a", KEY_B), -EEXIST);
    assert_int_equal(known_peers_find(context, "a", name), 0);
    assert_string_equal(name, KEY_A);
    assert_int_equal(known_peers_find(context, "a b\nc", name), 0);
    assert_string_equal(name, KEY_B);
    assert_int_equal(known_peers_find(context, "c", name), -ENOENT);
    assert_int_equal(mode_of(in(state, "state/known_peers")), 0600);
    /* Others must not be able to read whom we know, and a damaged line is not taken for a first meeting. */
    chmod(in(state, "state/known_peers"), 0644);
    assert_int_equal(known_peers_find(context, "a", name), -EACCES);
    assert_int_equal(known_peers_search("a hk-\n", "a", name), -EINVAL);
    assert_int_equal(known_peers_search("b " KEY_A "\na " KEY_B, "a", name), 0);
    assert_string_equal(name, KEY_B);
    assert_int_equal(known_peers_search("", "a", name), -ENOENT);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------------ tickets */

static struct ticket sample(uint8_t *session, size_t size)
{
    struct ticket ticket = {
        .session = session,
        .session_size = size,
        .alpn = "hawser/1",
        .key_name = KEY_A,
        .name = "example.org",
        .verification = HAWSER_VERIFICATION_PKI,
        .max_early_data = 65536,
        .expires = (int64_t)time(NULL) + 1000,
        .fast_open_worked = true,
    };

    return ticket;
}

static void assert_sample(const struct ticket *ticket, const uint8_t *session, size_t size)
{
    assert_int_equal(ticket->session_size, size);
    assert_memory_equal(ticket->session, session, size);
    assert_string_equal(ticket->alpn, "hawser/1");
    assert_string_equal(ticket->key_name, KEY_A);
    assert_string_equal(ticket->name, "example.org");
    assert_int_equal(ticket->verification, HAWSER_VERIFICATION_PKI);
    assert_int_equal(ticket->max_early_data, 65536);
    assert_true(ticket->fast_open_worked);
}

static void tickets_are_taken_once(void **state)
{
    uint8_t session[300];
    struct ticket ticket, got;
    hawser_context *context = context_in(state, "state"), *other;

    memset(session, 7, sizeof session);
    ticket = sample(session, sizeof session);
    assert_int_equal(ticket_take(context, "s", &got), -ENOENT);
    assert_int_equal(ticket_save(context, "s", &ticket), 0);
    assert_int_equal(ticket_save(context, "other", &ticket), 0);
    assert_int_equal(ticket_take(context, "s", &got), 0); /* from memory */
    assert_sample(&got, session, sizeof session);
    ticket_clear(&got);
    assert_int_equal(ticket_take(context, "s", &got), -ENOENT);
    hawser_context_unref(context); /* writes */

    context = context_in(state, "state");
    other = context_in(state, "state");
    assert_int_equal(mode_of(in(state, "state/tickets")), 0700);
    assert_int_equal(ticket_take(context, "other", &got), 0); /* from disk */
    assert_sample(&got, session, sizeof session);
    ticket_clear(&got);
    assert_int_equal(ticket_take(other, "other", &got), -ENOENT);
    ticket.expires = (int64_t)time(NULL) - 1;
    assert_int_equal(ticket_save(context, "old", &ticket), 0);
    assert_int_equal(ticket_take(context, "old", &got), -ENOENT);
    hawser_context_unref(context);
    hawser_context_unref(other);
}

static void ticket_files(void **state)
{
    uint8_t session[100], *data;
    struct ticket ticket, got;
    size_t size;

    (void)state;
    memset(session, 9, sizeof session);
    ticket = sample(session, sizeof session);
    assert_int_equal(ticket_encode(&ticket, "service", &data, &size), 0);
    assert_int_equal(ticket_decode(data, size, "service", &got), 0);
    assert_sample(&got, session, sizeof session);
    ticket_clear(&got);
    assert_int_equal(ticket_decode(data, size, "servicf", &got), -ENOENT);
    for (size_t i = 0; i < size; i++) { /* any change is noticed, any cut too */
        data[i] ^= 4;
        assert_true(ticket_decode(data, size, "service", &got) < 0);
        data[i] ^= 4;
        assert_true(ticket_decode(data, i, "service", &got) < 0);
    }
    free(data);
}

static int count_files(const char *path)
{
    struct stat status;
    char command[200];
    FILE *pipe;
    int count = -1;

    if (stat(path, &status) < 0)
        return -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void tickets_are_bounded(void **state)
{
    uint8_t session[40] = {1};
    struct ticket ticket = sample(session, sizeof session), got;
    char service[32];

    for (int round = 0; round < 2; round++) {
        hawser_context *context = context_in(state, "state");
        for (int i = 0; i < 550; i++) {
            snprintf(service, sizeof service, "service %d", i + round * 550);
            assert_int_equal(ticket_save(context, service, &ticket), 0);
        }
        hawser_context_unref(context);
    }
    assert_int_equal(count_files(in(state, "state/tickets")), TICKETS_MAX);
    hawser_context *context = context_in(state, "state");
    assert_int_equal(ticket_take(context, "service 1099", &got), 0); /* the newest is there */
    ticket_clear(&got);
    hawser_context_unref(context);
}

/* ------------------------------------------------------------------------------------------------------- stores */

static void replays(void **state)
{
    struct replay replay;
    uint8_t key[48] = {0};

    (void)state;
    replay_init(&replay);
    assert_int_equal(replay_add(&replay, key, 32, 1000), 0);
    assert_int_equal(replay_add(&replay, key, 32, 1001), -EEXIST);
    assert_int_equal(replay_add(&replay, key, 48, 1001), 0);
    assert_int_equal(replay_add(&replay, key, 32, 1000 + REPLAY_WINDOW - 1), -EEXIST);
    assert_int_equal(replay_add(&replay, key, 32, 1000 + REPLAY_WINDOW), 0); /* GnuTLS refuses flights as old as that */
    assert_int_equal(replay_add(&replay, key, 65, 0), -EINVAL);
    replay_clear(&replay);
    for (uint32_t i = 0; i < REPLAY_MAX; i++) {
        memcpy(key, &i, sizeof i);
        assert_int_equal(replay_add(&replay, key, 32, 0), 0);
    }
    memset(key, 0xff, sizeof key);
    assert_int_equal(replay_add(&replay, key, 32, 0), -ENOSPC); /* rather no early data than unknown early data */
    assert_int_equal(replay_add(&replay, key, 32, REPLAY_WINDOW), 0);
    assert_int_equal(replay.count, 1);
    replay_clear(&replay);
}

static void nothing_to_run(hawser_context *owner, void *user)
{
    *(hawser_context **)user = owner;
}

static void nothing_to_drop(void *user)
{
    (void)user;
}

/* Who serves an association is known to the others of a hawser_shared, until it takes that back. */
static void nonces_know_their_owner(void **state)
{
    const uint8_t nonce[16] = {4, 5, 6};
    hawser_context *owner, *other, *ran = NULL;
    hawser_shared *shared;

    (void)state;
    assert_int_equal(hawser_shared_new(&shared), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &owner), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &other), 0);
    assert_false(security_nonce_elsewhere(other, nonce, KEY_A));
    assert_int_equal(security_nonce_add(owner, nonce, KEY_A), 0);
    assert_true(security_nonce_elsewhere(other, nonce, KEY_A));
    assert_false(security_nonce_elsewhere(owner, nonce, KEY_A));
    assert_false(security_nonce_elsewhere(other, nonce, KEY_B));
    assert_int_equal(security_nonce_post(owner, nonce, KEY_A, nothing_to_run, nothing_to_drop, &ran), -ENOENT);
    assert_int_equal(security_nonce_post(other, nonce, KEY_B, nothing_to_run, nothing_to_drop, &ran), -ENOENT);
    assert_int_equal(security_nonce_post(other, nonce, KEY_A, nothing_to_run, nothing_to_drop, &ran), 0);
    assert_int_equal(hawser_dispatch(owner), 0);
    assert_ptr_equal(ran, owner);
    security_nonce_remove(owner, nonce, KEY_A);
    assert_false(security_nonce_elsewhere(other, nonce, KEY_A));
    assert_int_equal(security_nonce_post(other, nonce, KEY_A, nothing_to_run, nothing_to_drop, &ran), -ENOENT);
    hawser_context_unref(owner);
    hawser_context_unref(other);
    hawser_shared_unref(shared);
}

static void nonces(void **state)
{
    hawser_context *context = context_in(state, NULL), *other;
    hawser_shared *shared;
    uint8_t nonce[16] = {1, 2, 3};

    assert_int_equal(security_nonce_add(context, nonce, KEY_A), 0);
    assert_int_equal(security_nonce_add(context, nonce, KEY_A), -EEXIST);
    assert_int_equal(security_nonce_add(context, nonce, KEY_B), 0); /* a nonce blocks nobody else */
    assert_int_equal(security_nonce_add(context, nonce, ""), 0);
    security_nonce_remove(context, nonce, KEY_A);
    assert_int_equal(security_nonce_add(context, nonce, KEY_A), 0);
    hawser_context_unref(context);

    assert_int_equal(hawser_shared_new(&shared), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &context), 0);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared), &other), 0);
    hawser_shared_unref(shared);
    assert_int_equal(security_nonce_add(context, nonce, KEY_A), 0);
    assert_int_equal(security_nonce_add(other, nonce, KEY_A), -EEXIST);
    assert_memory_equal(security_ticket_key(context)->data, security_ticket_key(other)->data, 64);
    hawser_context_unref(context);
    hawser_context_unref(other);
}

static void issued_tickets(void **state)
{
    struct issued issued;
    uint8_t id[32] = {0}, spki[44] = {5}, *got;
    size_t size;

    (void)state;
    issued_init(&issued);
    assert_int_equal(issued_add(&issued, id, spki, sizeof spki), 0);
    assert_int_equal(issued_find(&issued, id, &got, &size), 0);
    assert_int_equal(size, sizeof spki);
    assert_memory_equal(got, spki, size);
    free(got);
    for (uint32_t i = 1; i <= ISSUED_MAX; i++) { /* the oldest goes */
        memcpy(id, &i, sizeof i);
        assert_int_equal(issued_add(&issued, id, NULL, 0), 0);
    }
    assert_int_equal(issued.count, ISSUED_MAX);
    assert_int_equal(issued_find(&issued, id, &got, &size), 0);
    assert_int_equal(size, 0);
    free(got);
    memset(id, 0, sizeof id);
    assert_int_equal(issued_find(&issued, id, &got, &size), -ENOENT);
    issued_clear(&issued);
}

static void fast_open_is_remembered(void **state)
{
    hawser_context *context = context_in(state, "state");

    assert_int_equal(fast_open_recall(context, "a"), FAST_OPEN_UNKNOWN);
    fast_open_remember(context, "a", FAST_OPEN_WORKED);
    fast_open_remember(context, "ab", FAST_OPEN_BROKEN);
    hawser_context_unref(context);
    context = context_in(state, "state");
    assert_int_equal(fast_open_recall(context, "a"), FAST_OPEN_WORKED);
    assert_int_equal(fast_open_recall(context, "ab"), FAST_OPEN_BROKEN);
    assert_int_equal(fast_open_recall(context, "b"), FAST_OPEN_UNKNOWN);
    fast_open_remember(context, "a", FAST_OPEN_BROKEN);
    fast_open_remember(context, "ab", FAST_OPEN_UNKNOWN);
    assert_int_equal(fast_open_recall(context, "a"), FAST_OPEN_BROKEN);
    assert_int_equal(fast_open_recall(context, "ab"), FAST_OPEN_UNKNOWN);
    for (int i = 0; i < 400; i++) { /* bounded: the oldest are forgotten, the newest stay */
        char service[220];
        snprintf(service, sizeof service, "%0200d", i);
        fast_open_remember(context, service, FAST_OPEN_WORKED);
    }
    char newest[220];
    snprintf(newest, sizeof newest, "%0200d", 399);
    assert_int_equal(fast_open_recall(context, newest), FAST_OPEN_WORKED);
    assert_int_equal(fast_open_recall(context, "a"), FAST_OPEN_UNKNOWN);
    hawser_context_unref(context);
}

static void files_are_replaced_whole(void **state)
{
    uint8_t *data;
    size_t size;
    int directory;

    assert_int_equal(state_open(in(state, "x/y/z"), "sub", &directory), 0);
    assert_int_equal(state_write(directory, "f", "one", 3, STATE_EXCLUSIVE), 0);
    assert_int_equal(state_write(directory, "f", "two", 3, STATE_EXCLUSIVE | STATE_DURABLE), -EEXIST);
    assert_int_equal(state_read(directory, "f", 3, true, &data, &size), 0);
    assert_string_equal((char *)data, "one");
    free(data);
    assert_int_equal(state_write(directory, "f", "three", 5, STATE_REPLACE), 0);
    assert_int_equal(state_read(directory, "f", 4, true, &data, &size), -EFBIG);
    assert_int_equal(state_read(directory, "no", 4, true, &data, &size), -ENOENT);
    assert_int_equal(count_files(in(state, "x/y/z/sub")), 1); /* no temporary file is left */
    close(directory);
}

/* In a child there is no worker that would finish what was begun: nobody knows what is in the list. */
static void a_child_leaves_anchors_that_were_being_read(void **state)
{
    hawser_context *context;
    struct security *security;
    pid_t child;
    int status;

    (void)state;
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &context), 0);
    security = security_of(context);
    assert_non_null(security);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);                             /* it would be said by cmocka, and go on */
        security->anchors.list = (gnutls_x509_trust_list_t)sysconf; /* not one that can be taken apart */
        hawser_context_unref(context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    hawser_context_unref(context);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_of_keys),
        TEST(identity_is_made_once),
        TEST(identity_file_that_will_not_do),
        TEST(identity_made_by_several_at_once),
        TEST(certificate_that_will_not_do),
        TEST(trust_rules),
        TEST(known_peers),
        TEST(tickets_are_taken_once),
        TEST(ticket_files),
        TEST(tickets_are_bounded),
        TEST(replays),
        TEST(nonces),
        TEST(nonces_know_their_owner),
        TEST(issued_tickets),
        TEST(fast_open_is_remembered),
        TEST(files_are_replaced_whole),
        TEST(a_child_leaves_anchors_that_were_being_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
