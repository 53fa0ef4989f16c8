/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the name servers of resolv.conf, put as the system's own resolver puts them: one packet there, one back.
 * (libunbound asks again for every alias that an answer goes through, which costs a round trip each; it is for who
 * wants proof.) Answers are remembered for their time to live.
 */
#ifndef ENDPOINT_STUB_H
#define ENDPOINT_STUB_H

#include "endpoint/dns_message.h"
#include "endpoint/resolv_conf.h"
#include "loop/loop.h"

struct stub;
int stub_new(hawser_context *context, struct stub **ret_stub);
void stub_free(struct stub *stub); /* NULL is nothing; no question is under way */
/* From now on; what was remembered is forgotten. */
void stub_set_servers(struct stub *stub, const struct resolv_conf *conf);

/* code: of DNS, with its packet; or negative: no server answered (-ETIMEDOUT), none could be reached. expires: until when
 * all of it may be used. The packet's question may be another name: that of an alias the server did not follow. */
typedef void (*stub_answered_fn)(void *user, int code, const uint8_t *packet, size_t size, int64_t expires);

struct stub_query;
/* answered() runs in dispatch, or inside this call when it is known; then ret_query is NULL. -ENOMEM */
int stub_ask(struct stub *stub, const struct dns_name *name, unsigned type, stub_answered_fn answered, void *user,
             struct stub_query **ret_query);
void stub_forget(struct stub_query *query); /* not inside its answered(), after which it is gone */

/* stub_cache.c: the answers, a bounded number of them. */
struct stub_cache;
struct stub_cache *stub_cache_new(void);
void stub_cache_free(struct stub_cache *cache);
void stub_cache_clear(struct stub_cache *cache);
/* Until when an answer may be used, seen at now; now itself: not beyond this. */
int64_t stub_answer_expires(const uint8_t *packet, size_t size, int64_t now);
void stub_cache_add(struct stub_cache *cache, const struct dns_name *name, unsigned type, const uint8_t *packet,
                    size_t size, int64_t expires, int64_t now);
/* The packet, valid until the cache changes; NULL: not known. */
const uint8_t *stub_cache_find(struct stub_cache *cache, const struct dns_name *name, unsigned type, int64_t now,
                               size_t *ret_size, int64_t *ret_expires);

#endif
