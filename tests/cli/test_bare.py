# SPDX-License-Identifier: Apache-2.0
"""Bare associations: `connect --bare` to servers, and `listen --bare` for clients, that are none of ours."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import unittest

from foreign import Certificates, Server, echo, read_all
from harness import HAWSER, Case, named, only


class BareCase(Case):
    def server(self, serve, **more):
        server = Server(serve, **more)
        self.addCleanup(server.close)
        return server


class Connect(BareCase):
    def test_byte_for_byte_and_half_closed(self):
        """The server answers once it has read to the end: what it read is what was said, and nothing else."""
        said = bytes(range(256)) * 1000
        seen = []

        def serve(connection):
            seen.append(read_all(connection))
            connection.sendall(b"answer after the end")
        server = self.server(serve)
        code, out, text = self.run_tool("connect", "--bare", server.endpoint, stdin=said)
        self.assertEqual((code, out, seen), (0, b"answer after the end", [said]), text)

    def test_a_server_that_speaks_first(self):
        server = self.server(lambda connection: connection.sendall(b"220 hello\r\n"))
        code, out, text = self.run_tool("connect", "--bare", server.endpoint)
        self.assertEqual((code, out), (0, b"220 hello\r\n"), text)

    def test_over_a_unix_socket(self):
        server = self.server(echo, at=self.path("socket"))
        code, out, text = self.run_tool("connect", "--bare", server.endpoint, stdin=b"over unix")
        self.assertEqual((code, out), (0, b"over unix"), text)

    def test_over_ipv6(self):
        server = self.server(echo, at="::1")
        code, out, text = self.run_tool("connect", "--bare", server.endpoint, stdin=b"over six")
        self.assertEqual((code, out), (0, b"over six"), text)

    def test_megabytes_both_ways(self):
        data = os.urandom(1 << 20) * 4
        server = self.server(echo)
        code, out, text = self.run_tool("connect", "--bare", server.endpoint, stdin=data)
        self.assertEqual((code, out == data), (0, True), text)

    def test_a_slow_reader_gets_everything(self):
        """The server has said all it had to say, and reads only once the client has gone: nothing is thrown away."""
        data = os.urandom(1 << 20) * 2
        gone, seen = threading.Event(), []

        def serve(connection):
            connection.shutdown(socket.SHUT_WR)
            gone.wait(30)
            seen.append(read_all(connection))
        server = self.server(serve)
        code, _, text = self.run_tool("connect", "--bare", server.endpoint, stdin=data)
        gone.set()
        server.close()
        self.assertEqual((code, server.failures, [len(piece) for piece in seen]), (0, [], [len(data)]), text)
        self.assertEqual(seen, [data])

    def test_events(self):
        server = self.server(echo)
        code, events, text = self.run_json("connect", "--bare", server.endpoint, stdin=b"x")
        self.assertEqual(code, 0, text)
        established = only(events, "established")
        self.assertEqual((established["stack"], established["bare"], established["peer"]["verification"]),
                         ("tcp", True, "none"))
        self.assertEqual(established["path"]["remote"], server.endpoint)
        self.assertEqual([event["base64"] for event in named(events, "data")], ["eA=="])
        self.assertEqual(only(events, "closed")["code"], 0)

    def test_the_peer_breaks_off(self):
        def serve(connection):
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() resets
        server = self.server(serve)
        code, _, text = self.run_tool("connect", "--bare", server.endpoint, stdin=b"x")
        self.assertEqual(code, 1, text)
        self.assert_one_sentence(text, server.endpoint, "reset")

    def test_nobody_there(self):
        server = self.server(echo)
        server.close()
        code, _, text = self.run_tool("connect", "--bare", server.endpoint)
        self.assertEqual(code, 3)
        self.assert_one_sentence(text, server.endpoint, "refused")

    def test_without_bare_the_plain_server_is_no_peer(self):
        server = self.server(lambda connection: connection.sendall(b"220 hello\r\n"))
        code, out, text = self.run_tool("connect", server.endpoint)
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, server.endpoint)

    def test_several_endpoints(self):
        dead = self.server(echo)
        dead.close()
        alive = self.server(echo)
        for arguments in ((dead.endpoint, alive.endpoint), (dead.endpoint, "--also", alive.endpoint)):
            code, events, text = self.run_json("connect", "--bare", *arguments, stdin=b"x")
            self.assertEqual(code, 0, text)
            self.assertEqual([attempt["outcome"] for attempt in only(events, "established")["attempts"]],
                             ["failed", "won"])

    def test_by_local_address_and_interface(self):
        server = self.server(echo)
        code, events, text = self.run_json("connect", "--bare", "--local", "127.0.0.9:0", server.endpoint, stdin=b"x")
        self.assertEqual((code, only(events, "established")["path"]["local"].split(":")[0]), (0, "127.0.0.9"), text)
        code, _, text = self.run_tool("connect", "--bare", "--interface", "lo", server.endpoint, stdin=b"x")
        self.assertEqual(code, 0, text)
        code, _, text = self.run_tool("connect", "--bare", "--prohibit", "interface=lo", server.endpoint, stdin=b"x")
        self.assertEqual(code, 3, text)
        self.assert_one_sentence(text, "lo")
        self.assertEqual(server.connections, 2)

    def test_what_contradicts_itself(self):
        for arguments, word in ((["--tls", "127.0.0.1:1"], "--bare"),
                                (["--bare", "--stack", "sctp", "127.0.0.1:1"], "sctp"),
                                (["--stack", "tcp", "127.0.0.1:1"], "tcp"),
                                (["--bare", "--local", "nonsense", "127.0.0.1:1"], "nonsense")):
            code, out, text = self.run_tool("connect", *arguments)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, word)


@unittest.skipIf(Certificates.missing(), Certificates.missing())
class ConnectSecure(BareCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.path("certificates"))
        self.trust = ["--trust-file", self.certificates.authority]

    def secure(self, **more):
        server = self.server(echo, tls=self.certificates.server(**more))
        server.endpoint = f"localhost:{server.port}"
        return server

    def test_every_way_to_ask_for_tls(self):
        server = self.secure(alpn=("foo/1",))
        for ask in (["--tls"], ["--alpn", "foo/1"], ["--require", "security"], ["--stack", "tls/tcp"]):
            code, events, text = self.run_json("connect", "--bare", *ask, *self.trust, server.endpoint, stdin=b"x")
            self.assertEqual(code, 0, (ask, text))
            established = only(events, "established")
            self.assertEqual((established["stack"], established["peer"]["verification"], established["peer"]["name"]),
                             ("tls/tcp", "pki", "localhost"))
            self.assertEqual([event["base64"] for event in named(events, "data")], ["eA=="])

    def test_unknown_authority_and_wrong_name(self):
        server = self.secure()
        code, out, text = self.run_tool("connect", "--bare", "--tls", server.endpoint, stdin=b"x")
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, server.endpoint)
        server = self.secure(name="other.example")
        code, out, text = self.run_tool("connect", "--bare", "--tls", *self.trust, server.endpoint, stdin=b"x")
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, "other.example")


class Listen(BareCase):
    def client(self, listener):
        host, port = listener.endpoint.rsplit(":", 1)
        client = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(client.close)
        return client

    def test_a_plain_client_is_a_stream(self):
        listener = self.listen("--bare", "--echo")
        client = self.client(listener)
        client.sendall(b"hello")
        self.assertEqual(client.recv(5, socket.MSG_WAITALL), b"hello")
        accepted = listener.wait_event("accepted")
        self.assertEqual((accepted["bare"], accepted["peer"]["verification"], accepted["stack"]), (True, "none", "tcp"))
        self.assertTrue(accepted["path"]["remote"].startswith("127.0.0.1:"))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(listener.wait_event("closed")["code"], 0)
        self.assertEqual(listener.end(), 0, listener.text)

    def test_our_own_clients_as_well(self):
        listener = self.listen("--bare", "--echo")
        code, events, text = self.run_json("ping", "--count", "1", listener.address)
        self.assertEqual((code, only(events, "established")["bare"]), (0, False), text)
        code, out, text = self.run_tool("connect", "--bare", listener.endpoint, stdin=b"from ours")
        self.assertEqual((code, out), (0, b"from ours"), text)

    def test_without_bare_a_plain_client_is_turned_away(self):
        listener = self.listen("--echo")
        client = self.client(listener)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            self.assertNotIn(b"GET", client.recv(100))
        except ConnectionResetError:
            pass
        self.assertEqual(listener.all("accepted"), [])

    def test_a_tls_client(self):
        listener = self.listen("--bare", "--echo")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(self.client(listener)) as client:
            client.sendall(b"inside")
            self.assertEqual(client.recv(6), b"inside")
        accepted = listener.wait_event("accepted")
        self.assertEqual((accepted["bare"], accepted["stack"]), (True, "tls/tcp"))

    def test_openssl_and_curl(self):
        listener = self.listen("--bare", "--exec", "read line; printf 'HTTP/1.0 200 OK\\r\\n\\r\\n%s' \"$line\"")
        if shutil.which("openssl"):
            done = subprocess.run(["openssl", "s_client", "-quiet", "-connect", listener.endpoint], input=b"openssl\n",
                                  capture_output=True, timeout=30, check=False)
            self.assertIn(b"200 OK", done.stdout, done.stderr)
        if shutil.which("curl"):
            done = subprocess.run(["curl", "-sS", "--max-time", "30", f"http://{listener.endpoint}/path"],
                                  capture_output=True, check=False)
            self.assertEqual(done.stdout.rstrip(), b"GET /path HTTP/1.1", done.stderr)
        if not (shutil.which("openssl") or shutil.which("curl")):
            self.skipTest("neither openssl nor curl is installed")

    def test_a_framer_makes_messages(self):
        listener = self.listen("--bare", "--framer", "lines", "--echo")
        client = self.client(listener)
        client.sendall(b"one\r\ntwo\nthr")
        self.assertEqual(client.recv(8, socket.MSG_WAITALL), b"one\ntwo\n")
        client.sendall(b"ee\n")
        self.assertEqual(client.recv(6, socket.MSG_WAITALL), b"three\n")
        listener.wait_event("received", lambda event: event["size"] == 5)
        self.assertEqual([event["size"] for event in listener.all("received")], [3, 3, 5])
        listener = self.listen("--bare", "--framer", "length", "--discard", host="other")
        client = self.client(listener)
        client.sendall(b"\0\0\0\4four\0\0\0\0")
        self.assertEqual(listener.wait_event("received", lambda event: event["size"] == 4)["size"], 4)
        self.assertEqual(listener.wait_event("received", lambda event: event["size"] == 0)["size"], 0)

    def test_over_tls_alone(self):
        listener = self.listen("--bare", "--stack", "tls/tcp", "--echo")
        client = self.client(listener)
        client.sendall(b"plain bytes, no TLS")
        try:
            self.assertNotIn(b"plain", client.recv(100))
        except ConnectionResetError:
            pass
        self.assertEqual(listener.all("accepted"), [])

    def test_ends_when_told(self):
        listener = self.listen("--bare", "--echo")
        client = self.client(listener)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        client.close()
        listener.wait_event("closed")
        self.assertEqual(listener.end(signal.SIGTERM), 0)

    def test_a_slow_reader_of_standard_output_gets_everything(self):
        """The client has long gone when the last of what it said is read."""
        data = os.urandom(1 << 20)
        process = subprocess.Popen([HAWSER, "listen", "--bare", "127.0.0.1:0"], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        for line in process.stderr:
            if line.startswith(b"listening on "):
                break
        client = socket.create_connection(("127.0.0.1", int(line.split()[2].rsplit(b":", 1)[1])), timeout=30)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        seen = b""
        while len(seen) < len(data) - 65536:
            seen += os.read(process.stdout.fileno(), 4096)
        sender.join()
        self.assertEqual(client.recv(1), b"")
        client.close()
        process.terminate()  # drains: ends by itself, when everything is written
        while piece := os.read(process.stdout.fileno(), 4096):
            seen += piece
        self.assertEqual((process.wait(30), len(seen), seen == data), (0, len(data), True))

    def test_what_contradicts_itself(self):
        for arguments, word in ((["--framer", "lines"], "--bare"), (["--bare", "--receive", self.path("x")], "--receive"),
                                (["--bare", "--framer", "words"], "words"), (["--bare", "--framer", "fixed:0"], "fixed:0"),
                                (["--bare", "--framer", "lines", "--exec", "cat"], "--exec"),
                                (["--stack", "tcp"], "--bare"), (["--stack", "udp"], "--bare"),
                                (["--bare", "--stack", "nonsense/udp"], "nonsense/udp")):
            code, out, text = self.run_tool("listen", *arguments, "127.0.0.1:0")
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, word)


if __name__ == "__main__":
    unittest.main()
