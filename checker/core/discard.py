"""Messages that nobody will ever look at again, as handlers say with `discard`, leave a set network at once.

What lives here: the removal, as an assignment at the end of every action that can make a message useless or send a useless
one.  What must not: why a message is useless; the handler says so, and it stays true.  Invariant: in no state is there a
message that all its receivers discard.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from checker.core.ir import Apply, Assign, Const, Expr, Let, Local, Quant, Read, Send, SetOf, Stmt
from checker.core.operators.table import FALSE, apply, both, either, fresh
from checker.core.typed import assigned, elem, reads, rewrite, statements, subst
from checker.core.types import BOOL, Record, Union


@dataclass(frozen=True)
class Discard:
    """Of a `message` (in full: `record`) in the variable `net`: `useless` for the receiver `me`.  `names`: the fields of the
    record that the locals in `useless` stand for, "self" too if it is addressed."""

    message: str
    record: Record
    net: Read
    names: dict[str, str]
    me: Expr
    useless: Expr

    def of(self, x: Expr) -> Expr:
        """Is `x`, an element of `net`, such a message, and useless for every possible receiver?"""
        union = isinstance(x.type, Union)
        m = apply("project", x, attr=self.message) if union else x
        out = subst(self.useless, {local: apply("field", m, attr=f) for local, f in self.names.items()})
        if isinstance(self.me, Local) and "self" not in self.names:
            receiver = Local(self.me.type, fresh("receiver"))
            everyone = apply("all", attr=receiver.type)
            out = Quant(BOOL, "forall", receiver.name, everyone, subst(out, {"self": receiver}))
        out = rewrite(out, _plain)
        return both(apply("is", x, attr=self.message), out) if union else out


def _plain(e: Expr) -> Expr:
    """Without names for what is a field anyway: a name means one thing in an action, and here it would mean two."""
    if isinstance(e, Let) and (isinstance(e.value, Const | Local) or (isinstance(e.value, Apply) and e.value.op == "field")):
        return subst(e.body, {e.name: e.value})
    return e


def discarding(actions: Iterable[Any], discards: list[Discard]) -> list[Any]:
    """The transitions, each with the removal of what it makes useless."""
    discards = [d for d in discards if d.useless != FALSE]
    removals: dict[tuple[str, ...], Stmt] = {}  # of these messages, the same statement everywhere
    return [replace(a, body=(*a.body, *_removals(a.body, discards, removals))) for a in actions]


def _removals(body: tuple[Stmt, ...], discards: list[Discard], known: dict[tuple[str, ...], Stmt]) -> list[Stmt]:
    inside = list(statements(body))
    sent = {s.message for s in inside if isinstance(s, Send)}
    written = assigned(body)
    concerned: dict[str, list[Discard]] = {}
    for d in discards:
        if d.message in sent or reads(d.useless) & written:
            concerned.setdefault(d.net.var, []).append(d)
    for ds in concerned.values():
        known.setdefault(tuple(d.message for d in ds), _remove(ds))
    return [known[tuple(d.message for d in ds)] for ds in concerned.values()]


def _remove(discards: list[Discard]) -> Stmt:
    net = discards[0].net
    x = Local(elem(net), fresh("message"))
    useless = discards[0].of(x)
    for d in discards[1:]:
        useless = either(useless, d.of(x))
    return Assign(net.var, (), SetOf(net.type, x.name, net, apply("not", useless), x))
