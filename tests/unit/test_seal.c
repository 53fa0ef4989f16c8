/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: what is sealed opens by the same key alone, whole and unchanged alone; and one identity seals alike in each process that has
 * it. (S1.30, S1.32) */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "security/seal.h"

static const uint8_t key[SEAL_KEY] = {1, 2, 3}, other[SEAL_KEY] = {1, 2, 4};

static void it_opens_by_its_key_alone(void **state)
{
    static uint8_t plain[70000];
    size_t sizes[] = {0, 1, 31, 70000};

    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *sealed, *again;
        uint8_t *opened;
        size_t size, again_size, opened_size;

        assert_int_equal(seal_close(key, plain, sizes[i], &sealed, &size), 0);
        assert_int_equal(seal_close(key, plain, sizes[i], &again, &again_size), 0);
        assert_int_equal(size, again_size);
        assert_memory_not_equal(sealed, again, size); /* each has a key of its own */
        assert_int_equal(seal_open(key, sealed, size, &opened, &opened_size), 0);
        assert_int_equal(opened_size, sizes[i]);
        assert_memory_equal(opened, plain, opened_size);
        free(opened);
        assert_int_equal(seal_open(other, sealed, size, &opened, &opened_size), -EBADMSG);
        free(sealed);
        free(again);
    }
}

static void nothing_of_it_can_be_changed(void **state)
{
    uint8_t *bytes, *opened;
    size_t size, opened_size;
    void *sealed;

    (void)state;
    assert_int_equal(seal_close(key, "some words", 10, &sealed, &size), 0);
    bytes = sealed;
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(seal_open(key, sealed, size, &opened, &opened_size), i == 7 ? -EPROTONOSUPPORT : -EBADMSG);
        bytes[i] ^= 0x10;
        assert_int_equal(seal_open(key, sealed, i, &opened, &opened_size), -EBADMSG); /* cut short */
    }
    assert_int_equal(seal_open(key, sealed, size, &opened, &opened_size), 0);
    free(opened);
    free(sealed);
}

static void secrets_make_keys(void **state)
{
    uint8_t one[SEAL_KEY], two[SEAL_KEY];

    (void)state;
    assert_int_equal(seal_key("0123456789abcde", 15, one), -EINVAL);
    assert_int_equal(seal_key(NULL, 20, one), -EINVAL);
    assert_int_equal(seal_key("0123456789abcdef", 16, one), 0);
    assert_int_equal(seal_key("0123456789abcdef", 16, two), 0);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(seal_key("0123456789abcdeg", 16, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
}

static void identities_make_keys(void **state)
{
    char directory[] = "/tmp/hawser-seal-XXXXXX", path[64];
    hawser_identity *identity, *again, *stranger;
    uint8_t one[SEAL_KEY], two[SEAL_KEY];

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_true(snprintf(path, sizeof path, "%s/id", directory) > 0);
    assert_int_equal(hawser_identity_open(path, &identity), 0); /* made */
    assert_int_equal(hawser_identity_open(path, &again), 0);    /* read */
    assert_int_equal(hawser_identity_new(&stranger), 0);
    assert_int_equal(seal_key_of_identity(identity, one), 0);
    assert_int_equal(seal_key_of_identity(again, two), 0);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(seal_key_of_identity(stranger, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    hawser_identity_unref(identity);
    hawser_identity_unref(again);
    hawser_identity_unref(stranger);
    assert_true(snprintf(path, sizeof path, "rm -r %s", directory) > 0);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_by_its_key_alone),
        cmocka_unit_test(nothing_of_it_can_be_changed),
        cmocka_unit_test(secrets_make_keys),
        cmocka_unit_test(identities_make_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
