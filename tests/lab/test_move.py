#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A transfer of 100 MB goes on in another process on another host with another address (examples/move.c): the sender's end, the
receiver's, and both at once. The hash is right, the new holder needs no full handshake where a ticket goes along, and the old one
and a copy of the line get nowhere. With HAWSER_DEMO set it tells what it does: script/demo process. (S1.21, S1.32)"""

import hashlib
import os
import shutil
import signal

from lab import HERE, Host, Lab, check, poll, start

EXAMPLES = os.environ.get("HAWSER_EXAMPLES", os.path.join(HERE, "..", "..", "build", "examples"))
MOVE = os.path.abspath(os.path.join(EXAMPLES, "example_move"))
SIZE = int(os.environ.get("HAWSER_MOVE_SIZE", "100000000"))
RATE = 400e6


def tell(words):
    if os.environ.get("HAWSER_DEMO"):
        print(words, flush=True)


class Moving(Lab):
    """Four hosts: from each of two senders to each of two receivers there is a path, all of different subnets."""

    def __init__(self):
        super().__init__()
        self.ends, self.receivers, self.port = {}, [], 0

    def certificates(self):
        with open(self.authority, "w", encoding="ascii"):
            pass

    def four_hosts(self):
        self.ends = {name: Host(self, name) for name in ("left", "elsewhere", "right", "beyond")}
        for i, sender in enumerate(("left", "elsewhere")):
            for j, receiver in enumerate(("right", "beyond")):
                number, devices = 2 * i + j, (f"to{j}", f"from{i}")
                link = self.join(f"l{number}", self.ends[sender], self.ends[receiver], *devices)
                link.set(rate=RATE, delay=2000, queue=400000)
                for end, (host, device) in enumerate(zip((sender, receiver), devices), 1):
                    self.ends[host].ip(f"link set {device} multicast off addrgenmode none up",
                                       f"addr add 10.{number}.0.{end}/24 dev {device}")
        with open(self.path("in"), "wb") as file:
            file.write(os.urandom(SIZE))

    def run_on(self, host, *arguments):
        return self.ends[host].command(MOVE, *arguments, state=self.fresh())

    def receive(self, host):
        process = self.run_on(host, "receive", self.path("out"), self.path("receiver"), self.path("receivers-line"),
                              f"0.0.0.0:{self.port}")
        said(process, "listening")
        endpoint = next(line for line in text(process).splitlines() if line.startswith("listening")).split()[1]
        name, address = endpoint.split("@")
        self.port = int(address.rsplit(":", 1)[1])
        tell(f"{host:>10}: receives as {name[:11]}... on port {self.port}")
        self.receivers = [f"{name}@10.{number}.0.2:{self.port}" for number in (0, 2, 1, 3)]
        return process

    def send(self, host, line="senders-line"):
        tell(f"{host:>10}: {'goes on' if os.path.exists(self.path(line)) else 'sends'}, to any of "
             f"{', '.join(endpoint.split('@')[1] for endpoint in self.receivers)}")
        return self.run_on(host, "send", self.path("in"), self.path("sender"), self.path(line), *self.receivers)

    def came(self, share, process):
        """Waits until so much of the file has come."""
        wanted = SIZE * share

        def there():
            check(process.alive(), process.transcript())
            return os.path.exists(self.path("out")) and os.stat(self.path("out")).st_size >= wanted

        poll(there, f"{share} of the file to come")
        tell(f"            {os.stat(self.path('out')).st_size} of {SIZE} bytes are there")

    def check_file(self):
        sums = []
        for name in ("in", "out"):
            with open(self.path(name), "rb") as file:
                sums.append(hashlib.sha256(file.read()).hexdigest())
        check(sums[0] == sums[1], "what came is not what was sent")
        tell(f"            SHA-256 of what was sent and of what came: {sums[0]}")


def text(process):
    return process.output.decode()


def said(process, word):
    process.until(lambda: f"{word} " in text(process) or None, f"the word {word}")


def leaves(process):
    """Its line is in a file, and it ends."""
    process.process.send_signal(signal.SIGTERM)
    check(process.wait() == 0, process.transcript())
    check("moved " in text(process), process.transcript())
    tell(f"            a process wrote its line to a file and ended: {text(process).splitlines()[-1]}")


def ended(*processes):
    for process in processes:
        check(process.wait() == 0, process.transcript())
        check("done " in text(process), process.transcript())


def the_sender_moves(lab):
    lab.four_hosts()
    receiver = lab.receive("right")
    old = lab.send("left")
    lab.came(0.1, old)
    leaves(old)
    shutil.copy(lab.path("senders-line"), lab.path("copied-line"))
    check(os.stat(lab.path("out")).st_size < 0.9 * SIZE, "it was too late to prove anything")
    new = lab.send("elsewhere")
    said(new, "reached")
    check("reached by a short handshake" in text(new), new.transcript())
    copy = lab.send("left", line="copied-line")  # from where it was, while the new one is there
    tell("            a copy of that file is taken up, on the old host:")
    check(copy.wait() != 0 and "was moved to another process" in copy.transcript(), copy.transcript())
    tell(f"            refused: {copy.error_text().strip().split(': ', 1)[-1]}")
    ended(new, receiver)
    lab.check_file()


def the_receiver_moves(lab):
    lab.four_hosts()
    old = lab.receive("right")
    sender = lab.send("left")
    lab.came(0.2, sender)
    leaves(old)
    new = lab.receive("beyond")
    said(new, "reached")
    ended(sender, new)
    lab.check_file()


def both_move_at_once(lab):
    lab.four_hosts()
    receiver = lab.receive("right")
    sender = lab.send("left")
    lab.came(0.1, sender)
    leaves(sender)
    leaves(receiver)
    receiver = lab.receive("beyond")
    sender = lab.send("elsewhere")
    said(sender, "reached")
    lab.came(0.5, sender)
    leaves(receiver)  # and back
    leaves(sender)
    receiver = lab.receive("right")
    sender = lab.send("left")
    ended(sender, receiver)
    lab.check_file()


if __name__ == "__main__":
    start(the_sender_moves, the_receiver_moves, both_move_at_once, make=Moving)
