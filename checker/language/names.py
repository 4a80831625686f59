"""What names stand for: the symbol tables of one protocol, and the report that collects what is wrong with it.

`resolve` fills Names once; `infer` and everything after it only look things up (and note what is used, for warnings).
One table holds all global names but those of messages, actions, properties and instances, which never stand where a value can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from checker.core import ir
from checker.core.types import Enum, Type, Unknown
from checker.errors import Diagnostic
from checker.language import syntax as s
from checker.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable


class Report:
    """Collects diagnostics.  `torn`: names that occur in text that could not be read; what is said about those is no news."""

    def __init__(self, source: Source, torn: frozenset[str] = frozenset()) -> None:
        self.source, self.torn = source, torn
        self.errors: list[Diagnostic] = []
        self.gaps: list[Span] = []  # places without a value
        self.warnings: list[Diagnostic] = []

    def error(self, code: str, message: str, span: Span, expected: str | None = None, hint: str | None = None) -> None:
        found = Diagnostic(code, message, span, self.source, expected, hint)
        if not any(d.span == span and code in (d.code, "E202") for d in self.errors):
            self.errors.append(found)

    def unknown(
        self, code: str, kind: str, at: s.Ident | s.Name | s.Named, known: Iterable[str], expected: str, of: str = ""
    ) -> None:
        """A name that stands for nothing, with the nearest that does."""
        if at.name not in self.torn:
            self.error(code, f"unknown {kind} `{at.name}`{f' of {of}' if of else ''}", at.span, expected, nearest(at.name, known))

    def warning(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.warnings.append(Diagnostic(code, message, span, self.source, None, hint))


SYNONYMS = {
    "null": "none",
    "nil": "none",
    "undefined": "none",
    "boolean": "bool",
    "integer": "int",
    "string": "enum",
    "size": "len",
    "card": "len",
}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint at the known name that was probably meant."""
    names = [k for k in known if k != name]
    close = [k for k in names if k.lower() == SYNONYMS.get(name.lower(), name.lower())] or get_close_matches(name, names, 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else None


@dataclass
class Process:
    """`ident` None: single."""

    name: str
    decl: s.ProcessDecl
    ident: Type | None
    vars: dict[str, Variable] = field(default_factory=dict)
    defs: dict[str, Definition] = field(default_factory=dict)


@dataclass(eq=False)
class Variable:
    """`key`: its name in the model.  `type`: of the whole (a map, for a process with identities); `cell`: as declared."""

    name: str
    key: str
    decl: s.VarDecl
    process: Process | None
    type: Type
    cell: Type
    read: bool = False
    written: bool = False

    @property
    def ghost(self) -> bool:
        return self.decl.kind == "ghost"

    @property
    def keyed(self) -> bool:
        return self.process is not None and self.process.ident is not None


@dataclass
class Footprint:
    """What evaluating an expression looks at: variables with where they are first read, `sent`, `byzantine`, and `self`."""

    reads: dict[str, Span] = field(default_factory=dict)
    sent: Span | None = None
    byzantine: Span | None = None
    itself: bool = False

    def add(self, other: Footprint, at: Span) -> None:
        """As much as `other` does, from here."""
        for key in other.reads:
            self.reads.setdefault(key, at)
        self.sent = self.sent or (at if other.sent else None)
        self.byzantine = self.byzantine or (at if other.byzantine else None)
        self.itself = self.itself or other.itself


@dataclass(eq=False)
class Definition:
    """`state`: "new", "busy" (its body is being looked at) or "done"."""

    name: str
    key: str
    decl: s.DefDecl
    process: Process | None
    params: list[tuple[s.Ident, Type]]
    result: Type | None
    footprint: Footprint = field(default_factory=Footprint)
    state: str = "new"
    locals: tuple[tuple[str, Type], ...] = ()
    body: ir.Expr | None = None
    used: bool = False

    @property
    def type(self) -> Type:
        return self.result or (self.body.type if self.body else Unknown())


@dataclass(eq=False)
class Message:
    """`sends`, `handlers`: where; filled by the statements."""

    name: str
    decl: s.MessageDecl
    fields: list[tuple[str, Type]]
    sends: list[SendSite] = field(default_factory=list)
    handlers: list[tuple[Process, s.Handler]] = field(default_factory=list)
    looked_at: list[LookSite] = field(default_factory=list)


@dataclass
class SendSite:
    """One `send`: from which process (None: a global action), to which type of identity (None: everyone)."""

    span: Span
    process: Process | None
    to: Type | None
    to_span: Span | None


@dataclass
class LookSite:
    """One `sent`: are `to` and `from` asked for, and of which type?"""

    span: Span
    to: tuple[Type, Span] | None
    sender: tuple[Type, Span] | None


@dataclass
class Symbol:
    """A global name.  kind: sort, param, type, enum, member, record, quorum, var, def, process."""

    kind: str
    name: str
    span: Span
    used: bool = False


@dataclass
class Names:
    """Everything declared in one protocol."""

    source: Source
    report: Report
    symbols: dict[str, Symbol] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)  # sorts, enums, declared types, records
    params: dict[str, Type] = field(default_factory=dict)
    members: dict[str, Enum] = field(default_factory=dict)
    quorums: dict[str, s.QuorumDecl] = field(default_factory=dict)
    vars: dict[str, Variable] = field(default_factory=dict)  # global ones
    defs: dict[str, Definition] = field(default_factory=dict)  # global ones
    processes: dict[str, Process] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    network: str = "set"
    counter: int = 0
    busy: list[str] = field(default_factory=list)  # definitions whose bodies are being looked at

    def fresh(self, name: str) -> str:
        """A binder name that occurs once in the model."""
        self.counter += 1
        return f"{name}#{self.counter}"

    def process_vars(self, name: str) -> list[Variable]:
        """The process variables of this name."""
        return [p.vars[name] for p in self.processes.values() if name in p.vars]

    def all_vars(self) -> list[Variable]:
        return [*self.vars.values(), *(v for p in self.processes.values() for v in p.vars.values())]

    def all_defs(self) -> list[Definition]:
        return [*self.defs.values(), *(d for p in self.processes.values() for d in p.defs.values())]

    def use(self, name: str) -> None:
        if name in self.symbols:
            self.symbols[name].used = True
