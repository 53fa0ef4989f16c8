/* SPDX-License-Identifier: Apache-2.0 */
/* What members of a group prove to one another, and what was heard already. */
#include "layer/group.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/tree.h"

#define WINDOW 1024u /* counters behind the highest that may still come */

struct sender {
    RB_ENTRY(sender) link;
    uint64_t id, highest, last_time;
    uint64_t seen[WINDOW / 64]; /* a bit a counter, by its remainder */
};

RB_HEAD(senders, sender);

struct group {
    unsigned references;
    gnutls_hmac_hd_t mac; /* with the group's own key */
    struct senders senders;
    unsigned sender_count;
    uint64_t refused;
};

static int compare_senders(const struct sender *a, const struct sender *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

TREE_GENERATE(senders, sender, link, compare_senders)

static void put64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * (7 - i)));
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | from[i];
    return value;
}

/* The key that is used belongs to this group alone: "hawser group", family, address and port are derived in. */
static int derive(struct group *group, const uint8_t *key, size_t key_size, const struct layer_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->address;
    const struct sockaddr_in6 *v6 = (const void *)&address->address;
    uint8_t label[12 + 1 + 16 + 2] = "hawser group", own[32];
    int r = 0;

    label[12] = address->address.ss_family == AF_INET ? 4 : 6;
    if (label[12] == 4)
        memcpy(label + 13, &v4->sin_addr, sizeof v4->sin_addr);
    else
        memcpy(label + 13, &v6->sin6_addr, sizeof v6->sin6_addr);
    memcpy(label + 29, label[12] == 4 ? &v4->sin_port : &v6->sin6_port, 2);
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_size, label, sizeof label, own) < 0 ||
        gnutls_hmac_init(&group->mac, GNUTLS_MAC_SHA256, own, sizeof own) < 0)
        r = -ENOMEM;
    gnutls_memset(own, 0, sizeof own);
    return r;
}

int group_new(const uint8_t *key, size_t key_size, const struct layer_address *address, struct group **ret_group)
{
    struct group *group;
    int r;

    if (key_size < GROUP_KEY_MIN)
        return -EINVAL;
    group = calloc(1, sizeof *group);
    if (!group)
        return -ENOMEM;
    group->references = 1;
    RB_INIT(&group->senders);
    r = derive(group, key, key_size, address);
    if (r < 0) {
        free(group);
        return r;
    }
    *ret_group = group;
    return 0;
}

struct group *group_ref(struct group *group)
{
    group->references++;
    return group;
}

static void forget(struct group *group, struct sender *sender)
{
    RB_REMOVE(senders, &group->senders, sender);
    group->sender_count--;
    free(sender);
}

void group_unref(struct group *group)
{
    if (!group || --group->references > 0)
        return;
    while (!RB_EMPTY(&group->senders))
        forget(group, RB_ROOT(&group->senders));
    gnutls_hmac_deinit(group->mac, NULL);
    free(group);
}

uint64_t group_refused(const struct group *group)
{
    return group->refused;
}

void group_refuse(struct group *group)
{
    group->refused++;
}

static bool code_of(struct group *group, const void *head, const void *data, size_t size, uint8_t code[32])
{
    bool good =
        gnutls_hmac(group->mac, head, GROUP_HEAD) == 0 && (size == 0 || gnutls_hmac(group->mac, data, size) == 0);

    gnutls_hmac_output(group->mac, code); /* begins anew */
    return good;
}

void group_seal(struct group *group, uint64_t sender, uint64_t counter, uint64_t now, const void *data, size_t size,
                uint8_t ret_head[GROUP_HEAD], uint8_t ret_code[GROUP_CODE])
{
    uint8_t code[32] = {0};

    put64(ret_head, sender);
    put64(ret_head + 8, counter);
    put64(ret_head + 16, now);
    (void)code_of(group, ret_head, data, size, code); /* a datagram with a wrong one is heard by nobody */
    memcpy(ret_code, code, GROUP_CODE);
}

bool group_looks(struct group *group, const uint8_t *data, size_t size, uint64_t now)
{
    uint8_t code[32];
    uint64_t time;

    if (size < GROUP_HEAD + GROUP_CODE ||
        !code_of(group, data, data + GROUP_HEAD, size - GROUP_HEAD - GROUP_CODE, code) ||
        gnutls_memcmp(code, data + size - GROUP_CODE, GROUP_CODE) != 0)
        return false;
    time = get64(data + 16);
    return time <= now + GROUP_LATE && now <= time + GROUP_LATE;
}

/* ---------------------------------------------------------------------------------------------------------- once only */

/* Who has been silent for so long that all it said is too old by now need not be remembered. */
static void forget_old(struct group *group, uint64_t now)
{
    struct sender *next;

    for (struct sender *sender = RB_MIN(senders, &group->senders); sender; sender = next) {
        next = RB_NEXT(senders, &group->senders, sender);
        if (sender->last_time + 2 * GROUP_LATE < now)
            forget(group, sender);
    }
}

static struct sender *sender_of(struct group *group, uint64_t id, uint64_t now)
{
    struct sender wanted = {.id = id}, *sender = RB_FIND(senders, &group->senders, &wanted);

    if (sender)
        return sender;
    if (group->sender_count == GROUP_SENDERS_MAX)
        forget_old(group, now);
    if (group->sender_count == GROUP_SENDERS_MAX || !(sender = calloc(1, sizeof *sender)))
        return NULL;
    sender->id = id;
    RB_INSERT(senders, &group->senders, sender);
    group->sender_count++;
    return sender;
}

static bool note(struct sender *sender, uint64_t counter)
{
    uint64_t bit = UINT64_C(1) << (counter % 64);
    uint64_t *word = &sender->seen[counter % WINDOW / 64];

    if (counter + WINDOW <= sender->highest)
        return false;
    if (counter <= sender->highest && *word & bit)
        return false;
    if (counter > sender->highest + WINDOW)
        memset(sender->seen, 0, sizeof sender->seen);
    else
        for (uint64_t at = sender->highest + 1; at <= counter; at++)
            sender->seen[at % WINDOW / 64] &= ~(UINT64_C(1) << (at % 64));
    *word |= bit;
    if (counter > sender->highest)
        sender->highest = counter;
    return true;
}

bool group_open(struct group *group, const uint8_t *data, size_t size, uint64_t now)
{
    struct sender *sender;
    uint64_t counter;

    if (!group_looks(group, data, size, now) || !(sender = sender_of(group, get64(data), now))) {
        group->refused++;
        return false;
    }
    counter = get64(data + 8);
    if (counter == 0 || !note(sender, counter)) { /* they count from 1 */
        group->refused++;
        return false;
    }
    sender->last_time = now;
    return true;
}
