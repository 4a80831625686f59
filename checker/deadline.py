"""A time at which something must be over, whatever it is doing.

What takes long here is in Python or in calls with a time-out of their own; so an alarm that raises an exception between two
steps of Python ends it all.  Where there is no such alarm (other threads, other systems) only the time-outs count.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.02  # seconds after which the alarm goes off again, where it could not be heard

FORGETFUL = ("__del__", "cb")  # functions whose exceptions are printed and forgotten (the second: of imports)
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


@contextmanager
def heard() -> Iterator[None]:
    """An interrupt from the keyboard is heard in the block even where exceptions are printed and forgotten."""
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _ring(_: int, frame: FrameType | None) -> None:
    _throw(frame, Late, UNTOUCHED)


def _interrupt(_: int, frame: FrameType | None) -> None:
    _throw(frame, KeyboardInterrupt, ("z3", "llvmlite"))


def _throw(frame: FrameType | None, what: type[BaseException], untouched: tuple[str, ...]) -> None:
    """Raises it, but not inside of a library: it could leave something half made there, or be printed and forgotten.  It is
    raised in whoever called the library, as soon as that has returned."""
    caller: FrameType | None = None
    inside = False
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in untouched or frame.f_code.co_name in FORGETFUL:
            caller, inside = frame.f_back, True
        frame = frame.f_back
    if not inside:
        raise what
    if caller is not None and sys.gettrace() in (None, _untraced):
        caller.f_trace, caller.f_trace_opcodes = _thrower(what), True
        sys.settrace(_untraced)


def _untraced(*_: object) -> None:
    """Traces nothing, but lets a single frame be traced."""


def _thrower(what: type[BaseException]) -> Callable[[FrameType, str, object], None]:
    def throw(frame: FrameType, _: str, __: object) -> None:
        frame.f_trace = None
        sys.settrace(None)
        raise what

    return throw
