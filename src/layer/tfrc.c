/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tfrc`: numbered datagrams (docs/protocol.md) in the clear over udp, for bare lines whose both ends name the stack
 * tfrc/udp (S1.24): what leaves follows TFRC, so that lossy traffic lives beside TCP. Nothing is encrypted or hidden, and
 * nothing is sent again. A line is up when the peer has acknowledged a first ping; so has the acceptor's, which sends an
 * address that has not acknowledged it no datagrams of its user's, and no more than three times what came from there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "layer/numbered.h"
#include "layer/udp.h"

#define PATH_USUAL 1452 /* of UDP's payload: what passes nearly everywhere */
#define BUFFER 65536
#define FIRST_PING 64     /* bytes: what answers it is smaller */
#define UNPROVEN_FACTOR 3 /* what is answered to an address that shows nothing (RFC 9000 section 8.1) */

struct tfrc_layer {
    struct layer layer;
    struct numbered *numbered;
    struct loop_timer timer;
    int64_t due;
    uint64_t sent;
    uint8_t *in;                                         /* BUFFER bytes while something is being read */
    uint64_t came, answered, came_count, answered_count; /* bytes and datagrams, until the peer was heard */
    bool told_full, is_server, heard;
};

static struct tfrc_layer *tfrc_of(const struct layer *layer)
{
    return (struct tfrc_layer *)(void *)layer;
}

static void tell(struct tfrc_layer *tfrc, unsigned ready)
{
    if (tfrc->layer.ready)
        tfrc->layer.ready(&tfrc->layer, ready);
}

static void arm_at(struct tfrc_layer *tfrc, int64_t due)
{
    if (due >= tfrc->due)
        return;
    tfrc->due = due;
    loop_timer_set(tfrc->layer.context, &tfrc->timer, due);
}

static void arm(struct tfrc_layer *tfrc)
{
    arm_at(tfrc, numbered_due(tfrc->numbered));
}

/* Anybody can write any source address into a datagram: nobody is flooded with our help. */
static bool may_answer(struct tfrc_layer *tfrc, size_t size)
{
    if (tfrc->heard || !tfrc->is_server)
        return true;
    if (tfrc->answered + size > UNPROVEN_FACTOR * tfrc->came ||
        tfrc->answered_count >= UNPROVEN_FACTOR * tfrc->came_count)
        return false;
    tfrc->answered += size;
    tfrc->answered_count++;
    return true;
}

/* What cannot leave now is lost, as on the way; acknowledgements and pings come again. */
static void serve(struct tfrc_layer *tfrc)
{
    struct layer *below = tfrc->layer.below;
    struct numbered_unit_fate fate;
    uint8_t buffer[2048];
    size_t size;

    while ((size = numbered_output(tfrc->numbered, buffer, loop_clock())) > 0)
        if (may_answer(tfrc, size))
            (void)below->type->send(below, buffer, size);
    while (numbered_fate(tfrc->numbered, &fate)) /* nobody asks: a datagram is a datagram */
        ;
    arm(tfrc);
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct tfrc_layer *tfrc = container_of(timer, struct tfrc_layer, timer);
    int r;

    (void)now;
    tfrc->due = NUMBERED_NEVER;
    r = numbered_expire(tfrc->numbered, loop_clock());
    if (r < 0) {
        layer_fail(&tfrc->layer, r, "the peer has acknowledged nothing for %d seconds", NUMBERED_SILENCE / 1000000);
        tell(tfrc, LAYER_READABLE);
        return;
    }
    serve(tfrc);
    if (tfrc->told_full && tfrc->heard && numbered_room(tfrc->numbered, loop_clock())) {
        tfrc->told_full = false;
        tell(tfrc, LAYER_WRITABLE);
    }
}

/* As large as the path carries, as far as is known; what we number is never below NUMBERED_MIN. */
static void fit_path(struct tfrc_layer *tfrc)
{
    struct layer *below = tfrc->layer.below;
    size_t path = below->type->datagram_max ? below->type->datagram_max(below) : 0;

    if (path > 0 && path < numbered_datagram_max(tfrc->numbered))
        numbered_set_datagram_max(tfrc->numbered, path);
}

/* An ICMP message may be anybody's: it ends what has not heard of its peer yet, and later is a reason to ask. */
static void on_error(void *above, int code, unsigned mtu)
{
    struct layer *layer = above;
    struct tfrc_layer *tfrc = tfrc_of(layer);

    (void)mtu;
    if (code == -EMSGSIZE) {
        fit_path(tfrc);
    } else if (tfrc->heard || tfrc->is_server) {
        numbered_doubt(tfrc->numbered, loop_clock());
        arm(tfrc);
    } else {
        layer_fail(layer, code, "%s",
                   code == -ECONNREFUSED ? "nobody listens at that port (ICMP)" : hawser_strerror(code));
        tell(tfrc, LAYER_READABLE);
    }
}

static const struct udp_taker errors = {.error = on_error};

static void on_ready(struct layer *below, unsigned ready)
{
    tell(tfrc_of(below->above), ready);
}

static int make(hawser_context *context, struct layer *below, bool is_server, struct layer **ret_layer)
{
    struct numbered_config config = {
        .memory = &memory_malloc,
        .datagram_max = PATH_USUAL,
        .clear = true,
        .first_size = is_server ? 0 : FIRST_PING,
    };
    struct tfrc_layer *tfrc;
    int r;

    if (!below || !(below->type->flags & LAYER_DATAGRAMS))
        return -EINVAL;
    tfrc = calloc(1, sizeof *tfrc);
    if (!tfrc)
        return -ENOMEM;
    r = gnutls_rnd(GNUTLS_RND_NONCE, &config.seed, sizeof config.seed) < 0 ? -ENOMEM : 0;
    if (r == 0)
        r = numbered_new(&config, loop_clock(), &tfrc->numbered);
    if (r < 0) {
        free(tfrc);
        return r;
    }
    tfrc->layer.type = &tfrc_layer;
    tfrc->layer.context = context;
    tfrc->layer.below = below;
    tfrc->is_server = is_server;
    tfrc->due = NUMBERED_NEVER;
    loop_timer_init(&tfrc->timer, on_timer);
    below->ready = on_ready;
    if (below->type == &udp_layer)
        udp_take(below, &tfrc->layer, &errors);
    if (is_server)
        numbered_ping(tfrc->numbered); /* leaves with the first acknowledgement */
    *ret_layer = &tfrc->layer;
    return 0;
}

static int tfrc_open(hawser_context *context, const struct layer_target *target, struct layer *below,
                     struct layer **ret_layer)
{
    (void)target;
    return make(context, below, false, ret_layer);
}

static int tfrc_accept(hawser_context *context, const struct tls_config *tls, int fd, struct layer *below,
                       struct layer **ret_layer)
{
    (void)tls;
    (void)fd;
    return make(context, below, true, ret_layer);
}

/* It acknowledged a number that only who receives at its address can know. */
static void note_heard(struct tfrc_layer *tfrc)
{
    struct layer *below = tfrc->layer.below;

    if (tfrc->heard || !numbered_heard(tfrc->numbered))
        return;
    tfrc->heard = true;
    if (tfrc->is_server && below->type == &udp_layer && udp_port_of(below))
        udp_port_proven(below);
    if (!tfrc->is_server)
        numbered_ping(tfrc->numbered); /* what tells the acceptor that we heard tells it our numbers, too */
    if (tfrc->told_full)
        arm_at(tfrc, loop_now(tfrc->layer.context));
}

/* How many bytes of a unit came, into tfrc->in at *ret_at; -EAGAIN, or dead. Anybody can write to us: what breaks the
 * rules is dropped and ends nothing. */
static ssize_t read_unit(struct tfrc_layer *tfrc, const uint8_t **ret_at)
{
    struct layer *below = tfrc->layer.below;
    size_t size;

    if (!tfrc->in && !(tfrc->in = malloc(BUFFER)))
        return -ENOMEM;
    for (;;) {
        ssize_t n = below->type->receive(below, tfrc->in, BUFFER);
        int r;

        if (n < 0)
            return n;
        tfrc->came += (uint64_t)n;
        tfrc->came_count++;
        r = numbered_received(tfrc->numbered, tfrc->in, (size_t)n, loop_clock(), ret_at, &size);
        note_heard(tfrc);
        if (r == 0 && *ret_at)
            return (ssize_t)size;
    }
}

static void done_reading(struct tfrc_layer *tfrc)
{
    free(tfrc->in);
    tfrc->in = NULL;
    serve(tfrc);
}

/* The opener's ping has to come back; the acceptor hears of its peer by it. What carries data meanwhile is lost. */
static int tfrc_establish(struct layer *layer)
{
    struct tfrc_layer *tfrc = tfrc_of(layer);
    int r = layer->error ? layer->error->code : layer_establish(layer->below);
    const uint8_t *at;
    ssize_t n = 0;

    if (r == 0)
        fit_path(tfrc);
    if (r < 0 || tfrc->is_server || tfrc->heard)
        return r;
    if (tfrc->sent++ == 0)
        numbered_ping(tfrc->numbered);
    while (n >= 0 && !tfrc->heard)
        n = read_unit(tfrc, &at);
    done_reading(tfrc);
    if (n < 0 && n != -EAGAIN)
        return layer_fail(layer, (int)n, "%s", hawser_strerror((int)n));
    return tfrc->heard ? 0 : -EAGAIN;
}

static size_t tfrc_datagram_max(struct layer *layer)
{
    return numbered_datagram_max(tfrc_of(layer)->numbered) - NUMBERED_HEAD_MAX;
}

static ssize_t tfrc_send(struct layer *layer, const void *data, size_t size)
{
    struct tfrc_layer *tfrc = tfrc_of(layer);
    struct layer *below = layer->below;
    const uint8_t *out;
    size_t capacity, whole;
    uint8_t *at;

    if (layer->error)
        return layer->error->code;
    if (size > tfrc_datagram_max(layer))
        return -EMSGSIZE;
    at = tfrc->heard ? numbered_begin(tfrc->numbered, loop_clock(), &capacity) : NULL;
    if (!at) {
        tfrc->told_full = true;
        arm(tfrc);
        return -EAGAIN;
    }
    if (size > 0)
        memcpy(at, data, size);
    out = numbered_send(tfrc->numbered, tfrc->sent++, size, loop_clock(), &whole);
    (void)below->type->send(below, out, whole);
    arm(tfrc);
    return (ssize_t)size;
}

static ssize_t tfrc_receive(struct layer *layer, void *buffer, size_t size)
{
    struct tfrc_layer *tfrc = tfrc_of(layer);
    const uint8_t *at;
    ssize_t n = layer->error ? layer->error->code : read_unit(tfrc, &at);

    if (n < 0) {
        done_reading(tfrc);
        return n;
    }
    if (size > (size_t)n)
        size = (size_t)n;
    memcpy(buffer, at, size);
    return (ssize_t)size;
}

static void tfrc_link(struct layer *layer, struct layer_link *link)
{
    const struct tfrc_layer *tfrc = tfrc_of(layer);
    const struct numbered_counts *counts = numbered_counts(tfrc->numbered);
    const struct tfrc_rate *rate = numbered_rate(tfrc->numbered);

    numbered_rtt(tfrc->numbered, &link->rtt_us, &link->min_rtt_us);
    link->delivery_rate = (uint64_t)rate->allowed;
    link->packets_sent = counts->sent;
    link->packets_lost = counts->lost;
    link->congestion_window = (uint64_t)(rate->allowed * rate->rtt);
}

static int tfrc_shutdown(struct layer *layer)
{
    serve(tfrc_of(layer));
    return layer->below->type->shutdown ? layer->below->type->shutdown(layer->below) : 0;
}

static void tfrc_detach(struct layer *layer)
{
    loop_timer_clear(layer->context, &tfrc_of(layer)->timer);
    layer->below->type->detach(layer->below);
    layer->context = NULL;
}

static int tfrc_attach(struct layer *layer, hawser_context *context)
{
    struct tfrc_layer *tfrc = tfrc_of(layer);
    int r = layer->below->type->attach(layer->below, context);

    if (r < 0)
        return r;
    layer->context = context;
    tfrc->due = NUMBERED_NEVER;
    arm(tfrc);
    return 0;
}

static void tfrc_destroy(struct layer *layer)
{
    struct tfrc_layer *tfrc = tfrc_of(layer);

    if (layer->context)
        loop_timer_clear(layer->context, &tfrc->timer);
    numbered_free(tfrc->numbered);
    free(tfrc->in);
    free(tfrc);
}

const struct layer_type tfrc_layer = {
    .name = "tfrc",
    .flags = LAYER_DATAGRAMS,
    .open = tfrc_open,
    .accept = tfrc_accept,
    .establish = tfrc_establish,
    .send = tfrc_send,
    .receive = tfrc_receive,
    .datagram_max = tfrc_datagram_max,
    .shutdown = tfrc_shutdown,
    .link = tfrc_link,
    .detach = tfrc_detach,
    .attach = tfrc_attach,
    .destroy = tfrc_destroy,
};
