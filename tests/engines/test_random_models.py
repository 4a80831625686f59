"""Random whole specs: the native engine finds exactly what the oracle finds, with and without symmetry, whatever the threads.

The default run is the same every time; the slow one (`-m slow`) takes new specs each time and prints the one that fails.
"""

from __future__ import annotations

import pytest
from agreement import agree
from hypothesis import HealthCheck, Phase, event, given, note, reject, settings
from models import specs

from checker.core.bind import BindError

COMMON = settings(deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))


def compare(text: str) -> None:
    note(text)
    try:
        seen = agree(text)
    except BindError as error:  # an initial value that does not fit
        assert "has no initial value" in error.text, error.text
        reject()
    except AssertionError as difference:
        raise AssertionError(f"{difference}\n\n{text}") from None
    event(f"verdict {seen.result.verdict}")
    event("exhausted" if seen.result.exhaustive else f"stopped by {seen.result.stopped_by}")
    event(f"states {'1' if seen.states == 1 else '2-10' if seen.states <= 10 else 'more than 10'}")


@settings(COMMON, max_examples=100, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
@settings(COMMON, max_examples=2000, phases=[Phase.generate, Phase.shrink])
@given(specs())
def test_many_random_specs(text: str) -> None:
    compare(text)


