"""Names and variables: what a name stands for where it stands, and whether that may be looked at there.

Every name of an expression is looked up here and nowhere else; so locality, ghosts and primes are checked here, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from checker.core import ir
from checker.core.types import BOOL, INT, Int, Option, Record, Set, Type, Unknown
from checker.language import syntax as s
from checker.language.names import Process, Variable, nearest
from checker.language.resolve import BUILT_IN
from checker.language.scope import Typing
from checker.language.wording import value_of_type
from checker.source import Span

IN_FLIGHT = "in_flight"  # how many messages are in the network


class Lookup(Typing):
    """Rules for names, variables and primes."""

    def name(self, e: s.Name) -> ir.Expr:
        found = self.scope.locals.get(e.name)
        if found:
            found.used = True
            return replace(found.expr, span=e.span)
        own = self.scope.process
        if own and e.name in own.vars:
            return self.read(own.vars[e.name], e)
        if own and e.name in own.defs:
            return self.call_definition(own.defs[e.name], [], e)
        if e.name in self.names.symbols:
            return self.symbol(e)
        if e.name in ("bool", "int"):
            return self._all_of(BOOL if e.name == "bool" else INT, e)
        return self._elsewhere(e)

    def symbol(self, e: s.Name) -> ir.Expr:
        """A global name as a value."""
        names, symbol = self.names, self.names.symbols[e.name]
        symbol.used = True
        match symbol.kind:
            case "param":
                return ir.Param(names.params[e.name], e.name, span=e.span)
            case "member":
                return ir.Const(names.members[e.name], e.name, span=e.span)
            case "sort" | "enum" | "type" | "record":
                return self._all_of(names.types.get(e.name, Unknown()), e)
            case "quorum":
                t = names.types.get(names.quorums[e.name].sort.name, Unknown())
                return ir.Call(Set(Set(t)), e.name, span=e.span)
            case "var" if e.name in names.vars:
                return self.read(names.vars[e.name], e)
            case "def" if e.name in names.defs:
                return self.call_definition(names.defs[e.name], [], e)
            case "process":
                self.report.error(
                    "E211", f"`{e.name}` is a process, not a value", e.span, "a value", f"a variable of it is `{e.name}.x`"
                )
        return self.bad(e.span)

    def _all_of(self, t: Type, e: s.Expr) -> ir.Expr:
        """A type name as the set of all its values."""
        if isinstance(t, Int) and t.lo is None:
            self.report.error("E308", "`int` has no bounds", e.span, "a type with finitely many values")
            return self.bad(e.span)
        return self.bad(e.span) if isinstance(t, Unknown) else ir.Apply(Set(t), "all", (), t, span=e.span)

    def _elsewhere(self, e: s.Name) -> ir.Expr:
        """A name that is nothing here: perhaps a variable of a process, or nothing at all."""
        found = self.names.process_vars(e.name)
        if len(found) == 1:
            return self.read(found[0], e)
        if found:
            here = " and ".join(v.process.name for v in found if v.process)
            hint = f"say which: `{found[0].key}`"
            self.report.error(
                "E205", f"`{e.name}` is a variable of {here}", e.span, f"{' or '.join(f'`{v.key}`' for v in found)}", hint
            )
            for v in found:
                v.read = True
        elif e.name in self.names.messages:
            self._message_as_value(e.name, e.span)
        elif e.name == IN_FLIGHT:
            return self.in_flight(e)
        elif e.name in BUILT_IN:
            self.report.error("E210", f"`{e.name}` is built in and needs arguments", e.span, f"`{e.name}(…)`")
        elif e.name == "_":
            self.report.error("E203", "`_` stands for anything only in the fields of `sent` and `on`", e.span, "a value")
        else:
            self.report.unknown("E203", "name", e, self.visible(), "a variable, parameter, definition, or bound name")
        return self.bad(e.span)

    def in_flight(self, e: s.Name) -> ir.Expr:
        """The number of messages in the network."""
        self.scope.footprint.sent = self.scope.footprint.sent or e.span
        if self.scope.where in ("process", "constant") or (self.scope.where == "def" and self.scope.process):
            self.not_local(e.span, "how many messages are in flight")
        return ir.InFlight(INT, span=e.span)

    def _message_as_value(self, name: str, at: Span) -> None:
        sent = f"sent {name}(…)" if self.names.messages[name].fields else f"sent {name}"
        hint = f"`on {name}` receives one" if self.scope.process else f"whether one was sent is `{sent}`"
        self.report.error("E211", f"`{name}` is a message, not a value", at, "a value", hint)

    def visible(self) -> Iterable[str]:
        """Names that could be meant here."""
        own = self.scope.process
        yield from self.scope.locals
        yield from own.vars if own else ()
        yield from own.defs if own else ()
        yield from self.names.symbols
        yield from BUILT_IN
        yield from ("none", "true", "false", "self", IN_FLIGHT)
        if not own:
            yield from (v.name for v in self.names.all_vars())

    # ── variables ──

    def read(self, v: Variable, e: s.Expr) -> ir.Expr:
        """A variable as a value: the whole, or in its own process the cell."""
        v.read = True
        primed = self.primed is e
        self.scope.footprint.reads.setdefault(v.key, e.span)
        whole = ir.Read(v.type, v.key, primed, span=e.span)
        if not self.may_read(v, e.span):
            return self.bad(e.span)
        if v.process is None or v.process is not self.scope.process or not v.keyed:
            return whole
        self.scope.footprint.itself = True
        assert v.process.ident is not None
        return ir.Apply(v.cell, "index", (whole, ir.Local(v.process.ident, "self")), span=e.span)

    def may_read(self, v: Variable, at: Span, via: str = "") -> bool:
        """Is reading this variable allowed here?  `via`: the definition that reads it."""
        where, own = self.scope.where, self.scope.process
        how = f"`{via}` reads `{v.name}`, which" if via else f"`{v.name}`"
        if where == "constant":
            self.report.error(
                "E311", f"{how} is a variable, but {self.scope.what} is constant", at, "parameters, sizes, and numbers"
            )
        elif v.ghost and where in ("action", "process") and not self.scope.ghosts:
            self.report.error(
                "E404",
                f"{how} is a ghost: the protocol may not depend on it",
                at,
                "a variable that is not a ghost",
                "ghosts are read in properties and in assignments to ghosts",
            )
        elif own and v.process is not own and not v.ghost and where in ("process", "def"):
            whose = f"a variable of {v.process.name}" if v.process else "a global variable"
            hint = (
                f"let {v.process.name} send it in a message" if v.process else "keep it in the process, or send it in a message"
            )
            self.report.error(
                "E401",
                f"{how} is {whose}, and {own.name} cannot see it",
                at,
                f"variables of {own.name}, parameters, and what the message brought",
                hint,
            )
        else:
            return True
        return False

    def not_local(self, at: Span, what: str) -> None:
        if self.scope.where == "constant":
            self.report.error(
                "E311", f"{what} depends on the state, but {self.scope.what} is constant", at, "parameters, sizes, and numbers"
            )
            return
        name = self.scope.process.name if self.scope.process else "a process"
        self.report.error(
            "E403",
            f"{what} is not known to {name}",
            at,
            "variables of the process, parameters, and what the message brought",
            "receive the message with `on`, and remember what matters in a variable",
        )

    # ── x.y ──

    def member(self, e: s.Member) -> ir.Expr:
        if isinstance(e.base, s.Name) and e.base.name not in self.scope.locals and e.base.name in self.names.processes:
            return self._of_process(self.names.processes[e.base.name], e)
        base = self.expr(e.base)
        t = base.type
        if isinstance(t, Record) and e.name.name in dict(t.fields):
            return ir.Apply(dict(t.fields)[e.name.name], "field", (base,), e.name.name, span=e.span)
        self.no_field(t, e.name, self.text(e.base))
        return self.bad(e.span)

    def no_field(self, t: Type, name: s.Ident, text: str) -> None:
        """Says why there is no such field."""
        if isinstance(t, Record):
            fields = ", ".join(f"`{f}`" for f, _ in t.fields)
            self.report.error(
                "E206",
                f"`{t.name}` has no field `{name.name}`",
                name.span,
                f"one of {fields}",
                nearest(name.name, [f for f, _ in t.fields]),
            )
        elif not isinstance(t, Unknown):
            hint = (
                f"it may be none; `the({text}).{name.name}` is the field of its value"
                if isinstance(t, Option) and isinstance(t.elem, Record)
                else None
            )
            self.report.error(
                "E307", f"`{text}` is {value_of_type(t)} and has no fields", name.span, "a record before the `.`", hint
            )

    def qualified(self, e: s.Expr) -> bool:
        return (
            isinstance(e, s.Member)
            and isinstance(e.base, s.Name)
            and e.base.name in self.names.processes
            and e.base.name not in self.scope.locals
        )

    def _of_process(self, p: Process, e: s.Member) -> ir.Expr:
        """P.x"""
        self.names.use(p.name)
        if e.name.name in p.vars:
            v = p.vars[e.name.name]
            if self.scope.process is p and v.keyed:
                self.report.error(
                    "E401",
                    f"`{p.name}.{v.name}` are the variables of all, and each {p.name} sees only its own",
                    e.span,
                    f"`{v.name}`, which is that of `self`",
                )
                v.read = True
                return self.bad(e.span)
            return self.read(v, e)
        if e.name.name in p.defs:
            return self.call_definition(p.defs[e.name.name], [], e)
        self.report.unknown("E203", "variable", e.name, [*p.vars, *p.defs], f"a variable of {p.name}", p.name)
        return self.bad(e.span)

    # ── primes ──

    def prime(self, e: s.Prime) -> ir.Expr:
        root = e.base
        while isinstance(root, s.Member | s.Index) and not self.qualified(root):
            root = root.base
        if self.scope.where != "step":
            self.report.error(
                "E408",
                "a prime outside a step property",
                e.span,
                "no prime: in actions a read after a write sees the new value",
                "`step NAME: …` compares `x` with `x'`",
            )
            self.expr(e.base)
            return self.bad(e.span)
        if not self._is_variable(root):
            self.report.error(
                "E408", f"`{self.text(root)}` is not a variable", root.span, "a prime on a variable or a part of it"
            )
            self.expr(e.base)
            return self.bad(e.span)
        before, self.primed = self.primed, root
        found = self.expr(e.base)
        self.primed = before
        return replace(found, span=e.span)

    def _is_variable(self, e: s.Expr) -> bool:
        if self.qualified(e):
            return True
        return (
            isinstance(e, s.Name)
            and e.name not in self.scope.locals
            and (e.name in self.names.vars or bool(self.names.process_vars(e.name)))
        )
