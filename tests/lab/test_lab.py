#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what it claims to do to packets, it does; shown by plain sockets and by curl."""

import time

from lab import MARGIN_MS, RTT_MS, check, skip, start

CONNECT = """
import socket, sys, time
address, port, timeout = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
began = time.monotonic()
try:
    s = socket.create_connection((address, port), timeout)
    s.sendall(b"x" * 20)
    got = s.recv(100)
    print("connected", (time.monotonic() - began) * 1000, len(got))
except OSError as e:
    print(type(e).__name__, (time.monotonic() - began) * 1000, 0)
"""


class Told:
    def __init__(self, words):
        self.word, self.elapsed_ms, self.got = words[0], float(words[1]), int(words[2])


def connect(lab, address, port=80, timeout=3.0):
    process = lab.client.command("python3", "-c", CONNECT, address, str(port), str(timeout))
    check(process.wait() == 0, process.transcript())
    return Told(process.output.decode().split())


def delay_is_kept(lab):
    lab.two_hosts()
    lab.serve_all(kind="tcp", port=80)
    for address in (lab.V4.format(1), lab.V6.format(1)):
        told = lab.within(lambda: connect(lab, address), 2 * RTT_MS + MARGIN_MS)
        check(told.word == "connected" and told.elapsed_ms >= 2 * RTT_MS, vars(told))


def rules_do_what_they_say(lab):
    link = lab.two_hosts()
    lab.serve_all(kind="tcp", port=80)
    one, two, six = lab.V4.format(1), lab.V4.format(2), lab.V6.format(1)
    link.rule("hole", "ab", f"dst={one}", "drop")
    check(connect(lab, one, timeout=0.3).word == "TimeoutError", "a blackhole let packets through")
    check(connect(lab, two).word == "connected", "a blackhole took others' packets")
    check(link.hits("hole") >= 1, "no hit was counted")
    link.unrule("hole")
    check(connect(lab, one).word == "connected", "the rule outlived its end")
    link.rule("six", "both", "family=6", "drop")
    check(connect(lab, six, timeout=0.3).word == "TimeoutError", "IPv6 still works")
    link.unrule("six")
    link.rule("refuse", "ab", "proto=tcp", "dport=80", "syn", "rst")
    for address in (one, six):
        told = lab.within(lambda: connect(lab, address), RTT_MS + MARGIN_MS)
        check(told.word == "ConnectionRefusedError", vars(told))
    link.unrule("refuse")
    link.rule("kill", "ab", "proto=tcp", "data", "rst")
    for address in (one, six):
        told = connect(lab, address)
        check(told.word == "ConnectionResetError", vars(told))
    check(all(c["ended"] == "reset" for c in lab.connections()[-2:]), "the server was not reset")


def cut_and_uncut(lab):
    link = lab.two_hosts()
    lab.serve_all(kind="tcp", port=80)
    link.cut()
    check(connect(lab, lab.V4.format(1), timeout=0.3).word == "TimeoutError", "a cut link carries packets")
    link.uncut()
    check(connect(lab, lab.V4.format(1)).word == "connected", "the link stayed cut")


def mptcp_is_stripped(lab):
    link = lab.two_hosts()
    lab.serve_all(kind="tcp", port=80)
    script = CONNECT.replace("s = socket.create_connection((address, port), timeout)",
                             "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.connect((address, port))")

    def syns():
        with link.capture() as capture:
            process = lab.client.command("python3", "-c", script, lab.V4.format(1), "80", "3")
            if process.wait() != 0:
                return None
        return [p for p in capture.packets if p.flags & 2]

    before = syns()
    if before is None:
        return skip("this kernel has no MPTCP")
    check(any(30 in p.options for p in before if p.syn), before)
    link.rule("strip", "both", "mptcp", "strip-mptcp")
    after = syns()
    check(after and link.hits("strip") > 0, "nothing was stripped")
    check(not any(30 in p.options for p in after if not p.syn), f"the server still answered with MPTCP: {after}")
    return None


def loss_and_rate(lab):
    link = lab.two_hosts(rtt_ms=2)
    lab.serve_all(kind="tcp", port=80)
    link.set(loss=1)
    check(connect(lab, lab.V4.format(1), timeout=0.3).word == "TimeoutError", "all packets should be lost")
    link.set(loss=0, rate=8000)  # a SYN of 60 bytes takes 60 ms
    told = connect(lab, lab.V4.format(1))
    check(told.word == "connected" and told.elapsed_ms >= 150, vars(told))


def names_and_certificates(lab):
    lab.two_hosts()
    lab.serve_all()
    lab.host_name(v4=[1], v6=[1])

    def fetch():
        began = time.monotonic()
        process = lab.client.command("curl", "-sS", "https://www.lab.example/")
        process.wait()
        return process, began

    process, _ = fetch()
    check(process.process.returncode == 0 and b"hello from the lab" in process.output, process.transcript())
    check(lab.asked("www.lab.example", "AAAA") == 1, "curl did not ask for AAAA")
    lab.mind("www.lab.example", "A", delay=0.3)
    process, began = fetch()
    check(process.process.returncode == 0 and time.monotonic() - began >= 0.3, "the delay of A was not kept")
    lab.mind("www.lab.example", "A", rcode=2)
    lab.mind("www.lab.example", "AAAA", rcode=2)
    process, _ = fetch()
    check(process.process.returncode == 6, process.transcript())
    lab.host_name("expired.lab.example", v4=[3])
    lab.serve(lab.V4.format(3), 444, certificate="expired")
    process = lab.client.command("curl", "-sS", "https://expired.lab.example:444/")
    check(process.wait() == 60 and "expired" in process.error_text(), process.transcript())


if __name__ == "__main__":
    start(delay_is_kept, rules_do_what_they_say, cut_and_uncut, mptcp_is_stripped, loss_and_rate,
          names_and_certificates)
