# SPDX-License-Identifier: Apache-2.0
"""Properties on the command line: the table, and one sentence for everything that is wrong with a word."""

import unittest

from harness import Case, named

# RFC 9622 section 6.2
SELECTION = ["reliability", "preserveMsgBoundaries", "perMsgReliability", "preserveOrder", "zeroRttMsg", "multistreaming",
             "fullChecksumSend", "fullChecksumRecv", "congestionControl", "keepAlive", "interface", "pvd",
             "useTemporaryLocalAddress", "multipath", "advertisesAltaddr", "direction", "softErrorNotify",
             "activeReadBeforeSend"]
OPENERS = [["send", "127.0.0.1:1", "file"], ["connect", "127.0.0.1:1"], ["ping", "127.0.0.1:1"], ["probe", "127.0.0.1:1"],
           ["fetch", "http://127.0.0.1:1/"]]


class Table(Case):
    def test_every_property_is_told(self):
        code, events, text = self.run_json("properties")
        self.assertEqual(code, 0, text)
        told = {event["name"]: event for event in named(events, "property")}
        self.assertEqual([name for name in told if told[name]["stage"] == "selection"][:18], SELECTION)
        for name in SELECTION:
            self.assertEqual(sorted(told[name]), sorted(["event", "time_us", "name", "stage", "type", "values", "default",
                                                         "summary", "source", "effect", "offered"]))
            self.assertTrue(told[name]["source"].startswith("RFC 9622"), told[name])
            self.assertTrue(told[name]["summary"] and told[name]["effect"], told[name])
            self.assertEqual([(offer["stack"], offer["bare"]) for offer in told[name]["offered"]][:2],
                             [("tls/tcp", False), ("tls/mptcp", False)])
            self.assertTrue(all(offer["offer"] for offer in told[name]["offered"]), told[name])
        for name in ("security", "session", "proxy", "family"):
            self.assertEqual(told[name]["source"], "hawser")

    def test_the_page(self):
        code, out, text = self.run_tool("properties")
        self.assertEqual(code, 0, text)
        for name in SELECTION:
            self.assertRegex(out.decode(), rf"(?m)^{name} .*")
        self.assertLessEqual(max(len(line) for line in out.decode().splitlines()), 80)

    def test_one(self):
        for name in ("preserveMsgBoundaries", "preserve-msg-boundaries", "PRESERVEMSGBOUNDARIES"):
            code, out, text = self.run_tool("properties", name)
            self.assertEqual(code, 0, text)
            self.assertTrue(out.startswith(b"preserveMsgBoundaries  (selection, preference)\n"))
            self.assertIn(b"RFC 9622 6.2.2", out)

    def test_one_that_is_not_there(self):
        code, out, text = self.run_tool("properties", "reliabilty")
        self.assertEqual((code, out), (2, b""))
        self.assert_one_sentence(text, "reliabilty", '"reliability"')


class Wants(Case):
    def setUp(self):
        super().setUp()
        self.write("file", b"x")

    def assert_refused(self, arguments, *words):
        code, out, text = self.run_tool(*arguments, cwd=self.directory)
        self.assertEqual((code, out), (2, b""), text)
        self.assert_one_sentence(text, *words)

    def test_on_every_command_that_connects(self):
        for command, *operands in OPENERS:
            for option in ("--require", "--prefer", "--avoid", "--prohibit"):
                self.assert_refused([command, option, "frobnication", *operands], option, "frobnication")
            self.assert_refused([command, "--property", "frobnication=1", *operands], "--property", "frobnication")
            self.assert_refused([command, "--proxy", "ftp://a:1", *operands], "--proxy", "ftp://a:1")
        self.assert_refused(["paths", "--require", "frobnication"], "--require", "frobnication")

    def test_each_kind_of_wrong_word(self):
        for arguments, word in (
                (["--property", "reliability"], "value is missing"),
                (["--property", "reliability=perhaps"], "perhaps"),
                (["--property", "connTimeout=soon"], "soon"),
                (["--property", "connPriority=high"], "high"),
                (["--property", "minSendRate=fast"], "fast"),
                (["--property", "multipath=maybe"], "maybe"),
                (["--property", "interface=perhaps:eth0"], "perhaps"),
                (["--require", "interface"], "interface"),
                (["--require", "multipath=maybe"], "maybe"),
                (["--proxy", "socks5://"], "socks5://"),
                (["--proxy", "socks5://host:99999"], "99999"),
                (["--proxy", "gopher://host:1"], "gopher"),
                (["--require", ""], "--require")):
            self.assert_refused(["ping", *arguments, "127.0.0.1:1"], word)

    def test_what_no_stack_can_give(self):
        for arguments in (["--prohibit", "reliability"], ["--prohibit", "congestionControl"]):
            code, out, text = self.run_tool("ping", *arguments, "127.0.0.1:1")
            self.assertIn(code, (2, 3), text)
            self.assertEqual(out, b"")
            self.assert_one_sentence(text, arguments[1])

    def test_what_is_given_is_taken(self):
        listener = self.listen("--echo")
        for arguments in (["--require", "reliability", "--require", "preserveMsgBoundaries"],
                          ["--prefer", "interface=lo"], ["--require", "interface=lo"], ["--interface", "lo"],
                          ["--prohibit", "family=ipv6"], ["--property", "connTimeout=5s"],
                          ["--prohibit", "family=ipv4", "--require", "family=ipv4"],
                          ["--property", "connCapacityProfile=scavenger"]):
            code, _, text = self.run_tool("ping", "--count", "1", *arguments, listener.address)
            self.assertEqual(code, 0, (arguments, text))
        code, _, text = self.run_tool("ping", "--count", "1", "--prohibit", "family=ipv4", listener.address)
        self.assertIn(code, (2, 3), text)
        self.assert_one_sentence(text, "family")


if __name__ == "__main__":
    unittest.main()
