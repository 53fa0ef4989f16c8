# SPDX-License-Identifier: Apache-2.0
"""bench: both sides of every measurement keep the contract of bench/README.md."""

import json
import os
import subprocess
import unittest

from harness import Case, HAWSER, only

FIELDS = ("seconds", "cpu_user_us", "cpu_system_us", "faults", "switches", "memory_bytes")


class Bench(Case):
    def measure(self, what, *both, client=(), server=()):
        """The two result lines, held to be of one run."""
        directory = self.path("bench-" + what)
        os.makedirs(directory, exist_ok=True)
        both = ["--what", what, "--dir", directory, "--timeout", "60", *both]
        read, write = os.pipe()
        serving = subprocess.Popen([HAWSER, "bench", "server", *both, *server, "--ready-fd", str(write)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as ready:
            listening = json.loads(ready.readline())
            self.assertEqual(ready.read(), "") # closed by the server
        done = subprocess.run([HAWSER, "bench", "client", *both, *client, "--endpoint", listening["endpoint"]],
                              capture_output=True, env=self.env, timeout=60, check=False)
        out, err = serving.communicate(timeout=60)
        self.assertEqual((done.returncode, done.stderr, serving.returncode, err), (0, b"", 0, b""))
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(lines[0], listening)
        self.assertEqual(int(listening["endpoint"].rsplit(":", 1)[1]), listening["port"])
        ours, theirs = only([json.loads(line) for line in done.stdout.splitlines()], "result"), only(lines, "result")
        for side, result in (("client", ours), ("server", theirs)):
            self.assertEqual((result["program"], result["side"], result["what"]), ("hawser", side, what))
            for field in FIELDS:
                self.assertIn(field, result)
            self.assertGreater(result["seconds"], 0)
            self.assertEqual(result["bytes"], result["messages"] * result["size"])
        self.assertEqual(ours["messages"], theirs["messages"])
        return ours, theirs

    def test_oneway(self):
        for size, number, mode in (("64", 64, "run"), ("16k", 16384, "poll"), ("1M", 1 << 20, "run")):
            ours, _ = self.measure("oneway", "--size", size, "--mode", mode, client=["--count", "200", "--warm", "3"])
            self.assertEqual((ours["messages"], ours["size"], ours["mode"]), (200, number, mode))

    def test_oneway_for_a_time(self):
        ours, _ = self.measure("oneway", client=["--seconds", "0.3"])
        self.assertGreaterEqual(ours["seconds"], 0.3)
        self.assertGreater(ours["messages"], 100)

    def test_messages_of_100_mib(self):
        ours, _ = self.measure("oneway", "--size", "100M", client=["--count", "2", "--warm", "1"])
        self.assertEqual(ours["bytes"], 200 << 20)

    def test_pingpong(self):
        for mode in ("run", "poll"):
            ours, _ = self.measure("pingpong", "--mode", mode, client=["--count", "100", "--warm", "10"])
            self.assertEqual(ours["messages"], 100)
            self.assertLessEqual(ours["min_us"], ours["p50_us"])
            self.assertLessEqual(ours["p50_us"], ours["p99_us"])

    def test_idle(self):
        ours, _ = self.measure("idle", client=["--connections", "100"], server=["--connections", "100"])
        self.assertEqual((ours["messages"], ours["connections"]), (98, 100))

    def test_setup(self):
        ours, _ = self.measure("setup", client=["--count", "10", "--warm", "2"])
        self.assertEqual((ours["messages"], ours["resumed"]), (10, 0))
        ours, _ = self.measure("setup", "--resumed", client=["--count", "10", "--warm", "2"])
        self.assertEqual((ours["messages"], ours["resumed"]), (10, 10))

    def test_growth(self):
        for connections in ("1", "50"):
            ours, _ = self.measure("growth", client=["--connections", connections, "--count", "500", "--warm", "50"])
            self.assertEqual(ours["messages"], 500)

    def test_queue(self):
        for queued in ("1", "1000"):
            ours, _ = self.measure("queue", client=["--queued", queued, "--count", "3000"])
            self.assertEqual(ours["messages"], 3000)

    def test_urgent(self):
        ours, theirs = self.measure("urgent", "--size", "64G", client=["--count", "3"])
        self.assertEqual((ours["messages"], len(theirs["urgent"])), (3, 3))
        for delay, rtt in theirs["urgent"]:
            self.assertGreater(delay, 0)
            self.assertGreater(rtt, 0)

    def test_usage(self):
        for arguments in (["bench"], ["bench", "spectator"], ["bench", "client"], ["bench", "server", "--what", "x"],
                          ["bench", "server", "--what", "oneway", "--mode", "x"],
                          ["bench", "server", "--what", "oneway", "--size", "23"],
                          ["bench", "server", "--what", "oneway", "--port", "1", "--endpoint", "x:1"],
                          ["bench", "client", "--what", "oneway", "--count", "1"],
                          ["bench", "client", "--what", "oneway", "--port", "1"],
                          ["bench", "client", "--what", "queue", "--port", "1", "--count", "1"],
                          ["bench", "client", "--what", "urgent", "--port", "1", "--seconds", "1"]):
            code, out, text = self.run_tool(*arguments)
            self.assertEqual((code, out), (2, b""), arguments)
            self.assert_one_sentence(text)

    def test_nobody_there_and_the_time_limit(self):
        code, _, text = self.run_tool("bench", "client", "--what", "oneway", "--port", "1", "--count", "1")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text)
        code, _, text = self.run_tool("bench", "server", "--what", "oneway", "--timeout", "1")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "time limit")


if __name__ == "__main__":
    unittest.main()
