# SPDX-License-Identifier: Apache-2.0
"""run --mptcp: sockets of programs that know nothing of it (S3.2, S5.4)."""

import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

from harness import HAWSER, PATIENCE, Case

TCP, MPTCP = 6, 262
SO_PROTOCOL, SOL_MPTCP, MPTCP_INFO = 38, 284, 1
PR_SET_CHILD_SUBREAPER = 36
PLAIN_SOCKET = os.environ.get("HAWSER_PLAIN_SOCKET", "build/tests/cli/plain_socket")


def has_mptcp():
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP):
            return True
    except OSError:
        return False


@unittest.skipUnless(has_mptcp(), "this kernel has no MPTCP, or it is switched off")
class RunMptcp(Case):
    def under(self, *command, **more):
        return subprocess.run([HAWSER, "run", "--mptcp", "--", *command], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=PATIENCE,
                              check=False, **more)

    def python(self, script, **more):
        done = self.under(sys.executable, "-c", "import os, socket, sys\nstream, inet = socket.SOCK_STREAM, socket.AF_INET\n"
                          "def protocol(s): return s.getsockopt(socket.SOL_SOCKET, 38)\n" + script, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_tcp_and_nothing_else(self):
        told = self.python("""
for family, kind, number in ((inet, stream, 0), (inet, stream, 6), (socket.AF_INET6, stream, 0), (inet, socket.SOCK_DGRAM, 0),
                             (inet, stream, 262)):
    print(protocol(socket.socket(family, kind, number)))
print(socket.socket(socket.AF_UNIX, stream).family.name)
""")
        self.assertEqual(told, ["262", "262", "262", "17", "262", "AF_UNIX"])

    def test_flags_are_kept(self):
        """Python asks for CLOEXEC always; the C call without it must give a descriptor that exec(2) keeps."""
        told = self.python("""
import ctypes, fcntl
for flags in (0, 0o2000000, 0o4000):
    fd = ctypes.CDLL(None).socket(2, 1 | flags, 0)
    print(fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.fcntl(fd, fcntl.F_GETFL) & 0o4000)
""")
        self.assertEqual(told, ["0", "0", "1", "0", "0", str(0o4000)])

    def test_a_statically_linked_program(self):
        if not self.is_static(PLAIN_SOCKET):
            self.skipTest("there is no static C library to link with")
        done = self.under(os.path.abspath(PLAIN_SOCKET))
        self.assertEqual((done.returncode, done.stdout), (0, "262\n262\n"), done.stderr)
        self.assertEqual(subprocess.run([PLAIN_SOCKET], stdout=subprocess.PIPE, check=True).stdout, b"6\n6\n")

    @staticmethod
    def is_static(program):
        """No program header asks for an interpreter (PT_INTERP)."""
        with open(program, "rb") as file:
            image = file.read()
        at, (size, count) = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<HH", image, 54)
        return image[4] == 2 and all(struct.unpack_from("<I", image, at + i * size)[0] != 3 for i in range(count))

    def test_what_the_program_starts(self):
        told = self.python(f"import subprocess\nprint(subprocess.run([{os.path.abspath(PLAIN_SOCKET)!r}], check=True, "
                           "capture_output=True, text=True).stdout)")
        self.assertEqual(told, ["262", "262"])

    def test_run_in_run(self):
        done = self.under(HAWSER, "run", "--mptcp", "--", os.path.abspath(PLAIN_SOCKET))
        self.assertEqual((done.returncode, done.stdout), (0, "262\n262\n"), done.stderr)

    def test_many_threads_at_once(self):
        told = self.python("""
import threading
wrong = []
def make():
    for _ in range(100):
        with socket.socket() as s:
            if protocol(s) != 262: wrong.append(s)
threads = [threading.Thread(target=make) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(wrong))
""")
        self.assertEqual(told, ["0"])

    def test_a_full_table_of_descriptors(self):
        told = self.python("""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
held = []
try:
    while len(held) < 30: held.append(socket.socket())
except OSError as e:
    print(e.errno)
held.pop().close()
print(protocol(socket.socket()))
""")
        self.assertEqual(told, ["24", "262"])

    def test_another_network_namespace(self):
        """A socket of ours would be in the wrong one: the program makes a plain one in its own."""
        inner = ["unshare", "-rn", os.path.abspath(PLAIN_SOCKET)]
        if not shutil.which("unshare") or subprocess.run(inner, capture_output=True, check=False).returncode:
            self.skipTest("no namespaces of its own here")
        done = self.under(*inner)
        self.assertEqual((done.returncode, done.stdout), (0, "6\n6\n"), done.stderr)

    def test_the_process_and_its_end_are_the_programs(self):
        process = subprocess.Popen([HAWSER, "run", "--mptcp", "--", "sh", "-c", "echo $$; read line; exit 7"], env=self.env,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.assertEqual(int(process.stdout.readline()), process.pid)
        process.communicate("\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 7)
        self.assertEqual(self.under("sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)

    def test_nothing_stays_behind(self):
        """The helper, which becomes ours to wait for, ends after the program, and held none of its files before."""
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.addCleanup(libc.prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        theirs, ours = socket.socketpair()
        process = subprocess.Popen([HAWSER, "run", "--mptcp", "--", "sleep", "600"], env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, pass_fds=[theirs.fileno()])
        theirs.close()
        helpers = []
        end = time.monotonic() + PATIENCE
        while not helpers:
            self.assertLess(time.monotonic(), end)
            with open(f"/proc/self/task/{threading.get_native_id()}/children", encoding="ascii") as children:
                helpers = [pid for pid in map(int, children.read().split()) if self.name_of(pid) == "hawser-broker"]
        # The program itself ends; the helper's copies would keep our end of its output open.
        process.kill()
        process.wait(PATIENCE)
        ours.settimeout(PATIENCE)
        self.assertEqual(ours.recv(1), b"")
        ours.close()
        pid, status = os.waitpid(helpers[0], 0)
        self.assertEqual((pid, status), (helpers[0], 0))

    @staticmethod
    def name_of(pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                return name.read().strip()
        except FileNotFoundError:
            return ""

    def test_status_when_it_cannot_be_run(self):
        for command, code in ((self.path("missing"), 127), (self.write("text", b"text"), 126)):
            done = self.under(command)
            self.assertEqual((done.returncode, done.stdout), (code, ""))
            self.assert_one_sentence(done.stderr, command)
        code, out, text = self.run_tool("run", "true")
        self.assertEqual((code, out), (2, b""))
        self.assert_one_sentence(text, "--mptcp")

    def test_curl_speaks_mptcp(self):
        """An unmodified curl: what the server accepted is MPTCP on both ends, and the bytes are right."""
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        body, seen = os.urandom(1 << 20), []
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as server:
            server.bind(("127.0.0.1", 0))
            server.listen()

            def serve():
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    seen.append(len(connection.getsockopt(SOL_MPTCP, MPTCP_INFO, 256)))  # fails on what fell back
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

            thread = threading.Thread(target=serve)
            thread.start()
            name = self.path("body")
            done = self.under("curl", "-sS", "-o", name, f"http://127.0.0.1:{server.getsockname()[1]}/")
            thread.join()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(seen), 1)
        self.assertEqual(self.read("body"), body)


if __name__ == "__main__":
    unittest.main()
