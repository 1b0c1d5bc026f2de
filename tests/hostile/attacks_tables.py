"""Tables that grow with what clients name: each has a limit, and none may take seconds per request."""

import json
import time

from attacks_requests import VALID
from peer import Stopwatch, frame

ATTACKS = []
MIB = 1 << 20


def alone(function):
    ATTACKS.append(function)
    return function


def heartbeat(consumers=(), producers=(), client_id="c"):
    return json.dumps({"clientID": client_id, "consumerDataSet": list(consumers),
                       "producerDataSet": [{"groupName": g} for g in producers]}).encode()


def consumer(group, subscriptions=()):
    return {"groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
            "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET",
            "subscriptionDataSet": [{"topic": t, "subString": s, "subVersion": 1} for t, s in subscriptions]}


def quick(watch, seconds, what, context):
    watch.check(seconds * context.patience, what)


@alone
def heartbeats_with_many_groups(context):
    """100 000 groups in one heartbeat are refused; as many as are allowed take seconds at most, also when they
    leave."""
    broker = context.broker()
    groups = int(3000 / min(context.patience, 3))
    c = broker.client(timeout=30 * context.patience)
    a = c.call(34, {}, heartbeat([consumer(f"G{i}") for i in range(100_000)]))
    assert a.code == 1 and "limit" in a.remark, a.remark
    watch = Stopwatch(broker)
    assert c.call(34, {}, heartbeat([consumer(f"G{i}") for i in range(groups)])).code == 0
    quick(watch, 5, f"a heartbeat of {groups} new groups", context)
    watch = Stopwatch(broker)
    for part in range(20):
        assert c.call(34, {}, heartbeat(producers=[f"P{part}-{i}" for i in range(10_000)])).code == 0
    quick(watch, 10, "200 000 producer groups", context)
    watch = Stopwatch(broker)
    c.close()
    context.check(broker)
    quick(watch, 5, "leaving them", context)


@alone
def heartbeats_with_many_subscriptions(context):
    """100 000 subscriptions in a group, 100 000 tags in one of them: refused or quick; memory stays bounded."""
    broker = context.broker()
    with broker.client(timeout=30 * context.patience) as c:
        watch = Stopwatch(broker)
        c.call(34, {}, heartbeat([consumer("S", [(f"T{i}", "*") for i in range(100_000)])]))
        c.call(34, {}, heartbeat([consumer("S", [(f"U{i}", "*") for i in range(100_000)])]))
        c.call(34, {}, heartbeat([consumer("S2", [("BenchmarkTest", "||".join(f"t{i}" for i in range(100_000)))])]))
        quick(watch, 6, "the heartbeats", context)
        for i in range(13):
            c.call(34, {}, heartbeat([consumer(f"Fat{i}", [("BenchmarkTest", "x" * (12 * MIB))])]))
        for i in range(3):
            c.call(34, {}, heartbeat([consumer(f"Fat{i}-{j}") for j in range(200)], client_id="i" * (8 * MIB)))
    with broker.client() as c:  # the memory is counted while the groups are there
        used = broker.private_mib()
        assert context.patience > 1 or used < 1000, f"{used:.0f} MiB"
        context.check(broker)


@alone
def pulls_with_many_tags(context):
    """Pulls whose expression has 100 000 tags, held by the thousand, while messages arrive."""
    broker = context.broker()
    tags = "||".join(f"t{i}" for i in range(100_000))
    with broker.client(timeout=30 * context.patience) as c:
        for i in range(50):
            assert c.call(310, dict(VALID, e=3, i="TAGS\1none"), b"x").code == 0
        watch = Stopwatch(broker)
        for i in range(300):
            c.send(frame(11, dict(VALID, queueId=3, queueOffset=50, sysFlag=6, subscription=tags,
                                  suspendTimeoutMillis=30_000, consumerGroup="Tags")))
        with broker.client(timeout=30 * context.patience) as other:
            for i in range(100):
                assert other.call(310, dict(VALID, e=3, i="TAGS\1none"), b"x").code == 0
        quick(watch, 8, "300 pulls and 100 sends", context)
        context.check(broker)


@alone
def random_queues_groups_and_topics(context):
    """Pulls, commits, queries and locks for names and queue ids that nobody has: no file, no endless table."""
    broker = context.broker()
    chance = context.random
    with broker.client(timeout=30 * context.patience) as c:
        assert c.call(310, VALID, b"x").code == 0
        before = sum(1 for _ in broker.store.rglob("*"))
        burst = bytearray()
        count = int(3000 / min(context.patience, 3))
        for i in range(count):
            queue = chance.randrange(-2**31, 2**31)
            topic = f"N{chance.getrandbits(40)}"
            burst += frame(11, dict(VALID, topic="BenchmarkTest", queueId=queue % 1024, sysFlag=4,
                                    queueOffset=queue), opaque=i)
            burst += frame(11, dict(VALID, topic=topic, queueId=queue, sysFlag=4), opaque=i)
            burst += frame(14, {"consumerGroup": topic, "topic": topic, "queueId": queue}, opaque=i)
            burst += frame(30, {"topic": topic, "queueId": queue}, opaque=i)
            burst += frame(31, {"topic": "BenchmarkTest", "queueId": queue}, opaque=i)
            burst += frame(15, {"consumerGroup": topic, "topic": "BenchmarkTest", "queueId": queue,
                                "commitOffset": 1}, opaque=i)
        sender = broker.client(timeout=60 * context.patience)
        sender.socket.settimeout(60 * context.patience)
        import threading
        thread = threading.Thread(target=sender.send, args=(bytes(burst),))
        thread.start()
        for _ in range(count * 6):
            sender.read()
        thread.join()
        sender.close()
        after = sum(1 for _ in broker.store.rglob("*"))
        assert after - before < 20, f"{after - before} files and folders were made by asking"
    context.check(broker, 700)


@alone
def commits_without_end(context):
    """Committed offsets of random queues of random groups: the table says when it is full."""
    broker = context.broker()
    with broker.client(timeout=30 * context.patience) as c:
        refused = False
        for queue in range(-10, 66_000, 1):
            c.send(frame(15, {"consumerGroup": "Greedy", "topic": "BenchmarkTest", "queueId": queue,
                              "commitOffset": 1}))
            if queue % 500 == 0:
                for _ in range(500 if queue > 0 else 11):
                    refused |= c.read().code != 0
        assert refused, "65 536 queues of one group and topic were to be the limit"
    context.check(broker, 500)


@alone
def locks_without_end(context):
    """A million queues in one lock request; then many requests with random groups."""
    broker = context.broker()
    queues = [{"topic": "T", "brokerName": "b", "queueId": i} for i in range(1_000_000)]
    with broker.client(timeout=60 * context.patience) as c:
        for size in (100_000,):
            a = c.try_call(41, {}, json.dumps({"consumerGroup": "G", "clientId": "c", "mqSet": queues[:size]}).encode())
            assert a is None or a.code == 1, "so many locks were given"
        if context.patience <= 1:
            a = c.try_call(41, {}, json.dumps({"consumerGroup": "G", "clientId": "c", "mqSet": queues}).encode())
            assert a is None or a.code == 1, "a million locks were given"  # the frame is over its limit
            c = broker.client(timeout=30)
        names = [{"topic": "x" * 1500, "brokerName": "b", "queueId": i} for i in range(5_000)]
        for i in range(int(20 / min(context.patience, 4))):
            body = json.dumps({"consumerGroup": f"R{i}", "clientId": "c", "mqSet": names}).encode()
            assert c.call(41, {}, body).code is not None
        for i in range(200):
            body = json.dumps({"consumerGroup": "y" * 100_000 + str(i), "clientId": "c", "mqSet": []}).encode()
            c.call(41, {}, body)
    context.check(broker, 350)


@alone
def worker_queue_full_of_bytes(context):
    """Thousands of heartbeats of 4 MiB, pipelined faster than workers take them: some are refused, memory stays."""
    broker = context.broker({"merlinWorkerThreads": 1})
    body = heartbeat() + b" " * (4 * MIB)
    one = frame(34, {}, body)
    clients = [broker.client(timeout=60 * context.patience) for _ in range(4)]
    highest = 0
    for round_number in range(int(60 / min(context.patience, 5))):
        for c in clients:
            c.send(one)
        highest = max(highest, broker.private_mib())
    for c in clients:
        c.close()
    assert context.patience > 1 or highest < 900, f"it held {highest:.0f} MiB"
    context.check(broker, within_s=10)


@alone
def statistics_of_one_topic_many_times(context):
    """GET_CONSUME_STATS with a list that names one topic of 1 024 queues 20 000 times."""
    broker = context.broker()
    with broker.client(timeout=30 * context.patience) as c:
        watch = Stopwatch(broker)
        a = c.try_call(208, {"consumerGroup": "G", "topicList": "BenchmarkTest;" * 20_000})
        assert a is None or len(a.body) < 4 * MIB, f"the answer has {len(a.body)} bytes"
        quick(watch, 3, "the answer", context)
    context.check(broker, 500)


@alone
def held_pulls_by_the_thousand(context):
    """50 000 pulls held by one connection, which then closes; the others do not wait for it."""
    broker = context.broker()
    count = int(50_000 / min(context.patience, 5))
    with broker.client(timeout=30 * context.patience) as witness:
        c = broker.client(timeout=60 * context.patience)
        one = frame(11, dict(VALID, queueId=9, queueOffset=0, sysFlag=6, suspendTimeoutMillis=60_000))
        watch = Stopwatch(broker)
        for _ in range(count // 500):
            c.send(one * 500)
        assert witness.call(30, {"topic": "BenchmarkTest", "queueId": 0}).code == 0
        c.call(30, {"topic": "BenchmarkTest", "queueId": 0})
        quick(watch, 5, f"holding {count} pulls", context)
        watch = Stopwatch(broker)
        c.close(hard=True)
        for _ in range(50):
            assert witness.call(30, {"topic": "BenchmarkTest", "queueId": 0}).code == 0
            time.sleep(0.01)
        quick(watch, 2.5, "the close of the connection that held them", context)
        assert witness.call(310, dict(VALID, e=9), b"x").code == 0
    context.check(broker, 600)
