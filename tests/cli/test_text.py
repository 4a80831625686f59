"""What people read, word for word: the verdict with its scope, behaviours, reasons, outlines, mistakes.

The texts stand in __snapshots__; after a wanted change, look at the difference and run pytest with --snapshot-update.
"""

from __future__ import annotations

import pytest

TEXTS = {
    "holds": ["check", "lock.spec"],
    "holds without symmetry": ["check", "lock.spec", "--no-symmetry"],
    "holds in the definition": ["check", "two_phase_commit", "-i", "three", "--engine", "python"],
    "holds within a bound": ["check", "bounded.spec"],
    "violated": ["check", "lock.spec", "-i", "careless"],
    "violated by a step": ["check", "steps.spec"],
    "violated at once": ["check", "why.spec", "-D", "Node=1", "--max-depth", "0"],
    "not reachable": ["check", "unreachable.spec"],
    "not as expected": ["check", "wrong.spec", "-i", "mistaken"],
    "deadlock": ["check", "stuck.spec"],
    "fault": ["check", "counter.spec"],
    "unknown": ["check", "lock.spec", "-D", "Client=3", "--max-states", "7", "--engine", "python"],
    "witness": ["check", "lock.spec", "--witness", "Held"],
    "spec is wrong": ["check", "broken.spec"],
    "instance cannot be": ["check", "born_wrong.spec"],
    "assumption": ["check", "counter.spec", "-D", "top=0"],
    "walks": ["simulate", "lock.spec", "--traces", "4", "--depth", "9", "--seed", "7"],
    "walk that is violated": ["simulate", "lock.spec", "-i", "careless", "--seed", "2"],
    "walk over channels": ["simulate", "shapes.spec", "--traces", "1", "--seed", "5", "--depth", "6"],
    "outline": ["show", "lock.spec"],
    "outline of all shapes": ["show", "shapes.spec"],
    "graph": ["export", "stuck.spec", "--to", "dot"],
    "behaviour": ["export", "stuck.spec", "--to", "itf"],
}


@pytest.mark.parametrize("name", TEXTS)
def test_text(spectrace, snapshot, name):
    found = spectrace(*TEXTS[name])
    assert f"{found.text}--- stderr\n{found.err}--- exit {found.code}\n" == snapshot


def test_a_verdict_always_has_its_scope(spectrace):
    """`holds` never stands alone."""
    exhaustive = spectrace("check", "lock.spec").out
    assert "all 11 reachable states up to symmetry of Client, exhaustive" in exhaustive
    assert "11 distinct" not in exhaustive
    assert "within the bound, which cut 1 transition" in spectrace("check", "bounded.spec").out
    assert "not exhaustive" in spectrace("check", "lock.spec", "--max-states", "5").out
    assert "says nothing about the rest" in spectrace("simulate", "lock.spec", "--traces", "1").out
