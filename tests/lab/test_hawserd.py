#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hawserd between hosts in namespaces: whom it helps and whom not, garbage, restarts, options of one subflow, configured
endpoints, and programs that know nothing of it (S3.2, S5.4, S5.21-S5.25, S5.28, S5.31)."""

import ctypes
import gc
import json
import os
import random
import shutil
import signal
import socket
import struct
import sys
import threading

from helper import (BACKUP, BY_FD, BY_PID, BY_TUPLE, CLOSE, EVENTS, EVENT_SIZE, GET, HELLO, LIST, OPEN, SCHEDULER, SET, USERS, WATCH,
                    Hawserd, as_user, has_users, request, without_rights)
from lab import Commanded, check, need, poll, skip, start

PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable  # one that any user may start
MPTCP = 262
HOLD = """
import json, socket, sys, threading
listening = sys.argv[1] == "serve"
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
if listening:
    s.bind(("0.0.0.0", 5000)); s.listen()
    print(json.dumps({"ok": True}), flush=True)
    def echo(c):
        while data := c.recv(65536): c.sendall(data)
    while True: threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
s.connect((sys.argv[2], 5000))
def exchange(size):
    # Beside the reading: two ends that only send fill each other's buffers and wait for ever.
    threading.Thread(target=s.sendall, args=(b"x" * size,)).start()
    while size: size -= len(s.recv(size)) or sys.exit("the connection is closed")
exchange(1)
print(json.dumps({"fd": s.fileno(), "ends": [s.getsockname(), s.getpeername()]}), flush=True)
for line in sys.stdin:
    exchange(int(line))
    print(json.dumps({"ok": True}), flush=True)
"""


class Connection:
    """A program of a user without rights that holds an MPTCP connection and knows nothing else."""

    def __init__(self, lab, uid=USERS[0]):
        self.lab = lab
        self.program = lab.client.commanded(*without_rights(uid), PYTHON, "-c", HOLD, "connect", lab.V4.format(1))
        told = json.loads(self.program.output.splitlines()[0])
        self.fd, self.ends = told["fd"], [tuple(end) for end in told["ends"]]
        # nsenter and setpriv exec: the process is the program.
        self.pid = self.program.pid
        self.name = f"{self.pid}:{self.fd}"

    def exchange(self, size=10000):
        self.program.ask(str(size))

    def subflows(self):
        process = self.lab.client.command(self.lab.tool, "mptcp", "list", "--json", self.name)
        check(process.wait() == 0, process.transcript())
        told = [json.loads(line) for line in process.output.splitlines()]
        return [subflow for subflow in told if subflow.get("state") == "established"]

    def ids(self):
        return [subflow["id"] for subflow in self.subflows()]

    def wait_subflows(self, count):
        poll(lambda: len(self.subflows()) == count, f"{count} subflows; there are {self.subflows()}")

    def wait_local(self, *addresses):
        """Waits until the subflows leave from these."""
        poll(lambda: sorted(s["local"].rsplit(":", 1)[0] for s in self.subflows()) == sorted(addresses), f"{addresses}")

    def steer(self, *words, uid=USERS[0], code=0):
        """hawser mptcp WORD CONNECTION WORD..., by a user without rights; what it printed, or what it complained of."""
        process = self.lab.client.command(*without_rights(uid), self.lab.tool, "mptcp", words[0], self.name, *words[1:])
        check(process.wait() == code, f"{words}: {process.transcript()}")
        return process.output.decode().strip() if code == 0 else process.error_text().strip()


def two_hosts(lab, *options, policy=None, userspace=True):
    need("ip", "ss")
    lab.two_hosts(paths=2, rtt_ms=4)
    if not os.path.exists("/proc/sys/net/mptcp/pm_type"):
        skip("this kernel has no userspace path manager for MPTCP")
    lab.server.ip("mptcp limits set subflow 8 add_addr_accepted 8")
    tool = lab.path("hawser")
    shutil.copy(lab.tool, tool)  # where every user finds it
    lab.tool = tool
    hawserd = Hawserd(lab, lab.client, *(["--userspace"] if userspace else []), *options, policy=policy)
    lab.server.commanded(PYTHON, "-c", HOLD, "serve")
    return hawserd


# ----------------------------------------------------------------------------------------------------------------- whom

def steers_for_who_has_no_rights(lab):
    """Open, backup and close by the command of a user without rights; the join is on the second link, and data goes on."""
    two_hosts(lab)
    connection = Connection(lab)
    with lab.links[1].capture() as capture:
        ident = connection.steer("open", "--local", "10.0.1.1@p1")
        connection.wait_local("10.0.0.1", "10.0.1.1")
    check([p for p in capture.syns() if p.source == "10.0.1.1" and 30 in p.options], "no join on the second link")
    check(int(ident) in connection.ids(), f"{ident} is none of {connection.ids()}")
    connection.steer("backup", ident)
    check([s["backup"] for s in connection.subflows()] == [False, True], connection.subflows())
    connection.exchange()
    text = connection.steer("open", "--local", "10.0.0.1:%d" % connection.ends[0][1], code=1)
    check(text.startswith("hawser: not opened: "), text)
    connection.steer("close", ident)
    connection.wait_local("10.0.0.1")
    connection.exchange()


def refuses_other_users(lab):
    """By process, by the ends of a subflow: for its user and for root. By descriptor: for whoever has it."""
    if not has_users():
        skip("this user namespace has root alone: there is no other user")
    hawserd = two_hosts(lab)
    connection = Connection(lab, USERS[0])
    by_pid = {"by": BY_PID, "pid": connection.pid, "fd": connection.fd}
    by_ends = {"by": BY_TUPLE, "ends": connection.ends}
    stranger, owner, root = hawserd.client(USERS[1]), hawserd.client(USERS[0]), hawserd.client()
    for target in (by_pid, by_ends):
        for kind in (LIST, OPEN, CLOSE, BACKUP, GET, SCHEDULER, WATCH):
            told = stranger.ask(kind, ident=1, local="10.0.1.1", option=b"default", **target)
            check(told.code == -1 and "another user" in told.reason and told.token == 0, f"{kind}: {told.reason}")
        check(stranger.ask(SET, ident=1, level=6, name=1, option=struct.pack("i", 1), **target).code < 0, "set")
        check(owner.ask(LIST, **target).count == root.ask(LIST, **target).count == 1, "its owner was refused")
    check(connection.ids() == [1], "a stranger changed something")
    # A process that is nobody's by then, and one that is root's.
    check(stranger.ask(LIST, by=BY_PID, pid=4194303, fd=3).code == -3, "a process that is not there")
    check(stranger.ask(LIST, by=BY_PID, pid=os.getpid(), fd=0).code == -1, "root's process")
    text = connection.steer("open", "--local", "10.0.1.1", uid=USERS[1], code=1)
    check("another user" in text, text)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as fresh:
        told = stranger.ask(LIST, [fresh.fileno()], by=BY_FD)
        check(told.code == -18 and "namespace" in told.reason, f"a connection of another namespace: {told.reason}")


def by_descriptor(lab):
    """The descriptor is the proof, whoever asks; what is none is refused in words, and costs others nothing."""
    hawserd = two_hosts(lab)
    connection = Connection(lab)
    pidfd = os.pidfd_open(connection.pid)
    fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, connection.fd, 0)  # pidfd_getfd
    check(fd >= 0, "no copy of the descriptor")
    client = hawserd.client(USERS[1] if has_users() else None)
    told = client.ask(LIST, [fd], by=BY_FD)
    check(told.code == 0 and told.count == 1 and told.token != 0, told.reason)
    told = client.ask(OPEN, [fd], by=BY_FD, local="10.0.1.1")
    check(told.code == 0 and told.ident == 2, told.reason)
    connection.wait_local("10.0.0.1", "10.0.1.1")
    read, write = os.pipe()
    for wrong in (read, client.socket.fileno()):
        told = client.ask(LIST, [wrong], by=BY_FD)
        check(told.code < 0 and told.reason, f"{wrong}: {told.code}")
    check(client.ask(LIST, [fd], by=BY_FD).count == 2, "it was not served any more")
    for each in (read, write, fd, pidfd):
        os.close(each)


def what_does_not_close_holds_up_nobody(lab):
    """A TCP socket that lingers: its last close(2) would wait for a minute. Its user waits, others do not."""
    hawserd = two_hosts(lab)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow = socket.create_connection(deaf.getsockname())
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
        slow.setblocking(False)
        try:
            while True:
                slow.send(b"x" * 65536)
        except BlockingIOError:
            pass
        uid = USERS[0] if has_users() else None
        client = hawserd.client(uid)
        # The helper is to have the last copy: it reads when ours is gone.
        hawserd.process.process.send_signal(signal.SIGSTOP)
        client.send(request(LIST, by=BY_FD), [slow.fileno()])
        slow.close()
        hawserd.process.process.send_signal(signal.SIGCONT)
        check(client.socket.recv(1 << 16), "no reply")
        if uid:
            check(hawserd.client(USERS[1]).ask(HELLO).code == 0, "another user was held up")
        waiting = hawserd.client(uid)
        waiting.send(request(HELLO))
        waiting.socket.settimeout(0.3)
        try:
            check(not waiting.socket.recv(1 << 16), "it was closed at once: nothing was shown")
            check(False, "the user was dropped")
        except TimeoutError:
            waiting.socket.settimeout(20)
        accepted, _ = deaf.accept()
        accepted.close()  # a reset: nothing is left to wait for
    check(waiting.socket.recv(1 << 16), "the user was not served again")


# -------------------------------------------------------------------------------------------------------------- garbage

def survives_garbage(lab):
    """Thousands of packets that are none, with descriptors that are none of it: each ends its connection, and costs nothing."""
    hawserd = two_hosts(lab)
    connection = Connection(lab)
    good = hawserd.client()
    target = {"by": BY_PID, "pid": connection.pid, "fd": connection.fd}
    check(good.ask(LIST, **target).code == 0, "it does not work to begin with")
    memory, descriptors = hawserd.process.memory(), hawserd.process.descriptors()
    chance = random.Random(7)
    null = os.open("/dev/null", os.O_RDONLY)
    for turn in range(2000):
        client = hawserd.client()
        if turn % 4 == 0:
            data = chance.randbytes(chance.choice((0, 1, 15, 16, 663, 664, 665, 8000)) or 1)
        else:
            whole = bytearray(request(chance.randrange(14), by=chance.randrange(5), number=turn))
            for _ in range(chance.randrange(1, 9)):
                whole[chance.randrange(len(whole))] = chance.randrange(256)
            data = bytes(whole[:chance.choice((len(whole), len(whole), chance.randrange(1, 664)))])
        client.send(data, [null] * chance.choice((0, 0, 1, 2, 3)))
        client.close()
    os.close(null)
    check(good.ask(LIST, **target).count == 1, "the connection was changed")
    poll(lambda: hawserd.process.descriptors() <= descriptors, "all descriptors to be closed")
    if not lab.sanitized():
        check(hawserd.process.memory() < memory + (2 << 20), f"{memory} bytes became {hawserd.process.memory()}")
    wrong = hawserd.client()
    told = wrong.ask(HELLO, version=2)
    check(told.code == -93 and "version 1" in told.reason and wrong.is_dropped(), f"version 2: {told.reason}")
    wrong = hawserd.client()
    wrong.send(request(HELLO), [0])
    check(wrong.is_dropped(), "a descriptor that belongs to nothing")
    connection.exchange()


def many_clients_of_a_user(lab):
    """One user takes a share of the places and no more; who does not read what it asked for is dropped."""
    hawserd = two_hosts(lab)
    connection = Connection(lab)
    uid = USERS[0] if has_users() else None
    idle = hawserd.process.descriptors()
    clients = [hawserd.client(uid) for _ in range(40)]
    served = 0
    for client in clients:
        try:
            served += client.ask(HELLO).code == 0
        except (BrokenPipeError, ConnectionResetError, AssertionError):
            pass
    check(served == 32, f"{served} clients of a user are served")
    if uid:
        check(hawserd.client(USERS[1]).ask(HELLO).code == 0, "another user found no place")
    for client in clients:
        client.close()
    poll(lambda: hawserd.client(uid).ask(HELLO).code == 0, "a place again")
    # Those who asked are let go of by the collector of garbage here; what is left counts below.
    gc.collect()
    poll(lambda: hawserd.process.descriptors() <= idle, "the others to be let go of")
    target = {"by": BY_PID, "pid": connection.pid, "fd": connection.fd}
    silent, busy = hawserd.client(), hawserd.client()
    check(silent.ask(WATCH, **target).code == 0, "no watch")
    memory = hawserd.process.memory()
    descriptors = hawserd.process.descriptors()
    for turn in range(2000):
        told = busy.ask(OPEN, local="10.0.1.1", **target)
        check(told.code == 0 and busy.ask(CLOSE, ident=told.ident, **target).code == 0, f"{turn}: {told.reason}")
        if turn % 50 == 49 and hawserd.process.descriptors() < descriptors:
            break
    else:
        check(False, "who does not read is still there")
    check(lab.sanitized() or hawserd.process.memory() < memory + (2 << 20), "its memory grew")
    events = []
    while len(data := silent.socket.recv(1 << 16)) == EVENT_SIZE:
        events.append(EVENTS[struct.unpack_from("=I", data, 16)[0]])
    check({"created", "closed"} <= set(events), set(events))


# ------------------------------------------------------------------------------------------------------------- restarts

def restarts_without_harm(lab):
    """Killed and ended in the middle: connections and subflows do not notice, watchers are told, the next one goes on."""
    hawserd = two_hosts(lab)
    connection = Connection(lab)
    connection.steer("open", "--local", "10.0.1.1@p1")
    connection.wait_local("10.0.0.1", "10.0.1.1")
    watcher = lab.client.command(*without_rights(), lab.tool, "mptcp", "watch", "--json", connection.name)
    watching = hawserd.client()
    check(watching.ask(WATCH, by=BY_PID, pid=connection.pid, fd=connection.fd).code == 0, "no watch")
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        before = connection.ids()
        hawserd.process.process.send_signal(how)
        hawserd.process.wait()
        connection.exchange()
        text = connection.steer("close", "2", code=1)
        check("hawserd" in text and connection.ids() == before, text)
        hawserd.start()
        ident = connection.steer("open", "--local", "10.0.1.1@p1")
        connection.wait_subflows(len(before) + 1)
        connection.steer("close", ident)
        connection.wait_subflows(len(before))
        connection.exchange()
    check(watching.is_dropped(), "a watcher was not told")
    check(watcher.alive(), watcher.transcript())
    other = lab.client.command(os.path.abspath(hawserd.process.argv[hawserd.process.argv.index("--socket") - 1]),
                               "--socket", hawserd.path)
    check(other.wait() == 1 and "another hawserd" in other.error_text(), other.transcript())
    check(hawserd.client().ask(HELLO).code == 0, "the first one was disturbed")


def gives_the_path_manager_back(lab):
    """--userspace lasts as long as the helper; without it the kernel's manager rules, and requests say so."""
    hawserd = two_hosts(lab)

    def manager():
        process = lab.client.command("cat", "/proc/sys/net/mptcp/pm_type")
        process.wait()
        return process.output.strip()

    check(manager() == b"1", manager())
    check(hawserd.process.end() == 0, hawserd.process.transcript())
    check(manager() == b"0", manager())
    check(not os.path.exists(hawserd.path), "its socket is still there")
    hawserd = Hawserd(lab, lab.client)
    text = Connection(lab).steer("open", "--local", "10.0.1.1", code=1)
    check("path manager" in text, text)


# -------------------------------------------------------------------------------------------------------------- options

def fields(lab):
    """Of each subflow of the client, by its local address: what ss says."""
    process = lab.client.command("ss", "-tineOH", "--tos", "dport", "=", "5000")
    check(process.wait() == 0, process.transcript())
    lines = [line.split() for line in process.output.decode().splitlines() if "ESTAB" in line]
    return {words[3].rsplit(":", 1)[0].partition("%")[0]: words for words in lines}


def options_of_one_subflow(lab):
    """Two subflows of one connection with different congestion control, TOS, pace and mark, as ss and the wire have it; what
    cannot be set on one is said, and changes nothing (S5.24)."""
    hawserd = two_hosts(lab, policy="allow set mark\n")
    hawserd.needs_options()
    connection = Connection(lab)
    ident = connection.steer("open", "--local", "10.0.1.1@p1")
    connection.wait_local("10.0.0.1", "10.0.1.1")
    first = fields(lab)["10.0.0.1"]
    mine = connection.steer("get", "1", "congestion")
    theirs = "reno" if mine != "reno" else open_to_all(lab, mine)
    for option, value in (("congestion", theirs), ("tos", "40"), ("mark", "7"), ("1/47", "250000")):
        connection.steer("set", ident, option, value)
    second = fields(lab)["10.0.1.1"]
    check(theirs in second and mine in first, f"{first}\n{second}")
    check("tos:0x28" in second and "tos:0" in first and "fwmark:0x7" in second, f"{first}\n{second}")
    check(any(word.endswith("/2000000bps") for word in second), f"its pace: {second}")
    for option, value in (("congestion", theirs), ("tos", "40"), ("mark", "7"), ("1/47", "250000")):
        check(connection.steer("get", ident, option) == value, option)
    with lab.links[0].capture() as one, lab.links[1].capture() as other:
        connection.exchange(400000)
    tos = [{p.tos for p in capture.packets if p.source == address and p.payload}
           for capture, address in ((one, "10.0.0.1"), (other, "10.0.1.1"))]
    check(tos[1] <= {0x28} and tos[0] <= {0} and (tos[0] or tos[1]), tos)
    acknowledged = {p.tos for p in other.packets if p.source == "10.0.1.1"}
    check(acknowledged == {0x28}, acknowledged)
    before = settings(connection, ident)
    for option, value, words in (("congestion", "nonesuch", "congestion"), ("1/7", "100000", "one subflow"),
                                 ("0/2", "9", "one subflow"), ("41/67", "8", "refuses"), ("1/62", "1", "root"),
                                 ("0/1", "-5000000000", "")):
        text = connection.steer("set", ident, option, value, code=2 if value.startswith("-5") else 1)
        check(words in text, f"{option}: {text}")
    check("no subflow" in connection.steer("set", "77", "tos", "8", code=1), "an id that is none")
    check(settings(connection, ident) == before, f"{settings(connection, ident)} instead of {before}")
    check(fields(lab)["10.0.0.1"][-1:] is not None and "tos:0" in fields(lab)["10.0.0.1"], "the first subflow was changed")


def settings(connection, ident):
    return [connection.steer("get", each, option) for each in ("1", ident) for option in ("congestion", "tos", "1/47", "1/7")
            if option != "1/7"]


def open_to_all(lab, but):
    process = lab.client.command("cat", "/proc/sys/net/ipv4/tcp_allowed_congestion_control")
    process.wait()
    return next((name for name in process.output.decode().split() if name != but), None) or skip("one congestion control alone")


def congestion_by_route(lab):
    """Where BPF is not to be had: a route gives the subflows that are opened over it their congestion control."""
    two_hosts(lab)
    process = lab.client.command("ip", "route", "replace", "default", "via", "10.0.1.2", "dev", "p1", "metric", "101",
                                 "congctl", "reno")
    if process.wait() != 0:
        skip(f"no route with congctl: {process.error_text().strip()}")
    connection = Connection(lab)
    connection.steer("open", "--local", "10.0.1.1@p1")
    connection.wait_local("10.0.0.1", "10.0.1.1")
    told = fields(lab)
    process = lab.client.command("cat", "/proc/sys/net/ipv4/tcp_congestion_control")
    process.wait()
    check("reno" in told["10.0.1.1"] and process.output.decode().strip() in told["10.0.0.1"], told)


def schedulers_say_why(lab):
    """The kernel's choice can be asked for; another one is refused with the reason, and pointed elsewhere (S5.31)."""
    two_hosts(lab)
    connection = Connection(lab)
    text = connection.steer("scheduler", "nonesuch", code=1)
    check("HAWSER_AGGREGATE" in text or "own" in text, text)
    check(connection.steer("scheduler") == "default", "the scheduler of the namespace")


# --------------------------------------------------------------------------------------------------------------- policy

def policy_file(lab):
    """Its rules hold, also when it was read again; one that is wrong is told of, and what was before stays."""
    hawserd = two_hosts(lab, policy="deny control\n")
    connection = Connection(lab)
    if not has_users():
        skip("this user namespace has root alone, which no policy binds")
    check("policy" in connection.steer("open", "--local", "10.0.1.1", code=1), "control was denied")
    hawserd.write_policy(f"deny control\nallow control for user {USERS[0]}\nsubflows 2\n")
    hawserd.reload()
    connection.steer("open", "--local", "10.0.1.1")
    check("2 subflows" in connection.steer("open", "--local", "10.0.0.1:7777", code=1), "a third subflow was opened")
    hawserd.write_policy("deny all\nsubflows none\n")
    hawserd.reload()
    check(":2: " in hawserd.process.error_text(), hawserd.process.transcript())
    connection.steer("backup", "2")
    hawserd.write_policy("deny look\n")
    hawserd.reload()
    target = {"by": BY_PID, "pid": connection.pid, "fd": connection.fd}
    check(hawserd.client(USERS[0]).ask(LIST, **target).code == -1 and hawserd.client().ask(LIST, **target).code == 0, "look")
    program = hawserd.process.argv[hawserd.process.argv.index("--socket") - 1]
    for text, code in (("allow all\n", 0), ("allow nothing\n", 1)):
        hawserd.write_policy(text)
        checked = lab.client.command(program, "--check", "--policy", hawserd.policy)
        check(checked.wait() == code and (":1: " in checked.error_text()) == (code == 1), checked.transcript())


def unit_has_the_rights_that_are_kept(lab):
    """The systemd unit bounds the rights to those that a running hawserd kept."""
    hawserd = two_hosts(lab)
    with open(f"/proc/{hawserd.process.pid}/status", encoding="ascii", errors="replace") as status:
        kept = int(next(line for line in status if line.startswith("CapPrm:")).split()[1], 16)
    unit = os.path.join(os.path.dirname(os.path.abspath(hawserd.process.argv[hawserd.process.argv.index("--socket") - 1])),
                        "hawserd.service")
    with open(unit, encoding="utf-8") as file:
        bounded = next(line for line in file if line.startswith("CapabilityBoundingSet=")).strip().split("=")[1].split()
    bits = {"CAP_DAC_READ_SEARCH": 2, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_PERFMON": 38, "CAP_BPF": 39}
    check(kept == sum(1 << bits[name] for name in bounded), f"{kept:x} against {bounded}")


# --------------------------------------------------------------------------------------------------------------- replay

def replays_configured_endpoints(lab):
    """What `ip mptcp` configured holds in userspace mode: subflows, backups, limits and announced addresses; until somebody
    steers the connection."""
    two_hosts(lab)
    lab.client.ip("mptcp limits set subflow 2 add_addr_accepted 1", "mptcp endpoint add 10.0.1.1 dev p1 subflow backup",
                  "addr add 10.0.0.7/24 dev p0", "mptcp endpoint add 10.0.0.7 dev p0 subflow")
    lab.client.ip("addr add 10.0.0.8/24 dev p0", "mptcp endpoint add 10.0.0.8 dev p0 subflow")
    connection = Connection(lab)
    connection.wait_local("10.0.0.1", "10.0.1.1", "10.0.0.7")  # 10.0.0.8 is beyond the limit
    backups = {s["local"].rsplit(":", 1)[0]: s["backup"] for s in connection.subflows()}
    check(backups == {"10.0.0.1": False, "10.0.0.7": False, "10.0.1.1": True}, backups)
    ident = next(str(s["id"]) for s in connection.subflows() if s["local"].startswith("10.0.0.7"))
    connection.steer("close", ident)
    connection.wait_local("10.0.0.1", "10.0.1.1")
    # Room within the limits again: now an announced address is followed where nobody steers, and nowhere else.
    lab.client.ip("mptcp endpoint flush")
    lab.server.ip(f"mptcp endpoint add {lab.V4.format(2)} signal")
    followed = Connection(lab)
    poll(lambda: any(s["remote"].startswith(lab.V4.format(2)) for s in followed.subflows()), "the announced address")
    check(not any(s["remote"].startswith(lab.V4.format(2)) for s in connection.subflows()), "a steered one was meddled with")
    for each in (connection, followed):
        each.exchange()


# --------------------------------------------------------------------------------------------------- unmodified programs

def curl_and_iperf3_are_steered_from_outside(lab):
    """Programs as the distribution has them, under `hawser run --mptcp`: listed, given a second subflow and relieved of it
    while they run, by a user without rights; both end well (S3.2, S5.4)."""
    need("curl", "iperf3")
    two_hosts(lab)
    for link in lab.links:
        link.set(rate=20000000, queue=200000)
    run = (*without_rights(), lab.tool, "run", "--mptcp", "--")
    server = lab.server.command(lab.tool, "run", "--mptcp", "--", "iperf3", "-s", "-1", "--forceflush")
    server.text(b"Server listening")
    steered(lab, lab.client.command(*run, "iperf3", "-c", lab.V4.format(1), "-t", "3"), 5201)
    directory = lab.path("web")
    os.mkdir(directory)
    body = os.urandom(6 << 20)
    with open(os.path.join(directory, "file"), "wb") as file:
        file.write(body)
    web = lab.server.command(lab.tool, "run", "--mptcp", "--", PYTHON, "-u", "-m", "http.server", "--directory", directory, "80")
    web.text(b"Serving HTTP")
    curl = lab.client.command(*run, "curl", "-sS", "--limit-rate", "2M", f"http://{lab.V4.format(1)}/file")
    steered(lab, curl, 80)
    check(curl.output == body, f"{len(curl.output)} bytes that are not those that were sent")


def carried(subflow):
    return subflow["tcp_info"]["bytes_sent"] + subflow["tcp_info"]["bytes_received"]


def connection_of(lab, program, port):
    """The connection of a program that carries the most, once there is one."""
    def find():
        process = lab.client.command(lab.tool, "mptcp", "list", "--json", str(program.pid))
        process.wait()
        told = [json.loads(line) for line in process.output.splitlines()]
        found = [s for s in told if s.get("remote", "").endswith(f":{port}") and s["state"] == "established"
                 and carried(s) > 50000]
        return found[0] if found else None
    return poll(find, f"a connection of {program.argv[-1]}")


def steered(lab, program, port):
    told = connection_of(lab, program, port)
    check(told["pid"] == program.pid, told)
    name = f"{told['pid']}:{told['fd']}"

    def mptcp(*words):
        process = lab.client.command(*without_rights(), lab.tool, "mptcp", *words)
        check(process.wait() == 0, process.transcript())
        return process.output.decode().strip()

    with lab.links[1].capture() as capture:
        ident = mptcp("open", name, "--local", "10.0.1.1@p1")
        poll(lambda: any(s["id"] == int(ident) and carried(s) > 20000
                         for s in map(json.loads, mptcp("list", "--json", name).splitlines())), "data on the second subflow")
        mptcp("close", name, ident)
    check(sum(len(p.payload) for p in capture.packets if "10.0.1.1" in (p.source, p.destination)) > 20000, "no data on the link")
    check(program.wait() == 0, program.transcript())


if __name__ == "__main__":
    start(steers_for_who_has_no_rights, refuses_other_users, by_descriptor, what_does_not_close_holds_up_nobody,
          survives_garbage, many_clients_of_a_user, restarts_without_harm, gives_the_path_manager_back,
          options_of_one_subflow, congestion_by_route, schedulers_say_why, policy_file, unit_has_the_rights_that_are_kept,
          replays_configured_endpoints, curl_and_iperf3_are_steered_from_outside)
