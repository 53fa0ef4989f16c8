/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of hawserd that need no kernel: packets are taken exactly as docs/mptcp.md has them, and its policy file gives
 * and takes what hawserd(8) says.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../daemon/closer.h"
#include "../../daemon/grants.h"
#include "../../daemon/packet.h"

/* ------------------------------------------------------------------------------------------------------------- packets */

static struct wire_request whole(uint16_t type, uint32_t kind)
{
    return (struct wire_request){
        .head = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .type = type, .size = sizeof(struct wire_request)},
        .target = {.kind = kind, .pid = 1},
    };
}

static enum packet read_whole(const struct wire_request *request, unsigned descriptors)
{
    struct wire_request got;

    return packet_read(request, sizeof *request, descriptors, &got);
}

static void test_every_request_is_taken(void **state)
{
    (void)state;
    for (uint16_t type = WIRE_LIST; type <= WIRE_WATCH; type++) {
        struct wire_request request = whole(type, WIRE_BY_FD);

        assert_int_equal(read_whole(&request, 1), PACKET_REQUEST);
        request.target.kind = WIRE_BY_PID;
        assert_int_equal(read_whole(&request, 0), PACKET_REQUEST);
        request.target.kind = WIRE_BY_TUPLE;
        request.target.local.family = AF_INET;
        request.target.remote.family = AF_INET6;
        assert_int_equal(read_whole(&request, 0), PACKET_REQUEST);
    }
    struct wire_request hello = whole(WIRE_HELLO, 0);
    assert_int_equal(read_whole(&hello, 0), PACKET_REQUEST);
}

static void test_descriptors_come_with_what_needs_one(void **state)
{
    struct wire_request by_fd = whole(WIRE_LIST, WIRE_BY_FD), by_pid = whole(WIRE_LIST, WIRE_BY_PID),
                        hello = whole(WIRE_HELLO, 0);

    (void)state;
    assert_int_equal(read_whole(&by_fd, 0), PACKET_GARBAGE);
    assert_int_equal(read_whole(&by_fd, 2), PACKET_GARBAGE);
    assert_int_equal(read_whole(&by_pid, 1), PACKET_GARBAGE);
    assert_int_equal(read_whole(&hello, 1), PACKET_GARBAGE);
}

static void test_other_sizes(void **state)
{
    struct {
        struct wire_request request;
        char more[8];
    } packet = {whole(WIRE_LIST, WIRE_BY_FD), ""};
    struct wire_request got;

    (void)state;
    for (size_t size = 0; size < sizeof packet; size++) {
        packet.request.head.size = (uint32_t)size;
        assert_int_equal(packet_read(&packet, size, 1, &got),
                         size == sizeof packet.request ? PACKET_REQUEST : PACKET_GARBAGE);
    }
    packet.request.head.size = sizeof packet.request + 1; /* not what came */
    assert_int_equal(packet_read(&packet, sizeof packet.request, 1, &got), PACKET_GARBAGE);
}

static void test_fields_that_are_wrong(void **state)
{
    static const struct {
        size_t at, size;
        int64_t value;
    } wrong[] = {
#define FIELD(name, number) {offsetof(struct wire_request, name), sizeof(((struct wire_request *)NULL)->name), number}
        FIELD(head.magic, 1),
        FIELD(head.type, 0),
        FIELD(head.type, WIRE_EVENT),
        FIELD(head.type, 99),
        FIELD(target.kind, 0),
        FIELD(target.kind, 4),
        FIELD(target.reserved, 1),
        FIELD(target.pid, 0),
        FIELD(target.pid, -1),
        FIELD(target.fd, -1),
        FIELD(target.local.family, 1),
        FIELD(target.remote.family, 77),
        FIELD(local.family, 1),
        FIELD(remote.family, 3),
        FIELD(option_size, WIRE_OPTION_MAX + 1),
        FIELD(option_size, UINT32_MAX),
        FIELD(reserved, 1),
        FIELD(flags, 2),
        FIELD(local.bytes[0], 1), /* of an address without a family */
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct wire_request request = whole(WIRE_OPEN, WIRE_BY_PID);

        assert_int_equal(read_whole(&request, 0), PACKET_REQUEST);
        memcpy((char *)&request + wrong[i].at, &wrong[i].value, wrong[i].size);
        if (read_whole(&request, 0) != PACKET_GARBAGE)
            fail_msg("number %zu was taken", i);
    }
}

static void test_another_version(void **state)
{
    struct wire_request request = whole(WIRE_LIST, WIRE_BY_FD), got;
    struct wire_reply reply;

    (void)state;
    request.head.version = 2;
    request.head.number = 77;
    request.head.size = sizeof request.head; /* whatever else it has */
    assert_int_equal(packet_read(&request, sizeof request.head, 0, &got), PACKET_OTHER_VERSION);
    packet_reply(&got, &reply);
    assert_int_equal(packet_reply_size(&reply), sizeof reply);
    assert_int_equal(reply.head.version, WIRE_VERSION);
    assert_int_equal(reply.head.number, 77);
}

/* ------------------------------------------------------------------------------------------------------------ policies */

static struct grants grants; /* large */

static void read_policy(const char *text)
{
    char reason[256] = "";

    if (grants_parse("p", text, strlen(text), &grants, reason, sizeof reason) < 0)
        fail_msg("refused: %s", reason);
}

static void refuse(const char *text, const char *place)
{
    char reason[256] = "";

    assert_int_equal(grants_parse("p", text, strlen(text), &grants, reason, sizeof reason), -EINVAL);
    if (strncmp(reason, place, strlen(place)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", reason, place);
}

static const struct asker root = {.uid = 0}, alice = {.uid = 1001, .groups = {100, 2000}, .group_count = 2},
                          bob = {.uid = 1002, .groups = {100}, .group_count = 1};

static bool may_set(const struct asker *asker, int level, int name, int value)
{
    const char *why = NULL;
    bool may = grants_allow_set(&grants, asker, tunable_find(level, name), &value, sizeof value, &why);

    assert_true(may || (why && *why));
    return may;
}

static void test_without_a_policy(void **state)
{
    (void)state;
    read_policy("");
    assert_true(grants_allow(&grants, &bob, RULE_LOOK) && grants_allow(&grants, &bob, RULE_CONTROL));
    assert_true(grants.replay);
    assert_int_equal(grants.subflows, 8);
    assert_true(may_set(&bob, IPPROTO_IP, IP_TOS, 8));
    assert_true(may_set(&bob, SOL_SOCKET, SO_PRIORITY, 6));
    /* What a socket of one's own would not take either. */
    assert_false(may_set(&bob, SOL_SOCKET, SO_PRIORITY, 7));
    assert_false(may_set(&bob, SOL_SOCKET, SO_PRIORITY, -1));
    assert_false(may_set(&bob, SOL_SOCKET, SO_MARK, 1));
    assert_true(may_set(&root, SOL_SOCKET, SO_MARK, 1));
    assert_true(may_set(&root, SOL_SOCKET, SO_PRIORITY, 7));
}

static bool may_be_controlled_by(const struct asker *asker, const char *name)
{
    const char *why;

    return grants_allow_set(&grants, asker, tunable_find(IPPROTO_TCP, TCP_CONGESTION), name, strlen(name), &why);
}

static void test_congestion_controls(void **state)
{
    (void)state;
    read_policy("");
    assert_true(may_be_controlled_by(&bob, "reno")); /* which the kernel gives everybody, always */
    assert_false(may_be_controlled_by(&bob, "nobody-has-this"));
    assert_true(may_be_controlled_by(&root, "nobody-has-this"));
    read_policy("allow set congestion for user 1002\n");
    assert_true(may_be_controlled_by(&bob, "nobody-has-this"));
    assert_false(may_be_controlled_by(&alice, "nobody-has-this"));
}

static void test_the_last_rule_counts(void **state)
{
    (void)state;
    read_policy("deny control\nallow control for group 2000 # but these\n\n  # nothing\nreplay off\nsubflows "
                "64\nscheduler burst");
    assert_true(grants_allow(&grants, &alice, RULE_CONTROL));
    assert_false(grants_allow(&grants, &bob, RULE_CONTROL));
    assert_true(grants_allow(&grants, &bob, RULE_LOOK));
    assert_true(grants_allow(&grants, &root, RULE_CONTROL));
    assert_false(grants.replay);
    assert_int_equal(grants.subflows, 64);
    assert_string_equal(grants.scheduler, "burst");
    read_policy("allow control for user 1002\ndeny all\n");
    assert_false(grants_allow(&grants, &bob, RULE_CONTROL));
    assert_false(grants_allow(&grants, &bob, RULE_LOOK));
    assert_false(may_set(&bob, IPPROTO_IP, IP_TOS, 8));
}

static void test_options_one_by_one(void **state)
{
    (void)state;
    read_policy("deny set all\nallow set tos\nallow set mark for user 1001\n");
    assert_true(may_set(&bob, IPPROTO_IP, IP_TOS, 8));
    assert_false(may_set(&bob, IPPROTO_IPV6, IPV6_TCLASS, 8));
    assert_false(may_set(&bob, SOL_SOCKET, SO_MARK, 8));
    assert_true(may_set(&alice, SOL_SOCKET, SO_MARK, 8));
    /* To allow all of them names none: what needs root still does. */
    read_policy("allow set all\n");
    assert_false(may_set(&bob, SOL_SOCKET, SO_MARK, 8));
    assert_true(may_set(&bob, IPPROTO_IPV6, IPV6_TCLASS, 8));
}

static void test_mistakes_have_their_place(void **state)
{
    char many[GRANTS_MAX * 16 + 32] = "";

    (void)state;
    refuse("permit all\n", "p:1: permit");
    refuse("allow all\nallow\n", "p:2: ");
    refuse("\n\nallow set", "p:3: set");
    refuse("allow set ttl", "p:1: ttl");
    refuse("allow all for", "p:1: ");
    refuse("allow all for user", "p:1: ");
    refuse("allow all for user no-such-user-here", "p:1: there is no user");
    refuse("allow all for group no-such-group-here", "p:1: there is no group");
    refuse("allow all for host x", "p:1: ");
    refuse("allow all for user 1 2", "p:1: ");
    refuse("replay maybe", "p:1: replay");
    refuse("subflows 0", "p:1: subflows");
    refuse("subflows 65", "p:1: subflows");
    refuse("subflows -1", "p:1: subflows");
    refuse("scheduler", "p:1: scheduler");
    refuse("scheduler sixteen-bytes-xx", "p:1: scheduler");
    refuse("allow \x01", "p:1: ");
    refuse("a b c d e f g h i", "p:1: a line");
    for (int i = 0; i <= GRANTS_MAX; i++)
        strcat(many, "allow all\n");
    refuse(many, "p:257: more than");
}

static void test_values_of_options(void **state)
{
    const struct tunable *tos = tunable_find(IPPROTO_IP, IP_TOS), *pace = tunable_find(SOL_SOCKET, SO_MAX_PACING_RATE),
                         *congestion = tunable_find(IPPROTO_TCP, TCP_CONGESTION);

    (void)state;
    assert_true(tunable_takes(tos, 4) && !tunable_takes(tos, 1) && !tunable_takes(tos, 8));
    assert_true(tunable_takes(pace, 4) && tunable_takes(pace, sizeof(long)) && !tunable_takes(pace, 2));
    assert_true(tunable_takes(congestion, 1) && tunable_takes(congestion, 16) && !tunable_takes(congestion, 17) &&
                !tunable_takes(congestion, 0));
    assert_null(tunable_find(SOL_SOCKET, SO_SNDBUF));
    assert_null(tunable_find(IPPROTO_IP, IP_TTL));
    assert_ptr_equal(tunable_named("tos", 3), tos);
    assert_null(tunable_named("to", 2));
}

/* -------------------------------------------------------------------------------------------------------------- closing */

/* Its last close(2) takes a minute, or until its peer is gone. */
static int lingering(int listener, int *ret_peer)
{
    static const uint8_t filler[65536];
    const struct linger linger = {1, 60};
    const int small = 4096;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    *ret_peer = accept(listener, NULL, NULL);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    while (send(fd, filler, sizeof filler, MSG_DONTWAIT) > 0)
        ;
    return fd;
}

/* More than there are threads for: they wait for their own user's. */
static void test_what_does_not_close_takes_no_place_of_others(void **state)
{
    enum { MANY = 70 };
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int small = 4096;
    static struct closer *closer; /* lives as long as the process, as closer.c has it */
    int closed, peers[MANY], ends[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    (void)state;
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(closer_new(&closer, &closed), 0);
    for (unsigned i = 0; i < MANY; i++)
        closer_close(closer, lingering(listener, &peers[i]), 1);
    assert_int_equal(pipe(ends), 0);
    closer_close(closer, ends[1], 2);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    assert_true(closer_is_busy(closer, 1));
    for (unsigned i = 0; i < MANY; i++)
        close(peers[i]); /* a reset */
    while (closer_is_busy(closer, 1) || closer_is_busy(closer, 2)) {
        assert_int_equal(poll(&(struct pollfd){.fd = closed, .events = POLLIN}, 1, 20000), 1);
        closer_clear(closer);
    }
    close(ends[0]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request_is_taken),
        cmocka_unit_test(test_descriptors_come_with_what_needs_one),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_fields_that_are_wrong),
        cmocka_unit_test(test_another_version),
        cmocka_unit_test(test_without_a_policy),
        cmocka_unit_test(test_congestion_controls),
        cmocka_unit_test(test_the_last_rule_counts),
        cmocka_unit_test(test_options_one_by_one),
        cmocka_unit_test(test_mistakes_have_their_place),
        cmocka_unit_test(test_values_of_options),
        cmocka_unit_test(test_what_does_not_close_takes_no_place_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
