/* SPDX-License-Identifier: Apache-2.0 */
/* A name that leads elsewhere while its addresses are raced: asked again, the new address is raced, and wins. (S3.10) */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns_server.h"
#include "endpoint/resolver.h"
#include "race/establish.h"

#define SILENT "127.0.0.2"
#define ANSWERS "127.0.0.3"
#define PATIENCE 20000000

static const struct dns_entry before[] = {{.name = "peer.example", .v4 = {SILENT}, .v4_not_kept = true},
                                          {.name = NULL}};
static const struct dns_entry after[] = {{.name = "peer.example", .v4 = {ANSWERS}, .v4_not_kept = true},
                                         {.name = NULL}};

struct fixture {
    hawser_context *context;
    struct dns_server server;
    char conf[64], hosts[64];
    int silent, fillers[4], answers; /* at one port; the first takes no more connections, and says nothing */
    struct establish *establish;
    bool done;
    int code;
    char remote[80];
    unsigned started; /* attempts */
};

static struct sockaddr_in at(const char *host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};

    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

static int listen_at(const char *host, uint16_t *port)
{
    struct sockaddr_in address = at(host, *port);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 0) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        close(fd);
        return -1;
    }
    *port = address.sin_port;
    return fd;
}

/* What does not fit into its queue the system drops without a word. */
static void fill(struct fixture *f, uint16_t port)
{
    const struct sockaddr_in address = at(SILENT, port);

    for (size_t i = 0; i < sizeof f->fillers / sizeof *f->fillers; i++) {
        f->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(f->fillers[i] >= 0);
        (void)connect(f->fillers[i], (const struct sockaddr *)&address, sizeof address);
    }
}

static uint16_t make_peers(struct fixture *f)
{
    for (int i = 0; i < 100; i++) {
        uint16_t port = 0;

        assert_true((f->silent = listen_at(SILENT, &port)) >= 0);
        if ((f->answers = listen_at(ANSWERS, &port)) >= 0) {
            fill(f, port);
            return ntohs(port);
        }
        close(f->silent);
    }
    fail_msg("no port is free at two addresses");
    return 0;
}

static int no_system(const char *host, const char *service, const struct addrinfo *wanted, struct addrinfo **ret_list)
{
    (void)host, (void)service, (void)wanted, (void)ret_list;
    return EAI_NONAME;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char line[64], name[] = "/tmp/test_renew.XXXXXX";

    assert_non_null(f);
    assert_non_null(mkdtemp(name));
    snprintf(f->conf, sizeof f->conf, "%s/resolv.conf", name);
    snprintf(f->hosts, sizeof f->hosts, "%s/hosts", name);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &f->context), 0);
    dns_server_start(&f->server, f->context, before);
    snprintf(line, sizeof line, "nameserver 127.0.0.1@%u\n", f->server.port);
    write_file(f->conf, line);
    write_file(f->hosts, "");
    assert_int_equal(
        resolver_set_files(f->context,
                           &(struct resolver_files){.hosts = f->hosts, .resolv_conf = f->conf, .system = no_system}),
        0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    establish_free(f->establish);
    dns_server_stop(&f->server);
    hawser_context_unref(f->context);
    for (size_t i = 0; i < sizeof f->fillers / sizeof *f->fillers; i++)
        close(f->fillers[i]);
    close(f->silent);
    close(f->answers);
    remove(f->conf);
    remove(f->hosts);
    *strrchr(f->conf, '/') = '\0';
    assert_int_equal(remove(f->conf), 0);
    free(f);
    return 0;
}

static int on_opened(void *user, struct attempt *attempt, struct layer **top)
{
    struct fixture *f = user;

    (void)attempt, (void)top;
    f->started++;
    return 0;
}

static void on_done(void *user, struct attempt *winner, struct layer *top, int code, const char *reason)
{
    struct fixture *f = user;
    char local[80], interface[32];

    (void)winner, (void)reason;
    f->done = true;
    f->code = code;
    if (!top)
        return;
    layer_path(top, local, sizeof local, f->remote, sizeof f->remote, interface, sizeof interface);
    layer_destroy(top);
}

static void begin(struct fixture *f, int64_t timeout, int64_t renew)
{
    static const struct establish_handler handler = {.opened = on_opened, .done = on_done};
    struct establish_endpoint endpoint = {.endpoint.kind = ENDPOINT_HOST};
    hawser_properties *properties;
    struct establish_config config = {.endpoints = &endpoint,
                                      .endpoint_count = 1,
                                      .stacks = "tcp",
                                      .timeout = timeout,
                                      .renew = renew,
                                      .handler = &handler,
                                      .user = f};
    char reason[200], text[64];

    assert_int_equal(hawser_properties_new(&properties), 0);
    assert_int_equal(hawser_properties_set(properties, "security", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(properties, "session", "prohibit"), 0);
    config.values = properties_values(properties);
    snprintf(text, sizeof text, "peer.example:%u", make_peers(f));
    assert_int_equal(endpoint_parse(text, &endpoint.endpoint, reason, sizeof reason), 0);
    if (establish_new(f->context, &config, reason, sizeof reason, &f->establish) < 0)
        fail_msg("%s", reason);
    establish_start(f->establish);
    for (int64_t end = loop_clock() + PATIENCE; f->started == 0 && loop_clock() < end;)
        hawser_iterate(f->context, 10000);
    assert_int_equal(f->started, 1);
    f->server.entries = after;
    for (int64_t end = loop_clock() + PATIENCE; !f->done && loop_clock() < end;)
        hawser_iterate(f->context, 10000);
    assert_true(f->done);
    hawser_properties_unref(properties);
}

static void a_name_that_changes_is_followed(void **state)
{
    struct fixture *f = *state;

    begin(f, PATIENCE, 20000);
    assert_int_equal(f->code, 0);
    assert_int_equal(strncmp(f->remote, ANSWERS ":", strlen(ANSWERS) + 1), 0);
    assert_int_equal(f->started, 2);
}

/* The proof that the other test proves something; and asking again is not the default. */
static void without_being_asked_again_it_is_not(void **state)
{
    struct fixture *f = *state;

    begin(f, 400000, 0);
    assert_int_equal(f->code, -ETIMEDOUT);
    assert_int_equal(f->started, 1);
    assert_in_range(f->server.questions, 1, 2); /* one a family that the host has a route for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_that_changes_is_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_being_asked_again_it_is_not, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
