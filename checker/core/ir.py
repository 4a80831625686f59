"""The core: about 25 kinds of node, all frozen, every expression typed.  This page is the whole language of the engines.

Levels, each a subset of the one before (`verify(…, level)` in core/verify.py checks it):
  model     what the front end makes: parameters and symbolic bounds, calls of definitions, sends, receives.
  instance  parameters are constants, types are finite and every node re-typed with its exact interval, calls are inlined.
  program   total and silent: no Fit that can fail (a Check stands before it), no Send (networks are variables).

`and`, `or`, `implies` are written with If: If is the only lazy node.  Binders carry unique names ("v#3"; what stands before
the # is what the user wrote), so substitution cannot capture.  Quantifiers are strict in faults: a fault for one element
is a fault of the whole, whatever the others say, so no order of evaluation can be observed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from checker.core.types import Type
from checker.source import Span


@dataclass(frozen=True, kw_only=True)
class Node:
    """Base: every node may know its place in the source; equality ignores it."""

    span: Span | None = field(default=None, compare=False, repr=False)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Expr(Node):
    """Base of expressions: `type` is the type of the value."""

    type: Type


@dataclass(frozen=True)
class Const(Expr):
    """A literal value of its type."""

    value: Any


@dataclass(frozen=True)
class Param(Expr):
    """A parameter of the protocol (level model only)."""

    name: str


@dataclass(frozen=True)
class Size(Expr):
    """How many identities a sort has (level model only): len(Acceptor)."""

    sort: str


@dataclass(frozen=True)
class Read(Expr):
    """A whole state variable; primed: in the state after the step (step properties only)."""

    var: str
    primed: bool = False


@dataclass(frozen=True)
class Local(Expr):
    """A bound name: parameter of an action, of a definition, of a quantifier, a `let`, a `choose`."""

    name: str


@dataclass(frozen=True)
class Apply(Expr):
    """An operator of the table (core/operators) on strict arguments.  `attr`: a field name, tuple position or type, if the
    row needs one."""

    op: str
    args: tuple[Expr, ...]
    attr: Any = None


@dataclass(frozen=True)
class If(Expr):
    """The only lazy node.  a and b = If(a, b, false); a or b = If(a, true, b); a implies b = If(a, b, true)."""

    cond: Expr
    then: Expr
    orelse: Expr


@dataclass(frozen=True)
class Quant(Expr):
    """kind: "forall" | "exists".  `domain` is an expression of type Set."""

    kind: str
    name: str
    domain: Expr
    body: Expr


@dataclass(frozen=True)
class Fold(Expr):
    """kind: "sum" | "min" | "max" of `body` over the elements of `domain` where `where` holds (min and max of nothing: fault)."""

    kind: str
    name: str
    domain: Expr
    where: Expr
    body: Expr


@dataclass(frozen=True)
class SetOf(Expr):
    """{body for name in domain if where}"""

    name: str
    domain: Expr
    where: Expr
    body: Expr


@dataclass(frozen=True)
class Mapping(Expr):
    """{name: body for name in KEY}, total over the key type of `type`."""

    name: str
    body: Expr


@dataclass(frozen=True)
class Let(Expr):
    """Strict: the value is computed (and may fault) even if the body does not need it."""

    name: str
    value: Expr
    body: Expr


@dataclass(frozen=True)
class Call(Expr):
    """A definition (or quorum) applied to strict arguments (level model only)."""

    name: str
    args: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Fit(Expr):
    """`value` as a value of `type`: lifts T to T?, widens freely, narrows with a fault if the value does not fit.  `what`
    names the target in the fault."""

    value: Expr
    what: str = ""


@dataclass(frozen=True)
class Sent(Expr):
    """Is a message that matches in the network?  set: was ever sent; bag, fifo: in flight.  A None argument matches anything.
    `to`, `sender`: likewise for the addressee and the sender (levels model and instance)."""

    message: str
    args: tuple[Expr | None, ...]
    to: Expr | None = None
    sender: Expr | None = None


@dataclass(frozen=True)
class InFlight(Expr):
    """How many messages are in the network: in flight (bag, fifo), or ever sent, each once (set) (level model only)."""


@dataclass(frozen=True)
class Byzantine(Expr):
    """Which processes are Byzantine in this behaviour: a set of identities; of a single process, whether it is (level model
    only)."""

    process: str


# ── statements: run top to bottom, atomically ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Stmt(Node):
    """Base of statements."""


@dataclass(frozen=True)
class Require(Stmt):
    """A false one anywhere disables the whole action (for these choices)."""

    cond: Expr


@dataclass(frozen=True)
class Check(Stmt):
    """If `cond` is false the action is a spec fault with this text (level program only)."""

    cond: Expr
    fault: str


@dataclass(frozen=True)
class Assign(Stmt):
    """var[index].field… := value.  `path`: Expr for an index, str for a field, outermost first."""

    var: str
    path: tuple[Expr | str, ...]
    value: Expr


@dataclass(frozen=True)
class LetStmt(Stmt):
    """Names a value for the rest of the block."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Choose(Stmt):
    """Every element of `domain` with `where` is a transition of its own; none: the action is disabled."""

    name: str
    type: Type
    domain: Expr
    where: Expr


@dataclass(frozen=True)
class IfStmt(Stmt):
    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


@dataclass(frozen=True)
class ForAll(Stmt):
    """Runs the body once for every element of `domain`.  The front end has checked that the runs commute."""

    name: str
    domain: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True)
class Send(Stmt):
    """Puts a message in the network.  `to` None: for everyone who handles it.  `sender`: the sending process's identity, if
    in one."""

    message: str
    args: tuple[Expr, ...]
    to: Expr | None = None
    sender: Expr | None = None


def base_name(name: str) -> str:
    """What the user wrote for a unique binder name."""
    return name.split("#", 1)[0]
