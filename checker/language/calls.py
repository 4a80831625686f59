"""Calls: definitions, records, what is built in, and `sent`.

A definition is typed when it is first called (or at last by load.py); what it looks at is judged at each call, in the scope of
that call.
"""

from __future__ import annotations

from checker.core import ir
from checker.core.operators import TypeMismatch
from checker.core.operators.table import join, ordered
from checker.core.types import BOOL, INT, Int, MapOf, Record, Seq, Set, Sort, Type, Unknown
from checker.language import syntax as s
from checker.language.lookup import Lookup
from checker.language.names import Definition, LookSite, Variable
from checker.language.resolve import BUILT_IN
from checker.language.scope import Scope, retype
from checker.language.wording import a_kind, describe, kind_of
from checker.source import Span

FOLDS = ("sum", "min", "max")
UNARY_CALLS = ("len", "the", "keys", "values", "elems", "indices", "last", "subsets")
CALLS = {**{name: name for name in UNARY_CALLS}, "range": "range", "count": "count", "add": "bag_add", "remove": "bag_remove"}


class Calls(Lookup):
    """Rules for everything with arguments."""

    def call(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if name in self.scope.locals:
            return self._no_call(e, self.scope.locals[name].what)
        if e.generator and name not in FOLDS:
            hint = f"a set is `{{{self.text(e.args[0])} for …}}`"
            self.report.error("E302", f"`{name}` does not take a generator", e.span, "`sum`, `min` or `max` before it", hint)
            return self.bad(e.span)
        own = self.scope.process
        if own and name in own.defs:
            return self.call_definition(own.defs[name], e.args, e)
        if name in self.names.defs:
            self.names.use(name)
            return self.call_definition(self.names.defs[name], e.args, e)
        if name in BUILT_IN:
            return self.builtin(e)
        if name in self.names.symbols and self.names.symbols[name].kind == "record":
            return self.record(e)
        return self._call_elsewhere(e)

    def _call_elsewhere(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        found = [p.defs[name] for p in self.names.processes.values() if name in p.defs]
        if found and self.scope.process is None:
            if len(found) > 1:
                self.report.error(
                    "E205",
                    f"`{name}` is a definition of {' and '.join(d.process.name for d in found if d.process)}",
                    e.name.span,
                    "a name that is used once",
                )
                return self._drop(e)
            return self.call_definition(found[0], e.args, e)
        if name in self.names.messages:
            self._message_as_value(name, e.name.span)
            return self._drop(e)
        if name in self.names.symbols:
            return self._no_call(e, a_kind(self.names.symbols[name].kind))
        if found or self.names.process_vars(name) or (self.scope.process is not None and name in self.scope.process.vars):
            return self._no_call(e, "a definition of another process" if found else "a variable")
        known = [
            *self.names.defs,
            *(self.scope.process.defs if self.scope.process else ()),
            *BUILT_IN,
            *(n for n, t in self.names.types.items() if isinstance(t, Record)),
        ]
        self.report.unknown("E203", "definition", e.name, known, "a definition, a record, or something built in")
        return self._drop(e)

    def _no_call(self, e: s.Call, what: str) -> ir.Expr:
        name, found = e.name.name, self._variable_of(e.name.name)
        hint = None
        if found:
            found.read = True
            if len(e.args) == 1 and isinstance(
                found.type if found.process is not self.scope.process else found.cell, MapOf | Seq
            ):
                hint = f"an index stands in `[…]`: `{name}[{self.text(e.args[0])}]`"
        expected = "a definition, a record, or something built in"
        self.report.error("E210", f"`{name}` is {what} and cannot be called", e.name.span, expected, hint)
        return self._drop(e)

    def _variable_of(self, name: str) -> Variable | None:
        """The variable that is called as if it were a function."""
        own = self.scope.process.vars.get(name) if self.scope.process else None
        return own or self.names.vars.get(name) or next(iter(self.names.process_vars(name)), None)

    def _drop(self, e: s.Call) -> ir.Expr:
        """Looks at the arguments of a call that is wrong already."""
        if not e.generator:
            for a in e.args:
                self.expr(a)
        return self.bad(e.span)

    # ── definitions ──

    def call_definition(self, d: Definition, args: list[s.Expr], e: s.Expr) -> ir.Expr:
        d.used = True
        self.define(d)
        inside = self.scope.process is d.process
        params = list(d.params)
        found: list[ir.Expr] = []
        if d.process and d.process.ident is not None and not inside:  # outside, the process is the first argument
            params.insert(0, (s.Ident(e.span, "self"), d.process.ident))
        if not self.arity(e, d.name, [f"{n.name}: {describe(t)}" for n, t in params], args):
            return self.bad(e.span)
        found = [self.fitted(a, t, f"the argument `{n.name}` of `{d.name}`") for a, (n, t) in zip(args, params, strict=True)]
        if d.process and d.process.ident is not None:
            if inside and d.footprint.itself:
                found.insert(0, ir.Local(d.process.ident, "self", span=e.span))
            elif not inside and not d.footprint.itself:
                del found[0]
        self.looks(d, e.span)
        return ir.Call(d.type, d.key, tuple(found), span=e.span)

    def arity(self, e: s.Expr, name: str, params: list[str], args: list[s.Expr]) -> bool:
        """Are there as many arguments as parameters?  An error if not."""
        keyword = next((a for a in args if isinstance(a, s.Keyword)), None)
        if keyword:
            self.report.error("E209", f"`{name}` takes its arguments by position", keyword.span, f"`{self.text(keyword.value)}`")
            return False
        if len(params) == len(args):
            return True
        if isinstance(e, s.Name):
            self.report.error("E210", f"`{name}` needs arguments", e.span, f"`{name}({', '.join(params)})`")
            return False
        for a in args:
            self.expr(a)
        count = f"{len(params)} argument{'s' * (len(params) != 1)}"
        self.report.error("E209", f"`{name}` takes {count}, not {len(args)}", e.span, f"`{name}({', '.join(params)})`")
        return False

    def looks(self, d: Definition, at: Span) -> None:
        """Judges what a definition looks at, here where it is called."""
        self.scope.footprint.add(d.footprint, at)
        variables = {v.key: v for v in self.names.all_vars()}
        own = d.process is not None and d.process is self.scope.process  # then its body has been judged already, but for ghosts
        for key in d.footprint.reads:
            v = variables[key]
            if (v.ghost or not own) and not (self.may_read(v, at, via=d.name) and (own or self._own_only(v, at, d))):
                return
        if d.footprint.sent and not own and (self.scope.where == "constant" or self.scope.process):
            self.not_local(at, f"`{d.name}` asks what was sent, which")
        if d.footprint.byzantine:
            self.only_properties_know(at, f"`{d.name}`")

    def _own_only(self, v: Variable, at: Span, d: Definition) -> bool:
        """In a process: a global definition that reads variables of this process reads those of all its identities."""
        p = self.scope.process
        if p is None or v.process is not p or not v.keyed or v.ghost:
            return True
        self.report.error(
            "E401",
            f"`{d.name}` reads `{v.name}` of every {p.name}, and each {p.name} sees only its own",
            at,
            f"variables of {p.name}, parameters, and what the message brought",
            f"a `def` inside the process reads the `{v.name}` of `self`",
        )
        return False

    def define(self, d: Definition) -> None:
        """Types the body of a definition, once."""
        if d.state == "busy":
            way = [f"`{n}`" for n in self.names.busy[self.names.busy.index(d.name) + 1 :]]
            through = f", through {', '.join(way)}" if way else ""
            self.report.error(
                "E212", f"the definition `{d.name}` calls itself{through}", d.decl.name.span, "a definition without recursion"
            )
        if d.state != "new":
            return
        d.state = "busy"
        self.names.busy.append(d.name)
        ident = d.process.ident if d.process else None
        inner = type(self)(self.names, self.types, Scope("def", d.process, itself=ident, footprint=d.footprint))
        locals_ = [inner.declare(n, t, "the parameter") for n, t in d.params]
        if d.result:
            d.body = inner.fitted(d.decl.body, d.result, f"the result of `{d.name}`")
        else:
            d.body = inner.expr(d.decl.body)
        own = [("self", ident)] if ident is not None and d.footprint.itself else []
        self.names.busy.pop()
        d.locals = (*own, *((n.name, n.type) for n in locals_))
        d.state = "done"

    # ── records ──

    def record(self, e: s.Call) -> ir.Expr:
        """R(a, b) or R(f = a, g = b)"""
        self.names.use(e.name.name)
        t = self.names.types.get(e.name.name)
        if not isinstance(t, Record):
            return self._drop(e)
        args = self._by_name(e, t) if any(isinstance(a, s.Keyword) for a in e.args) else e.args
        if args is None or not self.arity(e, t.name, [f"{n}: {describe(f)}" for n, f in t.fields], args):
            return self.bad(e.span)
        found = [self.fitted(a, f, f"the field `{n}` of `{t.name}`") for a, (n, f) in zip(args, t.fields, strict=True)]
        return ir.Apply(t, "record", tuple(found), t, span=e.span)

    def _by_name(self, e: s.Call, t: Record) -> list[s.Expr] | None:
        given = {a.name.name: a.value for a in e.args if isinstance(a, s.Keyword)}
        for a in e.args:
            if isinstance(a, s.Keyword) and a.name.name not in dict(t.fields):
                self.no_field(t, a.name, t.name)
                return None
        missing = [n for n, _ in t.fields if n not in given]
        if missing or len(given) != len(e.args):
            self.report.error(
                "E209", f"`{t.name}` needs each field once, by name", e.span, ", ".join(f"`{n} = …`" for n, _ in t.fields)
            )
            return None
        return [given[n] for n, _ in t.fields]

    # ── what is built in ──

    def builtin(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if e.generator:
            return self._fold(e)
        if name == "sum":
            self.report.error("E210", "`sum` needs a generator", e.span, "`sum(e for x in S)`")
            return self._drop(e)
        if name in ("min", "max"):
            return self._extreme(e)
        if name == "byzantine":
            return self._byzantine(e)
        params = ["…"] if name in UNARY_CALLS else {"range": ["from", "to"]}.get(name, ["bag", "x"])
        if not self.arity(e, name, params, e.args):
            return self.bad(e.span)
        if name == "len" and isinstance(e.args[0], s.Name) and self._is_sort(e.args[0].name):
            self.names.use(e.args[0].name)
            return ir.Size(INT, e.args[0].name, span=e.span)
        return self.apply(CALLS[name], list(map(self.expr, e.args)), e, e.args, label=f"`{name}`")

    def _byzantine(self, e: s.Call) -> ir.Expr:
        """byzantine(P): which processes of P are.  The protocol cannot know."""
        if not self.arity(e, "byzantine", ["P"], e.args):
            return self.bad(e.span)
        at = e.args[0]
        if not isinstance(at, s.Name) or at.name in self.scope.locals:
            self.report.error("E208", f"`{self.text(at)}` is no process", at.span, "`byzantine(P)` for a process P")
            return self.bad(e.span)
        if at.name not in self.names.processes:
            self.report.unknown("E208", "process", at, self.names.processes, "`byzantine(P)` for a process P")
            return self.bad(e.span)
        self.names.use(at.name)
        self.scope.footprint.byzantine = self.scope.footprint.byzantine or e.span
        self.only_properties_know(e.span, f"`{self.text(e)}`")
        ident = self.names.processes[at.name].ident
        return ir.Byzantine(BOOL if ident is None else Set(ident), at.name, span=e.span)

    def only_properties_know(self, at: Span, what: str) -> None:
        """Who is Byzantine may be asked in properties and for ghosts."""
        if self.scope.where == "constant":
            self.not_local(at, f"{what}: who is Byzantine")
        elif self.scope.where in ("action", "process") and not self.scope.ghosts:
            self.report.error(
                "E418",
                f"{what}: the protocol cannot know who is Byzantine",
                at,
                "what a process can know",
                "properties and assignments to ghosts may ask",
            )

    def _is_sort(self, name: str) -> bool:
        return name not in self.scope.locals and isinstance(self.names.types.get(name), Sort)

    def _extreme(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if len(e.args) == 1:
            return self.apply(f"{name}set", [self.expr(e.args[0])], e, e.args, label=f"`{name}`")
        if not self.arity(e, name, ["a", "b"], e.args):
            return self.bad(e.span)
        return self.apply(f"{name}2", list(map(self.expr, e.args)), e, e.args, label=f"`{name}`")

    def _fold(self, e: s.Call) -> ir.Expr:
        kind = e.name.name
        assert e.generator is not None
        name, domain, where, body = self.generated(e.generator, e.args[0])
        t = body.type
        if kind == "sum" and not isinstance(t, Int | Unknown):
            self.report.error("E302", f"`sum` does not take {kind_of(t)}", e.args[0].span, "a number")
        if kind != "sum" and not ordered(t):
            self.report.error(
                "E304",
                f"values of type `{describe(t)}` have no order",
                e.args[0].span,
                "numbers, members of an enum, or tuples, records and options of these",
            )
        return ir.Fold(INT if isinstance(t, Int) or kind == "sum" else t, kind, name, domain, where, body, span=e.span)

    # ── messages ──

    def sent(self, e: s.Sent) -> ir.Expr:
        self.scope.footprint.sent = self.scope.footprint.sent or e.span
        if self.scope.where in ("process", "constant") or (self.scope.where == "def" and self.scope.process):
            self.not_local(e.span, "what was sent")
        m = self.names.messages.get(e.message.name)
        if m is None:
            self.report.unknown("E207", "message", e.message, self.names.messages, "a message")
            for a in e.args or []:
                self._pattern(a, None)
            return self.bad(e.span)
        to, sender = (self.expr(x) if x is not None else None for x in (e.to, e.sender))
        m.looked_at.append(
            LookSite(
                e.span, (to.type, to.span or e.span) if to else None, (sender.type, sender.span or e.span) if sender else None
            )
        )
        args = e.args or []
        if e.args is None and m.fields:
            return ir.Sent(BOOL, m.name, (None,) * len(m.fields), to, sender, span=e.span)
        if len(args) != len(m.fields):
            self._field_count(e, m.name, [f"{n}: {describe(t)}" for n, t in m.fields], len(args))
            return self.bad(e.span)
        found = tuple(self._pattern(a, (n, t)) for a, (n, t) in zip(args, m.fields, strict=True))
        return ir.Sent(BOOL, m.name, found, to, sender, span=e.span)

    def _field_count(self, e: s.Sent, name: str, fields: list[str], given: int) -> None:
        count = f"{len(fields)} field{'s' * (len(fields) != 1)}"
        self.report.error(
            "E209",
            f"`{name}` has {count}, not {given}",
            e.span,
            f"`{name}({', '.join(fields)})`; `_` matches anything" if fields else f"`sent {name}`",
        )

    def _pattern(self, a: s.Expr, to: tuple[str, Type] | None) -> ir.Expr | None:
        """A field of `sent`: compared, not stored; `_` matches anything."""
        if isinstance(a, s.Name) and a.name == "_":
            return None
        found = self.expr(a)
        if to is not None:
            found = retype(found, to[1])
            try:
                join(found.type, to[1])
            except TypeMismatch:
                self.report.error(
                    "E303",
                    f"the field `{to[0]}` is of type `{describe(to[1])}`, but this is of type `{describe(found.type)}`",
                    a.span,
                    f"`{describe(to[1])}` or `_`",
                )
        return found

    def keyword(self, e: s.Keyword) -> ir.Expr:
        self.report.error(
            "E209", "a named argument", e.span, f"`{self.text(e.value)}`", "only the fields of a record can be named"
        )
        return self.bad(e.span)
