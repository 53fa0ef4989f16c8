# SPDX-License-Identifier: Apache-2.0
"""Two hosts with several paths between them, each a link and subnets of its own; what may happen to a path; and a stream of
numbered messages (lab-paths) over an association or the kernel's MPTCP, of which each arrival is noted.

Path N is device pN of the client (10.0.N.1, 2001:db8:N::1) and cN of the server (10.0.N.2, 2001:db8:N::2)."""

import os
import sys
import time

from lab import HERE, Commanded, Host, Lab, check, skip

PATHS = os.environ.get("HAWSER_LAB_PATHS", os.path.join(HERE, "..", "..", "build", "tests", "lab", "lab-paths"))
LEAST_QUEUE = 16 * 1500
NAME = "several.lab.example"


class Path:
    """One way between client and server, and what may happen to it."""

    def __init__(self, lab, number, rate=None, delay_ms=10.0, queue=None, loss=0.0, burst=None, reorder=None, family="46"):
        self.lab, self.number, self.family, self.place, self.apart = lab, number, family, 0, [None, None]
        self.devices = (f"p{number}", f"c{number}")
        self.link = lab.join(f"p{number}", lab.client, lab.server, *self.devices)
        self.set(rate=rate, delay_ms=delay_ms, queue=queue, loss=loss, burst=burst, reorder=reorder)
        for device, host in zip(self.devices, (lab.client, lab.server)):
            self._up(host, device)
        self.add_addresses()

    def _up(self, host, device):
        host.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", int("6" not in self.family))
        host.ip(f"link set {device} multicast off addrgenmode none up")

    def set(self, rate=None, delay_ms=None, queue=None, loss=None, burst=None, reorder=None):
        """rate in bits, delay of one direction, queue in bytes: with a rate, a round trip's worth where it is not given."""
        words = {"rate": rate, "loss": loss, "burst": burst, "reorder": reorder,
                 "delay": None if delay_ms is None else round(delay_ms * 1000)}
        if queue is None and rate and delay_ms is not None:
            queue = max(int(rate / 8 * 2 * delay_ms / 1000), LEAST_QUEUE)
        self.link.set(**{word: value for word, value in {**words, "queue": queue}.items() if value is not None})

    def address(self, end, family=4, place=None):
        """end: 1, the client's, or 2, the server's."""
        if place is None:
            place = self.apart[end - 1] or self.place
        return f"10.{place}.{self.number}.{end}" if family == 4 else f"2001:db8:{100 * place + self.number}::{end}"

    def _lines(self, end, verb, place):
        device, other = self.devices[end - 1], 3 - end
        if "4" in self.family:
            yield f"addr {verb} {self.address(end, 4, place)}/24 dev {device}"
        if "6" in self.family:
            yield f"addr {verb} {self.address(end, 6, place)}/64 dev {device}" + (" nodad" if verb == "add" else "")
        for family in self.family if verb == "add" and end == 1 else ():
            yield (f"route replace default via {self.address(other, int(family), place)} dev {device} "
                   f"metric {100 + self.number}")

    def add_addresses(self, ends=(1, 2), place=None):
        for end in ends:
            (self.lab.client, self.lab.server)[end - 1].ip(*self._lines(end, "add", place))

    def remove_addresses(self, ends=(1,), place=None):
        for end in ends:
            (self.lab.client, self.lab.server)[end - 1].ip(*self._lines(end, "del", place))

    def blackhole(self, direction="both"):
        """Packets vanish, and no end is told."""
        self.link.cut(direction)

    def restore(self, direction="both"):
        self.link.uncut(direction)

    def unplug(self, side="both"):
        """The cable is out: nothing passes, and the kernels of these ends know."""
        self.link.carrier(side, False)

    def plug(self, side="both"):
        self.link.carrier(side, True)
        if side != "ba":
            self.lab.client.ip(*(line for line in self._lines(1, "add", None) if line.startswith("route")))

    def reset(self, *words):
        """A middlebox answers each packet of TCP by RST to both ends, until unreset()."""
        self.link.rule("reset", "both", "proto=tcp", *words, "rst")

    def unreset(self):
        self.link.unrule("reset")

    def remove_device(self, end=1):
        """The device is no longer there; it lies on the shelf, with all that was set on it forgotten."""
        host = (self.lab.client, self.lab.server)[end - 1]
        host.ip(f"link set {self.devices[end - 1]} netns {self.lab.shelf().pid}")

    def return_device(self, end=1):
        host = (self.lab.client, self.lab.server)[end - 1]
        device = self.devices[end - 1]
        self.lab.on_shelf("ip", "link", "set", device, "netns", str(host.holder.pid))
        self._up(host, device)
        self.add_addresses((end,))

    def move(self, ends=(1, 2)):
        """These ends have other addresses at once: the new ones come, and the old ones go. One end alone moves once."""
        place = self.place + 1
        self.add_addresses(ends, place)
        self.remove_addresses(ends)
        if set(ends) == {1, 2}:
            self.place = place
            return
        for end, there in ((ends[0], self.place), (3 - ends[0], place)):  # each still finds the other
            lines = {"4": f"route replace 10.{there}.{self.number}.0/24 dev {self.devices[end - 1]}",
                     "6": f"route replace 2001:db8:{100 * there + self.number}::/64 dev {self.devices[end - 1]}"}
            (self.lab.client, self.lab.server)[end - 1].ip(*(lines[family] for family in self.family))
        self.apart[ends[0] - 1] = place

    def carried(self):
        """Packets that came through, forth and back."""
        return self.link.command("stats")["passed"]


class Several(Lab):
    """A lab whose hosts have several paths; without the servers and certificates of others."""

    def __init__(self):
        super().__init__()
        self.paths, self._shelf, self.names, self.named = [], None, None, ()

    def certificates(self):
        with open(self.authority, "w", encoding="ascii"):
            pass

    def two_hosts(self, *paths, seed=1):  # pylint: disable=arguments-differ,arguments-renamed
        """A path for each dict of what Path() takes."""
        self.client, self.server = Host(self, "client"), Host(self, "server")
        self.paths = [Path(self, number, **settings) for number, settings in enumerate(paths)]
        self.links = [path.link for path in self.paths]
        for number, link in enumerate(self.links):
            link.seed(100 * seed + number)
        self.write_policy("interface c* type ethernet\n")
        return self.paths

    def shelf(self):
        """A network namespace for devices that are not there."""
        if not self._shelf:
            self._shelf = Commanded(self, ["unshare", "-n", "sh", "-c", "echo '{\"ok\":true}'; exec cat"])
        return self._shelf

    def on_shelf(self, *argv):
        process = self.command("nsenter", "-t", str(self.shelf().pid), "-n", *argv)
        check(process.wait() == 0, process.transcript())

    def name_paths(self, name=NAME, ttl=1, families=(4, 6)):
        """The name leads to the server's addresses as they are now; the client's name server is its own, at 127.0.0.1."""
        if not self.names:
            self.names = self.client.commanded(sys.executable, os.path.join(HERE, "names.py"), "127.0.0.1")
        self.named = families
        for family, kind in ((4, "A"), (6, "AAAA")):
            found = [path.address(2, family) for path in self.paths if str(family) in path.family and family in families]
            self.name(name, kind, *found, ttl=ttl)
        return name

    def move(self, ends=(1, 2)):
        """All addresses of these ends change at once. When it began, in microseconds."""
        began = self.now_us()
        for path in self.paths:
            path.move(ends)
        if self.names:
            self.name_paths(families=self.named)
        return began

    def lose(self, *words):
        """What these words match vanishes on every path, until find_again()."""
        for path in self.paths:
            path.link.rule("lose", "both", *words, "drop")

    def find_again(self):
        for path in self.paths:
            path.link.unrule("lose")

    @staticmethod
    def passes(seconds):
        """Time passes, for what is to last that long."""
        time.sleep(seconds)

    def now_us(self):
        return int(self.now_ms() * 1000)

    def mptcp(self):
        """The kernels use all paths for connections of MPTCP to path 0's address."""
        if not os.path.exists("/proc/sys/net/mptcp/enabled"):
            skip("this kernel has no MPTCP")
        for host, lines in ((self.client, [f"mptcp endpoint add {path.address(1)} dev {path.devices[0]} subflow"
                                           for path in self.paths[1:]]), (self.server, [])):
            host.ip("mptcp limits set subflow 8 add_addr_accepted 8", *lines)


class Arrivals:
    """Which messages came when; times in microseconds."""

    def __init__(self, rows, count):
        """rows: (number, due, arrived, size), as they came; count: how many were sent."""
        self.rows, self.count = rows, count
        numbers = [row[0] for row in rows]
        self.missing = sorted(set(range(count)) - set(numbers))
        self.doubled = len(numbers) - len(set(numbers))
        self.bytes = sum(row[3] for row in rows)

    @classmethod
    def read(cls, path, count):
        with open(path, encoding="ascii") as file:
            return cls([tuple(map(int, line.split())) for line in file], count)

    def progress(self):
        """When the number up to which all is there grew: what a reader in order sees."""
        came, wanted, times = set(), 0, []
        for number, _, arrived, _ in self.rows:
            came.add(number)
            before = wanted
            while wanted in came:
                wanted += 1
            if wanted > before:
                times.append(arrived)
        return times

    @staticmethod
    def longest(times, since, until):
        """(length, begin) of the longest time without one of these, within [since, until]."""
        marks = [since, *(t for t in times if since < t < until), until]
        return max((b - a, a) for a, b in zip(marks, marks[1:]))

    def stall_ms(self, since=None, until=None):
        """The longest time without progress in order, from a time on (default: from the first arrival to the last)."""
        times = self.progress()
        return self.longest(times, since or times[0], until or times[-1])[0] / 1000

    def gap_ms(self, since=None, until=None):
        """The same without any arrival at all."""
        times = [row[2] for row in self.rows]
        return self.longest(times, since or times[0], until or times[-1])[0] / 1000

    def latency_ms(self, quantile, since=0):
        """From when a message was due until it came."""
        found = sorted((row[2] - row[1]) / 1000 for row in self.rows if row[1] >= since)
        return found[min(int(quantile * len(found)), len(found) - 1)]

    def goodput(self, since):
        """Bits a second from then on to the last arrival."""
        return self.bytes * 8e6 / (self.rows[-1][2] - since)

    def check(self):
        check(not self.missing, f"{len(self.missing)} of {self.count} messages did not come, from {self.missing[:1]} on")
        check(not self.doubled, f"{self.doubled} messages came twice")


class Flow:
    """A stream of numbered messages from client to server, established when it is made; end() gives its Arrivals.

    kind: hawser, mptcp or tcp. to: the address or name that is asked for; default: path 0's."""

    def __init__(self, lab, kind="hawser", to=None, listen=(), send=(), count=0, size=1000, every_us=1000, on="0.0.0.0:0"):
        self.lab, self.log, self.result, self.told = lab, os.path.join(lab.fresh(), "arrivals"), None, None
        program = os.path.abspath(PATHS)
        self.listener = lab.server.commanded(program, "listen", kind, on, f"log={self.log}", *listen)
        told = self.listener.first
        port = told["endpoint"].rsplit(":", 1)[1]
        name = f"{told['name']}@" if kind == "hawser" else ""
        self.sender = lab.client.commanded(program, "send", kind, f"{name}{to or lab.paths[0].address(2)}:{port}",
                                           f"count={count}", f"size={size}", f"every={every_us}", *send)
        self.established = self.sender.first
        self.began_us = self.established["established"]

    def strands(self):
        return self.sender.ask("strands")["strands"]

    def end(self, stop=True, timeout=60.0):
        if stop:
            self.sender.tell("stop")
        self.result = self.sender.answer(timeout)
        self.told = self.listener.answer(timeout)
        check(not self.result.get("failed"), f"{self.result}\n{self.sender.error_text()}\n{self.listener.error_text()}")
        check(self.told["wrong"] == 0, f"{self.told['wrong']} messages were not what was sent")
        arrivals = Arrivals.read(self.log, self.result["count"])
        arrivals.check()
        return arrivals

    def whole(self, timeout=120.0):
        """Of one with a count: waits until all is there."""
        return self.end(stop=False, timeout=timeout)

    def dispose(self):
        for process in (self.sender, self.listener):
            process.dispose()
