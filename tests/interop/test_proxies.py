#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Through proxies as they are, tinyproxy and microsocks, with and without a user: to nginx by TLS and without; names are
theirs to resolve; and what they refuse is said in words. (S4.18)"""

from foreign import BODY, Authority, Foreign, check_page, check_refused, free_port, has_ipv6
from harness import check, need, run

EPROXY = -20024


def tinyproxy(world, *lines):
    [program] = need("tinyproxy")
    path = world.path(f"tinyproxy-{len(world.processes)}.conf")

    def make(port):
        with open(path, "w", encoding="ascii") as conf:
            conf.write("\n".join((f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 20", "LogLevel Info",
                                  *lines)) + "\n")
        return world.command(program, "-d", "-c", path)

    return world.server(make)[1]


def microsocks(world, *options):
    [program] = need("microsocks")
    return world.server(lambda port: world.command(program, "-i", "127.0.0.1", "-p", str(port), *options))[1]


def through(world, layer, proxy, port, host="127.0.0.1", authority=None, **values):
    """One connection through the proxy, by TLS where an authority is given."""
    tls = dict(any=1, anchors=authority.file, name="peer.test") if authority else {}
    return world.connect(("tls/" if authority else "") + layer + "/tcp", "127.0.0.1", proxy, host=host, port=port, **tls,
                         **values)


def pages(world, layer, proxy, **values):
    """All that a good proxy is to bring."""
    authority = Authority(world)
    leaf = authority.leaf("leaf")
    secure, plain = world.nginx_tls(leaf), world.nginx([""])
    answer, outcome = through(world, layer, proxy, secure, authority=authority, **values)
    check_page(answer, outcome)
    check(outcome["stack"] == f"tls/{layer}/tcp" and outcome["verification"] == "pki", f"{outcome}")
    check_page(*through(world, layer, proxy, plain, **values))
    check_page(*through(world, layer, proxy, plain, host="localhost", **values))
    if has_ipv6():
        check_page(*through(world, layer, proxy, world.nginx_tls(leaf, host="::1"), "::1", authority, **values))
    # The ticket of the first is used at the second, and its early data goes out behind the proxy's answer.
    early = world.nginx_tls(leaf, "ssl_protocols TLSv1.3; ssl_early_data on;")
    for again in (False, True):
        answer, outcome = through(world, layer, proxy, early, authority=authority, early=1, state=world.path("tickets"),
                                  **values)
        check_page(answer, outcome)
        check(outcome["resumed"] == again and outcome["early"] == again, f"{outcome}")


def test_tinyproxy(world):
    pages(world, "http-connect", tinyproxy(world))


def test_tinyproxy_with_a_user(world):
    proxy = tinyproxy(world, "BasicAuth someone passw0rd")
    pages(world, "http-connect", proxy, user="someone", password="passw0rd")
    port = world.nginx([""])
    check_refused(*through(world, "http-connect", proxy, port), "http-connect", EPROXY, "wants a user and a password",
                  "407")
    check_refused(*through(world, "http-connect", proxy, port, user="someone", password="wrong"), "http-connect", EPROXY,
                  "does not accept the user and the password")


def test_tinyproxy_refuses(world):
    port = world.nginx([""])
    proxy = tinyproxy(world, f"ConnectPort {port}")
    check_page(*through(world, "http-connect", proxy, port))
    check_refused(*through(world, "http-connect", proxy, 25), "http-connect", EPROXY, "127.0.0.1:25: the proxy's rules",
                  "403")
    proxy = tinyproxy(world)
    check_refused(*through(world, "http-connect", proxy, free_port("127.0.0.1")), "http-connect", EPROXY,
                  "the proxy cannot reach the peer")
    check_refused(*through(world, "http-connect", proxy, 80, host="nowhere.invalid"), "http-connect", EPROXY,
                  "the proxy cannot reach the peer")


def test_microsocks(world):
    pages(world, "socks5", microsocks(world))


def test_microsocks_with_a_user(world):
    proxy = microsocks(world, "-u", "someone", "-P", "pass:w0rd")
    pages(world, "socks5", proxy, user="someone", password="pass:w0rd")
    port = world.nginx([""])
    check_refused(*through(world, "socks5", proxy, port), "socks5", EPROXY, "wants a user and a password")
    check_refused(*through(world, "socks5", proxy, port, user="someone", password="wrong"), "socks5", EPROXY,
                  "does not accept the user and the password")


def test_microsocks_refuses(world):
    proxy = microsocks(world)
    check_refused(*through(world, "socks5", proxy, free_port("127.0.0.1")), "socks5", EPROXY,
                  "the peer refused the proxy's connection")
    check_refused(*through(world, "socks5", proxy, 80, host="nowhere.invalid"), "socks5", EPROXY, "the proxy ")


def test_the_tool(world):
    """The same through the whole of the library: a proxy that is demanded carries it, by TLS and in the clear."""
    authority = Authority(world)
    secure, plain = world.nginx_tls(authority.leaf("leaf", "localhost")), world.nginx([""])
    for proxy in (f"http://127.0.0.1:{tinyproxy(world)}", f"socks5://me:pass@127.0.0.1:{microsocks(world, '-u', 'me', '-P', 'pass')}"):
        for url in (f"http://127.0.0.1:{plain}/", f"https://localhost:{secure}/"):
            fetch = world.command(world.tool, "fetch", "--trust-file", authority.file, "--proxy", proxy, url)
            check(fetch.wait() == 0 and fetch.output == BODY, f"{proxy} {url}\n{fetch.transcript()}")
    fetch = world.command(world.tool, "fetch", "--proxy", f"socks5://127.0.0.1:{microsocks(world, '-u', 'me', '-P', 'pass')}",
                          f"http://127.0.0.1:{plain}/")
    check(fetch.wait() != 0 and "the proxy wants a user and a password" in fetch.error_text(), fetch.transcript())


def test_other_servers_are_no_proxies(world):
    port = world.nginx([""])
    check_refused(*through(world, "socks5", port, 80), "socks5", EPROXY, "speaks no SOCKS5")
    check_refused(*through(world, "http-connect", port, 80), "http-connect", EPROXY, "it says: 4")
    check_refused(*through(world, "http-connect", microsocks(world), 80), "http-connect", EPROXY)


if __name__ == "__main__":
    run(test_tinyproxy, test_tinyproxy_with_a_user, test_tinyproxy_refuses, test_microsocks, test_microsocks_with_a_user,
        test_microsocks_refuses, test_the_tool, test_other_servers_are_no_proxies, make=Foreign)
