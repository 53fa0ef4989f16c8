#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proxies that refuse, hang, or answer for a peer that they cannot reach (S4.18, S4.24, S4.27)."""

from lab import MARGIN_MS, PROXY_MS, RTT_MS, STAGGER_MS, check, start

NAME = "www.lab.example"
LINE_MS = 2 * RTT_MS
SOCKS_MS, CONNECT_MS = 3 * RTT_MS, 2 * RTT_MS  # TCP's round trip and the proxy's own


def world(lab, kind):
    link = lab.two_hosts()
    lab.host_name(v4=[1])
    lab.server.write("hosts", f"{lab.V4.format(1)} {NAME}\n")  # where a proxy looks
    lab.serve_all(numbers=(1,))
    lab.serve(lab.V4.format(3), 1080, kind=kind)
    return link, lab.V4.format(3)


def probe(lab, *options, timeout="8s"):
    return lab.client.hawser("probe", "--json", "--bare", "--tls", "--timeout", timeout, *options, f"{NAME}:443")


def ended_ms(run):
    return (max(a["end_us"] for a in run.attempts) - min(a["start_us"] for a in run.attempts)) / 1000


def refused(lab, url, bound_ms, layer):
    """Demanded: it fails when the proxy has refused, and says so."""
    _, proxy = world(lab, "refuse-proxy")

    def attempt():
        run = probe(lab, "--proxy", url.format(proxy))
        check(run.code == 3, f"exit code {run.code}\n{run.text}")
        return run

    run = lab.within(attempt, bound_ms + MARGIN_MS, ended_ms)
    failed = [a for a in run.attempts if a["outcome"] == "failed"]
    check(failed and failed[0]["layer"] == layer and failed[0]["reached"] == "tcp", run.text)
    words = failed[0]["reason"].lower()
    check("proxy" in words or "not allowed" in words or "403" in words, failed)


def socks5_refuses(lab):
    refused(lab, "socks5://{}:1080", SOCKS_MS, "socks5")


def http_connect_refuses(lab):
    refused(lab, "http://{}:1080", CONNECT_MS, "http-connect")


def preferred_proxy_refuses(lab):
    """Preferred: the direct way starts when the proxy has refused, at once."""
    _, proxy = world(lab, "refuse-proxy")

    def attempt():
        run = probe(lab, "--prefer", f"proxy=socks5://{proxy}:1080")
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, SOCKS_MS + LINE_MS + MARGIN_MS)
    check(run.winner()["stack"] == "tls/tcp", run.text)


def preferred_proxy_hangs(lab):
    """A captive proxy that accepts TCP and says nothing loses against the direct way, which lets a preferred one go
    ahead for a while (S4.27)."""
    _, proxy = world(lab, "silent")

    def attempt():
        run = probe(lab, "--prefer", f"proxy=http://{proxy}:1080")
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, RTT_MS + PROXY_MS + LINE_MS + MARGIN_MS)
    check(run.winner()["stack"] == "tls/tcp", run.text)
    lost = [a for a in run.attempts if "http-connect" in a["stack"]]
    check(lost and lost[0]["outcome"] == "lost" and lost[0]["reached"] == "tcp", run.text)
    lab.connections()


def raced_proxy_hangs(lab):
    """The same of a proxy that the policy lets race: it ranks after the direct way, also while the name's address is not
    known yet and its own is."""
    _, proxy = world(lab, "silent")
    lab.write_policy(f"proxy http://{proxy}:1080 race\n")

    def attempt():
        run = probe(lab)
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, LINE_MS + MARGIN_MS)
    check(run.winner()["stack"] == "tls/tcp", run.text)


def raced_proxy_wins(lab):
    """Where the direct way is blocked, the proxy that races is the way (S4.18)."""
    link, proxy = world(lab, "connect")
    lab.write_policy(f"proxy http://{proxy}:1080 race\n")
    link.rule("wall", "ab", f"dst={lab.V4.format(1)}", "drop")

    def attempt():
        run = probe(lab)
        check(run.code == 0, run.text)
        return run

    run = lab.within(attempt, STAGGER_MS + CONNECT_MS + LINE_MS + MARGIN_MS)
    check(run.winner()["stack"] == "tls/http-connect/tcp", run.text)


def proxy_that_works(lab):
    """Demanded: everything goes through it, and nothing goes past it."""
    link, proxy = world(lab, "connect")

    def attempt():
        with link.capture() as capture:
            run = probe(lab, "--proxy", f"http://{proxy}:1080")
        check(run.code == 0, run.text)
        run.past = [p for p in capture.packets if p.protocol == "tcp" and proxy not in (p.source, p.destination)]
        return run

    run = lab.within(attempt, CONNECT_MS + LINE_MS + MARGIN_MS)
    check(run.established["stack"] == "tls/http-connect/tcp" and not run.past, f"{run.past}\n{run.text}")


def proxy_of_the_policy(lab):
    """S4.22, S4.24: the policy file alone puts a proxy on the way, and the counters say that it did."""
    _, proxy = world(lab, "connect")
    lab.write_policy(f"proxy http://{proxy}:1080 require\n")
    state = lab.fresh()
    run = lab.client.hawser("probe", "--json", "--bare", "--tls", f"{NAME}:443", state=state)
    check(run.code == 0 and run.established["stack"] == "tls/http-connect/tcp", run.text)
    counters = lab.counters(state)
    check(counters["stack_by_policy"] == 1 and counters["stack_by_client"] == 0, counters)


def gateway_answers_for_the_peer(lab):
    """S4.27: behind the first address somebody answers 502 in the peer's place. The first exchange is part of the race
    (a framer says so), so that the second address wins."""
    lab.two_hosts()
    lab.host_name(v4=[1, 2])
    lab.serve(lab.V4.format(1), 80, kind="gateway")
    lab.serve(lab.V4.format(2), 80, kind="http")

    def attempt():
        run = lab.client.hawser("fetch", "--json", "--fail", f"http://{NAME}/")
        check(run.code == 0 and run.event("fetched")["status"] == 200, run.text)
        return run

    # Each address: TCP's round trip and the exchange's.
    run = lab.within(attempt, LINE_MS + LINE_MS + MARGIN_MS)
    failed = run.to(lab.V4.format(1))[0]
    check(failed["outcome"] == "failed" and "502" in failed["reason"], failed)
    check(lab.V4.format(2) in run.winner()["path"]["remote"], run.text)


if __name__ == "__main__":
    start(socks5_refuses, http_connect_refuses, preferred_proxy_refuses, preferred_proxy_hangs, raced_proxy_hangs,
          raced_proxy_wins, proxy_that_works, proxy_of_the_policy, gateway_answers_for_the_peer)
