#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic that may be lost beside a TCP connection of the kernel's, on one link with one queue: TFRC leaves it its part, and
has one itself, as bare datagrams over tfrc/udp and as lossy messages over dtls/udp (S1.24)."""

import os
import sys

from lab import HERE, STALL_MS, Commanded, check, skip, start

FLOW = os.path.join(HERE, "flow.py")
RATE = 10e6  # bits per second
RTT_MS = 40.0
QUEUE = int(RATE / 8 * RTT_MS / 1000)  # one product of bandwidth and delay
WARM = 3
SLICES, SECONDS = 3, 10  # measured: each of so many seconds
TCP_SHARE = 0.4  # of the link, at least
OUR_SHARE = 0.1
TRIES = 3
PORT = 4433
MESSAGES, MESSAGE = 40000, 1000  # more than goes over the link meanwhile


def lines(host, *argv):
    return Commanded(host.lab, host.inside(sys.executable, FLOW, *argv))


def lossy_datagrams(lab):
    """From /dev/zero, as fast as the stack takes them."""
    listener = lab.server.events("listen", "--json", "--identity", lab.path("listener"), "--bare", "--stack", "tfrc/udp",
                                 "--discard", f"0.0.0.0:{PORT}")
    listener.event("listening")
    sender = lab.client.command("sh", "-c", f"exec {lab.tool} connect --bare --stack tfrc/udp {lab.V4.format(1)}:{PORT} "
                                "</dev/zero")
    listener.event("accepted")
    return listener, sender


def lossy_messages(lab):
    """Many, of which none is sent again."""
    listener = lab.server.events("listen", "--json", "--identity", lab.path("listener"), "--discard", f"0.0.0.0:{PORT}")
    name = listener.event("listening")["name"]
    if not os.path.exists(lab.path("many")):
        os.mkdir(lab.path("many"))
        with open(lab.path("one"), "wb") as file:
            file.truncate(MESSAGE)
        for i in range(MESSAGES):
            os.link(lab.path("one"), lab.path("many", str(i)))
    sender = lab.client.command(lab.tool, "send", "--stack", "dtls/udp", "--reliability", "resends=0",
                                f"{name}@{lab.V4.format(1)}:{PORT}", lab.path("many"))
    listener.event("accepted")
    return listener, sender


def shares(lab, ours, congestion):
    """What TCP and we had of the link in the same seconds."""
    flow = lines(lab.server, "serve", lab.V4.format(1), "5000")
    tcp = lines(lab.client, "send", lab.V4.format(1), "5000", congestion)
    if tcp.output and b"refused" in tcp.output:
        skip(f"the kernel has no {congestion} for us: {tcp.output.decode().strip()}")
    listener, sender = ours(lab)
    flow.ask(str(WARM))
    with lab.link.capture() as capture:
        told = [flow.ask(str(SECONDS)) for _ in range(SLICES)]
    check(sender.alive(), f"it ended while it was measured\n{sender.transcript()}")
    for process in (sender, listener, tcp, flow):
        process.dispose()
    bits = sum(len(packet.data) * 8 for packet in capture.packets if packet.ports[1] == PORT and packet.protocol == "udp")
    seconds = sum(slice["seconds"] for slice in told)
    return sum(slice["bytes"] for slice in told) * 8 / seconds / RATE, bits / seconds / RATE


def tcp_keeps_its_part(lab, ours, congestion):
    lab.two_hosts(rtt_ms=RTT_MS)
    lab.link.set(rate=int(RATE), queue=QUEUE)
    for _ in range(TRIES):
        lab.stall_ms()
        tcp, tfrc = shares(lab, ours, congestion)
        stalled = lab.stall_ms()
        print(f"{ours.__name__} beside {congestion}: TCP has {tcp:.2f} of the link, TFRC {tfrc:.2f}", flush=True)
        if tcp >= TCP_SHARE and tfrc >= OUR_SHARE:
            return
        check(stalled > STALL_MS, f"TCP has {tcp:.2f} of the link and TFRC {tfrc:.2f}, at least {TCP_SHARE} and {OUR_SHARE} "
              f"are wanted; the machine was at most {stalled:.1f} ms late")
    skip(f"the machine stalled in each of {TRIES} runs")


def datagrams_beside_reno(lab):
    tcp_keeps_its_part(lab, lossy_datagrams, "reno")


def datagrams_beside_cubic(lab):
    tcp_keeps_its_part(lab, lossy_datagrams, "cubic")


def messages_beside_reno(lab):
    tcp_keeps_its_part(lab, lossy_messages, "reno")


if __name__ == "__main__":
    start(datagrams_beside_reno, datagrams_beside_cubic, messages_beside_reno)
