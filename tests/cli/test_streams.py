# SPDX-License-Identifier: Apache-2.0
"""connect, and listen --echo, --discard, --exec: streams."""

import base64
import os
import select
import signal
import socket
import subprocess
import unittest

from harness import Case, HAWSER, named, only


class Streams(Case):
    def connect(self, listener, *options, stdin=b"", **more):
        return self.run_tool("connect", *options, listener.address, stdin=stdin, **more)

    def test_echo_returns_every_byte(self):
        listener = self.listen("--echo")
        for size in (0, 1, 65536, 10 << 20):
            content = os.urandom(size)
            code, out, text = self.connect(listener, stdin=content)
            self.assertEqual((code, out == content), (0, True), text)
        self.assertEqual(len(listener.all("received")), 0)

    def test_input_from_a_file(self):
        listener = self.listen("--echo")
        content = os.urandom(3 << 20)
        with open(self.write("in", content), "rb") as source, open(self.path("out"), "wb") as target:
            done = subprocess.run([HAWSER, "connect", listener.address], stdin=source, stdout=target, env=self.env,
                                  stderr=subprocess.PIPE, timeout=30, check=False)
        self.assertEqual((done.returncode, self.read("out") == content), (0, True), done.stderr)

    def test_discard_ends_when_we_do(self):
        listener = self.listen("--discard")
        self.assertEqual(self.connect(listener, stdin=b"x" * 5000000)[:2], (0, b""))

    def test_a_command_on_each_stream(self):
        listener = self.listen("--exec", "tr a-z A-Z")
        content = b"hello, command\n" * 20000
        self.assertEqual(self.connect(listener, stdin=content)[:2], (0, content.upper()))
        self.assertEqual(listener.wait_event("exited")["status"], 0)
        listener.wait_event("stream")

    def test_half_close_reaches_the_command(self):
        listener = self.listen("--exec", "wc -c; echo and more")
        self.assertEqual(self.connect(listener, stdin=b"x" * 1234)[1].split(), [b"1234", b"and", b"more"])

    def test_the_command_knows_who_calls(self):
        name = self.run_tool("identity", "--name-only")[1].strip()
        listener = self.listen("--trust", "key=" + name.decode(), "--exec",
                               'echo "$HAWSER_PEER $HAWSER_VERIFICATION"; env | grep -c LISTEN_')
        self.assertEqual(self.connect(listener)[1], name + b" key\n0\n")

    def test_a_command_that_fails_is_told(self):
        listener = self.listen("--exec", "echo out; exit 7")
        self.assertEqual(self.connect(listener)[:2], (0, b"out\n"))
        self.assertEqual(listener.wait_event("exited")["status"], 7)

    def test_a_command_that_reads_nothing(self):
        listener = self.listen("--exec", "exec <&-; echo done")
        self.assertEqual(self.connect(listener, stdin=b"x" * 3000000)[:2], (0, b"done\n"))

    def test_a_command_is_hung_up_on_when_the_peer_goes(self):
        listener = self.listen("--exec", "echo $$; exec sleep 1000")
        caller = subprocess.Popen([HAWSER, "connect", listener.address], env=self.env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        pid = int(caller.stdout.readline())
        descriptor = os.pidfd_open(pid)
        caller.kill()
        caller.communicate()
        self.assertTrue(select.select([descriptor], [], [], 30)[0])
        os.close(descriptor)
        self.assertEqual(self.connect(self.listen("--echo", host="other"), stdin=b"x")[1], b"x")
        self.assertEqual(listener.end(), 0)

    def test_many_streams_at_once(self):
        listener = self.listen("--echo")
        callers = [subprocess.Popen([HAWSER, "connect", listener.address], env=self.env, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(8)]
        for number, caller in enumerate(callers):
            self.assertEqual(caller.communicate(b"%d" % number, timeout=30)[0], b"%d" % number)
            self.assertEqual(caller.returncode, 0)

    def test_what_arrives_as_events(self):
        listener = self.listen("--echo")
        content = os.urandom(100000)
        code, events, text = self.run_json("connect", listener.address, stdin=content)
        self.assertEqual(code, 0, text)
        self.assertEqual(b"".join(base64.b64decode(event["base64"]) for event in named(events, "data")), content)
        self.assertEqual(sum(event["size"] for event in named(events, "data")), len(content))
        self.assertEqual(only(events, "established")["stack"], "tls/tcp")
        self.assertEqual(only(events, "closed")["code"], 0)

    def test_listener_at_a_terminal_serves_one_stream(self):
        listener = subprocess.Popen([HAWSER, "listen", "unix:" + self.path("s")], env=self.environment("server"),
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        text = b""
        while b"listening on" not in text:
            line = listener.stderr.readline()
            self.assertNotEqual(line, b"")
            text += line
        name = line.split()[-1].decode()
        listener.stdin.write(b"from the listener")
        listener.stdin.close()
        code, out, text = self.run_tool("connect", f"{name}@unix:{self.path('s')}", stdin=b"from the caller\n")
        self.assertEqual((code, out), (0, b"from the listener"), text)
        self.assertEqual(listener.stdout.readline(), b"from the caller\n")
        self.assertEqual(self.run_tool("connect", f"{name}@unix:{self.path('s')}", stdin=b"second")[0], 1)
        listener.stdout.close()
        listener.send_signal(signal.SIGINT)
        self.assertEqual(listener.wait(30), 0)
        listener.stderr.close()

    def test_streams_where_only_files_are_taken(self):
        listener = self.listen("--receive", self.path("inbox"))
        code, out, text = self.connect(listener, stdin=b"x")
        self.assertEqual((code, out), (1, b""))
        self.assert_one_sentence(text, "stream")

    def test_messages_where_only_streams_are_taken(self):
        listener = self.listen("--exec", "cat")
        for size in (10, 300000):
            self.write("f", b"x" * size)
            code, events, _ = self.run_json("send", listener.address, "f", cwd=self.directory)
            self.assertEqual((code, only(events, "failed")["reason"]), (1, "this listener takes streams only"))

    def test_the_listener_ends_in_the_middle(self):
        listener = self.listen("--exec", "echo here; cat")
        caller = self.start("connect", "--json", listener.address, stdin=subprocess.PIPE)
        caller.wait_event("data")
        listener.process.kill()
        self.assertEqual(caller.wait(), 1)
        self.assertLess(only(caller.events, "closed")["code"], 0)

    def test_a_signal_lets_a_command_finish(self):
        listener = self.listen("--exec", "echo begun; cat; echo done")
        caller = subprocess.Popen([HAWSER, "connect", listener.address], env=self.env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(caller.stdout.readline(), b"begun\n")
        listener.process.send_signal(signal.SIGTERM)
        self.assertEqual(caller.communicate(b"and more\n", timeout=30)[0], b"and more\ndone\n")
        self.assertEqual((caller.returncode, listener.wait()), (0, 0))

    def test_a_second_signal_ends_it_now(self):
        listener = self.listen("--exec", "echo begun; cat")
        caller = self.start("connect", "--json", listener.address, stdin=subprocess.PIPE)
        caller.wait_event("data")
        listener.process.send_signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired): # a stream is open
            listener.process.wait(0.3)
        self.assertEqual(listener.end(signal.SIGTERM), 0)
        self.assertEqual(caller.wait(), 1)

    def test_niceness_of_a_stream(self):
        listener = self.listen("--echo")
        self.assertEqual(self.connect(listener, "--niceness", "-50", stdin=b"x")[:2], (0, b"x"))


class Listening(Case):
    def activated(self, *arguments, passed):
        """A listener that systemd would have started with that socket as descriptor 3."""
        def pass_socket():
            os.dup2(passed.fileno(), 3)
        return self.start("-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', HAWSER, "listen", "--json", *arguments,
                          env=self.environment("server"), program="/bin/sh", preexec_fn=pass_socket, pass_fds=(3,))

    def test_socket_activation(self):
        with socket.socket() as passed:
            passed.bind(("127.0.0.1", 0))
            passed.listen()
            listener = self.activated("--echo", passed=passed)
            event = listener.wait_event("listening")
            self.assertEqual(event["endpoint"], "127.0.0.1:%d" % passed.getsockname()[1])
            code, _, text = self.run_tool("ping", "--count", "1", f"{event['name']}@{event['endpoint']}")
            self.assertEqual(code, 0, text)

    def test_sockets_for_another_process_are_not_ours(self):
        env = dict(self.env, LISTEN_PID="1", LISTEN_FDS="1")
        self.assertEqual(self.run_tool("listen", "--echo", env=env)[0], 2)

    def test_a_descriptor_as_endpoint(self):
        with socket.socket() as passed:
            passed.bind(("127.0.0.1", 0))
            passed.listen()
            fd = passed.fileno()
            listener = self.start("listen", "--json", "--echo", f"fd:{fd}", pass_fds=(fd,))
            event = listener.wait_event("listening")
            self.assertEqual(event["endpoint"], "127.0.0.1:%d" % passed.getsockname()[1])
            self.assertEqual(self.run_tool("ping", "--count", "1", f"{event['name']}@{event['endpoint']}")[0], 0)

    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            listener = self.listen("--echo", host=f"s{number}")
            self.assertEqual(self.run_tool("ping", "--count", "1", listener.address)[0], 0)
            self.assertEqual(listener.end(number), 0)

    def test_trust_of_everybody_is_said_aloud(self):
        self.assertIn(b"not verified", self.ended(self.listen("--echo")))
        self.assertIn(b"not verified", self.ended(self.listen("--echo", "--trust", "any", host="b")))
        self.assertNotIn(b"not verified", self.ended(self.listen("--echo", "--trust", "tofu", host="c")))
        listener = self.listen("--echo", host="d")
        _, _, text = self.run_tool("ping", "--count", "1", "--trust", "any", listener.endpoint)
        self.assertIn("not verified", text)

    def ended(self, listener):
        listener.end()
        return listener.text


if __name__ == "__main__":
    unittest.main()
