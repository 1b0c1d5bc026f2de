"""What consumers, operators and clients that are asked can do to retries, delays, resets, relays and replies."""

import json
import shutil
import struct
import threading
import time

from attacks_operator import damage, read_queue
from attacks_requests import VALID
from attacks_tables import consumer, heartbeat, quick
from peer import Stopwatch, frame

ATTACKS = []
ENDS = [-(2**63), -(2**31), -1, 0, 1, 2**31 - 1, 2**63 - 1]


def alone(function):
    ATTACKS.append(function)
    return function


def on_broker(function):
    function.shares = "broker"
    ATTACKS.append(function)
    return function


@alone
def resets_at_the_ends_of_the_numbers(context):
    """Queue ids, offsets and times at the ends of their types, with the offsets moved here and by clients: an answer
    in time, for the queues that were asked for."""
    for here in ("true", "false"):
        broker = context.broker({"useServerSideResetOffset": here})
        with broker.client(timeout=10 * context.patience) as c:
            assert c.call(310, VALID, b"x").code == 0
            assert c.call(34, {}, heartbeat([consumer("G", [("BenchmarkTest", "*")])])).code == 0
            c.call(15, dict(VALID, queueId=2**31 - 1, commitOffset=5))
            for field in ("queueId", "offset", "timestamp"):
                for number in ENDS:
                    ext = {"topic": "BenchmarkTest", "group": "G", "queueId": 0, "offset": 0, "timestamp": 0,
                           "isForce": "true"}
                    ext[field] = number
                    watch = Stopwatch(broker)
                    a = c.call(222, ext)
                    quick(watch, 2, f"a reset with {field} {number}", context)
                    if a.code == 0 and field == "queueId" and number >= 0:
                        assert a.body.count(b'"queueId"') == 1, f"{number}: {a.body[:200]}"
        context.check(broker, 500)
        broker.stop(20 * context.patience)


def fake_record(topic=b"BenchmarkTest", body=b"fake"):
    """A record as the log has them, but where no record begins."""
    properties = b"k\1v\2"
    host = struct.pack(">4sI", bytes(4), 1)
    rest = struct.pack(">4sIIIqqIq8sq8sIqI", b"\xda\xa3\x20\xa7", 0, 0, 0, 0, 0, 0, 1, host, 1, host, 0, 0, len(body))
    rest += body + bytes([len(topic)]) + topic + struct.pack(">H", len(properties)) + properties
    return struct.pack(">I", len(rest) + 4) + rest


@on_broker
def send_backs_of_nonsense(context, broker):
    """Messages given back that are not there, begin inside another, or by groups that cannot be."""
    with broker.client(timeout=10 * context.patience) as c:
        a = c.call(310, VALID, fake_record() * 3)
        assert a.code == 0
        at = int(a.ext["msgId"][16:], 16)
        c.call(34, {}, heartbeat([consumer("Back", [("BenchmarkTest", "*")])]))
        good = {"offset": at, "group": "Back", "delayLevel": 1, "originMsgId": "x", "originTopic": "BenchmarkTest"}
        for offset in ENDS + list(range(at + 1, at + 200)) + [at + 10**6]:
            if offset == at:
                continue
            a = c.call(36, dict(good, offset=offset))
            assert a.code not in (0, None) or offset in ENDS, f"{offset} ({at}) was given back: {a.code}"
        for group in ("", " ", "g" * 300, "g" * 250, "../x", "a\0b", "\u4e2d", "g" * 40_000):
            a = c.call(36, dict(good, group=group))
            assert a.code not in (0, None), f"group {group[:20]!r} gave back: {a.code}"
        for level in ENDS:
            a = c.call(36, dict(good, delayLevel=level))
            assert a.code is not None
        for times in ENDS:
            assert c.call(36, dict(good, maxReconsumeTimes=times)).code is not None
        for missing in good:
            c.call(36, {k: v for k, v in good.items() if k != missing})
        for level in ("99999999999999999999", "+", "-", "\0", "1e3", " 1", "2147483648", "-2147483648"):
            a = c.call(310, dict(VALID, i=f"DELAY\1{level}"), b"x")
            assert a.code is not None
        # Who sends to a retry topic by itself, with counts that never were.
        for times in ENDS:
            assert c.call(310, dict(VALID, b="%RETRY%Back", j=times, l=times), b"x").code is not None


def everything_of(broker, topic, queues, context):
    out = set()
    for queue in range(queues):
        out |= {record for record in read_queue(broker, topic, queue, context.patience).values()}
    return out


def wait_for_all(broker, wanted, queues, context, seconds=60):
    """Until each text has come to one of the queues, named as (topic, how many)."""
    deadline = time.monotonic() + seconds * context.patience
    while True:
        there = b"".join(b"".join(everything_of(broker, t, n, context)) for t, n in queues)
        missing = [text for text in wanted if text not in there]
        if not missing:
            return
        assert time.monotonic() < deadline, f"{len(missing)} of {len(wanted)} never came, {missing[:3]}"
        time.sleep(0.1)


@alone
def kill_9_with_delayed_and_retried_messages(context):
    """kill -9 while messages wait for their time, are given back and delivered; the positions' file damaged in
    between: what was acknowledged is delivered, perhaps twice."""
    broker = context.broker({"messageDelayLevel": "1s 2s", "flushDelayOffsetInterval": 1000})
    wanted = []
    for round_number in range(4):
        with broker.client(timeout=20 * context.patience) as c:
            c.call(34, {}, heartbeat([consumer("Again", [("BenchmarkTest", "*")])]))
            for i in range(150):
                text = b"<delayed %d-%d>" % (round_number, i)
                if c.call(310, dict(VALID, e=i % 4, i=f"DELAY\1{1 + i % 2}"), text).code == 0:
                    wanted.append(text)
                if i % 3:
                    continue
                text = b"<again %d-%d>" % (round_number, i)
                a = c.call(310, dict(VALID, e=5), text)
                assert a.code == 0
                back = {"offset": int(a.ext["msgId"][16:], 16), "group": "Again", "delayLevel": 1 + i % 2}
                if c.call(36, back).code == 0:
                    wanted.append(text)
        time.sleep(context.random.random() * 2.5)
        broker.kill()
        path = broker.store / "config" / "delayOffset.json"
        if round_number == 2 and path.exists():
            damage(path, context.random)
        broker.start()
    wait_for_all(broker, [t for t in wanted if b"delayed" in t], [("BenchmarkTest", 4)], context)
    wait_for_all(broker, [t for t in wanted if b"again" in t], [("%RETRY%Again", 1)], context)
    context.check(broker)


@alone
def delay_positions_of_a_store_that_is_gone(context):
    """The log and the queues were deleted, the folder config stayed: delayed messages come all the same."""
    broker = context.broker({"messageDelayLevel": "1s", "flushDelayOffsetInterval": 1000})
    with broker.client() as c:
        texts = [b"<first %d>" % i for i in range(20)]
        for text in texts:
            assert c.call(310, dict(VALID, i="DELAY\1" + "1"), text).code == 0
    wait_for_all(broker, texts, [("BenchmarkTest", 1)], context)
    broker.stop(15 * context.patience)
    for path in broker.store.iterdir():
        if path.name == "config":
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    broker.start()
    with broker.client() as c:
        texts = [b"<second %d>" % i for i in range(5)]
        for text in texts:
            assert c.call(310, dict(VALID, i="DELAY\1" + "1"), text).code == 0
    wait_for_all(broker, texts, [("BenchmarkTest", 1)], context)


class Asked:
    """A consumer that answers what it is asked with whatever `answer` makes of the request, or not at all."""

    def __init__(self, broker, group, answer, client_id="asked", producer=False):
        self.client = broker.client(timeout=30)
        groups = heartbeat(producers=[group], client_id=client_id) if producer else heartbeat(
            [consumer(group, [("BenchmarkTest", "*")])], client_id=client_id)
        assert self.client.call(34, {}, groups).code == 0
        self.thread = threading.Thread(target=self.run, args=(answer,))
        self.thread.start()

    def run(self, answer):
        try:
            while True:
                size, mark = struct.unpack(">iI", self.client.take(8))
                data = self.client.take(size - 4)
                head = json.loads(data[:mark & 0xFFFFFF].decode("utf-8", "replace"))
                if head.get("flag", 0) & 3 == 0:
                    answer(self.client, head)
        except (OSError, ValueError):
            pass

    def close(self):
        try:
            self.client.socket.shutdown(2)
        except OSError:
            pass
        self.thread.join()
        self.client.close()


def answer_with(body, code=0, ext=None):
    return lambda client, head: client.send(frame(code, ext or {}, body, head["opaque"], flag=1))


@alone
def relays_to_clients_that_misbehave(context):
    """Clients that answer questions with noise, with megabytes, twice, never, or hang up: who asked gets an answer, and
    nothing piles up."""
    broker = context.broker()
    questions = [(307, {"consumerGroup": "R", "clientId": "asked", "jstackEnable": "true"}),
                 (309, {"consumerGroup": "R", "clientId": "asked", "topic": "BenchmarkTest"}),
                 (223, {"topic": "BenchmarkTest", "group": "R", "clientAddr": ""}),
                 (223, {"topic": "BenchmarkTest", "group": "R", "clientAddr": "asked"})]
    with broker.client() as c:
        sent = c.call(310, VALID, b"x")
    questions[1][1]["msgId"] = sent.ext["msgId"]

    def twice(client, head):
        client.send(frame(0, {}, b"{}", head["opaque"], flag=1) * 2)

    def hang_up(client, head):
        client.close(hard=True)

    answers = {"noise": answer_with(bytes(range(256)) * 40), "open": answer_with(b'{"messageQueueTable":{{"a":'),
               "deep": answer_with(b'{"messageQueueTable":' + b'{"a":' * 100_000),
               "large": answer_with(b"x" * 9_000_000),
               "code": answer_with(b"", -(2**31), {"\r\nx": "y", "": "z"}), "twice": twice, "hang up": hang_up}
    for name, answer in answers.items():
        for code, ext in questions:
            asked = Asked(broker, "R", answer)
            try:
                with broker.client(timeout=14 * context.patience) as c:
                    a = c.call(code, ext)
                    assert a.code is not None, f"{code} after {name}"
            finally:
                asked.close()
    # Never: a thousand questions wait together, and end together.
    asked = Asked(broker, "R", lambda client, head: None)
    try:
        with broker.client(timeout=20 * context.patience) as c:
            for i in range(1000):
                c.send(frame(223, questions[2][1], opaque=i))
            context.check(broker)
            assert {c.read().opaque for _ in range(1000)} == set(range(1000))
    finally:
        asked.close()
    # The broker leaves while a question waits.
    asked = Asked(broker, "R", lambda client, head: None)
    with broker.client(timeout=20 * context.patience) as c:
        for code, ext in questions:
            c.send(frame(code, ext))
        time.sleep(0.2)
        assert broker.stop(15 * context.patience) == 0
    asked.close()


@alone
def replies_to_clients_that_misbehave(context):
    """Answers of request-reply whose asker hangs up, answers at once, or never, and replies that break the rules; the
    broker leaves while some wait."""
    broker = context.broker()
    topic = "DefaultCluster_REPLY_TOPIC"
    reply = dict(VALID, a="P", b=topic, c=topic, i="REPLY_TO_CLIENT\1asker\2UNIQ_KEY\1u")

    def hang_up(client, head):
        client.close(hard=True)

    for answer in (hang_up, answer_with(b""), answer_with(b"", 1), answer_with(b"", 2**31 - 1)):
        asker = Asked(broker, "P", answer, "asker", producer=True)
        try:
            with broker.client(timeout=15 * context.patience) as c:
                for i in range(50):
                    c.send(frame(325, reply, b"answer", opaque=i))
                for _ in range(50):
                    assert c.read().code is not None
        finally:
            asker.close()
    with broker.client(timeout=15 * context.patience) as c:
        for body in (b"", b"x" * (5 << 20)):
            assert c.call(325, reply, body).code != 0
        for properties in ("", "REPLY_TO_CLIENT\1", "\1\2", "REPLY_TO_CLIENT\1" + "x" * 40_000, "REPLY_TO_CLIENT"):
            assert c.call(325, dict(reply, i=properties), b"x").code not in (0, None)
        for number in ENDS:
            assert c.call(325, dict(reply, e=number, f=number), b"x").code is not None
            assert c.call(324, dict(VALID, topic=topic, queueId=number, sysFlag=number), b"x").code is not None
        context.check(broker)
        asker = Asked(broker, "P", lambda client, head: None, "asker", producer=True)
        c.send(frame(325, reply, b"answer") * 100)
        time.sleep(0.2)
        assert broker.stop(15 * context.patience) == 0
        asker.close()


@on_broker
def heartbeats_without_subscriptions(context, broker):
    """Fingerprints at the ends of their type, subscriptions left out by who never sent them, members that change their
    minds with each heartbeat."""
    with broker.client(timeout=10 * context.patience) as c:
        for number in ENDS + [2**64, -(2**64), 1.5, "x", None, [], {}]:
            for without in (True, False, "x", 1, None):
                body = json.loads(heartbeat([consumer("V2", [("BenchmarkTest", "*")])]))
                body |= {"heartbeatFingerprint": number, "withoutSub": without}
                assert c.call(34, {}, json.dumps(body).encode()).code is not None
        with broker.client(timeout=10 * context.patience) as other:
            watch = Stopwatch(broker)
            for i in range(100):
                mine = [("BenchmarkTest", f"a{i}")] + [(f"T{k}", "*") for k in range(300)]
                assert c.call(34, {}, heartbeat([consumer("V2", mine)], client_id="one")).code == 0
                assert other.call(34, {}, heartbeat([consumer("V2", mine[:-1])], client_id="two")).code == 0
            quick(watch, 5, "members that differ", context)


def sql_consumer(group, topics):
    made = consumer(group)
    made["subscriptionDataSet"] = [{"topic": t, "subString": s, "expressionType": "SQL92", "subVersion": v}
                                   for t, s, v in topics]
    return made


@alone
def expressions_that_are_none(context):
    """SQL92 of noise, of great depth, of megabytes, in heartbeats, pulls and questions: an answer each time, and a
    pull is told that its expression is wrong."""
    broker = context.broker()
    good = "a = 'x' AND b BETWEEN 1 AND 5 OR NOT (c CONTAINS 'y') AND d IN ('1','2') AND e IS NOT NULL AND 1.5e3 > -f"
    texts = ["", " ", "\0", "a = 'x\0'", "(" * 60_000, "NOT " * 16_000, "-" * 60_000 + "a > 1", "a = " * 16_000 + "b",
             "a=1 OR " * 9000 + "a=1", "a IN (" + "'x'," * 15_000 + "'x')", "a = '" + "'" * 65_001,
             "a" * 65_000 + " = 1", "x" * (3 << 20), "a > 9223372036854775808", "a > 1e999", "a = 0x1p4", "/*", "--",
             "a BETWEEN 5 AND 1", "\u4e2d = '\u4e2d'", "\ud800", "NULL", "TRUE = 1", "a IS", ",",
             "'x' = 'x'", "a\r\nINJECTED = 1"]
    texts += ["".join(context.random.choice(good.split(" ")) + " " for _ in range(12)) for _ in range(60)]
    texts += [good[:i] for i in range(0, len(good), 7)]
    with broker.client(timeout=20 * context.patience) as c:
        assert c.call(310, dict(VALID, i="a\1x\2b\1" + "3"), b"first").code == 0
        pull = dict(VALID, consumerGroup="Sql", expressionType="SQL92", sysFlag=4)
        a = c.call(11, dict(pull, subscription=good))
        assert a.code == 0 and b"first" in a.body, f"{a.code} {a.remark}"
        watch = Stopwatch(broker)
        for i, text in enumerate(texts):
            if len(text) < 1 << 20:  # no more fits into a header
                assert c.call(11, dict(pull, subscription=text)).code in (0, 20, 23), text[:80]
            assert c.call(34, {}, heartbeat([sql_consumer("Sql", [("BenchmarkTest", text, i + 1)])])).code is not None
            assert c.call(11, dict(pull, sysFlag=0, subscription="", subVersion=0)).code is not None
            asked = {"subscriptionData": {"topic": "T", "subString": text, "expressionType": "SQL92"}}
            assert c.call(46, {}, json.dumps(asked).encode()).code is not None
        quick(watch, 10, "the expressions", context)
        a = c.call(11, dict(pull, subscription="("))
        assert a.code == 23, f"a wrong expression was answered {a.code} {a.remark}"
        for kind in ("", "TAG", "sql92", "LUA", "\0", "x" * 40_000):
            assert c.call(11, dict(pull, subscription="a", expressionType=kind)).code is not None
    context.check(broker, 500)


@alone
def expressions_for_very_many_topics(context):
    """A heartbeat with an expression for each of 40 000 topics, sent again and again: others are served meanwhile."""
    broker = context.broker()
    many = [(f"T{i}", f"a = '{i}'", 1) for i in range(40_000)]
    with broker.client(timeout=60 * context.patience) as c:
        assert c.call(34, {}, heartbeat([sql_consumer("Many", many)])).code == 0
        many.reverse()
        watch = Stopwatch(broker)
        assert c.call(34, {}, heartbeat([sql_consumer("Many", many)])).code == 0
        quick(watch, 3, "the second heartbeat", context)
    context.check(broker, 700)


@alone
def expressions_that_find_much_and_nothing(context):
    """Hundreds of texts, each of which nearly stands at every place of a long property: other clients of the same
    reactor are served."""
    broker = context.broker()
    with broker.client(timeout=60 * context.patience) as c:
        for _ in range(20):
            assert c.call(310, dict(VALID, i="p\1" + "a" * 30_000), b"x").code == 0
        for text in (" OR ".join("p CONTAINS '%sb%d'" % ("a" * 80, i) for i in range(500)),
                     " OR ".join(f"p < {i}.5" for i in range(3000))):
            watch = Stopwatch(broker)
            a = c.call(11, dict(VALID, consumerGroup="Sql", expressionType="SQL92", sysFlag=4, subscription=text))
            assert a.code in (19, 20), f"{a.code} {a.remark}"
            quick(watch, 1, "a pull", context)
    context.check(broker)


@alone
def long_expressions_over_long_queues(context):
    """A pull of 2^31-1 messages by an expression of 800 parts that no message fits: it looks at some of the queue, and
    says where to go on."""
    broker = context.broker()
    text = " OR ".join("p CONTAINS '%sb%d'" % ("a" * 60, i) for i in range(800))
    with broker.client(timeout=60 * context.patience) as c:
        for _ in range(2000):
            c.send(frame(310, dict(VALID, i="p\1" + "a" * 1000), b"x"))
        for _ in range(2000):
            assert c.read().code == 0
        ext = dict(VALID, consumerGroup="Sql", expressionType="SQL92", sysFlag=4, subscription=text,
                   maxMsgNums=2**31 - 1)
        offset, watch = 0, Stopwatch(broker)
        a = c.call(11, ext)
        quick(watch, 1, "a pull", context)
        next_offset = int(a.ext["nextBeginOffset"])
        assert a.code == 20 and 0 < next_offset < 1000, f"{a.code} {a.remark}: {next_offset}"
        while offset < 2000:
            offset = int(c.call(11, dict(ext, queueOffset=offset)).ext["nextBeginOffset"])
            quick(watch, 20, "reading all", context)


@alone
def long_expressions_that_wait(context):
    """300 held pulls of one queue, each with an expression of its own of 800 parts, and messages with long properties:
    senders and others are served all the while, and the message that all wait for comes to each."""
    broker = context.broker()
    connections, pulls = 6, 50
    part = "p CONTAINS '%sb%%d'" % ("a" * 40)
    text = " OR ".join(part % i for i in range(800))
    waiting = [broker.client(timeout=60 * context.patience) for _ in range(connections)]
    for n, c in enumerate(waiting):
        for i in range(pulls):
            ext = dict(VALID, consumerGroup="Sql", expressionType="SQL92", sysFlag=6, suspendTimeoutMillis=300_000,
                       subscription=f"{text} OR q = {n * pulls + i}  OR r = 'all'")
            c.send(frame(11, ext, opaque=i))
    with broker.client(timeout=60 * context.patience) as c:
        for i in range(100):
            watch = Stopwatch(broker)
            assert c.call(310, dict(VALID, i="p\1" + "a" * 4000), b"for nobody").code == 0
            quick(watch, 1, "a send", context)
            watch = Stopwatch(broker)
            assert c.call(30, {"topic": "TBW102", "queueId": 0}).code == 0
            quick(watch, 1, "another request", context)
        assert c.call(310, dict(VALID, i="r\1all"), b"for all").code == 0
        watch = Stopwatch(broker)
        for w in waiting:
            left = set(range(pulls))
            while left:
                a = w.read()
                # Some have more behind them than one look takes, and are told where to go on.
                offset = int(a.ext["nextBeginOffset"])
                if a.code == 20 and offset <= 100:
                    ext = dict(VALID, consumerGroup="Sql", expressionType="SQL92", sysFlag=4, queueOffset=offset,
                               subscription="r = 'all'")
                    w.send(frame(11, ext, opaque=a.opaque))
                    continue
                assert a.code == 0 and b"for all" in a.body, f"{a.code} {a.remark}"
                left.remove(a.opaque)
        quick(watch, 30, "the message for all", context)
    for c in waiting:
        c.close()
    context.check(broker)


@alone
def subscriptions_that_change_under_held_pulls(context):
    """Pulls of a group that wants something else by now are answered at once, to begin again at the same place: by
    tags, by SQL92, and from all to some. Another group's pull goes on waiting."""
    broker = context.broker()
    steps = [("TAG", "*"), ("TAG", "a"), ("TAG", "a || b"), ("SQL92", "x > 1"), ("SQL92", "x > 2"), ("TAG", "*")]
    with broker.client(timeout=20 * context.patience) as c, broker.client(timeout=20 * context.patience) as other:
        assert c.call(310, dict(VALID, i="x\1" + "0"), b"first").code == 0
        pull = dict(VALID, queueOffset=1, sysFlag=2, suspendTimeoutMillis=600_000)

        def subscribe(client, group, version, kind, text):
            made = consumer(group)
            made["subscriptionDataSet"] = [{"topic": "BenchmarkTest", "subString": text, "expressionType": kind,
                                            "subVersion": version, "tagsSet": [], "codeSet": []}]
            client.send(frame(34, {}, heartbeat([made], client_id=group), opaque=1))

        subscribe(other, "Other", 1, "SQL92", "x = 5")
        assert other.read().code == 0
        other.send(frame(11, dict(pull, consumerGroup="Other"), opaque=2))
        for version, (kind, text) in enumerate(steps):
            subscribe(c, "Changing", version, kind, text)
            answers = {a.opaque: a for a in (c.read() for _ in range(2 if version else 1))}
            assert answers[1].code == 0, answers[1].remark
            if version:
                a = answers[2]
                assert (a.code, a.ext["nextBeginOffset"]) == (20, "1"), f"{text}: {a.code} {a.ext}"
            c.send(frame(11, dict(pull, consumerGroup="Changing"), opaque=2))
        # The same again is no change; a newer version of the same is none either.
        subscribe(c, "Changing", 100, *steps[-1])
        assert c.read().opaque == 1
        with broker.client(timeout=10 * context.patience) as sender:
            assert sender.call(310, dict(VALID, i="x\1" + "5"), b"second").code == 0
        for client in (c, other):
            a = client.read()
            assert a.opaque == 2 and a.code == 0 and b"second" in a.body, f"{a.code} {a.remark}"
    context.check(broker, 500)
