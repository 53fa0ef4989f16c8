# SPDX-License-Identifier: Apache-2.0
"""The broken networks in which the tool is compared with curl: test_curl.py and bench/broken_networks.py.

Each is a function that breaks a lab of two hosts and one path; its first line says what is broken. The server is
www.lab.example:443, and speaks TLS."""

NAME = "www.lab.example"


def nothing(lab):
    """Nothing"""
    lab.host_name(v4=[1, 2], v6=[1, 2])
    lab.serve_all()


def first_blackholed(lab):
    """The first of two IPv6 addresses: no answer"""
    lab.host_name(v4=[1], v6=[1, 2])
    lab.serve_all()
    lab.link.rule("hole", "ab", f"dst={lab.V6.format(1)}", "drop")


def ipv6_broken(lab):
    """IPv6: silently"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.link.rule("six", "both", "family=6", "drop")


def ipv4_first_of_three(lab):
    """IPv4 alone; the first two of three addresses: no answer"""
    lab.host_name(v4=[1, 2, 3])
    lab.serve_all()
    lab.link.rule("one", "ab", f"dst={lab.V4.format(1)}", "drop")
    lab.link.rule("two", "ab", f"dst={lab.V4.format(2)}", "drop")


def refused_first(lab):
    """IPv6: nobody listens"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V4.format(1))


def aaaa_lost(lab):
    """AAAA: the name server never answers"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", drop=True)


def aaaa_late(lab):
    """AAAA: answered after 400 ms"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "AAAA", delay=0.4)


def a_late(lab):
    """A: answered after 400 ms"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.mind(NAME, "A", delay=0.4)


def tls_silent(lab):
    """IPv6: TCP accepts, TLS is never answered"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V6.format(1), kind="silent")
    lab.serve(lab.V4.format(1))


def expired_first(lab):
    """IPv6: the certificate has expired"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve(lab.V6.format(1), certificate="expired")
    lab.serve(lab.V4.format(1))


def reset_at_syn(lab):
    """IPv6: a middlebox resets each SYN"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.link.rule("box", "ab", "family=6", "proto=tcp", "syn", "rst")


def reset_at_data(lab):
    """IPv6: a middlebox resets at the first data"""
    lab.host_name(v4=[1], v6=[1])
    lab.serve_all()
    lab.link.rule("box", "ab", "family=6", "proto=tcp", "data", "rst")


SCENARIOS = [nothing, first_blackholed, ipv6_broken, ipv4_first_of_three, refused_first, aaaa_lost, aaaa_late, a_late,
             tls_silent, expired_first, reset_at_syn, reset_at_data]


def words(scenario):
    return scenario.__doc__


def curl_ms(lab, limit_s=8):
    """Time until TLS was done, or None with curl's own words."""
    process = lab.client.command("curl", "-sS", "-o", "/dev/null", "--max-time", str(limit_s), "-w", "%{time_appconnect}\n",
                                 f"https://{NAME}/")
    code = process.wait()
    if code != 0:
        return None, process.error_text().strip().splitlines()[0]
    return float(process.output) * 1000, ""


def hawser_ms(lab, state=None, limit_s=8):
    """The same of the tool, with what that directory remembers."""
    run = lab.client.hawser("probe", "--json", "--bare", "--tls", "--timeout", f"{limit_s}s", f"{NAME}:443", state=state)
    if run.code != 0:
        return None, run.event("closed")["reason"] if run.events else run.text
    return run.elapsed_ms, ""
