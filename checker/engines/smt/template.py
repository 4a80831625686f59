"""One template of everything a query is made of: a state, a step from it to the next, what may be wrong in either.

Built once for a program, over the bits of a state before and a state after, and one selector for each rule; a path is copies
of it under other names (`at`).  The invariant: with no selector true a step changes nothing, so a step is a choice and never a
constraint on the state before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import z3
from z3.z3core import Z3_substitute

from checker.core.lower import Predicate, Program, Site, StepCheck
from checker.engines.smt.always import always
from checker.engines.smt.bits import CONTEXT, Bit, all_of, any_of, both, either, negation, same
from checker.engines.smt.cells import Row, unknown
from checker.engines.smt.expr import Expressions
from checker.engines.smt.rules import FaultRule, Rule, initial, rules
from checker.verdict import State


def term(b: Bit) -> z3.BoolRef:
    """A bit as a term that Z3 takes."""
    return z3.BoolVal(b) if isinstance(b, bool) else b


class Renaming:
    """Puts terms in the place of others.  By the C interface: z3py's own checks would take most of the time."""

    def __init__(self, old: list[z3.BoolRef], new: list[z3.BoolRef]) -> None:
        self.old, self.new = old, new  # kept: the arrays below do not own their terms
        self._arrays = [(z3.Ast * len(xs))(*(x.ast for x in xs)) for xs in (old, new)]

    def __call__(self, b: z3.BoolRef) -> z3.BoolRef:
        return z3.BoolRef(Z3_substitute(CONTEXT.ref(), b.ast, len(self.old), *self._arrays), CONTEXT)


@dataclass(frozen=True)
class Bad:
    """Something that must not be so.  `rank` and `index`: which of several is reported (verdict.Finding); `of`: the state
    before, or the step; `lemma`: the property, if it is one."""

    rank: str
    index: int
    when: Bit
    property: str | None = None
    site: Site | None = None
    action: int | None = None


@dataclass
class Template:
    """The template of one program.  Its terms are over `pre`, `post` and `selectors`; `at` renames them for a step of a
    path."""

    program: Program
    pre: Row = field(init=False)
    post: Row = field(init=False)

    def __post_init__(self) -> None:
        self.pre, self.post = unknown(self.program.vars), unknown(self.program.vars, "next ")
        self._here, self._step = Expressions(self.pre.state), Expressions(self.pre.state, self.post.state)

    # rules: written when they are asked for

    @cached_property
    def _ruled(self) -> tuple[list[Rule], list[FaultRule]]:
        return rules(self.program, self.pre.state)

    @property
    def rules(self) -> list[Rule]:
        return self._ruled[0]

    @property
    def faults(self) -> list[FaultRule]:
        return self._ruled[1]

    @cached_property
    def selectors(self) -> list[z3.BoolRef]:
        return [z3.Bool(f"step {i}") for i in range(len(self.rules))]

    @cached_property
    def ladder(self) -> list[z3.BoolRef]:
        return [z3.Bool(f"seen {i}") for i in range(len(self.rules) - 1)]

    @cached_property
    def _names(self) -> list[z3.BoolRef]:
        return [*self.pre.bits, *self.post.bits, *self.selectors, *self.ladder]

    # states

    @cached_property
    def is_state(self) -> Bit:
        """The bits before are a state, and one that is not excluded by the make of the instance."""
        return all_of([*self.pre.rules, *always(self.program, self.pre.state)])

    @cached_property
    def is_initial(self) -> Bit:
        state, rule = initial(self.program)
        return all_of([*rule, *(self._is(v, state[v]) for v in self.program.vars)])

    def _is(self, var: str, value: object) -> Bit:
        mine = self.pre.spans[var]
        new = self.pre.write(var, self.program.vars[var], value)
        return all_of(same(self.pre.bits[i], b) for i, b in zip(mine, new, strict=True))

    @cached_property
    def inside(self) -> Bit:
        """The bound of the instance."""
        bound = self.program.bound
        return True if bound is None else self._here.value(bound, {})

    @cached_property
    def enabled(self) -> Bit:
        """Something can happen, were it only a fault."""
        return any_of([*(r.guard for r in self.rules), *(f.guard for f in self.faults)])

    @cached_property
    def stuck(self) -> Bit:
        return both(negation(self.enabled), negation(self._here.value(self.program.terminal, {})))

    # properties

    def predicate(self, p: Predicate) -> Bit:
        """Is it hit in the state before?"""
        bit: Bit = self._here.value(p.expr, {})
        return bit

    @cached_property
    def reachable(self) -> dict[str, Bit]:
        """For each `reachable` property: is this state a witness?"""
        return {p.name: self.predicate(p) for p in self.program.predicates if p.kind == "reachable"}

    @cached_property
    def bad_states(self) -> list[Bad]:
        """What can be wrong with a state: invariants, faults of properties and of actions, deadlock."""
        found = []
        for p in self.program.predicates:
            if p.kind == "invariant":
                found.append(Bad("invariant", p.index, self.predicate(p), p.name))
            elif p.kind == "fault":
                found.append(Bad("fault", self._fault_index(p), self.predicate(p), p.name, p.site))
        found += [Bad("fault", 0, f.guard, None, f.site, f.action) for f in self.faults]
        return [*found, Bad("deadlock", 0, self.stuck)]

    def _fault_index(self, p: Predicate) -> int:
        return (1000 if p.name in self.reachable else 1) + p.index

    @cached_property
    def bad_steps(self) -> list[Bad]:
        """What can be wrong with a step: step properties, and faults of them."""
        found: list[Bad] = []
        for i, s in enumerate(self.program.steps):
            defined, faults = self._checked(s)
            found.append(Bad("step", i, both(defined, negation(self._step.value(s.expr, {}))), s.name))
            found += [Bad("fault", 2000 + i, bit, s.name, site) for bit, site in faults]
        return found

    def _checked(self, s: StepCheck) -> tuple[Bit, list[tuple[Bit, Site]]]:
        """Where a step property has a value, and the faults it has elsewhere."""
        defined: Bit = True
        faults = []
        for c in s.checks:
            cond: Bit = self._step.value(c.cond, {})
            faults.append((both(defined, negation(cond)), Site(c.fault, c.span)))
            defined = both(defined, cond)
        return defined, faults

    # steps

    @cached_property
    def relation(self) -> list[Bit]:
        """At most one rule is selected; it applies, and writes what it writes; all other bits stay."""
        writers: list[list[z3.BoolRef]] = [[] for _ in self.pre.bits]
        out = _at_most_one(self.selectors, self.ladder)
        for r, s in zip(self.rules, self.selectors, strict=True):
            out.append(either(negation(s), r.guard))
            for i, new in self.writes(r):
                writers[i].append(s)
                out.append(either(negation(s), same(self.post.bits[i], new)))
        frame = (either(same(old, new), any_of(w)) for old, new, w in zip(self.pre.bits, self.post.bits, writers, strict=True))
        return [b for b in (*out, *frame) if b is not True]

    def writes(self, r: Rule) -> list[tuple[int, Bit]]:
        """The bits that a rule changes, and what they are then."""
        found = []
        for v, value in r.after.items():
            new = self.pre.write(v, self.program.vars[v], value)
            found += [
                (i, b) for i, b in zip(self.pre.spans[v], new, strict=True) if isinstance(b, bool) or not b.eq(self.pre.bits[i])
            ]
        return found

    @cached_property
    def moves(self) -> Bit:
        """Some rule is selected."""
        return any_of(self.selectors)

    def action(self, i: int) -> Bit:
        """A rule of this action is selected."""
        return any_of(s for r, s in zip(self.rules, self.selectors, strict=True) if r.action == i)

    @cached_property
    def changes(self) -> Bit:
        """The step leads to another state."""
        return any_of(negation(same(a, b)) for a, b in zip(self.pre.bits, self.post.bits, strict=True))

    # copies

    def at(self, b: Bit, step: int) -> z3.BoolRef:
        """A term of the template as one about step `step` of a path (0: from the first state to the second)."""
        return term(b) if isinstance(b, bool) else self._renaming(step)(b)

    def _renaming(self, step: int) -> Renaming:
        if step not in self._steps:
            chosen = [z3.Bool(f"{step} {s.decl().name()}") for s in (*self.selectors, *self.ladder)]
            new = [*self.row(step), *self.row(step + 1), *chosen]
            self._steps[step] = Renaming(self._names, new)
        return self._steps[step]

    @cached_property
    def _steps(self) -> dict[int, Renaming]:
        return {}

    def row(self, n: int) -> list[z3.BoolRef]:
        """The bits of state n of a path."""
        return [z3.Bool(f"{n} {b.decl().name()}") for b in self.pre.bits]

    def selected(self, step: int) -> list[z3.BoolRef]:
        first = 2 * len(self.pre.bits)
        return self._renaming(step).new[first : first + len(self.selectors)]

    # back

    def state(self, model: z3.ModelRef, n: int) -> State:
        """State n of a path in a model of Z3."""
        on = {b.decl().name(): z3.is_true(model.eval(x, model_completion=True)) for b, x in self._state_names(n)}
        return self.plain(on)

    def _state_names(self, n: int) -> list[tuple[z3.BoolRef, z3.BoolRef]]:
        return list(zip(self.pre.bits, self.row(n), strict=True))

    def plain(self, on: dict[str, bool]) -> State:
        """The state whose bits are these."""
        value = _Evaluator(on)
        from checker.engines.smt.terms import plain

        return {v: plain(value, s) for v, s in self.pre.state.items()}


class _Evaluator:
    """The truth of the terms that a row is read as: bits, negations and conjunctions of bits."""

    def __init__(self, on: dict[str, bool]) -> None:
        self.on = on

    def __call__(self, b: Bit) -> bool:
        if isinstance(b, bool):
            return b
        if z3.is_not(b):
            return not self(b.arg(0))
        if z3.is_and(b):
            return all(self(c) for c in b.children())
        return self.on[b.decl().name()]


def _at_most_one(bits: list[z3.BoolRef], seen: list[z3.BoolRef]) -> list[Bit]:
    """A ladder: `seen` of each is true if it is, or one before it."""
    out: list[Bit] = [either(negation(b), s) for b, s in zip(bits, seen, strict=False)]
    out += [either(negation(a), b) for a, b in pairwise(seen)]
    return out + [negation(both(s, b)) for s, b in zip(seen, bits[1:], strict=True)]


__all__ = ["Bad", "FaultRule", "Template", "term"]
