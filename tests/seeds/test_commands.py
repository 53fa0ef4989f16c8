# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/seeds.md: those of the tool are run as they are written, the others lead to a program that is there."""

import os
import re
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import HAWSER, PATIENCE, SOURCE, Case  # noqa: E402 the path is ours

BUILD = os.path.dirname(HAWSER)
PORT = "4433"


def page():
    with open(os.path.join(SOURCE, "docs", "seeds.md"), encoding="utf-8") as file:
        return file.read()


def commands():
    """Row and command."""
    found = []
    for line in page().splitlines():
        if re.match(r"^\| S\d", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found.append((cells[0], cells[3].strip("`")))
    return found


class Commands(Case):
    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return str(probe.getsockname()[1])

    def test_the_beginning_is_as_the_page_says(self):
        """The page's own first lines, with a port and a directory of the test's; then each command of the tool."""
        beginning = re.search(r"```sh\n(.*?)```", page(), re.DOTALL).group(1)
        self.assertTrue(beginning.startswith("script/build\nPATH=$PWD/build:$PATH\n"))
        lines = beginning.splitlines()[2:]
        script = "\n".join(["set -eu", f"PATH={BUILD}:$PATH", *lines, "trap 'kill $!' EXIT",
                            "until hawser ping --count 1 \"$peer\" >/dev/null 2>&1; do kill -0 $!; done"])
        tool = [(row, command) for row, command in commands() if command.startswith("hawser ")]
        self.assertGreater(len(tool), 10)
        for row, command in tool:
            script += f"\n{command} >>out 2>&1 || {{ echo '{row} failed: {command}'; cat out; exit 1; }}"
        script = script.replace(PORT, self.free_port()).replace("/tmp/hawser-try", self.path("try"))
        script = script.replace(">>out", f">>{self.path('out')}").replace("cat out", f"cat {self.path('out')}")
        done = subprocess.run(["bash", "-c", script], env=self.env, cwd=SOURCE, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                              timeout=4 * PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_others_are_there(self):
        for row, command in commands():
            words = command.split()
            program = words[1] if words[0] == "python3" else words[0]
            if program != "hawser":
                path = os.path.join(BUILD, program[len("build/"):]) if program.startswith("build/") else \
                    os.path.join(SOURCE, program)
                self.assertTrue(os.path.exists(path), f"{row}: {command}: there is no {path}")


if __name__ == "__main__":
    unittest.main()
