/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A multicast group whose members share a key (docs/multicast.md). Each datagram carries who sent it (a number drawn for
 * each line), a counter, the time, and a code of authentication over all of it:
 *
 *     sender (8) | counter (8) | time in microseconds since 1970 (8) | payload | HMAC-SHA256, its first 16 bytes
 *
 * It proves that a member wrote it, once, and not long ago; not which member. Nothing is encrypted.
 */
#ifndef LAYER_GROUP_H
#define LAYER_GROUP_H

#include "layer/layer.h"

#define GROUP_HEAD 24
#define GROUP_CODE 16
#define GROUP_KEY_MIN 16        /* bytes */
#define GROUP_LATE 30000000     /* microseconds that clocks and ways may differ by */
#define GROUP_SENDERS_MAX 1024u /* remembered, so that nothing of theirs counts twice; beyond, new ones are not heard */

struct group;

/* address: of the group, with its port: the same key in another group is another. -EINVAL: the key is too short. */
int group_new(const uint8_t *key, size_t key_size, const struct layer_address *address, struct group **ret_group);
struct group *group_ref(struct group *group);
void group_unref(struct group *group);
uint64_t group_refused(const struct group *group); /* datagrams that were not a member's, or not new */
void group_refuse(struct group *group);            /* one more */

/* Head and code of a datagram with this payload. */
void group_seal(struct group *group, uint64_t sender, uint64_t counter, uint64_t now, const void *data, size_t size,
                uint8_t ret_head[GROUP_HEAD], uint8_t ret_code[GROUP_CODE]);
/* Only looks whether it is a member's, and not old: notes nothing. now: microseconds since 1970 */
bool group_looks(struct group *group, const uint8_t *data, size_t size, uint64_t now);
/* Whether it counts: a member's, new. Each counts once. */
bool group_open(struct group *group, const uint8_t *data, size_t size, uint64_t now);

/* The layer above udp: takes a reference. */
int group_layer_open(struct layer *below, struct group *group, struct layer **ret_layer);
extern const struct layer_type group_layer;

#endif
