"""Clients with a memory, and the judge of what they remember.

Every message has a number, from which topic-independent bytes follow; so an answer, a pull and a restart can be compared
without keeping bodies.
"""

import json
import random
import struct
import threading
import zlib

from peer import frame

TOPICS = ["T0", "T1", "T2"]
QUEUES = 4
GROUP = "G"
SEND, BATCH, PULL, QUERY_OFFSET, COMMIT, CREATE, DELETE = 310, 320, 11, 14, 15, 17, 215
MAX_OFFSET, MIN_OFFSET = 30, 31
MAGIC = -626843481


def body_of(number):
    noise = random.Random(number)
    return b"%d|" % number + bytes([33 + noise.randrange(90)]) * noise.choice([5, 40, 200, 900, 6000])


def number_of(body):
    return int(body.split(b"|", 1)[0])


def send_fields(topic, queue, batch=False):
    fields = {"a": "P", "b": topic, "c": "TBW102", "d": 4, "e": queue, "f": 0, "g": 1, "h": 0, "i": "", "j": 0}
    return fields | ({"m": "true"} if batch else {})


def batch_body(numbers):
    out = b""
    for number in numbers:
        body = body_of(number)
        entry = struct.pack(">iii", 0, 0, 0) + struct.pack(">i", len(body)) + body + struct.pack(">h", 0)
        out += struct.pack(">i", len(entry) + 4) + entry
    return out


class Memory:
    """What all clients were promised. Threads: its lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next = 1
        self.sent = {}       # number -> (topic, queue)
        self.acked = {}      # number -> (topic, queue, queue offset or None)
        self.places = {}     # (topic, queue, offset) -> number
        self.unchecked = set()
        self.commits = {}    # (topic, queue) -> offsets in order, with the time of their answer
        self.topics = {}     # name -> "there" or "gone", once that was acknowledged
        self.wrong = []

    def numbers(self, count, topic, queue):
        with self.lock:
            first = self.next
            self.next += count
            for number in range(first, first + count):
                self.sent[number] = (topic, queue)
        return range(first, first + count)

    def ack(self, number, offset):
        with self.lock:
            topic, queue = self.sent[number]
            self.acked[number] = (topic, queue, offset)
            self.unchecked.add(number)
            if offset is not None:
                other = self.places.setdefault((topic, queue, offset), number)
                if other != number:
                    self.wrong.append(f"{topic}-{queue} offset {offset} was promised to {other} and {number}")

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)


def records(data):
    """The stored records of a pull's body: (queue, queue offset, topic, body)."""
    at = 0
    while at < len(data):
        size, magic, crc, queue, _, offset = struct.unpack_from(">iiiiiq", data, at)
        assert magic == MAGIC, f"magic {magic}"
        # size magic crc queue flag offset physical sysflag born(8+8) stored(8+8) reconsumed prepared(8)
        p = at + 4 * 5 + 8 + 8 + 4 + 16 + 16 + 4 + 8
        length = struct.unpack_from(">i", data, p)[0]
        body = data[p + 4:p + 4 + length]
        p += 4 + length
        topic = data[p + 1:p + 1 + data[p]].decode()
        assert zlib.crc32(body) & 0x7FFFFFFF == crc, f"CRC of {topic}-{queue} offset {offset}"
        yield queue, offset, topic, body
        at += size


def pull(client, topic, queue, offset, count=32):
    return client.call(PULL, {"consumerGroup": GROUP, "topic": topic, "queueId": queue, "queueOffset": offset,
                              "maxMsgNums": count, "sysFlag": 4, "commitOffset": 0, "suspendTimeoutMillis": 0,
                              "subscription": "*", "subVersion": 0, "expressionType": "TAG"})


class Thread(threading.Thread):
    """Works until the connection is gone or it is told to stop; the kill ends most of them."""

    def __init__(self, memory, broker, seed):
        super().__init__(daemon=True)
        self.memory, self.broker, self.random = memory, broker, random.Random(seed)
        self.stopping = False
        self.done = 0

    def run(self):
        try:
            with self.broker.client(timeout=20) as client:
                while not self.stopping:
                    self.step(client)
        except TimeoutError:
            self.memory.complain(f"{type(self).__name__}: no answer for 20 s")
        except OSError:
            pass
        except AssertionError as e:
            self.memory.complain(f"{type(self).__name__}: {e}")


class Sender(Thread):
    """Bursts without waiting in between, then the answers; now and then a batch, or messages without answers."""

    def step(self, client):
        topic, queue = self.random.choice(TOPICS), self.random.randrange(QUEUES)
        kind = self.random.randrange(10)
        if kind == 0:
            numbers = self.memory.numbers(self.random.randint(2, 8), topic, queue)
            answer = client.call(BATCH, send_fields(topic, queue, True), batch_body(numbers))
            if answer.code == 0:
                for i, number in enumerate(numbers):
                    self.memory.ack(number, int(answer.ext["queueOffset"]) + i)
                self.done += len(numbers)
            return
        numbers = self.memory.numbers(self.random.randint(1, 60), topic, queue)
        oneway = 2 if kind == 1 else 0
        client.send(b"".join(frame(SEND, send_fields(topic, queue), body_of(n), opaque=n, flag=oneway) for n in numbers))
        for _ in numbers if not oneway else ():
            answer = client.read()
            if answer.code == 0:
                self.memory.ack(answer.opaque, int(answer.ext["queueOffset"]))
                self.done += 1


class Consumer(Thread):
    """Pulls its queues in order, compares what it gets, commits how far it came."""

    def __init__(self, memory, broker, seed, clock):
        super().__init__(memory, broker, seed)
        self.clock = clock

    def step(self, client):
        topic, queue = self.random.choice(TOPICS), self.random.randrange(QUEUES)
        commits = self.memory.commits.setdefault((topic, queue), [])
        offset = commits[-1][0] if commits else 0
        answer = pull(client, topic, queue, offset)
        if answer.code == 0:
            for got_queue, got_offset, got_topic, body in records(answer.body):
                assert (got_topic, got_queue, got_offset) == (topic, queue, offset), \
                    f"{topic}-{queue} offset {offset} shows {got_topic}-{got_queue} offset {got_offset}"
                check_body(self.memory, topic, queue, offset, body)
                offset += 1
                self.done += 1
            fields = {"consumerGroup": GROUP, "topic": topic, "queueId": queue, "commitOffset": offset}
            commits.append([offset, None])
            if client.call(COMMIT, fields).code == 0:
                commits[-1][1] = self.clock()


class Administrator(Thread):
    """Topics come and go."""

    def step(self, client):
        name = f"D{self.random.randrange(1_000_000)}"
        fields = {"topic": name, "defaultTopic": "TBW102", "readQueueNums": 2, "writeQueueNums": 2, "perm": 6,
                  "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": "false"}
        if client.call(CREATE, fields).code != 0:
            return
        self.memory.topics[name] = "there"
        self.done += 1
        for n in self.memory.numbers(3, name, 0):
            if (answer := client.call(SEND, send_fields(name, 0), body_of(n))).code == 0:
                self.memory.ack(n, int(answer.ext["queueOffset"]))
        if self.random.randrange(2):
            self.memory.topics[name] = "going"
            if client.call(DELETE, {"topic": name}).code == 0:
                self.memory.topics[name] = "gone"


def check_body(memory, topic, queue, offset, body):
    number = number_of(body)
    assert memory.sent.get(number) == (topic, queue), f"{topic}-{queue} offset {offset}: {number} was not sent there"
    assert body == body_of(number), f"{topic}-{queue} offset {offset}: other bytes than were sent"
    acked = memory.acked.get(number)
    assert acked is None or acked[2] is None or acked[2] == offset, f"{number} is at {offset}, promised at {acked[2]}"
    return number


def read_queue(client, memory, topic, queue, begin):
    """All messages from `begin` on, each at its offset: number by offset."""
    found = {}
    offset = begin
    end = int(client.call(MAX_OFFSET, {"topic": topic, "queueId": queue}).ext["offset"])
    while offset < end:
        answer = pull(client, topic, queue, offset)
        assert answer.code == 0, f"{topic}-{queue} offset {offset} of {end}: {answer.code} {answer.remark}"
        for got_queue, got_offset, got_topic, body in records(answer.body):
            assert (got_topic, got_queue, got_offset) == (topic, queue, offset), \
                f"{topic}-{queue} offset {offset} shows {got_topic}-{got_queue} offset {got_offset}"
            found[offset] = check_body(memory, topic, queue, offset, body)
            offset += 1
    return found
