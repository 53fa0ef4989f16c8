/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a resolution makes of answers, from name servers and from the link: up to four of them, each a byte that says to
 * what question, two of its size, and the packet. Nothing is asked: it is too late for that.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/resolution.h"
#include "endpoint/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int truth)
{
    if (!truth)
        abort();
}

static void ignore(void *user, const struct resolve_answer *answer)
{
    (void)user, (void)answer;
}

static struct resolution *start(hawser_context *context, int service)
{
    struct endpoint endpoint = {.kind = service ? ENDPOINT_SERVICE : ENDPOINT_HOST, .port = 443, .fd = -1};
    struct resolve_config config = {
        .endpoint = &endpoint, .timeout_us = 1000000, .https = !service, .answered = ignore};
    struct resolution *resolution;

    strcpy(endpoint.host, service ? "_a._tcp.local" : "localhost"); /* which nobody is asked for */
    strcpy(endpoint.interface, service ? "none" : "");
    expect(resolve_start(context, &config, &resolution) == 0);
    resolution->over = true;
    return resolution;
}

static void check(const struct resolution *resolution)
{
    expect(resolution->target_count <= TARGETS_MAX && resolution->offer_count <= OFFERS_MAX);
    expect(resolution->found_count <= FOUND_MAX && resolution->gone_count <= FOUND_MAX);
    for (unsigned i = 0; i < resolution->offer_count; i++)
        expect(resolution->offers[i].target < resolution->target_count);
    for (size_t i = 0; i < resolution->found_count; i++) {
        const struct found *found = &resolution->found[i];
        char name[HOST_SIZE];

        expect(!host_name_check(found->target, name) && !strcmp(name, found->target));
        expect(found->address.size > 0);
        for (unsigned n = 0; n < RESOLVE_ALPN; n++)
            expect(strnlen(found->alpn[n], RESOLVE_ALPN_SIZE) < RESOLVE_ALPN_SIZE);
    }
}

static void answer(struct resolution *resolution, uint8_t what, const uint8_t *packet, size_t size)
{
    static const struct {
        enum question_kind kind;
        unsigned type;
        const char *name;
    } questions[] = {
        {QUESTION_ADDRESS, DNS_AAAA, "localhost"},      {QUESTION_ADDRESS, DNS_A, "localhost"},
        {QUESTION_SERVICE, DNS_HTTPS, "localhost"},     {QUESTION_SRV, DNS_SRV, "a._a._tcp.local"},
        {QUESTION_INSTANCES, DNS_PTR, "_a._tcp.local"},
    };
    unsigned i = what % (sizeof questions / sizeof *questions);
    char result[300];
    struct question *question;

    if (questions[i].kind == QUESTION_ADDRESS && resolution->target_count == 0)
        return;
    question = question_new(resolution, questions[i].kind, 0, NULL, questions[i].name, questions[i].type);
    expect(question && dns_name_parse(questions[i].name, &question->name) == 0);
    question->code = 0;
    question->multicast = what & 0x80;
    question->dnssec = what & 0x40 ? DNSSEC_SECURE : DNSSEC_INSECURE;
    expect(reply_add(question, packet, size, 1) == 0);
    (void)question_take(resolution, question, result, sizeof result);
    expect(strlen(result) < sizeof result);
    (void)found_update(resolution);
    check(resolution);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hawser_context *context;
    struct resolution *resolution;

    if (!context) {
        expect(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .trust_anchors = ""), &context) == 0);
        expect(resolver_set_files(context, &(struct resolver_files){.hosts = "/dev/null",
                                                                    .resolv_conf = "/dev/null",
                                                                    .nsswitch = "/dev/null"}) == 0);
    }
    if (size == 0)
        return 0;
    resolution = start(context, data[0] & 1);
    data++, size--;
    for (unsigned i = 0; i < 4 && size >= 3; i++) {
        size_t length = (size_t)data[1] << 8 | data[2];

        if (length > size - 3)
            length = size - 3;
        answer(resolution, data[0], data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
    resolve_cancel(resolution);
    return 0;
}
