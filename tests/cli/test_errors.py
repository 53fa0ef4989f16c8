# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: one clear sentence, the right exit status, and nothing half-written under a final name."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import unittest

from harness import Case, HAWSER, named, only


def may_mount():
    """An empty sentence, or why a small file system cannot be made here."""
    if not shutil.which("unshare"):
        return "unshare(1) is not installed"
    done = subprocess.run([*mounting("/tmp", "1m"), "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"mounting is not allowed here: {done.stderr.decode().strip()}"


def mounting(directory, size):
    """A command that runs another with a tmpfs of that size on the directory, which ends with it."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-c",
            f'mount -t tmpfs -o size={size} none "{directory}" && exec "$@"', "sh"]


class NoAssociation(Case):
    def assert_none(self, *arguments, words=(), env=None):
        """Exit status 3, one sentence, and an event `closed` that tells the attempts."""
        code, events, text = self.run_json(*arguments, env=env)
        self.assertEqual(code, 3, text)
        self.assert_one_sentence(text, *words)
        self.assertEqual(named(events, "established") + named(events, "done"), [])
        closed = only(events, "closed")
        self.assertLess(closed["code"], 0)
        self.assertNotEqual(closed["reason"], "")
        return closed

    def test_no_such_host(self):
        self.assert_none("ping", "no.such.host.invalid:1", words=["no.such.host.invalid"])
        self.assert_none("send", "no.such.host.invalid:1", self.write("f"), words=["no.such.host.invalid"])

    def test_connection_refused(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            endpoint = "127.0.0.1:%d" % free.getsockname()[1]
            for command in (["ping", "--stack", "tls/tcp"], ["connect", "--stack", "tls/tcp"]):
                closed = self.assert_none(*command, endpoint, words=[endpoint, "refused"])
                self.assertEqual([attempt["outcome"] for attempt in closed["attempts"]], ["failed"])
                self.assertEqual(closed["attempts"][0]["layer"], "tcp")
        self.assert_none("ping", "unix:" + self.path("nothing"), words=["nothing"])

    def test_nobody_answers(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            endpoint = "127.0.0.1:%d" % silent.getsockname()[1]
            closed = self.assert_none("ping", "--timeout", "300ms", endpoint, words=[endpoint])
            attempt = closed["attempts"][0]
            self.assertGreaterEqual(attempt["end_us"] - attempt["start_us"], 250000)
            self.assertLess(attempt["end_us"] - attempt["start_us"], 5000000)

    def test_wrong_key(self):
        listener = self.listen("--echo")
        other = self.run_tool("identity", "--name-only", self.path("other"))[1].decode().strip()
        self.assert_none("ping", f"{other}@{listener.endpoint}", words=[listener.name])
        self.assert_none("ping", "--trust", f"key={other}", listener.endpoint, words=[listener.name])

    def test_unverified(self):
        listener = self.listen("--echo")
        self.assert_none("ping", listener.endpoint)
        self.assert_none("ping", "--trust", "any", "--min-verification", "tofu", listener.endpoint)

    def test_key_changed_since_first_use(self):
        first = self.listen("--echo", host="one")
        port = first.endpoint
        code, events, text = self.run_json("ping", "--count", "1", "--trust", "tofu", port)
        self.assertEqual((code, only(events, "established")["peer"]["verification"]), (0, "tofu"), text)
        first.end()
        second = self.listen("--echo", host="two", endpoint=port)
        self.assert_none("ping", "--trust", "tofu", port, words=[first.name, second.name])

    def test_the_listener_demands_more(self):
        listener = self.listen("--echo", "--min-verification", "key")
        self.assertNotEqual(self.run_tool("ping", "--count", "1", listener.address)[0], 0)
        name = self.run_tool("identity", "--name-only")[1].decode().strip()
        trusting = self.listen("--echo", "--trust", f"key={name}", host="trusting")
        code, _, text = self.run_tool("ping", "--count", "1", trusting.address)
        self.assertEqual(code, 0, text)
        self.assertEqual(trusting.wait_event("accepted")["peer"]["verification"], "key")
        stranger = self.environment("stranger")
        self.assertNotEqual(self.run_tool("ping", "--count", "1", trusting.address, env=stranger)[0], 0)

    def test_certificates(self):
        if not shutil.which("openssl"):
            self.skipTest("openssl is not installed")
        self.make_certificates()
        listener = self.listen("--echo", "--certificate", self.path("server.pem"), "--certificate-key",
                               self.path("server.key"))
        endpoint = "localhost:" + listener.endpoint.rsplit(":", 1)[1]
        code, events, text = self.run_json("ping", "--count", "1", "--trust-file", self.path("ca.pem"),
                                           "--min-verification", "pki", endpoint)
        self.assertEqual(code, 0, text)
        self.assertEqual(only(events, "established")["peer"]["verification"], "pki")
        self.assertEqual(only(events, "established")["peer"]["name"], "localhost")
        self.assert_none("ping", endpoint)

    def make_certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)
        self.write("extensions", b"subjectAltName=DNS:localhost\n")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key",
                "-out", "server.csr", "-subj", "/CN=localhost")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                "server.pem", "-days", "2", "-extfile", "extensions")


class Sources(Case):
    """Files that cannot be sent."""

    def setUp(self):
        super().setUp()
        self.listener = self.listen("--receive", self.path("inbox"))

    def test_a_file_that_is_not_there(self):
        self.write("there", b"there")
        code, events, text = self.run_json("send", self.listener.address, "there", "missing", cwd=self.directory)
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "missing")
        failed = only(events, "failed")
        self.assertEqual((failed["file"], failed["message"]), ("missing", None))
        self.assertEqual(only(events, "acked")["file"], "there")
        self.assertEqual([only(events, "done")[name] for name in ("messages", "acked", "failed")], [2, 1, 1])

    def test_nothing_left_to_send(self):
        code, out, text = self.run_tool("send", self.listener.address, "missing", cwd=self.directory)
        self.assertEqual((code, out), (1, b""))
        self.assertIn("missing", text)

    def test_an_unreadable_file(self):
        self.write("secret", b"secret", 0o000)
        self.write("open", b"open")
        more = {}
        if os.getuid() == 0: # who reads everything is not stopped by a mode
            os.chmod(self.directory, 0o755)
            for base, _, _ in os.walk(self.path("client")):
                os.chown(base, 65534, 65534)
            more = {"user": 65534, "group": 65534, "extra_groups": []}
        code, events, text = self.run_json("send", self.listener.address, "secret", "open", cwd=self.directory, **more)
        self.assertEqual(code, 1, text)
        self.assert_one_sentence(text, "secret", "ermission")
        self.assertEqual((only(events, "failed")["file"], only(events, "acked")["file"]), ("secret", "open"))

    def test_a_device(self):
        code, _, text = self.run_tool("send", self.listener.address, "/dev/null")
        self.assertEqual(code, 1)
        self.assertIn("/dev/null", text)

    def test_a_file_that_changes_while_it_is_sent(self):
        with open(self.path("changing"), "wb") as file:
            file.truncate(8 << 30) # seconds, even on loopback
        sender = self.start("send", "--json", self.listener.address, "changing", cwd=self.directory)
        self.wait_for_open_file(self.listener, self.path("inbox"))
        with open(self.path("changing"), "ab") as file:
            file.write(b"more")
        self.assertEqual(sender.wait(), 1)
        self.assertIn("changed", only(sender.events, "failed")["reason"])
        self.listener.end()
        self.assertEqual(self.files_below(self.path("inbox")), [])


class Receiving(Case):
    """The receiver's end fails."""

    def setUp(self):
        super().setUp()
        self.inbox = self.path("inbox")
        os.makedirs(self.inbox)

    def test_a_full_disk(self):
        why = may_mount()
        if why:
            self.skipTest(why)
        listener = self.listen("--receive", self.inbox, prefix=mounting(self.inbox, "1m"))
        self.write("out/a-known", os.urandom(3 << 20))
        self.write("out/b-small", b"small")
        code, events, text = self.run_json("send", listener.address, "out", cwd=self.directory)
        self.assertEqual(code, 1)
        self.assertEqual(only(events, "failed")["file"], "out/a-known")
        self.assert_one_sentence(text, "a-known", "no space")
        self.assertEqual(only(events, "acked")["file"], "out/b-small")
        # of unknown size: the disk is full in the middle
        code, events, text = self.run_json("send", listener.address, "-", stdin=os.urandom(3 << 20))
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "stdin", "no space")
        # the listener lives, and what was half-written takes no room
        code, _, text = self.run_json("send", "--name", "later", listener.address, "-", stdin=b"x" * 900000)
        self.assertEqual(code, 0, text)
        there = self.files_below(f"/proc/{listener.process.pid}/root{self.inbox}")
        self.assertEqual(there, ["later", "out/b-small"])

    def test_a_file_that_may_not_grow(self):
        listener = self.listen("--receive", self.inbox,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
        self.write("big", os.urandom(1 << 20))
        self.write("small", b"small")
        code, events, text = self.run_json("send", listener.address, "big", "small", cwd=self.directory)
        self.assertEqual((code, only(events, "failed")["file"], only(events, "acked")["file"]), (1, "big", "small"))
        self.assert_one_sentence(text, "big", "too large")
        self.assertEqual(self.files_below(self.inbox), ["small"])

    def test_the_sender_is_killed_in_the_middle(self):
        listener = self.listen("--receive", self.inbox)
        sender = self.start("send", "--json", listener.address, "-", stdin=subprocess.PIPE)
        sender.process.stdin.write(b"x" * 300000)
        sender.process.stdin.flush()
        self.wait_for_open_file(listener, self.inbox)
        sender.process.kill()
        event = listener.wait_event("abandoned")
        self.assertEqual(event["file"], "stdin")
        listener.wait_event("closed", lambda event: event["code"] < 0)
        self.assertEqual(self.files_below(self.inbox), [])
        code, _, text = self.run_tool("send", listener.address, "-", stdin=b"still there")
        self.assertEqual((code, self.read("inbox", "stdin")), (0, b"still there"), text)

    def test_the_listener_is_killed_in_the_middle(self):
        listener = self.listen("--receive", self.inbox)
        sender = self.start("send", "--json", listener.address, "-", self.write("f"), stdin=subprocess.PIPE)
        sender.process.stdin.write(b"x" * 300000)
        sender.process.stdin.flush()
        self.wait_for_open_file(listener, self.inbox)
        listener.process.kill()
        self.assertEqual(sender.wait(), 1)
        failed = named(sender.events, "failed")
        self.assertEqual([event["file"] for event in failed], ["stdin", "f"])
        self.assertNotIn("maybe_delivered", failed[0]) # it had not been given whole
        self.assertLess(only(sender.events, "closed")["code"], 0)
        self.assertEqual(only(sender.events, "done")["failed"], 2)
        self.assert_one_sentence(sender.text.decode(), "the line broke to") # not one a file
        self.assertEqual(self.files_below(self.inbox), [])

    def test_an_interrupted_sender(self):
        listener = self.listen("--receive", self.inbox)
        sender = self.start("send", "--json", listener.address, "-", stdin=subprocess.PIPE)
        sender.process.stdin.write(b"x" * 300000)
        sender.process.stdin.flush()
        self.wait_for_open_file(listener, self.inbox)
        self.assertEqual(sender.end(signal.SIGINT), 1)
        self.assert_one_sentence(sender.text.decode(), "interrupted")
        listener.wait_event("abandoned")
        self.assertEqual(self.files_below(self.inbox), [])

    def test_directories_that_cannot_be_used(self):
        name = self.write("file")
        code, _, text = self.run_tool("listen", "--receive", name, "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, name)

    def test_an_endpoint_in_use(self):
        listener = self.listen("--discard")
        code, _, text = self.run_tool("listen", "--discard", listener.endpoint)
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, listener.endpoint, "in use")

    def test_a_name_that_is_a_directory_on_the_way(self):
        listener = self.listen("--receive", self.inbox)
        self.write("inbox/a", b"a file")
        self.write("out/a/b", b"x")
        code, events, _ = self.run_json("send", listener.address, "a", cwd=self.path("out"))
        self.assertEqual((code, only(events, "failed")["file"]), (1, "a/b"))
        self.assertEqual(self.read("inbox", "a"), b"a file")


class Output(Case):
    def test_events_that_nobody_reads(self):
        listener = self.listen("--receive", self.path("inbox"))
        read, write = os.pipe()
        os.close(read)
        self.write("f", b"x")
        done = subprocess.run([HAWSER, "send", "--json", listener.address, "f"], cwd=self.directory, env=self.env,
                              stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=30, check=False)
        os.close(write)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count(b"standard output"), 1)
        self.assertEqual(self.read("inbox", "f"), b"x")


if __name__ == "__main__":
    unittest.main()
