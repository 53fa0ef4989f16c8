# SPDX-License-Identifier: Apache-2.0
"""The benchmark: paired rounds in shuffled order, a table, plots. README.md says how to read it."""
import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile

import network
import pairs
import report
from aims import Results, judge
from parts import CLIENT_OPTIONS, VARIANTS, all_parts

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "out")
BUILD = os.path.join(OUT, "build")


def arguments():
    a = argparse.ArgumentParser(prog="script/bench", description="Measures hawser beside its limits and its peers.")
    a.add_argument("--rounds", type=int, default=5, help="paired rounds (default %(default)s; 15 for the stated aims)")
    a.add_argument("--seconds", type=float, default=0.7, help="length of a timed measurement (default %(default)s)")
    a.add_argument("--only", action="append", metavar="NAME", help="only this part, or all whose names begin so")
    a.add_argument("--variants", metavar="A,B", help="only these programs (see --list)")
    a.add_argument("--placement", choices=["free", "split"], default="free",
                   help="one-way measurements: processes go where they want, or each to its own processor")
    a.add_argument("--connections", type=int, default=5000, help="idle associations (default %(default)s)")
    a.add_argument("--hawser", metavar="PROGRAM", help="measure this hawser instead of building one")
    a.add_argument("--no-hawser", action="store_true", help="measure the limits and the peers alone")
    a.add_argument("--seed", type=int, help="of the order of measurements")
    a.add_argument("--list", action="store_true", help="print the names of parts and programs")
    a.add_argument(network.INSIDE, action="store_true", help=argparse.SUPPRESS)
    return a.parse_args()


def build(options):
    """Builds the measured programs, each that can be built; hawser with the settings of script/build."""
    os.makedirs(OUT, exist_ok=True)
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", "-Dbench=true", BUILD, os.path.dirname(HERE)], check=True,
                       stdout=subprocess.DEVNULL)
    listed = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], check=True, capture_output=True, text=True)
    targets = {line.split(":")[0] for line in listed.stdout.splitlines()}
    wanted = {"bench/" + v[0] for v in VARIANTS.values()} | {"bench/credentials", "tests/lab/lab-link"}
    for name in sorted(wanted - targets - {"bench/hawser"}):
        print(f"{name} is left out: its library is not installed.")
    wanted &= targets
    if not options.no_hawser and not options.hawser:
        wanted |= {"hawser"} & targets
    done = subprocess.run(["ninja", "-C", BUILD] + sorted(wanted), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("The build failed:\n" + done.stdout[-3000:])


def program(options, name):
    """The command that starts a program, or None."""
    if name == "hawser":
        path = options.hawser or os.path.join(BUILD, "hawser")
        return None if options.no_hawser or not os.path.exists(path) else [os.path.abspath(path), "bench"]
    if name in ("first_hawser", "first_connect") and options.no_hawser:
        return None
    path = os.path.join(BUILD, "bench", name)
    return [path] if os.path.exists(path) else None


def choose(options):
    parts = all_parts(options.connections)
    if options.list:
        print("parts:   ", " ".join(p.name for p in parts))
        print("programs:", " ".join(VARIANTS))
        sys.exit(0)
    if options.only:
        parts = [p for p in parts if any(p.name.startswith(o) for o in options.only)]
        if not parts:
            sys.exit("No part has such a name; see --list.")
    wanted = options.variants.split(",") if options.variants else list(VARIANTS)
    if not set(wanted) <= set(VARIANTS):
        sys.exit("No program has such a name; see --list.")
    for part in parts:
        part.variants = [v for v in part.variants if v in wanted]
    return parts


def available(options, parts):
    """Leaves out what was not built."""
    for part in parts:
        part.variants = [v for v in part.variants if program(options, VARIANTS[v][0])]


class Machine:
    """How much of the machine others took while we measured: their share makes figures doubtful."""

    def __init__(self):
        self.start = self.read()

    @staticmethod
    def read():
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, idle, wait, irq, soft, steal = map(int, f.readline().split()[1:9])
        tick = os.sysconf("SC_CLK_TCK")
        own = sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_CHILDREN),
                                                    resource.getrusage(resource.RUSAGE_SELF)))
        busy = (user + nice + system + irq + soft) / tick
        return busy - own, steal / tick, (user + nice + system + idle + wait + irq + soft + steal) / tick

    def shares(self):
        others, stolen, total = (b - a for a, b in zip(self.start, self.read()))
        return max(others, 0) / max(total, 1e-9), stolen / max(total, 1e-9)


class Runner:
    def __init__(self, options, keys):
        self.options, self.keys = options, keys
        self.results = Results()
        self.raw = []
        self.failures = []
        self.skipped = set()
        self.link = None
        self.pair = None

    def argv(self, part, variant, side, at):
        name, mode, _ = VARIANTS[variant]
        argv = program(self.options, name) + [side, "--what", part.what, "--mode", mode, "--dir", self.keys]
        argv += part.options + ["--timeout", str(pairs.LIMIT_S)]
        if part.sweep:
            argv += [part.sweep[0], str(at)]
        if side == "client":
            argv += part.client + CLIENT_OPTIONS.get(variant, [])
            if part.seconds:
                argv += ["--seconds", f"{self.options.seconds * part.seconds:.3f}"]
        return argv

    def cpus(self, part):
        allowed = sorted(os.sched_getaffinity(0))
        if part.same_cpu:
            return {allowed[0]}, {allowed[0]}
        if self.options.placement == "split" and part.what == "oneway":
            return {allowed[0]}, {allowed[-1]}
        return None, None

    def one(self, part, variant, at, number):
        server, client = self.argv(part, variant, "server", at), self.argv(part, variant, "client", at)
        link = self.pair if part.pair else self.link if part.link else None
        if link:
            server = link.inside(server + ["--endpoint", link.right + ":0"])
        try:
            results = pairs.run(server, client, *self.cpus(part))
        except pairs.Unsupported as e:
            self.skipped.add((part.name, variant, str(e)))
        except pairs.Failed as e:
            self.failures.append(f"{part.name} {variant} {'' if at is None else at} round {number}: {e}")
        else:
            figures = pairs.figures(*results)
            self.results.add(part.name, number, variant, at, figures)
            self.raw.append({"part": part.name, "round": number, "variant": variant, "at": at, "client": results[0],
                             "server": results[1]})

    def round(self, parts, number):
        for part in parts:
            if part.link or part.script or (part.pair and not self.pair):
                continue
            jobs = part.jobs()
            random.shuffle(jobs)
            for variant, at in jobs:
                progress(f"round {number} {part.name} {variant} {'' if at is None else at}")
                self.one(part, variant, at, number)
        progress("")

    def by_script(self, parts):
        """What needs hosts of its own: first_byte.py measures it, in rounds as here."""
        command = [sys.executable, os.path.join(HERE, "first_byte.py"), "--json", "--build", BUILD, "--rounds",
                   str(self.options.rounds)]
        for part in parts:
            command += ["--only", part.name]
            progress(part.name)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.failures.append(f"first_byte.py: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
            return
        told = json.loads(done.stdout.splitlines()[-1])
        self.failures += [f"first_byte.py: {failure}" for failure in told["failures"]]
        wanted = {v for part in parts for v in part.variants}
        for run in told["runs"]:
            variant, at = "first_" + run["program"], f"{'warm' if run['warm'] else 'cold'}, RTT {run['rtt_ms']} ms"
            if variant in wanted:
                self.results.add(run["part"], run["round"], variant, at,
                                 {"process_us": run["process"], "main_us": run["main"], "resumed": run["resumed"]})
                self.raw.append(run)
        progress("")

    def make_pair(self):
        try:
            self.pair = network.Pair()
        except OSError as e:
            print(f"The pair of devices is left out: {e}")

    def over_link(self, part):
        """Once, not in rounds: its unit is the single message. First what the link itself does."""
        try:
            self.link = network.Link(os.path.join(BUILD, "tests", "lab", "lab-link"))
        except (OSError, pairs.Failed) as e:
            print(f"The slow link is left out: {e}")
            return
        try:
            link_check(self)
            for variant, at in part.jobs():
                progress(f"{part.name} {variant}")
                self.one(part, variant, at, 1)
        finally:
            self.link.close()
            self.link = None
        progress("")


def link_check(runner):
    """Says what raw TCP sees of the link, so that a wrong link is not mistaken for a slow program."""
    def raw(what, client):
        base = [os.path.join(BUILD, "bench", "raw_tcp")]
        server = base + ["server", "--what", what, "--endpoint", runner.link.right + ":0"]
        return pairs.figures(*pairs.run(runner.link.inside(server), base + ["client", "--what", what] + client))
    try:
        trip = raw("pingpong", ["--count", "20", "--warm", "3"])
        bulk = raw("oneway", ["--size", "64", "--seconds", "4", "--warm", "30000"])
    except pairs.Failed as e:
        print(f"The check of the link failed: {e}")
        return
    print(f"The link: round trip {trip['p50_us'] / 1e3:.1f} ms, raw TCP {bulk['rate'] * 68 * 8 / 1e6:.1f} Mbit/s.")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure(options, parts):
    with tempfile.TemporaryDirectory(prefix="hawser-bench-") as keys:
        credentials = os.path.join(BUILD, "bench", "credentials")
        if os.path.exists(credentials):
            subprocess.run([credentials, keys], check=True)
        runner = Runner(options, keys)
        if options.inside and any(p.pair and p.variants for p in parts):
            runner.make_pair()
        for number in range(1, options.rounds + 1):
            runner.round(parts, number)
        for part in parts:
            if part.link:
                runner.over_link(part)
        if any(p.script and p.variants for p in parts):
            runner.by_script([p for p in parts if p.script and p.variants])
        if runner.pair:
            runner.pair.close()
    return runner


def inside(options, parts):
    congestion = "unknown"
    if options.inside:
        try:
            network.prepare_loopback()
        except OSError as e:
            print(f"Loopback keeps the host's congestion control: {e}")
    congestion = network.congestion_control()
    machine = Machine()
    runner = measure(options, parts)
    others, stolen = machine.shares()
    verdicts = judge(runner.results)
    facts = {"kernel": platform.release(), "cpus": os.cpu_count(), "congestion_control": congestion,
             "rounds": options.rounds, "seconds": options.seconds, "placement": options.placement,
             "others_share": others, "stolen_share": stolen}
    text = report_text(runner, parts, verdicts, facts)
    names = save(runner, parts, verdicts, facts, text)
    print(text)
    print(f"bench/out: report.txt, results.json, {', '.join(names) or 'no plot'}")
    return 0


def report_text(runner, parts, verdicts, facts):
    out = [report.part_text(runner.results, p) for p in parts]
    out.append("Aims (medians of per-round values)\n" + report.aims_text(verdicts))
    if runner.failures:
        out.append("Runs that do not count:\n" + "\n".join("  " + f for f in runner.failures))
    out += [f"{part} is not measured for {variant}: {why}" for part, variant, why in sorted(runner.skipped)]
    out.append(f"{facts['rounds']} rounds, {facts['cpus']} processors, Linux {facts['kernel']}, "
               f"{facts['congestion_control']}; other processes took {facts['others_share']:.0%} of the machine and the "
               f"host {facts['stolen_share']:.1%}.")
    if facts["others_share"] > 0.1:
        out.append("The machine was not quiet: judge ratios only, and those with care.")
    return "\n\n".join(out) + "\n"


def save(runner, parts, verdicts, facts, text):
    with open(os.path.join(OUT, "report.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(OUT, "results.json"), "w", encoding="utf-8") as f:
        json.dump({"facts": facts, "aims": [dict(vars(v), value=v.value, word=v.word) for v in verdicts],
                   "failures": runner.failures, "runs": runner.raw}, f, indent=1)
    return report.plots(runner.results, parts, OUT)


def main():
    options = arguments()
    parts = choose(options)
    if not options.inside:
        build(options)
        code = network.enter([os.path.abspath(__file__)] + sys.argv[1:])
        if code is not None:
            return code
    random.seed(options.seed)
    available(options, parts)
    if not options.no_hawser and not program(options, "hawser"):
        print("There is no hawser to measure: only the limits and the peers are.")
    return inside(options, parts)


if __name__ == "__main__":
    sys.exit(main())
