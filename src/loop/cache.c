/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with a few large blocks kept: the system gives and takes those page by page, and faulting in a message's
 * worth of pages costs more than decrypting it.
 */
#include "loop/context.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#endif

#ifdef POISONING
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { KEPT_BLOCKS = 32, TICKS = 2 };
#define LARGE_MIN ((size_t)128 * 1024)
#define KEPT_BYTES ((size_t)64 * 1024 * 1024)  /* of blocks up to this size */
#define HUGE_BYTES ((size_t)128 * 1024 * 1024) /* one block above it, up to this one */
#define ALL_BYTES ((size_t)160 * 1024 * 1024)
#define TICK 5000000 /* microseconds */

struct kept {
    void *block;
    size_t size;
};

struct cache {
    struct memory memory;
    atomic_uint references;
    /* Kept messages are given back from any thread. Whoever finds it taken does without the cache: nobody waits, and a
     * child that was forked while another thread held it is not stuck. */
    pthread_mutex_t lock;
    struct kept kept[KEPT_BLOCKS + 1]; /* oldest first */
    size_t count, bytes, huge;         /* huge: of the bytes, the one large block */
    atomic_bool holds;                 /* count is not 0 */
    unsigned idle;                     /* ticks since something was kept or taken */
    bool closed;                       /* the context ended: nothing is kept any more */
};

/* Four sizes a power of two: a block then serves every message of its class, and the unused tail is never faulted in. */
static size_t class_of(size_t size)
{
    size_t step = (size_t)1 << (sizeof(size_t) * 8 - 3 - (size_t)__builtin_clzl(size));

    return (size + step - 1) & ~(step - 1);
}

static struct kept remove_at(struct cache *cache, size_t index)
{
    struct kept kept = cache->kept[index];

    cache->bytes -= kept.size;
    if (kept.size > KEPT_BYTES)
        cache->huge = 0;
    atomic_store_explicit(&cache->holds, --cache->count > 0, memory_order_relaxed);
    memmove(&cache->kept[index], &cache->kept[index + 1], (cache->count - index) * sizeof *cache->kept);
    ASAN_UNPOISON_MEMORY_REGION(kept.block, kept.size);
    return kept;
}

/* The newest of the class: its pages are the likeliest to be in the processor's cache. */
static void *find_kept(struct cache *cache, size_t class)
{
    void *block = NULL;

    if (pthread_mutex_trylock(&cache->lock) != 0)
        return NULL;
    for (size_t i = cache->count; i-- > 0 && !block;)
        if (cache->kept[i].size == class) {
            block = remove_at(cache, i).block;
            cache->idle = 0;
        }
    pthread_mutex_unlock(&cache->lock);
    return block;
}

static void *cache_allocate(const struct memory *memory, size_t size)
{
    struct cache *cache = container_of(memory, struct cache, memory);
    size_t class;
    void *block;

    if (size < LARGE_MIN)
        return malloc(size ? size : 1);
    if (size > PTRDIFF_MAX)
        return NULL; /* no such object can be; its class could overflow */
    class = class_of(size);
    block = find_kept(cache, class);
    return block ? block : malloc(class);
}

/* Whether something has to go before a block of this class can be kept, and which. */
static bool in_the_way(const struct cache *cache, size_t class, size_t *ret_index)
{
    bool huge = class > KEPT_BYTES, one_huge = cache->huge > 0;
    bool full =
        huge ? one_huge : cache->count - one_huge == KEPT_BLOCKS || cache->bytes - cache->huge + class > KEPT_BYTES;

    if (!full && cache->bytes + class <= ALL_BYTES)
        return false;
    *ret_index = 0;
    while (full && *ret_index < cache->count - 1 && (cache->kept[*ret_index].size > KEPT_BYTES) != huge)
        (*ret_index)++;
    return true;
}

static void cache_release(const struct memory *memory, void *block, size_t size)
{
    struct cache *cache = container_of(memory, struct cache, memory);
    size_t class = size < LARGE_MIN ? 0 : class_of(size), drops = 0, index;
    void *dropped[KEPT_BLOCKS + 1];

    if (class == 0 || class > HUGE_BYTES || pthread_mutex_trylock(&cache->lock) != 0) {
        free(block);
        return;
    }
    if (!cache->closed) {
        while (in_the_way(cache, class, &index))
            dropped[drops++] = remove_at(cache, index).block;
        ASAN_POISON_MEMORY_REGION(block, class);
        cache->kept[cache->count++] = (struct kept){block, class};
        cache->bytes += class;
        if (class > KEPT_BYTES)
            cache->huge = class;
        cache->idle = 0;
        atomic_store_explicit(&cache->holds, true, memory_order_relaxed);
        block = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    free(block);
    while (drops > 0)
        free(dropped[--drops]);
}

static void drop_all(struct cache *cache)
{
    while (cache->count > 0)
        free(remove_at(cache, cache->count - 1).block);
}

static void on_tick(struct loop_timer *timer, int64_t now)
{
    hawser_context *context = container_of(timer, hawser_context, cache_timer);
    struct cache *cache = context->cache;

    (void)now;
    context->cache_timed = false;
    if (pthread_mutex_trylock(&cache->lock) == 0) {
        if (++cache->idle > TICKS)
            drop_all(cache);
        pthread_mutex_unlock(&cache->lock);
    }
    cache_watch(context);
}

void cache_watch(hawser_context *context)
{
    if (context->cache_timed || !atomic_load_explicit(&context->cache->holds, memory_order_relaxed))
        return;
    if (!context->cache_timer.fire)
        loop_timer_init(&context->cache_timer, on_tick);
    context->cache_timed = loop_timer_set(context, &context->cache_timer, loop_now(context) + TICK) == 0;
}

struct cache *cache_new(void)
{
    struct cache *cache = calloc(1, sizeof *cache);

    if (!cache)
        return NULL;
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return NULL;
    }
    cache->memory = (struct memory){cache_allocate, cache_release};
    atomic_init(&cache->references, 1);
    atomic_init(&cache->holds, false);
    return cache;
}

const struct memory *cache_memory(struct cache *cache)
{
    return &cache->memory;
}

const struct memory *loop_memory_ref(const struct memory *memory)
{
    struct cache *cache = container_of(memory, struct cache, memory);

    atomic_fetch_add_explicit(&cache->references, 1, memory_order_relaxed);
    return memory;
}

void loop_memory_unref(const struct memory *memory)
{
    struct cache *cache = container_of(memory, struct cache, memory);

    if (atomic_fetch_sub_explicit(&cache->references, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void cache_close(struct cache *cache, bool forked)
{
    if (!forked)
        pthread_mutex_lock(&cache->lock);
    else if (pthread_mutex_trylock(&cache->lock) != 0)
        return; /* in the middle of a change when fork() came: left as it is */
    cache->closed = true;
    drop_all(cache);
    pthread_mutex_unlock(&cache->lock);
    loop_memory_unref(&cache->memory);
}
