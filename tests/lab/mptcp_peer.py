#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program with MPTCP sockets that knows nothing of hawser: what the tests steer from outside.

Commands come as JSON objects, one a line, on stdin, and each is answered by one on stdout. It ends with stdin.

    {"listen": [ADDRESS, PORT], "kind": "hash"|"echo"}   hash: answers the end of the data by its length and SHA-256
    {"connect": [ADDRESS, PORT], "v6": true, "tcp": true}   -> fd
    {"send": FD, "bytes": N}       sends in the background, N bytes at least, and until
    {"sent": FD}                   ends it, and waits until the listener told what came -> same
    {"ask": FD, "size": N}         sends that many bytes to an echo and waits for them -> ms
    {"accepted": true}             -> the descriptors of connections that came, once there is one
    {"close": FD}
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time

IPPROTO_MPTCP = 262
BLOCK = 65536


class Sender:
    """Sends blocks that differ, and knows their hash."""

    def __init__(self, line, size):
        self.line, self.size, self.error, self.digest, self.sent = line, size, "", hashlib.sha256(), 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            seed = os.urandom(BLOCK)
            while self.sent < self.size or not self.enough.is_set():
                block = self.sent.to_bytes(8, "big") + seed[8:]
                self.digest.update(block)
                self.line.sendall(block)
                self.sent += len(block)
            self.line.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.error = str(error)

    def same(self):
        self.enough.set()
        self.thread.join()
        if self.error:
            return {"same": False, "why": self.error}
        told = b""
        while data := self.line.recv(BLOCK):
            told += data
        wanted = f"{self.sent} {self.digest.hexdigest()}"
        return {"same": told.decode() == wanted, "why": f"{told.decode()} instead of {wanted}"}


class Peer:
    def __init__(self):
        self.lines, self.senders, self.listeners = {}, {}, []
        self.accepted, self.came = [], threading.Condition()

    def listen(self, command):
        address, port = command["listen"]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        listener.listen()
        self.listeners.append(listener)
        serve = {"hash": self.serve_hash, "echo": self.serve_echo}[command["kind"]]
        threading.Thread(target=self.accept, args=(listener, serve), daemon=True).start()
        return {"port": listener.getsockname()[1]}

    def accept(self, listener, serve):
        while True:
            line, _ = listener.accept()
            with self.came:
                self.accepted.append(line)
                self.came.notify_all()
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    @staticmethod
    def serve_hash(line):
        digest, size = hashlib.sha256(), 0
        while data := line.recv(BLOCK):
            digest.update(data)
            size += len(data)
        line.sendall(f"{size} {digest.hexdigest()}".encode())
        line.close()

    @staticmethod
    def serve_echo(line):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := line.recv(BLOCK):
            line.sendall(data)
        line.close()

    def connect(self, command):
        family = socket.AF_INET6 if command.get("v6") else socket.AF_INET
        line = socket.socket(family, socket.SOCK_STREAM, 0 if command.get("tcp") else IPPROTO_MPTCP)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.connect(tuple(command["connect"]))
        self.lines[line.fileno()] = line
        return {"fd": line.fileno(), "local": line.getsockname()[1]}

    def ask(self, command):
        line, size = self.lines[command["ask"]], command["size"]
        began = time.monotonic()
        line.sendall(bytes(size))
        while size > 0:
            data = line.recv(size)
            if not data:
                return {"ms": None}
            size -= len(data)
        return {"ms": (time.monotonic() - began) * 1000}

    def answer(self, command):
        if "listen" in command:
            return self.listen(command)
        if "connect" in command:
            return self.connect(command)
        if "ask" in command:
            return self.ask(command)
        if "send" in command:
            self.senders[command["send"]] = Sender(self.lines[command["send"]], command["bytes"])
            return {}
        if "sent" in command:
            return self.senders.pop(command["sent"]).same()
        if "accepted" in command:
            with self.came:
                self.came.wait_for(lambda: self.accepted, 20)
                return {"fds": [line.fileno() for line in self.accepted]}
        self.lines.pop(command["close"]).close()
        return {}


def main():
    peer = Peer()
    print(json.dumps({"ok": True}), flush=True)
    for line in sys.stdin:
        try:
            print(json.dumps({"ok": True, **peer.answer(json.loads(line))}), flush=True)
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
