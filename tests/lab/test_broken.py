#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Broken networks: each test breaks one thing, and the tool connects (or fails) within a bound that is said in round
trips and staggers, and says in its report what was wrong.

A line takes 2 round trips: TCP's and TLS's. Happy Eyeballs' constants are lab.py's STAGGER_MS and RESOLUTION_MS."""

from lab import MARGIN_MS, RESOLUTION_MS, RTT_MS, STAGGER_MS, check, start

NAME = "www.lab.example"
LINE_MS = 2 * RTT_MS
EARLY_MS = 3.0  # how far clocks of two kinds may differ


def probe(lab, *options, name=NAME, timeout="8s"):
    return lab.client.hawser("probe", "--json", "--bare", "--tls", "--timeout", timeout, *options, f"{name}:443")


def connects(lab, bound_ms, *options, by=None, **how):
    """A probe that connects within that bound plus MARGIN_MS; by: the address that wins."""
    def attempt():
        run = probe(lab, *options, **how)
        check(run.code == 0, f"no connection\n{run.text}")
        return run

    run = lab.within(attempt, bound_ms + MARGIN_MS)
    if by:
        check(by in run.winner()["path"]["remote"], f"not by {by}\n{run.text}")
    return run


def started_after(run, first, second, least_ms):
    """The second address's attempt did not begin earlier than that after the first's."""
    apart = (run.to(second)[0]["start_us"] - run.to(first)[0]["start_us"]) / 1000
    check(apart >= least_ms - EARLY_MS, f"{second} came {apart:.1f} ms after {first}\n{run.text}")


def says(attempt, *words):
    text = attempt["reason"].lower()
    check(any(word in text for word in words), f"the reason names none of {words}: {attempt}")


def told_after(run):
    """Milliseconds from the begin until a failure was told."""
    return (run.event("closed")["time_us"] - run.event("report")["report"]["start_us"]) / 1000


# -------------------------------------------------------------------------------------------------------- addresses


def nothing_is_broken(lab):
    """The first address works: two round trips, and no second SYN (S4.20)."""
    link = lab.two_hosts()
    lab.host_name(v4=[1, 2], v6=[1, 2])
    lab.serve_all()
    with link.capture() as capture:
        run = connects(lab, LINE_MS, by=lab.V6.format(1))
    check(len(capture.syns()) == 1 + lab.repeated, capture.syns())
    check(all(a["outcome"] in ("won", "skipped") for a in run.attempts), run.text)


def first_address_blackholed(lab):
    """S4.15: by the second address after one stagger, not after a timeout of TCP's."""
    link = lab.two_hosts()
    lab.host_name(v6=[1, 2])
    lab.serve_all()
    first, second = lab.V6.format(1), lab.V6.format(2)
    link.rule("hole", "ab", f"dst={first}", "drop")
    run = connects(lab, STAGGER_MS + LINE_MS, by=second)
    started_after(run, first, second, STAGGER_MS)
    check(run.to(first)[0]["outcome"] == "lost" and run.to(first)[0]["reached"] == "", run.text)


def three_addresses_blackholed(lab):
    link = lab.two_hosts()
    lab.host_name(v4=[1, 2, 3, 4])
    lab.serve_all()
    for number in (1, 2, 3):
        link.rule(f"hole{number}", "ab", f"dst={lab.V4.format(number)}", "drop")
    with link.capture() as capture:
        connects(lab, 3 * STAGGER_MS + LINE_MS, by=lab.V4.format(4))
    # S4.26: at least two attempts were under way at once.
    check(len({p.destination for p in capture.syns()}) == 4, capture.syns())


def ipv6_silently_broken(lab):
    link = lab.two_hosts()
    lab.host_name(v4=[1, 2], v6=[1, 2])
    lab.serve_all()
    link.rule("six", "both", "family=6", "drop")
    run = connects(lab, STAGGER_MS + LINE_MS, by=lab.V4.format(1))
    started_after(run, lab.V6.format(1), lab.V4.format(1), STAGGER_MS)


def all_addresses_dead(lab):
    """Nothing can be done: it ends at the deadline that was given, and says so of each."""
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    link.cut()

    def attempt():
        run = probe(lab, timeout="1500ms")
        check(run.code == 3, f"exit code {run.code}\n{run.text}")
        return run

    run = lab.within(attempt, 1500 + MARGIN_MS, told_after)
    check(len(run.attempts) == 2, run.text)
    for attempt in run.attempts:
        check(attempt["outcome"] == "failed", attempt)
        says(attempt, "time", "answer")


def refused_is_quick(lab):
    """A port where nobody listens: the next one at once, one round trip later."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V4.format(1))
    run = connects(lab, RTT_MS + LINE_MS, by=lab.V4.format(1))
    failed = run.to(lab.V6.format(1))[0]
    check(failed["outcome"] == "failed" and failed["layer"] == "tcp", failed)
    says(failed, "refused")


# ------------------------------------------------------------------------------------------------------------- names


def no_ipv6_addresses(lab):
    """AAAA answered as empty: no waiting at all."""
    lab.two_hosts()
    lab.host_name(v4=[1])
    lab.serve_all()
    connects(lab, LINE_MS, by=lab.V4.format(1))


def aaaa_never_answered(lab):
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", drop=True)
    run = connects(lab, RESOLUTION_MS + LINE_MS, by=lab.V4.format(1))
    first = run.winner()["start_us"]
    asked = [l for l in run.established.get("lookups", []) if l["question"] == "A"]
    if asked:
        check(first - asked[0]["end_us"] >= (RESOLUTION_MS - EARLY_MS) * 1000, f"AAAA was not waited for\n{run.text}")


def aaaa_a_little_late(lab):
    """Within the resolution delay IPv6 still goes first."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", delay=0.02)
    connects(lab, 20 + LINE_MS, by=lab.V6.format(1))


def aaaa_too_late(lab):
    """Beyond it IPv4 goes first, and IPv6 joins when it comes."""
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", delay=0.3)
    connects(lab, RESOLUTION_MS + LINE_MS, by=lab.V4.format(1))
    link.rule("four", "both", "family=4", "drop")
    # IPv4 begins at 50 ms and its stagger ends with 300 ms: about when AAAA comes.
    connects(lab, RESOLUTION_MS + STAGGER_MS + LINE_MS, by=lab.V6.format(1))


def a_slow(lab):
    """IPv6 needs not wait for IPv4's addresses."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "A", delay=2)
    connects(lab, LINE_MS, by=lab.V6.format(1))


def both_slow(lab):
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    for kind in ("A", "AAAA", "HTTPS"):
        lab.mind(NAME, kind, delay=0.3)
    connects(lab, 300 + LINE_MS, by=lab.V6.format(1))


def aaaa_fails(lab):
    """SERVFAIL for AAAA, as of broken servers: IPv4 at once, at the latest after the resolution delay."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", rcode=2)
    connects(lab, RESOLUTION_MS + LINE_MS, by=lab.V4.format(1))


def name_unknown(lab):
    """A name that does not exist: told at once, and as that."""
    lab.two_hosts()

    def attempt():
        run = probe(lab, name="nobody.lab.example")
        check(run.code == 3, f"exit code {run.code}\n{run.text}")
        return run

    run = lab.within(attempt, MARGIN_MS, told_after)
    check("nobody.lab.example" in run.event("closed")["reason"], run.text)


# ------------------------------------------------------------------------------------------------------ beyond TCP


def accepts_and_never_answers(lab):
    """S4.27: TCP is done, TLS never is. The loser is closed."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V6.format(1), kind="silent")
    lab.serve(lab.V4.format(1))
    # The stagger begins afresh when TCP is done, since now TLS is what is waited for.
    run = connects(lab, RTT_MS + STAGGER_MS + LINE_MS, by=lab.V4.format(1))
    lost = run.to(lab.V6.format(1))[0]
    check(lost["outcome"] == "lost" and lost["reached"] == "tcp", lost)
    silent = [c for c in lab.connections() if c["kind"] == "silent"]
    check(len(silent) == 1 + lab.repeated and all(c["ended"] in ("fin", "reset") for c in silent), silent)


def expired_certificate_first(lab):
    """The certificate counts: who shows an expired one has lost, and the next one starts at once."""
    lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V6.format(1), certificate="expired")
    lab.serve(lab.V4.format(1))
    run = connects(lab, LINE_MS + LINE_MS, by=lab.V4.format(1))
    failed = run.to(lab.V6.format(1))[0]
    check(failed["outcome"] == "failed" and failed["layer"] == "tls", failed)
    says(failed, "expired")
    check(run.established["peer"]["verification"] == "pki", run.text)
    lab.connections()


def reset_at_syn(lab):
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    link.rule("box", "ab", "family=6", "proto=tcp", "syn", "rst")
    run = connects(lab, RTT_MS + LINE_MS, by=lab.V4.format(1))
    says(run.to(lab.V6.format(1))[0], "refused", "reset")


def reset_at_first_data(lab):
    """A middlebox that lets TCP through and kills TLS's first message."""
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    link.rule("box", "ab", "family=6", "proto=tcp", "data", "rst")
    run = connects(lab, LINE_MS + LINE_MS, by=lab.V4.format(1))
    failed = run.to(lab.V6.format(1))[0]
    check(failed["outcome"] == "failed" and failed["reached"] == "tcp", failed)
    says(failed, "reset")


def udp_dropped(lab):
    """No UDP at all: TCP is not kept from connecting by it."""
    link = lab.two_hosts()
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    link.rule("udp", "both", "proto=udp", "drop")
    connects(lab, LINE_MS, by=lab.V6.format(1))


def name_server_behind_dropped_udp(lab):
    """No answer comes from the name server: it fails at the deadline, and says that it is the name."""
    link = lab.two_hosts()
    lab.client.write("resolv.conf", f"nameserver {lab.V4.format(4)}\n")
    link.rule("udp", "both", "proto=udp", "drop")

    def attempt():
        run = probe(lab, timeout="1s")
        check(run.code == 3, f"exit code {run.code}\n{run.text}")
        return run

    run = lab.within(attempt, 1000 + MARGIN_MS, told_after)
    closed = run.event("closed")
    check(NAME in closed["reason"] or "name" in closed["reason"], run.text)


def mptcp_stripped(lab):
    """Where a middlebox strips MPTCP the line stands as TCP, and is reported as what it became."""
    link = lab.two_hosts()
    lab.host_name(v4=[1])
    lab.serve_all()
    link.rule("strip", "both", "mptcp", "strip-mptcp")
    run = connects(lab, LINE_MS, "--stack", "tls/mptcp", by=lab.V4.format(1))
    check(run.established["stack"] == "tls/tcp", run.text)
    check(link.hits("strip") > 0, "there was no MPTCP to strip")


def mptcp_syn_dropped(lab):
    """Where SYNs with MPTCP vanish, plain TCP wins after a stagger."""
    link = lab.two_hosts()
    lab.host_name(v4=[1])
    lab.serve_all()
    link.rule("drop", "both", "syn", "mptcp", "drop")
    run = connects(lab, STAGGER_MS + LINE_MS, "--stack", "tls/mptcp,tls/tcp", by=lab.V4.format(1))
    check(run.established["stack"] == "tls/tcp" and run.winner()["stack"] == "tls/tcp", run.text)
    check(link.hits("drop") > 0, "there was no MPTCP to drop")


def mptcp_alone_and_its_syn_dropped(lab):
    """The same where MPTCP alone was named: not the kernel's three seconds."""
    link = lab.two_hosts()
    lab.host_name(v4=[1])
    lab.serve_all()
    link.rule("drop", "both", "syn", "mptcp", "drop")
    run = connects(lab, STAGGER_MS + LINE_MS, "--stack", "tls/mptcp", by=lab.V4.format(1))
    check(run.established["stack"] == "tls/tcp", run.text)


# --------------------------------------------------------------------------------------------------------- services


def service_with_a_dead_host(lab):
    """S4.16: an instance has two hosts, and the first is dead."""
    link = lab.two_hosts()
    lab.name("shop._https._tcp.lab.example", "SRV", "1 0 443 one.lab.example", "2 0 443 two.lab.example")
    lab.host_name("one.lab.example", v4=[1])
    lab.host_name("two.lab.example", v4=[2])
    lab.serve_all()
    link.rule("hole", "ab", f"dst={lab.V4.format(1)}", "drop")

    def attempt():
        run = lab.client.hawser("probe", "--json", "--bare", "--tls", "--trust", "any", "--timeout", "8s",
                                "shop._https._tcp.lab.example")
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, STAGGER_MS + LINE_MS + MARGIN_MS)
    check(lab.V4.format(2) in run.winner()["path"]["remote"], run.text)
    started_after(run, lab.V4.format(1), lab.V4.format(2), STAGGER_MS)


if __name__ == "__main__":
    start(nothing_is_broken, first_address_blackholed, three_addresses_blackholed, ipv6_silently_broken, all_addresses_dead,
          refused_is_quick, no_ipv6_addresses, aaaa_never_answered, aaaa_a_little_late, aaaa_too_late, a_slow, both_slow,
          aaaa_fails, name_unknown, accepts_and_never_answers, expired_certificate_first, reset_at_syn,
          reset_at_first_data, udp_dropped, name_server_behind_dropped_udp, mptcp_stripped, mptcp_syn_dropped,
          mptcp_alone_and_its_syn_dropped,
          service_with_a_dead_host)
