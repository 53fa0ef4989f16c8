#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ladder's level 0: what goes over the wire of the stack `tcp` alone is what a plain socket puts there, segment for
segment (flags, options and their order, sizes, TTL, first window), and byte for byte. The server puts off what it
acknowledges, so that what Nagle's algorithm holds back is seen. (S1.42, S1.50)"""

import shutil
import socket
import subprocess
import sys
import threading

from foreign import Foreign
from harness import SKIPPED, check, run
from wire import Capture, enter_namespace, segments

PIECES = [b"a first piece of a request\n", b"a second one\n", b"and the third, which ends it\n"]
REPLY = b"the reply" * 50


class Server:
    """Takes one connection: reads to its end, then replies and closes."""

    def __init__(self, host):
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        self.port = self.listener.getsockname()[1]
        self.request = b""
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        connection, _ = self.listener.accept()
        with connection, self.listener:
            while data := connection.recv(65536):
                self.request += data
            connection.sendall(REPLY)


def plain(world, host, port, no_delay=False, pieces=PIECES):
    """What a program with sockets does."""
    with socket.create_connection((host, port)) as client:
        if no_delay:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.send(piece)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


def bare(world, host, port):
    answer, outcome = world.connect("tcp", host, port, request=b"".join(PIECES), pieces=",".join(str(len(p)) for p in PIECES),
                                    open=None)
    check(outcome["code"] == 0, f"{outcome}")
    return answer


def tool(world, host, port):
    """The whole library, as a user has it."""
    endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    done = subprocess.run([world.tool, "connect", "--bare", endpoint], input=PIECES[0], capture_output=True, check=False,
                          env=world.environment, timeout=60)
    check(done.returncode == 0, f"{done}")
    return done.stdout


def trace(client, world, host, **more):
    """The segments of one connection, as (from the client?, how it looks, payload)."""
    server = Server(host)
    with Capture() as capture:
        answer = client(world, host, server.port, **more)
        server.thread.join()
        # The last word of TCP comes later than the client's end: the server's side is gone when nothing holds its port.
        while established(host, server.port):
            pass
    check(answer == REPLY, f"{answer!r}")
    check(server.request in (b"".join(PIECES), PIECES[0]), f"{server.request!r}")
    return [(packet.target == server.port, packet.look(), packet.payload)
            for packet in segments(capture.sent, server.port)]


def established(host, port):
    found = subprocess.run(["ss", "-Htn", "state", "connected", "exclude", "time-wait", f"sport = :{port} or dport = :{port}"],
                           capture_output=True, check=True).stdout
    return bool(found.strip())


def show(found):
    return "\n".join(f"{'>' if out else '<'} {look}" for out, look, _ in found)


def compare(world, host, client=bare, **more):
    for _ in range(5):  # a pause of the machine's between two writes shows on the wire too
        expected, found = trace(plain, world, host, **more), trace(client, world, host)
        if expected == found:
            break
    check(len(expected) > 6, f"only this was captured:\n{show(expected)}")
    check(expected == found, f"a plain socket:\n{show(expected)}\nthe stack tcp:\n{show(found)}")


def test_ipv4(world):
    compare(world, "127.0.0.1")


def test_ipv6(world):
    compare(world, "::1")


def test_the_tool(world):
    for host in ("127.0.0.1", "::1"):
        compare(world, host, tool, pieces=PIECES[:1])


def test_the_comparison_sees_one_option(world):
    """The test of the test: a plain socket with TCP_NODELAY looks otherwise."""
    expected, found = trace(plain, world, "127.0.0.1"), trace(plain, world, "127.0.0.1", no_delay=True)
    check(expected != found, f"TCP_NODELAY does not show:\n{show(found)}")


if __name__ == "__main__":
    enter_namespace()
    if not shutil.which("ss"):
        print("SKIP test_level0: ss is not installed")
        sys.exit(SKIPPED)
    run(test_ipv4, test_ipv6, test_the_tool, test_the_comparison_sees_one_option, make=Foreign)
