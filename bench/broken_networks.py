#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connect times of the tool and of curl in the same broken networks, as the table of docs/broken-networks.md. HAWSER and
HAWSER_LAB_LINK name the programs; default: build/."""

import argparse
import os
import re
import subprocess
import sys
from statistics import median

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
import lab  # noqa: E402 the path is ours
from scenarios import SCENARIOS, curl_ms, hawser_ms, words  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "broken-networks.md")
BEGIN, END = "<!-- table: bench/broken_networks.py --write -->\n", "<!-- end -->\n"


def options():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--runs", type=int, default=7, help="of each network (default %(default)s)")
    a.add_argument("--write", action="store_true", help="put the table into the page")
    return a.parse_args()


def cell(runs):
    times = [ms for ms, _ in runs if ms is not None]
    if not times:
        reason = re.sub(r"^curl: \(\d+\) ", "", runs[0][1])
        return f"fails: {reason}"
    failed = f"; {len(runs) - len(times)} of {len(runs)} failed" if len(times) < len(runs) else ""
    return f"{median(times):.0f} ms ({min(times):.0f}–{max(times):.0f}{failed})"


def measure(world, scenario, count):
    """Ours, ours again and theirs, alternating; those during which the machine stalled are taken again, and counted."""
    world.two_hosts()
    scenario(world)
    runs, repeated = [], 0
    theirs = curl_ms(world)
    fails = theirs[0] is None  # that takes all the time it is given: once is enough
    while len(runs) < count:
        world.stall_ms()
        state = world.fresh()
        run = hawser_ms(world, state), hawser_ms(world, state), theirs if fails else curl_ms(world)
        if world.stall_ms() > lab.STALL_MS and repeated < 4 * count:
            repeated += 1
        else:
            runs.append(run)
    return runs, repeated


def main():
    conf = options()
    lab.enter()
    count, again = conf.runs, 0
    rows = ["| broken | hawser | hawser, again | curl |", "|---|---|---|---|"]
    for scenario in SCENARIOS:
        world = lab.Lab()
        try:
            runs, stalled = measure(world, scenario, count)
            again += stalled
            rows.append(f"| {words(scenario)} | " + " | ".join(cell(side) for side in zip(*runs)) + " |")
            print(rows[-1], flush=True)
        finally:
            world.close()
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    rows.append("")
    rows.append(f"Median of {count} (least–greatest), round trip {lab.RTT_MS:.0f} ms, curl {version}; {again} runs were "
                "repeated because the machine stalled meanwhile.")
    if conf.write:
        with open(PAGE, encoding="utf-8") as file:
            head, rest = file.read().split(BEGIN)
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(head + BEGIN + "\n".join(rows) + "\n" + END + rest.split(END)[1])
    print(rows[-1])


if __name__ == "__main__":
    main()
