#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is seen of a line with several strands: its trace, its picture, and the table of `hawser top`. (S2.8; docs/trace.md)"""

import json
import os
import re

from lab import check, start
from several import Several

PORT = 4433
TWO = [{"rate": 20e6, "delay_ms": 10}, {"rate": 10e6, "delay_ms": 25}]


def trace_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file][1:]


def strands_of(records):
    """What was told of each strand, in order: (association, strand): [what, ...]."""
    found = {}
    for one in records:
        if one["name"] == "hawser:strand":
            found.setdefault((one["association"], one["data"]["strand"]), []).append(one["data"]["what"])
    return found


class Sent:
    """Files that are sent over both paths; both ends are traced."""

    def __init__(self, lab, megabytes, *options):
        self.lab, self.here, self.there = lab, lab.path("here.trace"), lab.path("there.trace")
        self.socket = lab.path("control")
        self.listener = lab.server.events("listen", "--json", "--identity", lab.path("server"), "--discard", "--trust", "any",
                                          "--trace", self.there, f"0.0.0.0:{PORT}")
        name = self.listener.event("listening")["name"]
        os.makedirs(lab.path("files"), exist_ok=True)
        for number in range(megabytes * 20):
            with open(lab.path("files", str(number)), "wb") as file:
                file.write(os.urandom(50000))
        self.sender = lab.client.events("send", "--json", "--identity", lab.path("client"), "--paths", "all", "--policy",
                                        "aggregate", "--trust", f"key={name}", "--trace", self.here, "--control", self.socket,
                                        *options, f"10.0.0.2:{PORT}", lab.path("files"))

    def both_carry(self):
        self.sender.event("paths", where=lambda event: len([s for s in event["strands"] if s["state"] == "active"]) == 2)

    def end(self):
        check(self.sender.wait() == 0, self.sender.transcript())
        check(self.listener.end() == 0, self.listener.transcript())
        return trace_of(self.here), trace_of(self.there)


def a_silence_is_seen(lab):
    """A path falls silent for two seconds: its strand is told to carry nothing, carries again, and the picture has it."""
    one, _ = lab.two_hosts(*TWO)
    sent = Sent(lab, 16)
    sent.both_carry()
    lab.passes(0.5)
    one.blackhole()
    lab.passes(2)
    one.restore()
    here, there = sent.end()
    strands = strands_of(here)
    check(set(strands) == {(1, 1), (1, 2)}, strands)
    first = strands[1, 1]
    check(first[:2] == ["opened", "active"] and first[-1] == "closed", first)
    quiet = [at for at, what in enumerate(first) if what in ("suspected", "standby")]
    check(quiet and "active" in first[quiet[0]:], first)
    for records in (here, there):  # both ends number them alike
        numbers = {one["data"]["path"]["local"][:6] + str(one["data"]["number"]) for one in records
                   if one["name"] == "hawser:strand" and one["data"]["number"] >= 0}
        check(numbers == {"10.0.00", "10.0.11"}, numbers)
    samples = [one["data"] for one in here if one["name"] == "hawser:sample"]
    for strand in (1, 2):
        check(max(one["bytes_sent"] for one in samples if one["strand"] == strand) > 1e6, f"strand {strand} carried little")
    check(any(one["name"] == "hawser:join" and one["data"]["what"] == "joined" for one in here), "no join is told")
    check(any(one["name"] == "hawser:told" and one["data"]["by_peer"] for one in here), "no told address")
    # At the other end the second strand came by an association of its own, which ends when it moves.
    ends = [one["data"]["what"] for one in there if one["name"] == "hawser:association" and one["association"] == 3]
    check(ends[0] == "accepted" and ends[-1] == "closed", ends)
    came = {one["data"].get("strand") for one in there if one["name"] == "hawser:messages" and one["data"]["what"] == "received"}
    check({1, 2} <= came, f"messages came by {came}")
    drawn = lab.client.command(lab.tool, "plot", sent.here)
    check(drawn.wait() == 0, drawn.transcript())
    picture = drawn.output.decode()
    check(len(re.findall(r'class="c\d area"', picture)) == 2 and "tls/tcp p0" in picture and "tls/tcp p1" in picture, picture[:2000])


def both_strands_are_in_the_table(lab):
    lab.two_hosts(*TWO)
    sent = Sent(lab, 8)
    sent.both_carry()
    table = lab.client.command(lab.tool, "top", "--once", sent.socket)
    check(table.wait() == 0, table.transcript())
    rows = re.findall(r"(?m)^    (\d) +(\w+) +(\S+) +(p\d) ", table.output.decode())
    check([(number, state, interface) for number, state, _, interface in rows] ==
          [("1", "active", "p0"), ("2", "active", "p1")], table.transcript())
    sent.end()


if __name__ == "__main__":
    start(a_silence_is_seen, both_strands_are_in_the_table, make=Several)
