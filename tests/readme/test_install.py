# SPDX-License-Identifier: Apache-2.0
"""What `meson install` leaves behind is enough for a program: headers, both libraries, the .pc file, the tool, its pages."""

import glob
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("HAWSER_BUILD", os.path.join(ROOT, "build"))
CC = os.environ.get("CC", "cc").split()


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.destination = tempfile.mkdtemp(prefix="hawser-install-")
        cls.addClassCleanup(shutil.rmtree, cls.destination, ignore_errors=True)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.destination], check=True,
                       stdout=subprocess.DEVNULL)

    def installed(self, pattern):
        found = glob.glob(os.path.join(self.destination, "**", pattern), recursive=True)
        self.assertTrue(found, f"{pattern} was not installed")
        return found[0]

    def flags(self, *options):
        environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.installed("hawser.pc")),
                           PKG_CONFIG_SYSROOT_DIR=self.destination)
        return subprocess.run(["pkg-config", *options, "hawser"], env=environment, stdout=subprocess.PIPE, encoding="utf-8",
                              check=True).stdout.split()

    def hello(self, name, flags, environment):
        """Built from the example, and run with an endpoint that is none: it is the library that says so."""
        program = os.path.join(self.destination, name)
        subprocess.run([*CC, "-o", program, os.path.join(ROOT, "examples", "hello.c"), *flags], check=True)
        done = subprocess.run([program, "nowhere"], env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=30, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "hello: the endpoint is malformed\n"))

    def test_a_program_with_the_shared_library(self):
        self.hello("shared", self.flags("--cflags", "--libs"),
                   {"LD_LIBRARY_PATH": os.path.dirname(self.installed("libhawser.so"))})

    def test_a_program_with_the_archive(self):
        flags = [self.installed("libhawser.a") if flag == "-lhawser" else flag
                 for flag in self.flags("--cflags", "--libs", "--static")]
        self.hello("static", flags, {})

    def test_the_rest(self):
        for name in ("hawser/hawser.h", "hawser/errors.h", "hawser/task.h", "bin/hawser", "man1/hawser.1", "man1/hawser-send.1",
                     "sbin/hawserd", "man8/hawserd.8", "systemd/system/hawserd.service",
                     "bash-completion/completions/hawser"):
            self.installed(name)
        told = subprocess.run([self.installed("bin/hawser"), "--version"], stdout=subprocess.PIPE, encoding="utf-8", check=True)
        self.assertIn(self.flags("--modversion")[0], told.stdout)


if __name__ == "__main__":
    unittest.main()
