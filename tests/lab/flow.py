#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flow.py serve ADDRESS PORT | flow.py send ADDRESS PORT CONGESTION: one TCP connection that sends as fast as the network
lets it, under that congestion control of the kernel. Lines of its output are JSON: the server says when it listens, then
for each line of input, a number of seconds, how many bytes came in the seconds from then on; the sender, that it sends, or
why it cannot."""

import json
import socket
import sys
import threading
import time


def tell(**what):
    print(json.dumps(what), flush=True)


class Count:
    bytes = 0


def drain(listener, count):
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 16):
                count.bytes += len(data)


def serve(address, port):
    count = Count()
    listener = socket.create_server((address, port))
    threading.Thread(target=drain, args=(listener, count), daemon=True).start()
    tell(listening=port)
    for line in sys.stdin:
        before, begun = count.bytes, time.monotonic()
        time.sleep(float(line))  # what is measured is a time
        tell(bytes=count.bytes - before, seconds=time.monotonic() - begun)


def send(address, port, congestion):
    with socket.create_connection((address, port)) as connection:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        except OSError as error:
            tell(refused=str(error))
            return
        tell(sending=True)
        block = bytes(1 << 16)
        while True:
            connection.sendall(block)


if __name__ == "__main__":
    {"serve": serve, "send": send}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
