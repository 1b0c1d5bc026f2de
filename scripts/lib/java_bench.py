#!/usr/bin/env python3
"""Apache RocketMQ's own benchmark producer and consumer, unmodified, against our broker and against Apache's in turns.

scripts/dev bench java [--rounds 3] [--seconds 30] [--async] [--only merlin|apache]

In each turn the producer (64 threads that wait for each answer, or one that does not: --async) sends for so many seconds,
then the consumer reads what it left, as a new group. Each broker has a nameserver of ours; the one that is not measured
stands still (SIGSTOP). Rates are what the programs print (windows of 9 s, warm: the last one of the producer, the best
one of the consumer). Broker CPU seconds per million messages: of the producer's run up to its last second over all that
was stored, of the consumer's until it has everything. The load tool then reads everything back: dense offsets, CRCs.
"""

import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

from bench_machine import TICKS, Watch
from bench_process import ROOT, WORK, Broker, result_of, BENCH

TPS = re.compile(r"(?:Send|Consume)? ?TPS: (\d+)")
QUEUES = 4  # what the Java producer asks for when its topic is made by sending


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Program:
    """A benchmark program that runs; the rates that it has printed."""

    def __init__(self, folder, name, *arguments):
        self.rates, self.lines = [], []
        self.process = subprocess.Popen([ROOT / "scripts/apache/benchmark", name, "-ri", "1000", *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env=dict(os.environ, PEER_HOME=str(folder)), text=True, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            found = TPS.search(line)
            if found:
                self.rates.append(int(found.group(1)))

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join(5)


class Side:
    """A broker with a nameserver of its own."""

    def __init__(self, name, command, port):
        self.name, self.port = name, port
        folder = WORK / f"{name}-namesrv"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "namesrv.conf").write_text(f"listenPort={port + 10}\nbindAddress=127.0.0.1\n", encoding="utf-8")
        self.log = open(folder / "log", "wb")
        self.namesrv = subprocess.Popen([ROOT / "build/release/bin/merlin-namesrv", "-c", folder / "namesrv.conf"],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env=dict(os.environ, HOME=str(folder)), start_new_session=True)
        self.broker = None
        try:
            self.broker = Broker(name, command, port,
                                 [f"namesrvAddr=127.0.0.1:{port + 10}", "registerNameServerPeriod=10000"])
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.broker:
            self.broker.stop()
        self.namesrv.terminate()
        self.namesrv.wait(20)
        self.log.close()

    def turn(self, number, seconds, is_async):
        topic = f"java_{number}"
        common = ["-n", f"127.0.0.1:{self.port + 10}", "-t", topic]
        pid = self.broker.process.pid
        self.broker.resume()
        watch = Watch()
        producer = Program(self.broker.folder, "Producer", *common, *(["-y", "true"] if is_async else []))
        before = cpu_seconds(pid)
        try:
            # The first rate comes 10 s after the program is ready.
            deadline = time.monotonic() + 120
            while not producer.rates and producer.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(max(seconds - 10, 1))
            send_rate = producer.rates[-1] if producer.rates else 0
            lines = producer.lines[-3:]
        finally:
            producer.stop()
        time.sleep(1)
        send_cpu = cpu_seconds(pid) - before
        result = watch.done(0)
        stored = result_of([BENCH, "consume", "--broker", f"127.0.0.1:{self.port}", "--topic", topic, "--queues",
                            str(QUEUES), "--json"])
        if "messages" not in stored or not send_rate:
            sys.exit(f"{self.name}: {stored['verdict']}; the producer says {lines}")
        read_rate, read_cpu = self.consume(common, number, stored["messages"])
        self.broker.pause()
        millions = stored["messages"] / 1e6
        return {"send msg/s": send_rate, "send CPU-s/M": send_cpu / millions, "consume msg/s": read_rate,
                "consume CPU-s/M": read_cpu / millions, "messages": stored["messages"],
                "steal %": result["steal_percent"], "verdict": stored["verdict"]}

    def consume(self, common, number, messages):
        """The best rate, and the broker's CPU until everything was read."""
        pid = self.broker.process.pid
        before = cpu_seconds(pid)
        consumer = Program(self.broker.folder, "Consumer", *common, "-g", f"java_group_{number}")
        try:
            deadline = time.monotonic() + 30 + messages / 5000
            while not consumer.rates or max(consumer.rates) == 0 or consumer.rates[-1] > 0:
                if time.monotonic() > deadline or consumer.process.poll() is not None:
                    sys.exit(f"{self.name}: the consumer does not come to an end: {consumer.lines[-3:]}")
                time.sleep(0.2)
            return max(consumer.rates), cpu_seconds(pid) - before
        finally:
            consumer.stop()


def main():
    parser = argparse.ArgumentParser(prog="scripts/dev bench java", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--async", dest="is_async", action="store_true", help="the producer's -y true")
    parser.add_argument("--only", choices=["merlin", "apache"])
    parser.add_argument("--port", type=int, default=24911, help="of our broker; the others stand above it")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    WORK.mkdir(parents=True, exist_ok=True)
    commands = {"merlin": f"{ROOT}/build/release/bin/merlin-broker -c $CONF",
                "apache": f"{ROOT}/scripts/apache/broker -c $CONF"}
    names = [arguments.only] if arguments.only else list(commands)
    sides, results = [], {name: [] for name in names}
    try:
        for i, name in enumerate(names):
            sides.append(Side(name, commands[name], arguments.port + 100 * i))
            sides[-1].broker.pause()
        if "apache" in names:
            print("apache: one turn to warm up", flush=True)
            sides[-1].turn("warm", min(arguments.seconds, 20), arguments.is_async)
        for number in range(arguments.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                result = side.turn(number, arguments.seconds, arguments.is_async)
                results[side.name].append(result)
                shown = [f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}"
                         for key, value in result.items()]
                print(f"round {number + 1} {side.name:8}" + ", ".join(shown), flush=True)
    finally:
        for side in sides:
            side.stop()
    print(f"\n{'median':18}" + "".join(f"{name:>14}" for name in names) + (f"{'ratio':>10}" if len(names) == 2 else ""))
    for key in ["send msg/s", "send CPU-s/M", "consume msg/s", "consume CPU-s/M"]:
        medians = [statistics.median(result[key] for result in results[name]) for name in names]
        line = f"{key:18}" + "".join(f"{value:>14,.2f}" for value in medians)
        print(line + (f"{medians[0] / medians[1]:>10.3f}" if len(medians) == 2 and medians[1] else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
