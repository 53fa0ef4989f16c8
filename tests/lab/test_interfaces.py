#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two interfaces (S4.11, S4.17, S4.25): one dead, slow, prohibited, or coming and going in mid-race."""

from lab import MARGIN_MS, METERED_MS, PATH_MS, RTT_MS, STAGGER_MS, Run, check, start

NAME = "www.lab.example"
LINE_MS = 2 * RTT_MS


def world(lab, paths=2, v4=(1,), v6=()):
    lab.two_hosts(paths)
    lab.host_name(v4=v4, v6=v6)
    lab.serve_all()
    return lab.links


def probe(lab, *options, timeout="8s", state=None):
    return lab.client.hawser("probe", "--json", "--bare", "--tls", "--timeout", timeout, *options, f"{NAME}:443",
                             state=state)


def connects_by(lab, interface, bound_ms, *options, state=None):
    def attempt():
        run = probe(lab, *options, state=state)
        check(run.code == 0, f"no connection\n{run.text}")
        return run

    run = lab.within(attempt, bound_ms + MARGIN_MS)
    check(run.established["path"]["interface"] == interface, f"not by {interface}\n{run.text}")
    return run


def traffic(capture):
    """Packets of programs: the kernels' own (ICMPv6, and a RST to who still speaks to a process that has ended) say nothing
    of ours."""
    return [p for p in capture.packets if p.protocol in ("tcp", "udp") and not p.reset]


def first_interface_is_enough(lab):
    """Where the first one works the second carries no packet."""
    _, second = world(lab)

    def attempt():
        with second.capture() as capture:
            run = probe(lab)
        check(run.code == 0, run.text)
        run.second = traffic(capture)
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS)
    check(run.established["path"]["interface"] == "p0" and not run.second, f"{run.second}\n{run.text}")


def first_interface_dead(lab):
    """Its packets vanish: the second one starts after the head start of a path."""
    first, _ = world(lab)
    first.cut()
    run = connects_by(lab, "p1", PATH_MS + LINE_MS)
    lost = [a for a in run.attempts if a["path"]["interface"] == "p0"]
    check(lost and all(a["outcome"] == "lost" and a["reached"] == "" for a in lost), run.text)


def first_interface_without_a_way(lab):
    """Its route is gone: no waiting at all."""
    world(lab)
    lab.client.ip("route del default via 10.0.0.2 dev p0")
    connects_by(lab, "p1", LINE_MS)


def slow_primary_loses(lab):
    """S4.25: a primary that takes seconds loses, and the counters say so."""
    first, _ = world(lab)
    first.set(delay=1500000)
    state = lab.path("state-slow")
    connects_by(lab, "p1", PATH_MS + LINE_MS, state=state)
    counters = lab.counters(state)
    check(counters["several_interfaces"] >= 1 and counters["won_on_other_interface"] >= 1, counters)


def prohibited_interface_carries_nothing(lab):
    """S4.11, by name."""
    first, second = world(lab)
    first.cut()
    with second.capture() as capture:
        run = probe(lab, "--prohibit", "interface=p1", timeout="1500ms")
    check(run.code == 3, run.text)
    check(not traffic(capture), capture.packets)


def prohibited_type_carries_nothing(lab):
    """S4.11, by type: which type an interface has, the policy file says."""
    first, second = world(lab)
    first.cut()
    lab.write_policy("interface p1 type cellular cost 100 metered\n")
    with second.capture() as capture:
        run = probe(lab, "--prohibit", "interface=cellular", timeout="1500ms")
    check(run.code == 3, run.text)
    check(not traffic(capture), capture.packets)
    check("cellular" in run.text, run.text)
    # The same line without the prohibition goes there: it was that which kept it.
    connects_by(lab, "p1", METERED_MS + LINE_MS)


def policy_prohibits(lab):
    """S4.22: the policy alone, without a word of the program."""
    first, second = world(lab)
    first.cut()
    lab.write_policy("interface p1 type cellular\nprohibit type cellular\n")
    with second.capture() as capture:
        run = probe(lab, timeout="1500ms")
    check(run.code == 3 and not traffic(capture), f"{capture.packets}\n{run.text}")
    check("policy" in run.text and "cellular" in run.text, run.text)


def preferred_interface_goes_first(lab):
    """S4.21: what the program asks for alters the tree."""
    first, second = world(lab)

    def attempt():
        with first.capture() as capture:
            run = probe(lab, "--prefer", "interface=p1")
        check(run.code == 0, run.text)
        run.first = traffic(capture)
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS)
    check(run.established["path"]["interface"] == "p1" and not run.first, f"{run.first}\n{run.text}")
    check(second.command("stats")["entered"][0] > 0, "nothing went there")


def begin(lab, first, *options):
    """A probe that hangs: its first SYN is out on p0 and vanished."""
    first.rule("hole", "ab", "proto=tcp", "drop")
    process = lab.client.command(lab.tool, "probe", "--json", "--bare", "--tls", "--timeout", "20s", *options,
                                 f"{NAME}:443", state=lab.fresh())
    first.wait_hit("hole")
    return process


def finish(process):
    check(process.wait() == 0, process.transcript())
    return Run(process)


def interface_comes_in_mid_race(lab):
    """S4.23: a second interface comes up while the first one's attempt hangs: its branch is added and wins."""
    first, _ = world(lab)
    lab.client.ip("link set p1 down")

    def attempt():
        process = begin(lab, first)
        came = lab.now_ms()
        lab.client.ip("link set p1 up", "route add default via 10.0.1.2 dev p1 metric 101")
        run = finish(process)
        run.took = run.winner()["end_us"] / 1000 - came
        first.unrule("hole")
        lab.client.ip("link set p1 down")
        return run

    # The head start of the path before it counts from when that one began.
    run = lab.within(attempt, PATH_MS + LINE_MS + MARGIN_MS, lambda run: run.took)
    check(run.winner()["path"]["interface"] == "p1", run.text)


def interface_goes_in_mid_race(lab):
    """The first one goes away while its attempt hangs: that has failed, and the next one starts at once."""
    first, _ = world(lab)

    def attempt():
        process = begin(lab, first)
        went = lab.now_ms()
        lab.client.ip("link set p0 down")
        run = finish(process)
        run.took = run.winner()["end_us"] / 1000 - went
        first.unrule("hole")
        lab.client.ip("link set p0 up", "route add default via 10.0.0.2 dev p0 metric 100")
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS, lambda run: run.took)
    check(run.winner()["path"]["interface"] == "p1", run.text)
    failed = [a for a in run.attempts if a["path"]["interface"] == "p0" and a["outcome"] != "skipped"]
    check(failed and failed[0]["outcome"] == "failed" and failed[0]["reason"], run.text)


def an_address_that_names_its_interface(lab):
    """S4.9: @interface is kept, also where the system would go elsewhere."""
    first, _ = world(lab)

    def attempt():
        with first.capture() as capture:
            run = lab.client.hawser("probe", "--json", "--bare", "--tls", f"{NAME}:443@p1")
        check(run.code == 0 and not traffic(capture), f"{traffic(capture)}\n{run.text}")
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS)
    check(run.established["path"]["interface"] == "p1", run.text)


def dead_addresses_and_a_dead_interface(lab):
    """Both at once: the tree's timers are their own."""
    first, second = world(lab, v4=[1, 2])
    first.cut()
    second.rule("hole", "ab", f"dst={lab.V4.format(1)}", "drop")
    run = connects_by(lab, "p1", PATH_MS + STAGGER_MS + LINE_MS)
    check(lab.V4.format(2) in run.established["path"]["remote"], run.text)


if __name__ == "__main__":
    start(first_interface_is_enough, first_interface_dead, first_interface_without_a_way, slow_primary_loses,
          prohibited_interface_carries_nothing, prohibited_type_carries_nothing, policy_prohibits,
          preferred_interface_goes_first, interface_comes_in_mid_race, interface_goes_in_mid_race,
          an_address_that_names_its_interface, dead_addresses_and_a_dead_interface)
