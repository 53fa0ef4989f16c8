/* SPDX-License-Identifier: Apache-2.0 */
/* Which stacks are tried, in which form and order: the ladder of docs/racing.md. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "race/internal.h"

/*
 * Best first. What is not encrypted is a candidate only where the program does not insist on security. On fast and short
 * paths TLS over TCP moves several times more for the same work than QUIC does, so it begins; QUIC begins 250 ms later where
 * TCP did not answer, and first where messages may be lost (docs/racing.md, the ladder).
 */
static const char *const default_stacks[] = {"tls/mptcp", "tls/tcp", "quic/udp", "tls/unix", "mptcp", "tcp", "unix"};

#define NEVER INT64_MAX /* as a head start: only when the others failed */
/* A proxy that is preferred and says nothing is not waited for for ever. */
#define PROXY_HEAD_START RACE_ATTEMPT_DELAY_MAX

struct stack_words {
    bool secure, mptcp, unix_socket;
    bool foreign;   /* a transport that was registered, which knows itself where it leads */
    bool datagrams; /* over UDP: proxies do not lead there */
    bool lossy;     /* need not send again what was lost */
    bool early_data;
    char proxy[STACK_MAX]; /* the proxy layer named in it, or "" */
};

static bool word_is(const char *word, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(word, name, size) == 0;
}

static void stack_read(const struct establish *e, const char *stack, struct stack_words *words)
{
    unsigned flags = 0;

    memset(words, 0, sizeof *words);
    (void)stack_flags(e->context, stack, &flags, NULL);
    words->secure = flags & LAYER_SECURE;
    words->foreign = flags & LAYER_FOREIGN;
    words->lossy = flags & LAYER_LOSSY;
    words->early_data = flags & LAYER_EARLY_DATA;
    for (const char *at = stack; *at;) {
        size_t size = strcspn(at, "/");

        words->datagrams |= word_is(at, size, "udp");
        words->mptcp |= word_is(at, size, "mptcp");
        words->unix_socket |= word_is(at, size, "unix");
        if (word_is(at, size, "socks5") || word_is(at, size, "http-connect"))
            snprintf(words->proxy, sizeof words->proxy, "%.*s", (int)size, at);
        at += size + (at[size] == '/');
    }
}

static bool insecure_allowed(const struct property_values *values)
{
    return values->security == HAWSER_AVOID || values->security == HAWSER_PROHIBIT;
}

/* Whether messages of this line may be lost on purpose: then a stack that can leave them lost goes first. */
static bool wants_lossy(const struct property_values *values)
{
    return !values->msg_reliable || values->per_msg_reliability == HAWSER_REQUIRE ||
           (values->per_msg_reliability == HAWSER_PREFER && property_given(values, "perMsgReliability"));
}

/* What properties and policy say of it. */
static void plan_judge(struct establish *e, struct plan *plan, const struct stack_words *words)
{
    const struct property_stack stack = {
        .name = plan->stack,
        .session = plan->session,
        .secure = words->secure,
        .early_data = words->early_data,
        .multipath = words->mptcp,
        .unix_socket = words->unix_socket,
        .udp = words->datagrams,
        .proxy = plan->proxy >= 0,
        .framed = e->config.framed,
    };
    int rank = 0;
    char reason[REASON_MAX] = "";

    plan->code = property_judge_stack(e->config.values, &stack, &rank, plan->reason, sizeof plan->reason);
    if (plan->code == 0 && e->config.verified && !words->secure) {
        plan->code = -HAWSER_EPROHIBITED;
        snprintf(plan->reason, sizeof plan->reason, "the peer has to be verified, and nobody is without encryption");
    }
    switch (policy_on_stack(e->policy, plan->stack, reason, sizeof reason)) {
    case HAWSER_PROHIBIT:
        if (plan->code == 0) {
            plan->code = -HAWSER_EPROHIBITED;
            memcpy(plan->reason, reason, sizeof reason);
        }
        break;
    case HAWSER_PREFER:
    case HAWSER_REQUIRE:
        rank--;
        e->ranked_by_policy = true;
        break;
    case HAWSER_AVOID:
        rank++;
        e->ranked_by_policy = true;
        break;
    case HAWSER_NO_PREFERENCE:
        break;
    }
    rank -= words->lossy && wants_lossy(e->config.values);
    plan->rank = rank * PLAN_RANK_STEP + (int)e->plan_count;
}

/* A stack that was named twice is one. */
static bool plan_exists(const struct establish *e, const struct plan *plan)
{
    for (unsigned i = 0; i < e->plan_count; i++)
        if (strcmp(e->plans[i].stack, plan->stack) == 0 && e->plans[i].proxy == plan->proxy &&
            e->plans[i].session == plan->session && e->plans[i].bare == plan->bare)
            return true;
    return false;
}

static int plan_add(struct establish *e, const char *name, int proxy, bool session, bool bare, int64_t delay)
{
    struct plan *plan = &e->plans[e->plan_count];
    struct stack_words words;
    const char *bottom = strrchr(name, '/');
    hawser_preference wanted = HAWSER_NO_PREFERENCE;

    if (e->plan_count == PLANS_MAX)
        return -E2BIG;
    memset(plan, 0, sizeof *plan);
    stack_read(e, name, &words);
    if (proxy >= 0 && !*words.proxy)
        snprintf(plan->stack, sizeof plan->stack, "%.*s%s/%s", bottom ? (int)(bottom - name + 1) : 0, name,
                 proxy_layer(&e->sources[proxy]), bottom ? bottom + 1 : name);
    else
        snprintf(plan->stack, sizeof plan->stack, "%s", name);
    plan->session = session;
    plan->bare = bare;
    plan->unix_socket = words.unix_socket;
    plan->any_address = words.foreign;
    plan->datagrams = words.datagrams;
    plan->failover = delay == NEVER;
    plan->delay = delay == NEVER ? 0 : delay;
    plan->proxy = proxy;
    plan_judge(e, plan, &words);
    if (proxy >= 0)
        wanted = e->sources[proxy].preference;
    /* A proxy that is preferred comes before every direct way, one that is raced after them. */
    if (wanted == HAWSER_PREFER)
        plan->rank -= 1 << 20;
    else if (proxy >= 0 && wanted != HAWSER_REQUIRE)
        plan->rank += 1 << 20;
    if (wanted == HAWSER_AVOID)
        plan->failover = true;
    /* What only follows failures comes last of its kind, so that it holds up nothing that need not wait. */
    if (delay == NEVER)
        plan->rank += PLAN_BEHIND;
    if (!plan_exists(e, plan))
        e->plan_count++;
    return 0;
}

static bool has_alpn(const struct establish *e)
{
    const struct tls_config *tls = e->config.endpoints[0].session_tls;

    return tls && tls->alpn[0] && tls->alpn[1];
}

/* Whether the peer is known to speak hawser/1: by its key's name, or from earlier. */
static bool known_session(const struct establish *e)
{
    return *e->sources[0].given.endpoint.key_name ||
           history_speaks(e->history, e->sources[0].service) == HISTORY_SESSION;
}

/* One stack in the forms that the session property leaves: docs/racing.md, the ladder. */
static int plan_forms(struct establish *e, const char *name, int proxy, int64_t delay)
{
    hawser_preference session = e->config.values->session;
    struct stack_words words;
    int r;

    stack_read(e, name, &words);
    /* A protocol of the program's own is one over TCP unless the program names the stack. */
    if (words.datagrams && !e->config.stacks)
        return session == HAWSER_REQUIRE || (session != HAWSER_AVOID && session != HAWSER_PROHIBIT && known_session(e))
                   ? plan_add(e, name, proxy, true, false, delay)
                   : 0;
    if (!words.secure)
        return session == HAWSER_REQUIRE ? 0 : plan_add(e, name, proxy, false, true, delay);
    if (session == HAWSER_REQUIRE || session == HAWSER_PROHIBIT)
        return plan_add(e, name, proxy, session == HAWSER_REQUIRE, session == HAWSER_PROHIBIT, delay);
    /* With a protocol of the program's own beside it, one handshake decides. */
    if (has_alpn(e) && session != HAWSER_AVOID)
        return plan_add(e, name, proxy, true, true, delay);
    /* A common server answers a name that it does not know with a fatal alert: docs/protocol.md. */
    if (session != HAWSER_AVOID && known_session(e)) {
        r = plan_add(e, name, proxy, true, false, delay);
        return r < 0 ? r : plan_add(e, name, proxy, false, true, NEVER);
    }
    r = plan_add(e, name, proxy, false, true, delay);
    return r < 0 ? r : plan_add(e, name, proxy, true, false, NEVER);
}

/* One stack directly and through each proxy. */
static int plan_ways(struct establish *e, const char *name)
{
    struct stack_words words;
    bool preferred = false;
    int r = 0;

    stack_read(e, name, &words);
    for (unsigned i = e->endpoint_count; i < e->source_count && r == 0; i++) {
        if (words.unix_socket || words.foreign || words.mptcp || words.datagrams ||
            (*words.proxy && strcmp(words.proxy, proxy_layer(&e->sources[i])) != 0))
            continue;
        preferred |= e->sources[i].preference == HAWSER_PREFER;
        r = plan_forms(e, name, (int)i, 0);
    }
    if (r == 0 && !*words.proxy && (words.unix_socket || !proxies_only(e)))
        r = plan_forms(e, name, -1, preferred ? PROXY_HEAD_START : 0);
    return r;
}

/* The same without MPTCP, "" for a stack that has none. */
static void without_mptcp(const char *stack, char *ret_stack, size_t size)
{
    const char *at = strstr(stack, "mptcp");

    *ret_stack = '\0';
    if (at)
        snprintf(ret_stack, size, "%.*s%s", (int)(at - stack), stack, at + 2);
}

static int plan_named(struct establish *e, const char *word, char *reason, size_t size)
{
    struct stack_words words;

    if (!stack_known(e->context, word)) {
        snprintf(reason, size, "there is no stack \"%.40s\"", word);
        return -EINVAL;
    }
    stack_read(e, word, &words);
    if (!words.secure && !insecure_allowed(e->config.values)) {
        snprintf(reason, size, "%s is not encrypted: it needs the property security avoided or prohibited", word);
        return -HAWSER_EPROHIBITED;
    }
    if (*words.proxy && e->source_count == e->endpoint_count) {
        snprintf(reason, size, "%s needs a proxy: it is named by the property proxy", word);
        return -HAWSER_EPROPERTY;
    }
    return plan_ways(e, word);
}

/*
 * MPTCP falls back to TCP by itself, but where a box swallows its SYN that takes the kernel three seconds. So TCP runs beside it, the usual delay later, also where MPTCP alone was named: what becomes
 * of either is the same line over TCP.
 */
static int plans_named(struct establish *e, char *reason, size_t size)
{
    char list[256], twins[4][STACK_MAX], *rest = list;
    unsigned twin_count = 0;
    int r = 0;

    if ((size_t)snprintf(list, sizeof list, "%s", e->config.stacks) >= sizeof list) {
        snprintf(reason, size, "the list of stacks is too long");
        return -EINVAL;
    }
    for (char *word = strsep(&rest, ","); word && r == 0; word = strsep(&rest, ",")) {
        r = plan_named(e, word, reason, size);
        if (r == 0 && twin_count < sizeof twins / sizeof *twins) {
            without_mptcp(word, twins[twin_count], sizeof *twins);
            twin_count += *twins[twin_count] != '\0';
        }
    }
    for (unsigned i = 0; i < twin_count && r == 0; i++)
        r = plan_ways(e, twins[i]);
    return r;
}

static int plans_default(struct establish *e)
{
    int r = 0;

    for (size_t i = 0; i < sizeof default_stacks / sizeof *default_stacks && r == 0; i++) {
        struct stack_words words;

        stack_read(e, default_stacks[i], &words);
        if (!stack_known(e->context, default_stacks[i])) /* built without it */
            continue;
        if (!words.secure && !insecure_allowed(e->config.values))
            continue;
        if (words.secure && e->config.values->security == HAWSER_PROHIBIT)
            continue;
        if (words.mptcp && e->config.values->multipath != MULTIPATH_ACTIVE)
            continue;
        r = plan_ways(e, default_stacks[i]);
    }
    return r;
}

int plans_make(struct establish *e, char *reason, size_t size)
{
    const struct plan *refused = NULL;
    int r = e->config.stacks ? plans_named(e, reason, size) : plans_default(e);

    if (r == -E2BIG)
        snprintf(reason, size, "these are more than %d stacks and ways through proxies", PLANS_MAX);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < e->plan_count; i++) {
        if (e->plans[i].code == 0)
            return 0;
        refused = refused ? refused : &e->plans[i];
    }
    snprintf(reason, size, "%s",
             refused ? refused->reason : "no stack is left: a line without encryption cannot carry hawser/1");
    return refused ? refused->code : -HAWSER_EPROHIBITED;
}
