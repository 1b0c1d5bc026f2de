"""The broker processes of a bench, and the load tool run against them."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from bench_machine import Watch

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build/release/bin/merlin-bench"
WORK = ROOT / "build/bench"


class Broker:
    """One broker process with a store of its own. `keys`: more lines of its configuration, as key=value."""

    def __init__(self, name, command, port, keys=()):
        self.name, self.port, self.command, self.keys = name, port, command, keys
        self.folder = WORK / name
        self.process = None
        self.used = True
        self.start()

    def prepare(self):
        """An empty folder with a configuration; the environment of the broker."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        conf = self.folder / "broker.conf"
        conf.write_text(f"brokerClusterName=bench\nbrokerName={self.name}\nbrokerId=0\nbrokerIP1=127.0.0.1\n"
                        f"bindAddress=127.0.0.1\nlistenPort={self.port}\nstorePathRootDir={self.folder}/store\n"
                        f"storePathCommitLog={self.folder}/store/commitlog\nautoCreateTopicEnable=true\n" +
                        "".join(f"{line}\n" for line in self.keys), encoding="utf-8")
        return dict(os.environ, CONF=str(conf), STORE=str(self.folder / "store"), PEER_HOME=str(self.folder))

    def start(self):
        environment = self.prepare()
        self.log = open(self.folder / "log", "wb")
        # exec: the process that we measure is the broker and not a shell.
        self.process = subprocess.Popen(["/bin/sh", "-c", "exec " + self.command], stdout=self.log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                                        start_new_session=True)
        self.used = False
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-500:]
                    self.stop()
                    sys.exit(f"{self.name} did not start: {log}")
                time.sleep(0.05)

    def restart(self):
        """The same broker on an empty store, unless it still has that."""
        if self.used:
            self.stop()
            self.start()
        self.used = True

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

    def run(self, arguments, seconds, warmup):
        return run_tool(self, arguments, seconds, warmup)


def result_of(command, **options):
    run = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    lines = run.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"verdict": "no result: " + (run.stderr.strip() or run.stdout.strip())[-300:]}
    result = json.loads(lines[-1])
    result.setdefault("verdict", "good")
    return result


def run_tool(broker, arguments, seconds, warmup):
    timing = []
    if arguments[0] != "consume" and seconds:
        timing = ["--seconds", str(seconds), "--warmup", str(warmup)]
    return result_of([BENCH, *arguments, *timing, "--broker", f"127.0.0.1:{broker.port}", "--broker-pid",
                      str(broker.process.pid), "--json"])


def start_once(name, command, port, keys):
    """Starts a broker on an empty store and measures until its first SEND_OK."""
    broker = Broker.__new__(Broker)
    broker.name, broker.port, broker.command, broker.keys = name + "-start", port, command, keys
    broker.folder = WORK / broker.name
    environment = broker.prepare()
    watch = Watch()
    result = result_of([BENCH, "first-send", "--cmd", f"{command} >>{broker.folder}/log 2>&1", "--broker",
                        f"127.0.0.1:{port}", "--json"], env=environment)
    result = watch.done(0) | result
    shutil.rmtree(broker.folder, ignore_errors=True)
    return result
