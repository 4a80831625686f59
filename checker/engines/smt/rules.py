"""Actions → rules: an action is run symbolically, and every choice in it (parameters, the message, `choose`) makes another
rule.  A rule says when it applies and what the variables it writes are then.

Total programs only (core/lower.py): a Check that fails makes a fault, under the condition that it is reached.  Nothing here
knows of bits of states, of steps or of solvers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from checker.core.ir import Assign, Check, Choose, Expr, ForAll, IfStmt, LetStmt, Require, Stmt
from checker.core.lower import Program, Site
from checker.core.types import Id, MapOf, Rec, Record, Seq, Type, Value
from checker.engines.smt.bits import Bit, both, either, negation
from checker.engines.smt.expr import Env, Expressions
from checker.engines.smt.terms import Mask, Sym, TooLarge, chosen_of, is_flat, junk, known

MOST_RULES = 1 << 13


@dataclass(frozen=True)
class Rule:
    """One way an action can go.  `after`: the variables that it writes; `chosen`: the identities in what was chosen."""

    action: int
    guard: Bit
    after: dict[str, Sym]
    chosen: tuple[Id, ...] = ()


@dataclass(frozen=True)
class FaultRule:
    """A way in which an action runs into a spec fault."""

    action: int
    guard: Bit
    site: Site


@dataclass(frozen=True)
class Path:
    """A run so far: the condition under which it goes this way, the state now, the names."""

    guard: Bit
    state: dict[str, Sym]
    env: Env
    written: frozenset[str] = frozenset()
    chosen: tuple[Id, ...] = ()


@dataclass
class Runner:
    """Runs statements over a symbolic state.  `faults`: what the runs can run into."""

    vars: dict[str, Type]
    faults: list[tuple[Bit, Site]] = field(default_factory=list)

    def run(self, body: tuple[Stmt, ...], path: Path) -> Iterator[Path]:
        """Every way through a block; each is a path of its own."""
        if path.guard is False:
            return
        if not body:
            yield path
            return
        for following in self._step(body[0], path):
            yield from self.run(body[1:], following)

    def _step(self, s: Stmt, path: Path) -> Iterator[Path]:
        here = Expressions(path.state)
        match s:
            case Require():
                yield replace(path, guard=both(path.guard, here.value(s.cond, path.env)))
            case Check():
                cond = here.value(s.cond, path.env)
                self._fault(both(path.guard, negation(cond)), s)
                yield replace(path, guard=both(path.guard, cond))
            case LetStmt():
                yield replace(path, env={**path.env, s.name: here.value(s.value, path.env)})
            case Assign():
                yield self._assign(s, path, here)
            case IfStmt():
                yield from self._if(s, path, here)
            case ForAll():
                yield self._for_all(s, path, here)
            case Choose():
                yield from self._choose(s, path, here)
            case _:
                raise AssertionError(s)

    def _choose(self, s: Choose, path: Path, here: Expressions) -> Iterator[Path]:
        domain = here.value(s.domain, path.env)
        flat = isinstance(domain, Mask) and is_flat(s.domain.type)  # then what is chosen has a plain value
        for g, x in here.each(s.domain.type, domain):
            chosen = (*path.chosen, *identities(known(x))) if flat else path.chosen
            yield replace(path, guard=both(path.guard, g), env={**path.env, s.name: x}, chosen=chosen)

    def _fault(self, guard: Bit, s: Check) -> None:
        if guard is not False:
            self.faults.append((guard, Site(s.fault, s.span)))

    def _assign(self, s: Assign, path: Path, here: Expressions) -> Path:
        value = here.value(s.value, path.env)

        def put(old: Sym, t: Type, rest: tuple[Expr | str, ...]) -> Sym:
            if not rest:
                return value if s.value.type == t else here.convert(value, t)
            at = rest[0]
            if isinstance(at, str):
                assert isinstance(t, Record)
                i = t.index(at)
                return here.with_part(old, i, put(here.part(old, i), t.fields[i][1], rest[1:]))
            assert isinstance(t, MapOf | Seq)
            key = here.value(at, path.env)
            return here.with_index(old, key, put(here.index(old, key), t.val if isinstance(t, MapOf) else t.elem, rest[1:]))

        new = put(path.state[s.var], self.vars[s.var], s.path)
        return replace(path, state={**path.state, s.var: new}, written=path.written | {s.var})

    def _if(self, s: IfStmt, path: Path, here: Expressions) -> Iterator[Path]:
        """Branches that only compute are merged; one that chooses or requires is a way of its own."""
        c: Bit = here.value(s.cond, path.env)
        if isinstance(c, bool):
            yield from self.run(s.then if c else s.orelse, path)
            return
        yes, no = replace(path, guard=both(path.guard, c)), replace(path, guard=both(path.guard, negation(c)))
        if not (_computes(s.then) and _computes(s.orelse)):
            yield from self.run(s.then, yes)
            yield from self.run(s.orelse, no)
            return
        ends = [*self.run(s.then, yes), *self.run(s.orelse, no)]
        if len(ends) < 2:
            yield from ends
            return
        a, b = ends
        written = a.written | b.written
        state = {**path.state, **{v: _merged(c, a.state[v], b.state[v]) for v in written}}
        yield Path(either(a.guard, b.guard), state, path.env, written, path.chosen)

    def _for_all(self, s: ForAll, path: Path, here: Expressions) -> Path:
        """One element after the other; the body is one way through (checked by the front end)."""
        for g, x in here.each(s.domain.type, here.value(s.domain, path.env)):
            if g is False or path.guard is False:
                continue
            inner = replace(path, guard=both(path.guard, g), env={**path.env, s.name: x})
            ends = list(self.run(s.body, inner))
            out = both(path.guard, negation(g))
            if not ends:
                path = replace(path, guard=out)
                continue
            (end,) = ends
            state = {v: _merged(g, end.state[v], x) if v in end.written else x for v, x in path.state.items()}
            path = Path(either(end.guard, out), state, path.env, end.written, path.chosen)
        return path


def identities(v: Value) -> Iterator[Id]:
    """The identities in a value, in an order that does not depend on what they are; those of sets and maps have none."""
    if isinstance(v, Id):
        yield v
    elif isinstance(v, Rec | tuple):
        for part in v.values if isinstance(v, Rec) else v:
            yield from identities(part)


def _merged(c: Bit, a: Sym, b: Sym) -> Sym:
    return a if a is b else chosen_of(c, a, b)


def _computes(body: tuple[Stmt, ...]) -> bool:
    """Is there one way through, with nothing named for what follows?"""
    return not any(
        isinstance(s, Require | Choose) or (isinstance(s, IfStmt) and not (_computes(s.then) and _computes(s.orelse)))
        for s in body
    )


def rules(program: Program, state: dict[str, Sym]) -> tuple[list[Rule], list[FaultRule]]:
    """All rules of a program over a state, and all its faults."""
    found: list[Rule] = []
    faults: list[FaultRule] = []
    for i, action in enumerate(program.actions):
        runner = Runner(program.vars)
        for end in runner.run(action.body, Path(True, state, {})):
            if len(found) == MOST_RULES:
                raise TooLarge(f"there are more than {MOST_RULES:,} ways to take a step")
            after = {v: end.state[v] for v in program.vars if v in end.written}
            found.append(Rule(i, end.guard, after, end.chosen))
        faults += [FaultRule(i, g, site) for g, site in runner.faults]
    return found, faults


class _Starter(Runner):
    """Choices are unknowns here, not ways of their own: processes choose independently."""

    def __init__(self, vars: dict[str, Type]) -> None:
        super().__init__(vars)
        self.rules: list[Bit] = []

    def _step(self, s: Stmt, path: Path) -> Iterator[Path]:
        if not isinstance(s, Choose):
            yield from super()._step(s, path)
            return
        here = Expressions(path.state)
        unknown, rule = here.declare(s.type, f"start.{s.name}")
        self.rules += [rule, here.set_member(unknown, here.value(s.domain, path.env))]
        yield replace(path, env={**path.env, s.name: unknown})


def initial(program: Program, body: Sequence[Stmt] | None = None) -> tuple[dict[str, Sym], list[Bit]]:
    """The state at the start (or after some of the statements that make it), and what must be true of the unknowns in it."""
    starter = _Starter(program.vars)
    nothing = {v: junk(t) for v, t in program.vars.items()}
    ends = list(starter.run(program.initial if body is None else tuple(body), Path(True, nothing, {})))
    if not ends:
        return nothing, [False]
    (end,) = ends
    return end.state, [end.guard, *starter.rules]
