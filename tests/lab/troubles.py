# SPDX-License-Identifier: Apache-2.0
"""What a line over several paths is put through, and what that costs: for test_paths.py and bench/paths.py. Each measure makes
a lab of its own, so that none hears of another; times in milliseconds."""

import contextlib

from lab import check, poll
from several import Flow, Several

BLOCK = 65536  # bytes of a bulk message
WARM = 0.4  # seconds before something happens
AFTER = 2.5  # and until the flow is told to end
MACHINE_MS = 20.0  # a machine that stood still for longer explains what a run missed
REPEATS = 6

EQUAL = [{"rate": 50e6, "delay_ms": 10}] * 2
UNEQUAL = [{"rate": 50e6, "delay_ms": 10}, {"rate": 20e6, "delay_ms": 60}]
FOUR = [{"rate": 50e6, "delay_ms": 10}, {"rate": 20e6, "delay_ms": 60}, {"rate": 10e6, "delay_ms": 30},
        {"rate": 5e6, "delay_ms": 20}]
SLOW_SECOND = [{"rate": 50e6, "delay_ms": 10}, {"rate": 1e6, "delay_ms": 400}]
LOSSY = [{"rate": 50e6, "delay_ms": 10, "loss": 0.05}] * 2

EVENTS = {  # what happens to the path in use; how it is undone
    "blackhole": (lambda path: path.blackhole(), lambda path: path.restore()),
    "carrier": (lambda path: path.unplug(), lambda path: path.plug()),
    "address": (lambda path: path.remove_addresses(), lambda path: path.add_addresses((1,))),
    "device": (lambda path: path.remove_device(), lambda path: path.return_device()),
    "reset": (lambda path: path.reset(), lambda path: path.unreset()),
    "no-udp": (lambda path: path.lab.lose("proto=udp"), lambda path: path.lab.find_again()),
}


class How:
    """What carries the messages: an association, or the kernel."""

    def __init__(self, name, kind="hawser", send=(), listen=(), strands=2):
        self.name, self.kind, self.send, self.listen, self.strands = name, kind, tuple(send), tuple(listen), strands

    def flow(self, lab, **what):
        if self.kind == "mptcp":
            lab.mptcp()
        return Flow(lab, self.kind, send=self.send, listen=self.listen, **what)

    def ready(self, flow, wanted=None):
        """All the strands that there are to be are there."""
        wanted = wanted or self.strands
        if self.kind != "hawser" or wanted < 2:
            return

        def there():
            return len([s for s in flow.strands() if s["state"] in ("active", "standby")]) >= wanted
        poll(there, f"{wanted} strands")


def hawser(policy, stack=None, strands=2):
    stacks = [f"stack={stack}"] if stack else []
    return How(f"{policy}{' ' + stack if stack else ''}", send=[f"policy={policy}", "paths=all", *stacks], listen=stacks,
               strands=strands)


def mixed(one, other, policy="aggregate"):
    """A strand of one stack on path 0, and one of the other on path 1."""
    return How(f"{policy} {one} + {other}", listen=[f"stack={one},{other}"],
               send=[f"policy={policy}", f"stack={one},{other}", f"paths=p0={one},p1={other}"])


def single(stack=None):
    return How("single", send=[f"stack={stack}"] if stack else [], listen=[f"stack={stack}"] if stack else [], strands=1)


MPTCP = How("mptcp", "mptcp")
TCP = How("tcp", "tcp")


@contextlib.contextmanager
def hosts(profile, seed=1):
    lab = Several()
    try:
        lab.two_hosts(*profile, seed=seed)
        yield lab
    finally:
        lab.close()


class Counted:
    """Runs, repeated where the machine itself stood still meanwhile."""

    def __init__(self, tries=REPEATS):
        self.tries, self.repeated = tries, 0

    def run(self, measure):
        """measure(stalled): calls stalled(lab) when it is through, and gives its figure."""
        for _ in range(self.tries):
            late = []
            value = measure(lambda lab: late.append(lab.stall_ms()))
            if max(late) <= MACHINE_MS:
                return value
            self.repeated += 1
        return value  # the machine never stood for long enough; the count tells


# ---------------------------------------------------------------------------------------------------------------- measures


def transfer(how, profile, size, done, to=0):
    """Goodput of that many bytes in bits a second, from when the line stands until the last message is there. The line
    is asked for by path `to`'s address."""
    with hosts(profile) as lab:
        lab.stall_ms()
        flow = how.flow(lab, to=lab.paths[to].address(2), count=-(-size // BLOCK), size=BLOCK, every_us=0)
        arrivals = flow.whole(timeout=60 + size * 8 / 1e6)
        done(lab)
        return arrivals.goodput(flow.began_us)


def in_use(lab):
    """The path that carried most since last asked."""
    def forth():
        return [path.carried()[0] for path in lab.paths]

    before = forth()
    lab.passes(0.1)
    counts = [now - then for now, then in zip(forth(), before)]
    return lab.paths[counts.index(max(counts))]


def stall(how, event, done, profile=tuple(EQUAL), every_us=1000, size=1000):
    """The longest time without progress in order once that happens to the path in use, with a message each millisecond.
    None of them is lost or doubled, or this fails."""
    with hosts(profile) as lab:
        flow = how.flow(lab, every_us=every_us, size=size)
        how.ready(flow)
        lab.passes(WARM)
        path = in_use(lab)
        lab.stall_ms()
        since = lab.now_us()
        EVENTS[event][0](path)
        lab.passes(AFTER)
        done(lab)
        if how.kind == "mptcp":  # whose end may wait for the dead subflow for minutes
            EVENTS[event][1](path)
        return flow.end().stall_ms(since)


def moved(how, done, ends=(1, 2), looked_up=None):
    """How long there was no progress in order when all addresses of these ends changed at once, the name with them."""
    with hosts(EQUAL) as lab:
        flow = how.flow(lab, to=lab.name_paths(families=(4,)), every_us=1000)
        how.ready(flow)
        lab.passes(WARM)
        lab.stall_ms()
        since = lab.move(ends)
        lab.passes(AFTER)
        done(lab)
        arrivals = flow.end(timeout=90)
        if looked_up is not None:  # how long after the name was looked up anew there was progress again
            length, began = arrivals.longest(arrivals.progress(), since, arrivals.progress()[-1])
            asked = [int(at * 1e6) for _, kind, at in lab.names.ask({"asked": True})["asked"] if kind == "A"]
            looked_up.append((began + length - max(at for at in asked if at < began + length)) / 1000)
        return arrivals.stall_ms(since)


def latency(how, done, profile=tuple(LOSSY), seconds=10, every_us=5000, size=200, seed=1):
    """The 99th percentile of the time from send to arrival, of 200 messages a second of 200 bytes."""
    with hosts(profile, seed) as lab:
        lab.stall_ms()
        flow = how.flow(lab, count=int(seconds * 1e6 / every_us), size=size, every_us=every_us)
        arrivals = flow.whole()
        done(lab)
        return arrivals.latency_ms(0.99, since=flow.began_us + 1000000)


def rotation(how, done, turns=8, every=5.0, profile=tuple(FOUR), every_us=2000, size=1000):
    """The longest time without progress in order while the one path that is not blackholed changes (the test of the TCPLS
    paper: all but one are dead)."""
    with hosts(profile) as lab:
        flow = how.flow(lab, every_us=every_us, size=size)
        how.ready(flow, len(profile))
        lab.passes(WARM)
        since, late = lab.now_us(), []
        lab.stall_ms()
        for turn in range(turns):
            path = lab.paths[turn % len(lab.paths)]
            path.blackhole()
            lab.passes(every)
            path.restore()
            late.append(lab.stall_ms())
        done(lab)
        return flow.end().stall_ms(since)


def taken_up_again(how, event, within=20.0):
    """Fails unless a path that comes back carries again."""
    with hosts(EQUAL) as lab:
        flow = how.flow(lab, every_us=1000)
        how.ready(flow)
        EVENTS[event][0](lab.paths[0])
        lab.passes(1.0)
        EVENTS[event][1](lab.paths[0])
        how.ready(flow)
        # A message each millisecond fits on one path; if the other dies, this one has to carry.
        EVENTS["blackhole"][0](lab.paths[1])
        before = lab.paths[0].carried()[0]
        poll(lambda: lab.paths[0].carried()[0] > before + 50, "the path to carry again", within)
        check(flow.end().missing == [], "a message is missing")
