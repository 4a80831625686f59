"""A Model: one protocol as declared, typed and resolved, with symbolic sizes.  What `bind` needs and every engine starts from.

Declarations keep the order of the text.  A process variable `x: T` of process P is the state variable `x` (or "P.x" where
two processes use the name) of type MapOf(identity of P, T); of a single process it is just T.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from checker.core.ir import Expr, Node, Stmt
from checker.core.types import Record, Type
from checker.source import Source


@dataclass(frozen=True)
class ParamDecl(Node):
    """`type` is Bool, Int or Enum; `default` a closed expression or None (then every instance must give it)."""

    name: str
    type: Type
    default: Expr | None = None


@dataclass(frozen=True)
class VarDecl(Node):
    """`init`: how one cell starts: a value (`choice` False) or a set of possible values (`choice` True).

    For a process variable `type` is the map and `cell` the type of one process's cell; `init` is for one cell, and may
    mention Local("self").
    """

    name: str
    type: Type
    cell: Type
    init: Expr
    choice: bool = False
    process: str | None = None
    durable: bool = False
    ghost: bool = False


@dataclass(frozen=True)
class MessageDecl(Node):
    """`payload` has the declared fields.  `to`: identity type of the addressee if it is addressed; `sender`: of the sender if
    recorded."""

    name: str
    payload: Record
    to: Type | None = None
    sender: Type | None = None
    cap: Expr | None = None


@dataclass(frozen=True)
class Network(Node):
    """kind: "set" | "bag" | "fifo".  `capacity`: bag: messages in flight in all; fifo: per channel; set: per message type
    whose domain is too large for a bit mask."""

    kind: str = "set"
    capacity: Expr | None = None


@dataclass(frozen=True)
class ProcessDecl(Node):
    """`ident`: the type of its identities (sort, range or enum); None: a single process.  `on_restart` runs when it restarts
    after a crash."""

    name: str
    ident: Type | None
    on_restart: tuple[Stmt, ...] = ()


@dataclass(frozen=True)
class Receive:
    """Which message a handler takes; `fields` and `sender` are the local names bound to its fields and sender (None: not
    bound).  `discard`: when the receiver throws the message away for good."""

    message: str
    fields: tuple[str, ...]
    sender: str | None = None
    discard: Expr | None = None


@dataclass(frozen=True)
class Action(Node):
    """`params`: (local name, type), each combination a transition of its own.  In a process with identities `self` is
    Local("self"), not among the params."""

    name: str
    params: tuple[tuple[str, Type], ...]
    body: tuple[Stmt, ...]
    process: str | None = None
    receive: Receive | None = None


@dataclass(frozen=True)
class Def(Node):
    """A pure definition.  Never recursive."""

    name: str
    params: tuple[tuple[str, Type], ...]
    body: Expr
    process: str | None = None


@dataclass(frozen=True)
class Quorum(Node):
    """A family of subsets of a sort: Def `name` (no parameters) is the set of them.  `meets`: quorum families each of whose
    members is claimed to
    intersect each of these (checked in every instance)."""

    name: str
    sort: str
    majority: bool  # declared without a predicate: more than half
    binder: str = ""
    predicate: Expr | None = None
    meets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Property(Node):
    """kind: "invariant" | "lemma" | "step" | "reachable"."""

    kind: str
    name: str
    expr: Expr


@dataclass(frozen=True)
class Assume(Node):
    """A closed condition on parameters and sizes; an instance that breaks it is refused (exit 10)."""

    expr: Expr
    text: str


@dataclass(frozen=True)
class Fault(Node):
    """kind: "crash" | "stop" | "byzantine" (of `target`, a process) | "loss" | "duplication" (of `target`, a message, or None:
    any)."""

    kind: str
    target: str | None
    budget: Expr


@dataclass(frozen=True)
class Count:
    """An expected number and who else computed it."""

    number: int
    witness: str = ""


@dataclass(frozen=True)
class Expect(Node):
    """verdict: "holds" | "violates" | "deadlock" | "fault".  `counts` keys: "states", "orbits", "transitions", "length",
    "depth"."""

    verdict: str
    property: str | None = None
    counts: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceDecl(Node):
    """`sizes`: closed expressions for sorts and params.  `names`: display names of identities, by sort."""

    name: str
    sizes: dict[str, Expr] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    volatile: tuple[str, ...] = ()
    durable: tuple[str, ...] = ()
    bound: Expr | None = None
    expect: Expect | None = None
    slow: bool = False


@dataclass(frozen=True)
class Model:
    """One protocol, resolved."""

    name: str
    doc: str
    source: Source
    sorts: tuple[str, ...]
    params: dict[str, ParamDecl]
    types: dict[str, Type]
    network: Network
    messages: dict[str, MessageDecl]
    vars: dict[str, VarDecl]
    processes: dict[str, ProcessDecl]
    actions: tuple[Action, ...]
    defs: dict[str, Def]
    quorums: dict[str, Quorum]
    properties: tuple[Property, ...]
    assumes: tuple[Assume, ...]
    terminal: Expr | None  # states in which it is fine that nothing can happen; None: nowhere
    instances: dict[str, InstanceDecl]
    warnings: tuple[Any, ...] = ()

    @property
    def limited(self) -> bool:
        """Can a set network be full?"""
        return self.network.capacity is not None or any(m.cap is not None for m in self.messages.values())

    def place(self, node: Node) -> str:
        """file:line of a node, for people."""
        return f"{self.source.name}:{node.span.line}" if node.span else self.source.name
