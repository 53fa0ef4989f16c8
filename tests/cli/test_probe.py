# SPDX-License-Identifier: Apache-2.0
"""hawser probe: the page for people, the report for machines, the picture, and the exit codes."""

import os
import pty
import re
import select
import struct
import subprocess
import fcntl
import termios
import time
import unittest
import xml.etree.ElementTree

from foreign import Certificates, Server, echo
from harness import HAWSER, PATIENCE, Case, only


class ProbeCase(Case):
    def server(self, serve=echo, **more):
        server = Server(serve, **more)
        self.addCleanup(server.close)
        return server

    def dead(self):
        server = self.server()
        server.close()
        return server.endpoint


class Page(ProbeCase):
    def test_a_peer_of_ours(self):
        listener = self.listen("--echo")
        code, out, text = self.run_tool("probe", listener.address)
        page = out.decode()
        self.assertEqual((code, text), (0, ""))
        self.assertRegex(page, r"(?m)^  lo$")
        self.assertRegex(page, r"(?m)^    tls/tcp$")
        self.assertRegex(page, rf"(?m)^      \+[\d.]+ ms +{re.escape(listener.endpoint)} .*\*$")
        self.assertRegex(page, r"(?m)^won: tls/tcp by lo, 127\.0\.0\.1:\d+ to " + re.escape(listener.endpoint))
        self.assertIn(f"verification key, speaks hawser/1, peer {listener.name}", " ".join(page.split()))
        self.assertRegex(page, r"\d round trips?, no early data")

    def test_look_ups(self):
        listener = self.listen("--echo")
        endpoint = "localhost:" + listener.endpoint.rsplit(":", 1)[1]
        code, out, text = self.run_tool("probe", "--trust", f"key={listener.name}", f"{listener.name}@{endpoint}")
        page = out.decode()
        self.assertEqual(code, 0, text)
        self.assertTrue(page.startswith("look-ups "), page)
        self.assertRegex(page, r"hosts localhost")
        self.assertRegex(page, r"127\.0\.0\.1")

    def test_nobody_there(self):
        endpoint = self.dead()
        code, out, text = self.run_tool("probe", "--bare", endpoint)
        page = out.decode()
        self.assertEqual(code, 3)
        self.assertRegex(page, rf"(?m)^      \+[\d.]+ ms +{re.escape(endpoint)} .*x$")
        self.assertRegex(page, r"failed in tcp after [\d.]+ m?s: .*refused")
        self.assertRegex(page, r"(?m)^no line after [\d.]+ m?s: .*refused")

    def test_the_second_of_two(self):
        dead, alive = self.dead(), self.server().endpoint
        code, out, text = self.run_tool("probe", "--bare", dead, alive)
        page = out.decode()
        self.assertEqual(code, 0, text)
        self.assertLess(page.index(dead), page.index(alive))
        self.assertRegex(page, r"(?m)^won: tcp ")

    def test_fits_any_width_and_knows_colours(self):
        listener = self.listen("--echo")
        for columns, colour in ((60, True), (132, True), (100, False)):
            env = dict(self.env, TERM="xterm")
            if not colour:
                env["NO_COLOR"] = "1"
            page = self.on_terminal(columns, env, "probe", listener.address)
            self.assertEqual("\033[" in page, colour)
            lines = re.sub(r"\033\[[0-9;]*m", "", page).replace("\r", "").splitlines()
            self.assertLessEqual(max(map(len, lines)), columns, lines)
            self.assertTrue(any(line.startswith("won:") for line in lines))
        self.assertNotIn(b"\033[", self.run_tool("probe", listener.address)[1])

    def on_terminal(self, columns, env, *arguments):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([HAWSER, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=theirs,
                                   stderr=subprocess.DEVNULL)
        os.close(theirs)
        page, deadline = b"", time.monotonic() + PATIENCE
        while select.select([ours], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            page += piece
        os.close(ours)
        self.assertEqual(process.wait(PATIENCE), 0)
        return page.decode()


class Report(ProbeCase):
    def test_events(self):
        dead, alive = self.dead(), self.server().endpoint
        code, events, text = self.run_json("probe", "--bare", dead, alive)
        self.assertEqual(code, 0, text)
        self.assertEqual([event["event"] for event in events if event["event"] != "paths"],
                         ["established", "report", "closed"])
        attempts = only(events, "established")["attempts"]
        self.assertEqual([attempt["outcome"] for attempt in attempts], ["failed", "won"])
        for attempt in attempts:
            self.assertEqual(sorted(attempt), sorted(["endpoint", "path", "stack", "start_us", "end_us", "outcome", "layer",
                                                      "code", "reason", "reached", "reached_us", "bare", "early_data"]))
            self.assertLessEqual(attempt["start_us"], attempt["end_us"])
        report = only(events, "report")["report"]
        self.assertEqual(len(report["attempts"]), 2)
        self.assertEqual(report["stack"], "tcp")

    def test_of_a_failure(self):
        code, events, text = self.run_json("probe", "--bare", self.dead())
        self.assertEqual(code, 3)
        self.assert_one_sentence(text, "refused")
        self.assertEqual([event["event"] for event in events], ["closed", "report"])
        self.assertEqual(only(events, "report")["report"]["attempts"][0]["outcome"], "failed")

    def test_timeout(self):
        """A server that accepts and says nothing: TLS never ends."""
        with Silent() as endpoint:
            began = time.monotonic()
            code, events, text = self.run_json("probe", "--timeout", "300ms", endpoint)
            took = time.monotonic() - began
        self.assertEqual(code, 3, text)
        self.assertLess(took, 10)
        attempt = only(events, "closed")["attempts"][0]
        self.assertEqual((attempt["outcome"], attempt["reached"]), ("failed", "tcp"))

    def test_picture(self):
        path = self.path("picture.svg")
        code, _, text = self.run_tool("probe", "--bare", "--svg", path, self.dead(), self.server().endpoint)
        self.assertEqual(code, 0, text)
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertIn("refused", "".join(root.itertext()))

    def test_a_picture_that_cannot_be_written(self):
        path = self.path("no", "picture.svg")
        code, _, text = self.run_tool("probe", "--bare", "--svg", path, self.server().endpoint)
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, path, "No such file")

    @unittest.skipIf(Certificates.missing(), Certificates.missing())
    def test_a_foreign_tls_server_is_probed_as_what_it_is(self):
        certificates = Certificates(self.path("certificates"))
        server = self.server(lambda connection: connection.recv(1), tls=certificates.server())
        code, events, text = self.run_json("probe", "--trust-file", certificates.authority, f"localhost:{server.port}")
        self.assertEqual(code, 0, text)
        established = only(events, "established")
        self.assertEqual((established["stack"], established["bare"], established["peer"]["verification"]),
                         ("tls/tcp", True, "pki"))
        code, _, text = self.run_tool("probe", "--trust-file", certificates.authority, "--require", "session",
                                      f"localhost:{server.port}")
        self.assertEqual(code, 3, text)

    def test_wrong_command_lines(self):
        for arguments, word in ((["nonsense"], "nonsense"), (["--tls", "127.0.0.1:1"], "--bare"),
                                (["127.0.0.1:1", "nonsense"], "nonsense"), (["--also", "nonsense", "127.0.0.1:1"], "nonsense"),
                                (["--timeout", "soon", "127.0.0.1:1"], "--timeout")):
            code, out, text = self.run_tool("probe", *arguments)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, word)


class Silent:
    """Connections are made by the system; nobody answers them."""

    def __enter__(self):
        import socket
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def __exit__(self, *_):
        self.socket.close()


if __name__ == "__main__":
    unittest.main()
