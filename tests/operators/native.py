"""Runs expressions as machine code: one LLVM module, one function for each expression, one call for all rows of arguments."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from checker.core.ir import Expr
from checker.core.layout import layout, state_layout
from checker.core.types import Type
from checker.engines.native.codegen import Costs, Expressions
from checker.engines.native.emit import DECLARATIONS, Fn
from checker.engines.native.objects import _engine as engine
from checker.engines.native.objects import compile_ir, load
from checker.engines.native.values import Mem, Module, Val

Rows = list[dict[str, Any]]


@dataclass
class Batch:
    """Expressions, to be compiled together."""

    functions: list[Fn] = field(default_factory=list)
    module: Module = field(default_factory=Module)
    engine: Any = None

    def add(self, name: str, vars: dict[str, Type], defined: Expr, value: Expr) -> None:
        """A function from rows of `vars` to rows of (is it defined?, the packed value)."""
        fn = Fn(name, [("ptr noalias", "src"), ("ptr noalias", "out"), ("i64", "n")], "void", "nounwind")
        state = state_layout(vars)
        gen = Expressions(fn, self.module, state, Costs())
        width = 1 + layout(value.type).words
        with fn.loop("%n") as (i, more, _):
            gen.cur = gen.after = fn.word("%src", fn.bin("mul", i, state.words))
            to = fn.word("%out", fn.bin("mul", i, width))
            good = fn.fresh("good")
            gen.branch(defined, good, more, {})
            fn.label(good)
            fn.store(1, to)
            gen._keep(Val(value.type, mem=Mem(fn.word(to, 1))), gen.value(value, {}))
        fn.ret("void")
        self.functions.append(fn)

    def compile(self, remember: bool = True) -> Batch:
        """Machine code for what was added.  `remember` it for the next run, unless it will not come again."""
        head = [DECLARATIONS, "declare i64 @llvm.umin.i64(i64, i64)"]
        ir = "\n".join([*head, *(f.text() for f in self.functions), *self.module.text()])
        self.engine = load(ir)[0] if remember else engine(compile_ir(ir))
        return self

    def run(self, name: str, vars: dict[str, Type], t: Type, rows: Rows) -> list[list[int] | None]:
        """For each row the words of the value, None where it is not defined."""
        state, width = state_layout(vars), 1 + layout(t).words
        source = np.array([state.pack(r) for r in rows] or [[0]], dtype=np.uint64)
        out = np.zeros((len(rows), width), dtype=np.uint64)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(self.engine.get_function_address(name))
        call(source.ctypes.data, out.ctypes.data, len(rows))
        return [row[1:] if row[0] else None for row in out.tolist()]
