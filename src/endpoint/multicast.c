/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that go to the link: who asks knows neither how many will answer nor that nobody will, so time decides. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "endpoint/resolution.h"

#define NOBODY_US 3500000  /* after three times of asking */
#define SIBLING_US 250000  /* who told one family would have told the other by then */
#define SERVICE_US 20000   /* the same instance at another host: its answer is as quick as the first */
#define BROWSING_US 150000 /* answers of many are spread over 120 ms (RFC 6762 section 6) */

bool name_is_local(const char *name)
{
    size_t length = strlen(name);

    return length > strlen(".local") && !strcmp(name + length - strlen(".local"), ".local");
}

void multicast_patience_over(struct loop_timer *timer, int64_t now)
{
    struct question *question = container_of(timer, struct question, patience);

    (void)now;
    mdns_forget(&question->mdns);
    question->code = question->replies ? DNS_NOERROR : -ENOENT;
    question_answered(question);
}

/* Only ever sooner. */
static void hurry(struct question *question, int64_t patience)
{
    hawser_context *context = question->resolution->context;
    int64_t due = loop_now(context) + patience;

    if (due < question->patience_due && loop_timer_set(context, &question->patience, due) == 0)
        question->patience_due = due;
}

static void take_reply(struct mdns_query *query, const uint8_t *packet, size_t size, unsigned interface)
{
    struct question *question = container_of(query, struct question, mdns);

    if (reply_add(question, packet, size, interface) < 0)
        return;
    question->resolution->any_answer = true;
    if (question->kind == QUESTION_INSTANCES) {
        hurry(question, BROWSING_US);
    } else if (question->kind == QUESTION_SRV) {
        hurry(question, SERVICE_US);
    } else {
        loop_timer_clear(question->resolution->context, &question->patience);
        mdns_forget(query);
        question_answered(question);
    }
}

int multicast_put(struct question *question)
{
    struct resolution *resolution = question->resolution;
    const char *interface = resolution->endpoint.interface;
    struct mdns *mdns;
    int r;

    question->multicast = true;
    question->mdns.name = question->name;
    question->mdns.type = question->type;
    question->mdns.interface = *interface ? if_nametoindex(interface) : 0;
    question->mdns.answered = take_reply;
    if (*interface && !question->mdns.interface)
        return -ENODEV;
    if ((r = resolver_mdns(resolution->resolver, &mdns)) < 0 || (r = mdns_ask(mdns, &question->mdns)) < 0)
        return r;
    question->patience_due = INT64_MAX;
    hurry(question, NOBODY_US);
    return 0;
}

void multicast_hurry_sibling(struct resolution *resolution, unsigned target)
{
    for (struct list *at = resolution->questions.next; at != &resolution->questions; at = at->next) {
        struct question *question = container_of(at, struct question, link);

        if (question->multicast && question->kind == QUESTION_ADDRESS && question->target == target &&
            !question->answered)
            hurry(question, SIBLING_US);
    }
}
