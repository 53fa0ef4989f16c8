# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that docs/architecture.md states (S1.43), held to by looking: which folder may know which, what
the engine may reach, how long a file may be, and that the library keeps nothing outside of its contexts."""

import os
import re
import subprocess
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ARCHIVE = os.environ.get("HAWSER_ARCHIVE", os.path.join(ROOT, "build", "libhawser.a"))
OURS = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)
LONGEST = 600  # lines of a file

# What a folder of src/ may include beside itself. Arrows go down, and the engine knows the base alone.
BELOW = {
    "base": set(),
    "loop": {"base"},
    "session": {"base"},
    "security": {"base", "loop"},
    "layer": {"base", "loop", "security"},
    "property": {"base"},
    "endpoint": {"base", "loop", "security", "layer"},
    "path": {"base", "loop", "security", "layer", "property"},
    "framer": {"base", "loop", "security", "layer"},
    "race": {"base", "loop", "security", "layer", "endpoint", "path", "property"},
    "mptcp": {"base", "layer"},
    "association": {"base", "loop", "session", "security", "layer", "endpoint", "path", "property", "framer", "race",
                    "mptcp"},
}
# The engine takes time, randomness and memory from its caller, and does no input or output.
ENGINE_SYSTEM = {"errno.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "string.h", "strings.h",
                 "sys/types.h", "bsd/sys/tree.h", "hawser/errors.h"}
ENGINE_CALLS = re.compile(r"\b(malloc|calloc|realloc|free|time|clock_gettime|gettimeofday|random|rand|getrandom|read|write|"
                          r"open|printf|fprintf|fopen|socket|sleep|usleep|abort|exit)\(")
# Writable memory of the library: what another library forces on us, said in docs/architecture.md.
GLOBALS = {"unbound_lock", "engine"}


def sources(*folders, endings=(".c", ".h")):
    for folder in folders:
        for base, below, names in os.walk(os.path.join(ROOT, folder)):
            below[:] = [name for name in below if name != "out"]  # what script/bench builds
            yield from (os.path.join(base, name) for name in sorted(names) if name.endswith(endings))


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class House(unittest.TestCase):
    def test_arrows_go_down(self):
        for folder, below in BELOW.items():
            for path in sources(os.path.join("src", folder)):
                for header in OURS.findall(text_of(path)):
                    self.assertIn(header.partition("/")[0], below | {folder}, f"{path} includes {header}")

    def test_every_folder_has_its_rule(self):
        there = {name for name in os.listdir(os.path.join(ROOT, "src")) if os.path.isdir(os.path.join(ROOT, "src", name))}
        self.assertEqual(there, set(BELOW))

    def test_the_engine_reaches_nothing(self):
        for path in sources("src/session"):
            text = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text_of(path), flags=re.DOTALL)
            self.assertLessEqual(set(SYSTEM.findall(text_of(path))), ENGINE_SYSTEM, path)
            calls = [call for call in ENGINE_CALLS.finditer(text) if not text[:call.start()].endswith(("->", "."))]
            self.assertEqual([call.group(1) for call in calls], [], path)

    def test_the_tool_knows_the_public_headers_only(self):
        for path in sources("cli"):
            for header in OURS.findall(text_of(path)):
                ours = os.path.exists(os.path.join(ROOT, "cli", header)) or header in ("base/json.h", "base/svg.h", "base/text.h")
                self.assertTrue(ours, f"{path} includes {header}")

    def test_files_are_short_and_say_their_licence(self):
        for path in sources("src", "cli", "include", "examples", "tests", "bench"):
            text = text_of(path)
            self.assertTrue(text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"), path)
            if not path.startswith(os.path.join(ROOT, "include")):
                self.assertLessEqual(text.count("\n"), LONGEST, path)

    def test_no_state_outside_of_a_context(self):
        told = subprocess.run(["objdump", "-t", ARCHIVE], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
        variables = re.findall(r"^[0-9a-f]+ .{6}O (\.data|\.bss|\.tdata|\.tbss|\*COM\*)\s+[0-9a-f]+ +(?:\.hidden )?(\S+)$",
                               told, re.MULTILINE)
        self.assertIn("hawser_send", told)  # it is the library that was looked at
        if "__asan_init" in told or "__tsan_init" in told:
            self.skipTest("a sanitizer keeps state of its own")
        self.assertEqual({name for _, name in variables}, GLOBALS)


if __name__ == "__main__":
    unittest.main()
