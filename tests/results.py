# SPDX-License-Identifier: Apache-2.0
"""What a run of meson's tests said, case by case: read from the run's testlog.json.

A meson test is a program of several cases. Three ways of telling them are understood: cmocka's, that of
tests/interop/harness.py ("ok NAME", "SKIP NAME: REASON", "FAILED NAME"), and a bare "N passed, N failed". A program that
tells no cases is one case without a name. A case that was skipped without a printed reason counts as failed.
"""

import json
import os
import re

SKIP_CODE = 77
CMOCKA = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] (?!\d+ test\(s\))(.+)$")
OURS = re.compile(r"^(ok|SKIP|FAILED) ([^ :]+)(?:: (.+)| \([0-9.]+ s\))?$")
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed$")
REASON = re.compile(r"^(?:SKIP|Skipped|skipped)\b[: ]*(.+)$")


class Case:
    def __init__(self, name, result, reason=""):
        self.name = name  # "" for a program without cases
        self.result = result  # "ok", "failed" or "skipped"
        self.reason = reason

    def judged(self):
        return "failed" if self.result == "skipped" and not self.reason else self.result


class Test:
    """One meson test: its cases, and the numbers of those that are told as numbers only."""

    def __init__(self, record):
        suite, _, self.name = record["name"].rpartition(" / ")
        self.suite = suite.partition(":")[2]
        self.result = record["result"]  # OK, FAIL, SKIP, TIMEOUT, ERROR...
        self.code = record["returncode"]
        self.seconds = record["duration"]
        self.output = (record.get("stdout") or "") + (record.get("stderr") or "")
        self.cases = {}
        self.counted = [0, 0]
        self._read_cases(record.get("stdout") or "", record.get("stderr") or "")

    def _read_cases(self, stdout, stderr):
        said = []  # lines since the last case began
        for line in stdout.splitlines() + stderr.splitlines():
            if found := CMOCKA.match(line):
                self._cmocka(found.group(1), found.group(2), said)
                said = []
            elif found := OURS.match(line):
                result = {"ok": "ok", "SKIP": "skipped", "FAILED": "failed"}[found.group(1)]
                self.cases[found.group(2)] = Case(found.group(2), result, found.group(3) or "")
            elif found := COUNTS.match(line):
                self.counted[0] += int(found.group(1))
                self.counted[1] += int(found.group(2))
            elif line.strip():
                said.append(line.strip())
        if not self.cases and self.counted == [0, 0]:
            self._whole(said)
        elif self.result not in ("OK", "SKIP") and not self.count("failed"):
            self.cases["(end)"] = Case("(end)", "failed", f"{self.result}, status {self.code}")

    def _cmocka(self, word, name, said):
        # The list of failed and skipped cases at the end repeats them.
        if word == "RUN":
            self.cases[name] = Case(name, "failed", "did not end")
        elif word == "OK":
            self.cases[name] = Case(name, "ok")
        elif word == "FAILED":
            self.cases[name] = Case(name, "failed")
        elif self.cases.get(name, Case("", "")).result != "skipped":
            reasons = [found.group(1) for line in said if (found := REASON.match(line))]
            self.cases[name] = Case(name, "skipped", reasons[-1] if reasons else "")

    def _whole(self, said):
        if self.result == "SKIP" or self.code == SKIP_CODE:
            self.cases[""] = Case("", "skipped", said[-1] if said else "")
        else:
            self.cases[""] = Case("", "ok" if self.result == "OK" else "failed")

    def count(self, result):
        number = {"ok": 0, "failed": 1}.get(result)
        return sum(case.judged() == result for case in self.cases.values()) + \
            (self.counted[number] if number is not None else 0)


def read(build):
    """The tests of the last run of `meson test` in this build directory."""
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as log:
        return [Test(json.loads(line)) for line in log if line.strip()]
