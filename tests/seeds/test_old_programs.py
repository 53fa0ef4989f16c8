# SPDX-License-Identifier: Apache-2.0
"""S1.1: programs that know nothing of us on one end, the new interface on the other."""

import os
import shutil
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import Case  # noqa: E402 the path is ours

PAGE = b"said by a program that knows sockets only\n" * 1000


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


class OldPrograms(Case):
    def test_a_server_that_knows_sockets_only(self):
        if not shutil.which("nc"):
            self.skipTest("nc is not installed")
        server = HTTPServer(("127.0.0.1", 0), Page)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            listener = self.listen("--exec", f"exec nc 127.0.0.1 {server.server_port}")
            code, answer, text = self.run_tool("connect", listener.address, stdin=b"GET / HTTP/1.0\r\n\r\n")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        self.assertEqual(code, 0, text)
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.0 200"), answer[:100])
        self.assertEqual(body, PAGE)

    def test_a_filter_that_knows_standard_input_only(self):
        listener = self.listen("--exec", "exec tr a-z A-Z")
        code, answer, text = self.run_tool("connect", listener.address, stdin=b"over the line\n" * 20000)
        self.assertEqual((code, answer), (0, b"OVER THE LINE\n" * 20000), text)


if __name__ == "__main__":
    unittest.main()
