#!/usr/bin/env python3
"""Measures what the store costs as it grows.

scripts/dev bench restart [--gib 1,8,32] [--store-type default]
    Fills a store to that size, kills the broker (-9) under load, and measures from exec to the first accepted send; then
    stops it cleanly and measures again. Both with warm and, as root, with dropped page caches.
scripts/dev bench queues [--counts 1,100,10000,1000000] [--store-type default|defaultRocksDB] [--light] [--broker CMD]
    For each number of queues: sends to each of them once, measures sends a second over all in an order without neighbours,
    then memory, bytes on disk per queue, and the start after kill -9 and after a clean stop.
Results go to the standard output as a table and to build/bench/*.json. A broker other than ours is a shell command with
$CONF and $STORE as in bench.py.
"""

import argparse
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build/release/bin"
BENCH = BIN / "merlin-bench"
QUEUES_PER_TOPIC = 1000


class Broker:
    """A broker on a store of its own that is started, killed and started again."""

    def __init__(self, folder, port, command, keys):
        self.folder, self.port, self.command = folder, port, command
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "store").mkdir(parents=True)
        lines = {"brokerClusterName": "bench", "brokerName": "bench", "brokerId": "0", "brokerIP1": "127.0.0.1",
                 "bindAddress": "127.0.0.1", "listenPort": str(port), "storePathRootDir": str(folder / "store"),
                 "storePathCommitLog": str(folder / "store/commitlog"), "autoCreateTopicEnable": "true", **keys}
        (folder / "broker.conf").write_text("".join(f"{k}={v}\n" for k, v in lines.items()), encoding="utf-8")
        self.env = dict(os.environ, CONF=str(folder / "broker.conf"), STORE=str(folder / "store"), PEER_HOME=str(folder))
        self.process = None
        atexit.register(self.leave)

    def leave(self):
        """Whatever ends this script ends its broker."""
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["/bin/sh", "-c", "exec " + self.command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.env, start_new_session=True)
        deadline = time.monotonic() + 300
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the broker did not start; its log is {self.folder}/log")
                time.sleep(0.02)

    def end(self, how):
        os.killpg(self.process.pid, how)
        self.process.wait(300)

    def bench(self, verb, *words):
        run = subprocess.run([BENCH, verb, "--broker", f"127.0.0.1:{self.port}", *map(str, words), "--json"],
                             capture_output=True, text=True, env=self.env)
        result = json.loads(run.stdout.splitlines()[-1]) if run.stdout.strip() else {"verdict": "no result"}
        # A refused send is the broker's right; a queue that does not hold what was acknowledged is not.
        if result["verdict"].startswith(("WRONG", "no result")):
            sys.exit(f"merlin-bench {verb} {words}: {run.stdout}{run.stderr}")
        return result

    def first_send(self, *words):
        return self.bench("first-send", "--cmd", f"{self.command} >>{self.folder}/log 2>&1", "--keep-topic", *words)

    def bytes(self, part=""):
        """Blocks in use, as sparse files count."""
        out = subprocess.run(["du", "-s", "--block-size=1", self.folder / "store" / part], capture_output=True, text=True)
        return int(out.stdout.split()[0]) if out.returncode == 0 else 0


def drop_caches():
    try:
        subprocess.run(["sync"], check=True)
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1\n", encoding="ascii")
        return True
    except OSError:
        return False


def table(title, columns, rows):
    print(f"\n{title}")
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row.get(c, "-")) for c in columns) + " |", flush=True)


def restart(arguments):
    rows = []
    for gib in (float(word) for word in arguments.gib.split(",")):
        broker = Broker(pathlib.Path(arguments.work) / "restart", arguments.port, arguments.broker,
                        {"storeType": arguments.store_type, "fileReservedTime": "1000", "diskMaxUsedSpaceRatio": "95"})
        broker.start()
        while broker.bytes("commitlog") < gib * (1 << 30):
            broker.bench("produce", "--batch", 16, "--size", 4000, "--seconds", 2, "--warmup", 0, "--in-flight", 8)
        load = subprocess.Popen([BENCH, "produce", "--broker", f"127.0.0.1:{arguments.port}", "--keep-topic", "--seconds", "30",
                                 "--size", "1024"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(3)
        broker.end(signal.SIGKILL)
        load.wait()
        row = {"GiB": gib, "log GiB": round(broker.bytes("commitlog") / (1 << 30), 1)}
        killed = broker.first_send()
        row["after kill -9: ms to first send"] = round(killed["exec_to_first_send_ms"])
        row["after a clean stop: ms"] = round(broker.first_send()["exec_to_first_send_ms"])
        if drop_caches():
            row["clean, cold cache: ms"] = round(broker.first_send()["exec_to_first_send_ms"])
        row["RSS MiB"] = round(killed["broker_rss_mib"])
        rows.append(row)
        shutil.rmtree(broker.folder)
    table("Restart", list(rows[0]), rows)
    return rows


def queues(arguments):
    rows = []
    for count in (int(word) for word in arguments.counts.split(",")):
        broker = Broker(pathlib.Path(arguments.work) / "queues", arguments.port, arguments.broker,
                        {"storeType": arguments.store_type, "enableLmq": "true", "enableMultiDispatch": "true",
                         "maxLmqConsumeQueueNum": "100000000", "waitTimeMillsInSendQueue": "10000"})
        broker.start()
        topics, per_topic = (1, 8) if arguments.light else (max(1, count // QUEUES_PER_TOPIC), min(count, QUEUES_PER_TOPIC))
        shape = ["--topics", topics, "--queues", per_topic]
        if arguments.light:
            shape += ["--lmq", count]
        begin = time.monotonic()
        pid = ["--broker-pid", broker.process.pid]
        # Each queue once at least: no measuring before that.
        sent, keep = 0, []
        while sent < count or time.monotonic() - begin < arguments.heat:
            load = broker.bench("produce", *shape, *keep, "--first", sent, "--seconds", max(1, count // 200_000), "--warmup", 0,
                                "--connections", 8, "--in-flight", 64)
            sent, keep = sent + load["acknowledged"], ["--keep-topic"]
        filled = time.monotonic() - begin
        row = {"queues": count}
        result = broker.bench("produce", *shape, *pid, "--keep-topic", "--first", sent, "--seconds", arguments.seconds, "--warmup", 2,
                              "--connections", 8, "--in-flight", 64)
        row["sends/s"] = round(result["messages_per_second"])
        row["CPU-s/M"] = round(result["broker_cpu_s_per_million"], 2)
        row["p99 us"] = round(result["p99_us"])
        row["RSS MiB"] = round(result["broker_rss_mib"])
        row["anon MiB"] = round(result["broker_anonymous_mib"])
        row["fill s"] = round(filled, 1)
        broker.end(signal.SIGKILL)
        row["start after kill -9 ms"] = round(broker.first_send(*shape[:4])["exec_to_first_send_ms"])
        clean = broker.first_send(*shape[:4])
        row["clean start ms"] = round(clean["exec_to_first_send_ms"])
        row["RSS at start MiB"] = round(clean["broker_rss_mib"])
        total = broker.bytes() - broker.bytes("commitlog")
        row["bytes/queue"] = round(total / count)
        rows.append(row)
        table(f"{arguments.store_type}{' light' if arguments.light else ''}", list(row), [row])
        shutil.rmtree(broker.folder)
    table(f"Queues, {arguments.store_type}{', light queues' if arguments.light else ''}", list(rows[0]), rows)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["restart", "queues"])
    parser.add_argument("--gib", default="1,8")
    parser.add_argument("--counts", default="1,10,100,1000,10000,100000")
    parser.add_argument("--store-type", default="default")
    parser.add_argument("--light", action="store_true", help="light queues (LMQ) instead of queues of topics")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--heat", type=int, default=0, help="seconds of load before measuring (25 for a JVM)")
    parser.add_argument("--port", type=int, default=21911)
    parser.add_argument("--work", default=str(ROOT / "build/bench"))
    parser.add_argument("--broker", default=f"{BIN / 'merlin-broker'} -c $CONF")
    arguments = parser.parse_args()
    rows = {"restart": restart, "queues": queues}[arguments.verb](arguments)
    out = pathlib.Path(arguments.work) / f"{arguments.verb}-{arguments.store_type}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
