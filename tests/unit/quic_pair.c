/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_pair.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include <gnutls/crypto.h>

struct packet {
    struct list link;
    int64_t at;
    struct side *to;
    struct layer_address from, dest;
    uint8_t ecn;
    size_t size;
    uint8_t data[];
};

static struct pair *the_pair; /* a wire has no word of the test's own */

static struct side *side_of(const struct quic_layer *quic)
{
    return quic->secure.is_server ? &the_pair->server : &the_pair->client;
}

static uint64_t draw(struct pair *pair)
{
    pair->random ^= pair->random << 13;
    pair->random ^= pair->random >> 7;
    pair->random ^= pair->random << 17;
    return pair->random;
}

void address_of(struct layer_address *address, unsigned last, unsigned port)
{
    struct sockaddr_in *in = (void *)&address->address;

    memset(address, 0, sizeof *address);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0xc0000200u + last); /* 192.0.2.x */
    in->sin_port = htons((uint16_t)port);
    address->size = sizeof *in;
}

/* ------------------------------------------------------------------------------------------------------------ the wire */

static void put(struct pair *pair, struct side *to, const uint8_t *data, size_t size, uint8_t ecn,
                const struct layer_address *from, const struct layer_address *dest, int64_t at)
{
    struct packet *packet = malloc(sizeof *packet + size);
    struct list *position = &pair->packets;

    assert_non_null(packet);
    packet->at = at;
    packet->to = to;
    packet->from = *from;
    packet->dest = *dest;
    packet->ecn = ecn;
    packet->size = size;
    memcpy(packet->data, data, size);
    while (position->prev != &pair->packets && container_of(position->prev, struct packet, link)->at > at)
        position = position->prev;
    list_insert_before(position, &packet->link);
}

static void send_one(struct side *from, const uint8_t *data, size_t size, const struct udp_out *out)
{
    struct pair *pair = from->pair;
    struct side *to = from == &pair->client ? &pair->server : &pair->client;
    uint8_t copy[65536];
    int64_t at;

    from->sent_packets++;
    from->sent_bytes += size;
    pair->ecn_seen[out->ecn & 3]++;
    memcpy(copy, data, size);
    if (pair->filter && !pair->filter(pair, from, copy, &size))
        return;
    if (draw(pair) % 1000 < pair->loss ||
        (pair->blocked.size && memcmp(&out->local->address, &pair->blocked.address, pair->blocked.size) == 0))
        return;
    if (pair->nat.size && from == &pair->client) { /* the server sees another address than the client has */
        put(pair, to, copy, size, out->ecn, &pair->nat, out->remote, pair->now + pair->delay);
        return;
    }
    if (pair->nat.size && memcmp(&out->remote->address, &pair->nat.address, pair->nat.size) == 0) {
        put(pair, to, copy, size, out->ecn, out->local, &pair->client.address, pair->now + pair->delay);
        return;
    }
    at = pair->now + pair->delay + (pair->jitter ? (int64_t)(draw(pair) % pair->jitter) : 0);
    put(pair, to, copy, size, out->ecn, out->local, out->remote, at);
}

static int wire_send(struct quic_layer *quic, const struct udp_out *out)
{
    struct side *from = side_of(quic);
    const uint8_t *data = out->pieces[0].iov_base;
    size_t size = out->pieces[0].iov_len, segment = out->segment ? out->segment : size;

    assert_int_equal(out->count, 1);
    assert_true(size <= UDP_BATCH_MAX && (size + segment - 1) / segment <= UDP_SEGMENTS_MAX);
    if (from->refuse > 0) {
        from->refuse--;
        return -EAGAIN;
    }
    for (size_t at = 0; at < size; at += segment)
        send_one(from, data + at, size - at < segment ? size - at : segment, out);
    return 0;
}

static int64_t wire_now(struct quic_layer *quic)
{
    (void)quic;
    return the_pair->now;
}

static void wire_arm(struct quic_layer *quic, int64_t due)
{
    side_of(quic)->due = due;
}

static void wire_moved(struct quic_layer *quic, const ngtcp2_path *path)
{
    struct side *side = side_of(quic);

    side->moved++;
    side->peer_address.size = path->remote.addrlen;
    memcpy(&side->peer_address.address, path->remote.addr, path->remote.addrlen);
}

static int wire_add_local(struct quic_layer *quic, const struct layer_address *local, const char *interface,
                          struct layer_address *ret_local)
{
    (void)quic;
    (void)interface;
    *ret_local = *local;
    return 0;
}

static void wire_keep_local(struct quic_layer *quic, const struct layer_address *local)
{
    side_of(quic)->kept = *local;
}

static const struct quic_wire wire = {
    .now = wire_now,
    .send = wire_send,
    .arm = wire_arm,
    .moved = wire_moved,
    .add_local = wire_add_local,
    .keep_local = wire_keep_local,
};

/* ------------------------------------------------------------------------------------------------------------ the ends */

static uint8_t pattern(uint64_t number, size_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

int side_send(struct side *side, size_t size, bool lossy)
{
    size_t capacity;
    uint8_t *to = quic_units.begin(&side->quic->layer, lossy, &capacity);
    struct layer_unit_out out = {.number = side->next_unit, .size = size, .lossy = lossy};

    if (!to)
        return -EAGAIN;
    if (capacity < size && lossy)
        return -EMSGSIZE;
    if (capacity < size) /* as a session does */
        size = out.size = capacity;
    assert_true(size >= 9);
    memcpy(to, &side->next_unit, 8);
    to[8] = lossy;
    for (size_t i = 9; i < size; i++)
        to[i] = pattern(side->next_unit, i);
    side->next_unit++;
    return quic_units.send(&side->quic->layer, &out);
}

/* What the lane of a unit points to while it comes. */
struct lane {
    struct list link; /* of its side's */
    uint64_t number;
    size_t at;
    uint8_t head[9];
    bool padding; /* of one that never ends, beside datagrams: zeros */
};

static void check_piece(struct taken *taken, struct lane *lane, const struct layer_unit_in *in)
{
    for (size_t i = 0; i < in->size && lane->padding; i++)
        taken->wrong += in->data[i] != 0;
    for (size_t i = 0; i < in->size && !lane->padding; i++, lane->at++) {
        if (lane->at < 9) {
            lane->head[lane->at] = in->data[i];
            if (lane->at == 8)
                memcpy(&lane->number, lane->head, 8);
        } else if (in->data[i] != pattern(lane->number, lane->at)) {
            taken->wrong++;
        }
    }
    taken->bytes += in->size;
}

static void take(struct side *side, const struct layer_unit_in *in)
{
    struct taken *taken = &side->taken;
    struct lane *lane = *in->lane;

    if (!lane) {
        lane = *in->lane = calloc(1, sizeof *lane);
        assert_non_null(lane);
        list_append(&side->lanes, &lane->link);
        lane->padding = in->size == 1 && in->data[0] == 0 && !in->end;
        taken->open += !lane->padding;
    }
    check_piece(taken, lane, in);
    if (in->early)
        taken->early++;
    if (!in->end && !in->reset)
        return;
    taken->open--;
    if (in->reset) {
        taken->resets++;
    } else {
        taken->units++;
        taken->lossy += lane->head[8];
        if (lane->at < 9 || lane->number >= sizeof taken->seen)
            taken->wrong++;
        else
            taken->seen[lane->number]++;
    }
    list_remove(&lane->link);
    free(lane);
    *in->lane = NULL;
}

static void note_fates(struct side *side)
{
    struct layer_fate fate;

    while (quic_units.fate(&side->quic->layer, &fate)) {
        assert_true(fate.number < sizeof side->fate);
        assert_int_equal(side->fate[fate.number], 0); /* one each */
        side->fate[fate.number] = fate.acked ? 1 : 2;
        side->fates++;
        side->acked += fate.acked;
        side->lost += !fate.acked;
    }
}

void side_go(struct side *side)
{
    struct layer_unit_in in;
    int r;

    if (!side->quic)
        return;
    if (!side->up && !side->code) {
        r = quic_layer.establish(&side->quic->layer);
        side->up = r == 0;
        side->code = r == -EAGAIN ? 0 : r;
    }
    if (side->quic->streams)
        return;
    if (!side->idle) {
        while ((r = quic_units.receive(&side->quic->layer, &in)) == 0)
            take(side, &in);
        if (r == -ENODATA)
            side->clean_end = true;
        else if (r != -EAGAIN && !side->code)
            side->code = r;
    }
    note_fates(side);
    r = quic_units.flush(&side->quic->layer);
    if (r < 0 && r != -EAGAIN && !side->code)
        side->code = r;
}

static void on_ready(struct layer *layer, unsigned ready)
{
    (void)ready;
    side_go(layer->user);
}

static void adopt(struct side *side)
{
    side->quic->layer.ready = on_ready;
    side->quic->layer.user = side;
    side->due = INT64_MAX;
}

void pair_connect(struct pair *pair)
{
    struct side *client = &pair->client;

    the_pair = pair;
    assert_int_equal(quic_make(client->context, &client->config, false, &wire, &client->quic), 0);
    adopt(client);
}

void pair_begin(struct pair *pair)
{
    struct side *client = &pair->client;

    assert_int_equal(quic_begin_client(client->quic, &client->address, &pair->server.address), 0);
    assert_int_equal(quic_write(client->quic), 0);
}

static void make_server(struct pair *pair)
{
    struct side *server = &pair->server;

    assert_int_equal(quic_make(server->context, &server->config, true, &wire, &server->quic), 0);
    quic_secret_set(server->quic, pair->secret, pair->secret);
    adopt(server);
}

static void deliver(struct pair *pair, struct packet *packet)
{
    struct side *to = packet->to;
    struct udp_packet udp = {
        .data = packet->data,
        .size = packet->size,
        .segment = packet->size,
        .remote = packet->from,
        .local = packet->dest,
        .ecn = packet->ecn,
    };

    list_remove(&packet->link);
    if (to == &pair->server && pair->dead_server) {
        free(packet);
        return;
    }
    if (to == &pair->server && !to->quic)
        make_server(pair);
    to->came_bytes += packet->size;
    if (to->quic) {
        quic_receive_packet(to->quic, &udp);
        quic_batch_end(to->quic);
    }
    free(packet);
}

void pair_inject(struct pair *pair, struct side *to, const void *data, size_t size, const struct layer_address *from)
{
    put(pair, to, data, size, 0, from, &to->address, pair->now);
}

/* ---------------------------------------------------------------------------------------------------------------- time */

static void settle(struct pair *pair)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_true(hawser_dispatch(pair->client.context) >= 0);
        assert_true(hawser_dispatch(pair->server.context) >= 0);
    }
}

/* When something happens next; INT64_MAX: never. */
static int64_t next_time(const struct pair *pair)
{
    int64_t next = INT64_MAX;

    if (!list_empty(&pair->packets))
        next = list_first(&pair->packets, struct packet, link)->at;
    if (pair->client.quic && pair->client.due < next)
        next = pair->client.due;
    if (pair->server.quic && pair->server.due < next)
        next = pair->server.due;
    return next;
}

static void happen(struct pair *pair)
{
    while (!list_empty(&pair->packets) && list_first(&pair->packets, struct packet, link)->at <= pair->now)
        deliver(pair, list_first(&pair->packets, struct packet, link));
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = i ? &pair->server : &pair->client;
        if (side->quic && side->due <= pair->now) {
            side->due = INT64_MAX;
            quic_expire(side->quic);
        }
    }
}

bool pair_run(struct pair *pair, bool (*done)(struct pair *pair), int64_t limit)
{
    int64_t end = pair->now + limit, next;

    for (;;) {
        settle(pair);
        if (done && done(pair))
            return true;
        next = next_time(pair);
        if (next > end)
            break;
        if (next > pair->now)
            pair->now = next;
        happen(pair);
    }
    pair->now = end;
    return !done;
}

void pair_idle(struct pair *pair, int64_t time)
{
    pair_run(pair, NULL, time);
}

bool pair_up(struct pair *pair)
{
    return pair->client.up && pair->server.up;
}

bool pair_failed(struct pair *pair)
{
    return pair->client.code || pair->server.code;
}

void pair_establish(struct pair *pair)
{
    pair_connect(pair);
    pair_begin(pair);
    if (!pair_run(pair, pair_up, 20000000)) {
        if (pair->client.quic)
            print_error("client: %s\n", layer_error(&pair->client.quic->layer)->reason);
        if (pair->server.quic)
            print_error("server: %s\n", layer_error(&pair->server.quic->layer)->reason);
        fail();
    }
}

static void drop_side(struct side *side)
{
    while (!list_empty(&side->lanes)) { /* of what will not come to its end */
        struct lane *lane = list_first(&side->lanes, struct lane, link);
        list_remove(&lane->link);
        free(lane);
    }
    if (!side->quic)
        return;
    layer_destroy(&side->quic->layer);
    side->quic = NULL;
}

void pair_drop(struct pair *pair)
{
    struct side *sides[] = {&pair->client, &pair->server};

    for (unsigned i = 0; i < 2; i++) {
        struct side fresh = {.pair = pair,
                             .context = sides[i]->context,
                             .identity = sides[i]->identity,
                             .config = sides[i]->config,
                             .address = sides[i]->address,
                             .due = INT64_MAX};
        drop_side(sides[i]);
        *sides[i] = fresh;
        list_init(&sides[i]->lanes);
    }
    while (!list_empty(&pair->packets)) {
        struct packet *packet = list_first(&pair->packets, struct packet, link);
        list_remove(&packet->link);
        free(packet);
    }
}

/* --------------------------------------------------------------------------------------------------------------- setup */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void make_side(struct pair *pair, struct side *side, const char *state_dir, unsigned last, unsigned port)
{
    side->pair = pair;
    side->due = INT64_MAX;
    list_init(&side->lanes);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = state_dir, .no_worker = true), &side->context), 0);
    assert_int_equal(hawser_identity_new(&side->identity), 0);
    address_of(&side->address, last, port);
    side->config = (struct tls_config){
        .identity = side->identity,
        .alpn = {"hawser/1"},
        .require_alpn = true,
        .early_data = true,
    };
}

int pair_setup(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    char rule[128];

    assert_non_null(pair);
    strcpy(pair->directory, "/tmp/hawser-quic-XXXXXX");
    assert_non_null(mkdtemp(pair->directory));
    list_init(&pair->packets);
    pair->now = 1000000;
    pair->delay = 10000;
    pair->random = 88172645463325252u;
    assert_int_equal(gnutls_rnd(GNUTLS_RND_NONCE, pair->secret, sizeof pair->secret), 0);
    make_side(pair, &pair->client, pair->directory, 1, 40000);
    make_side(pair, &pair->server, "", 2, 443);
    pair->client.config.service = "the service";
    snprintf(rule, sizeof rule, "key=%s", hawser_identity_name(pair->server.identity));
    assert_int_equal(trust_new(pair->client.context, rule, NULL, &pair->client.config.trust), 0);
    assert_int_equal(trust_new(pair->server.context, "any", NULL, &pair->server.config.trust), 0);
    *state = pair;
    return 0;
}

int pair_teardown(void **state)
{
    struct pair *pair = *state;

    pair_drop(pair);
    trust_free(pair->client.config.trust);
    trust_free(pair->server.config.trust);
    hawser_identity_unref(pair->client.identity);
    hawser_identity_unref(pair->server.identity);
    hawser_context_unref(pair->client.context);
    hawser_context_unref(pair->server.context);
    nftw(pair->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(pair);
    return 0;
}
