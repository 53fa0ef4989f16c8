# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire, in a network namespace where nobody else talks."""

import os
import shutil
import socket
import subprocess
import sys
import threading

from harness import SKIPPED, check

INSIDE = "HAWSER_TEST_NAMESPACE"


def enter_namespace():
    """Runs this program again in a namespace where nobody else talks, and where we may capture without being root."""
    name = os.path.basename(sys.argv[0])
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            print(f"SKIP {name}: {tool} is not installed")
            sys.exit(SKIPPED)
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode != 0:
        print(f"SKIP {name}: this system allows no network namespace")
        sys.exit(SKIPPED)
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


class Capture:
    """All frames of the loopback interface, between `with` and its end."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: nothing may be dropped
        self.socket.bind(("lo", 0))
        self.frames = []
        self.sent = []  # each frame once: what goes out of the loopback interface comes in again

    def __enter__(self):
        self.thread = threading.Thread(target=self._collect)
        self.thread.start()
        return self

    def _collect(self):
        while True:
            frame, address = self.socket.recvfrom(1 << 17)
            self.frames.append(frame)
            if address[2] == socket.PACKET_OUTGOING:
                self.sent.append(frame)
            if self.token and self.token in frame:
                return

    token = None

    def __exit__(self, *_):
        # Frames come in order: one of our own, after all others, says that all are in.
        self.token = os.urandom(24)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(self.token, ("127.0.0.1", 9))
        self.thread.join()
        dropped = int.from_bytes(self.socket.getsockopt(263, 6, 8)[4:8], sys.byteorder)  # PACKET_STATISTICS
        self.socket.close()
        check(dropped == 0, f"the capture missed {dropped} frames")

    def bytes(self):
        return sum(map(len, self.frames))

    def shows(self, *secrets):
        return [secret for secret in secrets if any(secret in frame for frame in self.frames)]


class Packet:
    """A TCP segment as far as a program's choice of options shows in it: no numbers that differ from run to run."""

    def __init__(self, frame):
        ip = frame[14:]
        self.version = ip[0] >> 4
        if self.version == 4:
            self.network = ("tos", ip[1], "df", ip[6] >> 6, "ttl", ip[8])
            self.protocol, head, end = ip[9], (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
        else:
            self.network = ("class", int.from_bytes(ip[0:2], "big") >> 4 & 255, "hops", ip[7])
            self.protocol, head, end = ip[6], 40, 40 + int.from_bytes(ip[4:6], "big")
        if self.protocol != socket.IPPROTO_TCP:
            return
        tcp = ip[head:end]
        size = (tcp[12] >> 4) * 4
        self.source, self.target = int.from_bytes(tcp[0:2], "big"), int.from_bytes(tcp[2:4], "big")
        self.flags = "".join(name for bit, name in enumerate("FSRPAUEC") if tcp[13] >> bit & 1)
        self.options = self._options(tcp[20:size])
        self.payload = tcp[size:]
        self.window = int.from_bytes(tcp[14:16], "big") if "S" in self.flags else None

    @staticmethod
    def _options(data):
        """(kind, value) in their order; of timestamps the kind alone."""
        found = []
        while data and data[0] != 0:
            size = 1 if data[0] == 1 else data[1]
            found.append((data[0], b"" if data[0] in (1, 5, 8) else bytes(data[2:size])))
            data = data[size:]
        return found

    def look(self):
        return (self.version, self.network, self.flags, self.options, self.window, len(self.payload))


def segments(frames, port):
    """Those of one connection to port, each once."""
    found = [Packet(frame) for frame in frames]
    return [packet for packet in found if packet.protocol == socket.IPPROTO_TCP and port in (packet.source, packet.target)]
