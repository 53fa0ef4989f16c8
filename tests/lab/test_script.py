#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""script/lab as people use it: a script that steers the lab while programs run in it, and a shell."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop"))
from harness import ROOT, SKIPPED, check, run, skip  # noqa: E402 the path is ours

PROGRAM = os.path.join(ROOT, "script", "lab")

STEERING = """
set -eux
paths >before
mkfifo listening
server hawser listen --json --echo --trust any 0.0.0.0:0 >listening 2>log &
listener=$!
exec 3<listening
read -r told <&3
port=$(printf '%s' "$told" | sed 's/.*"endpoint":"[^"]*:\\([0-9]*\\)".*/\\1/')
reach() { client hawser ping --trust any --count 1 --timeout "$2" "$1:$port" >/dev/null 2>&1; }
reach 10.0.1.2 10s
path 1 blackhole forth
! reach 10.0.1.2 400ms
reach 10.0.0.2 10s
path 1 restore
reach 10.0.1.2 10s
path 0 set delay=60ms rate=10M loss=0% burst=1%:3 reorder=1%:5ms
if path 0 set loss=often 2>why; then exit 9; fi
grep -q "is no number" why
if path 7 unplug 2>why; then exit 9; fi
path 0 reset
! reach 10.0.0.2 400ms
path 0 unreset
move | grep -q 10.1.1.2
client getent ahostsv4 several.lab.example | grep -q 10.1.0.2
reach several.lab.example 10s
stall >stalled
kill $listener
echo "good $1"
"""


def lab(directory, *words, text=None):
    done = subprocess.run([PROGRAM, *words], input=text, capture_output=True, text=True, cwd=directory, check=False, timeout=120,
                          env=dict(os.environ, BUILD=os.path.dirname(os.path.abspath(os.environ.get("HAWSER", "build/hawser"))),
                                   SHELL="/bin/sh"))
    if done.returncode == SKIPPED:
        skip(done.stdout.strip())
    return done


def a_script_steers_the_lab(world):
    with open(world.path("steering"), "w", encoding="ascii") as file:
        file.write(STEERING)
    done = lab(world.directory, "run", "--path", "rate=50M,delay=5ms", "--paths", "2", "--seed", "4", "steering", "word")
    check(done.returncode == 0 and done.stdout.endswith("good word\n"), f"{done.returncode}\n{done.stdout}\n{done.stderr}")
    with open(world.path("before"), encoding="ascii") as file:
        told = file.read()
    check(told.count("path ") == 2 and "10.0.1.1" in told and "2001:db8:1::2" in told, told)


def its_code_is_the_scripts(world):
    done = lab(world.directory, "run", "-", text="exit 7\n")
    check(done.returncode == 7, f"{done.returncode} {done.stderr}")


def a_shell(world):
    done = lab(world.directory, "shell", "--path", "delay=3ms,family=4", text="client hostname >/dev/null && lab && exit 3\n")
    check(done.returncode == 3, f"{done.returncode} {done.stderr}")
    check("10.0.0.1 " in done.stdout and "2001:" not in done.stdout and done.stdout.count("remove-device") == 2, done.stdout)


def wrong_words(world):
    for words in (("--path", "rate=much"), ("--path", "colour=red"), ("--paths", "9"), ("--path", "family=5"),
                  ("--path", "delay=10"), ("--paths", "1", "--path", "loss=1%", "--path", "loss=1%"), ("--path", "burst=4%"),
                  ("--path", "loss=200%")):
        done = lab(world.directory, "run", *words, "-", text="")
        check(done.returncode == 2 and done.stderr, f"{words}: {done.returncode} {done.stderr}")


if __name__ == "__main__":
    run(a_script_steers_the_lab, its_code_is_the_scripts, a_shell, wrong_words)
