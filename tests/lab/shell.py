# SPDX-License-Identifier: Apache-2.0
"""script/lab: two hosts and several paths for people and their scripts (docs/lab.md).

What a shell in the lab calls as client, server, path, paths, move and stall are links to wrappers of this file; those that
change something ask the process that holds the lab, over a socket of its directory."""

import argparse
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SOCKET = "HAWSER_LAB_SOCKET"
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
DEFAULT = "rate=50M,delay=10ms"
HELP = """\
client COMMAND...    on the client; server COMMAND... on the server; each has a state of its own
path N set rate=20M delay=30ms loss=2% queue=64k burst=5%:8 reorder=1%:20ms
path N blackhole|restore [forth|back|both]     packets vanish, and nobody is told; they pass again
path N unplug|plug                             both kernels see the cable go and come
path N reset|unreset                           a middlebox resets each line of TCP; and lets them live
path N remove-address|add-address              the client's, of both families
path N remove-device|return-device             the client's
path N nat ADDRESS; path N rebind              the client is seen as ADDRESS, and then by other ports
path N seed NUMBER                             what is lost from now on is that seed's
path N capture FILE; path N capture-end        all that the hosts send into it, as pcap
paths                what they are, and what came through
move                 both ends get other addresses on every path; several.lab.example follows
stall                the longest time in ms for which this machine itself stood still, since last asked
lab                  these words
"""


# ------------------------------------------------------------------------------------------------------------- reading words


def number(text):
    """ "50M", "2%", "64k" """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)(%?)", text)
    if not found:
        raise ValueError(f"{text!r} is no number")
    return float(found[1]) * UNITS[found[2]] * (0.01 if found[3] else 1)


def milliseconds(text):
    for unit, factor in (("us", 1e-3), ("ms", 1), ("s", 1e3)):
        if text.endswith(unit):
            return number(text[:-len(unit)]) * factor
    raise ValueError(f"{text!r} is no time: 10ms, 1s")


def pair(text, second):
    first, colon, rest = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} lacks a colon and what follows it")
    return f"{number(first)}:{second(rest)}"


READERS = {
    "rate": ("rate", number), "delay": ("delay_ms", milliseconds), "queue": ("queue", lambda text: int(number(text))),
    "loss": ("loss", number), "burst": ("burst", lambda text: pair(text, number)),
    "reorder": ("reorder", lambda text: pair(text, lambda rest: int(milliseconds(rest) * 1000))),
    "family": ("family", lambda text: {"4": "4", "6": "6", "46": "46"}[text]),
}


def settings(words):
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            name, read = READERS[key]
            found[name] = read(value)
            if name == "loss" and not 0 <= found[name] <= 1:
                raise ValueError(f"{word!r}: 0% to 100%")
        except KeyError:
            raise ValueError(f"{word!r}: {', '.join(READERS)} can be set, the family to 4, 6 or 46") from None
    return found


# ------------------------------------------------------------------------------------------------ changing what is there


DIRECTIONS = {"forth": "ab", "back": "ba", "both": "both"}
PLAIN = {"unplug": lambda p: p.unplug(), "plug": lambda p: p.plug(), "reset": lambda p: p.reset(),
         "unreset": lambda p: p.unreset(), "remove-address": lambda p: p.remove_addresses(),
         "add-address": lambda p: p.add_addresses((1,)), "remove-device": lambda p: p.remove_device(),
         "return-device": lambda p: p.return_device(), "rebind": lambda p: p.link.rebind(),
         "capture-end": lambda p: p.link.command("capture-end")}
WITH_WORD = {"nat": lambda p, word: p.link.nat(word), "seed": lambda p, word: p.link.seed(int(word)),
             "capture": lambda p, word: p.link.command("capture", os.path.abspath(word))}


def change(lab, place, verb, *words):
    path = lab.paths[int(place)]
    if verb == "set":
        if "family" in (found := settings(words)):
            raise ValueError("the family is for ever")
        path.set(**found)
    elif verb in ("blackhole", "restore") and len(words) <= 1:
        getattr(path, verb)(DIRECTIONS[words[0] if words else "both"])
    elif verb in PLAIN and not words:
        PLAIN[verb](path)
    elif verb in WITH_WORD and len(words) == 1:
        WITH_WORD[verb](path, *words)
    else:
        raise ValueError(f"no such change: {verb} {' '.join(words)}")
    return ""


def show(lab):
    for path in lab.paths:
        ends = [" ".join(path.address(end, int(family)) for family in path.family) for end in (1, 2)]
        yield (f"path {path.number}   client {path.devices[0]} {ends[0]}   server {path.devices[1]} {ends[1]}   "
               f"packets forth and back: {' '.join(map(str, path.carried()))}\n")


def obey(lab, words):
    """What is to be shown of it; raises where that cannot be."""
    if words[0] == "path" and len(words) > 2:
        return change(lab, *words[1:])
    if words == ["paths"]:
        return "".join(show(lab))
    if words == ["move"]:
        lab.move()
        return "".join(show(lab))
    if words == ["stall"]:
        return f"{lab.stall_ms():.1f}\n"
    raise ValueError(f"no such command: {' '.join(words)}; lab shows them")


def serve(lab, listener):
    while True:
        line, _ = listener.accept()
        with line, line.makefile("rw") as file:
            try:
                answer = {"text": obey(lab, json.loads(file.readline()))}
            except Exception as error:  # whatever was wrong with it, the lab goes on
                answer = {"error": str(error) or type(error).__name__}
            file.write(json.dumps(answer) + "\n")


def ask(words):
    """In a wrapper: asks the lab. The exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(os.environ[SOCKET])
        with line.makefile("rw") as file:
            file.write(json.dumps(words) + "\n")
            file.flush()
            answer = json.loads(file.readline())
    print(f"{words[0]}: {answer['error']}" if "error" in answer else answer["text"], end="\n" if "error" in answer else "",
          file=sys.stderr if "error" in answer else sys.stdout)
    return int("error" in answer)


# ------------------------------------------------------------------------------------------------------------------- the shell


def wrapper(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)


def make_commands(lab):
    """A directory of the commands of this lab."""
    directory = lab.path("commands")
    os.mkdir(directory)
    for name, host in (("client", lab.client), ("server", lab.server)):
        words = [word for word in host.prefix if not word.startswith("--wd=")]
        state = lab.path(name, "state")
        wrapper(os.path.join(directory, name), f'exec {shlex.join(words)} --wd="$PWD" env XDG_STATE_HOME={shlex.quote(state)} "$@"')
    for name in ("path", "paths", "move", "stall"):
        wrapper(os.path.join(directory, name), f'exec {shlex.join([sys.executable, os.path.abspath(__file__), "--ask", name])} "$@"')
    wrapper(os.path.join(directory, "lab"), f"cat <<'END'\n{HELP}END")
    os.symlink(lab.tool, os.path.join(directory, "hawser"))
    return directory


def arguments(argv):
    a = argparse.ArgumentParser(prog="script/lab", description="Two hosts and several paths between them.")
    verbs = a.add_subparsers(dest="verb", required=True)
    for verb, words in (("shell", "an interactive shell"), ("run", "a script of sh, or - for one on stdin")):
        v = verbs.add_parser(verb, help=words)
        v.add_argument("--paths", type=int, help="how many; default: as many as --path tells, else 2")
        v.add_argument("--path", action="append", default=[], metavar="rate=50M,delay=10ms,...",
                       help=f"of the next path: {', '.join(READERS)}; default {DEFAULT}")
        v.add_argument("--seed", type=int, default=1, help="of what is lost and late; default 1")
        if verb == "run":
            v.add_argument("file")
            v.add_argument("words", nargs=argparse.REMAINDER)
    given = a.parse_args(argv)
    count = given.paths if given.paths is not None else len(given.path) or 2
    if not 1 <= count <= 8 or count < len(given.path):
        a.error("1 to 8 paths, and no --path for one that is not there")
    try:
        given.settings = [settings(text.split(",")) for text in given.path + [DEFAULT] * (count - len(given.path))]
    except ValueError as error:
        a.error(str(error))
    return given


def shell_of(given):
    if given.verb == "run":
        return ["sh", "-s", "--", *given.words] if given.file == "-" else ["sh", given.file, *given.words]
    return [os.environ.get("SHELL") or "sh"]


def main(argv):
    if argv[:1] == ["--ask"]:
        return ask(argv[1:])
    given = arguments(argv)
    import lab as base  # noqa: E402 only here: a wrapper needs none of it
    from several import Several
    base.enter()
    lab = Several()
    try:
        lab.two_hosts(*given.settings, seed=given.seed)
        lab.name_paths()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(lab.path("socket"))
        listener.listen()
        threading.Thread(target=serve, args=(lab, listener), daemon=True).start()
        environment = dict(os.environ, PATH=f"{make_commands(lab)}:{os.environ['PATH']}", XDG_CONFIG_HOME=lab.path("config"),
                           PS1="lab$ ", **{SOCKET: lab.path("socket")})
        if given.verb == "shell":
            print("".join(show(lab)) + "\n" + HELP, flush=True)
        return subprocess.run(shell_of(given), env=environment, check=False).returncode
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
