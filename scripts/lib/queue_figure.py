#!/usr/bin/env python3
"""Draws what many queues cost, from the results of `scripts/dev bench queues`.

queue_figure.py [--svg FILE] NAME=RESULT.json[,RESULT.json...]...

Each NAME is one line in the figure; several results of one name are runs of the same thing, and of each figure the median
counts. Prints the table in Markdown; the SVG has one log-log panel for each of: sends a second, memory, start after kill -9,
bytes for each queue.
"""

import argparse
import json
import math
import pathlib
import statistics
from xml.sax.saxutils import escape

PANELS = [("sends/s", "sends a second"), ("RSS MiB", "RSS under load, MiB"),
          ("start after kill -9 ms", "start after kill -9, ms"), ("bytes/queue", "bytes on disk for each queue")]
COLUMNS = ["queues", "sends/s", "CPU-s/M", "p99 us", "RSS MiB", "start after kill -9 ms", "clean start ms", "RSS at start MiB",
           "bytes/queue"]
COLOURS = ["#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#525252"]
WIDTH, HEIGHT, MARGIN, GAP = 440, 260, 56, 24


def read(spec):
    name, _, paths = spec.partition("=")
    by_count = {}
    for path in paths.split(","):
        for row in json.loads(pathlib.Path(path).read_text(encoding="utf-8")):
            by_count.setdefault(row["queues"], []).append(row)
    rows = []
    for count in sorted(by_count):
        runs = by_count[count]
        row = {"queues": count, "runs": len(runs)}
        for column in COLUMNS[1:]:
            values = [run[column] for run in runs if column in run]
            if values:
                row[column] = statistics.median(values)
        rows.append(row)
    return name, rows


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(words)}</text>'


def panel(left, top, key, title, series):
    points = {name: [(r["queues"], r[key]) for r in rows if r.get(key, 0) > 0] for name, rows in series}
    every = [point for line in points.values() for point in line]
    out = [text(left + WIDTH / 2, top - 10, title, extra='font-weight="bold"')]
    if not every:
        return out
    (x0, x1), (y0, y1) = decades([x for x, _ in every]), decades([y for _, y in every])

    def place(x, y):
        return (left + (math.log10(x) - x0) / (x1 - x0) * WIDTH, top + HEIGHT - (math.log10(y) - y0) / (y1 - y0) * HEIGHT)

    for decade in range(x0, x1 + 1):
        x, _ = place(10**decade, 10**y0)
        out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + HEIGHT}" stroke="#ddd"/>')
        out.append(text(x, top + HEIGHT + 16, f"{10**decade:,}".replace(",", " ")))
    for decade in range(y0, y1 + 1):
        _, y = place(10**x0, 10**decade)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(text(left - 6, y + 4, f"{10.0**decade:g}", "end"))
    for colour, (name, line) in zip(COLOURS, points.items()):
        places = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return out


def figure(series):
    step_x, step_y = WIDTH + MARGIN + GAP, HEIGHT + MARGIN + GAP
    width, height = 2 * step_x + GAP, 2 * step_y + GAP + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, (key, title) in enumerate(PANELS):
        out += panel(MARGIN + i % 2 * step_x, GAP + 12 + i // 2 * step_y, key, title, series)
    for i, (colour, (name, _)) in enumerate(zip(COLOURS, series)):
        x = MARGIN + i * 230
        out.append(f'<rect x="{x}" y="{height - 26}" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 18, height - 15, name, "start"))
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--svg")
    parser.add_argument("results", nargs="+")
    arguments = parser.parse_args()
    series = [read(spec) for spec in arguments.results]
    for name, rows in series:
        print(f"\n{name}\n\n| " + " | ".join(COLUMNS) + " | runs |\n|" + " --- |" * (len(COLUMNS) + 1))
        for row in rows:
            print("| " + " | ".join(f"{row[c]:g}" if c in row and row[c] < 100 else f"{row.get(c, 0):.0f}" for c in COLUMNS) +
                  f" | {row['runs']} |")
    if arguments.svg:
        pathlib.Path(arguments.svg).write_text(figure(series), encoding="utf-8")


if __name__ == "__main__":
    main()
