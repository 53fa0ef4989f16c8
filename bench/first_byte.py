#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""first_byte.py [--rounds N] [--build DIR] [--json]: how long a new process needs until the first byte of nginx's answer over
TLS (and, for plain TCP, until it is connected): hawser's client with everything on beside the shortest OpenSSL and
GnuTLS clients and a getaddrinfo() loop, over an emulated path. Runs in namespaces of its own, as the lab's tests do.

cold: nothing is remembered. warm: the client has been there, keeps what it keeps, and resumes its session.
process: from before the process is made; main: from main()."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from statistics import median

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "lab"))

NAME = "www.lab.example"
SYSTEM_TRUST = "/etc/ssl/certs/ca-certificates.crt"
PROGRAMS = {"first-byte": ["openssl", "gnutls", "hawser"], "connect": ["loop", "connect"]}
RTTS = [0, 20]  # ms; parts.py names the cases
NGINX = """
daemon off; user {user}; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{
        listen {v4}:443 ssl; listen [{v6}]:443 ssl; listen {v4}:80; listen [{v6}]:80;
        ssl_certificate {dir}/good.pem; ssl_certificate_key {dir}/good.key; ssl_protocols TLSv1.3;
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""


def options():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--rounds", type=int, default=15)
    a.add_argument("--build", default=os.path.join(HERE, "out", "build"), help="where the clients were built")
    a.add_argument("--only", action="append", help="first-byte or connect")
    a.add_argument("--json", action="store_true", help="every run, for script/bench")
    return a.parse_args()


def start_nginx(world):
    conf = world.path("nginx.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(NGINX.format(dir=world.directory, user="root", v4=world.V4.format(1), v6=world.V6.format(1)))
    os.chmod(world.directory, 0o755)
    world.nginx = world.server.command("nginx", "-c", conf)


def wait_for(world, build):
    """nginx has begun when a connection stands."""
    end = time.monotonic() + 10
    while one(world, build, "loop", "") is None:
        if time.monotonic() > end or not world.nginx.alive():
            sys.exit("nginx did not start: " + world.nginx.transcript())


def trust(world):
    """The system's own authorities and the lab's: each library reads them as it does by default."""
    with open(world.authority, "ab") as file, open(SYSTEM_TRUST, "rb") as system:
        file.write(system.read())
    hashed = world.path("hashed")
    os.mkdir(hashed)
    with open(world.path("authority.pem"), encoding="ascii") as whole, \
            open(os.path.join(hashed, "lab.pem"), "w", encoding="ascii") as alone:
        text = whole.read()
        alone.write(text[:text.index("-----END CERTIFICATE-----") + 26])
    subprocess.run(["openssl", "rehash", hashed], check=True)
    world.environment.pop("SSL_CERT_FILE", None)
    world.environment["SSL_CERT_DIR"] = f"{hashed}:/etc/ssl/certs"


def one(world, build, program, state):
    """One run's times in us, or None."""
    port = "80" if program in PROGRAMS["connect"] else "443"
    spawned = time.monotonic_ns() // 1000
    done = subprocess.run([os.path.join(build, "bench", "first_" + program), NAME, port, state], env=world.environment,
                          capture_output=True, check=False)
    if done.returncode != 0:
        world.complaint = f"{program}: {done.stderr.decode(errors='replace').strip()}"
        return None
    told = json.loads(done.stdout)
    return {"process": told["first_us"] - spawned, "main": told["first_us"] - told["began_us"],
            "resumed": told["resumed"]}


def state_of(world, program, warm):
    """Where it keeps its state: a file of the peers, a directory of ours."""
    ours = program in ("hawser", "connect")
    if warm:
        return world.path("warm-" + program)
    return world.fresh() if ours else ""


def measure(world, build, parts, rounds, rtt, tell):
    jobs = [(part, program, warm) for part in parts for program in PROGRAMS[part] for warm in (False, True)
            if os.path.exists(os.path.join(build, "bench", "first_" + program))]
    for _, program, warm in jobs:
        for _ in range(2):  # what is warm has been there; what is cold is in the page cache
            one(world, build, program, state_of(world, program, warm))
    for number in range(rounds):
        random.shuffle(jobs)
        for part, program, warm in jobs:
            world.stall_ms()
            told = one(world, build, program, state_of(world, program, warm))
            stalled = world.stall_ms()
            if told is None:
                tell({"failed": world.complaint})
            elif stalled > 10:
                tell({"stalled": stalled})
            else:
                tell({"part": part, "round": number, "program": program, "warm": warm, "rtt_ms": rtt, **told})


def inside(lab, conf):
    """In the client's namespaces: everything is started from there, so that nothing is entered while it is measured."""
    world = lab.Lab()
    runs, stalls, failures = [], 0, []

    def tell(what):
        nonlocal stalls
        if "stalled" in what:
            stalls += 1
        elif "failed" in what:
            failures.append(what["failed"])
        else:
            runs.append(what)

    try:
        trust(world)
        link = world.two_hosts(addresses=1)
        world.host_name(v4=[1], v6=[1])
        start_nginx(world)
        lab.join_host(world.client)
        wait_for(world, conf.build)
        for rtt in RTTS:
            link.set(delay=rtt * 500)
            measure(world, conf.build, conf.only or list(PROGRAMS), conf.rounds, rtt, tell)
    finally:
        world.close()
    return {"runs": runs, "stalled": stalls, "failures": failures}


def table(result):
    runs = result["runs"]
    for part, programs in PROGRAMS.items():
        print(f"\n{part}: median ms, and ours to theirs within the same round (least-greatest)")
        for rtt in RTTS:
            for warm in (False, True):
                for scope in ("process", "main"):
                    print(" ", line(runs, part, programs, rtt, warm, scope))
    print(f"\n{result['stalled']} runs did not count, since the machine stalled meanwhile.")
    for failure in sorted(set(result["failures"])):
        print(f"{result['failures'].count(failure)} failed: {failure}")


def line(runs, part, programs, rtt, warm, scope):
    def of(program):
        return {r["round"]: r[scope] for r in runs
                if (r["part"], r["program"], r["rtt_ms"], r["warm"]) == (part, program, rtt, warm)}

    words = [f"RTT {rtt:2} ms  {'warm' if warm else 'cold'}  {scope:7}"]
    ours = of(programs[-1])
    for program in programs:
        times = of(program)
        if times:
            words.append(f"{program} {median(times.values()) / 1000:.2f}")
    for program in programs[:-1]:
        theirs = of(program)
        ratios = [ours[n] / theirs[n] for n in ours if n in theirs]
        if ratios:
            words.append(f"to {program} {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    return "  ".join(words)


def main():
    conf = options()
    os.environ["HAWSER"] = os.path.join(conf.build, "hawser")
    os.environ["HAWSER_LAB_LINK"] = os.path.join(conf.build, "tests", "lab", "lab-link")
    if not shutil.which("nginx"):
        sys.exit("nginx is not installed")
    import lab  # pylint: disable=import-outside-toplevel  it reads the two above
    lab.enter()
    result = inside(lab, conf)
    if conf.json:
        print(json.dumps(result))
    else:
        table(result)


if __name__ == "__main__":
    main()
