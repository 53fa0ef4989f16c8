#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The emulator's links: what they are said to do to packets is what numbered datagrams of plain UDP sockets meet.

Bounds on time are one-sided where a busy machine makes them longer; what a seed decides is exact."""

from lab import Host, Lab, check, skip, start
from probe import probe

RTT_MS = 20.0
LATE_MS = 30.0  # of processes and the emulator, on a machine with others


class Quiet(Lab):
    """Without the servers and certificates of others."""

    def certificates(self):
        with open(self.authority, "w", encoding="ascii"):
            pass

    def one_link(self, rtt_ms=RTT_MS):
        self.client, self.server = Host(self, "client"), Host(self, "server")
        return self.path_between(0, rtt_ms)


def delay(lab):
    link = lab.one_link()
    link.set(delay=40000)
    for address in ("10.0.0.2", "2001:db8:0::2"):
        probed = lab.within(lambda: probe(lab, count=20, every_us=5000, address=address), 40 + LATE_MS, lambda p: p.delay_ms(0.5))
        check(not probed.lost and probed.delay_ms(0) >= 40, f"{probed.lost} {probed.delay_ms(0)}")
    link.set("ab", delay=5000)
    back = probe(lab, count=20, every_us=5000, backward=True)
    forth = lab.within(lambda: probe(lab, count=20, every_us=5000), 5 + LATE_MS, lambda p: p.delay_ms(0.5))
    check(back.delay_ms(0) >= 40 and forth.delay_ms(0) >= 5, "each direction has a delay of its own")


def rate(lab):
    """A burst of datagrams comes out at the rate, each held until its last bit is sent."""
    link = lab.one_link()
    link.set("ab", rate=4e6)
    count, size = 200, 1000
    wanted_ms = (count - 1) * (size + 28) * 8 / 4e6 * 1000
    probed = lab.within(lambda: probe(lab, count=count, size=size), wanted_ms * 1.1, lambda p: p.span_ms)
    check(not probed.lost and probed.span_ms >= wanted_ms * 0.95, f"{probed.span_ms} ms instead of {wanted_ms}")


def queue(lab):
    """What the queue does not hold is dropped, and what it holds waits as long as it is."""
    link = lab.one_link()
    link.set("ab", rate=2e6, queue=20 * 1028)
    probed = lab.within(lambda: probe(lab, count=100, size=1000), 21 * 1028 * 8 / 2e6 * 1000 + RTT_MS / 2 + LATE_MS,
                        lambda p: p.delay_ms(1))
    # The burst takes some time to be sent, in which the queue empties.
    check(19 <= len(probed.came) <= 60 and probed.came[:19] == list(range(19)), probed.came)
    check(probed.delay_ms(1) >= 15 * 1028 * 8 / 2e6 * 1000, "the last of the queue waited for nothing")


def loss(lab):
    link = lab.one_link()
    link.set("ab", loss=0.05)
    link.command("seed", 7)
    first = probe(lab, count=4000, every_us=100)
    share = len(first.lost) / 4000
    check(0.035 <= share <= 0.065, f"{share} instead of 0.05")
    runs = bursts(first.lost)
    check(sum(runs) / len(runs) < 1.25, f"single losses are not in bursts: {runs}")
    link.command("seed", 7)
    again = probe(lab, count=4000, every_us=100)
    check(first.lost == again.lost, "the same seed did not lose the same packets")
    link.command("seed", 8)
    check(probe(lab, count=4000, every_us=100).lost != first.lost, "another seed lost the same packets")
    check(not probe(lab, count=300, every_us=100, backward=True).lost, "the other direction loses too")


def bursts(lost):
    """How long the runs of numbers are."""
    runs, last = [], None
    for number in lost:
        if last is not None and number == last + 1:
            runs[-1] += 1
        else:
            runs.append(1)
        last = number
    return runs


def loss_in_bursts(lab):
    link = lab.one_link()
    link.set("ab", burst="0.05:8")
    link.command("seed", 3)
    first = probe(lab, count=8000, every_us=100)
    runs = bursts(first.lost)
    share, length = len(first.lost) / 8000, sum(runs) / len(runs)
    check(0.03 <= share <= 0.075, f"{share} instead of 0.05")
    check(5.5 <= length <= 11, f"bursts of {length} packets instead of 8")
    link.command("seed", 3)
    check(probe(lab, count=8000, every_us=100).lost == first.lost, "the same seed did not lose the same packets")
    link.set("ab", burst="0:1")
    check(not probe(lab, count=500, every_us=100).lost, "it goes on losing")


def reordering(lab):
    link = lab.one_link()
    link.set("ab", reorder="0.1:30000")
    link.command("seed", 5)
    first = probe(lab, count=1000, every_us=1000)
    overtaken = sorted(set(range(1000)) - set(rising(first.came)))
    check(not first.lost and not first.doubled, f"{first.lost} {first.doubled}")
    check(50 <= len(overtaken) <= 150, f"{len(overtaken)} of 1000 were overtaken instead of about 100")
    check(all(first.delays_ms[n] >= RTT_MS / 2 + 30 for n in overtaken), "one was overtaken that was not late")
    link.command("seed", 5)
    again = probe(lab, count=1000, every_us=1000)
    check(all(again.delays_ms[n] >= RTT_MS / 2 + 30 for n in overtaken), "the same seed held back others")


def rising(numbers):
    """Those that come after all the lower ones that came before."""
    most, found = -1, []
    for number in numbers:
        if number > most:
            most = number
            found.append(number)
    return found


def blackhole_by_direction(lab):
    link = lab.one_link()
    link.cut("ab")
    check(not probe(lab, count=10).came, "what is cut carries")
    check(not probe(lab, count=10, backward=True).lost, "the other direction is cut too")
    link.uncut("ab")
    check(not probe(lab, count=10).lost, "it stayed cut")
    link.cut()
    check(not probe(lab, count=10).came and not probe(lab, count=10, backward=True).came, "a cut link carries")
    link.uncut()
    check(not probe(lab, count=10).lost and not probe(lab, count=10, backward=True).lost, "it stayed cut")


def a_cut_takes_what_is_under_way(lab):
    link = lab.one_link(rtt_ms=400)
    probed = probe(lab, count=10, sent=link.cut)
    check(not probed.came, f"{probed.came} arrived after the cut")


def carrier_is_told(lab):
    """The kernels of the ends that lose it know, and routes go; the other end is not told."""
    link = lab.one_link()

    def state(host, device):
        process = host.command("cat", f"/sys/class/net/{device}/carrier")
        process.wait()
        return process.output.strip()

    def mounted():
        return lab.client.command("mount", "-t", "sysfs", "lab", "/sys").wait() == 0 and \
            lab.server.command("mount", "-t", "sysfs", "lab", "/sys").wait() == 0

    if not mounted():
        skip("the hosts cannot have a /sys of their own")
    link.carrier("ab", False)
    check(state(lab.client, "p0") == b"0" and state(lab.server, "c0") == b"1", "the carrier of the left alone was lost")
    check(not probe(lab, count=5, backward=True).came, "without a carrier something comes in")
    link.carrier("ab", True)
    check(state(lab.client, "p0") == b"1" and not probe(lab, count=5).lost, "the carrier did not return")


def translation_and_rebinding(lab):
    link = lab.one_link()
    link.nat("10.0.0.77")
    first = probe(lab, count=5)
    check({source for source, _ in first.sources} == {"10.0.0.77"} and len(first.sources) == 1, first.sources)
    second = probe(lab, count=10, every_us=20000, after=(4, link.rebind))
    ports = [port for _, port in second.sources]
    check(len(set(ports)) == 2 and not second.lost, f"one rebinding, and two ports: {second.sources}")


def wrong_words_are_refused(lab):
    link = lab.one_link()
    for words in ("loss=2", "loss=-1", "burst=1:4", "burst=0.5:0", "burst=0.9:1", "burst=x", "reorder=0.5", "reorder=2:1000",
                  "reorder=0.1:-5", "colour=red"):
        answer = lab.emulator.refused(f"set {link.name} ab {words}")
        check("reorder" in answer, answer)
    check(not probe(lab, count=200).lost, "a refused word left something behind")
    check(lab.emulator.refused(f"cut {link.name} up") == "no direction", "a direction that is none was taken")


if __name__ == "__main__":
    start(delay, rate, queue, loss, loss_in_bursts, reordering, blackhole_by_direction, a_cut_takes_what_is_under_way,
          carrier_is_told, translation_and_rebinding, wrong_words_are_refused, make=Quiet)
