"""What the statements of an action do to each other: double assignments with no look in between, `for` runs that do not commute.

Works on the typed core, where every read is plain to see; a call reads what its definition reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from checker.core import ir
from checker.core.types import Int, MapOf, Set, Unknown
from checker.language.names import Names
from checker.source import Span


def children(e: ir.Expr) -> Iterator[ir.Expr]:
    """The expressions an expression is made of."""
    match e:
        case ir.Apply() | ir.Call():
            yield from e.args
        case ir.If():
            yield from (e.cond, e.then, e.orelse)
        case ir.Quant():
            yield from (e.domain, e.body)
        case ir.Fold() | ir.SetOf():
            yield from (e.domain, e.where, e.body)
        case ir.Mapping():
            yield e.body
        case ir.Let():
            yield from (e.value, e.body)
        case ir.Fit():
            yield e.value
        case ir.Sent():
            yield from (x for x in (*e.args, e.to, e.sender) if x is not None)


def expressions(st: ir.Stmt) -> Iterator[ir.Expr]:
    """The expressions of a statement, but not of the statements in it."""
    match st:
        case ir.Require():
            yield st.cond
        case ir.Assign():
            yield from (p for p in st.path if not isinstance(p, str))
            yield st.value
        case ir.LetStmt():
            yield st.value
        case ir.Choose():
            yield from (st.domain, st.where)
        case ir.IfStmt():
            yield st.cond
        case ir.ForAll():
            yield st.domain
        case ir.Send():
            yield from (*st.args, *([st.to] if st.to else []))


def statements(body: tuple[ir.Stmt, ...]) -> Iterator[ir.Stmt]:
    """All statements, those inside others too."""
    for st in body:
        yield st
        if isinstance(st, ir.IfStmt):
            yield from statements(st.then)
            yield from statements(st.orelse)
        elif isinstance(st, ir.ForAll):
            yield from statements(st.body)


class Flow:
    """The checks of one action."""

    def __init__(self, names: Names) -> None:
        self.report, self.network = names.report, names.network
        self.user_name = {v.key: v.name for v in names.all_vars()}
        self.types = {v.key: v.cell if v.keyed else v.type for v in names.all_vars()}
        self.looks = {d.key: frozenset(d.footprint.reads) for d in names.all_defs()}

    def check(self, body: tuple[ir.Stmt, ...]) -> None:
        self._twice(body, {})
        for st in statements(body):
            if isinstance(st, ir.ForAll):
                self._commutes(st)

    def reads(self, e: ir.Expr) -> frozenset[str]:
        """Every variable that is looked at."""
        match e:
            case ir.Read():
                return frozenset((e.var,))
            case ir.Call():
                return self.looks.get(e.name, frozenset()).union(*map(self.reads, e.args))
        return frozenset().union(*map(self.reads, children(e)))

    # ── assigned twice ──

    def _twice(self, body: tuple[ir.Stmt, ...], pending: dict[str, Span]) -> dict[str, Span]:
        """`pending`: plain variables assigned and not looked at since, with where.  Returns what is pending after the body."""
        pending = dict(pending)
        for st in body:
            for e in expressions(st):
                for name in self.reads(e):
                    pending.pop(name, None)
            match st:
                case ir.Assign() if self._plain(st) and st.span and not isinstance(st.value.type, Unknown):
                    if st.var in pending:
                        self._again(st.var, pending[st.var], st.span)
                    pending[st.var] = st.span
                case ir.IfStmt():
                    pending = self._joined(st, pending)
                case ir.ForAll():
                    pending = {k: v for k, v in self._twice(st.body, pending).items() if k in pending}
        return pending

    def _joined(self, st: ir.IfStmt, pending: dict[str, Span]) -> dict[str, Span]:
        """What is pending on every path after an `if`.  A default that one branch overrides is fine; one that both do is not."""
        then, orelse = self._twice(st.then, {}), self._twice(st.orelse, {})
        seen = {name for s in statements((*st.then, *st.orelse)) for e in expressions(s) for name in self.reads(e)}
        before = {k: v for k, v in pending.items() if k not in seen}
        for name in before.keys() & then.keys() & orelse.keys():
            self._again(name, before[name], then[name])
        left, right = {**before, **then}, {**before, **orelse}
        return {k: left[k] for k in left.keys() & right.keys()}

    def _again(self, var: str, first: Span, at: Span) -> None:
        self.report.error(
            "E406",
            f"`{self.user_name[var]}` is assigned again, and nobody has looked at what line {first.line} assigned",
            at,
            "one assignment on each path",
            f"drop that in line {first.line}",
        )

    def _plain(self, st: ir.Assign) -> bool:
        """Is all of a variable assigned (in a process: all of its own)?"""
        return not st.path or (len(st.path) == 1 and isinstance(st.path[0], ir.Local) and st.path[0].name == "self")

    # ── runs that commute ──

    def _commutes(self, loop: ir.ForAll) -> None:
        inside = list(statements(loop.body))
        name = ir.base_name(loop.name)
        for st in inside:
            if isinstance(st, ir.Require | ir.Choose):
                what = "require" if isinstance(st, ir.Require) else "choose"
                self._error(
                    st,
                    f"`{what}` in the body of a `for`",
                    f"`{what}` before the `for`, with a quantifier" if what == "require" else "`choose` outside the `for`",
                )
            if (
                isinstance(st, ir.Send)
                and self.network == "fifo"
                and not (isinstance(st.to, ir.Local) and st.to.name == loop.name)
            ):
                self._error(
                    st, "the order of these messages in the channel would depend on the order of the runs", f"`send … to {name}`"
                )
        writes = [st for st in inside if isinstance(st, ir.Assign)]
        for var in dict.fromkeys(w.var for w in writes):
            self._variable(loop, var, [w for w in writes if w.var == var], inside)

    def _variable(self, loop: ir.ForAll, var: str, writes: list[ir.Assign], inside: list[ir.Stmt]) -> None:
        """One variable that the body writes: at the loop's own place only, or as a sum that nobody looks at."""
        name, user = ir.base_name(loop.name), self.user_name[var]
        depths = {self._own_place(w, loop.name) for w in writes}
        if len(depths) == 1 and None not in depths:
            (depth,) = depths
            assert depth is not None
            prefix = writes[0].path[: depth + 1]
            if all(same_path(w.path[: depth + 1], prefix) for w in writes):
                for st in inside:
                    for e in expressions(st):
                        self._reads_elsewhere(e, var, prefix, user, name)
                return
        signs = {self._accumulates(w) for w in writes}
        if None in signs or (len(signs) > 1 and signs != {"add", "sub"}):
            first = self._accumulates(writes[0])
            others = [
                w
                for w in writes
                if self._own_place(w, loop.name) is None and (self._accumulates(w) is None or self._accumulates(w) != first)
            ]
            self._error(
                (others or writes)[0],
                f"what `{user}` is in the end would depend on the order of the runs",
                self._instead(var, name),
            )
            return
        for st in inside:
            for e in expressions(st):
                if var in self.reads(self._gain(e) if isinstance(st, ir.Assign) and st.var == var and e is st.value else e):
                    self._error(st, f"`{user}` is read here, and other runs change it", f"what does not depend on `{user}`")

    def _instead(self, var: str, loop: str) -> str:
        match self.types[var]:
            case MapOf():
                return f"`{self.user_name[var]}[{loop}] := …`"
            case Set() | Int():
                return f"`{self.user_name[var]} += …` only"
        return "a variable with a place for each run"

    def _own_place(self, w: ir.Assign, loop: str) -> int | None:
        """At which depth of the path the loop's name is the index."""
        for i, p in enumerate(w.path):
            inner = unfit(p)
            if isinstance(inner, ir.Local) and inner.name == loop:
                return i
        return None

    def _accumulates(self, w: ir.Assign) -> str | None:
        """The operator of `x += e`, `x -= e` (add, sub, union, diff), or None."""
        value = unfit(w.value)
        if isinstance(value, ir.Apply) and value.op in ("add", "sub", "union", "diff") and self._at(value.args[0], w.var, w.path):
            return value.op
        return None

    def _gain(self, e: ir.Expr) -> ir.Expr:
        """The e of `x + e`."""
        value = unfit(e)
        assert isinstance(value, ir.Apply)
        return value.args[1]

    def _reads_elsewhere(self, e: ir.Expr, var: str, prefix: tuple[ir.Expr | str, ...], user: str, name: str) -> None:
        """An error for every look at `var` that is not at the loop's own place."""
        if self._at(e, var, prefix):
            return
        if isinstance(e, ir.Read) and e.var == var:
            self._error(e, f"`{user}` is read here, and other runs change it", f"`{user}[{name}]`")
            return
        if isinstance(e, ir.Call) and var in self.looks.get(e.name, ()):
            self._error(
                e, f"`{ir.base_name(e.name)}` reads `{user}`, and other runs change it", f"what does not depend on `{user}`"
            )
        for c in children(e):
            self._reads_elsewhere(c, var, prefix, user, name)

    def _at(self, e: ir.Expr, var: str, prefix: tuple[ir.Expr | str, ...]) -> bool:
        """Is `e` the part of `var` at this path?"""
        if not prefix:
            return isinstance(e, ir.Read) and e.var == var
        if not isinstance(e, ir.Apply) or e.op not in ("index", "field"):
            return False
        step = e.attr if e.op == "field" else e.args[1]
        return unfit(step) == unfit(prefix[-1]) and self._at(e.args[0], var, prefix[:-1])

    def _error(self, node: ir.Node, message: str, expected: str) -> None:
        assert node.span is not None
        self.report.error("E410", message, node.span, expected, "the runs of a `for` must come to the same in any order")


def unfit(x: ir.Expr | str) -> ir.Expr | str:
    """What a Fit holds."""
    return x.value if isinstance(x, ir.Fit) else x


def same_path(a: tuple[ir.Expr | str, ...], b: tuple[ir.Expr | str, ...]) -> bool:
    return list(map(unfit, a)) == list(map(unfit, b))
