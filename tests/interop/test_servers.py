#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS with servers as they are, nginx and others: both versions, with and without ALPN, resumed, with early data; and each
thing that can be wrong with a server has a sentence of its own. (S1.39)"""

import socket
import ssl
import threading

from foreign import Authority, Foreign, check_page, check_refused, has_ipv6
from harness import check, need, run, skip

EUNVERIFIED, ETLS, ENOTSPOKEN, ETRUNCATED = -20006, -20005, -20011, -20026


def trusting(authority, **more):
    return dict(any=1, trust="pki", anchors=authority.file, name="peer.test", **more)


def test_versions_and_families(world):
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    for version in ("TLSv1.2", "TLSv1.3"):
        for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
            port = world.nginx_tls(leaf, f"ssl_protocols {version};", host=host)
            answer, outcome = world.connect("tls/tcp", host, port, **trusting(authority))
            check_page(answer, outcome)
            check(outcome["verification"] == "pki" and outcome["peer"] == "peer.test", f"{outcome}")
            check(outcome["alpn"] == "" and outcome["stack"] == "tls/tcp", f"{outcome}")


def test_addresses_in_certificates(world):
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf"))
    check_page(*world.connect("tls/tcp", "127.0.0.1", port, any=1, anchors=authority.file, name="127.0.0.1"))


def test_mptcp_falls_back(world):
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf"))
    answer, outcome = world.connect("tls/mptcp", "127.0.0.1", port, **trusting(authority))
    if outcome["name"] == "Protocol not supported":
        skip(outcome["reason"])
    check_page(answer, outcome)
    check(outcome["stack"] == "tls/tcp", f"{outcome}")


def test_alpn(world):
    """nginx 1.22 answers a protocol that it does not know with a fatal alert."""
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf"))
    answer, outcome = world.connect("tls/tcp", "127.0.0.1", port, alpn="http/1.1", **trusting(authority))
    check_page(answer, outcome)
    check(outcome["alpn"] == "http/1.1", f"{outcome}")
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, alpn="hawser/1", **trusting(authority)), "tls", ENOTSPOKEN,
                  "speaks none of the protocols that we offered")


def test_hawsers_own_needs_tls_13(world):
    """What may be TLS 1.2 is a bare line: offered beside others, hawser/1 is not taken there (docs/architecture.md)."""
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    [openssl] = need("openssl")
    for version in ("-tls1_2", "-tls1_3"):
        _, port = world.server(lambda at, version=version: world.command(openssl, "s_server", "-accept", f"127.0.0.1:{at}",
                                                                         "-cert", leaf[0], "-key", leaf[1], version, "-alpn",
                                                                         "hawser/1", "-www"))
        answer, outcome = world.connect("tls/tcp", "127.0.0.1", port, alpn="hawser/1", **trusting(authority))
        if version == "-tls1_3":
            check(outcome["alpn"] == "hawser/1" and b"hawser/1" in answer, f"{outcome}")
        else:
            check_refused(answer, outcome, "tls", ETLS, "hawser/1 without TLS 1.3")


def test_resumes(world):
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    for version in ("TLSv1.2", "TLSv1.3"):
        port = world.nginx_tls(leaf, f"ssl_protocols {version}; ssl_session_tickets on;")
        state = world.path("state-" + version)
        for resumed in (False, True):
            answer, outcome = world.connect("tls/tcp", "127.0.0.1", port, state=state, **trusting(authority))
            check_page(answer, outcome)
            check(outcome["resumed"] == resumed, f"{version}, {outcome}")
            check(outcome["verification"] == "pki", f"{outcome}")


def test_early_data(world):
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf"), "ssl_protocols TLSv1.3; ssl_early_data on;")
    for early in (False, True):
        answer, outcome = world.connect("tls/tcp", "127.0.0.1", port, state=world.path("tickets"), early=1,
                                        **trusting(authority))
        check_page(answer, outcome)
        check(outcome["early"] == early and outcome["round_trips"] == (1 if early else 2), f"{outcome}")


def test_certificates_that_are_not_good(world):
    authority = Authority(world)
    past = 'activation_date = "2019-01-01 00:00:00"\nexpiration_date = "2020-02-03 00:00:00"\n'
    future = 'activation_date = "2100-02-03 00:00:00"\nexpiration_date = "2101-01-01 00:00:00"\n'
    cases = (
        (authority.leaf("expired", dates=past), "peer.test", ("it expired on 2020-02-03",)),
        (authority.leaf("future", dates=future), "peer.test", ("it is not valid before 2100-02-03",)),
        (authority.leaf("leaf"), "other.test", ("it is for peer.test and not for other.test",)),
        (authority.leaf("self", self_signed=True), "peer.test", ("it is self-signed",)),
    )
    for leaf, name, words in cases:
        port = world.nginx_tls(leaf)
        check_refused(*world.connect("tls/tcp", "127.0.0.1", port, any=1, anchors=authority.file, name=name), "tls",
                      EUNVERIFIED, "the peer's certificate is not good: ", *words)
    port = world.nginx_tls(authority.leaf("again"))
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, any=1, name="peer.test"), "tls", EUNVERIFIED,
                  "its authority is not known here: CN=The tests")


def test_servers_that_speak_otherwise(world):
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    port = world.nginx_tls(leaf, "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;")
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, **trusting(authority)), "tls", ETLS,
                  "the peer speaks neither TLS 1.2 nor TLS 1.3")
    port = world.nginx_tls(leaf, "ssl_protocols TLSv1.2;")
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, anchors=authority.file, name="peer.test"), "tls", ETLS,
                  "the peer does not speak TLS 1.3")
    port = world.nginx([""])
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, **trusting(authority)), "tls", ETLS,
                  "the peer does not speak TLS, but plain HTTP")
    check_page(*world.connect("tcp", "127.0.0.1", port))


def old_server(world, leaf):
    """A server that answers our hello by TLS 1.1, whatever was offered: GnuTLS itself notices that."""
    [program] = need("gnutls-serv")
    return world.server(lambda port: world.command(
        program, "--port", str(port), "--x509certfile", leaf[0], "--x509keyfile", leaf[1], "--priority",
        "NORMAL:-VERS-ALL:+VERS-TLS1.1"))[1]


def test_gnutls_older(world):
    authority = Authority(world)
    port = old_server(world, authority.leaf("leaf"))
    check_refused(*world.connect("tls/tcp", "127.0.0.1", port, **trusting(authority)), "tls", ETLS,
                  "the peer speaks neither TLS 1.2 nor TLS 1.3")


def serve_once(leaf, says, announced):
    """A server of Python's ssl module that says something and then closes, with a close_notify or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection = context.wrap_socket(listener.accept()[0], server_side=True)
        connection.recv(65536)
        connection.sendall(says)
        if announced:
            connection = connection.unwrap()
        connection.close()
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


def test_unannounced_end(world):
    """Many servers just close; whoever knows what is whole may take it so, and it has a code of its own."""
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    for announced in (True, False):
        port, thread = serve_once(leaf, b"all that there is", announced)
        answer, outcome = world.connect("tls/tcp", "127.0.0.1", port, request=b"x",
                                        **trusting(authority))
        thread.join()
        check(answer == b"all that there is", f"{answer!r}, {outcome}")
        check(outcome["code"] == (0 if announced else ETRUNCATED), f"{outcome}")


def test_renegotiation_is_declined(world):
    """A server of TLS 1.2 that asks for a new handshake hears no. OpenSSL does not go on then, and that is said."""
    [openssl] = need("openssl")
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    server, port = world.server(lambda at: world.command(openssl, "s_server", "-accept", f"127.0.0.1:{at}", "-cert", leaf[0],
                                                         "-key", leaf[1], "-tls1_2", "-naccept", "2"))
    words = [f"{name}={value}" for name, value in trusting(authority, open=1).items()]
    client = world.command(world.stack_client, "tls/tcp", "127.0.0.1", str(port), *words)
    client.process.stdin.close()
    server.text(b"CIPHER is", 20)
    server.write(b"said before\n")
    client.text(b"said before")
    server.write(b"R\n")
    check(client.wait() == 1, client.transcript())
    check("the peer wants to begin TLS 1.2 anew" in client.error_text(), client.transcript())


if __name__ == "__main__":
    run(test_versions_and_families, test_addresses_in_certificates, test_mptcp_falls_back, test_alpn,
        test_hawsers_own_needs_tls_13, test_resumes, test_early_data, test_certificates_that_are_not_good, test_servers_that_speak_otherwise, test_gnutls_older,
        test_unannounced_end, test_renegotiation_is_declined, make=Foreign)
