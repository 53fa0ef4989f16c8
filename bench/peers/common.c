/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void unsupported(const char *reason)
{
    printf("{\"event\":\"unsupported\",\"reason\":\"%s\"}\n", reason);
    fflush(stdout);
    exit(4);
}

_Noreturn static void usage(const char *why, const char *what)
{
    fprintf(stderr, "%s%s (see bench/README.md)\n", why, what);
    exit(2);
}

static void on_alarm(int signal)
{
    static const char text[] = "the time limit is over\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)n;
    (void)signal;
    _exit(1);
}

/* A forgotten process would spoil every later measurement, so each one ends itself. */
static void limits_set(unsigned timeout)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct rlimit files;

    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    alarm(timeout);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static uint64_t parse_number(const char *text)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (*end == 'k')
        n <<= 10;
    else if (*end == 'M')
        n <<= 20;
    else if (*end == 'G')
        n <<= 30;
    if (errno != 0 || end == text || (*end != '\0' && end[1] != '\0') || (*end != '\0' && !strchr("kMG", *end)))
        usage("not a number: ", text);
    return n;
}

static void parse_endpoint(struct options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (n == 0 || n >= sizeof(o->host))
        usage("not HOST:PORT: ", text);
    memcpy(o->host, text, n);
    o->host[n] = '\0';
    o->port = (uint16_t)parse_number(colon + 1);
}

static const char *choose(const char *const *list, const char *wanted)
{
    for (; *list; list++)
        if (strcmp(*list, wanted) == 0)
            return *list;
    return NULL;
}

static void parse_option(struct options *o, int letter, const char *text, unsigned *timeout)
{
    switch (letter) {
    case 'w':
        o->what = text;
        break;
    case 'e':
        parse_endpoint(o, text);
        break;
    case 'p':
        o->port = (uint16_t)parse_number(text);
        break;
    case 'm':
        o->mode = text;
        break;
    case 's':
        o->size = parse_number(text);
        break;
    case 't':
        o->seconds = strtod(text, NULL);
        break;
    case 'c':
        o->count = parse_number(text);
        break;
    case 'a':
        o->warm = parse_number(text);
        break;
    case 'n':
        o->connections = (unsigned)parse_number(text);
        break;
    case 'q':
        break; /* the peers refuse `queue` itself */
    case 'r':
        o->resumed = true;
        break;
    case 'd':
        o->dir = text;
        break;
    case 'f':
        o->ready_fd = (int)parse_number(text);
        break;
    case 'x':
        *timeout = (unsigned)parse_number(text);
        break;
    default:
        usage("unknown option", "");
    }
}

static void check(struct options *o, const struct program *p)
{
    if (!o->mode)
        o->mode = p->modes[0];
    if (!choose(p->modes, o->mode))
        usage("unknown mode: ", o->mode);
    if (!o->what)
        usage("--what is missing", "");
    if (!choose(p->whats, o->what))
        unsupported("this program has no such measurement");
    if (o->size < MESSAGE_MIN || o->size > MESSAGE_MAX)
        usage("--size is out of range", "");
    if (o->connections == 0)
        usage("--connections is at least 1", "");
    if (!o->server && o->port == 0)
        usage("--endpoint is missing", "");
    if (!o->server && !what_is(o, "idle") && o->seconds <= 0 && o->count == 0)
        usage("--seconds or --count is missing", "");
}

void options_parse(struct options *o, const struct program *p, int argc, char **argv)
{
    static const struct option table[] = {
        {"what", 1, 0, 'w'},   {"endpoint", 1, 0, 'e'},    {"port", 1, 0, 'p'},    {"mode", 1, 0, 'm'},
        {"size", 1, 0, 's'},   {"seconds", 1, 0, 't'},     {"count", 1, 0, 'c'},   {"warm", 1, 0, 'a'},
        {"queued", 1, 0, 'q'}, {"connections", 1, 0, 'n'}, {"resumed", 0, 0, 'r'}, {"dir", 1, 0, 'd'},
        {"json", 0, 0, 'j'},   {"ready-fd", 1, 0, 'f'},    {"timeout", 1, 0, 'x'}, {0, 0, 0, 0},
    };
    unsigned timeout = 120;
    int letter;

    *o = (struct options){
        .program = p->name, .host = "127.0.0.1", .size = 64, .connections = 1, .dir = ".", .ready_fd = -1};
    if (argc < 2 || (strcmp(argv[1], "server") != 0 && strcmp(argv[1], "client") != 0))
        usage("say server or client", "");
    o->server = argv[1][0] == 's';
    while ((letter = getopt_long(argc - 1, argv + 1, "", table, NULL)) != -1)
        if (letter != 'j') /* there is no other output than JSON */
            parse_option(o, letter, optarg, &timeout);
    check(o, p);
    limits_set(timeout);
}

bool what_is(const struct options *o, const char *what)
{
    return strcmp(o->what, what) == 0;
}

void listening_print(const struct options *o, uint16_t port)
{
    char line[192];
    int n = snprintf(line, sizeof(line), "{\"event\":\"listening\",\"port\":%u,\"endpoint\":\"%s:%u\"}\n", port,
                     o->host, port);

    fputs(line, stdout);
    fflush(stdout);
    if (o->ready_fd >= 0) {
        if (write(o->ready_fd, line, (size_t)n) != n)
            fail("cannot write to the ready descriptor: %s", strerror(errno));
        close(o->ready_fd);
    }
}

int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Anonymous pages are what the program itself made: no code, no page cache. 0 where the kernel does not tell. */
static int64_t memory_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[128];
    long long kib = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Anonymous: %lld kB", &kib) == 1)
            break;
    fclose(file);
    return (int64_t)kib * 1024;
}

static void reading_take(struct reading *r)
{
    getrusage(RUSAGE_SELF, &r->usage);
    r->time_ns = now_ns();
}

void window_open(struct window *w)
{
    w->from.memory = memory_bytes();
    reading_take(&w->from);
}

void window_close(struct window *w)
{
    reading_take(&w->to);
    w->to.memory = memory_bytes();
}

static long long span_us(struct timeval from, struct timeval to)
{
    return (long long)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_usec - from.tv_usec);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void samples_print(struct samples *s)
{
    qsort(s->ns, s->count, sizeof(*s->ns), compare);
    printf(",\"p50_us\":%.2f,\"p99_us\":%.2f,\"min_us\":%.2f", s->ns[s->count / 2] / 1e3,
           s->ns[s->count - 1 - s->count / 100] / 1e3, s->ns[0] / 1e3);
}

void result_print(const struct options *o, const struct window *w, struct samples *s)
{
    const struct rusage *a = &w->from.usage, *b = &w->to.usage;

    printf("{\"event\":\"result\",\"program\":\"%s\",\"mode\":\"%s\",\"side\":\"%s\",\"what\":\"%s\",\"size\":%zu,"
           "\"connections\":%u,\"messages\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"cpu_user_us\":%lld,"
           "\"cpu_system_us\":%lld,\"faults\":%ld,\"switches\":%ld,\"memory_bytes\":%lld",
           o->program, o->mode, o->server ? "server" : "client", o->what, o->size, o->connections,
           (unsigned long long)w->counts.messages, (unsigned long long)w->counts.messages * o->size,
           (double)(w->to.time_ns - w->from.time_ns) / 1e9, span_us(a->ru_utime, b->ru_utime),
           span_us(a->ru_stime, b->ru_stime), b->ru_minflt - a->ru_minflt,
           b->ru_nvcsw + b->ru_nivcsw - a->ru_nvcsw - a->ru_nivcsw, (long long)(w->to.memory - w->from.memory));
    if (what_is(o, "setup"))
        printf(",\"resumed\":%llu", (unsigned long long)w->counts.resumed);
    if (s && s->count > 0)
        samples_print(s);
    puts("}");
    fflush(stdout);
}

/* All room at once and touched, so that no page fault falls into the window. */
void samples_init(struct samples *s)
{
    s->count = 0;
    s->room = (size_t)1 << 21;
    s->ns = malloc(s->room * sizeof(*s->ns));
    if (!s->ns)
        fail("out of memory");
    memset(s->ns, 1, s->room * sizeof(*s->ns));
}

void samples_add(struct samples *s, int64_t ns)
{
    if (s->count < s->room)
        s->ns[s->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

/* Small messages are faster than the clock can be read: look after about 256 KiB. */
void pace_start(struct pace *p, const struct options *o, size_t message_size)
{
    size_t stride = message_size ? (256 << 10) / message_size : 1;

    p->stride = stride ? (unsigned)stride : 1;
    p->until_look = p->stride;
    p->left = o->count ? o->count : UINT64_MAX;
    p->end_ns = o->seconds > 0 ? now_ns() + (int64_t)(o->seconds * 1e9) : 0;
    p->over = false;
}

/* Without a wish: enough to touch every buffer and to open the kernel's windows. */
void pace_start_warm(struct pace *p, const struct options *o)
{
    uint64_t n = o->warm;

    if (n == 0 && what_is(o, "oneway"))
        n = ((uint64_t)64 << 20) / o->size;
    else if (n == 0)
        n = what_is(o, "pingpong") ? 2000 : what_is(o, "growth") ? 4 * (uint64_t)o->connections : 20;
    *p = (struct pace){.left = n ? n : 1, .stride = 1, .until_look = 1};
}

uint8_t *message_new(enum kind kind, size_t size)
{
    uint8_t *message = malloc(size);

    if (!message)
        fail("out of memory");
    memset(message, 'x', size);
    message[0] = (uint8_t)kind;
    return message;
}
