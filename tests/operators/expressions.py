"""Random expressions over a small state: every kind of node, nested, and well typed by construction.

A production is one way to make an expression of a kind ("bool", "int", "nodes"…) from others; types are exact, as `bind` makes
them.
"""

from __future__ import annotations

from random import Random
from typing import Any

from checker.core.ir import Const, Expr, Fit, Fold, If, Let, Local, Mapping, Quant, Read, SetOf
from checker.core.operators.sets import loose
from checker.core.operators.table import FALSE, TRUE, apply, fresh, join
from checker.core.typed import build, fit
from checker.core.types import BOOL, BagOf, Int, MapOf, Option, Record, Seq, Set, Sort, Type, card, values

from .domains import COLOUR

NODE = Sort("Node", 2)
VOTE = Record("Vote", (("bal", Int(-1, 1)), ("val", NODE)))
KINDS: dict[str, dict[str, Type]] = {
    "bool": {"p": BOOL},
    "int": {"x": Int(-1, 2), "y": Int(0, 3)},
    "colour": {"c": COLOUR},
    "node": {"n": NODE},
    "nodes": {"s": Set(NODE), "s1": Set(NODE, 1)},
    "ints": {"t": Set(Int(0, 3)), "u": Set(Int(-100, 200), 2)},
    "option": {"o": Option(Int(0, 2))},
    "seq": {"q": Seq(Int(0, 2), 2)},
    "map": {"m": MapOf(NODE, Int(0, 2))},
    "record": {"r": VOTE},
    "bag": {"b": BagOf(Int(-1, 1), 2)},
}
STATE: dict[str, Type] = {name: t for kind in KINDS.values() for name, t in kind.items()}
DEPTH = 5
WIDEST = 40  # numbers with more possible values are not built upon

Scope = dict[str, list[Local]]


def expression(seed: int) -> Expr:
    """The expression of this number: from shallow to deep."""
    maker = Maker(Random(seed))
    return maker.make(maker.any_of(*KINDS), 1 + seed % DEPTH, {})


class Maker:
    """Makes one expression."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def any_of(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def make(self, kind: str, depth: int, scope: Scope) -> Expr:
        if depth == 0 or self.rng.random() < 0.1:
            return self.leaf(kind, scope)
        general = {"if": self.branches, "let": self.let}
        name = self.any_of(*general, *self.productions(kind), *self.productions(kind))
        e = general[name](kind, depth - 1, scope) if name in general else getattr(self, name)(depth - 1, scope)
        return self.leaf(kind, scope) if _too_wide(e.type) else e

    def productions(self, kind: str) -> list[str]:
        return [n for n in dir(self) if n.startswith(kind + "_")]

    def leaf(self, kind: str, scope: Scope) -> Expr:
        reads = [Read(t, n) for n, t in KINDS[kind].items()]
        t = next(iter(KINDS[kind].values()))
        constants = [Const(Int(v, v) if isinstance(t, Int) else t, v) for v in list(values(t))[-3:]]
        return self.any_of(*reads, *reads, *8 * scope.get(kind, []), *constants)

    # any kind

    def branches(self, kind: str, d: int, scope: Scope) -> Expr:
        c, a, b = self.make("bool", d, scope), self.make(kind, d, scope), self.make(kind, d, scope)
        t = join(a.type, b.type)
        return If(t, c, fit(a, t), fit(b, t))

    def let(self, kind: str, d: int, scope: Scope) -> Expr:
        other = self.any_of(*KINDS)
        v = self.make(other, d, scope)
        name = Local(v.type, fresh("l"))
        body = self.make(kind, d, {**scope, other: [*scope.get(other, []), name]})
        return Let(body.type, name.name, v, body)

    # binders

    def domain(self, d: int, scope: Scope) -> tuple[Expr, Local, Scope]:
        """A domain, its element, and the scope with it."""
        kind = self.any_of("nodes", "ints", "bag", "all nodes", "all ints")
        e = apply("all", attr=NODE if "nodes" in kind else Int(-1, 1)) if kind.startswith("all") else self.make(kind, d, scope)
        x = Local(e.type.elem, fresh("x"))  # type: ignore[attr-defined]
        of = "node" if isinstance(x.type, Sort) else "int"
        return e, x, {**scope, of: [*scope.get(of, []), x]}

    def bool_quant(self, d: int, scope: Scope) -> Expr:
        dom, x, inner = self.domain(d, scope)
        return Quant(BOOL, self.any_of("forall", "exists"), x.name, dom, self.make("bool", d, inner))

    def int_fold(self, d: int, scope: Scope) -> Expr:
        dom, x, inner = self.domain(min(d, 1), scope)
        if isinstance(dom.type, BagOf):
            return self.int_arith(d, scope)
        kind, body = self.any_of("sum", "min", "max"), self.make("int", d, inner)
        t = body.type
        if kind == "sum":
            n = card(x.type) if dom.type.cap is None else dom.type.cap  # type: ignore[attr-defined]
            t = Int(min(0, n * t.lo), max(0, n * t.hi))  # type: ignore[attr-defined]
        return Fold(t, kind, x.name, dom, self.make("bool", d, inner), body)

    def comprehension(self, kind: str, d: int, scope: Scope) -> Expr:
        dom, x, inner = self.domain(min(d, 1), scope)
        if isinstance(dom.type, BagOf):
            return self.leaf(kind + "s", scope)
        body = self.make(kind, d, inner)
        cap = dom.type.cap if dom.type.cap is not None else card(x.type)  # type: ignore[attr-defined]
        return SetOf(loose(body.type, cap), x.name, dom, self.make("bool", d, inner), body)

    def nodes_where(self, d: int, scope: Scope) -> Expr:
        return self.comprehension("node", d, scope)

    def ints_where(self, d: int, scope: Scope) -> Expr:
        return self.comprehension("int", d, scope)

    def map_each(self, d: int, scope: Scope) -> Expr:
        k = Local(NODE, fresh("k"))
        body = self.make("int", d, {**scope, "node": [*scope.get("node", []), k]})
        return Mapping(MapOf(NODE, body.type), k.name, body)

    # operators: `op` of arguments of these kinds

    def op(self, names: tuple[str, ...], kinds: tuple[str, ...], d: int, scope: Scope, attr: Any = None) -> Expr:
        return build(self.any_of(*names), tuple(self.make(k, d, scope) for k in kinds), attr)

    def bool_not(self, d: int, scope: Scope) -> Expr:
        return self.op(("not",), ("bool",), d, scope)

    def bool_connective(self, d: int, scope: Scope) -> Expr:
        a, b = self.make("bool", d, scope), self.make("bool", d, scope)
        return self.any_of(If(BOOL, a, b, FALSE), If(BOOL, a, TRUE, b), If(BOOL, a, b, TRUE))

    def bool_equal(self, d: int, scope: Scope) -> Expr:
        kind = self.any_of(*KINDS)
        return self.op(("eq", "ne"), (kind, kind), d, scope)

    def bool_less(self, d: int, scope: Scope) -> Expr:
        kind = self.any_of("int", "colour", "option")
        return self.op(("lt", "le", "gt", "ge"), (kind, kind), d, scope)

    def bool_member(self, d: int, scope: Scope) -> Expr:
        kinds = self.any_of(("int", "ints"), ("node", "nodes"), ("int", "seq"), ("int", "bag"), ("option", "ints"))
        return self.op(("member",), kinds, d, scope)

    def bool_subset(self, d: int, scope: Scope) -> Expr:
        kind = self.any_of("ints", "nodes")
        return self.op(("subset",), (kind, kind), d, scope)

    def bool_in_subsets(self, d: int, scope: Scope) -> Expr:
        return build("member", (self.make("nodes", d, scope), build("subsets", (self.make("nodes", d, scope),))))

    def int_arith(self, d: int, scope: Scope) -> Expr:
        return self.op(("add", "sub", "mul", "div", "mod", "min2", "max2"), ("int", "int"), d, scope)

    def int_neg(self, d: int, scope: Scope) -> Expr:
        return self.op(("neg",), ("int",), d, scope)

    def int_len(self, d: int, scope: Scope) -> Expr:
        return self.op(("len",), (self.any_of("nodes", "ints", "seq", "bag"),), d, scope)

    def int_index(self, d: int, scope: Scope) -> Expr:
        return self.op(("index",), self.any_of(("seq", "int"), ("map", "node")), d, scope)

    def int_part(self, d: int, scope: Scope) -> Expr:
        op, kind, attr = self.any_of(("the", "option", None), ("last", "seq", None), ("field", "record", "bal"))
        return self.op((op,), (kind,), d, scope, attr)

    def int_extreme(self, d: int, scope: Scope) -> Expr:
        return self.op(("minset", "maxset"), ("ints",), d, scope)

    def int_count(self, d: int, scope: Scope) -> Expr:
        return self.op(("count",), ("bag", "int"), d, scope)

    def int_item(self, d: int, scope: Scope) -> Expr:
        pair = build("tuple", (self.make("bool", d, scope), self.make("int", d, scope)))
        return build("item", (build("with_item", (pair, self.make("bool", d, scope)), 0),), 1)

    def node_field(self, d: int, scope: Scope) -> Expr:
        return self.op(("field",), ("record",), d, scope, "val")

    def nodes_merge(self, d: int, scope: Scope) -> Expr:
        return self.op(("union", "inter", "diff"), ("nodes", "nodes"), d, scope)

    def nodes_literal(self, d: int, scope: Scope) -> Expr:
        return self.op(("set",), self.any_of(("node",), ("node", "node")), d, scope)

    def nodes_keys(self, d: int, scope: Scope) -> Expr:
        return self.op(("keys",), ("map",), d, scope)

    def ints_merge(self, d: int, scope: Scope) -> Expr:
        return self.op(("union", "inter", "diff"), ("ints", "ints"), d, scope)

    def ints_literal(self, d: int, scope: Scope) -> Expr:
        return self.op(("set",), self.any_of(("int",), ("int", "int"), ("int", "int", "int")), d, scope)

    def ints_range(self, d: int, scope: Scope) -> Expr:
        return self.op(("range",), ("int", "int"), d, scope)

    def ints_of(self, d: int, scope: Scope) -> Expr:
        op, kind = self.any_of(("values", "map"), ("elems", "seq"), ("indices", "seq"))
        return self.op((op,), (kind,), d, scope)

    def option_some(self, d: int, scope: Scope) -> Expr:
        e = self.make("int", d, scope)
        return fit(e, Option(e.type))

    def option_fit(self, d: int, scope: Scope) -> Expr:
        return Fit(Option(Int(-1, 1)), self.make(self.any_of("int", "option"), d, scope))

    def int_fit(self, d: int, scope: Scope) -> Expr:
        return Fit(Int(0, 2), self.make("int", d, scope))

    def seq_literal(self, d: int, scope: Scope) -> Expr:
        return self.op(("seq",), self.any_of(("int",), ("int", "int")), d, scope)

    def seq_concat(self, d: int, scope: Scope) -> Expr:
        return self.op(("concat",), ("seq", "seq"), min(d, 1), scope)

    def seq_slice(self, d: int, scope: Scope) -> Expr:
        return self.op(("slice",), ("seq", "int", "int"), d, scope)

    def seq_with(self, d: int, scope: Scope) -> Expr:
        return self.op(("with_index",), ("seq", "int", "int"), d, scope)

    def map_with(self, d: int, scope: Scope) -> Expr:
        return self.op(("with_index",), ("map", "node", "int"), d, scope)

    def record_literal(self, d: int, scope: Scope) -> Expr:
        return self.op(("record",), ("int", "node"), d, scope, VOTE)

    def record_with(self, d: int, scope: Scope) -> Expr:
        return self.op(("with_field",), ("record", "int"), d, scope, "bal")

    def bag_change(self, d: int, scope: Scope) -> Expr:
        return self.op(("bag_add", "bag_remove"), ("bag", "int"), min(d, 2), scope)


def _too_wide(t: Type) -> bool:
    if isinstance(t, Set | Seq | BagOf):
        return card(t.elem) > 10 * WIDEST or (t.cap or 0) > 12  # type: ignore[operator]
    return isinstance(t, Int) and card(t) > WIDEST
