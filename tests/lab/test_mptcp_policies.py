#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that steer their own MPTCP connections: the socket options as they were proposed (S5.17-S5.22) and the policies
(S5.3, S5.16, S5.25, S5.26). Each program is an example that is shown to people."""

import os
import re

from lab import check, enter, poll, run
from mptcp_lab import CAPABLE, PORT, MptcpLab, payload, set_up, ss_ends, with_option

EXAMPLES = os.path.abspath(os.environ.get("HAWSER_EXAMPLES", os.path.join(os.path.dirname(__file__), "..", "..", "build",
                                                                          "examples")))


class Example:
    """A program that sends what it reads to the echo, and prints what comes back."""

    def __init__(self, lab, name, *words):
        self.process = lab.client.command(os.path.join(EXAMPLES, f"example_{name}"), *words)
        self.echoed = 0

    def echo(self, size=1):
        self.process.write(b"x" * size)
        self.echoed += size
        self.process.until(lambda: len(self.process.output) >= self.echoed, f"{self.echoed} bytes back")

    def says(self, text):
        poll(lambda: text in self.process.error_text() or not self.process.alive(), f"it to say {text!r}", 10)
        check(text in self.process.error_text(), self.process.transcript())

    def end(self):
        self.process.process.stdin.close()


def pairs(lab):
    return {(local.rsplit(":", 1)[0], remote) for local, remote in ss_ends(lab.client)}


def socket_options(lab):
    """S5.17-S5.24: the proposal's three examples and its other options, on a socket of connect(2): ids, ends, a new subflow
    with the port that was chosen, its tcp_info, and its end."""
    set_up(lab)
    process = lab.client.command(os.path.join(EXAMPLES, "example_mptcp_socket_options"), "10.0.0.2", str(PORT), "10.0.1.1",
                                 "12345", "10.0.1.2")
    check(process.wait() == 0, process.transcript())
    text = process.output.decode()
    wanted = (r"Subflow id : (\d+)\n\tip src : 10\.0\.0\.1 src port : \d+\n\tip dst : 10\.0\.0\.2 dst port : 4433\n"
              r"Subflow id : (\d+)\n\tip src : 10\.0\.1\.1 src port : 12345\n\tip dst : 10\.0\.1\.2 dst port : 4433\n"
              r"rto of \2 : [1-9]\d+ us\n"
              r"Subflow id : \1\n\tip src : 10\.0\.0\.1 src port : \d+\n\tip dst : 10\.0\.0\.2 dst port : 4433\n")
    check(re.fullmatch(wanted, text), text)


def full_mesh(lab):
    """S5.16: from each address to each address of the peer, those that it announces too; what is lost comes back."""
    set_up(lab)
    lab.server.ip("mptcp endpoint add 10.0.1.2 signal")
    program = Example(lab, "mptcp_full_mesh", f"10.0.0.2:{PORT}")
    program.echo()
    all_four = {(f"10.0.{a}.1", f"10.0.{b}.2:{PORT}") for a in (0, 1) for b in (0, 1)}
    poll(lambda: pairs(lab) == all_four, f"the mesh; there is {pairs(lab)}")
    lab.client.ip("addr add 10.0.1.77/24 dev p1")  # a new address of ours
    poll(lambda: pairs(lab) >= {("10.0.1.77", f"10.0.{b}.2:{PORT}") for b in (0, 1)}, "the new address in the mesh")
    program.echo(1000)
    program.end()


def ndiffports(lab):
    """S5.3, S5.16: four subflows between the same two addresses, from four ports; no other link is used."""
    _, second = set_up(lab)
    program = Example(lab, "mptcp_ndiffports", f"10.0.0.2:{PORT}", "4")
    with second.capture() as other:
        program.echo()
        poll(lambda: len(ss_ends(lab.client)) == 4, "four subflows")
        program.echo(1000)
        found = ss_ends(lab.client)
    check(pairs(lab) == {("10.0.0.1", f"10.0.0.2:{PORT}")} and len({local for local, _ in found}) == 4, found)
    check(not [p for p in other.packets if p.protocol == "tcp"], other.packets)
    program.end()
    program.says("4 subflows")
    check(program.process.wait() == 0, program.process.transcript())


def backup_on_the_second_interface(lab):
    """S5.25: the second leg is there, and carries nothing until the first one fails."""
    first, second = set_up(lab)
    program = Example(lab, "mptcp_backup", f"10.0.0.2:{PORT}", "p1")
    with second.capture() as idle:
        program.echo()
        program.says("subflow-established 2 backup")
        for _ in range(10):
            program.echo(2000)
    check(payload(idle.packets) == 0 and [p for p in idle.packets if p.protocol == "tcp"], idle.packets)
    first.cut()
    with second.capture() as working:
        program.echo(2000)
    check(payload(working.packets) >= 2000, working.packets)
    program.end()


def second_only_when_the_first_is_bad(lab):
    """S5.8, S5.26: not one packet by the second interface while the first is good; when it dies, the connection goes on there."""
    first, second = set_up(lab)
    program = Example(lab, "mptcp_when_bad", f"10.0.0.2:{PORT}", "p1")
    with second.capture() as idle:
        for _ in range(10):
            program.echo(2000)
    check(not [p for p in idle.packets if p.protocol == "tcp"], idle.packets)
    first.cut()
    with second.capture() as working:
        program.echo(2000)
        program.says("the first path is bad: a subflow by p1")
    check(payload(working.packets) >= 2000 and not with_option(working.packets, CAPABLE), working.packets)
    program.end()


if __name__ == "__main__":
    enter()
    run(socket_options, full_mesh, ndiffports, backup_on_the_second_interface, second_only_when_the_first_is_bad,
        make=MptcpLab)
