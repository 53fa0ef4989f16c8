#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""race.py [FILE]: the picture of docs/racing.md, race.svg: `hawser probe --svg` in a broken network (tests/lab): the first
IPv6 address is silent, the first IPv4 address has an expired certificate, at the second IPv6 address nobody listens.

HAWSER and HAWSER_LAB_LINK name the tool and the emulator where they are not in build/."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "lab"))
from lab import check, start  # noqa: E402 the path is ours

FILE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "race.svg"))


def race(lab):
    link = lab.two_hosts(paths=2)
    lab.host_name(v4=[1, 2], v6=[1, 2])
    lab.serve(lab.V4.format(1), certificate="expired")
    lab.serve(lab.V4.format(2))
    link.rule("hole", "ab", f"dst={lab.V6.format(1)}", "drop")
    probe = lab.client.hawser("probe", "--json", "--bare", "--tls", "--timeout", "8s", "--svg", FILE,
                              "www.lab.example:443")
    check(probe.code == 0, probe.text)


start(race)
