# SPDX-License-Identifier: Apache-2.0
"""Names of zones that nsd serves and ldns signed: what DNSSEC proves, what it does not, what it proves false; HTTPS, SVCB,
SRV and TLSA records; and how many questions that takes."""

import contextlib
import json
import os
import socket
import subprocess
import threading

import harness
import namespaces
from harness import check

RESOLVE = os.environ.get("RESOLVE_NAMES", os.path.join(harness.ROOT, "build", "tests", "interop", "resolve_names"))

RECORDS = r"""$ORIGIN {zone}.
$TTL 60
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.1
www IN AAAA 2001:db8::1
www IN TYPE65 {https}
_4433._hawser.www IN TYPE64 {svcb}
_443._tcp.www IN TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
_hawser._tcp IN SRV 1 0 4433 www
_hawser._tcp IN SRV 2 0 4434 ns
My\032Printer._ipp._tcp IN SRV 0 0 631 www
alias IN CNAME www
"""


def generic(*parts):
    """Data in the form that every tool takes (RFC 3597)."""
    data = "".join(parts)
    return rf"\# {len(data) // 2} {data}"


def zone_text(zone):
    labels = "".join(f"{len(label):02x}{label.encode().hex()}" for label in ("www", *zone.split("."))) + "00"
    return RECORDS.format(
        zone=zone,
        # 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1
        https=generic("0001", "00", "00010006026832026833", "0003000220fb", "00040004c0000201"),
        # 1 www alpn=hawser/1
        svcb=generic("0001", labels, "00010009", "08", b"hawser/1".hex()))


def sign(world, zone):
    """The zone, signed; and its key's DS record."""
    base = subprocess.run(["ldns-keygen", "-k", "-a", "ECDSAP256SHA256", zone], cwd=world.directory, check=True,
                          stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()
    with open(world.path(f"{zone}.zone"), "w", encoding="utf-8") as file:
        file.write(zone_text(zone))
    subprocess.run(["ldns-signzone", "-o", zone, "-f", world.path(f"{zone}.signed"), world.path(f"{zone}.zone"), base],
                   cwd=world.directory, check=True)
    with open(world.path(base + ".key"), encoding="utf-8") as file:
        key = file.read()
    return key


def forge(text):
    """The address of www as nobody signed it."""
    return text.replace("192.0.2.1\n", "192.0.2.66\n").replace("2001:db8::1\n", "2001:db8::66\n")


def serve(world):
    """proved.test is signed, plain.test is not, forged.test was changed after it was signed."""
    keys = sign(world, "proved.test") + sign(world, "forged.test")
    with open(world.path("anchors"), "w", encoding="utf-8") as file:
        file.write(keys)
    with open(world.path("plain.test.signed"), "w", encoding="utf-8") as file:
        file.write(zone_text("plain.test"))
    with open(world.path("forged.test.signed"), encoding="utf-8") as file:
        forged = forge(file.read())
    check("192.0.2.66" in forged, "nothing could be forged")
    with open(world.path("forged.test.signed"), "w", encoding="utf-8") as file:
        file.write(forged)
    with open(world.path("nsd.conf"), "w", encoding="utf-8") as file:
        file.write(f'server:\n ip-address: 127.0.0.1\n port: 53\n username: ""\n chroot: ""\n database: ""\n'
                   f' zonesdir: "{world.directory}"\n pidfile: ""\n xfrdfile: "{world.path("xfrd.state")}"\n'
                   f' zonelistfile: "{world.path("zone.list")}"\n xfrdir: "{world.directory}"\n'
                   "remote-control:\n control-enable: no\n")
        for zone in ("proved.test", "plain.test", "forged.test"):
            file.write(f'zone:\n name: "{zone}"\n zonefile: "{zone}.signed"\n')
    server = world.command("nsd", "-d", "-c", world.path("nsd.conf"))
    harness.poll(lambda: not server.alive() or answers(), "nsd")
    check(server.alive(), f"nsd ended\n{server.transcript()}")
    namespaces.replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    namespaces.replace("/etc/nsswitch.conf", "hosts: files dns\n")


def answers():
    """Does somebody answer on port 53?"""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(("127.0.0.1", 53))
            probe.send(b"\0\1\0\0\0\1\0\0\0\0\0\0\6proved\4test\0\0\6\0\1")
            return probe.recv(512)[3] & 15 == 0
        except OSError:
            return False


def resolve(world, *arguments):
    process = world.command(RESOLVE, *arguments)
    code = process.wait()
    check(code in (0, 1), f"{arguments}: {code}\n{process.transcript()}")
    return [json.loads(line) for line in process.output.splitlines()]


def found(lines):
    now = {}
    for line in lines:
        for gone in line["gone"]:
            now.pop((gone["address"], gone["rank"]), None)
        for new in line["found"]:
            now[new["address"], new["rank"]] = new
    return list(now.values())


def test_verdicts(world):
    serve(world)
    anchors = ("--anchors", world.path("anchors"))
    for zone, verdict in (("proved.test", "secure"), ("plain.test", "insecure")):
        for name in ("www", "alias"):
            lines = resolve(world, *anchors, f"{name}.{zone}:80")
            addresses = found(lines)
            check({one["address"] for one in addresses} == {"192.0.2.1:80", "[2001:db8::1]:80"}, lines)
            check({one["dnssec"] for one in addresses} == {verdict}, lines)
            check({line["dnssec"] for line in lines} == {verdict}, lines)
            check(all(0 < one["ttl"] <= 60000 for one in addresses), lines)
    lines = resolve(world, *anchors, "www.forged.test:80")
    check(not found(lines) and lines[-1]["code"] < 0, lines)
    check("DNSSEC proves it false" in lines[-1]["reason"], lines)
    lines = resolve(world, *anchors, "absent.proved.test:80")  # that it is not there is proved too
    check(lines[-1]["dnssec"] == "secure" and "there is no host" in lines[-1]["reason"], lines)


def test_anchors(world):
    """Without anchors nothing is proved, and nothing refused; with a file that is none, nothing is answered."""
    serve(world)
    lines = resolve(world, "--anchors", "", "www.forged.test:80")
    check({one["address"] for one in found(lines)} == {"192.0.2.66:80", "[2001:db8::66]:80"}, lines)
    check({one["dnssec"] for one in found(lines)} == {"insecure"}, lines)
    lines = resolve(world, "--anchors", world.path("absent"), "www.proved.test:80")
    check(f"the trust anchors in {world.path('absent')} cannot be read" in lines[-1]["reason"], lines)
    with open(world.path("wrong"), "w", encoding="utf-8") as file:
        file.write("this is no record\n")
    lines = resolve(world, "--anchors", world.path("wrong"), "www.proved.test:80")
    check(not found(lines) and f"the trust anchors in {world.path('wrong')}" in lines[-1]["reason"], lines)


def test_system_anchors(world):
    """By the root's key nothing here can be proved, for the name server knows no root: insecure, and used all the same."""
    if not os.path.exists("/usr/share/dns/root.key"):
        harness.skip("there is no /usr/share/dns/root.key (package dns-root-data)")
    serve(world)
    lines = resolve(world, "www.plain.test:80")
    check({one["address"] for one in found(lines)} == {"192.0.2.1:80", "[2001:db8::1]:80"}, lines)
    check({one["dnssec"] for one in found(lines)} == {"insecure"}, lines)


def test_records_that_lead(world):
    serve(world)
    anchors = ("--anchors", world.path("anchors"))
    lines = resolve(world, *anchors, "--https", "www.proved.test:443")
    best = [one for one in found(lines) if one["rank"] == 1]
    check({one["address"] for one in best} == {"192.0.2.1:8443", "[2001:db8::1]:8443"}, lines)
    check({(one["alpn"], one["dnssec"]) for one in best} == {("h2,h3", "secure")}, lines)
    lines = resolve(world, *anchors, "--scheme", "hawser", "www.proved.test:4433")
    check({(one["address"], one["alpn"]) for one in found(lines)} ==
          {("192.0.2.1:4433", "hawser/1"), ("[2001:db8::1]:4433", "hawser/1")}, lines)
    lines = resolve(world, *anchors, "_hawser._tcp.proved.test")
    check([(one["address"], one["priority"]) for one in sorted(found(lines), key=lambda one: one["priority"])
           if ":44" in one["address"] and "[" not in one["address"]] ==
          [("192.0.2.1:4433", 1), ("127.0.0.1:4434", 2)], lines)
    check({one["dnssec"] for one in found(lines)} == {"secure"}, lines)
    lines = resolve(world, *anchors, "My Printer._ipp._tcp.plain.test")
    check({one["address"] for one in found(lines)} == {"192.0.2.1:631", "[2001:db8::1]:631"}, lines)


def test_records_as_they_are(world):
    serve(world)
    anchors = ("--anchors", world.path("anchors"))
    lines = resolve(world, *anchors, "--record", "TLSA", "www.proved.test:443")
    check([one["record"] for one in lines[0]["found"]] == ["3 1 1 " + "00112233445566778899aabbccddeeff" * 2], lines)
    check(lines[0]["found"][0]["dnssec"] == "secure" and lines[0]["name"] == "_443._tcp.www.proved.test", lines)
    lines = resolve(world, *anchors, "--record", "HTTPS", "www.proved.test")
    check(lines[0]["found"][0]["record"] == "1 www.proved.test. alpn=h2,h3 port=8443 ipv4hint=192.0.2.1", lines)
    lines = resolve(world, *anchors, "--record", "A", "www.forged.test")
    check(not lines[0]["found"] and "DNSSEC proves it false" in lines[0]["reason"], lines)
    lines = resolve(world, *anchors, "--record", "TXT", "www.proved.test")
    check("there is no TXT record" in lines[0]["reason"], lines)


class Counter(threading.Thread):
    """Passes questions on to nsd, and counts them."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.2", 53))
        self.asked = []
        self.start()

    def run(self):
        while True:
            question, source = self.socket.recvfrom(4096)
            at = 12
            while question[at]:
                at += 1 + question[at]
            self.asked.append((question[12:at].lower(), int.from_bytes(question[at + 1:at + 3], "big")))
            with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as onward:
                onward.connect(("127.0.0.1", 53))
                onward.send(question)
                self.socket.sendto(onward.recv(65535), source)

    def during(self, action):
        self.asked = []
        action()
        return self.asked


def test_number_of_questions(world):
    """No more than the system's resolver puts, and one for HTTPS records where they are asked for (S3.19)."""
    harness.need("getent")
    serve(world)
    namespaces.replace("/etc/resolv.conf", "nameserver 127.0.0.2\n")
    counter = Counter()
    try:
        for name in ("www", "alias", "absent", "ns"):
            name += ".plain.test"
            theirs = counter.during(lambda name=name: subprocess.run(["getent", "ahosts", name], stdout=subprocess.PIPE,
                                                                     check=False))
            ours = counter.during(lambda name=name: resolve(world, "--no-dnssec", f"{name}:80"))
            check(theirs and len(ours) <= len(theirs), f"{name}: ours {ours}, theirs {theirs}")
            with_records = counter.during(lambda name=name: resolve(world, "--no-dnssec", "--https", f"{name}:443"))
            check(len(with_records) <= len(theirs) + 1, f"{name}: ours {with_records}, theirs {theirs}")
    finally:
        namespaces.replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")


namespaces.enter("nsd", "ldns-keygen", "ldns-signzone", "mount")
harness.run(test_verdicts, test_anchors, test_system_anchors, test_records_that_lead, test_records_as_they_are,
            test_number_of_questions)
