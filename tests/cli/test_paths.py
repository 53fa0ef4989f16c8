# SPDX-License-Identifier: Apache-2.0
"""What the tool tells without a line: paths, policies, what names lead to, what is remembered."""

import os
import shutil
import signal
import subprocess
import unittest

from foreign import Server, echo
from harness import HAWSER, Case, named, only

FIELDS = ["interface", "type", "family", "local", "remote", "gateway", "usable", "reason", "preferred", "temporary", "metered",
          "cost", "mtu", "quality", "rtt_us", "loss", "rate"]


def no_namespaces():
    """Why a network namespace cannot be made here; None when it can."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare or ip is not installed"
    done = subprocess.run([*inside(), "ip", "link", "add", "name", "x", "type", "veth"], capture_output=True, check=False)
    return None if done.returncode == 0 else "no network namespaces: " + done.stderr.decode().strip()


def inside():
    return ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


class Paths(Case):
    def test_to_an_endpoint(self):
        code, events, text = self.run_json("paths", "127.0.0.1:80")
        self.assertEqual(code, 0, text)
        event = only(events, "paths")
        self.assertEqual(event["endpoint"], "127.0.0.1:80")
        best = event["paths"][0]
        self.assertEqual(sorted(best), sorted(FIELDS))
        self.assertEqual((best["interface"], best["type"], best["family"], best["local"], best["usable"]),
                         ("lo", "loopback", "ipv4", "127.0.0.1", True))
        self.assertGreater(best["mtu"], 1000)
        self.assertEqual(best["cost"], 0)

    def test_the_page(self):
        code, out, text = self.run_tool("paths", "127.0.0.1:80")
        self.assertEqual(code, 0, text)
        lines = out.decode().splitlines()
        self.assertEqual(lines[0].split()[:3], ["interface", "type", "from"])
        self.assertEqual(lines[1].split()[:3], ["lo", "loopback", "127.0.0.1"])

    def test_prohibited(self):
        code, events, text = self.run_json("paths", "--prohibit", "interface=lo", "127.0.0.1:80")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "127.0.0.1:80")
        self.assertTrue(all(not path["usable"] and path["reason"] for path in only(events, "paths")["paths"]))

    def test_to_anywhere(self):
        code, events, _ = self.run_json("paths")
        self.assertIn(code, (0, 1))
        self.assertIsNone(only(events, "paths")["endpoint"])

    def test_wrong_command_lines(self):
        for arguments, word in ((["nonsense"], "nonsense"), (["--require", "nonsense"], "nonsense"),
                                (["--policy-file", self.path("none")], self.path("none"))):
            code, out, text = self.run_tool("paths", *arguments)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, word)

    def test_policy_gives_type_and_cost(self):
        policy = self.write("policy", b"interface lo type wifi cost 7 metered\n")
        code, events, text = self.run_json("paths", "--policy-file", policy, "127.0.0.1:80")
        self.assertEqual(code, 0, text)
        best = only(events, "paths")["paths"][0]
        self.assertEqual((best["type"], best["cost"], best["metered"]), ("wifi", 7, True))

    def test_watch(self):
        why = no_namespaces()
        if why:
            self.skipTest(why)
        watcher = self.start("paths", "--watch", "--json", "198.51.100.1:80", prefix=inside())
        first = watcher.wait_event("paths")
        self.assertFalse(any(path["usable"] for path in first["paths"]))

        def ip(*words):
            subprocess.run(["nsenter", f"--target={watcher.process.pid}", "--net",
                            *(["--user"] if os.getuid() else []), "ip", *words], check=True)
        ip("link", "add", "name", "gate", "type", "veth", "peer", "name", "beyond")
        ip("link", "set", "beyond", "up")
        ip("address", "add", "192.0.2.1/24", "dev", "gate")
        ip("link", "set", "gate", "up")
        ip("route", "add", "default", "via", "192.0.2.254")
        event = watcher.wait_event("paths", lambda event: any(path["usable"] for path in event["paths"]))
        best = event["paths"][0]
        self.assertEqual((best["interface"], best["local"], best["gateway"]), ("gate", "192.0.2.1", "192.0.2.254"))
        ip("link", "delete", "gate")
        count = len(watcher.events)
        watcher.wait_event("paths", lambda event: event in watcher.events[count:] and
                           not any(path["usable"] for path in event["paths"]))
        self.assertEqual(watcher.end(signal.SIGINT), 0)


class Policy(Case):
    def test_good(self):
        policy = self.write("policy", b"# a comment\n\ninterface wlan0 type wifi cost 10\nprohibit type cellular\n")
        self.assertEqual(self.run_tool("policy", "check", policy)[:2], (0, f"{policy}: good\n".encode()))
        code, out, text = self.run_tool("policy", "show", policy)
        self.assertEqual(code, 0, text)
        self.assertEqual([line.strip() for line in out.decode().splitlines()[1:]],
                         ["3  interface wlan0 type wifi cost 10", "4  prohibit type cellular"])

    def test_of_the_user(self):
        there = os.path.join(self.env["XDG_CONFIG_HOME"], "hawser", "policy.conf")
        code, events, text = self.run_json("policy", "check")
        self.assertEqual(code, 0, text)
        self.assertEqual([event["file"] for event in named(events, "policy")], ["/etc/hawser/policy.conf", there])
        self.assertFalse(named(events, "policy")[1]["there"])
        self.write(there, b"prohibit stack quic/udp\nprohibit stack tls/tcp\n")
        code, events, text = self.run_json("policy", "show")
        self.assertEqual((code, named(events, "policy")[1]["good"]), (0, True), text)
        self.assertEqual(named(events, "rule")[-1]["text"], "prohibit stack tls/tcp")
        listener = self.listen("--echo")
        code, _, text = self.run_tool("ping", "--count", "1", listener.address)
        self.assertEqual(code, 3)
        self.assertRegex(text, "policy.conf:[12] prohibits")

    def test_malformed(self):
        """File, line and column of what is wrong, each in its own words."""
        sentences = set()
        for line in (b"frobnicate", b"interface", b"interface wlan0 type", b"interface wlan0 cost much", b"prohibit sometimes x",
                     b"proxy ftp://x:1", b"attempt-delay soon", b"prefer stack nonsense/tcp"):
            policy = self.write("policy", b"# fine\n" + line + b"\n")
            code, out, text = self.run_tool("policy", "check", policy)
            self.assertEqual((code, out), (1, b""), (line, text))
            self.assert_one_sentence(text, policy + ":2:")
            sentences.add(text)
            code, out, again = self.run_tool("ping", "--policy-file", policy, "127.0.0.1:1")
            self.assertEqual((code, out, again), (2, b"", text))
        self.assertEqual(len(sentences), 8)

    def test_files_that_cannot_be_read(self):
        code, _, text = self.run_tool("policy", "check", self.path("none"))
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, self.path("none"), "No such file")

    def test_wrong_command_lines(self):
        for arguments in ([], ["frobnicate"], ["check", "a", "b"]):
            code, out, text = self.run_tool("policy", *arguments)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text)


class Names(Case):
    def test_of_this_host(self):
        code, events, text = self.run_json("resolve", "localhost:80")
        self.assertEqual(code, 0, text)
        found = [one["address"] for event in named(events, "resolved") for one in event["found"]]
        self.assertIn("127.0.0.1:80", found)
        self.assertTrue(named(events, "resolved")[-1]["last"])
        code, out, text = self.run_tool("resolve", "localhost:80")
        self.assertEqual(code, 0, text)
        self.assertIn("127.0.0.1:80", out.decode())

    def test_that_is_none(self):
        """Where no name server can be reached, so that nobody out there is asked."""
        why = no_namespaces()
        if why:
            self.skipTest(why)
        done = subprocess.run([*inside(), HAWSER, "resolve", "--timeout", "2s", "no-such-host.invalid"], env=self.env,
                              capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assert_one_sentence(done.stderr.decode(), "no-such-host.invalid")

    def test_wrong_command_lines(self):
        for arguments, word in ((["a b"], "a b"), (["--type", "MX", "localhost"], "TLSA"), (["127.0.0.1:80"], "127.0.0.1:80"),
                                (["--trust-anchors", self.path("none"), "localhost"], self.path("none"))):
            code, out, text = self.run_tool("resolve", *arguments)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, word)


class Memory(Case):
    def count(self, name):
        code, events, text = self.run_json("stats")
        self.assertEqual(code, 0, text)
        return {counter["name"]: counter["count"] for counter in only(events, "stats")["counters"]}[name]

    def names(self):
        _, events, _ = self.run_json("stats")
        return [counter["name"] for counter in only(events, "stats")["counters"]]

    def connect(self, *endpoints):
        code, _, text = self.run_tool("connect", "--bare", *endpoints, stdin=b"x")
        self.assertEqual(code, 0, text)

    def test_counters_outlive_the_process(self):
        server = Server(echo)
        self.addCleanup(server.close)
        dead = Server(echo)
        dead.close()
        before = {name: self.count(name) for name in self.names()}
        self.assertEqual(set(before.values()), {0})
        self.connect(dead.endpoint, server.endpoint)
        after = {name: self.count(name) for name in self.names()}
        self.assertGreater(sum(after.values()), 0)
        code, out, text = self.run_tool("stats")
        self.assertEqual(code, 0, text)
        self.assertEqual(out.decode().splitlines()[0].split(), ["count", "share", "what"])

    def test_forget(self):
        server = Server(echo)
        self.addCleanup(server.close)
        self.connect(server.endpoint)
        code, events, text = self.run_json("forget", "example.org:1")
        self.assertEqual((code, only(events, "forgotten")["count"]), (0, 0), text)
        for words in ([server.endpoint], []):
            self.connect(server.endpoint)
            code, events, text = self.run_json("forget", *words)
            self.assertEqual(code, 0, text)
            self.assertGreater(only(events, "forgotten")["count"], 0, words)
        self.assertEqual(self.run_tool("forget")[:2], (0, b"forgot 0 entries\n"))

    def test_a_poisoned_file_is_set_aside_and_said_so(self):
        server = Server(echo)
        self.addCleanup(server.close)
        self.connect(server.endpoint)
        state = os.path.join(self.env["XDG_STATE_HOME"], "hawser")
        files = [name for name in os.listdir(state) if name.startswith("history")]
        self.assertTrue(files, os.listdir(state))
        for name in files:
            self.write(os.path.join(state, name), b"this is no database" * 1000)
        code, _, text = self.run_tool("connect", "--bare", server.endpoint, stdin=b"x")
        self.assertEqual(code, 0, text)
        code, _, more = self.run_tool("stats")
        self.assertEqual(code, 0, more)
        self.assertRegex(text + more, r"warning: .*history")


if __name__ == "__main__":
    unittest.main()
