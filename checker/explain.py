"""Why a property is false: which part of it, for which elements, with which values.

All by `meaning`, in the state that an engine found; so the reasons are those of the definition.  They are in the
words of the source, with values in the user's terms; nothing here knows how they are laid out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from checker.core.bind import Instance, free
from checker.core.ir import Apply, Assign, Expr, Fit, Fold, If, Let, Local, Quant, Sent, SetOf, base_name
from checker.core.meaning import Env, Fault, World, evaluate
from checker.core.operators.table import FALSE, TRUE
from checker.core.types import Value
from checker.display import Display, natural
from checker.source import Source, Span
from checker.verdict import Trace

MOST = 100  # characters of an expression that are worth repeating
Pairs = tuple[tuple[str, str], ...]


@dataclass
class Reason:
    """Why `text` is true or false: the values in it, or for these elements (`bindings`) these parts."""

    text: str
    truth: bool
    line: int | None = None
    values: Pairs = ()
    bindings: list[tuple[str, str]] = field(default_factory=list)
    parts: list[Reason] = field(default_factory=list)

    def leaves(self) -> Iterator[Reason]:
        """The parts that have no parts."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def snippet(source: Source, span: Span | None) -> str:
    """What stands at a place, on one line."""
    if span is None:
        return ""
    lines = [source.line(n) for n in range(span.line, span.end_line + 1)]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    text = " ".join(" ".join(line.split("#", 1)[0] for line in lines).split())
    return text if len(text) <= MOST else text[: MOST - 2] + " …"


@dataclass(frozen=True)
class Scene:
    """Where a condition is looked at: values of names, the state, and what has been told already."""

    env: Env
    world: World
    told: frozenset[tuple[str, str]] = frozenset()

    def value(self, e: Expr) -> Value:
        return evaluate(e, self.env, self.world)

    def naming(self, name: str, value: Value) -> Scene:
        return Scene({**self.env, name: value}, self.world, self.told)

    def telling(self, pair: tuple[str, str]) -> Scene:
        return Scene(self.env, self.world, self.told | {pair})


class Explainer:
    """Explains conditions of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.source = instance, instance.model.source
        self.display = Display(instance)

    def property(self, name: str, trace: Trace) -> Reason | None:
        """Why a property is false at the end of a behaviour (None: there is no single state to look at)."""
        prop = next((p for p in self.instance.properties if p.name == name), None)
        if prop is None or prop.kind == "reachable":
            return None
        states = [trace.initial, *(s.state for s in trace.steps)]
        before = World(self.instance, states[-2], states[-1]) if prop.kind == "step" else None
        reason = Reason(name, False, prop.span.line if prop.span else None)
        self.why(prop.expr, Scene({}, before or World(self.instance, states[-1])), False, reason)
        return reason

    def condition(self, e: Expr, env: Env, world: World) -> Reason:
        """Why a condition is false."""
        reason = Reason(snippet(self.source, e.span), False)
        self.why(e, Scene(env, world), False, reason)
        return reason

    def why(self, e: Expr, scene: Scene, truth: bool, out: Reason) -> None:
        """Adds what makes `e` come out as `truth`."""
        match e:
            case Let() if e.span:
                self._call(e, scene, truth, out)
            case Let():
                self.why(e.body, scene.naming(e.name, scene.value(e.value)), truth, out)
            case Fit():
                self.why(e.value, scene, truth, out)
            case Apply(op="not") if e.args[0].span != e.span:  # else `x not in S`
                self.why(e.args[0], scene, not truth, out)
            case If() if not _is_membership(e):
                for part, value in _deciding(e, bool(scene.value(e.cond)), truth):
                    self.why(part, scene, value, out)
            case Quant() if truth == (e.kind == "exists"):
                self._element(e, scene, truth, out)
            case _:
                out.parts.append(self._leaf(e, scene, truth))

    def _call(self, e: Let, scene: Scene, truth: bool, out: Reason) -> None:
        """A definition that was inlined: a Let for each argument, all with the place of the call."""
        inner = Reason(snippet(self.source, e.span), truth, e.span.line if e.span else None)
        body: Expr = e
        env = dict(scene.env)
        while isinstance(body, Let) and body.span == e.span:
            env[body.name] = evaluate(body.value, env, scene.world)
            body = body.body
        self.why(body, Scene(env, scene.world, scene.told), truth, inner)
        out.parts.append(inner)

    def _element(self, e: Quant, scene: Scene, truth: bool, out: Reason) -> None:
        """The first element for which the body decides."""
        elements = sorted(scene.value(e.domain), key=lambda x: natural(self.display.value(x)))
        found = next(x for x in elements if bool(scene.naming(e.name, x).value(e.body)) == truth)
        pair = base_name(e.name), self.display.value(found, getattr(e.domain.type, "elem", None))
        out.bindings.append(pair)
        self.why(e.body, scene.naming(e.name, found).telling(pair), truth, out)

    def _leaf(self, e: Expr, scene: Scene, truth: bool) -> Reason:
        values = tuple(pair for pair in self.values(e, scene.env, scene.world) if pair not in scene.told)
        return Reason(snippet(self.source, e.span), truth, e.span.line if e.span else None, values)

    def values(self, node: Any, env: Env, world: World) -> Pairs:
        """The values of the parts of a node, as (text, value), where the text does not say it already."""
        return tuple(dict(pair for e in operands(node) for pair in self.value(e, env, world)).items())

    def value(self, e: Expr, env: Env, world: World) -> Iterator[tuple[str, str]]:
        """An expression and its value, if it has one that says more than its text."""
        text = base_name(e.name) if isinstance(e, Local) else snippet(self.source, e.span)
        try:
            found = evaluate(e, env, world)
        except (Fault, KeyError):
            return
        value = self.display.value(found, e.type)
        if text and text != value and not (isinstance(found, frozenset) and _words(text) == _words(value)):
            yield text, value


def _words(text: str) -> list[str]:
    """What a set is made of, in whatever order it was written."""
    return sorted(re.findall(r"\w+|[^\w\s]", text))


def _deciding(e: If, cond: bool, truth: bool) -> list[tuple[Expr, bool]]:
    """The parts of a conjunction, disjunction, implication or choice that make it come out as `truth`."""
    if e.orelse == FALSE:  # and
        both = [(e.cond, True), (e.then, True)]
        return both if truth else [(e.then, False)] if cond else [(e.cond, False)]
    if e.then == TRUE:  # or
        neither = [(e.cond, False), (e.orelse, False)]
        return neither if not truth else [(e.cond, True)] if cond else [(e.orelse, True)]
    if e.orelse == TRUE:  # implies
        return [(e.cond, True), (e.then, truth)] if cond else [(e.cond, False)]
    return [(e.cond, cond), (e.then if cond else e.orelse, truth)]


def _is_membership(e: Expr) -> bool:
    """`x in S` where x need not be of the type of the elements."""
    return isinstance(e, If) and isinstance(e.cond, Apply) and e.cond.op == "fits"


def operands(node: Any) -> list[Expr]:
    """The parts of a condition or of a faulting operation whose values are worth telling."""
    match node:
        case If() if _is_membership(node):
            return operands(node.then)
        case Apply(op="not"):
            return operands(node.args[0])
        case Apply():
            return [_bare(a) for a in node.args]
        case Fit():
            return [_bare(node.value)]
        case Sent():
            return [_bare(a) for a in (*node.args, node.to, node.sender) if a is not None]
        case Assign():
            return [x for x in node.path if isinstance(x, Expr)]
        case Quant() | SetOf() | Fold():
            return list(_names(node, free(node)))
    return []


def _names(e: Any, wanted: frozenset[str]) -> Iterator[Local]:
    """Each free name of an expression, once."""
    found: dict[str, Local] = {}
    stack = [e]
    while stack:
        x = stack.pop(0)
        if isinstance(x, Local) and x.name in wanted:
            found.setdefault(x.name, x)
        elif isinstance(x, Expr):
            stack += [getattr(x, f) for f in x.__dataclass_fields__ if f not in ("span", "type")]
        elif isinstance(x, tuple):
            stack += x
    yield from found.values()


def leaves(e: Expr) -> list[Expr]:
    """The variables and names that an arithmetic expression is made of."""
    if isinstance(e, Apply) and e.op in ("add", "sub", "mul", "div", "mod", "neg", "union", "diff", "inter", "concat"):
        return [x for a in e.args for x in (leaves(_bare(a)) or [_bare(a)])]
    return []


def _bare(e: Expr) -> Expr:
    return _bare(e.value) if isinstance(e, Fit) else e
