# SPDX-License-Identifier: Apache-2.0
"""Runs one measurement: a server process and a client process, by the contract in README.md."""
import json
import os
import select
import subprocess
import time

LIMIT_S = 150  # of one measurement; each program also ends itself


class Failed(Exception):
    """A run that does not count, with its reason."""


class Unsupported(Failed):
    """The program says that it has no such measurement."""


class Process:
    """A program whose standard output is read line by line, with a time limit."""

    def __init__(self, argv, cpus):
        self.rest = b""
        self.argv = argv
        pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      preexec_fn=pin)

    def line(self, until):
        """The next line, or None at the end of the output."""
        fd = self.popen.stdout.fileno()
        while b"\n" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise Failed(f"{self.argv[0]}: no answer in time")
            data = os.read(fd, 65536)
            if not data:
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def event(self, name, until):
        """The next event of this name; others are skipped."""
        while (line := self.line(until)) is not None:
            event = json.loads(line)
            if event.get("event") == "unsupported":
                raise Unsupported(event.get("reason", "unsupported"))
            if event.get("event") == name:
                return event
        code = self.popen.wait(timeout=5)
        words = self.popen.stderr.read().decode(errors="replace").strip().splitlines()
        raise Failed(f"{os.path.basename(self.argv[0])} ended with {code}: {words[-1] if words else 'no reason given'}")

    def end(self, grace):
        """Waits for the end of the process; past the grace it is killed."""
        try:
            self.popen.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
        self.popen.stderr.close()


def run(server_argv, client_argv, server_cpus=None, client_cpus=None):
    """Both sides' results, as (client, server)."""
    until = time.monotonic() + LIMIT_S
    server = Process(server_argv, server_cpus)
    client = None
    try:
        endpoint = server.event("listening", min(until, time.monotonic() + 20))["endpoint"]
        client = Process(client_argv + ["--endpoint", endpoint], client_cpus)
        result = client.event("result", until)
        answer = server.event("result", min(until, time.monotonic() + 20))
    except Failed:
        grace = 0
        raise
    else:
        grace = 10
    finally:
        if client:
            client.end(grace)
        server.end(grace)
    check(result, answer)
    return result, answer


def check(client, server):
    """Voids a run in which not everything arrived, or some set-ups were resumed and some not."""
    if client["what"] in ("oneway", "queue") and client["messages"] != server["messages"]:
        raise Failed(f"{client['messages']} messages were sent and {server['messages']} received")
    if client["messages"] == 0 and client["what"] != "urgent":
        raise Failed("no message was measured")
    if client["what"] == "setup" and client["resumed"] not in (0, client["messages"]):
        raise Failed(f"{client['resumed']} of {client['messages']} set-ups were resumed")


def figures(client, server):
    """What is judged, from both sides' results."""
    cpu_us = sum(side[f] for side in (client, server) for f in ("cpu_user_us", "cpu_system_us"))
    messages = max(client["messages"], 1)
    out = {
        "rate": client["messages"] / client["seconds"],
        "mb_s": client["bytes"] / client["seconds"] / 1e6,
        "cpu_s_gb": cpu_us / 1e6 / (max(client["bytes"], 1) / 1e9),
        "cpu_us": cpu_us / messages,
        "faults": (client["faults"] + server["faults"]) / messages,
        "memory_client": client["memory_bytes"] / messages,
        "memory_server": server["memory_bytes"] / max(server["messages"], 1),
        "resumed": client.get("resumed", 0) / messages,
    }
    for name in ("p50_us", "p99_us"):
        if name in client:
            out[name] = client[name]
    if "urgent" in server:
        out["urgent"] = server["urgent"]
    return out
