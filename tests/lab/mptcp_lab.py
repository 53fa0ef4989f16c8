# SPDX-License-Identifier: Apache-2.0
"""Two hosts whose programs have MPTCP sockets, and the tool that steers these from outside: for the tests of S5."""

import hashlib
import json
import os
import re
import sys

from harness import Hawser, Process
from lab import HERE, Commanded, Host, Lab, check, poll, skip

PORT = 4433
CAPABLE, JOIN, ADD_ADDR, REMOVE_ADDR, PRIO = 0, 1, 3, 4, 5  # subtypes of option 30 (RFC 8684 section 3)


class MptcpLab(Lab):
    """Without the servers and certificates of others."""

    def certificates(self):
        with open(self.authority, "w", encoding="ascii"):
            pass

    def two_hosts(self, paths=1, addresses=0, rtt_ms=4):
        self.client, self.server = Host(self, "client"), Host(self, "server")
        self.links = [self.path_between(number, rtt_ms) for number in range(paths)]


class Socket:
    """An MPTCP socket of a program; the tool names it PID:FD."""

    def __init__(self, host, program, fd):
        self.host, self.program, self.fd = host, program, fd
        self.name = f"{program.pid}:{fd}"

    def mptcp(self, action, *words):
        run = self.host.hawser("mptcp", action, "--json", self.name, *words)
        run.reason = run.process.error_text().strip()
        return run

    def does(self, action, *words):
        run = self.mptcp(action, *words)
        check(run.code == 0, f"{action} {words}: {run.text}")
        return run

    def refused(self, why, action, *words):
        run = self.mptcp(action, *words)
        check(run.code == 1 and why in run.reason, f"{action} {words} should be refused with {why!r}: {run.text}")

    def open(self, *words):
        return self.does("open", *words).event("opened")["id"]

    def subflows(self):
        return [event for event in self.does("list").events if event["event"] == "subflow"]

    def subflow(self, ident):
        found = [s for s in self.subflows() if s["id"] == ident]
        check(found, f"there is no subflow {ident}: {self.subflows()}")
        return found[0]

    def established(self, ident):
        """The subflow, once it is."""
        def find():
            found = [s for s in self.subflows() if s["id"] == ident]
            check(found, f"subflow {ident} was refused or closed; the peer says: {self.host.lab.counters_of(self.host.lab.server)}")
            return found[0] if found[0]["state"] == "established" else None
        return poll(find, f"subflow {ident} to be established")

    def gone(self, ident):
        poll(lambda: all(s["id"] != ident for s in self.subflows()), f"the end of subflow {ident}")

    def watch(self, *options):
        process = running(self.host, "mptcp", "watch", "--json", *options, self.name)
        process.event("watching")
        return process

    def ask(self, size=1):
        return self.program.ask({"ask": self.fd, "size": size})["ms"]

    def send(self, size):
        self.program.ask({"send": self.fd, "bytes": size})

    def sent(self):
        told = self.program.ask({"sent": self.fd})
        check(told["same"], f"what arrived is not what was sent: {told['why']}")

    def close(self):
        self.program.ask({"close": self.fd})


class Running(Hawser):
    """The tool on a host, as it goes on telling events."""

    def __init__(self, host, arguments):  # pylint: disable=super-init-not-called
        Process.__init__(self, host.lab, host.inside(host.lab.tool, *arguments))
        self.parsed, self.events = 0, []


def running(host, *arguments):
    return Running(host, arguments)


def userspace(host, on=True):
    """Connections of this host that begin from now on are under the userspace path manager."""
    with_type = host.command("sh", "-c", f"echo {int(on)} >/proc/sys/net/mptcp/pm_type")
    if with_type.wait() != 0:
        skip(f"the path manager cannot be chosen here: {with_type.error_text().strip()}")


def set_up(lab, paths=2, rtt_ms=4, kind="echo", limits=8):
    """client and server; on the server the kernel takes what joins; on the client the userspace rules."""
    if not os.path.exists("/proc/sys/net/mptcp/enabled"):
        skip("this kernel has no MPTCP")
    lab.two_hosts(paths=paths, rtt_ms=rtt_ms)
    lab.counters_of = counters_of
    userspace(lab.client)
    lab.server.ip(f"mptcp limits set subflow {limits} add_addr_accepted {limits}")
    lab.peer = program(lab.server)
    lab.peer.ask({"listen": ["::", PORT], "kind": kind})
    lab.program = program(lab.client)
    return lab.links


def program(host):
    return Commanded(host.lab, host.inside(sys.executable, os.path.join(HERE, "mptcp_peer.py")))


def connect(lab, address="10.0.0.2", program_=None, ready=True, **how):
    program_ = program_ or lab.program
    line = Socket(lab.client, program_, program_.ask({"connect": [address, PORT], **how})["fd"])
    if ready:
        line.ask()  # the peer's answer completes the handshake: from then on subflows may join
    return line


def counters_of(host):
    process = host.command("nstat", "-asz", "--json")
    process.wait()
    found = json.loads(process.output or b"{}").get("kernel", {})
    return {name: value for name, value in found.items() if "MPTcp" in name and value}


def ss(host):
    """What ss -M shows of subflows: {(local, remote): (local id, remote id, token)}."""
    process = host.command("ss", "-tniOH", "state", "established")
    process.wait()
    found = {}
    for line in process.output.decode().splitlines():
        if told := re.search(r"token:\w+\(id:(\d+)\)/(\w+)\(id:(\d+)\)", line):
            # "[::ffff:10.0.0.2]:80" is an IPv4 address of an IPv6 socket.
            ends = [re.sub(r"\[::ffff:([0-9.]+)\]", r"\1", end) for end in line.split()[2:4]]
            found[tuple(ends)] = (int(told.group(3)), int(told.group(1)), told.group(2).zfill(8))
    return found


def ss_ends(host):
    return set(ss(host))


def token_of(key):
    """RFC 8684 section 3.2: the most significant 32 bits of the key's SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]


def payload(packets, source=None):
    return sum(len(p.payload) for p in packets if p.protocol == "tcp" and (source is None or p.source == source))


def with_option(packets, subtype):
    return [p for p in packets if subtype in p.mptcp]
