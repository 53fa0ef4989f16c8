/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a message beside its bytes, on every stack: marks that are readable before the payload, dropping by them,
 * when a message leaves, and how it is refused when it cannot be given.
 */
#include "api.h"

#define LARGE 300000

struct taken {
    unsigned offered, arriving, parts, received;
    hawser_marks marks;
    uint64_t size, got;
    bool drop, refuse, lossy, into;
    unsigned gaps;
    uint8_t *buffer;
};

static void on_offered(const hawser_event *event, void *user)
{
    struct taken *taken = user;

    taken->offered++;
    taken->marks = *event->offered.marks;
    taken->size = event->offered.size;
    taken->lossy = event->offered.lossy;
    if (taken->drop)
        assert_int_equal(hawser_drop(event->association, event->offered.id), 0);
    if (taken->refuse)
        assert_int_equal(hawser_refuse(event->association, event->offered.id, "not this one"), 0);
}

static void on_arriving(const hawser_event *event, void *user)
{
    struct taken *taken = user;

    taken->arriving++;
    taken->marks = *event->arriving.marks;
    if (taken->into)
        assert_int_equal(hawser_take_into(event->association, event->arriving.id, taken->buffer, LARGE), 0);
    else
        assert_int_equal(hawser_take_parts_with_gaps(event->association, event->arriving.id), 0);
}

static void on_part(const hawser_event *event, void *user)
{
    struct taken *taken = user;

    taken->parts++;
    assert_int_equal(event->part.marks->coordinate_count, taken->marks.coordinate_count);
    assert_true(event->part.offset + event->part.size <= LARGE);
    memcpy(taken->buffer + event->part.offset, event->part.data, event->part.size);
    taken->got += event->part.size;
    taken->gaps += event->part.gap_count;
    taken->received += event->part.last;
}

static void send_marked(struct world *world, const void *data, size_t size, hawser_message_id *ret_id)
{
    assert_int_equal(hawser_send(world->client.line, data, size,
                                 HAWSER_MESSAGE(HAWSER_TIMESTAMP(-40), HAWSER_COORDINATES(7, 0, UINT32_MAX)), ret_id),
                     0);
}

static void assert_marks(const hawser_marks *marks)
{
    assert_true(marks->timestamped);
    assert_int_equal(marks->timestamp_us, -40);
    assert_int_equal(marks->coordinate_count, 3);
    assert_int_equal(marks->coordinates[0], 7);
    assert_int_equal(marks->coordinates[1], 0);
    assert_true(marks->coordinates[2] == UINT32_MAX);
}

static void note_marks(const hawser_event *event, void *user)
{
    struct taken *taken = user;

    taken->received++;
    taken->marks = *event->received.marks;
    taken->size = event->received.size;
    assert_int_equal(event->received.gap_count, 0);
}

static void arrive(void **state)
{
    struct world *world = *state;
    struct taken taken = {0};

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, note_marks, &taken), 0);
    send_marked(world, "marked", 6, NULL);
    until(world, taken.received == 1);
    assert_marks(&taken.marks);
    assert_int_equal(hawser_send(world->client.line, "plain", 5, NULL, NULL), 0);
    until(world, taken.received == 2);
    assert_false(taken.marks.timestamped);
    assert_int_equal(taken.marks.coordinate_count, 0);
    /* A timestamp of 0 is one. */
    assert_int_equal(hawser_send(world->client.line, "", 0, HAWSER_MESSAGE(HAWSER_TIMESTAMP(0)), NULL), 0);
    until(world, taken.received == 3);
    assert_true(taken.marks.timestamped);
    until(world, world->client.settled == 3);
}

static void note_many(const hawser_event *event, void *user)
{
    struct taken *taken = user;

    for (size_t i = 0; i < event->received_many.count; i++) {
        const hawser_received *received = &event->received_many.messages[i];

        assert_int_equal(received->marks->coordinate_count, 1);
        assert_int_equal(received->marks->coordinates[0], taken->received++);
    }
}

/* Each message of an array has its own. */
static void arrive_in_arrays(void **state)
{
    struct world *world = *state;
    struct taken taken = {0};

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED_MANY, note_many, &taken), 0);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(
            hawser_send(world->client.line, &i, sizeof i, HAWSER_MESSAGE(HAWSER_COORDINATES(i), .ordered = true), NULL),
            0);
    until(world, taken.received == 300);
    until(world, world->client.settled == 300);
}

static void are_there_before_the_payload(void **state)
{
    struct world *world = *state;
    struct taken taken = {0};
    uint8_t *data = calloc(1, LARGE);

    world_connect(world);
    taken.buffer = calloc(1, LARGE);
    fill(data, LARGE, 3);
    assert_int_equal(hawser_register(world->server.line, HAWSER_OFFERED, on_offered, &taken), 0);
    assert_int_equal(hawser_register(world->server.line, HAWSER_ARRIVING, on_arriving, &taken), 0);
    assert_int_equal(hawser_register(world->server.line, HAWSER_PART, on_part, &taken), 0);
    send_marked(world, data, LARGE, NULL);
    until(world, taken.offered == 1);
    assert_marks(&taken.marks);
    assert_int_equal(taken.size, LARGE);
    until(world, taken.received == 1);
    assert_marks(&taken.marks);
    assert_int_equal(taken.got, LARGE);
    assert_int_equal(taken.gaps, 0);
    assert_memory_equal(taken.buffer, data, LARGE);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    /* Without marks nothing is offered. */
    assert_int_equal(hawser_send(world->client.line, data, 10, NULL, NULL), 0);
    until(world, world->client.settled == 2);
    assert_int_equal(taken.offered, 1);
    free(taken.buffer);
    free(data);
}

static void can_be_dropped_by(void **state)
{
    struct world *world = *state;
    struct taken taken = {.drop = true};

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_OFFERED, on_offered, &taken), 0);
    send_marked(world, "unwanted", 8, NULL);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_SEND_FAILED);
    assert_int_equal(world->client.outcomes[0].code, -HAWSER_EREFUSED);
    assert_non_null(strstr(world->client.outcomes[0].reason, "marks"));
    taken.drop = false;
    taken.refuse = true;
    send_marked(world, "refused", 7, NULL);
    until(world, world->client.settled == 2);
    assert_int_equal(world->client.outcomes[1].code, -HAWSER_EREFUSED);
    assert_string_equal(world->client.outcomes[1].reason, "not this one");
    taken.refuse = false;
    send_marked(world, "wanted", 6, NULL);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "wanted");
    until(world, world->client.settled == 3);
}

static void can_be_filtered_by(void **state)
{
    struct world *world = *state;
    hawser_association *line;
    hawser_statistics statistics;

    world_connect(world);
    line = world->server.line;
    assert_int_equal(hawser_set_filter(line, HAWSER_FILTER(.coordinates[1] = HAWSER_BETWEEN(2, 1))), -EINVAL);
    assert_int_equal(hawser_set_filter(line, HAWSER_FILTER(.timestamp_us = HAWSER_BETWEEN(1, 0))), -EINVAL);
    /* The base layer of every time from 10 on, in any view. */
    assert_int_equal(hawser_set_filter(line, HAWSER_FILTER(.coordinates[0] = HAWSER_BETWEEN(10, UINT32_MAX),
                                                           .coordinates[1] = HAWSER_BETWEEN(0, 0))),
                     0);
    for (uint32_t i = 8; i < 12; i++)
        for (uint32_t layer = 0; layer < 2; layer++) {
            char text[16];

            snprintf(text, sizeof text, "%u.%u", i, layer);
            assert_int_equal(hawser_send(world->client.line, text, strlen(text),
                                         HAWSER_MESSAGE(HAWSER_COORDINATES(i, layer, 5), .ordered = true), NULL),
                             0);
        }
    assert_int_equal(hawser_send(world->client.line, "end", 3, HAWSER_MESSAGE(.ordered = true), NULL), 0);
    until(world, world->client.settled == 9);
    assert_int_equal(world->server.received_count, 3);
    assert_string_equal(world->server.received[0].data, "10.0");
    assert_string_equal(world->server.received[1].data, "11.0");
    assert_string_equal(world->server.received[2].data, "end");
    assert_int_equal(hawser_association_statistics(line, &statistics), 0);
    assert_int_equal(statistics.filtered, 6);
    assert_int_equal(hawser_set_filter(line, NULL), 0);
    assert_int_equal(hawser_send(world->client.line, "all", 3, HAWSER_MESSAGE(HAWSER_COORDINATES(0, 9)), NULL), 0);
    until(world, world->client.settled == 10);
    assert_int_equal(world->server.received_count, 4);
}

struct departures {
    unsigned count;
    int64_t left[8], late[8];
};

static void on_sent(const hawser_event *event, void *user)
{
    struct departures *departures = user;

    assert_true(departures->count < 8);
    assert_true(event->sent.left_us > 0);
    departures->late[departures->count] = event->sent.late_us;
    departures->left[departures->count++] = event->sent.left_us;
}

/* Not before its time, and not held up by it; what has no time is not. */
static void leave_when_asked(void **state)
{
    struct world *world = *state;
    struct departures departures = {0};
    int64_t now;

    world_connect(world);
    assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, on_sent, &departures), 0);
    now = clock_now();
    assert_int_equal(hawser_send(world->client.line, "later", 5,
                                 HAWSER_MESSAGE(.send_time_us = now + 80000, .want_sent = true), NULL),
                     0);
    assert_int_equal(hawser_send(world->client.line, "sooner", 6,
                                 HAWSER_MESSAGE(.send_time_us = now + 40000, .want_sent = true), NULL),
                     0);
    assert_int_equal(hawser_send(world->client.line, "now", 3, HAWSER_MESSAGE(.want_sent = true), NULL), 0);
    until(world, world->server.received_count == 3 && departures.count == 3);
    assert_string_equal(world->server.received[0].data, "now");
    assert_string_equal(world->server.received[1].data, "sooner");
    assert_string_equal(world->server.received[2].data, "later");
    assert_int_equal(departures.late[0], 0);
    assert_true(departures.left[1] >= now + 40000 && departures.left[2] >= now + 80000);
    assert_int_equal(departures.late[1], departures.left[1] - (now + 40000));
    assert_int_equal(departures.late[2], departures.left[2] - (now + 80000));
}

struct stamps {
    int64_t came, left, system, late;
    unsigned received, told;
};

static void note_arrival(const hawser_event *event, void *user)
{
    struct stamps *stamps = user;

    stamps->received++;
    stamps->came = event->received.received_at_us;
}

static void note_departure(const hawser_event *event, void *user)
{
    struct stamps *stamps = user;

    if (event->sent.system_us == 0) {
        stamps->left = event->sent.left_us;
        return;
    }
    stamps->told++;
    stamps->system = event->sent.system_us;
    stamps->late = event->sent.late_us;
}

/* The system's stamps of one message, at both ends: not before it was given to the system, nor after it was told. */
static void stamp_one(struct world *world, struct stamps *stamps, size_t size, int64_t after)
{
    unsigned received = stamps->received;
    size_t settled = world->client.settled;
    uint8_t *data = calloc(1, size);
    int64_t begun = clock_now();

    stamps->came = stamps->system = 0;
    assert_int_equal(hawser_send(world->client.line, data, size,
                                 HAWSER_MESSAGE(.want_sent = true, .send_time_us = after ? begun + after : 0), NULL),
                     0);
    until(world, stamps->received > received && world->client.settled > settled);
    if (stamps->came)
        assert_in_range(stamps->came, begun + after, clock_now());
    if (stamps->system) {
        assert_in_range(stamps->system, begun + after, clock_now());
        assert_true(!after || stamps->late == stamps->system - (begun + after));
    }
    free(data);
}

/* (S1.28) The first packets after stamps were switched on in the system come without, so some are tried. */
static void are_stamped_where_asked(void **state)
{
    struct world *world = *state;
    bool can = strstr(world->stack, "/udp"), came = false, left = false;
    struct stamps stamps = {0};

    world_listen(world, HAWSER_LISTEN(.timestamps = true));
    world_associate(world, HAWSER_ASSOCIATE(.timestamps = true));
    until(world, world->client.seen[HAWSER_ESTABLISHED] && world->server.line);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, note_arrival, &stamps), 0);
    assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, note_departure, &stamps), 0);
    for (unsigned i = 0; i < (can ? 200 : 3) && !(came && left); i++) {
        stamp_one(world, &stamps, i % 2 ? 10 : 20000, i % 3 ? 0 : 1000);
        came = stamps.came;
        left = stamps.system;
    }
    assert_int_equal(came, can);
    assert_int_equal(left, can);
}

/* Who asked for none has none, whatever the other end did. */
static void are_not_stamped_else(void **state)
{
    struct world *world = *state;
    struct stamps stamps = {0};

    world_connect(world);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, note_arrival, &stamps), 0);
    assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, note_departure, &stamps), 0);
    for (unsigned i = 0; i < 5; i++) {
        stamp_one(world, &stamps, 100, 0);
        assert_int_equal(stamps.came, 0);
    }
    assert_int_equal(stamps.told, 0);
    assert_true(stamps.left > 0);
}

/* 100 kB at 8 Mbit/s are 100 ms, whatever the line could do; another message is not held up. */
static void are_paced(void **state)
{
    struct world *world = *state;
    struct departures departures = {0};
    uint8_t *data = calloc(1, 100000);
    int64_t began;

    world_connect(world);
    assert_int_equal(hawser_register(world->client.line, HAWSER_SENT, on_sent, &departures), 0);
    began = clock_now();
    assert_int_equal(hawser_send(world->client.line, data, 100000,
                                 HAWSER_MESSAGE(.pace = 8000000, .want_sent = true, .niceness = -10), NULL),
                     0);
    assert_int_equal(hawser_send(world->client.line, "quick", 5, NULL, NULL), 0);
    until(world, world->server.received_count == 1);
    assert_string_equal(world->server.received[0].data, "quick");
    until(world, departures.count == 1 && world->client.settled == 2);
    assert_true(departures.left[0] - began >= 75000); /* the last frame need not wait for its own length */
    free(data);
}

/* On a stack that loses nothing each reliability is full; on others nothing is lost on loopback. */
static void every_reliability_is_taken(void **state)
{
    struct world *world = *state;
    static const hawser_reliability all[] = {HAWSER_RELIABILITY_DEFAULT, HAWSER_RELIABILITY_FULL,
                                             HAWSER_RELIABILITY_LIFETIME, HAWSER_RELIABILITY_RESENDS,
                                             HAWSER_RELIABILITY_PROBABILITY};
    uint8_t *data = calloc(1, LARGE);

    world_connect(world);
    fill(data, LARGE, 9);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool probable = all[i] == HAWSER_RELIABILITY_PROBABILITY;

        assert_int_equal(hawser_send(world->client.line, data, i % 2 ? LARGE : 100,
                                     HAWSER_MESSAGE(.reliability = all[i], .lifetime_us = PATIENCE,
                                                    .resends = all[i] == HAWSER_RELIABILITY_RESENDS ? 3 : 0,
                                                    .probability = probable ? 0.9 : 0),
                                     NULL),
                         0);
    }
    until(world, world->client.settled == 5);
    assert_int_equal(world->server.received_count, 5);
    for (size_t i = 0; i < world->server.received_count; i++)
        assert_memory_equal(world->server.received[i].data, data, world->server.received[i].size);
    free(data);
}

/* Into the program's own memory, also what may end with gaps. */
static void lossy_into_memory(void **state)
{
    struct world *world = *state;
    struct taken taken = {.into = true};
    uint8_t *data = calloc(1, LARGE);

    world_connect(world);
    taken.buffer = calloc(1, LARGE);
    fill(data, LARGE, 5);
    assert_int_equal(hawser_register(world->server.line, HAWSER_ARRIVING, on_arriving, &taken), 0);
    assert_int_equal(hawser_register(world->server.line, HAWSER_RECEIVED, note_marks, &taken), 0);
    assert_int_equal(hawser_send(world->client.line, data, LARGE,
                                 HAWSER_MESSAGE(.reliability = HAWSER_RELIABILITY_RESENDS, .resends = 255,
                                                HAWSER_TIMESTAMP(-40), HAWSER_COORDINATES(7, 0, UINT32_MAX)),
                                 NULL),
                     0);
    until(world, taken.received == 1);
    assert_marks(&taken.marks);
    assert_int_equal(taken.size, LARGE);
    assert_memory_equal(taken.buffer, data, LARGE);
    until(world, world->client.settled == 1);
    assert_int_equal(world->client.outcomes[0].kind, HAWSER_ACKED);
    free(taken.buffer);
    free(data);
}

static int sending(struct world *world, const hawser_message_options *options)
{
    return hawser_send(world->client.line, "", 0, options, NULL);
}

static void wrong_options_are_refused(void **state)
{
    struct world *world = *state;
    static const uint32_t five[5] = {0};

    world_connect(world);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = (hawser_reliability)5)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = (hawser_reliability)-1)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.resends = 1)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = HAWSER_RELIABILITY_RESENDS, .resends = 256)),
                     -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.probability = 0.5)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = HAWSER_RELIABILITY_PROBABILITY)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = HAWSER_RELIABILITY_PROBABILITY, .probability = 1.01)),
                     -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.reliability = HAWSER_RELIABILITY_LIFETIME)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.timestamp_us = 5)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.send_time_us = -1)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.coordinate_count = 1)), -EINVAL);
    assert_int_equal(sending(world, HAWSER_MESSAGE(.coordinates = five, .coordinate_count = 5)), -E2BIG);
    assert_int_equal(hawser_drop(world->server.line, 1), -ENOENT);
    assert_int_equal(hawser_take_parts_with_gaps(world->server.line, 1), -ENOENT);
}

int main(void)
{
    static const struct stack_test tests[] = {
        {"marks arrive", arrive},
        {"marks arrive in arrays", arrive_in_arrays},
        {"marks are there before the payload", are_there_before_the_payload},
        {"messages can be dropped by their marks", can_be_dropped_by},
        {"messages can be filtered by their marks", can_be_filtered_by},
        {"messages leave when asked", leave_when_asked},
        {"messages are stamped where asked", are_stamped_where_asked},
        {"messages are not stamped else", are_not_stamped_else},
        {"messages are paced", are_paced},
        {"every reliability is taken", every_reliability_is_taken},
        {"lossy messages go into memory", lossy_into_memory},
        {"wrong options are refused", wrong_options_are_refused},
    };

    return run_over_stacks("marks", tests, sizeof tests / sizeof *tests);
}
