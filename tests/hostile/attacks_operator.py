"""What operators and machines do: signals, kill -9, full disks, broken files, strange settings."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from attacks_requests import VALID
from peer import Program, frame

ATTACKS = []


def alone(function):
    ATTACKS.append(function)
    return function


class Load:
    """Sends to eight queues over some connections until it is told to stop or the broker goes; keeps what was
    acknowledged."""

    def __init__(self, broker, connections=3, size=300):
        self.broker, self.size = broker, size
        self.acknowledged = {}
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(connections)]
        for t in self.threads:
            t.start()

    def run(self, number):
        try:
            with self.broker.client(timeout=20) as c:
                i = 0
                while not self.stopping.is_set():
                    texts = [b"%d-%d-%d;" % (self.broker.process.pid, number, i + k) for k in range(20)]
                    queue = (i // 20) % 8
                    c.send(b"".join(frame(310, dict(VALID, e=queue), t.ljust(self.size, b"."), opaque=k)
                                    for k, t in enumerate(texts)))
                    # A broker that is stopping refuses some before it has answered those that came earlier.
                    for _ in texts:
                        a = c.read()
                        if a.code == 0:
                            self.acknowledged[(queue, int(a.ext["queueOffset"]))] = texts[a.opaque]
                    i += 20
        except OSError:
            pass

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


def read_queue(broker, topic, queue, patience=1.0):
    """Everything in the queue, by offset."""
    found, offset = {}, None
    with broker.client(timeout=20 * patience) as c:
        offset = int(c.call(31, {"topic": topic, "queueId": queue}).ext["offset"])
        while True:
            a = c.call(11, dict(VALID, topic=topic, queueId=queue, queueOffset=offset, maxMsgNums=32, sysFlag=4))
            if a.code == 0:
                at = 0
                while at < len(a.body):
                    size = int.from_bytes(a.body[at:at + 4], "big")
                    found[int.from_bytes(a.body[at + 20:at + 28], "big")] = a.body[at:at + size]
                    at += size
            elif a.code in (19, 21) and int(a.ext["nextBeginOffset"]) <= offset:
                return found
            offset = int(a.ext["nextBeginOffset"])


def read_all(broker, queue, patience=1.0):
    return read_queue(broker, "BenchmarkTest", queue, patience)


def check_acknowledged(broker, acknowledged, patience=1.0):
    queues = {q: read_all(broker, q, patience) for q in {q for q, _ in acknowledged}}
    for (queue, offset), text in acknowledged.items():
        record = queues[queue].get(offset)
        assert record is not None, f"queue {queue} offset {offset} was acknowledged and is gone"
        assert text in record, f"queue {queue} offset {offset} holds another message"
    for queue, found in queues.items():
        assert sorted(found) == list(range(min(found), max(found) + 1)), f"queue {queue} has holes"


@alone
def kill_9_under_load_in_a_loop(context):
    """Five times: load, kill -9, restart; what was acknowledged is there, each offset with its message."""
    broker = context.broker()
    everything = {}
    for _ in range(5):
        load = Load(broker)
        time.sleep(0.3 + context.random.random() * 0.4)
        broker.kill()
        load.stop()
        everything |= load.acknowledged
        broker.start()
    check_acknowledged(broker, everything, context.patience)
    context.check(broker)


@alone
def sigterm_under_load(context):
    """SIGTERM while clients send: it leaves in time with exit code 0 and no abort file; all acknowledged messages
    stay."""
    broker = context.broker()
    load = Load(broker)
    with broker.client() as holder:
        holder.send(frame(11, dict(VALID, queueId=15, queueOffset=0, sysFlag=6, suspendTimeoutMillis=60_000)) * 100)
        time.sleep(0.5)
        broker.signal(signal.SIGHUP)
        time.sleep(0.1)
        assert broker.stop(15 * context.patience) == 0
    load.stop()
    assert not (broker.store / "abort").exists(), "the abort file stayed after a clean stop"
    broker.start()
    check_acknowledged(broker, load.acknowledged, context.patience)


@alone
def two_sigterms(context):
    """The second SIGTERM ends at once; the next start recovers."""
    broker = context.broker()
    load = Load(broker)
    time.sleep(0.4)
    broker.signal(signal.SIGTERM)
    broker.signal(signal.SIGTERM)
    time.sleep(0.01)
    if broker.process.poll() is None:
        broker.signal(signal.SIGTERM)
    broker.wait(10 * context.patience)
    load.stop()
    broker.start()
    check_acknowledged(broker, load.acknowledged, context.patience)


def damage(path, chance):
    data = bytearray(path.read_bytes())
    kind = chance.randrange(4)
    if kind == 0 or not data:
        data = bytearray()
    elif kind == 1:
        del data[chance.randrange(len(data)):]
    elif kind == 2:
        for _ in range(8):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        data = bytearray(chance.randbytes(len(data)))
    path.write_bytes(bytes(data))
    return ("emptied", "cut", "bits turned", "filled with noise")[kind]


@alone
def damaged_small_files(context):
    """checkpoint, merlin.progress and the JSON files emptied, cut, twisted: it starts, the messages are there."""
    broker = context.broker()
    load = Load(broker, 1)
    time.sleep(0.4)
    load.stop()
    with broker.client() as c:
        c.call(15, {"consumerGroup": "G", "topic": "BenchmarkTest", "queueId": 0, "commitOffset": 3})
        c.call(17, dict(VALID, topic="Kept", readQueueNums=4, writeQueueNums=4, perm=6, order="false"))
    names = ["checkpoint", "merlin.progress", "merlin.synced", "config/topics.json", "config/consumerOffset.json",
             "config/subscriptionGroup.json"]
    for round_number in range(10):
        if context.random.random() < 0.5:
            broker.kill()
        else:
            broker.stop(15 * context.patience)
        done, saved = [], {}
        for name in context.random.sample(names, 2):
            path = broker.store / name
            if path.exists():
                saved[path] = path.read_bytes()
                done.append(f"{name} {damage(path, context.random)}")
        try:
            try:
                broker.start()
            except AssertionError as e:
                # Without a good backup a start would silently forget topics or offsets: it names the file instead.
                assert any(str(path) in str(e) and not path.with_name(path.name + ".bak").exists() for path in saved), e
                for path, data in saved.items():
                    path.write_bytes(data)
                broker.start()
            check_acknowledged(broker, load.acknowledged, context.patience)
        except AssertionError as e:
            raise AssertionError(f"{str(e)[-700:]}\n(round {round_number}, {', '.join(done)})") from e


@alone
def damaged_queue_files(context):
    """Consume queue files cut short or gone: built again from the log, or a refusal that names the file."""
    broker = context.broker()
    load = Load(broker, 1)
    time.sleep(0.4)
    load.stop()
    broker.stop(15 * context.patience)
    queue_dir = broker.store / "consumequeue" / "BenchmarkTest"
    for kind in ("gone", "odd"):
        files = sorted(queue_dir.rglob("0*"))
        files = [f for f in files if f.is_file()]
        for f in files[:2]:
            if kind == "gone":
                f.unlink()
            else:
                f.write_bytes(f.read_bytes()[:12_345])
        (broker.store / "abort").write_text("1")
        try:
            broker.start()
        except AssertionError as e:
            assert kind == "odd" and files[0].name in str(e), f"{kind}: {e}"
            for f in files[:2]:
                f.unlink()
            broker.start()
        try:
            check_acknowledged(broker, load.acknowledged, context.patience)
        except AssertionError as e:
            raise AssertionError(f"{kind} ({', '.join(str(f.relative_to(queue_dir)) for f in files[:2])}): {e}") from e
        broker.stop(15 * context.patience)


@alone
def strange_things_in_the_store(context):
    """Foreign files and folders in the store's folders: they are passed over, not deleted, and do not stop the
    start."""
    broker = context.broker()
    load = Load(broker, 1)
    time.sleep(0.3)
    load.stop()
    broker.stop(15 * context.patience)
    foreign = [broker.store / p for p in ("commitlog/README.txt", "commitlog/backup.tar", "consumequeue/notes.txt",
               "consumequeue/BenchmarkTest/notes", "consumequeue/BenchmarkTest/0/x.tmp", "index/y.tmp",
               "config/topics.json.tmp",
               "foreign.txt", "consumequeue/a b/0/z", "consumequeue/-/-1/z")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("foreign")
    broker.start()
    check_acknowledged(broker, load.acknowledged, context.patience)
    broker.stop(15 * context.patience)
    gone = [p for p in foreign if not p.exists() and "topics.json.tmp" not in p.name]
    assert not gone, f"deleted: {gone}"


@alone
def damaged_tail_of_the_log(context):
    """The last record cut, twisted, or followed by noise after a kill: everything in front of it stays."""
    broker = context.broker()
    everything = {}
    for kind in ("bits", "cut", "noise", "zero"):
        load = Load(broker, 1)
        time.sleep(0.25)
        load.stop()
        broker.kill()
        everything |= load.acknowledged
        with broker_log_tail(broker) as (file, end, last):
            if kind == "bits":
                file.seek(last + 60)
                file.write(b"\xff")
            elif kind == "cut":
                file.seek(end - 10)
                file.write(b"\0" * 10)
            elif kind == "noise":
                file.seek(end)
                file.write(context.random.randbytes(500))
            else:
                file.seek(last)
                file.write(b"\0" * (end - last))
            lost = last if kind != "noise" else None
        broker.start()
        found = {}
        for queue in range(8):
            for offset, record in read_all(broker, queue, context.patience).items():
                found[(queue, offset)] = record
        missing = [k for k, text in everything.items() if text not in found.get(k, b"")]
        assert len(missing) <= (1 if lost is not None else 0), f"{kind}: {len(missing)} messages are missing"
        for k in missing:
            del everything[k]
    context.check(broker)


class broker_log_tail:
    """The newest log file, the end of its last record, and where that record begins."""

    def __init__(self, broker):
        self.path = sorted(p for p in (broker.store / "commitlog").iterdir() if p.name.isdigit())
        self.file = None

    def __enter__(self):
        for path in reversed(self.path):
            data = path.read_bytes()
            at, last = 0, None
            while at + 4 <= len(data):
                size = int.from_bytes(data[at:at + 4], "big")
                if size <= 0 or data[at + 4:at + 8] != b"\xda\xa3\x20\xa7" or at + size > len(data):
                    break
                last, at = at, at + size
            if last is not None:
                self.file = open(path, "r+b")
                return self.file, at, last
        raise AssertionError("there is no record in the log")

    def __exit__(self, *_):
        self.file.close()


def ends_with(context, binary_settings, words, prepare=None):
    """The broker refuses to start, in seconds, and says the words."""
    broker = context.broker(binary_settings, wait=False)
    try:
        code = broker.wait(15 * context.patience)
    except subprocess.TimeoutExpired:
        raise AssertionError("it did not end") from None
    text = broker.log_text()
    assert code not in (0, -6, -11), f"exit code {code}: {text[-500:]}"
    for word in words:
        assert str(word) in text, f"'{word}' is not in: {text[-800:]}"


@alone
def starts_that_must_be_refused(context):
    """Port in use, locked store, a file where the store should be, settings out of range: exit code and a reason."""
    broker = context.broker()
    ends_with(context, {"listenPort": broker.port}, [broker.port])
    ends_with(context, {"storePathRootDir": broker.store, "storePathCommitLog": broker.store / "commitlog"},
              [broker.store])
    with tempfile.NamedTemporaryFile() as f:
        ends_with(context, {"storePathRootDir": f.name, "storePathCommitLog": f.name + "/commitlog"}, [f.name])
    for key, value in (("mappedFileSizeCommitLog", "-1"), ("mappedFileSizeCommitLog", "abc"), ("listenPort", "99999"),
                       ("flushDiskType", "MAYBE"), ("maxMessageSize", "-5"), ("brokerIP1", "no.such.host.name")):
        ends_with(context, {key: value}, [key, value])
    context.check(broker)


@alone
def settings_files_of_junk(context):
    """Binary bytes, a million keys, lines without end in the settings file: a start or a refusal, never a crash."""
    junk = [bytes(range(256)).decode("latin-1") * 10, "x" * 2_000_000, "\\\n" * 10_000, "a=b\n" * 100_000,
            "=\n:\n \n!\n#\n", "listenPort\n", "\\u12\\uZZZZ=\\u\n", "".join(f"key{i}=v\n" for i in range(3000))]
    for text in junk:
        broker = context.broker(extra_text=text, wait=False)
        deadline = time.monotonic() + 10 * context.patience
        while time.monotonic() < deadline and broker.process.poll() is None:
            try:
                broker.check_sane(10 * context.patience)
                break
            except OSError:
                time.sleep(0.05)
        code = broker.process.poll()
        assert code is None or code > 0, f"exit code {code} after {text[:20]!r}: {broker.log_tail(300)}"
        broker.kill()


@alone
def configuration_updates(context):
    """UPDATE_BROKER_CONFIG with unknown, forbidden, restart-only and injected keys changes nothing it may not."""
    broker = context.broker()
    before = broker.config_file.read_text()
    with broker.client(timeout=10 * context.patience) as c:
        for body in (b"noSuchKey=1", b"listenPort=1", b"storePathRootDir=/tmp/x", b"configBlackList=",
                     b"brokerConfigPath=/x",
                     b"rocketmqHome=/tmp", b"maxMessageSize=abc", b"flushDiskType=MAYBE", b"brokerName=evil",
                     b"storePathCommitLog=/etc", b"namesrvAddr=1.2.3.4:9876;`id`", b"\xff\xfe=\xff", b"=",
                     b"x" * 1_000_000,
                     b"brokerPermission=99999999999999", b"brokerPermission=-1;rm"):
            assert c.call(25, {}, body).code is not None
        for key in ("noSuchKey", "listenPort", "storePathRootDir", "brokerName"):
            assert c.call(25, {}, f"{key}=zzz".encode()).code != 0, f"{key} was taken"
        for body in (rb"brokerPermission=6\nlistenPort=1", b"brokerPermission=6\\\nlistenPort=1",
                     rb"messageDelayLevel=1s\nstorePathRootDir=/tmp/evil", b"regionId=a\rstorePathRootDir=/tmp/evil",
                     rb"msgTraceTopicName=x\u000astorePathRootDir=/tmp/evil"):
            c.call(25, {}, body)
        config = c.call(26).body.decode()
    after = broker.config_file.read_text()
    for text in (config, after):
        for line in text.splitlines():
            assert not line.startswith("storePathRootDir=/tmp/evil"), f"injected: {line}"
            if line.startswith("listenPort"):
                assert line == f"listenPort={broker.port}", line
    assert "evil" not in [line.split("=")[0] for line in after.splitlines()]
    assert before.splitlines()[0] in after
    broker.stop(15 * context.patience)
    broker.start()
    context.check(broker)


@alone
def full_disk(context):
    """A store on a small tmpfs: sends are refused with path and space, reads go on, sends go on when space is back."""
    folder = Path(tempfile.mkdtemp(prefix="merlin-attack-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
                      capture_output=True).returncode != 0:
        print("    (left out: no right to mount)")
        folder.rmdir()
        return
    try:
        broker = Program(context.arguments.broker, {"mappedFileSizeCommitLog": 4 << 20,
                                                    "mappedFileSizeConsumeQueue": 6000,
                         "cleanFileForciblyEnable": "false", "maxHashSlotNum": 1000, "maxIndexNum": 4000},
                         folder=folder,
                         boot_s=20 * context.patience)
        context.programs.append(broker)
        hog = folder / "hog"
        with broker.client(timeout=20 * context.patience) as c:
            acknowledged, refused = {}, None
            for i in range(2000):
                text = b"message %d;" % i
                a = c.call(310, dict(VALID, e=1), text.ljust(60_000, b"."))
                if a.code == 0:
                    acknowledged[(1, int(a.ext["queueOffset"]))] = text
                else:
                    refused = a
                    break
            assert refused is not None, "it never became full"
            assert refused.code == 14 and str(folder) in refused.remark, f"{refused.code} {refused.remark}"
            # By the ratio, which is looked at five times a second, or by the write that met the end.
            assert "bytes free" in refused.remark or "% of the disk" in refused.remark, refused.remark
            for i in range(20):
                assert c.call(310, dict(VALID, e=2), b"x" * 60_000).code != 0
            c.call(17, dict(VALID, topic="NoSpace", order="false"))
            c.call(34, {}, b'{"clientID":"c","consumerDataSet":[{"groupName":"NoSpaceG","subscriptionDataSet":[]}]}')
        check_acknowledged(broker, acknowledged, context.patience)
        subprocess.run(["mount", "-o", "remount,size=160m", str(folder)], check=True, capture_output=True)
        deadline = time.monotonic() + 15 * context.patience
        with broker.client(timeout=20 * context.patience) as c:
            while True:
                a = c.call(310, dict(VALID, e=1), b"after;")
                if a.code == 0:
                    break
                assert time.monotonic() < deadline, f"sends did not resume: {a.code} {a.remark}"
                time.sleep(0.1)
            acknowledged[(1, int(a.ext["queueOffset"]))] = b"after;"
        check_acknowledged(broker, acknowledged, context.patience)
        broker.kill()
        broker.start()
        check_acknowledged(broker, acknowledged, context.patience)
        context.check(broker)
    finally:
        reports = [line for program in context.programs if (line := program.sanitizer_line())]
        for program in context.programs:
            program.kill()
        context.programs.clear()
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)
        folder.rmdir()
    assert not reports, reports[0]
