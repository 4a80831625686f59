"""Events out of text logs: what rules give, what lines teach, pairs and the order between logs, mistakes; ZooKeeper's rules on
lines of its logs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from checker.cli import run
from checker.conformance.extract import extract, read_rules
from checker.settings import Mistake

ROOT = Path(__file__).parents[2]
RULES = r"""
line = '^(?P<time>\S+) \[(?P<thread>[^\]]*)\] (?P<text>.*)$'
file = '^(?P<name>\w+)\.log'
time_format = "%H:%M:%S"
[meta]
impl = "toy"
[fields]
number = "int(hex, 16)"
[give]
node = "name"
[[event]]
match = { thread = '^in-(?P<peer>\d+)$', text = '^peer is (?P<who>\w+)' }
learn = { peers = { key = "peer", value = "who" } }
[[event]]
match = { thread = '^out-(?P<peer>\d+)$', text = '^send (?P<hex>[0-9a-f]+)' }
give = { ev = "'Send'", to = "peers[peer]", n = "number" }
[[event]]
match = { text = '^got (?P<hex>[0-9a-f]+) from (?P<src>\w+)' }
when = "src != name"
give = { ev = "'Recv'", src = "src", n = "number" }
[[pair]]
send = "ev == 'Send'"
sent = "[node, to, n]"
receive = "ev == 'Recv'"
received = "[src, node, n]"
"""
A = """10:00:01 [in-7] peer is b
    a stack trace
10:00:02 [out-7] send ff
10:00:02 [out-8] send 1
10:00:05 [main] got 2 from b
10:00:05 [main] got 3 from a
"""
B = """10:00:02 [main] got ff from a
10:00:02 [in-1] peer is a
10:00:04 [out-1] send 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "a.log").write_text(A)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(B.encode()))
    return tmp_path


def events(folder: Path, *logs: str) -> list[dict[str, Any]]:
    return list(extract(read_rules(folder / "rules.toml"), [folder / x for x in logs]))


def test_events_of_two_logs(folder: Path) -> None:
    first, *rest = events(folder, "b.log.gz", "a.log")
    assert first == {"i": 1, "ev": "meta", "impl": "toy", "nodes": ["a", "b"]}
    told = [(e["i"], e["node"], e["ev"], e["n"], e.get("to"), e.get("mid"), e["at"]) for e in rest]
    assert told == [
        (2, "a", "Send", 255, "b", "m1", "a.log:3"),  # before its receipt, though b's log comes first
        (3, "b", "Recv", 255, None, "m1", "b.log.gz:1"),
        (4, "a", "Send", 1, None, None, "a.log:4"),  # nobody has said who 8 is
        (5, "b", "Send", 2, "a", "m2", "b.log.gz:3"),
        (6, "a", "Recv", 2, None, "m2", "a.log:5"),
    ]


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["extract", str(folder / "rules.toml"), str(folder / "a.log")]
    assert run(args) == 0
    lines = [json.loads(x) for x in capsys.readouterr().out.splitlines()]
    assert lines == events(folder, "a.log")
    out = folder / "out.ndjson.gz"
    assert run([*args, "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == len(lines) - 1
    assert [json.loads(x) for x in gzip.decompress(out.read_bytes()).splitlines()] == lines


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[pair]]", "[[pears]]", "the file has no `pears`"),
        (r"\S+) ", r"\S+ ", "is no regular expression"),
        ('n = "number"', 'n = "number +"', "is no expression over fields"),
        ("when =", "wenn =", "[[event]] has no `wenn`"),
        ('sent = "[node, to, n]"', "", "[[pair]] needs `sent`"),
        ('key = "peer", ', "", "`peers` of `learn` is"),
        ("line =", "lines =", "the file has no `lines`"),
        ("[meta]", "[meta", "not TOML"),
        ("%H:%M:%S", "%H-%M", "a.log:3: `10:00:02` is no time"),
        (r"^(?P<name>\w+)\.log", "^(?P<name>zk)", "a.log: its name does not match `file`"),
    ],
)
def test_mistakes(folder: Path, old: str, new: str, said: str) -> None:
    assert old in RULES
    (folder / "rules.toml").write_text(RULES.replace(old, new, 1))
    with pytest.raises(Mistake) as why:
        events(folder, "a.log")
    assert said in why.value.text


def test_what_cannot_be_read(folder: Path) -> None:
    with pytest.raises(Mistake, match="no such file"):
        events(folder, "c.log")


def test_zookeepers_lines(tmp_path: Path) -> None:
    """One line of each kind, as ZooKeeper 3.8.0 writes them."""
    thread = "QuorumPeer[myid=1](plain=[0:0:0:0:0:0:0:0]:40345)(secure=disabled)"
    lines = [
        "[main:QuorumPeerMain@152] - Starting quorum peer, myid=1",
        "[main:ZKDatabase@290] - Snapshot loaded in 30 ms, highest zxid is 0x10000001b, digest is 1371985504",
        f"[{thread}:QuorumPeer@1455] - LOOKING",
        f"[{thread}:FastLeaderElection@662] - About to leave FLE instance: leader=3, zxid=0x0, my id=1, my state=FOLLOWING",
        f"[{thread}:ZooTrace@78] - i UNKNOWN17 100000000 null",
        f"[{thread}:ZooTrace@78] - i UPTODATE ffffffffffffffff null",
        "[LearnerHandler-/127.0.0.1:45414:LearnerHandler@510] - Follower sid: 2 : info : 127.0.0.1:35195:35647:participant",
        "[Sender-/127.0.0.1:45414:ZooTrace@78] - o PROPOSAL 100000001 null",
        "[CommitProcessor:1:FinalRequestProcessor@148] - Processing request:: sessionid:0x1 type:ping cxid:0x0 "
        "zxid:0xfffffffffffffffe txntype:unknown reqpath:n/a",
        "[CommitProcessor:1:FinalRequestProcessor@148] - Processing request:: sessionid:0x1 type:create cxid:0x2 "
        "zxid:0x100000003 txntype:1 reqpath:n/a",
    ]
    log = tmp_path / "zk1.log"
    log.write_text("".join(f"2026-11-25 13:35:11,72{i} - INFO  {x}\n" for i, x in enumerate(lines)))
    _, *found = extract(read_rules(ROOT / "traces/zookeeper/extract.toml"), [log])
    told = [{k: v for k, v in e.items() if k not in ("i", "ts", "node", "at")} for e in found]
    assert told == [
        {"ev": "Start"},
        {"ev": "Recover", "last": [1, 27]},
        {"ev": "Looking"},
        {"ev": "FLE.Decide", "leader": 3, "zxid": [0, 0], "state": "FOLLOWING"},
        {"ev": "F.Recv", "src": 3, "type": "LEADERINFO", "zxid": [1, 0]},
        {"ev": "F.Recv", "src": 3, "type": "UPTODATE", "zxid": None},
        {"ev": "L.RecvFOLLOWERINFO", "src": 2},
        {"ev": "L.Send", "to": 2, "type": "PROPOSAL", "zxid": [1, 1]},
        {"ev": "Apply", "zxid": [1, 3], "op": "create"},
    ]
