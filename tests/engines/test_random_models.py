"""Random whole specs: the native engine finds exactly what the oracle finds, with and without symmetry, whatever the threads.

The default run is the same every time, and so are the slow ones (`-m slow`): 700 specs in chunks that can run side by side.
Another SPECTRACE_SEED (a number) takes others. The spec that fails is printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from agreement import TooLarge, agree
from hypothesis import HealthCheck, Phase, event, given, reject, seed, settings
from models import shrinking_specs, specs

from checker.core.bind import BindError
from checker.engines.native import compile, objects

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Thousands of specs that nobody needs again stay out of the user's cache of machine code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECTRACE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def compare(text: str) -> None:
    """`agree`, with the whole spec in the failure."""
    try:
        seen = agree(text)
    except BindError as error:
        if "has no initial value" not in error.text:  # the one mistake that a random spec may make
            raise AssertionError(f"{error.text}\n\n{text}") from error
        reject()
    except TooLarge:
        reject()  # and another is drawn in its place
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure
    event(f"verdict {seen.result.verdict}")
    event("exhausted" if seen.result.exhaustive else f"stopped by {seen.result.stopped_by}")
    event("1 state" if seen.states == 1 else "2 to 10 states" if seen.states <= 10 else "more than 10 states")
    event("fewer orbits than states" if seen.orbits and seen.orbits < seen.states else "no symmetry")


@settings(COMMON, max_examples=60, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.parametrize("numbered", [0, objects.NUMBERED])
def test_random_specs_compiled_the_quick_way(monkeypatch: pytest.MonkeyPatch, numbered: int) -> None:
    """As long modules are, and those of long functions; what runs on is compiled again."""
    monkeypatch.setattr(compile, "LONG", 0)
    monkeypatch.setattr(compile, "LOSS", 0)
    monkeypatch.setattr(objects, "NUMBERED", numbered)

    @settings(COMMON, max_examples=6, derandomize=True, phases=[Phase.generate])
    @given(shrinking_specs())
    def run(text: str) -> None:
        compare(text)

    run()


SEED = int(os.environ.get("SPECTRACE_SEED", "0"))
CHUNK = 100


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(5))
def test_many_random_specs(chunk: int) -> None:
    @seed(SEED * 1000 + chunk)
    @settings(COMMON, max_examples=CHUNK, phases=[Phase.generate])
    @given(specs())
    def run(text: str) -> None:
        compare(text)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(2))
def test_many_random_specs_that_shrink(chunk: int) -> None:
    @seed(SEED * 1000 + 500 + chunk)
    @settings(COMMON, max_examples=CHUNK, phases=[Phase.generate, Phase.shrink])
    @given(shrinking_specs())
    def run(text: str) -> None:
        compare(text)

    run()
