"""Random whole specs: the native engine finds exactly what the oracle finds, with and without symmetry, whatever the threads.

The default run is the same every time; the slow ones (`-m slow`) take new specs each time and print the one that fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agreement import agree
from hypothesis import HealthCheck, Phase, event, given, reject, settings
from models import shrinking_specs, specs

from checker.core.bind import BindError

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
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure
    event(f"verdict {seen.result.verdict}")
    event("exhausted" if seen.result.exhaustive else f"stopped by {seen.result.stopped_by}")
    event("1 state" if seen.states == 1 else "2 to 10 states" if seen.states <= 10 else "more than 10 states")
    event("fewer orbits than states" if seen.orbits and seen.orbits < seen.states else "no symmetry")


@settings(COMMON, max_examples=100, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
@settings(COMMON, max_examples=2000, phases=[Phase.generate])
@given(specs())
def test_many_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
@settings(COMMON, max_examples=1000, phases=[Phase.generate, Phase.shrink])
@given(shrinking_specs())
def test_many_random_specs_that_shrink(text: str) -> None:
    compare(text)
