#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Multicast over a bridge: one host sends, two hear, by IPv4 and IPv6, with a group key and without, from anybody and from
one source; and socat at either end. (S1.7, S2.2, S2.12)"""

import itertools
import os
import subprocess

import harness
import namespaces
from harness import check, need

BRIDGE = "rope-br"
GROUPS = ("239.7.7.7:5077", "[ff15::7707]:5077", "[ff12::7707]:5077")


def run(*argv):
    subprocess.run(argv, check=True)


class Host:
    """A host of the bridge: a network namespace that a process holds."""

    count = itertools.count()

    def __init__(self, world, number):
        self.world = world
        self.v4, self.v6 = f"10.78.0.{number}", f"fd78::{number}"
        self.holder = world.command("unshare", "--net", "sh", "-c", "echo there; exec sleep 1000")
        self.holder.text(b"there")
        outside = f"rope-{next(Host.count)}"  # a test's devices may outlive it: namespaces end in their own time
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", outside, "master", BRIDGE, "up")
        for arguments in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"),
                          ("address", "add", f"{self.v4}/24", "dev", "eth0"),
                          ("address", "add", f"{self.v6}/64", "dev", "eth0", "nodad")):
            run(*self.enter(), "ip", *arguments)

    def enter(self):
        return ["nsenter", "--net", "--target", str(self.holder.pid)]

    def linked(self):
        """Until IPv6's own address of the link may be used."""
        def ready():
            shown = subprocess.run([*self.enter(), "ip", "-6", "address", "show", "dev", "eth0"], capture_output=True,
                                   encoding="ascii", check=True).stdout
            return "fe80" in shown and "tentative" not in shown
        harness.poll(ready, "a link-local address")

    def hear(self, endpoint, *options):
        listener = harness.Hawser(self.world, [], argv=[
            *self.enter(), self.world.tool, "listen", "--json", "--bare", "--stack", "udp", *options, endpoint + "@eth0"])
        listener.event("listening")
        return listener

    def speak(self, endpoint, *options):
        client = harness.Hawser(self.world, [], argv=[
            *self.enter(), self.world.tool, "connect", "--json", "--bare", "--stack", "udp", *options, endpoint + "@eth0"])
        client.event("established")
        return client


class Bridge(harness.World):
    def __init__(self):
        super().__init__()
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)
        run("ip", "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
        run("ip", "link", "set", BRIDGE, "up")
        self.sender, self.first, self.second = (Host(self, number) for number in (1, 2, 3))
        self.key = self.path("key")
        with open(self.key, "wb") as file:
            file.write(os.urandom(32))


def sent_of(client):
    """How many datagrams the host's namespace has sent, from the kernel's own count."""
    with open(f"/proc/{client.pid}/net/snmp", encoding="ascii") as v4, open(f"/proc/{client.pid}/net/snmp6", encoding="ascii") as v6:
        lines = [line.split() for line in v4 if line.startswith("Udp:")]
        count = int(lines[1][lines[0].index("OutDatagrams")])
        return count + sum(int(line.split()[1]) for line in v6 if line.startswith("Udp6OutDatagrams"))


def heard_by_both(world, group, *options):
    for host in (world.sender, world.first, world.second):
        host.linked()
    listeners = [host.hear(group, *options) for host in (world.first, world.second)]
    client = world.sender.speak(group, *options)
    before = sent_of(client)
    for count, text in enumerate((b"one", b"and two")):
        client.write(text)
        harness.poll(lambda count=count: sent_of(client) > before + count, "a datagram on its way")
    accepted = [listener.event("accepted") for listener in listeners]
    for listener, event in zip(listeners, accepted):
        check(event["peer"]["verification"] == "none", f"{event}")
        sizes = [listener.event("received", after=i)["size"] for i in range(2)]
        check(sizes == [3, 7], f"{sizes}")
    check(accepted[0]["path"]["remote"] == accepted[1]["path"]["remote"], f"{accepted}")


def test_two_hear_one(world):
    heard_by_both(world, GROUPS[0])


def test_two_hear_one_by_v6(world):
    heard_by_both(world, GROUPS[1])


def test_two_hear_one_on_the_link(world):
    heard_by_both(world, GROUPS[2])


def test_two_hear_a_member(world):
    heard_by_both(world, GROUPS[0], "--group-key", world.key)


def test_strangers_are_not_heard(world):
    """Who has no key, or another, begins no association; a member does."""
    other = world.path("other")
    with open(other, "wb") as file:
        file.write(os.urandom(32))
    listener = world.first.hear(GROUPS[0], "--group-key", world.key)
    for options in ((), ("--group-key", other)):
        stranger = world.second.speak(GROUPS[0], *options)
        before = sent_of(stranger)
        stranger.write(b"not a member")
        harness.poll(lambda stranger=stranger, before=before: sent_of(stranger) > before, "a datagram on its way")
    world.sender.speak(GROUPS[0], "--group-key", world.key).write(b"a member")
    check(listener.event("accepted")["path"]["remote"].startswith(world.sender.v4), listener.transcript())
    check(listener.event("received")["size"] == 8 and listener.count("accepted") == 1, listener.transcript())


def test_each_sender_is_an_association(world):
    listener = world.first.hear(GROUPS[0])
    for host in (world.sender, world.second):
        host.speak(GROUPS[0]).write(b"from " + host.v4.encode())
    names = {listener.event("accepted", after=i)["peer"]["name"] for i in range(2)}
    check(names == {world.sender.v4, world.second.v4}, f"{names}")


def test_one_source_alone(world):
    """The source's datagrams are heard, the other's never reach the socket."""
    group = "232.7.7.7:5078"
    listener = world.first.hear(f"{world.sender.v4}>{group}")
    other = world.second.speak(group)
    before = sent_of(other)
    other.write(b"not the source")
    harness.poll(lambda: sent_of(other) > before, "a datagram on its way")
    world.sender.speak(group).write(b"the source")
    check(listener.event("accepted")["peer"]["name"] == world.sender.v4, listener.transcript())
    check(listener.count("accepted") == 1, listener.transcript())


def test_socat_sends_and_hears(world):
    [socat] = need("socat")
    listener = world.first.hear(GROUPS[0])
    sender = world.command(*world.sender.enter(), socat, "-u", "-", f"UDP4-DATAGRAM:{GROUPS[0]},ip-multicast-if={world.sender.v4}")
    sender.write(b"from socat")
    check(listener.event("received")["size"] == 10, listener.transcript())
    group, port = GROUPS[0].split(":")
    other = world.command(*world.second.enter(), socat, "-u",
                          f"UDP4-RECV:{port},reuseaddr,ip-add-membership={group}:{world.second.v4}", "-")
    port_text = f":{int(port):04X}"

    def bound():
        with open(f"/proc/{other.pid}/net/udp", encoding="ascii") as table:
            return any(line.split()[1].endswith(port_text) for line in table.readlines()[1:])

    harness.poll(bound, "socat's socket")
    world.sender.speak(GROUPS[0]).write(b"to socat")
    other.text(b"to socat")


if __name__ == "__main__":
    namespaces.enter("nsenter")
    harness.run(test_two_hear_one, test_two_hear_one_by_v6, test_two_hear_one_on_the_link, test_two_hear_a_member,
                test_strangers_are_not_heard, test_each_sender_is_an_association, test_one_source_alone,
                test_socat_sends_and_hears, make=Bridge)
