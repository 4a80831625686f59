"""Declares everything a file declares: names to types, variables, messages, processes, definitions.  Bodies are left for infer.

Two passes: first every name is entered (so that order does not matter, and duplicates are found), then types are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from checker.core.types import INT, Bool, Enum, Int, MapOf, Sort, Type, Unknown
from checker.language import syntax as s
from checker.language.names import Definition, Message, Names, Process, Report, Symbol, Variable, nearest
from checker.language.typenames import TypeReader
from checker.language.wording import a_kind, describe
from checker.source import Source

D = TypeVar("D", bound=s.Decl)

BUILT_IN = frozenset(
    [
        "len",
        "min",
        "max",
        "sum",
        "the",
        "keys",
        "values",
        "elems",
        "indices",
        "last",
        "range",
        "subsets",
        "count",
        "add",
        "remove",
        "byzantine",
    ]
)
NETWORKS = ("set", "bag", "fifo")


def each(tree: s.File, kind: type[D]) -> list[D]:
    return [d for d in tree.decls if isinstance(d, kind)]


class Resolver:
    """Fills `names` from the declarations of `tree`."""

    def __init__(self, tree: s.File, source: Source, report: Report) -> None:
        self.tree, self.report = tree, report
        self.names = Names(source, report)
        decls: dict[str, s.TypeDecl | s.RecordDecl] = {}
        for d in tree.decls:
            if isinstance(d, s.TypeDecl | s.RecordDecl):
                decls.setdefault(d.name.name, d)
        self.types = TypeReader(self.names, decls)

    def resolve(self) -> Names:
        self._enter_names()
        self._params()
        for name in self.types.decls:
            self.types.declared(name)
        self._once_each()
        self._messages()
        self._processes()
        for d in each(self.tree, s.VarDecl):
            self._global_var(d)
        for f in each(self.tree, s.DefDecl):
            self._define(f, None)
        self._variable_keys()
        return self.names

    # ── pass 1: names ──

    def _enter_names(self) -> None:
        for d in self.tree.decls:
            match d:
                case s.SortDecl():
                    for n in d.names:
                        if self._enter("sort", n):
                            self.names.types[n.name] = Sort(n.name)
                case s.EnumDecl():
                    self._enum(d)
                case s.ParamDecl():
                    self._enter("param", d.name)
                case s.TypeDecl():
                    self._enter("type", d.name)
                case s.RecordDecl():
                    self._enter("record", d.name)
                    self._distinct([f.name for f in d.fields], "field")
                case s.QuorumDecl():
                    if self._enter("quorum", d.name):
                        self.names.quorums[d.name.name] = d
                case s.VarDecl():
                    self._enter("var", d.name)
                case s.DefDecl():
                    self._enter("def", d.name)
                case s.ProcessDecl(single=True):
                    self._enter("process", d.name)

    def _enter(self, kind: str, name: s.Ident) -> bool:
        """Enters a global name, unless there is one already."""
        if name.name in BUILT_IN and kind == "def":
            self.report.error("E201", f"`{name.name}` is built in", name.span, "another name")
            return False
        before = self.names.symbols.get(name.name)
        if before:
            self.report.error(
                "E201",
                f"`{name.name}` is already {a_kind(before.kind)}, declared in line {before.span.line}",
                name.span,
                "another name",
            )
            return False
        self.names.symbols[name.name] = Symbol(kind, name.name, name.span)
        return True

    def _distinct(self, names: Iterable[s.Ident], what: str) -> None:
        seen: set[str] = set()
        for n in names:
            if n.name in seen and n.name != "_":
                self.report.error("E201", f"two {what}s are called `{n.name}`", n.span, "another name")
            seen.add(n.name)

    def _enum(self, d: s.EnumDecl) -> None:
        members = [m for m in d.members if self._enter("member", m)]
        t = Enum(d.name.name, tuple(m.name for m in members))
        if self._enter("enum", d.name):
            self.names.types[d.name.name] = t
        for m in members:
            self.names.members[m.name] = t

    # ── pass 2: what they are ──

    def _params(self) -> None:
        for d in each(self.tree, s.ParamDecl):
            if self.names.symbols[d.name.name].span == d.name.span:
                self.names.params[d.name.name] = INT  # while the types of parameters are read
        for d in each(self.tree, s.ParamDecl):
            t = self.types.read(d.type, stored=False)
            if not isinstance(t, Int | Bool | Enum | Unknown):
                self.report.error(
                    "E311", f"a parameter cannot be of type {describe(t)}", d.type.span, "int, a range, bool, or an enum"
                )
                t = Unknown()
            if self.names.symbols[d.name.name].span == d.name.span:
                self.names.params[d.name.name] = t

    def _once_each(self) -> None:
        protocols, networks = each(self.tree, s.Protocol), each(self.tree, s.NetworkDecl)
        for what, again in (("protocol", protocols[1:]), ("network", networks[1:])):
            for d in again:
                self.report.error("E201", f"a second `{what}`", d.span, f"one `{what}` in a file")
        for p in [p for p in each(self.tree, s.PropertyDecl) if p.kind == "terminal"][1:]:
            self.report.error("E201", "a second `terminal`", p.span, "one `terminal` in a file", "join the two by `or`")
        self._distinct([p.name for p in each(self.tree, s.PropertyDecl) if p.name], "propertie")
        self._distinct([i.name for i in each(self.tree, s.InstanceDecl)], "instance")
        self._distinct([a.name for a in each(self.tree, s.ActionDecl)], "action")
        for n in each(self.tree, s.NetworkDecl):
            self._network(n)

    def _network(self, d: s.NetworkDecl) -> None:
        if d.kind.name not in NETWORKS:
            hint = nearest(d.kind.name, NETWORKS)
            self.report.error("E203", f"unknown network `{d.kind.name}`", d.kind.span, "set, bag, or fifo", hint)
            return
        self.names.network = d.kind.name
        if d.kind.name != "set" and d.capacity is None:
            self.report.error(
                "E310",
                f"a {d.kind.name} network needs a capacity",
                d.span,
                f"`network {d.kind.name} capacity n`",
                "the most messages that are in flight",
            )

    def _messages(self) -> None:
        for d in each(self.tree, s.MessageDecl):
            name = d.name.name
            if name in self.names.messages or name in self.types.decls:
                what = "message" if name in self.names.messages else "type"
                self.report.error("E201", f"`{name}` is already a {what}", d.name.span, "another name")
                continue
            self._distinct([f.name for f in d.fields or []], "field")
            fields = [(f.name.name, self.types.read(f.type)) for f in d.fields or []]
            self.names.messages[name] = Message(name, d, fields)

    def _processes(self) -> None:
        for d in each(self.tree, s.ProcessDecl):
            if d.name.name in self.names.processes:
                self.report.error("E201", f"a second process `{d.name.name}`", d.name.span, "another name")
                continue
            p = self.names.processes[d.name.name] = Process(d.name.name, d, None if d.single else self._ident(d))
            self._members(p)

    def _ident(self, d: s.ProcessDecl) -> Type:
        """The type of the identities of a process, which is what it is called after."""
        name = d.name
        self.names.use(name.name)
        t = self.types.declared(name.name)
        if isinstance(t, Sort | Enum | Unknown) or (isinstance(t, Int) and t.lo is not None):
            return t
        expected = "the name of a sort, an enum, or a range type: one process for each of its values"
        kinds = [n for n, k in self.names.types.items() if isinstance(k, Sort | Enum | Int)]
        hint = nearest(name.name, kinds) or f"declare `sort {name.name}`, or write `single process {name.name}`"
        if t is None:
            if name.name not in self.report.torn:
                self.report.error("E208", f"no identities are called `{name.name}`", name.span, expected, hint)
        else:
            self.report.error(
                "E208",
                f"`{name.name}` is {a_kind(self.names.symbols[name.name].kind)}, which cannot identify processes",
                name.span,
                expected,
            )
        return Unknown()

    def _members(self, p: Process) -> None:
        seen: dict[str, s.Ident] = {}
        for m in p.decl.members:
            if isinstance(m, s.VarDecl | s.DefDecl) and self._own_name(p, m.name, seen):
                self._declare_own(p, m)
        self._distinct([m.name for m in p.decl.members if isinstance(m, s.ActionDecl)], "action")
        for r in [m for m in p.decl.members if isinstance(m, s.Restart)][1:]:
            self.report.error("E201", "a second `on restart`", r.span, "one `on restart` in a process")

    def _own_name(self, p: Process, name: s.Ident, seen: dict[str, s.Ident]) -> bool:
        """Is the name of a member free?  It may be used in another process, but is no global name."""
        before = self.names.symbols.get(name.name)
        if name.name in seen:
            self.report.error(
                "E201", f"`{name.name}` is already declared in line {seen[name.name].span.line}", name.span, "another name"
            )
        elif before:
            self.report.error(
                "E201",
                f"`{name.name}` is already {a_kind(before.kind)}, declared in line {before.span.line}",
                name.span,
                "another name",
            )
        else:
            seen[name.name] = name
        return seen.get(name.name) is name

    def _declare_own(self, p: Process, m: s.VarDecl | s.DefDecl) -> None:
        if isinstance(m, s.DefDecl):
            self._define(m, p)
            return
        cell = self.types.read(m.type)
        whole = MapOf(p.ident, cell) if p.ident is not None else cell
        p.vars[m.name.name] = Variable(m.name.name, m.name.name, m, p, whole, cell)

    def _global_var(self, d: s.VarDecl) -> None:
        if d.kind == "durable":
            self.report.error(
                "E417", "a global variable does not crash, so it is not durable", d.span, "`var`", "declare it inside a process"
            )
        t = self.types.read(d.type)
        if self.names.symbols[d.name.name].span == d.name.span:
            self.names.vars[d.name.name] = Variable(d.name.name, d.name.name, d, None, t, t)

    def _define(self, d: s.DefDecl, p: Process | None) -> None:
        if d.name.name in BUILT_IN:
            if p:
                self.report.error("E201", f"`{d.name.name}` is built in", d.name.span, "another name")
            return
        self._distinct([f.name for f in d.params or []], "parameter")
        params = [(f.name, self.types.read(f.type, stored=False)) for f in d.params or []]
        result = self.types.read(d.result, stored=False) if d.result else None
        made = Definition(d.name.name, d.name.name, d, p, params, result)
        if p:
            p.defs[d.name.name] = made
        elif self.names.symbols[d.name.name].span == d.name.span:
            self.names.defs[d.name.name] = made

    def _variable_keys(self) -> None:
        """A variable or definition whose name two processes use is called P.x in the model."""
        for members in (self.names.all_vars(), self.names.all_defs()):
            for m in members:
                alike = [x for x in members if x.name == m.name]
                if len(alike) > 1 and m.process:
                    m.key = f"{m.process.name}.{m.name}"
