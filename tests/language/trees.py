"""Random syntax trees: everything the grammar can say, and nothing it cannot."""

from __future__ import annotations

from hypothesis import strategies as st

from checker.language import syntax as s

# Names that mean nothing, and words that mean something elsewhere only.
NAMES = ["a", "b", "x1", "some_node", "Node", "Vote", "step", "type", "to", "where", "length", "states", "terminal", "kind"]
HERE = s.NOWHERE
names = st.sampled_from(NAMES)
idents = names.map(lambda n: s.Ident(HERE, n))
texts = st.text("abc xyz,.()#:=", min_size=1, max_size=20)


def node(cls, *parts):  # type: ignore[no-untyped-def]
    """A node of this class from a strategy for each part."""
    return st.tuples(*parts).map(lambda xs: cls(HERE, *xs))


def some(parts, least=0, most=3):  # type: ignore[no-untyped-def]
    return st.lists(parts, min_size=least, max_size=most)


def maybe(part):  # type: ignore[no-untyped-def]
    return st.none() | part


numbers = st.integers(0, 99).map(lambda n: s.Number(HERE, n))
name_exprs = names.map(lambda n: s.Name(HERE, n))
leaves = name_exprs | numbers | st.sampled_from(["true", "false", "none", "self"]).map(lambda w: s.Literal(HERE, w))

# Bounds of ranges: no brackets in front, no fields, no comparisons.
ARITHMETIC = ["+", "-", "*", "//", "%"]
high_bounds = st.recursive(
    numbers | name_exprs,
    lambda e: (
        node(s.Binary, st.sampled_from(ARITHMETIC), e, e) | node(s.Unary, st.just("-"), e) | node(s.Call, idents, some(e, 1, 2))
    ),
    max_leaves=4,
)


def begins_bare(e: s.Expr) -> bool:
    """Would its text begin without a bracket?"""
    if not isinstance(e, s.Binary):
        return not isinstance(e, s.Unary) or not isinstance(e.operand, s.Binary)
    tight = not isinstance(e.left, s.Binary) or s.PRECEDENCE[e.left.op] >= s.PRECEDENCE[e.op]
    return tight and begins_bare(e.left)


types = st.recursive(
    node(s.Named, st.sampled_from(["Node", "Vote", "bool", "int", "type"]))
    | node(s.Range, high_bounds.filter(begins_bare), high_bounds),
    lambda t: (
        node(s.TupleType, some(t, 2, 3))
        | node(s.Collection, st.sampled_from(["set", "seq", "bag"]), t, maybe(high_bounds))
        | node(s.MapType, t, t)
        | node(s.OptionType, t)
    ),
    max_leaves=4,
)


def _compound(e):  # type: ignore[no-untyped-def]
    binders = node(s.Binder, some(idents, 1, 2), types, st.none()) | node(s.Binder, some(idents, 1, 2), st.none(), e)
    generators = node(s.Generator, idents, e, maybe(e))
    updates = node(s.Update, idents | e, e)
    binary = st.sampled_from([op for op in s.PRECEDENCE if op not in ("not", "unary -")])
    return st.one_of(
        node(s.Unary, st.sampled_from(["not", "-"]), e),
        node(s.Binary, binary, e, e),
        node(s.Binary, binary, e, e),
        node(s.Ternary, e, e, e),
        node(s.Quantified, st.sampled_from(["forall", "exists"]), some(binders, 1, 2), e),
        node(s.With, e, some(updates, 1, 2)),
        node(s.Member, e, idents),
        node(s.Index, e, e),
        node(s.Slice, e, e, e),
        node(s.Prime, e),
        node(s.Call, idents, some(e | node(s.Keyword, idents, e))),
        node(s.Call, idents, some(e, 1, 1), generators),
        node(s.TupleOf, some(e, 2, 3)),
        node(s.SetOf, some(e)),
        node(s.ListOf, some(e)),
        node(s.Comprehension, e, generators),
        node(s.Mapping, e, e, generators),
        node(s.Sent, idents, maybe(some(e)), maybe(e), maybe(e)),
    )


exprs = st.recursive(leaves, _compound, max_leaves=12)
targets = st.recursive(name_exprs, lambda e: node(s.Member, e, idents) | node(s.Index, e, exprs), max_leaves=3)

plain = st.one_of(
    node(s.Require, exprs),
    node(s.Assign, targets, st.sampled_from([":=", "+=", "-="]), exprs),
    node(s.Let, idents, exprs),
    node(s.Choose, some(node(s.Choice, idents, exprs), 1, 2), maybe(exprs)),
    node(s.Pass),
    node(s.Send, idents, maybe(some(exprs)), maybe(exprs)),
)
statements = st.recursive(
    plain,
    lambda x: (
        node(s.If, some(st.tuples(exprs, some(x, 1, 2)), 1, 2), maybe(some(x, 1, 2))) | node(s.For, idents, exprs, some(x, 1, 2))
    ),
    max_leaves=4,
)
blocks = some(statements, 1, 3)
fields = some(node(s.Field, idents, types))

variables = st.tuples(st.sampled_from(["var", "durable", "ghost"]), idents, types, maybe(exprs), st.booleans()).map(
    lambda v: s.VarDecl(HERE, v[0], v[1], v[2], v[3], v[4] and v[3] is not None)
)
definitions = node(s.DefDecl, idents, maybe(fields), maybe(types), exprs)
actions = node(s.ActionDecl, idents, maybe(fields), blocks)
members = st.one_of(
    variables,
    definitions,
    actions,
    node(s.Handler, idents, maybe(some(idents)), maybe(idents), blocks),
    node(s.Restart, blocks),
)
properties = node(s.PropertyDecl, st.sampled_from(["invariant", "lemma", "step", "reachable"]), idents, exprs) | node(
    s.PropertyDecl, st.just("terminal"), st.none(), exprs
)
items = st.one_of(
    node(s.Setting, idents, exprs),
    node(s.FaultItem, idents, maybe(idents), exprs),
    node(s.ResetItem, st.sampled_from(["volatile", "durable"]), maybe(idents), idents),
    node(s.BoundItem, exprs),
    node(s.CountItem, idents, st.integers(0, 10**6), maybe(texts)),
    node(s.SlowItem),
    node(s.ExpectItem, idents, maybe(idents)),
)
declarations = st.one_of(
    node(s.Protocol, idents, some(node(s.DocLine, texts), 0, 2)),
    node(s.SortDecl, some(idents, 1, 12)),
    node(s.ParamDecl, idents, types, maybe(exprs)),
    node(s.TypeDecl, idents, types),
    node(s.EnumDecl, idents, some(idents, 1, 12)),
    node(s.RecordDecl, idents, fields),
    node(s.QuorumDecl, idents, maybe(idents), idents, maybe(exprs), some(idents)),
    node(s.NetworkDecl, idents, maybe(exprs)),
    node(s.MessageDecl, idents, maybe(fields), maybe(exprs)),
    node(s.AssumeDecl, exprs),
    variables,
    definitions,
    actions,
    node(s.ProcessDecl, idents, st.booleans(), some(members, 1, 4)),
    properties,
    node(s.InstanceDecl, idents, some(items, 0, 6)),
)
files = node(s.File, some(declarations, 0, 6))
