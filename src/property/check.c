/* SPDX-License-Identifier: Apache-2.0 */
/* Contradictions within a set, which no stack could meet: said before anything is tried (RFC 9623 section 3). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "property/internal.h"

struct judged {
    const struct property_values *values;
    char *reason;
    size_t size;
};

static int contradiction(const struct judged *judged, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int contradiction(const struct judged *judged, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(judged->reason, judged->size, format, arguments);
    va_end(arguments);
    return -HAWSER_EPROPERTY;
}

static bool given(const struct judged *judged, const char *name)
{
    return property_given(judged->values, name);
}

static bool wanted(hawser_preference preference)
{
    return preference == HAWSER_REQUIRE || preference == HAWSER_PREFER;
}

/* What hawser/1 alone gives, and where it can run. */
static int check_session(const struct judged *judged)
{
    const struct property_values *v = judged->values;
    const struct {
        const char *name;
        hawser_preference preference;
    } needs[] = {{"perMsgReliability", v->per_msg_reliability}, {"multistreaming", v->multistreaming}};

    if (v->session == HAWSER_REQUIRE && v->security == HAWSER_PROHIBIT)
        return contradiction(judged,
                             "security is prohibited, and hawser/1, which is required%s, runs in an encrypted "
                             "line only: prohibit the session too",
                             given(judged, "session") ? "" : " by default");
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (needs[i].preference == HAWSER_REQUIRE && v->session == HAWSER_PROHIBIT)
            return contradiction(judged, "%s is required, and a line without hawser/1 does not give it", needs[i].name);
        if (needs[i].preference == HAWSER_REQUIRE && v->security == HAWSER_PROHIBIT)
            return contradiction(judged, "%s is required, and a line that is not encrypted does not give it",
                                 needs[i].name);
    }
    if (v->session == HAWSER_REQUIRE && v->multistreaming == HAWSER_PROHIBIT)
        return contradiction(judged, "multistreaming is prohibited, and hawser/1, which is required%s, gives it",
                             given(judged, "session") ? "" : " by default");
    if (v->session == HAWSER_REQUIRE && v->preserve_msg_boundaries == HAWSER_PROHIBIT)
        return contradiction(judged, "preserveMsgBoundaries is prohibited, and hawser/1, which is required%s, gives it",
                             given(judged, "session") ? "" : " by default");
    if (v->zero_rtt_msg == HAWSER_REQUIRE && v->security == HAWSER_PROHIBIT)
        return contradiction(judged, "zeroRttMsg is required, and a line that is not encrypted does not give it");
    if (v->zero_rtt_msg == HAWSER_REQUIRE && v->isolate_session)
        return contradiction(judged, "zeroRttMsg is required, and isolateSession keeps the tickets that it needs away");
    return 0;
}

static int check_times(const struct judged *judged)
{
    const struct property_values *v = judged->values;

    if (v->keep_alive == HAWSER_REQUIRE && v->keep_alive_timeout_us == 0)
        return contradiction(judged, "keepAlive is required, and keepAliveTimeout is disabled");
    if (v->keep_alive == HAWSER_PROHIBIT && v->keep_alive_timeout_us && given(judged, "keepAliveTimeout"))
        return contradiction(judged, "keepAlive is prohibited, and keepAliveTimeout is set");
    return 0;
}

static int check_messages(const struct judged *judged)
{
    const struct property_values *v = judged->values;

    if (v->msg_checksum_len >= 0 && v->full_checksum_send == HAWSER_REQUIRE)
        return contradiction(judged, "msgChecksumLen is a number, and fullChecksumSend is required%s",
                             given(judged, "fullChecksumSend") ? "" : " by default");
    if (v->recv_checksum_len >= 0 && v->full_checksum_recv == HAWSER_REQUIRE)
        return contradiction(judged, "recvChecksumLen is a number, and fullChecksumRecv is required%s",
                             given(judged, "fullChecksumRecv") ? "" : " by default");
    if (!v->msg_reliable && !wanted(v->per_msg_reliability))
        return contradiction(judged, "msgReliable is false, and perMsgReliability is not wanted");
    if (v->msg_ordered && v->preserve_order == HAWSER_PROHIBIT)
        return contradiction(judged, "msgOrdered is true, and preserveOrder is prohibited");
    if (v->msg_capacity_profile != v->conn_capacity_profile)
        return contradiction(judged, "msgCapacityProfile is not connCapacityProfile, and one TCP connection is marked "
                                     "as a whole");
    if (v->safely_replayable && v->zero_rtt_msg == HAWSER_REQUIRE && v->direction == DIRECTION_RECEIVE)
        return contradiction(judged, "zeroRttMsg is required, and direction says that nothing is sent");
    return 0;
}

static hawser_preference family_of(const struct property_values *values, const char *family)
{
    for (unsigned i = 0; i < values->family.count; i++)
        if (strcmp(values->family.wants[i].value, family) == 0)
            return values->family.wants[i].preference;
    return HAWSER_NO_PREFERENCE;
}

static int check_paths(const struct judged *judged)
{
    const struct property_values *v = judged->values;
    hawser_preference v4 = family_of(v, "ipv4"), v6 = family_of(v, "ipv6");

    if (v4 == HAWSER_PROHIBIT && v6 == HAWSER_PROHIBIT)
        return contradiction(judged, "both families are prohibited");
    if (v->use_temporary_local_address == HAWSER_REQUIRE &&
        (v6 == HAWSER_PROHIBIT || (v4 == HAWSER_REQUIRE && v6 != HAWSER_REQUIRE)))
        return contradiction(judged, "useTemporaryLocalAddress is required, and IPv4, which is all that family leaves, "
                                     "has none");
    return 0;
}

static int check_proxies(const struct judged *judged)
{
    const struct property_set *set = &judged->values->proxy;
    bool direct_out = false, direct_only = false, usable = false, required = false;

    for (unsigned i = 0; i < set->count; i++) {
        hawser_preference preference = set->wants[i].preference;
        bool direct = strcmp(set->wants[i].value, "direct") == 0;

        direct_out |= direct && preference == HAWSER_PROHIBIT;
        direct_only |= direct && preference == HAWSER_REQUIRE;
        usable |= !direct && preference != HAWSER_PROHIBIT;
        required |= !direct && preference == HAWSER_REQUIRE;
    }
    if (direct_out && !usable)
        return contradiction(judged, "proxy prohibits direct, and no proxy is named");
    if (direct_only && required)
        return contradiction(judged, "proxy requires both direct and a proxy");
    return 0;
}

/* A listener is bound by its endpoint; these choose a way for who opens. */
static int check_listener(const struct judged *judged)
{
    static const char *const openers[] = {"interface", "pvd", "useTemporaryLocalAddress", "proxy", "family"};

    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        if (given(judged, openers[i]))
            return contradiction(judged, "%s is for who opens a line: a listener is bound by its endpoint", openers[i]);
    if (given(judged, "isolateSession"))
        return contradiction(judged, "isolateSession is for who opens a line, and decides whether a ticket is used");
    return 0;
}

int property_check(const struct property_values *values, bool listening, char *reason, size_t size)
{
    const struct judged judged = {values, reason, size};
    int r = check_session(&judged);

    if (r == 0)
        r = check_times(&judged);
    if (r == 0)
        r = check_messages(&judged);
    if (r == 0)
        r = check_paths(&judged);
    if (r == 0)
        r = check_proxies(&judged);
    if (r == 0 && listening)
        r = check_listener(&judged);
    return r;
}
