"""What the front end makes of each construct: the contract with everything that starts from a Model."""

from __future__ import annotations

from typing import Any

import pytest

from checker.core import ir
from checker.core.model import Model, Receive
from checker.core.types import BOOL, INT, Bag, BagOf, Enum, Int, MapOf, Option, Record, Seq, Set, Sort
from checker.errors import SpecErrors
from checker.language import load_model, parse_expr_in
from checker.source import Source

NODE, SELF = Sort("Node"), ir.Local(Sort("Node"), "self")
HEAD = """
protocol t
sort Node
param k: int
type Small = 0..3
enum Status = idle, working
record Entry(term: Small, node: Node)
quorum Majority of Node
message M(node: Node, term: Small)
message Tick
"""


def load(text: str) -> Model:
    return load_model(Source("t.spec", HEAD + text))


def body(text: str, more: str = "") -> tuple[ir.Stmt, ...]:
    """The body of an action of process Node with variables x, status, best, seen, log, by and in_bag."""
    lines = "\n".join("        " + line for line in text.splitlines())
    model = load(
        f"""
process Node
    var x: Small = 0
    var status: Status = idle
    var best: Entry? = none
    var seen: set[Node] = {{}}
    var log: seq[Entry, 3] = []
    var by: map Node -> Small = {{n: 0 for n in Node}}
    var in_bag: bag[Node, 2] = {{}}
    action Go(other: Node)
{lines}
{more}
"""
    )
    return model.actions[0].body


def cell(name: str, t: Any) -> ir.Expr:
    """The own variable of a process."""
    return ir.Apply(t, "index", (ir.Read(MapOf(NODE, t), name), SELF))


SMALL = Int(0, 3, "Small")
ENTRY = Record("Entry", (("term", SMALL), ("node", NODE)))
TRUE, FALSE = ir.Const(BOOL, True), ir.Const(BOOL, False)


def test_own_variables_are_cells_of_self() -> None:
    require, assign = body("require x == 1\nx := 2")
    assert isinstance(require, ir.Require) and isinstance(assign, ir.Assign)
    assert require.cond == ir.Apply(BOOL, "eq", (cell("x", SMALL), ir.Const(INT, 1)))
    assert assign == ir.Assign("x", (SELF,), ir.Fit(SMALL, ir.Const(INT, 2), "`x`"))


def test_assignment_operators() -> None:
    gain, lose = body("x += 1\nseen -= {other}")
    assert isinstance(gain, ir.Assign) and isinstance(gain.value, ir.Fit)
    assert gain.value.value == ir.Apply(INT, "add", (cell("x", SMALL), ir.Const(INT, 1)))
    assert isinstance(lose, ir.Assign) and isinstance(lose.value, ir.Apply)
    assert (lose.value.op, lose.value.args[0]) == ("diff", cell("seen", Set(NODE)))


def test_fit_stands_where_a_value_meets_a_declared_type() -> None:
    same, number, option, element = body("status := working\nby[other] := x\nbest := Entry(1, self)\nlog[0].term := 2")
    assert isinstance(same, ir.Assign) and same.value == ir.Const(Enum("Status", ("idle", "working")), "working")
    assert isinstance(number, ir.Assign) and isinstance(number.value, ir.Fit)
    assert number.path[0] == SELF and isinstance(number.path[1], ir.Local)
    assert isinstance(option, ir.Assign) and isinstance(option.value, ir.Fit)
    assert option.value.type == Option(ENTRY) and option.value.value.type == ENTRY
    assert isinstance(element, ir.Assign) and element.path == (SELF, ir.Const(INT, 0), "term")


def test_literals_that_say_nothing_get_the_declared_type() -> None:
    none, empty, bag = body("best := none\nseen := {}\nin_bag := {}")
    values = [s.value.value if isinstance(s.value, ir.Fit) else s.value for s in (none, empty, bag)]  # type: ignore[attr-defined]
    assert values == [ir.Const(Option(ENTRY), None), ir.Const(Set(NODE), frozenset()), ir.Const(BagOf(NODE, 2), Bag())]


def test_logic_is_if() -> None:
    (require,) = body("require x == 0 and x == 1 or x == 2 implies other not in seen")
    assert isinstance(require, ir.Require)
    implies = require.cond
    assert isinstance(implies, ir.If) and implies.orelse == TRUE
    assert isinstance(implies.cond, ir.If) and implies.cond.then == TRUE
    assert isinstance(implies.cond.cond, ir.If) and implies.cond.cond.orelse == FALSE
    assert isinstance(implies.then, ir.Apply) and implies.then.op == "not"
    assert implies.then.args[0].op == "member"  # type: ignore[attr-defined]


def test_choices_and_blocks() -> None:
    choose_a, choose_b, branch, loop = body(
        "choose a in Node, b in seen where a != b\nif x == 0\n    seen += {a, b}\nelif x == 1\n    pass\n"
        "for n in Node\n    by[n] := 0"
    )
    assert isinstance(choose_a, ir.Choose) and choose_a.where == TRUE
    assert choose_a.domain == ir.Apply(Set(NODE), "all", (), NODE) and isinstance(choose_b, ir.Choose)
    assert isinstance(choose_b.where, ir.Apply) and choose_b.where.op == "ne"
    assert isinstance(branch, ir.IfStmt) and isinstance(branch.orelse[0], ir.IfStmt) and branch.orelse[0].then == ()
    assert isinstance(loop, ir.ForAll) and loop.body[0].path[1].name == loop.name  # type: ignore[attr-defined]


def test_binders_are_unique() -> None:
    model = load("var x: bool = false\naction Go\n    x := exists n: Node. n == n\n    x := forall n: Node. n == n and x\n")
    names = {s.value.name for s in model.actions[0].body}  # type: ignore[attr-defined]
    assert len(names) == 2 and {ir.base_name(n) for n in names} == {"n"}


def test_sending() -> None:
    (send,) = body("send M(other, x) to other", "    on M(a, _)\n        x := 0")
    assert isinstance(send, ir.Send) and send.sender == SELF
    assert isinstance(send.to, ir.Local) and isinstance(send.args[1], ir.Fit)


def test_messages() -> None:
    model = load(
        "process Node\n    var n: Node? = none\n    on M(_, term) from who\n        require term == 1\n        n := who\n"
        "    action Go(to: Node)\n        send M(self, 1) to to\n"
        "single process Main\n    var b: bool = false\n    on Tick\n        b := true\n    on Tick\n        b := false\n"
        "    action Send\n        send Tick\n"
    )
    message = model.messages["M"]
    assert (message.to, message.sender) == (NODE, NODE)
    handler = model.actions[0]
    assert handler.receive is not None and isinstance(handler.receive, Receive)
    assert [ir.base_name(f) for f in handler.receive.fields] == ["_", "term"]
    assert ir.base_name(handler.receive.sender or "") == "who"
    assert [a.name for a in model.actions] == ["on M", "Go", "on Tick", "on Tick#2", "Send"]
    assert model.actions[4].body == (ir.Send("Tick", ()),)


def test_sent_is_a_pattern() -> None:
    model = load("var b: bool = false\naction Go(n: Node)\n    require sent M(n, _) and sent Tick and sent M\n    b := true\n")
    (first, second), third = conjuncts(model.actions[0].body[0].cond)  # type: ignore[attr-defined]
    assert isinstance(first, ir.Sent) and isinstance(first.args[0], ir.Local) and first.args[1] is None
    assert second == ir.Sent(BOOL, "Tick", ()) and third == ir.Sent(BOOL, "M", (None, None))


def conjuncts(e: ir.Expr) -> tuple[Any, Any]:
    assert isinstance(e, ir.If) and e.orelse == FALSE
    left = conjuncts(e.cond) if isinstance(e.cond, ir.If) else e.cond
    return left, e.then


def test_definitions_take_self_first_if_they_need_it() -> None:
    model = load(
        """
process Node
    var x: Small = 0
    def plain(n: Small) = n + k
    def own(n: Small) = x + n
    def through(n: Small) = own(n) + plain(n)
    action Go
        require through(1) == plain(2)
        x := 1
invariant I: forall n: Node. through(n, 2) < 3 and plain(n, 1) > 0
"""
    )
    assert model.defs["own"].params[0][0] == "self"
    assert len(model.defs["plain"].params) == 1 and model.defs["own"].process == "Node"
    call = model.actions[0].body[0].cond.args[0]  # type: ignore[attr-defined]
    assert isinstance(call, ir.Call) and call.args[0] == SELF and isinstance(call.args[1], ir.Fit)
    both = model.properties[0].expr.body  # type: ignore[attr-defined]
    assert [len(c.args[0].args) for c in (both.cond, both.then)] == [2, 1]


def test_quorums() -> None:
    model = load("quorum Some(q) of Node where len(q) >= k meets Majority\naction Go(q: Some)\n    require q in Majority\n")
    some, majority = model.quorums["Some"], model.quorums["Majority"]
    assert (some.majority, some.meets, majority.majority) == (False, ("Majority",), True)
    definition = model.defs["Majority"].body
    assert isinstance(definition, ir.SetOf) and definition.type == Set(Set(NODE))
    choose, require = model.actions[0].body
    assert isinstance(choose, ir.Choose) and choose.domain == ir.Call(Set(Set(NODE)), "Some")
    assert isinstance(require, ir.Require)
    assert require.cond.args[1] == ir.Call(Set(Set(NODE)), "Majority")  # type: ignore[attr-defined]


def test_variables_that_share_a_name_are_qualified() -> None:
    text = "enum Side = left, right\nprocess {}\n    var x: bool = false\n    action Go\n        x := not x\n"
    model = load(text.format("Node") + text.format("Side").split("\n", 1)[1] + "invariant I: forall n: Node. Node.x[n]\n")
    assert list(model.vars) == ["Node.x", "Side.x"]
    assert model.actions[1].body[0].path == (ir.Local(Enum("Side", ("left", "right")), "self"),)  # type: ignore[attr-defined]


def test_primes() -> None:
    model = load(
        "var m: map Node -> Small = {n: 0 for n in Node}\naction Go(n: Node)\n    m[n] += 1\n"
        "step S: forall n: Node. m[n] <= m[n]'\n"
    )
    comparison = model.properties[0].expr.body  # type: ignore[attr-defined]
    assert [a.args[0].primed for a in comparison.args] == [False, True]


def test_types_keep_symbolic_bounds() -> None:
    model = load(
        "type Far = 0..k * 2 - 1\nvar f: Far = 0\nvar s: seq[Far, len(Node)] = []\naction Go\n    f := 1\n    s += [f]\n"
    )
    far = model.types["Far"]
    assert isinstance(far, Int) and far.name == "Far" and far.lo == 0
    assert far.hi == ir.Apply(INT, "sub", (ir.Apply(INT, "mul", (ir.Param(INT, "k"), ir.Const(INT, 2))), ir.Const(INT, 1)))
    assert isinstance(model.vars["s"].type, Seq) and model.vars["s"].type.cap == ir.Size(INT, "Node")


def test_instances() -> None:
    model = load(
        """
process Node
    var x: bool = false
    durable y: bool = true
    action Go
        x := not y
        y := x
reachable R: exists n: Node. x[n]
instance a: Node = {n1, n2}, k = 2, fault crash(Node) <= 1, fault loss <= k, volatile y, durable Node.x, slow
    bound len(Node) < 3
    expect violates R, states 12 by "hand"
    length 3
"""
    )
    a = model.instances["a"]
    assert a.sizes["Node"] == ir.Const(INT, 2) and a.names == {"Node": ("n1", "n2")} and a.slow
    assert [(f.kind, f.target) for f in a.faults] == [("crash", "Node"), ("loss", None)]
    assert (a.volatile, a.durable) == (("y",), ("x",)) and a.bound is not None
    assert a.expect is not None and (a.expect.verdict, a.expect.property) == ("violates", "R")
    assert {n: (c.number, c.witness) for n, c in a.expect.counts.items()} == {"states": (12, "hand"), "length": (3, "")}


def test_lines_go_on_when_they_are_deeper() -> None:
    one = load("invariant I: forall n: Node. n == n\n    and n == n\n")
    other = load("invariant I:\n    forall n: Node.\n        n == n\n        and n == n\n")
    assert one.properties[0].expr == other.properties[0].expr


def test_words_of_declarations_may_name_variables() -> None:
    model = load(
        "var step: Small = 0\nvar message: Small = 0\naction Go\n    if step == 0\n        step := 1\n"
        "    message := step\n    step := message\n"
    )
    assert [s.var for s in model.actions[0].body[1:]] == ["message", "step"]  # type: ignore[attr-defined]


def test_expressions_of_their_own() -> None:
    model = load("var x: Small = 0\naction Go\n    x := 1\n")
    assert parse_expr_in(model, "2 * k") == ir.Apply(INT, "mul", (ir.Const(INT, 2), ir.Param(INT, "k")))
    assert parse_expr_in(model, "working").type == Enum("Status", ("idle", "working"))
    assert parse_expr_in(model, "x < 3", "property").type == BOOL
    for text in ("x < 3", "2 +", "nott", "(1", "a b"):
        with pytest.raises(SpecErrors):
            parse_expr_in(model, text)
