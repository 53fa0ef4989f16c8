# SPDX-License-Identifier: Apache-2.0
"""What README.md and the pages of docs/ claim and a program can check."""

import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def text_of(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def pages():
    names = ["README.md", "CONTRIBUTING.md"]
    for folder in ("docs", "bench"):
        names += [os.path.join(folder, name) for name in sorted(os.listdir(os.path.join(ROOT, folder))) if name.endswith(".md")]
    return names


def code_lines(text):
    """Lines that are neither blank nor comment."""
    return sum(bool(line.strip()) for line in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).splitlines())


class Readme(unittest.TestCase):
    def test_the_ten_lines_are_the_example(self):
        block = re.search(r"```c\n(.*?)```", text_of("README.md"), re.DOTALL).group(1)
        self.assertIn(block, text_of("examples", "hello.c"))
        self.assertLessEqual(block.count("\n"), 10)
        for word in ("hawser_associate(", "hawser_register(", "hawser_send(", ".lifetime_us", ".niceness", "HAWSER_ANTECEDENTS"):
            self.assertIn(word, block)

    def test_line_counts(self):
        told = re.search(r"^\| lines of code \| (\d+) \| (\d+) \|$", text_of("README.md"), re.MULTILINE)
        counted = [code_lines(text_of("examples", name)) for name in ("hello.c", "sockets_tls.c")]
        self.assertEqual([int(number) for number in told.groups()], counted)
        self.assertLess(counted[0], counted[1])

    def test_the_two_commands_are_there(self):
        block = re.search(r"## Two commands.*?```sh\n(.*?)```", text_of("README.md"), re.DOTALL).group(1)
        commands = [line.split()[0] for line in block.splitlines()]
        self.assertEqual(len(commands), 2)
        for command in commands:
            self.assertTrue(os.access(os.path.join(ROOT, command), os.X_OK), command)

    def test_links_lead_somewhere(self):
        for page in pages():
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page)):
                if not re.match(r"[a-z]+://|mailto:", target):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)), f"{page}: {target}")

    def test_files_that_are_named_are_there(self):
        known = ("src/", "tests/", "script/", "examples/", "include/", "docs/", "bench/", "cli/", ".ci/")
        for page in pages():
            for name in re.findall(r"`([\w./{},*-]+)`", text_of(page)):
                if name.startswith(known) and not re.search(r"[{}*]", name):
                    path = os.path.join(ROOT, name)
                    self.assertTrue(os.path.exists(path) or name.startswith("bench/out"), f"{page}: {name}")

    def test_functions_that_are_named_are_there(self):
        declared = "".join(text_of("include", "hawser", name) for name in os.listdir(os.path.join(ROOT, "include", "hawser")))
        for page in pages():
            for name in re.findall(r"\b(?:hawser_[a-z_]+[a-z](?=\()|HAWSER_[A-Z_]+[A-Z]\b)", text_of(page)):
                self.assertRegex(declared, rf"\b{name}\b", page)

    def test_the_walks_name_functions_that_are_there(self):
        sources = ""
        for base, _, names in os.walk(os.path.join(ROOT, "src")):
            sources += "".join(text_of(base, name) for name in names if name.endswith((".c", ".h")))
        names = set(re.findall(r"`([a-z_]+)\(\)`", text_of("docs", "architecture.md")))
        self.assertGreater(len(names), 30)
        self.assertEqual([name for name in sorted(names) if not re.search(rf"\b{name}\)?\(", sources)], [])

    def test_the_picture_is_as_its_script_draws_it(self):
        drawn = subprocess.run([sys.executable, os.path.join(ROOT, "docs", "pictures", "line.py")], stdout=subprocess.PIPE,
                               encoding="utf-8", check=True).stdout
        self.assertEqual(text_of("docs", "pictures", "line.svg"), drawn)

    def test_packages_are_all_explained(self):
        """Each package that script/bootstrap installs has its line in docs/dependencies.md."""
        script = text_of("script", "bootstrap")
        packages = " ".join(re.findall(r"^(?:build|tests|others)='([^']*)'", script, re.MULTILINE)).split()
        self.assertGreater(len(packages), 20)
        page = text_of("docs", "dependencies.md")
        self.assertEqual([package for package in packages if f"`{package}`" not in page], [])

    def test_limits_are_those_of_the_sources(self):
        """The table of docs/security.md names a constant and its file for each limit, and gives its value."""
        section = re.search(r"## What a peer can make us hold(.*?)\n## ", text_of("docs", "security.md"), re.DOTALL).group(1)
        rows = re.findall(r"^\|[^|]+\| ([\d,.]+)(?: (KiB|MiB|s))? \|[^|]*`([A-Z_]+)`, `([\w/.]+)` \|$", section, re.MULTILINE)
        self.assertEqual(len(rows), len(re.findall(r"^\|", section, re.MULTILINE)) - 2)
        self.assertGreater(len(rows), 12)
        for value, unit, name, path in rows:
            found = re.search(rf"\b{name}\b(?: =|) \(?([\du\s<+*()]+?)\)?(?:,|/\*|\n|$)", text_of(path))
            self.assertTrue(found, f"{name} in {path}")
            number = eval(found.group(1).replace("u", ""), {"__builtins__": {}})  # digits and operators only, by the pattern
            told = float(value.replace(",", "")) * {"KiB": 1 << 10, "MiB": 1 << 20, "s": 1000000, "": 1}[unit]
            self.assertEqual(number, told, f"{name} in {path}")


if __name__ == "__main__":
    unittest.main()
