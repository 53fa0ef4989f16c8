# SPDX-License-Identifier: Apache-2.0
"""Seeing what lines do: traces and their pictures, control sockets and top, a bar a strand. (S2.8; docs/trace.md)"""

import copy
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest
import xml.etree.ElementTree as xml

from harness import HAWSER, PATIENCE, Case, only

SVG = "{http://www.w3.org/2000/svg}"
HEAD = {"file_schema": "urn:hawser:trace:1", "title": "by hand",
        "trace": {"common_fields": {"reference_time": {"wall_clock_time": "2026-01-01T00:00:00.000Z"}}}}
NUMBERS = {"rtt_us": 20000, "bytes_sent": 0, "bytes_received": 0}


def record(at, name, association=1, **data):
    return {"time": at, "name": "hawser:" + name, "association": association, "data": data}


def strand(at, number, what, reason="", sent=0, **more):
    interface = more.pop("interface", f"eth{number}")
    return record(at, "strand", what=what, strand=number, stack="tls/tcp", state=what, reason=reason,
                  path={"interface": interface, "local": "", "remote": ""}, **dict(NUMBERS, bytes_sent=sent), **more)


def by_hand():
    """A second of one strand, that is suspected and closed, and of the one that takes over."""
    records = [record(0, "association", what="opening"), strand(10, 1, "opened"), strand(20, 1, "active")]
    for at in range(100, 2001, 100):
        first = at <= 900
        records.append(record(at, "sample", strand=1 if first else 2,
                              state="suspected" if first and at > 700 else "active",
                              **dict(NUMBERS, bytes_sent=at * 1000 if first else at * 1000 - 900000)))
        records.append(record(at, "statistics", queued_messages=3, stalls=2 if at > 1000 else 0,
                              stalled_us=300000 if at > 1000 else 0))
        if not 500 <= at <= 1000:
            records.append(record(at - 50, "messages", what="acked", first=at, last=at + 9, count=10, until=at - 41.5))
            records.append(record(at - 90, "messages", what="sent", first=at, last=at + 9, count=10, bytes=10000,
                                  until=at - 80))
    records += [strand(700, 1, "suspected", "nothing came for 80 ms", 700000), strand(600, 2, "standby"),
                strand(800, 2, "active"), strand(1500, 1, "closed", "the cable was <pulled> & cut", 900000),
                record(550, "told", what="told", address="203.0.113.9:443", by_peer=True)]
    return sorted(records, key=lambda one: one["time"])


def written(records, head=None):
    return "".join(json.dumps(one) + "\n" for one in [head or HEAD, *records]).encode()


class Plot(Case):
    def plot(self, content, *options):
        code, out, text = self.run_tool("plot", "-", *options, stdin=content)
        return code, out, text

    def picture(self, content, *options):
        code, out, text = self.plot(content, *options)
        self.assertEqual((code, text), (0, ""), text)
        self.assertNotRegex(out.decode(), r'="[^"]*\b(nan|inf)\b')
        return xml.fromstring(out)

    def of_class(self, tree, name):
        return [one for one in tree.iter() if name in one.get("class", "").split()]

    def words(self, tree):
        return [one.text for one in tree.iter(SVG + "text")]

    def titles(self, tree):
        return [one.text for one in tree.iter(SVG + "title")]

    def test_what_a_trace_tells_is_drawn(self):
        tree = self.picture(written(by_hand()), "--title", "a <b> & \"c\"")
        words, titles = self.words(tree), self.titles(tree)
        self.assertIn('a <b> & "c"', words)
        for panel in ("sent", "round trip", "strands", "messages acked", "1 tls/tcp eth1", "2 tls/tcp eth2"):
            self.assertIn(panel, words)
        self.assertEqual(len(self.of_class(tree, "area")), 2)  # one a strand
        for state in ("active", "suspected", "standby"):
            self.assertGreaterEqual(len(self.of_class(tree, state)), 2, state)  # in the legend, too
        self.assertTrue(any("suspected" in title and "nothing came for 80 ms" in title for title in titles))
        self.assertIn("closed: the cable was <pulled> & cut", titles)
        self.assertTrue("nothing was delivered for 692 ms" in titles, titles)
        self.assertIn("head of line: 2 stalls, 300.0 ms of waiting", titles)
        self.assertIn("told: 203.0.113.9:443", titles)
        self.assertTrue(any("2 stalls of 300.0 ms" in word for word in words))

    def test_bytes_are_where_they_went(self):
        """8 Mbit/s for nine tenths of a second by one strand, then by the other for the rest: so far along the axis, so high."""
        tree = self.picture(written(by_hand()))
        frame = self.of_class(tree, "frame")[0]
        left, width, height = (float(frame.get(name)) for name in ("x", "width", "height"))
        words = self.words(tree)
        top = float(words[words.index("round trip") - 1])  # the highest label of the panel before
        begins = []
        for area in self.of_class(tree, "area"):
            points = [(float(x), float(y), float(end)) for x, y, end in re.findall(r"[ML]([\d.]+) ([\d.]+)H([\d.]+)", area.get("d"))]
            upper, lower = points[:len(points) // 2], points[len(points) // 2:][::-1]
            high = [(x, low[1] - up[1]) for up, low in zip(upper, lower) for x in [up[0]] if low[1] - up[1] > 1]
            begins.append((high[0][0], high[-1][0]))
            middle = sorted(one for _, one in high)[len(high) // 2]
            self.assertAlmostEqual(middle / height * top, 8, delta=1)
        begin, end = 10, 2000  # milliseconds
        for (first, last), (wanted_first, wanted_last) in zip(begins, ((20, 900), (900, 2000))):
            self.assertAlmostEqual(first, left + width * (wanted_first - begin) / (end - begin), delta=60)
            self.assertAlmostEqual(last, left + width * (wanted_last - begin) / (end - begin), delta=20)

    def test_one_association_of_several(self):
        other = [dict(one, association=2) for one in by_hand()]
        both = written(by_hand() + other)
        self.assertIn("1.1 tls/tcp eth1", self.words(self.picture(both)))
        self.assertEqual(len(self.of_class(self.picture(both), "area")), 4)
        words = self.words(self.picture(both, "--association", "2"))
        self.assertIn("1 tls/tcp eth1", words)
        code, _, text = self.plot(both, "--association", "3")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "no strand of this association")

    def test_into_a_file(self):
        trace, svg = self.write("trace", written(by_hand())), self.path("picture.svg")
        code, out, text = self.run_tool("plot", trace, "--svg", svg)
        self.assertEqual((code, out, text), (0, b"", ""))
        xml.parse(svg)
        code, _, text = self.run_tool("plot", trace, "--svg", self.path("none", "picture.svg"))
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, self.path("none", "picture.svg"), "No such file")

    def test_what_is_no_trace(self):
        for content in (b"", b"\n", b"{}\n", b"no json\n", b'{"file_schema":"urn:hawser:trace:2"}\n', b"\0" * 100):
            code, out, text = self.plot(content)
            self.assertEqual((code, out), (1, b""), content)
            self.assert_one_sentence(text, "no trace")
        code, _, text = self.plot(written([record(0, "association", what="opening")]))
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "no strand")
        code, _, text = self.run_tool("plot", self.path("none"))
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, self.path("none"), "No such file")

    def test_a_line_that_was_cut_is_left_out(self):
        code, out, text = self.plot(written(by_hand())[:-20])
        self.assertEqual(code, 0, text)
        self.assert_one_sentence(text, "1 lines", "left out")
        xml.fromstring(out)

    def test_many_strands(self):
        records = [one for number in range(1, 200) for one in (strand(number, number, "opened"),
                                                               strand(1000, number, "active", sent=1000))]
        tree = self.picture(written(records))
        self.assertTrue(any("not all strands are drawn" in word for word in self.words(tree)))

    def test_nonsense_makes_a_picture_all_the_same(self):
        """Numbers that are none of this world, names that are markup or turn the text round, wrong kinds, deep nesting."""
        nonsense = [1e308, 12345, -1e308, 1e15, -1, 0, 1e-300, None, True, [], {}, "<script>", "\u202e\u0007\ud800", "x" * 5000,
                    [[[[[]]]]], {"a": {"b": "c"}}]
        seed = int(os.environ.get("HAWSER_SEED", random.randrange(1 << 30)))
        dice = random.Random(seed)
        for round_ in range(40):
            records = by_hand()
            for _ in range(30):
                one = dice.choice(records)
                place = dice.choice([one, one["data"]]) if isinstance(one.get("data"), dict) else one
                place[dice.choice(["time", *place])] = copy.deepcopy(dice.choice(nonsense))
            content = written(records)
            if round_ % 2:
                at = dice.randrange(len(content))
                content = content[:at] + dice.randbytes(dice.randrange(50)) + content[at + dice.randrange(50):]
            code, out, text = self.plot(content)
            self.assertIn(code, (0, 1), (seed, text))
            if code == 0:
                self.assertNotRegex(out.decode(), r'="[^"]*\b(nan|inf)\b', seed)
                xml.fromstring(out)
        deep = written([]) + b"[" * 100000 + b"\n" + written(by_hand())
        self.assertEqual(self.plot(deep)[0], 0)


class Traces(Case):
    def trace(self, name):
        lines = [json.loads(line) for line in self.read(name).splitlines()]
        self.assertEqual(lines[0]["file_schema"], "urn:hawser:trace:1")
        for line in lines[1:]:
            self.assertEqual(set(line) - {"association"}, {"time", "name", "data"})
        return lines

    def whats(self, lines, name):
        return [line["data"].get("what") for line in lines if line.get("name") == "hawser:" + name]

    def test_both_ends_of_a_file(self):
        listener = self.listen("--receive", self.path("inbox"), "--trace", self.path("there"))
        self.write("f", os.urandom(3000000))
        code, _, text = self.run_tool("send", "--trace", "here", listener.address, "f", cwd=self.directory)
        self.assertEqual(code, 0, text)
        self.assertEqual(listener.end(), 0)
        here, there = self.trace("here"), self.trace("there")
        self.assertEqual(here[0]["title"], "send")
        self.assertEqual(self.whats(here, "association"), ["opening", "established", "closed"])
        self.assertEqual(self.whats(here, "strand"), ["opened", "active", "closed"])
        self.assertEqual(set(self.whats(here, "messages")), {"sent", "acked"})
        last = [line["data"] for line in here if line.get("name") in ("hawser:sample", "hawser:strand")][-1]
        self.assertGreater(last["bytes_sent"], 3000000)
        race = [line["data"]["report"] for line in here if line.get("name") == "hawser:race"]
        self.assertEqual([attempt["outcome"] for attempt in race[0]["attempts"]].count("won"), 1)
        self.assertEqual(self.whats(there, "association")[:2], ["listening", "accepted"])
        received = [line["data"] for line in there[1:] if line["data"].get("what") == "received"]
        self.assertEqual((received[0]["count"], received[0]["strand"]), (1, 1))
        for name in ("here", "there"):
            code, out, text = self.run_tool("plot", self.path(name))
            self.assertEqual((code, text), (0, ""))
            xml.fromstring(out)

    def test_of_whom_nobody_answers(self):
        code, _, _ = self.run_tool("ping", "--trace", self.path("t"), "--trust", "any", "unix:" + self.path("none"))
        self.assertEqual(code, 3)
        lines = self.trace("t")
        self.assertEqual(self.whats(lines, "association"), ["opening", "closed"])
        report = [line["data"]["report"] for line in lines if line.get("name") == "hawser:race"][0]
        self.assertEqual(report["attempts"][0]["outcome"], "failed")

    def test_every_command_with_lines(self):
        listener = self.listen("--echo")
        for command in (["ping", "--count", "2"], ["connect"], ["probe"]):
            code, _, text = self.run_tool(*command, "--trace", self.path("t"), listener.address)
            self.assertEqual(code, 0, text)
            self.assertEqual(self.whats(self.trace("t"), "association"), ["opening", "established", "closed"], command)

    def test_of_a_measurement_that_fails(self):
        """It ends where it stands: what was traced until then is there all the same."""
        code, _, text = self.run_tool("bench", "client", "--what", "oneway", "--count", "1", "--endpoint",
                                      "unix:" + self.path("none"), "--trace", self.path("t"))
        self.assertEqual(code, 1, text)
        self.assertEqual(self.whats(self.trace("t"), "association")[0], "opening")

    def test_where_nothing_can_be_written(self):
        for path in (self.path("none", "trace"), self.directory):
            code, out, text = self.run_tool("ping", "--trace", path, "127.0.0.1:1")
            self.assertEqual((code, out), (2, b""))
            self.assert_one_sentence(text, path)
        code, _, text = self.run_tool("ping", "--count", "1", "--trace", "/dev/full", self.listen("--echo").address)
        self.assertEqual(code, 0)
        self.assert_one_sentence(text, "the trace ends", "No space")

    def test_where_nothing_can_be_read(self):
        code, out, text = self.run_tool("plot", self.directory)
        self.assertEqual((code, out), (2, b""))
        self.assert_one_sentence(text, "cannot be read", "directory")


class TopCase(Case):
    def setUp(self):
        super().setUp()
        self.runtime = self.path("run")
        os.mkdir(self.runtime, 0o700)
        self.env["XDG_RUNTIME_DIR"] = self.runtime

    def environment(self, *arguments):
        return dict(super().environment(*arguments), XDG_RUNTIME_DIR=self.path("run"))

    def pinging(self, *options):
        listener = self.listen("--echo", "--control", "auto", *options)
        ping = self.start("ping", "--json", "--count", "0", "--interval", "5ms", "--control", "auto", listener.address)
        ping.wait_event("reply")
        return listener, ping

    def fake(self, answer, name="77.sock"):
        """A process of ours that says what it likes; None: nothing."""
        os.makedirs(os.path.join(self.runtime, "hawser"), 0o700, exist_ok=True)
        path = os.path.join(self.runtime, "hawser", name)
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        kept = []

        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                kept.append(client)
                if answer is not None:
                    client.recv(100)
                    client.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()

        def stop():
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in (server, *kept):
                one.close()
        self.addCleanup(stop)
        return path


class Top(TopCase):
    def test_processes_and_their_lines(self):
        listener, ping = self.pinging()
        code, events, text = self.run_json("top", "--once")
        self.assertEqual(code, 0, text)
        processes = {one["snapshot"]["process"]: one for one in only(events, "top")["processes"]}
        self.assertEqual(set(processes), {listener.process.pid, ping.process.pid})
        theirs = processes[ping.process.pid]["snapshot"]["associations"]
        self.assertEqual([(one["role"], one["state"]) for one in theirs], [("opened", "established")])
        self.assertEqual(theirs[0]["peer"]["name"], listener.name)
        self.assertEqual(theirs[0]["peer"]["verification"], "key")
        self.assertGreater(theirs[0]["statistics"]["acked"], 0)
        self.assertEqual(theirs[0]["strands"][0]["state"], "active")
        ours = processes[listener.process.pid]["snapshot"]["associations"]
        self.assertEqual(sorted(one["role"] for one in ours), ["accepted", "listener"])
        code, out, text = self.run_tool("top", "--once", str(ping.process.pid))
        self.assertEqual(code, 0, text)
        self.assertRegex(out.decode(), rf"(?m)^{ping.process.pid} hawser")
        self.assertRegex(out.decode(), r"(?m)^    1 +active +tls/tcp +lo ")
        self.assertNotIn(str(listener.process.pid), out.decode())
        code, out, _ = self.run_tool("top", "--once", processes[ping.process.pid]["path"])
        self.assertRegex(out.decode(), rf"(?m)^{ping.process.pid} hawser")

    def test_rates_between_two_looks(self):
        self.pinging()
        top = subprocess.Popen([HAWSER, "top", "--interval", "200ms"], env=self.env, stdout=subprocess.PIPE)
        lines = []
        while not any(re.search(r"\d B?.*B/s out, .*B/s in", line) for line in lines):
            line = top.stdout.readline().decode()
            self.assertTrue(line, lines)
            lines.append(line)
        top.send_signal(signal.SIGINT)
        top.stdout.read()
        top.stdout.close()
        self.assertEqual(top.wait(PATIENCE), 0)

    def test_one_that_ends_meanwhile(self):
        _, ping = self.pinging()
        top = subprocess.Popen([HAWSER, "top", "--interval", "50ms", str(ping.process.pid)], env=self.env,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(top.stdout.readline())
        ping.end(signal.SIGINT)
        _, text = top.communicate(timeout=PATIENCE)
        self.assertEqual(top.returncode, 1)
        self.assert_one_sentence(text.decode(), f"{ping.process.pid} has ended")

    def test_nobody_takes_what_it_tells(self):
        self.pinging()
        top = subprocess.Popen([HAWSER, "top", "--json", "--interval", "50ms"], env=self.env, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        self.assertTrue(top.stdout.readline())
        top.stdout.close()
        self.assertEqual(top.wait(PATIENCE), 1)
        for option in ([], ["--json"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([HAWSER, "top", "--once", *option], env=self.env, stdout=full, timeout=PATIENCE,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1, option)
            self.assert_one_sentence(done.stderr.decode(), "standard output")

    def test_by_the_environment(self):
        listener = self.listen("--echo")
        self.env["HAWSER_CONTROL"] = self.path("sock")
        ping = self.start("ping", "--json", "--count", "0", listener.address)
        ping.wait_event("reply")
        del self.env["HAWSER_CONTROL"]
        code, events, text = self.run_json("top", "--once", self.path("sock"))
        self.assertEqual(code, 0, text)
        self.assertEqual(only(events, "top")["processes"][0]["snapshot"]["process"], ping.process.pid)
        ping.end(signal.SIGINT)
        self.assertFalse(os.path.exists(self.path("sock")))

    def test_nobody_there(self):
        code, out, text = self.run_tool("top", "--once")
        self.assertEqual((code, out), (0, b"0 processes, 0 associations\n"))
        for arguments, word in ((["--once", "1"], "process 1"), (["1"], "process 1"),
                                (["--once", self.path("none")], "No such file")):
            code, _, text = self.run_tool("top", *arguments)
            self.assertEqual(code, 1, arguments)
            self.assert_one_sentence(text, word)
        for command, words, option in (("top", [], "--interval=0"), ("ping", ["127.0.0.1:1"], "--control=")):
            code, _, text = self.run_tool(command, option, *words)
            self.assertEqual(code, 2)
            self.assert_one_sentence(text, option.split("=", maxsplit=1)[0])

    def test_those_that_do_not_answer_or_lie(self):
        self.fake(None, "71.sock")
        self.fake(b"no json\n", "72.sock")
        self.fake(b'{"associations":"none"}\n', "73.sock")
        self.fake(b"[" * 1000 + b"\n", "74.sock")
        evil = {"hawser": "0", "process": 75, "associations": [
            {"association": 1, "endpoint": "\x1b[2J\x1b]0;x\x07", "role": "opened", "state": "\x9b31m", "peer": {
                "name": "\u202e<evil>\x1b[31m\n\r", "verification": [1]},
             "statistics": 7, "strands": [{"strand": -1, "stack": "\x1b[H", "rtt_us": 1e300, "bytes_sent": "many"}, 3, []]},
            None, 4, "x"], "left_off": 1e9}
        self.fake(json.dumps(evil).encode() + b"\n", "75.sock")
        code, out, text = self.run_tool("top", "--once")
        self.assertEqual(code, 0, text)
        self.assertEqual(out.decode().count("it does not answer"), 1)
        self.assertEqual(out.decode().count("it answers, but no snapshot"), 2)
        self.assertFalse(set(out) & set(range(32)) - {10}, out)
        self.assertNotIn(b"\xc2\x9b", out)
        self.assertIn("1000000000 associations more", out.decode())
        code, events, text = self.run_json("top", "--once")
        self.assertEqual(code, 0, text)
        self.assertEqual([one["snapshot"] is None for one in only(events, "top")["processes"]],
                         [True, True, False, True, False])

    def test_who_may_look(self):
        listener, _ = self.pinging()
        there = os.path.join(self.runtime, "hawser")
        path = os.path.join(there, f"{listener.process.pid}.sock")
        self.assertEqual(os.stat(there).st_mode & 0o7777, 0o700)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        if os.getuid():
            self.skipTest("only root can be somebody else here")
        # Whatever the modes are: who connects is asked for, and another user is hung up on.
        way = there
        while way != "/":
            mode = os.stat(way).st_mode & 0o7777
            self.addCleanup(os.chmod, way, mode)
            os.chmod(way, mode | 0o755)
            way = os.path.dirname(way)
        os.chmod(path, 0o777)
        done = subprocess.run([HAWSER, "top", "--once", path], env=self.env, capture_output=True, check=False, user=65534,
                              group=65534, extra_groups=[], timeout=PATIENCE)
        if done.returncode == 126 or b"Permission denied" in done.stderr:
            self.skipTest("another user cannot reach the tool")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"it hung up", done.stderr)

    def test_wrong_places(self):
        os.mkdir(os.path.join(self.runtime, "hawser"), 0o755)
        for path, word in (("auto", "not permitted"), (self.path("none", "sock"), "No such file"),
                           (self.path("x" * 120), "too long")):
            code, out, text = self.run_tool("ping", "--control", path, "127.0.0.1:1")
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, path, word)
        # By the environment it is a wish, and no reason to fail.
        listener = self.listen("--echo")
        code, _, text = self.run_tool("ping", "--count", "1", listener.address, env=dict(self.env, HAWSER_CONTROL="auto"))
        self.assertEqual(code, 0, text)
        self.assertIn("warning: HAWSER_CONTROL=auto", text)


class Terminal(TopCase):
    def on_terminal(self, arguments, columns=100, rows=24, env=None):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = self.settings(theirs)
        process = subprocess.Popen([HAWSER, *arguments], env=env or self.env, stdin=theirs, stdout=theirs, stderr=theirs,
                                   cwd=self.directory)
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        self.addCleanup(self.end_process, process)
        return process, ours, theirs

    def settings(self, fd):
        """But PENDIN, which is the system's own note."""
        kept = termios.tcgetattr(fd)
        kept[3] &= ~termios.PENDIN
        return kept

    def end_process(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def read_until(self, fd, wanted, process=None):
        """Until the pattern is there, or with None until the process has ended and all was read."""
        text, deadline = "", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 0.05)[0]:
                text += os.read(fd, 65536).decode(errors="replace")
                if wanted and re.search(wanted, text):
                    return text
            elif wanted is None and process.poll() is not None:
                return text
        raise AssertionError(f"{wanted} is not in {text[-3000:]!r}")

    def test_top_leaves_the_terminal_as_it_was(self):
        self.pinging()
        for end in ("q", "\x04", signal.SIGINT, signal.SIGTERM):
            top, ours, theirs = self.on_terminal(["top", "--interval", "50ms"])
            text = self.read_until(ours, r"B/s out.*\n(.*\n)+.*active")
            self.assertTrue(text.startswith("\x1b[?1049h\x1b[?25l"), text[:40])
            self.assertFalse(termios.tcgetattr(theirs)[3] & termios.ECHO)
            if isinstance(end, str):
                os.write(ours, end.encode())
            else:
                top.send_signal(end)
            text = self.read_until(ours, None, top)
            self.assertEqual(top.wait(PATIENCE), 0)
            self.assertTrue(text.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l"), text[-60:])
            self.assertEqual(self.settings(theirs), self.before)

    def test_top_is_stopped_and_goes_on(self):
        self.pinging()
        top, ours, theirs = self.on_terminal(["top", "--interval", "50ms"])
        self.read_until(ours, r"active")
        top.send_signal(signal.SIGTSTP)
        self.read_until(ours, r"\x1b\[\?1049l$")
        deadline = time.monotonic() + PATIENCE
        while os.waitid(os.P_PID, top.pid, os.WSTOPPED | os.WNOHANG) is None:
            self.assertLess(time.monotonic(), deadline)
        top.send_signal(signal.SIGCONT)
        self.read_until(ours, r"\x1b\[\?1049h(?s:.)*active")
        os.write(ours, b"q")
        self.read_until(ours, None, top)
        self.assertEqual(top.wait(PATIENCE), 0)
        self.assertEqual(self.settings(theirs), self.before)

    def test_top_fits(self):
        self.pinging()
        top, ours, theirs = self.on_terminal(["top", "--interval", "50ms"], rows=5)
        frame = self.read_until(ours, r"\x1b\[H(?s:.)*\x1b\[J(?s:.)*\x1b\[J")
        for one in frame.split("\x1b[H")[1:-1]:
            self.assertLessEqual(one.count("\n"), 4)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        top.send_signal(signal.SIGWINCH)
        self.read_until(ours, r"\x1b\[H([^\n]*\n){8,}")
        os.write(ours, b"q")
        self.read_until(ours, None, top)
        self.assertEqual(top.wait(PATIENCE), 0)

    def test_a_bar_a_strand(self):
        listener = self.listen("--receive", self.path("inbox"), "--overwrite")
        with open(self.path("big"), "wb") as file:
            file.truncate(120 << 20)
        for columns, colour in ((100, True), (100, False), (40, True)):
            env = dict(self.env, TERM="xterm")
            if not colour:
                env["NO_COLOR"] = "1"
            send, ours, _ = self.on_terminal(["send", listener.address, "big"], columns, env=env)
            text = self.read_until(ours, None, send)
            self.assertEqual(send.wait(PATIENCE), 0)
            self.assertEqual("\x1b[32m" in text, colour)
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
            pattern = r"  tls/tcp lo +\[[=.]+\] active +\d.*/s, RTT \d" if columns == 100 else r"  tls/tcp? *l? ?\[[=.]+\] active"
            self.assertRegex(plain, pattern)
            bars = [line for line in re.split(r"[\r\n]+", plain) if "[" in line]
            self.assertLessEqual(max(map(len, bars)), columns, bars[:5])


if __name__ == "__main__":
    unittest.main()
