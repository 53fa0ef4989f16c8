/* SPDX-License-Identifier: Apache-2.0 */
/* quic by itself: handshakes and units over a path that loses, delays and overtakes. */
#include "quic_pair.h"

/* ---------------------------------------------------------------------------------------------------------- handshakes */

static void handshake(void **state)
{
    struct pair *pair = *state;
    struct layer_peer peer;
    uint8_t ours[32], theirs[32];
    int64_t began = pair->now;

    pair_establish(pair);
    assert_true(pair->now - began <= 2 * 2 * pair->delay); /* the client after one round trip, the server after 1.5 */
    layer_peer(&pair->client.quic->layer, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(pair->server.identity));
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_KEY);
    assert_string_equal(peer.alpn, "hawser/1");
    assert_int_equal(peer.round_trips, 1);
    layer_peer(&pair->server.quic->layer, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(pair->client.identity));
    assert_int_equal(quic_layer.export_key(&pair->client.quic->layer, "EXPORTER-test", ours, sizeof ours), 0);
    assert_int_equal(quic_layer.export_key(&pair->server.quic->layer, "EXPORTER-test", theirs, sizeof theirs), 0);
    assert_memory_equal(ours, theirs, sizeof ours);
}

static void handshake_under_loss(void **state)
{
    struct pair *pair = *state;

    pair->loss = 200;
    for (unsigned i = 0; i < 20; i++) {
        pair_establish(pair);
        pair_drop(pair);
    }
}

static int64_t first_at, second_at;

static bool lose_the_first(struct pair *pair, struct side *from, uint8_t *data, size_t *size)
{
    (void)data;
    (void)size;
    if (from != &pair->client)
        return true;
    if (!first_at)
        first_at = pair->now;
    else if (!second_at && pair->now > first_at)
        second_at = pair->now;
    return pair->now > first_at;
}

/* How long until a first flight that is lost is said again, where the round trip is remembered so. */
static int64_t said_again_after(struct pair *pair, int64_t rtt)
{
    pair->filter = lose_the_first;
    first_at = second_at = 0;
    pair_connect(pair);
    pair->client.quic->first_rtt = rtt;
    pair_begin(pair);
    assert_true(pair_run(pair, pair_up, 20000000));
    pair_drop(pair);
    return second_at - first_at;
}

static void a_remembered_round_trip_is_believed_within_bounds(void **state)
{
    struct pair *pair = *state;
    int64_t unknown = said_again_after(pair, 0), known = said_again_after(pair, 100000);

    assert_in_range(unknown, 900000, 1100000); /* RFC 9002 section 6.2.2: 333 ms, three times */
    assert_in_range(known, 250000, 350000);
    assert_in_range(said_again_after(pair, 10), 100000, 200000);        /* not at once, whatever is said */
    assert_in_range(said_again_after(pair, 60000000), 900000, 1100000); /* nor later than without */
}

/* ---------------------------------------------------------------------------------------------------------------- units */

static unsigned wanted;

static bool all_there(struct pair *pair)
{
    return pair->server.taken.units >= wanted && pair->client.fates >= wanted;
}

static void send_units(struct pair *pair, unsigned count, size_t size)
{
    wanted = pair->server.taken.units + count;
    for (unsigned i = 0; i < count;) {
        int r = side_send(&pair->client, size, false);
        if (r == 0) {
            i++;
            continue;
        }
        assert_int_equal(r, -EAGAIN);
        side_go(&pair->client);
        pair_idle(pair, 1000);
        assert_int_equal(pair->client.code, 0);
    }
    side_go(&pair->client);
    assert_true(pair_run(pair, all_there, 600000000));
}

static void check_all(struct pair *pair)
{
    assert_int_equal(pair->server.taken.wrong, 0);
    assert_int_equal(pair->server.taken.open, 0);
    for (unsigned i = 0; i < pair->client.next_unit; i++) {
        assert_int_equal(pair->server.taken.seen[i], 1);
        assert_int_equal(pair->client.fate[i], 1);
    }
}

static void units_arrive(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    send_units(pair, 500, 100);
    send_units(pair, 300, 32768);
    check_all(pair);
}

static void units_arrive_under_loss(void **state)
{
    struct pair *pair = *state;

    pair->loss = 50;
    pair->jitter = 5000;
    pair_establish(pair);
    send_units(pair, 1000, 40);
    send_units(pair, 100, 20000);
    check_all(pair);
}

/* Each unit that may be lost has one fate; those that are told as acked have come, and nothing comes twice. */
static void lossy_units(void **state)
{
    struct pair *pair = *state;
    unsigned came = 0;

    pair_establish(pair);
    pair->loss = 100;
    assert_true(quic_units.lossy_max(&pair->client.quic->layer) >= 1000);
    for (unsigned i = 0; i < 500;) {
        if (side_send(&pair->client, 1000, true) == 0)
            i++;
        side_go(&pair->client);
        pair_idle(pair, 500);
    }
    pair->loss = 0;
    side_send(&pair->client, 1000, true); /* what it acknowledges shows what was lost before */
    pair_idle(pair, 5000000);
    assert_int_equal(pair->client.fates, pair->client.next_unit);
    assert_int_equal(pair->server.taken.wrong, 0);
    for (unsigned i = 0; i < pair->client.next_unit; i++) {
        assert_true(pair->server.taken.seen[i] <= 1);
        if (pair->client.fate[i] == 1)
            assert_int_equal(pair->server.taken.seen[i], 1);
        came += pair->server.taken.seen[i];
    }
    assert_true(came < 490 && came > 400); /* one in ten is lost, and none is sent again */
    assert_int_equal(pair->server.taken.lossy, pair->server.taken.units);
}

/* Datagrams alone, however many of them are lost, and the last of all: each has its fate, and the next can leave. */
static void lossy_units_do_not_stall(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    pair->loss = 300;
    for (unsigned i = 0, waited = 0; i < 300;) {
        bool sent = side_send(&pair->client, 1000, true) == 0;

        i += sent;
        waited = sent ? 0 : waited + 1;
        assert_true(waited < 20000); /* of a millisecond each */
        side_go(&pair->client);
        if (!sent)
            pair_idle(pair, 1000);
    }
    pair_idle(pair, 20000000);
    assert_int_equal(pair->client.fates, pair->client.next_unit);
    assert_int_equal(pair->client.code, 0);
}

/* What is dropped before it left never comes; what is dropped on its way comes whole, or is taken back. */
static void dropped_units(void **state)
{
    struct pair *pair = *state;
    uint64_t first, waiting;

    pair_establish(pair);
    send_units(pair, 50, 20000); /* so that the window is wide */
    first = pair->client.next_unit;
    while (side_send(&pair->client, 32768, false) == 0)
        side_go(&pair->client);
    pair_idle(pair, pair->delay / 2);
    assert_true(pair->client.next_unit > first);
    assert_true(side_send(&pair->client, 9, false) == -EAGAIN);
    waiting = pair->client.next_unit - 1;
    for (uint64_t i = first; i <= waiting; i++)
        quic_units.drop(&pair->client.quic->layer, i);
    quic_units.drop(&pair->client.quic->layer, 999999); /* that there never was */
    pair_idle(pair, 10000000);
    assert_int_equal(pair->client.fates, pair->client.next_unit);
    assert_int_equal(pair->server.taken.open, 0);
    for (uint64_t i = first; i <= waiting; i++)
        assert_int_equal(pair->client.fate[i], 2);
    assert_true(pair->server.taken.units + pair->server.taken.resets <= pair->client.next_unit);
    send_units(pair, 20, 20000); /* and it goes on */
    assert_int_equal(pair->server.taken.wrong, 0);
}

/* The system's socket is full for a while: nothing is lost for that. */
static void full_socket(void **state)
{
    struct pair *pair = *state;
    uint64_t lost;

    pair_establish(pair);
    for (unsigned i = 0; i < 50; i++) {
        pair->client.refuse = 3;
        while (side_send(&pair->client, 5000, false) == -EAGAIN)
            pair_idle(pair, 1000);
        side_go(&pair->client);
        side_go(&pair->client);
        quic_units.flush(&pair->client.quic->layer);
        quic_units.flush(&pair->client.quic->layer);
        pair_idle(pair, 1000);
    }
    pair->client.refuse = 0;
    wanted = 50;
    quic_units.flush(&pair->client.quic->layer);
    assert_true(pair_run(pair, all_there, 60000000));
    lost = pair->client.quic->packets_lost;
    assert_int_equal(lost, 0);
    check_all(pair);
}

/* Units are given to the layer late: about as much as the path takes, whatever the program has, and however large a unit
 * could be: what is urgent would wait behind it. */
static void room_is_late(void **state)
{
    struct pair *pair = *state;
    size_t given = 0;

    pair_establish(pair);
    while (side_send(&pair->client, QUIC_UNIT_MAX, false) == 0)
        given++;
    assert_in_range(given, 1, 2);
    assert_in_range(pair->client.quic->out.backlog, 10000, 20000); /* the first window is ten packets */
}

/* A peer whose user takes nothing holds up what it sends, and keeps little of it. */
static void slow_taker(void **state)
{
    struct pair *pair = *state;
    unsigned sent = 0;

    pair_establish(pair);
    pair->server.idle = true;
    for (unsigned i = 0; i < 3000; i++) {
        sent += side_send(&pair->client, 30000, false) == 0;
        side_go(&pair->client);
        pair_idle(pair, 2000);
    }
    assert_true((uint64_t)sent * 30000 <= QUIC_WINDOW + (2u << 20));
    pair->server.idle = false;
    side_go(&pair->server);
    wanted = sent;
    assert_true(pair_run(pair, all_there, 60000000));
    check_all(pair);
}

/* Datagrams have no windows: those that nobody takes are as lost as any other. */
static void datagrams_that_nobody_takes(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    pair->server.idle = true;
    for (unsigned i = 0; i < 4000; i++) {
        side_send(&pair->client, 1000, true);
        side_go(&pair->client);
        pair_idle(pair, 1000);
        assert_true(pair->server.quic->in.held < QUIC_DATAGRAMS_HELD + 2000);
    }
    pair->server.idle = false;
    side_go(&pair->server);
    pair_idle(pair, 10000000);
    for (unsigned i = 0; i < pair->client.next_unit; i++)
        if (pair->client.fate[i] == 1)
            assert_int_equal(pair->server.taken.seen[i], 1);
}

/* ------------------------------------------------------------------------------------------------- what peers may do */

/* Writes count empty DATAGRAM frames, 300 in a packet. */
static void flood_empty(struct pair *pair, unsigned count)
{
    uint8_t packet[1200];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_conn *conn = pair->client.quic->conn;

    ngtcp2_path_storage_zero(&path);
    /* What the server leaves unread is not acknowledged, and fills the window in the end. */
    for (unsigned stuck = 0; count > 0 && stuck < 100;) {
        ngtcp2_ssize n = NGTCP2_ERR_WRITE_MORE;
        uint64_t now = (uint64_t)pair->now * 1000;

        for (unsigned i = 0; i < 300 && n == NGTCP2_ERR_WRITE_MORE; i++)
            n = ngtcp2_conn_writev_datagram(conn, &path.path, &info, packet, sizeof packet, NULL,
                                            NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, NULL, 0, now);
        if (n == NGTCP2_ERR_WRITE_MORE)
            n = ngtcp2_conn_writev_stream(conn, &path.path, &info, packet, sizeof packet, NULL, 0, -1, NULL, 0, now);
        assert_true(n >= 0);
        if (n > 0) {
            pair_inject(pair, &pair->server, packet, (size_t)n, &pair->client.address);
            count -= count < 300 ? count : 300;
            stuck = 0;
            continue;
        }
        side_go(&pair->client); /* its timer, too */
        pair_idle(pair, 20000);
        stuck++;
    }
    pair_idle(pair, 100000);
}

/* Two bytes on the wire, and far more to keep: they have a bound of their own, and later ones count as lost. */
static void empty_datagrams_are_bounded(void **state)
{
    struct pair *pair = *state;
    struct layer_unit_in in;
    unsigned pieces = 0;

    pair_establish(pair);
    pair->server.idle = true;
    flood_empty(pair, 60000);
    assert_true(pair->server.quic->in.held >= QUIC_DATAGRAMS_HELD / 2);
    assert_true(pair->server.quic->in.held < QUIC_DATAGRAMS_HELD + 65536);
    while (quic_units.receive(&pair->server.quic->layer, &in) == 0)
        pieces++;
    assert_in_range(pieces, 1, QUIC_DATAGRAMS_HELD / 16 + 4096);
    assert_int_equal(pair->server.quic->in.held, 0);
    assert_int_equal(pair->server.code, 0);
}

/* A peer that takes small DATAGRAM frames gets none that is larger, whatever the path carries. */
static void datagrams_are_as_small_as_the_peer_says(void **state)
{
    struct pair *pair = *state;
    ngtcp2_transport_params *said;
    size_t before, most;

    pair_establish(pair);
    send_units(pair, 100, 20000); /* meanwhile the path is probed */
    before = quic_units.lossy_max(&pair->client.quic->layer);
    said = (ngtcp2_transport_params *)(uintptr_t)ngtcp2_conn_get_remote_transport_params(pair->client.quic->conn);
    said->max_datagram_frame_size = 1200;
    most = quic_units.lossy_max(&pair->client.quic->layer);
    assert_true(before > 1200);
    assert_in_range(most, 1000, 1200 - 3);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(side_send(&pair->client, most, true), 0);
        side_go(&pair->client);
        pair_idle(pair, 50000);
        assert_int_equal(pair->client.code, 0);
    }
    assert_int_equal(pair->server.taken.lossy, 20);
    said->max_datagram_frame_size = 1199; /* less than a unit needs: as if there were none */
    assert_int_equal(quic_units.lossy_max(&pair->client.quic->layer), 0);
}

static bool server_failed(struct pair *pair)
{
    return pair->server.code != 0 || pair->client.code != 0;
}

/* hawser/1 has one-way streams alone; its other name, which is of DTLS, makes no difference. */
static void two_way_streams_are_not_offered(void **state)
{
    struct pair *pair = *state;
    int64_t stream;

    pair->server.config.alpn[1] = ALPN_SESSION_SCTP;
    pair_establish(pair);
    assert_int_equal(ngtcp2_conn_get_remote_transport_params(pair->client.quic->conn)->initial_max_streams_bidi, 0);
    assert_int_equal(ngtcp2_conn_open_bidi_stream(pair->client.quic->conn, &stream, NULL),
                     NGTCP2_ERR_STREAM_ID_BLOCKED);
}

/* Where a program's protocol was offered too they are; over hawser/1 what comes in one is for nobody, and pays for nothing. */
static void two_way_streams_carry_no_unit(void **state)
{
    struct pair *pair = *state;
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_conn *conn;
    uint8_t packet[1200];
    uint64_t left;

    pair->server.config.alpn[1] = "own/1";
    pair_establish(pair);
    conn = pair->client.quic->conn;
    left = ngtcp2_conn_get_streams_uni_left(conn);
    ngtcp2_path_storage_zero(&path);
    for (unsigned i = 0; i < QUIC_STREAMS_MAX; i++) {
        ngtcp2_vec piece = {(uint8_t *)(uintptr_t) "not a unit", 10};
        ngtcp2_ssize taken, n;
        int64_t stream;

        assert_int_equal(ngtcp2_conn_open_bidi_stream(conn, &stream, NULL), 0);
        n = ngtcp2_conn_writev_stream(conn, &path.path, &info, packet, sizeof packet, &taken,
                                      NGTCP2_WRITE_STREAM_FLAG_FIN, stream, &piece, 1, (uint64_t)pair->now * 1000);
        assert_true(n > 0 && taken == 10);
        pair_inject(pair, &pair->server, packet, (size_t)n, &pair->client.address);
        pair_idle(pair, 50000);
    }
    assert_false(server_failed(pair));
    assert_int_equal(pair->server.taken.units + pair->server.taken.resets + pair->server.taken.open, 0);
    assert_int_equal(pair->server.quic->in.held, 0);
    assert_int_equal(ngtcp2_conn_get_streams_uni_left(conn), left);
    send_units(pair, 10, 1000);
    check_all(pair);
}

/* -------------------------------------------------------------------------------------------------------------- ends */

static bool server_ended(struct pair *pair)
{
    return pair->server.clean_end || pair->server.code;
}

/* Whoever shuts down waits until all has come; the other end hears that it was meant. */
static void orderly_end(void **state)
{
    struct pair *pair = *state;

    pair->loss = 50;
    pair_establish(pair);
    for (unsigned i = 0; i < 20; i++) {
        while (side_send(&pair->client, 10000, false) == -EAGAIN)
            pair_idle(pair, 1000);
        side_go(&pair->client);
    }
    assert_int_equal(quic_layer.shutdown(&pair->client.quic->layer), -EAGAIN);
    while (quic_layer.shutdown(&pair->client.quic->layer) == -EAGAIN)
        pair_idle(pair, 10000);
    pair->loss = 0;
    assert_true(pair_run(pair, server_ended, 1000000) || pair->server.taken.units == 20);
    assert_int_equal(pair->server.taken.units, 20);
    check_all(pair);
}

/* Who is destroyed says so in one packet: the other need not wait. */
static void destroyed_end(void **state)
{
    struct pair *pair = *state;

    pair_establish(pair);
    pair_idle(pair, 100000);
    layer_destroy(&pair->client.quic->layer);
    pair->client.quic = NULL;
    assert_true(pair_run(pair, server_ended, 100000));
    assert_int_equal(pair->server.code, -ECONNRESET);
}

static void silence_ends(void **state)
{
    struct pair *pair = *state;

    pair->client.config.idle = pair->server.config.idle = 5000000;
    pair_establish(pair);
    pair_idle(pair, 100000);
    pair->loss = 1000;
    pair_idle(pair, 30000000);
    side_go(&pair->client);
    assert_int_equal(pair->client.code, -ETIMEDOUT);
    assert_string_equal(layer_error(&pair->client.quic->layer)->reason, "nothing was heard for too long");
}

static void numbers(void **state)
{
    struct pair *pair = *state;
    struct layer_link link;

    pair_establish(pair);
    send_units(pair, 100, 20000);
    layer_link(&pair->client.quic->layer, &link);
    assert_true(link.rtt_us >= 2 * pair->delay && link.rtt_us < 4 * pair->delay);
    assert_true(link.min_rtt_us >= 2 * pair->delay && link.min_rtt_us < 3 * pair->delay);
    assert_int_equal(link.bytes_sent, pair->client.sent_bytes);
    assert_int_equal(link.packets_sent, pair->client.sent_packets);
    assert_true(link.congestion_window > 10000);
    assert_true(link.mtu >= 1400); /* probed */
    assert_true(pair->ecn_seen[2] > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handshake, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(handshake_under_loss, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(a_remembered_round_trip_is_believed_within_bounds, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(units_arrive, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(units_arrive_under_loss, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(lossy_units, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(lossy_units_do_not_stall, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(dropped_units, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(full_socket, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(room_is_late, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(slow_taker, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(datagrams_that_nobody_takes, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(empty_datagrams_are_bounded, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(datagrams_are_as_small_as_the_peer_says, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(two_way_streams_are_not_offered, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(two_way_streams_carry_no_unit, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(orderly_end, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(destroyed_end, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(silence_ends, pair_setup, pair_teardown),
        cmocka_unit_test_setup_teardown(numbers, pair_setup, pair_teardown),
    };

    return cmocka_run_group_tests_name("quic", tests, NULL, NULL);
}
