"""Specs against what they expect of themselves: every instance, its verdict and its counts.

`states`, `transitions` and `depth` are about the run without symmetry, `orbits` about the run with it; an instance is
run as often as what it expects asks for.  An instance that expects nothing is expected to hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from checker import load
from checker.answer import Rejected, Unable, explore, instance_of
from checker.core.bind import Instance
from checker.core.model import Expect, InstanceDecl, Model
from checker.errors import SpecErrors
from checker.expect import problems, verdict_of
from checker.verdict import Progress, Result

# ── running them ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Case:
    """One instance of one spec and what came of it.  status: "ok" | "FAIL" | "skipped"."""

    spec: str
    instance: str
    status: str = "ok"
    expected: str = ""
    found: str = ""
    problems: list[str] = field(default_factory=list)
    states: int = 0
    orbits: int | None = None
    transitions: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    def data(self) -> dict[str, Any]:
        return {n: getattr(self, n) for n in self.__dataclass_fields__ if n != "interrupted"}


def cases(
    specs: Iterable[str], slow: bool = False, threads: int = 1, progress: Callable[[Progress], None] | None = None
) -> Iterator[Case]:
    """Every instance of the specs, one after the other; a spec that cannot be read is a failing case of its own.
    Raises Mistake."""
    for spec in specs:
        try:
            model = load(spec)
        except SpecErrors as why:
            first = why.diagnostics[0]
            yield Case(spec, "", "FAIL", problems=[f"{first.source.name}:{first.span.line}: {first.message}"])
            continue
        if not model.instances:
            yield Case(model.name, "", "FAIL", problems=["it has no instance to check"])
        for decl in model.instances.values():
            wanted = _words(decl.expect)
            if decl.slow and not slow:
                yield Case(model.name, decl.name, "skipped", wanted)
            else:
                yield _case(model, decl, Case(model.name, decl.name, expected=wanted), threads, progress)


def _words(e: Expect | None) -> str:
    return "holds" if e is None else f"{e.verdict} {e.property}" if e.property else e.verdict


def _case(model: Model, decl: InstanceDecl, case: Case, threads: int, progress: Callable[[Progress], None] | None) -> Case:
    started = time.perf_counter()
    expect = decl.expect or Expect("holds")
    try:
        instance = instance_of(model, decl.name, ())
        for symmetry in runs(expect, instance):
            _note(case, expect, explore(instance, symmetry=symmetry, threads=threads, progress=progress))
            if case.interrupted:
                break
    except (Rejected, Unable) as why:
        case.status, case.problems = "FAIL", [str(why)]
    case.seconds = time.perf_counter() - started
    return case


def runs(e: Expect, instance: Instance) -> list[bool]:
    """With symmetry or without, or both: as what is expected asks for."""
    plain = bool(e.counts.keys() & {"states", "transitions"})
    return [False] * plain + [True] * ("orbits" in e.counts or not plain)


def _note(case: Case, expect: Expect, r: Result) -> None:
    case.found = verdict_of(r)
    if r.symmetry:
        case.orbits = r.distinct_states
    else:
        case.states, case.transitions = r.distinct_states, r.transitions
    case.problems += [p for p in problems(expect, r) if p not in case.problems]
    if r.stopped_by == "interrupt":
        case.interrupted = True
    if case.problems:
        case.status = "FAIL"


# ── as text and as JUnit ─────────────────────────────────────────────────────────────────────────────────────────────


def lines(case: Case) -> list[Text]:
    """One row of the table, and below it what is wrong."""
    colour = {"ok": "bold green", "FAIL": "bold red"}.get(case.status, "dim")
    name = f"{case.spec} · {case.instance}" if case.instance else case.spec
    size = f"{case.states:,} states" if case.states else f"{case.orbits:,} orbits" if case.orbits is not None else ""
    if case.states and case.orbits is not None:
        size += f", {case.orbits:,} orbits"
    took = f"{case.seconds:8.2f} s" if case.status != "skipped" else "      slow"
    row = Text.assemble(
        (f"{case.status:<8}", colour),
        f"{name:<36}",
        took,
        f"  {case.found or case.expected}",
        (f"  {size}" if size else "", "dim"),
    )
    return [row, *(Text(f"        {p}") for p in case.problems)]


def junit(found: list[Case]) -> str:
    """The cases as a JUnit report."""
    from xml.etree import ElementTree as xml

    root = xml.Element("testsuites", name="spectrace")
    for spec in dict.fromkeys(c.spec for c in found):
        mine = [c for c in found if c.spec == spec]
        counts = {
            "tests": len(mine),
            "failures": sum(c.status == "FAIL" for c in mine),
            "skipped": sum(c.status == "skipped" for c in mine),
        }
        suite = xml.SubElement(
            root,
            "testsuite",
            name=spec,
            time=f"{sum(c.seconds for c in mine):.3f}",
            attrib={k: str(n) for k, n in counts.items()},
        )
        for c in mine:
            case = xml.SubElement(suite, "testcase", classname=spec, name=c.instance or "(the spec)", time=f"{c.seconds:.3f}")
            if c.status == "FAIL":
                xml.SubElement(case, "failure", message=c.problems[0] if c.problems else "failed").text = "\n".join(c.problems)
            if c.status == "skipped":
                xml.SubElement(case, "skipped", message="slow")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"
