"""A spec in other people's formats: its state graph for Graphviz, a behaviour of it as ITF, an instance as a TLA+
module.

Each format makes one or more files, by name; with one, the name is the user's to choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from checker import load
from checker.answer import Request, instance_of, perform
from checker.core.bind import Instance
from checker.graph import Graph
from checker.settings import Mistake
from checker.trace import to_itf

Files = dict[str, str]

EACH = 10.0  # seconds for the answer to a question of a proof


def dot(spec: str, instance: str | None, define: tuple[str, ...], witness: str | None) -> Files:
    """The state graph.  Raises Mistake if it is too large to draw."""
    bound = _bound(spec, instance, define, witness)
    return {f"{bound.model.name}.dot": Graph(bound).dot()}


def tla(spec: str, instance: str | None, define: tuple[str, ...], witness: str | None) -> Files:
    """A module and its configuration for TLC."""
    from checker.exports.tla import ExportError, export

    bound = _bound(spec, instance, define, witness)
    try:
        module, config = export(bound)
    except ExportError as error:
        raise Mistake(str(error)) from error
    found = re.match(r"-+ MODULE (\w+)", module)
    name = found[1] if found else bound.model.name
    return {f"{name}.tla": module, f"{name}.cfg": config}


def _no(witness: str | None) -> None:
    if witness:
        raise Mistake("--witness is for --to itf")


def _bound(spec: str, instance: str | None, define: tuple[str, ...], witness: str | None) -> Instance:
    _no(witness)
    return instance_of(load(spec), instance, define)


def itf(spec: str, instance: str | None, define: tuple[str, ...], witness: str | None) -> Files:
    """The witness asked for, the counterexample, or a longest of the shortest behaviours."""
    answer = perform(Request(spec, instance, define, witness=witness, deepest=True))
    r, what = answer.result, "a longest of the shortest behaviours"
    name, trace = f"{answer.instance.model.name}, instance {answer.instance.name}", r.trace
    if witness:
        trace, what = answer.witness, f"a witness of {witness}"
        if trace is None:
            raise Mistake(f"{witness} was not reached")
    elif answer.explained:
        what = f"{r.verdict.value} {r.property or r.message}".strip()
    if trace is None:
        raise Mistake(f"{name} has no behaviour to write: {r.message or r.verdict.value}")
    data = to_itf(answer.instance, trace, f"{name}: {what}")
    text = msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n"
    return {f"{answer.instance.model.name}.itf.json": text}


def smt2(
    spec: str,
    instance: str | None,
    define: tuple[str, ...],
    witness: str | None,
    unbounded: bool = False,
    seconds: float | None = None,
) -> Files:
    """The questions of a proof by induction, of an instance or for any size.  `seconds`: for their encoding, and for what our own
    solver says of them (None: only that is limited); what it leaves open by then is written as unknown."""
    from checker.prove import Asked, questions

    _no(witness)
    return questions(Asked(spec, instance, define, timeout=EACH, unbounded=unbounded, time_limit=seconds))


def smt2_any(
    spec: str, instance: str | None, define: tuple[str, ...], witness: str | None, seconds: float | None = None
) -> Files:
    """The same for any sizes."""
    return smt2(spec, instance, define, witness, True, seconds)


FORMATS: dict[str, Callable[[str, str | None, tuple[str, ...], str | None], Files]] = {
    "dot": dot,
    "itf": itf,
    "smt2": smt2,
    "tla": tla,
}
