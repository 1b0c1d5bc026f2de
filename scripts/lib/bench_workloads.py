"""The workloads of scripts/dev bench: what is run, under which configuration, and what is shown of it."""

import dataclasses

PRODUCE = ["produce", "--size", "128"]


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    arguments: list  # of merlin-bench
    headline: str = "messages_per_second"  # the metric of the plot
    keys: tuple = ()  # lines of the brokers' configuration; workloads with the same ones share their brokers
    seconds: int = 0  # measured; 0: what the command line says
    before: tuple = ()  # arguments of a run that makes what this one reads
    goal: str = ""  # what MerlinMQ wants to show; ratios beside Apache's broker
    kind: str = "load"  # load; start: exec to the first SEND_OK; idle: nothing to do


SYNC = ("flushDiskType=SYNC_FLUSH",)
ONE, TWO = ("merlinReactors=1",), ("merlinReactors=2",)
LATENCY = "p99_us"
# 1 KiB at a rate, timed from when each message was due; the tool in real time where it may.
RATE = ["--rt", "--size", "1024", "--connections", "8", "--rate"]

ALL = [
    Workload("8x64", "128 B sends, 8 connections x 64 in flight, JSON headers",
             [*PRODUCE, "--connections", "8", "--in-flight", "64"],
             goal="CPU-s/M 15 times less, then 25; 600 000 msg/s on one core"),
    Workload("8x64-binary", "the same with binary headers",
             [*PRODUCE, "--connections", "8", "--in-flight", "64", "--binary"],
             goal="CPU-s/M 20 times less"),
    Workload("8x64-1k", "the same with 1 KiB bodies",
             ["produce", "--size", "1024", "--connections", "8", "--in-flight", "64"]),
    Workload("64x16", "128 B sends, 64 connections x 16 in flight",
             [*PRODUCE, "--connections", "64", "--in-flight", "16"],
             goal="CPU-s/M 12 times less"),
    Workload("1x1", "128 B sends, 1 connection x 1 in flight", [*PRODUCE, "--connections", "1", "--in-flight", "1"],
             headline="p50_us",
             goal="p50 20 us, p99 60 us, CPU-s/M 8 times less"),
    Workload("batch", "batches of 32 x 128 B, counted when consumable",
             [*PRODUCE, "--connections", "8", "--in-flight", "8", "--batch", "32"],
             goal="CPU-s/M 12 times less, 4 million msg/s on one core"),
    Workload("consume", "pulls of 32 from a cached backlog",
             ["consume", "--passes", "3"],
             before=(*PRODUCE, "--connections", "8", "--in-flight", "8", "--batch", "32", "--seconds", "3", "--warmup",
                     "0"),
             goal="CPU-s/M 8 times less"),
    Workload("e2e-12000", "1 KiB at 12 000 a second, sends beside long polls",
             ["e2e", *RATE, "12000", "--consumers", "4"], headline="e2e_p99_us",
             goal="e2e p50 120 us, p99 1 ms, p99.9 2 ms"),
    Workload("e2e-30000", "1 KiB at 30 000 a second, sends beside long polls",
             ["e2e", *RATE, "30000", "--consumers", "4"], headline="e2e_p99_us",
             goal="e2e p50 150 us, p99 2 ms, no refusal"),
    Workload("held-10000", "10 000 consumers with a held pull each, on 10 000 queues, 128 B at 20 000 a second",
             ["e2e", "--rt", "--size", "128", "--connections", "4", "--queues", "10000", "--consumers", "10000", "--rate", "20000"],
             headline="broker_cpu_s_per_million", goal="the tool takes less CPU than the broker"),
    Workload("rate-6000", "1 KiB sends at 6 000 a second",
             ["produce", *RATE, "6000"], headline=LATENCY),
    Workload("rate-12000", "1 KiB sends at 12 000 a second",
             ["produce", *RATE, "12000"], headline=LATENCY),
    Workload("rate-12000-long", "1 KiB sends at 12 000 a second for five minutes, over rolls of the log",
             ["produce", *RATE, "12000"], headline=LATENCY, seconds=300,
             goal="p50 40 us, p99 500 us, p99.9 1.5 ms, no gap above 20 ms"),
    Workload("64x1", "128 B sends, 64 connections x 1 in flight", [*PRODUCE, "--connections", "64", "--in-flight", "1"]),
    Workload("10000x1", "128 B sends, 10 000 connections x 1 in flight",
             [*PRODUCE, "--connections", "10000", "--in-flight", "1"],
             goal="80 % of the rate of 64x1"),
    Workload("1-reactor", "64 x 16 with one reactor", [*PRODUCE, "--connections", "64", "--in-flight", "16"], keys=ONE),
    Workload("2-reactors", "64 x 16 with two reactors", [*PRODUCE, "--connections", "64", "--in-flight", "16"], keys=TWO,
             goal="1.6 times one reactor, the load tool's share corrected"),
    Workload("sync-1x1", "SYNC_FLUSH, 1 KiB, 1 connection x 1",
             ["produce", "--size", "1024", "--connections", "1", "--in-flight", "1"], headline="p50_us", keys=SYNC,
             goal="p50 of the disk's fdatasync + 40 us"),
    Workload("sync-64x1", "SYNC_FLUSH, 1 KiB, 64 connections x 1",
             ["produce", "--size", "1024", "--connections", "64", "--in-flight", "1"], keys=SYNC,
             goal="CPU-s/M 10 times less"),
    Workload("sync-64x16", "SYNC_FLUSH, 1 KiB, 64 connections x 16",
             ["produce", "--size", "1024", "--connections", "64", "--in-flight", "16"], keys=SYNC,
             goal="80 % of async-64x16-1k; CPU-s/M 10 times less"),
    Workload("async-64x16-1k", "for comparison: ASYNC_FLUSH, 1 KiB, 64 connections x 16",
             ["produce", "--size", "1024", "--connections", "64", "--in-flight", "16"]),
    Workload("start", "exec to the first SEND_OK, empty store", [], headline="exec_to_first_send_ms", kind="start",
             goal="50 ms"),
    Workload("idle", "nothing to do, then 10 000 connections with a held pull each", [], headline="idle_rss_mib",
             kind="idle",
             goal="32 MiB; 1 % of a core with 10 000 held pulls"),
]
BY_NAME = {workload.name: workload for workload in ALL}
DEFAULT = ["1x1", "8x64", "8x64-1k", "64x16", "batch", "consume"]
DEFAULT_SYNC = ["sync-64x1", "sync-64x16"]
# The table of what MerlinMQ wants to show beside Apache's broker.
TABLE = ["8x64", "8x64-binary", "64x16", "1x1", "batch", "consume", "e2e-12000", "e2e-30000", "rate-12000", "64x1",
         "10000x1", "1-reactor", "2-reactors", "async-64x16-1k", "sync-1x1", "sync-64x1", "sync-64x16", "start", "idle"]

# Name in the tool's result, label, decimals, whether more is better.
METRICS = [
    ("messages_per_second", "msg/s", 0, True),
    ("broker_cpu_s_per_million", "CPU-s/M", 2, False),
    ("broker_cores", "broker cores", 2, None),
    ("own_cores", "tool cores", 2, None),
    ("p50_us", "p50 us", 0, False),
    ("p99_us", "p99 us", 0, False),
    ("p99_9_us", "p99.9 us", 0, False),
    ("max_us", "max us", 0, False),
    ("max_gap_ms", "longest gap ms", 1, False),
    ("e2e_p50_us", "e2e p50 us", 0, False),
    ("e2e_p99_us", "e2e p99 us", 0, False),
    ("e2e_p99_9_us", "e2e p99.9 us", 0, False),
    ("lag_p99_us", "tool late p99 us", 0, None),
    ("refused", "refused", 0, False),
    ("broker_rss_mib", "RSS MiB", 0, False),
    ("broker_anonymous_mib", "anonymous MiB", 0, False),
    ("exec_to_port_ms", "exec to port ms", 0, False),
    ("exec_to_first_send_ms", "exec to SEND_OK ms", 0, False),
    ("broker_cpu_s", "CPU s until then", 2, False),
    ("idle_cpu_percent", "idle CPU %", 2, False),
    ("idle_rss_mib", "idle RSS MiB", 0, False),
    ("idle_anonymous_mib", "idle anonymous MiB", 0, False),
    ("held_cpu_percent", "10 000 held: CPU %", 2, False),
    ("held_rss_mib", "10 000 held: RSS MiB", 0, False),
    ("steal_percent", "steal %", 1, None),
    ("outside_cores", "others' cores", 2, None),
]
