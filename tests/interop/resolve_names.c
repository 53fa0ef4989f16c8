/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser_resolve() for the tests: one JSON object a line, an answer each.
 *
 *     resolve_names [--https] [--scheme S] [--record TYPE] [--anchors FILE] [--timeout MS] [--no-dnssec] ENDPOINT
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <hawser/hawser.h>
#include <hawser/resolve.h>

#include "base/text.h"

static void add_member(struct text *line, const char *name, const char *value)
{
    text_printf(line, "\"%s\":", name);
    text_add_json(line, value);
    text_add(line, ",");
}

static void add_list(struct text *line, const char *name, const hawser_resolved *list, size_t count)
{
    text_printf(line, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        text_add(line, i ? ",{" : "{");
        add_member(line, "address", list[i].address);
        add_member(line, "target", list[i].target);
        add_member(line, "alpn", list[i].alpn);
        add_member(line, "dnssec", list[i].dnssec);
        add_member(line, "record", list[i].record);
        text_printf(line, "\"priority\":%u,\"weight\":%u,\"rank\":%u,\"hint\":%s,\"ttl\":%lld}", list[i].priority,
                    list[i].weight, list[i].rank, list[i].hint ? "true" : "false",
                    list[i].ttl_us == INT64_MAX ? -1 : (long long)(list[i].ttl_us / 1000));
    }
    text_add(line, "],");
}

static void on_answer(const hawser_resolve_answer *answer, void *user)
{
    struct text line;

    text_init(&line);
    text_add(&line, "{");
    add_member(&line, "question", answer->lookup.question);
    add_member(&line, "name", answer->lookup.name);
    add_member(&line, "result", answer->lookup.result);
    add_member(&line, "dnssec", answer->lookup.dnssec);
    add_member(&line, "reason", answer->reason);
    add_list(&line, "found", answer->found, answer->found_count);
    add_list(&line, "gone", answer->gone, answer->gone_count);
    text_printf(&line, "\"code\":%d,\"took\":%lld,\"last\":%s}", answer->code,
                (long long)(answer->lookup.end_us - answer->lookup.start_us), answer->last ? "true" : "false");
    puts(text_string(&line));
    fflush(stdout);
    text_free(&line);
    if (answer->last)
        *(int *)user = answer->code;
}

static void on_log(hawser_log_level level, const char *words, void *user)
{
    (void)level, (void)user;
    fprintf(stderr, "%s\n", words);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"https", no_argument, NULL, 'h'},
        {"scheme", required_argument, NULL, 's'},
        {"record", required_argument, NULL, 'r'},
        {"anchors", required_argument, NULL, 'a'},
        {"timeout", required_argument, NULL, 't'},
        {"no-dnssec", no_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    hawser_resolve_options options = {.struct_size = sizeof options};
    hawser_context *context;
    const char *anchors = NULL;
    int option, code = 0, r;

    while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
        switch (option) {
        case 'h':
            options.https = true;
            break;
        case 's':
            options.scheme = optarg;
            break;
        case 'r':
            options.record = optarg;
            break;
        case 'a':
            anchors = optarg;
            break;
        case 't':
            options.timeout_us = atoll(optarg) * 1000;
            break;
        case 'n':
            options.no_dnssec = true;
            break;
        default:
            return 2;
        }
    if (optind + 1 != argc)
        return 2;
    r = hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .log = on_log, .trust_anchors = anchors), &context);
    if (r == 0)
        r = hawser_resolve(context, argv[optind], &options, on_answer, &code, NULL);
    if (r < 0) {
        fprintf(stderr, "%s\n", hawser_strerror(r));
        return 3;
    }
    r = hawser_run(context);
    hawser_context_unref(context);
    return r < 0 ? 3 : code < 0;
}
