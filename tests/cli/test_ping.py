# SPDX-License-Identifier: Apache-2.0
"""ping and listen --echo: message round trips, and the options that mean the same everywhere."""

import signal
import time
import unittest

from harness import Case, named, only


class Ping(Case):
    def test_replies_and_their_summary(self):
        listener = self.listen("--echo")
        code, events, text = self.run_json("ping", "--count", "20", "--interval", "1ms", listener.address)
        self.assertEqual(code, 0, text)
        replies = named(events, "reply")
        self.assertEqual(sorted(event["id"] for event in replies), list(range(1, 21)))
        done = only(events, "done")
        self.assertEqual([done[name] for name in ("messages", "acked", "expired", "failed", "replies", "bytes")],
                         [20, 20, 0, 0, 20, 20 * 64])
        times = sorted(event["rtt_us"] for event in replies)
        self.assertGreater(times[0], 0)
        self.assertEqual((done["min_us"], done["median_us"], done["p99_us"]), (times[0], times[9], times[19]))
        self.assertGreaterEqual(done["seconds"], 0.019)
        self.assertIn("median", text)

    def test_several_endpoints_of_one_peer(self):
        """The first one is dead: the next one's turn comes at once, and both are told of."""
        listener = self.listen("--echo")
        gone = self.listen("--echo", host="gone")
        gone.end()
        dead = f"{listener.name}@{gone.endpoint}"
        for arguments in ((dead, listener.address), (dead, "--also", listener.address)):
            code, events, text = self.run_json("ping", "--count", "1", *arguments)
            self.assertEqual(code, 0, text)
            attempts = [attempt for attempt in only(events, "established")["attempts"] if attempt["stack"] == "tls/tcp"]
            self.assertEqual([(attempt["endpoint"], attempt["outcome"]) for attempt in attempts],
                             [(gone.endpoint, "failed"), (listener.endpoint, "won")])
            self.assertLess(only(events, "established")["elapsed_us"], 200000)

    def test_interval_zero_goes_at_each_reply(self):
        listener = self.listen("--echo")
        code, events, _ = self.run_json("ping", "--count", "500", "--interval", "0", listener.address)
        self.assertEqual((code, len(named(events, "reply"))), (0, 500))
        listener.end()
        self.assertEqual(len(listener.all("received")), 500)

    def test_sizes(self):
        listener = self.listen("--echo")
        for size, number in (("0", 0), ("1000", 1000), ("64KiB", 65536)):
            code, _, text = self.run_tool("ping", "--count", "2", "--interval", "0", "--size", size, listener.address)
            self.assertEqual(code, 0, text)
            listener.wait_event("received", lambda event, number=number: event["size"] == number)

    def test_niceness_is_seen_by_the_listener(self):
        listener = self.listen("--echo")
        self.assertEqual(self.run_tool("ping", "--count", "1", "--niceness=-7", listener.address)[0], 0)
        self.assertEqual(listener.wait_event("received")["niceness"], -7)

    def test_a_listener_that_does_not_answer(self):
        listener = self.listen("--discard")
        code, events, _ = self.run_json("ping", "--count", "2", "--interval", "0", "--timeout", "300ms", listener.address)
        done = only(events, "done")
        self.assertEqual((code, done["acked"], done["failed"], done["replies"]), (1, 2, 2, 0))
        self.assertNotIn("min_us", done)

    def test_a_listener_that_refuses(self):
        listener = self.listen("--exec", "cat")
        code, events, text = self.run_json("ping", "--count", "1", listener.address)
        self.assertEqual((code, only(events, "failed")["reason"]), (1, "this listener takes streams only"))
        self.assertIn("takes streams only", text)

    def test_lifetime(self):
        listener = self.listen("--echo")
        pinger = self.start("ping", "--json", "--count", "0", "--interval", "5ms", "--lifetime", "50ms",
                            listener.address)
        pinger.wait_event("reply")
        listener.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3) # that a lifetime runs out is a matter of time
        listener.process.send_signal(signal.SIGCONT)
        pinger.wait_event("expired")
        self.assertEqual(pinger.end(signal.SIGINT), 1)
        self.assertGreater(only(pinger.events, "done")["expired"], 0)

    def test_until_interrupted(self):
        listener = self.listen("--echo")
        pinger = self.start("ping", "--json", "--count", "0", "--interval", "5ms", listener.address)
        pinger.wait_event("reply", lambda event: event["id"] == 5)
        self.assertEqual(pinger.end(signal.SIGINT), 0, pinger.text)
        self.assertGreaterEqual(only(pinger.events, "done")["replies"], 5)

    def test_replayable_messages_leave_as_early_data(self):
        listener = self.listen("--echo")
        for expected in (False, True):
            code, events, text = self.run_json("ping", "--count", "1", "--replayable", listener.address)
            self.assertEqual((code, only(events, "established")["early_data"]), (0, expected), text)

    def test_a_unix_socket(self):
        listener = self.listen("--echo", endpoint="unix:" + self.path("socket"))
        code, events, text = self.run_json("ping", "--count", "1", "--stack", "tls/tcp,tls/unix", listener.address)
        self.assertEqual((code, only(events, "established")["stack"]), (0, "tls/unix"), text)

    def test_policies(self):
        listener = self.listen("--echo", "--policy", "aggregate")
        for policy in ("handover", "aggregate"):
            self.assertEqual(self.run_tool("ping", "--count", "1", "--policy", policy, listener.address)[0], 0)

    def test_an_identity_that_is_named_is_shown(self):
        name = self.run_tool("identity", "--name-only", self.path("mine"))[1].decode().strip()
        listener = self.listen("--echo")
        code, _, text = self.run_tool("ping", "--count", "1", "--trust", "any", "--identity", self.path("mine"),
                                      listener.endpoint)
        self.assertEqual(code, 0, text)
        self.assertEqual(listener.wait_event("accepted")["peer"]["name"], name)
        self.assertEqual(self.run_tool("ping", "--count", "1", "--trust", "any", listener.endpoint)[0], 0)
        listener.end()
        self.assertEqual(listener.all("accepted")[1]["peer"]["name"], "")

    def test_verbose_says_more(self):
        listener = self.listen("--echo", "--verbose")
        listener.end()
        self.assertIn(b"hawser: info: ", listener.text)

    def test_paths_are_told(self):
        listener = self.listen("--echo")
        _, events, _ = self.run_json("ping", "--count", "1", listener.address)
        strand = named(events, "paths")[0]["strands"][0]
        self.assertEqual((strand["stack"], strand["state"], strand["path"]["remote"]),
                         ("tls/tcp", "active", listener.endpoint))


if __name__ == "__main__":
    unittest.main()
