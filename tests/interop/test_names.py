#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Host names from end to end: their addresses are tried one after the other, and a name without one is a sentence."""

from harness import check, run

NO_ASSOCIATION = 3


def test_localhost(world):
    """::1 comes first and is refused, for the listener is on 127.0.0.1 only; the report has both."""
    listener = world.listener("--echo")
    client = world.hawser("ping", "--json", "--count", "1", f"{listener.name}@localhost:{listener.address[1]}")
    check(client.wait() == 0, client.transcript())
    attempts = client.event("established")["attempts"]
    attempts = [attempt for attempt in attempts if attempt["stack"] == "tls/tcp"]
    check([attempt["outcome"] for attempt in attempts] == ["failed", "won"], client.transcript())
    check(attempts[0]["path"]["remote"].startswith("[::1]:") and attempts[0]["reason"], client.transcript())
    check(attempts[1]["path"]["remote"] == listener.endpoint, client.transcript())


def test_no_such_host(world):
    client = world.hawser("ping", "--json", "--trust", "any", "no-such-host.invalid:4433")
    check(client.wait() == NO_ASSOCIATION, client.transcript())
    closed = client.event("closed")
    check("there is no host no-such-host.invalid" in closed["reason"], client.transcript())
    check("there is no host no-such-host.invalid" in client.error_text(), client.transcript())


def test_malformed(world):
    client = world.hawser("ping", "--json", "--trust", "any", "example.org:65536")
    check(client.wait() == 2, client.transcript())
    check("65536" in client.error_text(), client.transcript())


if __name__ == "__main__":
    run(test_localhost, test_no_such_host, test_malformed)
