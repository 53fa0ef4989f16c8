#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Side by side with curl in the same broken networks: the tool is never slower to connect, and connects wherever curl
does. The figures of a quiet machine are in docs/broken-networks.md."""

from statistics import median

from lab import STALL_MS, TRIES, check, need, skip, start
from scenarios import SCENARIOS, curl_ms, hawser_ms, words

RUNS = 3
SLACK_MS = 40.0  # of the median, for two processes on a machine with others


def compare(lab, scenario):
    need("curl")
    lab.two_hosts()
    scenario(lab)
    for _ in range(TRIES):
        lab.stall_ms()
        pairs = [(hawser_ms(lab), curl_ms(lab)) for _ in range(RUNS)]
        stalled = lab.stall_ms()
        ours, theirs = ([run[side][0] for run in pairs] for side in (0, 1))
        if all(run[1][0] is None for run in pairs):
            theirs = None
        else:
            check(None not in theirs, f"curl connects only sometimes: {pairs}")
        check(None not in ours or (theirs is None and set(ours) == {None}),
              f"hawser did not connect: {[run[0][1] for run in pairs]}")
        if theirs is None or median(ours) <= median(theirs) + SLACK_MS:
            print(f"{words(scenario)}: hawser {ours}, curl {theirs or pairs[0][1][1]}", flush=True)
            return
        check(stalled > STALL_MS, f"{words(scenario)}: hawser {ours}, curl {theirs}")
        print(f"repeated, while the machine stalled for {stalled:.0f} ms: hawser {ours}, curl {theirs}", flush=True)
    skip(f"the machine stalled in each of {TRIES} comparisons")


def case(scenario):
    def test(lab):
        compare(lab, scenario)

    test.__name__ = f"not_slower_than_curl_{scenario.__name__}"
    return test


if __name__ == "__main__":
    start(*map(case, SCENARIOS))
