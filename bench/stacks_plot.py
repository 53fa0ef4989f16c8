#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stacks_plot.py REPORT OUT.svg: one picture of the parts of `script/bench --only stacks-`, from the report that it wrote."""
import re
import sys

from plot import FAINT, INK, Canvas, Scale, short

OURS, PEER = "#c2410c", "#64748b"
# part, column of its table, what people read, unit, logarithmic
PANELS = [
    ("stacks-64B", "messages/s", "64 B messages", "a second", False),
    ("stacks-1MiB", "MB/s", "1 MiB messages", "MB/s", True),
    ("stacks-1MiB", "CPU s/GB", "1 MiB messages: CPU of both ends", "s per GB", True),
    ("stacks-pingpong", "p50 us", "64 B there and back, one processor", "us, median", False),
    ("stacks-setup", "CPU us both", "Set-up: CPU of both ends", "us", False),
    ("stacks-setup-resumed", "CPU us both", "Set-up resumed from a ticket", "us", False),
    ("stacks-idle", "client B", "An idle line: memory of the client", "bytes", False),
    ("stacks-idle", "server B", "An idle line: memory of the server", "bytes", False),
]


def name(label):
    return label.replace("hawser over ", "").replace("hawser", "tls/tcp").replace(" with GSO and GRO", ", GSO+GRO")


def tables(text):
    """{part: {label: {column: value}}}"""
    found = {}
    for part, body in re.findall(r"\[([\w-]+)\]\n(.*?)\n\n", text + "\n\n", re.DOTALL):
        lines = body.splitlines()
        if len(lines) < 3 or set(lines[1].strip()) != {"-", " "}:
            continue
        heads = re.split(r"\s{2,}", lines[0].strip())
        rows = found.setdefault(part, {})
        for line in lines[2:]:
            label, *values = re.split(r"\s{2,}", line.strip())
            rows[name(label)] = {head: float(value.replace(",", "").rstrip("%")) for head, value in zip(heads, values)}
    return found


def panel(c, x, y, title, unit, log, rows):
    left, width = x + 150, 190
    scale = Scale([value for _, value in rows], left, left + width, log)
    c.text(x, y, title, 13, weight="bold")
    c.text(x, y + 16, unit + (", logarithmic" if log else ""), 11, color=FAINT)
    for i, (label, value) in enumerate(rows):
        top = y + 26 + 20 * i
        c.text(left - 8, top + 11, label, 11.5, "end")
        c.rect(left, top, scale(value) - left, 13, PEER if label.startswith("raw") else OURS)
        c.text(scale(value) + 6, top + 11, short(value), 11.5, color=INK)


def main():
    with open(sys.argv[1], encoding="utf-8") as report:
        found = tables(report.read())
    most, columns = 7, 2
    pitch = 26 + 20 * most + 34
    c = Canvas(860, 24 + pitch * ((len(PANELS) + 1) // columns))
    for number, (part, column, title, unit, log) in enumerate(PANELS):
        rows = [(label, row[column]) for label, row in found.get(part, {}).items()]
        if rows:
            panel(c, 24 + 420 * (number % columns), 30 + pitch * (number // columns), title, unit, log, rows)
    c.save(sys.argv[2])


if __name__ == "__main__":
    main()
