/* SPDX-License-Identifier: Apache-2.0 */
/* What a session takes is counted, is scribbled over when it is let go, and is refused at times. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static void *account_allocate(const struct memory *memory, size_t size)
{
    struct account *account = (struct account *)(uintptr_t)memory;
    if (account->per_mille_fail && rng_chance(&account->rng, account->per_mille_fail)) {
        account->refused++;
        account->sim->memory_refused = true;
        return NULL;
    }
    if (size == 0 || size > (size_t)1 << 31) {
        sim_fail(account->sim, "an allocation of %zu bytes", size);
        size = size ? 1 : size;
    }
    void *block = malloc(size ? size : 1);
    if (!block)
        abort();
    memset(block, 0xa5, size < 256 ? size : 256);
    account->blocks++;
    account->bytes += size;
    if (account->bytes > account->peak)
        account->peak = account->bytes;
    return block;
}

static void account_release(const struct memory *memory, void *block, size_t size)
{
    struct account *account = (struct account *)(uintptr_t)memory;
    if (account->blocks == 0 || account->bytes < size) {
        sim_fail(account->sim, "%zu bytes are released that were not taken", size);
        return;
    }
    account->blocks--;
    account->bytes -= size;
    memset(block, 0x5a, size < 4096 ? size : 4096);
    free(block);
}

void account_init(struct account *account, struct sim *sim, uint64_t seed)
{
    *account = (struct account){
        .memory = {.allocate = account_allocate, .release = account_release},
        .sim = sim,
    };
    rng_seed(&account->rng, seed);
}
