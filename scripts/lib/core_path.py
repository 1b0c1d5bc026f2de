#!/usr/bin/env python3
"""Counts what one message costs on the broker's own thread: instructions (callgrind) and heap allocations.

scripts/dev bench core [options]    a table, and the functions that the instructions are spent in
scripts/dev check core              the same cases against bench/core_path.accepted: a failure beyond +3 % instructions
                                    or any allocation more
scripts/dev bench core --accept     writes the values of this build into that file

No sockets, no work of the kernel and no other threads are in the count. The same program gives the same number within
0.1 %, on an idle machine and on a busy one. The profiles stay in build/bench/core for callgrind_annotate.
"""

import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/release/bin/core_path"
ACCEPTED = ROOT / "bench/core_path.accepted"
WORK = ROOT / "build/bench/core"
TOLERANCE_PERCENT = 3.0
NAME = re.compile(r"\((\d+)\)(?: (.*))?")


def instructions_by_function(path):
    """Of a callgrind file: {function: instructions of its own}, inlined code counted where it was inlined; and for our
    functions the same with those of the library functions that they call."""
    names, objects, own, with_libraries = {}, {}, collections.Counter(), collections.Counter()
    function, library, callee, skip = None, "", "", False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("fn="):
            number, name = NAME.match(line[3:]).groups()
            function = names.setdefault(number, name)
            if function.startswith("0x"):
                function = f"in {library}"
        elif line.startswith("cfn="):
            number, name = NAME.match(line[4:]).groups()
            if name:
                names[number] = name
            callee = names[number]
        elif line.startswith(("ob=", "cob=")):
            number, name = NAME.match(line.split("=", 1)[1]).groups()
            name = objects.setdefault(number, name)
            if line.startswith("ob="):
                library = pathlib.Path(name).name
        elif line.startswith("calls="):
            skip = True  # the next line has the callee's instructions
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            count = int(line.split()[1])
            if not skip:
                own[function] += count
            if "merlin::" in function and (not skip or "merlin::" not in callee):
                with_libraries[function] += count
            skip = False
    return own, with_libraries


def by_room(functions):
    """{room: instructions} of functions of ours."""
    rooms = collections.Counter()
    for name, count in functions.items():
        room = re.match(r"(base|wire|message|store|meta|service|rpc|door|net|bench)::", short(name))
        rooms[room.group(1) if room else "base"] += count
    return rooms


def short(name):
    """A C++ name without parameters, template arguments and the namespaces that all have."""
    name = re.sub(r"\[clone.*", "", name).replace("(anonymous namespace)::", "").replace("merlin::", "")
    name = re.sub(r"'\d+$", "", name).strip()
    out, depth = [], 0
    hidden = re.sub(r"operator[<>]+", lambda m: m.group(0).replace("<", "\1").replace(">", "\2"), name)
    for c in hidden:
        if c == "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "(" and depth == 0 and out[-8:] != list("operator"):
            break
        elif depth == 0:
            out.append(c)
    text = "".join(out).strip().replace("\1", "<").replace("\2", ">")
    return text.split(" ")[-1] if " " in text and not text.startswith(("in ", "operator")) else text


def run_json(command):
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} is missing; scripts/dev install build")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed: {result.stderr.strip()}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def callgrind(case, count, profile, *options):
    return run_json(["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}",
                     *options, PROGRAM, case, str(count)])


def measure_others(case, count):
    """Instructions per message of the threads behind: the key index most of all. It varies with their pauses."""
    for old in WORK.glob("others.callgrind*"):
        old.unlink()
    run = callgrind(case, count, WORK / "others.callgrind", "--separate-threads=yes")
    others = collections.Counter()
    for part in WORK.glob("others.callgrind-*"):
        own, _ = instructions_by_function(part)
        if not any("bench::" in name for name in own):  # the measured thread also makes the requests
            others.update(own)
    return {"messages": run["messages"], "instructions": sum(others.values()) / run["messages"], "functions": others}


def measure(case, count):
    WORK.mkdir(parents=True, exist_ok=True)
    profile = WORK / f"{case}.callgrind"
    run = callgrind(case, count, profile, "--collect-atstart=no")
    native = run_json([PROGRAM, case, str(2 * count)])
    own, with_libraries = instructions_by_function(profile)
    if not own:
        sys.exit(f"{PROGRAM} was built without valgrind/callgrind.h: scripts/dev install build, then build it anew")
    return {"messages": run["messages"], "instructions": sum(own.values()) / run["messages"],
            "allocations": round(native["allocations_per_message"], 2), "cpu_ns": native["cpu_ns_per_message"],
            "functions": own, "rooms": by_room(with_libraries)}


def compiler():
    return subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def read_accepted():
    """(compiler, {case: (instructions, allocations)})"""
    values, made_by = {}, ""
    for line in ACCEPTED.read_text(encoding="utf-8").splitlines() if ACCEPTED.exists() else []:
        if line.startswith("compiler "):
            made_by = line.split(" ", 1)[1]
        elif line and not line.startswith("#"):
            case, instructions, allocations = line.split()
            values[case] = (float(instructions), float(allocations))
    return made_by, values


def write_accepted(results):
    lines = ["# Instructions and heap allocations per message: scripts/dev bench core --accept writes this file,",
             "# scripts/dev check core compares with it.", f"compiler {compiler()}"]
    lines += [f"{case} {result['instructions']:.1f} {result['allocations']:.2f}" for case, result in results.items()]
    ACCEPTED.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written: {ACCEPTED.relative_to(ROOT)}")


def print_table(results, accepted):
    others = any("others" in result for result in results.values())
    print(f"{'per message':14}{'instructions':>14}{'accepted':>12}{'':>9}{'allocations':>13}{'CPU ns (noisy)':>16}" +
          (f"{'other threads':>16}" if others else ""))
    for case, result in results.items():
        before = accepted.get(case)
        change = f"{100 * (result['instructions'] / before[0] - 1):+.1f} %" if before else ""
        print(f"{case:14}{result['instructions']:>14,.0f}{before[0] if before else 0:>12,.0f}{change:>9}"
              f"{result['allocations']:>13.2f}{result['cpu_ns']:>16,.0f}" +
              (f"{result['others']['instructions']:>16,.0f}" if others else ""))


def print_functions(case, result, top):
    print(f"\n{case}: {result['instructions']:,.0f} instructions per message, by function with what it inlines")
    shown = collections.Counter()
    for name, count in result["functions"].items():
        shown[short(name)] += count
    for name, count in shown.most_common(top):
        per_message = count / result["messages"]
        print(f"{per_message:>10,.0f} {100 * per_message / result['instructions']:>5.1f} %  {name[:100]}")
    if "rooms" in result:
        print("by room, with the library functions each calls: " + ", ".join(
            f"{room} {count / result['messages']:,.0f}" for room, count in result["rooms"].most_common() if count))


def print_budget(results):
    """The table of docs/performance.md: where the instructions of a message go."""
    rooms = [("wire: header and its fields in, answer out", ("wire",)), ("rpc, net: gates, row, burst", ("rpc", "net")),
             ("door, service: checks, placing, ids", ("door", "service")),
             ("message: properties, record, CRC", ("message",)),
             ("store: append lane, dispatch, queue unit, hashes of the keys; or read", ("store",)),
             ("rest", ("base", "meta", "bench"))]

    def line(title, values):
        print(f"| {title} | " + " | ".join(f"{value:,.0f}".replace(",", " ") for value in values) + " |")

    print("| room | " + " | ".join(results) + " |\n| --- |" + " ---: |" * len(results))
    for title, names in rooms:
        line(title, [sum(r["rooms"][name] for name in names) / r["messages"] for r in results.values()])
    line("**all**", [r["instructions"] for r in results.values()])
    if all("others" in r for r in results.values()):
        line("threads behind", [r["others"]["instructions"] for r in results.values()])


def failures(results, accepted):
    for case, result in results.items():
        if case not in accepted:
            yield f"{case}: no accepted value; scripts/dev bench core --accept writes one"
            continue
        instructions, allocations = accepted[case]
        limit = instructions * (1 + TOLERANCE_PERCENT / 100)
        if result["instructions"] > limit:
            yield (f"{case}: {result['instructions']:,.0f} instructions per message, accepted {instructions:,.0f} "
                   f"+ {TOLERANCE_PERCENT:.0f} %")
        if result["allocations"] > allocations:
            yield f"{case}: {result['allocations']} allocations per message, accepted {allocations}"


def main():
    cases = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=True).stdout.split()
    parser = argparse.ArgumentParser(prog="scripts/dev bench core", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=cases, help="may be repeated; default: all")
    parser.add_argument("--count", type=int, default=10_000, help="messages in each measured run")
    parser.add_argument("--top", type=int, default=15, help="functions shown of each case")
    parser.add_argument("--others", action="store_true", help="also the instructions of the threads behind")
    parser.add_argument("--accept", action="store_true", help="write the accepted values")
    parser.add_argument("--budget", action="store_true", help="the instructions by room as a Markdown table")
    parser.add_argument("--check", action="store_true", help="compare with the accepted values, show no functions")
    arguments = parser.parse_args()
    if arguments.accept and arguments.case:
        parser.error("--accept takes all cases")
    results = {case: measure(case, arguments.count) for case in arguments.case or cases}
    for case, result in results.items() if arguments.others else []:
        result["others"] = measure_others(case, arguments.count)
    made_by, accepted = read_accepted()
    print_table(results, accepted)
    if arguments.budget:
        print_budget(results)
        return 0
    if arguments.accept:
        write_accepted(results)
        return 0
    if not arguments.check:
        for case, result in results.items():
            print_functions(case, result, arguments.top)
            if "others" in result:
                print_functions(case + ", other threads", result["others"], arguments.top)
        return 0
    if made_by != compiler():
        print(f"not compared: the accepted values were made with g++ {made_by}, this is g++ {compiler()}")
        return 0
    bad = list(failures(results, accepted))
    for line in bad:
        print(line)
    if not bad:
        lower = [case for case, result in results.items() if result["instructions"] < 0.97 * accepted[case][0]]
        if lower:
            print(f"more than 3 % cheaper: {', '.join(lower)}; scripts/dev bench core --accept keeps it that way")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
