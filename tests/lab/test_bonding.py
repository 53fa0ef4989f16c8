#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What MPTCP is used for (S5.8-S5.10), with programs that know nothing of it: a voice that survives the loss of its link, the
bonding SOCKS proxy and the hybrid access gateway (examples/bonding.c), which give the sum of two links."""

import json
import os
import statistics
import sys

from lab import HERE, STALL_MS, Commanded, Host, check, need, skip, start

BONDING = os.environ.get("HAWSER_EXAMPLE_BONDING", os.path.join(HERE, "..", "..", "build", "examples", "example_bonding"))
VOICE = os.path.join(HERE, "voice.py")
RATES = (30e6, 20e6)  # bits per second of the two links
RTT_MS = 20.0
SECONDS = 3.5  # of a transfer
SHARE = 0.9  # of the sum (S5.9, S5.10)
RECOVERED_MS = 2000.0  # S5.8
TRIES = 6


def two_links(lab):
    """client and server, with a subflow on each link for what the client opens."""
    lab.two_hosts(paths=2, rtt_ms=RTT_MS)
    for link, rate in zip(lab.links, RATES):
        link.set(rate=int(rate), queue=int(rate / 8 * 0.04))
    lab.client.ip("mptcp limits set subflow 4 add_addr_accepted 4", "mptcp endpoint add 10.0.1.1 dev p1 subflow")
    lab.server.ip("mptcp limits set subflow 4 add_addr_accepted 4")
    if lab.client.command("cat", "/proc/sys/net/mptcp/enabled").wait() != 0:
        skip("this kernel has no MPTCP")


def lines(host, *argv):
    return Commanded(host.lab, host.inside(*argv))


def serve_files(lab, host, address):
    """A web server of three files: "both", and "p0", "p1" that take as long over their link alone."""
    directory = lab.path(f"web-{address}")
    os.mkdir(directory)
    for name, rate in (("both", sum(RATES)), ("p0", RATES[0]), ("p1", RATES[1])):
        with open(os.path.join(directory, name), "wb") as file:
            file.truncate(int(rate / 8 * SECONDS))
    server = host.command(sys.executable, "-u", "-m", "http.server", "--directory", directory, "--bind", address, "8080")
    server.text(b"Serving HTTP")
    return f"http://{address}:8080"


def fetched(host, *words, before=()):
    """Bits per second of a curl."""
    process = host.command(*before, "curl", "-sS", "-o", "/dev/null", "--fail",
                           "-w", "%{size_download} %{time_total} %{time_starttransfer}\n", *words)
    check(process.wait(60) == 0, process.transcript())
    got, total, first = process.output.split()
    return int(got) * 8 / (float(total) - float(first))


def alone(lab, address):
    """Bits per second of plain TCP over each of the links by itself, between their ends."""
    url = serve_files(lab, lab.server, address)
    return [fetched(lab.client, "--interface", f"p{number}", f"{url}/p{number}") for number in range(2)]


def compare(lab, what, together, singles):
    """together() against the sum of the links alone; a run during which the machine stalled is repeated."""
    reached = []
    for _ in range(TRIES):
        lab.stall_ms()
        reached.append(together())
        stalled = lab.stall_ms()
        print(f"{what}: {reached[-1] / 1e6:.1f} Mbit/s, links alone {' + '.join(f'{rate / 1e6:.1f}' for rate in singles)}: "
              f"{reached[-1] / sum(singles):.2f} of the sum", flush=True)
        if reached[-1] >= SHARE * sum(singles):
            return
        check(stalled > STALL_MS, f"{what} reached {reached[-1] / sum(singles):.2f} of the sum of the links; the machine was "
              f"at most {stalled:.1f} ms late")
    skip(f"the machine stalled in each of {TRIES} runs; {what} reached {statistics.median(reached) / sum(singles):.2f} of the sum")


def started(host, *words):
    process = host.command(BONDING, *words)
    process.text(b"listening ")
    return process


def proxy_gives_the_sum_of_the_links(lab):
    """An unmodified curl under `hawser run --mptcp`, a SOCKS5 proxy that takes MPTCP, a server that knows TCP alone."""
    need("curl")
    two_links(lab)
    singles = alone(lab, lab.V4.format(1))
    started(lab.server, "proxy", f"{lab.V4.format(2)}:1080")
    socks = ("--socks5-hostname", f"{lab.V4.format(2)}:1080", f"http://{lab.V4.format(1)}:8080/both")
    with lab.links[1].capture() as capture:
        compare(lab, "proxy", lambda: fetched(lab.client, *socks, before=(lab.tool, "run", "--mptcp", "--")), singles)
    joined = [p for p in capture.packets if p.syn and 30 in p.options and p.source == "10.0.1.1"]
    check(joined, "no subflow was opened over the second link")


def gateway_gives_the_sum_of_the_links(lab):
    """home -- client = two links = server -- web: hosts at both ends speak TCP, and no MPTCP is on their links."""
    need("curl", "nft")
    two_links(lab)
    home, web = Host(lab, "home"), Host(lab, "web")
    local, core = lab.join("local", home, lab.client, "h0", "h1"), lab.join("core", lab.server, web, "w0", "w1")
    home.ip("link set h0 up", "addr add 10.8.0.1/24 dev h0", "route add default via 10.8.0.2")
    lab.client.ip("link set h1 up", "addr add 10.8.0.2/24 dev h1", "rule add fwmark 1 lookup 100",
                  "route add local default dev lo table 100")
    lab.server.ip("link set w0 up", "addr add 10.9.0.1/24 dev w0")
    web.ip("link set w1 up", "addr add 10.9.0.2/24 dev w1")
    rules = lab.path("rules.nft")
    with open(rules, "w", encoding="ascii") as file:
        file.write('table ip bonding {\n chain hosts {\n  type filter hook prerouting priority mangle\n'
                   '  iifname "h1" meta l4proto tcp tproxy to :7000 meta mark set 1 accept\n }\n}\n')
    loaded = lab.client.command("nft", "-f", rules)
    if loaded.wait() != 0:
        skip(f"this kernel leads no connections to a proxy (tproxy): {loaded.error_text().strip().splitlines()[0]}")
    started(lab.server, "proxy", f"{lab.V4.format(2)}:1080")
    started(lab.client, "gateway", "0.0.0.0:7000", f"{lab.V4.format(2)}:1080")
    singles = alone(lab, lab.V4.format(1))
    url = serve_files(lab, web, "10.9.0.2")
    with local.capture() as near, core.capture() as far:
        compare(lab, "gateway", lambda: fetched(home, f"{url}/both"), singles)
    for name, capture in (("home", near), ("web", far)):
        check(capture.syns(), f"nothing was seen at {name}")
        check(not [p for p in capture.packets if 30 in p.options], f"MPTCP is on the link of {name}")
    refused = home.command("curl", "-sS", "http://10.9.0.2:1/")
    check(refused.wait() != 0, "a port where nobody listens answered")


def voice_survives_the_loss_of_its_link(lab):
    """Small requests and answers while the link that they use goes dark, without a word from the network. Both hosts give a
    subflow up at its first time-out (net.mptcp.stale_loss_cnt); with the kernel's 4 this takes up to 3 s."""
    two_links(lab)
    for host in (lab.client, lab.server):
        check(host.command("sh", "-c", "echo 1 >/proc/sys/net/mptcp/stale_loss_cnt").wait() == 0, "no stale_loss_cnt")
    lines(lab.server, sys.executable, VOICE, "serve", lab.V4.format(1), "5000")
    quiet = []

    def lose_a_link():
        talker = lines(lab.client, lab.tool, "run", "--mptcp", "--", sys.executable, VOICE, "talk", lab.V4.format(1), "5000")
        quiet.append(talker.ask("0.5")["longest_ms"])
        lab.links[0].cut()
        told = talker.ask("2.5")
        lab.links[0].uncut()
        talker.dispose()
        check(told["answered"] == told["asked"] >= 100, f"answers are missing: {told}")
        return told["longest_ms"]

    silences = [lab.within(lose_a_link, RECOVERED_MS, elapsed=lambda silence: silence) for _ in range(2)]
    print(f"longest silence: {max(quiet):.0f} ms undisturbed; link lost: "
          + ", ".join(f"{silence:.0f}" for silence in silences) + " ms", flush=True)


if __name__ == "__main__":
    start(voice_survives_the_loss_of_its_link, proxy_gives_the_sum_of_the_links, gateway_gives_the_sum_of_the_links)
