#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the tool says of messages that were not to come whole (S1.24, S1.27): the map of gaps of `listen --parts` is compared
with what came, byte by byte, over links that lose packets."""

import os
import random

from lab import check, start
from test_transports import listen, stacks

LOSSY = ["quic/udp", "dtls/udp", "sctp/dtls/udp"]
LOSS = 0.05
port = 4500


def content(size, seed):
    """No two places look alike, and nothing is 0: zeros are gaps."""
    return bytes(1 + byte % 255 for byte in random.Random(seed).randbytes(size))


def send_all(lab, stack, files, *options):
    """Sends the files; of each message the listener's `gaps` event, and the sender's."""
    store = lab.fresh()
    directory = lab.fresh()
    for name, data in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)
    global port
    port += 1
    listener, endpoint = listen(lab, "--parts", "--receive", store, port=port)
    run = lab.client.hawser("send", "--json", "--stack", stack, "--timeout", "30s", *options, endpoint,
                            *(os.path.join(directory, name) for name in files))
    maps = {}
    for event in run.events:
        if event["event"] != "acked":
            continue
        gaps = listener.event("gaps", where=lambda e, event=event: e["message"] == event["message"])
        check(gaps["missing"] == event.get("missing", 0), f"{stack}: {event} is not {gaps}")
        maps[os.path.basename(event["file"])] = gaps
    return run, maps, store


def compare(stack, gaps, store, data):
    """What was kept is the file, but for the gaps; they ascend, do not touch, and are what is missing."""
    with open(os.path.join(store, gaps["file"]), "rb") as file:
        kept = file.read()
    head = gaps["size"] - len(data)
    check(len(kept) == gaps["size"] and head > 0, f"{stack}: {len(kept)} bytes were kept of {gaps['size']}")
    at = missing = 0
    for gap in gaps["gaps"]:
        first, last = gap["offset"], gap["offset"] + gap["size"]
        check(gap["size"] > 0 and (first > at or at == 0) and last <= gaps["size"], f"{stack}: a gap out of place: {gaps}")
        whole = kept[max(at, head):first]
        check(whole == data[max(at, head) - head:max(first, head) - head] if first > head else True,
              f"{stack}: bytes {at} to {first} are others than were sent")
        check(not kept[first:last].strip(b"\0"), f"{stack}: there is something in the gap {gap}")
        missing += gap["size"]
        at = last
    check(kept[max(at, head):] == data[max(at, head) - head:], f"{stack}: the bytes from {at} on are others than were sent")
    check(missing == gaps["missing"], f"{stack}: {missing} bytes are in gaps: {gaps}")
    return missing


def usable(lab):
    return [stack for stack in stacks(lab) if stack in LOSSY]


def a_share_comes_whole(lab):
    """Of many messages at 0.95 at most one in twenty has gaps, and its map is true."""
    link = lab.two_hosts()
    files = {f"file-{i}": content(9000, i) for i in range(60)}
    for stack in usable(lab):
        link.set(loss=LOSS)
        run, maps, store = send_all(lab, stack, files, "--reliability", "0.95", "--deadline", "60s")
        link.set(loss=0)
        check(run.code == 0 and len(maps) == len(files), f"{stack}: {run.text}")
        torn = [name for name, data in files.items() if compare(stack, maps[name], store, data)]
        check(len(torn) <= 0.05 * len(files), f"{stack}: {len(torn)} of {len(files)} have gaps")
        print(f"{stack}: {len(torn)} of {len(files)} messages have gaps", flush=True)


def what_is_not_sent_again_is_a_gap(lab):
    """A file whose parts are sent once has about as much missing as the link loses."""
    link = lab.two_hosts()
    files = {"once": content(400000, 1)}
    for stack in usable(lab):
        link.set(loss=LOSS)
        run, maps, store = send_all(lab, stack, files, "--reliability", "resends=0")
        link.set(loss=0)
        check(run.code == 0 and len(maps) == 1, f"{stack}: {run.text}")
        missing = compare(stack, maps["once"], store, files["once"])
        check(0 < missing < 3 * LOSS * 400000, f"{stack}: {missing} bytes are missing")
        print(f"{stack}: {missing} bytes are missing in {len(maps['once']['gaps'])} gaps", flush=True)


def what_is_too_late_is_a_gap(lab):
    """4 Mbit take two seconds at 2 Mbit/s: at the deadline of one, what came counts, and the rest is a gap."""
    link = lab.two_hosts()
    files = {"late": content(500000, 2)}
    for stack in usable(lab):
        link.set(rate=2000000, queue=20000)
        run, maps, store = send_all(lab, stack, files, "--deadline", "1s")
        link.set(rate=0)
        check(len(maps) == 1, f"{stack}: {run.text}")
        missing = compare(stack, maps["late"], store, files["late"])
        check(0 < missing < 500000, f"{stack}: {missing} bytes are missing")
        print(f"{stack}: {missing} bytes are missing in {len(maps['late']['gaps'])} gaps", flush=True)


if __name__ == "__main__":
    start(a_share_comes_whole, what_is_not_sent_again_is_a_gap, what_is_too_late_is_a_gap)
