#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the tool sends by default is encrypted: everything on the wire is captured while it runs, and none of the
payload, of the files' names or of their hashes is found there. The capture is in a network namespace of its own."""

import hashlib
import socket
import subprocess
import threading

from harness import check, run, skip
from wire import Capture, enter_namespace

MARK = b"plain-payload-of-the-capture-test-%08d\n"


def payload():
    data = b"".join(MARK % i for i in range(40000))
    return data, data[:len(MARK) - 4]


def test_capture_sees_plain_text(world):
    """The test of the test: the same bytes over a plain socket are found."""
    data, mark = payload()
    server = socket.create_server(("127.0.0.1", 0))
    with Capture() as capture:
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            reader = threading.Thread(target=lambda: [None for _ in iter(lambda: peer.recv(65536), b"")])
            reader.start()
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            reader.join()
        peer.close()
    server.close()
    check(capture.shows(mark[:20]), "the capture does not see plain text")
    check(world.tool, "")


def secrets_of(data, mark, name):
    digest = hashlib.sha256(data).digest()
    return [mark[:12], mark[6:20], name.encode(), digest, digest.hex().encode()]


def test_send(world):
    data, mark = payload()
    name = "a-file-that-nobody-may-know-of.txt"
    with open(world.path(name), "wb") as file:
        file.write(data)
    with Capture() as capture:
        listener = world.listener("--receive", world.path("received"))
        client = world.hawser("send", "--json", f"{listener.name}@{listener.endpoint}", name)
        check(client.wait() == 0, client.transcript())
        listener.event("received")
        check(listener.end() == 0, listener.transcript())
    with open(world.path("received", name), "rb") as file:
        check(file.read() == data, "the file arrived changed")
    check(capture.bytes() > len(data), f"only {capture.bytes()} bytes were captured")
    check(not capture.shows(*secrets_of(data, mark, name)), "the wire shows the payload")


def test_connect(world):
    data, mark = payload()
    with Capture() as capture:
        listener = world.listener("--echo")
        client = world.command(world.tool, "connect", f"{listener.name}@{listener.endpoint}")
        writer = threading.Thread(target=lambda: (client.write(data), client.process.stdin.close()))
        writer.start()
        check(client.wait() == 0, client.transcript())
        writer.join()
        check(client.output == data, f"{len(client.output)} of {len(data)} bytes came back")
        check(listener.end() == 0, listener.transcript())
    check(capture.bytes() > 2 * len(data), f"only {capture.bytes()} bytes were captured")
    check(not capture.shows(mark[:12], mark[6:20]), "the wire shows the payload")


def test_early_data(world):
    """The first flight of a resumed line carries messages: they are as secret."""
    data, mark = payload()
    name = "a-file-that-may-be-replayed.txt"
    small = data[:len(mark) * 100]
    with open(world.path(name), "wb") as file:
        file.write(small)
    with Capture() as capture:
        listener = world.listener("--receive", world.path("received"), "--overwrite")
        early = []
        for _ in range(3):
            client = world.hawser("send", "--json", "--replayable", f"{listener.name}@{listener.endpoint}", name)
            check(client.wait() == 0, client.transcript())
            early.append(client.event("established")["early_data"])
        check(listener.end() == 0, listener.transcript())
    check(early[0] is False and early[-1] is True, f"early data was used: {early}")
    check(capture.bytes() > 3 * len(small), f"only {capture.bytes()} bytes were captured")
    check(not capture.shows(*secrets_of(small, mark, name)), "the wire shows the payload")


QUIC = ("--stack", "quic/udp")


def test_quic(world):
    """The same over QUIC: neither payload nor names, nor ids and acknowledgements, which are inside of its packets, and
    neither end's key, also not where a resumed line's first flight carries the messages."""
    if b"quic/udp" not in subprocess.run([world.tool, "stacks"], stdout=subprocess.PIPE, check=True).stdout:
        skip("this build has no QUIC")
    data, mark = payload()
    name = "a-file-over-quic-that-may-be-replayed.txt"
    small = data[:len(mark) * 100]
    with open(world.path(name), "wb") as file:
        file.write(small)
    with Capture() as capture:
        listener = world.listener("--receive", world.path("received"), "--overwrite", *QUIC)
        early = []
        for _ in range(3):
            client = world.hawser("send", "--json", "--replayable", *QUIC, f"{listener.name}@{listener.endpoint}", name)
            check(client.wait() == 0, client.transcript())
            established = client.event("established")
            check(established["stack"] == "quic/udp", client.transcript())
            early.append(established["early_data"])
        check(listener.end() == 0, listener.transcript())
    with open(world.path("received", name), "rb") as file:
        check(file.read() == small, "the file arrived changed")
    check(early[0] is False and early[-1] is True, f"early data was used: {early}")
    check(capture.bytes() > 3 * len(small), f"only {capture.bytes()} bytes were captured")
    check(not capture.shows(*secrets_of(small, mark, name), listener.name.encode(), b"hawser/1"),
          "the wire shows what it should not")


if __name__ == "__main__":
    enter_namespace()
    run(test_capture_sees_plain_text, test_send, test_connect, test_early_data, test_quic)
