#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""head_of_line.py [--rounds N] [--build DIR] [--svg FILE]: what a lost packet of one message does to others (S1.16). 200
small messages a second beside a bulk message, over an emulated link (50 Mbit/s, 20 ms each way, 2 % loss in both directions),
by stack, independent of one another and in order. The delay is from hawser_send() to the receiving program's handler; both
hosts are on one machine, so their clocks are one."""

import argparse
import json
import os
import random
import sys
from statistics import median

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "lab"))

STACKS = ["tls/tcp", "quic/udp", "sctp/dtls/udp", "dtls/udp"]
RATE, DELAY_MS, LOSS = 50_000_000, 20, 0.02
QUEUE = RATE // 8 * 2 * DELAY_MS // 1000  # one bandwidth-delay product


def options():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--count", type=int, default=1000, help="small messages a run")
    a.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build"))
    a.add_argument("--stacks", default=",".join(STACKS))
    a.add_argument("--json", action="store_true")
    return a.parse_args()


def one(world, chosen, stack, ordered):
    """Delays in milliseconds, or None where this build has no such stack."""
    tool = os.path.join(chosen.build, "hawser")
    base = ["--what", "urgent", "--size", "1G", "--timeout", "60s"]
    server = world.server.command(tool, "bench", "server", *base, "--endpoint", f"{world.V4.format(1)}:0")
    server.text(b"listening")
    endpoint = json.loads(server.output.splitlines()[0])["endpoint"]
    client = world.client.command(tool, "bench", "client", *base, "--endpoint", endpoint, "--stack", stack, "--interval", "5ms",
                                  "--count", str(chosen.count), *(["--ordered"] if ordered else []))
    if client.wait(70) != 0:
        print(f"{stack}: {client.error_text().strip()}", file=sys.stderr)
        return None
    server.wait(10)
    result = [json.loads(line) for line in server.output.splitlines() if b'"result"' in line][-1]
    return sorted(delay / 1000 for delay, _ in result["urgent"])


def share(values, of):
    return values[min(len(values) - 1, int(len(values) * of))]


def measure(world):
    chosen = options()
    link = world.two_hosts(rtt_ms=2 * DELAY_MS)
    link.set(rate=RATE, queue=QUEUE, loss=LOSS)
    rows = {}
    for _ in range(chosen.rounds):
        jobs = [(stack, ordered) for stack in chosen.stacks.split(",") for ordered in (False, True)]
        random.shuffle(jobs)
        for job in jobs:
            if (delays := one(world, chosen, *job)):
                rows.setdefault(job, []).append(delays)
    return rows


def tell(rows):
    print(f"| stack | messages | p50 ms | p90 ms | p99 ms | largest ms |\n|---|---|---|---|---|---|")
    for (stack, ordered), runs in sorted(rows.items()):
        figures = [median(share(run, of) for run in runs) for of in (0.5, 0.9, 0.99, 1.0)]
        print(f"| `{stack}` | {'in order' if ordered else 'independent'} | {' | '.join(f'{f:.1f}' for f in figures)} |")
    reference = rows.get(("tls/tcp", False))
    for stack in STACKS[1:]:
        for what, of, mine, other in (("p99 to tls/tcp", 0.99, (stack, False), ("tls/tcp", False)),
                                      ("p90 independent to in order", 0.9, (stack, False), (stack, True)),
                                      ("p99 independent to in order", 0.99, (stack, False), (stack, True))):
            if reference and mine in rows and other in rows:
                pairs = [share(a, of) / share(b, of) for a, b in zip(rows[mine], rows[other])]
                print(f"{stack}, {what}: {median(pairs):.2f} ({min(pairs):.2f}-{max(pairs):.2f})")


def main():
    import lab
    lab.enter()
    world = lab.Lab()
    try:
        rows = measure(world)
    finally:
        world.close()
    if options().json:
        print(json.dumps({f"{stack} {'ordered' if ordered else 'independent'}": runs for (stack, ordered), runs in
                          rows.items()}))
    else:
        tell(rows)


if __name__ == "__main__":
    main()
