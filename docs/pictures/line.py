#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""line.py > line.svg: the picture of README.md: what a program writes, the line that carries it, what comes back."""

import math

LEFT, RIGHT, MIDDLE, SWING, WIDTH = 222, 676, 196, 15, 13
STRANDS = ["#b98b56", "#8f6a3f", "#d3a873"]
TURN = 84  # pixels
INK, PALE, LINE = "#1d2b38", "#f7f4ee", "#5b6b79"


def y_of(strand, x):
    return MIDDLE + SWING * math.sin(2 * math.pi * (x / TURN + strand / len(STRANDS)))


def depth(strand, x):
    return math.cos(2 * math.pi * (x / TURN + strand / len(STRANDS)))


def curve(strand, start, end):
    points = [start + (end - start) * i / 8 for i in range(9)]
    return "M" + "L".join(f"{x:.1f} {y_of(strand, x):.1f}" for x in points)


def rope():
    """The strands by sixths of a turn, those behind first; what overlaps hides the joints."""
    step = TURN / 6
    pieces = [(depth(strand, start + step / 2), strand, start)
              for strand in range(len(STRANDS)) for start in
              [LEFT + step * i - strand * TURN / len(STRANDS) % step for i in range(int((RIGHT - LEFT) / step) + 1)]]
    out = []
    for _, strand, start in sorted(pieces):
        out.append(f'<path d="{curve(strand, start, start + step)}" stroke="{INK}" stroke-width="{WIDTH + 2.5}"/>')
        out.append(f'<path d="{curve(strand, start - 2, start + step + 2)}" stroke="{STRANDS[strand]}" '
                   f'stroke-width="{WIDTH}"/>')
    return out


def text(x, y, words, size=15, anchor="start", weight="normal", fill=INK, family="sans-serif"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}" '
            f'font-family="{family}">{words}</text>')


def box(x, title, under):
    return [f'<rect x="{x}" y="130" width="200" height="132" rx="10" fill="{PALE}" stroke="{INK}" stroke-width="1.5"/>',
            text(x + 100, 162, title, 17, "middle", "bold"),
            *[text(x + 100, 190 + 21 * i, line, 14, "middle", fill=LINE) for i, line in enumerate(under)]]


def parcel(x, width, colour, title, words):
    return [f'<rect x="{x}" y="66" width="{width}" height="26" rx="5" fill="{colour}" stroke="{INK}"/>',
            text(x + width / 2, 84, title, 14, "middle", "bold"),
            text(x + width / 2, 56, words, 12.5, "middle", fill=LINE)]


def main():
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 330" width="900" height="330" role="img" '
           'aria-label="Two programs joined by one line: messages with properties go one way, outcomes the other">',
           '<!-- SPDX-License-Identifier: Apache-2.0; made by line.py -->',
           '<rect width="900" height="330" fill="#ffffff"/>',
           f'<marker id="a" orient="auto" markerWidth="9" markerHeight="9" refX="7" refY="4"><path d="M0 0L8 4L0 8z" '
           f'fill="{LINE}"/></marker>',
           '<g fill="none">', *rope(), '</g>',
           *box(30, "your program", ["names a peer and sends", "messages and streams;", "gets events"]),
           *box(670, "the peer", ["hk-7wivsf34...@host:4433", "known by its key,", "not by its address"]),
           *parcel(250, 82, "#f2c14e", "map", "niceness -10"),
           *parcel(352, 108, "#8fc1a9", "tile 7", "after map, for 200 ms"),
           *parcel(488, 162, "#c9d3dc", "a file of 5 GB", "niceness 50, in between"),
           f'<path d="M250 112H650" stroke="{LINE}" stroke-width="1.5" marker-end="url(#a)"/>',
           f'<path d="M650 252H250" stroke="{LINE}" stroke-width="1.5" marker-end="url(#a)"/>',
           text(450, 276, "every message ends in one outcome: acked, expired, or failed and why", 13.5, "middle", fill=LINE),
           text(450, 312, "one line, laid from strands: TLS 1.3 over each path, encrypted and verified before anything is "
                "believed", 13.5, "middle", fill=INK),
           text(450, 28, "each message by its own rules, none behind another unless you say so", 15, "middle", "bold"),
           '</svg>']
    print("\n".join(out))


if __name__ == "__main__":
    main()
