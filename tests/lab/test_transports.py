#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every stack of this build behind what middleboxes do (S1.40, S5.6): each cell connects, falls back, or fails within a
bound and says why. And what a lost packet of one message does to the others (S1.16)."""

import json

from lab import MARGIN_MS, RTT_MS, STAGGER_MS, check, start

PORT = 4433
GIVE_UP_MS = 2000
ROUND_TRIPS = {"tls/tcp": 2, "tls/mptcp": 2, "quic/udp": 1, "dtls/udp": 3, "sctp/dtls/udp": 5}
BIG = 400000


def stacks(lab):
    """Those that carry hawser/1 in this build."""
    process = lab.command(lab.tool, "stacks", "--json")
    check(process.wait() == 0, process.transcript())
    known = {json.loads(line)["stack"] for line in process.output.splitlines()}
    found = [stack for stack in ROUND_TRIPS if stack in known]
    for stack in ROUND_TRIPS:
        if stack not in known:
            print(f"SKIP {stack}: this build has it not", flush=True)
    return found


def listen(lab, *options, port=PORT):
    process = lab.server.events("listen", "--json", "--identity", lab.path("listener"), *options, f"0.0.0.0:{port}")
    name = process.event("listening")["name"]
    return process, f"{name}@{lab.V4.format(1)}:{port}"


def inbox(lab):
    """Another listener, which takes files."""
    return listen(lab, "--receive", lab.path("inbox"), port=PORT + 1)[1]


def ping(lab, endpoint, stack, count=3, timeout=None):
    """Milliseconds until it was established, or None and why."""
    run = lab.client.hawser("ping", "--json", "--count", str(count), "--interval", "1ms", "--stack", stack, "--timeout",
                            f"{timeout or 8000}ms", endpoint)
    if run.code != 0:
        closed = run.event("closed")
        check(closed["reason"], f"it failed without a reason\n{run.text}")
        return run, None
    check(run.event("done")["replies"] == count, run.text)
    return run, run.elapsed_ms


def connects(lab, endpoint, stack, bound_ms, became=None):
    def attempt():
        run, elapsed = ping(lab, endpoint, stack)
        check(elapsed is not None, f"{stack}: no connection\n{run.text}")
        return run

    run = lab.within(attempt, bound_ms + MARGIN_MS)
    got = run.established["stack"]
    check(got == (became or stack.split(",")[0]), f"{stack} became {got}\n{run.text}")
    return run


def bound(stack):
    return ROUND_TRIPS[stack] * RTT_MS


def sends(lab, endpoint, stack):
    """A file that takes many packets arrives."""
    name = lab.path("big-" + stack.replace("/", "-"))
    with open(name, "wb") as file:
        file.write(bytes(range(256)) * (BIG // 256))
    return lab.client.hawser("send", "--json", "--stack", stack, "--timeout", "8s", endpoint, name)


# ------------------------------------------------------------------------------------------------------ the matrix


def nothing_in_the_way(lab):
    lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    for stack in stacks(lab):
        connects(lab, endpoint, stack, bound(stack))


def udp_is_dropped(lab):
    """What is over UDP fails in the time that was given; raced, TCP is there within its own time; and where QUIC was to go
    first, a stagger later."""
    link = lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    link.rule("udp", "both", "proto=udp", f"port={PORT}", "drop")
    for stack in stacks(lab):
        if "udp" not in stack:
            connects(lab, endpoint, stack, bound(stack))
            continue
        run, elapsed = ping(lab, endpoint, stack, timeout=GIVE_UP_MS)
        check(elapsed is None, f"{stack} connects where UDP is dropped\n{run.text}")
        both = connects(lab, endpoint, f"{stack},tls/tcp", STAGGER_MS + bound("tls/tcp"), became="tls/tcp")
        check(both.to(lab.V4.format(1))[0]["outcome"] != "won", both.text)


def udp_is_refused(lab):
    """A port where nobody takes UDP says so by ICMP: TCP begins at once."""
    lab.two_hosts()
    _, endpoint = listen(lab, "--echo", "--stack", "tls/tcp")
    for stack in stacks(lab):
        if "udp" in stack:
            connects(lab, endpoint, f"{stack},tls/tcp", RTT_MS + bound("tls/tcp"), became="tls/tcp")


def mptcp_is_stripped(lab):
    link = lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    link.rule("strip", "both", "mptcp", "strip-mptcp")
    for stack in stacks(lab):
        connects(lab, endpoint, stack, bound(stack), became="tls/tcp" if "mptcp" in stack else stack)


def syn_with_mptcp_is_dropped(lab):
    link = lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    link.rule("drop", "both", "syn", "mptcp", "drop")
    for stack in stacks(lab):
        more = STAGGER_MS if "mptcp" in stack else 0
        connects(lab, endpoint, stack, more + bound(stack), became="tls/tcp" if "mptcp" in stack else stack)


def nat_with_other_ports(lab):
    link = lab.two_hosts()
    lab.server.ip("route add 203.0.113.7/32 dev c0")
    listener, endpoint = listen(lab, "--echo")
    link.nat("203.0.113.7")
    for stack in stacks(lab):
        run = connects(lab, endpoint, stack, bound(stack))
        got = run.established["stack"]
        seen = listener.event("accepted", where=lambda e, got=got: e["stack"] == got)["path"]["remote"]
        check(seen.startswith("203.0.113.7:"), f"{stack}: not through the translator: {seen}")
        check(seen != run.established["path"]["local"], f"{stack}: the port is the same")


def segments_are_clamped(lab):
    link = lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    files = inbox(lab)
    link.rule("clamp", "both", "proto=tcp", "mss=700")
    for stack in stacks(lab):
        connects(lab, endpoint, stack, bound(stack))
        run = sends(lab, files, stack)
        check(run.code == 0, f"{stack}: {run.text}")


def small_packets_and_no_icmp(lab):
    """Packets above 1,300 bytes vanish and nobody is told: what is over UDP finds a size that passes. TCP's is its kernel's
    to find out, where that is asked to (sysctl)."""
    link = lab.two_hosts()
    lab.client.sysctl("net/ipv4/tcp_mtu_probing", 1)
    _, endpoint = listen(lab, "--echo")
    files = inbox(lab)
    link.rule("small", "both", "larger=1300", "drop")
    for stack in stacks(lab):
        connects(lab, endpoint, stack, bound(stack))
        run = sends(lab, files, stack)
        check(run.code == 0, f"{stack}: {run.text}")



def the_last_flight_is_lost(lab):
    """The server's, with its ticket, is the only large one; the server is done with it, and is asked for it again, by a
    datagram that begins in the epoch that was."""
    link = lab.two_hosts()
    _, endpoint = listen(lab, "--echo")
    for stack in ("dtls/udp", "sctp/dtls/udp"):
        if stack not in stacks(lab):
            continue
        link.rule("flight", "ba", "proto=udp", "larger=560", "first=1", "drop")
        connects(lab, endpoint, stack, 1000 + 2 * bound(stack))
        check(link.hits("flight") == 1, f"{stack}: no such flight was sent")
        link.unrule("flight")


if __name__ == "__main__":
    start(nothing_in_the_way, udp_is_dropped, udp_is_refused, mptcp_is_stripped, syn_with_mptcp_is_dropped,
          nat_with_other_ports, segments_are_clamped, small_packets_and_no_icmp, the_last_flight_is_lost)
