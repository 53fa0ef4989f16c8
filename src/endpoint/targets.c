/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and their addresses: where they are looked for, and what the answers say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint/hosts.h"
#include "endpoint/resolution.h"

#define SYSTEM_TTL_US 60000000 /* getaddrinfo() tells none */

void raise_verdict(struct resolution *resolution, enum verdict verdict, const char *why)
{
    if (resolution->verdict >= verdict)
        return;
    resolution->verdict = verdict;
    snprintf(resolution->why, sizeof resolution->why, "%s", why);
}

static bool wants(const struct resolution *resolution, enum family family)
{
    return resolution->config.families & (family == V6 ? BIT_V6 : BIT_V4);
}

static void drop_unwanted(const struct resolution *resolution, struct addresses *addresses)
{
    if (!wants(resolution, V6))
        addresses->v6_count = 0;
    if (!wants(resolution, V4))
        addresses->v4_count = 0;
}

/* The file is read once for a name, though the name is looked for more than once. */
static const struct addresses *find_here(struct resolution *resolution, const char *host)
{
    struct addresses *known = &resolution->here.addresses;

    if (!strcmp(resolution->here.host, host))
        return known;
    snprintf(resolution->here.host, sizeof resolution->here.host, "%s", host);
    addresses_init(known, 0);
    if (host_is_localhost(host)) {
        (void)addresses_add_text(known, "::1");
        (void)addresses_add_text(known, "127.0.0.1");
    } else {
        hosts_find(resolver_hosts_file(resolution->resolver), host, known);
    }
    return known;
}

bool target_known_here(struct resolution *resolution, const char *host)
{
    return addresses_count(find_here(resolution, host)) > 0;
}

/* False when the host has to be asked for. */
static bool known_here(struct resolution *resolution, struct target *target)
{
    const struct addresses *known = find_here(resolution, target->host);

    if (addresses_count(known) == 0)
        return false;
    target->addresses = *known;
    drop_unwanted(resolution, &target->addresses);
    for (int family = 0; family < FAMILIES; family++)
        target->families[family] = (struct family_state){.state = ANSWERED, .expires = INT64_MAX};
    return true;
}

void target_ask(struct resolution *resolution, unsigned target)
{
    static const unsigned types[FAMILIES] = {DNS_AAAA, DNS_A};
    struct target *t = &resolution->targets[target];
    struct dns_name name;

    if (known_here(resolution, t)) {
        struct question *question = question_new(resolution, QUESTION_HOSTS, target, NULL, t->host, 0);

        if (question)
            question_answered(question);
        return;
    }
    if (dns_name_parse(t->host, &name) < 0)
        return; /* a checked host name always is one */
    for (int family = 0; family < FAMILIES; family++)
        if (wants(resolution, family) && t->families[family].state == NOT_ASKED) {
            t->families[family].state = ASKED;
            question_new(resolution, QUESTION_ADDRESS, target, &name, t->host, types[family]);
        }
    if (t->families[V6].state == ANSWERED || t->families[V4].state == ANSWERED)
        multicast_hurry_sibling(resolution, target);
}

int target_of(struct resolution *resolution, const char *host)
{
    struct target *target;

    for (unsigned i = 0; i < resolution->target_count; i++)
        if (!strcmp(resolution->targets[i].host, host))
            return (int)i;
    if (resolution->target_count == TARGETS_MAX)
        return -E2BIG;
    target = &resolution->targets[resolution->target_count];
    *target = (struct target){.families = {{.state = NOT_ASKED}}};
    snprintf(target->host, sizeof target->host, "%s", host);
    addresses_init(&target->addresses, 0);
    return (int)resolution->target_count++;
}

/* A line for the report: "2001:db8::1, 2001:db8::2 (60 s)". */
static void print_addresses(const struct addresses *addresses, int64_t ttl_us, char *text, size_t size)
{
    struct layer_address list[ADDRESSES_MAX];
    size_t count = addresses_interleave(addresses, list), length = 0;

    *text = '\0';
    for (size_t i = 0; i < count && length + 1 < size; i++) {
        char address[80], *end;
        bool v6 = list[i].address.ss_family == AF_INET6;

        endpoint_print_address(&list[i], address, sizeof address);
        end = strrchr(address, v6 ? ']' : ':'); /* without the port, which none of them has yet */
        *end = '\0';
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "", address + v6);
    }
    if (count && ttl_us < INT64_MAX && length + 1 < size)
        snprintf(text + length, size - length, " (%lld s)", (long long)((ttl_us + 500000) / 1000000));
}

static void add_record(struct addresses *addresses, const struct dns_record *record, unsigned interface)
{
    if (record->type == DNS_AAAA && record->size == sizeof(struct in6_addr)) {
        struct in6_addr v6;

        memcpy(&v6, record->data, sizeof v6);
        addresses_add_v6(addresses, &v6, IN6_IS_ADDR_LINKLOCAL(&v6) ? interface : 0);
    } else if (record->type == DNS_A && record->size == sizeof(struct in_addr)) {
        struct in_addr v4;

        memcpy(&v4, record->data, sizeof v4);
        addresses_add_v4(addresses, &v4);
    }
}

static void set_family(struct target *target, enum family family, const struct addresses *found)
{
    if (family == V6) {
        memcpy(target->addresses.v6, found->v6, sizeof found->v6);
        target->addresses.v6_count = found->v6_count;
    } else {
        memcpy(target->addresses.v4, found->v4, sizeof found->v4);
        target->addresses.v4_count = found->v4_count;
    }
}

static int take_addresses(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    struct target *target = &resolution->targets[question->target];
    enum family family = question->type == DNS_AAAA ? V6 : V4;
    struct family_state *state = &target->families[family];
    struct addresses found;
    struct dns_record record;
    struct reader reader;
    uint32_t ttl = INT32_MAX;
    int r;

    addresses_init(&found, 0);
    reader_init(&reader, question);
    while ((r = reader_next(&reader, &record)) > 0) {
        bool answer = reader_is_answer(&reader, &record);

        if ((answer || !question->multicast) && record.ttl < ttl) /* an alias's too */
            ttl = record.ttl;
        if (answer)
            add_record(&found, &record, reader.interface);
    }
    if (r < 0) {
        state->state = FAILED;
        snprintf(result, size, "the answer is malformed");
        raise_verdict(resolution, SERVERS_FAILED, "");
        return -EREMOTEIO;
    }
    state->state = ANSWERED;
    state->dnssec = question->dnssec;
    if (addresses_count(&found) == 0) {
        snprintf(result, size, "the host %s has no %s address", question->text, family == V6 ? "IPv6" : "IPv4");
        raise_verdict(resolution, NO_ADDRESSES, "");
        return -HAWSER_ERESOLVE;
    }
    state->expires = question_expires(question, ttl);
    set_family(target, family, &found);
    print_addresses(&found, state->expires - loop_now(resolution->context), result, size);
    multicast_hurry_sibling(resolution, question->target);
    return 0;
}

static void take_additional_of(struct resolution *resolution, const struct question *question, struct target *target,
                               enum family family)
{
    const unsigned type = family == V6 ? DNS_AAAA : DNS_A;
    uint32_t ttl = INT32_MAX;
    struct addresses found;
    struct dns_record record;
    struct dns_name name;
    struct reader reader;

    if (!wants(resolution, family) || target->families[family].state != NOT_ASKED ||
        dns_name_parse(target->host, &name) < 0)
        return;
    addresses_init(&found, 0);
    reader_init(&reader, question);
    while (reader_next(&reader, &record) > 0)
        if (record.type == type && dns_name_equal(&record.name, &name)) {
            add_record(&found, &record, reader.interface);
            if (record.ttl < ttl)
                ttl = record.ttl;
        }
    if (addresses_count(&found) == 0)
        return;
    set_family(target, family, &found);
    target->families[family] =
        (struct family_state){.state = ANSWERED, .expires = loop_now(resolution->context) + (int64_t)ttl * 1000000};
}

void targets_take_additional(struct resolution *resolution, const struct question *question)
{
    for (unsigned i = 0; question->multicast && i < resolution->target_count; i++)
        for (int family = 0; family < FAMILIES; family++)
            if (name_is_local(resolution->targets[i].host))
                take_additional_of(resolution, question, &resolution->targets[i], family);
}

/* The questions that name servers left open are given up. */
static int take_system(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    struct target *target = &resolution->targets[0];

    if (question->code < 0 || addresses_count(&question->addresses) == 0) {
        snprintf(result, size, "%s", *question->why ? question->why : "no address");
        return question->code < 0 ? question->code : -HAWSER_ERESOLVE;
    }
    target->addresses = question->addresses;
    drop_unwanted(resolution, &target->addresses);
    for (int family = 0; family < FAMILIES; family++)
        target->families[family] = (struct family_state){
            .state = ANSWERED, .expires = loop_now(resolution->context) + SYSTEM_TTL_US, .dnssec = DNSSEC_NOT_ASKED};
    print_addresses(&target->addresses, INT64_MAX, result, size);
    questions_give_up(resolution);
    return 0;
}

/* DNS had no answer: what is said of it, and what becomes of the target. */
static int take_failure(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    struct target *target = &resolution->targets[question->target];
    bool negative = question->code == DNS_NXDOMAIN || question->code == -ENOENT;

    struct family_state *family = &target->families[question->type == DNS_AAAA ? V6 : V4];

    if (question->kind == QUESTION_ADDRESS && family->state == ASKED) /* else the system knew */
        family->state = negative ? ANSWERED : FAILED;
    if (question->dnssec == DNSSEC_BOGUS) {
        snprintf(result, size, "the answer for %s was refused, for DNSSEC proves it false: %s", question->text,
                 question->why);
        raise_verdict(resolution, BOGUS, question->why);
        return -EBADMSG;
    }
    if (question->code == -ETIMEDOUT) {
        snprintf(result, size, "no answer in time");
        raise_verdict(resolution, NO_ANSWER, "");
        return -ETIMEDOUT;
    }
    if (question->code == -ENOENT) {
        snprintf(result, size, "nobody on the link answers for %s", question->text);
        return -HAWSER_ERESOLVE;
    }
    if (question->multicast && question->code < 0) {
        if (question->code == -ENODEV)
            snprintf(result, size, "there is no interface %s", resolution->endpoint.interface);
        else
            snprintf(result, size, "no link could be asked (%s)", hawser_strerror(question->code));
        raise_verdict(resolution, UNREADABLE, result);
        return question->code;
    }
    if (negative) {
        snprintf(result, size, "there is no %s %s", question->kind == QUESTION_ADDRESS ? "host" : "such name as",
                 question->text);
        return -HAWSER_ERESOLVE;
    }
    snprintf(result, size, "%s", *question->why ? question->why : "the name servers failed to answer");
    raise_verdict(resolution, SERVERS_FAILED, question->why);
    return -EREMOTEIO;
}

int question_take(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    *result = '\0';
    if (question->kind == QUESTION_HOSTS) {
        print_addresses(&resolution->targets[question->target].addresses, INT64_MAX, result, size);
        return 0;
    }
    if (question->kind == QUESTION_SYSTEM)
        return take_system(resolution, question, result, size);
    if (question->code != DNS_NOERROR || question->dnssec == DNSSEC_BOGUS || !question->replies)
        return take_failure(resolution, question, result, size);
    switch (question->kind) {
    case QUESTION_SERVICE:
        return offers_take_service(resolution, question, result, size);
    case QUESTION_SRV:
        return offers_take_srv(resolution, question, result, size);
    case QUESTION_INSTANCES:
        return offers_take_instances(resolution, question, result, size);
    default:
        return take_addresses(resolution, question, result, size);
    }
}
