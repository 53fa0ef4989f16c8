/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** seeded by splitmix64 (Blackman and Vigna): the same numbers on every machine and for every libc. */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void rng_seed(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix64(&seed);
}

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state, x = s[1] * 5, t = s[1] << 17;
    uint64_t result = ((x << 7) | (x >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* 0 to n - 1; n is not 0. The bias of the remainder is of no matter here. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
    return rng_next(rng) % n;
}

static inline int64_t rng_between(struct rng *rng, int64_t least, int64_t most)
{
    return least + (int64_t)rng_below(rng, (uint64_t)(most - least) + 1);
}

static inline bool rng_chance(struct rng *rng, unsigned per_mille)
{
    return rng_below(rng, 1000) < per_mille;
}

/* least to most with every power of two about as likely as any other. */
static inline int64_t rng_scale(struct rng *rng, int64_t least, int64_t most)
{
    unsigned low = 0, high = 0;
    while ((INT64_C(2) << low) <= least)
        low++;
    while ((INT64_C(2) << high) <= most)
        high++;
    int64_t base = INT64_C(1) << (low + rng_below(rng, high - low + 1));
    int64_t value = base + (int64_t)rng_below(rng, (uint64_t)base);
    return value < least ? least : value > most ? most : value;
}

#endif
