/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timed flow whose parts need not all come: 100 frames, one every 20 ms, each in three layers that are tried more or less
 * hard and are worthless after 150 ms. What arrived when is drawn. (S1.5, S1.23, S1.27, S1.28)
 *
 *     example_media OUT.svg [STACK [LOSS-PERCENT]]   (both ends in one process, and a relay between them that loses datagrams)
 *     example_media receive OUT.svg ADDRESS:PORT WORDS   (says where it listens; WORDS, of the way, go into the picture)
 *     example_media send ENDPOINT [STACK]
 *
 * Times are told by the frames' timestamps, of this host's clock: both ends are on one host, in namespaces perhaps.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hawser/hawser.h>

#define FRAMES 100
#define LAYERS 3
#define EVERY 20000  /* microseconds */
#define WORTH 150000 /* after the frame's time */
#define DELAY 25000  /* of the relay, each way */
#define PATIENCE 20000000

static const size_t sizes[LAYERS] = {400, 900, 1600};
static const char *const colours[LAYERS] = {"#1b4f8a", "#2f8f5b", "#c98a1b"};
static const char *const words[LAYERS] = {"base: full", "second: resends 1", "third: 0.8 of them"};

struct late { /* a datagram under way */
    struct flow *flow;
    bool onward;
    size_t size;
    uint8_t data[2048];
};

struct flow {
    hawser_context *context; /* one thread, one loop: sender, receiver and relay */
    hawser_association *listener, *sender, *receiver;
    int front, back; /* of the relay: towards the sender, towards the receiver */
    struct sockaddr_in peer;
    unsigned loss;
    int64_t began;                  /* 0: nothing was sent yet, and nothing is lost */
    int64_t delays[FRAMES][LAYERS]; /* after its time; -1: it never came */
    unsigned settled, acked[LAYERS], lost;
    bool failed;
};

/* ------------------------------------------------------------------------------------------------------------- the relay */

static void deliver(void *user)
{
    struct late *late = user;
    struct flow *flow = late->flow;

    if (late->onward)
        (void)!send(flow->back, late->data, late->size, 0);
    else
        (void)!sendto(flow->front, late->data, late->size, 0, (struct sockaddr *)&flow->peer, sizeof flow->peer);
    free(late);
}

static void relay(int fd, short events, void *user)
{
    struct flow *flow = user;
    struct late *late;

    (void)events;
    for (;;) {
        socklen_t size = sizeof flow->peer;
        bool onward = fd == flow->front;
        ssize_t n;

        late = malloc(sizeof *late);
        if (!late)
            return;
        n = recvfrom(fd, late->data, sizeof late->data, MSG_DONTWAIT, onward ? (struct sockaddr *)&flow->peer : NULL,
                     onward ? &size : NULL);
        if (n < 0 || (onward && flow->began && (unsigned)(rand() % 100) < flow->loss)) {
            free(late);
            if (n < 0)
                return;
            continue;
        }
        late->flow = flow;
        late->onward = onward;
        late->size = (size_t)n;
        if (hawser_timer(flow->context, DELAY, deliver, late, NULL) < 0)
            free(late);
    }
}

static int relay_start(struct flow *flow, const char *towards)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, there = here;

    there.sin_port = htons((uint16_t)atoi(strrchr(towards, ':') + 1));
    flow->front = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    flow->back = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (flow->front < 0 || flow->back < 0 || bind(flow->front, (struct sockaddr *)&here, sizeof here) < 0 ||
        connect(flow->back, (struct sockaddr *)&there, sizeof there) < 0 ||
        hawser_watch(flow->context, flow->front, POLLIN, relay, flow) < 0 ||
        hawser_watch(flow->context, flow->back, POLLIN, relay, flow) < 0)
        return -1;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- the flow */

static void on_received(const hawser_event *event, void *user)
{
    struct flow *flow = user;
    const hawser_marks *marks = event->received.marks;

    if (marks->coordinate_count == 2 && marks->coordinates[0] < FRAMES && marks->coordinates[1] < LAYERS)
        flow->delays[marks->coordinates[0]][marks->coordinates[1]] = event->time_us - marks->timestamp_us;
}

/* The sender has told the fate of each. */
static void on_receiver_closed(const hawser_event *event, void *user)
{
    struct flow *flow = user;

    (void)event;
    if (!flow->sender)
        hawser_stop(flow->context, 0);
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct flow *flow = user;

    flow->receiver = hawser_association_ref(event->accepted.association);
    hawser_register(flow->receiver, HAWSER_RECEIVED, on_received, flow);
    hawser_register(flow->receiver, HAWSER_CLOSED, on_receiver_closed, flow);
}

static void on_outcome(const hawser_event *event, void *user)
{
    struct flow *flow = user;

    for (uint64_t i = 0; i < event->outcome.count; i++) {
        unsigned layer = (unsigned)((event->outcome.first + i - 1) % LAYERS); /* ids are consecutive from 1 */

        if (event->outcome.kind == HAWSER_ACKED)
            flow->acked[layer]++;
        else
            flow->lost++;
        flow->settled++;
    }
    if (flow->settled == FRAMES * LAYERS)
        hawser_close(flow->sender, 0, "");
}

static void on_closed(const hawser_event *event, void *user)
{
    struct flow *flow = user;

    flow->failed = event->closed.code < 0;
    if (flow->failed)
        (void)fprintf(stderr, "media: %s\n", event->closed.reason);
    hawser_stop(flow->context, 0);
}

/* All at once: each waits for its own time. */
static void on_established(const hawser_event *event, void *user)
{
    static const uint8_t bytes[1600];
    struct flow *flow = user;

    flow->began = event->time_us + 50000;
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        for (uint32_t layer = 0; layer < LAYERS; layer++) {
            int64_t at = flow->began + (int64_t)frame * EVERY;
            int r = hawser_send(flow->sender, bytes, sizes[layer],
                                HAWSER_MESSAGE(.send_time_us = at, .lifetime_us = at + WORTH - event->time_us,
                                               .niceness = (int)layer * 10, HAWSER_TIMESTAMP(at),
                                               .reliability = layer == 0   ? HAWSER_RELIABILITY_FULL
                                                              : layer == 1 ? HAWSER_RELIABILITY_RESENDS
                                                                           : HAWSER_RELIABILITY_PROBABILITY,
                                               .resends = layer == 1, .probability = layer == 2 ? 0.8 : 0,
                                               HAWSER_COORDINATES(frame, layer)),
                                NULL);

            if (r < 0) {
                (void)fprintf(stderr, "media: %s\n", hawser_strerror(r));
                flow->failed = true;
                hawser_stop(flow->context, 0);
                return;
            }
        }
}

static void too_late(void *user)
{
    (void)user;
    (void)fprintf(stderr, "media: it does not end\n");
    exit(1);
}

static int listen_at(struct flow *flow, const char *endpoint, const char *stack, char *ret_name, size_t size)
{
    hawser_identity *identity = NULL;
    int r = hawser_identity_new(&identity);

    if (r == 0)
        r = hawser_listen(flow->context, endpoint, HAWSER_LISTEN(.identity = identity, .stack = stack),
                          &flow->listener);
    if (r == 0)
        r = hawser_register(flow->listener, HAWSER_ACCEPTED, on_accepted, flow);
    if (r == 0)
        (void)snprintf(ret_name, size, "%s", hawser_identity_name(identity));
    hawser_identity_unref(identity);
    return r;
}

static int send_to(struct flow *flow, const char *endpoint, const char *stack)
{
    int r = hawser_associate(flow->context, endpoint, HAWSER_ASSOCIATE(.stack = stack), &flow->sender);

    if (r < 0)
        return r;
    hawser_register(flow->sender, HAWSER_ESTABLISHED, on_established, flow);
    hawser_register(flow->sender, HAWSER_OUTCOME, on_outcome, flow);
    hawser_register(flow->sender, HAWSER_CLOSED, on_closed, flow);
    return 0;
}

static int play(struct flow *flow, const char *stack)
{
    struct sockaddr_in front;
    socklen_t size = sizeof front;
    char name[64], endpoint[256];
    int r = listen_at(flow, "127.0.0.1:0", stack, name, sizeof name);

    if (r == 0 && (relay_start(flow, hawser_association_endpoint(flow->listener)) < 0 ||
                   getsockname(flow->front, (struct sockaddr *)&front, &size) < 0))
        r = -1;
    if (r < 0)
        return r;
    (void)snprintf(endpoint, sizeof endpoint, "%s@127.0.0.1:%u", name, ntohs(front.sin_port));
    return send_to(flow, endpoint, stack);
}

static int receive(struct flow *flow, const char *endpoint)
{
    char name[64];
    int r = listen_at(flow, endpoint, NULL, name, sizeof name);

    if (r == 0)
        (void)printf("listening %s@%s\n", name, hawser_association_endpoint(flow->listener));
    (void)fflush(stdout);
    return r;
}

/* ------------------------------------------------------------------------------------------------------------- the picture */

#define LEFT 70
#define TOP 85
#define WIDTH 900
#define HEIGHT 300

static double x_of(unsigned frame)
{
    return LEFT + (double)frame * WIDTH / FRAMES;
}

static double y_of(int64_t delay)
{
    return TOP + HEIGHT - (double)delay * HEIGHT / WORTH;
}

static unsigned draw_layer(FILE *file, const struct flow *flow, unsigned layer)
{
    unsigned came = 0;

    for (unsigned i = 0; i < FRAMES; i++) {
        int64_t delay = flow->delays[i][layer];

        if (delay >= 0) {
            (void)fprintf(file, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>\n", x_of(i), y_of(delay),
                          colours[layer]);
            came++;
        } else {
            double y = TOP + HEIGHT + 18 + 14 * layer;

            (void)fprintf(file, "<path d='M%.1f %.1fl6 6m0 -6l-6 6' stroke='%s' stroke-width='1.5'/>\n", x_of(i) - 3,
                          y - 3, colours[layer]);
        }
    }
    return came;
}

static int draw(const struct flow *flow, const char *path, const char *way)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return -1;
    (void)fprintf(file,
                  "<svg xmlns='http://www.w3.org/2000/svg' width='1000' height='465' font-family='sans-serif' "
                  "font-size='12'>\n<rect width='1000' height='465' fill='white'/>\n"
                  "<text x='%d' y='24' font-size='15'>What arrived, and how long after its time</text>\n"
                  "<text x='%d' y='43' fill='#555'>%s</text>\n",
                  LEFT, LEFT, way);
    for (int ms = 0; ms <= WORTH / 1000; ms += 25)
        (void)fprintf(file,
                      "<path d='M%d %.1fh%d' stroke='#ddd'/><text x='%d' y='%.1f' text-anchor='end'>%d ms</text>\n",
                      LEFT, y_of(ms * 1000), WIDTH, LEFT - 8, y_of(ms * 1000) + 4, ms);
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        unsigned came = draw_layer(file, flow, layer);

        (void)fprintf(file, "<circle cx='%u' cy='62' r='4' fill='%s'/><text x='%u' y='66'>%s: %u of %d</text>\n",
                      LEFT + 5 + layer * 230, colours[layer], LEFT + 15 + layer * 230, words[layer], came, FRAMES);
        (void)printf("%s: %u of %d came in time\n", words[layer], came, FRAMES);
    }
    (void)fprintf(file, "<text x='%d' y='%d' text-anchor='end'>never</text>\n", LEFT - 8, TOP + HEIGHT + 36);
    for (int i = 0; i <= FRAMES; i += 20)
        (void)fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%.1f s</text>\n", x_of((unsigned)i),
                      TOP + HEIGHT + 70, (double)i * EVERY / 1e6);
    (void)fprintf(file, "</svg>\n");
    return fclose(file);
}

static int begin(struct flow *flow, int argc, char **argv, char *ret_way, size_t size)
{
    const char *stack = argc > 2 ? argv[2] : "quic/udp";

    if (strcmp(argv[1], "send") == 0)
        return send_to(flow, argv[2], argc > 3 ? argv[3] : "quic/udp");
    if (strcmp(argv[1], "receive") == 0) {
        (void)snprintf(ret_way, size, "%s", argv[4]);
        return receive(flow, argv[3]);
    }
    flow->loss = argc > 3 ? (unsigned)atoi(argv[3]) : 3;
    (void)snprintf(ret_way, size, "%s, %u %% of datagrams lost, %d ms each way", stack, flow->loss, DELAY / 1000);
    return play(flow, stack);
}

int main(int argc, char **argv)
{
    struct flow flow = {.front = -1, .back = -1};
    char way[200] = "";
    int r;

    if (argc < 2 || (strcmp(argv[1], "send") == 0 && argc < 3) || (strcmp(argv[1], "receive") == 0 && argc < 5)) {
        (void)fprintf(stderr, "usage: media OUT.svg [STACK [LOSS-PERCENT]] | receive OUT.svg ADDRESS:PORT WORDS | "
                              "send ENDPOINT [STACK]\n");
        return 2;
    }
    srand(1);
    memset(flow.delays, -1, sizeof flow.delays);
    r = hawser_context_new(HAWSER_CONTEXT(.state_dir = ""), &flow.context);
    if (r == 0)
        r = begin(&flow, argc, argv, way, sizeof way);
    if (r == 0)
        r = hawser_timer(flow.context, PATIENCE, too_late, &flow, NULL);
    if (r == 0)
        r = hawser_run(flow.context);
    if (r < 0)
        (void)fprintf(stderr, "media: %s\n", hawser_strerror(r));
    else if (!flow.failed && *way)
        r = draw(&flow, argv[strcmp(argv[1], "receive") == 0 ? 2 : 1], way);
    hawser_association_unref(flow.sender);
    hawser_association_unref(flow.receiver);
    hawser_association_unref(flow.listener);
    hawser_context_unref(flow.context);
    return r < 0 || flow.failed;
}
