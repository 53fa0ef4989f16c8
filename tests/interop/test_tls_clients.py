#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Foreign TLS clients complete the TLS 1.3 handshake with a listener, see the key that its name says, and are not let
down to older versions; what they say afterwards, which is not hawser/1, ends only their own line."""

import re
import subprocess

from harness import check, key_name, need, run

NO_HELLO = b"\x01\x01\x01\n"  # a HELLO frame with a body of one byte, its version


def spki_of(openssl, certificate):
    public = subprocess.run([openssl, "x509", "-noout", "-pubkey"], input=certificate, capture_output=True, check=True)
    der = subprocess.run([openssl, "pkey", "-pubin", "-outform", "DER"], input=public.stdout, capture_output=True,
                         check=True)
    return der.stdout


def test_openssl(world):
    [openssl] = need("openssl")
    listener = world.listener("--echo")
    client = world.command(openssl, "s_client", "-connect", listener.endpoint, "-tls1_3", "-alpn", "hawser/1",
                           "-showcerts")
    client.text(b"Verify return code")
    output = client.output
    check(b"New, TLSv1.3, Cipher is TLS_" in output, client.transcript())
    check(b"ALPN protocol: hawser/1" in output, client.transcript())
    certificate = re.search(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", output, re.S)
    check(certificate, "the listener showed no certificate")
    check(key_name(spki_of(openssl, certificate.group(0))) == listener.name,
          "the certificate's key is not the one of the listener's name")
    client.write(NO_HELLO)
    client.text(b"HELLO is cut short")
    client.wait()  # the listener closes
    world.ping(listener)
    check(listener.end() == 0, listener.transcript())


def test_openssl_older_versions(world):
    [openssl] = need("openssl")
    listener = world.listener("--echo")
    client = world.command(openssl, "s_client", "-connect", listener.endpoint, "-tls1_2", "-alpn", "hawser/1")
    check(client.wait() != 0, f"TLS 1.2 was taken\n{client.transcript()}")
    check(b"New, (NONE), Cipher is (NONE)" in client.output, client.transcript())
    world.ping(listener)


def test_openssl_other_protocol(world):
    """A client that speaks another protocol gets the alert for it (RFC 7301 section 3.2), not a line."""
    [openssl] = need("openssl")
    listener = world.listener("--echo")
    client = world.command(openssl, "s_client", "-connect", listener.endpoint, "-tls1_3", "-alpn", "http/1.1")
    check(client.wait() != 0, client.transcript())
    check("no application protocol" in client.error_text() + client.output.decode(errors="replace"),
          client.transcript())
    check(listener.count("accepted") == 0, listener.transcript())
    world.ping(listener)


def gnutls(world, listener, priority):
    [tool] = need("gnutls-cli")
    host, port = listener.address
    return world.command(tool, "--port", str(port), "--insecure", "--alpn", "hawser/1", "--priority",
                         f"NORMAL:-VERS-ALL:+VERS-TLS1.3{priority}", host)


def test_gnutls(world):
    listener = world.listener("--echo")
    client = gnutls(world, listener, "")
    client.text(b"- Handshake was completed")
    check(b"(TLS1.3-X.509)" in client.output, client.transcript())
    check(b"Application protocol: hawser/1" in client.output, client.transcript())
    client.write(NO_HELLO)
    client.text(b"HELLO is cut short")
    client.wait()
    world.ping(listener)
    check(listener.end() == 0, listener.transcript())


def test_gnutls_raw_public_key(world):
    """RFC 7250, as our own clients have it."""
    listener = world.listener("--echo")
    client = gnutls(world, listener, ":-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509")
    client.text(b"- Handshake was completed")
    check(b"Raw Public Key" in client.output, client.transcript())
    check(b"Application protocol: hawser/1" in client.output, client.transcript())
    world.ping(listener)


if __name__ == "__main__":
    run(test_openssl, test_openssl_older_versions, test_openssl_other_protocol, test_gnutls, test_gnutls_raw_public_key)
