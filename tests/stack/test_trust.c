/* SPDX-License-Identifier: Apache-2.0 */
/* Whom an end believes, what it shows, and which protocols are agreed. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "certificates.h"

static void start(struct world *world)
{
    listen_here(world);
    connect_there(world);
    assert_true(run_until(world, both_up));
}

static bool client_failed(struct world *world)
{
    return world->client.code < 0;
}

/* In TLS 1.3 a client is through before the server has seen its certificate. */
static void await_refusal(struct world *world, const char *words)
{
    assert_true(run_until(world, client_failed));
    assert_words(&world->client, -HAWSER_EREFUSED, words);
}

static void wrong_key(void **state)
{
    struct world *world = *state;

    only(world->secure);
    set_trust(world, false, "key=%s", hawser_identity_name(world->client_identity));
    start(world);
    assert_words(&world->client, -HAWSER_EKEYWRONG, hawser_identity_name(world->server_identity));
    assert_words(&world->client, -HAWSER_EKEYWRONG, hawser_identity_name(world->client_identity));
    assert_words(&world->server, -HAWSER_EREFUSED, "does not accept our identity");
}

static void client_key_checked(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    start(world);
    assert_int_equal(world->server.code, 0);
    layer_peer(world->server.top, &peer);
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_KEY);
    assert_string_equal(peer.name, hawser_identity_name(world->client_identity));
    drop_ends(world);
    set_trust(world, true, "key=%s", hawser_identity_name(world->server_identity));
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->server, -HAWSER_EKEYWRONG, hawser_identity_name(world->client_identity));
    await_refusal(world, "does not accept our identity");
}

static void shows_itself_to_the_pinned_alone(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    set_trust(world, false, "any");
    start(world);
    layer_peer(world->server.top, &peer);
    assert_string_equal(peer.key_name, "");
    layer_peer(world->client.top, &peer);
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_NONE);
    assert_string_equal(peer.key_name, hawser_identity_name(world->server_identity));
    drop_ends(world);
    world->client_config.present_certificate = true;
    world->client_config.service = NULL;
    connect_there(world);
    assert_true(run_until(world, both_up));
    layer_peer(world->server.top, &peer);
    assert_string_equal(peer.key_name, hawser_identity_name(world->client_identity));
}

static void needs_a_key(void **state)
{
    struct world *world = *state;

    only(world->secure);
    set_trust(world, false, "any");
    set_trust(world, true, "key=%s", hawser_identity_name(world->client_identity));
    start(world);
    assert_words(&world->server, -HAWSER_EUNVERIFIED, "neither a key nor a certificate");
    await_refusal(world, "we showed none");
}

static void too_weak(void **state)
{
    struct world *world = *state;

    only(world->secure);
    set_trust(world, false, "any");
    world->client_config.min_verification = HAWSER_VERIFICATION_TOFU;
    start(world);
    assert_words(&world->client, -HAWSER_EWEAK, "below the demanded tofu");
    assert_true(world->server.code < 0);
}

static void replace_server_identity(struct world *world)
{
    hawser_identity_unref(world->server_identity);
    assert_int_equal(hawser_identity_new(&world->server_identity), 0);
    world->server_config.identity = world->server_identity;
}

static void use_client_state(struct world *world)
{
    trust_free(world->client_config.trust);
    hawser_context_unref(world->client_context);
    world->client_context = make_context(world, "state");
    world->client_config.trust = make_trust(world->client_context, "tofu");
}

static void first_use(void **state)
{
    struct world *world = *state;
    char first[KEY_NAME_SIZE], path[128];
    struct layer_peer peer;
    struct stat status;

    only(world->secure && !world->one_context);
    snprintf(first, sizeof first, "%s", hawser_identity_name(world->server_identity));
    use_client_state(world);
    listen_here(world);
    for (int i = 0; i < 2; i++) {
        establish(world);
        layer_peer(world->client.top, &peer);
        assert_int_equal(peer.verification, HAWSER_VERIFICATION_TOFU);
        drop_ends(world);
        use_client_state(world); /* from the file */
    }
    snprintf(path, sizeof path, "%s/state/known_peers", world->directory);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    replace_server_identity(world);
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->client, -HAWSER_EKEYCHANGED, first);
    assert_words(&world->client, -HAWSER_EKEYCHANGED, hawser_identity_name(world->server_identity));
    drop_ends(world);
    /* Another service is another matter. */
    world->client_config.service = "another service";
    establish(world);
}

static void first_use_in_memory(void **state)
{
    struct world *world = *state;

    only(world->secure);
    set_trust(world, false, "tofu");
    listen_here(world);
    establish(world);
    drop_ends(world);
    establish(world);
    drop_ends(world);
    replace_server_identity(world);
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->client, -HAWSER_EKEYCHANGED, "at first use");
}

static void use_pki(struct world *world, const char *name)
{
    char anchors[128], chain[128], key[128];

    snprintf(anchors, sizeof anchors, "%s/ca.pem", world->directory);
    snprintf(chain, sizeof chain, "%s/chain.pem", world->directory);
    snprintf(key, sizeof key, "%s/leaf.pem", world->directory);
    make_certificates(anchors, chain, key, name);
    assert_int_equal(hawser_identity_set_certificate(world->server_identity, chain, key), 0);
    trust_free(world->client_config.trust);
    assert_int_equal(trust_new(world->client_context, "pki", anchors, &world->client_config.trust), 0);
}

static void certificate_of_an_authority(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    use_pki(world, "server.test");
    world->client_config.server_name = "server.test";
    listen_here(world);
    for (int i = 0; i < 2; i++) { /* the second time resumed */
        establish(world);
        layer_peer(world->client.top, &peer);
        assert_int_equal(peer.verification, HAWSER_VERIFICATION_PKI);
        assert_string_equal(peer.name, "server.test");
        assert_int_equal(peer.resumed, i);
        world->client.to_send = 1;
        world->server.echo = true;
        end_run(&world->client);
        while (world->client.received < 1 && !world->client.code)
            step(world, 1000);
        drop_ends(world);
    }
    world->client_config.service = NULL;
    world->client_config.server_name = "127.0.0.1"; /* in the certificate as an address */
    establish(world);
    drop_ends(world);
    world->client_config.server_name = "other.test";
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->client, -HAWSER_EUNVERIFIED, "other.test");
    assert_true(world->server.code < 0);
    drop_ends(world);
    world->client_config.server_name = NULL;
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->client, -HAWSER_EUNVERIFIED, "no name");
}

static void certificate_of_nobody(void **state)
{
    struct world *world = *state;

    only(world->secure);
    use_pki(world, "server.test");
    replace_server_identity(world); /* self-signed */
    world->client_config.server_name = "server.test";
    start(world);
    assert_words(&world->client, -HAWSER_EUNVERIFIED, "self-signed");
    assert_true(world->server.code < 0);
}

static void strongest_is_told(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    set_trust(world, false, "any,tofu,key=%s,key=%s", hawser_identity_name(world->client_identity),
              hawser_identity_name(world->server_identity));
    start(world);
    layer_peer(world->client.top, &peer);
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_KEY);
    drop_ends(world);
    world->client_config.service = NULL;
    set_trust(world, false, "pki,any"); /* X.509 is asked for, and the self-signed one does not count */
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_int_equal(world->client.code, 0);
    layer_peer(world->client.top, &peer);
    assert_int_equal(peer.verification, HAWSER_VERIFICATION_NONE);
    assert_string_equal(peer.key_name, hawser_identity_name(world->server_identity));
}

static void no_common_protocol(void **state)
{
    struct world *world = *state;

    only(world->secure);
    world->client_config.alpn[0] = "other/1";
    start(world);
    assert_words(&world->server, -HAWSER_ENOTSPOKEN, "the peer speaks none of our protocols");
    assert_words(&world->client, -HAWSER_ENOTSPOKEN, "the peer speaks none of the protocols that we offered");
}

static void no_protocol_at_all(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    world->client_config.alpn[0] = NULL;
    world->client_config.require_alpn = false;
    world->server_config.require_alpn = false;
    start(world);
    assert_int_equal(world->client.code, 0);
    assert_int_equal(world->server.code, 0);
    layer_peer(world->client.top, &peer);
    assert_string_equal(peer.alpn, "");
    drop_ends(world);
    world->server_config.require_alpn = true;
    connect_there(world);
    assert_true(run_until(world, both_up));
    assert_words(&world->server, -HAWSER_ENOTSPOKEN, "not hawser/1");
}

static void servers_choice_of_protocol(void **state)
{
    struct world *world = *state;
    struct layer_peer peer;

    only(world->secure);
    world->client_config.alpn[0] = "other/1";
    world->client_config.alpn[1] = world->alpn;
    world->server_config.alpn[1] = "other/1";
    start(world);
    layer_peer(world->client.top, &peer);
    assert_string_equal(peer.alpn, world->alpn);
}

const struct suite_test trust_tests[] = {
    {"a wrong key is refused, and both keys are named", wrong_key},
    {"a listener checks the key of who comes", client_key_checked},
    {"shows its identity only to a pinned server, or when told to", shows_itself_to_the_pinned_alone},
    {"a listener that needs a key says so", needs_a_key},
    {"a minimum of verification is kept", too_weak},
    {"a key of first use is remembered, and its change refused", first_use},
    {"a key of first use is remembered without a directory", first_use_in_memory},
    {"a certificate is checked against anchors and the name", certificate_of_an_authority},
    {"a certificate that no anchor vouches for is refused", certificate_of_nobody},
    {"of several rules the strongest is told", strongest_is_told},
    {"no common protocol: both ends say so", no_common_protocol},
    {"no protocol is agreed where none is offered", no_protocol_at_all},
    {"the listener's order of protocols counts", servers_choice_of_protocol},
    {NULL, NULL},
};
