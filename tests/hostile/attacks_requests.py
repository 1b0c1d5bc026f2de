"""Requests with fields and bodies that no honest client sends."""

import json
import re
import struct
from pathlib import Path

from peer import Stopwatch, frame, request_codes

ATTACKS = []


def on_broker(function):
    function.shares = "broker"
    ATTACKS.append(function)
    return function


def alone(function):
    ATTACKS.append(function)
    return function


FIELDS = ["producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId", "sysFlag", "bornTimestamp",
          "flag", "properties", "reconsumeTimes", "unitMode", "batch", "maxReconsumeTimes", "a", "b", "c", "d", "e",
          "f",
          "g", "h", "i", "j", "k", "l", "m", "consumerGroup", "queueOffset", "maxMsgNums", "commitOffset",
          "suspendTimeoutMillis", "subscription", "subVersion", "expressionType", "setZeroIfNotFound", "timestamp",
          "boundaryType", "offset", "key", "maxNum", "beginTimestamp", "endTimestamp", "clientID", "group", "groupName",
          "cleanOffset", "readQueueNums", "writeQueueNums", "perm", "topicFilterType", "topicSysFlag", "order",
          "attributes", "topicList", "statsName", "statsKey", "namespace", "value", "brokerName", "brokerAddr",
          "clusterName", "haServerAddr", "brokerId", "heartbeatTimeoutMillis", "enableActingMaster", "compressed",
          "bodyCrc32", "cluster", "dataVersion", "maxTopicNum", "topicSeq", "delayLevel", "originMsgId", "originTopic",
          "isForce", "clientId", "clientAddr", "msgId", "srcGroup", "destGroup", "offline", "filterGroups",
          "compareGroup", "isOrder", "index", "count", "jstackEnable"]
GARBAGE = ["", " ", "x", "true", "\u0000", "a/b", "../x", "../../../../tmp/merlin-attack-x", ".", "..",
           "%RETRY%../../x",
           "%RETRY%", "x" * 300, "\u00e4\u4e2d\U0001f600", "1e5", "0x10", "+-1", "\r\nINJECTED line", "{}", "a" * 40000,
           "\u0001\u0002=;\u0001", "TBW102", "BenchmarkTest", "SELF_TEST_TOPIC", "*", "a||b"]
NUMBERS = ["0", "-1", "1", "2147483647", "-2147483648", "2147483648", "9223372036854775807", "-9223372036854775808",
           "9223372036854775808", "9" * 1000, "65536", "1000000", "-0", "99"]
VALID = {"producerGroup": "G", "topic": "BenchmarkTest", "defaultTopic": "TBW102", "defaultTopicQueueNums": 4,
         "queueId": 0,
         "sysFlag": 0, "bornTimestamp": 1, "flag": 0, "properties": "", "a": "G", "b": "BenchmarkTest",
         "c": "TBW102", "d": 4,
         "e": 0, "f": 0, "g": 1, "h": 0, "consumerGroup": "G", "queueOffset": 0, "maxMsgNums": 32, "commitOffset": 0,
         "suspendTimeoutMillis": 100, "subscription": "*", "subVersion": 0, "expressionType": "TAG", "timestamp": 0,
         "offset": 0, "key": "k", "maxNum": 32, "beginTimestamp": 0, "endTimestamp": 1 << 60, "clientID": "c",
         "group": "G", "groupName": "G", "readQueueNums": 4, "writeQueueNums": 4, "perm": 6, "order": "false",
         "topicFilterType": "SINGLE_TAG", "statsName": "s", "statsKey": "k", "namespace": "n", "value": "v",
         "brokerName": "b", "brokerAddr": "127.0.0.1:1", "clusterName": "c", "haServerAddr": "", "brokerId": 0,
         "cluster": "c", "delayLevel": 1, "originMsgId": "m", "originTopic": "BenchmarkTest", "isForce": "true",
         "clientId": "c", "clientAddr": "c", "msgId": "0" * 32, "srcGroup": "G", "destGroup": "G2", "offline": "true",
         "filterGroups": "G", "compareGroup": "G", "isOrder": "false", "index": 0, "count": 10, "jstackEnable": "false"}
BODIES = {
    "array": b"[1,2,3]", "number": b"1", "text": b'"x"', "nothing": b"", "cut": b'{"clientID":"c","consumerDataSet":[{',
    "nested arrays": b"[" * 100_000, "nested arrays closed": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nested member": b'{"consumerDataSet":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge number": b'{"heartbeatFingerprint":1e999,"queueId":' + b"9" * 5000 + b"}",
    "invalid UTF-8": b'{"clientID":"\xff\xfe\xc0\x80","mqSet":[{"topic":"\xed\xa0\x80"}],"consumerGroup":"\xff"}',
    "wrong types": b'{"clientID":{},"consumerDataSet":{"a":1},"producerDataSet":7,"mqSet":"x","topicConfigList":3,'
                   b'"groupConfigList":{},"subscriptionData":[],"groupName":[],"consumerGroup":null}',
    "nul bytes": b'{"clientID":"\x00\x00"}', "properties": b"a=b\nnamesrvAddr=1\n\\", "binary": bytes(range(256)) * 8,
}


def call_all(program, requests, timeout):
    """Sends each request on a connection that lives as long as the server leaves it open."""
    client = program.client(timeout=timeout)
    try:
        for code, ext, body in requests:
            if client.try_call(code, ext, body) is None:
                client.close()
                client = program.client(timeout=timeout)
    finally:
        client.close()


@on_broker
def every_code_without_fields(context, broker):
    """Each known request code with an empty header, and codes that nobody knows."""
    codes = request_codes() + [-1, 0, -(2**31), 2**31 - 1, 9, 2047, 2048, 2049]
    call_all(broker, [(c, {}, b"") for c in codes], 10 * context.patience)


@on_broker
def every_code_with_garbage(context, broker):
    """Each code with fields of garbage, of extreme numbers, and of a mixture with good ones."""
    requests = []
    for code in request_codes():
        for values in (GARBAGE, NUMBERS, None, None, None):
            ext = {}
            for field in FIELDS:
                if values is None:
                    dice = context.random.random()
                    chosen = NUMBERS if dice < 0.2 else GARBAGE if dice < 0.3 else None
                    if chosen is None:
                        if field in VALID:
                            ext[field] = VALID[field]
                        continue
                    ext[field] = context.random.choice(chosen)
                else:
                    ext[field] = context.random.choice(values)
            ext["sysFlag"] = ext.get("sysFlag", 0) if code != 11 else context.random.choice([0, 1, 4, 5, 7, -1])
            if code in (11, 361):
                ext["suspendTimeoutMillis"] = context.random.choice([-1, -(2**63), 0, 50])
            requests.append((code, ext, b""))
    call_all(broker, requests, 10 * context.patience)


@on_broker
def every_code_with_strange_bodies(context, broker):
    """Each code with a good header and a body that is not what it should be."""
    for name, body in BODIES.items():
        try:
            call_all(broker, [(code, dict(VALID), body) for code in request_codes()], 10 * context.patience)
        except Exception as e:
            raise AssertionError(f"with the body '{name}': {e!r}") from e


@on_broker
def pull_with_extreme_numbers(context, broker):
    """Offsets, counts and times at the ends of their types; the answers are codes, never silence."""
    with broker.client(timeout=10 * context.patience) as c:
        base = dict(VALID, consumerGroup="PullG", sysFlag=4)
        for field in ("queueId", "queueOffset", "maxMsgNums", "commitOffset", "suspendTimeoutMillis", "subVersion",
                      "sysFlag"):
            for number in (-1, 0, 1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)):
                ext = dict(base)
                ext[field] = number
                if field == "sysFlag":
                    ext["suspendTimeoutMillis"] = 10
                assert c.call(11, ext).code is not None
        c.call(17, dict(VALID, topic="NobodySends", order="false"))
        base["topic"] = "NobodySends"
        # Held for as long as a number can say; they go with their connection.
        for held in (2**63 - 1, 2**62, 10**15):
            c.send(frame(11, dict(base, sysFlag=6, suspendTimeoutMillis=held, queueOffset=0)))
        for number in (-1, -(2**63)):
            a = c.call(11, dict(base, sysFlag=6, suspendTimeoutMillis=number))
            assert a.code == 19, f"{number}: {a.code} {a.remark}"


@on_broker
def sends_that_break_the_rules(context, broker):
    """Broken batches, too long properties, names, bodies, and flags that are not a client's to set."""
    with broker.client(timeout=10 * context.patience) as c:
        send = dict(VALID)
        entry = struct.pack(">iiiii", 0, 0, 0, 0, 3) + b"abc" + struct.pack(">h", 0)
        good = struct.pack(">i", len(entry) ) + entry[4:]
        batches = [b"", b"\0", good[:-1], struct.pack(">i", -1) * 10, struct.pack(">i", 2**31 - 1) + b"x" * 100,
                   good + b"\0" * 3, struct.pack(">iiiii", 22, 0, 0, 0, -5) + b"\0" * 10, b"\0" * 100_000,
                   struct.pack(">iiiii", 22, 0, 0, 0, 2**31 - 1), good[:20] + struct.pack(">h", -1)]
        for body in batches:
            a = c.call(320, dict(send, m="true"), body)
            assert a.code not in (0, None), f"a broken batch of {len(body)} bytes was answered {a.code}"
        for wish in (b"DELAY\x013", b"TRAN_MSG\1true", b"INNER_NUM\x015", b"TIMER_DELAY_SEC\x0160"):
            asking = good[4:-2] + struct.pack(">h", len(wish)) + wish
            a = c.call(320, dict(send, m="true"), struct.pack(">i", 4 + len(asking)) + asking)
            assert a.code not in (0, None) and a.remark, f"a batch that asks for {wish} was stored without"
        for size in (32_700, 32_767, 32_768, 40_000, 500_000):
            a = c.call(310, dict(send, i="k\1" + "v" * size), b"x")
            assert a.code == 13, f"{size} bytes of properties: {a.code}"
        assert c.call(310, send, b"").code == 13
        assert c.call(310, send, b"x" * (4 * 1024 * 1024 + 1)).code == 13
        for topic in ("", " ", "t" * 300, "a/b", "../x", "a\0b", ".", "..", "\u4e2d", "a b", "%RETRY%../../x",
                      "t" * 40000):
            a = c.call(310, dict(send, b=topic, a="P"), b"x")
            assert a.code not in (0, None), f"topic {topic[:20]!r} was taken"
        for group in ("", "g" * 300, "../g"):
            assert c.call(310, dict(send, a=group), b"x").code is not None
        for queue in (-(2**31), -1, 1024, 2**31 - 1):
            assert c.call(310, dict(send, e=queue), b"x").code in (0, 1, 29)


@alone
def transaction_bits_in_the_system_flag(context):
    """Messages that claim to be prepared or rolled back: what is acknowledged must keep its offset over a kill -9."""
    broker = context.broker()
    with broker.client() as c:
        seen = []
        for i in range(12):
            a = c.call(310, dict(VALID, e=1, f=[0, 4, 12, 8][i % 4]), b"message %d" % i)
            if a.code == 0:
                seen.append((int(a.ext["queueOffset"]), b"message %d" % i))
        assert [o for o, _ in seen] == list(range(len(seen))), seen
    broker.kill()
    broker.start()
    with broker.client() as c:
        assert int(c.call(30, {"topic": "BenchmarkTest", "queueId": 1}).ext["offset"]) == len(seen)
        for offset, text in seen:
            a = c.call(11, dict(VALID, queueId=1, queueOffset=offset, maxMsgNums=1, sysFlag=4))
            assert a.code == 0 and text in a.body, f"offset {offset}: {a.code} {a.remark}"


NAMES = re.compile(r"^[%|a-zA-Z0-9_-]{1,255}$")
STORE_NAMES = {"commitlog", "consumequeue", "index", "config", "checkpoint", "abort", "lock",
               "merlin.progress", "merlin.synced", "merlin.floors", "merlin.bounds", "merlin.rebuild"}


def inventory(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))


@alone
def names_that_are_paths(context):
    """Topic and group names with dots, slashes and NULs in every request that names one: no file outside changes."""
    broker = context.broker()
    outside = broker.folder / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "keep.txt").write_text("keep")
    before = inventory(outside)
    names = ["../x", "../../outside", "../../outside/deep", "../commitlog", "../config", "../../store", "..", ".",
             "a/b",
             "/tmp/merlin-attack-y", "x\0y", "../../outside/deep/keep.txt", "%RETRY%../../x", "../", "../consumequeue",
             "BenchmarkTest/../../commitlog", "BenchmarkTest/0", "%RETRY%/../..", "\\..\\x"]
    with broker.client(timeout=10 * context.patience) as c:
        assert c.call(310, VALID, b"keep me").code == 0
        for name in names:
            for code in request_codes():
                ext = dict(VALID, topic=name, b=name, suspendTimeoutMillis=1, sysFlag=4)
                c.try_call(code, ext)
                if code in (11, 14, 15, 30, 31, 32, 200, 207, 215, 351, 352):
                    c.try_call(code, dict(ext, topic="BenchmarkTest", consumerGroup=name, group=name, groupName=name,
                                          cleanOffset="true"))
            heartbeat = {"clientID": "c", "producerDataSet": [{"groupName": name}], "consumerDataSet": [
                {"groupName": name, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
                 "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET",
                 "subscriptionDataSet": [{"topic": name, "subString": "*", "subVersion": 1}]}]}
            c.call(34, {}, json.dumps(heartbeat).encode())
            c.call(18, {}, json.dumps({"topicConfigList": [{"topicName": name, "readQueueNums": 4, "writeQueueNums": 4,
                                                            "perm": 6}]}).encode())
            c.call(200, {}, json.dumps({"groupName": name}).encode())
            c.call(225, {}, json.dumps({"groupConfigList": [{"groupName": name}]}).encode())
        a = c.call(11, dict(VALID, queueOffset=0, sysFlag=4))
        assert a.code == 0 and b"keep me" in a.body, f"the message is gone: {a.code} {a.remark}"
    context.check(broker)
    assert inventory(outside) == before, "files outside the store changed"
    left = set(p.name for p in broker.store.iterdir())
    assert left <= STORE_NAMES, f"strange files in the store: {left - STORE_NAMES}"
    for part in ("commitlog", "consumequeue", "config"):
        assert (broker.store / part).is_dir(), f"{part} was deleted"
    for path in (broker.store / "consumequeue").iterdir():
        assert NAMES.match(path.name), f"a queue directory named {path.name!r}"
    assert any((broker.store / "commitlog").iterdir()), "the commit log is gone"
    assert not Path("/tmp/merlin-attack-y").exists()


@on_broker
def topic_updates_with_bad_numbers(context, broker):
    """Queue numbers and permissions out of range are refused or harmless: the topic can be listed and asked for."""
    with broker.client(timeout=10 * context.patience) as c:
        for reads, writes, perm in ((-1, 4, 6), (4, -1, 6), (2**31 - 1, 4, 6), (4, 2**31 - 1, 6), (0, 0, 6), (4, 4, 99),
                                    (4, 4, -1), (0, 4, 0), (4, 0, 2**31 - 1), (65537, 65537, 6)):
            name = f"Bad{context.random.randrange(1 << 30)}"
            ext = dict(VALID, topic=name, readQueueNums=reads, writeQueueNums=writes, perm=perm, order="false")
            a = c.call(17, ext)
            assert a.code is not None
            watch = Stopwatch(broker)
            for code in (202, 351, 21):
                c.call(code, {"topic": name})
            for queue in (0, 3, -1, 100):
                c.call(310, dict(VALID, b=name, e=queue), b"x")
                c.call(11, dict(VALID, topic=name, queueId=queue, sysFlag=4))
            watch.check(5 * context.patience, f"asking for {reads} {writes} {perm}")
            c.call(215, {"topic": name})


@on_broker
def retry_queues_without_end(context, broker):
    """A group whose retry topic asks for 2^31-1 queues."""
    with broker.client(timeout=10 * context.patience) as c:
        for number in (2**31 - 1, -5, 10**9):
            name = f"RetryMany{number & 0xFFFF}"
            c.call(200, {}, json.dumps({"groupName": name, "retryQueueNums": number, "retryMaxTimes": number}).encode())
            c.call(34, {}, json.dumps({"clientID": "c", "consumerDataSet": [
                {"groupName": name, "subscriptionDataSet": []}]}).encode())
            c.call(310, dict(VALID, b="%RETRY%" + name, e=0), b"x")
            c.call(202, {"topic": "%RETRY%" + name})
            c.call(208, {"consumerGroup": name, "topic": "%RETRY%" + name})
