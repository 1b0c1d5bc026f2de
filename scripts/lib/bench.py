#!/usr/bin/env python3
"""Measures one broker, or two in turns, with merlin-bench; prints medians.

scripts/dev bench [options]           our broker alone
scripts/dev bench compare [options]   broker A against broker B, interleaved: A B, B A, A B ...

A broker is a shell command in which $CONF is a broker configuration file written for it (port, store, name, addresses)
and $STORE its directory; the default for A is our own broker. Examples:
  scripts/dev bench compare --b 'old/bin/merlin-broker -c $CONF' --rounds 5 --control
  scripts/dev bench compare --b "$PWD/scripts/apache/broker -c \\$CONF" --name-b apache --keep-b --heat 25 \\
      --control --table --report docs/performance-report.md
While one broker is measured the others are stopped (SIGSTOP), so that they take no CPU.

--control runs A's command a second time as a broker of its own: how far two equal brokers differ (A/A) is the noise that
a difference between A and B has to exceed. Ratios are taken within a round; shown are their median and, as the interval,
the lowest and the highest of all rounds. A run during which the hypervisor took more than 5 % of the CPU time is
repeated, at most twice, and marked with * if it was no better then.

Each run has its own topic. Brokers get an empty store for each run (they are started again), but a --keep one goes on: a
JVM would have to warm up again.
"""

import argparse
import json
import pathlib
import signal
import sys

import bench_report
from bench_idle import idle_once
from bench_machine import Watch, environment
from bench_process import BENCH, ROOT, WORK, Broker, run_tool, start_once
from bench_workloads import BY_NAME, DEFAULT, DEFAULT_SYNC, TABLE

__all__ = ["BENCH", "ROOT", "WORK", "Broker", "main"]

STEAL_PERCENT_MAX = 5.0
REPEATS = 2
OURS = f"{ROOT}/build/release/bin/merlin-broker -c $CONF"


class Runner:
    """Runs workloads over brokers in turns; brokers with the same configuration live as long as they are needed."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.sides = [("a", arguments.name_a, arguments.a, arguments.keep_a)]
        if arguments.b:
            self.sides.append(("b", arguments.name_b, arguments.b, arguments.keep_b))
        if arguments.control:
            self.sides.append(("control", "control", arguments.a, arguments.keep_a))
        self.brokers = {}
        self.keys = None

    def close(self):
        for broker in self.brokers.values():
            broker.stop()
        self.brokers = {}

    def with_keys(self, keys):
        """The brokers of this configuration, started and warm."""
        if self.keys == keys:
            return
        self.close()
        self.keys = keys
        for i, (side, name, command, keep) in enumerate(self.sides):
            self.brokers[side] = Broker(name, command, self.arguments.port + 1000 * i, keys)
            if keep and self.arguments.heat:
                print(f"{name}: {self.arguments.heat} s of load to warm up", flush=True)
                run_tool(self.brokers[side], [*BY_NAME["8x64"].arguments, "--topic", "heat"], self.arguments.heat, 0)
            self.brokers[side].pause()

    def one(self, workload, side, topic):
        keep = next(k for s, _, _, k in self.sides if s == side)
        broker = self.brokers[side]
        if not keep:
            broker.restart()
        broker.resume()
        seconds = workload.seconds or self.arguments.seconds
        if workload.before:
            run_tool(broker, [*workload.before, "--topic", topic], None, None)
        watch = Watch()
        result = run_tool(broker, [*workload.arguments, "--topic", topic], seconds, self.arguments.warmup)
        # The tool knows the steal of its measured seconds.
        result = watch.done(result.get("own_cores", 0) + result.get("broker_cores", 0)) | result
        broker.pause()
        return result

    def measured(self, workload, side, topic):
        """A run without much steal, if there is one."""
        best = None
        for attempt in range(REPEATS + 1):
            if workload.kind != "load":
                _, name, command, _ = next(entry for entry in self.sides if entry[0] == side)
                once = start_once if workload.kind == "start" else idle_once
                result = once(name, command, self.arguments.port + 5, workload.keys)
            else:
                result = self.one(workload, side, f"{topic}_{attempt}")
            if best is None or result["steal_percent"] < best["steal_percent"]:
                best = result
            if best["steal_percent"] <= STEAL_PERCENT_MAX or not best["verdict"].startswith("good"):
                break
        best["disturbed"] = best["steal_percent"] > STEAL_PERCENT_MAX
        return best

    def run(self, names):
        """{workload: {side: [result of each round]}}; rounds of a workload follow each other, sides in turns."""
        results = {}
        for name in sorted(names, key=lambda n: BY_NAME[n].keys):
            workload = BY_NAME[name]
            if workload.kind != "load":
                self.close()
                self.keys = None
            else:
                self.with_keys(workload.keys)
            results[name] = {side: [] for side, *_ in self.sides}
            for number in range(self.arguments.rounds):
                for side, label, *_ in self.sides if number % 2 == 0 else reversed(self.sides):
                    result = self.measured(workload, side, f"bench_{name.replace('-', '_')}_{number}")
                    results[name][side].append(result)
                    shown = result.get(workload.headline, 0)
                    print(f"round {number + 1} {name:16}{label:10}{shown:>12,.0f} {workload.headline}, steal "
                          f"{result['steal_percent']:.1f} %  {result['verdict']}", flush=True)
        return {name: results[name] for name in names}


def parse():
    parser = argparse.ArgumentParser(prog="scripts/dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["single", "compare"], help=argparse.SUPPRESS)
    parser.add_argument("--a", default=OURS, help="command of broker A")
    parser.add_argument("--b", help="command of broker B")
    parser.add_argument("--name-a", default="merlin")
    parser.add_argument("--name-b", default="other")
    parser.add_argument("--keep-a", action="store_true", help="A goes on from run to run, its store grows")
    parser.add_argument("--keep-b", action="store_true", help="the same for B")
    parser.add_argument("--control", action="store_true", help="A's command once more as a third broker: the noise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--heat", type=int, default=0, help="seconds of load on a --keep broker first (25 for a JVM)")
    parser.add_argument("--sync", action="store_true", help="the workloads with flushDiskType=SYNC_FLUSH")
    parser.add_argument("--workload", action="append", choices=BY_NAME, metavar="NAME",
                        help="may be repeated; default: a choice of " + ", ".join(BY_NAME))
    parser.add_argument("--table", action="store_true", help="all workloads of the report's table")
    parser.add_argument("--port", type=int, default=28911, help="of A; B and the control 1000 and 2000 higher")
    parser.add_argument("--save", default=str(WORK / "compare.json"), help="results of all runs")
    parser.add_argument("--load", action="append", default=[], metavar="FILE",
                        help="results saved before go into the table and the report too; alone: nothing is run")
    parser.add_argument("--report", metavar="FILE.md", help="write a report with a plot beside it")
    arguments = parser.parse_args()
    if (arguments.mode == "compare") != bool(arguments.b) and not arguments.load:
        parser.error("compare needs --b, and only compare takes it")
    return arguments


def chosen(arguments):
    names = list(TABLE) if arguments.table else []
    names += [name for name in arguments.workload or [] if name not in names]
    if not names and not arguments.load:
        names = DEFAULT_SYNC if arguments.sync else DEFAULT
    return names


def main():
    arguments = parse()
    names = chosen(arguments)
    # An end by signal must still take the brokers along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    documents = [json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in arguments.load]
    if names:
        runner = Runner(arguments)
        document = {"environment": environment(ROOT), "names": {side: name for side, name, *_ in runner.sides},
                    "seconds": arguments.seconds, "rounds": arguments.rounds}
        try:
            document["results"] = runner.run(names)
        finally:
            runner.close()
        WORK.mkdir(parents=True, exist_ok=True)
        pathlib.Path(arguments.save).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        documents.append(document)
    merged = bench_report.merge(documents)
    bench_report.print_medians(merged)
    if arguments.report:
        bench_report.write(merged, pathlib.Path(arguments.report))
    bad = [result["verdict"] for by_side in merged["results"].values() for runs in by_side.values() for result in runs
           if result["verdict"].startswith(("WRONG", "no result"))]
    for verdict in bad:
        print("bad run:", verdict)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
