#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""generate.py HAWSER [--check]: writes the completions of bash, zsh and fish beside this file, from what `HAWSER --help`
and `HAWSER COMMAND --help` say, so that they cannot differ from the tool's own tables. What values look like is here.
--check writes nothing, and fails when a file is not what would be written."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

VERIFICATIONS = "none address tofu dane pki kerberos key"
STACKS = "tls/tcp tls/mptcp tls/unix tls/socks5/tcp tls/http-connect/tcp tcp mptcp unix"
WORDS = {
    "trust": "pki key= tofu any", "min-verification": VERIFICATIONS, "stack": STACKS,
    "policy": "handover interactive aggregate", "what": "oneway pingpong idle setup growth queue urgent",
    "mode": "run poll", "framer": "none length length2 lines fixed:", "type": "A AAAA HTTPS SVCB SRV TLSA TXT PTR",
}
DIRECTORIES = {"identity", "receive", "dir"}
FILES = {"trust-file", "certificate", "certificate-key", "after", "svg", "output", "policy-file", "trust-anchors",
         "trace", "control"}
PROPERTIES = {"require", "prefer", "avoid", "prohibit", "property"}
REPEATED = {"after", "also", "connect-to", *PROPERTIES, "interface", "proxy"}
OPERANDS = {  # of a command: words, or "file", "directory", "endpoint"
    "identity": "directory", "listen": "endpoint", "connect": "endpoint", "ping": "endpoint", "probe": "endpoint",
    "send": "file", "fetch": "url", "paths": "endpoint", "resolve": "endpoint", "bench": "server client",
    "policy": "check show", "properties": "property", "stacks": "", "forget": "", "stats": "", "run": "file", "plot": "trace",
    "top": "",
    "mptcp": "list open close backup get set watch announce withdraw scheduler",
}


def told(program, *words):
    return subprocess.run([program, *words], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout


class Tool:
    def __init__(self, program):
        listed = told(program, "--help").split("\ncommands:\n")[1].split("\n\n")[0]
        self.commands = dict(re.match(r"  (\S+)\s+(.*)", line).groups() for line in listed.splitlines())
        self.options = {}
        self.takers = {}  # option: the commands that take it, in order
        for command in self.commands:
            text = told(program, command, "--help").split("\noptions:\n")[1]
            self.options[command] = re.findall(r"^  --([a-z-]+)(?: (\S+))?  +(.*)$", text, re.M)
            for name, argument, summary in self.options[command]:
                self.takers.setdefault((name, argument, summary), []).append(command)


# ------------------------------------------------------------------------------------------------------------------ bash

def bash(tool):
    cases = "\n".join(f"    {command}) echo '{' '.join('--' + name for name, _, _ in options)}' ;;"
                      for command, options in tool.options.items())
    words = "\n".join(f"    --{name}) COMPREPLY=($(compgen -W '{text}' -- \"$2\")) ;;" for name, text in WORDS.items())
    plain = sorted({name for options in tool.options.values() for name, argument, _ in options if argument} -
                   set(WORDS) - DIRECTORIES - FILES - PROPERTIES - {"exec", "interface"})
    lines = [" | ".join("--" + name for name in plain[at:at + 6]) for at in range(0, len(plain), 6)]
    nothing = "\n".join(f"    {line}) COMPREPLY=() ;;" for line in lines)
    operands = []
    for command in tool.commands:
        kind = OPERANDS[command]
        flag = {"directory": "-d", "file": "-f", "trace": "-f", "property": "-W \"$(_hawser_properties)\"", "endpoint": None, "url": None,
                "": None}.get(kind, f"-W '{kind}'")
        if flag:
            operands.append(f"        {command}) COMPREPLY=($(compgen {flag} -- \"$word\")) ;;")
    joined = " | ".join
    return f"""# SPDX-License-Identifier: Apache-2.0
# bash completion for hawser(1). Written by cli/completion/generate.py.

_hawser_options()
{{
    case $1 in
{cases}
    esac
}}

_hawser_properties()
{{
    hawser properties --json 2>/dev/null | sed -n 's/.*"event":"property".*"name":"\\([^"]*\\)","stage".*/\\1/p'
}}

_hawser_value()
{{
    case $1 in
    {joined(sorted("--" + name for name in DIRECTORIES))}) COMPREPLY=($(compgen -d -- "$2")) ;;
    {joined(sorted("--" + name for name in FILES))}) COMPREPLY=($(compgen -f -- "$2")) ;;
    {joined(sorted("--" + name for name in PROPERTIES))}) COMPREPLY=($(compgen -W "$(_hawser_properties)" -- "$2")) ;;
{words}
    --interface) COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null) wifi cellular ethernet" -- "$2")) ;;
    --exec) COMPREPLY=($(compgen -c -- "$2")) ;;
{nothing}
    *) return 1 ;;
    esac
}}

_hawser()
{{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command=${{COMP_WORDS[1]}}

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{" ".join(tool.commands)} help --help --version' -- "$word"))
        return
    fi
    _hawser_value "$before" "$word" && return
    case $word in
    -*) COMPREPLY=($(compgen -W "$(_hawser_options "$command")" -- "$word")) ;;
    *)
        case $command in
        help) COMPREPLY=($(compgen -W '{" ".join(tool.commands)}' -- "$word")) ;;
{chr(10).join(operands)}
        esac
        ;;
    esac
}}

complete -o filenames -F _hawser hawser
"""


# ------------------------------------------------------------------------------------------------------------------- zsh

def zsh_text(text):
    return re.sub(r"([:\[\]\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_value(name, argument):
    label = re.sub(r"[^a-z]", "", argument.lower())
    if name in WORDS:
        return f":{label}:({zsh_text(WORDS[name])})"
    if name in DIRECTORIES:
        return f":{label}:_directories"
    if name in FILES:
        return f":{label}:_files"
    if name in PROPERTIES:
        return f":{label}:_hawser_properties"
    return {"exec": f":{label}:_command_names -e", "interface": f":{label}:_net_interfaces",
            "also": f":{label}:_hosts"}.get(name, f":{label}: ")


def zsh(tool):
    blocks = []
    for command, options in tool.options.items():
        lines = []
        for name, argument, summary in options:
            star = "*" if name in REPEATED else ""
            value = zsh_value(name, argument) if argument else ""
            lines.append(f"'{star}--{name}[{zsh_text(summary)}]{value}' \\")
        kind = OPERANDS[command]
        last = {"directory": "'1:directory:_directories'", "endpoint": "'*:endpoint:_hosts'",
                "file": "'1:endpoint:_hosts' '*:file:_files'", "url": "'1:url:_urls'",
                "trace": "'1:file:_files'", "property": "'1:property:_hawser_properties'", "": ""}.get(kind, f"'1:word:({kind})' '2:file:_files'")
        if last:
            lines.append(last)
        else:
            lines[-1] = lines[-1] + "\n                && return"
        blocks.append(f"        {command})\n            _arguments \\\n" +
                      "\n".join("                " + line for line in lines) + "\n            ;;")
    commands = "\n".join(f"        '{name}:{zsh_text(summary)}'" for name, summary in tool.commands.items())
    return f"""#compdef hawser
# SPDX-License-Identifier: Apache-2.0
# zsh completion for hawser(1). Written by cli/completion/generate.py.

_hawser_properties() {{
    local -a names
    names=(${{(f)"$(hawser properties --json 2>/dev/null |
        sed -n 's/.*"event":"property".*"name":"\\([^"]*\\)","stage".*/\\1/p')"}})
    _describe property names
}}

_hawser() {{
    local context state line
    typeset -A opt_args
    local -a commands
    commands=(
{commands}
        'help:the options of a command'
    )
    _arguments -C '--help[show the commands]' '--version[show the version]' '1:command:->command' '*::argument:->argument'
    case $state in
    command) _describe command commands ;;
    argument)
        case $words[1] in
{chr(10).join(blocks)}
        help) _arguments '1:command:({" ".join(tool.commands)})' ;;
        esac
        ;;
    esac
}}

_hawser "$@"
"""


# ------------------------------------------------------------------------------------------------------------------ fish

def fish_text(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def fish_value(name, argument):
    if not argument:
        return ""
    if name in WORDS:
        return f" -x -a '{WORDS[name]}'"
    if name in DIRECTORIES:
        return " -x -a '(__fish_complete_directories)'"
    if name in FILES:
        return " -r -F"
    if name in PROPERTIES:
        return " -x -a '(__hawser_properties)'"
    if name == "interface":
        return " -x -a '(__fish_print_interfaces)'"
    return " -x"


def fish(tool):
    lines = ["# SPDX-License-Identifier: Apache-2.0",
             "# fish completion for hawser(1). Written by cli/completion/generate.py.", "",
             "function __hawser_properties",
             "    hawser properties --json 2>/dev/null | string replace -rf '.*\"event\":\"property\".*\"name\":\"([^\"]*)\","
             "\"stage\".*' '$1'", "end", "", "complete -c hawser -f"]
    lines += [f"complete -c hawser -n __fish_use_subcommand -a {name} -d '{fish_text(summary)}'"
              for name, summary in [*tool.commands.items(), ("help", "the options of a command")]]
    lines += ["complete -c hawser -n __fish_use_subcommand -l help -d 'the commands'",
              "complete -c hawser -n __fish_use_subcommand -l version -d 'the version'",
              f"complete -c hawser -n '__fish_seen_subcommand_from help' -a '{' '.join(tool.commands)}'"]
    for command in tool.commands:
        kind = OPERANDS[command]
        what = {"file": "-F", "trace": "-F", "directory": "-a '(__fish_complete_directories)'",
                "property": "-a '(__hawser_properties)'", "endpoint": None, "url": None, "": None}.get(kind, f"-a '{kind}'")
        if what:
            lines.append(f"complete -c hawser -n '__fish_seen_subcommand_from {command}' {what}")
    lines.append("")
    for (name, argument, summary), commands in tool.takers.items():
        lines.append(f"complete -c hawser -n '__fish_seen_subcommand_from {' '.join(commands)}' -l {name}"
                     f"{fish_value(name, argument)} -d '{fish_text(summary)}'")
    return "\n".join(lines) + "\n"


def main():
    arguments = [word for word in sys.argv[1:] if word != "--check"]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    tool = Tool(arguments[0])
    wrong = []
    for name, text in (("hawser.bash", bash(tool)), ("_hawser", zsh(tool)), ("hawser.fish", fish(tool))):
        path = os.path.join(HERE, name)
        if "--check" not in sys.argv:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                wrong.append(name)
    if wrong:
        print(f"not as generate.py writes it: {', '.join(wrong)}; run cli/completion/generate.py BUILD/hawser")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
