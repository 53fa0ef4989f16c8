#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small authoritative name server for the lab: names.py ADDRESS...

Commands come as JSON objects, one a line, on stdin, and each is answered by one on stdout once it is in force. It ends
with stdin.

    {"add": NAME, "type": "A", "data": [...], "ttl": 60}    replaces that set; data [] removes it
    {"mind": NAME, "type": "AAAA", "delay": 0.2, "drop": true, "rcode": 2, "first": 1}
                                                            how questions for it are treated; first: only so many
    {"asked": true}                                         all questions so far, as [name, type, time]

Data: A and AAAA an address; CNAME and PTR a name; TXT a text; SRV "PRIORITY WEIGHT PORT TARGET"; HTTPS and SVCB
"PRIORITY TARGET [alpn=a,b] [port=N] [ipv4hint=A,B] [ipv6hint=A,B] [no-default-alpn]". A name that nobody added does not
exist; a type that it does not have is an empty answer. Both carry a SOA with the time that they may be kept.
"""

import heapq
import json
import os
import selectors
import socket
import struct
import sys
import time

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33, "SVCB": 64, "HTTPS": 65}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
NEGATIVE_TTL = 5
SVCB_KEYS = {"alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ipv6hint": 6}


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def svcb_value(key, text):
    if key == "alpn":
        return b"".join(bytes([len(word)]) + word.encode() for word in text.split(","))
    if key == "port":
        return struct.pack(">H", int(text))
    if key in ("ipv4hint", "ipv6hint"):
        family = socket.AF_INET if key == "ipv4hint" else socket.AF_INET6
        return b"".join(socket.inet_pton(family, word) for word in text.split(","))
    return b""


def wire_data(kind, text):
    """The data of a record, from its text."""
    if kind in ("A", "AAAA"):
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, text)
    if kind in ("CNAME", "PTR"):
        return wire_name(text)
    if kind == "TXT":
        return bytes([len(text)]) + text.encode()
    words = text.split()
    if kind == "SRV":
        return struct.pack(">HHH", *map(int, words[:3])) + wire_name(words[3])
    out = struct.pack(">H", int(words[0])) + wire_name(words[1])
    parameters = sorted((SVCB_KEYS[key], svcb_value(key, value)) for key, _, value in
                        (word.partition("=") for word in words[2:]))
    return out + b"".join(struct.pack(">HH", key, len(value)) + value for key, value in parameters)


class Zone:
    def __init__(self):
        self.sets = {}  # (name, type) -> (ttl, [data])
        self.minds = {}  # (name, type) -> what is done with questions
        self.asked = []

    def command(self, c):
        if "add" in c:
            key = (c["add"].lower().rstrip("."), c["type"])
            self.sets[key] = (c.get("ttl", 60), [wire_data(c["type"], text) for text in c["data"]])
        elif "mind" in c:
            self.minds[(c["mind"].lower().rstrip("."), c["type"])] = c
        elif "asked" in c:
            return {"asked": self.asked}
        return {"ok": True}

    def mind(self, name, kind):
        """How to treat this question."""
        found = self.minds.get((name, kind)) or {}
        if "first" in found:
            if found["first"] == 0:
                return {}
            found["first"] -= 1
        return found

    def answers(self, name, kind):
        """(name, type, ttl, data) of all records, aliases on the way included."""
        out = []
        for _ in range(8):
            ttl, found = self.sets.get((name, kind), (0, []))
            out += [(name, kind, ttl, data) for data in found]
            ttl, alias = self.sets.get((name, "CNAME"), (0, []))
            if found or not alias:
                break
            out.append((name, "CNAME", ttl, alias[0]))
            name = read_name(alias[0], 0)[0]
        return out

    def exists(self, name):
        return any((owner == name or owner.endswith("." + name)) and data for (owner, _), (_, data) in self.sets.items())


def read_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1").lower())
        at += 1 + data[at]
    return ".".join(labels), at + 1


def record(name, kind, ttl, data):
    return wire_name(name) + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


def reply(zone, question, rcode):
    """The answer to a question's bytes, with EDNS when that had it."""
    ident, flags, _, _, _, extra = struct.unpack(">HHHHHH", question[:12])
    name, at = read_name(question, 12)
    kind = TYPE_NAMES.get(struct.unpack(">H", question[at:at + 2])[0], "")
    found = zone.answers(name, kind) if kind and not rcode else []
    authority = []
    if not found:
        rcode = rcode or (0 if zone.exists(name) else 3)
        soa = wire_name("ns.example") * 2 + struct.pack(">IIIII", 1, 3600, 600, 86400, NEGATIVE_TTL)
        authority = [(".".join(name.split(".")[-1:]), "SOA", NEGATIVE_TTL, soa)] if rcode in (0, 3) else []
    out = struct.pack(">HHHHHH", ident, 0x8480 | (flags & 0x0100) | rcode, 1, len(found), len(authority), min(extra, 1))
    out += question[12:at + 4] + b"".join(record(*r) for r in found) + b"".join(record(*r) for r in authority)
    return out + (b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if extra else b"")


class Server:
    def __init__(self, addresses):
        self.zone = Zone()
        self.selector = selectors.DefaultSelector()
        self.later = []  # (time, number, function)
        self.number = 0
        self.commands = b""
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            datagrams.bind((address, 53))
            self.selector.register(datagrams, selectors.EVENT_READ, self.datagram)
            listener = socket.create_server((address, 53), family=family)
            self.selector.register(listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self.command)

    def tell(self, answer):
        print(json.dumps(answer), flush=True)

    def command(self, fd):
        data = os.read(fd, 65536)
        if not data:
            sys.exit(0)
        self.commands += data
        while b"\n" in self.commands:
            line, self.commands = self.commands.split(b"\n", 1)
            self.tell(self.zone.command(json.loads(line)))

    def accept(self, listener):
        connection = listener.accept()[0]
        self.selector.register(connection, selectors.EVENT_READ, self.stream)

    def datagram(self, s):
        data, peer = s.recvfrom(65535)
        self.question(data, lambda answer: s.sendto(answer, peer))

    def stream(self, connection):
        # Questions over TCP come whole in the lab.
        data = connection.recv(65537)
        if len(data) < 14:
            self.selector.unregister(connection)
            connection.close()
            return
        self.question(data[2:], lambda answer: connection.send(struct.pack(">H", len(answer)) + answer))

    def question(self, data, send):
        name, at = read_name(data, 12)
        kind = TYPE_NAMES.get(struct.unpack(">H", data[at:at + 2])[0], "other")
        self.zone.asked.append([name, kind, time.clock_gettime(time.CLOCK_BOOTTIME)])
        mind = self.zone.mind(name, kind)
        if mind.get("drop"):
            return
        answer = reply(self.zone, data, mind.get("rcode", 0))
        self.number += 1
        heapq.heappush(self.later, (time.monotonic() + mind.get("delay", 0), self.number, lambda: send(answer)))

    def run(self):
        self.tell({"ok": True})
        while True:
            while self.later and self.later[0][0] <= time.monotonic():
                try:
                    heapq.heappop(self.later)[2]()
                except OSError:
                    pass  # who asked is gone
            wait = max(self.later[0][0] - time.monotonic(), 0) if self.later else None
            for key, _ in self.selector.select(wait):
                key.data(key.fileobj)


if __name__ == "__main__":
    Server(sys.argv[1:]).run()
