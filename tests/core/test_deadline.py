"""What must be over at a time is over then, and nothing else is."""

from __future__ import annotations

import signal
import time

import pytest

from checker.deadline import Late, paused, until, within


def test_a_loop_is_ended() -> None:
    with pytest.raises(Late), until(time.perf_counter() + 0.01):
        while True:
            pass


def test_no_time_is_no_limit() -> None:
    with until(None):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert within(None, None) is None and within(None, 3.0) == 3.0


def test_what_is_late_is_not_begun() -> None:
    with pytest.raises(Late), until(time.perf_counter() - 1):
        raise AssertionError("begun")


def test_one_in_another() -> None:
    """The inner block ends; the alarm of the outer one is set again."""
    with pytest.raises(Late), until(time.perf_counter() + 0.05):
        with until(time.perf_counter() + 100):
            pass
        while True:
            pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_no_alarm_while_paused() -> None:
    rang = False
    try:
        with until(time.perf_counter() + 0.01), paused():
            end = time.perf_counter() + 0.05
            while time.perf_counter() < end:
                pass
            rang = True
    except Late:
        pass
    assert rang and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_not_inside_of_a_library() -> None:
    """An exception in a finaliser would be printed and forgotten: there it is waited for its end."""

    class Slow:
        ended = False

        def __del__(self) -> None:
            end = time.perf_counter() + 0.05
            while time.perf_counter() < end:
                pass
            Slow.ended = True

    with pytest.raises(Late), until(time.perf_counter() + 0.01):
        Slow()
        while True:
            pass
    assert Slow.ended
