# SPDX-License-Identifier: Apache-2.0
"""hawser fetch against servers that are none of ours: bodies of every kind, redirects, what is wrong with an answer."""

import hashlib
import os
import signal
import subprocess
import threading
import unittest

from foreign import Certificates, Proxy, Server, Web, ok
from harness import HAWSER, Case, named, only


class FetchCase(Case):
    def web(self, answers, **more):
        server = Web(answers, **more)
        self.addCleanup(server.close)
        server.url = f"http://{server.endpoint}"
        return server


class Bodies(FetchCase):
    def fetch(self, answer, *options):
        server = self.web({"/": answer})
        code, out, text = self.run_tool("fetch", *options, server.url)
        self.assertEqual(code, 0, text)
        return out

    def test_of_a_length(self):
        self.assertEqual(self.fetch(ok(b"hello\n")), b"hello\n")

    def test_empty(self):
        self.assertEqual(self.fetch(ok(b"")), b"")

    def test_to_the_end_of_the_connection(self):
        self.assertEqual(self.fetch(b"HTTP/1.0 200 OK\r\n\r\nold and simple"), b"old and simple")

    def test_in_chunks(self):
        self.assertEqual(self.fetch(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    b"6;name=value\r\nhello \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n"), b"hello world")

    def test_in_chunks_byte_by_byte(self):
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n1\r\nX\r\n0\r\n\r\n"

        def drop_by_drop(connection):
            connection.setsockopt(6, 1, 1)  # TCP_NODELAY: each byte a segment
            for byte in answer:
                connection.send(bytes([byte]))
        self.assertEqual(self.fetch(drop_by_drop), b"0123456789X")

    def test_after_interim_answers(self):
        self.assertEqual(self.fetch(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok(b"final")),
                         b"final")

    def test_lines_that_end_with_a_newline_alone_and_folded_ones(self):
        self.assertEqual(self.fetch(b"HTTP/1.1 200 OK\nX: a\n b\nContent-Length:\t2 \n\nhi"), b"hi")

    def test_none_by_status(self):
        self.assertEqual(self.fetch(b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"), b"")

    def test_what_follows_the_body_is_not_part_of_it(self):
        self.assertEqual(self.fetch(ok(b"body") + b"more than was announced"), b"body")

    def test_large_and_to_a_slow_reader(self):
        body = os.urandom(1 << 20) * 8
        server = self.web({"/big": ok(body)})
        process = subprocess.Popen([HAWSER, "fetch", server.url + "/big"], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        digest, size = hashlib.sha256(), 0
        while piece := os.read(process.stdout.fileno(), 4096):
            digest.update(piece)
            size += len(piece)
        text = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        self.assertEqual((process.wait(30), size, text), (0, len(body), text))
        self.assertEqual(digest.digest(), hashlib.sha256(body).digest())

    def test_over_a_unix_socket(self):
        server = self.web({"/where?is=it": ok(b"here")}, at=self.path("socket"))
        code, out, text = self.run_tool("fetch", "--connect-to", server.endpoint, "http://example.invalid/where?is=it")
        self.assertEqual((code, out), (0, b"here"), text)
        self.assertIn(b"Host: example.invalid\r\n", server.requests[0])

    def test_head(self):
        server = self.web({"/x": ok(b"body", "X-Y: z").split(b"body")[0]})
        code, out, text = self.run_tool("fetch", "--head", server.url + "/x")
        self.assertEqual(code, 0, text)
        self.assertTrue(server.requests[0].startswith(b"HEAD /x HTTP/1.1\r\n"))
        self.assertEqual(out, b"HTTP/1.1 200 OK\nContent-Length: 4\nX-Y: z\n\n")

    def test_the_request(self):
        server = self.web({"/a%20b/c?d=%22e": ok(b"")})
        code, _, text = self.run_tool("fetch", server.url + '/x/../a b/./c?d="e#fragment')
        self.assertEqual(code, 0, text)
        lines = server.requests[0].decode().split("\r\n")
        self.assertEqual(lines[:2], ["GET /a%20b/c?d=%22e HTTP/1.1", "Host: " + server.endpoint])
        self.assertIn("Connection: close", lines)
        self.assertEqual(lines[-2:], ["", ""])


class Files(FetchCase):
    def test_appears_when_it_is_whole(self):
        server = self.web({"/f": ok(b"content")})
        code, out, text = self.run_tool("fetch", "--output", self.path("f"), server.url + "/f")
        self.assertEqual((code, out, self.read("f")), (0, b"", b"content"), text)
        self.assertEqual(os.stat(self.path("f")).st_mode & 0o777, 0o666 & ~self.umask())

    @staticmethod
    def umask():
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def test_is_left_alone_by_what_is_not_whole(self):
        self.write("f", b"old")
        before = sorted(os.listdir(self.directory))
        server = self.web({"/short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                           "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"})
        for path, words in (("/short", ["5 of 100"]), ("/missing", ["404 Not Found", self.path("f")])):
            code, out, text = self.run_tool("fetch", "--output", self.path("f"), server.url + path)
            self.assertEqual((code, out, self.read("f")), (1, b"", b"old"), text)
            self.assert_one_sentence(text, *words)
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_a_place_that_cannot_be_written(self):
        server = self.web({"/": ok(b"x" * 100000)})
        code, _, text = self.run_tool("fetch", "--output", self.path("no", "such"), server.url)
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, self.path("no", "such"), "No such file")

    def test_a_device(self):
        server = self.web({"/": ok(b"x" * 100000)})
        code, _, text = self.run_tool("fetch", "--output", "/dev/full", server.url)
        self.assertEqual(code, 1)
        self.assert_one_sentence(text, "/dev/full", "No space")
        self.assertEqual(self.run_tool("fetch", "--output", "/dev/null", server.url)[0], 0)

    def test_standard_output_that_nobody_reads(self):
        server = self.web({"/": ok(b"x" * 1000000)})
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([HAWSER, "fetch", server.url], env=self.env, stdout=write, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)
        os.close(write)
        self.assertEqual(done.returncode, 1)
        self.assert_one_sentence(done.stderr.decode(), "standard output")


class Statuses(FetchCase):
    def test_an_error_is_printed_and_is_status_1(self):
        server = self.web({"/": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"})
        code, out, text = self.run_tool("fetch", server.url)
        self.assertEqual((code, out), (1, b"gone"))
        self.assert_one_sentence(text, "404 Not Found")

    def test_with_fail_the_answer_is_part_of_the_race(self):
        bad = self.web({"/": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad"})
        good = self.web({"/": ok(b"good")})
        code, out, text = self.run_tool("fetch", "--fail", "--connect-to", bad.endpoint, "--connect-to", good.endpoint,
                                        "http://example.invalid/")
        self.assertEqual((code, out), (0, b"good"), text)
        code, events, text = self.run_json("fetch", "--fail", bad.url)
        self.assertEqual(code, 3)
        self.assert_one_sentence(text, "502 Bad Gateway")
        self.assertIn("502", only(events, "closed")["attempts"][0]["reason"])
        # without it the first that can be reached has won
        code, out, text = self.run_tool("fetch", "--connect-to", bad.endpoint, "--connect-to", good.endpoint,
                                        "http://example.invalid/")
        self.assertEqual((code, out), (1, b"bad"), text)

    def test_events(self):
        server = self.web({"/a": b"HTTP/1.1 302 Found\r\nLocation: b\r\n\r\n", "/b": ok(b"body", "Content-Type: text/plain")})
        code, events, text = self.run_json("fetch", server.url + "/a")
        self.assertEqual(code, 0, text)
        redirect, fetched = only(events, "redirect"), only(events, "fetched")
        self.assertEqual((redirect["from"], redirect["to"], redirect["status"]),
                         (server.url + "/a", server.url + "/b", 302))
        self.assertEqual([fetched[name] for name in ("url", "status", "reason", "content_type", "bytes", "file", "stack",
                                                     "redirects")],
                         [server.url + "/b", 200, "OK", "text/plain", 4, None, "tcp", 1])
        self.assertEqual([attempt["outcome"] for attempt in fetched["attempts"]], ["won"])
        self.assertTrue(all(event["bare"] for event in named(events, "established")))
        self.assertEqual("".join(event["base64"] for event in named(events, "data")), "Ym9keQ==")


class Redirects(FetchCase):
    def test_every_kind_of_location(self):
        server = self.web({"/end/x?q": ok(b"found")})
        for number, location in enumerate(("/end/x?q", "x?q", "./x?q", "../end/x?q", "?q", "//HOST/end/x?q",
                                           "http://HOST/end/x?q", "HTTP://HOST/end/x?q#f")):
            path = f"/end/{'x' if location == '?q' else number}"
            server.answers[path] = (f"HTTP/1.1 {(301, 302, 303, 307, 308)[number % 5]} Moved\r\nLocation: "
                                    f"{location.replace('HOST', server.endpoint)}\r\nContent-Length: 3\r\n\r\nno!").encode()
            code, out, text = self.run_tool("fetch", server.url + path)
            self.assertEqual((code, out), (0, b"found"), (location, text))

    def test_five_and_no_more(self):
        server = self.web({f"/{n}": f"HTTP/1.1 301 Moved\r\nLocation: /{n + 1}\r\n\r\n".encode() for n in range(6)})
        server.answers["/6"] = ok(b"far")
        self.assertEqual(self.run_tool("fetch", server.url + "/1")[:2], (0, b"far"))
        code, out, text = self.run_tool("fetch", server.url + "/0")
        self.assertEqual((code, out), (1, b""))
        self.assert_one_sentence(text, "5 redirects")

    def test_that_cannot_be_followed(self):
        server = self.web({})
        for location, word in (("ftp://example.org/", "http://"), ("http://user:secret@example.org/", "password"),
                               ("http:///", "host"), ("http://a:99999/", "port"), ("http://a b/", "character")):
            server.answers["/"] = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()
            code, out, text = self.run_tool("fetch", server.url)
            self.assertEqual((code, out), (1, b""))
            self.assert_one_sentence(text, word)

    def test_cannot_smuggle_a_request(self):
        server = self.web({"/": b"HTTP/1.1 302 Found\r\nLocation: /x\ty z\r\n\r\n", "/x%09y%20z": ok(b"one line")})
        code, out, text = self.run_tool("fetch", server.url)
        self.assertEqual((code, out), (0, b"one line"), text)

    def test_an_answer_without_location_is_an_answer(self):
        server = self.web({"/": b"HTTP/1.1 304 Not Modified\r\n\r\n"})
        self.assertEqual(self.run_tool("fetch", server.url)[:2], (0, b""))


class Proxies(FetchCase):
    def setUp(self):
        super().setUp()
        self.server = self.web({"/": ok(b"through")})

    def proxy(self, **more):
        proxy = Proxy(**more)
        self.addCleanup(proxy.close)
        return proxy

    def fetch(self, *arguments):
        code, events, text = self.run_json("fetch", "--output", self.path("f"), *arguments, self.server.url)
        return code, events, text

    def test_demanded(self):
        proxy = self.proxy()
        code, events, text = self.fetch("--proxy", f"http://{proxy.endpoint}")
        self.assertEqual((code, self.read("f")), (0, b"through"), text)
        self.assertEqual(only(events, "established")["stack"], "http-connect/tcp")
        self.assertTrue(proxy.requests[0].startswith(f"CONNECT {self.server.endpoint} HTTP/1.1\r\n".encode()))

    def test_with_a_password(self):
        proxy = self.proxy()
        code, _, text = self.fetch("--proxy", f"http://user:secret@{proxy.endpoint}")
        self.assertEqual(code, 0, text)
        self.assertIn(b"Basic dXNlcjpzZWNyZXQ=", proxy.requests[0])
        self.assertNotIn("secret", text)

    def test_that_refuses(self):
        proxy = self.proxy(refuse=b"HTTP/1.1 403 Not For You")
        code, events, text = self.fetch("--proxy", f"http://{proxy.endpoint}")
        self.assertEqual(code, 3)
        self.assert_one_sentence(text, "403")
        self.assertEqual((only(events, "closed")["attempts"][0]["layer"], self.server.connections), ("http-connect", 0))

    def test_preferred_and_refusing_the_direct_way_is_taken(self):
        proxy = self.proxy(refuse=b"HTTP/1.1 502 Bad Gateway")
        code, events, text = self.fetch("--prefer", f"proxy=http://{proxy.endpoint}")
        self.assertEqual((code, self.read("f")), (0, b"through"), text)
        self.assertEqual(only(events, "established")["stack"], "tcp")
        self.assertEqual([(attempt["stack"], attempt["outcome"]) for attempt in only(events, "established")["attempts"]],
                         [("http-connect/tcp", "failed"), ("tcp", "won")])

    def test_of_the_policy(self):
        """The same command line, another tree."""
        proxy = self.proxy()
        policy = self.write("policy", f"proxy http://{proxy.endpoint} require\n".encode())
        code, events, text = self.fetch("--policy-file", policy)
        self.assertEqual((code, only(events, "established")["stack"]), (0, "http-connect/tcp"), text)
        code, events, text = self.fetch()
        self.assertEqual((code, only(events, "established")["stack"], len(proxy.requests)), (0, "tcp", 1), text)

    def test_nobody_there(self):
        proxy = self.proxy()
        proxy.close()
        code, _, text = self.fetch("--proxy", f"http://{proxy.endpoint}")
        self.assertEqual((code, self.server.connections), (3, 0))
        self.assert_one_sentence(text, "refused")


class Wrong(FetchCase):
    def test_answers(self):
        """Each is told in one sentence that says what is wrong, and is status 1."""
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for answer, word in (
                (b"", "without an answer"),
                (b"HTTP/1.1 200 OK\r\nX: y\r\n", "without an answer"),
                (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH-2.0-OpenSSH_9.2p1"),
                (b"HTTP/2 200\r\n\r\n", "does not speak HTTP/1.1"),
                (b"\x15\x03\x01\x00\x02\x02\x46", "does not speak HTTP/1.1"),
                (b"HTTP/1.1 OK\r\n\r\n", "status"),
                (b"HTTP/1.1 099 No\r\n\r\n", "status"),
                (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"),
                (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header"),
                (b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", "header"),
                (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
                (b"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n", "Content-Length"),
                (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length"),
                (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "two different"),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding"),
                (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "4 of 10"),
                (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000, "64 KiB"),
                (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "64 KiB"),
                (chunked + b"zz\r\n", "chunk"),
                (chunked + b"fffffffffffffffff\r\n", "range"),
                (chunked + b"5;" + b"x" * 2000, "too long"),
                (chunked + b"2\r\nabc\r\n", "longer than its size"),
                (chunked + b"5\r\nhello\r\n", "last chunk"),
                (chunked + b"0\r\n" + b"T: x\r\n" * 20000, "trailers"),
        ):
            server = self.web({"/": answer})
            code, _, text = self.run_tool("fetch", server.url)
            self.assertEqual(code, 1, (answer[:60], text))
            self.assert_one_sentence(text, server.endpoint, word)

    def test_urls(self):
        for url, word in (("", "http://"), ("example.org", "http://"), ("ftp://example.org/", "http://"),
                          ("http://", "host"), ("http:///path", "host"), ("http://a:b/", "port"), ("http://a:0/", "port"),
                          ("http://a:70000/", "port"), ("http://user@a/", "password"), ("http://[::1/", "]"),
                          ("http://a b/", "character"), ("http://ex\u00e4mple.org/", "character"),
                          ("http://" + "a" * 300 + "/", "too long"), ("http://a/" + "x" * 9000, "too long")):
            code, out, text = self.run_tool("fetch", url)
            self.assertEqual((code, out), (2, b""), (url, text))
            self.assert_one_sentence(text, word)

    def test_nobody_there(self):
        server = self.web({})
        server.close()
        code, events, text = self.run_json("fetch", server.url)
        self.assertEqual(code, 3)
        self.assert_one_sentence(text, server.endpoint, "refused")
        self.assertEqual(only(events, "closed")["attempts"][0]["outcome"], "failed")
        self.assertEqual(named(events, "fetched"), [])

    def test_interrupted(self):
        asked = threading.Event()
        ends = threading.Event()
        self.addCleanup(ends.set)

        def stall(_):
            asked.set()
            ends.wait(30)
        server = self.web({"/": stall})
        fetch = self.start("fetch", "--json", server.url)
        self.assertTrue(asked.wait(30))
        self.assertEqual(fetch.end(signal.SIGINT), 1)
        ends.set()
        self.assert_one_sentence(fetch.text.decode(), "interrupted")


@unittest.skipIf(Certificates.missing(), Certificates.missing())
class Secure(FetchCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.path("certificates"))

    def secure_web(self, answers, alpn=("http/1.1",), **more):
        server = self.web(answers, tls=self.certificates.server(alpn=alpn, **more))
        server.url = f"https://localhost:{server.port}"
        return server

    def test_verified(self):
        server = self.secure_web({"/": ok(b"secret")})
        code, events, text = self.run_json("fetch", "--trust-file", self.certificates.authority, "--output", self.path("f"),
                                           server.url)
        self.assertEqual((code, self.read("f")), (0, b"secret"), text)
        established = only(events, "established")
        self.assertEqual((established["stack"], established["peer"]["verification"], established["bare"]),
                         ("tls/tcp", "pki", True))
        self.assertEqual(only(events, "fetched")["file"], self.path("f"))

    def test_reached_elsewhere_it_is_the_urls_host_that_is_verified(self):
        server = self.secure_web({"/": ok(b"secret")}, name="harbour.example")
        for url, code in (("https://harbour.example/", 0), ("https://other.example/", 3)):
            done, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, "--connect-to",
                                            server.endpoint, url)
            self.assertEqual((done, out), (code, b"" if code else b"secret"), text)
        self.assert_one_sentence(text, "other.example")

    def test_a_server_without_alpn(self):
        server = self.secure_web({"/": ok(b"secret")}, alpn=())
        code, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, server.url)
        self.assertEqual((code, out), (0, b"secret"), text)

    def test_certificates_that_are_refused(self):
        """Each in its own words."""
        good = self.secure_web({"/": ok(b"secret")})
        code, out, text = self.run_tool("fetch", good.url)
        self.assertEqual((code, out), (3, b""))
        unknown = text
        self.assert_one_sentence(text, "localhost")
        expired = self.secure_web({"/": ok(b"secret")}, expired=True)
        code, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, expired.url)
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, "expired")
        other = self.secure_web({"/": ok(b"secret")}, name="other.example")
        code, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, other.url)
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, "other.example")
        self.assertNotIn("expired", unknown + text)

    def test_plain_server(self):
        def serve(connection):
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        server = Server(serve)
        self.addCleanup(server.close)
        code, out, text = self.run_tool("fetch", f"https://localhost:{server.port}/")
        self.assertEqual((code, out), (3, b""))
        self.assert_one_sentence(text, "TLS")

    def test_no_redirect_out_of_encryption(self):
        plain = self.web({"/": ok(b"plain")})
        server = self.secure_web({"/": f"HTTP/1.1 301 Moved\r\nLocation: {plain.url}/\r\n\r\n".encode()})
        code, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, server.url)
        self.assertEqual((code, out, plain.requests), (1, b"", []))
        self.assert_one_sentence(text, "not encrypted")

    def test_from_http_to_https(self):
        server = self.secure_web({"/": ok(b"secret")})
        plain = self.web({"/": f"HTTP/1.1 301 Moved\r\nLocation: {server.url}/\r\n\r\n".encode()})
        code, out, text = self.run_tool("fetch", "--trust-file", self.certificates.authority, plain.url)
        self.assertEqual((code, out), (0, b"secret"), text)

    def test_min_verification(self):
        server = self.secure_web({"/": ok(b"secret")})
        code, _, text = self.run_tool("fetch", "--trust", "any", "--min-verification", "pki", server.url)
        self.assertEqual(code, 3, text)


if __name__ == "__main__":
    unittest.main()
