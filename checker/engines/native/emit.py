"""LLVM IR as text: one function under construction, with constants folded as they are written.

An operand is a Python int (an i64 constant), a Python bool (an i1 constant), or a string (the name of an SSA value). Nothing
here knows of types, states or specs. The invariant: after `terminate`, nothing is written before the next `label`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Num = int | str
Bit = bool | str

MASK64 = (1 << 64) - 1


def signed(x: int) -> int:
    """The i64 with these low 64 bits."""
    x &= MASK64
    return x - (1 << 64) if x >> 63 else x


_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b if 0 <= b < 64 else 0,  # beyond: only where nobody looks
    "lshr": lambda a, b: (a & MASK64) >> b if 0 <= b < 64 else 0,
    "udiv": lambda a, b: (a & MASK64) // b,
    "urem": lambda a, b: (a & MASK64) % b,
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sle": lambda a, b: a <= b,
    "sgt": lambda a, b: a > b,
    "sge": lambda a, b: a >= b,
    "ult": lambda a, b: a & MASK64 < b & MASK64,
    "ule": lambda a, b: a & MASK64 <= b & MASK64,
}
_NEUTRAL_RIGHT = {("add", 0), ("sub", 0), ("mul", 1), ("or", 0), ("xor", 0), ("shl", 0), ("lshr", 0), ("udiv", 1), ("and", -1)}


class Fn:
    """One LLVM function.  `params` are (type, name) pairs; `ret` the return type."""

    def __init__(self, name: str, params: list[tuple[str, str]], ret: str, attributes: str = "", linkage: str = "") -> None:
        ps = ", ".join(f"{t} %{n}" for t, n in params)
        self.head = f"define {linkage} {ret} @{name}({ps}) {attributes} {{".replace("  ", " ")
        self.name = name
        self.entry: list[str] = []
        self.body: list[str] = []
        self.count = 0
        self.open = True
        self.size = 0

    def text(self) -> str:
        return "\n".join([self.head, "entry:", *self.entry, "  br label %start", "start:", *self.body, "}"])

    # values

    def new(self, text: str) -> str:
        """A new SSA value."""
        self.count += 1
        name = f"%t{self.count}"
        self.line(f"{name} = {text}")
        return name

    def line(self, text: str) -> None:
        assert self.open, text
        self.body.append("  " + text)

    def bin(self, op: str, a: Num, b: Num) -> Num:
        """An i64 operation."""
        if isinstance(a, int) and isinstance(b, int):
            return signed(_FOLD[op](a, b))
        if isinstance(b, int) and (op, b) in _NEUTRAL_RIGHT:
            return a
        if isinstance(a, int) and op in ("add", "or", "xor") and a == 0:
            return b
        if op in ("mul", "and") and 0 in (a, b):
            return 0
        if op == "urem" and b == 1:
            return 0
        if op in ("shl", "lshr") and a == 0:
            return 0
        return self.new(f"{op} i64 {self.num(a)}, {self.num(b)}")

    def num(self, x: Num) -> str:
        return str(signed(x)) if isinstance(x, int) else x

    def bit(self, x: Bit) -> str:
        return ("true" if x else "false") if isinstance(x, bool) else x

    def icmp(self, how: str, a: Num, b: Num) -> Bit:
        if isinstance(a, int) and isinstance(b, int):
            return _COMPARE[how](a, b)
        return self.new(f"icmp {how} i64 {self.num(a)}, {self.num(b)}")

    def not1(self, a: Bit) -> Bit:
        return not a if isinstance(a, bool) else self.new(f"xor i1 {a}, true")

    def and1(self, a: Bit, b: Bit) -> Bit:
        if isinstance(a, bool):
            return b if a else False
        if isinstance(b, bool):
            return a if b else False
        return self.new(f"and i1 {a}, {b}")

    def or1(self, a: Bit, b: Bit) -> Bit:
        return (
            self.not1(self.and1(self.not1(a), self.not1(b)))
            if isinstance(a, bool) or isinstance(b, bool)
            else self.new(f"or i1 {a}, {b}")
        )

    def zext(self, a: Bit) -> Num:
        return int(a) if isinstance(a, bool) else self.new(f"zext i1 {a} to i64")

    def select(self, c: Bit, a: Num, b: Num) -> Num:
        if isinstance(c, bool):
            return a if c else b
        return a if a == b else self.new(f"select i1 {c}, i64 {self.num(a)}, i64 {self.num(b)}")

    def select1(self, c: Bit, a: Bit, b: Bit) -> Bit:
        if isinstance(c, bool):
            return a if c else b
        return self.new(f"select i1 {c}, i1 {self.bit(a)}, i1 {self.bit(b)}")

    def popcount(self, a: Num) -> Num:
        return (a & MASK64).bit_count() if isinstance(a, int) else self.new(f"call i64 @llvm.ctpop.i64(i64 {a})")

    def trailing_zeros(self, a: Num) -> Num:
        assert isinstance(a, str)
        return self.new(f"call i64 @llvm.cttz.i64(i64 {a}, i1 true)")

    def extract(self, a: Num, mask: Num) -> Num:
        """The bits of `a` where the mask has ones, side by side (only for a machine that can)."""
        return self.new(f"call i64 @llvm.x86.bmi.pext.64(i64 {self.num(a)}, i64 {self.num(mask)})")

    def deposit(self, a: Num, mask: int) -> Num:
        """The lowest bits of `a`, one to each one of the mask (only for a machine that can)."""
        return self.new(f"call i64 @llvm.x86.bmi.pdep.64(i64 {self.num(a)}, i64 {signed(mask)})")

    # memory: pointers to i64 words

    def alloca(self, words: int = 1) -> str:
        """Room on the stack, made once per call of the function."""
        self.count += 1
        name = f"%a{self.count}"
        self.entry.append(f"  {name} = alloca [{max(1, words)} x i64], align 8")
        return name

    def word(self, ptr: str, index: Num) -> str:
        """The address of a word."""
        return ptr if index == 0 else self.new(f"getelementptr inbounds i64, ptr {ptr}, i64 {self.num(index)}")

    def load(self, ptr: str, index: Num = 0) -> str:
        return self.new(f"load i64, ptr {self.word(ptr, index)}, align 8")

    def store(self, value: Num, ptr: str, index: Num = 0) -> None:
        self.line(f"store i64 {self.num(value)}, ptr {self.word(ptr, index)}, align 8")

    def copy(self, to: str, source: str, words: int) -> None:
        """Copies words that do not overlap."""
        if words <= 8:
            for v, i in [(self.load(source, i), i) for i in range(words)]:
                self.store(v, to, i)
        else:
            self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr align 8 {to}, ptr align 8 {source}, i64 {8 * words}, i1 false)")

    def zero(self, to: str, words: int) -> None:
        if words <= 8:
            for i in range(words):
                self.store(0, to, i)
        else:
            self.line(f"call void @llvm.memset.p0.i64(ptr align 8 {to}, i8 0, i64 {8 * words}, i1 false)")

    # control

    def fresh(self, base: str = "L") -> str:
        self.count += 1
        return f"{base}{self.count}"

    def label(self, name: str) -> None:
        """Starts a block; falls into it if the one before is still open."""
        if self.open:
            self.line(f"br label %{name}")
        self.body.append(f"{name}:")
        self.open = True

    def jump(self, target: str) -> None:
        if self.open:
            self.line(f"br label %{target}")
            self.open = False

    def branch(self, c: Bit, yes: str, no: str) -> None:
        if isinstance(c, bool):
            self.jump(yes if c else no)
        else:
            self.line(f"br i1 {c}, label %{yes}, label %{no}")
            self.open = False

    def ret(self, value: str) -> None:
        self.line(f"ret {value}")
        self.open = False

    @contextmanager
    def loop(self, n: Num, start: Num = 0) -> Iterator[tuple[str, str, str]]:
        """for i in start..n-1: yields (i, label to go on with, label to leave by)."""
        at = self.alloca()
        self.store(start, at)
        head, body, more, done = (self.fresh(x) for x in ("head", "body", "more", "done"))
        self.label(head)
        i = self.load(at)
        self.branch(self.icmp("slt", i, n), body, done)
        self.label(body)
        yield i, more, done
        self.label(more)
        self.store(self.bin("add", self.load(at), 1), at)
        self.jump(head)
        self.label(done)

    @contextmanager
    def bits(self, words: list[Num]) -> Iterator[tuple[Num, str, str]]:
        """For every set bit of some words: yields (its number, label to go on with, label to leave by).  One body for all the
        words."""
        rest, base, at = self.alloca(), self.alloca(), self.alloca()
        store = self.alloca(len(words))
        for i, w in enumerate(words):
            self.store(w, store, i)
        head, pick, more, nextw, done = (self.fresh(x) for x in ("head", "pick", "more", "next", "done"))
        self.store(words[0], rest)
        self.store(0, base)
        self.store(0, at)
        self.label(head)
        w = self.load(rest)
        self.branch(self.icmp("ne", w, 0), pick, nextw)
        self.label(nextw)
        if len(words) == 1:
            self.jump(done)
        else:
            j = self.bin("add", self.load(at), 1)
            self.store(j, at)
            self.store(self.bin("add", self.load(base), 64), base)
            go = self.fresh("go")
            self.branch(self.icmp("slt", j, len(words)), go, done)
            self.label(go)
            self.store(self.load(store, j), rest)
            self.jump(head)
        self.label(pick)
        w2 = self.load(rest)
        bit = self.bin("add", self.trailing_zeros(w2), self.load(base))
        self.store(self.bin("and", w2, self.bin("sub", w2, 1)), rest)
        yield bit, more, done
        self.label(more)
        self.jump(head)
        self.label(done)


EXTRACTING = """
declare i64 @llvm.x86.bmi.pext.64(i64, i64)
declare i64 @llvm.x86.bmi.pdep.64(i64, i64)
"""
DECLARATIONS = """
declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.cttz.i64(i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""
