"""From text to Model: parse, resolve, type every body, judge the whole, put it together.  The order of the checks lives here."""

from __future__ import annotations

from pathlib import PurePath

from checker.core import ir
from checker.core import model as m
from checker.core.types import BOOL, INT, Set, Sort, Type, Unknown
from checker.errors import Diagnostic, SpecErrors
from checker.language import syntax as s
from checker.language.flow import Flow
from checker.language.infer import Infer
from checker.language.instances import Instances, value_of
from checker.language.names import Names, Process, Report, Variable
from checker.language.network import Network
from checker.language.parse import not_too_deep, parse_all
from checker.language.resolve import Resolver, each
from checker.language.scope import TRUE, LocalName, Scope, element
from checker.language.statements import Statements
from checker.language.unused import warn_unused
from checker.source import Source, Span


def load_model(source: Source) -> m.Model:
    """The model a text declares.  Raises SpecErrors with everything that is wrong with it."""
    with not_too_deep(source):
        read = parse_all(source)
        report = Report(read.source, read.torn)
        model = Loader(read.tree, read.source, report).model()
    errors: list[Diagnostic] = [*read.problems, *report.errors]
    if report.gaps and not errors:
        what = "this has no value: it is a part of `none`, `{}` or `[]`"
        errors = [Diagnostic("E307", what, span, read.source) for span in dict.fromkeys(report.gaps)]
    if errors:
        raise SpecErrors(errors)
    return model


class Loader:
    """Makes the model of one syntax tree; errors go to the report."""

    def __init__(self, tree: s.File, source: Source, report: Report) -> None:
        self.tree, self.source, self.report = tree, source, report
        self.resolver = Resolver(tree, source, report)
        self.names: Names = self.resolver.resolve()
        self.types = self.resolver.types
        self.actions: list[m.Action] = []
        self.restarts: dict[str, tuple[ir.Stmt, ...]] = {}

    def infer(self, where: str, process: Process | None = None, what: str = "") -> Infer:
        itself = process.ident if process else None
        return Infer(self.names, self.types, Scope(where, process, itself=itself, what=what))

    def model(self) -> m.Model:
        names = self.names
        params = self._params()
        quorums = self._quorums()
        variables = {v.key: self._variable(v) for v in names.all_vars()}
        for d in names.all_defs():
            self.infer("def").define(d)
        for decl in self.tree.decls:
            self._bodies(decl)
        self._flows()
        properties, terminal = self._properties()
        assumes = tuple(self._assume(d) for d in each(self.tree, s.AssumeDecl))
        messages = Network(names, self.types).declare()
        sorts = tuple(n for n, t in names.types.items() if isinstance(t, Sort) and names.symbols[n].kind == "sort")
        kinds = {p.name: p.kind for p in properties}
        reader = Instances(names, self.types, sorts, {n for n, p in params.items() if p.default is not None}, kinds)
        instances = {d.name.name: reader.read(d) for d in each(self.tree, s.InstanceDecl)}
        network = self._network()
        warn_unused(names)
        protocol = next(iter(each(self.tree, s.Protocol)), None)
        return m.Model(
            name=protocol.name.name if protocol else PurePath(self.source.name).stem,
            doc="\n".join(d.text for d in protocol.doc) if protocol else "",
            source=self.source,
            sorts=sorts,
            params=params,
            types=dict(names.types),
            network=network,
            messages=messages,
            vars=variables,
            processes={
                p.name: m.ProcessDecl(p.name, p.ident, self.restarts.get(p.name, ()), span=p.decl.span)
                for p in names.processes.values()
            },
            actions=tuple(self.actions),
            defs={
                **{
                    d.key: m.Def(d.key, d.locals, d.body or TRUE, d.process.name if d.process else None, span=d.decl.span)
                    for d in names.all_defs()
                },
                **quorums[1],
            },
            quorums=quorums[0],
            properties=tuple(properties),
            assumes=assumes,
            terminal=terminal,
            instances=instances,
            warnings=tuple(sorted(self.report.warnings, key=lambda d: (d.span.line, d.span.column))),
        )

    # ── declarations with expressions ──

    def _params(self) -> dict[str, m.ParamDecl]:
        found = {}
        for d in each(self.tree, s.ParamDecl):
            name = d.name.name
            if name in self.names.params and name not in found:
                t = self.names.params[name]
                default = value_of(self.infer("constant", what="a default"), d.default, f"`{name}`", t) if d.default else None
                found[name] = m.ParamDecl(name, t, default, span=d.span)
        return found

    def _network(self) -> m.Network:
        decl = next(iter(each(self.tree, s.NetworkDecl)), None)
        if decl is None or decl.capacity is None:
            return m.Network(self.names.network, span=decl.span if decl else None)
        cap = self.types.capacity(decl.capacity)
        return m.Network(
            self.names.network, ir.Const(INT, cap, span=decl.capacity.span) if isinstance(cap, int) else cap, span=decl.span
        )

    def _variable(self, v: Variable) -> m.VarDecl:
        d, p = v.decl, v.process
        infer = self.infer("constant", p, "an initial value")
        if d.init is None:
            if isinstance(v.cell, Unknown) is False:
                self.report.error(
                    "E405",
                    f"`{v.name}` has no initial value",
                    d.name.span,
                    f"`{v.name}: {self.source.snippet(d.type.span)} = …`, or `in` a set of values to start from",
                )
            init: ir.Expr = TRUE
        elif d.choice:
            init = infer.fit(infer.domain(d.init), Set(v.cell), f"the set of initial values of `{v.name}`", d.init.span)
        else:
            init = infer.fitted(d.init, v.cell, f"`{v.name}`")
        return m.VarDecl(
            v.key, v.type, v.cell, init, d.choice, p.name if p else None, d.kind == "durable", v.ghost, span=d.name.span
        )

    def _quorums(self) -> tuple[dict[str, m.Quorum], dict[str, m.Def]]:
        quorums, defs = {}, {}
        for name, d in self.names.quorums.items():
            sort = self.names.types.get(d.sort.name)
            self.names.use(d.sort.name)
            if not isinstance(sort, Sort):
                sorts = [n for n, t in self.names.types.items() if isinstance(t, Sort)]
                if sort is None:
                    self.report.unknown("E214", "sort", d.sort, sorts, "a sort")
                else:
                    self.report.error("E214", f"`{d.sort.name}` is not a sort", d.sort.span, "a sort")
                sort = Sort(d.sort.name)
            for other in d.meets:
                self.names.use(other.name)
                if other.name not in self.names.quorums:
                    self.report.unknown("E214", "quorum", other, self.names.quorums, "a quorum")
                elif self.names.quorums[other.name].sort.name != d.sort.name:
                    self.report.error(
                        "E214", f"`{other.name}` is a quorum of another sort", other.span, f"a quorum of `{d.sort.name}`"
                    )
            quorums[name], defs[name] = self._quorum(d, sort)
        return quorums, defs

    def _quorum(self, d: s.QuorumDecl, sort: Sort) -> tuple[m.Quorum, m.Def]:
        """The family as declared, and the set of its members as a definition."""
        infer, members = self.infer("constant", what="a quorum"), Set(sort)
        binder = d.binder or s.Ident(d.name.span, "q")
        if (d.binder is None) != (d.predicate is None):
            self.report.error(
                "E103",
                "a quorum has both a name for the set and a predicate, or neither",
                d.name.span,
                f"`quorum {d.name.name}(q) of {d.sort.name} where …`",
            )
        if d.binder:
            local = infer.declare(binder, members, "the set")
        else:
            local = ir.Local(members, self.names.fresh("q"))
        if d.predicate:
            where = infer.boolean(d.predicate, "the predicate of a quorum")
        else:
            half = ir.Apply(INT, "mul", (ir.Const(INT, 2), ir.Apply(INT, "len", (local,))))
            where = ir.Apply(BOOL, "gt", (half, ir.Size(INT, sort.name)))
        everyone = ir.Apply(Set(members), "subsets", (ir.Apply(Set(sort), "all", (), sort),))
        body = ir.SetOf(Set(members), local.name, everyone, where, local, span=d.span)
        made = m.Quorum(
            d.name.name,
            sort.name,
            d.predicate is None,
            local.name,
            where if d.predicate else None,
            tuple(o.name for o in d.meets),
            span=d.span,
        )
        return made, m.Def(d.name.name, (), body, span=d.span)

    def _assume(self, d: s.AssumeDecl) -> m.Assume:
        return m.Assume(
            self.infer("constant", what="an assumption").boolean(d.expr, "an assumption"),
            self.source.snippet(d.expr.span),
            span=d.span,
        )

    def _properties(self) -> tuple[list[m.Property], ir.Expr | None]:
        found, terminal = [], None
        for p in each(self.tree, s.PropertyDecl):
            infer = self.infer("step" if p.kind == "step" else "property")
            expr = infer.boolean(p.expr, f"the {p.kind} `{p.name.name}`" if p.name else "`terminal`")
            if p.name is None:
                terminal = expr
            else:
                found.append(m.Property(p.kind, p.name.name, expr, span=p.name.span))
        return found, terminal

    # ── actions ──

    def _bodies(self, decl: s.Decl) -> None:
        if isinstance(decl, s.ActionDecl):
            self._action(decl, None)
        if isinstance(decl, s.ProcessDecl) and self.names.processes[decl.name.name].decl is decl:
            process = self.names.processes[decl.name.name]
            for member in decl.members:
                match member:
                    case s.ActionDecl():
                        self._action(member, process)
                    case s.Handler():
                        self._handler(member, process)
                    case s.Restart():
                        self.restarts[process.name] = self._statements(self.infer("process", process), member.body)

    def _statements(self, infer: Infer, body: list[s.Stmt]) -> tuple[ir.Stmt, ...]:
        return Statements(infer).block(body)

    def _action(self, d: s.ActionDecl, process: Process | None) -> None:
        infer = self.infer("process" if process else "action", process)
        params: list[tuple[str, Type]] = []
        choices: list[ir.Stmt] = []
        for f in d.params or []:
            if isinstance(f.type, s.Named) and f.type.name in self.names.quorums:  # a choice among the members of the family
                domain = infer.symbol(s.Name(f.type.span, f.type.name))
                local = infer.declare(f.name, element(domain.type), "the parameter")
                choices.append(ir.Choose(local.name, local.type, domain, TRUE, span=f.span))
            else:
                local = infer.declare(f.name, self.types.read(f.type), "the parameter")
                params.append((local.name, local.type))
        body = (*choices, *self._statements(infer, d.body))
        self.actions.append(m.Action(d.name.name, tuple(params), body, process.name if process else None, span=d.name.span))

    def _handler(self, h: s.Handler, process: Process) -> None:
        infer = self.infer("process", process)
        msg = self.names.messages.get(h.message.name)
        if msg is None:
            self.report.unknown("E207", "message", h.message, self.names.messages, "a message")
        else:
            msg.handlers.append((process, h))
        fields = self._fields(h, infer)
        sender = None
        if h.sender:
            sender = infer.declare(h.sender, self._sender_type(h), "the sender")
        discard, body = self._discard(infer, h)
        if msg:
            before = sum(1 for a in self.actions if a.process == process.name and a.receive and a.receive.message == msg.name)
            name = f"on {msg.name}" + (f"#{before + 1}" if before else "")
            receive = m.Receive(msg.name, tuple(fields), sender.name if sender else None, discard)
            self.actions.append(m.Action(name, (), body, process.name, receive, span=h.message.span))

    def _discard(self, infer: Infer, h: s.Handler) -> tuple[ir.Expr | None, tuple[ir.Stmt, ...]]:
        """When a handler throws its message away, if it says so, and what it does otherwise."""
        first = h.body[0]
        if not isinstance(first, s.Discard):
            return None, self._statements(infer, h.body)
        if self.names.network != "set":
            self.report.error("E420", f"`discard` in a {self.names.network} network, which forgets what is received", first.span)
        useless = infer.boolean(first.cond, "what makes a message useless")
        guard = ir.Require(ir.Apply(BOOL, "not", (useless,)), span=first.span)
        return useless, (guard, *self._statements(infer, h.body[1:]))

    def _fields(self, h: s.Handler, infer: Infer) -> list[str]:
        """The local names of the fields, bound by position."""
        msg, names = self.names.messages.get(h.message.name), h.fields or []
        types = [t for _, t in msg.fields] if msg else [Unknown()] * len(names)
        if msg and len(names) != len(types):
            wanted = f"on {msg.name}({', '.join(n for n, _ in msg.fields)})" if msg.fields else f"on {msg.name}"
            count = f"{len(types)} field{'s' * (len(types) != 1)}"
            self.report.error(
                "E411",
                f"`{msg.name}` has {count}, not {len(names)}",
                h.span,
                f"`{wanted}`",
                "`_` stands for a field that is not needed" if types else None,
            )
            types = [Unknown()] * len(names)
        found = []
        for n, t in zip(names, types, strict=True):
            found.append(infer.declare(n, t, "the field").name if n.name != "_" else self.names.fresh("_"))
        return found

    def _sender_type(self, h: s.Handler) -> Type:
        """Of whoever sends this message, as far as the text says: judged in network.py."""
        senders = [p for p in self.names.processes.values() if any(sends(m_, h.message.name) for m_ in p.decl.members)]
        return senders[0].ident if len(senders) == 1 and senders[0].ident is not None else Unknown()

    def _flows(self) -> None:
        flow = Flow(self.names)
        for body in [*(a.body for a in self.actions), *self.restarts.values()]:
            flow.check(body)


def sends(node: object, message: str) -> bool:
    """Does this member of a process send this message?"""
    match node:
        case s.Send():
            return node.message.name == message
        case s.If():
            return any(sends(x, message) for _, body in node.arms for x in body) or any(
                sends(x, message) for x in node.orelse or []
            )
        case s.For() | s.ActionDecl() | s.Handler() | s.Restart():
            return any(sends(x, message) for x in node.body)
    return False


def parse_expr_in(model: m.Model, text: str, scope: str = "constant", name: str = "<argument>") -> ir.Expr:
    """A typed expression given on its own, as after `-D`: scope "constant" (numbers, bools, enum members, parameters, sizes) or
    "property" (over the state, too).  Raises SpecErrors."""
    return Phrases(model).read(text, scope, name)


class Phrases:
    """Reads expressions (and types) that stand outside the text of a spec, as in a binding."""

    def __init__(self, model: m.Model) -> None:
        self.loader = Loader(parse_all(model.source).tree, model.source, Report(model.source))

    def read(self, text: str, scope: str = "constant", name: str = "<argument>", names: dict[str, Type] | None = None) -> ir.Expr:
        """A typed expression; `names`: what it may call by name beside what the spec declares (`self` among them), each a Local
        of just that name.  Raises SpecErrors."""
        from checker.language.parse import parse_expression

        source = Source(name, text)
        loader, given = self.loader, dict(names or {})
        report = loader.names.report = Report(source)
        place = Scope(scope, itself=given.pop("self", None), what="this")
        nowhere = Span(1, 1, 1, 1)
        place.locals = {n: LocalName(ir.Local(t, n), "a name of the binding", nowhere) for n, t in given.items()}
        infer = Infer(loader.names, loader.types, place)
        infer.report = loader.types.report = report
        with not_too_deep(source):
            found = infer.expr(parse_expression(source))
        if report.errors or report.gaps:
            raise SpecErrors(report.errors or [Diagnostic("E307", "this has no value", span, source) for span in report.gaps])
        return found
