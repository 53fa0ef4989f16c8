#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Side by side with curl in the same broken networks: the tool is never slower to connect, and connects wherever curl
does. The figures of a quiet machine are in docs/broken-networks.md."""

from statistics import median

from lab import STALL_MS, TRIES, check, need, skip, start
from scenarios import SCENARIOS, curl_ms, hawser_ms, words

RUNS = 3
SLACK_MS = 30.0  # of the median, for two processes on a machine with others
FIRST_MS = 50.0  # curl's stagger is 200 ms; ours is 250 ms while no round-trip time is known


def compare(lab, scenario):
    need("curl")
    lab.two_hosts()
    scenario(lab)
    for _ in range(TRIES):
        lab.stall_ms()
        runs = [three(lab)]
        # Where curl fails it takes all the time that it is given: once is enough.
        runs += [three(lab, curl=runs[0][2] is not None) for _ in range(RUNS - 1)]
        first, again, theirs = zip(*runs)
        stalled = lab.stall_ms()
        slower = judge(first, again, theirs)
        print(f"{words(scenario)}: hawser {first}, again {again}, curl {theirs}", flush=True)
        if not slower:
            return
        check(stalled > STALL_MS, f"{words(scenario)}: {slower}")
        print(f"repeated, while the machine stalled for {stalled:.0f} ms: {slower}", flush=True)
    skip(f"the machine stalled in each of {TRIES} comparisons")


def three(lab, curl=True):
    """Milliseconds, or None for a failure: ours, ours by another process that remembers the first, theirs."""
    state = lab.fresh()
    return hawser_ms(lab, state)[0], hawser_ms(lab, state)[0], curl_ms(lab)[0] if curl else None


def judge(first, again, theirs):
    """What is worse than curl, in words; "" when nothing is."""
    if None in first + again:
        return "hawser did not always connect"
    if None in theirs:
        return ""  # curl did not, at least once
    if median(first) > median(theirs) + FIRST_MS + SLACK_MS:
        return f"{median(first):.0f} ms the first time, curl {median(theirs):.0f} ms"
    if median(again) > median(theirs) + SLACK_MS:
        return f"{median(again):.0f} ms the second time, curl {median(theirs):.0f} ms"
    return ""


def case(scenario):
    def test(lab):
        compare(lab, scenario)

    test.__name__ = f"not_slower_than_curl_{scenario.__name__}"
    return test


if __name__ == "__main__":
    start(*map(case, SCENARIOS))
