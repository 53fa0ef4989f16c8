#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bare lines over DTLS 1.2 beside foreign programs: openssl and gnutls at either end, a datagram a message, and a peer that is
not whom it should be is refused in words. (S3.40, S1.1)"""

from foreign import Authority, Foreign
from harness import check, need, run


def openssl_server(world, certificate, *options):
    [openssl] = need("openssl")
    return world.udp_server(lambda port: world.command(
        openssl, "s_server", "-dtls1_2", "-accept", f"127.0.0.1:{port}", "-cert", certificate[0], "-key", certificate[1],
        *options))


def gnutls_server(world, certificate, *options):
    [program] = need("gnutls-serv")
    return world.udp_server(lambda port: world.command(
        program, "--udp", "--echo", "--port", str(port), "--x509certfile", certificate[0], "--x509keyfile", certificate[1],
        "--disable-client-cert", *options))


def connect(world, port, *options, host="localhost"):
    return world.hawser("connect", "--json", "--bare", "--tls", "--stack", "dtls/udp", *options, f"{host}:{port}")


def received(client, after):
    return client.event("data", after=after)


def ends_well(client):
    client.process.stdin.close()
    check(client.wait() == 0, client.transcript())


# ------------------------------------------------------------------------------------------------------ we come to them


def check_established(client):
    established = client.event("established")
    check(established["stack"] == "dtls/udp" and established["peer"]["verification"] == "pki", f"{established}")


def test_we_come_to_openssl(world):
    authority = Authority(world)
    other, port = openssl_server(world, authority.leaf("leaf", host="localhost"))
    client = connect(world, port, "--trust-file", authority.file)
    check_established(client)
    for i, text in enumerate((b"first\n", b"second, longer\n")):
        client.write(b"to " + text)
        other.text(b"to " + text)
        other.write(b"from " + text)
        check(received(client, i)["size"] == len(b"from " + text), client.transcript())
    ends_well(client)
    other.text(b"DONE\n")  # it heard our goodbye


def test_we_come_to_gnutls(world):
    authority = Authority(world)
    _, port = gnutls_server(world, authority.leaf("leaf", host="localhost"))
    client = connect(world, port, "--trust-file", authority.file)
    check_established(client)
    for i, text in enumerate((b"there\n", b"and back again\n")):
        client.write(text)
        check(received(client, i)["size"] == len(text), client.transcript())
    ends_well(client)


def test_they_are_not_believed(world):
    """An authority that nobody knows, another host's certificate, and one that is over: each is said, before a byte of
    ours has left."""
    authority, stranger = Authority(world), Authority(world, "stranger")
    over = "activation_date = \"2020-01-01 00:00:00\"\nexpiration_date = \"2021-01-01 00:00:00\"\n"
    wrong = {
        "unknown": stranger.leaf("unknown", host="localhost"),
        "host": authority.leaf("host", host="elsewhere.test"),
        "expired": authority.leaf("expired", host="localhost", dates=over),
    }
    words = {"unknown": "authority", "host": "localhost", "expired": "expired"}
    for make in (openssl_server, gnutls_server):
        for what, certificate in wrong.items():
            other, port = make(world, certificate)
            client = connect(world, port, "--trust-file", authority.file)
            client.write(b"a secret\n")
            closed = client.event("closed")
            check(closed["code"] != 0 and words[what] in closed["reason"], f"{what}: {closed}")
            check(client.wait() != 0 and client.count("established") == 0, client.transcript())
            other.end()
            check(b"a secret" not in other.output, other.transcript())


def test_a_name_of_a_protocol(world):
    """ALPN is agreed on as over TCP, and the largest datagram arrives whole."""
    authority = Authority(world)
    other, port = openssl_server(world, authority.leaf("leaf", host="localhost"), "-alpn", "mine/1")
    client = connect(world, port, "--trust-file", authority.file, "--alpn", "mine/1")
    check_established(client)
    other.text(b"ALPN protocols selected: mine/1")
    client.write(b"x" * 1200)
    other.text(b"x" * 1200)
    ends_well(client)


# ------------------------------------------------------------------------------------------------------ they come to us


def datagram_listener(world, *options):
    return world.listener("--bare", "--stack", "dtls/udp", "--echo", *options)


def check_accepted(listener, after=0):
    accepted = listener.event("accepted", after=after)
    check(accepted["stack"] == "dtls/udp" and accepted["bare"], f"{accepted}")


def test_openssl_comes(world):
    [openssl] = need("openssl")
    listener = datagram_listener(world)
    clients = [world.command(openssl, "s_client", "-dtls1_2", "-quiet", "-no_ign_eof", "-connect", listener.endpoint)
               for _ in range(2)]
    for i, client in enumerate(clients):
        for text in (f"first of {i}\n".encode(), f"second of {i}\n".encode()):
            client.write(text)
            client.text(text)
        check_accepted(listener, i)
    for client in clients:
        client.process.stdin.close()
        client.wait()
    check(listener.event("closed", after=1)["code"] == 0, listener.transcript())


def test_gnutls_comes(world):
    [tool] = need("gnutls-cli")
    listener = datagram_listener(world)
    client = world.command(tool, "--udp", "--insecure", "--port", str(listener.address[1]), listener.address[0])
    client.text(b"- Handshake was completed")
    check(b"(DTLS1.2" in client.output, client.transcript())
    for text in (b"hello\n", b"hello again\n"):
        client.write(text)
        client.text(text)
    check_accepted(listener)
    client.process.stdin.close()
    client.wait()
    check(listener.event("closed")["code"] == 0, listener.transcript())


def test_hawsers_own_come_too(world):
    """A line of hawser/1 on the same stack, by the same commands, has streams."""
    listener = datagram_listener(world)
    client = world.hawser("connect", "--json", "--stack", "dtls/udp", f"{listener.name}@{listener.endpoint}")
    client.write(b"in a stream\n")
    check(client.event("data")["size"] == len(b"in a stream\n"), client.transcript())
    check(not client.event("established")["bare"] and listener.count("received") == 0, listener.transcript())
    ends_well(client)


def test_they_do_not_believe_us(world):
    """A client that trusts authorities alone refuses our key, and only its own line ends."""
    [openssl] = need("openssl")
    listener = datagram_listener(world)
    client = world.command(openssl, "s_client", "-dtls1_2", "-verify_return_error", "-connect", listener.endpoint)
    check(client.wait() != 0 and "certificate verify failed" in client.error_text(), client.transcript())
    check(listener.count("accepted") == 0, listener.transcript())
    good = world.command(openssl, "s_client", "-dtls1_2", "-quiet", "-connect", listener.endpoint)
    good.write(b"still there?\n")
    good.text(b"still there?\n")


def test_older_versions(world):
    """DTLS 1.0 is not taken (RFC 8996)."""
    [openssl] = need("openssl")
    listener = datagram_listener(world)
    client = world.command(openssl, "s_client", "-dtls1", "-cipher", "ALL:@SECLEVEL=0", "-connect", listener.endpoint)
    check(client.wait() != 0 and b"Cipher is (NONE)" in client.output, client.transcript())
    check(listener.count("accepted") == 0, listener.transcript())


if __name__ == "__main__":
    run(test_we_come_to_openssl, test_we_come_to_gnutls, test_they_are_not_believed, test_a_name_of_a_protocol,
        test_openssl_comes, test_gnutls_comes, test_hawsers_own_come_too, test_they_do_not_believe_us, test_older_versions, make=Foreign)
