#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What several paths give and what the loss of one costs, beside the kernel's MPTCP in the same lab, run by run. HAWSER,
HAWSER_LAB_LINK and HAWSER_LAB_PATHS name the programs; default: build/. Writes paths.txt, paths.json and pictures to --out."""

import argparse
import json
import os
import sys
import time
from statistics import median

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
import lab  # noqa: E402 the path is ours
import paths_plot  # noqa: E402
import troubles as t  # noqa: E402

OURS = t.hawser("aggregate")
MIXES = [("quic/udp", "tls/tcp"), ("tls/mptcp", "quic/udp"), ("sctp/dtls/udp", "tls/tcp")]


class Row:
    """One figure: its runs, what it is to be (least or most), and the peer's runs beside it."""

    def __init__(self, part, what, unit, aim=None, sense=None):
        self.part, self.what, self.unit, self.aim, self.sense = part, what, unit, aim, sense
        self.runs, self.peer, self.failed, self.peer_failed = [], [], [], []

    def add(self, ours, peer=None):
        if ours is not None:
            self.runs.append(ours)
        if peer is not None:
            self.peer.append(peer)

    @staticmethod
    def _cell(runs, failed, unit):
        if not runs:
            return f"fails ({failed[0].splitlines()[0]})" if failed else "-"
        text = f"{median(runs):.3g} {unit} ({min(runs):.3g}-{max(runs):.3g})"
        return text + (f"; {len(failed)} failed" if failed else "")

    def words(self):
        verdict, aim = "", ""
        if self.aim is not None:
            aim = f"{'at least' if self.sense == 'least' else 'at most'} {self.aim:.4g}"
            if self.runs:
                good = median(self.runs) >= self.aim if self.sense == "least" else median(self.runs) <= self.aim
                verdict = "met" if good and not self.failed else "MISSED"
        return [self.part, self.what, self._cell(self.runs, self.failed, self.unit),
                self._cell(self.peer, self.peer_failed, self.unit), aim, verdict]

    def plain(self):
        return {key: getattr(self, key) for key in ("part", "what", "unit", "aim", "sense", "runs", "peer", "failed", "peer_failed")}


class Bench:
    def __init__(self, conf):
        self.conf, self.rows, self.counted = conf, [], t.Counted(conf.tries)

    def row(self, *what, **aim):
        self.rows.append(Row(*what, **aim))
        return self.rows[-1]

    def measured(self, failed, measure):
        """The figure, or None with its reason in failed."""
        try:
            return self.counted.run(measure)
        except AssertionError as error:
            failed.append(str(error))
            return None

    def told(self, row):
        print("   ".join(row.words()), flush=True)

    # ------------------------------------------------------------------------------------------------------------- goodput

    def goodput(self, name, profile, least):
        """Of all paths together, as a share of what single strands reach, ours and MPTCP's beside single TCP."""
        size = int(self.conf.size)
        total = sum(path["rate"] for path in profile)
        row = self.row("goodput", name, "of the sum of single strands", aim=least, sense="least")
        rate = self.row("goodput", f"{name}, absolute", "Mbit/s")
        for _ in range(self.conf.runs):
            sums = {}
            for key, how, into in (("ours", t.single(), row.failed), ("peer", t.TCP, row.peer_failed)):
                parts = [self.measured(into, lambda done, n=n, how=how, path=path: t.transfer(
                    how, profile, max(int(size * path["rate"] / total), 20 * t.BLOCK), done, to=n)) for n, path in enumerate(profile)]
                sums[key] = None if None in parts else sum(parts)
            ours = self.measured(row.failed, lambda done: t.transfer(OURS, profile, size, done))
            peer = self.measured(row.peer_failed, lambda done: t.transfer(t.MPTCP, profile, size, done))
            row.add(ours and sums["ours"] and ours / sums["ours"], peer and sums["peer"] and peer / sums["peer"])
            rate.add(ours and ours / 1e6, peer and peer / 1e6)
        self.told(row)
        self.told(rate)
        if rate.runs and rate.peer:
            beside = self.row("goodput", f"{name}, beside MPTCP", "times MPTCP's", aim=1.0, sense="least")
            beside.add(median(rate.runs) / median(rate.peer))
            self.told(beside)

    def part_goodput(self):
        self.goodput("2 x 50 Mbit/s 10 ms", t.EQUAL, 0.95)
        self.goodput("50 Mbit/s 10 ms + 20 Mbit/s 60 ms", t.UNEQUAL, 0.90)
        self.goodput("4 unequal paths", t.FOUR, 0.85)

    def part_slow(self):
        """A slow second path never makes a transfer slower."""
        row = self.row("slow second path", "50 Mbit/s 10 ms + 1 Mbit/s 400 ms", "of the good path alone", aim=0.97, sense="least")
        size = int(self.conf.size / 4)
        for _ in range(self.conf.runs):
            pair = []
            for alone, both, into in ((t.single(), OURS, row.failed), (t.TCP, t.MPTCP, row.peer_failed)):
                one = self.measured(into, lambda done, how=alone: t.transfer(how, t.SLOW_SECOND, size, done))
                two = self.measured(into, lambda done, how=both: t.transfer(how, t.SLOW_SECOND, size, done))
                pair.append(one and two and two / one)
            row.add(*pair)
        self.told(row)

    # --------------------------------------------------------------------------------------------------------------- stalls

    def part_stall(self):
        for event in t.EVENTS:
            if event == "no-udp":  # nothing to strands over TCP: part_mixed()
                continue
            quick = event in ("reset", "address", "device")
            for policy in ("aggregate", "interactive", "handover"):
                stack = "tls/tcp" if event == "reset" else None
                aim = 60 if quick else 300 if policy == "handover" else 150
                row = self.row("stall", f"{event}, {policy}{', ' + stack if stack else ''}", "ms", aim=aim, sense="most")
                for _ in range(self.conf.runs):
                    row.add(self.measured(row.failed, lambda done: t.stall(t.hawser(policy, stack), event, done)),
                            self.measured(row.peer_failed, lambda done: t.stall(t.MPTCP, event, done)))
                self.told(row)

    def part_mixed(self):
        """One strand of each of two transports: the loss of UDP altogether, or of a path, costs the same."""
        for one, other in MIXES:
            how = t.mixed(one, other)
            for words, event in (("blackhole", "blackhole"), ("UDP lost", "no-udp")):
                row = self.row("mixed", f"{one} + {other}, {words}", "ms", aim=150, sense="most")
                for _ in range(self.conf.runs):
                    row.add(self.measured(row.failed, lambda done, how=how, event=event: t.stall(how, event, done)))
                self.told(row)

    def part_latency(self):
        """interactive: 200 messages a second over two paths with 5 % loss each."""
        one_way, rtt = 10.0, 20.0
        for stack, aim in (("quic/udp", 1.5 * one_way + 5), ("tls/tcp", one_way + 1.25 * rtt)):
            row = self.row("interactive", f"p99 of two {stack} strands, 5 % loss", "ms", aim=aim, sense="most")
            alone = self.row("interactive", f"p99 of one {stack} strand", "ms")
            for run in range(self.conf.runs):
                row.add(self.measured(row.failed, lambda done: t.latency(t.hawser("interactive", stack), done, seed=run)),
                        self.measured(row.peer_failed, lambda done: t.latency(t.MPTCP, done, seed=run)))
                alone.add(self.measured(alone.failed, lambda done: t.latency(t.single(stack), done, profile=t.LOSSY[:1], seed=run)))
            self.told(row)
            self.told(alone)
            if row.runs and alone.runs:
                half = self.row("interactive", f"two {stack} strands beside one", "of its p99", aim=0.5, sense="most")
                half.add(median(row.runs) / median(alone.runs))
                self.told(half)

    def part_move(self):
        """Both ends change all addresses at once. MPTCP has no name to look up, and ends."""
        for stack in ("tls/tcp", "quic/udp"):
            row = self.row("move", f"both ends at once, {stack}", "ms")
            after = self.row("move", f"{stack}, after the name was looked up anew", "ms", aim=60, sense="most")
            how = t.hawser("aggregate", stack)
            for _ in range(self.conf.runs):
                looked_up = []
                row.add(self.measured(row.failed, lambda done, how=how: t.moved(how, done, looked_up=looked_up)))
                after.add(looked_up[-1] if looked_up else None)
            self.told(row)
            self.told(after)

    def part_rotation(self):
        row = self.row("rotation", "4 paths, one after the other blackholed for 5 s", "ms", aim=500, sense="most")
        how = t.hawser("aggregate", strands=4)
        for _ in range(self.conf.runs):
            row.add(self.measured(row.failed, lambda done: t.rotation(how, done)),
                    self.measured(row.peer_failed, lambda done: t.rotation(t.MPTCP, done)))
        self.told(row)

    PARTS = {"goodput": part_goodput, "slow": part_slow, "stall": part_stall, "mixed": part_mixed, "latency": part_latency,
             "move": part_move, "rotation": part_rotation}


def table(rows, conf, repeated):
    lines = ["| | | hawser | kernel MPTCP | aim | |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row.words()) + " |" for row in rows]
    lines += ["", f"Medians of {conf.runs} (least-greatest); {repeated} runs were void because the machine stood still "
              f"for more than {t.MACHINE_MS:.0f} ms meanwhile, of each at most {conf.tries - 1}; load {os.getloadavg()[0]:.1f}."]
    return "\n".join(lines) + "\n"


def options():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--runs", type=int, default=5, help="of each figure (default %(default)s)")
    a.add_argument("--size", type=float, default=200e6, help="bytes of a transfer (default %(default).0f)")
    a.add_argument("--tries", type=int, default=t.REPEATS, help="of a run while the machine stands still (default %(default)s)")
    a.add_argument("--only", action="append", choices=Bench.PARTS, help="this part alone; may be repeated")
    a.add_argument("--out", default=os.path.join(HERE, "out"), help="where the results go (default %(default)s)")
    return a.parse_args()


def main():
    conf = options()
    lab.enter()
    os.makedirs(conf.out, exist_ok=True)
    bench = Bench(conf)
    began = time.monotonic()
    for name in conf.only or Bench.PARTS:
        Bench.PARTS[name](bench)
    text = table(bench.rows, conf, bench.counted.repeated)
    with open(os.path.join(conf.out, "paths.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(conf.out, "paths.json"), "w", encoding="utf-8") as file:
        json.dump([row.plain() for row in bench.rows], file, indent=1)
    paths_plot.draw(bench.rows, conf.out)
    print(f"\n{text}\n{time.monotonic() - began:.0f} s; {conf.out}/paths.txt, paths.json, paths-*.svg")


if __name__ == "__main__":
    main()
