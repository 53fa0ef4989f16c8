# SPDX-License-Identifier: Apache-2.0
"""Turns results into tables and plots."""
import os
from statistics import median

import plot
from aims import urgent_limit
from parts import words

COLORS = {"hawser": "#c2410c", "hawser-poll": "#ea8a55", "raw": "#64748b", "gnutls": "#1f5f8b", "gnutls-x509": "#5b92b8",
          "gnutls-x509-both": "#8db4cf"}
PEER = "#a9b3bd"

COLUMNS = {
    "oneway": [("rate", "messages/s", "{:,.0f}"), ("mb_s", "MB/s", "{:,.0f}"), ("cpu_s_gb", "CPU s/GB", "{:.3f}"),
               ("cpu_us", "CPU us/msg", "{:,.3f}"), ("faults", "faults/msg", "{:,.2f}")],
    "pingpong": [("p50_us", "p50 us", "{:.1f}"), ("p99_us", "p99 us", "{:.1f}"), ("cpu_us", "CPU us", "{:.1f}")],
    "departure": [("p50_us", "p50 us", "{:.1f}"), ("p99_us", "p99 us", "{:.1f}"), ("cpu_us", "CPU us", "{:.1f}")],
    "idle": [("memory_client", "client B", "{:,.0f}"), ("memory_server", "server B", "{:,.0f}")],
    "setup": [("cpu_us", "CPU us both", "{:,.0f}"), ("rate", "per second", "{:,.0f}"), ("resumed", "resumed", "{:.0%}")],
    "growth": [("cpu_us", "CPU us", "{:.2f}"), ("rate", "echoes/s", "{:,.0f}")],
    "first": [("process_us", "ms", "{:.2f}"), ("main_us", "from main()", "{:.2f}")],
    "queue": [("cpu_us", "CPU us/msg", "{:.3f}"), ("rate", "messages/s", "{:,.0f}")],
}
REFERENCE = "gnutls"


def table(rows):
    """Rows of text, the first the head; numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for n, row in enumerate(rows):
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        out.append("  " + "  ".join(cells).rstrip())
        if n == 0:
            out.append("  " + "  ".join("-" * w for w in widths))
    return "\n".join(out)


def spread(values):
    return f"{median(values):.3g} ({min(values):.3g}-{max(values):.3g})" if values else "-"


def part_rows(results, part):
    columns = COLUMNS[part.what]
    head = [""] + [c[1] for c in columns] + (["to bare GnuTLS (min-max)"] if REFERENCE in part.variants else [])
    rows = [head]
    for variant, at in part.jobs():
        if results.median(part.name, variant, columns[0][0], at) is None:
            continue
        label = words(variant) + (f", {at:,}" if at is not None else "")
        row = [label] + [form.format(results.median(part.name, variant, metric, at)) for metric, _, form in columns]
        if len(head) > len(row):
            row.append(spread(results.ratios(part.name, variant, REFERENCE, part.metric, (at, at))))
        rows.append(row)
    return rows


def first_rows(results, part):
    """Each case by itself, ours to each of theirs."""
    ours, theirs = part.variants[-1], part.variants[:-1]
    rows = [[""] + [c[1] for c in COLUMNS["first"]] + ["hawser to it (min-max)"]]
    for at in part.sweep[1]:
        for variant in part.variants:
            if results.median(part.name, variant, "process_us", at) is None:
                continue
            row = [f"{at}: {words(variant)}"]
            row += [form.format(results.median(part.name, variant, m, at) / 1000) for m, _, form in COLUMNS["first"]]
            rows.append(row + [spread(results.ratios(part.name, ours, variant, "process_us", (at, at)))
                               if variant in theirs else ""])
    return rows


def urgent_text(results):
    runs = results.values("urgent", "hawser", "urgent").values()
    delays = sorted(d for run in runs for d, _ in run)
    if not delays:
        return "  not measured"
    return (f"  {len(delays)} messages: median {median(delays) / 1e3:.1f} ms, slowest {delays[-1] / 1e3:.1f} ms")


def part_text(results, part):
    head = f"{part.title} [{part.name}]\n"
    if part.link:
        return head + urgent_text(results)
    rows = first_rows(results, part) if part.script else part_rows(results, part)
    return head + (table(rows) if len(rows) > 1 else "  not measured")


def aims_text(verdicts):
    rows = [["aim", "limit", "measured (min-max)", ""]]
    for v in verdicts:
        limit = f"{'<=' if v.at_most else '>='} {v.limit:g}{v.unit}"
        rows.append([v.text, limit, (spread(v.values) + v.unit) if v.values else "-", v.word])
    return table(rows)


def plot_bars(results, part, path):
    metric, _, form = next(c for c in COLUMNS[part.what] if c[0] == part.metric)
    name = {"rate": " messages/s", "p50_us": " us", "p99_us": " us", "cpu_us": " us", "memory_server": " B"}[metric]
    found = [(v, results.median(part.name, v, metric)) for v in part.variants]
    found = [(v, x) for v, x in found if x]
    if not found:
        return False
    ratio = part.what == "oneway" and any(v == REFERENCE for v, _ in found)
    rows = []
    for v, x in found:
        ratios = results.ratios(part.name, v, REFERENCE, metric) if ratio else None
        if ratio and not ratios:
            continue
        value = median(ratios) if ratio else x
        text = f"{value:.3g}  ({plot.short(x)}/s)" if ratio else form.format(x) + name
        rows.append((words(v), value, text, COLORS.get(v, PEER)))
    subtitle = {"rate": "rate as a ratio to bare GnuTLS in the same round, median; logarithmic", "p50_us": "median round trip",
                "p99_us": "of 100 the one that is the latest",
                "cpu_us": "CPU of both ends together, for one", "memory_server": "user memory of the server, for one"}[metric]
    plot.bars(path, part.title, subtitle, rows, log=ratio, mark=(1, "bare GnuTLS") if ratio else None)
    return True


def plot_sweep(results, part, path):
    series = []
    for variant in part.variants:
        points = [(at, results.median(part.name, variant, part.metric, at)) for at in part.sweep[1]]
        points = [p for p in points if p[1] is not None]
        if points:
            series.append((words(variant), points, COLORS.get(variant, PEER)))
    if not series:
        return False
    label = "associations" if part.name == "growth" else "messages kept in the queue"
    plot.curves(path, part.title, "CPU of both ends together, us; median over the rounds", label, series)
    return True


def plot_urgent(results, part, path):
    messages = [m for run in results.values("urgent", "hawser", "urgent").values() for m in run]
    if not messages:
        return False
    delays = [(i + 1, d / 1e3) for i, (d, _) in enumerate(messages)]
    limits = [(i + 1, urgent_limit(rtt) / 1e3) for i, (_, rtt) in enumerate(messages)]
    plot.curves(path, part.title, "ms from send to the receiving program", "urgent message",
                [("limit", limits, PEER), ("hawser", delays, COLORS["hawser"])], points_only=True)
    return True


def plots(results, parts, directory):
    """Writes one SVG per part that has figures; answers their names."""
    done = []
    for part in parts:
        if part.script:
            continue  # bars of milliseconds beside each other say less than the table
        name = part.name + ".svg"
        draw = plot_urgent if part.link else plot_sweep if part.sweep else plot_bars
        if draw(results, part, os.path.join(directory, name)):
            done.append(name)
    return done
