#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""voice.py serve ADDRESS PORT | voice.py talk ADDRESS PORT: small requests and answers every 20 ms, as a voice assistant has
them, over whatever socket the system gives (S5.8). It knows sockets only. Lines of its output are JSON: the server says
when it listens; the talker, that two subflows are there, then after a line of input, which says how many seconds to go on,
the longest silence since that line, and how many requests were answered."""

import json
import socket
import sys
import threading
import time

EVERY, SIZE = 0.02, 160  # a packet of telephony
SOL_MPTCP, MPTCP_INFO = 284, 1


def tell(**what):
    print(json.dumps(what), flush=True)


def serve(address, port):
    # To listen for MPTCP is the server's own choice (S5.4 has it for programs that know nothing of it).
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as listener:
        listener.bind((address, port))
        listener.listen()
        tell(listening=port)
        while True:
            threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()


def echo(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def additional_subflows(connection):
    return connection.getsockopt(SOL_MPTCP, MPTCP_INFO, 96)[0]


def exchange(connection, until):
    """Requests on time, whether or not the last one was answered; the longest time without an answer."""
    asked = answered = 0
    last = begun = time.monotonic()
    longest = 0.0
    while (now := time.monotonic()) < until or answered < asked:
        if now < until and now >= begun + (asked // SIZE) * EVERY:
            connection.sendall(b"v" * SIZE)
            asked += SIZE
        connection.settimeout(max(0.001, min(EVERY, begun + (asked // SIZE) * EVERY - time.monotonic())))
        try:
            answered += len(connection.recv(65536))
            longest = max(longest, time.monotonic() - last)
            last = time.monotonic()
        except TimeoutError:
            longest = max(longest, time.monotonic() - last)
            if now > until + 20:
                break
        connection.settimeout(30)
    return longest, answered // SIZE, asked // SIZE


def talk(address, port):
    with socket.create_connection((address, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while additional_subflows(connection) < 1:
            exchange(connection, time.monotonic() + 3 * EVERY)
        tell(ready=True)
        for line in sys.stdin:
            longest, answered, asked = exchange(connection, time.monotonic() + float(line))
            tell(longest_ms=longest * 1000, answered=answered, asked=asked)


if __name__ == "__main__":
    {"serve": serve, "talk": talk}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
