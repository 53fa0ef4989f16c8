/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <load.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static int count_descriptors(void)
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

hawser_context *shared_context(hawser_shared *shared)
{
    hawser_context *context;

    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = "", .shared = shared, .no_worker = true), &context),
                     0);
    assert_int_equal(load_transport(context, "veil"), 0);
    return context;
}

hawser_context *make_context(struct world *world, const char *state_name)
{
    hawser_context *context;
    char path[128] = "";

    if (state_name)
        snprintf(path, sizeof path, "%s/%s", world->directory, state_name);
    assert_int_equal(hawser_context_new(HAWSER_CONTEXT(.state_dir = path, .no_worker = true), &context), 0);
    assert_int_equal(load_transport(context, "veil"), 0);
    return context;
}

struct trust *make_trust(hawser_context *context, const char *format, ...)
{
    char rule[512];
    struct trust *trust;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(rule, sizeof rule, format, arguments);
    va_end(arguments);
    assert_int_equal(trust_new(context, rule, NULL, &trust), 0);
    return trust;
}

void set_trust(struct world *world, bool of_server, const char *format, ...)
{
    struct tls_config *config = of_server ? &world->server_config : &world->client_config;
    char rule[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(rule, sizeof rule, format, arguments);
    va_end(arguments);
    trust_free(config->trust);
    config->trust = make_trust(of_server ? world->server_context : world->client_context, "%s", rule);
}

void make_address(struct world *world, const char *name, struct layer_address *ret_address)
{
    struct sockaddr_un *un = (void *)&ret_address->address;
    struct sockaddr_in *v4 = (void *)&ret_address->address;
    struct sockaddr_in6 *v6 = (void *)&ret_address->address;

    memset(ret_address, 0, sizeof *ret_address);
    ret_address->address.ss_family = (sa_family_t)world->row->family;
    if (world->row->family == AF_UNIX) {
        snprintf(un->sun_path, sizeof un->sun_path, "%s/%s", world->directory, name);
        ret_address->size = sizeof *un;
    } else if (world->row->family == AF_INET) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ret_address->size = sizeof *v4;
    } else {
        v6->sin6_addr = in6addr_loopback;
        ret_address->size = sizeof *v6;
    }
}

static void on_accepted(void *user, int fd)
{
    struct world *world = user;
    struct layer *top;

    end_stop(&world->server);
    assert_int_equal(stack_accept(world->server_context, world->accepting, &world->server_config, fd, &top), 0);
    world->server = world->server_wish;
    end_start(&world->server, world->server_context, top);
    world->accepted++;
}

static void on_began(void *user, const char *stack, struct layer *bottom)
{
    struct world *world = user;
    struct layer *top;

    assert_string_equal(stack, world->protocols[0]->stack);
    end_stop(&world->server);
    assert_int_equal(stack_accept_above(world->server_context, world->accepting, &world->server_config, bottom, &top),
                     0);
    world->server = world->server_wish;
    end_start(&world->server, world->server_context, top);
    world->accepted++;
}

static uint16_t port_of(const struct layer_address *address)
{
    return ntohs(address->address.ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)(const void *)&address->address)->sin6_port
                     : ((const struct sockaddr_in *)(const void *)&address->address)->sin_port);
}

void aim(struct world *world, const struct layer_address *address)
{
    if (!world->relay.context) {
        world->target.remote = *address;
        return;
    }
    world->target.remote = world->relay.address;
    world->relay.onward = *address;
    world->target.host = world->row->family == AF_INET6 ? "::1" : "127.0.0.1";
    world->target.port = port_of(address);
}

static const struct udp_protocol *protocol_of(const char *stack)
{
    const struct udp_protocol *protocol;

    if (strcmp(stack, "sctp/dtls/udp") == 0) /* what is above dtls is told inside it */
        return &dtls_protocol;
    for (unsigned i = 0; (protocol = udp_protocol_at(i)); i++)
        if (strcmp(protocol->stack, stack) == 0)
            return protocol;
    fail_msg("no datagram begins %s", stack);
    return NULL;
}

static void listen_on_port(struct world *world)
{
    struct udp_port_config config = {.local = world->address,
                                     .fd = -1,
                                     .protocols = world->protocols,
                                     .unproven_max = 1024,
                                     .tls = &world->server_config,
                                     .accepted = on_began,
                                     .user = world};
    socklen_t size = sizeof world->address.address;

    world->protocols[0] = protocol_of(world->accepting);
    assert_int_equal(udp_port_new(world->server_context, &config, &world->port), 0);
    assert_int_equal(getsockname(udp_port_descriptor(world->port), (struct sockaddr *)&world->address.address, &size),
                     0);
    aim(world, &world->address);
}

void listen_here(struct world *world)
{
    struct acceptor_config config = {.local = world->address,
                                     .fd = -1,
                                     .mptcp = world->mptcp && !world->plain_listener,
                                     .fast_open = world->fast_open,
                                     .accepted = on_accepted,
                                     .user = world};
    socklen_t size = sizeof world->address.address;

    if (!world->bytes) {
        listen_on_port(world);
        return;
    }
    assert_int_equal(acceptor_new(world->server_context, &config, &world->acceptor), 0);
    assert_int_equal(
        getsockname(acceptor_descriptor(world->acceptor), (struct sockaddr *)&world->address.address, &size), 0);
    aim(world, &world->address);
}

void stop_listening(struct world *world)
{
    acceptor_destroy(world->acceptor);
    if (world->port)
        udp_port_destroy(world->port);
    world->acceptor = NULL;
    world->port = NULL;
}

void connect_there(struct world *world)
{
    struct layer *top;

    world->target.tls = &world->client_config;
    assert_int_equal(stack_open(world->client_context, world->row->stack, &world->target, &top), 0);
    end_start(&world->client, world->client_context, top);
    if (strcmp(world->row->stack, "udp") ==
        0) { /* a listener hears of its peer by a first datagram: here an empty one */
        if (layer_establish(top) == 0)
            assert_int_equal(top->type->send(top, "", 0), 0);
    }
}

void drop_ends(struct world *world)
{
    end_stop(&world->client);
    end_stop(&world->server);
    memset(&world->server_wish, 0, sizeof world->server_wish);
}

void restart_server(struct world *world)
{
    end_stop(&world->server);
    stop_listening(world);
    trust_free(world->server_config.trust);
    hawser_context_unref(world->server_context);
    world->server_context = make_context(world, NULL);
    world->server_config.trust = make_trust(world->server_context, "any");
    listen_here(world);
}

/* "tls/socks5/tcp" is accepted as "tls/tcp". */
static void set_accepting(struct world *world)
{
    static const char *const proxies[] = {"socks5/", "http-connect/"};
    const char *stack = world->row->stack;

    snprintf(world->accepting, sizeof world->accepting, "%s", stack);
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        const char *at = strstr(stack, proxies[i]);
        if (!at)
            continue;
        snprintf(world->accepting, sizeof world->accepting, "%.*s%s", (int)(at - stack), stack,
                 at + strlen(proxies[i]));
        relay_start(world, proxies[i]);
        world->bottom_trips += i == 0 ? 2 : 1;
    }
}

void only_where(bool applies, const char *what)
{
    if (applies)
        return;
    print_message("SKIPPED: this row has not: %s\n", what);
    skip();
}

/* What the suite knows of the stack by its name, the stack says too. */
static void read_flags(struct world *world)
{
    unsigned top, flags;

    assert_int_equal(stack_flags(world->client_context, world->row->stack, &flags, &top), 0);
    assert_int_equal(!!(flags & LAYER_SECURE), world->secure);
    assert_int_equal(!!(flags & LAYER_BYTES), world->bytes);
    world->flags = flags;
    world->early = flags & LAYER_EARLY_DATA;
    world->datagrams = !world->bytes && !world->secure;
    world->reliable = !world->datagrams || top & LAYER_RELIABLE;
    world->waits = world->bytes || top & (LAYER_RELIABLE | LAYER_STREAMS);
}

int world_setup(void **state)
{
    const struct row *row = *state;
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->row = row;
    world->descriptors = count_descriptors();
    strcpy(world->directory, "/tmp/hawser-stack-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->client_context = make_context(world, "client"); /* which keeps tickets */
    world->one_context = strncmp(row->stack, "sctp/", 5) == 0;
    world->server_context = world->one_context ? hawser_context_ref(world->client_context) : make_context(world, NULL);
    world->alpn = strcmp(row->stack, "sctp/dtls/udp") == 0 ? "hawser/1+sctp" : "hawser/1";
    assert_int_equal(hawser_identity_new(&world->server_identity), 0);
    assert_int_equal(hawser_identity_new(&world->client_identity), 0);
    world->server_config = (struct tls_config){
        .identity = world->server_identity,
        .trust = make_trust(world->server_context, "any"),
        .alpn = {world->alpn},
        .require_alpn = true,
        .early_data = true,
    };
    world->client_config = (struct tls_config){
        .identity = world->client_identity,
        .trust = make_trust(world->client_context, "key=%s", hawser_identity_name(world->server_identity)),
        .service = "the service",
        .alpn = {world->alpn},
        .require_alpn = true,
        .early_data = true,
    };
    make_address(world, "socket", &world->address);
    world->bottom_trips = row->family != AF_UNIX && !strstr(row->stack, "udp");
    if (strstr(row->stack, "dtls/")) /* the cookie; and DTLS 1.2 takes one more than TLS 1.3 */
        world->bottom_trips = 2;
    set_accepting(world);
    world->mptcp = strstr(row->stack, "mptcp");
    world->secure = strncmp(row->stack, "tls/", 4) == 0 || strstr(row->stack, "dtls/") || strstr(row->stack, "quic/");
    world->bytes = !strstr(row->stack, "udp");
    read_flags(world);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    int descriptors;

    end_stop(&world->client);
    end_stop(&world->server);
    stop_listening(world);
    relay_stop(&world->relay);
    trust_free(world->server_config.trust);
    trust_free(world->client_config.trust);
    hawser_identity_unref(world->server_identity);
    hawser_identity_unref(world->client_identity);
    hawser_context_unref(world->server_context);
    hawser_context_unref(world->client_context);
    nftw(world->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    descriptors = count_descriptors();
    if (descriptors != world->descriptors)
        print_error("%d descriptors were open before, %d after\n", world->descriptors, descriptors);
    descriptors -= world->descriptors;
    free(world);
    *state = NULL;
    return descriptors;
}

/* The contexts of the test, the relay's where there is one. */
static unsigned contexts_of(struct world *world, hawser_context *contexts[3], struct pollfd fds[3])
{
    unsigned count = 0;

    contexts[count++] = world->server_context;
    contexts[count++] = world->client_context;
    if (world->relay.context)
        contexts[count++] = world->relay.context;
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = hawser_context_fd(contexts[i]), .events = POLLIN};
    return count;
}

void step(struct world *world, int timeout_ms)
{
    hawser_context *contexts[3];
    struct pollfd fds[3];
    unsigned count = contexts_of(world, contexts, fds);

    assert_true(poll(fds, count, timeout_ms) >= 0);
    for (unsigned i = 0; i < count; i++)
        if (fds[i].revents)
            assert_true(hawser_dispatch(contexts[i]) >= 0);
}

bool run_until(struct world *world, bool (*done)(struct world *world))
{
    int64_t deadline = loop_clock() + DEADLINE;

    while (!done(world)) {
        if (loop_clock() > deadline)
            return false;
        step(world, 100);
    }
    return true;
}

void run_for_events(struct world *world)
{
    hawser_context *contexts[3];
    struct pollfd fds[3];
    unsigned count = contexts_of(world, contexts, fds);

    while (poll(fds, count, 20) > 0)
        step(world, 0);
}

bool both_up(struct world *world)
{
    return (world->client.up || world->client.code) && (world->server.up || world->server.code);
}

bool settled(struct world *world)
{
    return both_up(world) && (world->client.code || world->client.received >= world->server.to_send) &&
           (world->server.code || world->server.received >= world->client.to_send);
}

bool both_ended(struct world *world)
{
    return (world->client.code || (world->client.eof && world->client.shut)) &&
           (world->server.code || (world->server.eof && world->server.shut));
}

void establish(struct world *world)
{
    unsigned before = world->accepted;

    connect_there(world);
    while (world->accepted == before && !world->client.code)
        step(world, 100);
    assert_true(run_until(world, both_up));
    if (world->client.code || world->server.code)
        print_error("client: %s: %s; server: %s: %s\n", layer_error(world->client.top)->layer,
                    layer_error(world->client.top)->reason, layer_error(world->server.top)->layer,
                    layer_error(world->server.top)->reason);
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
}

void assert_words(const struct end *end, int code, const char *part)
{
    const struct layer_error *error = layer_error(end->top);

    if (end->code != code || error->code != code || !strstr(error->reason, part))
        print_error("end %d, layer %s %d: \"%s\", without \"%s\"\n", end->code, error->layer, error->code,
                    error->reason, part);
    assert_int_equal(end->code, code);
    assert_int_equal(error->code, code);
    assert_non_null(strstr(error->reason, part));
}

static bool echoed(struct world *world)
{
    return world->client.code || world->server.code || world->client.received == world->client.to_send;
}

void get_ticket(struct world *world)
{
    world->server_wish.echo = true;
    establish(world);
    world->client.to_send = 1;
    end_run(&world->client);
    assert_true(run_until(world, echoed));
    assert_int_equal(world->client.received, 1);
    if (!world->bytes)
        run_for_events(world); /* it may have been overtaken */
    drop_ends(world);
}

void use_context(struct world *world, hawser_context *context)
{
    trust_free(world->client_config.trust);
    hawser_context_unref(world->client_context);
    world->client_context = context;
    world->client_config.trust = make_trust(context, "key=%s", hawser_identity_name(world->server_identity));
}
