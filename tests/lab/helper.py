# SPDX-License-Identifier: Apache-2.0
"""hawserd in a test, and its protocol spoken by hand (docs/mptcp.md), right and wrong."""

import contextlib
import os
import shutil
import signal
import socket
import struct

from lab import HERE, check, poll, skip

PROGRAM = os.environ.get("HAWSERD", os.path.join(HERE, "..", "..", "build", "hawserd"))
USERS = (65531, 65532)  # nobody's, and not the number of users that are not known
MAGIC, VERSION = 0x44535748, 1
HELLO, LIST, OPEN, CLOSE, BACKUP, ANNOUNCE, WITHDRAW, GET, SET, SCHEDULER, WATCH, EVENT = range(1, 13)
BY_FD, BY_PID, BY_TUPLE = 1, 2, 3
CAN_CONTROL, CAN_OPTIONS = 1, 2
EVENTS = {1: "created", 2: "established", 3: "closed", 4: "priority", 5: "announced", 6: "removed", 7: "end", 8: "lost"}
HEAD, TARGET, ADDRESS = "=IHHII", "=IiiI", "=HHI16s"
REQUEST_SIZE, REPLY_SIZE, EVENT_SIZE, OPTION_MAX = 664, 752, 88, 512


def address(text=None, port=0):
    if text is None:
        return struct.pack(ADDRESS, 0, 0, 0, b"")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return struct.pack(ADDRESS, family, port, 0, socket.inet_pton(family, text))


def request(kind, number=1, by=0, pid=0, fd=0, ends=(None, None), ident=0, flags=0, local=None, remote=None, level=0, name=0,
            size=0, option=b"", version=VERSION):
    """ends: two (address, port)."""
    one, other = (address(*end) if end else address() for end in ends)
    return (struct.pack(HEAD, MAGIC, version, kind, REQUEST_SIZE, number) + struct.pack(TARGET, by, pid, fd, 0) + one + other
            + struct.pack("=II", ident, flags) + address(local) + address(remote)
            + struct.pack("=iiII512s", level, name, size or len(option), 0, option))


class Reply:
    def __init__(self, data):
        check(len(data) >= REPLY_SIZE, f"a reply of {len(data)} bytes")
        magic, _, self.kind, size, self.number = struct.unpack_from(HEAD, data)
        check(magic == MAGIC and size == len(data), "a malformed reply")
        self.code, self.ident, self.token, self.flags, self.count, self.option_size = struct.unpack_from("=iIIIII", data, 16)
        self.option = data[40:40 + self.option_size]
        self.reason = data[40 + OPTION_MAX:REPLY_SIZE].split(b"\0")[0].decode()


@contextlib.contextmanager
def as_user(uid):
    """What this process does is another user's."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


class Client:
    def __init__(self, path, uid=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with as_user(uid) if uid else contextlib.nullcontext():
            self.socket.connect(path)  # blocking: it waits for a place in the queue
        self.socket.settimeout(20)

    def send(self, data, descriptors=()):
        socket.send_fds(self.socket, [data], list(descriptors))

    def ask(self, kind, descriptors=(), **what):
        self.send(request(kind, **what), descriptors)
        return Reply(self.socket.recv(1 << 16))

    def is_dropped(self):
        """Nothing came, and the other end is closed."""
        try:
            return self.socket.recv(1 << 16) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Hawserd:
    """One in the namespace of a host."""

    def __init__(self, lab, host, *options, policy=None):
        if not os.access(PROGRAM, os.X_OK):
            skip(f"there is no {PROGRAM}")
        os.chmod(lab.directory, 0o755)
        self.lab, self.host = lab, host
        self.path = lab.path(f"{host.name}.sock")
        self.policy = lab.path(f"{host.name}.conf")
        if policy is not None:
            self.write_policy(policy)
            options = (*options, "--policy", self.policy)
        self.options = options
        lab.environment["HAWSERD_SOCKET"] = self.path
        self.start()

    def write_policy(self, text):
        with open(self.policy, "w", encoding="ascii") as file:
            file.write(text)

    def start(self):
        self.process = self.host.command(os.path.abspath(PROGRAM), "--socket", self.path, *self.options)
        self.said("listening on")

    def said(self, words, count=1):
        """Waits until it said so, that many times."""
        poll(lambda: self.process.error_text().count(words) >= count or not self.process.alive(), f"hawserd to say {words}")
        check(self.process.alive(), f"hawserd ended\n{self.process.transcript()}")

    def reload(self):
        before = self.process.error_text().count(self.policy)
        self.process.process.send_signal(signal.SIGHUP)
        self.said(self.policy, before + 1)

    def client(self, uid=None):
        return Client(self.path, uid)

    def needs_options(self):
        """Skips what takes BPF, with hawserd's own reason."""
        client = self.client()
        if not client.ask(HELLO).ident & CAN_OPTIONS:
            skip([line for line in self.process.error_text().splitlines() if "BPF" in line][0])
        client.close()


def has_users():
    """Whether there are users beside root in this user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as table:
        return any(int(first) <= USERS[0] and USERS[1] < int(first) + int(count)
                   for first, _, count in (line.split() for line in table))


def without_rights(uid=USERS[0]):
    """What runs a program as somebody who has no rights: another user, or root without any."""
    if not shutil.which("setpriv"):
        skip("setpriv is not installed")
    if has_users():
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return ["setpriv", "--bounding-set=-all"]
