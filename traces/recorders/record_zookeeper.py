"""Records a run of ZooKeeper, as it is installed: some servers on loopback, writes and faults, and their TRACE logs.

    python traces/recorders/record_zookeeper.py FOLDER [--servers 3] [--play "write 20; kill leader; write 20; start; write 5"]
                                                       [--snap-count 10000]
    spectrace extract traces/zookeeper/extract.toml FOLDER/*.log -o run.ndjson

A play is what happens, in order: `write N` (one after the other), `burst N` (all at once, from N clients), `kill WHO` and
`pause WHO` (SIGKILL, SIGSTOP; WHO is a number, `leader`, `follower` or `all`), `start` (whoever is not running, or the one
that is named, or `others`: all but the last that was killed) and `resume`, `wait SECONDS`.  `background N` writes N times
while the play goes on.  A follower that is down while more than 500 transactions are written gets a snapshot.
Needs Java and the jar of ZooKeeper 3.8 (Debian: `zookeeper`, `libslf4j-java`, `liblog4j1.2-java`), and nothing else.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

JARS = [Path("/usr/share/java") / name for name in ("zookeeper.jar", "slf4j-log4j12.jar", "log4j-1.2.jar", "netty-all.jar")]
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
OPTIONS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PLAY = "write 20; kill leader; write 20; start; write 5"
LOGGING = """log4j.rootLogger=WARN, TRACEFILE
log4j.logger.org.apache.zookeeper.server.quorum=TRACE
log4j.logger.org.apache.zookeeper.server.persistence=INFO
log4j.logger.org.apache.zookeeper.server.FinalRequestProcessor=DEBUG
log4j.logger.org.apache.zookeeper.server.ZKDatabase=INFO
log4j.appender.TRACEFILE=org.apache.log4j.FileAppender
log4j.appender.TRACEFILE.File={log}
log4j.appender.TRACEFILE.layout=org.apache.log4j.PatternLayout
log4j.appender.TRACEFILE.layout.ConversionPattern=%d{{ISO8601}} - %-5p [%t:%C{{1}}@%L] - %m%n
"""
CONFIG = """tickTime=500
initLimit=10
syncLimit=5
admin.enableServer=false
snapCount={snap_count}
dataDir={data}
clientPort={port}
"""


def missing() -> str:
    """What is not installed, in words; empty if a run can be recorded."""
    if shutil.which("java") is None:
        return "no java"
    return next((f"no {jar}" for jar in JARS if not jar.exists()), "")


def free_ports(n: int) -> list[int]:
    """Ports of loopback that nobody uses now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Client:
    """A session with one server: as much of the client protocol as a write needs."""

    def __init__(self, port: int, timeout: float = 4.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.xid = 0
        self._send(struct.pack(">iqiq", 0, 0, 10_000, 0) + struct.pack(">i16s?", 16, b"", False))
        self._receive()

    def _send(self, body: bytes) -> None:
        self.sock.sendall(struct.pack(">i", len(body)) + body)

    def _receive(self) -> bytes:
        size = struct.unpack(">i", self._exactly(4))[0]
        return self._exactly(size)

    def _exactly(self, n: int) -> bytes:
        got = b""
        while len(got) < n:
            part = self.sock.recv(n - len(got))
            if not part:
                raise ConnectionError("closed")
            got += part
        return got

    def call(self, kind: int, body: bytes) -> int:
        """One request; the error of its reply."""
        self.xid += 1
        self._send(struct.pack(">ii", self.xid, kind) + body)
        while True:
            xid, _, error = struct.unpack(">iqi", self._receive()[:16])
            if xid == self.xid:
                return int(error)

    def write(self, path: str, data: bytes) -> None:
        """Sets a node, or creates it."""
        name = struct.pack(">i", len(path)) + path.encode() + struct.pack(">i", len(data)) + data
        if self.call(5, name + struct.pack(">i", -1)):
            acl = struct.pack(">ii", 1, 31) + b"".join(struct.pack(">i", len(x)) + x for x in (b"world", b"anyone"))
            self.call(1, name + acl + struct.pack(">i", 0))

    def close(self) -> None:
        with suppress(OSError):
            self.call(-11, b"")
        self.sock.close()


class Ensemble:
    """Some servers in a folder, each with its log `zkN.log`."""

    def __init__(self, folder: Path, servers: int, snap_count: int) -> None:
        self.folder, self.ids = folder, range(1, servers + 1)
        ports = free_ports(3 * servers)
        self.port = {i: ports[3 * i - 3] for i in self.ids}
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.paused: set[int] = set()
        self.killed = 0
        lines = [f"server.{i}=127.0.0.1:{ports[3 * i - 2]}:{ports[3 * i - 1]}" for i in self.ids]
        for i in self.ids:
            home = folder / f"server{i}"
            (home / "data").mkdir(parents=True)
            (home / "data" / "myid").write_text(f"{i}\n")
            config = CONFIG.format(data=home / "data", port=self.port[i], snap_count=snap_count)
            (home / "zoo.cfg").write_text(config + "\n".join(lines) + "\n")
            (home / "log4j.properties").write_text(LOGGING.format(log=folder / f"zk{i}.log"))

    def start(self, only: str = "") -> None:
        """Starts whoever does not run, or one of them; `others` are all but the last that was killed."""
        for i in self.ids:
            last = only == "others" and i == self.killed
            if i not in self.running and only in ("", "others", str(i)) and not last:
                home = self.folder / f"server{i}"
                path = ":".join(map(str, [home, *JARS]))
                command = ["java", *OPTIONS, "-cp", path, MAIN, str(home / "zoo.cfg")]
                self.running[i] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, i: int) -> None:
        self.running.pop(i).kill()
        self.killed = i
        self.paused.discard(i)
        with (self.folder / f"zk{i}.log").open("a") as log:
            now = time.time()
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f",{int(now * 1000) % 1000:03}"
            log.write(f"\n{stamp} - INFO  [recorder:Recorder@0] - SIGKILL\n")

    def pause(self, i: int) -> None:
        self.running[i].send_signal(signal.SIGSTOP)
        self.paused.add(i)

    def resume(self) -> None:
        for i in self.paused:
            self.running[i].send_signal(signal.SIGCONT)
        self.paused.clear()

    def who(self, name: str) -> list[int]:
        """The running servers that a word of a play names."""
        if name.isdigit() or name == "all":
            return [i for i in self.running if name in ("all", str(i))]
        roles = {i: self.role(i) for i in self.running if i not in self.paused}
        return [i for i, role in roles.items() if role == name][:1]

    def role(self, i: int) -> str:
        """What a server says it is: leader, follower, or nothing yet."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port[i]), 1) as s:
            s.settimeout(1)
            s.sendall(b"srvr")
            found = re.search(rb"Mode: (\w+)", s.recv(10_000))
            return found[1].decode() if found else ""
        return ""

    def write(self, n: int, patience: float = 40.0) -> None:
        """Writes n times, through whichever server answers."""
        end, client = time.monotonic() + patience, None
        while n and time.monotonic() < end:
            try:
                client = client or Client(self.port[next(i for i in list(self.running) if i not in self.paused and self.role(i))])
                client.write(f"/n{n % 3}", str(n).encode())
                n -= 1
            except (OSError, StopIteration, struct.error):
                client = None
                time.sleep(0.1)
        if client:
            client.close()

    def stop(self) -> None:
        self.resume()
        for p in self.running.values():
            p.kill()
        for p in self.running.values():
            p.wait()


def play(ensemble: Ensemble, text: str) -> None:
    """Plays a play."""
    threads = []
    for step in (part.split() for part in text.split(";") if part.strip()):
        word, arg = step[0], step[1] if len(step) > 1 else ""
        if word == "write":
            ensemble.write(int(arg))
        elif word in ("burst", "background"):
            each = [1] * int(arg) if word == "burst" else [int(arg)]
            threads += [threading.Thread(target=ensemble.write, args=(n,)) for n in each]
            for t in threads[-len(each) :]:
                t.start()
            if word == "burst":
                for t in threads:
                    t.join()
        elif word in ("kill", "pause"):
            for i in ensemble.who(arg):
                getattr(ensemble, word)(i)
        elif word == "wait":
            time.sleep(float(arg))
        elif word == "start":
            ensemble.start(arg)
        else:
            ensemble.resume()
    for t in threads:
        t.join()


def record(folder: Path, servers: int = 3, text: str = PLAY, snap_count: int = 10_000) -> list[Path]:
    """Runs servers in a folder and returns their logs."""
    ensemble = Ensemble(folder.resolve(), servers, snap_count)
    try:
        ensemble.start()
        play(ensemble, text)
    finally:
        ensemble.stop()
    return sorted(folder.glob("zk*.log"))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--play", default=PLAY)
    parser.add_argument("--snap-count", type=int, default=10_000)
    args = parser.parse_args()
    if lacking := missing():
        raise SystemExit(f"ZooKeeper cannot be run: {lacking}")
    for log in record(args.folder, args.servers, args.play, args.snap_count):
        print(log)


if __name__ == "__main__":
    main()
