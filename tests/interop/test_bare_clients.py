#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The accepting side takes clients as they are: openssl, gnutls-cli and curl, by TLS 1.2 and 1.3, with an ALPN of their own,
with another, and with none, where none is demanded. (S1.39)"""

import subprocess

from foreign import Foreign
from harness import check, need, poll, run

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"


def accept(world, stack="tls/tcp", **values):
    """A listener for one connection, that answers what it hears."""
    words = [f"{name}={value}" for name, value in dict(accept=1, any=1, trust="any", **values).items()]
    process = world.command(world.stack_client, stack, "127.0.0.1", "0", *words)
    process.write(REPLY)
    process.process.stdin.close()
    return process


def port_of(process):
    return int(poll(lambda: process.error_text().splitlines()[:1], "the port of the listener")[0])


def test_openssl(world):
    [openssl] = need("openssl")
    for version in ("-tls1_2", "-tls1_3"):
        for alpn in ([], ["-alpn", "mine/1"], ["-alpn", "other/1"]):
            listener = accept(world, alpn="mine/1", lax=1)
            done = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{port_of(listener)}", version, "-quiet",
                                   "-ign_eof", *alpn], input=b"a request\n", capture_output=True, check=False, timeout=60)
            check(done.stdout == REPLY, f"{version} {alpn}: {done.stdout!r}\n{done.stderr.decode()}\n{listener.transcript()}")
            check(listener.wait() == 0, listener.transcript())
            check(listener.output == b"a request\n", listener.transcript())
            chosen = "mine/1" if "mine/1" in alpn else ""
            check(f'"alpn": "{chosen}"' in listener.error_text(), listener.transcript())


def test_openssl_strict(world):
    """Where an ALPN is demanded, a client without it is refused by the alert for it."""
    [openssl] = need("openssl")
    listener = accept(world, alpn="mine/1")
    done = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{port_of(listener)}", "-alpn", "other/1"],
                          input=b"", capture_output=True, check=False, timeout=60)
    check(b"no application protocol" in done.stderr, done.stderr.decode())
    check(listener.wait() == 1 and "speaks none of our protocols" in listener.error_text(), listener.transcript())


def test_curl(world):
    [curl] = need("curl")
    for options in (["--tlsv1.3"], ["--tls-max", "1.2"], ["--no-alpn"]):
        listener = accept(world)
        done = subprocess.run([curl, "-sk", *options, f"https://127.0.0.1:{port_of(listener)}/"], capture_output=True,
                              check=False, timeout=60)
        check(done.returncode == 0 and done.stdout == b"hello\n", f"{options}: {done}\n{listener.transcript()}")
        check(listener.wait() == 0 and listener.output.startswith(b"GET / HTTP/1.1\r\n"), listener.transcript())


def test_curl_in_the_clear(world):
    [curl] = need("curl")
    listener = accept(world, "tcp")
    done = subprocess.run([curl, "-s", f"http://127.0.0.1:{port_of(listener)}/"], capture_output=True, check=False,
                          timeout=60)
    check(done.returncode == 0 and done.stdout == b"hello\n", f"{done}\n{listener.transcript()}")


def test_gnutls(world):
    [tool] = need("gnutls-cli")
    for version in ("1.2", "1.3"):
        listener = accept(world)
        done = subprocess.run([tool, "--insecure", "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--port",
                               str(port_of(listener)), "127.0.0.1"], input=b"a request\n", capture_output=True, check=False,
                              timeout=60)
        check(b"hello\n" in done.stdout, f"{version}: {done}\n{listener.transcript()}")
        listener.wait()  # with whatever code: gnutls-cli does not always say goodbye
        check(listener.output == b"a request\n", listener.transcript())


if __name__ == "__main__":
    run(test_openssl, test_openssl_strict, test_curl, test_curl_in_the_clear, test_gnutls, make=Foreign)
