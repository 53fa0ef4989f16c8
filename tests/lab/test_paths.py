#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Associations over several paths: what a reader feels when a path dies, what all paths give together, what strands of
different transports do for each other, and what is said of paths.

The figures themselves are bench/paths.py's; here bounds are wide (a busy machine doubles them), and a run during which
the machine itself stood still is repeated. That nothing is lost, doubled or altered is checked in every run."""

import troubles as t
from lab import Capture, check, poll, skip, start
from several import NAME, Several

SLACK = 2.5  # of each aim
BLACKHOLE_MS, HANDOVER_MS, KNOWN_MS, ROTATION_MS = 150.0, 300.0, 60.0, 500.0
BULK = 12_000_000


def bounded(measure, bound_ms, what):
    """A measure that takes at most that long, SLACK given; one that took longer while the machine stood still is repeated."""
    for _ in range(t.REPEATS):
        late = []
        took = measure(lambda lab: late.append(lab.stall_ms()))
        if took <= bound_ms * SLACK:
            return
        check(max(late) > t.MACHINE_MS, f"{what}: {took:.0f} ms, where {bound_ms:.0f} are aimed at; the machine was at most "
              f"{max(late):.0f} ms late")
        print(f"repeated: {what} took {took:.0f} ms while the machine stood still for {max(late):.0f} ms", flush=True)
    skip(f"the machine stood still in each of {t.REPEATS} runs")


def stalls(how, events, bound_ms):
    for event in events:
        bounded(lambda done, event=event: t.stall(how, event, done), bound_ms, f"{how.name}, {event}")


def aggregate_survives_silence(_):
    for stack in ("tls/tcp", "quic/udp"):
        stalls(t.hawser("aggregate", stack), ("blackhole", "carrier"), BLACKHOLE_MS)


def interactive_survives_silence(_):
    for stack in ("tls/tcp", "quic/udp"):
        stalls(t.hawser("interactive", stack), ("blackhole", "carrier"), BLACKHOLE_MS)


def handover_survives_silence(_):
    for stack in ("tls/tcp", "quic/udp"):
        stalls(t.hawser("handover", stack), ("blackhole", "carrier"), HANDOVER_MS)


def what_is_known_costs_less(_):
    for policy in ("aggregate", "handover"):
        for stack in ("tls/tcp", "quic/udp"):
            stalls(t.hawser(policy, stack), ("address", "device") + (("reset",) if stack == "tls/tcp" else ()), KNOWN_MS)


def mixes(one, other):
    for order in ((one, other), (other, one)):
        stalls(t.mixed(*order), ("blackhole", "no-udp"), BLACKHOLE_MS)


def quic_beside_tls(_):
    mixes("quic/udp", "tls/tcp")


def mptcp_beside_quic(_):
    mixes("tls/mptcp", "quic/udp")


def sctp_beside_tls(_):
    mixes("sctp/dtls/udp", "tls/tcp")


def all_paths_die_in_turn(_):
    for stack in ("tls/tcp", "quic/udp"):
        how = t.hawser("aggregate", stack, strands=4)
        bounded(lambda done, how=how: t.rotation(how, done, turns=5, every=2.0), ROTATION_MS, f"{how.name}, rotation")


def both_ends_move_at_once(_):
    """The name is looked up anew: that is 1 s of its time to live, and what seeking costs."""
    for stack in ("tls/tcp", "quic/udp"):
        bounded(lambda done, stack=stack: t.moved(t.hawser("aggregate", stack), done), 1200.0, f"both ends move, {stack}")


def the_opener_moves(_):
    """The peer is where it was: that needs no name."""
    for stack in ("tls/tcp", "quic/udp"):
        bounded(lambda done, stack=stack: t.moved(t.hawser("aggregate", stack), done, (1,)), 200.0, f"the opener moves, {stack}")


def the_listener_moves(_):
    """It cannot say so, and the strands only fall silent: after two seconds of that it is sought by its name."""
    for stack in ("tls/tcp", "quic/udp"):
        bounded(lambda done, stack=stack: t.moved(t.hawser("aggregate", stack), done, (2,)), 5000.0,
                f"the listener moves, {stack}")


def a_path_is_taken_up_again(_):
    for event in ("blackhole", "carrier", "address", "device"):
        t.taken_up_again(t.hawser("aggregate"), event)


def both_paths_carry(_):
    """More than the better path alone could give, and each strand counts what it sent."""
    def measure(stack, profile, done):
        with t.hosts(profile) as lab:
            flow = t.hawser("aggregate", stack).flow(lab, count=BULK // t.BLOCK, size=t.BLOCK, every_us=0)
            arrivals = flow.whole()
            check(all(path.carried()[0] * 1500 > BULK / 20 for path in lab.paths), [path.carried() for path in lab.paths])
            sent = [strand["sent"] for strand in flow.result["strands"]]
            check(len(sent) == 2 and min(sent) > BULK / 20 and BULK <= sum(sent) < 1.3 * BULK, sent)
            done(lab)
            return 8e3 * BULK / arrivals.goodput(flow.began_us)

    for stack in ("tls/tcp", "quic/udp"):
        for profile in (t.EQUAL, t.UNEQUAL):
            alone = 8e3 * BULK / max(path["rate"] for path in profile)
            bounded(lambda done, stack=stack, profile=profile: measure(stack, profile, done), alone / SLACK,
                    f"{stack} over {profile}")


def a_slow_path_costs_nothing(_):
    """50 Mbit/s beside 1 Mbit/s with 800 ms of round trip: as fast as the good path alone."""
    def measure(done):
        return 8e3 * BULK / t.transfer(t.hawser("aggregate"), t.SLOW_SECOND, BULK, done)

    bounded(measure, 1.25 * 8e3 * BULK / 50e6 / SLACK, "beside a slow path")


def interactive_hides_loss(_):
    """Both paths lose 5 %: one that loses 5 % alone has its p99 where a resend comes."""
    def measure(how, profile, done):
        return t.latency(how, done, profile, seconds=8)

    for stack in ("quic/udp", "tls/tcp"):
        bounded(lambda done, stack=stack: measure(t.hawser("interactive", stack), t.LOSSY, done), 35.0, f"interactive, {stack}")


def other_families_on_each_path(_):
    """IPv6 alone on the first path, IPv4 alone on the second: both carry for one association, to which the other
    address is told."""
    with t.hosts([{"rate": 50e6, "family": "6"}, {"rate": 50e6, "family": "4"}]) as lab:
        how = t.hawser("aggregate")
        how.listen += ("also=0.0.0.0",)
        flow = how.flow(lab, to=lab.paths[1].address(2), count=BULK // t.BLOCK, size=t.BLOCK, every_us=0, on="[::]:0")
        flow.whole()
        strands = flow.result["strands"]
        check({s["interface"] for s in strands} == {"p0", "p1"} and all(s["sent"] > BULK / 20 for s in strands), strands)


def what_is_said_of_paths(_):
    """Properties are the lab's settings: RTT within 10 ms above (never below), loss within half of it, rate within
    a half, the rest exactly (S2.23)."""
    profile = [{"rate": 40e6, "delay_ms": 10, "loss": 0.02}, {"rate": 8e6, "delay_ms": 40}]
    with t.hosts(profile) as lab:
        flow = t.hawser("aggregate", "quic/udp").flow(lab, count=20_000_000 // t.BLOCK, size=t.BLOCK, every_us=0)
        flow.whole()
        lossy, slow = sorted(flow.result["strands"], key=lambda s: s["interface"])
        for told, path in ((lossy, profile[0]), (slow, profile[1])):
            rtt = 2000 * path["delay_ms"]
            check(rtt <= told["min_rtt_us"] <= rtt + 10000, f"min_rtt_us {told['min_rtt_us']} instead of {rtt}")
            check(told["type"] == "ethernet" and told["mtu"] in range(1200, 1501), told)
        check(10000 <= lossy["loss_ppm"] <= 30000, f"loss {lossy['loss_ppm']} instead of 20000")
        check(4e6 <= slow["rate"] <= 12e6, f"rate {slow['rate']} instead of 8e6")


def a_new_address_is_told_and_used(_):
    """The listener has another address on one path: it says so by the other, and is joined there (S3.36)."""
    with t.hosts(t.EQUAL) as lab:
        how = t.hawser("aggregate")
        flow = how.flow(lab)
        how.ready(flow)
        lab.paths[1].move((2,))
        poll(lambda: any(s["remote"].startswith(f"{lab.paths[1].address(2)}:") and s["state"] == "active" for s in flow.strands()),
             "a strand to the new address")
        flow.end()


def a_told_address_that_is_silent_gets_three_packets(_):
    """So a peer that tells somebody else's addresses harms nobody: no more than three, however long the line lives."""
    for stack in ("tls/tcp", "quic/udp"):
        with t.hosts(t.EQUAL) as lab:
            silent = lab.paths[1]
            silent.blackhole()
            with Capture(silent.link) as capture:
                flow = t.hawser("aggregate", stack, strands=1).flow(lab)
                lab.passes(8.0)
                flow.end()
            came = [packet for packet in capture.packets if packet.destination == silent.address(2)]
            check(1 <= len(came) <= 3, f"{stack}: {came}")


def a_standby_is_silent(_):
    """handover: the second path carries next to nothing while the first is good, and all when it is not (S5.26)."""
    for stack in ("tls/tcp", "quic/udp"):
        with t.hosts(t.EQUAL) as lab:
            how = t.hawser("handover", stack)
            flow = how.flow(lab)
            how.ready(flow)
            lab.passes(t.WARM)
            good = t.in_use(lab)
            other = [path for path in lab.paths if path is not good][0]
            before = [path.carried()[0] for path in (good, other)]
            lab.passes(1.0)
            now = [path.carried()[0] for path in (good, other)]
            check(now[0] - before[0] > 500 and now[1] - before[1] < 20, f"{before} {now}")
            good.blackhole()
            poll(lambda: other.carried()[0] > now[1] + 500, "the other path to carry")
            flow.end()


def lookups_lead_to_all_of_them(_):
    """Several addresses of one name are used in parallel (S3.14)."""
    with t.hosts(t.EQUAL) as lab:
        flow = t.hawser("aggregate").flow(lab, to=lab.name_paths(NAME))
        poll(lambda: {s["interface"] for s in flow.strands() if s["state"] == "active"} == {"p0", "p1"}, "two strands")
        flow.end()


if __name__ == "__main__":
    start(aggregate_survives_silence, interactive_survives_silence, handover_survives_silence, what_is_known_costs_less,
          quic_beside_tls, mptcp_beside_quic, sctp_beside_tls, all_paths_die_in_turn, both_ends_move_at_once, the_opener_moves, the_listener_moves,
          a_path_is_taken_up_again, both_paths_carry, a_slow_path_costs_nothing, interactive_hides_loss,
          other_families_on_each_path, what_is_said_of_paths, a_new_address_is_told_and_used,
          a_told_address_that_is_silent_gets_three_packets, a_standby_is_silent,
          lookups_lead_to_all_of_them, make=Several)
