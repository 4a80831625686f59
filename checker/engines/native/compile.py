"""Program → machine code: the functions the search calls, put together, optimised by LLVM and loaded.

The ABI is the one `search.Kernel` describes: rows of 64-bit words in, rows out, addresses as plain integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from checker.core.ir import Expr, If
from checker.core.layout import StateLayout, state_layout
from checker.core.lower import Program, Site
from checker.core.miniscope import miniscope
from checker.core.operators.table import FALSE, apply
from checker.core.pieces import footprint, pieces
from checker.core.typed import reads
from checker.engines.native.codegen import PREDICATE_BUDGET, STEP_BUDGET, Actions, Costs, Expressions, judging
from checker.engines.native.emit import DECLARATIONS, EXTRACTING, Bit, Fn, signed
from checker.engines.native.filters import settled
from checker.engines.native.objects import extracts, load
from checker.engines.native.symmetry import Symmetry, unary
from checker.engines.native.values import Module

EXPAND = [("ptr noalias nocapture readonly", "src"), ("ptr noalias", "out"), ("i64", "cap"), ("ptr", "stats"), ("ptr", "result")]
ACT = [
    ("ptr noalias nocapture readonly", "src"),
    ("ptr noalias", "out"),
    ("i64", "cap"),
    ("i64", "count"),
    ("ptr noalias", "event"),
]
JUDGE = [("ptr noalias nocapture readonly", "src"), ("ptr noalias nocapture readonly", "row"), ("ptr noalias", "event")]
CHECK = [("ptr nocapture readonly", "src"), ("ptr nocapture readonly", "old"), ("i64", "want")]
MAX_PREDICATES = 62
STROKE = 80  # lines of code up to which a predicate is looked at whether it is wanted or not
FLAT = 300  # and up to which it is looked at in straight code at all, not in pieces
SPLIT = 40  # nodes of a predicate from which on it is looked at in pieces
LONG = 12_000  # lines from which on a module is first compiled the quick way
SECONDS_PER_LINE = 35e-6  # that the thorough way takes, about,
LOSS = 10  # and code of the quick way takes a tenth more time


class Unsupported(Exception):
    """A program beyond what one kernel can take."""


@dataclass
class Compiled:
    """Machine code of one program.  Addresses are valid as long as this object lives."""

    layout: StateLayout
    addresses: dict[str, int]
    sites: list[Site]
    sorts: tuple[int, ...]
    engines: list[Any]
    draft: str | None = None  # the main module, if it was compiled the quick way

    @property
    def worthwhile(self) -> float:
        """After so many seconds of running it pays to compile the draft again."""
        return LOSS * SECONDS_PER_LINE * self.draft.count("\n") if self.draft else math.inf

    def improve(self) -> dict[str, int]:
        """Compiles the draft the thorough way: the better functions, by name."""
        assert self.draft
        engine, _ = load(self.draft)
        self.engines.append(engine)
        self.draft = None
        found = {n: engine.get_function_address(n) for n in ("expand", "check", "touched")}
        self.addresses.update(found)
        return found


class Compiler:
    """Builds the modules of one program: what the search calls, and, if there is symmetry, what canonisation calls.
    They are apart so that the machine code of the first, by far the larger, is the same with and without symmetry."""

    def __init__(self, program: Program, symmetry: bool) -> None:
        self.program, self.module = program, Module(extracts=extracts())
        self.layout = state_layout(program.vars)
        self.costs, self.sites = Costs(), dict[Site, int]()
        self.settled = settled(program)
        self.sorts = program.instance.sorts if symmetry else {}
        self.functions: list[Fn] = []

    def build(self) -> list[str]:
        """The modules as LLVM IR."""
        p = self.program
        if len(p.predicates) > MAX_PREDICATES or len(p.steps) > MAX_PREDICATES:
            raise Unsupported(f"more than {MAX_PREDICATES} properties")
        if judging(p.steps, self.costs) > STEP_BUDGET:
            self._judge()
        for i, a in enumerate(p.actions):
            self._action(f"act{i}", a.body, True)
        self._expand("expand", [f"act{i}" for i in range(len(p.actions))])
        self._action("start", p.initial, False)
        self._expand("initial", ["start"])
        self._check("check", [q.expr for q in p.predicates])
        self._touched("touched", [q.expr for q in p.predicates])
        found = [self._text()]
        if self.sorts:
            self.module, self.functions = Module(extracts=extracts()), []
            self._symmetry()
            found.append(self._text())
        return found

    def _text(self) -> str:
        head = [DECLARATIONS, "declare i64 @llvm.umin.i64(i64, i64)", *([EXTRACTING] if self.module.extracts else [])]
        return "\n".join(head + [f.text() for f in self.functions] + self.module.text())

    def _judge(self) -> None:
        fn = Fn("judge", JUDGE, "void", "nounwind", "internal")
        gen = Actions(fn, self.module, self.layout, self.costs, self.sites, self.program.steps)
        gen.after, gen.cur = "%row", "%src"
        gen.judge()
        fn.ret("void")
        self.functions.append(fn)

    def _action(self, name: str, body: tuple[Any, ...], is_step: bool) -> None:
        fn = Fn(name, ACT, "i64", "nounwind", "internal")
        p = self.program
        gen = Actions(
            fn,
            self.module,
            self.layout,
            self.costs,
            self.sites,
            p.steps if is_step else (),
            p.bound,
            counts_cut=is_step,
            settled=self.settled if is_step else frozenset(),
        )
        if not is_step:
            gen.cur = fn.alloca(self.layout.words)
            fn.zero(gen.cur, self.layout.words)
        fn.store("%count", gen.counter)
        gen.action(body)
        fn.ret(f"i64 {fn.load(gen.counter)}")
        self.functions.append(fn)

    def _expand(self, name: str, acts: list[str]) -> None:
        """Runs all actions; counts only if the buffer was large enough."""
        fn = Fn(name, EXPAND, "i64", "nounwind")
        event = fn.alloca(4)
        fn.zero(event, 4)
        counts: list[Any] = [0]
        for a in acts:
            args = f"ptr %src, ptr %out, i64 %cap, i64 {fn.num(counts[-1])}, ptr {event}"
            counts.append(fn.new(f"call i64 @{a}({args})"))
        full, fits, done = fn.fresh("full"), fn.fresh("fits"), fn.fresh("done")
        fn.branch(fn.icmp("ule", counts[-1], "%cap"), fits, full)
        fn.label(fits)
        if name == "expand":
            for i, (before, after) in enumerate(pairwise(counts)):
                fn.store(fn.bin("add", fn.load("%stats", i), fn.bin("sub", after, before)), "%stats", i)
        self._report(fn, event, counts[-1] if name == "expand" else None)
        fn.jump(done)
        fn.label(full)
        fn.label(done)
        fn.ret(f"i64 {fn.num(counts[-1])}")
        self.functions.append(fn)

    def _report(self, fn: Fn, event: str, count: Any) -> None:
        fn.store(fn.bin("add", fn.load("%result", 0), fn.load(event, 0)), "%result", 0)
        old = fn.load("%result", 1)
        fn.store(fn.select(fn.icmp("eq", old, 0), fn.load(event, 1), old), "%result", 1)
        fn.store(fn.bin("or", fn.load("%result", 2), fn.load(event, 2)), "%result", 2)
        if count is None:
            return
        stuck, done = fn.fresh("stuck"), fn.fresh("moves")
        fn.branch(fn.icmp("eq", count, 0), stuck, done)
        fn.label(stuck)
        gen = Expressions(fn, self.module, self.layout, self.costs)
        fn.store(fn.zext(gen.bit(gen.value(self.program.terminal, {}))), "%result", 3)
        fn.label(done)

    def _check(self, name: str, exprs: list[Expr]) -> None:
        """Bit k of the result: expression k, if wanted, is true of `src`, and was not of `old` (if there is one)."""
        fn = Fn(name, CHECK, "i64", "nounwind")
        gen = Predicates(fn, self.module, self.layout, Costs(PREDICATE_BUDGET))
        rest = [k for k, e in enumerate(exprs) if not gen.at_a_stroke(k, e)]
        while rest:
            k = rest.pop(0)
            look, hit, after = fn.fresh("look"), fn.fresh("hit"), fn.fresh("after")
            defined = _shared(exprs, k) if k + 1 in rest else None
            fn.branch(fn.icmp("ne", fn.bin("and", "%want", (3 if defined else 1) << k), 0), look, after)
            fn.label(look)
            if defined:
                fault = fn.fresh("fault")
                gen.ask(apply("not", defined.cond), fault)
                k = rest.pop(0)
            gen.ask(defined.then if defined else exprs[k], hit)
            fn.jump(after)
            if defined:
                fn.label(fault)
                gen.note(k - 1)
                fn.jump(after)
            fn.label(hit)
            gen.note(k)
            fn.label(after)
        fn.ret(f"i64 {fn.num(fn.bin('and', fn.load(gen.found), '%want'))}")
        self.functions.append(fn)

    def _touched(self, name: str, exprs: list[Expr]) -> None:
        """Bit k of the result: two states differ in a variable that expression k looks at; if not, it is what it was."""
        fn = Fn(name, [("ptr noalias nocapture readonly", "src"), ("ptr noalias nocapture readonly", "old")], "i64", "nounwind")
        found: Any = 0
        different = [fn.bin("xor", fn.load("%src", w), fn.load("%old", w)) for w in range(self.layout.words)]
        alike: dict[tuple[int, ...], int] = {}
        for k, e in enumerate(exprs):
            where = self.layout.mask(reads(e))
            alike[where] = alike.get(where, 0) | 1 << k
        for where, bits in alike.items():
            any_: Any = 0
            for d, mask in zip(different, where, strict=True):
                any_ = fn.bin("or", any_, fn.bin("and", d, signed(mask)))
            found = fn.bin("or", found, fn.select(fn.icmp("ne", any_, 0), bits, 0))
        fn.ret(f"i64 {fn.num(found)}")
        self.functions.append(fn)

    def add_predicates(self, name: str, exprs: list[Expr]) -> None:
        """One more function like `check`, over other expressions."""
        self._check(name, exprs)

    def _symmetry(self) -> None:
        offsets, at = {}, 0
        for s, n in self.sorts.items():
            offsets[s] = at
            at += n
        src = ("ptr noalias nocapture readonly", "src")
        for name, extra in (
            ("refine", [("ptr noalias", "colours"), ("ptr noalias", "sig")]),
            ("permute", [("ptr noalias", "perm"), ("ptr noalias", "out")]),
            ("key", [("ptr noalias", "keys")]),
        ):
            if name == "key" and not unary(self.program.vars, self.sorts):
                continue
            fn = Fn(name, [src, *extra], "void", "nounwind")
            gen = Symmetry(fn, self.module, self.layout, self.costs)
            gen.offsets = offsets
            if name == "key":
                gen.key(self.sorts)
            else:
                getattr(gen, name)()
            fn.ret("void")
            self.functions.append(fn)


class Predicates(Expressions):
    """The body of a function that looks at predicates, piece by piece, as far as the state has changed."""

    def __init__(self, fn: Fn, module: Module, state: StateLayout, costs: Costs) -> None:
        super().__init__(fn, module, state, costs)
        self.found = fn.alloca()
        fn.store(0, self.found)
        none = fn.icmp("eq", fn.new("ptrtoint ptr %old to i64"), 0)
        old = fn.new(f"select i1 {fn.bit(none)}, ptr %src, ptr %old")
        self.new = fn.select(none, -1, 0)
        self.different = [fn.bin("xor", fn.load("%src", w), fn.load(old, w)) for w in range(state.words)]

    def at_a_stroke(self, k: int, e: Expr) -> bool:
        """Looks at a predicate in short straight code, wanted or not, if that can be done: no jump is cheaper than a skipped one
        that was not foreseen."""
        mark = len(self.fn.body)
        bit = self.flat(miniscope(e), {})
        if bit is None or len(self.fn.body) - mark > STROKE:
            del self.fn.body[mark:]
            return False
        self.fn.store(self.fn.bin("or", self.fn.load(self.found), self.fn.select(bit, 1 << k, 0)), self.found)
        return True

    def note(self, k: int) -> None:
        self.fn.store(self.fn.bin("or", self.fn.load(self.found), 1 << k), self.found)

    def ask(self, e: Expr, hit: str) -> None:
        """Goes to `hit` if the predicate is true, else on."""
        e, mark = miniscope(e), len(self.fn.body)
        bit = self.flat(e, {})
        if bit is not None and len(self.fn.body) - mark <= FLAT:
            after = self.fn.fresh("next")
            self.fn.branch(bit, hit, after)
            self.fn.label(after)
            return
        del self.fn.body[mark:]
        found = pieces(e) if self.costs(e) >= SPLIT else [e]
        for piece in found:
            after = self.fn.fresh("next")
            if len(found) > 1:
                look = self.fn.fresh("piece")
                self.fn.branch(self.changed(footprint(self.state, piece)), look, after)
                self.fn.label(look)
            self.branch(piece, hit, after, {})
            self.fn.label(after)

    def changed(self, where: tuple[int, ...]) -> Bit:
        """Do old and new state differ in these bits, or is there no old one?"""
        any_ = self.new
        for d, mask in zip(self.different, where, strict=True):
            any_ = self.fn.bin("or", any_, self.fn.bin("and", d, signed(mask)))
        return self.fn.icmp("ne", any_, 0)


def _shared(exprs: list[Expr], k: int) -> If | None:
    """Expression k + 1, if that is `c and …` and expression k is `not c`: then c is evaluated once for both."""
    e = exprs[k + 1] if k + 1 < len(exprs) else None
    return e if isinstance(e, If) and e.orelse == FALSE and exprs[k] == apply("not", e.cond) else None


def compile_program(program: Program, symmetry: bool, extra: dict[str, list[Expr]] | None = None) -> Compiled:
    """Machine code for a program.  `extra`: more functions like `check`, by name.  Raises TooWide, Unsupported."""
    compiler = Compiler(program, symmetry)
    for name, exprs in (extra or {}).items():
        compiler.add_predicates(name, exprs)
    main, *rest = compiler.build()
    engine, thorough = load(main, quick=main.count("\n") > LONG)
    engines = [engine, *(load(ir)[0] for ir in rest)]
    names = ["expand", "initial", "check", "touched", "refine", "permute", "key", *(extra or {})]
    addresses = {n: max(e.get_function_address(n) for e in engines) for n in names}  # 0: it is not in there
    sites = sorted(compiler.sites, key=lambda s: compiler.sites[s])
    return Compiled(compiler.layout, addresses, sites, tuple(compiler.sorts.values()), engines, None if thorough else main)


__all__ = ["Compiled", "compile_program"]
