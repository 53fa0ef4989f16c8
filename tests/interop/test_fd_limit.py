#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A listener that has run out of descriptors goes on serving those who are in, does not turn round in a circle, and takes
others as soon as it can."""

import resource
import socket
import time

from harness import DEADLINE, check, poll, run

LIMIT = 40


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def test_fd_limit(world):
    listener = world.listener("--echo", "--timeout", "60s", limits=few_descriptors)
    inside = world.hawser("ping", "--json", "--count", "0", "--interval", "20ms",
                          f"{listener.name}@{listener.endpoint}")
    inside.event("reply")
    crowd = [socket.create_connection(listener.address, timeout=DEADLINE) for _ in range(2 * LIMIT)]
    poll(lambda: listener.descriptors() >= LIMIT - 2, "its descriptors to run out")

    used, began = listener.processor_time(), time.monotonic()
    seen = inside.count("reply")
    inside.event("reply", after=seen + 50)  # those who are in are served
    used, elapsed = listener.processor_time() - used, time.monotonic() - began
    check(used <= 0.5 * elapsed, f"the listener used {used:.2f} s of processor time in {elapsed:.2f} s")
    check(listener.alive(), listener.transcript())

    for connection in crowd:
        connection.close()
    world.ping(listener)  # and others again
    seen = inside.count("reply")
    inside.event("reply", after=seen)
    check(listener.end() == 0, listener.transcript())


if __name__ == "__main__":
    run(test_fd_limit)
