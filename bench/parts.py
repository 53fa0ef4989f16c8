# SPDX-License-Identifier: Apache-2.0
"""What is measured: the programs, and the parts of a run with their jobs."""
from dataclasses import dataclass, field

# name: (program, mode, what people read)
VARIANTS = {
    "raw": ("raw_tcp", "plain", "raw TCP"),
    "gnutls": ("bare_gnutls", "rawpk", "bare GnuTLS"),
    "gnutls-x509": ("bare_gnutls", "x509", "bare GnuTLS, server certificate"),
    "gnutls-x509-both": ("bare_gnutls", "x509-both", "bare GnuTLS, certificates both ways"),
    "hawser": ("hawser", "run", "hawser"),
    "hawser-mptcp": ("hawser", "run", "hawser over tls/mptcp"),
    "hawser-quic": ("hawser", "run", "hawser over quic/udp"),
    "hawser-dtls": ("hawser", "run", "hawser over dtls/udp"),
    "hawser-sctp": ("hawser", "run", "hawser over sctp/dtls/udp"),
    "hawser-udp": ("hawser_udp", "udp", "hawser, a bare line over udp"),
    "raw-udp": ("raw_udp", "gso", "raw UDP with GSO and GRO"),
    "raw-udp-mmsg": ("raw_udp", "mmsg", "raw UDP with sendmmsg"),
    "hawser-poll": ("hawser", "poll", "hawser, foreign poll loop"),
    "zeromq": ("zeromq", "tcp", "ZeroMQ"),
    "zeromq-lent": ("zeromq", "tcp-lent", "ZeroMQ, buffer lent"),
    "zeromq-curve": ("zeromq", "curve", "ZeroMQ CURVE"),
    "nng": ("nng", "tcp", "nng"),
    "nng-tls": ("nng", "tls", "nng TLS"),
    "nanomsg": ("nanomsg", "tcp", "nanomsg"),
    "first_openssl": ("first_openssl", "", "the shortest OpenSSL client"),
    "first_gnutls": ("first_gnutls", "", "the shortest GnuTLS client"),
    "first_hawser": ("first_hawser", "", "hawser, with everything on"),
    "first_loop": ("first_loop", "", "a getaddrinfo() loop"),
    "first_connect": ("first_connect", "", "hawser_connect()"),
}
# Variants that are another program's with options of their own, on the client's side.
CLIENT_OPTIONS = {
    "hawser-mptcp": ["--stack", "tls/mptcp"],
    "hawser-quic": ["--stack", "quic/udp"],
    "hawser-dtls": ["--stack", "dtls/udp"],
    "hawser-sctp": ["--stack", "sctp/dtls/udp"],
}
STACKS = ["hawser"] + list(CLIENT_OPTIONS)
FIRST_CASES = [f"{state}, RTT {rtt} ms" for rtt in (0, 20) for state in ("cold", "warm")]
MESSAGING = ["zeromq", "zeromq-curve", "nng", "nng-tls", "nanomsg"]
EVERYBODY = ["raw", "gnutls", "hawser"] + MESSAGING
LARGE_TOO = EVERYBODY[:4] + ["zeromq-lent"] + EVERYBODY[4:]


def words(variant):
    return VARIANTS[variant][2]


@dataclass
class Part:
    name: str
    title: str
    variants: list
    what: str
    metric: str  # the one that is plotted
    options: list = field(default_factory=list)  # of both sides
    client: list = field(default_factory=list)  # of the client alone
    sweep: tuple = None  # (option, values)
    same_cpu: bool = False
    seconds: float = 1.0  # times the runner's --seconds; 0: the client's options bound the run
    link: bool = False
    pair: bool = False  # between two namespaces, at 500 Mbit/s each way
    script: bool = False  # measured by first_byte.py, in namespaces of its own

    def jobs(self):
        """(variant, value of the sweep) in no particular order."""
        values = self.sweep[1] if self.sweep else [None]
        return [(v, x) for v in self.variants for x in values]


def oneway(name, title, size, seconds=1.0, variants=EVERYBODY):
    return Part(name, title, variants, "oneway", "rate", ["--size", size], seconds=seconds)


def all_parts(idle_connections):
    return [
        oneway("64B", "64 B messages, one way", "64"),
        oneway("1KiB", "1 KiB messages, one way", "1k"),
        oneway("16KiB", "16 KiB messages, one way", "16k"),
        oneway("1MiB", "1 MiB messages, one way", "1M", variants=LARGE_TOO),
        oneway("100MiB", "100 MiB messages, one way", "100M", 1.5, LARGE_TOO),
        Part("pingpong", "64 B there and back, both processes on one processor",
             EVERYBODY[:3] + ["hawser-poll"] + MESSAGING, "pingpong", "p50_us", same_cpu=True),
        Part("idle", f"{idle_connections:,} idle associations", ["raw", "gnutls", "gnutls-x509", "hawser"], "idle",
             "memory_server", ["--connections", str(idle_connections)], seconds=0),
        Part("setup", "Set-up, one after the other", ["raw", "gnutls", "gnutls-x509", "gnutls-x509-both", "hawser"],
             "setup", "cpu_us", client=["--count", "1500"], seconds=0),
        Part("setup-resumed", "Set-up resumed from a ticket", ["gnutls", "gnutls-x509", "hawser"], "setup", "cpu_us",
             ["--resumed"], client=["--count", "1500"], seconds=0),
        Part("growth", "CPU per echo as associations grow", ["raw", "gnutls", "hawser"], "growth", "cpu_us",
             sweep=("--connections", [1, 10, 100, 1000, 5000]), same_cpu=True, seconds=0.7),
        Part("queue", "CPU per message as the queue grows", ["hawser"], "queue", "cpu_us",
             sweep=("--queued", [1, 10, 100, 1000, 10000, 100000])),
        Part("urgent", "An urgent message behind 1 GiB, 100 Mbit/s, 20 ms", ["hawser"], "urgent", "urgent",
             ["--size", "1G"], client=["--count", "40"], seconds=0, link=True),
        oneway("stacks-64B", "64 B messages, one way, by stack", "64", variants=STACKS),
        oneway("stacks-1MiB", "1 MiB messages, one way, by stack", "1M", 2.0, ["raw", "raw-udp"] + STACKS),
        oneway("datagrams", "64 KiB in datagrams of 1,400 bytes, one way", "64k", 1.0, ["raw-udp", "raw-udp-mmsg", "hawser-udp"]),
        Part("pair", "1 MiB messages over a pair of devices at 500 Mbit/s", ["raw", "hawser", "hawser-mptcp"], "oneway",
             "rate", ["--size", "1M"], seconds=2.0, pair=True),
        Part("stacks-pingpong", "64 B there and back on one processor, by stack", STACKS, "pingpong", "p50_us",
             same_cpu=True),
        Part("departure", "How late a message leaves at its send time, by stack", STACKS, "departure", "p99_us",
             client=["--count", "400"], seconds=0),
        Part("stacks-setup", "Set-up, one after the other, by stack", STACKS, "setup", "cpu_us",
             client=["--count", "300"], seconds=0),
        Part("stacks-setup-resumed", "Set-up resumed from a ticket, by stack", STACKS, "setup", "cpu_us",
             ["--resumed"], client=["--count", "300"], seconds=0),
        Part("stacks-idle", "1,000 idle associations, by stack", STACKS, "idle", "memory_server",
             ["--connections", "1000"], seconds=0),
        Part("first-byte", "A new process until the first byte of nginx's answer over TLS",
             ["first_openssl", "first_gnutls", "first_hawser"], "first", "process_us", sweep=("", FIRST_CASES), script=True),
        Part("connect", "A new process until it is connected", ["first_loop", "first_connect"], "first", "process_us",
             sweep=("", FIRST_CASES), script=True),
    ]
