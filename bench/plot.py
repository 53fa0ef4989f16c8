# SPDX-License-Identifier: Apache-2.0
"""A small SVG writer: horizontal bars and curves."""
from html import escape
from math import ceil, floor, log10

FONT = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif"'
INK, FAINT, GRID = "#1d2733", "#66717d", "#dfe4e9"


class Canvas:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.parts = []

    def text(self, x, y, words, size=13, anchor="start", color=INK, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}" '
                          f'font-weight="{weight}" {FONT}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, color=GRID, width=1, dash=None):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
                          f'stroke-width="{width}"{extra}/>')

    def rect(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" '
                          f'fill="{color}"/>')

    def path(self, points, color):
        d = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{d}" fill="none" stroke="{color}" stroke-width="2.2" '
                          f'stroke-linejoin="round"/>')

    def dot(self, x, y, color, r=3.4):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{color}"/>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                    f'width="{self.width}" height="{self.height}">\n'
                    f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def short(x):
    """A number with about three digits."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= scale:
            return f"{x / scale:.3g}{letter}"
    return f"{x:.3g}"


def ticks(low, high):
    """Round numbers that cover [low, high]."""
    span = (high - low) or 1
    step = 10 ** floor(log10(span / 4))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= 6)
    first = floor(low / step)
    return [step * i for i in range(first, ceil(high / step) + 1)]


class Scale:
    """Values to pixels, linear or logarithmic."""

    def __init__(self, values, start, end, log):
        self.log = log
        if log:
            low, high = floor(log10(min(values))), ceil(log10(max(values)))
            self.ticks = [10.0 ** e for e in range(low, max(high, low + 1) + 1)]
        else:
            self.ticks = ticks(0, max(values))
        self.low, self.high = self.of(self.ticks[0]), self.of(self.ticks[-1])
        self.start, self.end = start, end

    def of(self, value):
        return log10(value) if self.log else value

    def __call__(self, value):
        return self.start + (self.of(value) - self.low) / (self.high - self.low) * (self.end - self.start)


def bars(path, title, subtitle, rows, log=False, mark=None):
    """rows: (label, value, text, color). mark: (value, text), a line across."""
    left, right, top, pitch = 270, 160, 84, 30
    c = Canvas(900, top + pitch * len(rows) + 46)
    bottom = top + pitch * len(rows)
    scale = Scale([r[1] for r in rows] + ([mark[0]] if mark else []), left, c.width - right, log)
    c.text(24, 32, title, 18, weight="bold")
    c.text(24, 54, subtitle, 12.5, color=FAINT)
    for t in scale.ticks:
        c.line(scale(t), top - 8, scale(t), bottom)
        c.text(scale(t), bottom + 18, short(t), 11.5, "middle", FAINT)
    if mark:
        c.line(scale(mark[0]), top - 8, scale(mark[0]), bottom, INK, 1.3, "5 4")
        c.text(scale(mark[0]), top - 13, mark[1], 11.5, "middle", INK)
    for i, (label, value, words, color) in enumerate(rows):
        y = top + pitch * i
        c.text(left - 10, y + 15, label, 13, "end")
        c.rect(left, y + 2, scale(value) - left, pitch - 12, color)
        c.text(c.width - right + 14, y + 15, words, 12.5, color=INK)
    c.save(path)


def spread(labels, gap=16):
    """Moves labels (y, ...) apart so that none covers another; keeps their order."""
    out = sorted(labels)
    for i in range(1, len(out)):
        if out[i][0] - out[i - 1][0] < gap:
            out[i] = (out[i - 1][0] + gap,) + out[i][1:]
    return out


def curves(path, title, subtitle, x_label, series, log_y=False, points_only=False):
    """series: (label, [(x, y)], color), x on a logarithmic axis unless points_only."""
    left, right, top, bottom = 78, 190, 84, 380
    c = Canvas(860, bottom + 62)
    xs = [x for _, points, _ in series for x, _ in points]
    ys = [y for _, points, _ in series for _, y in points]
    sx, sy = Scale(xs, left, c.width - right, not points_only), Scale(ys, bottom, top, log_y)
    c.text(24, 32, title, 18, weight="bold")
    c.text(24, 54, subtitle, 12.5, color=FAINT)
    for t in sy.ticks:
        c.line(left, sy(t), c.width - right, sy(t))
        c.text(left - 10, sy(t) + 4, short(t), 11.5, "end", FAINT)
    for t in sx.ticks:
        c.line(sx(t), top, sx(t), bottom)
        c.text(sx(t), bottom + 19, f"{t:,.0f}", 11.5, "middle", FAINT)
    c.text((left + c.width - right) / 2, bottom + 44, x_label, 12.5, "middle", FAINT)
    for _, points, color in series:
        if not points_only:
            c.path([(sx(x), sy(y)) for x, y in points], color)
        for x, y in points:
            c.dot(sx(x), sy(y), color)
    ends = [(sy(points[-1][1]), label, sx(points[-1][0]), color) for label, points, color in series if points]
    for y, label, x, color in spread(ends):
        c.text(x + 10, y + 4, label, 12.5, color=color, weight="bold")
    c.save(path)
