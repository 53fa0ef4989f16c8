#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lab of several paths itself: what may happen to a path does happen, shown by the kernel's own protocols; and what is
said of arrivals is right."""

from lab import check, start
from probe import probe
from several import Arrivals, Flow, Several


def two(**settings):
    return [{"rate": 20e6, "delay_ms": 10, **settings}, {"rate": 20e6, "delay_ms": 10, **settings}]


def came(lab, path, backward=False, count=5):
    return len(probe(lab, count=count, address=path.address(1 if backward else 2), backward=backward).came)


def paths_are_apart(lab):
    """Each path has its own subnets, rate and delay, and what befalls one spares the other."""
    one, other = lab.two_hosts({"delay_ms": 5}, {"delay_ms": 40})
    fast, slow = (probe(lab, count=20, every_us=2000, address=path.address(2)) for path in (one, other))
    check(fast.delay_ms(0) >= 5 and slow.delay_ms(0) >= 40 and fast.delay_ms(0.5) < slow.delay_ms(0.5), "the delays are mixed up")
    for path in (one, other):
        path.blackhole()
        check([came(lab, p) for p in (one, other)] == [0 if p is path else 5 for p in (one, other)], "another path was hit")
        path.restore()
        path.unplug()
        check([came(lab, p, backward=True) for p in (one, other)] == [0 if p is path else 5 for p in (one, other)],
              "another path was hit")
        path.plug()
        check(came(lab, one) == came(lab, other) == 5, "a path did not return")


def families(lab):
    """IPv6 alone on the first path, IPv4 alone on the second."""
    six, four = lab.two_hosts({"family": "6"}, {"family": "4"})
    check(came(lab, four) == 5, "IPv4 does not pass where it should")
    check(len(probe(lab, count=5, address=six.address(2, 6)).came) == 5, "IPv6 does not pass where it should")
    for path, family in ((six, "-4"), (four, "-6")):
        process = lab.client.command("ip", family, "-o", "addr", "show", "dev", path.devices[0])
        check(process.wait() == 0 and not process.output.strip(), process.transcript())


def addresses_and_devices(lab):
    one, other = lab.two_hosts({}, {})
    for remove, give_back in ((one.remove_addresses, lambda: one.add_addresses((1,))), (one.remove_device, one.return_device)):
        remove()
        process = lab.client.command("ip", "-o", "addr", "show")
        process.wait()
        check(one.address(1).encode() not in process.output and other.address(1).encode() in process.output, process.output)
        give_back()
        check(came(lab, one) == came(lab, other) == 5, "the path did not return")
    old = [path.address(1) for path in lab.paths]
    lab.name_paths()
    lab.move()
    process = lab.client.command("ip", "-o", "addr", "show")
    process.wait()
    for path, gone in zip(lab.paths, old):
        check(f"{gone}/".encode() not in process.output and path.address(1) != gone, process.output)
        check(came(lab, path) == 5, "the new addresses do not carry")
    process = lab.client.command("getent", "ahostsv4", "several.lab.example")
    check(process.wait() == 0 and all(path.address(2).encode() in process.output for path in lab.paths), process.transcript())


def arrivals_are_judged(_):
    """What is said of arrivals, where the answer is known."""
    rows = [(0, 0, 1000, 10), (2, 0, 2000, 10), (3, 0, 9000, 10), (1, 0, 30000, 10), (5, 0, 31000, 10), (5, 0, 32000, 10)]
    arrivals = Arrivals(rows, 7)
    check(arrivals.missing == [4, 6] and arrivals.doubled == 1, f"{arrivals.missing} {arrivals.doubled}")
    check(arrivals.progress() == [1000, 30000], arrivals.progress())
    check(arrivals.stall_ms() == 29 and arrivals.gap_ms() == 21, f"{arrivals.stall_ms()} {arrivals.gap_ms()}")
    check(arrivals.stall_ms(since=20000) == 10 and arrivals.gap_ms(since=1000, until=9500) == 7, "parts")
    check(arrivals.latency_ms(0) == 1 and arrivals.latency_ms(1) == 32, "latency")
    check(arrivals.goodput(0) == 60 * 8e6 / 32000, "goodput")
    try:
        arrivals.check()
    except AssertionError:
        return
    check(False, "what is missing was not noticed")


def a_stall_is_seen(lab):
    """One path, TCP: it is blackholed for a while, and the arrivals tell for how long."""
    (path,) = lab.two_hosts({})
    flow = Flow(lab, "tcp", every_us=5000)
    lab.passes(0.2)
    since = lab.now_us()
    path.blackhole()
    lab.passes(0.5)
    path.restore()
    until = lab.now_us()
    lab.passes(1)
    arrivals = flow.end()
    check(arrivals.stall_ms(since) >= (until - since) / 1000, f"{arrivals.stall_ms(since)} ms, and it was {(until - since) / 1000}")


def mptcp_uses_the_paths(lab):
    """The peer's figure: both paths carry, and the blackhole of one is survived."""
    lab.two_hosts(*two())
    lab.mptcp()
    flow = Flow(lab, "mptcp", count=160, size=65536, every_us=0)
    arrivals = flow.whole()
    check(min(path.carried()[0] for path in lab.paths) > 300, [path.carried() for path in lab.paths])
    check(arrivals.goodput(flow.began_us) > 12e6, arrivals.goodput(flow.began_us))
    flow = Flow(lab, "mptcp")
    lab.passes(0.3)
    lab.paths[0].blackhole()
    lab.passes(2.5)
    flow.end()


def an_association_is_measured(lab):
    lab.two_hosts(*two())
    flow = Flow(lab, count=200, size=3000, every_us=1000)
    check(flow.strands()[0]["state"] == "active", flow.strands())
    arrivals = flow.whole()
    check(flow.result["acked"] == 200 and arrivals.latency_ms(0) >= 10, f"{flow.result} {arrivals.latency_ms(0)}")


if __name__ == "__main__":
    start(paths_are_apart, families, addresses_and_devices, arrivals_are_judged, a_stall_is_seen, mptcp_uses_the_paths,
          an_association_is_measured, make=Several)
