"""Expressions of a model → values over sorts without a size.  Definitions are inlined; quorums are a sort of their own.

`value` gives an expression its value, `defined` says where it has one.  What has no meaning without sizes is Refused, with its
node.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import z3

from checker.core.ir import (
    Apply,
    Byzantine,
    Call,
    Const,
    Expr,
    Fit,
    Fold,
    If,
    InFlight,
    Let,
    Local,
    Mapping,
    Param,
    Quant,
    Read,
    Sent,
    SetOf,
    Size,
)
from checker.core.model import Model
from checker.core.operators import TABLE
from checker.core.operators.table import join
from checker.core.types import Enum, Int, MapOf, Option, Record, Seq, Set, Sort, Tuple, Type, Unknown, show
from checker.engines.smt.unbounded import sequences
from checker.engines.smt.unbounded.claims import meetings, never_empty
from checker.engines.smt.unbounded.formula import (
    FALSE,
    TRUE,
    F,
    all_of,
    any_of,
    both,
    choose,
    either,
    every,
    implies,
    is_true,
    negation,
    same,
    some,
    unknown,
)
from checker.engines.smt.unbounded.state import Net, Relations, Symbols
from checker.engines.smt.unbounded.values import (
    Cut,
    Lit,
    Members,
    NeedsNumbers,
    Opt,
    Parts,
    Refused,
    Sequence,
    Table,
    Term,
    Value,
    World,
    lifted,
)

Env = dict[str, Value]
COUNTING = "say it with a quorum: `quorum Majority of NODE`, and `exists q: Majority. forall a in q. …`"


ARITHMETIC = {"mul": "*", "div": "//"}


class Theory(World):
    """The sorts of a model, its quorums and its parameters.  `params`: those whose value matters (switches)."""

    def __init__(self, model: Model, params: dict[str, Any], numbers: bool = False) -> None:
        super().__init__(numbers)
        self.model, self.params = model, params
        self.relations = Relations(self, model.messages)
        self.quorums: set[str] = set()
        self._never_empty: dict[str, bool] = {}
        self._sequences: dict[str, tuple[Any, Any, Symbols]] = {}
        self.goes_round = False  # is there a remainder, with the condition that it goes round once?

    # quorums

    def quorum(self, name: str) -> tuple[Any, Any]:
        """The sort of a family of quorums, and who is in one."""
        self.quorums.add(name)
        sort = z3.DeclareSort(f"quorum {name}")
        return sort, z3.Function(f"in {name}", self.sort(Sort(self.model.quorums[name].sort)), sort, z3.BoolSort())

    def members(self, name: str, q: Any) -> Members:
        of = Sort(self.model.quorums[name].sort)
        _, inside = self.quorum(name)
        return Members(of, lambda x: self.within(x, lambda t: same(inside(t, q))))

    def some_quorum(self, name: str) -> F:
        """Is there any?  What a condition asks for may be none of the sets."""
        if name not in self._never_empty:
            self._never_empty[name] = never_empty(self.model, self.params, name)
        return TRUE if self._never_empty[name] else same(z3.Bool(f"there is a {name}"))

    def quorum_axioms(self) -> list[Any]:
        """Two that are claimed to meet have a member in common."""
        out = []
        for one, other in meetings(self.model):
            if {one, other} <= self.quorums:
                (s, inside), (t, there) = self.quorum(one), self.quorum(other)
                a, q, r = unknown(self.sort(Sort(self.model.quorums[one].sort))), unknown(s), unknown(t)
                meet = every([q, r], some([a], both(same(inside(a, q)), same(there(a, r)))))
                out.append(implies(both(self.some_quorum(one), self.some_quorum(other)), meet).pos)
        return out

    # numbers

    def bounds(self, t: Int) -> tuple[Any, Any]:
        return self._limit(t.lo), self._limit(t.hi)

    def _limit(self, b: Any) -> Any:
        """A bound; one that is not linear in the parameters is any number."""
        match b:
            case None | int():
                return b
            case Const(_, int(n)):
                return n
            case Param(_, name):
                return z3.Int(f"param {name}")
            case Apply(_, ("add" | "sub") as op, (x, y)):
                left, right = self._limit(x), self._limit(y)
                if left is not None and right is not None:
                    return left + right if op == "add" else left - right
        return z3.Int(f"bound {hash(b)}")

    def in_range(self, t: Type, v: Value) -> F:
        if not (self.numbers and isinstance(t, Int)):
            return TRUE
        lo, hi = self.bounds(t)
        low = TRUE if lo is None else negation(self.less(t, v, Term(z3.IntVal(lo) if isinstance(lo, int) else lo)))
        high = TRUE if hi is None else negation(self.less(t, Term(z3.IntVal(hi) if isinstance(hi, int) else hi), v))
        return both(low, high)

    def fits(self, t: Type, v: Value) -> F:
        """Is the value one of this type?  (It is one of a type that may be wider.)  Looks at every part: NeedsNumbers."""
        match t:
            case Int():
                return self._fits_number(t, lifted(v).value)
            case Option(e):
                o = lifted(v)
                return TRUE if o.value is None else implies(o.present, self.fits(e, o.value))
            case Record(_, fs):
                return all_of(self.fits(f, x) for (_, f), x in zip(fs, v.values, strict=True))
            case Tuple(es):
                return all_of(self.fits(e, x) for e, x in zip(es, v.values, strict=True))
            case Set(e, _):
                return self.for_all(e, lambda x: implies(v.has(x), self.fits(e, x)))
            case Seq(e, cap):
                most = self.in_range(
                    Int(None, cap), v.length if isinstance(v.length, Cut) else self.settle(v.length, z3.IntSort())
                )
                return both(most, sequences.all_items(self, v, lambda x: self.fits(e, x)))
            case MapOf(k, e):
                return self.for_all(k, lambda x: implies(self.fits(k, x), self.fits(e, v.at(x))))
        return TRUE

    # sequences

    def sequences(self, elem: Type) -> tuple[Any, Any]:
        if not self.numbers:
            raise NeedsNumbers
        name = f"seq[{show(elem)}]"
        if name not in self._sequences:
            sort, symbols = z3.DeclareSort(name), Symbols(self)
            make = symbols.value(f"of {name}", Seq(elem), (sort,))
            self._sequences[name] = sort, (lambda x: replace(make([x]), term=x)), symbols
        return self._sequences[name][:2]

    def sequence_axioms(self) -> list[Any]:
        return [a for *_, symbols in self._sequences.values() for a in symbols.axioms]

    def _fits_number(self, t: Int, v: Value) -> F:
        if self.numbers or v is None:
            return TRUE if v is None else self.in_range(t, v)
        if isinstance(v, Lit):
            self.literal(v.n, self.sort(t))
        elif self.sort_of(v) != self.sort(t):
            raise NeedsNumbers
        return TRUE


@dataclass(frozen=True)
class Expressions:
    """Expressions in one state, or over a step."""

    w: Theory
    state: dict[str, Value]
    net: Net
    after: dict[str, Value] | None = None

    # values

    def value(self, e: Expr, env: Env) -> Value:
        """The value of an expression.  Raises Refused."""
        try:
            return self._value(e, env)
        except Refused as why:
            why.node = why.node or (e if e.span else None)
            raise

    def formula(self, e: Expr, env: Env) -> F:
        found = self.value(e, env)
        assert isinstance(found, F)
        return found

    def _value(self, e: Expr, env: Env) -> Value:
        match e:
            case Const():
                return self.constant(e.type, e.value)
            case Param():
                return self._param(e)
            case Local():
                return env[e.name]
            case Read():
                states = self.after if e.primed else self.state
                assert states is not None
                return states[e.var]
            case If():
                c = self.formula(e.cond, env)
                if is_true(c):
                    return self.value(e.then, env)
                return self.w.merge(c, self.value(e.then, env), self.value(e.orelse, env))
            case Let():
                return self.value(e.body, {**env, e.name: self.value(e.value, env)})
            case Call():
                return self._call(e, env)
            case Fit():
                return self.fit(e.type, self.value(e.value, env))
            case Quant():
                return self._quantified(e, env, lambda inner: self.formula(e.body, inner))
            case SetOf():
                return self._set_of(e, env)
            case Fold():
                return self._fold(e, env)
            case Mapping():
                assert isinstance(e.type, MapOf)
                return Table(e.type.key, lambda k: self.value(e.body, {**env, e.name: k}))
            case Sent():
                return self._sent(e, env)
            case Apply():
                return self._apply(e, env)
            case Byzantine():  # nobody: the fault is refused where it is declared
                ident = self.w.model.processes[e.process].ident
                return FALSE if ident is None else Members(ident, lambda _: FALSE)
            case Size():
                raise Refused(f"len({e.sort}): sizes are not known here", COUNTING, e)
            case InFlight():
                raise Refused("in_flight: how many messages there are is not known here", "ask for single ones: `sent M(…)`")
        raise Refused(f"`{type(e).__name__.lower()}` has no encoding for any size")

    def constant(self, t: Type, v: Any) -> Value:
        if isinstance(v, bool):
            return TRUE if v else FALSE
        if isinstance(v, int):
            return Lit(v)
        if v is None:
            return Opt(FALSE, None)
        if isinstance(v, str) and isinstance(t, Enum):
            return Term(self.w.member(t, v))
        if isinstance(v, frozenset) and isinstance(t, Set):
            items = [self.constant(t.elem, x) for x in v]
            return Members(t.elem, lambda x: any_of(self.w.equal(x, y) for y in items))
        if isinstance(v, tuple) and isinstance(t, Seq):
            return sequences.literal(self.w, t.elem, tuple(self.constant(t.elem, x) for x in v))
        if isinstance(t, Option):
            return Opt(TRUE, self.constant(t.elem, v))
        raise Refused(f"the value {v} of type {show(t)}")

    def _param(self, e: Param) -> Value:
        if e.name in self.w.params:
            return self.constant(e.type, self.w.params[e.name])
        if self.w.numbers:
            return Term(z3.Int(f"param {e.name}"))
        for t, sort in self.w.ordered.values():
            if isinstance(t.hi, Param) and t.hi.name == e.name:
                return Term(self.w.top(sort))
        raise NeedsNumbers

    def fit(self, t: Type, v: Value) -> Value:
        """A value where one of type t is expected."""
        if isinstance(t, Option):
            o = lifted(v)
            return o if o.value is None else Opt(o.present, self.fit(t.elem, o.value))
        if isinstance(v, Opt):
            v = self.junk(t) if v.value is None else v.value
        if isinstance(v, Lit) and isinstance(t, Int):
            return Term(self.w.literal(v.n, self.w.sort(t)))
        if isinstance(v, Term | Cut) and isinstance(t, Int) and t.lo is not None and self.w.sort_of(v) != self.w.sort(t):
            raise NeedsNumbers
        if isinstance(v, Parts) and isinstance(t, Record):
            return Parts(tuple(self.fit(f, x) for (_, f), x in zip(t.fields, v.values, strict=True)))
        if isinstance(v, Table) and isinstance(t, MapOf):
            return Table(t.key, lambda k: self.fit(t.val, v.at(k)))
        if isinstance(v, Members) and isinstance(t, Set):
            return Members(t.elem, v.has)
        if isinstance(v, Sequence) and isinstance(t, Seq):
            return Sequence(t.elem, v.length, v.items and (lambda i: self.fit(t.elem, v.at(i))), v.term)
        return v

    def _call(self, e: Call, env: Env) -> Value:
        if e.name in self.w.model.quorums:
            raise Refused(f"the family {e.name} as a value", f"quantify over it: `exists q: {e.name}. …`")
        d = self.w.model.defs[e.name]
        args = {n: self.fit(t, self.value(a, env)) for a, (n, t) in zip(e.args, d.params, strict=True)}
        return self.value(d.body, args)

    # binders

    def _quantified(self, e: Quant | Fold | SetOf, env: Env, body: Any, kind: str | None = None) -> F:
        """`body` of all (of some) elements of the domain."""
        kind = kind or getattr(e, "kind", "exists")
        d = e.domain
        if isinstance(d, Call) and d.name in self.w.model.quorums:
            q = unknown(self.w.quorum(d.name)[0], d.name)
            said = body({**env, e.name: self.w.members(d.name, q)})
            there = self.w.some_quorum(d.name)
            return implies(there, every([q], said)) if kind == "forall" else both(there, some([q], said))
        if isinstance(d, Apply) and d.op == "set":
            found = [body({**env, e.name: self.value(a, env)}) for a in d.args]
            return all_of(found) if kind == "forall" else any_of(found)
        t = getattr(d.type, "elem", Unknown())
        if isinstance(t, Unknown):
            return TRUE if kind == "forall" else FALSE
        inside = self._inside(d, env)
        if kind == "forall":
            return self.w.for_all(t, lambda x: implies(inside(x), body({**env, e.name: x})))
        return self.w.exists(t, lambda x: both(inside(x), body({**env, e.name: x})))

    def _inside(self, d: Expr, env: Env) -> Any:
        if isinstance(d, Apply) and d.op == "all":
            return lambda x: self.w.fits(d.attr, x)
        v = self.value(d, env)
        return (lambda x: sequences.has(self.w, v, x)) if isinstance(v, Sequence) else v.has

    def _set_of(self, e: SetOf, env: Env) -> Value:
        t = getattr(e.type, "elem", Unknown())
        if isinstance(e.body, Local) and e.body.name == e.name and not isinstance(e.domain, Call):
            inside = self._inside(e.domain, env)
            return Members(t, lambda x: both(inside(x), self.formula(e.where, {**env, e.name: x})))

        def has(x: Value) -> F:
            return self._quantified(
                e, env, lambda i: both(self.formula(e.where, i), self.w.equal(x, self.value(e.body, i))), "exists"
            )

        return Members(t, has)

    def _fold(self, e: Fold, env: Env) -> Value:
        """The least or the greatest: a cut."""
        if e.kind == "sum" or not isinstance(e.type, Int):
            raise Refused(f"a {e.kind} over a set", COUNTING if e.kind == "sum" else "")
        sort = self.w.sort(e.type)
        kind, join_ = ("exists", both) if e.kind == "max" else ("forall", implies)

        def cut(op: Any) -> Any:
            def said(x: Any) -> F:
                return self._quantified(
                    e,
                    env,
                    lambda i: join_(self.formula(e.where, i), op(self.w.settle(self.value(e.body, i), sort), x)),
                    kind,
                )

            return said

        return Cut(sort, cut(self.w.ge), cut(self.w.gt))

    def _sent(self, e: Sent, env: Env) -> F:
        fields = self.w.relations.fields(e.message)
        d = self.w.model.messages[e.message]
        wanted = [*e.args, *([e.to] if d.to else []), *([e.sender] if d.sender else [])]
        cases: list[tuple[F, tuple[str, ...], list[Value]]] = [(TRUE, (), [])]
        for a, (_, t) in zip(wanted, fields, strict=True):
            mine = [(TRUE, "_", [])] if a is None else self.w.scalars(t, self.fit(t, self.value(a, env)))
            cases = [(both(c, g), (*p, tag), [*vs, *xs]) for c, p, vs in cases for g, tag, xs in mine]
        return any_of(
            both(c, self.w.within_all(vs, lambda xs, p=p: self.net(e.message, p, xs)))  # type: ignore[misc]
            for c, p, vs in cases
        )

    # operators

    def _apply(self, e: Apply, env: Env) -> Value:
        match e.op:
            case "member" | "in_set" if isinstance(e.args[1], Call) and e.args[1].name in self.w.model.quorums:
                return self._is_quorum(self.value(e.args[0], env), e.args[1].name)
            case "member" | "in_set":
                x = self.value(e.args[0], env)
                d = e.args[1]
                if isinstance(d, Apply) and d.op == "set":
                    return any_of(self.w.equal(x, self.value(a, env)) for a in d.args)
                t = getattr(d.type, "elem", Unknown())
                return self._member(x, t, self._inside(d, env))
            case "all":
                return Members(e.attr, lambda x: self.w.fits(e.attr, x))
            case "len" if not isinstance(e.args[0].type, Seq):
                raise Refused("len(…): sizes are not known here", COUNTING, e)
        rule = getattr(self, f"_op_{e.op}", None)
        if e.op in ARITHMETIC:
            raise Refused(f"`{ARITHMETIC[e.op]}` of numbers", "only +, - and (where it goes round once) % can be encoded", e)
        expand = TABLE[e.op].expand
        if rule is None and expand is not None:
            return self.value(expand(e), env)
        if rule is None:
            raise Refused(f"{TABLE[e.op].doc.partition(':')[0]} has no encoding for any size", "", e)
        return rule(e, *(self.value(a, env) for a in e.args))

    def _member(self, x: Value, t: Type, has: Any) -> F:
        if isinstance(t, Unknown):
            return FALSE
        if isinstance(x, Opt) and not isinstance(t, Option):
            return FALSE if x.value is None else both(x.present, has(x.value))
        return has(self.fit(t, x))  # type: ignore[no-any-return]

    def _is_quorum(self, s: Value, name: str) -> F:
        q = unknown(self.w.quorum(name)[0], name)
        return both(self.w.some_quorum(name), some([q], self.w.equal(s, self.w.members(name, q))))

    def _op_not(self, _: Apply, a: F) -> F:
        return negation(a)

    def _op_eq(self, _: Apply, a: Value, b: Value) -> F:
        return self.w.equal(a, b)

    def _op_ne(self, _: Apply, a: Value, b: Value) -> F:
        return negation(self.w.equal(a, b))

    def _less(self, e: Apply, a: Value, b: Value) -> F:
        return self.w.less(join(e.args[0].type, e.args[1].type), a, b)

    def _op_lt(self, e: Apply, a: Value, b: Value) -> F:
        return self._less(e, a, b)

    def _op_gt(self, e: Apply, a: Value, b: Value) -> F:
        return self._less(e, b, a)

    def _op_le(self, e: Apply, a: Value, b: Value) -> F:
        return negation(self._less(e, b, a))

    def _op_ge(self, e: Apply, a: Value, b: Value) -> F:
        return negation(self._less(e, a, b))

    def _op_min2(self, e: Apply, a: Value, b: Value) -> Value:
        return self.w.merge(self._less(e, a, b), a, b)

    def _op_max2(self, e: Apply, a: Value, b: Value) -> Value:
        return self.w.merge(self._less(e, a, b), b, a)

    def _op_add(self, _: Apply, a: Value, b: Value) -> Value:
        return self.w.plus(a, b, 1)

    def _op_sub(self, _: Apply, a: Value, b: Value) -> Value:
        return self.w.plus(a, b, -1)

    def _op_mod(self, e: Apply, a: Value, b: Value) -> Value:
        """Where it goes round at most once; elsewhere it has no value here (`_goes_round`)."""
        if isinstance(a, Lit) and isinstance(b, Lit) and b.n:
            return Lit(a.n % b.n)
        if isinstance(b, Lit) and b.n < 0:
            raise Refused(f"% by {b.n}, which is negative", "only remainders by what is positive can be encoded", e)
        self.w.goes_round = True
        back, less = self.w.plus(a, b, -1), self._before
        return self.w.merge(less(a, Lit(0)), self.w.plus(a, b, 1), self.w.merge(less(a, b), a, back))

    def _goes_round(self, a: Value, b: Value) -> F:
        if isinstance(a, Lit) and isinstance(b, Lit):
            return TRUE if b.n else FALSE
        once = both(negation(self._before(self.w.plus(a, b, 1), Lit(0))), self._before(self.w.plus(a, b, -1), b))
        return both(self._before(Lit(0), b), once)

    def _before(self, a: Value, b: Value) -> F:
        return self.w.less(sequences.NUMBER, a, b)

    def _op_neg(self, _: Apply, a: Value) -> Value:
        return self.w.plus(Lit(0), a, -1)

    def _op_range(self, e: Apply, a: Value, b: Value) -> Value:
        t: Any = getattr(e.type, "elem", Unknown())
        return Members(t, lambda x: both(negation(self.w.less(t, x, a)), self.w.less(t, x, b)))

    def _op_set(self, e: Apply, *xs: Value) -> Value:
        return Members(e.type.elem, lambda x: any_of(self.w.equal(x, y) for y in xs))  # type: ignore[attr-defined]

    def _op_union(self, e: Apply, a: Members, b: Members) -> Value:
        return Members(e.type.elem, lambda x: either(a.has(x), b.has(x)))  # type: ignore[attr-defined]

    def _op_inter(self, e: Apply, a: Members, b: Members) -> Value:
        return Members(e.type.elem, lambda x: both(a.has(x), b.has(x)))  # type: ignore[attr-defined]

    def _op_diff(self, e: Apply, a: Members, b: Members) -> Value:
        return Members(e.type.elem, lambda x: both(a.has(x), negation(b.has(x))))  # type: ignore[attr-defined]

    def _op_subset(self, e: Apply, a: Members, b: Members) -> F:
        t = b.elem if isinstance(a.elem, Unknown) else a.elem
        return TRUE if isinstance(t, Unknown) else self.w.for_all(t, lambda x: implies(a.has(x), b.has(x)))

    def _op_subsets(self, e: Apply, s: Members) -> Value:
        return Members(e.type.elem, lambda x: self._op_subset(e, x, s))  # type: ignore[attr-defined]

    def _op_index(self, e: Apply, m: Value, k: Value) -> Value:
        if isinstance(m, Sequence):
            return self._item(e, m, k)
        return m.at(self.fit(m.key, k))

    def _op_with_index(self, _: Apply, m: Value, k: Value, v: Value) -> Value:
        if isinstance(m, Sequence):
            return m if m.items is None else sequences.with_item(self.w, m, k, self.fit(m.elem, v))
        key = self.fit(m.key, k)
        return Table(m.key, lambda x: self.w.merge(self.w.equal(x, key), v, m.at(x)))

    # sequences

    def _item(self, e: Apply, s: Sequence, i: Value) -> Value:
        return self.junk(e.type) if s.items is None else sequences.at(self.w, s, i)

    def _op_len(self, _: Apply, s: Sequence) -> Value:
        return s.length

    def _op_last(self, e: Apply, s: Sequence) -> Value:
        return self._item(e, s, self.w.plus(s.length, Lit(1), -1))

    def _op_seq(self, e: Apply, *xs: Value) -> Value:
        t = e.type.elem  # type: ignore[attr-defined]
        return sequences.literal(self.w, t, tuple(self.fit(t, x) for x in xs))

    def _op_concat(self, e: Apply, a: Sequence, b: Sequence) -> Value:
        t = Seq(e.type.elem)  # type: ignore[attr-defined]
        return sequences.concat(self.w, t.elem, self.fit(t, a), self.fit(t, b))

    def _op_slice(self, e: Apply, s: Sequence, a: Value, b: Value) -> Value:
        return sequences.part(self.w, e.type.elem, s, a, b)  # type: ignore[attr-defined]

    def _op_elems(self, e: Apply, s: Sequence) -> Value:
        return Members(e.type.elem, lambda x: sequences.has(self.w, s, x))  # type: ignore[attr-defined]

    def _op_indices(self, _: Apply, s: Sequence) -> Value:
        return sequences.indices(self.w, s)

    def _op_record(self, e: Apply, *xs: Value) -> Value:
        return Parts(tuple(self.fit(t, x) for (_, t), x in zip(e.attr.fields, xs, strict=True)))

    def _op_field(self, e: Apply, r: Parts) -> Value:
        t = e.args[0].type
        assert isinstance(t, Record)
        return r.values[t.index(e.attr)]

    def _op_with_field(self, e: Apply, r: Parts, v: Value) -> Value:
        t = e.args[0].type
        assert isinstance(t, Record)
        i = t.index(e.attr)
        return Parts((*r.values[:i], v, *r.values[i + 1 :]))

    def _op_tuple(self, _: Apply, *xs: Value) -> Value:
        return Parts(xs)

    def _op_item(self, e: Apply, r: Parts) -> Value:
        return r.values[e.attr]

    def _op_with_item(self, e: Apply, r: Parts, v: Value) -> Value:
        return Parts((*r.values[: e.attr], v, *r.values[e.attr + 1 :]))

    def _op_the(self, e: Apply, x: Value) -> Value:
        o = lifted(x)
        return self.junk(e.type) if o.value is None else o.value

    def junk(self, t: Type) -> Value:
        """Some value, where it makes no difference which."""
        _, sorts, make = self.w.alternatives(t)[-1]
        return make([unknown(s, "junk") for s in sorts])

    # where there is a value

    def defined(self, e: Expr, env: Env) -> F:
        """Where the expression has a value."""
        match e:
            case Const() | Local() | Read() | Param():
                return TRUE
            case If():
                c = self.formula(e.cond, env)
                return both(self.defined(e.cond, env), choose(c, self.defined(e.then, env), self.defined(e.orelse, env)))
            case Let():
                inner = {**env, e.name: self.value(e.value, env)}
                return both(self.defined(e.value, env), self.defined(e.body, inner))
            case Call():
                return self._defined_call(e, env)
            case Fit():
                return both(self.defined(e.value, env), self._fits(e, env))
            case Quant():
                return both(self._defined(e.domain, env), self._quantified(e, env, lambda i: self.defined(e.body, i), "forall"))
            case SetOf() | Fold():
                return self._defined_fold(e, env)
            case Mapping():
                assert isinstance(e.type, MapOf)
                key = e.type.key
                return self.w.for_all(key, lambda k: implies(self.w.fits(key, k), self.defined(e.body, {**env, e.name: k})))
            case Sent():
                return all_of(self.defined(a, env) for a in (*e.args, e.to, e.sender) if a is not None)
            case Apply():
                here = self._defined_op(e, env)
                return all_of([*(self._defined(a, env) for a in e.args), here])
        return TRUE

    def _defined(self, e: Expr, env: Env) -> F:
        return TRUE if isinstance(e, Call) and e.name in self.w.model.quorums else self.defined(e, env)

    def _defined_call(self, e: Call, env: Env) -> F:
        d = self.w.model.defs[e.name]
        fine = (both(self.defined(a, env), self.given(t, a, env)) for a, (_, t) in zip(e.args, d.params, strict=True))
        args = all_of(fine)
        if not e.args and is_true(args):
            return self.defined(d.body, {})
        return both(
            args, self.defined(d.body, {n: self.fit(t, self.value(a, env)) for a, (n, t) in zip(e.args, d.params, strict=True)})
        )

    def _fits(self, e: Fit, env: Env) -> F:
        return self.given(e.type, e.value, env)

    def given(self, t: Type, e: Expr, env: Env) -> F:
        """May the value be given where one of type t is expected?"""
        return self.stored(t, self.value(e, env))

    def stored(self, t: Type, v: Value) -> F:
        """May the value be stored as one of type t?  Asked of the value: inference has given expressions the type that they
        are to have."""
        there = lifted(v).present if isinstance(v, Opt) and not isinstance(t, Option) else TRUE
        return both(there, self.w.fits(t, v))

    def _defined_fold(self, e: SetOf | Fold, env: Env) -> F:
        def inner(i: Env) -> F:
            return both(self.defined(e.where, i), implies(self.formula(e.where, i), self.defined(e.body, i)))

        out = both(self._defined(e.domain, env), self._quantified(e, env, inner, "forall"))
        if isinstance(e, Fold) and e.kind != "sum":
            out = both(out, self._quantified(e, env, lambda i: self.formula(e.where, i), "exists"))
        return out

    def _defined_op(self, e: Apply, env: Env) -> F:
        if e.op == "the":
            return lifted(self.value(e.args[0], env)).present
        if e.op in ("index", "with_index") and isinstance(e.args[0].type, MapOf):
            key = e.args[0].type.key
            return self.given(key, e.args[1], env)
        if e.op in ("index", "with_index", "last", "slice"):
            return self._defined_part(e, env)
        if e.op == "record":
            return all_of(self.given(t, a, env) for a, (_, t) in zip(e.args, e.attr.fields, strict=True))
        if e.op == "mod":
            return self._goes_round(*(self.value(a, env) for a in e.args))
        if e.op in ("minset", "maxset"):
            expand = TABLE[e.op].expand
            assert expand
            return self.defined(expand(e), env)
        if e.op == "div":
            self.value(e, env)  # refused
        return TRUE

    def _defined_part(self, e: Apply, env: Env) -> F:
        """Is the position inside the sequence?  The sequence itself has a value."""
        s, *at = (self.value(a, env) for a in e.args)
        if e.op == "slice":
            return sequences.sliceable(self.w, s, *at)
        if e.op == "last":
            return self.w.less(sequences.NUMBER, Lit(0), s.length)
        return self.within_sequence(s, at[0])

    def within_sequence(self, s: Sequence, i: Value) -> F:
        found: F = self.w.within(sequences.position(self.w, i), lambda x: self.w.inside(x, s))
        return found
