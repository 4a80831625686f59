"""What a binding says of a line: expressions over its fields, like `msg.entries[0][1]` or `ev == "recv" and src != node`.

A small, safe part of Python's expressions: names are fields of the line (`_["from"]` is one whose name is a word of Python), `.`
and `[…]` go inside, `null`, `true` and `false` are as in JSON.  A field that is not there is `missing`; so is everything made
from it, except that comparisons with it are false.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable
from typing import Any

from checker.settings import Mistake, nearest


class _Missing:
    """The value of a field that is not there."""

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__

    def __contains__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()
Fields = dict[str, Any]
Getter = Callable[[Fields], Any]


class Turn(dict[str, Any]):
    """The fields of a line in a turn of what is done several times: `i` says in which."""

    def __init__(self, line: Fields, i: int) -> None:
        super().__init__(line, i=i)
        self.line = line


def get(base: Any, key: Any) -> Any:
    """A part of a JSON value, MISSING if there is none.  What is common goes without an exception, which costs most."""
    if base is MISSING:
        return MISSING
    if type(base) is list and type(key) is int:
        return base[key] if -len(base) <= key < len(base) else MISSING
    if type(base) is dict and type(key) is str:
        return base.get(key, MISSING)
    try:
        return base[key]
    except (KeyError, IndexError, TypeError):
        return MISSING


def key_of(x: Any) -> Any:
    """A field as a key, such as the id of a message: null is as if it were not there, and what has parts goes by its text."""
    return MISSING if x is None else str(x) if isinstance(x, list | dict) else x


def _matches(text: Any, pattern: str) -> bool:
    return isinstance(text, str) and re.search(pattern, text) is not None


FUNCTIONS: dict[str, Any] = {
    "len": len,
    "min": min,
    "max": max,
    "sum": sum,
    "any": any,
    "all": all,
    "sorted": sorted,
    "int": int,
    "str": str,
    "abs": abs,
    "reversed": lambda x: list(reversed(x)),
    "has": lambda x: x is not MISSING,
    "get": lambda x, default: default if x is MISSING else x,
    "matches": _matches,
    "split": lambda text, by: text.split(by),
    "keys": list,
    "enumerate": lambda x: list(enumerate(x)),
    "zip": lambda *xs: list(zip(*xs, strict=False)),
}
WORDS = {"null": None, "none": None, "true": True, "false": False}
ALLOWED = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.IfExp,
    ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Load, ast.Store, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.comprehension, ast.Slice,
)  # fmt: skip


class Reader:
    """Compiles expressions; `defined`: names that stand for other expressions (the binding's `[fields]`)."""

    def __init__(self, defined: dict[str, str] | None = None) -> None:
        self.defined = {name: tree_of(text) for name, text in (defined or {}).items()}
        self.ways: dict[str, ast.AST | None] = {}  # what a defined name stands for, if that is only a way into a line
        self.getters = {name: self.compiled(tree, str((defined or {})[name])) for name, tree in self.defined.items()}
        self.turning = {name for name in self.defined if "i" in self._names(name)}
        self.line: Fields | None = None
        self.known: dict[str, Any] = {}

    def named(self, fields: Fields, name: str) -> Any:
        """The value of a defined name for a line, worked out once."""
        if isinstance(fields, Turn):
            if name in self.turning:
                return self.getters[name](fields)
            fields = fields.line
        if self.line is not fields:
            self.line, self.known = fields, {}
        if name not in self.known:
            self.known[name] = self.getters[name](fields)
        return self.known[name]

    def _names(self, name: str) -> set[str]:
        """All names that a defined name may look at."""
        found = {n.id for n in ast.walk(self.defined[name]) if isinstance(n, ast.Name)}
        return found.union(*map(self._names, found & self.defined.keys()))

    def read(self, text: Any) -> Getter:
        """The expression as a function of the fields of a line.  What is no text stands for itself.  Raises Mistake."""
        return self.compiled(tree_of(text), text) if isinstance(text, str) else lambda _: text

    def compiled(self, tree: ast.expr, text: str) -> Getter:
        """A function of the fields of a line that gives the value of a parsed expression."""
        made = ast.parse("lambda _e: 0", mode="eval")
        assert isinstance(made.body, ast.Lambda)
        body = _Rewrite(self.defined, self.ways, text).visit(tree_of(tree))
        made.body.body = _path(body) or body
        code = compile(ast.fix_missing_locations(made), "<binding>", "eval")
        run = eval(code, {"__builtins__": {}, "_get": get, "_missing": MISSING, "_named": self.named, **FUNCTIONS})

        def value(fields: Fields) -> Any:
            try:
                return run(fields)
            except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AttributeError):
                return MISSING

        return value


def tree_of(text: str | ast.expr) -> ast.expr:
    """An expression parsed, or a copy of one.  Raises Mistake."""
    if isinstance(text, ast.expr):
        return copy.deepcopy(text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as why:
        raise Mistake(f"`{text}` is no expression over fields: {getattr(why, 'msg', why)}") from None


class _Rewrite(ast.NodeTransformer):
    """Turns names into fields and refuses everything that is not allowed."""

    def __init__(
        self, defined: dict[str, ast.expr], ways: dict[str, ast.AST | None], text: str, path: tuple[str, ...] = ()
    ) -> None:
        self.defined, self.ways, self.text, self.path = defined, ways, text, path
        self.bound: list[str] = []

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, ALLOWED):
            what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__.lower()
            raise Mistake(f"`{self.text}`: `{what}` is not possible in an expression over fields")
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.bound:
            return node
        if node.id in ("_", "missing"):
            return ast.Name("_e" if node.id == "_" else "_missing", ast.Load())
        if node.id in WORDS:
            return ast.Constant(WORDS[node.id])
        if node.id in self.defined:
            if node.id in self.path:
                raise Mistake(f"the field `{node.id}` is defined by itself")
            if node.id not in self.ways:
                inner = _Rewrite(self.defined, self.ways, self.text, (*self.path, node.id))
                found = inner.visit(tree_of(self.defined[node.id]))
                self.ways[node.id] = found if _path(found) else None
            return self.ways[node.id] or ast.Call(
                ast.Name("_named", ast.Load()), [ast.Name("_e", ast.Load()), ast.Constant(node.id)], []
            )
        return _get(ast.Name("_e", ast.Load()), ast.Constant(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return _get(self.visit(node.value), ast.Constant(node.attr))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.slice, ast.Slice):
            part = ast.Slice(
                *(None if x is None else self.visit(x) for x in (node.slice.lower, node.slice.upper, node.slice.step))
            )
            return ast.Subscript(self.visit(node.value), part, ast.Load())
        return _get(self.visit(node.value), self.visit(node.slice))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            name = ast.unparse(node.func)
            hint = nearest(name, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}"
            raise Mistake(f"`{self.text}`: there is no function `{name}`", hint)
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise Mistake(f"`{self.text}`: `{node.func.id}` takes plain arguments")
        return ast.Call(node.func, [self.visit(a) for a in node.args], [])

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehension(node)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        before = list(self.bound)
        for g in node.generators:
            g.iter = self.visit(g.iter)
            self.bound += [n.id for n in ast.walk(g.target) if isinstance(n, ast.Name)]
            g.ifs = [self.visit(c) for c in g.ifs]
        for part in ("key", "value") if isinstance(node, ast.DictComp) else ("elt",):
            setattr(node, part, self.visit(getattr(node, part)))
        self.bound = before
        return node


def _path(e: ast.AST) -> ast.expr | None:
    """A way into a line as plain indexing, if the whole expression is one: then what is not there raises, and is MISSING."""
    match e:
        case ast.Name(id="_e"):
            return e
        case ast.Call(func=ast.Name(id="_get"), args=[base, ast.Constant() | ast.UnaryOp(operand=ast.Constant()) as key]):
            inner = _path(base)
            return ast.Subscript(inner, key, ast.Load()) if inner is not None else None
    return None


def _get(base: ast.expr, key: ast.expr) -> ast.Call:
    return ast.Call(ast.Name("_get", ast.Load()), [base, key], [])
