#!/usr/bin/env python3
"""The slowest delivery at sparse traffic: many queues, each idle for a random time before its next message.

scripts/dev bench sparse [--kinds ...] [--queues 200] [--idle-ms 10000] [--count 10000] [--max-ms 20] [--server apache]

Kinds of the load tool (one thread, one clock): native, native-tag, native-sql. Kinds of the real Java client: push,
orderly, lite, tag, sql. With a filter, so much other traffic comes to the same queues that one message in a thousand
matches (--noise: messages a second). Each kind has a broker of its own; all of it takes about 5 minutes a kind.
Beside a Java client, the load tool does the same to queues of its own on the same broker: what that does not see, the
client or its processor time did. "CPU wait" is how long threads of broker and client stood in line for a core, in all.
Delivery is measured from the broker's store time (whole milliseconds) and from the send; how late the generator was,
the longest pause of the client's garbage collector and of a thread that only sleeps stand beside it.
Ends with status 1 when a message is lost, comes twice, or is delivered later than --max-ms after it was stored.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from bench_machine import Watch
from bench_process import BENCH, ROOT, WORK, Broker, result_of

NATIVE = ["native", "native-tag", "native-sql"]
JAVA = ["push", "orderly", "lite", "tag", "sql"]
FILTERED = ("tag", "sql")


class Side:
    """A nameserver of ours and the broker that is measured."""

    def __init__(self, server, kind, port):
        self.folder = WORK / "sparse-namesrv"
        self.folder.mkdir(parents=True, exist_ok=True)
        conf = self.folder / "namesrv.conf"
        conf.write_text(f"listenPort={port + 10}\nbindAddress=127.0.0.1\n", encoding="utf-8")
        self.namesrv_address, self.address = f"127.0.0.1:{port + 10}", f"127.0.0.1:{port}"
        with open(self.folder / "log", "wb") as log:
            self.namesrv = subprocess.Popen([ROOT / "build/release/bin/merlin-namesrv", "-c", conf], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=str(self.folder)),
                                            start_new_session=True)
        command = "build/release/bin/merlin-broker" if server == "merlin" else "scripts/apache/broker"
        try:
            self.broker = Broker(f"sparse-{kind}", f"{ROOT}/{command} -c $CONF", port,
                                 [f"namesrvAddr={self.namesrv_address}", "registerNameServerPeriod=10000",
                                  "enablePropertyFilter=true", "timerFlushIntervalMs=60000"])
        except BaseException:
            self.namesrv.kill()
            raise

    def stop(self):
        self.broker.stop()
        self.namesrv.terminate()
        self.namesrv.wait(20)


def cpu_wait_ms(pid):
    """How long the threads of a process were ready and had no core."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            pass
    return total / 1e6


class Beside:
    """The load tool at queues of its own, until it is told to end."""

    def __init__(self, arguments, side):
        self.process = subprocess.Popen([BENCH, "sparse", "--broker", side.address, "--topic", "sparse_beside", "--queues", "50",
                                         "--idle-ms", str(arguments.idle_ms), "--count", "100000000", "--json", "--quiet"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            lines = self.process.communicate(timeout=30)[0].strip().splitlines()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return {}
        if not lines or not lines[-1].startswith("{"):
            return {}
        result = json.loads(lines[-1])
        return {"beside_max_ms": result["delivery_max_us"] / 1000, "beside_lag_max_ms": result["lag_max_us"] / 1000,
                "beside_messages": result["received"]}


def noise_of(arguments, kind):
    """Messages a second that the filter does not match: 999 for each that it does."""
    if not kind.endswith(FILTERED):
        return 0
    return arguments.noise or int(999 * arguments.queues / (arguments.idle_ms / 2000))


def native(arguments, side, kind):
    words = {"native": [], "native-tag": ["--tag", "hit"], "native-sql": ["--sql", "kind = 'hit'"]}[kind]
    noise = noise_of(arguments, kind)
    result = result_of([BENCH, "sparse", "--broker", side.address, "--broker-pid", str(side.broker.process.pid), "--queues",
                        str(arguments.queues), "--idle-ms", str(arguments.idle_ms), "--count", str(arguments.count), "--json",
                        "--quiet", *words, *(["--noise", str(noise)] if noise else [])])
    if "sent" not in result:
        return {"error": result["verdict"]}
    of = lambda name: {short: result[f"{name}_{long}_us"] / 1000 for short, long in
                       (("p50", "p50"), ("p99", "p99"), ("p99.9", "p99_9"), ("max", "max"))}
    return {"sent": result["sent"], "lost": result["lost"], "duplicates": result["duplicates"], "refused": result["refused"],
            "stored_to_delivered_ms": {"max": result["stored_to_delivered_max_ms"]}, "sent_to_delivered_ms": of("delivery"),
            "generator_lag_ms": {"p99": result["lag_p99_us"] / 1000, "max": result["lag_max_us"] / 1000},
            "slowest": [result[f"slowest_{i}"] for i in range(1, 11) if f"slowest_{i}" in result],
            "broker_cores": result["broker_cores"]}


def java(arguments, side, kind):
    """The rig says "ready" when its consumer is warm; then the noise begins."""
    folder = WORK / "sparse-client"
    folder.mkdir(parents=True, exist_ok=True)
    noise = beside = None
    extra = {}
    with open(folder / "log", "wb") as log:
        rig = subprocess.Popen(["java", "-Xms1g", "-Xmx1g", "-Xmn800m", "-XX:+UseSerialGC", "-XX:+AlwaysPreTouch",
                                f"-Duser.home={folder}", f"-Drocketmq.client.logRoot={folder}", "-cp", os.environ["CLIENT_CLASSPATH"],
                                "conformance.Sparse", side.namesrv_address, side.address, kind, str(arguments.queues),
                                str(arguments.idle_ms), str(arguments.count), str(arguments.seed)], stdout=subprocess.PIPE,
                               stderr=log, stdin=subprocess.DEVNULL, text=True, start_new_session=True)
        try:
            line = rig.stdout.readline()
            beside = Beside(arguments, side)
            waits = {"broker": cpu_wait_ms(side.broker.process.pid), "client": cpu_wait_ms(rig.pid)}
            if line.startswith("ready") and noise_of(arguments, kind):
                noise = subprocess.Popen([BENCH, "produce", "--broker", side.address, "--topic", f"sparse_{kind}", "--keep-topic",
                                          "--queues", str(arguments.queues), "--kind", "noise", "--batch", "64", "--rate",
                                          str(noise_of(arguments, kind)), "--connections", "1", "--warmup", "0", "--seconds", "86400",
                                          "--no-read-back", "--quiet"], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            lines = rig.stdout.readline().strip().splitlines()
            extra = {"cpu_wait_ms": {"broker": cpu_wait_ms(side.broker.process.pid) - waits["broker"],
                                     "client": cpu_wait_ms(rig.pid) - waits["client"]}}
            rig.wait()
        finally:
            if beside:
                extra |= beside.stop()
            for process in (rig, noise):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
    if not lines or not lines[-1].startswith("{"):
        tail = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return {"error": next((text for text in tail if text.startswith("Exception")), "no result: " + " ".join(tail[-1:]))[:300]}
    return json.loads(lines[-1]) | extra


def is_good(arguments, result):
    if "error" in result or result["lost"] or result["duplicates"] or result["refused"]:
        return False
    return not arguments.max_ms or result["stored_to_delivered_ms"]["max"] < arguments.max_ms


def shown(result, name, quantile):
    value = result.get(name, {}).get(quantile)
    return "-" if value is None else f"{value:.2f}"


def table(results):
    print(f"\n{'':12}{'store to delivery, ms':>22}{'send to delivery, ms':>37}{'generator':>10}{'GC':>8}{'sleep':>9}{'load tool':>10}{'CPU wait, ms':>15}{'lost/twice':>12}")
    print(f"{'':12}{'p99.9':>14}{'max':>8}{'p50':>13}{'p99':>8}{'p99.9':>8}{'max':>8}{'lag max':>10}{'max':>8}{'late max':>9}{'max':>10}{'broker':>8}{'client':>7}")
    for kind, result in results.items():
        if "error" in result:
            print(f"{kind:12}{result['error']}")
            continue
        cells = [("stored_to_delivered_ms", "p99.9", 14), ("stored_to_delivered_ms", "max", 8), ("sent_to_delivered_ms", "p50", 13),
                 ("sent_to_delivered_ms", "p99", 8), ("sent_to_delivered_ms", "p99.9", 8), ("sent_to_delivered_ms", "max", 8),
                 ("generator_lag_ms", "max", 10)]
        line = f"{kind:12}" + "".join(f"{shown(result, name, quantile):>{width}}" for name, quantile, width in cells)
        for name, width in (("gc_max_ms", 8), ("sleep_late_max_ms", 9), ("beside_max_ms", 10)):
            line += f"{result[name]:>{width}.2f}" if name in result else f"{'-':>{width}}"
        waits = result.get("cpu_wait_ms", {})
        line += "".join(f"{waits[name]:>{width}.0f}" if waits else f"{'-':>{width}}" for name, width in (("broker", 8), ("client", 7)))
        print(line + f"{result['lost']:>10}/{result['duplicates']}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/dev bench sparse", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(NATIVE + JAVA), help="(%(default)s)")
    parser.add_argument("--queues", type=int, default=200)
    parser.add_argument("--idle-ms", type=int, default=10_000, help="the longest pause of a queue (%(default)s)")
    parser.add_argument("--count", type=int, default=10_000, help="messages of a kind (%(default)s)")
    parser.add_argument("--noise", type=int, default=0, help="messages a second that the filter does not match (999 for one that it does)")
    parser.add_argument("--max-ms", type=int, default=20, help="the bound; 0: none (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--server", choices=["merlin", "apache"], default="merlin")
    parser.add_argument("--port", type=int, default=24711)
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there")
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    unknown = [kind for kind in kinds if kind not in NATIVE + JAVA]
    if unknown:
        parser.error(f"unknown kinds {unknown}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"seed {arguments.seed}; {arguments.queues} queues idle for up to {arguments.idle_ms} ms, {arguments.count} messages a kind")
    results = {}
    for kind in kinds:
        side = Side(arguments.server, kind, arguments.port)
        watch = Watch()
        try:
            results[kind] = (native if kind in NATIVE else java)(arguments, side, kind)
        finally:
            side.stop()
        results[kind]["machine"] = watch.done(0)
        results[kind]["good"] = is_good(arguments, results[kind])
        print(f"{kind}: {'good' if results[kind]['good'] else 'NOT GOOD'}; slowest:", flush=True)
        for slow in results[kind].get("slowest", [])[:5]:
            print("   ", slow if isinstance(slow, str) else ", ".join(f"{name} {value}" for name, value in slow.items()), flush=True)
    table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps({"options": vars(arguments), "results": results}, default=str) + "\n", encoding="utf-8")
    bad = [kind for kind, result in results.items() if not result["good"]]
    print(f"\n{len(results) - len(bad)} kinds good" + (f", not good: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
