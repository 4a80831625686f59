"""The quantifier graph of a model: which sorts of things must exist for every one of which others.

An edge A → B stands for "for every A there is a B" in something the solver is told, and for a function from A to B.  Without a
cycle the solver need look at no more things than the query names (effectively propositional logic, EPR), and every query is
decided; around a cycle it may make new things for ever.  That every map has a value is stated only if a query needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from checker.core.ir import Node
from checker.engines.smt import plan as p
from checker.engines.smt.unbounded.induction import Unbounded

EXISTS, MEETS, VALUE, CONTENT, FUNCTION = "exists", "meets", "value", "content", "function"
CHANGES = {
    EXISTS: "name what exists: a ghost that says which one it is, or a message with it among its fields",
    MEETS: "keep what is said of members out of what must exist for them: a lemma of its own about one member",
    VALUE: "compare the value (`<`, `==` with something known) instead of naming it, or make its type ordered: `0..max`",
    CONTENT: "ask for the whole message instead of `_`, or key the message by what is known of it",
    FUNCTION: "leave out the arithmetic: an ordered type that is only compared needs no numbers",
}


@dataclass(frozen=True)
class Edge:
    """For every `source` there is a `target`.  `why`: in words; `place`: where the text says so, if it does."""

    source: str
    target: str
    kind: str
    why: str
    place: str | None = None


def edges(u: Unbounded) -> list[Edge]:
    """Every edge, once for each place that makes it."""
    found = [*_properties(u), *_steps(u), *_quorums(u), *_values(u), *_contents(u)]
    return list(dict.fromkeys(found))


def _properties(u: Unbounded) -> Iterator[Edge]:
    """What lemmas and invariants say where they are assumed, and where they are denied."""
    for n, f in u.good.items():
        kind = u.props[n].kind
        for a, b, how in _pairs(f.pos, True):
            yield Edge(a, b, how, f"{kind} {n}", _place(u, u.props[n]))
        for a, b, how in _pairs(f.neg, False):
            yield Edge(a, b, how, f"{kind} {n}, denied", _place(u, u.props[n]))


def _steps(u: Unbounded) -> Iterator[Edge]:
    """What actions require, and what properties say after them."""
    for i, step in enumerate(u.steps):
        for way in (*u.ways[i][0], *u.ways[i][1]):
            for g in way.guards:
                for a, b, how in _pairs(g.pos, True):
                    yield Edge(a, b, how, f"action {step.name}", _place(u, step))
        for q in (x for x in u.plan.rest(frozenset()) if x.action == i and x.kind in (p.PRESERVED, p.STEP)):
            prop = u.props[q.target or ""]
            for case in u.cases(q):
                for a, b, how in _pairs(case[-1].pos, True):
                    yield Edge(a, b, how, f"{prop.kind} {prop.name}, denied after {step.name}", _place(u, prop))


def _quorums(u: Unbounded) -> Iterator[Edge]:
    for f in u.w.quorum_axioms():
        for a, b, _ in _pairs(f, True):
            name = a.removeprefix("quorum ")
            yield Edge(a, b, MEETS, f"quorums of {name} have members in common", _place(u, u.model.quorums[name]))


def _values(u: Unbounded) -> Iterator[Edge]:
    for look in u.symbols.lookups:
        var = u.model.vars.get(look.name.split(".")[0].split("[")[0].rstrip("?").strip())
        for k in look.keys:
            if _counts(k) and _counts(look.sort):
                why = f"`{look.name}` has a value for every key"
                yield Edge(_name(k), _name(look.sort), VALUE, why, _place(u, var) if var else None)


def _contents(u: Unbounded) -> Iterator[Edge]:
    for (message, pattern), _ in list(u.w.relations.used.items()):
        if "_" not in pattern:
            continue
        d = u.model.messages[message]
        known = u.w.relations.sorts(message, pattern)
        fields = [t for (_, t), tag in zip(u.w.relations.fields(message), pattern, strict=True) if tag == "_"]
        hidden = [s for t in fields for _, sorts, _ in u.w.alternatives(t) for s in sorts]
        asked = ", ".join("_" if tag == "_" else n for (n, _), tag in zip(u.w.relations.fields(message), pattern, strict=True))
        for a in filter(_counts, known):
            for b in filter(_counts, hidden):
                yield Edge(_name(a), _name(b), CONTENT, f"`sent {message}({asked})` stands for a whole message", _place(u, d))


def _place(u: Unbounded, node: Node) -> str | None:
    return u.model.place(node) if node.span else None


def _counts(sort: Any) -> bool:
    """Is this a sort of which there may be any number?"""
    return sort.kind() in (z3.Z3_UNINTERPRETED_SORT, z3.Z3_INT_SORT)


def _name(sort: Any) -> str:
    return "numbers" if sort.kind() == z3.Z3_INT_SORT else str(sort.name())


Needs = frozenset[str]  # what a bound variable depends on: itself, or that for which it exists


def _pairs(f: Any, asserted: bool, outer: tuple[Needs, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """The edges that a formula makes where it is asserted or denied.  What exists depends on the variables that it is said of."""
    if z3.is_quantifier(f):
        sorts = [f.var_sort(i) for i in range(f.num_vars())]
        if f.is_exists() == asserted:
            needs: Needs = frozenset().union(*(outer[-1 - i] for i in _free(f.body(), len(sorts))))
            yield from ((a, _name(s), EXISTS) for a in sorted(needs) for s in sorts if _counts(s))
            yield from _pairs(f.body(), asserted, (*outer, *(needs for _ in sorts)))
        else:
            own = (frozenset({_name(s)} if _counts(s) else ()) for s in sorts)
            yield from _pairs(f.body(), asserted, (*outer, *own))
        return
    if z3.is_app(f) and f.decl().kind() == z3.Z3_OP_UNINTERPRETED and _counts(f.sort()):
        yield from ((_name(a.sort()), _name(f.sort()), FUNCTION) for a in f.children() if _counts(a.sort()))
    if z3.is_not(f):
        yield from _pairs(f.arg(0), not asserted, outer)
    elif z3.is_implies(f):
        yield from _pairs(f.arg(0), not asserted, outer)
        yield from _pairs(f.arg(1), asserted, outer)
    else:
        for c in f.children():
            yield from _pairs(c, asserted, outer)
            if z3.is_bool(c) and not (z3.is_and(f) or z3.is_or(f)):
                yield from _pairs(c, not asserted, outer)


def _free(f: Any, bound: int) -> set[int]:
    """Which variables outside it a formula is about: 0 is the nearest.  `bound`: how many are inside."""
    if z3.is_var(f):
        i = z3.get_var_index(f)
        return {i - bound} if i >= bound else set()
    if z3.is_quantifier(f):
        return _free(f.body(), bound + f.num_vars())
    return set().union(*(_free(c, bound) for c in f.children()), set())


# ── cycles ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def cycles(found: list[Edge]) -> list[list[str]]:
    """A shortest cycle through every edge that is on one; each once."""
    after: dict[str, list[str]] = {}
    for e in found:
        after.setdefault(e.source, []).append(e.target)
    seen: dict[frozenset[str], list[str]] = {}
    for e in found:
        back = _path(after, e.target, e.source)
        if back is not None:
            seen.setdefault(frozenset(back), [e.source, *back])
    return list(seen.values())


def _path(after: dict[str, list[str]], start: str, end: str) -> list[str] | None:
    """A shortest path, both ends included."""
    paths, known = [[start]], {start}
    for path in paths:
        if path[-1] == end:
            return path
        for n in dict.fromkeys(after.get(path[-1], [])):
            if n not in known:
                known.add(n)
                paths.append([*path, n])
    return None
