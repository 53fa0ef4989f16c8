# SPDX-License-Identifier: Apache-2.0
"""That the proof can fail: what script/meson-test and script/check-seeds read of a run, and what they hold against it."""

import importlib.machinery
import importlib.util
import os
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests"))
import results  # noqa: E402 the path is ours


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(ROOT, "script", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def ran(stdout="", stderr="", result="OK", code=0, name="one"):
    return results.Test({"name": f"hawser:unit / {name}", "result": result, "returncode": code, "duration": 0.1,
                         "stdout": stdout, "stderr": stderr})


def told(test):
    return {case.name: (case.result, case.reason) for case in test.cases.values()}


class Results(unittest.TestCase):
    def test_cmocka(self):
        test = ran("[ RUN      ] a\n[       OK ] a\n[ RUN      ] tls/tcp: b\nSKIP: no net\n[  SKIPPED ] tls/tcp: b\n"
                   "[ RUN      ] c\n[  SKIPPED ] c\n[ RUN      ] d\n", "[  FAILED  ] d\n[  FAILED  ] 1 test(s), listed below:\n"
                   "[  FAILED  ] d\n", "FAIL", 1)
        self.assertEqual(told(test), {"a": ("ok", ""), "tls/tcp: b": ("skipped", "no net"), "c": ("skipped", ""),
                                      "d": ("failed", "")})
        self.assertEqual([test.count(result) for result in ("ok", "failed", "skipped")], [1, 2, 1])

    def test_a_crash_is_no_pass(self):
        test = ran("[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n", result="FAIL", code=-11)
        self.assertEqual(told(test)["b"][0], "failed")
        self.assertEqual(ran("[ RUN      ] a\n[       OK ] a\n", result="TIMEOUT", code=-15).count("failed"), 1)
        self.assertEqual(ran(result="FAIL", code=1).count("failed"), 1)
        self.assertEqual(ran("10 passed, 0 failed\n", result="FAIL", code=1).count("failed"), 1)

    def test_unittest(self):
        test = ran(stderr="test_a (__main__.O.test_a)\nSays more. ... ok\ntest_b (__main__.O.test_b) ... skipped 'no \"zsh\"'\n"
                   "test_c (__main__.O.test_c) ... FAIL\ntest_d (__main__.O.test_d) ... \n"
                   "  test_d (__main__.O.test_d) (shell='zsh') ... skipped 'none'\n"
                   "test_e (__main__.O.test_e) ... \nsomething else\nFAIL\ntest_f (__main__.O.test_f) ... \nmore\nok\n"
                   "FAIL: test_g (__main__.O.test_g)\n", result="FAIL", code=1)
        self.assertEqual(told(test), {"test_a": ("ok", ""), "test_b": ("skipped", 'no "zsh"'), "test_c": ("failed", ""),
                                      "test_d": ("ok", ""), "test_d (shell='zsh')": ("skipped", "none"),
                                      "test_e": ("failed", ""), "test_f": ("ok", ""), "test_g": ("failed", "")})

    def test_our_own(self):
        test = ran("ok test_a (0.1 s)\nSKIP test_b: openssl is not installed\nFAILED test_c\nTraceback\n", result="FAIL", code=1)
        self.assertEqual(told(test), {"test_a": ("ok", ""), "test_b": ("skipped", "openssl is not installed"),
                                      "test_c": ("failed", "")})

    def test_numbers(self):
        self.assertEqual(ran("60 passed, 2 failed\n", result="FAIL", code=1).counted, [60, 2])

    def test_a_program_of_one_case(self):
        self.assertEqual(told(ran()), {"": ("ok", "")})
        self.assertEqual(told(ran("no namespaces here\n", result="SKIP", code=77)), {"": ("skipped", "no namespaces here")})
        self.assertEqual(ran(result="SKIP", code=77).count("failed"), 1)
        self.assertEqual(told(ran("SKIPPED: not allowed\n")), {"": ("skipped", "not allowed")})


class Seeds(unittest.TestCase):
    def setUp(self):
        self.check = load("check-seeds")
        self.checker = self.check.Checker.__new__(self.check.Checker)
        self.checker.names = {"one", "two", "late"}
        self.checker.run = {"one": ran("ok test_a (0.1 s)\nSKIP test_b: none here\n"), "two": ran(result="SKIP", code=77)}
        self.checker.partial = False
        self.checker.ci = "step model 240 script/model"

    def test_what_is_good(self):
        for tests in ("`one`", "`one:test_a`, `one:test_*`", "`one:test_b`", "`script/model`", "not yet: no kernel has it"):
            self.assertEqual(self.checker.row(tests), [], tests)

    def test_what_is_missing(self):
        for tests, words in (("`three`", "no test of meson's"), ("`one:test_c`", "no case that was run"), ("`late`", "was not run"),
                             ("`two`", "without a reason"), ("", "names no test"), ("`script/none`", "no script"),
                             ("`script/demo`", "no script that .ci/run calls")):
            wrong = self.checker.row(tests)
            self.assertEqual(len(wrong), 1, tests)
            self.assertIn(words, wrong[0])

    def test_rows_that_are_due(self):
        self.assertEqual(self.check.expand("S1.8-S1.10, S2.57a"), ["S1.8", "S1.9", "S1.10", "S2.57a"])
        due, rows = self.check.read_page()
        self.assertEqual([row for row in due if row not in rows], [])
        self.assertGreater(len(due), 60)


if __name__ == "__main__":
    unittest.main()
