/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

char *path_in(struct world *world, const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", world->directory, name) > 0);
    return path;
}

void fill(void *data, size_t size, unsigned seed)
{
    uint8_t *at = data;
    uint64_t value = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < size; i++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        at[i] = (uint8_t)value;
    }
}

int make_file(struct world *world, const char *name, size_t size, unsigned seed)
{
    char *path = path_in(world, name), *data = malloc(size ? size : 1);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    fill(data, size, seed);
    assert_int_equal(write(fd, data, size), size);
    free(data);
    free(path);
    return fd;
}

/* ------------------------------------------------------------------------------------------------------------- events */

static struct noted *note(struct noted *list, size_t *count)
{
    assert_true(*count < NOTED_MAX);
    return &list[(*count)++];
}

static void note_received(struct end *end, const hawser_received *received)
{
    struct noted *noted = note(end->received, &end->received_count);

    noted->id = received->id;
    noted->received = *received;
    noted->size = received->size;
    noted->data = malloc(received->size + 1);
    if (received->data)
        memcpy(noted->data, received->data, received->size);
    noted->data[received->size] = '\0';
}

static void note_outcome(struct end *end, const hawser_event *event)
{
    struct noted *noted = note(end->outcomes, &end->outcome_count);

    noted->id = event->outcome.first;
    noted->count = event->outcome.count;
    noted->kind = event->outcome.kind;
    noted->code = event->outcome.code;
    noted->maybe_delivered = event->outcome.maybe_delivered;
    snprintf(noted->reason, sizeof noted->reason, "%s", event->outcome.reason);
    end->settled += event->outcome.count;
}

static void note_attempts(struct end *end, const hawser_attempt *attempts, size_t count)
{
    end->attempt_count = count;
    for (size_t i = 0; i < count; i++) {
        assert_true(attempts[i].end_us >= attempts[i].start_us);
        assert_non_null(attempts[i].stack);
        if (attempts[i].outcome != HAWSER_ATTEMPT_FAILED)
            continue;
        end->failed_attempts++;
        assert_true(attempts[i].code < 0);
        snprintf(end->attempt_reason, sizeof end->attempt_reason, "%s", attempts[i].reason);
        snprintf(end->attempt_layer, sizeof end->attempt_layer, "%s", attempts[i].layer);
    }
}

static void on_event(const hawser_event *event, void *user)
{
    struct end *end = user;

    assert_ptr_equal(event->association, end->line);
    assert_false(end->closed); /* nothing follows the end */
    end->seen[event->type]++;
    switch (event->type) {
    case HAWSER_ESTABLISHED:
        snprintf(end->stack, sizeof end->stack, "%s", event->established.stack);
        snprintf(end->peer_name, sizeof end->peer_name, "%s", event->established.peer.name);
        end->verification = event->established.peer.verification;
        end->round_trips = event->established.round_trips;
        end->early_data = event->established.early_data;
        end->resumed = event->established.resumed;
        note_attempts(end, event->established.attempts, event->established.attempt_count);
        break;
    case HAWSER_RECEIVED:
        note_received(end, &event->received);
        break;
    case HAWSER_OUTCOME:
        note_outcome(end, event);
        break;
    case HAWSER_STREAM_OPENED:
        hawser_stream_unref(end->stream);
        end->stream = hawser_stream_ref(event->stream.stream);
        break;
    case HAWSER_CLOSED:
        end->closed = true;
        end->closed_code = event->closed.code;
        end->peer_code = event->closed.peer_code;
        end->closed_by_peer = event->closed.by_peer;
        snprintf(end->closed_reason, sizeof end->closed_reason, "%s", event->closed.reason);
        note_attempts(end, event->closed.attempts, event->closed.attempt_count);
        break;
    default:
        break;
    }
}

void end_note(struct end *end, hawser_association *association)
{
    static const hawser_event_type types[] = {
        HAWSER_ESTABLISHED,
        HAWSER_RECEIVED,
        HAWSER_ABANDONED,
        HAWSER_OUTCOME,
        HAWSER_SENT,
        HAWSER_WRITABLE,
        HAWSER_STREAM_OPENED,
        HAWSER_STREAM_READABLE,
        HAWSER_STREAM_WRITABLE,
        HAWSER_STREAM_CLOSED,
        HAWSER_PATHS_CHANGED,
        HAWSER_CLOSED,
    };

    end->line = association;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        assert_int_equal(hawser_register(association, types[i], on_event, end), 0);
}

void end_drop(struct end *end)
{
    struct world *world = end->world;

    hawser_stream_unref(end->stream);
    hawser_association_unref(end->line);
    for (size_t i = 0; i < end->received_count; i++)
        free(end->received[i].data);
    memset(end, 0, sizeof *end);
    end->world = world;
}

static void on_accepted(const hawser_event *event, void *user)
{
    struct world *world = user;

    if (world->accepting) {
        world->accepting(world, event->accepted.association);
        return;
    }
    if (world->leave)
        return;
    end_drop(&world->server);
    end_note(&world->server, hawser_association_ref(event->accepted.association));
    world->server.early = event->accepted.early;
}

/* --------------------------------------------------------------------------------------------------------- the world */

bool world_of_one_context;

static void make_contexts(struct world *world)
{
    char *client = path_in(world, "client"), *server = path_in(world, "server");

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = client), &world->client_context), 0);
    if (world_of_one_context)
        world->server_context = hawser_context_ref(world->client_context);
    else
        assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = server), &world->server_context), 0);
    free(client);
    free(server);
}

int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    /* What libraries open once and keep is not a leak of ours. */
    assert_int_equal(hawser_identity_new(&world->identity), 0);
    strcpy(world->directory, "/tmp/hawser-api-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->descriptors = count_descriptors();
    world->client.world = world->server.world = world;
    make_contexts(world);
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    int left;

    end_drop(&world->client);
    end_drop(&world->server);
    hawser_association_unref(world->listener);
    hawser_identity_unref(world->identity);
    hawser_context_unref(world->client_context);
    hawser_context_unref(world->server_context);
    left = count_descriptors() - world->descriptors;
    assert_int_equal(nftw(world->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(world);
    if (left != 0)
        print_error("%d descriptors are left\n", left);
    return left;
}

void world_listen_at(struct world *world, const char *endpoint, const hawser_listen_options *options)
{
    hawser_listen_options own = options ? *options : *HAWSER_LISTEN();

    if (!own.identity)
        own.identity = world->identity;
    hawser_association_unref(world->listener);
    world->listener = NULL;
    assert_int_equal(hawser_listen(world->server_context, endpoint, &own, &world->listener), 0);
    assert_int_equal(hawser_register(world->listener, HAWSER_ACCEPTED, on_accepted, world), 0);
    snprintf(world->endpoint, sizeof world->endpoint, "%s@%s", hawser_identity_name(own.identity),
             hawser_association_endpoint(world->listener));
}

void world_listen(struct world *world, const hawser_listen_options *options)
{
    char path[96] = "127.0.0.1:0";

    if (world->stack && strcmp(world->stack, "tls/unix") == 0)
        snprintf(path, sizeof path, "unix:%s/socket", world->directory);
    world_listen_at(world, path, options);
}

void world_associate(struct world *world, const hawser_associate_options *options)
{
    hawser_associate_options own = options ? *options : *HAWSER_ASSOCIATE();
    hawser_association *association;

    if (!own.stack)
        own.stack = world->stack;
    end_drop(&world->client);
    assert_int_equal(hawser_associate(world->client_context, world->endpoint, &own, &association), 0);
    end_note(&world->client, association);
}

void world_connect(struct world *world)
{
    if (!world->listener)
        world_listen(world, NULL);
    world_associate(world, NULL);
    until(world,
          world->client.seen[HAWSER_ESTABLISHED] && world->server.line && world->server.seen[HAWSER_ESTABLISHED]);
}

/* The other end runs on threads of its own. */
void world_step_client(struct world *world)
{
    assert_true(hawser_iterate(world->client_context, 20000) >= 0);
}

void world_step(struct world *world)
{
    struct pollfd fds[2] = {
        {.fd = hawser_context_fd(world->client_context), .events = POLLIN},
        {.fd = hawser_context_fd(world->server_context), .events = POLLIN},
    };

    assert_true(poll(fds, 2, 100) >= 0);
    if (fds[0].revents)
        assert_int_equal(hawser_dispatch(world->client_context), 0);
    if (fds[1].revents)
        assert_int_equal(hawser_dispatch(world->server_context), 0);
}
