#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A listener outlives what is no peer: rubbish, half handshakes, plain HTTP, thousands of connections that say nothing.
Meanwhile a good client gets in, and what the listener holds stays bounded."""

import os
import random
import resource
import socket
import ssl
import struct

from harness import DEADLINE, check, poll, run, skip

SILENT = 1000
MOST_HANDSHAKES = 1024  # hawser_listen_options.max_handshakes
OWN_DESCRIPTORS = 64    # what a listener has without connections, generously
HELD_BY_SILENT = 48 * 1024
SLACK = 8 * 1024 * 1024


def connect(listener):
    return socket.create_connection(listener.address, timeout=DEADLINE)


def reset(connection):
    """Closes it with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drain(connection):
    """What the listener says until it closes, which it has to."""
    said = b""
    try:
        while data := connection.recv(65536):
            said += data
    except ConnectionError:
        pass  # closed with something of ours unread
    connection.close()
    return said


def say(connection, data):
    try:
        connection.sendall(data)
    except ConnectionError:
        pass  # it may have seen enough


def say_no_more(connection):
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the same


def is_alert(said):
    """A fatal TLS alert, or nothing at all: never an answer."""
    return said == b"" or (said[0] == 21 and said[5] == 2)


def tls_client(protocols=("hawser/1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(list(protocols))
    return context


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_client().wrap_bio(incoming, outgoing)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def all_is_well(world, listener, before):
    world.ping(listener)
    check(listener.alive(), listener.transcript())
    poll(lambda: listener.descriptors() <= before, f"no more than the {before} descriptors of before")


def test_rubbish(world):
    listener = world.listener("--echo")
    world.ping(listener)
    before = listener.descriptors()
    rng = random.Random(1)
    for i in range(200):
        connection = connect(listener)
        say(connection, rng.randbytes(rng.choice([1, 2, 5, 6, 100, 5000, 70000])))
        if i % 4 == 0:
            reset(connection)
            continue
        if i % 4 == 1:
            say_no_more(connection)
        else:  # so much that some rule is broken for certain: no TLS record is that long
            say(connection, rng.randbytes(70000))
        check(is_alert(drain(connection)), "rubbish was answered")
    all_is_well(world, listener, before)
    check(listener.count("accepted") == 2, listener.transcript())
    check(listener.end() == 0, listener.transcript())


def test_plain_http(world):
    listener = world.listener("--echo")
    world.ping(listener)
    before = listener.descriptors()
    for request in (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", b"HEAD / HTTP/1.0\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        connection = connect(listener)
        say(connection, request)
        check(is_alert(drain(connection)), "HTTP was answered")
    all_is_well(world, listener, before)
    check(listener.end() == 0, listener.transcript())


def test_half_handshakes(world):
    """Cut at every kind of place: each ends by a close, a reset or the handshake's time."""
    listener = world.listener("--echo", "--timeout", "2s")
    world.ping(listener)
    before = listener.descriptors()
    waiting = []
    for i in range(60):
        hello = client_hello()
        connection = connect(listener)
        say(connection, hello[:len(hello) * (i % 5 + 1) // 5])
        if i % 3 == 0:
            reset(connection)
        elif i % 3 == 1:
            say_no_more(connection)
            waiting.append(connection)
        else:  # goes on saying nothing
            waiting.append(connection)
    world.ping(listener)
    for connection in waiting:
        drain(connection)
    all_is_well(world, listener, before)
    check(listener.end() == 0, listener.transcript())


def test_rubbish_after_handshake(world):
    """Inside TLS, where the session reads: each line that breaks the rules is closed, and only it."""
    listener = world.listener("--echo")
    world.ping(listener)
    before = listener.descriptors()
    rng = random.Random(2)
    pieces = [b"\x00" * 100, b"\xff" * 100, b"\x01\x00", b"\x01\x40", b"\x02\x05hello", b"GET / HTTP/1.1\r\n\r\n",
              b"\x01\x13\x01" + bytes(16) + b"\x00\x00", b"\x01\x13\x01" + bytes(16) + b"\x00\x00\x02\x01\x00"]
    for piece in pieces + [rng.randbytes(rng.choice([10, 1000, 20000])) for _ in range(40)]:
        with connect(listener) as plain, tls_client().wrap_socket(plain) as connection:
            check(connection.selected_alpn_protocol() == "hawser/1", "another protocol was chosen")
            try:
                connection.sendall(piece)
                connection.settimeout(DEADLINE)
                connection.unwrap()  # our end of it: whatever it was, nothing more comes
            except (OSError, ssl.SSLError):
                pass
    all_is_well(world, listener, before)
    check(listener.end() == 0, listener.transcript())


def need_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        skip(f"this test needs {count} descriptors, and the system allows {hard}")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def silent_connections(listener, count):
    return [connect(listener) for _ in range(count)]


def await_closed(connections):
    for connection in connections:
        check(is_alert(drain(connection)), "silence was answered")


def test_silence(world):
    """A thousand say nothing. The client after them is served at once, and those gone when a handshake's time is up."""
    need_descriptors(SILENT + 100)
    listener = world.listener("--echo", "--timeout", "5s")
    world.ping(listener)
    before, memory = listener.descriptors(), listener.memory()
    silent = silent_connections(listener, SILENT)
    world.ping(listener)
    held = listener.descriptors()
    check(held <= before + SILENT + 8, f"{held} descriptors for {SILENT} connections")
    grown = listener.memory() - memory
    if world.sanitized():
        print("SKIP the memory of silent connections: this is an AddressSanitizer build")
    else:
        print(f"{SILENT} silent connections: {grown // SILENT} bytes each")
        check(grown <= SILENT * HELD_BY_SILENT + SLACK, f"{SILENT} silent connections hold {grown} bytes")
    await_closed(silent)
    all_is_well(world, listener, before)
    check(listener.end() == 0, listener.transcript())


def test_more_silence_than_is_taken(world):
    """Beyond the most unfinished handshakes the oldest go, so descriptors are bounded and a good client gets in."""
    count = MOST_HANDSHAKES + 500
    need_descriptors(count + 100)
    listener = world.listener("--echo", "--timeout", "60s")
    silent = silent_connections(listener, count)
    world.ping(listener)
    held = listener.descriptors()
    check(held <= MOST_HANDSHAKES + OWN_DESCRIPTORS, f"{held} descriptors are held")
    await_closed(silent[:400])  # long before their time: they made room
    check(listener.alive(), listener.transcript())
    for connection in silent[400:]:
        connection.close()
    world.ping(listener)
    check(listener.end() == 0, listener.transcript())


def test_no_growth(world):
    """The same trouble again and again leaves no more behind than the first time."""
    if world.sanitized():
        skip("the memory of an AddressSanitizer build says nothing")
    listener = world.listener("--echo")
    world.ping(listener)
    before = listener.descriptors()
    hello = client_hello()
    sizes = []
    for _ in range(4):
        for i in range(1000):
            connection = connect(listener)
            say(connection, (hello, hello[:100], os.urandom(300) + bytes(70000))[i % 3])
            reset(connection)
        all_is_well(world, listener, before)
        sizes.append(listener.memory())
    print(f"resident after each thousand: {sizes}")
    check(sizes[3] - sizes[0] <= 4 * 1024 * 1024, "the listener grew")
    check(listener.end() == 0, listener.transcript())


if __name__ == "__main__":
    run(test_rubbish, test_plain_http, test_half_handshakes, test_rubbish_after_handshake, test_silence,
        test_more_silence_than_is_taken, test_no_growth)
