/* SPDX-License-Identifier: Apache-2.0 */
/* What members of a multicast group prove to one another: layer/group.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "layer/group.h"
#include "udp_test.h"

#define NOW UINT64_C(1800000000000000)

static const uint8_t key[16] = "sixteen letters.";

static struct group *group_at(const char *host, unsigned port)
{
    struct layer_address address = address_of(host, port);
    struct group *group;

    assert_int_equal(group_new(key, sizeof key, &address, &group), 0);
    return group;
}

static size_t seal(struct group *group, uint64_t sender, uint64_t counter, uint64_t now, uint8_t *datagram)
{
    uint8_t head[GROUP_HEAD], code[GROUP_CODE];

    group_seal(group, sender, counter, now, "payload", 7, head, code);
    memcpy(datagram, head, sizeof head);
    memcpy(datagram + sizeof head, "payload", 7);
    memcpy(datagram + sizeof head + 7, code, sizeof code);
    return sizeof head + 7 + sizeof code;
}

static void members_hear_each_other_once(void **state)
{
    struct group *one = group_at("239.1.2.3", 5000), *two = group_at("239.1.2.3", 5000);
    uint8_t datagram[64];
    size_t size = seal(one, 7, 1, NOW, datagram);

    (void)state;
    assert_true(group_looks(two, datagram, size, NOW));
    assert_true(group_looks(two, datagram, size, NOW));
    assert_true(group_open(two, datagram, size, NOW));
    assert_false(group_open(two, datagram, size, NOW));
    assert_int_equal(group_refused(two), 1);
    group_unref(one);
    group_unref(two);
}

static void any_bit_that_is_changed_is_noticed(void **state)
{
    struct group *group = group_at("ff15::1", 5000);
    uint8_t datagram[64];
    size_t size = seal(group, 7, 1, NOW, datagram);

    (void)state;
    for (size_t bit = 0; bit < size * 8; bit++) {
        datagram[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_false(group_open(group, datagram, size, NOW));
        datagram[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    for (size_t shorter = 0; shorter < size; shorter++)
        assert_false(group_open(group, datagram, shorter, NOW));
    assert_true(group_open(group, datagram, size, NOW));
    group_unref(group);
}

/* One key in two groups, or on two ports, makes two keys. */
static void groups_do_not_hear_each_other(void **state)
{
    static const struct {
        const char *host;
        unsigned port;
    } others[] = {{"239.1.2.4", 5000}, {"239.1.2.3", 5001}, {"ff15::1", 5000}};
    struct group *group = group_at("239.1.2.3", 5000);
    uint8_t datagram[64];
    size_t size = seal(group, 7, 1, NOW, datagram);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct group *other = group_at(others[i].host, others[i].port);

        assert_false(group_open(other, datagram, size, NOW));
        group_unref(other);
    }
    group_unref(group);
}

static void what_is_old_or_of_tomorrow_does_not_count(void **state)
{
    struct group *group = group_at("239.1.2.3", 5000);
    uint8_t datagram[64];
    size_t size = seal(group, 7, 1, NOW, datagram);

    (void)state;
    assert_false(group_open(group, datagram, size, NOW + GROUP_LATE + 1));
    assert_false(group_open(group, datagram, size, NOW - GROUP_LATE - 1));
    assert_true(group_open(group, datagram, size, NOW + GROUP_LATE));
    group_unref(group);
}

/* In any order, each once, against a plain list of what was heard; and what is far behind is not heard at all. */
static void order_does_not_matter_within_the_window(void **state)
{
    struct group *group = group_at("239.1.2.3", 5000);
    static bool heard[20000];
    uint64_t highest = 0;
    uint8_t datagram[64];
    unsigned seed = 1;

    (void)state;
    memset(heard, 0, sizeof heard);
    for (int i = 0; i < 30000; i++) {
        uint64_t base = (uint64_t)i / 3 + 1, counter;
        bool good;

        seed = seed * 1103515245 + 12345;
        counter = base + (seed >> 16) % 3000; /* now and then beyond the window */
        good = !heard[counter] && counter + 1024 > highest;
        assert_int_equal(group_open(group, datagram, seal(group, 9, counter, NOW, datagram), NOW), good);
        if (good)
            heard[counter] = true;
        if (counter > highest)
            highest = counter;
    }
    assert_false(group_open(group, datagram, seal(group, 9, 0, NOW, datagram), NOW));
    group_unref(group);
}

/* Members that come and go do not fill the memory; while it is full, nobody new is heard, and no old one twice. */
static void senders_are_bounded(void **state)
{
    struct group *group = group_at("239.1.2.3", 5000);
    uint8_t datagram[64];

    (void)state;
    for (uint64_t sender = 1; sender <= GROUP_SENDERS_MAX; sender++)
        assert_true(group_open(group, datagram, seal(group, sender, 1, NOW, datagram), NOW));
    assert_false(group_open(group, datagram, seal(group, 5000, 1, NOW, datagram), NOW));
    assert_false(group_open(group, datagram, seal(group, 1, 1, NOW, datagram), NOW));
    assert_true(group_open(group, datagram, seal(group, 1, 2, NOW, datagram), NOW));
    assert_true(
        group_open(group, datagram, seal(group, 5000, 1, NOW + 3 * GROUP_LATE, datagram), NOW + 3 * GROUP_LATE));
    group_unref(group);
}

static void a_short_key_is_none(void **state)
{
    struct layer_address address = address_of("239.1.2.3", 1);
    struct group *group;

    (void)state;
    assert_int_equal(group_new(key, GROUP_KEY_MIN - 1, &address, &group), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_hear_each_other_once),
        cmocka_unit_test(any_bit_that_is_changed_is_noticed),
        cmocka_unit_test(groups_do_not_hear_each_other),
        cmocka_unit_test(what_is_old_or_of_tomorrow_does_not_count),
        cmocka_unit_test(order_does_not_matter_within_the_window),
        cmocka_unit_test(senders_are_bounded),
        cmocka_unit_test(a_short_key_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
