"""A time at which something must be over, whatever it is doing.

What takes long here is in Python or in calls with a time-out of their own; so an alarm that raises an exception between two
steps of Python ends it all.  Where there is no such alarm (other threads, other systems) only the time-outs count.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.02  # seconds after which the alarm goes off again, where it could not be heard

UNTOUCHED = ("z3", "llvmlite", "numba", "threading", "multiprocessing", "concurrent", "contextlib")  # where it must not


class Late(Exception):
    """The time is over."""


def left(end: float | None) -> float:
    """Seconds until then.  Raises Late."""
    if end is None:
        return float("inf")
    found = end - time.perf_counter()
    if found <= 0:
        raise Late
    return found


def within(end: float | None, seconds: float | None) -> float | None:
    """So many seconds (None: any number), but no more than there are until then.  Raises Late."""
    most = left(end)
    return seconds if end is None else most if seconds is None else min(most, seconds)


@contextmanager
def until(end: float | None) -> Iterator[None]:
    """Raises Late in the block at that time (of `time.perf_counter`)."""
    seconds = left(end)
    alone = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if end is None or not alone:
        yield
        return
    with paused():
        before = signal.signal(signal.SIGALRM, _ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if sys.gettrace() is _untraced:
                sys.settrace(None)


@contextmanager
def paused() -> Iterator[None]:
    """No alarm in the block, but afterwards: where there are other processes or threads, and time-outs of their own."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    started = time.perf_counter()
    rest, again = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if rest:
            signal.setitimer(signal.ITIMER_REAL, max(AGAIN, rest - (time.perf_counter() - started)), again)


def _ring(_: int, frame: FrameType | None) -> None:
    """Raises Late, but not inside of a library: it could leave something half made there, or be printed and forgotten.  Whoever
    called the library is late as soon as it has returned."""
    caller: FrameType | None = None
    inside = False
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in UNTOUCHED or frame.f_code.co_name == "__del__":
            caller, inside = frame.f_back, True
        frame = frame.f_back
    if not inside:
        raise Late
    if caller is not None and sys.gettrace() in (None, _untraced):
        caller.f_trace, caller.f_trace_opcodes = _late, True
        sys.settrace(_untraced)


def _untraced(*_: object) -> None:
    """Traces nothing, but lets a single frame be traced."""


def _late(frame: FrameType, _: str, __: object) -> None:
    frame.f_trace = None
    sys.settrace(None)
    raise Late
