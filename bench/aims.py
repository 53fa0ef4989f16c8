# SPDX-License-Identifier: Apache-2.0
"""The aims, and whether they are met. A ratio is taken within each round; its median over the rounds is judged."""
from dataclasses import dataclass
from statistics import median

from network import RATE_BITS
from parts import FIRST_CASES, MESSAGING, words


@dataclass
class Verdict:
    text: str
    limit: float
    at_most: bool
    values: list  # one per round
    unit: str = ""
    counts: bool = True  # False: shown, not judged

    @property
    def value(self):
        return median(self.values) if self.values else None

    @property
    def word(self):
        if not self.values:
            return "not measured"
        met = self.value <= self.limit if self.at_most else self.value >= self.limit
        if not self.counts:
            return "(for information)"
        return "met" if met else "NOT MET"


class Results:
    """rounds[part][round][(variant, sweep)] = figures"""

    def __init__(self):
        self.rounds = {}

    def add(self, part, number, variant, at, figures):
        self.rounds.setdefault(part, {}).setdefault(number, {})[(variant, at)] = figures

    def values(self, part, variant, metric, at=None):
        """{round: value}"""
        rounds = self.rounds.get(part, {})
        return {n: r[(variant, at)][metric] for n, r in rounds.items() if metric in r.get((variant, at), {})}

    def median(self, part, variant, metric, at=None):
        values = self.values(part, variant, metric, at)
        return median(values.values()) if values else None

    def pairs(self, part, a, b, metric, combine, at=(None, None)):
        x, y = self.values(part, a, metric, at[0]), self.values(part, b, metric, at[1])
        return [combine(x[n], y[n]) for n in x if n in y]

    def ratios(self, part, a, b, metric, at=(None, None)):
        return self.pairs(part, a, b, metric, lambda x, y: x / y, at)


def bulk(r, part):
    size = part.replace("iB", " iB").replace("M iB", " MiB")
    return [
        Verdict(f"{size}: CPU per GB, to bare GnuTLS", 1.05, True, r.ratios(part, "hawser", "gnutls", "cpu_s_gb")),
        Verdict(f"{size}: rate, to bare GnuTLS (aim 0.95)", 0.90, False, r.ratios(part, "hawser", "gnutls", "rate")),
    ]


def setup(r):
    def above(part):
        return r.pairs(part, "hawser", "gnutls", "cpu_us", lambda x, y: x - y)
    return [
        Verdict("set-up: CPU above bare GnuTLS, both ends", 30, True, above("setup"), " us"),
        Verdict("set-up resumed: CPU above bare GnuTLS, both ends", 30, True, above("setup-resumed"), " us"),
    ]


def idle(r):
    sides = [Verdict(f"idle: {side} memory above bare GnuTLS", 4000, True,
                     r.pairs("idle", "hawser", "gnutls", "memory_" + side, lambda x, y: x - y), " B")
             for side in ("client", "server")]
    return sides


def growth(r):
    """With one association every message costs a sleep and a wake-up on both sides; with ten that is shared. So the second
    row shows the growth without it."""
    def verdict(least, counts):
        def grown(variant):
            first, last = r.values("growth", variant, "cpu_us", least), r.values("growth", variant, "cpu_us", 5000)
            return {n: last[n] / first[n] for n in first if n in last}
        ours, raw = grown("hawser"), grown("raw")
        return Verdict(f"growth, {least} to 5,000 associations: CPU per message, to raw epoll's own growth", 1.25, True,
                       [ours[n] / raw[n] for n in ours if n in raw], counts=counts)
    return [verdict(1, True), verdict(10, False)]


def queue(r):
    deep = r.values("queue", "hawser", "cpu_us", 100000)
    one = r.values("queue", "hawser", "cpu_us", 1)
    rounds = r.rounds.get("queue", {})
    least = {n: min(f["cpu_us"] for f in jobs.values()) for n, jobs in rounds.items() if jobs}
    return [
        Verdict("queue, 100,000 messages: CPU per message, to 1 message", 1.3, True,
                [deep[n] / one[n] for n in deep if n in one]),
        Verdict("queue, 100,000 messages: CPU per message, to the cheapest length", 1.3, True,
                [deep[n] / least[n] for n in deep], counts=False),
    ]


def urgent_limit(rtt_us):
    return 1.5 * rtt_us + 65536 * 8 / RATE_BITS * 1e6


def urgent(r):
    runs = r.values("urgent", "hawser", "urgent").values()
    worst = [max(delay / urgent_limit(rtt) for delay, rtt in run) for run in runs if run]
    middle = [median(delay / urgent_limit(rtt) for delay, rtt in run) for run in runs if run]
    return [
        Verdict("urgent: slowest message, to 1.5 RTT + 64 KiB", 1.0, True, worst),
        Verdict("urgent: median message, to the same", 1.0, True, middle, counts=False),
    ]


def first(r):
    """An ordinary server is some milliseconds away; without any the processor alone is compared, and shown. Nothing is
    stated for connect: a process that links and starts a library has more to do than a loop of twenty lines."""
    out = []
    for at in FIRST_CASES:
        far = not at.endswith(" 0 ms")
        for peer in ("first_gnutls", "first_openssl"):
            out.append(Verdict(f"first byte, {at}: to {words(peer)}", 1.05, True,
                               r.ratios("first-byte", "first_hawser", peer, "process_us", (at, at)), counts=far))
        out.append(Verdict(f"connect, {at}: to {words('first_loop')}", 1.05, True,
                           r.ratios("connect", "first_connect", "first_loop", "process_us", (at, at)), counts=False))
    return out


def stacks(r):
    whole, small = "stacks-1MiB", "stacks-64B"
    return [
        Verdict("1 MiB over quic/udp: rate, to raw UDP with GSO and GRO", 0.07, False,
                r.ratios(whole, "hawser-quic", "raw-udp", "rate")),
        Verdict("1 MiB over quic/udp: CPU per GB", 3.3, True,
                list(r.values(whole, "hawser-quic", "cpu_s_gb").values()), " s"),
        Verdict("64 B over quic/udp: millions a second", 2, False,
                [rate / 1e6 for rate in r.values(small, "hawser-quic", "rate").values()]),
        Verdict("datagrams over a bare line: rate, to raw UDP with GSO and GRO", 0.5, False,
                r.ratios("datagrams", "hawser-udp", "raw-udp", "rate")),
        Verdict("datagrams over a bare line: rate, to sendmmsg", 2, False,
                r.ratios("datagrams", "hawser-udp", "raw-udp-mmsg", "rate")),
        Verdict("1 MiB at 500 Mbit/s: tls/mptcp to tls/tcp", 0.95, False,
                r.ratios("pair", "hawser-mptcp", "hawser", "rate")),
    ]


def judge(r):
    out = bulk(r, "1MiB") + bulk(r, "100MiB")
    out += [Verdict(f"100 MiB: rate, to {words(p)}", 1.5, False, r.ratios("100MiB", "hawser", p, "rate"))
            for p in MESSAGING + ["zeromq-lent"]]
    out += [
        Verdict("64 B: rate, to ZeroMQ in the clear", 1.5, False, r.ratios("64B", "hawser", "zeromq", "rate")),
        Verdict("64 B: rate, to bare GnuTLS", 0.5, False, r.ratios("64B", "hawser", "gnutls", "rate"), counts=False),
        Verdict("ping-pong: median, to bare GnuTLS", 1.15, True, r.ratios("pingpong", "hawser", "gnutls", "p50_us")),
        Verdict("ping-pong in a foreign poll loop, to bare GnuTLS", 1.5, True,
                r.ratios("pingpong", "hawser-poll", "gnutls", "p50_us")),
        Verdict("ping-pong: median, to ZeroMQ", 0.5, True, r.ratios("pingpong", "hawser", "zeromq", "p50_us")),
    ]
    return out + stacks(r) + idle(r) + setup(r) + urgent(r) + growth(r) + queue(r) + first(r)
