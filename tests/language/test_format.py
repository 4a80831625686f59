"""The formatter writes what the parser reads: trees survive, comments stay with their lines, formatting twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.language import format_text, parse
from checker.language import syntax as s
from checker.language.format import comments_of, format_tree
from checker.language.pretty import WIDTH
from checker.source import Source

from . import trees

SPECS = sorted(Path(__file__).parents[2].glob("specs/**/*.spec"))
often = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def read(text: str) -> s.File:
    return parse(Source("test.spec", text))


def formatted(text: str) -> str:
    return format_text(Source("test.spec", text))


@often
@given(trees.files)
def test_what_is_written_is_read_back(tree: s.File) -> None:
    text = format_tree(tree)
    assert read(text) == tree
    assert formatted(text) == text


@often
@given(trees.exprs)
def test_expressions_survive_anywhere(e: s.Expr) -> None:
    here = s.NOWHERE
    name = s.Ident(here, "x")
    decls: list[s.Decl] = [
        s.AssumeDecl(here, e),
        s.ActionDecl(here, name, None, [s.If(here, [(e, [s.Require(here, e)])], None), s.For(here, name, e, [s.Pass(here)])]),
        s.InstanceDecl(here, name, [s.BoundItem(here, e), s.Setting(here, name, e)]),
    ]
    assert read(format_tree(s.File(here, decls))) == s.File(here, decls)


@st.composite
def commented(draw: st.DrawFn) -> str:
    """A formatted text with comments behind some lines and between some, as deep as the next line."""
    out: list[str] = []
    lines = format_tree(draw(trees.files)).splitlines()
    for i, line in enumerate(lines):
        if line and draw(st.integers(0, 5)) == 0:
            depth = len(line) - len(line.lstrip())
            above = [" " * depth + f"# above {i}" for _ in range(draw(st.integers(1, 2)))]
            out += above
        out.append(line + (f"  # behind {i}" if line and draw(st.integers(0, 5)) == 0 else ""))
    return "\n".join(out) + "\n" if out else ""


@often
@given(commented())
def test_comments_stay_where_they_are(text: str) -> None:
    assert formatted(text) == text


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_shipped_specs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    after = formatted(text)
    assert read(after) == read(text)
    assert [c.text for c in comments_of(after)] == [c.text for c in comments_of(text)]
    assert formatted(after) == after
    assert beside(after) == beside(text)


def beside(text: str) -> list[tuple[str, str]]:
    """Each comment with the word before it (behind words) or after it (on a line of its own)."""
    found = []
    lines = text.splitlines()
    for c in comments_of(text):
        if c.alone:
            after = next((x.split() for x in lines[c.line :] if x.strip() and not x.strip().startswith("#")), [""])
            found.append((c.text, after[0]))
        else:
            found.append((c.text, lines[c.line - 1][: c.column].split()[-1]))
    return found


MESSY = """
sort   Node ,Value
message M( n:Node )
network   set
var n:0..3=0   # how many
process Node
  var x: bool=false
  # after the variable
  action Go( v :Value )
        require not( x ) and(n==0 or(n==1 and x))or x
        # before sending
        if x
            x:=false
            # the end of the block
        else
            send M(self)   # all
  on M( _ )
        pass
invariant I:n<4
instance i:Node=3,Value={ a,b }   expect   holds
# the end
"""

TIDY = """\
sort Node, Value

message M(n: Node)
network set

var n: 0..3 = 0  # how many

process Node
    var x: bool = false

    # after the variable
    action Go(v: Value)
        require not x and (n == 0 or (n == 1 and x)) or x
        # before sending
        if x
            x := false
            # the end of the block
        else
            send M(self)   # all

    on M(_)
        pass

invariant I: n < 4

instance i: Node = 3, Value = {a, b}   expect holds
# the end
"""


def test_layout() -> None:
    assert formatted(MESSY) == TIDY


def test_long_lines_are_broken() -> None:
    parts = [f"some_quite_long_name_{i} == {i}" for i in range(6)]
    text = (
        f"action Go(a: int)\n    require {' and '.join(parts)}\n    if {' or '.join(parts)}\n        x := f({', '.join(parts)})\n"
    )
    after = formatted(text)
    assert read(after) == read(text)
    assert all(len(line) <= WIDTH for line in after.splitlines())
    assert "\n        and some_quite_long_name_5 == 5\n" in after
    assert "    if (\n        some_quite_long_name_0 == 0\n        or " in after


def test_lines_that_were_broken_stay_broken() -> None:
    text = (
        "invariant I:\n    forall a: Node.\n        x[a] == 1\n        and y[a] == 2  # both\n        # and\n        and z[a]\n"
    )
    assert formatted(text) == text


def test_brackets() -> None:
    kept = [
        "a or b and c",
        "(a or b) and c",
        "(a and b) or c",
        "not (a and b)",
        "not a and b",
        "a - (b - c)",
        "(r with x = 1).x",
        "-(a + b)",
    ]
    gone = {
        "((a))": "a",
        "(a + b) + c": "a + b + c",
        "(a == b) and c": "a == b and c",
        "f((a), (b))": "f(a, b)",
        "a and (forall x: T. p)": "a and forall x: T. p",
    }
    for text, after in {**{k: k for k in kept}, **gone}.items():
        assert formatted(f"assume {text}\n") == f"assume {after}\n"
