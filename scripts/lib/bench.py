#!/usr/bin/env python3
"""Measures one broker, or two in turns, with merlin-bench; prints medians.

scripts/dev bench [options]           our broker alone
scripts/dev bench compare [options]   broker A against broker B, interleaved: A B, B A, A B ...

A broker is a shell command in which $CONF is a broker configuration file written for it (port, store, name, addresses) and
$STORE its directory; the default for A is our own broker. Example:
  scripts/dev bench compare --b 'old/bin/merlin-broker -c $CONF' --rounds 5
  scripts/dev bench compare --b 'apache-broker -c $CONF' --sync
While one broker is measured the other one is stopped (SIGSTOP), so that it takes no CPU.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build/release/bin/merlin-bench"
WORK = ROOT / "build/bench"

# Name -> arguments of merlin-bench. `consume` reads what `backlog` left behind.
WORKLOADS = {
    "1x1": ["produce", "--connections", "1", "--in-flight", "1", "--size", "128"],
    "8x64": ["produce", "--connections", "8", "--in-flight", "64", "--size", "128"],
    "8x64-1k": ["produce", "--connections", "8", "--in-flight", "64", "--size", "1024"],
    "64x16": ["produce", "--connections", "64", "--in-flight", "16", "--size", "128"],
    "8x64-binary": ["produce", "--connections", "8", "--in-flight", "64", "--size", "128", "--binary"],
    "batch": ["produce", "--connections", "8", "--in-flight", "8", "--batch", "32", "--size", "128"],
    "64x1": ["produce", "--connections", "64", "--in-flight", "1", "--size", "1024"],
    "rate-6000": ["produce", "--connections", "8", "--in-flight", "64", "--size", "1024", "--rate", "6000"],
    "consume": ["consume", "--passes", "3"],
}
METRICS = [("messages_per_second", "msg/s", 0), ("broker_cpu_s_per_million", "CPU-s/M", 2), ("broker_cores", "cores", 2),
           ("p50_us", "p50 us", 0), ("p99_us", "p99 us", 0), ("p99_9_us", "p99.9 us", 0), ("broker_rss_mib", "RSS MiB", 0),
           ("broker_anonymous_mib", "anon MiB", 0), ("own_cores", "tool cores", 2)]


class Broker:
    """One broker process with a store of its own."""

    def __init__(self, name, command, port, sync):
        self.name, self.port = name, port
        self.folder = WORK / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        conf = self.folder / "broker.conf"
        conf.write_text(f"brokerClusterName=bench\nbrokerName={name}\nbrokerId=0\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n"
                        f"listenPort={port}\nstorePathRootDir={self.folder}/store\nautoCreateTopicEnable=true\n"
                        f"flushDiskType={'SYNC_FLUSH' if sync else 'ASYNC_FLUSH'}\n", encoding="utf-8")
        env = dict(os.environ, CONF=str(conf), STORE=str(self.folder / "store"), PEER_HOME=str(self.folder))
        self.log = open(self.folder / "log", "wb")
        # exec: the process that we measure is the broker and not a shell.
        self.process = subprocess.Popen(["/bin/sh", "-c", "exec " + command], stdout=self.log, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    sys.exit(f"{name} did not start; its log is {self.folder}/log")
                time.sleep(0.05)

    def run(self, arguments, seconds, warmup):
        timing = ["--seconds", str(seconds), "--warmup", str(warmup)] if arguments[0] == "produce" else []
        result = subprocess.run([BENCH, *arguments, *timing, "--broker", f"127.0.0.1:{self.port}", "--broker-pid",
                                 str(self.process.pid), "--json"], capture_output=True, text=True)
        lines = result.stdout.strip().splitlines()
        if not lines:
            return {"verdict": "no result: " + result.stderr.strip()}
        return json.loads(lines[-1])

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder / "store", ignore_errors=True)


def measure(brokers, names, rounds, seconds, warmup):
    """{workload: {broker name: [result, ...]}}, brokers in turns, the order changing every round."""
    results = {name: {broker.name: [] for broker in brokers} for name in names}
    for number in range(rounds):
        for workload in names:
            topic = f"bench_{workload.replace('-', '_')}_{number}"
            for broker in brokers if number % 2 == 0 else reversed(brokers):
                for other in brokers:
                    other.resume() if other is broker else other.pause()
                if workload == "consume":
                    broker.run([*WORKLOADS["batch"], "--topic", topic], 2, 0)
                result = broker.run([*WORKLOADS[workload], "--topic", topic], seconds, warmup)
                results[workload][broker.name].append(result)
                print(f"round {number + 1} {workload:12} {broker.name:10} {result.get('messages_per_second', 0):>10.0f} msg/s  "
                      f"{result['verdict']}", flush=True)
    return results


def print_medians(brokers, results):
    names = [broker.name for broker in brokers]
    print(f"\n{'workload':14}{'median of':14}" + "".join(f"{name:>14}" for name in names) +
          (f"{names[0] + '/' + names[1]:>16}" if len(names) == 2 else ""))
    for workload, by_broker in results.items():
        for key, label, decimals in METRICS:
            medians = []
            for name in names:
                values = [result[key] for result in by_broker[name] if key in result]
                medians.append(statistics.median(values) if values else None)
            if any(median is None for median in medians):
                continue
            line = f"{workload:14}{label:14}" + "".join(f"{median:>14,.{decimals}f}" for median in medians)
            if len(medians) == 2 and medians[1]:
                line += f"{medians[0] / medians[1]:>16.2f}"
            print(line)


def main():
    parser = argparse.ArgumentParser(prog="scripts/dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["single", "compare"], help=argparse.SUPPRESS)
    parser.add_argument("--a", default=f"{ROOT}/build/release/bin/merlin-broker -c $CONF", help="command of broker A")
    parser.add_argument("--b", help="command of broker B")
    parser.add_argument("--name-a", default="merlin")
    parser.add_argument("--name-b", default="other")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--heat", type=int, default=0, help="seconds of load before the first round (25 for a JVM)")
    parser.add_argument("--sync", action="store_true", help="flushDiskType=SYNC_FLUSH")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="may be repeated; default: a choice of them")
    arguments = parser.parse_args()
    if (arguments.mode == "compare") != bool(arguments.b):
        parser.error("compare needs --b, and only compare takes it")
    names = arguments.workload or (["64x1", "64x16"] if arguments.sync else ["1x1", "8x64", "8x64-1k", "64x16", "batch", "consume"])
    brokers = []
    # An end by signal must still take the brokers along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    try:
        brokers.append(Broker(arguments.name_a, arguments.a, 28911, arguments.sync))
        if arguments.b:
            brokers.append(Broker(arguments.name_b, arguments.b, 29911, arguments.sync))
        for broker in brokers if arguments.heat else []:
            broker.run([*WORKLOADS["8x64"], "--topic", "heat"], arguments.heat, 0)
        results = measure(brokers, names, arguments.rounds, arguments.seconds, arguments.warmup)
    finally:
        for broker in brokers:
            broker.stop()
    print_medians(brokers, results)
    bad = [result for by_broker in results.values() for runs in by_broker.values() for result in runs
           if result["verdict"].startswith(("WRONG", "no result"))]
    for result in bad:
        print("bad run:", result["verdict"])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
