"""Program → machine code for expressions and statements: conditions become jumps, choices become loops, short loops are written
out.

A loop is written out ("unrolled") when that stays small, because then every element is a constant and most of the work folds
away at compile time; otherwise it is a loop over set bits or slots. A successor is written straight into the output buffer:
the first assignment of a path copies the source there, and nothing is copied for a path that fails before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    SetOf,
    Stmt,
)
from checker.core.layout import StateLayout, is_mask, layout, pack, rankable, unrank
from checker.core.lower import Site, StepCheck
from checker.core.operators import TABLE
from checker.core.operators.table import TRUE, apply, number
from checker.core.typed import assigned, reads, statements
from checker.core.types import BOOL, BagOf, Bool, Int, MapOf, Option, Set, Type, card, is_scalar, values
from checker.engines.native.emit import Bit, Fn, Num, signed
from checker.engines.native.filters import is_filter, write_filter
from checker.engines.native.lanes import in_lanes, over_sets
from checker.engines.native.values import Mem, Module, Val, Values

EXPR_BUDGET = 300  # nodes a quantifier may be written out to: in an action, which is written once for each of its ends,
QUORUM_BUDGET = 1500  # over constant sets: then the quantifiers over their elements are short,
PREDICATE_BUDGET = 4000  # and in a predicate, which is written once and evaluated in every state
STEP_BUDGET = 250  # nodes of step properties that are written out at each end of an action
ACTION_BUDGET = 4000  # nodes an action may be written out to

Env = dict[str, Val]
Body = Callable[[Val, str], None]


class Costs:
    """How much code an expression or block becomes, in nodes, once what is short is written out."""

    def __init__(self, budget: int = EXPR_BUDGET) -> None:
        self.budget = budget
        self._known: dict[int, tuple[Any, int]] = {}

    def __call__(self, e: Any) -> int:
        if id(e) not in self._known:
            self._known[id(e)] = (e, self._cost(e))
        return self._known[id(e)][1]

    def _cost(self, e: Any) -> int:
        match e:
            case Const() | Local():
                return 0
            case Read():
                return 1
            case Apply():
                return sum(map(self, e.args)) + self._own(e)
            case If():
                return 1 + self(e.cond) + self(e.then) + self(e.orelse)
            case Quant():
                return self(e.domain) + self.loop(e.domain, 1 + self(e.body), self.budget)
            case SetOf() | Fold():
                return self(e.domain) + self.loop(e.domain, 3 + self(e.where) + self(e.body), self.budget)
            case Mapping():
                assert isinstance(e.type, MapOf)
                n, each = card(e.type.key), 2 + self(e.body)
                return n * each if n * each <= self.budget else 8 + each
            case Let():
                return self(e.value) + self(e.body)
            case Fit():
                return self(e.value) + (0 if isinstance(e.type, Int | Bool) else 4)
            case Require() | Check():
                return 2 + self(e.cond)
            case LetStmt():
                return self(e.value)
            case Assign():
                return 4 + self(e.value) + sum(self(p) for p in e.path if isinstance(p, Expr))
            case IfStmt():
                return 2 + self(e.cond) + sum(map(self, e.then)) + sum(map(self, e.orelse))
            case ForAll():
                return self.loop(e.domain, 2 + sum(map(self, e.body)), self.budget)
            case Choose():
                return 2 + self(e.domain)
        raise AssertionError(e)

    def _own(self, e: Apply) -> int:
        if layout(e.type).wide:
            return 8 + layout(e.type).words
        return 12 if any(layout(a.type).kind == "counted" for a in e.args) else 2

    def loop(self, domain: Expr, each: int, budget: int) -> int:
        """The cost of a loop: written out if that fits the budget."""
        return self.times(domain) * each if self.unrolls(domain, each, budget) else 10 + each

    def unrolls(self, domain: Expr, each: int, budget: int) -> bool:
        if (isinstance(domain, Apply) and domain.op == "all") or isinstance(domain, Const):
            return self.times(domain) * max(1, each) <= budget
        assert isinstance(domain.type, Set | BagOf)
        return isinstance(domain.type, Set) and is_mask(domain.type) and self.times(domain) * (each + 2) <= budget

    def times(self, domain: Expr) -> int:
        """How often a loop written out is repeated."""
        if isinstance(domain, Const):
            return len(domain.value)
        return card(domain.type.elem)  # type: ignore[attr-defined]


class Expressions(Values):
    """Expressions over a state in memory (`cur`), and for step properties the state after (`after`)."""

    def __init__(self, fn: Fn, module: Module, state: StateLayout, costs: Costs) -> None:
        super().__init__(fn, module)
        self.state, self.costs = state, costs
        self.cur = "%src"
        self.after = "%src"
        self.foreseen = False  # does the compiler know so much of the state that jumps fall away?

    # values

    def value(self, e: Expr, env: Env) -> Val:
        """The value of a total expression."""
        match e:
            case Const():
                return self.constant(e.type, e.value)
            case Local():
                return env[e.name]
            case Read():
                slot = self.state.slots[e.var]
                return Val(e.type, mem=Mem(self.after if e.primed else self.cur, slot.word, slot.shift))
            case Apply() if (other := _one_more(e)) is not None:
                return self.value(other, env)
            case Apply():
                return self.apply(e, [self.value(a, env) for a in e.args])
            case Let():
                return self.value(e.body, {**env, e.name: self._once(self.value(e.value, env))})
            case Fit():
                return self.convert(self.value(e.value, env), e.type)
            case If() if isinstance(e.type, Bool) and self.simple(e):
                c, a, b = (self.bit(self.value(x, env)) for x in (e.cond, e.then, e.orelse))
                return Val(e.type, self._lazy(c, a, b))
            case If() | Quant() if isinstance(e.type, Bool):
                return self._by_jumps(e, env)
            case If():
                return self._if(e, env)
            case SetOf():
                return self._set_of(e, env)
            case Mapping():
                return self._mapping(e, env)
            case Fold():
                return self._fold(e, env)
        raise AssertionError(e)

    def apply(self, e: Apply, args: list[Val]) -> Val:
        """The machine code of an operator, from its row."""
        native = TABLE[e.op].native
        assert native, e.op
        out = native(self, e, *args)
        return out if isinstance(out, Val) else Val(e.type, out)

    def _lazy(self, c: Bit, a: Bit, b: Bit) -> Bit:
        """A select, never an `and`: what is not chosen may be poison (a shift out of range)."""
        return a if a is b else self.fn.select1(c, a, b)

    def simple(self, e: Expr) -> bool:
        """Is it cheap and safe to compute even where it is not needed?"""
        match e:
            case Const() | Local() | Read():
                return True
            case If():
                return self.simple(e.cond) and self.simple(e.then) and self.simple(e.orelse)
            case Apply():
                safe = e.op in SAFE or (e.op == "index" and isinstance(e.args[0].type, MapOf) and is_scalar(e.args[1].type))
                return safe and not any(layout(a.type).wide for a in e.args) and all(map(self.simple, e.args))
            case Fit():
                return self.simple(e.value) and all(is_scalar(_content(t)) for t in (e.type, e.value.type))
        return False

    def _once(self, v: Val) -> Val:
        """A narrow value is loaded once."""
        return v if layout(v.type).wide else self.force(v)

    def _by_jumps(self, e: Expr, env: Env) -> Val:
        cell = self.fn.alloca()
        yes, no, done = (self.fn.fresh(x) for x in ("yes", "no", "done"))
        self.branch(e, yes, no, env)
        for label, bit in ((yes, 1), (no, 0)):
            self.fn.label(label)
            self.fn.store(bit, cell)
            self.fn.jump(done)
        self.fn.label(done)
        return Val(e.type, self.fn.icmp("ne", self.fn.load(cell), 0))

    def _if(self, e: If, env: Env) -> Val:
        out = self.temp(e.type, zero=False)
        then, orelse, done = (self.fn.fresh(x) for x in ("then", "else", "done"))
        self.branch(e.cond, then, orelse, env)
        for label, side in ((then, e.then), (orelse, e.orelse)):
            self.fn.label(label)
            self._keep(out, self.convert(self.value(side, env), e.type))
            self.fn.jump(done)
        self.fn.label(done)
        return self._settled(out)

    def _keep(self, out: Val, v: Val) -> None:
        """Writes a value to a place of its own."""
        assert out.mem
        if layout(v.type).wide:
            self.store(out.mem, v)
        else:
            self.fn.store(self.raw(v), out.mem.ptr)

    def _set_of(self, e: SetOf, env: Env) -> Val:
        assert isinstance(e.type, Set)
        out = self.temp(e.type)

        def body(x: Val, more: str) -> None:
            inner = {**env, e.name: x}
            self._where(e.where, inner, more)
            if in_order:
                self.append(out, x)
            else:
                self.insert(out, self.convert(self.value(e.body, inner), e.type.elem))  # type: ignore[attr-defined]

        in_order = e.body == Local(e.type.elem, e.name) and e.domain.type == e.type and not is_mask(e.type)
        self.each_in(e.domain, 3 + self.costs(e.where) + self.costs(e.body), self.costs.budget, env, body)
        return self._settled(out)

    def _where(self, cond: Expr, env: Env, more: str) -> None:
        if not (isinstance(cond, Const) and cond.value):
            take = self.fn.fresh("take")
            self.branch(cond, take, more, env)
            self.fn.label(take)

    def _mapping(self, e: Mapping, env: Env) -> Val:
        assert isinstance(e.type, MapOf)
        key = e.type.key
        if card(key) * (2 + self.costs(e.body)) <= self.costs.budget:
            cells = [(i, self.value(e.body, {**env, e.name: self.constant(key, k)})) for i, k in enumerate(values(key))]
            return self.array(e.type, cells)
        out = self.temp(e.type)
        with self.fn.loop(card(key)) as (i, _, _):
            self._put(out, i, self.value(e.body, {**env, e.name: self.unrank(i, key)}))
        return self._settled(out)

    def _fold(self, e: Fold, env: Env) -> Val:
        acc, some = self.temp(e.type), self.fn.alloca()
        self.fn.store(0, some)
        assert acc.mem
        if e.kind == "sum":
            self.fn.store(0, acc.mem.ptr)

        def body(x: Val, more: str) -> None:
            inner = {**env, e.name: x}
            self._where(e.where, inner, more)
            self._accumulate(e, acc, some, self.value(e.body, inner), more)

        self.each_in(e.domain, 5 + self.costs(e.where) + self.costs(e.body), self.costs.budget, env, body)
        return Val(e.type, self.fn.load(acc.mem.ptr)) if e.kind == "sum" else self._settled(acc)

    def _accumulate(self, e: Fold, acc: Val, some: str, v: Val, more: str) -> None:
        assert acc.mem
        if e.kind == "sum":
            self.fn.store(self.fn.bin("add", self.fn.load(acc.mem.ptr), self.num(v)), acc.mem.ptr)
            return
        test, take = self.fn.fresh("test"), self.fn.fresh("take")
        self.fn.branch(self.fn.icmp("eq", self.fn.load(some), 0), take, test)
        self.fn.label(test)
        old = Val(e.type, mem=acc.mem)
        self.fn.branch(self.less(v, old) if e.kind == "min" else self.less(old, v), take, more)
        self.fn.label(take)
        self.fn.store(1, some)
        self._keep(acc, v)

    # conditions as jumps

    def branch(self, e: Expr, yes: str, no: str, env: Env) -> None:
        """Jumps to `yes` if the condition is true, to `no` if not."""
        match e:
            case Const():
                self.fn.jump(yes if e.value else no)
            case If() if not self.simple(e):
                then, orelse = self.fn.fresh("then"), self.fn.fresh("else")
                first = yes if _is(e.then, True) else no if _is(e.then, False) else then
                second = yes if _is(e.orelse, True) else no if _is(e.orelse, False) else orelse
                self.branch(e.cond, first, second, env)
                for label, side in ((then, e.then), (orelse, e.orelse)):
                    if label in (first, second):
                        self.fn.label(label)
                        self.branch(side, yes, no, env)
            case Apply(op="not"):
                self.branch(e.args[0], no, yes, env)
            case Apply() if (other := _one_more(e)) is not None:
                self.branch(other, yes, no, env)
            case Let():
                inner = {**env, e.name: self._once(self.value(e.value, env))}
                self.branch(e.body, yes, no, inner)
            case Quant() if (bit := self.at_once(e, env)) is not None:
                self.fn.branch(bit, yes, no)
            case Quant():
                stop, end = (no, yes) if e.kind == "forall" else (yes, no)

                def body(x: Val, more: str) -> None:
                    inner = {**env, e.name: x}
                    good, bad = (more, stop) if e.kind == "forall" else (stop, more)
                    self.branch(e.body, good, bad, inner)

                budget = QUORUM_BUDGET if over_sets(e) else self.costs.budget
                self.each_in(e.domain, 1 + self.costs(e.body), budget, env, body)
                self.fn.jump(end)
            case _:
                self.fn.branch(self.bit(self.value(e, env)), yes, no)

    def at_once(self, e: Quant, env: Env) -> Bit | None:
        """A quantifier in straight code, if that is shorter."""
        if self.foreseen or e.name in self.module.stuck:
            return None
        bit = in_lanes(self, e, env, extract=self.module.extracts)
        if bit is None:
            self.module.stuck.add(e.name)
        return bit

    def flat(self, e: Expr, env: Env) -> Bit | None:
        """A condition in straight code, or None."""
        match e:
            case Const():
                return bool(e.value)
            case Quant():
                return self.at_once(e, env)
            case Apply(op="not", args=(x,)):
                inner = self.flat(x, env)
                return None if inner is None else self.fn.not1(inner)
            case If():
                found = [self.flat(x, env) for x in (e.cond, e.then, e.orelse)]
                return None if None in found else self._lazy(*found)  # type: ignore[arg-type]
            case Let() if self.simple(e.value):
                return self.flat(e.body, {**env, e.name: self._once(self.value(e.value, env))})
        return self.bit(self.value(e, env)) if self.simple(e) else None

    # loops

    def each_in(self, domain: Expr, cost: int, budget: int, env: Env, body: Body, stable: bool = False) -> None:
        """`body(element, label to go on with)` for every element of a domain; what it does not jump away from goes on."""
        if self.costs.unrolls(domain, cost, budget):
            self._written_out(domain, env, body, stable)
        elif isinstance(domain, Apply) and domain.op == "all" and rankable(domain.attr):
            with self.fn.loop(card(domain.attr)) as (i, more, _):
                body(self.unrank(i, domain.attr), more)
        else:
            d = self.value(domain, env)
            self._looped(self.snapshot(d) if stable else d, body)

    def _written_out(self, domain: Expr, env: Env, body: Body, stable: bool) -> None:
        t: Type = domain.type.elem  # type: ignore[attr-defined]
        if isinstance(domain, Apply) and domain.op == "all":
            self._for_constants(t, list(values(t)), body)
        elif isinstance(domain, Const):
            self._for_constants(t, sorted(domain.value, key=lambda v: pack(t, v)), body)
        else:
            d = self.value(domain, env)
            d = self.snapshot(d) if stable else self._once(d)
            for i in range(card(t)):
                here, more = self.fn.fresh("here"), self.fn.fresh("more")
                self.fn.branch(self.mask_bit(d, i), here, more)
                self.fn.label(here)
                body(self.constant(t, unrank(t, i)), more)
                self.fn.label(more)

    def _for_constants(self, t: Type, vs: list[Any], body: Body) -> None:
        for v in vs:
            more = self.fn.fresh("more")
            body(self.constant(t, v), more)
            self.fn.label(more)

    def _looped(self, d: Val, body: Body) -> None:
        if not isinstance(d.type, BagOf):
            with self.each(d) as (x, more):
                body(x, more)
            return
        with self.fn.loop(self.length(d)) as (i, more, _):  # equal elements are neighbours: each one once
            x = self.element(d, i)
            test, take = self.fn.fresh("test"), self.fn.fresh("take")
            self.fn.branch(self.fn.icmp("eq", i, 0), take, test)
            self.fn.label(test)
            self.fn.branch(self.equal(x, self.element(d, self.fn.bin("sub", i, 1))), more, take)
            self.fn.label(take)
            body(x, more)


# operators that neither trap nor loop, whatever their arguments are
SAFE = {
    "not",
    "eq",
    "lt",
    "add",
    "sub",
    "mul",
    "in_set",
    "field",
    "item",
    "is",
    "project",
    "the",
    "record",
    "tuple",
    "union",
    "inter",
    "diff",
    "len",
}


def _one_more(e: Apply) -> Expr | None:
    """Does a set in slots that fits itself fit with an element more, without making it?"""
    match e:
        case Apply(op="fits", attr=Set(elem, int(cap)), args=(Apply(op="union", args=(Read(type=Set() as t) as s, new)),)):
            if isinstance(new, Apply) and new.op == "set" and len(new.args) == 1:
                (x,) = new.args
                if t.elem == elem == x.type and t.cap is not None and t.cap <= cap and not is_mask(t):  # type: ignore[operator]
                    inside = Apply(BOOL, "in_set", (x, s))
                    return If(BOOL, inside, TRUE, apply("lt", apply("len", s), number(cap)))
    return None


def _is(e: Expr, value: bool) -> bool:
    return isinstance(e, Const) and e.value is value


class Actions(Expressions):
    """Statements: from a source state to successors in the output buffer."""

    def __init__(
        self,
        fn: Fn,
        module: Module,
        state: StateLayout,
        costs: Costs,
        sites: dict[Site, int],
        steps: tuple[StepCheck, ...] = (),
        bound: Expr | None = None,
        counts_cut: bool = True,
        settled: frozenset[Assign] = frozenset(),
    ) -> None:
        super().__init__(fn, module, state, costs)
        self.sites, self.steps, self.bound, self.counts_cut = sites, steps, bound, counts_cut
        self.settled = settled
        self.written: set[str] = set()
        self.dirty = False
        self.counter = fn.alloca()

    def action(self, body: tuple[Stmt, ...]) -> None:
        """All successors by one action."""
        self.written = assigned(s for s in body if not is_filter(s))
        end = self.fn.fresh("end")
        self.block(body, {}, end, lambda env: self._commit(end))
        self.fn.label(end)

    def block(self, body: tuple[Stmt, ...], env: Env, fail: str, k: Callable[[Env], None]) -> None:
        """The statements, then `k`; jumps to `fail` where a path is disabled or done."""
        if not body:
            k(env)
            self.fn.jump(fail)
            return
        s, rest = body[0], body[1:]
        match s:
            case Require():
                go = self.fn.fresh("go")
                self.branch(s.cond, go, fail, env)
                self.fn.label(go)
                self.block(rest, env, fail, k)
            case Check():
                self._check(s, env, fail)
                self.block(rest, env, fail, k)
            case LetStmt():
                v = self.value(s.value, env)
                v = self.snapshot(v) if self.dirty or assigned(rest) else self._once(v)
                self.block(rest, {**env, s.name: v}, fail, k)
            case Assign():
                self._assign(s, env)
                self.block(rest, env, fail, k)
            case Choose():
                self._choose(s, rest, env, fail, k)
            case IfStmt():
                self._if_stmt(s, rest, env, fail, k)
            case ForAll():
                self._for_all(s, env, fail)
                self.block(rest, env, fail, k)
            case _:
                raise AssertionError(s)

    def _check(self, s: Check, env: Env, fail: str) -> None:
        bad, go = self.fn.fresh("fault"), self.fn.fresh("go")
        self.branch(s.cond, go, bad, env)
        self.fn.label(bad)
        self._fault(Site(s.fault, s.span))
        self.fn.jump(fail)
        self.fn.label(go)

    def _fault(self, site: Site) -> None:
        """Records the first fault of the call."""
        code = self.sites.setdefault(site, len(self.sites)) + 1
        old = self.fn.load("%event", 1)
        self.fn.store(self.fn.select(self.fn.icmp("eq", old, 0), code, old), "%event", 1)

    # choices

    def _choose(self, s: Choose, rest: tuple[Stmt, ...], env: Env, fail: str, k: Callable[[Env], None]) -> None:
        if self.dirty:  # the choices start from the same state: keep it
            kept = self.fn.alloca(self.state.words)
            self.fn.copy(kept, self.cur, self.state.words)
            self.cur, self.dirty = kept, False
        cur = self.cur

        def body(x: Val, more: str) -> None:
            self.cur, self.dirty = cur, False
            self.block(rest, {**env, s.name: self._once(x)}, more, k)

        cost = 2 + self._rest_cost(rest)
        self.each_in(s.domain, cost, ACTION_BUDGET, env, body)
        self.cur, self.dirty = cur, False
        self.fn.jump(fail)

    def _rest_cost(self, rest: tuple[Stmt, ...]) -> int:
        """The code after a choice, with the choices in it written out."""
        total = 0
        for i, s in enumerate(rest):
            if isinstance(s, Choose):
                return total + self.costs.loop(s.domain, 2 + self._rest_cost(rest[i + 1 :]), ACTION_BUDGET)
            total += self.costs(s)
        return total + 8

    def _if_stmt(self, s: IfStmt, rest: tuple[Stmt, ...], env: Env, fail: str, k: Callable[[Env], None]) -> None:
        chooses = any(isinstance(x, Choose) for x in statements((s,)))
        if not chooses and assigned((s,)):
            self._materialise()
        then, orelse, join = (self.fn.fresh(x) for x in ("then", "else", "join"))
        self.branch(s.cond, then, orelse, env)
        cur, dirty = self.cur, self.dirty
        for label, side in ((then, s.then), (orelse, s.orelse)):
            self.cur, self.dirty = cur, dirty
            self.fn.label(label)
            if chooses:
                self.block((*side, *rest), env, fail, k)
            else:
                self.block(side, env, fail, lambda _: self.fn.jump(join))
        self.cur, self.dirty = cur, dirty
        if not chooses:
            self.fn.label(join)
            self.block(rest, env, fail, k)

    def _for_all(self, s: ForAll, env: Env, fail: str) -> None:
        cost = 2 + sum(map(self.costs, s.body))
        if assigned((s,)):
            self._materialise()

        def body(x: Val, more: str) -> None:
            self.block(s.body, {**env, s.name: self._once(x)}, fail, lambda _: self.fn.jump(more))

        self.each_in(s.domain, cost, self.costs.budget, env, body, stable=True)

    # writing

    def _materialise(self) -> None:
        """From here on the state at hand is the successor's row in the output buffer."""
        if self.dirty:
            return
        at = self.fn.load(self.counter)
        row = self.fn.new(f"call i64 @llvm.umin.i64(i64 {at}, i64 %cap)")
        to = self.fn.word("%out", self.fn.bin("mul", row, self.state.words))
        self.fn.copy(to, self.cur, self.state.words)
        self.cur, self.dirty = to, True

    def _assign(self, s: Assign, env: Env) -> None:
        if self._in_place(s, env):
            return
        if is_filter(s):
            self._materialise()
            self._filter(s)
            return
        path = [p if isinstance(p, str) else self._once(self.value(p, env)) for p in s.path]
        v = self.value(s.value, env)
        if v.mem is not None and (self.dirty or not layout(v.type).wide):
            v = self.snapshot(v)
        self._materialise()
        m = self._place(s.var, path).mem
        assert m
        self.store(m, v)

    def _place(self, var: str, path: list[Any]) -> Val:
        slot = self.state.slots[var]
        v = Val(self.state.types[var], mem=Mem(self.cur, slot.word, slot.shift))
        for p in path:
            v = self.part(v, v.type.index(p)) if isinstance(p, str) else self.index(v, p)  # type: ignore[attr-defined]
        return v

    def _in_place(self, s: Assign, env: Env) -> bool:
        """`x := x | {e}` and the like change x where it is, instead of making a new collection."""
        e = s.value
        while isinstance(e, Fit) and _collection(e.type) == _collection(e.value.type):
            e = e.value
        if not (isinstance(e, Apply) and e.op in ("union", "diff", "bag_add", "bag_remove") and e.args):
            return False
        old, new = e.args
        while isinstance(old, Fit) and _collection(old.type) == _collection(old.value.type):
            old = old.value
        if not _reads(old, s.var, s.path):
            return False
        if e.op in ("union", "diff"):
            while isinstance(new, Fit) and new.type == new.value.type:
                new = new.value
            if not (isinstance(new, Apply) and new.op == "set") or (
                isinstance(s.value.type, Set) and _mixed(s.value.type, new.type)
            ):
                return False
            elements = new.args
        else:
            elements = (new,)
        target: Type = s.value.type.elem  # type: ignore[attr-defined]
        if any(x.type != target for x in elements):
            return False
        xs = [self.snapshot(self._once(self.value(x, env))) for x in elements]
        path = [p if isinstance(p, str) else self._once(self.value(p, env)) for p in s.path]
        self._materialise()
        place = self._place(s.var, path)
        for x in xs:
            (self.insert if e.op in ("union", "bag_add") else self.remove)(place, x)
        return True

    def _filter(self, s: Assign) -> None:
        """A filter: a function of its own, called wherever it is done, unless there is nothing to take away."""
        key = ("filter", s)
        if key not in self.module.filters:
            fn = Fn(f"filter{len(self.module.filters)}", [("ptr noalias", "row")], "void", "nounwind", "internal")
            self.module.filters[key] = fn
            inner = Expressions(fn, self.module, self.state, self.costs)
            inner.cur = "%row"
            slot = self.state.slots[s.var]
            write_filter(inner, s.value, Val(s.value.type, mem=Mem("%row", slot.word, slot.shift)))
            fn.ret("void")
        look, after = self.fn.fresh("look"), self.fn.fresh("after")
        if s in self.settled:
            self.fn.branch(self._changed(reads(s.value) & self.written), look, after)
            self.fn.label(look)
        self.fn.line(f"call void @{self.module.filters[key].name}(ptr {self.cur})")
        self.fn.label(after)

    def _changed(self, variables: set[str]) -> Bit:
        """Has the step changed some of these variables?"""
        found: Num = 0
        for var in sorted(variables):
            slot = self.state.slots[var]
            for word, mask in self.state.extent(self.state.types[var], slot.word, slot.shift):
                differ = self.fn.bin("xor", self.fn.load(self.cur, word), self.fn.load("%src", word))
                found = self.fn.bin("or", found, self.fn.bin("and", differ, signed(mask)))
        return self.fn.icmp("ne", found, 0)

    # the end of a path

    def _commit(self, end: str) -> None:
        """The successor is complete: judge the step, then count it."""
        self._materialise()
        done = self.fn.fresh("done")
        if self.steps:
            self._judge()
        if self.bound is not None:
            keep, cut = self.fn.fresh("keep"), self.fn.fresh("cut")
            self.branch(self.bound, keep, cut, {})
            self.fn.label(cut)
            if self.counts_cut:
                self.fn.store(self.fn.bin("add", self.fn.load("%event", 0), 1), "%event", 0)
            self.fn.jump(done)
            self.fn.label(keep)
        self.fn.store(self.fn.bin("add", self.fn.load(self.counter), 1), self.counter)
        self.fn.label(done)

    def _judge(self) -> None:
        """Step properties, from the source to the row just written. Short ones are written out, so that what the action did not
        touch falls away; long ones are one function for all actions."""
        if judging(self.steps, self.costs) > STEP_BUDGET:
            self.fn.line(f"call void @judge(ptr %src, ptr {self.cur}, ptr %event)")
            return
        row, self.after, self.cur, self.foreseen = self.cur, self.cur, "%src", True
        self.judge()
        self.cur, self.foreseen = row, False

    def judge(self) -> None:
        """Notes which step properties are false of the step from `cur` to `after`."""
        for i, p in enumerate(self.steps):
            bad, after = self.fn.fresh("bad"), self.fn.fresh("after")
            for c in p.checks:
                self._check(c, {}, after)
            self.branch(p.expr, after, bad, {})
            self.fn.label(bad)
            self.fn.store(self.fn.bin("or", self.fn.load("%event", 2), 1 << i), "%event", 2)
            self.fn.label(after)


def judging(steps: Any, costs: Costs) -> int:
    """What it costs to look at all step properties."""
    return sum(costs(p.expr) + sum(costs(c.cond) for c in p.checks) for p in steps)


def _reads(e: Expr, var: str, path: tuple[Any, ...]) -> bool:
    """Is `e` exactly var[path]?"""
    if not path:
        return isinstance(e, Read) and e.var == var and not e.primed
    last = path[-1]
    if not isinstance(e, Apply) or e.op != ("field" if isinstance(last, str) else "index"):
        return False
    same = e.attr == last if isinstance(last, str) else e.args[1] == last
    return same and _reads(e.args[0], var, path[:-1])


def _content(t: Type) -> Type:
    return t.elem if isinstance(t, Option) else t


def _collection(t: Type) -> Any:
    """What matters of a set's or bag's type when its capacity does not, nor how it is packed."""
    return (type(t), t.elem) if isinstance(t, Set | BagOf) else t


def _mixed(a: Type, b: Type) -> bool:
    return not (isinstance(b, Set) and a.elem == b.elem)  # type: ignore[attr-defined]


__all__ = ["PREDICATE_BUDGET", "STEP_BUDGET", "Actions", "Costs", "Expressions", "Num", "judging"]
