#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bare lines over datagrams beside foreign programs: nc and socat at either end, several of them on one port. (S3.40)"""

import socket

import harness
from harness import check, need, run


def datagram_listener(world, *options):
    return world.listener("--bare", "--stack", "udp", "--echo", *options)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bound(port):
    """Waits until somebody holds the UDP port."""
    def held():
        with open("/proc/net/udp", encoding="ascii") as table:
            return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])

    harness.poll(held, f"a socket on port {port}")


def test_nc_comes(world):
    [nc] = need("nc")
    listener = datagram_listener(world)
    clients = [world.command(nc, "-u", listener.address[0], str(listener.address[1])) for _ in range(3)]
    for i, client in enumerate(clients):
        for text in (f"first of {i}\n".encode(), f"second of {i}\n".encode()):
            client.write(text)
            client.text(text)
    accepted = [listener.event("accepted", after=i) for i in range(3)]
    check(all(a["stack"] == "udp" and a["bare"] and a["peer"]["name"] == "127.0.0.1" for a in accepted), f"{accepted}")
    check(len({a["path"]["remote"] for a in accepted}) == 3, f"{accepted}")
    listener.event("received", after=5)


def test_socat_comes(world):
    [socat] = need("socat")
    listener = datagram_listener(world)
    client = world.command(socat, "-", f"UDP4:{listener.endpoint}")
    client.write(b"hello")
    client.text(b"hello")
    check(listener.event("received")["size"] == 5, listener.transcript())


def test_we_come_to_nc(world):
    [nc] = need("nc")
    port = free_port()
    server = world.command(nc, "-u", "-l", "127.0.0.1", str(port))
    bound(port)
    client = world.command(world.tool, "connect", "--bare", "--stack", "udp", f"127.0.0.1:{port}")
    client.write(b"from hawser\n")
    server.text(b"from hawser\n")
    server.write(b"from nc\n")
    client.text(b"from nc\n")
    client.process.stdin.close()
    check(client.wait() == 0, client.transcript())


def test_we_come_to_socat(world):
    [socat] = need("socat")
    port = free_port()
    server = world.command(socat, f"UDP4-LISTEN:{port},bind=127.0.0.1", "PIPE")
    bound(port)
    client = world.command(world.tool, "connect", "--bare", "--stack", "udp", f"127.0.0.1:{port}")
    client.write(b"there and back\n")
    client.text(b"there and back\n")
    client.process.stdin.close()
    check(client.wait() == 0, client.transcript())
    check(server.alive() or server.wait() == 0, server.transcript())


def test_nobody_there(world):
    client = world.hawser("connect", "--json", "--bare", "--stack", "udp", f"127.0.0.1:{free_port()}")
    client.event("established")
    client.write(b"anybody?\n")
    closed = client.event("closed")
    check(closed["code"] == -111 and "nobody listens" in closed["reason"], f"{closed}")
    check(client.wait() == 1, client.transcript())


def test_one_port_for_both(world):
    """Without --stack TCP and UDP are taken on one port."""
    [nc] = need("nc")
    listener = world.listener("--bare", "--echo")
    for options, stack in ((["-u"], "udp"), ([], "tcp")):
        client = world.command(nc, *options, listener.address[0], str(listener.address[1]))
        client.write(b"by " + stack.encode() + b"\n")
        client.text(b"by " + stack.encode() + b"\n")
        listener.event("accepted", where=lambda event, stack=stack: event["stack"] == stack)


def test_at_the_rate_of_tfrc(world):
    """The tool at both ends: the stack is named, and that it is in the clear is said."""
    listener = world.listener("--bare", "--stack", "tfrc/udp", "--echo")
    client = world.hawser("connect", "--json", "--bare", "--stack", "tfrc/udp", listener.endpoint)
    check(client.event("established")["stack"] == "tfrc/udp", client.transcript())
    for i, text in enumerate((b"one\n", b"and two\n")):
        client.write(text)
        check(client.event("data", after=i)["size"] == len(text), client.transcript())
    check(listener.event("accepted")["stack"] == "tfrc/udp", listener.transcript())
    client.process.stdin.close()
    check(client.wait() == 0, client.transcript())
    refused = world.command(world.tool, "listen", "--stack", "tfrc/udp", "127.0.0.1:0")
    check(refused.wait() == 2 and "not encrypted" in refused.error_text(), refused.transcript())


if __name__ == "__main__":
    run(test_nc_comes, test_socat_comes, test_we_come_to_nc, test_we_come_to_socat, test_nobody_there,
        test_one_port_for_both, test_at_the_rate_of_tfrc)
