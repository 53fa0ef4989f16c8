# SPDX-License-Identifier: Apache-2.0
"""hawser stacks, and docs/stacks.md, whose table is what it says. With --write: writes the page's table anew (S2.56)."""

import os
import re
import sys
import unittest

from harness import SOURCE, Case, named

PAGE = os.path.join(SOURCE, "docs", "stacks.md")
BEGIN, END = "<!-- stacks: written by tests/cli/test_stacks.py -->\n", "<!-- end of stacks -->\n"
# What a build may leave out: their lines stay in the page.
OPTIONAL = re.compile(r"quic|sctp|dtls|udp")
COLUMNS = (("ordered", "in order"), ("reliable", "reliable"), ("streams", "no blocking"), ("lossy", "may give up"),
           ("expires_at_sender", "expiry: sender"), ("expires_at_receiver", "receiver"), ("expires_on_path", "path"),
           ("encrypted", "encrypted"), ("hides_identities", "identities hidden"), ("hides_messages", "messages hidden"),
           ("early_data", "early data"), ("acks", "own acks"), ("multipath", "own multipath"),
           ("migrates", "migrates"), ("multicast", "multicast"))


def line(event):
    cells = [f"`{event['stack']}`", event["session"], event["bare"]]
    return "| " + " | ".join(cells + ["yes" if event[name] else "-" for name, _ in COLUMNS]) + " |\n"


def head():
    titles = ["stack", "hawser/1 over", "bare"] + [title for _, title in COLUMNS]
    return "| " + " | ".join(titles) + " |\n|" + "---|" * len(titles) + "\n"


def read_page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


class Stacks(Case):
    def told(self):
        code, events, text = self.run_json("stacks")
        self.assertEqual(code, 0, text)
        return named(events, "stack")

    def test_every_stack_is_told(self):
        told = {event["stack"]: event for event in self.told()}
        for name in ("tls/tcp", "tls/unix", "tls/mptcp", "tcp", "unix"):
            self.assertIn(name, told)
        self.assertEqual(sorted(told["tls/tcp"]), sorted(
            ["event", "time_us", "stack", "session", "bare", "proxied"] + [name for name, _ in COLUMNS]))
        self.assertEqual((told["tls/tcp"]["session"], told["tls/tcp"]["bare"]), ("bytes", "bytes"))
        self.assertEqual((told["tcp"]["session"], told["tcp"]["bare"]), ("-", "bytes"))
        self.assertTrue(told["tls/mptcp"]["multipath"] and not told["tls/tcp"]["multipath"])
        self.assertTrue(told["tls/socks5/tcp"]["proxied"])

    def test_what_cannot_be_together(self):
        for event in self.told():
            name = event["stack"]
            if event["session"] != "-":
                self.assertTrue(event["encrypted"], name)
            if event["reliable"] and event["session"] in ("bytes", "-"):
                self.assertFalse(event["lossy"], name)
            self.assertEqual(event["acks"], event["acks"] and event["session"] in ("units", "-"), name)
            self.assertNotEqual((event["session"], event["bare"]), ("-", "-"), name)

    def test_the_table_for_people(self):
        code, out, text = self.run_tool("stacks")
        self.assertEqual(code, 0, text)
        lines = out.decode().splitlines()
        self.assertLessEqual(max(len(line) for line in lines), 80)
        for event in self.told():
            self.assertIn(event["stack"], " ".join(lines).split())

    def test_the_page_says_the_same(self):
        page = read_page()
        table = page.split(BEGIN)[1].split(END)[0]
        self.assertTrue(table.startswith(head()), "run tests/cli/test_stacks.py --write")
        lines = table[len(head()):].splitlines(keepends=True)
        told = [line(event) for event in self.told()]
        for each in told:
            self.assertIn(each, lines, "run tests/cli/test_stacks.py --write")
        for each in lines:
            self.assertTrue(each in told or OPTIONAL.search(each), each)


def write():
    case = Stacks("told")
    case.setUp()
    try:
        lines = [line(event) for event in case.told()]
    finally:
        case.doCleanups()
        case.tearDown()
    page = read_page()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + head() + "".join(lines) + END + after)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
