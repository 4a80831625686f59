"""Instances: sizes and parameters, faults, bounds, and what is expected of them."""

from __future__ import annotations

from checker.core import ir
from checker.core import model as m
from checker.core.types import INT, Bool, Enum, Int, Type, Unknown
from checker.language import syntax as s
from checker.language.infer import Infer
from checker.language.names import Names, nearest
from checker.language.scope import Scope
from checker.language.typenames import TypeReader
from checker.language.wording import describe

OF_PROCESSES = ("crash", "stop", "byzantine")
FAULTS = (*OF_PROCESSES, "loss", "duplication")
VERDICTS = ("holds", "violates", "deadlock", "fault")
COUNTS = ("states", "orbits", "transitions", "length", "depth")


class Instances:
    """Reads the instances of one file, once everything else is known."""

    def __init__(
        self, names: Names, types: TypeReader, sorts: tuple[str, ...], defaults: set[str], properties: dict[str, str]
    ) -> None:
        self.names, self.types, self.report = names, types, names.report
        self.sorts, self.defaults, self.properties = sorts, defaults, properties

    def read(self, d: s.InstanceDecl) -> m.InstanceDecl:
        self.sizes: dict[str, ir.Expr] = {}
        self.display: dict[str, tuple[str, ...]] = {}
        self.expect: s.ExpectItem | None = None
        self.counts: dict[str, m.Count] = {}
        faults, resets, bounds, slow = [], {"volatile": [], "durable": []}, [], False  # type: ignore[var-annotated]
        for item in d.items:
            match item:
                case s.Setting():
                    self._setting(item)
                case s.FaultItem():
                    faults += self._fault(item, faults)
                case s.ResetItem():
                    resets[item.kind] += self._reset(item)
                case s.BoundItem():
                    bounds.append(self._bound(item, bool(bounds)))
                case s.CountItem():
                    self._count(item)
                case s.SlowItem():
                    slow = True
                case s.ExpectItem():
                    self._expect(item)
        self._complete(d)
        expect = self._expectation()
        bound = bounds[0] if bounds else None
        return m.InstanceDecl(
            d.name.name,
            self.sizes,
            self.display,
            tuple(faults),
            tuple(resets["volatile"]),
            tuple(resets["durable"]),
            bound,
            expect,
            slow,
            span=d.name.span,
        )

    def _constant(self, what: str) -> Infer:
        return Infer(self.names, self.types, Scope("constant", what=what))

    def _twice(self, what: str, at: s.Node) -> None:
        self.report.error("E508", f"{what} is given twice", at.span, "one value")

    # ── sizes and parameters ──

    def _setting(self, item: s.Setting) -> None:
        name = item.name.name
        if name in self.sizes or name in self.display:
            self._twice(f"`{name}`", item.name)
        elif name in self.sorts:
            self._size(item)
        elif name in self.names.params:
            self.sizes[name] = value_of(
                self._constant("the value of a parameter"), item.value, f"`{name}`", self.names.params[name]
            )
        else:
            self.report.unknown(
                "E502", "sort or parameter", item.name, [*self.sorts, *self.names.params], "a sort or a parameter"
            )

    def _size(self, item: s.Setting) -> None:
        name = item.name.name
        if isinstance(item.value, s.SetOf):
            self._names_of(name, item.value)
            return
        found = self._constant("the size of a sort").expr(item.value)
        if not isinstance(found.type, Int | Unknown):
            self.report.error(
                "E503",
                f"the size of `{name}` is a number, not of type `{describe(found.type)}`",
                item.value.span,
                "a number, or names: `{a, b, c}`",
            )
        value = literal(item.value)
        if value is not None and value < 1:
            self.report.error("E504", f"the sort `{name}` has at least 1 identity", item.value.span, "a positive number")
        self.sizes[name] = found

    def _names_of(self, sort: str, e: s.SetOf) -> None:
        """Display names: the size is their number."""
        found: list[str] = []
        for x in e.items:
            if not isinstance(x, s.Name):
                self.report.error("E503", "an identity is shown by a name", x.span, f"names, as in `{sort} = {{a, b, c}}`")
            elif x.name in found:
                self._twice(f"the identity `{x.name}`", x)
            else:
                found.append(x.name)
        if not e.items:
            self.report.error("E504", f"the sort `{sort}` has at least 1 identity", e.span, "a positive number, or names")
        self.display[sort] = tuple(found)
        self.sizes[sort] = ir.Const(INT, len(e.items), span=e.span)

    def _complete(self, d: s.InstanceDecl) -> None:
        needed = [*self.sorts, *(p for p in self.names.params if p not in self.defaults)]
        missing = [n for n in needed if n not in self.sizes]
        if missing and not any(n in self.report.torn for n in missing):
            what = " and ".join(f"`{n}`" for n in missing)
            self.report.error(
                "E501",
                f"{what} {'is' if len(missing) == 1 else 'are'} left open",
                d.name.span,
                ", ".join(f"`{n} = …`" for n in missing),
            )

    # ── faults and bounds ──

    def _fault(self, item: s.FaultItem, before: list[m.Fault]) -> list[m.Fault]:
        kind, target = item.kind.name, item.target
        if kind not in FAULTS:
            self.report.unknown(
                "E506", "fault", item.kind, FAULTS, "crash(P), stop(P), byzantine(P), loss, loss(M), or duplication"
            )
            return []
        process = kind in OF_PROCESSES
        known = self.names.processes if process else self.names.messages
        if process and target is None:
            whose = "who is Byzantine?" if kind == "byzantine" else f"whose {kind}?"
            self.report.error("E506", whose, item.kind.span, f"`{kind}(P)` for a process P")
            return []
        if target and target.name not in known:
            what = "process" if process else "message"
            self.report.unknown("E506", what, target, known, f"a {what}")
            return []
        if any((f.kind, f.target) == (kind, target.name if target else None) for f in before):
            self._twice(f"`fault {kind}`" if target is None else f"`fault {kind}({target.name})`", item)
        budget = value_of(self._constant("a budget"), item.budget, "a budget", INT)
        value = literal(item.budget)
        if value is not None and value < 0:
            self.report.error("E504", "a budget cannot be negative", item.budget.span, "a number from 0")
        return [m.Fault(kind, target.name if target else None, budget, span=item.span)]

    def _reset(self, item: s.ResetItem) -> list[str]:
        if item.process and item.process.name not in self.names.processes:
            self.report.unknown("E507", "process", item.process, self.names.processes, "a process")
            return []
        found = [
            v
            for v in self.names.process_vars(item.name.name)
            if item.process is None or (v.process and v.process.name == item.process.name)
        ]
        if len(found) == 1:
            return [found[0].key]
        known = [v.name for p in self.names.processes.values() for v in p.vars.values()]
        expected = "a variable of a process"
        if found:
            self.report.error(
                "E205",
                f"`{item.name.name}` is a variable of more than one process",
                item.name.span,
                " or ".join(f"`{v.key}`" for v in found),
            )
        elif item.name.name in self.names.symbols:
            self.report.error(
                "E507", f"`{item.name.name}` is not a variable of a process, so no crash touches it", item.name.span, expected
            )
        else:
            self.report.unknown("E507", "variable", item.name, known, expected)
        return []

    def _bound(self, item: s.BoundItem, again: bool) -> ir.Expr:
        if again:
            self._twice("`bound`", item)
        return Infer(self.names, self.types, Scope("property")).boolean(item.expr, "a bound")

    # ── expectations ──

    def _expect(self, item: s.ExpectItem) -> None:
        verdict, name = item.verdict, item.name
        if self.expect:
            self._twice("`expect`", item)
        self.expect = item
        if verdict.name not in VERDICTS:
            hint = nearest(verdict.name, VERDICTS)
            if verdict.name in self.properties:
                hint = f"`expect violates {verdict.name}`"
            self.report.error(
                "E509", f"unknown verdict `{verdict.name}`", verdict.span, "holds, violates NAME, deadlock, or fault", hint
            )
        elif verdict.name == "violates" and name is None:
            self.report.error("E509", "which property?", verdict.span, "`expect violates NAME`")
        elif verdict.name != "violates" and name is not None:
            self.report.error("E509", f"`expect {verdict.name}` takes no name", name.span, "the end of the clause")
        elif name and name.name not in self.properties:
            self.report.unknown("E505", "property", name, self.properties, "an invariant, lemma, step or reachable of this file")

    def _count(self, item: s.CountItem) -> None:
        what = item.what.name
        if what not in COUNTS:
            self.report.error("E509", f"unknown count `{what}`", item.what.span, ", ".join(COUNTS), nearest(what, COUNTS))
        elif what in self.counts:
            self._twice(f"`{what}`", item)
        else:
            self.counts[what] = m.Count(item.number, item.witness or "")

    def _expectation(self) -> m.Expect | None:
        if self.expect is None:
            return m.Expect("holds", None, self.counts) if self.counts else None
        name = self.expect.name.name if self.expect.name else None
        return m.Expect(self.expect.verdict.name, name, self.counts, span=self.expect.span)


def literal(e: s.Expr) -> int | None:
    """The number that is written there, if it is one."""
    match e:
        case s.Number():
            return e.value
        case s.Unary(op="-", operand=s.Number(value=n)):
            return -n
    return None


def value_of(infer: Infer, e: s.Expr, name: str, t: Type) -> ir.Expr:
    """The value of a parameter (or the like) of type t."""
    found = infer.expr(e)
    alike = (Int, Bool, Enum)
    same = next((type(t) is k and isinstance(found.type, k) for k in alike if isinstance(t, k)), True)
    if isinstance(t, Enum) and isinstance(found.type, Enum):
        same = t.name == found.type.name
    if not same and not isinstance(found.type, Unknown):
        infer.report.error(
            "E503", f"{name} is of type `{describe(t)}`, but this is of type `{describe(found.type)}`", e.span, f"`{describe(t)}`"
        )
    value = literal(e)
    if value is not None and isinstance(t, Int) and isinstance(t.lo, int) and isinstance(t.hi, int) and not t.lo <= value <= t.hi:
        infer.report.error("E503", f"{name} must lie in {t.lo}..{t.hi}", e.span, f"a number from {t.lo} to {t.hi}")
    return found
