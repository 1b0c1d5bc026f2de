"""The name server: storms of registrations, huge ones, other people's brokers, floods of keys."""

import json
import threading
import zlib

from attacks_requests import BODIES, FIELDS, GARBAGE, NUMBERS, VALID, call_all
from peer import Stopwatch, frame, request_codes

ATTACKS = []


def on_namesrv(function):
    function.shares = "namesrv"
    ATTACKS.append(function)
    return function


def alone(function):
    ATTACKS.append(function)
    return function


def registration(topics, counter=1):
    table = {t: {"topicName": t, "readQueueNums": 4, "writeQueueNums": 4, "perm": 6, "topicFilterType": "SINGLE_TAG",
                 "topicSysFlag": 0, "order": False} for t in topics}
    return json.dumps({"topicConfigSerializeWrapper": {"topicConfigTable": table, "dataVersion": {
        "counter": counter, "timestamp": 1, "stateVersion": 0}}, "filterServerList": []}).encode()


def identity(name="b", address="127.0.0.1:1", cluster="c", broker_id=0):
    return {"brokerName": name, "brokerAddr": address, "clusterName": cluster, "haServerAddr": "127.0.0.1:2",
            "brokerId": broker_id}


@on_namesrv
def namesrv_every_code(context, namesrv):
    """Each request code with no fields, garbage, extreme numbers and strange bodies."""
    chance = context.random
    requests = [(code, {}, b"") for code in request_codes()]
    for code in request_codes():
        for values in (GARBAGE, NUMBERS):
            requests.append((code, {f: chance.choice(values) for f in FIELDS}, b""))
    for body in BODIES.values():
        requests += [(code, dict(VALID), body) for code in request_codes()]
    call_all(namesrv, requests, 10 * context.patience)


@alone
def namesrv_registration_storm(context):
    """Random broker names, addresses, ids and clusters: each table has its limit, the answers stay quick."""
    namesrv = context.namesrv()
    body = registration(["A", "B", "C"])
    chance = context.random
    counts = [int(n / min(context.patience, 5)) for n in (11_000, 500, 500, 500, 500)]
    kinds = [lambda i: identity(name=f"n{i}"), lambda i: identity(address=f"10.0.0.1:{i}", broker_id=i),
             lambda i: identity(name="n", address=f"x{i}", cluster=f"c{i}", broker_id=0),
             lambda i: identity(name=f"m{i}", address=f"a{i}", cluster="d"),
             lambda i: identity(name="x" * 20_000 + str(i), address=f"l{i}")]
    with namesrv.client(timeout=30 * context.patience) as c:
        for kind, count in zip(kinds, counts):
            data = [frame(103, kind(i), body, opaque=i) for i in range(count)]
            for at in range(0, count, 50):
                c.send(b"".join(data[at:at + 50]))
                for _ in data[at:at + 50]:
                    c.read()
        assert c.call(106).code == 0
        table = c.call(106).body
        names = table.count(b'"brokerAddrs"')
        assert 9_000 / context.patience < names <= 10_000, f"{names} broker names"
        ids = max(part.split(b"}", 1)[0].count(b"10.0.0.1:") for part in table.split(b'"brokerAddrs"'))
        assert ids <= 100, f"{ids} addresses of one name"
        for i in range(200):
            assert c.call(104, identity(name=f"n{chance.randrange(10_000)}")).code == 0
    context.check(namesrv, 700)


@alone
def namesrv_huge_registrations(context):
    """100 000 topics in one registration, from many brokers; deflated bombs; long topic names."""
    namesrv = context.namesrv()
    many = registration([f"Topic{i}" for i in range(int(100_000 / min(context.patience, 5)))])
    with namesrv.client(timeout=60 * context.patience) as c:
        for i in range(4):
            a = c.try_call(103, identity(name=f"big{i}", address=f"10.0.0.2:{i}"),
                           many[:15 << 20] if len(many) > (15 << 20) else many)
            assert a is not None
        c.call(103, identity(name="bomb", address="10.0.0.3:1") | {"compressed": "true"},
               zlib.compress(b"\0" * (200 << 20), 1))
        for i in range(10):
            c.call(103, identity(name="long", address="10.0.0.4:1"),
                   registration([f"{'t' * 100_000}{i}-{k}" for k in range(5)], counter=i))
        watch = Stopwatch(namesrv)
        for i in range(300):
            c.call(105, {"topic": f"Topic{i * 7}"})
        watch.check(5 * context.patience, "300 routes")
    context.check(namesrv, 1200, within_s=6)


@alone
def namesrv_unregister_and_queries(context):
    """Unregistering the brokers of others, routes of random topics, deletions and permissions in a storm."""
    namesrv = context.namesrv()
    with namesrv.client() as owner:
        assert owner.call(103, identity(name="mine", address="127.0.0.1:9"), registration(["Mine", "Other"])).code == 0
        chance = context.random
        clients = [namesrv.client(timeout=20 * context.patience) for _ in range(4)]

        def storm(c, seed):
            for i in range(int(1500 / min(context.patience, 4))):
                kind = (i * 7 + seed) % 6
                if kind == 0:
                    c.call(104, identity(name=f"other{i}", address=f"1.1.1.1:{i}", broker_id=i))
                elif kind == 1:
                    c.call(105, {"topic": "x" * (i % 500) + "\u00e9\0"})
                elif kind == 2:
                    c.call(105, {"topic": "Mine"})
                elif kind == 3:
                    c.call(103, identity(name=f"s{seed}", address=f"2.2.2.2:{i % 50}", broker_id=i % 50),
                           registration([f"T{i % 100}", "U"], counter=i))
                elif kind == 4:
                    c.call(205, {"brokerName": f"s{i % 4}"})
                else:
                    c.call(206)

        threads = [threading.Thread(target=storm, args=(c, i)) for i, c in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        a = owner.call(105, {"topic": "Mine"})
        assert a.code == 0 and b"mine" in a.body, f"{a.code} {a.remark}"
        for c in clients:
            c.close(hard=chance.random() < 0.5)
    context.check(namesrv, 500)


@alone
def namesrv_key_value_flood(context):
    """Keys and namespaces without end: refused at the limit, the file stays readable after a kill."""
    namesrv = context.namesrv()
    with namesrv.client(timeout=60 * context.patience) as c:
        refused = False
        for i in range(20):
            a = c.call(100, {"namespace": f"n{i}", "key": "k", "value": "v" * 900_000})
            refused |= a.code != 0
        assert refused, "18 MB of values were taken"
        taken = sum(c.call(100, {"namespace": "x" * 900_000 + str(i), "key": "",
                                 "value": ""}).code == 0 for i in range(20))
        assert taken < 5, "namespaces were taken beyond the limit"
        for name in ("../x", "a/b", "\0", ""):
            c.call(100, {"namespace": name, "key": name, "value": name})
            c.call(102, {"namespace": name, "key": name})
        c.call(318, {}, b"kvConfigPath=/tmp/evil\nconfigStorePath=/tmp/evil\n")
        c.call(318, {}, b"listenPort=1\nnoSuchKey=2")
        assert b"evil" not in c.call(319).body
    context.check(namesrv, 600)
    namesrv.kill()
    namesrv.start()
    with namesrv.client() as c:
        assert c.call(101, {"namespace": "n0", "key": "k"}).ext.get("value") == "v" * 900_000
