# SPDX-License-Identifier: Apache-2.0
"""What a peer might send that is not this tool: nothing leaves the directory, nothing is half-written."""

import os
import struct
import subprocess
import unittest

from harness import Case, RAW_SENDER

BIG = os.urandom(300000)


def header(path, size, mode=0o644, version=1, flags=0, magic=b"\x89HWF", length=None):
    return magic + struct.pack(">BBHQH", version, flags, mode, size, len(path) if length is None else length) + path


class Hostile(Case):
    def setUp(self):
        super().setUp()
        if not RAW_SENDER:
            self.skipTest("HAWSER_RAW_SENDER names no program")
        self.inbox = self.path("inbox")
        self.outside = self.write("outside/victim", b"untouched")
        os.makedirs(self.inbox)
        self.listener = self.listen("--receive", self.inbox)

    def send_raw(self, message, how="known"):
        done = subprocess.run([RAW_SENDER, self.listener.address, how], input=message, capture_output=True,
                              env=self.env, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def assert_refused(self, message, *words):
        for how in ("known", "unknown"):
            answer = self.send_raw(message, how)
            self.assertTrue(answer.startswith("failed: "), answer)
            for word in words:
                self.assertIn(word, answer)

    def assert_alive(self, path=b"alive"):
        self.assertEqual(self.send_raw(header(path, 2) + b"ok"), "acked: \n")
        self.assertEqual(self.read("inbox", os.fsdecode(path)), b"ok")

    def test_paths_that_lead_out(self):
        for path, word in ((b"../outside/victim", "upwards"), (b"a/../../outside/victim", "upwards"), (b"..", "upwards"),
                           (os.fsencode(self.outside), "absolute"), (b"/", "absolute"), (b"a//b", "empty part"),
                           (b"a/", "empty part"), (b"", "no name"), (b".", '"."'), (b"./a", '"."'),
                           (b"a\0b", "zero byte"), (b"x" * 256, "255"), (b"d/" * 2047 + b"\xff" * 300, "too long")):
            for content in (b"evil", BIG):
                self.assert_refused(header(path, len(content)) + content, word)
        self.assertEqual(self.read("outside", "victim"), b"untouched")
        self.assertEqual(os.listdir(self.inbox), [])
        self.assert_alive()

    def test_symbolic_links_in_the_directory(self):
        os.symlink(self.path("outside"), self.path("inbox", "link"))
        os.symlink(self.outside, self.path("inbox", "target"))
        os.symlink("nowhere", self.path("inbox", "dangling"))
        os.symlink(".", self.path("inbox", "self"))
        for path in (b"link/new", b"link/victim", b"self/new", b"self/self/new"):
            self.assert_refused(header(path, 4) + b"evil", "symbolic link")
        for path in (b"target", b"dangling"):
            self.assert_refused(header(path, 4) + b"evil", "exists")
        overwriting = self.listen("--receive", self.inbox, "--overwrite", host="overwriting")
        self.listener = overwriting
        for path in (b"target", b"dangling", b"link"):
            self.assert_refused(header(path, 4) + b"evil", "regular")
        self.assertEqual((self.read("outside", "victim"), os.listdir(self.path("outside"))), (b"untouched", ["victim"]))
        self.assertEqual(sorted(os.listdir(self.inbox)), ["dangling", "link", "self", "target"])

    def test_messages_that_are_no_files(self):
        for message in (b"", b"h", b"\x89HW", b"hello, world, here is a message", header(b"f", 2, version=2) + b"ok",
                        header(b"f", 2, flags=1) + b"ok", header(b"f", 2)[:-1], header(b"f", 2, length=4096) + b"ok",
                        header(b"f", 2, length=65535) + BIG, header(b"f", 2, magic=b"\x89HWG") + b"ok", BIG):
            self.assert_refused(message)
        self.assertEqual(os.listdir(self.inbox), [])
        self.assert_alive()

    def test_sizes_that_lie(self):
        self.assert_refused(header(b"f", 5) + b"four", "shorter")
        self.assert_refused(header(b"f", 3) + b"four", "longer")
        self.assert_refused(header(b"f", len(BIG) + 1) + BIG, "shorter")
        self.assert_refused(header(b"f", len(BIG) - 1) + BIG, "longer")
        self.assert_refused(header(b"f", 2**63) + b"x", "no space")
        self.assertEqual(os.listdir(self.inbox), [])
        self.assert_alive()

    def test_a_mode_with_more_than_permissions(self):
        self.send_raw(header(b"mode", 1, mode=0o7755) + b"x")
        self.assertEqual(os.stat(self.path("inbox", "mode")).st_mode & 0o7777, 0o755)
        self.send_raw(header(b"mode2", 1, mode=0xffff) + b"x")
        self.assertEqual(os.stat(self.path("inbox", "mode2")).st_mode & 0o7777, 0o755)

    def test_a_message_that_is_cut(self):
        self.assertEqual(self.send_raw(header(b"cut", len(BIG) + 1) + BIG, "cut"), "cut\n")
        self.listener.wait_event("abandoned", lambda event: event["file"] == "cut")
        self.assertEqual(os.listdir(self.inbox), [])
        self.assert_alive()

    def test_an_unknown_size(self):
        self.assertEqual(self.send_raw(header(b"unknown", 2**64 - 1) + BIG, "unknown"), "acked: \n")
        self.assertEqual(self.read("inbox", "unknown"), BIG)


if __name__ == "__main__":
    unittest.main()
