/* SPDX-License-Identifier: Apache-2.0 */
/* TCP-friendly rate control: RFC 5348 sections 3.1, 4 and 5, sender-based. */
#include "layer/tfrc_rate.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define SECOND 1000000.0
#define BACKOFF_MAX 64.0         /* t_mbi: at least one datagram in so many seconds */
#define UNKNOWN_RTT_NOFEEDBACK 2 /* seconds (section 4.2) */
#define WINDOW_MIN 1000          /* microseconds: shorter ones measure the scheduler, not the network */
#define CATCH_UP_MAX 64          /* expirations that a time of silence can stand for */
#define RATE_MAX 1e12

static double max_of(double a, double b)
{
    return a > b ? a : b;
}

static double min_of(double a, double b)
{
    return a < b ? a : b;
}

double tfrc_equation(double segment, double rtt, double loss)
{
    return segment / (rtt * sqrt(2 * loss / 3) + 4 * rtt * (3 * sqrt(3 * loss / 8)) * loss * (1 + 32 * loss * loss));
}

/* W_init / R (section 4.2). */
static double initial_rate(const struct tfrc_rate *rate)
{
    return min_of(4 * rate->segment, max_of(2 * rate->segment, 4380)) / rate->rtt;
}

static void set_timer(struct tfrc_rate *rate, int64_t now)
{
    rate->nofeedback = rate->rtt > 0 ? max_of(4 * rate->rtt, 2 * rate->segment / rate->rate) : UNKNOWN_RTT_NOFEEDBACK;
    rate->due = now + (int64_t)(rate->nofeedback * SECOND);
    rate->sent_since_due_was_set = false;
}

/* Section 4.5: dampens oscillation where few flows share a queue. */
static void set_allowed(struct tfrc_rate *rate, int64_t sample_us)
{
    rate->rate = min_of(max_of(rate->rate, rate->segment / BACKOFF_MAX), RATE_MAX);
    rate->allowed = rate->rate;
    if (sample_us > 0 && rate->rtt_sqmean > 0)
        rate->allowed = rate->rate * rate->rtt_sqmean / sqrt((double)sample_us / SECOND);
}

void tfrc_rate_init(struct tfrc_rate *rate, unsigned segment, int64_t rtt_us, int64_t now)
{
    memset(rate, 0, sizeof *rate);
    rate->segment = segment;
    rate->rtt = (double)rtt_us / SECOND;
    rate->rtt_sqmean = sqrt(rate->rtt);
    rate->rate = rtt_us > 0 ? initial_rate(rate) : rate->segment;
    rate->doubled_at = rate->window_at = now;
    set_allowed(rate, 0);
    set_timer(rate, now);
}

/* ------------------------------------------------------------------------------------------------- loss events */

/* p from the mean of the last eight intervals, the open one counting where it makes p smaller (section 5.4). */
static void measure_loss(struct tfrc_rate *rate)
{
    static const double weights[TFRC_INTERVALS] = {1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2};
    double with_open = 0, without = 0, total = 0;

    if (rate->interval_count == 0)
        return;
    rate->intervals[0] = rate->highest - rate->event_first + 1;
    for (unsigned i = 0; i < rate->interval_count; i++) {
        with_open += (double)rate->intervals[i] * weights[i];
        without += (double)rate->intervals[i + 1] * weights[i];
        total += weights[i];
    }
    rate->loss = min_of(1, total / max_of(with_open, without));
    if (rate->rtt > 0)
        rate->equation = tfrc_equation(rate->segment, rate->rtt, rate->loss);
}

static double most_received(const struct tfrc_rate *rate)
{
    double most = 0;

    if (rate->received_count == 0)
        return INFINITY;
    for (unsigned i = 0; i < rate->received_count; i++)
        most = max_of(most, rate->received[i].rate);
    return most;
}

/* The interval before the first loss is as long as would explain the rate that was reached (section 6.3.1). */
static uint64_t first_interval(const struct tfrc_rate *rate)
{
    double target = rate->received_count ? most_received(rate) : rate->rate / 2;
    double low = 1e-8, high = 1;

    if (rate->rtt <= 0)
        return 1;
    target = max_of(target, rate->segment / (2 * rate->rtt));
    for (int i = 0; i < 50; i++) {
        double middle = sqrt(low * high);
        if (tfrc_equation(rate->segment, rate->rtt, middle) > target)
            low = middle;
        else
            high = middle;
    }
    return (uint64_t)(1 / high) + 1;
}

void tfrc_rate_lost(struct tfrc_rate *rate, uint64_t ordinal, int64_t sent_at)
{
    if (ordinal > rate->highest)
        rate->highest = ordinal;
    /* What was lost within a round trip is one event (section 5.2). */
    if (rate->interval_count > 0 &&
        (ordinal <= rate->event_first || (double)(sent_at - rate->event_sent_at) <= rate->rtt * SECOND))
        return;
    memmove(rate->intervals + 2, rate->intervals + 1, (TFRC_INTERVALS - 1) * sizeof *rate->intervals);
    rate->intervals[1] = rate->interval_count ? ordinal - rate->event_first : first_interval(rate);
    if (rate->interval_count < TFRC_INTERVALS)
        rate->interval_count++;
    rate->event_first = ordinal;
    rate->event_sent_at = sent_at;
    rate->lost_seen++;
}

/* ---------------------------------------------------------------------------------------------------- X_recv_set */

/* Leaves the greatest alone, as of now ("Maximize"). */
static void maximize(struct tfrc_rate *rate, double received, int64_t now)
{
    if (rate->received_count > 0)
        received = max_of(received, most_received(rate));
    rate->received[0].rate = received;
    rate->received[0].at = now;
    rate->received_count = 1;
}

/* Those of the last two round trips ("Update"). */
static void update(struct tfrc_rate *rate, double received, int64_t now)
{
    const unsigned room = sizeof rate->received / sizeof *rate->received;
    unsigned kept = 0;

    for (unsigned i = 0; i < rate->received_count; i++)
        if ((double)(now - rate->received[i].at) <= 2 * max_of(rate->rtt * SECOND, WINDOW_MIN))
            rate->received[kept++] = rate->received[i];
    if (kept == room)
        memmove(rate->received, rate->received + 1, --kept * sizeof *rate->received);
    rate->received[kept].rate = received;
    rate->received[kept].at = now;
    rate->received_count = kept + 1;
}

/* What the receiver got limits what is sent; how, depends on whether the sender had enough to send. */
static double receive_limit(struct tfrc_rate *rate, double received, bool lost_more, int64_t now)
{
    if (rate->held && !rate->paused) {
        update(rate, received, now);
    } else if (lost_more) {
        for (unsigned i = 0; i < rate->received_count; i++)
            rate->received[i].rate /= 2;
        maximize(rate, 0.85 * received, now);
        return most_received(rate);
    } else
        maximize(rate, received, now);
    return 2 * most_received(rate);
}

static void set_rate(struct tfrc_rate *rate, double limit, int64_t now)
{
    double least = rate->segment / BACKOFF_MAX;

    if (rate->loss > 0)
        rate->rate = max_of(min_of(rate->equation, limit), least);
    else if ((double)(now - rate->doubled_at) >= rate->rtt * SECOND) {
        rate->rate = max_of(min_of(2 * rate->rate, limit), initial_rate(rate));
        rate->doubled_at = now;
    }
}

/* ------------------------------------------------------------------------------------------------------ feedback */

void tfrc_rate_sent(struct tfrc_rate *rate, uint64_t ordinal, unsigned size, bool alone, bool held, int64_t now)
{
    /* The timer that was not run while nothing was under way. */
    for (int i = 0; alone && rate->due <= now && i < CATCH_UP_MAX; i++)
        tfrc_rate_expire(rate, rate->due);
    if (alone && rate->due <= now)
        set_timer(rate, now);
    if (alone && !held)
        rate->resumed = ordinal;
    if (size > 0)
        rate->segment += (size - rate->segment) / 16;
    rate->sent_since_due_was_set = true;
}

void tfrc_rate_acked(struct tfrc_rate *rate, uint64_t ordinal, unsigned size, bool held)
{
    rate->acked_bytes += size;
    rate->held |= held;
    if (ordinal <= rate->highest)
        return;
    rate->paused |= rate->highest < rate->resumed && rate->resumed <= ordinal;
    rate->highest = ordinal;
}

static void first_feedback(struct tfrc_rate *rate, int64_t sample_us, int64_t now)
{
    bool measured = rate->rtt > 0;

    rate->heard = true;
    if (!measured) {
        rate->rtt = (double)sample_us / SECOND;
        rate->rtt_sqmean = sqrt(rate->rtt);
        rate->rate = initial_rate(rate);
    }
    rate->doubled_at = rate->window_at = now;
    rate->acked_bytes = 0;
    rate->held = rate->paused = false;
    set_allowed(rate, 0);
    set_timer(rate, now);
}

void tfrc_rate_feedback(struct tfrc_rate *rate, int64_t sample_us, int64_t now)
{
    int64_t elapsed = now - rate->window_at;
    bool whole = rate->acked_bytes > 0 && elapsed >= WINDOW_MIN && (double)elapsed >= rate->rtt * SECOND, lost_more;
    double before = rate->loss, received, limit;

    if (!rate->heard && sample_us > 0 && rate->lost_seen == 0) {
        first_feedback(rate, sample_us, now);
        return;
    }
    if (rate->rtt <= 0 && sample_us <= 0)
        return;
    /* Once a round trip, and at once when a loss event began (section 6.2). */
    if (!whole && rate->lost_seen == 0)
        return;
    rate->heard = true;
    if (sample_us > 0) {
        double sample = (double)sample_us / SECOND;
        rate->rtt = rate->rtt > 0 ? 0.9 * rate->rtt + 0.1 * sample : sample;
        rate->rtt_sqmean = rate->rtt_sqmean > 0 ? 0.9 * rate->rtt_sqmean + 0.1 * sqrt(sample) : sqrt(sample);
    }
    measure_loss(rate);
    lost_more = rate->lost_seen > 0 || rate->loss > before;
    if (whole) {
        received = (double)rate->acked_bytes / ((double)elapsed / SECOND);
        limit = receive_limit(rate, received, lost_more, now);
        rate->window_at = now;
        rate->acked_bytes = 0;
        rate->held = rate->paused = false;
    } else
        limit = 2 * most_received(rate);
    rate->lost_seen = 0;
    set_rate(rate, limit, now);
    set_allowed(rate, sample_us);
    set_timer(rate, now);
}

void tfrc_rate_expire(struct tfrc_rate *rate, int64_t now)
{
    double least = rate->segment / BACKOFF_MAX, received = most_received(rate), limit;
    bool idle = !rate->sent_since_due_was_set;
    double recover = rate->rtt > 0 ? initial_rate(rate) : 0;

    if (rate->rtt <= 0) {
        rate->rate = max_of(rate->rate / 2, least);
    } else if (idle && (rate->loss > 0 ? received < recover : rate->rate < 2 * recover)) {
        /* slow already, and said nothing: nothing was learned */
    } else if (rate->loss <= 0) {
        rate->rate = max_of(rate->rate / 2, least);
    } else {
        limit = max_of(rate->equation > 2 * received ? received : rate->equation / 2, least);
        rate->received[0].rate = limit / 2;
        rate->received[0].at = now;
        rate->received_count = 1;
        set_rate(rate, limit, now);
    }
    set_allowed(rate, 0);
    set_timer(rate, now);
}

int64_t tfrc_rate_spacing(const struct tfrc_rate *rate, unsigned size)
{
    return (int64_t)(size * SECOND / rate->allowed);
}
