#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""media.py [FILE [STACK]]: the picture of docs/stacks.md, media.svg: a timed flow of three layers (examples/media.c) between
two hosts of tests/lab. The way loses 3 % of the packets, in its second half some more in bursts, and holds some up.

HAWSER_MEDIA, HAWSER and HAWSER_LAB_LINK name the programs where they are not in build/."""

import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from lab import check, start  # noqa: E402 the path is ours

if len(sys.argv) > 1:  # the lab starts this program again, and takes words for names of tests
    os.environ["PICTURE"], os.environ["PICTURE_STACK"] = os.path.abspath(sys.argv[1]), (sys.argv[2:] or ["quic/udp"])[0]
    del sys.argv[1:]
FILE = os.environ.get("PICTURE", os.path.join(HERE, "media.svg"))
STACK = os.environ.get("PICTURE_STACK", "quic/udp")
MEDIA = os.path.abspath(os.environ.get("HAWSER_MEDIA", os.path.join(ROOT, "build", "examples", "example_media")))
WAY = f"{STACK}, 25 ms each way, 3 % of packets lost, in the second half 8 % in bursts and 5 % late"


def media(lab):
    link = lab.two_hosts(rtt_ms=50)
    link.seed(7)
    receiver = lab.server.command(MEDIA, "receive", FILE, f"{lab.V4.format(1)}:0", WAY)
    receiver.text(b"listening")
    endpoint = receiver.output.decode().split()[1]
    link.set(loss=0.03)
    worse = threading.Timer(1.4, lambda: link.set(burst="0.05:3", reorder="0.05:30000"))
    sender = lab.client.command(MEDIA, "send", endpoint, STACK, state=lab.fresh())
    worse.start()
    check(sender.wait() == 0, sender.transcript())
    check(receiver.wait() == 0, receiver.transcript())
    worse.join()
    print(receiver.output.decode().split("\n", 1)[1], end="", flush=True)


start(media)
