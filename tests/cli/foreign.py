# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that are none of ours, on ports of their own: what bare associations and fetch are tried on."""

import os
import shutil
import socket
import ssl
import subprocess
import threading

PATIENCE = 30  # seconds; only a failing test waits so long


class Server:
    """Calls serve(connection) in a thread for each connection, until closed. at: a host, or a path of a unix socket."""

    def __init__(self, serve, at="127.0.0.1", tls=None):
        self.serve, self.tls, self.failures, self.connections = serve, tls, [], 0
        self.path = at if at.startswith("/") else None
        if self.path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(self.path)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET)
            self.socket.bind((at, 0))
            self.port = self.socket.getsockname()[1]
        self.socket.listen(16)
        self.endpoint = "unix:" + self.path if self.path else f"[{at}]:{self.port}" if ":" in at else f"{at}:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection):
        connection.settimeout(PATIENCE)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.connections += 1
            self.serve(connection)
        except OSError as error:
            self.failures.append(error)
        finally:
            connection.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        for thread in self._threads:
            thread.join()


def read_all(connection):
    """Everything until the other side has said all."""
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ssl.SSLEOFError:
            return data
        if not piece:
            return data
        data += piece


def echo(connection):
    """Gives back what comes, while it comes; over TLS it says that it ends."""
    while True:
        piece = connection.recv(65536)
        if not piece:
            break
        connection.sendall(piece)
    if isinstance(connection, ssl.SSLSocket):
        connection.unwrap()


class Web(Server):
    """Answers a request for a path with the bytes that stand for it, then closes. An answer may be a function of the
    connection. The requests are kept."""

    def __init__(self, answers, **more):
        self.answers, self.requests = answers, []
        super().__init__(self._answer, **more)

    def _answer(self, connection):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65536)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        answer = self.answers[request.split(b" ")[1].decode()]
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


class Proxy(Server):
    """An HTTP CONNECT proxy; what it was asked for is kept. refuse: the status line with which it refuses all."""

    def __init__(self, refuse=None):
        self.refuse, self.requests = refuse, []
        super().__init__(self._tunnel)

    def _tunnel(self, connection):
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(1)
        self.requests.append(request)
        if self.refuse:
            connection.sendall(self.refuse + b"\r\nContent-Length: 0\r\n\r\n")
            return
        host, port = request.split(b" ")[1].decode().rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as there:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(there, connection))
            back.start()
            self._copy(connection, there)
            back.join()

    @staticmethod
    def _copy(one, other):
        try:
            while piece := one.recv(65536):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def ok(body, *headers):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Certificates:
    """A throw-away authority, and certificates of it for localhost."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.authority = os.path.join(directory, "ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                      "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")

    @staticmethod
    def missing():
        return None if shutil.which("openssl") else "openssl is not installed"

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)

    def make(self, name="localhost", expired=False):
        """Paths of a certificate for a DNS name and its key."""
        base = name + ("-expired" if expired else "")
        with open(os.path.join(self.directory, "extensions"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{base}.key",
                      "-out", f"{base}.csr", "-subj", f"/CN={name}")
        # the fixed dates of a long past day: -days takes no negative number, ca alone knows -enddate
        if expired:
            with open(os.path.join(self.directory, "ca.conf"), "w", encoding="utf-8") as file:
                file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\n"
                           "rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
            with open(os.path.join(self.directory, "index"), "w", encoding="utf-8"):
                pass
            self._openssl("ca", "-batch", "-config", "ca.conf", "-in", f"{base}.csr", "-out", f"{base}.pem", "-notext",
                          "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", "extensions")
        else:
            self._openssl("x509", "-req", "-in", f"{base}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                          "-out", f"{base}.pem", "-days", "2", "-extfile", "extensions")
        return os.path.join(self.directory, f"{base}.pem"), os.path.join(self.directory, f"{base}.key")

    def server(self, alpn=(), **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.make(**more))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
