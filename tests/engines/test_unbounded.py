"""Proofs for any size: of the shipped specs; what breaks them; agreement with the proofs of small instances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import z3
from agreement import instance_of
from hypothesis import HealthCheck, Phase, event, given, seed, settings
from models import specs

import checker
from checker.core.bind import BindError, Instance, bind
from checker.engines.smt import plan as p
from checker.engines.smt.induction import Induction
from checker.engines.smt.terms import TooLarge
from checker.engines.smt.unbounded.induction import Unbounded, encode
from checker.engines.smt.unbounded.values import Refused
from checker.language.load import load_model
from checker.proof import Proof, Settings
from checker.proof_any import prove_any
from checker.prove import Asked, Inductive
from checker.source import Source
from checker.verdict import Verdict


def encoded(instance: Instance) -> Unbounded:
    switches = Proof(instance, Settings(), None, [], []).switches  # type: ignore[arg-type]
    return encode(instance.model, instance.model.instances[instance.name], switches)


PROVED = ["two_phase_commit", "lock_server", "ring_election", "raft_election", "german"]
SLOW = ["lease_lock", "lamport_paxos", "flexible_paxos", "paxos_log"]


@pytest.mark.parametrize("spec", [*PROVED, *(pytest.param(s, marks=pytest.mark.slow) for s in SLOW)])
def test_shipped_specs_are_proved_for_any_size(spec: str) -> None:
    found = prove_any(checker.bind(spec), Settings(timeout=60))
    assert (found.verdict, found.impossible) == (Verdict.HOLDS, [])
    assert not found.status("refuted") and not found.status("unknown")


BROKEN = [
    ("two_phase_commit", "hasty", "Stable", 1),
    ("lock_server", "unfenced", "NoStaleWrite", 1),
    ("ring_election", "all_pass", "HighestWins", 0),
    ("ring_election", "anonymous", "OneLeader", 0),
    pytest.param("paxos_log", "proposes_freely", "Agreement", 1, marks=pytest.mark.slow),
    pytest.param("lamport_paxos", "any_value", "Agreement", 1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("spec", "name", "broken", "size"), BROKEN)
def test_a_broken_variant_is_shown_at_a_small_size(spec: str, name: str, broken: str, size: int) -> None:
    found = prove_any(checker.bind(spec, name), Settings(timeout=60))
    assert found.verdict is Verdict.VIOLATED and found.label is not None and found.label.reachable is not False
    assert found.found is not None and found.found.result.property == broken
    assert found.shown is not None and min(found.shown.sorts.values(), default=0) == size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "name", "broken"), [("raft_election", "forgetful", "OneLeader"), ("flexible_paxos", "mixed_up", "Agreement")]
)
def test_a_broken_variant_is_shown_by_a_behaviour_of_its_instance(spec: str, name: str, broken: str) -> None:
    """Where the small sizes show only a step that cannot be excluded, the instance itself is looked at."""
    found = prove_any(checker.bind(spec, name), Settings())
    assert found.verdict is Verdict.VIOLATED and found.found is not None
    assert found.found.result.property == broken and found.found.result.trace is not None


def without(instance: Instance, lemma: str | None) -> Instance:
    """The same instance without one lemma (None: without any)."""
    model = instance.model
    kept = tuple(x for x in model.properties if x.name != lemma and (lemma is not None or x.kind != "lemma"))
    return bind(replace(model, properties=kept), instance.name, dict(instance.sizes))


AGREE = [
    ("two_phase_commit", "three", {"RM": 2}),
    ("two_phase_commit", "hasty", {"RM": 2}),
    ("lock_server", "unfenced", {"Client": 2, "tokens": 2}),
    ("raft_election", "forgetful", {"Node": 2, "max_term": 1}),
]


@pytest.mark.parametrize(("spec", "name", "sizes"), AGREE)
def test_what_is_proved_for_any_size_is_proved_for_a_small_one(spec: str, name: str, sizes: dict[str, int]) -> None:
    """With all lemmas and with none: no query that is proved has a counterexample at any size."""
    whole = checker.bind(spec, name)
    small = bind(whole.model, name, {**whole.sizes, **sizes})
    for instance in (small, without(small, None)):
        unbounded, finite = encoded(instance), Induction(instance, deadlock=False)
        for q in unbounded.plan.rest(frozenset()):
            if q.kind != p.POSSIBLE and finite.ask(q).status == "refuted":
                assert unbounded.ask(q, 3).status != "proved", q


def test_a_missing_lemma_gives_a_counterexample_that_is_unreachable() -> None:
    found = prove_any(without(checker.bind("two_phase_commit", "three"), "CommittedIsTold"), Settings(timeout=60))
    assert found.verdict is Verdict.NOT_INDUCTIVE and found.label is not None and found.label.reachable is False
    assert found.shown is not None


def model_of(text: str) -> Instance:
    instance = "" if "\ninstance" in text else "\ninstance one: Node = 2\n"
    return bind(load_model(Source("refused.spec", "protocol refused\nsort Node\n" + text + instance)))


REFUSED = {
    "the size of a sort": ("var n: 0..3 = 0\ninvariant Few: n < len(Node)", r"len\(Node\): sizes are not known", 4),
    "len": ("var s: set[Node] = {}\ninvariant Few: len(s) < 3", "sizes are not known", 4),
    "bag": ("var b: bag[Node, 3] = {}", "multiplicities", 3),
    "in flight": (
        "network bag capacity 3\nmessage Ping\nprocess Node\n    on Ping\n        pass\ninvariant Few: in_flight < 2",
        "how many messages",
        8,
    ),
    "capacity": ("var s: set[Node, 2] = {}", "a set with a capacity", 3),
    "a set in a message": (
        "network set\nmessage M(s: set[Node])\nvar s: set[Node] = {}\naction Go\n    require not sent M(s)\n    send M(s)",
        r"set\[Node\] cannot be looked up here",
        7,
    ),
    "byzantine": (
        "network set\nmessage Ping\nprocess Node\n    action Go\n        send Ping\n    on Ping\n        pass\n"
        "instance one: Node = 2, fault byzantine(Node) <= 1\n",
        "the fault byzantine",
        10,
    ),
    "sum": ("var n: map Node -> 0..2 = {a: 0 for a in Node}\ninvariant I: sum(n[a] for a in Node) < 9", "a sum over a set", 4),
    "remainder": ("var n: 0..2 = 0\naction Go\n    n := max(0, n % (-2))\ninvariant I: n < 9", "% by -2, which is negative", 5),
    "product": ("var n: 0..2 = 0\ninvariant I: n * n < 9", r"`\*` of numbers", 4),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_encoded_is_refused_with_its_place(case: str) -> None:
    text, said, line = REFUSED[case]
    with pytest.raises(Refused, match=said) as why:
        encoded(model_of(text))
    assert why.value.node is not None and why.value.node.span.line == line


@pytest.mark.parametrize("word", ["and", "or", "implies"])
def test_a_chain_is_as_long_as_it_is_written(word: str) -> None:
    chain = f" {word} ".join(f"{x} in s" for x in "abcdefghijkl")
    text = f"var s: set[Node] = {{}}\ninvariant I: forall a, b, c, d, e, f, g, h, i, j, k, l: Node. {chain}"

    def size(f: Any) -> int:
        return 1 + size(f.body()) if z3.is_quantifier(f) else 1 + sum(size(c) for c in f.children())

    assert size(encoded(model_of(text)).good["I"].pos) < 100


WRONG = {
    "a value is taken": "var m: map Node -> Node? = {a: none for a in Node}\naction Set(a: Node, b: Node)\n"
    "    require m[a] == none\n"
    "    m[a] := b\ninvariant Wrong: forall a, b: Node. m[a] != none and m[b] == m[a] implies a == b",
    "the least": "var t: map Node -> 0..9 = {a: 0 for a in Node}\naction Up(a: Node, n: 0..9)\n"
    "    require n > t[a]\n    t[a] := n\n"
    "invariant Wrong: forall a, b: Node. t[a] == t[b]",
    "out of range": "var t: 0..2 = 0\naction Up\n    t += 1\ninvariant Fine: t >= 0",
    "out of a set": "var s: set[0..2] = {0}\naction Up(n: 0..2)\n    require n in s\n    s += {n + 1}\ninvariant Fine: 0 in s",
    "a literal out of a set": "var s: set[0..2] = {}\naction Up\n    s += {3}\ninvariant Fine: true",
    "out of a map": "var m: map Node -> 0..2 = {a: 0 for a in Node}\naction Up\n    m := {a: m[a] + 1 for a in Node}\n"
    "invariant Fine: true",
    "out of a message": "network set\nmessage M(n: 0..2)\naction First\n    send M(0)\naction Up(n: 0..2)\n"
    "    require sent M(n)\n    send M(n + 1)\ninvariant Fine: true",
    "out of a record": "record R(n: 0..2)\nvar r: R = R(0)\naction Up\n    r := R(r.n + 1)\ninvariant Fine: true",
    "in a loop": "network set\nmessage M(n: 0..2)\nvar m: map Node -> 0..2 = {a: 0 for a in Node}\naction Up\n"
    "    for a in Node\n        m[a] := m[a] + 1\n        send M(m[a])\ninvariant Fine: true",
    "in a loop, below the element": "type R = 0..2\nvar m: map Node -> map R -> bool = {a: {k: false for k in R} for a in Node}\n"
    "var t: R = 0\naction Up\n    for a in Node\n        m[a][t + 1] := true\naction More\n    require t < 2\n    t += 1\n"
    "invariant Fine: true",
    "keys outside the type": "param top: int\ntype R = 0..top\nvar m: map R -> R = {k: k for k in R}\nvar bad: bool = false\n"
    "action Bad\n    require m == {k: k for k in R}\n    bad := true\naction Up(a: R)\n    require a + 1 <= top\n"
    "    m[a] := a + 1\ninvariant Fine: not bad\ninstance one: Node = 2, top = 1\n",
    "a family that is empty": "quorum Large(q) of Node where len(q) >= 3\n"
    "invariant Wrong: exists q: Large. forall a in q. a in q\ninstance one: Node = 3\n",
    "a quorum without members": "quorum Any(q) of Node where len(q) >= 0\ninvariant Wrong: forall q: Any. exists a in q. a == a",
    "quorums that need not meet": "quorum Some(q) of Node where len(q) >= 1\nvar s: map Node -> bool = {a: false for a in Node}\n"
    "action Set(a: Node)\n    s[a] := true\n"
    "invariant Wrong: (exists q: Some. forall a in q. s[a]) implies forall q: Some. exists a in q. s[a]",
    "messages for anybody": "network set\nmessage M(a: Node, b: Node)\naction Go(a: Node, b: Node)\n    require a != b\n"
    "    send M(a, b)\nprocess Node\n    var bad: bool = false\n    on M(_, _)\n        bad := true\n"
    "invariant Wrong: forall a: Node. not bad[a]",
    "a crash": "process Node\n    var x: bool = false\n    durable d: bool = false\n    action Go\n        x := true\n"
    "    on restart\n        d := true\nstep Same: forall a: Node. d[a] == d'[a]\n"
    "instance one: Node = 2, fault crash(Node) <= 1\n",
    "what is volatile": "process Node\n    durable vote: Node? = none\n    action Vote(b: Node)\n        require vote == none\n"
    "        vote := b\nstep Once: forall a: Node. vote[a] != none implies vote'[a] == vote[a]\n"
    "instance one: Node = 2, fault crash(Node) <= 1, volatile vote\n",
    "a witness without a value": "var n: Node? = none\nreachable R: the(n) == the(n)",
    "terminal without a value": "var n: Node? = none\nterminal: the(n) == the(n)\naction A(a: Node)\n    require n != none\n"
    "    n := a",
    "beyond a bound": "var x: 0..5 = 0\naction Up\n    require x < 5\n    x += 1\ninvariant Wrong: x <= 2\n"
    "instance one: Node = 2\n    bound x < 9",
    "the end of a range": "param top: int\nvar x: 0..top = 0\naction Up(y: 0..top)\n    require x < y\n    x := y\n"
    "invariant Wrong: x < top or top == 0\ninstance one: Node = 2, top = 1\n",
    "none": "var m: Node? = none\nvar o: Node? = none\naction Copy\n    o := the(m)\ninvariant Fine: true",
}


@pytest.mark.parametrize("case", WRONG)
def test_small_mistakes_are_found(case: str) -> None:
    found = prove_any(model_of(WRONG[case]), Settings(timeout=60))
    assert found.verdict in (Verdict.VIOLATED, Verdict.SPEC_FAULT)


def test_what_a_proof_assumes_of_sizes_is_said() -> None:
    """Two sets of two need not meet among four; two of more than two thirds always do."""
    text = "quorum Pair(q) of Node where len(q) >= 2 meets Pair\n"
    text += "quorum Most(q) of Node where 3 * len(q) > 2 * len(Node) meets Most\nvar s: set[Node] = {}\ninvariant I: s == {}"
    said = encoded(model_of(text)).scope()
    assert "where every two Pair meet, as is claimed (not at Node = 4)" in said
    assert "every two Most meet, whatever the sizes" in said


def test_what_goes_round_twice_is_not_called_impossible() -> None:
    """Nor a fault: it is left open."""
    text = "var n: 5..9 = 5\naction Go\n    require n % 2 == 1\n    n := 9\ninvariant I: n < 10"
    found = prove_any(model_of(text), Settings(timeout=60))
    assert found.verdict is Verdict.UNKNOWN
    assert found.cti is None and "proved" not in {a.status for a in found.answered if a.query.kind == p.POSSIBLE}


def test_full_networks_are_not_claimed() -> None:
    text = "network set capacity 1\nmessage M(a: Node) capacity 1\naction Go(a: Node)\n    send M(a)\ninvariant I: true"
    found = Inductive(Asked("x", unbounded=True), prove_any(model_of(text), Settings(timeout=60)))
    assert "no spec fault but for full networks" in str(found.lines(0.0)[1])


def test_a_full_network_at_a_small_size_is_not_what_was_asked() -> None:
    """The counterexample is at two nodes, where the capacity that is declared for one does not suffice."""
    text = "network bag capacity 3\nmessage M(k: Node)\nvar c: map Node -> bool = {a: false for a in Node}\naction S(k: Node)\n"
    text += (
        "    require not c[k]\n    c[k] := true\n    send M(k)\nprocess Node\n    var g: bool = false\n    var h: bool = false\n"
    )
    text += "    on M(k)\n        h := g\n        g := true\n"
    text += "invariant I: forall a, b: Node. h[a] and h[b] implies a == b\ninstance one: Node = 1\n"
    found = prove_any(model_of(text), Settings(timeout=60))
    assert found.verdict is Verdict.NOT_INDUCTIVE and found.shown is not None and found.shown.sorts == {"Node": 2}
    assert found.label is not None and found.label.reachable is None


FINE = {
    "a set": "var s: set[0..2] = {0}\naction Up(n: 0..2)\n    require n in s and n < 2\n    s += {n + 1}\ninvariant Fine: true",
    "a map": "var m: map Node -> 0..2 = {a: 0 for a in Node}\naction Up\n    require forall a: Node. m[a] < 2\n"
    "    m := {a: m[a] + 1 for a in Node}\ninvariant Fine: forall a: Node. 0 <= m[a] and m[a] <= 2",
    "an assumption about a size": "param n: int\nassume n <= len(Node) and n >= 1\nvar x: 0..n = 0\n"
    "action Up\n    require x + 1 <= n\n    x += 1\ninvariant Fine: x >= 0\ninstance one: Node = 2, n = 2\n",
}


@pytest.mark.parametrize("case", FINE)
def test_what_stays_in_range_is_proved(case: str) -> None:
    assert prove_any(model_of(FINE[case]), Settings(timeout=60)).verdict is Verdict.HOLDS


def compare(text: str) -> None:
    """No query about a random spec is proved for any size that has a counterexample at its own."""
    try:
        instance = instance_of(text)
        unbounded, finite = encoded(instance), Induction(instance, deadlock=False)
    except (BindError, Refused, TooLarge) as why:
        event(type(why).__name__)
        return
    names = [a.name for a in finite.instance.actions]
    try:
        for q in [
            *(unbounded.plan.implied(n, frozenset()) for n in unbounded.plan.invariants),
            *unbounded.plan.rest(frozenset()),
        ]:
            if q.kind == p.FAULT and instance.model.limited:  # that a network is full is not looked at
                continue
            known = q.action is None or q.action < len(instance.model.actions)
            action = q.action if known else names.index(unbounded.steps[q.action or 0].name)
            status = finite.ask(replace(q, action=action)).status
            event(f"{q.kind} {status}")
            if status == "refuted":
                assert unbounded.ask(q, 1).status != "proved", q
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure


COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(COMMON, max_examples=60, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(2))
def test_many_random_specs(chunk: int) -> None:
    @seed(chunk)
    @settings(COMMON, max_examples=250, phases=[Phase.generate])
    @given(specs())
    def run(text: str) -> None:
        compare(text)

    run()
