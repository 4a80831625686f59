"""Bodies of actions: from statements to the typed core, with what may be written where.

What one statement does to another (assigned twice, runs of a `for` that do not commute) is judged in flow.py, on the result.
"""

from __future__ import annotations

from checker.core import ir
from checker.core.types import Int, MapOf, Option, Record, Seq, Set, Tuple, Type, Unknown
from checker.language import syntax as s
from checker.language.infer import Infer, overloaded
from checker.language.names import Message, SendSite, Variable
from checker.language.scope import TRUE, LocalName, element
from checker.language.wording import a_kind, describe, kind_of


class Statements:
    """Types the statements of one action; `infer` is at home in its scope."""

    def __init__(self, infer: Infer) -> None:
        self.infer, self.names, self.report, self.scope = infer, infer.names, infer.report, infer.scope

    def block(self, body: list[s.Stmt]) -> tuple[ir.Stmt, ...]:
        """The statements of a block; what is named in it is gone after it."""
        outer = dict(self.scope.locals)
        out: list[ir.Stmt] = []
        for stmt in body:
            self._statement(stmt, out)
        for name, local in self.scope.locals.items():
            if outer.get(name) is not local and not local.used:
                self._unused(name, local)
        self.scope.locals = outer
        return tuple(out)

    def _unused(self, name: str, local: LocalName) -> None:
        if not name.startswith("_"):
            self.report.warning("W603", f"{local.what} `{name}` is never used", local.span)

    def _statement(self, stmt: s.Stmt, out: list[ir.Stmt]) -> None:
        match stmt:
            case s.Require():
                out.append(ir.Require(self.infer.boolean(stmt.cond, "what is required"), span=stmt.span))
            case s.Discard():
                self.report.error("E419", "`discard` is not the first statement of a handler", stmt.span, "`require not …`")
            case s.Assign():
                self._assign(stmt, out)
            case s.Let():
                value = self.infer.expr(stmt.value)
                local = self.infer.declare(stmt.name, value.type, "the name")
                out.append(ir.LetStmt(local.name, value, span=stmt.span))
            case s.Choose():
                self._choose(stmt, out)
            case s.If():
                out.append(self._branch(stmt, 0))
            case s.For():
                self._loop(stmt, out)
            case s.Send():
                self._send(stmt, out)

    def _choose(self, stmt: s.Choose, out: list[ir.Stmt]) -> None:
        for c in stmt.choices:
            domain = self.infer.domain(c.domain)
            local = self.infer.declare(c.name, element(domain.type), "the chosen")
            out.append(ir.Choose(local.name, local.type, domain, TRUE, span=stmt.span))
        if stmt.where:
            where = self.infer.boolean(stmt.where, "the condition")
            last = out[-1]
            assert isinstance(last, ir.Choose)
            out[-1] = ir.Choose(last.name, last.type, last.domain, where, span=stmt.span)

    def _branch(self, stmt: s.If, arm: int) -> ir.IfStmt:
        cond, body = stmt.arms[arm]
        test = self.infer.boolean(cond, "the condition")
        then = self.block(body)
        if arm + 1 < len(stmt.arms):
            orelse: tuple[ir.Stmt, ...] = (self._branch(stmt, arm + 1),)
        else:
            orelse = self.block(stmt.orelse or [])
        return ir.IfStmt(test, then, orelse, span=cond.span)

    def _loop(self, stmt: s.For, out: list[ir.Stmt]) -> None:
        domain = self.infer.domain(stmt.domain)
        with self.infer.bind(stmt.name, element(domain.type), "the name of the `for`") as local:
            body = self.block(stmt.body)
        out.append(ir.ForAll(local.name, domain, body, span=stmt.span))

    # ── assignment ──

    def _assign(self, stmt: s.Assign, out: list[ir.Stmt]) -> None:
        target = self._root(stmt.target)
        if target is None:
            self.infer.expr(stmt.value)
            return
        v, steps = target
        path, t = self._path(v, steps)
        v.written = True
        before, self.scope.ghosts = self.scope.ghosts, v.ghost
        value = self._value(stmt, v, path, t)
        self.scope.ghosts = before
        out.append(ir.Assign(v.key, tuple(path), value, span=stmt.span))

    def _value(self, stmt: s.Assign, v: Variable, path: list[ir.Expr | str], t: Type) -> ir.Expr:
        """What is stored; `x += e` is `x := x + e`."""
        what = f"`{self.infer.text(stmt.target)}`"
        value = self.infer.expr(stmt.value)
        if stmt.op == ":=":
            return self.infer.fit(value, t, what, stmt.value.span)
        if not isinstance(t, Int | Set | Seq | Unknown) or (isinstance(t, Seq) and stmt.op == "-="):
            self.report.error(
                "E302", f"`{stmt.op}` does not take {kind_of(t)}", stmt.target.span, "a number or a set (or a sequence, for `+=`)"
            )
            return value
        sign, old = stmt.op[0], self._old(v, path, stmt)
        node = s.Binary(stmt.span, sign, stmt.target, stmt.value, stmt.span)
        hinted = self.infer.one_element(node, stmt.op, old, value)
        op = overloaded(sign, t, value.type)
        found = hinted or self.infer.apply(op, [old, value], node, [stmt.target, stmt.value], label=f"`{stmt.op}`")
        return self.infer.fit(found, t, what, stmt.value.span)

    def _old(self, v: Variable, path: list[ir.Expr | str], stmt: s.Assign) -> ir.Expr:
        """What stands at the place that is assigned."""
        self.scope.footprint.reads.setdefault(v.key, stmt.target.span)
        found: ir.Expr = ir.Read(v.type, v.key, span=stmt.target.span)
        for step in path:
            t = found.type
            if isinstance(step, str):
                assert isinstance(t, Record)
                found = ir.Apply(dict(t.fields)[step], "field", (found,), step, span=stmt.target.span)
            else:
                assert isinstance(t, MapOf | Seq)
                found = ir.Apply(t.val if isinstance(t, MapOf) else t.elem, "index", (found, step), span=stmt.target.span)
        return found

    def _root(self, e: s.Expr) -> tuple[Variable, list[s.Expr]] | None:
        """The variable that is assigned, and the indices and fields below it, outermost first."""
        steps: list[s.Expr] = []
        while isinstance(e, s.Member | s.Index) and not self.infer.qualified(e):
            steps.insert(0, e)
            e = e.base
        v = self._variable(e)
        return (v, steps) if v and self._may_write(v, e) else None

    def _variable(self, e: s.Expr) -> Variable | None:
        own = self.scope.process
        if isinstance(e, s.Member) and isinstance(e.base, s.Name):
            p = self.names.processes[e.base.name]
            self.names.use(p.name)
            if e.name.name not in p.vars:
                self.report.unknown("E203", "variable", e.name, p.vars, f"a variable of {p.name}", p.name)
            elif p is own and p.vars[e.name.name].keyed:
                self.infer.expr(e)
                return None
            return p.vars.get(e.name.name)
        if not isinstance(e, s.Name):
            self.report.error("E409", "this cannot be assigned", e.span, "a variable, or an index or field of one")
            return None
        if e.name in self.scope.locals:
            local = self.scope.locals[e.name]
            local.used = True
            self.report.error(
                "E409", f"`{e.name}` is {local.what} of line {local.span.line}, not a variable", e.span, "a variable"
            )
            return None
        if own and e.name in own.vars:
            return own.vars[e.name]
        if e.name in self.names.vars:
            self.names.use(e.name)
            return self.names.vars[e.name]
        return self._elsewhere(e)

    def _elsewhere(self, e: s.Name) -> Variable | None:
        found = self.names.process_vars(e.name)
        if len(found) == 1:
            return found[0]
        if found:
            self.infer.expr(e)
        elif e.name in self.names.symbols:
            self.report.error(
                "E409", f"`{e.name}` is {a_kind(self.names.symbols[e.name].kind)}, not a variable", e.span, "a variable"
            )
        elif self.scope.process and e.name in self.scope.process.defs:
            self.report.error("E409", f"`{e.name}` is a definition, not a variable", e.span, "a variable")
        else:
            known = [*(self.scope.process.vars if self.scope.process else ()), *self.names.vars]
            self.report.unknown("E203", "variable", e, known or (v.name for v in self.names.all_vars()), "a variable")
        return None

    def _may_write(self, v: Variable, e: s.Expr) -> bool:
        own = self.scope.process
        if own is None or v.process is own or v.ghost:
            return True
        v.written = True
        whose = f"a variable of {v.process.name}" if v.process else "a global variable"
        hint = (
            f"tell {v.process.name} in a message"
            if v.process
            else "declare it in the process, or as a `ghost` if only properties read it"
        )
        self.report.error(
            "E402", f"`{v.name}` is {whose}, and {own.name} cannot write it", e.span, f"variables of {own.name}, and ghosts", hint
        )
        return False

    def _path(self, v: Variable, steps: list[s.Expr]) -> tuple[list[ir.Expr | str], Type]:
        """The typed path, and the type of what stands there."""
        path: list[ir.Expr | str] = []
        t = v.type
        if v.keyed and v.process is self.scope.process:
            assert v.process is not None and v.process.ident is not None
            self.scope.footprint.itself = True
            path, t = [ir.Local(v.process.ident, "self")], v.cell
        for e in steps:
            step, t = self._step(t, e)
            path += [step] if step is not None else []
        return path, t

    def _step(self, t: Type, e: s.Expr) -> tuple[ir.Expr | str | None, Type]:
        assert isinstance(e, s.Member | s.Index)
        if isinstance(e, s.Member):
            if isinstance(t, Record) and e.name.name in dict(t.fields):
                return e.name.name, dict(t.fields)[e.name.name]
            self._no_field(t, e)
        elif isinstance(t, MapOf):
            return self.infer.fitted(e.index, t.key, f"the index of `{self.infer.text(e.base)}`"), t.val
        elif isinstance(t, Seq):
            return self._position(e), t.elem
        elif isinstance(t, Tuple):
            self.report.error(
                "E409",
                "a component of a tuple cannot be assigned",
                e.span,
                "the whole tuple",
                f"`{self.infer.text(e.base)} := {self.infer.text(e.base)} with [i] = …`",
            )
        elif not isinstance(t, Unknown):
            self.infer.no_index(t, e.base)
        return None, Unknown()

    def _no_field(self, t: Type, e: s.Member) -> None:
        if isinstance(t, Option) and isinstance(t.elem, Record):
            text = self.infer.text(e.base)
            self.report.error(
                "E307",
                f"`{text}` may be none, and none has no fields",
                e.name.span,
                "a record before the `.`",
                f"assign the whole: `{text} := the({text}) with {e.name.name} = …`",
            )
        else:
            self.infer.no_field(t, e.name, self.infer.text(e.base))

    def _position(self, e: s.Index) -> ir.Expr | None:
        found = self.infer.expr(e.index)
        if not isinstance(found.type, Int | Unknown):
            self.report.error(
                "E302", f"an index of a sequence is a number, not {kind_of(found.type)}", e.index.span, "a number from 0"
            )
        return found

    # ── sending ──

    def _send(self, stmt: s.Send, out: list[ir.Stmt]) -> None:
        m = self.names.messages.get(stmt.message.name)
        if m is None:
            self.report.unknown("E207", "message", stmt.message, self.names.messages, "a message")
        args = self._fields(stmt, m)
        to = self._addressee(stmt.to) if stmt.to else None
        if m is None:
            return
        own = self.scope.process
        m.sends.append(SendSite(stmt.span, own, to.type if to else None, stmt.to.span if stmt.to else None))
        sender = ir.Local(own.ident, "self") if own and own.ident is not None else None
        if args is not None:
            out.append(ir.Send(m.name, args, to, sender, span=stmt.span))

    def _addressee(self, e: s.Expr) -> ir.Expr:
        single = self.names.processes.get(e.name) if isinstance(e, s.Name) and e.name not in self.scope.locals else None
        if single is None or single.ident is not None:
            return self.infer.expr(e)
        self.names.use(single.name)
        hint = "a single process is reached without `to`"
        self.report.error("E416", f"`{single.name}` is single and has no identity", e.span, "the identity of a process", hint)
        return self.infer.bad(e.span)

    def _fields(self, stmt: s.Send, m: Message | None) -> tuple[ir.Expr, ...] | None:
        given = stmt.args or []
        if m is None or len(given) != len(m.fields):
            for a in given:
                self.infer.expr(a)
            if m is not None:
                count = f"{len(m.fields)} field{'s' * (len(m.fields) != 1)}"
                fields = ", ".join(f"{n}: {describe(t)}" for n, t in m.fields)
                self.report.error(
                    "E209",
                    f"`{m.name}` has {count}, not {len(given)}",
                    stmt.span,
                    f"`send {m.name}({fields})`" if m.fields else f"`send {m.name}`",
                )
            return None
        return tuple(self.infer.fitted(a, t, f"the field `{n}` of `{m.name}`") for a, (n, t) in zip(given, m.fields, strict=True))
