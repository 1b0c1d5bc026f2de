"""What a broker takes while it does nothing: alone, and while 10 000 connections hold a pull each."""

import json
import pathlib
import resource
import select
import socket
import struct
import time

from bench_machine import TICKS, Watch
from bench_process import Broker

HELD = 10_000
SECONDS = 5


def frame(code, opaque, fields):
    header = json.dumps({"code": code, "extFields": fields, "flag": 0, "language": "JAVA", "opaque": opaque,
                         "serializeTypeCurrentRPC": "JSON", "version": 513}, separators=(",", ":")).encode()
    return struct.pack(">ii", 4 + len(header), len(header)) + header


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 30)


def make_topic(port, topic):
    with connect(port) as link:
        link.sendall(frame(17, 1, {"topic": topic, "defaultTopic": "TBW102", "readQueueNums": "8", "writeQueueNums": "8",
                                   "perm": "6", "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false"}))
        if b'"code":0' not in link.recv(65536):
            raise RuntimeError("the broker does not make the topic")


def pull(topic, queue):
    """A pull that waits: of an empty queue, the subscription in it, ten minutes at most."""
    return frame(11, queue, {"consumerGroup": "bench_held", "topic": topic, "queueId": str(queue % 8), "queueOffset": "0",
                             "maxMsgNums": "32", "sysFlag": "6", "commitOffset": "0", "suspendTimeoutMillis": "600000",
                             "subscription": "*", "subVersion": "0", "expressionType": "TAG"})


def memory_mib(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith("kB")}
    return found["Rss"], found["Anonymous"]


def cpu_percent(pid, seconds):
    """Of one core."""
    def used():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    before, begin = used(), time.monotonic()
    time.sleep(seconds)
    return 100 * (used() - before) / (time.monotonic() - begin)


def idle_once(name, command, port, keys):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    broker = Broker(name + "-idle", command, port, keys)
    links = []
    try:
        pid = broker.process.pid
        make_topic(port, "held")
        time.sleep(3)
        watch = Watch()
        result = {"idle_cpu_percent": cpu_percent(pid, SECONDS)}
        result["idle_rss_mib"], result["idle_anonymous_mib"] = memory_mib(pid)
        for i in range(HELD):
            links.append(connect(port))
            links[-1].sendall(pull("held", i))
        time.sleep(3)
        result["held_cpu_percent"] = cpu_percent(pid, SECONDS)
        result["held_rss_mib"], _ = memory_mib(pid)
        poll = select.poll()
        for link in links:
            poll.register(link, select.POLLIN)
        answered = len(poll.poll(0))
        result["verdict"] = "good" if answered == 0 else f"WRONG: {answered} of {HELD} pulls were answered or closed"
        result.update(watch.done(0))
        return result
    finally:
        for link in links:
            link.close()
        broker.stop()
