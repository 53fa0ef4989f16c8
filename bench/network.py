# SPDX-License-Identifier: Apache-2.0
"""A private network for the measurements: loopback with cubic, and a slow link to a second namespace."""
import os
import socket
import subprocess
import sys

INSIDE = "--inside"
RATE_BITS = 100_000_000
DELAY_US = 10_000
QUEUE_BYTES = RATE_BITS // 8 * 2 * DELAY_US // 1_000_000  # one bandwidth-delay product


def enter(argv):
    """Starts this program again inside a new network namespace. Answers False, with words, where that is not allowed."""
    flags = "-n" if os.geteuid() == 0 else "-Urn"
    if subprocess.run(["unshare", flags, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("No private network namespace is allowed here: the figures depend on the host's congestion control.")
        return None
    return subprocess.run(["unshare", flags, sys.executable] + argv + [INSIDE]).returncode


def ip(*words, into=None):
    prefix = ["nsenter", "-t", str(into), "-n"] if into else []
    done = subprocess.run(prefix + ["ip"] + list(words), capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def prepare_loopback():
    """Loopback up, and cubic on its routes: bbr, the default of some hosts, paces loopback and halves raw TCP."""
    ip("link", "set", "lo", "up")
    for route in ip("route", "show", "table", "local").splitlines():
        ip("route", "replace", "table", "local", *route.split(), "congctl", "cubic")


def congestion_control():
    """What a connection over loopback really gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as s:
        return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


class Pair:
    """Two namespaces (ours and a new one) joined by a pair of devices, each way of which the kernel holds to a rate."""

    left, right = "10.78.0.1", "10.78.0.2"

    def __init__(self, rate="500mbit"):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        try:
            self.holder.stdout.readline()
            ip("link", "add", "pair0", "type", "veth", "peer", "name", "pair0", "netns", str(self.holder.pid))
            self.side(self.left, None, rate)
            self.side(self.right, self.holder.pid, rate)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def side(address, into, rate):
        prefix = ["nsenter", "-t", str(into), "-n"] if into else []
        ip("addr", "add", address + "/24", "dev", "pair0", into=into)
        ip("link", "set", "pair0", "up", into=into)
        ip("route", "replace", "10.78.0.0/24", "dev", "pair0", "src", address, "congctl", "cubic", into=into)
        done = subprocess.run(prefix + ["tc", "qdisc", "replace", "dev", "pair0", "root", "tbf", "rate", rate, "burst", "256k",
                                        "latency", "20ms"], capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"tc: {done.stderr.strip()}")

    def inside(self, argv):
        return ["nsenter", "-t", str(self.holder.pid), "-n"] + argv

    def close(self):
        subprocess.run(["ip", "link", "del", "pair0"], stderr=subprocess.DEVNULL)
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


class Link:
    """Two namespaces (ours and a new one) joined by the lab's emulator (tests/lab/commands.c)."""

    left, right = "10.77.0.1", "10.77.0.2"

    def __init__(self, program):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.process = None
        try:
            self.holder.stdout.readline()  # it is in its namespace
            self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.process.stdout.readline()
            self.command(f"link l {os.getpid()} link0 {self.holder.pid} link0")
            self.command(f"set l both rate={RATE_BITS} delay={DELAY_US} queue={QUEUE_BYTES}")
            self.address(self.left, None)
            self.address(self.right, self.holder.pid)
        except BaseException:
            self.close()
            raise

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if '"ok"' not in answer:
            raise OSError(f"{line}: {answer.strip() or 'the link ended'}")

    @staticmethod
    def address(address, into):
        ip("addr", "add", address + "/24", "dev", "link0", into=into)
        ip("link", "set", "link0", "up", into=into)
        ip("route", "replace", "10.77.0.0/24", "dev", "link0", "src", address, "congctl", "cubic", into=into)

    def inside(self, argv):
        """The command that runs argv at the right end."""
        return ["nsenter", "-t", str(self.holder.pid), "-n"] + argv

    def close(self):
        for process in (self.process, self.holder):
            if process:
                process.stdin.close()  # both end with it
                process.stdout.close()
                process.wait()
