# SPDX-License-Identifier: Apache-2.0
"""Pictures of bench/paths.py: our figure and the peer's, each run a dot, its median a bar, the aim a stroke."""

import os
from statistics import median

from plot import FAINT, GRID, INK, Canvas, Scale, short

OURS, PEER = "#1b4f8a", "#c98a1b"
TITLES = {"goodput": "Goodput of all paths together", "slow second path": "A slow second path", "stall": "Stall at the receiver",
          "mixed": "Stall over strands of different transports", "interactive": "Latency over two lossy paths",
          "move": "Both ends change all addresses", "rotation": "All paths die in turn"}


def picture(path, title, rows):
    rows = [row for row in rows if row.runs or row.peer]
    if not rows:
        return
    left, right, top, pitch = 330, 110, 80, 44
    c = Canvas(900, top + pitch * len(rows) + 44)
    bottom = top + pitch * len(rows)
    values = [v for row in rows for v in row.runs + row.peer] + [row.aim for row in rows if row.aim]
    scale = Scale(values, left, c.width - right, False)
    c.text(24, 32, title, 18, weight="bold")
    c.text(24, 54, f"{rows[0].unit}; dots are runs, bars their medians, the dashes what is aimed at", 12.5, color=FAINT)
    for tick in scale.ticks:
        c.line(scale(tick), top - 8, scale(tick), bottom, GRID)
        c.text(scale(tick), bottom + 18, short(tick), 11.5, "middle", FAINT)
    for i, row in enumerate(rows):
        for runs, color, y, name in ((row.runs, OURS, top + pitch * i, "hawser"), (row.peer, PEER, top + pitch * i + 17, "MPTCP")):
            if not runs:
                continue
            c.rect(left, y, scale(median(runs)) - left, 12, color)
            for value in runs:
                c.dot(scale(value), y + 6, INK, 1.8)
            c.text(c.width - right + 12, y + 11, f"{name} {median(runs):.3g}", 11.5, color=color)
        if row.aim:
            c.line(scale(row.aim), top + pitch * i - 4, scale(row.aim), top + pitch * i + 33, INK, 1.3, "5 4")
        c.text(left - 10, top + pitch * i + 16, row.what, 12.5, "end")
    c.save(path)


def draw(rows, directory):
    """One picture for the figures of a part that have one unit."""
    kinds = list(dict.fromkeys((row.part, row.unit) for row in rows))
    for number, (part, unit) in enumerate(kinds):
        name = f"paths-{part.replace(' ', '-')}{'' if [k[0] for k in kinds].index(part) == number else '-' + str(number)}.svg"
        picture(os.path.join(directory, name), TITLES[part], [row for row in rows if (row.part, row.unit) == (part, unit)])
