/* SPDX-License-Identifier: Apache-2.0 */
/* Records that lead to hosts: HTTPS and SVCB (RFC 9460), SRV (RFC 2782), and PTR of service types (RFC 6763). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "endpoint/resolution.h"
#include "endpoint/service.h"

enum { RECORDS_MAX = OFFERS_MAX - 1, INSTANCES_MAX = 8 };

/* Chance that spreads clients over servers; nobody gains by guessing it. */
static unsigned draw(unsigned below)
{
    unsigned value = 0;

    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = 0;
    return below ? value % below : 0;
}

static uint32_t lower_ttl(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The host's own addresses come last once there are records (RFC 9460 section 3). */
static void set_own_offer_last(struct resolution *resolution)
{
    struct offer own = {.target = 0,
                        .priority = UINT32_MAX,
                        .rank = RESOLVE_RANK_BESIDE,
                        .port = resolution->endpoint.port,
                        .expires = INT64_MAX};

    if (resolution->own_offer && resolution->offer_count < OFFERS_MAX)
        resolution->offers[resolution->offer_count++] = own;
}

static void ask_new_targets(struct resolution *resolution, unsigned from)
{
    for (unsigned i = from; i < resolution->target_count; i++)
        target_ask(resolution, i);
}

/* ------------------------------------------------------------------------------------------------------ HTTPS, SVCB */

struct svcb_set {
    struct dns_svcb list[RECORDS_MAX];
    unsigned count;
    uint32_t ttl;
    struct dns_name owner; /* of the records, after aliases (CNAME) of the name asked for */
};

/* Those that we can use, and of AliasMode records only these: they make the others void (section 2.4.1). One malformed
 * record makes all of them void. */
static int read_svcb_set(const struct question *question, struct svcb_set *set, unsigned *ret_seen)
{
    struct dns_record record;
    struct reader reader;
    bool alias = false;
    int r;

    *set = (struct svcb_set){.ttl = INT32_MAX};
    *ret_seen = 0;
    reader_init(&reader, question);
    while ((r = reader_next(&reader, &record)) > 0) {
        struct dns_svcb svcb;

        set->ttl = lower_ttl(set->ttl, record.ttl);
        if (!reader_is_answer(&reader, &record))
            continue;
        set->owner = reader.owner;
        if ((r = dns_svcb_read(&reader.message, &record, &svcb)) < 0)
            break;
        ++*ret_seen;
        if (svcb.priority == 0 && !alias) {
            alias = true;
            set->count = 0;
        }
        if (alias == (svcb.priority == 0) && svcb.usable && set->count < RECORDS_MAX)
            set->list[set->count++] = svcb;
    }
    return r;
}

static int by_priority(const void *a, const void *b)
{
    const struct dns_svcb *one = a, *other = b;

    return one->priority < other->priority ? -1 : one->priority > other->priority;
}

static void shuffle(struct svcb_set *set)
{
    for (unsigned i = set->count; i > 1; i--) {
        unsigned other = draw(i);
        struct dns_svcb held = set->list[i - 1];

        set->list[i - 1] = set->list[other];
        set->list[other] = held;
    }
}

static void add_svcb_offer(struct resolution *resolution, const struct dns_svcb *svcb, unsigned target, int64_t expires)
{
    struct offer *offer = &resolution->offers[resolution->offer_count++];

    *offer = (struct offer){.target = target,
                            .priority = svcb->priority,
                            .rank = svcb->priority,
                            .port = svcb->has_port ? svcb->port : resolution->endpoint.port,
                            .no_default_alpn = svcb->no_default_alpn,
                            .dnssec = resolution->service_dnssec,
                            .expires = expires};
    memcpy(offer->alpn, svcb->alpn, sizeof offer->alpn);
    addresses_init(&offer->hints, 0);
    for (unsigned i = 0; i < svcb->v6_count && resolution->config.families & BIT_V6; i++)
        addresses_add_v6(&offer->hints, &svcb->v6[i], 0);
    for (unsigned i = 0; i < svcb->v4_count && resolution->config.families & BIT_V4; i++)
        addresses_add_v4(&offer->hints, &svcb->v4[i]);
}

/* A line for the report: "1 svc.example.org port 8443 alpn h2,h3; 2 ..." */
static void print_offers(const struct resolution *resolution, unsigned from, uint32_t ttl, char *text, size_t size)
{
    size_t length = 0;

    *text = '\0';
    for (unsigned i = from; i < resolution->offer_count && length + 1 < size; i++) {
        const struct offer *offer = &resolution->offers[i];

        if (offer->rank >= RESOLVE_RANK_ALIAS)
            continue;
        length += (size_t)snprintf(text + length, size - length, "%s%u %s port %u", length ? "; " : "", offer->priority,
                                   resolution->targets[offer->target].host, offer->port);
        for (unsigned n = 0; n < RESOLVE_ALPN && *offer->alpn[n] && length + 1 < size; n++)
            length += (size_t)snprintf(text + length, size - length, "%s%s", n ? "," : " alpn ", offer->alpn[n]);
    }
    if (length && length + 1 < size)
        snprintf(text + length, size - length, " (%u s)", ttl);
}

/* The target of a record. The owner's addresses are those of the host that is an alias for it, and these are being asked
 * for already. */
static int target_of_record(struct resolution *resolution, const struct question *question, const struct svcb_set *set,
                            const struct dns_svcb *svcb)
{
    char host[HOST_SIZE];

    if (!strcmp(question->text, resolution->targets[question->target].host) &&
        dns_name_equal(&svcb->target, &set->owner))
        return (int)question->target;
    return dns_name_to_host(&svcb->target, host) ? -EINVAL : target_of(resolution, host);
}

static int follow_alias(struct resolution *resolution, struct question *question, const struct dns_svcb *alias,
                        uint32_t ttl, char *result, size_t size)
{
    char host[HOST_SIZE];
    const char *wrong;
    unsigned from = resolution->target_count;
    int target;

    if (dns_name_is_root(&alias->target)) { /* section 2.5.1: advice that may be passed over */
        snprintf(result, size, "says that %s does not offer the service", question->text);
        return 0;
    }
    if ((wrong = dns_name_to_host(&alias->target, host))) {
        snprintf(result, size, "leads to a name that is no host's: %s", wrong);
        return -EBADMSG;
    }
    if (++resolution->aliases > ALIASES_MAX || (target = target_of(resolution, host)) < 0) {
        snprintf(result, size, "leads from alias to alias, more than %d of them", ALIASES_MAX);
        return -ELOOP;
    }
    snprintf(result, size, "%s (%u s)", host, ttl);
    resolution->offer_count = 1;
    resolution->offers[0] = (struct offer){.target = (unsigned)target,
                                           .priority = UINT32_MAX,
                                           .rank = RESOLVE_RANK_ALIAS,
                                           .port = resolution->endpoint.port,
                                           .dnssec = resolution->service_dnssec,
                                           .expires = question_expires(question, ttl)};
    addresses_init(&resolution->offers[0].hints, 0);
    set_own_offer_last(resolution);
    resolution->service_known = false; /* what the alias offers is still to be asked */
    question_new(resolution, QUESTION_SERVICE, (unsigned)target, &alias->target, host, question->type);
    ask_new_targets(resolution, from);
    return 0;
}

int offers_take_service(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    const char *type = dns_type_name(question->type);
    unsigned seen, from = resolution->target_count;
    struct offer alias = {.rank = 0};
    struct svcb_set set;

    resolution->service_known = true;
    if (read_svcb_set(question, &set, &seen) < 0) {
        snprintf(result, size, "the %s records are malformed, and so none of them is used", type);
        return -EBADMSG;
    }
    if (set.count == 0) {
        snprintf(result, size, seen ? "no %s record of %s can be used here" : "there is no %s record of %s", type,
                 question->text);
        return -HAWSER_ERESOLVE;
    }
    if (question->dnssec != DNSSEC_SECURE || resolution->aliases == 0)
        resolution->service_dnssec = question->dnssec; /* of a chain, its weakest link's */
    shuffle(&set);
    if (set.list[0].priority == 0)
        return follow_alias(resolution, question, &set.list[0], set.ttl, result, size);
    qsort(set.list, set.count, sizeof *set.list, by_priority);
    if (resolution->offer_count && resolution->offers[0].rank == RESOLVE_RANK_ALIAS)
        alias = resolution->offers[0];
    resolution->offer_count = 0;
    for (unsigned i = 0; i < set.count && resolution->offer_count < OFFERS_MAX - 2; i++) {
        int target = target_of_record(resolution, question, &set, &set.list[i]);

        if (target >= 0)
            add_svcb_offer(resolution, &set.list[i], (unsigned)target, question_expires(question, set.ttl));
    }
    print_offers(resolution, 0, set.ttl, result, size);
    if (alias.rank)
        resolution->offers[resolution->offer_count++] = alias;
    set_own_offer_last(resolution);
    ask_new_targets(resolution, from);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- SRV */

struct srv_set {
    struct dns_srv list[RECORDS_MAX];
    unsigned count;
    uint32_t ttl;
};

/* The SRV records of a name; of the link they may have come along with another answer. */
static int read_srv_set(const struct question *question, const struct dns_name *name, struct srv_set *set)
{
    struct dns_record record;
    struct reader reader;
    int r;

    *set = (struct srv_set){.ttl = INT32_MAX};
    reader_init(&reader, question);
    while ((r = reader_next(&reader, &record)) > 0 && set->count < RECORDS_MAX) {
        if (question->multicast && !dns_name_equal(&record.name, name))
            continue;
        set->ttl = lower_ttl(set->ttl, record.ttl);
        if (question->multicast ? record.type != DNS_SRV : !reader_is_answer(&reader, &record))
            continue;
        if (dns_srv_read(&reader.message, &record, &set->list[set->count]) < 0)
            return -EBADMSG;
        set->count++;
    }
    return r < 0 ? r : 0;
}

/*
 * Which of the list from `from` on is next (RFC 2782): of the lowest priority, by chance in proportion to its weight.
 * Those of weight 0 stand first, and so have a small chance beside others.
 */
static unsigned draw_srv(const struct srv_set *set, unsigned from)
{
    unsigned priority = UINT16_MAX, sum = 0, chosen = from, drawn;
    bool weightless = true;

    for (unsigned i = from; i < set->count; i++)
        if (set->list[i].priority < priority)
            priority = set->list[i].priority;
    for (unsigned i = from; i < set->count; i++)
        if (set->list[i].priority == priority)
            sum += set->list[i].weight;
    drawn = draw(sum + 1);
    for (int pass = 0; pass < 2; pass++, weightless = false) {
        sum = 0;
        for (unsigned i = from; i < set->count; i++) {
            if (set->list[i].priority != priority || (set->list[i].weight == 0) != weightless)
                continue;
            chosen = i;
            sum += set->list[i].weight;
            if (sum >= drawn)
                return i;
        }
    }
    return chosen;
}

static void add_srv_offer(struct resolution *resolution, const struct srv_set *set, unsigned i,
                          const struct question *question)
{
    const struct dns_srv *srv = &set->list[i];
    char host[HOST_SIZE];
    int target;

    if (dns_name_is_root(&srv->target) || dns_name_to_host(&srv->target, host) ||
        (target = target_of(resolution, host)) < 0 || resolution->offer_count == OFFERS_MAX)
        return;
    resolution->offers[resolution->offer_count] = (struct offer){.target = (unsigned)target,
                                                                 .priority = srv->priority,
                                                                 .weight = srv->weight,
                                                                 .rank = resolution->offer_count,
                                                                 .port = srv->port,
                                                                 .dnssec = question->dnssec,
                                                                 .expires = question_expires(question, set->ttl)};
    addresses_init(&resolution->offers[resolution->offer_count++].hints, 0);
}

static void add_srv_offers(struct resolution *resolution, struct srv_set *set, const struct question *question)
{
    for (unsigned i = 0; i < set->count; i++) {
        unsigned next = draw_srv(set, i);
        struct dns_srv held = set->list[i];

        set->list[i] = set->list[next];
        set->list[next] = held;
        add_srv_offer(resolution, set, i, question);
    }
}

int offers_take_srv(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    unsigned from = resolution->target_count, offers = resolution->offer_count;
    struct srv_set set;

    if (read_srv_set(question, &question->name, &set) < 0) {
        snprintf(result, size, "the SRV records are malformed");
        raise_verdict(resolution, UNREADABLE, result);
        return -EBADMSG;
    }
    if (set.count == 0) {
        snprintf(result, size, "there is no service %s", question->text);
        return -HAWSER_ERESOLVE;
    }
    add_srv_offers(resolution, &set, question);
    if (resolution->offer_count == offers && set.count == 1 && dns_name_is_root(&set.list[0].target)) {
        snprintf(result, size, "the service %s is not offered, says its domain", question->text);
        raise_verdict(resolution, NOT_OFFERED, "");
        return -HAWSER_ERESOLVE;
    }
    if (resolution->offer_count == offers) {
        snprintf(result, size, "the service %s leads to no name that a host can have", question->text);
        raise_verdict(resolution, UNREADABLE, result);
        return -EBADMSG;
    }
    print_offers(resolution, offers, set.ttl, result, size);
    raise_verdict(resolution, NO_ADDRESSES, "");
    targets_take_additional(resolution, question);
    ask_new_targets(resolution, from);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- instances */

struct instances {
    struct dns_name list[INSTANCES_MAX];
    unsigned count;
};

static void read_instances(const struct question *question, struct instances *instances)
{
    struct dns_record record;
    struct reader reader;

    instances->count = 0;
    reader_init(&reader, question);
    while (reader_next(&reader, &record) > 0 && instances->count < INSTANCES_MAX) {
        struct dns_name *name = &instances->list[instances->count];
        size_t at = 0;
        bool known = false;

        if (!reader_is_answer(&reader, &record) || dns_record_name(&reader.message, &record, &at, name) < 0)
            continue;
        for (unsigned i = 0; i < instances->count; i++)
            known |= dns_name_equal(name, &instances->list[i]);
        instances->count += !known;
    }
}

/* Any instance will do for who names the service alone. What came along with the answer is not asked for again. */
int offers_take_instances(struct resolution *resolution, struct question *question, char *result, size_t size)
{
    unsigned from = resolution->target_count, usable = 0;
    struct instances instances;
    size_t length = 0;

    read_instances(question, &instances);
    for (unsigned i = 0; i < instances.count; i++) {
        char text[HOST_SIZE];
        struct srv_set set;

        if (service_from_dns(&instances.list[i], text) || !name_is_local(text))
            continue;
        usable++;
        if (length + 1 < size)
            length += (size_t)snprintf(result + length, size - length, "%s%s", length ? "; " : "", text);
        if (read_srv_set(question, &instances.list[i], &set) == 0 && set.count > 0)
            add_srv_offers(resolution, &set, question);
        else
            question_new(resolution, QUESTION_SRV, 0, &instances.list[i], text, DNS_SRV);
    }
    if (usable == 0) {
        snprintf(result, size, "no instance of %s has a name that can be used", question->text);
        raise_verdict(resolution, UNREADABLE, result);
        return -EBADMSG;
    }
    targets_take_additional(resolution, question);
    ask_new_targets(resolution, from);
    return 0;
}
