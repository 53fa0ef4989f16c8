#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/3 by examples/http3.c, which has streams of a bare line over QUIC and the rest from nghttp3: caddy serves it files, it
serves them itself, and a server that is not whom it should be is refused in words. (S2.60c, S2.62c)"""

import json
import os
import subprocess

from foreign import Authority, Foreign
from harness import check, need, run, skip

PAGE = b"a page\n"
LARGE = 3_000_000  # bytes: beyond every window and the socket's buffers
SEVERAL = 12


class World(Foreign):
    """One with the example in it, and a directory of files to be served."""

    def __init__(self):
        super().__init__()
        self.example = os.environ.get("HAWSER_HTTP3", "")
        if not os.access(self.example, os.X_OK):
            self.close()
            skip("HAWSER_HTTP3 names no program; it is built where nghttp3 and QUIC are")
        self.environment["XDG_DATA_HOME"] = self.path("data")
        self.files = {"index.html": PAGE, "large": os.urandom(LARGE)}
        self.files.update({f"part-{i}": os.urandom(1 + i * 40_000) for i in range(SEVERAL)})
        os.mkdir(self.path("site"))
        for name, content in self.files.items():
            with open(self.path("site", name), "wb") as file:
                file.write(content)

    def caddy(self, certificate):
        """Caddy's port. It serves HTTP/3 alone and keeps what it keeps in the test's directory."""
        [program] = need("caddy")

        def make(port):
            server = {"listen": [f"127.0.0.1:{port}"], "protocols": ["h3"], "automatic_https": {"disable": True},
                      "tls_connection_policies": [{}],
                      "routes": [{"handle": [{"handler": "file_server", "root": self.path("site")}]}]}
            files = [{"certificate": certificate[0], "key": certificate[1]}]
            with open(self.path("caddy.json"), "w", encoding="ascii") as file:
                json.dump({"admin": {"disabled": True, "config": {"persist": False}},
                           "storage": {"module": "file_system", "root": self.path("storage")},
                           "apps": {"http": {"servers": {"test": server}}, "tls": {"certificates": {"load_files": files}}}},
                          file)
            return self.command(program, "run", "--config", self.path("caddy.json"))

        return self.udp_server(make)[1]

    def serve(self, certificate):
        """(the example as server, its port)"""
        process = self.command(self.example, "serve", "127.0.0.1:0", self.path("site"), *certificate)
        line = process.until(lambda: b"\n" in process.output and process.output, "where it serves").decode().splitlines()[0]
        check(line.startswith("serving on 127.0.0.1:"), line)
        return process, int(line.rsplit(":", 1)[1])

    def get(self, port, authority, *paths):
        return self.command(self.example, "get", f"localhost:{port}", authority.file, *paths)


def check_got(client, *contents):
    """It ended well, with these bodies and nothing else."""
    check(client.wait() == 0, f"{client.argv} failed: {client.error_text()}")
    check(client.output == b"".join(contents), f"{client.argv}: {len(client.output)} bytes came, and not those that should")
    said = client.error_text().splitlines()
    check(len(said) == len(contents) and all(line.startswith("200 /") for line in said), f"{said}")


# ------------------------------------------------------------------------------------------------------ we come to them


def test_we_come_to_caddy(world):
    authority = Authority(world)
    port = world.caddy(authority.leaf("leaf", host="localhost"))
    check_got(world.get(port, authority, "/"), PAGE)
    check_got(world.get(port, authority, "/large"), world.files["large"])


def test_we_ask_caddy_for_several_at_once(world):
    authority = Authority(world)
    port = world.caddy(authority.leaf("leaf", host="localhost"))
    names = [f"part-{i}" for i in range(SEVERAL)]
    check_got(world.get(port, authority, *("/" + name for name in names)), *(world.files[name] for name in names))


def check_refused(client, *words):
    check(client.wait() == 1, client.transcript())
    check(client.output == b"", client.transcript())
    for word in ("the peer's certificate is not good: ", *words):
        check(word in client.error_text(), f"{word!r} is not in {client.error_text()!r}")


def test_a_wrong_certificate_is_refused(world):
    """Of an authority that was not named; too old; and, since caddy has none for a name that is not in it, by our own server:
    for another host."""
    authority, stranger = Authority(world), Authority(world, "stranger")
    port = world.caddy(authority.leaf("leaf", host="localhost"))
    check_refused(world.get(port, stranger, "/"), "its authority is not known here: CN=The tests")
    past = 'activation_date = "2019-01-01 00:00:00"\nexpiration_date = "2020-02-03 00:00:00"\n'
    port = world.caddy(authority.leaf("expired", host="localhost", dates=past))
    check_refused(world.get(port, authority, "/"), "it expired on 2020-02-03")
    _, port = world.serve(authority.leaf("other"))
    check_refused(world.get(port, authority, "/"), "it is for peer.test and not for localhost")


# ------------------------------------------------------------------------------------------------------ they come to us


def test_we_serve(world):
    authority = Authority(world)
    server, port = world.serve(authority.leaf("leaf", host="localhost"))
    check_got(world.get(port, authority, "/"), PAGE)
    check_got(world.get(port, authority, "/large"), world.files["large"])
    check(server.alive(), server.transcript())


def test_we_serve_several_at_once(world):
    """On streams of one line, and to several clients."""
    authority = Authority(world)
    server, port = world.serve(authority.leaf("leaf", host="localhost"))
    names = ["large", *(f"part-{i}" for i in range(SEVERAL))]
    clients = [world.get(port, authority, *("/" + name for name in names)) for _ in range(2)]
    for client in clients:
        check_got(client, *(world.files[name] for name in names))
    check(server.alive(), server.transcript())


def test_a_missing_file(world):
    """404, and what was asked for beside it comes; what is outside of the directory is missing, too."""
    authority = Authority(world)
    server, port = world.serve(authority.leaf("leaf", host="localhost"))
    client = world.get(port, authority, "/nowhere", "/part-3", "/../leaf.key")
    check(client.wait() == 1, client.transcript())
    check(client.output == world.files["part-3"], f"{len(client.output)} bytes came, and not those that should")
    check(client.error_text().splitlines() == ["404 /nowhere", "200 /part-3", "404 /../leaf.key"], client.error_text())
    check(server.alive(), server.transcript())


def test_curl(world):
    [curl] = need("curl")
    version = subprocess.run([curl, "--version"], capture_output=True, check=True).stdout
    if b"HTTP3" not in version.split():
        skip("this curl has no HTTP/3; Debian 12's has not")
    authority = Authority(world)
    _, port = world.serve(authority.leaf("leaf", host="localhost"))
    client = world.command(curl, "--silent", "--show-error", "--http3-only", "--cacert", authority.file, "--fail",
                           f"https://localhost:{port}/large")
    check(client.wait() == 0, client.error_text())
    check(client.output == world.files["large"], f"{len(client.output)} bytes came, and not those that should")


# By quic-go, which Debian has as source. It is optional, as is the compiler for it: script/bootstrap does not install them.
GO_SOURCES = "/usr/share/gocode"
QUIC_GO = "golang-go and golang-github-lucas-clemente-quic-go-dev"


def quic_go(world):
    """The client's path, compiled: half a minute."""
    [go] = need("go")
    if not os.path.isdir(os.path.join(GO_SOURCES, "src/github.com/lucas-clemente/quic-go/http3")):
        skip(f"there is no foreign client of HTTP/3: it takes {QUIC_GO}")
    program = world.path("http3-client")
    environment = dict(world.environment, GO111MODULE="off", GOPATH=GO_SOURCES, GOCACHE=world.path("go-cache"),
                       GOFLAGS="-p=2")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http3_client.go")
    made = subprocess.run([go, "build", "-o", program, source], env=environment, capture_output=True, text=True, check=False)
    check(made.returncode == 0, f"go build: {made.stderr}")
    return program


def test_a_foreign_client_is_served(world):
    """Several at once on one line, a large one, one that is not there; whom it does not trust it does not talk to."""
    program = quic_go(world)
    authority, stranger = Authority(world), Authority(world, "stranger")
    server, port = world.serve(authority.leaf("leaf", host="localhost"))
    names = ["index.html", "large", *(f"part-{i}" for i in range(SEVERAL))]
    urls = [f"https://localhost:{port}/{name}" for name in names]
    client = world.command(program, authority.file, *urls)
    check_got(client, *(world.files[name] for name in names))
    client = world.command(program, authority.file, f"https://localhost:{port}/nowhere")
    check(client.wait() == 0 and client.error_text().splitlines() == ["404 /nowhere"], client.transcript())
    client = world.command(program, stranger.file, urls[0])
    check(client.wait() == 1 and "certificate" in client.error_text(), client.transcript())
    check(server.alive(), server.transcript())


if __name__ == "__main__":
    run(test_we_come_to_caddy, test_we_ask_caddy_for_several_at_once, test_a_wrong_certificate_is_refused, test_we_serve,
        test_we_serve_several_at_once, test_a_missing_file, test_curl, test_a_foreign_client_is_served, make=World)
