# SPDX-License-Identifier: Apache-2.0
"""Namespaces for tests that need a network, or files in /etc, of their own: nothing outside of them changes."""

import os
import shutil
import subprocess
import sys

import harness

INNER = "HAWSER_TEST_NAMESPACES"
PLACE = "/mnt"  # where the files are, on a file system that goes with the namespace


def enter(*needed):
    """Runs this very script again in namespaces of its own, where 127.0.0.1 is up; ends as skipped where that may not be."""
    if os.environ.get(INNER):
        os.environ.pop(INNER)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", PLACE], check=True)
        return
    for tool in ("unshare", "ip", *needed):
        if not shutil.which(tool):
            print(f"SKIP {os.path.basename(sys.argv[0])}: {tool} is not installed", flush=True)
            sys.exit(harness.SKIPPED)
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        unshare[1:1] = ["--user", "--map-root-user"]
    tried = subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           encoding="utf-8", check=False)
    if tried.returncode != 0:
        print(f"SKIP {os.path.basename(sys.argv[0])}: no namespaces of its own here: {tried.stdout.strip()}", flush=True)
        sys.exit(harness.SKIPPED)
    sys.exit(subprocess.run([*unshare, sys.executable, *sys.argv], env={**os.environ, INNER: "1"}, check=False).returncode)


def replace(path, text):
    """Puts a text in the place of a file of the system, for this mount namespace and as long as it lives."""
    name = os.path.join(PLACE, path.strip("/").replace("/", "-"))
    known = os.path.exists(name)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    if not known:
        subprocess.run(["mount", "--bind", name, path], check=True)
