# SPDX-License-Identifier: Apache-2.0
"""Runs every example as its first comment says, against the echo listener, and checks what it prints.

Usage: test_examples.py BUILD_DIRECTORY_OF_THE_EXAMPLES
"""
import hashlib
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/examples"
TIMEOUT = 60


class Runner(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="hawser-examples-")
        # The examples are short and leave the last of their memory to exit().
        sanitizer = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
        self.environment = dict(os.environ, XDG_STATE_HOME=self.directory, ASAN_OPTIONS=sanitizer)
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        shutil.rmtree(self.directory)

    def program(self, name):
        return os.path.join(BUILD, "example_" + name)

    def start(self, name, *arguments):
        """Starts a server, which prints its endpoint first."""
        process = subprocess.Popen([self.program(name), *arguments], stdout=subprocess.PIPE, text=True,
                                   env=self.environment)
        self.started.append(process)
        endpoint = process.stdout.readline().strip()
        self.assertRegex(endpoint, r"^hk-[a-z2-7]{52}@")
        return process, endpoint

    def run_example(self, name, *arguments, code=0, **more):
        result = subprocess.run([self.program(name), *arguments], capture_output=True, text=True, timeout=TIMEOUT,
                                env=self.environment, **more)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result


class Examples(Runner):
    def test_connect(self):
        """A plain descriptor from a race: the first address refuses, the second answers (S1.50)."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            def serve():
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.0 204 Here\r\n\r\n")

            thread = threading.Thread(target=serve)
            thread.start()
            result = self.run_example("connect", f"localhost:{port}")
            thread.join()
        self.assertEqual(result.stdout, "HTTP/1.0 204 Here\n\n")  # as read in text mode
        self.assertIn(f"127.0.0.1:{port}: won", result.stderr)
        result = self.run_example("connect", f"localhost:{port}", code=1)
        self.assertIn("Connection refused", result.stderr)
        self.assertIn("malformed", self.run_example("connect", "nowhere", code=1).stderr)

    def http(self, *answers):
        """Serves the raw answers, one a connection, and notes the requests."""
        server = socket.create_server(("127.0.0.1", 0))
        requests = []

        def serve():
            with server:
                for answer in answers:
                    connection, _ = server.accept()
                    with connection:
                        requests.append(connection.recv(4096))
                        for piece in [answer] if isinstance(answer, bytes) else answer:
                            connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return f"127.0.0.1:{server.getsockname()[1]}", requests

    def test_http_framer(self):
        """Responses of every kind of length, and one that is cut off."""
        bodies = {
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": "hello",
            b"HTTP/1.0 200 OK\r\n\r\nuntil the end": "until the end",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n": "hello world",
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n": "",
        }
        for answer, body in bodies.items():
            for pieces in (answer, [answer[i:i + 1] for i in range(len(answer))]):
                endpoint, requests = self.http(pieces)
                self.assertEqual(self.run_example("http_framer", "http", endpoint, "/path").stdout, body)
                self.assertTrue(requests[0].startswith(b"GET /path HTTP/1.1\r\nHost: "))
        for answer, why in ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "cut off"),
                            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "no number"),
                            (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "not HTTP"),
                            (b"HTTP/1.1 503 Busy\r\n\r\n", "answers 503")):
            endpoint, _ = self.http(answer)
            self.assertIn(why, self.run_example("http_framer", "http", endpoint, "/", code=1).stderr)

    def test_http_framer_leaves_a_captive_proxy(self):
        """A 502 on the first way loses the race to the second (S4.27)."""
        captive, _ = self.http(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nlogin")
        real, _ = self.http(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal")
        result = self.run_example("http_framer", "http", captive, real, "/")
        self.assertEqual(result.stdout, "real")

    def test_bare_lines(self):
        """A server of lines for whoever comes."""
        process = subprocess.Popen([self.program("bare_lines"), "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.PIPE, env=self.environment)
        self.started.append(process)
        port = int(process.stdout.readline().strip().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
            client.sendall(b"one\ntwo\r\n")
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answer:
                self.assertEqual(answer.read(), b"ONE\nTWO\n")
        self.assertEqual(process.stderr.readline().strip().split(":")[0], "bare 127.0.0.1")
        process.stderr.close()

    def test_hello(self):
        _, endpoint = self.start("echo_listener")
        result = self.run_example("hello", endpoint)
        self.assertEqual(sorted(result.stdout.split()), ["hello", "world"])

    def test_hello_over_a_unix_socket(self):
        _, endpoint = self.start("echo_listener", "unix:" + os.path.join(self.directory, "s"))
        result = self.run_example("hello", endpoint)
        self.assertEqual(sorted(result.stdout.split()), ["hello", "world"])

    def test_hello_says_why_not(self):
        result = self.run_example("hello", "unix:" + os.path.join(self.directory, "nobody"), code=1)
        self.assertIn("No such file", result.stderr)
        result = self.run_example("hello", "no endpoint", code=1)
        self.assertIn("malformed", result.stderr)

    def test_listener_keeps_its_identity(self):
        names = set()
        for _ in range(2):
            process, endpoint = self.start("echo_listener", "127.0.0.1:0", os.path.join(self.directory, "id"))
            names.add(endpoint.split("@")[0])
            process.terminate()
        self.assertEqual(len(names), 1)

    def test_view(self):
        _, endpoint = self.start("view", "-l")
        result = self.run_example("view", endpoint)
        self.assertEqual(sorted(result.stdout.splitlines()), ["here is map", "here is tile 7"])

    def test_embed_poll(self):
        _, endpoint = self.start("echo_listener")
        result = self.run_example("embed_poll", endpoint, input="one\ntwo\n")
        self.assertEqual(result.stdout, "one\ntwo\n")

    def test_embed_libuv(self):
        if not os.path.exists(self.program("embed_libuv")):
            self.skipTest("libuv is not installed")
        _, endpoint = self.start("echo_listener")
        result = self.run_example("embed_libuv", endpoint)
        self.assertEqual(sorted(result.stdout.splitlines()), ["tick 1", "tick 2", "tick 3"])

    def test_two_threads(self):
        result = self.run_example("two_threads")
        self.assertRegex(result.stdout, r"^40 replies: \d+ and \d+$")

    def test_workers(self):
        result = self.run_example("workers")
        found = re.fullmatch(r"400 answers by 4 workers, (\d+) of them by the slow one\n", result.stdout)
        self.assertTrue(found, result.stdout)
        self.assertLess(int(found[1]), 100)  # an equal share would be 100, each of which takes it 50 ms

    def test_crew(self):
        endpoints = [self.start("echo_listener")[1] for _ in range(3)]
        result = self.run_example("crew", *endpoints)
        lines = result.stdout.splitlines()
        self.assertEqual(sorted(lines[:6]), [f"message {i}: acked by 1" for i in range(1, 7)])
        self.assertEqual(lines[6], "message 7: acked by 3")
        self.assertRegex(lines[7], r"^\d answers$")

    def test_move(self):
        """Both ends are moved in the middle of a transfer, by SIGTERM and another start (S1.21)."""
        source, target, ours, theirs = (os.path.join(self.directory, name) for name in ("source", "target", "ours", "theirs"))
        with open(source, "wb") as file:
            file.write(os.urandom(30000000))

        def start(role, *arguments):
            process = subprocess.Popen([self.program("move"), role, *arguments], stdout=subprocess.PIPE, text=True,
                                       env=self.environment)
            self.started.append(process)
            return process, process.stdout.readline().split()

        def move(process):
            process.terminate()
            self.assertEqual(process.wait(TIMEOUT), 0)
            self.assertIn("moved ", process.stdout.read())

        receiving = [target, os.path.join(self.directory, "receiver"), theirs]
        receiver, (word, endpoint) = start("receive", *receiving, "127.0.0.1:0")
        self.assertEqual(word, "listening")
        sending = [source, os.path.join(self.directory, "sender"), ours, endpoint]
        sender, words = start("send", *sending)
        self.assertEqual(words[0], "reached")
        move(sender)
        sender, words = start("send", *sending)
        self.assertEqual(words, ["resumed"])
        while sender.stdout.readline().split()[0] != "reached":
            pass
        move(receiver)
        receiver, words = start("receive", *receiving, endpoint.split("@")[1])
        self.assertEqual(words[0], "listening")
        for process in sender, receiver:
            self.assertEqual(process.wait(TIMEOUT), 0)
            self.assertIn("done", process.stdout.read())
        with open(source, "rb") as one, open(target, "rb") as other:
            self.assertEqual(hashlib.sha256(one.read()).digest(), hashlib.sha256(other.read()).digest())

    def test_task(self):
        _, endpoint = self.start("echo_listener")
        result = self.run_example("task", endpoint)
        self.assertEqual(result.stdout, "knock knock\nit is me\n")

    def test_stream(self):
        _, endpoint = self.start("echo_listener")
        result = self.run_example("stream", endpoint)
        self.assertEqual(result.stdout, "old code,\nnew line\n")

    def test_file(self):
        for size in 0, 100, 3000000:
            source, target = (os.path.join(self.directory, name) for name in ("source", "target"))
            content = os.urandom(size)
            with open(source, "wb") as file:
                file.write(content)
            result = self.run_example("file", source, target)
            self.assertEqual(result.stdout, "acked\n")
            with open(target, "rb") as file:
                self.assertEqual(file.read(), content)
        self.run_example("file", os.path.join(self.directory, "missing"), target, code=1)


def frames(connection):
    """The peer of sockets_tls.c: acknowledges each message and replies with the same bytes."""
    data = b""
    while True:
        while len(data) < 9 or len(data) < 9 + struct.unpack("!I", data[5:9])[0]:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        number, size = struct.unpack("!II", data[1:9])
        body, data = data[9:9 + size], data[9 + size:]
        connection.sendall(b"A" + struct.pack("!II", number, 0) + b"R" + struct.pack("!II", number, size) + body)


class ByHand(Runner):
    def make_certificate(self):
        key, certificate = (os.path.join(self.directory, name) for name in ("key.pem", "cert.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=by-hand", "-days", "2"],
                       check=True, capture_output=True)
        pem = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], check=True,
                             capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, check=True,
                             capture_output=True).stdout
        return key, certificate, hashlib.sha256(der).hexdigest()

    def serve(self, listener, context):
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                frames(secure)
        except OSError:
            pass  # the client did not like our key

    def run_by_hand(self, pin_of, code):
        key, certificate, pin = self.make_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(TIMEOUT)
            thread = threading.Thread(target=self.serve, args=(listener, context))
            thread.start()
            result = self.run_example("sockets_tls", "127.0.0.1", str(listener.getsockname()[1]), pin_of(pin),
                                      code=code)
            thread.join(TIMEOUT)
        return result

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_sockets_tls(self):
        result = self.run_by_hand(lambda pin: pin, 0)
        self.assertEqual(result.stdout, "hello\nworld\n")

    def test_media(self):
        """Each layer as hard as it asked for, through a relay that loses 3 % of the datagrams, and a picture of it."""
        picture = os.path.join(self.directory, "media.svg")
        done = subprocess.run([self.program("media"), picture], env=self.environment, capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        if done.returncode == 1 and "Invalid argument" in done.stderr:
            self.skipTest("this build has no quic/udp")
        self.assertEqual(done.returncode, 0, done.stderr)
        came = [int(line.split(": ")[2].split()[0]) for line in done.stdout.splitlines()]
        self.assertEqual(len(came), 3, done.stdout)
        self.assertGreaterEqual(came[0], 80)  # of 100: a machine that stalls for 150 ms makes them late, too
        drawn = xml.etree.ElementTree.parse(picture).getroot()
        circles = len(drawn.findall("{http://www.w3.org/2000/svg}circle"))
        self.assertEqual(circles, sum(came) + 3)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_sockets_tls_wrong_key(self):
        result = self.run_by_hand(lambda pin: "0" * 64, 1)
        self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
