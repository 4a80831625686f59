"""Proofs written as SMT-LIB: what is in the files is what was asked, and a second solver confirms the shipped proofs."""

from __future__ import annotations

import re

import pytest
import z3

from checker.answer import Unable
from checker.deadline import Late
from checker.export import smt2, smt2_any
from checker.prove import Asked, quantifiers
from checker.settings import Mistake


def said(text: str) -> str:
    """What Z3 answers to a file, read from its text alone."""
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.from_string(text)
    return str(solver.check())


def status(text: str) -> str:
    found = re.search(r"\(set-info :status (\w+)\)", text)
    assert found
    return found[1]


def test_the_proof_of_an_instance() -> None:
    files = smt2("two_phase_commit", "three", ("RM=2",), None)
    assert {status(t) for t in files.values()} == {said(t) for t in files.values()} == {"unsat"}
    assert sum("preserved" in n for n in files) == 5 * 7  # lemmas, actions


def test_what_is_refuted_is_satisfiable() -> None:
    files = smt2("two_phase_commit", "hasty", ("RM=2",), None)
    answers = {n: (status(t), said(t)) for n, t in files.items()}
    assert ("sat", "sat") in answers.values() and all(a == b for a, b in answers.values())


def test_the_proof_for_any_size() -> None:
    files = smt2_any("two_phase_commit", None, (), None)
    assert {status(t) for t in files.values()} == {"unsat"}
    assert {said(t) for n, t in files.items() if "DecisionIsSent" in n} == {"unsat"}
    text = next(t for n, t in files.items() if "implied_Consistent" in n)
    assert text.startswith("; two_phase_commit, any sizes\n; can Consistent be false where the others and the lemmas hold?")


@pytest.mark.parametrize("unbounded", [False, True])
def test_what_there_was_no_time_for_is_written_all_the_same(unbounded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise Late

    monkeypatch.setattr("checker.proof.ask_all", late)
    monkeypatch.setattr("checker.engines.smt.unbounded.induction.Unbounded._check", late)
    files = smt2("mutex", None, (), None, unbounded)
    assert any("preserved" in n for n in files)
    assert {status(t) for t in files.values()} == {"unknown"}


@pytest.mark.parametrize("unbounded", [False, True])
def test_no_time_to_write_the_questions(unbounded: bool) -> None:
    with pytest.raises(Unable, match="the time was over before the questions were written"):
        smt2("lock_server", None, (), None, unbounded, 1e-9)


def test_no_time_to_draw_the_quantifier_graph() -> None:
    with pytest.raises(Unable, match="the time was over before"):
        quantifiers(Asked("lock_server", unbounded=True, time_limit=1e-9))


def test_a_witness_is_for_behaviours() -> None:
    with pytest.raises(Mistake, match="--witness is for --to itf"):
        smt2("two_phase_commit", None, (), "Committed")


TRIES = ({}, {"enum-inst": "true"}, {"finite-model-find": "true"})
SECONDS = (2, 5, 60)


def confirmed(text: str) -> bool:
    """Does cvc5 say unsat, with one of these options?"""
    import cvc5

    for options, seconds in zip(TRIES, SECONDS, strict=True):
        terms = cvc5.TermManager()
        solver = cvc5.Solver(terms)
        for n, v in {"tlimit-per": str(1000 * seconds), **options}.items():
            solver.setOption(n, v)
        parser = cvc5.InputParser(solver)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "proof")
        out = ""
        while not (command := parser.nextCommand()).isNull():
            out += command.invoke(solver, parser.getSymbolManager())
        if out.strip() == "unsat":
            return True
    return False


SHIPPED = ["two_phase_commit", "lock_server", "raft_election", "flexible_paxos", "lamport_paxos"]


@pytest.mark.slow
@pytest.mark.parametrize("spec", SHIPPED)
def test_another_solver_confirms_the_shipped_proofs(spec: str) -> None:
    files = smt2_any(spec, None, (), None)
    assert [n for n, t in files.items() if not confirmed(t)] == []
