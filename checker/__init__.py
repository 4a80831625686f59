"""spectrace as a library: `load` a spec, `check` an instance of it, `simulate` it.

    import checker
    result = checker.check("two_phase_commit", sizes={"RM": 5})
    assert result.verdict is checker.Verdict.HOLDS and result.exhaustive

This is the whole public API.  Importing it is cheap: an engine is imported when it is first asked for.
Errors: Mistake (no such file, instance or size), SpecErrors (the text is wrong), BindError and AssumptionFails (an
instance that cannot be).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checker.core.bind import AssumptionFails, BindError, Instance
    from checker.core.model import Model
    from checker.core.types import Value
    from checker.engines.python.walk import Simulation
    from checker.errors import Diagnostic, SpecErrors
    from checker.settings import Mistake
    from checker.verdict import Limits, Progress, Result, Step, Trace, Verdict

__version__ = "0.1.0"

_HOME = {
    "AssumptionFails": "checker.core.bind",
    "BindError": "checker.core.bind",
    "Instance": "checker.core.bind",
    "Model": "checker.core.model",
    "Diagnostic": "checker.errors",
    "SpecErrors": "checker.errors",
    "Mistake": "checker.settings",
    "Simulation": "checker.engines.python.walk",
    "Limits": "checker.verdict",
    "Progress": "checker.verdict",
    "Result": "checker.verdict",
    "Step": "checker.verdict",
    "Trace": "checker.verdict",
    "Verdict": "checker.verdict",
}

__all__ = [
    "AssumptionFails",
    "BindError",
    "Diagnostic",
    "Instance",
    "Limits",
    "Mistake",
    "Model",
    "Progress",
    "Result",
    "Simulation",
    "SpecErrors",
    "Step",
    "Trace",
    "Verdict",
    "bind",
    "check",
    "explore",
    "load",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(spec: str | Path) -> Model:
    """The model of a spec: a path, or the name of a shipped protocol.  Raises Mistake, SpecErrors."""
    from checker.language import load_model
    from checker.library import read

    return load_model(read(str(spec)))


def bind(spec: str | Path | Model, instance: str | None = None, sizes: dict[str, Value] | None = None) -> Instance:
    """An instance (default: the first of the spec), with some sizes or parameters set otherwise.
    Raises Mistake, SpecErrors, BindError, AssumptionFails."""
    from checker.core.bind import bind as bind_model

    model = load(spec) if isinstance(spec, str | Path) else spec
    return bind_model(model, instance, sizes)


def check(
    spec: str | Path | Model,
    instance: str | None = None,
    sizes: dict[str, Value] | None = None,
    *,
    symmetry: bool = True,
    deadlock: bool = True,
    threads: int = 1,
    engine: str = "native",
    max_states: int | None = None,
    max_depth: int | None = None,
    max_memory: int | None = None,
    time_limit: float | None = None,
    witnesses: Iterable[str] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Explores one instance of a spec: what holds there, and how far that was looked at.

    `engine` is "native" or "python" (the slow definition, which knows neither symmetry, threads nor a limit on
    memory).  Memory in bytes, time in seconds; a limit that is hit ends in an honest Verdict.UNKNOWN.  `witnesses`
    names `reachable` properties whose behaviours should be in `witness_traces`.  Never raises for a verdict; raises
    what `bind` raises."""
    from checker.verdict import Limits

    bound = bind(spec, instance, sizes)
    limits = Limits(max_states, max_depth, max_memory, time_limit)
    return explore(
        bound,
        limits,
        symmetry=symmetry,
        deadlock=deadlock,
        threads=threads,
        engine=engine,
        witnesses=witnesses,
        progress=progress,
    )


def explore(
    instance: Instance,
    limits: Limits | None = None,
    *,
    symmetry: bool = True,
    deadlock: bool = True,
    threads: int = 1,
    engine: str = "native",
    witnesses: Iterable[str] = (),
    deepest: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """As `check`, for an instance that is bound already.  `deepest`: where nothing was found, `trace` is a longest of
    the shortest behaviours (with one thread)."""
    if engine == "python":
        from checker.engines.python.explore import Explorer

        oracle = Explorer(instance, limits, deadlock)
        result = oracle.run()
        last = list(oracle.states)[-1:]
        return result.with_(trace=oracle.trace(last[0])) if deepest and last and not result.trace else result
    if engine != "native":
        raise ValueError(f"no engine {engine!r}")
    from checker.engines.native.run import Exploration

    exploration = Exploration(instance, symmetry, deadlock)
    try:
        result = exploration.run(limits, threads, progress)
        result.witness_traces = {name: exploration.witness(name) for name in witnesses if name in result.witnesses}
        if deepest and result.trace is None and result.distinct_states and threads == 1:
            result.trace = exploration.trace(result.distinct_states - 1)
        return result
    finally:
        exploration.close()


def simulate(
    spec: str | Path | Model | Instance,
    instance: str | None = None,
    sizes: dict[str, Value] | None = None,
    *,
    traces: int = 100,
    depth: int = 50,
    seed: int | None = None,
    deadlock: bool = True,
) -> Simulation:
    """Random walks through an instance, looking at its properties on the way.  The same seed, the same walks."""
    from checker.core.bind import Instance
    from checker.engines.python.walk import walk

    bound = spec if isinstance(spec, Instance) else bind(spec, instance, sizes)
    return walk(bound, traces, depth, seed, deadlock)
