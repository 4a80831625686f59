"""A map with a vast range of keys is the map that it stands for: in steps, on the wire, on disk, in records and as ITF."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import bind, load
from checker.conformance.written import Unwritten, Written
from checker.core import types
from checker.core.bind import Instance
from checker.core.ir import Const, Local
from checker.core.ir import Mapping as IrMapping
from checker.core.meaning import evaluate, initial_states, successors
from checker.core.types import Int, Map, MapOf, Option, Rec, Sparse, Value, member
from checker.display import Display
from checker.engines.python.compiled import Compiled
from checker.trace import Itf, Plain
from impl.runtime.record import Texts, Writer
from impl.runtime.store import Batch, Store
from impl.runtime.wire import pack, unpack

VAST = MapOf(Int(0, 1 << 40), Option(Int(0, 9)))


@cache
def made() -> tuple[Instance, Writer]:
    instance = bind(load("paxos"), "small")
    return instance, Texts(Plain(instance)).written(VAST)


PAIRS = st.dictionaries(st.integers(0, 30), st.none() | st.integers(0, 9), max_size=30)


@settings(deadline=None)
@given(PAIRS, st.none() | st.integers(0, 9), st.integers(0, 30), st.none() | st.integers(0, 9))
def test_it_is_the_map_that_it_stands_for(pairs: dict[int, Any], rest: Any, key: int, value: Any) -> None:
    sparse, plain = Sparse(rest, pairs), Map({**dict.fromkeys(range(31), rest), **pairs})
    for a, b in ((sparse, plain), (sparse.set(key, value), plain.set(key, value)), (sparse.among(pairs), plain.among(pairs))):
        assert [a[k] for k in range(31)] == [b[k] for k in range(31)]
        assert a == Sparse(rest, dict(b)) and hash(a) == hash(Sparse(rest, dict(b))) and a != b
        assert set(a.other(value, 3, 20)) >= set(b.other(value, 3, 20))
        assert list(a.other(rest, 3, 20)) == b.other(rest, 3, 20)
        assert a.image() >= b.image() and member(a, VAST)
        old = Sparse(rest, {key: value})
        assert old.among(dict(a.new(old))) == a


@settings(deadline=None)
@given(PAIRS, st.none() | st.integers(0, 9))
def test_it_comes_back_as_it_was(pairs: dict[int, Any], rest: Any) -> None:
    v, (instance, write) = Sparse(rest, pairs), made()
    assert unpack(pack(v, VAST), VAST) == v
    assert Written(instance).read(VAST, Plain(instance).value(v)) == v
    assert Itf(instance).decode(VAST, Itf(instance).encode(VAST, v)) == v
    assert msgspec.json.decode(write(v)) == Plain(instance).value(v)
    assert Display(instance).value(v, VAST).endswith(f"else: {'none' if rest is None else rest}}}")


@pytest.mark.parametrize(
    "wrong", [{"else": None, "-1": 2}, {"else": None, "01": 2}, {"else": None, "x": 2}, {"else": None, "1": None}, {"1": 2}]
)
def test_what_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(Unwritten):
        Written(bind(load("paxos"), "small")).read(VAST, wrong)


def test_a_map_that_depends_on_its_keys_is_listed(monkeypatch: Any) -> None:
    monkeypatch.setattr(types, "VAST", 2)
    keys = Int(0, 4)
    same, own = (evaluate(IrMapping(MapOf(keys, keys), "k", body), {}) for body in (Const(keys, 3), Local(keys, "k")))
    assert same == Sparse(3) and own == Map({k: k for k in range(5)})


def test_it_is_on_disk_as_it_was_written_last(tmp_path: Path) -> None:
    store, v = Store(tmp_path / "node.db", {"m": VAST}), Sparse(None, {})
    store.started()
    for k, x in [(5, 1), (7, 2), (5, None), (1 << 35, 3)]:
        v = v.set(k, x)
        store.commit(Batch({"m": v}))
    for now in (v, Sparse(4, {1: 2}), Sparse(4, {})):
        store.commit(Batch({"m": now}))
        assert Store(tmp_path / "node.db", {"m": VAST}).state() == {"m": now}


def whole(v: Value, n: int) -> Value:
    """With every map of the first n numbers written out."""
    match v:
        case Sparse():
            return Map((k, whole(v[k], n)) for k in range(n))
        case Map():
            return Map((k, whole(x, n)) for k, x in v.items())
        case Rec():
            return Rec(v.name, tuple(whole(x, n) for x in v.values))
        case frozenset():
            return frozenset(whole(x, n) for x in v)
    return v


@pytest.fixture
def always(monkeypatch: Any) -> Iterator[Any]:
    """Every map of numbers is sparse, until this is called."""
    with monkeypatch.context() as now:
        now.setattr(types, "VAST", 0)
        yield now.undo


@pytest.mark.parametrize("compiled", [False, True])
def test_steps_are_the_same(always: Any, compiled: bool) -> None:
    sizes = {"Acceptor": 2, "Replica": 1, "Command": 1, "slots": 2, "proposers": 1}

    def reached() -> set[Any]:
        instance = bind(load("multi_paxos"), "small", sizes)
        engine = Compiled(instance) if compiled else None
        found = {frozenset((n, whole(v, 2)) for n, v in s.items()) for s in initial_states(instance)}
        todo = list(initial_states(instance))
        while todo:
            state = todo.pop()
            for a in instance.actions:
                for o in engine.successors(a, state) if engine else successors(instance, a, state):
                    key = frozenset((n, whole(v, 2)) for n, v in (o.state or {}).items())
                    if key not in found:
                        found.add(key)
                        todo.append(o.state or {})
        return found

    sparse = reached()
    always()
    assert sparse == reached()


def test_it_is_the_map_that_it_stands_for_however_it_was_made() -> None:
    """One made from the other in every way: also when what is new is put to the rest of what is listed."""
    rng = Random(2)
    known = [(Sparse(None), dict[int, int]())]
    for _ in range(1500):
        m, d = rng.choice(known[-3:])
        key, value = rng.randrange(40), rng.choice((None, 0, 1, 2))
        known.append((m.set(key, value), {k: x for k, x in {**d, key: value}.items() if x is not None}))  # type: ignore[arg-type]
        del known[: -rng.randrange(3, 9)]
        (m, d), (n, e) = rng.choice(known), rng.choice(known)
        assert dict(m) == d and len(m) == len(d) and all(m[k] == d.get(k) and (k in m) == (k in d) for k in range(41))
        assert (m == n) == (d == e) and m == Sparse(None, d) and hash(m) == hash(Sparse(None, d))
        assert dict(m.new(n)) == {k: d.get(k) for k in {*d, *e} if d.get(k) != e.get(k)}
