"""Every feature of the language, exported and run by TLC: the specs in `features/` and those of the engines' corners together use
every node of the syntax and every operator, and that they do is looked at.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_tla import compare, jar

from checker.core import ir
from checker.core.bind import bind
from checker.core.operators import TABLE
from checker.language import load_model, parse
from checker.language import syntax as s
from checker.source import Source

sys.path.append(str(Path(__file__).resolve().parents[1] / "engines"))
from test_constructs import SPECS

TEXTS = {p.stem: p.read_text(encoding="utf-8") for p in sorted((Path(__file__).parent / "features").glob("*.spec"))} | SPECS
INSTANCES = [(name, i) for name, text in TEXTS.items() for i in load_model(Source(name, text)).instances]
BASES = {s.Node, s.Decl, s.Item, s.TypeExpr, s.Stmt, s.Expr}
NOT_SAID = {s.CountItem}  # numbers that an instance expects: TLC finds its own
MADE = {"in_set", "fits", "inject", "is", "project"}  # by the lowering, for every spec


def parts(x: Any) -> Iterator[Any]:
    """Everything in a tree."""
    yield x
    inside = x.values() if isinstance(x, dict) else x if isinstance(x, list | tuple) else ()
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        inside = [getattr(x, f.name) for f in dataclasses.fields(x)]
    for y in inside:
        yield from parts(y)


def test_every_node_of_the_syntax_is_there() -> None:
    every = {c for c in vars(s).values() if isinstance(c, type) and issubclass(c, s.Node)}
    used = {type(x) for text in TEXTS.values() for x in parts(parse(Source("features", text)))}
    assert every - used == BASES | NOT_SAID


def test_every_operator_is_there() -> None:
    used = {x.op for text in TEXTS.values() for x in parts(load_model(Source("features", text))) if isinstance(x, ir.Apply)}
    assert set(TABLE) - used == MADE


def test_every_fault_and_network_is_there() -> None:
    trees = [x for text in TEXTS.values() for x in parts(parse(Source("features", text)))]
    faults = {(x.kind.name, x.target is not None) for x in trees if isinstance(x, s.FaultItem)}
    on_all = {("loss", False), ("duplication", False)}
    assert faults >= on_all | {(f, True) for f in ("crash", "stop", "byzantine", "loss", "duplication")}
    assert {x.kind.name for x in trees if isinstance(x, s.NetworkDecl)} == {"set", "bag", "fifo"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "instance"), INSTANCES)
def test_tlc_agrees(name: str, instance: str, tmp_path: Path) -> None:
    jar()
    compare(bind(load_model(Source(name, TEXTS[name])), instance), tmp_path)
