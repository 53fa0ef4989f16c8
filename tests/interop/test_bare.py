#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bare associations and foreign programs: nc, curl and openssl come to one listener beside hawser's own clients and are
answered in lines; the framer of examples/http_framer.c reads what nginx sends, in the clear and inside TLS. (S4.27, S1.39)"""

import os
import subprocess

from foreign import BODY, Authority, Foreign
from harness import check, need, run, skip

LINES = b"one\ntwo words\nthree\n"


def lines_listener(world):
    return world.listener("--bare", "--framer", "lines", "--echo")


def talk(argv, text=LINES):
    return subprocess.run(argv, input=text, capture_output=True, check=False, timeout=60)


def check_accepted(listener, stack, name="127.0.0.1"):
    accepted = listener.event("accepted")
    check(accepted["stack"] == stack, f"{accepted}")
    check(accepted["peer"]["verification"] == "none" and accepted["peer"]["name"] == name, f"{accepted}")
    check(listener.event("closed")["code"] == 0, listener.transcript())


def test_nc(world):
    [nc] = need("nc")
    listener = lines_listener(world)
    host, port = listener.address
    done = talk([nc, "-N", host, str(port)])
    check(done.stdout == LINES, f"{done}\n{listener.transcript()}")
    check_accepted(listener, "tcp")


def test_nc_over_unix(world):
    [nc] = need("nc")
    path = world.path("socket")
    listener = world.hawser("listen", "--json", "--bare", "--framer", "lines", "--echo", "unix:" + path)
    listener.event("listening")
    done = talk([nc, "-N", "-U", path])
    check(done.stdout == LINES, f"{done}\n{listener.transcript()}")
    check_accepted(listener, "unix", "unix")


def test_curl(world):
    [curl] = need("curl")
    listener = lines_listener(world)
    client = world.command(curl, "-sN", f"telnet://{listener.address[0]}:{listener.address[1]}")
    client.write(LINES)
    client.text(LINES)
    client.end()  # of itself it ends only when the other side does
    check_accepted(listener, "tcp")


def test_openssl(world):
    [openssl] = need("openssl")
    for options in ([], ["-alpn", "other/1"]):
        listener = lines_listener(world)
        client = world.command(openssl, "s_client", "-quiet", "-no_ign_eof", "-connect", listener.endpoint, *options)
        client.write(LINES)
        client.text(LINES)
        client.process.stdin.close()
        client.wait()
        check_accepted(listener, "tls/tcp")


def test_an_end_that_tls_was_not_told_of(world):
    """A TLS client that is killed says no goodbye: between messages that is an end like another, within one it is not."""
    [openssl] = need("openssl")
    for text, code in ((LINES, 0), (LINES + b"cut", -20026)):
        listener = lines_listener(world)
        client = world.command(openssl, "s_client", "-quiet", "-no_ign_eof", "-connect", listener.endpoint)
        client.write(text)
        client.text(LINES)
        client.process.kill()
        client.wait()
        closed = listener.event("closed")
        check(closed["code"] == code, f"{closed}")


def test_hawsers_own_come_too(world):
    [nc] = need("nc")
    listener = lines_listener(world)
    world.ping(listener)
    host, port = listener.address
    check(talk([nc, "-N", host, str(port)]).stdout == LINES, listener.transcript())
    world.ping(listener)


def http_framer(world, *arguments, **environment):
    program = os.path.join(os.path.dirname(world.tool), "examples", "example_http_framer")
    if not os.access(program, os.X_OK):
        skip(f"there is no {program}")
    return subprocess.run([program, *arguments], capture_output=True, check=False, timeout=60,
                          env=dict(world.environment, **environment))


def test_nginx(world):
    port = world.nginx([""])
    done = http_framer(world, "http", f"127.0.0.1:{port}", "/")
    check(done.returncode == 0 and done.stdout == BODY and b"nginx" in done.stderr, f"{done}")
    done = http_framer(world, "http", f"127.0.0.1:{port}", "/nothing")
    check(done.returncode == 0 and b"404" in done.stderr, f"{done}")


def test_nginx_leaves_a_captive_proxy(world):
    captive = world.nginx(["", "location / { return 502; }"])
    port = world.nginx([""])
    done = http_framer(world, "http", f"127.0.0.1:{captive}", f"127.0.0.1:{port}", "/")
    check(done.returncode == 0 and done.stdout == BODY, f"{done}")


def test_nginx_tls(world):
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf", host="localhost"))
    done = http_framer(world, "https", f"localhost:{port}", "/", TRUST_FILE=authority.file)
    check(done.returncode == 0 and done.stdout == BODY, f"{done}")
    done = http_framer(world, "https", f"localhost:{port}", "/")
    check(done.returncode == 1 and done.stdout == b"", f"an unknown authority was believed: {done}")


if __name__ == "__main__":
    run(test_nc, test_nc_over_unix, test_curl, test_openssl, test_an_end_that_tls_was_not_told_of, test_hawsers_own_come_too, test_nginx,
        test_nginx_leaves_a_captive_proxy, test_nginx_tls, make=Foreign)
