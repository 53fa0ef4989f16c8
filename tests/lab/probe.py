# SPDX-License-Identifier: Apache-2.0
"""Numbered datagrams over a link, between plain sockets; what came of them, when, and from whom.

As a program, `probe.py listen|send`, one end of it, steered by lines of JSON on stdin."""

import json
import os
import socket
import struct
import sys
import threading
import time

HEAD = struct.Struct(">Iq")


def now_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Probed:
    def __init__(self, count, rows):
        """rows: [number, sent, arrived, source, port] as they came."""
        self.rows = rows
        self.came = [row[0] for row in rows]
        self.lost = sorted(set(range(count)) - set(self.came))
        self.doubled = sorted(number for number in set(self.came) if self.came.count(number) > 1)
        self.delays_ms = {row[0]: (row[2] - row[1]) / 1000 for row in rows}
        self.span_ms = (rows[-1][2] - rows[0][2]) / 1000 if rows else 0.0
        self.sources = list(dict.fromkeys((row[3], row[4]) for row in rows))

    def delay_ms(self, quantile):
        ordered = sorted(self.delays_ms.values())
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]


def probe(lab, count, every_us=0, size=100, address=None, backward=False, sent=None, after=None):
    """count datagrams from client to server, or backward. sent: called when all are sent. after (N, call): in between."""
    left, right = (lab.server, lab.client) if backward else (lab.client, lab.server)
    address = address or ("10.0.0.1" if backward else "10.0.0.2")
    listener = right.commanded(sys.executable, os.path.abspath(__file__), "listen")
    sender = left.commanded(sys.executable, os.path.abspath(__file__), "send")
    port = listener.ask({"bind": address})["port"]
    first = after[0] if after else count
    for begin, end, call in ((0, first, after and after[1]), (first, count, None)):
        sender.ask({"to": [address, port], "from": begin, "count": end - begin, "every": every_us, "size": size})
        if call:
            lab.emulator.ask("drain")
            call()
    if sent:
        sent()
    lab.emulator.ask("drain")  # what the links still hold has arrived, or never will
    rows = listener.ask({"came": True})["came"]
    listener.end()
    sender.end()
    return Probed(count, rows)


class Listener:
    def bind(self, address):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind((address, 0))
        self.rows = []
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()
        return {"port": self.socket.getsockname()[1]}

    def receive(self):
        while True:
            data, source = self.socket.recvfrom(2048)
            if not data:
                return
            number, sent = HEAD.unpack_from(data)
            self.rows.append([number, sent, now_us(), source[0], source[1]])

    def came(self):
        """All that is in the socket: what we send ourselves is behind it."""
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        return {"came": self.rows}


def send(command):
    address, port = command["to"]
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
        out.connect((address, port))
        began = now_us()
        for i in range(command["count"]):
            wait = began + i * command["every"] - now_us()
            if wait > 0:
                time.sleep(wait / 1e6)
            number = command["from"] + i
            out.send(HEAD.pack(number, now_us()) + bytes(command["size"] - HEAD.size))
    return {}


def answer(listener, command):
    if "bind" in command:
        return listener.bind(command["bind"])
    return send(command) if "to" in command else listener.came()


def main():
    print(json.dumps({"ok": True}), flush=True)
    listener = Listener()
    for line in sys.stdin:
        try:
            print(json.dumps({"ok": True, **answer(listener, json.loads(line))}), flush=True)
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
