/* SPDX-License-Identifier: Apache-2.0 */
/* Readings, samples, and the result line of bench/README.md. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("hawser bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILED);
}

void bench_check(int r, const char *what)
{
    if (r < 0)
        bench_fail("%s: %s", what, hawser_strerror(r));
}

int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t anonymous_memory(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long long kilobytes = 0;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Anonymous: %lld kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

void bench_read(struct bench_reading *reading)
{
    reading->memory = anonymous_memory();
    getrusage(RUSAGE_SELF, &reading->usage);
    reading->time_ns = bench_now_ns();
}

void bench_pace_start(struct bench_pace *pace, uint64_t count, int64_t duration_ns, uint64_t size)
{
    *pace = (struct bench_pace){
        .end_ns = duration_ns > 0 ? bench_now_ns() + duration_ns : 0,
        .left = count,
        .stride = size >= BENCH_LARGE ? 1 : 64,
    };
    pace->until_look = pace->stride;
}

bool bench_pace_next(struct bench_pace *pace)
{
    if (pace->over || pace->left == 0)
        return false;
    if (--pace->until_look == 0) {
        pace->until_look = pace->stride;
        if (pace->end_ns != 0 && bench_now_ns() >= pace->end_ns) {
            pace->over = true;
            return false;
        }
    }
    pace->left--;
    return true;
}

void bench_sample(struct bench *bench, int64_t ns)
{
    if (bench->sample_count == bench->sample_room) {
        size_t room = bench->sample_room * 2 + 65536;
        uint32_t *grown = realloc(bench->samples_ns, room * sizeof(*grown));

        if (!grown)
            bench_fail("out of memory");
        bench->samples_ns = grown;
        bench->sample_room = room;
    }
    bench->samples_ns[bench->sample_count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int64_t micros(struct timeval from, struct timeval to)
{
    return (int64_t)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_usec - from.tv_usec);
}

static void put_samples(struct bench *bench, struct json *json)
{
    size_t middle, late;

    if (bench->sample_count == 0)
        return;
    middle = bench->sample_count / 2;
    late = bench->sample_count * 99 / 100;
    qsort(bench->samples_ns, bench->sample_count, sizeof(uint32_t), by_value);
    json_real(json, "p50_us", bench->samples_ns[middle] / 1e3, 3);
    json_real(json, "p99_us", bench->samples_ns[late] / 1e3, 3);
    json_real(json, "min_us", bench->samples_ns[0] / 1e3, 3);
}

static void put_urgent(struct bench *bench, struct json *json)
{
    json_list(json, "urgent");
    for (size_t i = 0; i < bench->urgent_count; i++) {
        json_list(json, NULL);
        json_signed(json, NULL, bench->urgent[i][0]);
        json_signed(json, NULL, bench->urgent[i][1]);
        json_list_end(json);
    }
    json_list_end(json);
}

void bench_result(struct bench *bench)
{
    struct json *json = &bench->tool->json;
    const struct rusage *a = &bench->from.usage, *b = &bench->to.usage;

    json_object(json, NULL);
    json_string(json, "event", "result");
    json_string(json, "program", "hawser");
    json_string(json, "mode", bench->poll_mode ? "poll" : "run");
    json_string(json, "side", bench->server ? "server" : "client");
    json_string(json, "what", bench->tool->options->what);
    json_unsigned(json, "size", bench->size);
    json_unsigned(json, "connections", bench->connections);
    json_unsigned(json, "messages", bench->messages);
    json_unsigned(json, "bytes", bench->messages * bench->size);
    json_real(json, "seconds", (double)(bench->to.time_ns - bench->from.time_ns) / 1e9, 6);
    json_signed(json, "cpu_user_us", micros(a->ru_utime, b->ru_utime));
    json_signed(json, "cpu_system_us", micros(a->ru_stime, b->ru_stime));
    json_signed(json, "faults", b->ru_minflt - a->ru_minflt);
    json_signed(json, "switches", b->ru_nvcsw - a->ru_nvcsw + b->ru_nivcsw - a->ru_nivcsw);
    json_signed(json, "memory_bytes", bench->to.memory - bench->from.memory);
    if ((bench->what == PINGPONG || bench->what == DEPARTURE) && !bench->server)
        put_samples(bench, json);
    if (bench->what == SETUP)
        json_unsigned(json, "resumed", bench->resumed_setups);
    if (bench->what == URGENT && bench->server)
        put_urgent(bench, json);
    json_object_end(json);
    bench_check(json_end_line(json, stdout), "standard output");
}
