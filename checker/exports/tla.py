"""Instance → TLA+ module and TLC configuration, to be run as they are: the same distinct states, verdict and length of a
counterexample.

Every declared variable is a TLA+ variable of its name; identities are model values, enum members strings, records records, a
message is a pair of its name and a record, sequences are TLA+ sequences (from 1), bags are functions to counts. An action is
one operator. A statement names what it makes by `\\E x \\in {value}`, which TLC evaluates once (a LET of an action at each use),
or primes the variable, where nothing can fail after it. A spec fault is a step that sets `fault`, which the invariant `NoFault`
forbids; so TLC's counterexample to a fault is one step longer than ours. `reachable` has no counterpart and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from checker.core.bind import Instance, Transition, statements
from checker.core.ir import (
    Apply,
    Assign,
    Check,
    Choose,
    Const,
    Expr,
    Fit,
    Fold,
    ForAll,
    If,
    IfStmt,
    Let,
    LetStmt,
    Local,
    Mapping,
    Quant,
    Read,
    Require,
    Sent,
    SetOf,
    Stmt,
    base_name,
)
from checker.core.lower import Lowering, ProgramAction, _start
from checker.core.operators.table import TRUE
from checker.core.typed import subst
from checker.core.types import (
    BagOf,
    Bool,
    Enum,
    Id,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Tuple,
    Type,
    Union,
    Value,
    card,
    values,
)

MOST_RUNS = 256  # of a `for`: it becomes nested LETs, and TLC's stack is finite


class ExportError(Exception):
    """What cannot be written, in words."""


RESERVED = frozenset(
    """
    ACTION ASSUME ASSUMPTION AXIOM BY CASE CHOOSE CONSTANT CONSTANTS CORE DEF DEFINE DOMAIN ELSE ENABLED EXCEPT
    EXTENDS HAVE HIDE IF IN INSTANCE LAMBDA LEMMA LET LOCAL MODULE NEW OBVIOUS OMITTED OTHER PICK PROOF
    PROPOSITION PROVE QED RECURSIVE SF SUBSET SUFFICES TAKE THEN THEOREM UNCHANGED UNION USE VARIABLE VARIABLES WF
    WITH WITNESS STRING BOOLEAN TRUE FALSE Nat Int Seq Len Head Tail Append SubSeq Cardinality Next Init Spec vars
    none fault Permutations SelectSeq FloorDiv FloorMod Max Min Larger Smaller SumOver BagCount BagAdd BagRemove BagSize Elems
    NoFault Bound Symmetry Terminal
    """.split()  # noqa: SIM905
)

HELPERS = r"""
FloorDiv(a__, b__) == IF b__ > 0 THEN a__ \div b__ ELSE (-a__) \div (-b__)
FloorMod(a__, b__) == a__ - b__ * FloorDiv(a__, b__)
Max(S__) == CHOOSE x__ \in S__ : \A y__ \in S__ : y__ <= x__
Min(S__) == CHOOSE x__ \in S__ : \A y__ \in S__ : x__ <= y__
Larger(a__, b__) == IF a__ < b__ THEN b__ ELSE a__
Smaller(a__, b__) == IF b__ < a__ THEN b__ ELSE a__
RECURSIVE SumOver(_, _)
SumOver(f__, S__) == IF S__ = {} THEN 0 ELSE LET x__ == CHOOSE x__ \in S__ : TRUE IN f__[x__] + SumOver(f__, S__ \ {x__})
BagCount(b__, x__) == IF x__ \in DOMAIN b__ THEN b__[x__] ELSE 0
BagAdd(b__, x__) == IF x__ \in DOMAIN b__ THEN [b__ EXCEPT ![x__] = @ + 1] ELSE b__ @@ (x__ :> 1)
BagRemove(b__, x__) == IF b__[x__] > 1 THEN [b__ EXCEPT ![x__] = @ - 1] ELSE [y__ \in DOMAIN b__ \ {x__} |-> b__[y__]]
BagSize(b__) == SumOver(b__, DOMAIN b__)
Elems(s__) == {s__[i__] : i__ \in DOMAIN s__}
"""


def identifier(name: str) -> str:
    """A TLA+ identifier for a name of ours."""
    text = re.sub(r"\W", "_", name.replace("#", "_"))
    if not re.search("[A-Za-z]", text) or text[0] == "_":
        text = "x" + text
    return text + "_" if text in RESERVED else text


def shown(instance: Instance, x: Id) -> str:
    """An identity by the name that the instance gives it, if it does."""
    given = instance.names.get(x.sort, ())
    return given[x.index] if x.index < len(given) else f"{x.sort}_{x.index + 1}"


def model_value(name: str) -> str:
    """A name for an identity: never a letter and an underscore first, for TLC then compares it with none of another letter."""
    return name.replace("_", "", 1) if name[1:2] == "_" else name


@dataclass
class Names:
    """What the variables and locals are called where an expression stands."""

    vars: dict[str, str]
    primed: dict[str, str] = field(default_factory=dict)


def export(instance: Instance, symmetry: bool = False, deadlock: bool = True) -> tuple[str, str]:
    """(module, configuration) as text.  `symmetry`: with TLC's SYMMETRY over the sorts."""
    return Exporter(instance, symmetry, deadlock).text()


class Exporter:
    """Writes one instance."""

    def __init__(self, instance: Instance, symmetry: bool, deadlock: bool) -> None:
        self.instance, self.symmetry, self.deadlock = instance, symmetry, deadlock
        self.low = Lowering(instance, expand=False)
        self.used: set[str] = set()
        self.vars = {n: self._name(n) for n in instance.vars}
        self.sorts = {s: self._name(s) for s in instance.sorts}
        ids = [Id(s, k) for s, n in instance.sorts.items() for k in range(n)]
        self.identities = {x: self._name(model_value(shown(instance, x))) for x in ids}
        self.actions = [self._name(_called(a)) for a in instance.actions]
        self.asked = {p.name: self._name(p.name) for p in instance.properties if p.kind != "reachable"}
        self.enums: dict[str, tuple[str, Enum]] = {}  # those whose members are compared: the operator that ranks them
        self.constants: dict[str, str] = {}  # sets of sets, as quorums are: TLC evaluates a definition without arguments once
        self.locals: dict[str, str] = {}
        self.scope: list[str] = []
        self.fresh = 0

    def local(self, name: str) -> str:
        """What a bound name is called: as the user called it, if nothing else is."""
        if name not in self.locals:
            self.locals[name] = self._name(base_name(name))
        return self.locals[name]

    def _name(self, name: str) -> str:
        """What something of the spec is called in the module: as there, if that is free."""
        base = identifier(name)
        return self._unused(base if k == 1 else f"{base}_{k}" for k in count(1))

    def _unused(self, names: Iterator[str]) -> str:
        """The first name that stands for nothing yet: TLA+ lets no name hide another."""
        name = next(x for x in names if x not in self.used)
        self.used.add(name)
        return name

    def _constant(self, value: str) -> str:
        """The name of a definition of its own."""
        if value not in self.constants:
            self.constants[value] = self._unused(f"Sets_{k}" for k in count(1))
        return self.constants[value]

    @property
    def module(self) -> str:
        return identifier(self.instance.model.name)

    def text(self) -> tuple[str, str]:
        i = self.instance
        actions = [self.action(a, name) for a, name in zip(i.actions, self.actions, strict=True)]
        init = self.initial()
        props = self._properties()
        stay = ["Terminal /\\ UNCHANGED vars"] if self._may_end() else []
        steps = "\n".join(f"   \\/ {call}" for call in [*(call for _, call in actions), *stay])
        asked = [
            f"Terminal == {self.expr(i.terminal, self._now()) if self.deadlock else 'TRUE'}",
            f"Next ==\n    /\\ fault = FALSE\n    /\\ {_indent(steps, 4).strip()}\n",
            "Spec == Init /\\ [][Next]_vars",
            *self._no_fault(),
            *([f"Bound == {self._where_defined(i.bound)}"] if i.bound else []),
            *(f"{n} == {e}" for n, e in props),
            "Symmetry == " + (" \\cup ".join(f"Permutations({s})" for s in self.sorts.values()) or "{}"),
        ]
        every = ", ".join([*self.vars.values(), "fault"])
        body = [
            f"{'-' * 20} MODULE {self.module} {'-' * 20}",
            f"\\* {i.model.name}, instance {i.name}: written by spectrace",
            "EXTENDS Integers, Sequences, FiniteSets, TLC",
            "",
            f"CONSTANTS {', '.join(['none', *self.identities.values()])}",
            *(f"{name} == {{{', '.join(self._all(s))}}}" for s, name in self.sorts.items()),
            f"VARIABLES {every}",
            f"vars == <<{every}>>",
            HELPERS,
            *self._orders(),  # these two: what has been met in all of the above
            *(f"{name} == {value}" for value, name in self.constants.items()),
            f"Init ==\n{init}\n",
            *(text for text, _ in actions),
            *asked,
            "=" * 60,
            "",
        ]
        return "\n".join(body), self._config([n for n, _ in props])

    def _config(self, props: list[str]) -> str:
        steps = {self.asked[p.name] for p in self.instance.properties if p.kind == "step"}
        lines = ["SPECIFICATION Spec", "CONSTANTS", "    none = none"]
        lines += [f"    {x} = {x}" for x in self.identities.values()]
        lines += ["INVARIANT NoFault", *(f"{'PROPERTY' if n in steps else 'INVARIANT'} {n}" for n in props)]
        lines += ["CONSTRAINT Bound"] if self.instance.bound else []
        lines += ["SYMMETRY Symmetry"] if self.symmetry and any(n > 1 for n in self.instance.sorts.values()) else []
        return "\n".join(lines) + "\n"

    def _all(self, sort: str) -> list[str]:
        """The identities of a sort."""
        return [name for x, name in self.identities.items() if x.sort == sort]

    def _may_end(self) -> bool:
        t = self.instance.terminal
        return not self.deadlock or not (isinstance(t, Const) and not t.value)

    def _orders(self) -> list[str]:
        """The rank of enum members where they are compared."""
        out = []
        for rank, e in self.enums.values():
            cases = " [] ".join(f'x__ = "{m}" -> {k}' for k, m in enumerate(e.members))
            out.append(f"{rank}(x__) == CASE {cases}")
        return out

    def _now(self) -> Names:
        return Names(dict(self.vars), {n: v + "'" for n, v in self.vars.items()})

    def _no_fault(self) -> Iterator[str]:
        """No step ran into a spec fault, and whatever is asked of a state has a value there."""
        defined = [self._defined(p.expr) for p, _ in self.instance.asked()]
        parts = dict.fromkeys(["fault = FALSE", *filter(None, defined)])
        yield "NoFault == fault = FALSE" if len(parts) == 1 else "NoFault ==\n" + "\n".join(f"    /\\ {x}" for x in parts)

    def _defined(self, e: Expr) -> str:
        return " /\\ ".join(self.expr(c.cond, self._now()) for c in self.low.checks(e))

    def _where_defined(self, e: Expr) -> str:
        defined, value = self._defined(e), self.expr(e, self._now())
        return f"({defined}) => {value}" if defined else value

    def _properties(self) -> list[tuple[str, str]]:
        out = []
        for p in self.instance.properties:
            if p.kind == "reachable":
                continue
            e = self.expr(p.expr, self._now())
            if self.instance.bound is not None and p.kind != "step":
                e = f"Bound => ({e})"
            out.append((self.asked[p.name], f"[][{e}]_vars" if p.kind == "step" else e))
        return out

    # statements: the rest of the path in the state reached so far

    def initial(self) -> str:
        body = tuple(s for v in self.instance.vars.values() for s in _start(self.low, v))
        return _indent(self.block(body, Names(dict.fromkeys(self.vars, "")), start=True), 4)

    def action(self, a: Transition, name: str) -> tuple[str, str]:
        """The definition of an action, and how Next calls it."""
        lowered: ProgramAction = self.low.action(a)
        body = lowered.body
        bound: list[tuple[str, Choose]] = []
        while body and isinstance(body[0], Choose) and isinstance(body[0].domain, Apply) and body[0].domain.op == "all":
            bound.append((self.local(body[0].name), body[0]))
            body = body[1:]
        head = f"{name}({', '.join(n for n, _ in bound)})" if bound else name
        text = f"{head} ==\n{_indent(self.block(body, Names(dict(self.vars))), 4)}\n"
        quantified = "".join(f"\\E {n} \\in {self.expr(c.domain, self._now())} : " for n, c in bound)
        return text, quantified + head

    def block(self, body: tuple[Stmt, ...], names: Names, start: bool = False) -> str:
        """The rest of a path: a formula over the state before and after."""
        if not body:
            return self._end(names, start)
        s, rest = body[0], body[1:]
        match s:
            case Require():
                return f"/\\ {_guard(self.expr(s.cond, names))}\n{self.block(rest, names, start)}"
            case Check():
                good = self.block(rest, names, start)
                return f"/\\ IF {self.expr(s.cond, names)}\n   THEN\n{_indent(good, 6)}\n   ELSE {self._faulty(start)}"
            case LetStmt() if isinstance(s.value, Local | Const):
                return self.block(tuple(_substituted(x, {s.name: s.value}) for x in rest), names, start)
            case LetStmt():
                value = self.expr(s.value, names)
                with self._binding(s.name) as name:
                    return self._let(name, value, self.block(rest, names, start))
            case Choose():
                domain = self.expr(s.domain, names)
                if isinstance(s.domain.type, BagOf):
                    domain = f"DOMAIN {domain}"
                with self._binding(s.name) as name:
                    return f"/\\ \\E {name} \\in {domain} :\n{_indent(self.block(rest, names, start), 6)}"
            case Assign():
                return self._assign(s, rest, names, start)
            case IfStmt():
                return self._if(s, rest, names, start)
            case ForAll():
                return self.block((*self._written_out(s), *rest), names, start)
        raise AssertionError(s)

    @contextmanager
    def _binding(self, name: str) -> Iterator[str]:
        """What a name that a statement binds is called after it: anew in each run of a loop, as those stand in each other."""
        outer = self.locals.pop(name) if name in self.scope else None
        self.scope.append(name)
        yield self.local(name)
        self.scope.pop()
        if outer is not None:
            self.locals[name] = outer

    def _let(self, name: str, value: str, body: str) -> str:
        if name.endswith("'"):
            return f"/\\ {name} = {value}\n{body}"
        return f"/\\ \\E {name} \\in {{{value}}} :\n{_indent(body, 6)}"

    def _end(self, names: Names, start: bool) -> str:
        if start:
            return "\n".join([f"/\\ {v} = {names.vars[n]}" for n, v in self.vars.items()] + ["/\\ fault = FALSE"])
        changed = [f"/\\ {v}' = {names.vars[n]}" for n, v in self.vars.items() if names.vars[n] not in (v, f"{v}'")]
        same = [v for n, v in self.vars.items() if names.vars[n] == v] + ["fault"]
        return "\n".join([*changed, f"/\\ UNCHANGED <<{', '.join(same)}>>"])

    def _faulty(self, start: bool) -> str:
        if start:
            return " /\\ ".join(["fault = TRUE", *(f"{v} = none" for v in self.vars.values())])
        return f"fault' = TRUE /\\ UNCHANGED <<{', '.join(self.vars.values())}>>"

    def _new(self, var: str, rest: tuple[Stmt, ...], start: bool) -> str:
        """What an assigned value is called: the primed variable, if the step can neither fail nor assign it again."""
        later = list(statements(rest))
        if not start and not any(isinstance(s, Check) or (isinstance(s, Assign) and s.var == var) for s in later):
            return f"{self.vars[var]}'"
        return self._unused(f"{self.vars[var]}_{k}" for k in count(1))

    def _assign(self, s: Assign, rest: tuple[Stmt, ...], names: Names, start: bool) -> str:
        name = self._new(s.var, rest, start)
        if start and s.path:
            return self._start_cells(s, rest, names)
        value = self.expr(s.value, names)
        if s.path:
            value = f"[{names.vars[s.var]} EXCEPT {self._path(s, names)} = {value}]"
        return self._let(name, value, self.block(rest, Names({**names.vars, s.var: name}), start))

    def _start_cells(self, s: Assign, rest: tuple[Stmt, ...], names: Names) -> str:
        """Initial values of a process variable: cell by cell, each a function on one key."""
        (key,) = s.path
        assert isinstance(key, Expr)
        cell = f"({self.expr(key, names)} :> {self.expr(s.value, names)})"
        so_far = names.vars[s.var]
        name = self._new(s.var, rest, True)
        value = f"{so_far} @@ {cell}" if so_far else cell
        return self._let(name, value, self.block(rest, Names({**names.vars, s.var: name}), True))

    def _path(self, s: Assign, names: Names) -> str:
        t: Type = self.instance.vars[s.var].type
        out = "!"
        for p in s.path:
            if isinstance(p, str):
                assert isinstance(t, Record)
                out, t = out + f".{identifier(p)}", dict(t.fields)[p]
            else:
                at = self.expr(p, names)
                out += f"[{at} + 1]" if isinstance(t, Seq) else f"[{at}]"
                t = t.elem if isinstance(t, Seq) else t.val  # type: ignore[attr-defined]
        return out

    def _if(self, s: IfStmt, rest: tuple[Stmt, ...], names: Names, start: bool) -> str:
        inner = list(statements((s,)))
        cond = self.expr(s.cond, names)
        if any(isinstance(x, Choose | Require | Check | LetStmt | IfStmt | ForAll) for x in inner[1:]):
            then, orelse = (_indent(self.block((*side, *rest), names, start), 6) for side in (s.then, s.orelse))
            return f"/\\ IF {cond}\n   THEN\n{then}\n   ELSE\n{orelse}"
        merged, lets = dict(names.vars), []
        sides = [self._effects(side, names) for side in (s.then, s.orelse)]
        for var in dict.fromkeys(x.var for x in inner if isinstance(x, Assign)):
            name = self._new(var, rest, start)
            then, orelse = (side.get(var, names.vars[var]) for side in sides)
            lets.append((name, f"IF {cond} THEN {then} ELSE {orelse}"))
            merged[var] = name
        out = self.block(rest, Names(merged), start)
        for name, value in reversed(lets):
            out = self._let(name, value, out)
        return out

    def _effects(self, side: tuple[Stmt, ...], names: Names) -> dict[str, str]:
        """What straight-line assignments make of the variables, as expressions."""
        now = Names(dict(names.vars))
        out: dict[str, str] = {}
        for s in side:
            assert isinstance(s, Assign)
            value = self.expr(s.value, now)
            if s.path:
                value = f"[{now.vars[s.var]} EXCEPT {self._path(s, now)} = {value}]"
            out[s.var] = now.vars[s.var] = f"({value})"
        return out

    def _written_out(self, s: ForAll) -> tuple[Stmt, ...]:
        """A loop over all the values its variable can have, each guarded by being in the domain."""
        t: Type = s.domain.type.elem  # type: ignore[attr-defined]
        if (n := card(t)) > MOST_RUNS:
            raise ExportError(f"a `for` over a type of {n:,} values is too long to be written out for TLA+ (at most {MOST_RUNS})")
        self.fresh += 1
        domain = Local(s.domain.type, f"domain#{self.fresh}")
        out: list[Stmt] = [LetStmt(domain.name, s.domain)]
        for v in values(t):
            here = tuple(_substituted(x, {s.name: Const(t, v)}) for x in s.body)
            everywhere = isinstance(s.domain, Apply) and s.domain.op == "all"
            from checker.core.operators.table import apply

            out += here if everywhere else [IfStmt(apply("in_set", Const(t, v), domain), here, ())]
        return tuple(out)

    # values and expressions

    def value(self, v: Value, t: Type) -> str:
        match t:
            case _ if v is None:
                return "none"
            case Option(e):
                return self.value(v, e)
            case Bool():
                return "TRUE" if v else "FALSE"
            case Int():
                return str(v) if v >= 0 else f"(-{-v})"
            case Enum():
                return f'"{v}"'
            case Sort():
                return self.identities[v]
            case Record(n, fs):
                return self._record(n, [(f, self.value(x, ft)) for x, (f, ft) in zip(v.values, fs, strict=True)])
            case Union(vs):
                return self.value(v, vs[t.index(v.name)])
            case Tuple(es):
                return f"<<{', '.join(self.value(x, e) for x, e in zip(v, es, strict=True))}>>"
            case Seq(e, _):
                return f"<<{', '.join(self.value(x, e) for x in v)}>>"
            case Set(e, _):
                return f"{{{', '.join(sorted(self.value(x, e) for x in v))}}}"
            case BagOf(e, _):
                cells = " @@ ".join(f"({self.value(x, e)} :> {v[x]})" for x in v)
                return cells or "[x \\in {} |-> 0]"
            case MapOf(k, x):
                return "(" + " @@ ".join(f"({self.value(y, k)} :> {self.value(v[y], x)})" for y in v) + ")"
        raise AssertionError(t)

    def _record(self, name: str, fields: list[tuple[str, str]]) -> str:
        inner = ", ".join(f"{identifier(f)} |-> {x}" for f, x in fields)
        if name in self.instance.messages:
            return f'<<"{name}", [{inner}]>>' if fields else f'<<"{name}">>'
        return f"[{inner}]"

    def type(self, t: Type) -> str:
        """The set of all values of a type."""
        match t:
            case Bool():
                return "BOOLEAN"
            case Int(lo, hi):
                return f"({lo})..{hi}" if isinstance(lo, int) and lo < 0 else f"{lo}..{hi}"
            case Enum(_, ms):
                return "{" + ", ".join(f'"{m}"' for m in ms) + "}"
            case Sort(n, _):
                return self.sorts[n]
            case Option(e):
                return f"({self.type(e)} \\cup {{none}})"
            case Record(n, fs) if n not in self.instance.messages:
                return "[" + ", ".join(f"{identifier(f)} : {self.type(x)}" for f, x in fs) + "]"
            case Tuple(es):
                return "(" + " \\X ".join(map(self._inner, es)) + ")" if len(es) > 1 else f"{{<<x>> : x \\in {self.type(es[0])}}}"
            case Set(e, None):
                return f"(SUBSET {self._inner(e)})"
            case MapOf(k, v):
                return f"[{self.type(k)} -> {self.type(v)}]"
        return "{" + ", ".join(self.value(v, t) for v in values(t)) + "}"

    def _inner(self, t: Type) -> str:
        """The set of all values of a type, as an operand."""
        return f"({self.type(t)})" if isinstance(t, Int) else self.type(t)

    def expr(self, e: Expr, names: Names) -> str:
        """An expression; composite ones in parentheses."""

        def go(x: Expr) -> str:
            return self.expr(x, names)

        match e:
            case Const(Set(Set())) if e.value:
                return self._constant(self.value(e.value, e.type))
            case Const():
                return self.value(e.value, e.type)
            case Local():
                return self.local(e.name)
            case Read():
                return (names.primed if e.primed else names.vars)[e.var]
            case If():
                return self._condition(e, go)
            case Quant():
                q = "\\A" if e.kind == "forall" else "\\E"
                return f"({q} {self.local(e.name)} \\in {self._domain(e.domain, go)} : {go(e.body)})"
            case SetOf():
                name, domain = self.local(e.name), self._domain(e.domain, go)
                inner = domain if e.where == TRUE else f"{{{name} \\in {domain} : {go(e.where)}}}"
                if isinstance(e.body, Local) and e.body.name == e.name:
                    return inner
                return f"{{{go(e.body)} : {name} \\in {inner}}}"
            case Fold():
                return self._fold(e, go)
            case Mapping():
                assert isinstance(e.type, MapOf)
                return f"[{self.local(e.name)} \\in {self.type(e.type.key)} |-> {go(e.body)}]"
            case Let() if isinstance(e.value, Local | Const):
                return go(subst(e.body, {e.name: e.value}))
            case Let():
                return f"(LET {self.local(e.name)} == {go(e.value)} IN {go(e.body)})"
            case Fit():
                if isinstance(e.type, BagOf) and not isinstance(e.value.type, BagOf):
                    return "[x \\in {} |-> 0]"
                return go(e.value)
            case Sent():
                return go(self.low.sent(e))
            case Apply():
                return self._apply(e, [go(a) for a in e.args])
        raise AssertionError(e)

    def _domain(self, d: Expr, go: Callable[[Expr], str]) -> str:
        return f"DOMAIN {go(d)}" if isinstance(d.type, BagOf) else go(d)

    def _condition(self, e: If, go: Callable[[Expr], str]) -> str:
        c, a, b = go(e.cond), e.then, e.orelse
        if isinstance(e.type, Bool):
            if isinstance(b, Const) and b.value is False:
                return f"({c} /\\ {go(a)})"
            if isinstance(a, Const) and a.value is True:
                return f"({c} \\/ {go(b)})"
            if isinstance(b, Const) and b.value is True:
                return f"({c} => {go(a)})"
        return f"(IF {c} THEN {go(a)} ELSE {go(b)})"

    def _fold(self, e: Fold, go: Callable[[Expr], str]) -> str:
        name = self.local(e.name)
        domain = f"{{{name} \\in {self._domain(e.domain, go)} : {go(e.where)}}}"
        if e.kind == "sum":
            return f"SumOver([{name} \\in {domain} |-> {go(e.body)}], {domain})"
        every = f"{{{go(e.body)} : {name} \\in {domain}}}"
        self.fresh += 1
        x, y = f"x_{self.fresh}_", f"y_{self.fresh}_"  # its own names: one fold may stand in another
        less = self._less(e.type, y, x) if e.kind == "min" else self._less(e.type, x, y)
        return f"(CHOOSE {x} \\in {every} : \\A {y} \\in {every} : ~ {less})"

    def _less(self, t: Type, a: str, b: str) -> str:
        """a < b in the order of the type."""
        match t:
            case Int():
                return f"({a} < {b})"
            case Enum(n, _):
                if n not in self.enums:
                    self.enums[n] = self._name(f"Rank_{n}"), t
                rank = self.enums[n][0]
                return f"({rank}({a}) < {rank}({b}))"
            case Option(e):
                return f"({b} # none /\\ ({a} = none \\/ {self._less(e, a, b)}))"
            case Record(_, fs):
                parts = [(ft, f"{a}.{identifier(f)}", f"{b}.{identifier(f)}") for f, ft in fs]
            case Tuple(es):
                parts = [(e, f"{a}[{k + 1}]", f"{b}[{k + 1}]") for k, e in enumerate(es)]
            case _:
                raise AssertionError(t)
        out = "FALSE"
        for ft, x, y in reversed(parts):
            out = f"({self._less(ft, x, y)} \\/ ({x} = {y} /\\ {out}))"
        return out

    def _apply(self, e: Apply, xs: list[str]) -> str:
        t = e.args[0].type if e.args else e.type
        simple = SIMPLE.get(e.op)
        if simple:
            return simple.format(*xs)
        match e.op:
            case "lt" | "gt" | "le" | "ge":
                a, b = (xs[0], xs[1]) if e.op in ("lt", "ge") else (xs[1], xs[0])
                less = self._less(self._joined(e), a, b)
                return less if e.op in ("lt", "gt") else f"(~ {less})"
            case "member" | "in_set":
                return self._member(e, xs)
            case "len":
                how = {Seq: "Len({})", BagOf: "BagSize({})"}.get(type(t), "Cardinality({})")
                return how.format(xs[0])
            case "set":
                return "{" + ", ".join(xs) + "}"
            case "seq" | "tuple":
                return "<<" + ", ".join(xs) + ">>"
            case "all":
                return self.type(e.attr)
            case "minset" | "maxset":
                x = Local(e.type, f"x#m{self.fresh}")
                return self._fold(
                    Fold(e.type, e.op[:3], x.name, e.args[0], TRUE, x),
                    lambda y: xs[0] if y is e.args[0] else self.expr(y, self._now()),
                )
            case "record":
                return self._record(e.attr.name, [(f, x) for (f, _), x in zip(e.attr.fields, xs, strict=True)])
            case "field":
                return f"{xs[0]}[2].{identifier(e.attr)}" if t.name in self.instance.messages else f"{xs[0]}.{identifier(e.attr)}"  # type: ignore[attr-defined]
            case "with_field":
                return f"[{xs[0]} EXCEPT !.{identifier(e.attr)} = {xs[1]}]"
            case "item":
                return f"{xs[0]}[{e.attr + 1}]"
            case "with_item":
                return f"[{xs[0]} EXCEPT ![{e.attr + 1}] = {xs[1]}]"
            case "index":
                return f"{xs[0]}[{xs[1]} + 1]" if isinstance(t, Seq) else f"{xs[0]}[{xs[1]}]"
            case "with_index":
                at = f"{xs[1]} + 1" if isinstance(t, Seq) else xs[1]
                return f"[{xs[0]} EXCEPT ![{at}] = {xs[2]}]"
            case "is":
                return f'({xs[0]}[1] = "{e.attr}")'
            case "fits":
                return self._fits(xs[0], e.args[0].type, e.attr)
        raise AssertionError(e.op)

    def _joined(self, e: Apply) -> Type:
        from checker.core.operators.table import join

        return join(e.args[0].type, e.args[1].type)

    def _member(self, e: Apply, xs: list[str]) -> str:
        t = e.args[1].type
        return f"({xs[0]} \\in {'DOMAIN ' if isinstance(t, BagOf) else ''}{f'Elems({xs[1]})' if isinstance(t, Seq) else xs[1]})"

    def _fits(self, x: str, a: Type, t: Type) -> str:
        """Is x, of type a, a value of type t?"""
        match a, t:
            case _ if a == t:
                return "TRUE"
            case Int(), Int(lo, hi):
                return f"({lo} <= {x} /\\ {x} <= {hi})"
            case _, Option(e):
                return f"({x} = none \\/ {self._fits(x, a.elem if isinstance(a, Option) else a, e)})"
            case Option(e), _:
                return f"({x} # none /\\ {self._fits(x, e, t)})"
            case Record(_, fs), Record(n, gs):
                at = f"{x}[2]" if n in self.instance.messages else x
                parts = [self._fits(f"{at}.{identifier(f)}", ft, gt) for (f, ft), (_, gt) in zip(fs, gs, strict=True)]
                return "(" + " /\\ ".join(parts or ["TRUE"]) + ")"
            case Tuple(es), Tuple(gs):
                return (
                    "("
                    + " /\\ ".join(self._fits(f"{x}[{k + 1}]", f, g) for k, (f, g) in enumerate(zip(es, gs, strict=True)))
                    + ")"
                )
            case ((Set(f, _) | Seq(f, _) | BagOf(f, _)), (Set(g, cap) | Seq(g, cap) | BagOf(g, cap))):
                size = {Seq: "Len({})", BagOf: "BagSize({})"}.get(type(a), "Cardinality({})").format(x)
                inner = {Seq: "Elems({})", BagOf: "DOMAIN {}"}.get(type(a), "{}").format(x)
                self.fresh += 1
                y = f"y_{self.fresh}"
                short = "TRUE" if cap is None else f"{size} <= {cap}"
                each = f"\\A {y} \\in {inner} : {self._fits(y, f, g)}"
                return f"({short})" if f == g else f"({short} /\\ {each})"
            case MapOf(k, f), MapOf(_, g):
                self.fresh += 1
                y = f"y_{self.fresh}"
                return f"(\\A {y} \\in {self.type(k)} : {self._fits(f'{x}[{y}]', f, g)})"
        return "TRUE"


SIMPLE = {
    "not": "(~ {0})",
    "eq": "({0} = {1})",
    "ne": "({0} # {1})",
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "FloorDiv({0}, {1})",
    "mod": "FloorMod({0}, {1})",
    "neg": "(-{0})",
    "min2": "Smaller({0}, {1})",
    "max2": "Larger({0}, {1})",
    "union": "({0} \\cup {1})",
    "inter": "({0} \\cap {1})",
    "diff": "({0} \\ {1})",
    "subset": "({0} \\subseteq {1})",
    "subsets": "(SUBSET {0})",
    "range": "({0}..({1} - 1))",
    "the": "{0}",
    "inject": "{0}",
    "project": "{0}",
    "keys": "(DOMAIN {0})",
    "values": "Elems({0})",
    "elems": "Elems({0})",
    "indices": "(0..(Len({0}) - 1))",
    "last": "{0}[Len({0})]",
    "concat": "({0} \\o {1})",
    "slice": "SubSeq({0}, {1} + 1, {2})",
    "count": "BagCount({0}, {1})",
    "bag_add": "BagAdd({0}, {1})",
    "bag_remove": "BagRemove({0}, {1})",
}


def _substituted(s: Stmt, env: dict[str, Expr]) -> Stmt:
    """A statement with locals replaced."""
    from dataclasses import fields, replace

    changes: dict[str, Any] = {}
    for f in fields(s):
        x = getattr(s, f.name)
        if isinstance(x, Expr):
            changes[f.name] = subst(x, env)
        elif isinstance(x, tuple):
            changes[f.name] = tuple(
                _substituted(y, env) if isinstance(y, Stmt) else subst(y, env) if isinstance(y, Expr) else y for y in x
            )
    return replace(s, **changes)


def _called(a: Transition) -> str:
    return re.sub("_+", "_", identifier(f"{a.process}_{a.name}" if a.process else a.name))


def _guard(cond: str) -> str:
    """A guard as TLC must read it: where it sees `\\/` or `\\E` in an action, it would try each side as a step of its own."""
    return f"TRUE = {cond}" if re.search(r"\\/|=>|\\E", cond) else cond


def _indent(text: str, n: int) -> str:
    return "\n".join(" " * n + line if line else line for line in text.rstrip("\n").split("\n"))
