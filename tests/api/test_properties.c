/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves that properties are honoured: each that can be set does what docs/properties.md says of it, on real lines, seen from
 * the other end or asked of the kernel; each that can be asked tells what is; what may change later changes, and what may
 * not says so.
 */
#include "api.h"

#include <hawser/layer.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

/* Properties from name and value, in turns, to NULL. */
static hawser_properties *properties(const char *first, ...) __attribute__((sentinel));
static hawser_properties *properties(const char *first, ...)
{
    hawser_properties *set;
    va_list arguments;

    assert_int_equal(hawser_properties_new(&set), 0);
    va_start(arguments, first);
    for (const char *name = first; name; name = va_arg(arguments, const char *)) {
        const char *value = va_arg(arguments, const char *);

        if (hawser_properties_set(set, name, value) != 0)
            fail_msg("%s = %s: %s", name, value, hawser_properties_wrong(set));
    }
    va_end(arguments);
    return set;
}

/* Both ends up; the client's with these properties, which are let go of at once. */
static void connect_with(struct world *world, hawser_properties *set, hawser_associate_options options)
{
    if (!world->listener)
        world_listen(world, NULL);
    options.struct_size = sizeof options;
    options.properties = set;
    world_associate(world, &options);
    hawser_properties_unref(set);
    until(world,
          world->client.seen[HAWSER_ESTABLISHED] && world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
}

static void listen_with(struct world *world, hawser_properties *set)
{
    world_listen(world, HAWSER_LISTEN(.properties = set));
    hawser_properties_unref(set);
}

static void finish(struct world *world)
{
    assert_int_equal(hawser_close(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

static const char *asked(const hawser_association *line, const char *name)
{
    static char text[5000];

    assert_true(hawser_association_get_property(line, name, text, sizeof text) >= 0);
    return text;
}

static void change(hawser_association *line, const char *name, const char *value)
{
    char reason[256] = "";

    if (hawser_association_set_property(line, name, value, reason, sizeof reason) != 0)
        fail_msg("%s = %s: %s", name, value, reason);
    assert_string_equal(asked(line, name), value);
}

/* The descriptor of a line's socket, found by its address; the library's own. */
static int socket_of(const hawser_association *line)
{
    DIR *directory = opendir("/proc/self/fd");
    hawser_strand_info info;
    int found = -1;

    assert_int_equal(hawser_association_strand(line, 0, &info), 0);
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct sockaddr_in local, remote;
        socklen_t size = sizeof local;
        char text[64], text_remote[64];
        int fd = atoi(entry->d_name);

        if (getsockname(fd, (struct sockaddr *)&local, &size) < 0 || local.sin_family != AF_INET)
            continue;
        size = sizeof remote;
        if (getpeername(fd, (struct sockaddr *)&remote, &size) < 0)
            continue;
        snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(local.sin_port));
        snprintf(text_remote, sizeof text_remote, "127.0.0.1:%u", ntohs(remote.sin_port));
        if (strcmp(text, info.path.local) == 0 && strcmp(text_remote, info.path.remote) == 0)
            found = fd;
    }
    closedir(directory);
    assert_true(found >= 0);
    return found;
}

static int64_t option_of(const hawser_association *line, int level, int option)
{
    union {
        int number;
        int64_t wide;
    } value = {.wide = 0};
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(socket_of(line), level, option, &value, &size), 0);
    return size == sizeof value.number ? value.number : value.wide;
}

/* A plain TCP server of the test's own. */
static int serve(struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void connect_plain(struct world *world, hawser_properties *set, const char *framer)
{
    const hawser_framer *found = NULL;

    assert_int_equal(hawser_properties_set(set, "security", "prohibit"), 0);
    assert_int_equal(hawser_properties_set(set, "session", "prohibit"), 0);
    if (framer)
        assert_int_equal(hawser_framer_find(framer, &found, NULL), 0);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set, .framer = found));
    hawser_properties_unref(set);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(world->client.stack, "tcp");
}

/* ---------------------------------------------------------------------------------------------------------- messages */

static const hawser_received *sent(struct world *world, const hawser_message_options *options)
{
    size_t before = world->server.received_count;

    assert_int_equal(hawser_send(world->client.line, "x", 1, options, NULL), 0);
    until(world, world->server.received_count > before);
    return &world->server.received[before].received;
}

static void messages_have_the_defaults(void **state)
{
    struct world *world = *state;
    const hawser_received *got;

    connect_with(world, properties("msgPriority", "60", "msgLifetime", "10s", "preserveOrder", "require", NULL),
                 *HAWSER_ASSOCIATE());
    got = sent(world, NULL);
    assert_int_equal(got->niceness, -40);
    assert_true(got->age_us >= 0);
    assert_true(got->ordered);
    got = sent(world, HAWSER_MESSAGE(.niceness = 7)); /* what a message says of itself goes first */
    assert_int_equal(got->niceness, 7);
    change(world->client.line, "msgPriority", "101");
    change(world->client.line, "msgOrdered", "false");
    change(world->client.line, "msgLifetime", "disabled");
    got = sent(world, NULL);
    assert_int_equal(got->niceness, 1);
    assert_false(got->ordered);
    assert_int_equal(got->age_us, -1);
    finish(world);
}

static void a_lifetime_by_default_runs_out(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("msgLifetime", "1ms", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "old", 3, NULL, NULL), 0);
    usleep(5000); /* its age is what is shown */
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_EXPIRED);
    finish(world);
}

static void priority_of_the_line_is_added(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("connPriority", "110", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(sent(world, NULL)->niceness, 10);
    assert_int_equal(sent(world, HAWSER_MESSAGE(.niceness = -30))->niceness, -20);
    assert_int_equal(sent(world, HAWSER_MESSAGE(.niceness = 150))->niceness, 155);
    assert_int_equal(hawser_send(world->client.line, "x", 1, HAWSER_MESSAGE(.niceness = 156), NULL), -EINVAL);
    change(world->client.line, "connPriority", "0");
    assert_int_equal(sent(world, NULL)->niceness, -100);
    change(world->client.line, "connPriority", "100");
    assert_int_equal(sent(world, NULL)->niceness, 0);
    finish(world);
}

/* One that only receives sends nothing. */
static void receiving_only(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("direction", "unidirectional-receive", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(hawser_send(world->client.line, "x", 1, NULL, NULL), -HAWSER_EPROPERTY);
    assert_string_equal(asked(world->client.line, "canSend"), "false");
    assert_string_equal(asked(world->client.line, "sendMsgMaxLen"), "0");
    assert_string_equal(asked(world->client.line, "canReceive"), "true");
    assert_int_equal(hawser_send(world->server.line, "hello", 5, NULL, NULL), 0);
    until(world, world->client.received_count == 1);
    finish(world);
}

/* And one that only sends refuses what comes, small or large, and says why. */
static void sending_only(void **state)
{
    struct world *world = *state;
    char *large = calloc(1, 200000);

    connect_with(world, properties("direction", "unidirectional-send", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(asked(world->client.line, "canReceive"), "false");
    assert_string_equal(asked(world->client.line, "recvMsgMaxLen"), "0");
    assert_int_equal(hawser_send(world->server.line, "hello", 5, NULL, NULL), 0);
    assert_int_equal(hawser_send(world->server.line, large, 200000, NULL, NULL), 0);
    until(world, world->server.settled == 2);
    for (size_t i = 0; i < world->server.outcome_count; i++) {
        assert_int_equal(world->server.outcomes[i].kind, HAWSER_SEND_FAILED);
        assert_int_equal(world->server.outcomes[i].code, -HAWSER_EREFUSED);
        assert_non_null(strstr(world->server.outcomes[i].reason, "only sends"));
    }
    assert_int_equal(world->client.received_count, 0);
    sent(world, NULL);
    finish(world);
    free(large);
}

/* ------------------------------------------------------------------------------------------- early data and tickets */

static void send_again(struct world *world, hawser_properties *set)
{
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    assert_int_equal(hawser_send(world->client.line, "again", 5, NULL, NULL), 0);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
}

static void replayable_by_default_goes_early(void **state)
{
    struct world *world = *state;

    world_connect(world);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", NULL));
    assert_true(world->client.early_data);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", "zeroRttMsg", "prohibit", NULL));
    assert_true(world->client.resumed);
    assert_false(world->client.early_data);
    finish(world);
    send_again(world, properties("safelyReplayable", "true", "isolateSession", "true", NULL));
    assert_false(world->client.resumed);
    assert_false(world->client.early_data);
    finish(world);
}

/* Nor does one that is isolated leave a ticket behind for others. */
static void an_isolated_line_leaves_no_ticket(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("isolateSession", "true", NULL), *HAWSER_ASSOCIATE());
    finish(world);
    world_connect(world);
    assert_false(world->client.resumed);
    finish(world);
}

static void a_listener_without_early_data(void **state)
{
    struct world *world = *state;

    listen_with(world, properties("zeroRttMsg", "prohibit", NULL));
    for (int i = 0; i < 2; i++) {
        send_again(world, properties("safelyReplayable", "true", NULL));
        assert_int_equal(world->client.resumed, i > 0);
        assert_false(world->client.early_data);
        finish(world);
    }
}

/* ------------------------------------------------------------------------------------------------------------ streams */

static void streams_of_the_peer_are_limited(void **state)
{
    struct world *world = *state;
    hawser_stream *first, *second, *third;

    listen_with(world, properties("groupConnLimit", "1", NULL));
    world_connect(world);
    assert_string_equal(asked(world->server.line, "groupConnLimit"), "1");
    assert_int_equal(hawser_open(world->client.line, NULL, &first), 0);
    assert_int_equal(hawser_stream_write(first, "a", 1), 1);
    until(world, world->server.seen[HAWSER_STREAM_OPENED] == 1);
    assert_int_equal(hawser_open(world->client.line, NULL, &second), 0);
    assert_int_equal(hawser_stream_write(second, "b", 1), 1);
    until(world, world->client.seen[HAWSER_STREAM_CLOSED] == 1);
    assert_int_equal(world->server.seen[HAWSER_STREAM_OPENED], 1);
    assert_int_equal(hawser_stream_write(second, "b", 1), -ECONNRESET);
    /* Those that we open ourselves do not count, and a limit can be lifted. */
    change(world->server.line, "groupConnLimit", "unlimited");
    assert_int_equal(hawser_open(world->client.line, NULL, &third), 0);
    assert_int_equal(hawser_stream_write(third, "c", 1), 1);
    until(world, world->server.seen[HAWSER_STREAM_OPENED] == 2);
    hawser_stream_unref(first);
    hawser_stream_unref(second);
    hawser_stream_unref(third);
    assert_int_equal(hawser_abort(world->client.line, 0, ""), 0);
    until(world, world->client.closed && world->server.closed);
}

/* ------------------------------------------------------------------------------------------------------- time and pace */

/* Steps the client alone: to it, the peer has fallen silent. */
static int64_t silence_until_closed(struct world *world)
{
    int64_t begin = clock_now();

    while (!world->client.closed && clock_now() < begin + PATIENCE)
        assert_true(hawser_iterate(world->client_context, 100000) >= 0);
    assert_int_equal(world->client.closed_code, -HAWSER_EDEAD);
    return clock_now() - begin;
}

static void a_silent_peer_is_given_up_in_time(void **state)
{
    struct world *world = *state;
    int64_t took;

    connect_with(world, properties("keepAliveTimeout", "150ms", "connTimeout", "250ms", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 400);
    took = silence_until_closed(world);
    assert_true(took >= 200000 && took < 5000000);
}

static void times_may_change_later(void **state)
{
    struct world *world = *state;

    world_connect(world);
    assert_string_equal(asked(world->client.line, "connTimeout"), "10s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 35000);
    change(world->client.line, "connTimeout", "250ms");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 25250);
    change(world->client.line, "keepAliveTimeout", "150ms");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 400);
    assert_true(silence_until_closed(world) < 5000000);
}

static void no_probes_where_they_are_prohibited(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("keepAlive", "prohibit", NULL), *HAWSER_ASSOCIATE(.dead_after_us = 1000));
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    assert_string_equal(asked(world->client.line, "keepAlive"), "false");
    finish(world);
    connect_with(world, properties("keepAliveTimeout", "disabled", NULL), *HAWSER_ASSOCIATE(.keep_alive_us = 1000));
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    finish(world);
}

static void a_listeners_times_hold_for_who_comes(void **state)
{
    struct world *world = *state;

    listen_with(world, properties("keepAliveTimeout", "2s", "connTimeout", "3s", NULL));
    world_connect(world);
    assert_int_equal(option_of(world->server.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
    finish(world);
}

static void probes_of_tcp_where_the_line_is_bare(void **state)
{
    struct world *world = *state;
    int server = serve(world);

    connect_plain(world, properties("keepAlive", "require", "keepAliveTimeout", "7s", NULL), NULL);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    change(world->client.line, "keepAliveTimeout", "9s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_KEEPIDLE), 9);
    connect_plain(world, properties("keepAlive", "none", NULL), NULL);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_KEEPALIVE), 0);
    close(server);
}

static void the_systems_time_out(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("tcp.userTimeoutValue", "1234ms", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
    change(world->client.line, "tcp.userTimeoutValue", "2s");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 2000);
    change(world->client.line, "tcp.userTimeoutValue", "disabled");
    assert_int_equal(option_of(world->client.line, IPPROTO_TCP, TCP_USER_TIMEOUT), 35000); /* the line's again */
    finish(world);
}

static int64_t time_to_send(struct world *world, size_t size)
{
    char *data = calloc(1, size);
    uint64_t settled = world->client.settled;
    int64_t begin = clock_now();

    assert_int_equal(hawser_send(world->client.line, data, size, NULL, NULL), 0);
    until(world, world->client.settled > settled);
    free(data);
    return clock_now() - begin;
}

/* 400 kB at 8 Mbit/s are 0.4 s, less what TCP's first burst holds. */
static void a_rate_is_kept_to(void **state)
{
    struct world *world = *state;
    int64_t slow, fast;

    connect_with(world, properties("maxSendRate", "8M", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
    slow = time_to_send(world, 400000);
    assert_true(slow >= 200000);
    change(world->client.line, "maxSendRate", "unlimited");
    fast = time_to_send(world, 400000);
    assert_true(fast < slow);
    finish(world);
}

/* Of a bare line's stream's rate and the line's own the lower counts, whichever changed last. */
static void the_lower_rate_counts(void **state)
{
    struct world *world = *state;
    int server = serve(world);
    hawser_stream *stream;

    connect_plain(world, properties("maxSendRate", "8M", NULL), NULL);
    assert_int_equal(hawser_open(world->client.line, HAWSER_STREAM(.bandwidth = 16000000, .limit = true), &stream), 0);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
    assert_int_equal(hawser_stream_set_bandwidth(stream, 4000000, true), 0);
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    change(world->client.line, "maxSendRate", "6M");
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 500000);
    change(world->client.line, "maxSendRate", "2M");
    assert_int_equal(option_of(world->client.line, SOL_SOCKET, SO_MAX_PACING_RATE), 250000);
    hawser_stream_unref(stream);
    close(server);
}

/* -------------------------------------------------------------------------------------------------------------- marks */

static void packets_are_marked(void **state)
{
    static const struct {
        const char *profile;
        int dscp;
    } table[] = {{"default", 0},
                 {"scavenger", 1},
                 {"low-latency-interactive", 34},
                 {"low-latency-non-interactive", 18},
                 {"constant-rate-streaming", 26},
                 {"capacity-seeking", 10}};
    struct world *world = *state;

    connect_with(world, properties("connCapacityProfile", "scavenger", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_TOS) >> 2, 1);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        change(world->client.line, "connCapacityProfile", table[i].profile);
        assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_TOS) >> 2, table[i].dscp);
        assert_string_equal(asked(world->client.line, "msgCapacityProfile"), table[i].profile);
    }
    finish(world);
}

static void packets_are_not_cut(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("noFragmentation", "true", NULL), *HAWSER_ASSOCIATE());
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DO);
    change(world->client.line, "noFragmentation", "false");
    assert_int_equal(option_of(world->client.line, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_WANT);
    finish(world);
}

/* ----------------------------------------------------------------------------------------------------------- selection */

static void a_stack_that_lacks_what_is_required_is_not_used(void **state)
{
    struct world *world = *state;
    int server = serve(world);
    hawser_properties *set;
    hawser_association *line;

    /* Bare it would be reached; but it has one stream only. */
    set = properties("security", "avoid", "session", "avoid", "multistreaming", "require", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set, .timeout_us = 300000));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_true(world->client.closed_code < 0);
    assert_int_equal(world->client.seen[HAWSER_ESTABLISHED], 0);
    set = properties("security", "prohibit", "session", "prohibit", "multistreaming", "require", NULL);
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line),
        -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
    /* What can be kept apart by a framer is. */
    connect_plain(world, properties("preserveMsgBoundaries", "require", NULL), "lines");
    close(server);
}

static void multipath_is_tried_first_where_it_is_active(void **state)
{
    struct world *world = *state;

    connect_with(world, properties("multipath", "active", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(asked(world->client.line, "multipath"), "active");
    /* The listener speaks it or not, and so does this kernel: the line is up, as what it became. */
    assert_true(strcmp(world->client.stack, "tls/mptcp") == 0 || strcmp(world->client.stack, "tls/tcp") == 0);
    finish(world);
    connect_with(world, properties("multipath", "disabled", NULL), *HAWSER_ASSOCIATE());
    assert_string_equal(world->client.stack, "tls/tcp");
    finish(world);
}

static void a_prohibited_interface_is_not_used(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("interface", "prohibit:loopback", NULL);

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
    assert_non_null(strstr(world->client.closed_reason, "loopback"));
    assert_null(world->server.line);
    connect_with(world, properties("interface", "require:lo", NULL), *HAWSER_ASSOCIATE());
    finish(world);
    set = properties("family", "require:ipv6", NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    hawser_properties_unref(set);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
}

static void contradictions_are_refused_at_once(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("keepAlive", "require", "keepAliveTimeout", "disabled", NULL);
    hawser_association *line;

    world_listen(world, NULL);
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line),
        -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
    set = properties("interface", "prefer:lo", NULL);
    assert_int_equal(hawser_listen(world->server_context, "127.0.0.1:0", HAWSER_LISTEN(.properties = set), &line),
                     -HAWSER_EPROPERTY);
    hawser_properties_unref(set);
}

/* Changing a set after it was used reaches nothing that was made from it (RFC 9622 section 1.1). */
static void a_set_is_copied(void **state)
{
    struct world *world = *state;
    hawser_properties *set = properties("connPriority", "120", NULL);

    world_listen(world, NULL);
    world_associate(world, HAWSER_ASSOCIATE(.properties = set));
    assert_int_equal(hawser_properties_set(set, "connPriority", "50"), 0);
    until(world, world->client.seen[HAWSER_ESTABLISHED]);
    assert_int_equal(sent(world, NULL)->niceness, 20);
    assert_int_equal(hawser_properties_unref(set) == NULL, 1);
    assert_string_equal(asked(world->client.line, "connPriority"), "120");
    finish(world);
}

/* ------------------------------------------------------------------------------------------------- asking and changing */

static void every_property_can_be_asked(void **state)
{
    struct world *world = *state;
    hawser_property_info info;
    unsigned count = 0;
    char text[256];

    world_connect(world);
    for (; hawser_property_info_get(count, &info) == 0; count++) {
        int length = hawser_association_get_property(world->client.line, info.name, text, sizeof text);

        assert_in_range(length, 0, sizeof text - 1);
        assert_int_equal(length, strlen(text));
        if (info.type == HAWSER_PREFERENCE) /* whether the line has it */
            assert_true(strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
        else if (info.stage != HAWSER_READ_ONLY)
            assert_string_equal(text, info.default_value);
        else
            assert_true(length > 0);
    }
    assert_true(count > 40);
    assert_string_equal(asked(world->client.line, "multistreaming"), "true");
    assert_string_equal(asked(world->client.line, "softErrorNotify"), "false");
    assert_string_equal(asked(world->client.line, "session"), "true");
    assert_int_equal(hawser_association_get_property(world->client.line, "colour", text, sizeof text),
                     -HAWSER_EPROPERTY);
    finish(world);
}

static void where_a_line_is_in_its_life(void **state)
{
    struct world *world = *state;
    hawser_association *line;
    uint64_t large;

    world_listen(world, HAWSER_LISTEN(.max_message = 1000000));
    world_associate(world, HAWSER_ASSOCIATE(.max_message = 70000));
    line = world->client.line;
    assert_string_equal(asked(line, "connState"), "establishing");
    assert_string_equal(asked(line, "canSend"), "true");
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_string_equal(asked(line, "connState"), "established");
    assert_string_equal(asked(line, "canReceive"), "true");
    sent(world, NULL);
    assert_string_equal(asked(line, "sendMsgMaxLen"), "1000000");
    assert_string_equal(asked(line, "recvMsgMaxLen"), "70000");
    large = strtoull(asked(line, "singularTransmissionMsgMaxLen"), NULL, 10);
    assert_in_range(large, 500, 65535);
    hawser_pause(world->server.line);
    assert_int_equal(hawser_send(line, "x", 1, NULL, NULL), 0);
    assert_int_equal(hawser_close(line, 0, ""), 0);
    assert_string_equal(asked(line, "connState"), "closing");
    assert_string_equal(asked(line, "canSend"), "false");
    hawser_resume(world->server.line);
    until(world, world->client.closed && world->server.closed);
    assert_string_equal(asked(line, "connState"), "closed");
    assert_string_equal(asked(line, "canReceive"), "false");
    assert_string_equal(asked(line, "sendMsgMaxLen"), "0");
    assert_int_equal(hawser_association_set_property(line, "connPriority", "1", NULL, 0), -ENOTCONN);
}

static void a_bare_lines_life(void **state)
{
    struct world *world = *state;
    int server = serve(world), peer;

    connect_plain(world, properties("connPriority", "100", NULL), "lines");
    peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_string_equal(asked(world->client.line, "session"), "false");
    assert_string_equal(asked(world->client.line, "security"), "false");
    assert_string_equal(asked(world->client.line, "multistreaming"), "false");
    assert_string_equal(asked(world->client.line, "recvMsgMaxLen"), "16777216");
    assert_int_equal(hawser_send(world->client.line, "last", 4, HAWSER_MESSAGE(.final = true), NULL), 0);
    assert_string_equal(asked(world->client.line, "canSend"), "false");
    assert_string_equal(asked(world->client.line, "canReceive"), "true");
    close(peer);
    until(world, world->client.closed);
    assert_string_equal(asked(world->client.line, "connState"), "closed");
    close(server);
}

static void refused(hawser_association *line, const char *name, const char *value, const char *words)
{
    char reason[256] = "", before[256], after[256];

    (void)hawser_association_get_property(line, name, before, sizeof before);
    assert_int_equal(hawser_association_set_property(line, name, value, reason, sizeof reason), -HAWSER_EPROPERTY);
    if (!strstr(reason, words))
        fail_msg("%s = %s: \"%s\" does not say \"%s\"", name, value, reason, words);
    if (hawser_association_get_property(line, name, after, sizeof after) >= 0)
        assert_string_equal(before, after);
    assert_int_equal(hawser_association_set_property(line, name, value, NULL, 0), -HAWSER_EPROPERTY);
}

static void what_cannot_change_says_so(void **state)
{
    struct world *world = *state;

    world_connect(world);
    refused(world->client.line, "reliability", "prefer", "reliability is fixed once establishment began");
    refused(world->client.line, "isolateSession", "true", "fixed");
    refused(world->client.line, "multipathPolicy", "aggregate", "fixed");
    refused(world->client.line, "connPriorty", "1", "connPriority");
    refused(world->client.line, "connPriority", "-1", "from 0 to 255");
    refused(world->client.line, "connState", "closed", "read-only");
    refused(world->client.line, "maxRecvRate", "1M", "hawser_pause()");
    refused(world->client.line, "msgReliable", "false", "perMsgReliability");
    refused(world->client.line, "recvChecksumLen", "5", "fullChecksumRecv");
    sent(world, NULL); /* and the line goes on */
    finish(world);
}

static void what_a_unix_socket_cannot_keep_to(void **state)
{
    struct world *world = *state;
    char *path = path_in(world, "line"), endpoint[128];
    hawser_properties *set = properties("maxSendRate", "1M", NULL);
    hawser_association *line;

    snprintf(endpoint, sizeof endpoint, "unix:%s", path);
    world_listen_at(world, endpoint, NULL);
    world_connect(world);
    refused(world->client.line, "maxSendRate", "1M", "tls/unix cannot be held to a rate");
    assert_string_equal(asked(world->client.line, "singularTransmissionMsgMaxLen"), "not-applicable");
    change(world->client.line, "connCapacityProfile", "scavenger"); /* there is no packet to mark */
    finish(world);
    /* From the beginning: no way is left, and the reason says which. */
    assert_int_equal(
        hawser_associate(world->client_context, world->endpoint, HAWSER_ASSOCIATE(.properties = set), &line), 0);
    end_drop(&world->client);
    end_note(&world->client, line);
    until(world, world->client.closed);
    assert_int_equal(world->client.closed_code, -HAWSER_EPROHIBITED);
    assert_non_null(strstr(world->client.closed_reason, "maxSendRate"));
    hawser_properties_unref(set);
    free(path);
}

static void one_of_a_listeners_children_changes_alone(void **state)
{
    struct world *world = *state;
    hawser_association *first;

    listen_with(world, properties("connPriority", "90", NULL));
    world_connect(world);
    first = hawser_association_ref(world->server.line);
    change(first, "connPriority", "30");
    world_connect(world);
    until(world, world->server.line != first && world->server.seen[HAWSER_ESTABLISHED]);
    assert_string_equal(asked(world->server.line, "connPriority"), "90");
    assert_string_equal(asked(world->listener, "connPriority"), "90");
    assert_string_equal(asked(first, "connPriority"), "30");
    hawser_association_unref(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_test(messages_have_the_defaults),
        api_test(a_lifetime_by_default_runs_out),
        api_test(priority_of_the_line_is_added),
        api_test(receiving_only),
        api_test(sending_only),
        api_test(replayable_by_default_goes_early),
        api_test(an_isolated_line_leaves_no_ticket),
        api_test(a_listener_without_early_data),
        api_test(streams_of_the_peer_are_limited),
        api_test(a_silent_peer_is_given_up_in_time),
        api_test(times_may_change_later),
        api_test(no_probes_where_they_are_prohibited),
        api_test(a_listeners_times_hold_for_who_comes),
        api_test(probes_of_tcp_where_the_line_is_bare),
        api_test(the_systems_time_out),
        api_test(a_rate_is_kept_to),
        api_test(the_lower_rate_counts),
        api_test(packets_are_marked),
        api_test(packets_are_not_cut),
        api_test(a_stack_that_lacks_what_is_required_is_not_used),
        api_test(multipath_is_tried_first_where_it_is_active),
        api_test(a_prohibited_interface_is_not_used),
        api_test(contradictions_are_refused_at_once),
        api_test(a_set_is_copied),
        api_test(every_property_can_be_asked),
        api_test(where_a_line_is_in_its_life),
        api_test(a_bare_lines_life),
        api_test(what_cannot_change_says_so),
        api_test(what_a_unix_socket_cannot_keep_to),
        api_test(one_of_a_listeners_children_changes_alone),
    };

    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
