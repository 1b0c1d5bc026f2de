"""Connections that are slow, many, or gone."""

import contextlib
import json
import resource
import statistics
import struct
import threading
import time

from attacks_requests import VALID
from peer import Stopwatch, frame, raw_frame

ATTACKS = []
WITNESS = {"topic": "BenchmarkTest", "queueId": 0}


def alone(function):
    ATTACKS.append(function)
    return function


def fill(broker, queue, count, size):
    with broker.client(timeout=30) as c:
        body = b"z" * size
        for i in range(0, count, 50):
            part = min(50, count - i)
            c.send(frame(310, dict(VALID, e=queue), body) * part)
            for _ in range(part):
                assert c.read().code == 0


@alone
def thousands_of_half_frames(context):
    """5 000 connections that send one byte, 500 that promise 16 MiB, some that drip: the rest is served."""
    broker = context.broker()
    count = int(5000 / min(context.patience, 2.5))
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            c = stack.enter_context(broker.client())
            c.send(b"\0")
        for _ in range(500):
            c = stack.enter_context(broker.client())
            c.send(struct.pack(">ii", 16 << 20, 100) + b"{")
        dripping = [stack.enter_context(broker.client()) for _ in range(20)]
        slow = frame(30, WITNESS)
        for i, byte in enumerate(slow[:-1]):
            for c in dripping:
                c.send(slow[i:i + 1])
            if i % 40 == 0:
                context.check(broker, 600)
        for c in dripping:
            c.send(slow[-1:])
            assert c.read().code == 0, "a frame that came byte by byte was not answered"
        context.check(broker, 600)
    context.check(broker, 600)


@alone
def ten_thousand_idle_connections(context):
    """10 000 connections that were used once and then say nothing: others keep their latency, memory is bounded."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    broker = context.broker()
    request = frame(30, WITNESS)
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(10_000 if hard >= 10_500 else hard - 500):
            clients.append(stack.enter_context(broker.client()))
            clients[-1].send(request)
        for c in clients:
            assert c.read().code == 0
        times, watch = [], Stopwatch(broker)
        for _ in range(200):
            begin = time.monotonic()
            context.check(broker, 600)
            times.append(time.monotonic() - begin)
        # A fresh connection with one request each: a scan over ten thousand others would show.
        computed = (broker.computed_s() - watch.computed) / len(times)
        assert statistics.median(times) < 0.02 * context.patience or computed < 0.005 * context.patience, (
            f"median {statistics.median(times) * 1000:.1f} ms, {computed * 1000:.1f} ms computed")
        print(f"     {len(clients)} connections, another's request: median {statistics.median(times) * 1e6:.0f} us", flush=True)
    context.check(broker, 600)


@alone
def half_finished_frames_of_16_mib(context):
    """100 connections that send 15 of 16 MiB and stop: what they may hold together is limited, and goes with them."""
    broker = context.broker()
    count = int(100 / min(context.patience, 4))
    part = struct.pack(">ii", 16 << 20, 100) + b"x" * (15 << 20)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            with contextlib.suppress(ConnectionError):
                stack.enter_context(broker.client()).send(part)
        context.check(broker, 1400)
    deadline = time.monotonic() + 20 * context.patience
    while broker.private_mib() >= 300 and time.monotonic() < deadline:  # it has to see that they are gone
        time.sleep(0.1)
    context.check(broker, 300)


@alone
def storms_of_connections_with_held_pulls(context):
    """Clients that hold pulls and vanish, with and without a reset, while others send to those queues."""
    broker = context.broker()
    stop = threading.Event()
    failures = []

    def produce():
        try:
            with broker.client(timeout=20 * context.patience) as c:
                i = 0
                while not stop.is_set():
                    a = c.call(310, dict(VALID, e=i % 8), b"m")
                    if a.code != 0:
                        failures.append(a.remark)
                    i += 1
        except Exception as e:  # noqa: BLE001
            failures.append(repr(e))

    thread = threading.Thread(target=produce)
    thread.start()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        clients = [broker.client() for _ in range(20)]
        for c in clients:
            c.send(b"".join(frame(11, dict(VALID, queueId=q, queueOffset=1 << 40 if q % 2 else 0, sysFlag=6,
                                           suspendTimeoutMillis=20_000), opaque=q) for q in range(8)))
        for c in clients:
            c.close(hard=context.random.random() < 0.5)
    stop.set()
    thread.join()
    assert not failures, failures[0]
    context.check(broker, 500)


@alone
def readers_that_never_read(context):
    """Pulls of big messages by clients that read nothing: each is paused and then closed, memory stays."""
    broker = context.broker()
    fill(broker, 2, 200, 100_000)
    with contextlib.ExitStack() as stack:
        pull = frame(11, dict(VALID, queueId=2, queueOffset=0, maxMsgNums=32, sysFlag=4))
        held = frame(11, dict(VALID, queueId=2, queueOffset=200, maxMsgNums=32, sysFlag=6, suspendTimeoutMillis=20_000))
        for i in range(12):
            c = stack.enter_context(broker.client(receive_buffer=4096, timeout=0.5))
            with contextlib.suppress(OSError):
                c.send((held if i % 2 else pull) * 5000)
        context.check(broker, 900)
        fill(broker, 2, 200, 100_000)
        context.check(broker, 900)
    context.check(broker, 600)


@alone
def thousands_of_pulls_in_one_segment(context):
    """5 000 pulls at once; every one is answered, in order."""
    broker = context.broker()
    fill(broker, 4, 10, 100)
    with broker.client(timeout=30 * context.patience) as c:
        count = 5000
        data = b"".join(frame(11, dict(VALID, queueId=4, queueOffset=i % 12, sysFlag=4),
                              opaque=i) for i in range(count))
        thread = threading.Thread(target=c.send, args=(data,))
        thread.start()
        for i in range(count):
            a = c.read()
            assert a.opaque == i, f"answer {a.opaque} where {i} was next"
            assert a.code == (0 if i % 12 < 10 else 19 if i % 12 == 10 else 21), f"offset {i % 12}: {a.code}"
        thread.join()
    context.check(broker, 500)


@alone
def floods_of_oneway_requests(context):
    """One-way sends, commits, heartbeats and nonsense without end: no answers, no memory."""
    broker = context.broker()
    kinds = [frame(310, VALID, b"x" * 100, flag=2), frame(15, {"consumerGroup": "G", "topic": "BenchmarkTest",
             "queueId": 0, "commitOffset": 1}, flag=2), frame(34, {}, b'{"clientID":"c"}', flag=2),
             frame(9999, {}, flag=2), frame(11, dict(VALID, sysFlag=6), flag=2), frame(310, {}, flag=2),
             frame(30, {}, flag=2), frame(28, {}, flag=2), frame(10, {}, flag=3), frame(30, WITNESS, flag=1)]
    with broker.client(timeout=60 * context.patience) as c:
        for _ in range(int(400 / min(context.patience, 5))):
            c.send(b"".join(context.random.choice(kinds) for _ in range(100)))
        a = c.call(30, WITNESS, opaque=77)
        assert a.opaque == 77, f"a one-way request was answered: {a.opaque} {a.code}"
    context.check(broker, 500)


@alone
def noise(context):
    """Random bytes, cut and twisted good frames, lengths that lie, 256 extra fields and more."""
    broker = context.broker()
    chance = context.random
    good = [frame(310, VALID, b"x"), frame(11, dict(VALID, sysFlag=4)), frame(34, {}, b'{"clientID":"c"}')]
    for _ in range(int(600 / min(context.patience, 3))):
        data = bytearray(chance.choice(good) * 3)
        for _ in range(chance.randrange(1, 6)):
            where = chance.randrange(len(data))
            data[where] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)):]
        with broker.client() as c, contextlib.suppress(OSError):
            c.send(bytes(data))
            if chance.random() < 0.2:
                c.socket.settimeout(0.01)
                c.read()
    for count in (255, 256, 257, 50_000):
        with broker.client() as c:
            c.try_call(30, {f"k{i}": "v" for i in range(count)} | WITNESS)
    for header in (b"{" * 100_000, b'{"extFields":' * 50_000, b'{"code":1e999}', b'{"code":"\\ud800"}', b"\xff" * 1000,
                   b'{"code":30,"opaque":99999999999999999999}', b'{"code":30,"extFields":null}', b"null", b"[]"):
        with broker.client(timeout=1) as c, contextlib.suppress(OSError):
            c.send(raw_frame(header))
            c.read()
    context.check(broker, 400)


@alone
def many_clients_of_one_group(context):
    """A group of 1 000 members whose members come and go: everybody is told, the server stays quick."""
    broker = context.broker()
    from attacks_tables import consumer, heartbeat
    count = int(1000 / min(context.patience, 3))
    with contextlib.ExitStack() as stack:
        for i in range(count):
            c = stack.enter_context(broker.client())
            c.send(frame(34, {}, heartbeat([consumer("Crowd", [("BenchmarkTest", "*")])], client_id=f"c{i}")))
        context.check(broker, 700, within_s=8)
    context.check(broker, 700, within_s=8)


@alone
def everything_at_once(context):
    """Sends, pulls, heartbeats, commits, locks, statistics, and topics made and deleted, all side by side."""
    from attacks_tables import consumer, heartbeat
    broker = context.broker()
    stop = threading.Event()
    failures = []

    def job(number):
        i = 0
        try:
            with broker.client(timeout=30 * context.patience) as c:
                while not stop.is_set():
                    i += 1
                    topic, group = f"Busy{i % 3}", f"Group{(i + number) % 4}"
                    base = dict(VALID, topic=topic, b=topic, consumerGroup=group, group=group, queueId=i % 4, e=i % 4)
                    kind = (i + number * 3) % 12
                    if kind < 4:
                        c.send(frame(310, base, b"m" * 200, opaque=1) * 20)
                        for _ in range(20):
                            c.read()
                    elif kind == 4:
                        c.call(11, dict(base, queueOffset=i % 50, sysFlag=4))
                    elif kind == 5:
                        c.call(11, dict(base, queueOffset=int(c.call(30, base).ext.get("offset", 0)), sysFlag=7,
                                        suspendTimeoutMillis=20))
                    elif kind == 6:
                        c.call(34, {}, heartbeat([consumer(group, [(topic, "a||b")])], [group], f"c{number}"))
                    elif kind == 7:
                        c.call(15, dict(base, commitOffset=i))
                        c.call(14, base)
                    elif kind == 8:
                        c.call(41, {}, json.dumps({"consumerGroup": group, "clientId": f"c{number}", "mqSet": [
                            {"topic": topic, "brokerName": "b", "queueId": i % 4}]}).encode())
                    elif kind == 9:
                        for code in (28, 202, 208, 21, 203, 43, 29, 32):
                            c.call(code, base)
                    elif kind == 10:
                        c.call(17, dict(base, order="false"))
                        c.call(35, {"clientID": f"c{number}", "producerGroup": group, "consumerGroup": group})
                    elif i % 36 == 11:
                        c.call(215 if number % 2 else 207, dict(base, groupName=group))
                    else:
                        c.call(12, dict(base, key="k"))
                        c.call(25, {}, b"brokerPermission=6")
        except Exception as e:  # noqa: BLE001
            failures.append(f"{number}, {i}: {e!r}")

    threads = [threading.Thread(target=job, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    time.sleep(4)
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures[0]
    context.check(broker, 500)
