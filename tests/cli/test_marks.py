# SPDX-License-Identifier: Apache-2.0
"""What is said of messages beside their bytes: send --reliability, --deadline, --coordinates, --timestamp, --pace, and
listen --parts, which tells what came and what never did."""

import os
import resource
import time
import unittest

from harness import Case, named, only


class Marks(Case):
    def exchange(self, content, *options):
        """The events of the sender and the listener's last `gaps`."""
        listener = self.listen("--parts")
        self.write("file", content)
        code, events, text = self.run_json("send", *options, listener.address, "file", cwd=self.directory)
        self.assertEqual(code, 0, text)
        return events, listener.wait_event("gaps"), listener

    def test_small_and_large(self):
        for size in (10, 500000):
            events, gaps, listener = self.exchange(b"x" * size)
            self.assertGreaterEqual(gaps["size"], size)  # and its header
            self.assertEqual((gaps["missing"], gaps["gaps"]), (0, []))
            self.assertNotIn("coordinates", gaps)
            self.assertNotIn("timestamp_us", gaps)
            parts = listener.all("part")
            self.assertEqual(sum(part["size"] for part in parts), gaps["size"] if parts else 0)
            self.assertEqual(bool(parts), size > 65536)
            self.assertEqual(len(named(events, "acked")), 1)

    def test_what_cannot_be_kept_is_refused(self):
        inbox = self.path("inbox")
        listener = self.listen("--parts", "--receive", inbox,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
        self.write("large", os.urandom(1 << 20))  # comes in parts
        self.write("whole", os.urandom(30000))
        self.write("small", b"small")
        code, events, text = self.run_json("send", listener.address, "large", "whole", "small", cwd=self.directory)
        self.assertEqual((code, only(events, "acked")["file"]), (1, "small"))
        failed = {event["file"]: event["reason"] for event in named(events, "failed")}
        self.assertEqual(set(failed), {"large", "whole"})
        for reason in failed.values():
            self.assertIn("too large", reason)
        listener.wait_event("gaps")
        self.assertEqual(listener.end(), 0)
        self.assertEqual(len(listener.all("gaps")), 1, listener.events)
        self.assertEqual([os.stat(os.path.join(inbox, name)).st_size < 100 for name in os.listdir(inbox)], [True])
        self.assertEqual(listener.text.decode().count("is not kept"), 2, listener.text)
        self.assertNotIn("is dropped", listener.text.decode())

    def test_coordinates_and_time(self):
        before = time.time()
        _, gaps, _ = self.exchange(b"x" * 100000, "--coordinates", "3,0,4294967295", "--timestamp")
        self.assertEqual(gaps["coordinates"], [3, 0, 4294967295])
        self.assertTrue(before * 1e6 <= gaps["timestamp_us"] <= time.time() * 1e6, gaps)

    def test_reliability_over_what_loses_nothing(self):
        for words in (["--reliability", "full"], ["--reliability", "0.95", "--deadline", "20s"],
                      ["--reliability", "resends=2"], ["--deadline", "20s"]):
            events, gaps, _ = self.exchange(b"x" * 200000, *words)
            self.assertEqual(gaps["missing"], 0)
            self.assertNotIn("missing", named(events, "acked")[0])

    def test_pace(self):
        events, gaps, _ = self.exchange(b"x" * 50000, "--pace", "2M")  # 0.2 s
        self.assertEqual(gaps["missing"], 0)
        done = named(events, "done")[0]
        self.assertGreaterEqual(done["seconds"], 0.12)


class Words(Case):
    def assert_usage(self, *arguments, word):
        self.write("file", b"x")
        code, out, text = self.run_tool("send", *arguments, "127.0.0.1:1", "file", cwd=self.directory)
        self.assertEqual((code, out), (2, b""), text)
        self.assert_one_sentence(text, word)

    def test_what_is_wrong_is_said(self):
        for value in ("", "half", "0", "1.5", "-1", "resends=", "resends=256", "resends=x", "nan"):
            self.assert_usage("--reliability", value, word="--reliability")
        for value in ("", "x", "1,", "1,2,3,4,5", "4294967296", "-1", "1.5", ",1"):
            self.assert_usage("--coordinates", value, word="--coordinates")
        for value in ("", "0", "fast", "8Mbit", "-1"):
            self.assert_usage("--pace", value, word="--pace")
        self.assert_usage("--lifetime", "1s", "--deadline", "1s", word="--deadline")

    def test_parts_is_one_way_to_serve(self):
        code, _, text = self.run_tool("listen", "--parts", "--echo", "127.0.0.1:0")
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, "--parts")


if __name__ == "__main__":
    unittest.main()
