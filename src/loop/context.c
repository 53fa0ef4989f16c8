/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a context, and what the rest of the library asks of it. */
#include "loop/context.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/options.h"

enum { ALIVE_SIZE = 1 }; /* rounded up to a page by the kernel */

/* A page that fork() clears tells a child from its parent without a system call a check, and without handlers of
 * pthread_atfork(), which a library that is unloaded would leave behind. */
static int alive_new(unsigned char **ret_alive)
{
    unsigned char *alive = mmap(NULL, ALIVE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (alive == MAP_FAILED)
        return -errno;
    if (madvise(alive, ALIVE_SIZE, MADV_WIPEONFORK) < 0) {
        int r = -errno;
        munmap(alive, ALIVE_SIZE);
        return r;
    }
    *alive = 1;
    *ret_alive = alive;
    return 0;
}

int loop_check(const hawser_context *context)
{
    if (!context)
        return -EINVAL;
    return *context->alive ? 0 : -ECHILD;
}

/* The XDG base directories: $VARIABLE/hawser/NAME, else ~/BELOW/hawser/NAME; "" without a home. Those specifications ask
 * that a relative $VARIABLE is ignored. */
static int find_own(const char *variable, const char *below, const char *name, char **ret_path)
{
    const char *directory = secure_getenv(variable), *home = secure_getenv("HOME");
    char buffer[4096];
    struct passwd entry, *found = NULL;
    int r;

    if (directory && directory[0] == '/') {
        r = asprintf(ret_path, "%s/hawser%s", directory, name);
    } else {
        if (!home && getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
            home = entry.pw_dir;
        r = home && home[0] == '/' ? asprintf(ret_path, "%s/%s/hawser%s", home, below, name)
                                   : asprintf(ret_path, "%s", "");
    }
    if (r < 0) {
        *ret_path = NULL;
        return -ENOMEM;
    }
    return 0;
}

static int find_state_dir(const char *wanted, char **ret_directory)
{
    if (wanted)
        return (*ret_directory = strdup(wanted)) ? 0 : -ENOMEM;
    return find_own("XDG_STATE_HOME", ".local/state", "", ret_directory);
}

static int find_policy_file(const char *wanted, char **ret_file)
{
    if (wanted)
        return (*ret_file = strdup(wanted)) ? 0 : -ENOMEM;
    return find_own("XDG_CONFIG_HOME", ".config", "/policy.conf", ret_file);
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Also for a context that is half made. */
static void context_free(hawser_context *context)
{
    bool forked = context->alive && !*context->alive;

    timers_free(context);
    watches_free(context);
    inbox_free(context, forked);
    close_descriptor(context->timer);
    close_descriptor(context->event);
    close_descriptor(context->epoll);
    if (context->cache)
        cache_close(context->cache, forked);
    if (context->alive)
        munmap(context->alive, ALIVE_SIZE);
    free(context->scratch);
    free(context->state_dir);
    free(context->trust_anchors);
    free(context->policy_file);
    free(context);
}

static int open_descriptors(hawser_context *context)
{
    /* Edge-triggered and never read: each write reports once, and epoll_wait() takes the report back. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    context->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (context->epoll < 0)
        return -errno;
    context->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (context->event < 0)
        return -errno;
    return epoll_ctl(context->epoll, EPOLL_CTL_ADD, context->event, &event) < 0 ? -errno : 0;
}

static int context_open(hawser_context *context)
{
    int r;

    if ((r = inbox_init(&context->inbox)) < 0)
        return r;
    if ((r = alive_new(&context->alive)) < 0)
        return r;
    if ((r = find_state_dir(context->options.state_dir, &context->state_dir)) < 0)
        return r;
    context->options.state_dir = context->state_dir;
    if (context->options.trust_anchors && !(context->trust_anchors = strdup(context->options.trust_anchors)))
        return -ENOMEM;
    context->options.trust_anchors = context->trust_anchors;
    context->policy_system = !context->options.policy_file;
    if ((r = find_policy_file(context->options.policy_file, &context->policy_file)) < 0)
        return r;
    context->options.policy_file = context->policy_file;
    context->cache = cache_new();
    context->scratch = malloc(SCRATCH_SIZE);
    if (!context->cache || !context->scratch)
        return -ENOMEM;
    return open_descriptors(context);
}

int hawser_context_new(const hawser_context_options *options, hawser_context **ret_context)
{
    hawser_context *context;
    int r;

    if (!ret_context)
        return -EINVAL;
    context = calloc(1, sizeof *context);
    if (!context)
        return -ENOMEM;
    context->references = 1;
    context->epoll = context->event = context->timer = -1;
    list_init(&context->deferred);
    list_init(&context->deferred_next);
    timers_init(context);
    worker_init(context);
    r = options_copy(&context->options, sizeof context->options, options);
    if (r == 0)
        r = context_open(context);
    if (r < 0) {
        context_free(context);
        return r;
    }
    if (context->options.shared)
        hawser_shared_ref(context->options.shared);
    *ret_context = context;
    return 0;
}

hawser_context *hawser_context_ref(hawser_context *context)
{
    if (context)
        context->references++;
    return context;
}

hawser_context *hawser_context_unref(hawser_context *context)
{
    if (!context || --context->references > 0)
        return NULL;
    context->references = 1; /* the parts may take and give back references while they end */
    for (size_t i = 0; i < LOOP_PART_COUNT; i++)
        if (context->parts[i].release)
            context->parts[i].release(context->parts[i].value);
    if (context->options.shared)
        hawser_shared_unref(context->options.shared);
    context_free(context);
    return NULL;
}

int64_t loop_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t loop_now(const hawser_context *context)
{
    return context->dispatching ? context->now : loop_clock();
}

int64_t hawser_now(const hawser_context *context)
{
    int r = loop_check(context);

    return r < 0 ? r : loop_now(context);
}

const struct memory *loop_memory(hawser_context *context)
{
    return cache_memory(context->cache);
}

uint8_t *loop_scratch(hawser_context *context, size_t *ret_size)
{
    *ret_size = SCRATCH_SIZE;
    return context->scratch;
}

const char *loop_state_dir(const hawser_context *context)
{
    return context->state_dir;
}

const char *loop_policy_file(const hawser_context *context, bool *ret_system)
{
    *ret_system = context->policy_system;
    return context->policy_file;
}

const char *loop_trust_anchors(const hawser_context *context)
{
    return context->trust_anchors;
}

bool loop_has_worker(const hawser_context *context)
{
    return !context->options.no_worker;
}

hawser_shared *loop_shared(const hawser_context *context)
{
    return context->options.shared;
}

bool loop_dispatching(const hawser_context *context)
{
    return context->dispatching;
}

void *loop_part(const hawser_context *context, enum loop_part part)
{
    return context->parts[part].value;
}

void loop_set_part(hawser_context *context, enum loop_part part, void *value, void (*release)(void *value))
{
    context->parts[part].value = value;
    context->parts[part].release = release;
}

void loop_log(const hawser_context *context, hawser_log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (!context->options.log || level > context->options.log_level)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    context->options.log(level, text, context->options.log_user);
}
