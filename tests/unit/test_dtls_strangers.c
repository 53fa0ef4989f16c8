/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS beside strangers: they make a listener keep nothing, and what they forge neither ends a line nor comes out of one. */
#include "dtls_pair.h"

/* What does not bear a cookie gets an answer that is not larger, or none, and leaves nothing behind. */
static void strangers_leave_nothing(void **state)
{
    struct world *world = dtls_setup("hawser/1");
    struct layer_address from;
    uint8_t data[1200] = {0}, answer[2048];
    uint32_t random = 5;
    int fd = plain_socket("127.0.0.1");

    (void)state;
    for (int i = 0; i < 300; i++) {
        size_t size = 1 + (random = random * 1664525u + 1013904223u) % sizeof data;
        for (size_t j = 0; j < size; j++)
            data[j] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 16);
        if (i % 2) { /* looks like a hello */
            static const uint8_t head[] = {22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0};
            memcpy(data, head, size < sizeof head ? size : sizeof head);
            data[11] = (uint8_t)((size - 13) >> 8);
            data[12] = (uint8_t)(size - 13);
            data[13] = 1;
        }
        plain_send(fd, &world->relay.server, data, size);
        hawser_dispatch(world->context);
        ssize_t n = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
        assert_true(n <= (ssize_t)size);
    }
    assert_int_equal(world->accepted, 0);
    /* And who is honest is served meanwhile. */
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    assert_true(world->client.up && world->server.up);
    from = name_of(udp_port_descriptor(world->port));
    (void)from;
    close(fd);
    dtls_teardown(world);
}

/* Garbage and copies from the peer's own address end nothing. */
static void garbage_ends_nothing(void **state)
{
    struct world *world = dtls_setup("hawser/1");
    uint8_t data[300];
    uint32_t random = 9;

    (void)state;
    world->client.to_send = world->server.to_send = UNITS;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    for (int i = 0; i < 200; i++) {
        for (size_t j = 0; j < sizeof data; j++)
            data[j] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 16);
        if (i % 3 == 0) {
            static const uint8_t head[] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 1, 31};
            memcpy(data, head, sizeof head);
        }
        if (i % 3 == 1) { /* a fatal alert in clear */
            static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
            memcpy(data, alert, sizeof alert);
        }
        if (i % 10 == 0) { /* a record that would go on, if it were up to it */
            static const uint8_t cut[] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0x3f, 0xff};
            memcpy(data, cut, sizeof cut);
        }
        relay_pass(&world->relay, world->relay.back_fd, &world->relay.server, data,
                   i % 3 == 1 ? 15 : (ssize_t)sizeof data);
    }
    end_ready(world->client.top, LAYER_WRITABLE);
    end_ready(world->server.top, LAYER_WRITABLE);
    assert_true(dtls_run_until(world, dtls_all_told));
    dtls_check(&world->client, &world->server);
    dtls_check(&world->server, &world->client);
    dtls_teardown(world);
}

/* Everything that a record can say in the clear, or by keys that are not this line's, from each end to the other. */
static void forge(struct world *world)
{
    static const uint8_t bodies[][16] = {
        {1, 0}, /* close_notify */
        {2, 0}, /* the same, fatal */
        {2, 40},
        {2, 20},
        {2, 10},
        {1, 100},                             /* alerts that end, and one that does not */
        {1},                                  /* change_cipher_spec, and half an alert */
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, /* HelloRequest */
        {1, 0, 0, 4, 0, 9, 0, 0, 0, 0, 0, 4}, /* the beginning of a ClientHello */
        {20, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0, 4},
    };
    static const size_t sizes[] = {2, 2, 2, 2, 2, 2, 1, 12, 16, 16};
    uint8_t record[64];

    for (unsigned type = 20; type <= 26; type++)
        for (unsigned epoch = 0; epoch < 3; epoch++)
            for (unsigned i = 0; i <= sizeof sizes / sizeof *sizes; i++) {
                bool empty = i == sizeof sizes / sizeof *sizes;
                size_t size = empty ? 0 : sizes[i];

                memcpy(record, (uint8_t[]){(uint8_t)type, 0xfe, 0xfd, 0, (uint8_t)epoch, 0, 0, 0, 0, 1, (uint8_t)i},
                       11);
                record[11] = 0;
                record[12] = (uint8_t)size;
                memcpy(record + 13, empty ? bodies[0] : bodies[i], size);
                relay_pass(&world->relay, world->relay.back_fd, &world->relay.server, record, (ssize_t)(13 + size));
                relay_pass(&world->relay, world->relay.front_fd, &world->relay.client, record, (ssize_t)(13 + size));
                if (i == 0) /* before the sockets are full */
                    assert_true(hawser_iterate(world->context, 0) >= 0);
            }
}

static void a_forged_end_is_none(void **state)
{
    struct world *world = dtls_setup("hawser/1");

    (void)state;
    world->client.to_send = world->server.to_send = UNITS;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    forge(world);
    end_ready(world->client.top, LAYER_WRITABLE);
    end_ready(world->server.top, LAYER_WRITABLE);
    forge(world);
    assert_true(dtls_run_until(world, dtls_all_told));
    forge(world);
    assert_true(hawser_iterate(world->context, 0) >= 0);
    assert_false(world->client.over || world->server.over);
    dtls_check(&world->client, &world->server);
    dtls_check(&world->server, &world->client);
    dtls_teardown(world);
}

static void a_forged_end_of_bare_datagrams_is_none(void **state)
{
    struct world *world = dtls_setup(NULL);
    uint8_t data[100] = {0};

    (void)state;
    world->client.bare = world->server.bare = true;
    dtls_connect(world);
    assert_true(dtls_run_until(world, dtls_both_up));
    for (int i = 0; i < 3; i++) {
        forge(world);
        assert_int_equal(world->client.top->type->send(world->client.top, data, sizeof data), sizeof data);
    }
    assert_true(dtls_run_until(world, dtls_datagrams_came));
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    assert_false(world->client.over || world->server.over);
    assert_int_equal(world->client.datagrams, 0);
    assert_int_equal(world->server.datagrams, 3);
    dtls_teardown(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_leave_nothing),
        cmocka_unit_test(garbage_ends_nothing),
        cmocka_unit_test(a_forged_end_is_none),
        cmocka_unit_test(a_forged_end_of_bare_datagrams_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
