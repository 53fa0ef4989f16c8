# SPDX-License-Identifier: Apache-2.0
"""send and listen --receive: files cross whole, with their names, modes, hashes and order."""

import hashlib
import os
import signal
import subprocess
import unittest

from harness import Case, named, only


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Files(Case):
    def setUp(self):
        super().setUp()
        self.inbox = self.path("inbox")

    def receive(self, *options, **more):
        return self.listen("--receive", self.inbox, *options, **more)

    def send(self, listener, *arguments, **more):
        return self.run_json("send", listener.address, *arguments, **more)

    def test_by_another_endpoint_of_the_peer(self):
        listener = self.receive()
        gone = self.listen("--discard", host="gone")
        gone.end()
        code, events, text = self.run_json("send", "--also", listener.address, f"{listener.name}@{gone.endpoint}",
                                           self.write("a", b"content"), cwd=self.directory)
        self.assertEqual((code, self.read("inbox", "a")), (0, b"content"), text)
        self.assertEqual([attempt["outcome"] for attempt in only(events, "established")["attempts"]
                          if attempt["stack"] == "tls/tcp"], ["failed", "won"])

    def test_one_file_and_its_events(self):
        listener = self.receive()
        content = os.urandom(5000)
        code, events, text = self.send(listener, self.write("a.bin", content, 0o640), cwd=self.directory)
        self.assertEqual(code, 0, text)
        established = only(events, "established")
        self.assertEqual(established["stack"], "tls/tcp")
        self.assertEqual(established["peer"]["name"], listener.name)
        self.assertEqual(established["peer"]["verification"], "key")
        self.assertEqual(established["path"]["remote"], listener.endpoint)
        self.assertEqual(established["path"]["interface"], "lo")
        self.assertEqual((established["round_trips"], established["early_data"]), (2, False))
        self.assertEqual([attempt["outcome"] for attempt in established["attempts"]][:1], ["won"])
        self.assertTrue(all(attempt["outcome"] == "skipped" for attempt in established["attempts"][1:]))
        for name in ("sent", "acked"):
            self.assertEqual((only(events, name)["message"], only(events, name)["file"]), (1, "a.bin"))
        done = only(events, "done")
        self.assertEqual([done[name] for name in ("messages", "acked", "expired", "failed", "bytes")], [1, 1, 0, 0, 5000])
        self.assertEqual(done["strands"][0]["stack"], "tls/tcp")
        self.assertGreater(done["strands"][0]["bytes_sent"], 5000)
        self.assertEqual(only(events, "closed")["code"], 0)
        times = [event["time_us"] for event in events]
        self.assertEqual(times, sorted(times))
        received = listener.wait_event("received")
        self.assertEqual((received["message"], received["size"], received["file"], received["sha256"],
                          received["niceness"], received["stack"]), (1, 5000, "a.bin", sha256(content), 0, "tls/tcp"))
        accepted = listener.wait_event("accepted")
        self.assertRegex(accepted["peer"]["name"], "^hk-")
        self.assertEqual(accepted["peer"]["verification"], "none")
        listener.wait_event("closed", lambda event: event["code"] == 0)
        self.assertEqual(self.read("inbox", "a.bin"), content)
        self.assertEqual(os.stat(self.path("inbox", "a.bin")).st_mode & 0o777, 0o640)

    def test_sizes_around_every_border(self):
        listener = self.receive()
        # a header is 18 bytes and the path; messages above 64 KiB come in parts; 256 KiB are read at once
        sizes = [0, 1, 17, 65535 - 24, 65536 - 24, 65537 - 24, 65536, 262144 - 24, 262144 - 23, 262144, 262145,
                 3 * 1048576 + 5]
        content = {f"{size:07}": os.urandom(size) for size in sizes}
        for name, data in content.items():
            self.write("out/" + name, data)
        code, events, text = self.send(listener, "out", cwd=self.directory)
        self.assertEqual((code, only(events, "done")["acked"]), (0, len(sizes)), text)
        for name, data in content.items():
            self.assertEqual(sha256(self.read("inbox", "out", name)), sha256(data), name)
            received = listener.wait_event("received", lambda event, name=name: event["file"] == "out/" + name)
            self.assertEqual((received["size"], received["sha256"]), (len(data), sha256(data)))

    def test_a_large_file_in_bounded_memory(self):
        listener = self.receive()
        path = self.path("large")
        with open(path, "wb") as file:
            file.truncate(400 << 20)
        sender = self.start("send", "--json", listener.address, "large", cwd=self.directory)
        self.assertEqual(sender.wait(), 0, sender.text)
        self.assertEqual(only(sender.events, "done")["bytes"], 400 << 20)
        listener.wait_event("received")
        with open(f"/proc/{listener.process.pid}/status", encoding="ascii") as file:
            peak = int([line for line in file if line.startswith("VmHWM")][0].split()[1])
        self.assertLess(peak, 100 << 10) # kB: far less than the file
        self.assertEqual(os.stat(self.path("inbox", "large")).st_size, 400 << 20)

    def test_a_tree_and_what_is_skipped(self):
        listener = self.receive()
        self.write("tree/b/c/deep", b"deep")
        self.write("tree/a", b"a", 0o755)
        self.write("tree/z", b"z")
        os.symlink("a", self.path("tree", "link"))
        os.mkfifo(self.path("tree", "pipe"))
        os.makedirs(self.path("tree", "empty"))
        code, events, text = self.send(listener, "tree/", cwd=self.directory)
        self.assertEqual(code, 0, text)
        self.assertEqual([event["file"] for event in named(events, "acked")], ["tree/a", "tree/b/c/deep", "tree/z"])
        self.assertEqual([os.path.basename(event["file"]) for event in named(events, "skipped")], ["link", "pipe"])
        self.assertIn("symbolic link", text)
        self.assertEqual(self.files_below(self.inbox), ["tree/a", "tree/b/c/deep", "tree/z"])
        self.assertEqual(os.stat(self.path("inbox", "tree", "a")).st_mode & 0o777, 0o755)

    def test_the_names_files_arrive_under(self):
        listener = self.receive()
        self.write("x/y/one", b"1")
        self.write("x/two", b"2")
        self.write("three", b"3")
        code, events, text = self.send(listener, "./y//one", "../three", self.path("x", "two"), cwd=self.path("x"))
        self.assertEqual(code, 0, text)
        self.assertEqual([event["file"] for event in named(events, "acked")], ["y/one", "three", "two"])
        code, events, text = self.send(listener, ".", cwd=self.path("x", "y"))
        self.assertEqual((code, only(events, "acked")["file"]), (0, "one"), text)

    def test_the_same_file_twice_and_two_under_one_name(self):
        listener = self.receive()
        self.write("a/f", b"a")
        self.write("b/f", b"b")
        code, events, _ = self.send(listener, self.path("a", "f"), self.path("a", "f"))
        self.assertEqual((code, only(events, "done")["messages"]), (0, 1))
        code, events, text = self.send(listener, "--after", self.path("b", "f"), self.path("a", "f"), cwd="/")
        self.assertEqual(code, 1)
        self.assertIn("same name", text)

    def test_names_that_are_no_text(self):
        listener = self.receive()
        name = b"n\xffew\nline \"q\" \xc3\xa4\x7f"
        self.write(os.fsdecode(os.path.join(b"odd", name)), b"odd")
        code, events, text = self.send(listener, "odd", cwd=self.directory)
        self.assertEqual(code, 0, text)
        self.assertEqual(os.fsencode(only(events, "acked")["file"]), b"odd/" + name)
        self.assertEqual(os.fsencode(listener.wait_event("received")["file"]), b"odd/" + name)
        self.assertNotIn("\x7f", text)
        self.assertEqual(os.listdir(self.path("inbox", "odd").encode()), [name])

    def test_standard_input_from_a_pipe_and_a_file(self):
        listener = self.receive()
        content = os.urandom(1 << 20)
        code, events, text = self.send(listener, "--name", "sub/in", "-", stdin=content)
        self.assertEqual((code, only(events, "acked")["file"]), (0, "sub/in"), text)
        self.assertEqual(self.read("inbox", "sub", "in"), content)
        with open(self.write("source", content), "rb") as file:
            done = subprocess.run([os.environ["HAWSER"], "send", listener.address, "-"], stdin=file, env=self.env,
                                  capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("inbox", "stdin"), content)
        code, _, text = self.send(listener, "--name", "empty", "-", stdin=b"")
        self.assertEqual((code, self.read("inbox", "empty")), (0, b""), text)

    def test_after_and_niceness(self):
        listener = self.receive()
        self.write("first/big", os.urandom(6 << 20))
        self.write("first/small", b"s")
        for number in range(20):
            self.write(f"rest/{number:02}", b"x" * 100)
        code, events, text = self.send(listener, "rest", "--after", "first", "--niceness", "-20", "first/big",
                                       cwd=self.directory)
        self.assertEqual((code, only(events, "done")["acked"]), (0, 22), text)
        listener.end()
        order = [event["file"] for event in listener.all("received")]
        self.assertEqual(set(order[:2]), {"first/big", "first/small"})
        self.assertEqual({event["niceness"] for event in listener.all("received")}, {-20})
        self.assertFalse(any(event["antecedent_lost"] for event in listener.all("received")))

    def test_what_comes_after_a_file_that_fails(self):
        listener = self.receive()
        self.write("inbox/first", b"there")
        self.write("out/first", b"1")
        self.write("out/second", b"2")
        code, events, _ = self.send(listener, "--after", "first", "second", cwd=self.path("out"))
        self.assertEqual(code, 1)
        self.assertEqual((only(events, "failed")["file"], only(events, "acked")["file"]), ("first", "second"))
        self.assertTrue(listener.wait_event("received")["antecedent_lost"])

    def test_after_is_bounded(self):
        for number in range(65):
            self.write(f"many/{number}", b"")
        self.write("one", b"")
        code, _, text = self.run_tool("send", "--after", self.path("many"), "127.0.0.1:1", self.path("one"))
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, "64")

    def test_ordered(self):
        listener = self.receive()
        self.write("o/0", os.urandom(2 << 20))
        for number in range(1, 10):
            self.write(f"o/{number}", b"x")
        code, _, text = self.send(listener, "--ordered", "o", cwd=self.directory)
        self.assertEqual(code, 0, text)
        listener.end()
        self.assertEqual([event["file"] for event in listener.all("received")], [f"o/{n}" for n in range(10)])

    def test_an_existing_target(self):
        listener = self.receive()
        self.write("inbox/small", b"old")
        self.write("inbox/big", b"old")
        self.write("out/small", b"new")
        self.write("out/big", os.urandom(1 << 20))
        self.write("out/other", b"other")
        code, events, text = self.send(listener, "small", "big", "other", cwd=self.path("out"))
        self.assertEqual(code, 1)
        self.assertEqual({event["file"] for event in named(events, "failed")}, {"small", "big"})
        for event in named(events, "failed"):
            self.assertIn("exists", event["reason"])
        self.assertEqual(only(events, "acked")["file"], "other")
        self.assertEqual((self.read("inbox", "small"), self.read("inbox", "big")), (b"old", b"old"))
        self.assertIn("exists", text)
        self.assertEqual(self.files_below(self.inbox), ["big", "other", "small"])

    def test_overwrite(self):
        listener = self.receive("--overwrite")
        self.write("inbox/small", b"old")
        self.write("inbox/big", b"old")
        os.makedirs(self.path("inbox", "dir"))
        self.write("out/small", b"new")
        big = os.urandom(1 << 20)
        self.write("out/big", big)
        self.write("out/dir", b"not a directory")
        code, events, _ = self.send(listener, "small", "big", "dir", cwd=self.path("out"))
        self.assertEqual((code, only(events, "failed")["file"]), (1, "dir"))
        self.assertEqual((self.read("inbox", "small"), self.read("inbox", "big")), (b"new", big))
        self.assertEqual(self.files_below(self.inbox), ["big", "small"])

    def test_lifetime_runs_out(self):
        listener = self.receive()
        sender = self.start("send", "--json", "--lifetime", "150ms", listener.address, "-", stdin=subprocess.PIPE)
        sender.process.stdin.write(b"x" * 200000)
        sender.process.stdin.flush()
        event = sender.wait_event("expired")
        self.assertEqual(event["file"], "stdin")
        self.assertEqual(sender.wait(), 1)
        self.assertEqual(only(sender.events, "done")["expired"], 1)
        listener.end()
        self.assertEqual(self.files_below(self.inbox), [])

    def test_replayable_files_leave_as_early_data(self):
        listener = self.receive("--overwrite")
        self.write("f", b"again")
        code, events, text = self.send(listener, "--replayable", "f", cwd=self.directory)
        self.assertEqual((code, only(events, "established")["round_trips"]), (0, 2), text)
        code, events, text = self.send(listener, "--replayable", "f", cwd=self.directory)
        established = only(events, "established")
        self.assertEqual((code, established["early_data"], established["resumed"]), (0, True, True), text)
        self.assertLess(established["round_trips"], 2)

    def test_a_second_listener_endpoint(self):
        path = self.path("socket")
        listener = self.start("listen", "--json", "--receive", self.inbox, "127.0.0.1:0", "unix:" + path, "[::1]:0",
                              env=self.environment("server"))
        listener.wait_event("listening", lambda event: event["endpoint"].startswith("[::1]"))
        endpoints = [event["endpoint"] for event in listener.all("listening")]
        self.assertEqual(len(endpoints), 3)
        for number, endpoint in enumerate(endpoints):
            name = listener.all("listening")[0]["name"]
            self.write(f"f{number}", b"x")
            code, events, text = self.run_json("send", f"{name}@{endpoint}", f"f{number}", cwd=self.directory)
            self.assertEqual(code, 0, text)
            self.assertEqual(only(events, "established")["stack"], "tls/unix" if "unix:" in endpoint else "tls/tcp")
        self.assertEqual(self.files_below(self.inbox), ["f0", "f1", "f2"])

    def test_a_signal_lets_what_has_begun_finish(self):
        listener = self.receive()
        sender = self.start("send", "--json", listener.address, "-", stdin=subprocess.PIPE)
        sender.process.stdin.write(b"x" * 300000)
        sender.process.stdin.flush()
        listener.wait_event("accepted")
        self.wait_for_open_file(listener, self.inbox)
        listener.process.send_signal(signal.SIGTERM)
        sender.process.stdin.write(b"y" * 1000)
        sender.process.stdin.close()
        sender.process.stdin = None
        self.assertEqual((sender.wait(), listener.wait()), (0, 0), sender.text)
        self.assertEqual(self.read("inbox", "stdin"), b"x" * 300000 + b"y" * 1000)


class Progress(Case):
    def test_bars_on_a_terminal(self):
        listener = self.listen("--receive", self.path("inbox"))
        with open(self.path("big"), "wb") as file:
            file.truncate(300 << 20)
        master, slave = os.openpty()
        sender = subprocess.Popen([os.environ["HAWSER"], "send", listener.address, "big"], cwd=self.directory,
                                  env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        text = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(master)
        self.assertEqual(sender.wait(), 0)
        self.assertRegex(text.decode(), r"big +\[#*\.*\] +\d+% .* of 300 MiB")
        self.assertRegex(text.decode(), r"[01] of 1 files +\[#*\.*\] +\d+% .*/s")

    def test_plain_lines_elsewhere(self):
        listener = self.listen("--receive", self.path("inbox"))
        self.write("f", b"x" * 10)
        code, out, text = self.run_tool("send", listener.address, "f", cwd=self.directory)
        self.assertEqual((code, out), (0, b""))
        self.assertIn("sent f, 10 B\n", text)
        self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    unittest.main()
