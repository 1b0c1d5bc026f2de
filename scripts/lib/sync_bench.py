"""What SYNC_FLUSH costs: one producer's latency beside the disk's own fdatasync, and 64 producers beside ASYNC_FLUSH.

  scripts/dev bench sync                   on this disk
  scripts/dev bench sync --slow-ms 1       each fdatasync of the brokers and of the probe takes that much longer

In each round, in turns: records of 300 bytes written and fdatasynced one after the other by a probe; one producer with one
message in flight (sync); 64 producers (sync and async). Medians of the rounds are printed. Brokers that are not
measured stand still.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import bench

SLOW_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  const int result = real(fd);
  struct timespec pause = {0, SLOW_NS};
  nanosleep(&pause, 0);
  return result;
}
"""


def slow_library(milliseconds):
    """A library that makes fdatasync slower: for the bench alone, the broker has no such switch."""
    source, library = bench.WORK / "slow.c", bench.WORK / "slow.so"
    source.write_text(SLOW_SOURCE, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", f"-DSLOW_NS={int(milliseconds * 1e6)}L", "-o", str(library), str(source),
                    "-ldl"], check=True)
    return library


def probe(seconds):
    """p50 in microseconds of writing a record behind the last one and syncing it."""
    path = bench.WORK / "probe"
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.ftruncate(file, 1 << 30)
    record, offset, took = b"r" * 300, 0, []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        os.pwrite(file, record, offset)
        os.fdatasync(file)
        took.append((time.perf_counter() - begin) * 1e6)
        offset += len(record)
    os.close(file)
    path.unlink()
    return statistics.median(took)


def main():
    parser = argparse.ArgumentParser(prog="scripts/dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["sync", "probe"], help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--slow-ms", type=float, default=0, help="milliseconds added to each fdatasync")
    parser.add_argument("--in-flight", type=int, default=1, help="unanswered messages of each of the 64 producers")
    parser.add_argument("--port", type=int, default=22911)
    arguments = parser.parse_args()
    bench.WORK.mkdir(parents=True, exist_ok=True)
    if arguments.verb == "probe":
        print(probe(arguments.seconds))
        return
    command, environment = f"{bench.ROOT}/build/release/bin/merlin-broker -c $CONF", dict(os.environ)
    if arguments.slow_ms > 0:
        library = slow_library(arguments.slow_ms)
        command = f"env LD_PRELOAD={library} {command}"
        environment["LD_PRELOAD"] = str(library)
    brokers = {name: bench.Broker(name, command, arguments.port + 10 * i, [f"flushDiskType={name.upper()}_FLUSH"])
               for i, name in enumerate(["sync", "async"])}
    rows = {"fdatasync p50 us": [], "1 producer p50 us": [], "64 producers sync msg/s": [], "64 producers async msg/s": []}

    def produce(name, connections, number, in_flight=1):
        for other in brokers.values():
            other.resume() if other is brokers[name] else other.pause()
        return brokers[name].run(["produce", "--connections", str(connections), "--in-flight", str(in_flight), "--topic",
                                  f"sync_{connections}_{number}"], arguments.seconds, 1)

    try:
        for number in range(arguments.rounds):
            for broker in brokers.values():
                broker.pause()
            out = subprocess.run([sys.executable, "-B", __file__, "probe", "--seconds", str(arguments.seconds)],
                                 env=environment, check=True, capture_output=True, text=True).stdout
            rows["fdatasync p50 us"].append(float(out))
            rows["1 producer p50 us"].append(produce("sync", 1, number)["p50_us"])
            order = ["sync", "async"] if number % 2 == 0 else ["async", "sync"]
            for name in order:
                rows[f"64 producers {name} msg/s"].append(produce(name, 64, number, arguments.in_flight)["messages_per_second"])
            print(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rows.items()),
                  flush=True)
    finally:
        for broker in brokers.values():
            broker.stop()
    slow = f", {arguments.slow_ms:g} ms added to each fdatasync" if arguments.slow_ms else ""
    print(f"\nmedians of {arguments.rounds} rounds{slow}")
    median = {name: statistics.median(values) for name, values in rows.items()}
    for name, value in median.items():
        print(f"  {name:28}{value:>12,.0f}")
    print(f"  {'1 producer / fdatasync':28}{median['1 producer p50 us'] / median['fdatasync p50 us']:>12.2f}")
    print(f"  {'64 producers sync / async':28}"
          f"{median['64 producers sync msg/s'] / median['64 producers async msg/s']:>12.2f}")


if __name__ == "__main__":
    main()
