# SPDX-License-Identifier: Apache-2.0
"""Names of the link: avahi on a host at the other end of a wire is asked for hosts, instances and services; a responder of
our own says what avahi never would, and what is to be refused."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import harness
import namespaces
from harness import check

RESOLVE = os.environ.get("RESOLVE_NAMES", os.path.join(harness.ROOT, "build", "tests", "interop", "resolve_names"))
OUR_END, PEER_END = "rope-a", "rope-b"
PEER_V4, PEER_V6, STRANGER = "10.77.0.2", "fd77::2", "198.51.100.7"

AVAHI = """[server]
host-name=ropeworks
allow-interfaces={interface}
use-ipv4=yes
use-ipv6=yes
enable-dbus=no
[publish]
publish-hinfo=no
publish-workstation=no
publish-aaaa-on-ipv4=yes
publish-a-on-ipv6=yes
"""

SERVICE = """<?xml version="1.0" standalone='no'?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name>{name}</name>
  <service><type>{type}</type><port>{port}</port><txt-record>path=/x</txt-record></service>
</service-group>
"""


def run(*argv):
    subprocess.run(argv, check=True)


class Peer:
    """A host at the other end of a wire: network and mount namespaces that a process holds."""

    def __init__(self, world):
        self.world = world
        self.holder = world.command("unshare", "--net", "--mount", "sh", "-c", "echo there; exec sleep 1000")
        self.holder.text(b"there")
        run("ip", "link", "add", OUR_END, "type", "veth", "peer", "name", PEER_END)
        run("ip", "link", "set", PEER_END, "netns", str(self.holder.pid))
        for where, name, v4, v6 in (([], OUR_END, "10.77.0.1/24", "fd77::1/64"),
                                    (self.enter(), PEER_END, f"{PEER_V4}/24", f"{PEER_V6}/64")):
            run(*where, "ip", "address", "add", v4, "dev", name)
            run(*where, "ip", "-6", "address", "add", v6, "dev", name, "nodad")
            run(*where, "sysctl", "-qw", f"net.ipv6.conf.{name}.accept_dad=0")
            run(*where, "ip", "link", "set", name, "up")
        run(*self.enter(), "ip", "address", "add", f"{STRANGER}/32", "dev", PEER_END)
        harness.poll(lambda: "fe80" in self.addresses([]) and "fe80" in self.addresses(self.enter()),
                     "link-local addresses")

    @staticmethod
    def addresses(where):
        return subprocess.run([*where, "ip", "-6", "address", "show", "scope", "link", "-tentative"], check=True,
                              stdout=subprocess.PIPE, encoding="utf-8").stdout

    def enter(self):
        return ["nsenter", "--net", "--mount", "--target", str(self.holder.pid), "--"]

    def command(self, *argv):
        return self.world.command(*self.enter(), *argv)

    def close(self):
        subprocess.run(["ip", "link", "delete", OUR_END], check=False)
        self.holder.dispose()


@contextlib.contextmanager
def peer_of(world):
    peer = Peer(world)
    try:
        yield peer
    finally:
        peer.close()


def start_avahi(world, peer):
    os.makedirs(world.path("services"))
    for name, kind, port in (("My Server", "_http._tcp", 8080), ("b\u00fcro. 2", "_http._tcp", 8081), ("quay", "_ipp._tcp", 631)):
        with open(world.path("services", f"{port}.service"), "w", encoding="utf-8") as file:
            file.write(SERVICE.format(name=name, type=kind, port=port))
    with open(world.path("avahi.conf"), "w", encoding="utf-8") as file:
        file.write(AVAHI.format(interface=PEER_END))
    run(*peer.enter(), "mount", "-t", "tmpfs", "none", "/run")
    run(*peer.enter(), "mount", "--bind", world.path("services"), "/etc/avahi/services")
    avahi = peer.command("avahi-daemon", "-f", world.path("avahi.conf"), "--no-drop-root", "--no-rlimits", "--no-chroot")
    harness.poll(lambda: not avahi.alive() or avahi.error_text().count("successfully established") >= 3, "avahi")
    check(avahi.alive(), avahi.transcript())
    return avahi


def resolve(world, *arguments):
    process = world.command(RESOLVE, *arguments)
    code = process.wait()
    check(code in (0, 1), f"{arguments}: {code}\n{process.transcript()}")
    return [json.loads(line) for line in process.output.splitlines()]


def found(lines):
    return {new["address"]: new["target"] for line in lines for new in line["found"]}


def test_avahi(world):
    if not os.path.exists("/etc/avahi/services"):
        harness.skip("avahi-daemon is not installed")
    harness.need("avahi-daemon")
    with peer_of(world) as peer:
        start_avahi(world, peer)
        lines = resolve(world, "ropeworks.local:80")
        addresses = found(lines)
        check(f"{PEER_V4}:80" in addresses, lines)
        check(any(one.startswith("[fe80:") and f"%{OUR_END}]" in one or one == f"[{PEER_V6}]:80" for one in addresses), lines)
        check({line["dnssec"] for line in lines} == {""}, lines)
        check(all(one["ttl"] <= 10000 for line in lines for one in line["found"]), lines)  # RFC 6762 section 6.7

        lines = resolve(world, "My Server._http._tcp.local")
        check(lines[0]["question"] == "SRV" and found(lines).get(f"{PEER_V4}:8080") == "ropeworks.local", lines)
        lines = resolve(world, "b\u00fcro\\. 2._http._tcp.local@" + OUR_END)
        check(f"{PEER_V4}:8081" in found(lines), lines)

        lines = resolve(world, "_http._tcp.local")  # any instance of it
        check(lines[0]["question"] == "PTR" and "My Server._http._tcp.local" in lines[0]["result"], lines)
        check({f"{PEER_V4}:8080", f"{PEER_V4}:8081"} <= set(found(lines)), lines)
        check(f"{PEER_V4}:631" not in found(lines), lines)

        lines = resolve(world, "--record", "TXT", "My Server._http._tcp.local")
        check([one["record"] for one in lines[0]["found"]] == ['"path=/x"'], lines)
        lines = resolve(world, "--record", "A", "--timeout", "300", "absent.local")
        check("nobody on the link answered" in lines[0]["reason"], lines)

        began = time.monotonic()
        lines = resolve(world, "absent.local:80")
        check(time.monotonic() - began < 6 and not found(lines), lines)
        check(lines[-1]["reason"] == "nobody on the link answers for the host absent.local", lines)
        lines = resolve(world, "ropeworks.local:80@lo")
        check("no link could be asked" in lines[-1]["reason"], lines)
        lines = resolve(world, "ropeworks.local:80@absent")
        check("there is no interface absent" in lines[-1]["reason"], lines)


# ------------------------------------------------------------------------------------------- a responder of our own


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name, kind, data, ttl=10):
    return wire(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def srv(host, port):
    return struct.pack("!HHH", 0, 0, port) + wire(host)


def answer(query, answers, additional=(), identity=None):
    head = query[:2] if identity is None else identity
    return (head + struct.pack("!HHHHH", 0x8400, 1, len(answers), 0, len(additional)) + query[12:] +
            b"".join(answers) + b"".join(additional))


def address(text):
    return socket.inet_aton(text)


KNOWN = {
    ("two._hawser._tcp.local", 33): lambda query: answer(
        query, [record("two._hawser._tcp.local", 33, srv("first.local", 1)),
                record("two._hawser._tcp.local", 33, srv("second.local", 2))],
        [record("first.local", 1, address("10.77.0.11")), record("stranger.local", 1, address("10.77.0.99"))]),
    ("second.local", 1): lambda query: answer(query, [record("second.local", 1, address("10.77.0.12"))]),
    ("cut.local", 1): lambda query: answer(query, [record("cut.local", 1, address("10.77.0.13"))])[:-2],
    ("other.local", 1): lambda query: answer(query, [record("quite-another.local", 1, address("10.77.0.14"))]),
    ("identity.local", 1): lambda query: answer(query, [record("identity.local", 1, address("10.77.0.15"))],
                                                identity=bytes([query[0] ^ 1, query[1]])),
    ("query.local", 1): lambda query: query,
    ("port.local", 1): lambda query: answer(query, [record("port.local", 1, address("10.77.0.16"))]),
    ("far.local", 1): lambda query: answer(query, [record("far.local", 1, address("10.77.0.17"))]),
    ("flood.local", 1): lambda query: answer(query, [record("flood.local", 1, address(f"10.77.1.{i}")) for i in range(200)]),
}


def respond():
    """What runs at the other end."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", 5353))
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, address("224.0.0.251") + address(PEER_V4))
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)  # of the link by its address, not by its hops
    other_port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stranger.bind((STRANGER, 5353))
    print("there", flush=True)
    while True:
        query, source = listener.recvfrom(9000)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode(errors="replace"))
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack_from("!H", query, at + 1)[0]
        print(f"asked {name} {kind}", flush=True)
        say = KNOWN.get((name, kind))
        if say:
            sender = {"port.local": other_port, "far.local": stranger}.get(name, listener)
            for _ in range(100 if name == "flood.local" else 1):
                sender.sendto(say(query), source)


def test_responder(world):
    with peer_of(world) as peer:
        responder = peer.command(sys.executable, os.path.abspath(__file__), "respond")
        responder.text(b"there")
        lines = resolve(world, "two._hawser._tcp.local")  # both hosts; what came along is not asked for
        check(found(lines) == {"10.77.0.11:1": "first.local", "10.77.0.12:2": "second.local"}, lines)
        check(b"asked first.local 1\n" not in responder.output, responder.transcript())
        check(b"asked first.local 28\n" in responder.output, responder.transcript())
        lines = resolve(world, "flood.local:80")
        check(len(found(lines)) == 16, lines)


def test_refused(world):
    with peer_of(world) as peer:
        responder = peer.command(sys.executable, os.path.abspath(__file__), "respond")
        responder.text(b"there")
        names = [name for name, kind in KNOWN if kind == 1 and name.split(".")[0] in
                 ("cut", "other", "identity", "query", "port", "far")]
        threads, results = [], {}
        for name in names:  # each of them takes its time
            threads.append(threading.Thread(target=lambda name=name: results.update({name: resolve(world, f"{name}:80")})))
            threads[-1].start()
        for thread in threads:
            thread.join()
        check(set(results) == set(names), responder.transcript())
        for name, lines in results.items():
            check(not found(lines) and lines[-1]["code"] < 0, (name, lines))
            check(responder.output.count(f"asked {name} 1\n".encode()) >= 1, responder.transcript())
        check(responder.output.count(b"asked far.local 1\n") == 3, responder.transcript())  # at 0, 1 and 3 s


if sys.argv[1:] == ["respond"]:
    respond()
namespaces.enter("nsenter", "sysctl", "mount")
namespaces.replace("/etc/nsswitch.conf", "hosts: files dns\n")
harness.run(test_avahi, test_responder, test_refused)
