#!/usr/bin/env python3
"""Runs each verb of merlin-bench against our broker and looks at what it says.

  tests/load_tool/verbs.py MERLIN_BENCH MERLIN_BROKER
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hostile"))
from peer import Program, free_port  # noqa: E402

SHORT = ["--seconds", "1", "--warmup", "0"]


class Tool:
    def __init__(self, binary, broker):
        self.binary, self.broker = binary, broker

    def command(self, *words):
        address = [] if words[0] == "limits" else ["--broker", f"127.0.0.1:{self.broker.port}"]
        return [self.binary, *words, *address]

    def run(self, *words, status=0):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def result(self, *words, status=0):
        result = json.loads(self.run(*words, "--json", "--quiet", status=status).stdout)
        assert result["verb"] == words[0] and result["environment"]["cores"] >= 1
        return result


def read_back_is_whole(result):
    assert result["verdict"] == "good", result
    assert result["acknowledged"] > 0
    assert result["acknowledged"] == result["offsets_grew_by"] == result["messages_read_back"], result
    assert result["lost"] == result["duplicates"] == result["refused"] == 0, result


def produce(tool):
    for shape in (["--connections", "2", "--in-flight", "8"], ["--batch", "16", "--binary", "--connections", "2"],
                  ["--sync", "--connections", "1", "--keys", "--tags", "3", "--size", "700"]):
        read_back_is_whole(tool.result("produce", "--topic", "Closed", *shape, *SHORT))
    result = tool.result("produce", "--topic", "Open", "--rate", "2000", "--broker-pid", str(tool.broker.process.pid), *SHORT)
    read_back_is_whole(result)
    assert result["acknowledged"] == 2000 and result["max_gap_ms"] > 0 and result["lag_p99_us"] >= 0
    assert result["broker_cpu_s_per_million"] > 0
    result = tool.result("produce", "--topic", "Oneway", "--oneway", "--rate", "3000", *SHORT)
    assert result["verdict"] == "good" and result["offsets_grew_by"] == result["sent"] == 3000, result


def consume(tool):
    sent = tool.result("produce", "--topic", "Tagged", "--tags", "4", "--rate", "4000", "--queues", "3", *SHORT)
    everything = tool.result("consume", "--topic", "Tagged", "--queues", "3", "--passes", "2")
    assert everything["messages"] == 2 * sent["acknowledged"], everything
    part = tool.result("consume", "--topic", "Tagged", "--queues", "3", "--tag", "tag2", "--in-flight", "1", "--connections", "1")
    assert part["messages"] == sent["acknowledged"] // 4, part
    assert tool.result("consume", "--topic", "Closed", "--queues", "1", "--binary")["verdict"].startswith("good")


def end_to_end(tool):
    result = tool.result("e2e", "--topic", "E2e", "--rate", "3000", "--size", "200", *SHORT)
    assert result["verdict"].startswith("good"), result
    assert result["acknowledged"] == result["received"] == 3000
    assert result["lost"] == result["duplicates"] == result["reordered"] == 0
    assert 0 < result["e2e_p50_us"] <= result["e2e_p99_99_us"] <= result["e2e_max_us"]


def sparse(tool):
    run = ["sparse", "--topic", "Sparse", "--queues", "20", "--idle-ms", "200"]
    result = tool.result(*run, "--count", "100")
    assert result["verdict"].startswith("good") and result["sent"] == result["acknowledged"] == result["received"] == 100, result
    assert 0 < result["delivery_p50_us"] <= result["delivery_max_us"] and "slowest_10" in result
    # What the filter does not match must not arrive, and must not keep what it matches.
    result = tool.result(*run, "--count", "100", "--tag", "hit", "--noise", "2000")
    assert result["verdict"].startswith("good") and result["received"] == 100 and result["noise_sent"] > 500, result
    # A bound that is missed is a failure.
    late = subprocess.Popen(tool.command(*run, "--count", "600", "--max-ms", "100", "--json"), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    late.stderr.readline()  # messages are sent
    late.stderr.readline()
    tool.broker.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    tool.broker.process.send_signal(signal.SIGCONT)
    out, err = late.communicate(timeout=30)
    assert late.returncode == 1 and json.loads(out)["verdict"].startswith("LATE"), (out, err)


def many_queues(tool):
    result = tool.result("many-queues", "--topic", "Many", "--topics", "50", "--queues", "40", "--connections", "2", *SHORT)
    assert result["verdict"] == "good" and result["queues_checked"] == 2000 and result["queues_read_back"] == 1024, result
    assert result["lost"] == 0 and result["acknowledged"] == result["offsets_grew_by"]


def transactions(tool):
    # Either the broker does them, and they are right, or the tool says that it does not.
    result = tool.result("tx", "--topic", "Tx", "--connections", "1", "--in-flight", "2", *SHORT,
                         status=0 if transactions_are_built(tool) else 1)
    assert result["verdict"].startswith(("good", "the broker does not do transactions")), result


def transactions_are_built(tool):
    probe = subprocess.run(tool.command("tx", "--topic", "TxProbe", "--sync", "--connections", "1", *SHORT, "--quiet"),
                           capture_output=True, text=True, timeout=60)
    return probe.returncode == 0


def limits(tool):
    with tempfile.TemporaryDirectory(prefix="merlin-limits-") as folder:
        result = tool.result("limits", "--seconds", "1", "--dir", folder, "--connections", "2", "--in-flight", "8")
        assert not list(Path(folder).iterdir())
    for name in ("echo_ping_pong_p50_us", "echo_pipelined_per_second", "mmap_append_gib_per_second", "fdatasync_growing_p50_us",
                 "fdatasync_written_p50_us", "memcpy_gib_per_second"):
        assert result[name] > 0, result


def first_send(tool):
    with tempfile.TemporaryDirectory(prefix="merlin-first-") as folder:
        port = free_port()
        conf = Path(folder) / "broker.conf"
        conf.write_text(f"listenPort={port}\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nstorePathRootDir={folder}/store\n"
                        "mappedFileSizeCommitLog=67108864\n")
        command = f"{tool.broker.binary} -c {conf}"
        done = subprocess.run([tool.binary, "first-send", "--cmd", command, "--broker", f"127.0.0.1:{port}", "--json"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["exec_to_first_send_ms"] > 0


def faults_are_seen(tool):
    """Somebody else writes to the queues that are checked: their growth is not what was acknowledged."""
    other = subprocess.Popen(tool.command("produce", "--topic", "Shared", "--rate", "1000", "--seconds", "2", "--warmup", "0",
                                          "--quiet"), stdout=subprocess.DEVNULL)
    try:
        result = tool.result("produce", "--topic", "Shared", "--rate", "1000", *SHORT, status=1)
        assert result["verdict"].startswith("WRONG") and result["foreign"] > 0, result
    finally:
        other.wait()
    done = tool.run("consume", "--topic", "NeverMade", "--quiet", status=1)
    assert "code" in done.stderr or "nothing to read" in done.stdout, done
    done = tool.run("produce", "--topic", "Small", "--size", "100000", *SHORT, "--quiet", "--sync", status=1)
    assert "some sends failed" in done.stdout and "answers_with_code_13" in done.stdout, done.stdout


def lines_and_comparison(tool):
    with tempfile.TemporaryDirectory(prefix="merlin-compare-") as folder:
        base = Path(folder) / "base.json"
        run = ["produce", "--topic", "Lines", "--rate", "500", "--warmup", "0"]
        done = tool.run(*run, "--json", "--seconds", "2")
        base.write_text(done.stdout)
        lines = done.stderr.splitlines()
        assert len(lines) == 2 and all(line.startswith("Current Time: ") and " | Send TPS: " in line for line in lines), lines
        done = tool.run(*run, "--seconds", "1", "--quiet", "--compare", str(base))
        assert "now/base" in done.stdout and done.stderr == "", done
        line = next(line for line in done.stdout.splitlines() if " messages_per_second " in line)
        assert line.split()[1:] == ["500", "500", "1.000"], line
    done = subprocess.run([tool.binary, "produce", "--conections", "1"], capture_output=True, text=True)
    assert done.returncode == 2 and "--connections" in done.stderr


def an_interrupt_ends_early_with_a_result(tool):
    for verb in (["produce", "--rate", "1000"], ["e2e", "--rate", "1000"], ["produce", "--connections", "1"]):
        run = subprocess.Popen(tool.command(*verb, "--topic", "Interrupted", "--warmup", "0", "--seconds", "60", "--json"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run.stderr.readline()  # after a second
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
        assert run.returncode == 0, (verb, run.returncode, out, err)
        result = json.loads(out)
        assert result["verdict"].startswith("good") and 0.5 < result["measured_seconds"] < 30, result
        if "--rate" in verb:
            assert 900 < result["messages_per_second"] < 1100, result


def main():
    tool_binary, broker_binary = (str(Path(word).resolve()) for word in sys.argv[1:3])
    broker = Program(broker_binary, {"maxMessageSize": 65536})
    failed = 0
    try:
        tool = Tool(tool_binary, broker)
        for test in (produce, consume, end_to_end, sparse, many_queues, transactions, limits, first_send, faults_are_seen,
                     lines_and_comparison, an_interrupt_ends_early_with_a_result):
            try:
                test(tool)
                print(f"{test.__name__}: good", flush=True)
            except (AssertionError, subprocess.TimeoutExpired, KeyError, ValueError) as error:
                failed += 1
                print(f"{test.__name__}: {type(error).__name__} {error}", flush=True)
    finally:
        broker.stop()
        broker.remove()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
