"""A program under attack, and a client made of nothing but a socket."""

import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SANITIZER = re.compile(rb"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:"
                       rb"|Assertion .* failed|terminate called)")


def request_codes():
    """Every number of the table of request codes."""
    text = (ROOT / "include/merlin/wire/request_code.h").read_text()
    return sorted({int(n) for n in re.findall(r"int32_t \w+ = (\d+);", text)})


def frame(code, ext=None, body=b"", opaque=1, flag=0, version=495):
    head = {"code": code, "language": "JAVA", "version": version, "opaque": opaque, "flag": flag,
            "serializeTypeCurrentRPC": "JSON"}
    if ext is not None:
        head["extFields"] = {k: str(v) for k, v in ext.items()}
    return raw_frame(json.dumps(head).encode("utf-8", "surrogatepass"), body)


def raw_frame(header, body=b""):
    return struct.pack(">ii", 4 + len(header) + len(body), len(header)) + header + body


class Answer:
    def __init__(self, head, body):
        self.code = head.get("code")
        self.opaque = head.get("opaque")
        self.flag = head.get("flag", 0)
        self.remark = head.get("remark") or ""
        self.ext = head.get("extFields") or {}
        self.body = body


class Client:
    def __init__(self, port, timeout=10.0, receive_buffer=0):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, hard=False):
        if hard:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def take(self, size):
        parts, have = [self.rest], len(self.rest)
        while have < size:
            got = self.socket.recv(1 << 20)
            if not got:
                raise ConnectionError("closed")
            parts.append(got)
            have += len(got)
        data = b"".join(parts)
        self.rest = data[size:]
        return data[:size]

    def read(self):
        """The next answer; calls of the server to us are passed over."""
        while True:
            size, mark = struct.unpack(">iI", self.take(8))
            header_size = mark & 0xFFFFFF
            data = self.take(size - 4)
            answer = Answer(json.loads(data[:header_size].decode("utf-8", "replace")), data[header_size:])
            if answer.flag & 1:
                return answer

    def call(self, code, ext=None, body=b"", opaque=1):
        self.send(frame(code, ext or {}, body, opaque))
        return self.read()

    def try_call(self, code, ext=None, body=b""):
        """An answer, or None when the server closed the connection instead."""
        try:
            return self.call(code, ext, body)
        except (ConnectionError, BrokenPipeError):
            return None


def free_port():
    """A port whose neighbour two below is free, too: the broker listens on both. Below those that the system gives to
    outgoing connections: one of these could have it while the program is not running."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as a, socket.socket() as b:
            try:
                a.bind(("127.0.0.1", port))
                b.bind(("127.0.0.1", port - 2))
            except OSError:
                continue
            return port


class Stopwatch:
    """Judges how long a program took. A machine that stands still for seconds is not the program's fault: over the
    limit, what counts is how long the program computed, up to a limit that no standstill explains."""

    STANDSTILL_FACTOR = 6

    def __init__(self, program):
        self.program, self.begin, self.computed = program, time.monotonic(), program.computed_s()

    def check(self, seconds, what):
        took = time.monotonic() - self.begin
        if took < seconds:
            return
        computed = self.program.computed_s() - self.computed
        text = f"{what} took {took:.1f} s, {computed:.1f} s of it the program's own, the limit is {seconds:.1f} s"
        assert computed < seconds and took < seconds * self.STANDSTILL_FACTOR, text
        print(f"    (a slow machine: {text})", flush=True)


class Program:
    """One server process on 127.0.0.1 with a temporary folder; ended by its pid."""

    def __init__(self, binary, settings=None, folder=None, wait=True, boot_s=30.0, extra_text=""):
        self.binary = str(Path(binary).resolve())  # it runs in a folder of its own
        self.is_broker = "broker" in Path(binary).name
        self.folder = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="merlin-attack-"))
        self.store = self.folder / "store"
        self.port = free_port()
        config = {"listenPort": self.port, "bindAddress": "127.0.0.1"}
        if self.is_broker:
            config |= {"brokerIP1": "127.0.0.1", "brokerName": "attacked", "storePathRootDir": self.store,
                       "storePathCommitLog": self.store / "commitlog", "mappedFileSizeCommitLog": 64 << 20,
                       "flushDiskType": "ASYNC_FLUSH"}
        else:
            config |= {"kvConfigPath": self.folder / "kv.json"}
        config |= settings or {}
        self.port = int(config["listenPort"])
        self.config_file = self.folder / "server.conf"
        self.config_file.write_text("".join(f"{k}={v}\n" for k, v in config.items()) + extra_text)
        self.log_path = self.folder / "server.log"
        self.boot_s = boot_s
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        self.log = open(self.log_path, "ab")
        environment = dict(os.environ, NAMESRV_ADDR="", TSAN_OPTIONS="halt_on_error=0 second_deadlock_stack=1",
                           UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen([self.binary, "-c", str(self.config_file)], stdout=self.log, stderr=self.log,
                                        cwd=self.folder, env=environment)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + self.boot_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.log_tail()}")
            try:
                Client(self.port, 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("it does not listen")

    def client(self, **options):
        return Client(self.port, **options)

    def resident_mib(self):
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / (1 << 20)

    def private_mib(self):
        """Memory of its own: mapped files of the store do not count."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        return self.resident_mib()

    def computed_s(self):
        """Processor time of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_text(self):
        return self.log_path.read_bytes().decode("utf-8", "replace")

    def log_tail(self, size=1500):
        return self.log_text()[-size:]

    def check_sane(self, within_s=5.0):
        """It lives, and serves a fresh client within the time."""
        assert self.process.poll() is None, f"it died with {self.process.returncode}: {self.log_tail()}"
        watch = Stopwatch(self)
        with self.client(timeout=within_s * Stopwatch.STANDSTILL_FACTOR) as c:
            if self.is_broker:
                a = c.call(30, {"topic": "TBW102", "queueId": 0})  # answered on a reactor
                assert a.code == 0, f"{a.code} {a.remark}"
                a = c.call(28)  # answered on a worker
            else:
                a = c.call(106)
            assert a.code == 0, f"{a.code} {a.remark}"
        watch.check(within_s, "serving a fresh client")

    def sanitizer_line(self):
        for line in self.log_path.read_bytes().splitlines():
            if SANITIZER.search(line):
                return line.decode("utf-8", "replace")[:300]
        return None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=30.0):
        code = self.process.wait(timeout)
        self.log.close()
        return code

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.wait()

    def stop(self, timeout=40.0):
        if self.process.poll() is not None:
            return self.process.returncode
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {timeout} s: {self.log_tail()}") from None

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
