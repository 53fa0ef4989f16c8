# SPDX-License-Identifier: Apache-2.0
"""What the interop tests share: a world of its own for each test, processes in it, and their output with deadlines.

A test is a function that takes a World. It fails by an exception, and is skipped by skip(reason). run() runs several;
the process ends with 0, with 1 when one failed, or with 77 (meson's and automake's code) when all were skipped.
"""

import hashlib
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SKIPPED = 77
DEADLINE = 30.0  # seconds; for what takes milliseconds on a quiet machine
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failure(AssertionError):
    pass


class Skip(Exception):
    pass


def skip(reason):
    raise Skip(reason)


def check(truth, message):
    if not truth:
        raise Failure(message)


def need(*tools):
    """The paths of the tools; the test is skipped when one is missing."""
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    return [shutil.which(tool) for tool in tools]


def poll(find, what, timeout=DEADLINE):
    """Waits until find() is true. For what the kernel tells no event of: what another process holds."""
    end = time.monotonic() + timeout
    while not (found := find()):
        check(time.monotonic() < end, f"waiting for {what} for {timeout:.0f} s was in vain")
        time.sleep(0.02)
    return found


class Process:
    """A process whose output is collected all the time, so that it never waits for us."""

    def __init__(self, world, argv, limits=None):
        self.argv = argv
        self.output = b""
        self.ended = False
        self.changed = threading.Condition()
        self.errors = open(os.path.join(world.directory, f"stderr-{len(world.processes)}"), "a+b")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=world.environment, cwd=world.directory, preexec_fn=limits)
        self.pid = self.process.pid
        world.processes.append(self)
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            data = os.read(self.process.stdout.fileno(), 65536)
            with self.changed:
                self.output += data
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def until(self, find, what, timeout=DEADLINE):
        """Waits until find() is true of what was put out so far, and gives its value."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                found = find()
                if found:
                    return found
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    why = "ended" if self.ended else f"said nothing of it for {timeout:.0f} s"
                    raise Failure(f"waiting for {what}: {self.argv[0]} {why}\n{self.transcript()}")
                self.changed.wait(left)

    def text(self, wanted, timeout=DEADLINE):
        self.until(lambda: wanted in self.output, repr(wanted), timeout)

    def wait(self, timeout=DEADLINE):
        """Its exit code, once it has ended by itself."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(self.argv)} did not end in {timeout:.0f} s\n{self.transcript()}") from None
        with self.changed:
            self.changed.wait_for(lambda: self.ended, timeout)
        return code

    def end(self, timeout=DEADLINE):
        """Asks it to end, and gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def alive(self):
        return self.process.poll() is None

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def transcript(self):
        return f"--- its output:\n{self.output.decode(errors='replace')[-4000:]}\n--- its errors:\n{self.error_text()[-4000:]}"

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise Failure("no VmRSS")

    def processor_time(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def dispose(self):
        if self.alive():
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.errors):
            try:
                stream.close()
            except OSError:
                pass


class Hawser(Process):
    """The tool, with --json: its output is events."""

    def __init__(self, world, arguments, limits=None, argv=None):
        super().__init__(world, argv or [world.tool, *arguments], limits)
        self.parsed = 0
        self.events = []

    def _parse(self):
        while (end := self.output.find(b"\n", self.parsed)) >= 0:
            self.events.append(json.loads(self.output[self.parsed:end]))
            self.parsed = end + 1
        return self.events

    def event(self, name, after=0, timeout=DEADLINE, where=lambda event: True):
        """The first event of that name beyond the first `after` of them."""

        def find():
            found = [event for event in self._parse() if event["event"] == name and where(event)]
            return found[after] if len(found) > after else None

        return self.until(find, f"the event {name}", timeout)

    def count(self, name):
        with self.changed:
            return sum(event["event"] == name for event in self._parse())


class World:
    """A directory and the processes of one test; both are gone afterwards."""

    def __init__(self):
        self.tool = os.path.abspath(os.environ.get("HAWSER", os.path.join(ROOT, "build", "hawser")))
        if not os.access(self.tool, os.X_OK):
            skip(f"there is no {self.tool}; script/build makes it")
        self.directory = tempfile.mkdtemp(prefix="hawser-interop-")
        self.processes = []
        self.environment = dict(os.environ, HOME=self.directory, XDG_STATE_HOME=self.path("state"),
                                XDG_CONFIG_HOME=self.path("config"), LC_ALL="C")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def command(self, *argv, limits=None):
        return Process(self, list(argv), limits)

    def hawser(self, *arguments, limits=None):
        return Hawser(self, list(arguments), limits)

    def listener(self, *options, endpoint="127.0.0.1:0", limits=None):
        """A listener that has begun; .endpoint, .address and .name say how to reach it."""
        process = self.hawser("listen", "--json", "--identity", self.path("listener"), *options, endpoint, limits=limits)
        listening = process.event("listening")
        process.endpoint = listening["endpoint"]
        process.name = listening["name"]
        host, port = process.endpoint.rsplit(":", 1)
        process.address = (host.strip("[]"), int(port))
        return process

    def ping(self, listener, count=3, timeout=DEADLINE):
        """A good client: its `done` event, after all its messages came back."""
        client = self.hawser("ping", "--json", "--count", str(count), "--interval", "1ms", "--timeout",
                             f"{timeout:.0f}s", f"{listener.name}@{listener.endpoint}")
        code = client.wait(timeout + DEADLINE)
        check(code == 0, f"ping ended with {code}\n{client.transcript()}")
        done = client.event("done")
        check(done["replies"] == count, f"{done['replies']} of {count} replies\n{client.transcript()}")
        return done

    def sanitized(self):
        """Whether the tool was built with AddressSanitizer, whose memory says nothing of ours."""
        with open(self.tool, "rb") as tool:
            return b"__asan_init" in tool.read()

    def close(self):
        for process in self.processes:
            process.dispose()
        shutil.rmtree(self.directory, ignore_errors=True)


def key_name(spki):
    """The name of a public key, from its DER."""
    return "hk-" + base64.b32encode(hashlib.sha256(spki).digest()).decode().rstrip("=").lower()


def run(*tests, make=None):
    """Runs the tests, each in a world of its own, which make() makes; those named on the command line, if any are."""
    failed = passed = 0
    for test in [test for test in tests if len(sys.argv) == 1 or test.__name__ in sys.argv[1:]]:
        world = None
        began = time.monotonic()
        try:
            world = (make or World)()
            test(world)
            passed += 1
            print(f"ok {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as reason:
            print(f"SKIP {test.__name__}: {reason}", flush=True)
        except Exception:  # every other end of a test is a failure
            failed += 1
            print(f"FAILED {test.__name__}\n{traceback.format_exc()}", flush=True)
        finally:
            if world:
                world.close()
    sys.exit(1 if failed else 0 if passed else SKIPPED)
