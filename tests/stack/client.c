/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack-client STACK ADDRESS PORT [NAME=VALUE...]: one connection by one stack, for tests against foreign servers. Sends
 * stdin, says that it sends no more (unless "open=1"), and copies what comes to stdout until the peer ends. How it went is
 * the last line of stderr, a JSON object. Names: host, port, user, password (of a proxy's target), trust, anchors,
 * accept (the other side: takes one connection at the address, whose port it says, answers what comes first with stdin,
 * and then copies), name (to verify), alpn, lax (the alpn is not demanded), any, state, pieces (bytes of each write, with
 * commas; the rest goes in one), early, worker.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "layer/layer.h"
#include "loop/loop.h"
#include "security/security.h"

#define REQUEST_MAX (1u << 20)

struct client {
    hawser_context *context;
    struct layer_target target;
    struct tls_config tls;
    struct layer *top;
    uint8_t *request;
    size_t request_size, sent;
    const char *pieces, *stack;
    struct acceptor *acceptor;
    bool up, keep_open, shut, done, ended, answers, received;
    int code;
};

static const char *value_of(int count, char **words, const char *name)
{
    size_t size = strlen(name);

    for (int i = 0; i < count; i++)
        if (strncmp(words[i], name, size) == 0 && words[i][size] == '=')
            return words[i] + size + 1;
    return NULL;
}

static int parse_address(const char *text, const char *port, struct layer_address *ret_address)
{
    struct sockaddr_in *v4 = (void *)&ret_address->address;
    struct sockaddr_in6 *v6 = (void *)&ret_address->address;
    struct sockaddr_un *un = (void *)&ret_address->address;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)atoi(port));
        ret_address->size = sizeof *v4;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)atoi(port));
        ret_address->size = sizeof *v6;
    } else if (*text == '/' && strlen(text) < sizeof un->sun_path) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, text, strlen(text) + 1);
        ret_address->size = sizeof *un;
    } else
        return -EINVAL;
    return 0;
}

static int read_request(struct client *client)
{
    ssize_t n;

    client->request = malloc(REQUEST_MAX);
    if (!client->request)
        return -ENOMEM;
    while ((n = read(STDIN_FILENO, client->request + client->request_size, REQUEST_MAX - client->request_size)) > 0)
        client->request_size += (size_t)n;
    return n < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------------------------------------- going on */

static bool failed(struct client *client, ssize_t n)
{
    if (n >= 0 || n == -EAGAIN)
        return false;
    client->code = (int)n;
    client->done = true;
    return true;
}

static size_t next_piece(struct client *client)
{
    size_t left = client->request_size - client->sent, size;
    char *end;

    if (!client->pieces || !*client->pieces)
        return left;
    size = strtoul(client->pieces, &end, 10);
    client->pieces = *end ? end + 1 : end;
    return size < left ? size : left;
}

static void send_all(struct client *client)
{
    while (client->sent < client->request_size) {
        size_t size = next_piece(client);
        ssize_t n = client->top->type->send(client->top, client->request + client->sent, size);
        if (n < 0) {
            failed(client, n);
            return;
        }
        client->sent += (size_t)n;
    }
    if (client->up && !client->shut && !client->keep_open) {
        int r = client->top->type->shutdown(client->top);
        client->shut = r == 0;
        failed(client, r);
    }
}

static void receive_all(struct client *client)
{
    uint8_t data[16384];
    ssize_t n;

    while ((n = client->top->type->receive(client->top, data, sizeof data)) > 0)
        if (write(STDOUT_FILENO, data, (size_t)n) != n)
            abort();
        else
            client->received = true;
    client->ended |= n == 0;
    failed(client, n);
}

static void go_on(struct client *client)
{
    if (client->done)
        return;
    if (!client->up) {
        int r = layer_establish(client->top);
        if (failed(client, r) || r < 0)
            return;
        client->up = true;
    }
    if (!client->answers)
        send_all(client);
    if (!client->done && !client->ended)
        receive_all(client);
    if (!client->done && client->received)
        send_all(client);
    if (client->ended && !client->done) {
        if (!client->shut)
            (void)client->top->type->shutdown(client->top); /* the peer may be gone already */
        client->done = true;
    }
}

static void on_ready(struct layer *top, unsigned ready)
{
    (void)ready;
    go_on(top->user);
}

/* ------------------------------------------------------------------------------------------------ the other side */

static void start(struct client *client, struct layer *top)
{
    client->top = top;
    top->user = client;
    top->ready = on_ready;
}

static void on_accepted(void *user, int fd)
{
    struct client *client = user;
    struct layer *top;

    acceptor_pause(client->acceptor, true);
    if (stack_accept(client->context, client->stack, &client->tls, fd, &top) < 0)
        abort();
    start(client, top);
    go_on(client);
}

static int accept_one(struct client *client)
{
    struct acceptor_config config = {.local = client->target.remote, .fd = -1, .accepted = on_accepted, .user = client};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int r = hawser_identity_new(&client->tls.identity);

    client->answers = true;
    if (r == 0)
        r = acceptor_new(client->context, &config, &client->acceptor);
    if (r == 0 && getsockname(acceptor_descriptor(client->acceptor), (struct sockaddr *)&address, &size) == 0)
        fprintf(stderr, "%u\n", ntohs(((struct sockaddr_in *)(void *)&address)->sin_port)); /* IPv6 has it there too */
    return r;
}

/* --------------------------------------------------------------------------------------------------- in the end */

static void report(const struct client *client)
{
    const struct layer_error *error = layer_error(client->top);
    struct layer_peer peer;
    struct text text;
    char stack[64];

    text_init(&text);
    layer_peer(client->top, &peer);
    stack_text(client->top, stack, sizeof stack);
    text_printf(&text, "{\"code\": %d, \"name\": ", client->code);
    text_add_json(&text, client->code ? hawser_strerror(client->code) : "");
    text_printf(&text, ", \"layer\": \"%s\", \"reason\": ", error->layer);
    text_add_json(&text, error->reason);
    text_printf(&text, ", \"stack\": \"%s\", \"up\": %s, \"alpn\": \"%s\", \"verification\": \"%s\", \"peer\": ", stack,
                client->up ? "true" : "false", peer.alpn, hawser_verification_name(peer.verification));
    text_add_json(&text, peer.name);
    text_printf(&text, ", \"resumed\": %s, \"early\": %s, \"round_trips\": %u}", peer.resumed ? "true" : "false",
                peer.early_accepted ? "true" : "false", peer.round_trips);
    fprintf(stderr, "%s\n", text_string(&text));
    text_free(&text);
}

static void fill(struct client *client, int count, char **words)
{
    const char *port = value_of(count, words, "port");

    client->target.host = value_of(count, words, "host");
    client->target.port = port ? (uint16_t)atoi(port) : 0;
    client->target.proxy_user = value_of(count, words, "user");
    client->target.proxy_password = value_of(count, words, "password");
    client->target.tls = &client->tls;
    client->pieces = value_of(count, words, "pieces");
    client->keep_open = value_of(count, words, "open");
    client->tls.server_name = value_of(count, words, "name");
    client->tls.alpn[0] = value_of(count, words, "alpn");
    client->tls.require_alpn = client->tls.alpn[0] && !value_of(count, words, "lax");
    client->tls.any_tls = value_of(count, words, "any");
    client->tls.early_data = value_of(count, words, "early");
    client->tls.service = value_of(count, words, "state") ? "the service" : NULL;
}

int main(int argc, char **argv)
{
    struct client client = {.done = false};
    const char *state, *trust;
    int r;

    if (argc < 4 || parse_address(argv[2], argv[3], &client.target.remote) < 0) {
        fprintf(stderr, "usage: stack-client STACK ADDRESS PORT [NAME=VALUE...]\n");
        return 2;
    }
    state = value_of(argc - 4, argv + 4, "state");
    trust = value_of(argc - 4, argv + 4, "trust");
    fill(&client, argc - 4, argv + 4);
    r = read_request(&client);
    if (r == 0)
        r = hawser_context_new(
            HAWSER_CONTEXT(.state_dir = state ? state : "", .no_worker = !value_of(argc - 4, argv + 4, "worker")),
            &client.context);
    if (r == 0)
        r = trust_new(client.context, trust ? trust : "pki", value_of(argc - 4, argv + 4, "anchors"),
                      &client.tls.trust);
    client.stack = argv[1];
    if (r == 0 && value_of(argc - 4, argv + 4, "accept"))
        r = accept_one(&client);
    else if (r == 0)
        r = stack_open(client.context, argv[1], &client.target, &client.top);
    if (r < 0) {
        fprintf(stderr, "stack-client: %s\n", hawser_strerror(r));
        return 2;
    }
    if (client.top) {
        start(&client, client.top);
        if (client.tls.early_data)
            send_all(&client);
        go_on(&client);
    }
    while (!client.done)
        if (hawser_iterate(client.context, 30000000) <= 0)
            client.done = true, client.code = -ETIMEDOUT;
    if (client.top)
        report(&client);
    layer_destroy(client.top);
    acceptor_destroy(client.acceptor);
    hawser_identity_unref(client.tls.identity);
    trust_free(client.tls.trust);
    hawser_context_unref(client.context);
    free(client.request);
    return client.code ? 1 : 0;
}
