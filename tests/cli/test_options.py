# SPDX-License-Identifier: Apache-2.0
"""The command line: help, manual and completions say the same, and nonsense is one sentence and status 2."""

import os
import re
import shutil
import subprocess
import sys
import unittest

from harness import HAWSER, SOURCE, Case

COMMANDS = ["identity", "listen", "send", "connect", "ping", "probe", "fetch", "paths", "resolve", "properties", "stacks", "policy",
            "forget", "stats", "plot", "top", "run", "mptcp", "bench"]


def source(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as file:
        return file.read()


class Options(Case):
    def help_options(self, command):
        """name -> takes a value, from --help"""
        code, out, _ = self.run_tool(command, "--help")
        self.assertEqual(code, 0)
        found = re.findall(r"^  --([a-z-]+)( \S+)?  ", out.decode(), re.M)
        self.assertGreaterEqual(len(found), 2)
        return {name: bool(value) for name, value in found}

    def test_help_names_every_command(self):
        for words in (["--help"], ["help"], ["-h"]):
            code, out, _ = self.run_tool(*words)
            self.assertEqual(code, 0)
            for command in COMMANDS:
                self.assertRegex(out.decode(), rf"(?m)^  {command} ")
        listed = re.findall(r"(?m)^  (\S+) ", out.decode().split("commands:\n")[1].split("\n\n")[0])
        self.assertEqual(listed, COMMANDS)

    def test_help_of_a_command_both_ways(self):
        for command in COMMANDS:
            self.assertEqual(self.run_tool("help", command), self.run_tool(command, "--help"))

    def test_version(self):
        code, out, _ = self.run_tool("--version")
        self.assertEqual((code, out.startswith(b"hawser 0.")), (0, True))

    def test_manual_has_exactly_the_options(self):
        for command in COMMANDS:
            page = source("docs", "man", f"hawser-{command}.1")
            there = {name.replace("\\-", "-"): head.startswith(".BI")
                     for head, name in re.findall(r"^(\.BI?) \\-\\-([a-z\\-]+)", page.split(".SH OPTIONS")[1], re.M)}
            self.assertEqual(there, self.help_options(command), command)

    def test_manual_is_well_formed(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        for name in sorted(os.listdir(os.path.join(SOURCE, "docs", "man"))):
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", os.path.join(SOURCE, "docs", "man", name)],
                                  capture_output=True, check=False)
            self.assertEqual((name, done.returncode, done.stderr), (name, 0, b""))

    def test_manual_lists_every_event_of_the_sources(self):
        page = source("docs", "man", "hawser.1")
        events = set()
        for name in os.listdir(os.path.join(SOURCE, "cli")):
            if name.endswith(".c"):
                events |= set(re.findall(r'event_begin\([^"()]*"([a-z]+)"', source("cli", name)))
        self.assertGreater(len(events), 12)
        heads = " ".join(re.findall(r"(?m)^\.TP\n\.BR? (.*)$", page)).replace('"', " ").replace(",", " ").split()
        self.assertEqual(sorted(event for event in events if event not in heads), [])

    def test_completions_are_as_they_are_generated(self):
        done = subprocess.run([sys.executable, os.path.join(SOURCE, "cli", "completion", "generate.py"), HAWSER, "--check"],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_every_manual_is_installed(self):
        build = source("meson.build")
        for name in os.listdir(os.path.join(SOURCE, "docs", "man")):
            self.assertIn(f"'{name.removesuffix('.1')}'", build)

    def test_bash_completion_has_exactly_the_options(self):
        script = os.path.join(SOURCE, "cli", "completion", "hawser.bash")
        for command in COMMANDS:
            done = subprocess.run(["bash", "-c", f'. "{script}"; COMP_WORDS=(hawser {command} --); COMP_CWORD=2; _hawser; '
                                   'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, check=True)
            self.assertEqual(sorted(done.stdout.decode().split()),
                             sorted("--" + name for name in self.help_options(command)), command)

    def test_bash_completion_of_commands(self):
        script = os.path.join(SOURCE, "cli", "completion", "hawser.bash")
        done = subprocess.run(["bash", "-c", f'. "{script}"; COMP_WORDS=(hawser ""); COMP_CWORD=1; _hawser; '
                               'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, check=True)
        self.assertEqual(set(done.stdout.decode().split()), {*COMMANDS, "help", "--help", "--version"})

    def test_fish_completion_has_exactly_the_options(self):
        there = {command: {} for command in COMMANDS}
        for line in source("cli", "completion", "hawser.fish").splitlines():
            match = re.search(r"__fish_seen_subcommand_from ([a-z ]+)' -l ([a-z-]+)( -[xr])?", line)
            for command in match.group(1).split() if match else ():
                there[command][match.group(2)] = bool(match.group(3))
        for command in COMMANDS:
            self.assertEqual(there[command], self.help_options(command), command)

    def test_zsh_completion_has_exactly_the_options(self):
        text = source("cli", "completion", "_hawser")
        for command in COMMANDS:
            block = re.search(rf"(?ms)^        {command}\)$(.*?);;", text).group(1)
            there = {name: ":" in rest for name, rest in re.findall(r"'\*?--([a-z-]+)\[(?:[^\]\\]|\\.)*\](.*)' \\", block)}
            self.assertEqual(there, self.help_options(command), command)

    def test_completions_parse_in_their_shells(self):
        for shell, name in (("bash", "hawser.bash"), ("zsh", "_hawser"), ("fish", "hawser.fish")):
            with self.subTest(shell=shell):
                if not shutil.which(shell):
                    self.skipTest(f"{shell} is not installed")
                done = subprocess.run([shell, "-n", os.path.join(SOURCE, "cli", "completion", name)],
                                      capture_output=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, b""))


class Usage(Case):
    def assert_usage(self, *arguments, words=()):
        code, out, text = self.run_tool(*arguments)
        self.assertEqual((code, out), (2, b""), text)
        self.assert_one_sentence(text, *words)

    def test_nothing_and_unknown_commands(self):
        self.assertEqual(self.run_tool()[0], 2)
        self.assert_usage("sent", words=["sent"])
        self.assert_usage("help", "sent", words=["sent"])

    def test_unknown_and_misplaced_options(self):
        for command in COMMANDS:
            self.assert_usage(command, "--frobnicate", words=["--frobnicate"])
            self.assert_usage(command, "-f", words=["-f"])
        self.assert_usage("connect", "--lifetime", "1s", "a:1", words=["--lifetime", "does not apply"])
        self.assert_usage("send", "--echo", "a:1", "b", words=["--echo", "does not apply"])

    def test_values(self):
        self.assert_usage("ping", "a:1", "--count", words=["--count", "value"])
        self.assert_usage("ping", "a:1", "--json=yes", words=["--json"])
        for option, value in (("--niceness", "156"), ("--niceness", "-101"), ("--niceness", "urgent"),
                              ("--niceness", "1x"), ("--lifetime", "200parsecs"), ("--lifetime", "-1s"),
                              ("--lifetime", "inf"), ("--lifetime", ""), ("--timeout", "nan"), ("--size", "1.5"),
                              ("--size", "0x10"), ("--count", "-1"), ("--count", "99999999999999999999"),
                              ("--min-verification", "much"), ("--policy", "best")):
            self.assert_usage("ping", f"{option}={value}", "a:1", words=[option])

    def test_paths_are_of_who_opens(self):
        self.assert_usage("listen", "--paths", "all", "127.0.0.1:0", words=["--paths"])
        for wrong in ("", "eth0,", ",eth0", "eth0=", "=tls/tcp", "all,eth0", "eth0,all", "all=quic/udp"):
            self.assert_usage("ping", f"--paths={wrong}", "127.0.0.1:1", words=["paths are"])
        self.assert_usage("ping", "--paths=eth0,wlan0=quick/udp", "127.0.0.1:1", words=['no stack "quick/udp"'])

    def test_arguments(self):
        self.assert_usage("send", words=["ENDPOINT"])
        self.assert_usage("send", "127.0.0.1:1", words=["FILE"])
        self.assert_usage("send", "--after", "a", "--after", "b", words=["ENDPOINT"])
        self.assert_usage("connect", words=["ENDPOINT"])
        self.assert_usage("fetch", "http://a/", "http://b/", words=["http://b/"])
        self.assert_usage("stats", "all", words=["all"])
        self.assert_usage("listen", words=["ENDPOINT"])
        self.assert_usage("listen", "--echo", "--discard", "127.0.0.1:0", words=["only one"])
        self.assert_usage("listen", "--overwrite", "127.0.0.1:0", words=["--receive"])
        self.assert_usage("listen", "--certificate", "x", "127.0.0.1:0", words=["--certificate-key"])
        self.assert_usage("identity", "--identity", self.path("a"), self.path("b"), words=["twice"])
        self.assert_usage("ping", "--size", "1MiB", "127.0.0.1:1", words=["64KiB"])

    def test_each_kind_of_wrong_endpoint_has_its_sentence(self):
        sentences = set()
        endpoints = ("", "host", "host:", "host:99999", "host:0x1", "[::1", "[::1]", "hk-short@127.0.0.1:1", "unix:",
                     "1.2.3.4.5:80", "a b:1", "127.0.0.1:80@", "fd:3", "_x._tcp", "a" * 300 + ":1",
                     "unix:" + "a" * 300)
        for endpoint in endpoints:
            code, out, text = self.run_tool("ping", endpoint)
            self.assertEqual((code, out), (2, b""), text)
            self.assert_one_sentence(text, endpoint)
            reason = text.replace(f"no line to {endpoint}: ", "")
            self.assertNotEqual(reason, text)
            for word in (f'"{endpoint}"', endpoint):
                reason = reason.replace(word, "X") if word else reason
            sentences.add(reason)
        self.assertEqual(len(sentences), len(endpoints), sentences)

    def test_what_the_library_finds_malformed(self):
        name = self.write("file")
        for endpoint in ("", "host", "host:", "host:99999", "[::1", "hk-short@127.0.0.1:1", "unix:"):
            self.assert_usage("ping", endpoint)
            self.assert_usage("listen", endpoint)
        for trust in ("everybody", "key=", "key=hk-abc", "pki,,any", ""):
            self.assert_usage("ping", "--trust", trust, "127.0.0.1:1")
            self.assert_usage("listen", "--trust", trust, "127.0.0.1:0")
        for stack, word in (("tcp", "encrypted"), ("tls/sctp", "tls/sctp"), ("tls/tcp,,tls/unix", "--stack"),
                            ("", "--stack"), ("tls/tcp,", "--stack")):
            self.assert_usage("ping", "--stack", stack, "127.0.0.1:1", words=[word])
        self.assert_usage("listen", "--stack", "tls/tcp", "unix:" + self.path("s"), words=["tls/unix"])
        self.assert_usage("ping", "--policy", "best", "127.0.0.1:1")
        self.assert_usage("send", "--name", "../up", "127.0.0.1:1", "-", words=["upwards"])
        del name


class Identity(Case):
    def test_it_is_made_once_and_kept(self):
        code, out, _ = self.run_tool("identity", "--name-only")
        self.assertEqual(code, 0)
        self.assertRegex(out.decode(), r"^hk-[a-z2-7]{52}\n$")
        self.assertEqual(self.run_tool("identity", "--name-only")[1], out)
        directory = self.path("client", "config", "hawser", "identity")
        code, events, _ = self.run_json("identity")
        self.assertEqual((events[0]["name"], events[0]["directory"]), (out.decode().strip(), directory))
        modes = {os.stat(os.path.join(directory, name)).st_mode & 0o077 for name in os.listdir(directory)}
        self.assertIn(0, modes)
        self.assertIn(out, self.run_tool("identity")[1].replace(b" " * 7, b""))

    def test_directories_by_argument_and_option(self):
        one = self.run_tool("identity", "--name-only", self.path("deep", "one"))[1]
        again = self.run_tool("identity", "--name-only", "--identity", self.path("deep", "one"))[1]
        two = self.run_tool("identity", "--name-only", self.path("two"))[1]
        self.assertEqual(one, again)
        self.assertNotEqual(one, two)

    def test_one_that_cannot_be_used(self):
        name = self.write("file")
        code, out, text = self.run_tool("identity", name)
        self.assertEqual((code, out), (1, b""))
        self.assert_one_sentence(text, name)

    def test_a_private_key_that_others_can_read(self):
        directory = self.path("open")
        self.run_tool("identity", directory)
        for name in os.listdir(directory):
            os.chmod(os.path.join(directory, name), 0o644)
        code, out, text = self.run_tool("identity", directory)
        self.assertEqual((code, out), (1, b""))
        self.assert_one_sentence(text, directory)

    def test_without_a_home(self):
        env = {name: value for name, value in self.env.items() if name not in ("HOME", "XDG_CONFIG_HOME")}
        code, _, text = self.run_tool("identity", env=env)
        self.assertEqual(code, 2)
        self.assert_one_sentence(text, "HOME")


if __name__ == "__main__":
    unittest.main()
