# SPDX-License-Identifier: Apache-2.0
"""What a run of meson's tests said, case by case: read from the run's testlog.json.

A meson test is a program of several cases. Four ways of telling them are understood: cmocka's, that of Python's unittest
(with -v), that of tests/interop/harness.py ("ok NAME", "SKIP NAME: REASON", "FAILED NAME"), and a bare "N passed, N
failed". A program that tells no cases is one case without a name. A case that was skipped without a printed reason counts
as failed.
"""

import json
import os
import re

SKIP_CODE = 77
CMOCKA = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] (?!\d+ test\(s\))(.+)$")
OURS = re.compile(r"^(ok|SKIP|FAILED) ([^ :]+)(?:: (.+)| \([0-9.]+ s\))?$")
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed$")
REASON = re.compile(r"^(?:SKIP|SKIPPED|Skipped|skipped)\b[: ]*(.+)$")
UNITTEST = re.compile(r"^(\w+) \(\S+\)(?:.*)? \.\.\. ?(.*)$")
UNITTEST_HEAD = re.compile(r"^(\w+) \(\S+\)$")  # what it is about follows on a line of its own
UNITTEST_TAIL = re.compile(r"^.* \.\.\. ?(.*)$")
UNITTEST_PART = re.compile(r"^  (\w+) \(\S+\) ([(\[].*) \.\.\. (.*)$")  # of subTest(): what is not well only
UNITTEST_LATE = re.compile(r"^(ok|FAIL|ERROR|skipped ['\"].*['\"])$")  # after something that was printed meanwhile
UNITTEST_BAD = re.compile(r"^(?:FAIL|ERROR): (\w+) \(\S+\)")
UNITTEST_SKIPPED = re.compile(r"^skipped ['\"](.*)['\"]$")


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
        head = ""
        for line in stdout.splitlines() + stderr.splitlines():
            if found := UNITTEST_HEAD.match(line):
                head = found.group(1)
            elif found := UNITTEST_PART.match(line):
                self._unittest(f"{found.group(1)} {found.group(2)}", found.group(3))
            elif found := UNITTEST.match(line):
                self._unittest(found.group(1), found.group(2))
                head = "" if found.group(2) else found.group(1)
            elif head and (found := UNITTEST_LATE.match(line)):
                self._unittest(head, found.group(1))
                head = ""
            elif found := UNITTEST_BAD.match(line):
                self._unittest(found.group(1), "FAIL")
            elif head and (found := UNITTEST_TAIL.match(line)):
                self._unittest(head, found.group(1))
                head = "" if found.group(1) else head
            elif found := CMOCKA.match(line):
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

    def _unittest(self, name, told):
        if found := UNITTEST_SKIPPED.match(told):
            self.cases[name] = Case(name, "skipped", found.group(1))
        else:
            # Nothing is told of a case whose parts tell their own.
            self.cases[name] = Case(name, "ok" if told in ("", "ok") else "failed")

    def _whole(self, said):
        reasons = [found.group(1) for line in said if (found := REASON.match(line))]
        if self.result == "SKIP" or self.code == SKIP_CODE or (self.result == "OK" and reasons):
            self.cases[""] = Case("", "skipped", reasons[-1] if reasons else said[-1] if said else "")
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
