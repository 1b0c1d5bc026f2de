"""Medians and ratios of interleaved runs: as text, as a Markdown report, and as a plot (SVG)."""

import math
import statistics
from xml.sax.saxutils import escape

from bench_workloads import BY_NAME, METRICS

COLOURS = {"headline": "#0b6e99", "cpu": "#c2410c", "control": "#737373"}


def merge(documents):
    """One document of several: runs of the same workload count together."""
    merged = {"environments": [], "names": {}, "results": {}}
    for part, document in enumerate(documents):
        about = {"seconds": document["seconds"], "rounds": document["rounds"], "workloads": ", ".join(document["results"])}
        merged["environments"].append(document["environment"] | about)
        merged["names"].update(document["names"])
        for workload, by_side in document["results"].items():
            mine = merged["results"].setdefault(workload, {})
            for side, runs in by_side.items():
                mine.setdefault(side, []).extend(run | {"round": (part, i)} for i, run in enumerate(runs))
    merged["names"] = {side: merged["names"][side] for side in ("a", "b", "control") if side in merged["names"]}
    return merged


def values_of(runs, metric):
    return [run[metric] for run in runs if metric in run]


def ratios(one, other, metric, more_is_better):
    """How much better `one` was than `other`, round by round: above 1 it was better."""
    found = []
    by_round = {run["round"]: run for run in other}
    for mine in one:
        theirs = by_round.get(mine["round"], {})
        if mine.get(metric, 0) > 0 and theirs.get(metric, 0) > 0:
            found.append(mine[metric] / theirs[metric] if more_is_better else theirs[metric] / mine[metric])
    return found


def interval(found):
    return f"{statistics.median(found):.2f} ({min(found):.2f}..{max(found):.2f})" if found else ""


def number(value, decimals):
    return f"{value:,.{decimals}f}".replace(",", " ")


def rows_of(by_side):
    """(label, medians by side, ratio A to B, ratio A to control) of each metric that was measured."""
    for metric, label, decimals, better in METRICS:
        medians = {side: statistics.median(values_of(runs, metric)) for side, runs in by_side.items()
                   if values_of(runs, metric)}
        if not medians:
            continue
        shown = {side: number(value, decimals) for side, value in medians.items()}
        to_b = to_control = ""
        if better is not None:
            to_b = interval(ratios(by_side["a"], by_side.get("b", []), metric, better))
            to_control = interval(ratios(by_side["a"], by_side.get("control", []), metric, better))
        yield label, shown, to_b, to_control


def mark(by_side):
    """* for each run that the hypervisor disturbed."""
    return "*" * sum(run.get("disturbed", False) for runs in by_side.values() for run in runs)


def print_medians(merged):
    sides = merged["names"]
    has_b, has_control = "b" in sides, "control" in sides
    print(f"\n{'workload':17}{'median of':18}" + "".join(f"{name:>13}" for name in sides.values()) +
          (f"{'better by':>28}" if has_b else "") + (f"{'A/A':>28}" if has_control else ""))
    for workload, by_side in merged["results"].items():
        for label, shown, to_b, to_control in rows_of(by_side):
            print(f"{workload + mark(by_side):17}{label:18}" + "".join(f"{shown.get(side, ''):>13}" for side in sides) +
                  (f"{to_b:>28}" if has_b else "") + (f"{to_control:>28}" if has_control else ""))


def scaling(results):
    """What two reactors give over one, if both cores were the broker's: the load tool takes part of the second."""
    one = values_of(results.get("1-reactor", {}).get("a", []), "broker_cpu_s_per_million")
    two = values_of(results.get("2-reactors", {}).get("a", []), "broker_cpu_s_per_million")
    if not one or not two:
        return []
    factor = 2 * statistics.median(one) / statistics.median(two)
    return [f"By CPU time alone two reactors with a core each would do {factor:.2f} times what one does: twice the ratio of "
            "CPU seconds per million messages. Where the load tool and others share the cores the rates do not show it.",
            ""]


def summary(merged):
    """One line for each workload: its headline and the CPU of a message."""
    sides = [side for side in ("a", "b") if side in merged["names"]]
    out = ["| workload | |" + "".join(f" {merged['names'][side]} |" for side in sides) + " better by |" +
           "".join(f" CPU-s/M {merged['names'][side]} |" for side in sides) + " better by |",
           "| --- | --- |" + " ---: |" * (2 * len(sides) + 2)]
    for workload, by_side in merged["results"].items():
        metric = BY_NAME[workload].headline
        label, decimals, better = next((m[1], m[2], m[3]) for m in METRICS if m[0] == metric)
        cells = []
        for key, digits, more in ((metric, decimals, better), ("broker_cpu_s_per_million", 2, False)):
            for side in sides:
                values = values_of(by_side.get(side, []), key)
                cells.append(number(statistics.median(values), digits) if values else "")
            cells.append(interval(ratios(by_side["a"], by_side.get("b", []), key, more)))
        out.append(f"| {workload}{mark(by_side)} | {label} | " + " | ".join(cells) + " |")
    return out + [""]


def how_busy(merged):
    """A warning when others used the machine meanwhile."""
    every = [value for by_side in merged["results"].values() for runs in by_side.values()
             for value in values_of(runs, "outside_cores")]
    if not every or statistics.median(every) < 0.2:
        return []
    return [f"**The machine was busy**: other processes used {statistics.median(every):.1f} cores (median of the runs). Rates "
            "and latencies are lower bounds and noise; CPU seconds per million messages and memory can be compared.", ""]


def markdown(merged, plot_name):
    sides = merged["names"]
    has_b, has_control = "b" in sides, "control" in sides
    out = ["# Performance report", "",
           "Written by `scripts/dev bench compare --report`; `docs/performance.md` says how to read it.", "",
           f"![how many times better {sides['a']} is, for each workload]({plot_name})" if has_b else "", ""]
    for e in merged["environments"]:
        out.append(f"* {e['workloads']}: {e['rounds']} rounds of {e['seconds']} s at {e['date']}, commit {e['commit']}, "
                   f"load average before {e['load_average']:.1f}")
    machine = merged["environments"][-1]
    out.append(f"* {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
               f"{machine['java']}")
    out += ["", "Medians of all rounds. Better by: the ratio within a round, above 1 where " + sides["a"] +
            " is better, median (lowest..highest of the rounds)." +
            (" A/A: the same ratio of two equal brokers, which is the noise." if has_control else "") +
            " A star stands for each run that lost more than 5 % of the CPU time to the hypervisor, three times in a row.",
            "", *how_busy(merged), *summary(merged)]
    for workload, by_side in merged["results"].items():
        w = BY_NAME[workload]
        runs = len(by_side["a"])
        out += [f"## {w.name}{mark(by_side)}", "", f"{w.title}; {runs} rounds." +
                (f" Configuration: {', '.join(w.keys)}." if w.keys else "") +
                (f" Goal: {w.goal}." if w.goal else ""), "",
                "| |" + "".join(f" {name} |" for name in sides.values()) + (" better by |" if has_b else "") +
                (" A/A |" if has_control else ""), "| --- |" + " ---: |" * (len(sides) + has_b + has_control)]
        for label, shown, to_b, to_control in rows_of(by_side):
            out.append(f"| {label} |" + "".join(f" {shown.get(side, '')} |" for side in sides) +
                       (f" {to_b} |" if has_b else "") + (f" {to_control} |" if has_control else ""))
        wrong = {f"Verdict of a run of {sides[side]}: {run['verdict']}" for side, runs in by_side.items() for run in runs
                 if not run["verdict"].startswith("good")}
        out += ["", *sorted(wrong)] + ([""] if wrong else [])
        if workload == "2-reactors":
            out += scaling(merged["results"])
    return "\n".join(out)


def dot(place, found, y, colour):
    """Median as a dot, lowest to highest as a line."""
    low, middle, high = (place(value) for value in (min(found), statistics.median(found), max(found)))
    return [f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="4" fill="{colour}"/>',
            f'<text x="{high + 7:.1f}" y="{y + 4}" fill="{colour}">{statistics.median(found):.2f}</text>']


def plot(merged):
    """For each workload how many times better A is than B, on a logarithmic axis."""
    better = {metric: more for metric, _, _, more in METRICS}
    rows = []
    for workload, by_side in merged["results"].items():
        metric = BY_NAME[workload].headline
        b, control = by_side.get("b", []), by_side.get("control", [])
        rows.append((workload, ratios(by_side["a"], b, metric, better[metric]),
                     ratios(by_side["a"], b, "broker_cpu_s_per_million", False),
                     ratios(by_side["a"], control, metric, better[metric]), metric))
    rows = [row for row in rows if any(row[1:4])]
    every = [value for row in rows for found in row[1:4] for value in found] or [1]
    low, high = min(0.5, min(every)), max(2, max(every))
    left, width, step, top = 230, 520, 44, 40
    height = top + step * len(rows) + 60

    def place(value):
        return left + (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) * width

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if low <= tick <= high:
            x = place(tick)
            out.append(f'<line x1="{x:.1f}" y1="{top - 12}" x2="{x:.1f}" y2="{height - 50}" '
                       f'stroke="{"#555" if tick == 1 else "#ddd"}"/>')
            out.append(f'<text x="{x:.1f}" y="{top - 18}" text-anchor="middle">{tick:g}</text>')
    labels = {metric: label for metric, label, *_ in METRICS}
    for i, (workload, headline, cpu, control, metric) in enumerate(rows):
        y = top + i * step + 10
        label = escape(f"{workload} ({labels[metric]})")
        out.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{label}</text>')
        for offset, found, kind in ((-4, headline, "headline"), (8, cpu, "cpu"), (20, control, "control")):
            if found:
                out += dot(place, found, y + offset, COLOURS[kind])
    a, b = merged["names"]["a"], merged["names"].get("b", "B")
    words = [("headline", f"{a} better than {b} by: rate or latency"), ("cpu", "CPU seconds for a million messages"),
             ("control", f"{a} against itself")]
    for i, (kind, text) in enumerate(words if "control" in merged["names"] else words[:2]):
        x = 20 + i * 300
        out.append(f'<circle cx="{x}" cy="{height - 22}" r="4" fill="{COLOURS[kind]}"/>')
        out.append(f'<text x="{x + 10}" y="{height - 18}">{escape(text)}</text>')
    return "\n".join(out + ["</svg>", ""])


def write(merged, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".svg")
    path.write_text(markdown(merged, picture.name), encoding="utf-8")
    picture.write_text(plot(merged), encoding="utf-8")
    print(f"\nwritten: {path}, {picture}")
