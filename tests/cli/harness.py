# SPDX-License-Identifier: Apache-2.0
"""Runs the tool: identities and directories of a test's own, processes whose events are awaited, nothing left behind."""

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

HAWSER = os.environ.get("HAWSER", os.path.join(os.path.dirname(__file__), "..", "..", "build", "hawser"))
RAW_SENDER = os.environ.get("HAWSER_RAW_SENDER", "")
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PATIENCE = 30  # seconds; only a failing test waits so long


class Running:
    """A process whose standard output is lines of JSON."""

    def __init__(self, arguments, env, stdin=subprocess.DEVNULL, prefix=(), program=None, **more):
        self.process = subprocess.Popen([*prefix, program or HAWSER, *arguments], env=env, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **more)
        self.events = []
        self.text = b""
        self._queue = queue.Queue()
        self._threads = [threading.Thread(target=self._read_events), threading.Thread(target=self._read_text)]
        for thread in self._threads:
            thread.start()

    def _read_events(self):
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def _read_text(self):
        self.text = b""
        for line in self.process.stderr:
            self.text += line

    def _next(self, deadline):
        line = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
        if line is None:
            return None
        event = json.loads(line)
        self.events.append(event)
        return event

    def wait_event(self, name, match=lambda event: True):
        """The first event of that name from the beginning that matches."""
        for event in self.events:
            if event["event"] == name and match(event):
                return event
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                event = self._next(deadline)
            except queue.Empty:
                raise AssertionError(f"no event {name!r}; there were {self.events}; it said {self.text!r}") from None
            if event is None:
                self.wait()
                raise AssertionError(f"ended without event {name!r}; there were {self.events}; said {self.text!r}")
            if event["event"] == name and match(event):
                return event

    def all(self, name):
        return [event for event in self.events if event["event"] == name]

    def wait(self):
        """Until the process has ended and everything it wrote was read; its exit code."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"does not end; events {self.events}; it said {self.text!r}") from None
        for thread in self._threads:
            thread.join()
        while True:
            try:
                line = self._queue.get_nowait()
            except queue.Empty:
                break
            if line is not None:
                self.events.append(json.loads(line))
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        return code

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def destroy(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.wait()


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="hawser-cli-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.env = self.environment("client")

    def environment(self, host):
        """Of a host: its own identity and state, and nothing of who runs the test."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LISTEN_", "HAWSER"))}
        base = os.path.join(self.directory, host)
        env.update(HOME=base, XDG_CONFIG_HOME=base + "/config", XDG_STATE_HOME=base + "/state", LC_ALL="C.UTF-8",
                   # where the tool is built with it: its memory is measured, too
                   ASAN_OPTIONS="quarantine_size_mb=4:" + os.environ.get("ASAN_OPTIONS", ""))
        os.makedirs(base, exist_ok=True)
        return env

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, path, content=b"", mode=0o644):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def read(self, *parts):
        with open(self.path(*parts), "rb") as file:
            return file.read()

    def run_tool(self, *arguments, env=None, stdin=b"", **more):
        """Runs to the end: exit code, events, text."""
        done = subprocess.run([HAWSER, *arguments], env=env or self.env, input=stdin, capture_output=True,
                              timeout=PATIENCE, check=False, **more)
        return done.returncode, done.stdout, done.stderr.decode(errors="surrogateescape")

    def run_json(self, *arguments, **more):
        code, out, text = self.run_tool(*arguments, "--json", **more)
        return code, [json.loads(line) for line in out.splitlines()], text

    def start(self, *arguments, env=None, **more):
        running = Running(arguments, env or self.env, **more)
        self.addCleanup(running.destroy)
        return running

    def listen(self, *options, endpoint="127.0.0.1:0", host="server", **more):
        """A listener; its attribute `address` is its key name and its endpoint."""
        running = self.start("listen", "--json", *options, endpoint, env=self.environment(host), **more)
        event = running.wait_event("listening")
        running.endpoint, running.name = event["endpoint"], event["name"]
        running.address = f"{event['name']}@{event['endpoint']}"
        return running

    def assert_one_sentence(self, text, *words):
        """People read one line that names what is wrong, and no more than one."""
        lines = [line for line in text.splitlines() if line.startswith("hawser") and ": warning: " not in line]
        self.assertEqual(len(lines), 1, text)
        for word in words:
            self.assertIn(word, lines[0])

    def wait_for_open_file(self, listener, directory):
        """Until the listener holds a file below the directory: one that has no name yet has no other trace."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for fd in os.listdir(f"/proc/{listener.process.pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{listener.process.pid}/fd/{fd}")
                except FileNotFoundError:
                    continue
                if target.startswith(directory + "/"):
                    return
            time.sleep(0.01)
        self.fail("no file was begun")

    def files_below(self, directory):
        return sorted(os.path.relpath(os.path.join(base, name), directory)
                      for base, _, names in os.walk(directory) for name in names)


def named(events, name):
    return [event for event in events if event["event"] == name]


def only(events, name):
    found = named(events, name)
    assert len(found) == 1, (name, events)
    return found[0]
