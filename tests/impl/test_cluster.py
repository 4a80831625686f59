"""A cluster as people use it: started, asked, hit with kill -9, stopped; over TCP, with a process for each node."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from checker import load
from checker.cli import run
from checker.conformance.lines import Log
from checker.conformance.record import validated
from checker.library import shipped
from impl.cli import app
from impl.runtime.client import Session
from impl.runtime.locks import acquire, fence, release
from impl.runtime.protocol import protocol_of

ORDERED = [name for name in ("raft", "zab", "multi_paxos") if name in shipped() and protocol_of(name).service]


class Running:
    """`spectrace run`, and what it has said."""

    def __init__(self, name: str, folder: Path) -> None:
        command = [sys.executable, "-m", "impl", "run", name, "--nodes", "3", "--data", str(folder)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        self.pids: dict[str, int] = {}

    def until(self, pattern: str) -> re.Match[str]:
        """Reads what it says until something of this form; a run that never says it ends with the test's own limit."""
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.match(r"(\S+) is up, process (\d+)", line):
                self.pids[found[1]] = int(found[2])
            if found := re.match(pattern, line):
                return found
        raise AssertionError(f"it ended without saying `{pattern}`")

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, out
        return out


@contextmanager
def running(name: str, folder: Path) -> Iterator[Running]:
    found = Running(name, folder)
    try:
        yield found
    finally:
        found.process.kill()


def survives(name: str, folder: Path) -> None:
    """Who leads is killed; the cluster goes on, with all that it was told; a lock that was held is still held."""
    with running(name, folder) as cluster:
        leader = cluster.until(r"(\S+) leads$")[1]
        one = Session(folder, 60)
        assert one.ask("put", "k", "v") is True
        first = one.do(acquire("l", "a", 0.5, lambda: 0.0))
        os.kill(cluster.pids[leader], signal.SIGKILL)
        assert one.ask("cas", "k", "v", "w") is True
        cluster.until(rf"{leader} was killed by signal 9")
        cluster.until(rf"{leader} is up, process \d+, again")
        assert Session(folder, 60).ask("get", "k") == "w"
        assert one.ask("txn", [["k", "w"], fence("l", first.token)], [["put", "k", "x"], ["get", "k"]]) == [True, "x"]
        assert one.do(release("l", first.token))
        cluster.stop()
    found = validated(load(name), [Log(str(folder / f"{node}.ndjson")) for node in cluster.pids])
    assert found.verdict == "accept", (found.place, found.rejected)


def test_raft_survives_kill_9_of_its_leader(tmp_path: Path) -> None:
    survives("raft", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ORDERED if n != "raft"])
def test_others_survive_kill_9_of_who_leads(name: str, tmp_path: Path) -> None:
    survives(name, tmp_path)


def spectrace(capsys: Any, *argv: str) -> tuple[int, str]:
    assert app is not None
    code = run(list(argv))
    out, err = capsys.readouterr()
    return code, out + err


def test_what_people_ask(tmp_path: Path, capsys: Any) -> None:
    """Every command of the client; and the folder's second cluster is refused."""
    with running("raft", tmp_path) as cluster:
        cluster.until(r"(\S+) leads$")
        for argv, code, said in [
            ("put colour red", 0, "ok"),
            ("get colour", 0, "red"),
            ("cas colour green blue", 1, "another value"),
            ("txn if colour red if size none put size 7 get colour", 0, "ok\nred"),
            ("txn if colour blue put size 8", 1, "another value"),
            ("get shape", 0, "none"),
            ("lock l --ttl 10s", 0, "1"),
            ("lock l --ttl 10s --wait 10ms", 1, "held by another"),
            ("renew l 1", 0, "ok"),
            ("txn held l 1 put size 9", 0, "ok"),
            ("unlock l 1", 0, "ok"),
            ("renew l 1", 1, "another token"),
            ("lock l", 0, "2"),
            ("txn held l 1 put size 10", 1, "another value"),
            ("unlock l 1", 1, "another token"),
            ("get size", 0, "9"),
        ]:
            assert spectrace(capsys, "client", "--data", str(tmp_path), *argv.split()) == (code, said + "\n"), argv
        code, said = spectrace(capsys, "run", "raft", "--nodes", "3", "--data", str(tmp_path), "--duration", "1s")
        assert code == 1 and "is running already" in said
        cluster.stop()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("put k", "`put k` is no request"),
        ("fetch k", "`fetch` is no request"),
        ("txn if k", "`txn if k` is cut off"),
        ("txn delete k", "`delete` is no part of a transaction"),
        ("unlock l x", "`x` is not a token"),
        ("get k", "no running cluster"),
    ],
)
def test_mistakes(argv: str, said: str, tmp_path: Path, capsys: Any) -> None:
    code, out = spectrace(capsys, "client", "--data", str(tmp_path), *argv.split())
    assert code == 1 and said in out
