#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is left on the wire, in the kernel and in memory: no packet more than a plain client sends, nothing of losers, and
answers of the name server kept for as long as they may be."""

import os
import shutil
import time

from lab import CLIENT, MARGIN_MS, RTT_MS, check, poll, skip, start

NAME = "www.lab.example"
LINE_MS = 2 * RTT_MS


def shape(packets, client):
    """What a capture shows, but for what differs between any two connections: ports, numbers and times."""
    return [("out" if p.source == client else "in", p.protocol, p.flags, sorted(p.options), p.payload) for p in packets]


PLAIN = """
import socket
s = socket.create_connection(("{}", {}))
s.sendall(b"a line for the wire\\n")
s.shutdown(socket.SHUT_WR)
while s.recv(65536):
    pass
s.close()
"""


def level_0_is_a_plain_socket(lab):
    """`connect --bare` against a program with a plain socket that sends the same: the same packets, byte for byte."""
    link = lab.two_hosts(rtt_ms=20)
    address = lab.V4.format(1)
    port = lab.serve(address, 80, kind="tcp")

    def seen(run):
        with link.capture() as capture:
            run()
            lab.connections()
            lab.emulator.ask("drain")
        return shape(capture.packets, "10.0.0.1")

    def ours():
        process = lab.client.command(lab.tool, "connect", "--bare", f"{address}:{port}", state=lab.fresh())
        process.write(b"a line for the wire\n")
        process.process.stdin.close()
        check(process.wait() == 0 and process.output == b"a line for the wire\n", process.transcript())

    def plain():
        process = lab.client.command("python3", "-c", PLAIN.format(address, port))
        check(process.wait() == 0, process.transcript())

    def data(packets):
        """An ACK may ride with data or go alone, as the two processes' timing has it."""
        return [p for p in packets if p[4] or p[2] & 7]

    ours, plain = seen(ours), seen(plain)
    check(data(ours) == data(plain), f"ours:  {ours}\nplain: {plain}")
    check(len(ours) <= len(plain) + 1, f"{len(ours)} packets instead of {len(plain)}")


def losers_leave_nothing(lab):
    """S4.29: of five branches one wins; the others leave no descriptor and no half-open connection."""
    link = lab.two_hosts(addresses=5)
    lab.host_name(v4=[1, 2, 3, 4, 5])
    for number, kind in ((1, "silent"), (2, "silent"), (5, "tls")):
        lab.serve(lab.V4.format(number), kind=kind)
    lab.serve(lab.V4.format(4), kind="tls", certificate="expired")
    link.rule("hole", "ab", f"dst={lab.V4.format(3)}", "drop")
    client = lab.client.commanded(CLIENT, lab.fresh())
    before = sockets(client.pid)
    report = client.ask(f"open {NAME}:443")
    check(report["code"] == 0 and lab.V4.format(5) in report["path"]["remote"], report)
    outcomes = [a["outcome"] for a in report["attempts"]]
    check(outcomes.count("won") == 1 and outcomes.count("failed") == 1 and outcomes.count("lost") == 3, outcomes)
    poll(lambda: len(sockets(client.pid)) == len(before) + 1, "the losers' descriptors to be closed")
    told = lab.client.command("ss", "-tnH", "dport", "=", ":443")
    told.wait()
    states = [line.split()[0] for line in told.output.decode().splitlines()]
    check(states.count("ESTAB") == 1 and "SYN-SENT" not in states, told.transcript())
    poll(lambda: all(c["ended"] in ("fin", "reset", "alert") for c in lab.connections(ended=False)
                     if c["listener"] != lab.V4.format(5)), "the servers to see the losers' ends")
    client.ask("close")
    poll(lambda: sockets(client.pid) == before, "the winner's descriptor to be closed")
    lab.connections()


def sockets(pid):
    """A process's descriptors but for what a library keeps for later (name servers, netlink)."""
    def target(fd):
        try:
            return os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            return ""

    inodes = {target(fd)[8:-1] for fd in os.listdir(f"/proc/{pid}/fd") if target(fd).startswith("socket:")}
    found = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as lines:
            found |= {line.split()[9] for line in lines if line.split()[9] in inodes}
    return found


def changed_answer_is_followed(lab):
    """Two opens of one context. Within the time to live the answer is used again, without a question; beyond it, it is
    asked anew, and the change is followed."""
    ttl = 3
    lab.two_hosts()
    lab.host_name(v4=[1], ttl=ttl)
    lab.serve_all()
    client = lab.client.commanded(CLIENT, lab.fresh())

    def opened():
        report = client.ask(f"open {NAME}:443")
        check(report["code"] == 0, report)
        client.ask("close")
        return report["path"]["remote"]

    check(lab.V4.format(1) in opened(), "the first answer was not used")
    answered = time.monotonic()
    lab.host_name(v4=[2], ttl=ttl)
    questions = lab.asked(NAME, "A")
    again = opened()
    if time.monotonic() - answered < ttl - 1:
        check(lab.V4.format(1) in again and lab.asked(NAME, "A") == questions, "an answer that still counts was not used")
    elif lab.V4.format(1) in again:
        return skip("the machine stalled for longer than a time to live")
    poll(lambda: time.monotonic() > answered + ttl + 1, "the end of the time to live")
    check(lab.V4.format(2) in opened(), "an answer was used beyond its time to live")
    check(lab.asked(NAME, "A") > questions, "it was not asked anew")
    return None


def no_packet_more_than_openssl(lab):
    """Do no harm: with everything on, a request over TLS takes as many packets as of OpenSSL's own client."""
    if not shutil.which("openssl"):
        skip("openssl is not installed")
    link = lab.two_hosts(paths=2, rtt_ms=20)
    lab.host_name(v4=[1, 2], v6=[1, 2])
    lab.serve_all()
    request = b"GET / HTTP/1.1\r\nHost: www.lab.example\r\n\r\n"

    def seen(*argv):
        with lab.links[1].capture() as other, link.capture() as capture:
            process = lab.client.command(*argv, state=lab.fresh())
            process.write(request)
            process.text(b"hello from the lab")
            process.process.stdin.close()
            process.wait()
            lab.connections()
            lab.emulator.ask("drain")
        tcp = [p for p in capture.packets + other.packets if p.protocol == "tcp"]
        up = [p for p in tcp if p.source.startswith(("10.0.", "2001:db8:0:", "2001:db8:1:", "2001:db8::"))]
        return {"syn": sum(p.syn for p in tcp), "packets": len(up), "bytes": sum(len(p.payload) for p in up), "all": tcp}

    ours = seen(lab.tool, "connect", "--bare", "--tls", f"{NAME}:443")
    theirs = seen("openssl", "s_client", "-quiet", "-verify_quiet", "-servername", NAME, "-connect", f"{NAME}:443")
    check(ours["syn"] == theirs["syn"] == 1, f"{ours}\n{theirs}")
    # One may be an ACK that rode with data in the other's.
    check(ours["packets"] <= theirs["packets"] + 1, f"{ours}\n{theirs}")
    check(ours["bytes"] <= theirs["bytes"] + 256, f"{ours['bytes']} bytes instead of {theirs['bytes']}")


def remembered_failure_goes_last(lab):
    """S4.23: the address that did not answer last time is not the first one next time; nothing is waited for."""
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    link.rule("hole", "ab", f"dst={lab.V6.format(1)}", "drop")

    def attempt():
        state = lab.fresh()
        arguments = ("probe", "--json", "--bare", "--tls", f"{NAME}:443")
        run = lab.client.hawser(*arguments, state=state)
        check(run.code == 0, run.text)
        run = lab.client.hawser(*arguments, state=state)
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS)
    check(len(run.attempts) == 2 and run.to(lab.V6.format(1))[0]["outcome"] == "skipped",
          f"the other address must stay a candidate\n{run.text}")


if __name__ == "__main__":
    start(level_0_is_a_plain_socket, losers_leave_nothing, changed_answer_is_followed, no_packet_more_than_openssl,
          remembered_failure_goes_last)
