#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Subflows of kernel MPTCP, listed and steered from outside of the program that has them (S5.1-S5.30)."""

import hmac
import os
import socket
import struct
import time

from lab import check, enter, poll, run, skip
from mptcp_lab import (ADD_ADDR, CAPABLE, JOIN, PORT, PRIO, REMOVE_ADDR, MptcpLab, Socket, connect, counters_of, payload,
                       program, running, set_up, ss, token_of, userspace, with_option)

LARGE = 100 * 1000 * 1000
HAWSERD = os.path.abspath(os.environ.get("HAWSERD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "hawserd")))


def list_is_that_of_ss(lab):
    """S5.7, S5.19, S5.20: the list has the subflows that `ss -M` has, in both families, with the same ids; an id means the
    same subflow as long as it lives, whatever comes and goes beside it."""
    set_up(lab)
    line = connect(lab, "::ffff:10.0.0.2", v6=True)
    second = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    third = line.open("--local", "2001:db8:1::1", "--remote", "2001:db8:1::2")
    for ident in (second, third):
        line.established(ident)
    mine = {(s["local"], s["remote"]): (s["local_id"], s["remote_id"], s["token"]) for s in line.subflows()}
    check(len(mine) == 3 and mine == ss(lab.client), f"{mine}\nss: {ss(lab.client)}")
    before = line.subflow(third)
    line.does("close", str(second))
    line.gone(second)
    fourth = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    after = line.subflow(third)
    check([s["id"] for s in line.subflows()] == [1, third, fourth] and fourth > third, line.subflows())
    check((before["local"], before["remote"]) == (after["local"], after["remote"]), f"{before} became {after}")


def handshakes_are_on_the_wire(lab):
    """S5.1, S5.11-S5.13: MP_CAPABLE with both keys on one link, MP_JOIN with the peer's token, nonces and HMACs on the other;
    the token that the program reads is the hash of its key; each subflow is a TCP connection on its own path."""
    first, second = set_up(lab)
    with first.capture() as one, second.capture() as two:
        line = connect(lab)
        ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
        line.established(ident)
        line.ask(1000)
        lab.emulator.ask("drain")
    capable = with_option(one.packets, CAPABLE)
    check(capable[0].syn and len(capable[0].mptcp[CAPABLE]) == 2, capable[0].mptcp)  # no key in the SYN (RFC 8684)
    keys = next(p.mptcp[CAPABLE] for p in capable if len(p.mptcp[CAPABLE]) >= 18)
    ours, theirs = keys[2:10], keys[10:18]
    check({s["token"] for s in line.subflows()} == {token_of(ours)}, f"{line.subflows()} {token_of(ours)}")
    check(not with_option(two.packets, CAPABLE), "the second link had a connection of its own")
    syn, synack, ack = [p.mptcp[JOIN] for p in with_option(two.packets, JOIN)[:3]]
    check(syn[2:6].hex() == token_of(theirs), f"the JOIN has token {syn[2:6].hex()}, the peer's is {token_of(theirs)}")
    nonce_a, nonce_b = syn[6:10], synack[10:14]
    check(hmac.digest(theirs + ours, nonce_b + nonce_a, "sha256")[:8] == synack[2:10], "the peer's HMAC is wrong")
    check(hmac.digest(ours + theirs, nonce_a + nonce_b, "sha256")[:20] == ack[2:22], "our HMAC is wrong")
    check({p.source for p in one.packets if p.protocol == "tcp"} == {"10.0.0.1", "10.0.0.2"}, one.packets)
    check({p.source for p in two.packets if p.protocol == "tcp"} == {"10.0.1.1", "10.0.1.2"}, two.packets)


def each_of_the_four_suffices(lab):
    """S5.14, S5.21, S5.3: a subflow that differs in local address, local port, remote address or remote port is opened, with
    ports as they were chosen; one between the same four is refused with that sentence."""
    set_up(lab)
    lab.server.ip(f"mptcp endpoint add 10.0.0.2 port {PORT + 1} signal")  # a port joins only where it was announced
    line = connect(lab)
    port = int(line.subflow(1)["local"].rsplit(":", 1)[1])
    for words in (["--local", f"10.0.1.1:{port}"], ["--local", "10.0.0.1:22222"]):
        ident = line.open(*words)
        check(line.established(ident)["local"] == words[1], f"{words}: {line.subflows()}")
        line.refused("one of them must differ", "open", *words)
    for remote in (f"10.0.1.2:{PORT}", f"10.0.0.2:{PORT + 1}"):
        ident = line.open("--local", "10.0.0.1", "--remote", remote)
        told = line.established(ident)
        check(told["local"].startswith("10.0.0.1:") and told["remote"] == remote, told)
        # The kernel gives a port of an address to one subflow.
        line.refused("the local port is taken", "open", "--local", f"10.0.0.1:{port}", "--remote", remote)
    same = line.open()  # another port of the system's choice
    check(line.established(same)["local"].startswith("10.0.0.1:"), line.subflows())
    line.refused("one of them must differ", "open", "--local", f"10.0.0.1:{port}")
    line.refused("not one of this host", "open", "--local", "10.9.9.9")
    line.refused("different families", "open", "--local", "2001:db8::1")
    line.refused("IPv6 subflow of an IPv4 socket", "open", "--local", "2001:db8:1::1", "--remote", "2001:db8:1::2")
    line.refused("no subflow has id 99", "close", "99")
    line.ask(1000)


def open_and_close_in_mid_transfer(lab):
    """S5.15, S5.22: subflows come and go while 100 MB pass; a closed one is gone from the wire, the connection lives, and what
    arrives is what was sent."""
    first, second = set_up(lab, rtt_ms=2, kind="hash")
    for link in (first, second):
        link.set(rate=300000000)
    line = connect(lab, ready=False)
    line.send(LARGE)
    poll(lambda: line.subflow(1)["tcp_info"]["bytes_acked"] > 1000000, "the first megabyte")
    for _ in range(2):
        ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
        line.established(ident)
        poll(lambda: line.subflow(ident)["tcp_info"]["bytes_acked"] > 100000, "data on the new subflow")
        with second.capture() as capture:
            line.does("close", str(ident))
            line.gone(ident)
            poll(lambda: not [ends for ends in ss(lab.server) if "10.0.1.1" in ends[1]], "the peer's end of it")
        ends = [p for p in capture.packets if p.fin or p.reset]
        check(ends, "no end of the subflow on the wire")
    extra = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    line.established(extra)
    line.does("close", "1")  # the first one too may go
    line.gone(1)
    line.sent()


def break_before_make(lab):
    """S5.15: without any subflow the connection lives, takes data, and delivers them by the next one."""
    set_up(lab, kind="hash")
    line = connect(lab, ready=False)
    line.send(20000000)
    poll(lambda: line.subflow(1)["tcp_info"]["bytes_acked"] > 100000, "the first data")
    line.does("close", "1")
    poll(lambda: not line.subflows(), "the end of the only subflow")
    line.established(line.open("--local", "10.0.1.1", "--remote", "10.0.1.2"))
    line.sent()


def backup_waits_its_turn(lab):
    """S5.25: a subflow opened as a backup carries no payload until the first one fails, and then all of it; a priority that
    is changed later goes to the peer as MP_PRIO."""
    first, second = set_up(lab)
    line = connect(lab)
    with second.capture() as waiting:
        ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2", "--backup")
        line.established(ident)
        check(line.subflow(ident)["backup"] and not line.subflow(1)["backup"], line.subflows())
        for _ in range(20):
            line.ask(10000)
        lab.emulator.ask("drain")
    flags = next(p.mptcp[JOIN][0] for p in waiting.packets if p.syn and JOIN in p.mptcp)
    check(flags & 1, "the JOIN has no backup flag")
    check(payload(waiting.packets) == 0, f"the backup carried {payload(waiting.packets)} bytes while the first one worked")
    first.cut()
    with second.capture() as working:
        line.ask(50000)
        lab.emulator.ask("drain")
    check(payload(working.packets, "10.0.1.1") >= 50000, f"the backup carried {payload(working.packets)} bytes of 100000")
    first.uncut()
    with first.capture() as one, second.capture() as two:
        line.does("backup", str(ident), "off")
        line.ask(1)
        lab.emulator.ask("drain")
    told = with_option(one.packets + two.packets, PRIO)
    check(told and all(not p.mptcp[PRIO][0] & 1 for p in told if p.source.endswith(".1")), f"MP_PRIO: {told}")
    check(not line.subflow(ident)["backup"], line.subflows())


def small_requests_survive_a_link(lab):
    """S5.8: a request and its answer every 50 ms, as speech recognition sends voice; the link in use dies. The answer that was
    under way arrives within 2 seconds by the other one."""
    first, _ = set_up(lab, rtt_ms=30)
    line = connect(lab)
    line.established(line.open("--local", "10.0.1.1", "--remote", "10.0.1.2", "--backup"))
    usual = max(line.ask(320) for _ in range(10))

    def attempt():
        first.cut()
        worst = 0
        for _ in range(20):
            worst = max(worst, line.ask(320))
            time.sleep(0.05)  # what the flow is, and nothing that is waited for
        first.uncut()
        return worst

    worst = lab.within(attempt, 2000, elapsed=lambda ms: ms)
    print(f"an answer took {usual:.0f} ms at most before the link died, and {worst:.0f} ms as it died")


def addresses_come_and_go(lab):
    """S5.29, S5.30: the peer is told of an address (ADD_ADDR) and joins to it; the address is withdrawn (REMOVE_ADDR) and the
    subflow goes. Both sides have each as an event on a descriptor."""
    first, second = set_up(lab)
    userspace(lab.client, False)  # here the client's kernel follows what the server tells
    lab.client.ip("mptcp limits set subflow 8 add_addr_accepted 8")
    userspace(lab.server)
    other = program(lab.server)
    other.ask({"listen": ["0.0.0.0", PORT + 5], "kind": "echo"})
    fd = lab.program.ask({"connect": ["10.0.0.2", PORT + 5]})["fd"]
    client = Socket(lab.client, lab.program, fd)
    client.ask()
    server = Socket(lab.server, other, other.ask({"accepted": True})["fds"][0])
    seen, told = client.watch(), server.watch()
    with first.capture() as one, second.capture() as two:
        number = server.does("announce", f"10.0.1.2:{PORT + 5}").event("announced")["id"]
        event = seen.event("address-announced")
        check(event["remote"] == f"10.0.1.2:{PORT + 5}" and event["remote_id"] == number, event)
        joined = told.event("subflow-established")
        check(joined["local"] == f"10.0.1.2:{PORT + 5}", joined)
        ident = seen.event("subflow-established")["id"]
        client.ask(1000)
        server.does("withdraw", str(number))
        check(seen.event("address-removed")["remote_id"] == number, seen.events)
        check(told.event("subflow-closed")["id"] == joined["id"], f"{told.events}, and {joined} was established")
        check(seen.event("subflow-closed")["id"] == ident, seen.events)
        client.ask(1000)
        lab.emulator.ask("drain")
    packets = one.packets + two.packets
    check(any(p.source == "10.0.0.2" for p in with_option(packets, ADD_ADDR)), "no ADD_ADDR on the wire")
    check(any(p.source.endswith(".2") for p in with_option(packets, REMOVE_ADDR)), "no REMOVE_ADDR on the wire")
    server.refused("number 77", "withdraw", "77")
    client.close()
    seen.event("connection-closed")
    check(seen.wait() == 0, seen.transcript())


def events_say_what_happens(lab):
    """S5.29: created, established, refused, priority and closed, each as a message of its own; a reader is woken for its own
    connection alone."""
    set_up(lab)
    line, other = connect(lab), connect(lab)
    watch, beside = line.watch(), other.watch()
    ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2", "--backup")
    event = watch.event("subflow-established")
    check((event["id"], event["local"].split(":")[0], event["remote"], event["backup"]) ==
          (ident, "10.0.1.1", f"10.0.1.2:{PORT}", True), event)
    line.does("close", str(ident))
    check(watch.event("subflow-closed")["id"] == ident, watch.events)
    nobody = line.open("--local", "10.0.1.1", "--remote", f"10.0.1.2:{PORT + 99}")
    refused = watch.event("subflow-closed", after=1)
    check(refused["id"] in (nobody, 0) and refused["error"] == 111, refused)  # 0: it was gone before anybody looked
    line.close()
    watch.event("connection-closed")
    check(watch.wait() == 0, watch.transcript())
    check([e["event"] for e in beside.events] == ["watching"], beside.events)


def forged_join(lab, source, token):
    """A JOIN's SYN as nobody's kernel made it, from the client; the answer's flags."""
    option = struct.pack(">BBBBII", 30, 12, JOIN << 4, 1, token, 7)
    head = struct.pack(">HHIIBBHHH", 44444, PORT, 1, 0, (20 + len(option)) // 4 << 4, 2, 65535, 0, 0) + option
    ends = socket.inet_aton(source) + socket.inet_aton("10.0.0.2")
    words = struct.unpack(f">{(12 + len(head)) // 2}H", ends + struct.pack(">HH", 6, len(head)) + head)
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    head = head[:16] + struct.pack(">H", ~total & 0xffff) + head[18:]
    script = ("import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_TCP); "
              f"s.sendto(bytes.fromhex(sys.argv[1]),('10.0.0.2',0))")
    sender = lab.client.command("python3", "-c", script, head.hex())
    check(sender.wait() == 0, sender.transcript())


def wrong_token_is_refused(lab):
    """S5.13: a JOIN with a token that no connection has is answered by a reset, and nothing joins."""
    first, _ = set_up(lab)
    line = connect(lab)
    with first.capture() as capture:
        forged_join(lab, "10.0.0.1", 0xdeadbeef)
        poll(lambda: counters_of(lab.server).get("MPTcpExtMPJoinNoTokenFound", 0) == 1, "the peer to see the forged JOIN")
        lab.emulator.ask("drain")
    answers = [p for p in capture.packets if p.ports == (PORT, 44444)]
    check(answers and all(p.reset for p in answers), f"it was answered by {answers}")
    check(len(line.subflows()) == 1, line.subflows())


def stripped_is_said(lab):
    """S5.5, S5.6: something on the way strips the option. The connection works, as TCP; every call says so, and changes
    nothing."""
    first, _ = set_up(lab, kind="hash")
    first.rule("strip", "both", "proto=tcp", "strip-mptcp")
    line = connect(lab, ready=False)
    line.send(1000000)
    for words in (["list"], ["open", "--local", "10.0.1.1"], ["close", "1"], ["backup", "1"], ["watch"], ["get", "1", "tos"]):
        line.refused("not MPTCP: the connection fell back to TCP", *words)
    line.sent()
    plain = connect(lab, ready=False, tcp=True)
    plain.refused("not MPTCP: this is a TCP socket", "list")


def kernels_manager_is_said(lab):
    """Where the kernel's own path manager rules, what would change something says so; looking works."""
    set_up(lab)
    userspace(lab.client, False)
    line = connect(lab)
    check(len(line.subflows()) == 1, "looking does not work")
    for words in (["open", "--local", "10.0.1.1"], ["close", "1"], ["backup", "1"], ["announce", "10.0.1.1"], ["withdraw", "1"]):
        line.refused("the kernel's own path manager controls this connection", *words)
    line.ask(1000)


def without_rights(lab):
    """Looking needs no rights, changing something does: without them, and without a helper, each call says what is lacking."""
    set_up(lab)
    bare = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    tried = lab.client.command(*bare, "true")
    if tried.wait() != 0:
        skip(f"rights cannot be given up here: {tried.error_text().strip()}")
    whole, lab.client.prefix = lab.client.prefix, [*lab.client.prefix, *bare]
    line = connect(lab, program_=program(lab.client))
    check([s["backup"] for s in line.subflows()] == [False], line.subflows())
    for words in (["open", "--local", "10.0.1.1"], ["close", "1"], ["backup", "1"], ["announce", "10.0.1.1"], ["withdraw", "1"]):
        line.refused("lacks CAP_NET_ADMIN", *words)
        line.refused("none answers at /run/hawserd/net-", *words)
    watch = line.watch()  # by comparison
    lab.client.prefix = whole
    ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2", "--backup")
    check(watch.event("subflow-established")["id"] == ident, watch.events)
    line.does("close", str(ident))
    check(watch.event("subflow-closed")["id"] == ident, watch.events)
    # Another's: its descriptors are not ours to have.
    foreign = connect(lab, program_=program(lab.client))
    lab.client.prefix = [*whole, *bare]
    foreign.refused("hawserd", "open", "--local", "10.0.1.1")
    lab.client.prefix = whole
    check(len(foreign.subflows()) == 1, foreign.subflows())


def start_helper(lab):
    """hawserd on the client, once it listens; programs find it."""
    lab.environment["HAWSERD_SOCKET"] = lab.path("hawserd.sock")
    process = lab.client.command(HAWSERD, "--socket", lab.path("hawserd.sock"))
    poll(lambda: "listening" in process.error_text() or not process.alive(), "hawserd to listen")
    check(process.alive(), process.transcript())
    return process


def by_the_helper(lab):
    """A program without rights steers its own connections by hawserd, and those of its user's other programs, named by process or
    by their ends; a helper that is started anew is used at once, and who watches is told that events may be missing."""
    set_up(lab)
    first = start_helper(lab)
    whole = lab.client.prefix
    foreign = connect(lab)
    lab.client.prefix = [*whole, "setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    line = connect(lab, program_=program(lab.client))
    ends = None
    watch = line.watch()
    for own in (line, foreign):
        ident = own.open("--local", "10.0.1.1", "--remote", "10.0.1.2", "--backup")
        ends = own.established(ident)
        check(ends["backup"] and ends["remote"] == f"10.0.1.2:{PORT}", ends)
        own.refused("one of them must differ", "open", "--local", ends["local"], "--remote", ends["remote"])
        own.does("backup", str(ident), "off")
        check(not own.subflow(ident)["backup"], own.subflows())
    check(watch.event("subflow-established")["id"] == ident, watch.events)
    run = lab.client.hawser("mptcp", "list", "--json", f"{ends['local']},{ends['remote']}")
    check(run.code == 0 and len([e for e in run.events if e["event"] == "subflow"]) == 2, run.text)
    number = line.does("announce", "10.0.1.1").event("announced")["id"]
    line.does("withdraw", str(number))
    check(watch.event("subflow-closed")["id"] == ident, watch.events)  # it left from that address
    check(first.end() == 0, first.transcript())
    watch.event("events-lost")
    line.refused("none answers at", "open", "--local", "10.0.1.1", "--remote", "10.0.1.2")
    lab.client.prefix = whole
    start_helper(lab)
    lab.client.prefix = [*whole, "setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    again = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    check(watch.event("subflow-established", after=1)["id"] == again, watch.events)
    line.does("close", str(again))
    line.ask(1000)


def named_in_every_way(lab):
    """A connection is named by PID:FD, by PID where there is one, by the ends of any subflow, and all are listed."""
    set_up(lab)
    line = connect(lab)
    ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    ends = line.established(ident)

    def listed(*words):
        run = lab.client.hawser("mptcp", "list", "--json", *words)
        return [e["id"] for e in run.events if e["event"] == "subflow"], run

    for words in ([line.name], [str(lab.program.pid)], [f"{ends['local']},{ends['remote']}"], ["all"], []):
        found, run = listed(*words)
        check(found == [1, ident], f"{words}: {run.text}")
    second = connect(lab)
    run = lab.client.hawser("mptcp", "open", str(lab.program.pid))
    check(run.code == 1 and second.name in run.text and "2 MPTCP connections" in run.text, run.text)
    for words, why in ((["9999999:1"], "no process"), ([f"{lab.program.pid}:999"], "no descriptor"),
                       (["10.0.0.1:1,10.0.0.2:2"], "no socket of this network namespace"), (["10.0.0.1,1"], "not two ends")):
        found, run = listed(*words)
        check(run.code == 1 and why in run.text, f"{words}: {run.text}")


def options_of_one(lab):
    """S5.23: options of one subflow are told: the kernel's struct tcp_info, congestion control and others."""
    set_up(lab)
    line = connect(lab)
    ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    line.established(ident)
    line.ask(100000)
    one, two = line.subflows()
    check(one["tcp_info"]["bytes_acked"] != two["tcp_info"]["bytes_acked"], f"both tell the same: {one} {two}")
    told = lab.client.command("sysctl", "-n", "net.ipv4.tcp_congestion_control")
    told.wait()
    for word, value in (("congestion", told.output.decode().strip()), ("tos", 0)):
        event = line.does("get", str(ident), word).event("option")
        check(event["value"] == value, event)
    line.refused("no subflow has id 77", "get", "77", "tos")


def options_of_one_are_set(lab):
    """S5.24: congestion control and TOS of one subflow are set by the helper, seen in `ss` and on the wire, and the other subflow
    keeps its own; what cannot be set on one subflow says so, and nothing changes."""
    first, second = set_up(lab)
    start_helper(lab)
    line = connect(lab)
    ident = line.open("--local", "10.0.1.1", "--remote", "10.0.1.2")
    line.established(ident)
    tried = line.mptcp("set", str(ident), "congestion", "reno")
    if tried.code != 0:
        skip(f"options of one subflow cannot be set here: {tried.reason}")
    line.does("set", str(ident), "tos", "40")
    told = [[line.does("get", str(n), option).event("option")["value"] for option in ("congestion", "tos")] for n in (1, ident)]
    check(told[1] == ["reno", 40] and told[0][0] != "reno" and told[0][1] == 0, told)
    process = lab.client.command("ss", "-tniH", "src", "10.0.1.1")
    process.wait()
    check(" reno " in process.output.decode(), process.transcript())
    with first.capture() as one, second.capture() as two:
        line.does("backup", "1")
        line.ask(20000)
        lab.emulator.ask("drain")
    check({p.tos & 0xfc for p in two.packets if p.source == "10.0.1.1" and p.payload} == {40}, two.packets)
    check({p.tos & 0xfc for p in one.packets if p.source == "10.0.0.1"} <= {0}, one.packets)
    line.refused("", "set", str(ident), "6/9999", "1")


def strands_show_their_subflows(lab):
    """S5.7: a strand over MPTCP shows each subflow as a path of the association, and tells of each that comes and goes."""
    set_up(lab)
    server = running(lab.server, "listen", "--json", "--echo", "--identity", lab.path("listener"), "0.0.0.0:4500")
    name = server.event("listening")["name"]
    client = running(lab.client, "ping", "--json", "--stack", "tls/mptcp", "--count", "0", "--interval", "20ms",
                     f"{name}@10.0.0.2:4500")
    check(client.event("established")["stack"] == "tls/mptcp", client.transcript())
    client.event("reply")
    ident = lab.client.hawser("mptcp", "open", "--json", str(client.pid), "--local", "10.0.1.1", "--remote", "10.0.1.2",
                              "--backup").event("opened")["id"]
    both = client.event("paths", where=lambda e: len(e["strands"]) == 2)["strands"]
    check([(s["path"]["local"].split(":")[0], s["path"]["interface"]) for s in both] ==
          [("10.0.0.1", "p0"), ("10.0.1.1", "p1")], both)
    check([s["state"] for s in both][0] == "active" and both[1]["state"] in ("standby", "opening"), both)
    check(both[0]["bytes_sent"] > both[1]["bytes_sent"] == 0, both)
    known = client.count("paths")
    lab.client.hawser("mptcp", "close", str(client.pid), str(ident))
    client.event("paths", after=known, where=lambda e: True)
    poll(lambda: len([e for e in client._parse() if e["event"] == "paths"][-1]["strands"]) == 1, "one path to be left")
    client.end()


if __name__ == "__main__":
    enter()
    run(list_is_that_of_ss, handshakes_are_on_the_wire, each_of_the_four_suffices, open_and_close_in_mid_transfer,
        break_before_make, backup_waits_its_turn, small_requests_survive_a_link, addresses_come_and_go,
        events_say_what_happens, wrong_token_is_refused, stripped_is_said, kernels_manager_is_said, without_rights,
        by_the_helper, named_in_every_way, options_of_one, options_of_one_are_set,
        strands_show_their_subflows, make=MptcpLab)
